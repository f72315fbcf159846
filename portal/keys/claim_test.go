package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/keys"
)

// conflict asserts that err names the thing in the way.
func conflict(t *testing.T, err error, kind, id string) {
	t.Helper()
	var c *portal.ConflictError
	if !errors.As(err, &c) || c.Kind != kind || (id != "" && c.ID != id) {
		t.Errorf("got %v; want a conflict with %s %s", err, kind, id)
	}
}

func TestClaim(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	if got.Credential.Fingerprint == "" || strings.Contains(got.Credential.Fingerprint, secret(got)) {
		t.Errorf("the fingerprint is %q", got.Credential.Fingerprint)
	}
	_, err := w.Claim(t.Context(), ann, sub.ID)
	conflict(t, err, "credential", string(got.Credential.ID))
	if want := []string{"credential.issue.intent", "credential.issue.done"}; !slices.Equal(w.actions(t, string(got.Credential.ID)), want) {
		t.Errorf("the audit says %v", w.actions(t, string(got.Credential.ID)))
	}
	w.settle(t)
	if !w.gateways["north"].works(secret(got)) {
		t.Error("sweeping has ended a good key")
	}
}

// Whoever claims at the same time, here or on another replica, gets the id of the one claim that is under way.
func TestClaimsAtOnceMakeOneKey(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	replicas := []*keys.Service{w.Service, w.service(w.keysDB())}
	var mu sync.Mutex
	var won []keys.Claimed
	var lost []error
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			got, err := replicas[n%2].Claim(t.Context(), ann, sub.ID)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				lost = append(lost, err)
			} else {
				won = append(won, got)
			}
		})
	}
	all.Wait()
	if len(won) != 1 || len(lost) != 7 {
		t.Fatalf("%d claims won", len(won))
	}
	for _, err := range lost {
		conflict(t, err, "credential", string(won[0].Credential.ID))
	}
	w.settle(t)
	if n := len(w.gateways["north"].working()); n != 1 {
		t.Errorf("%d keys work", n)
	}
}

func TestClaimThatTheGatewayRefuses(t *testing.T) {
	for _, kind := range []error{portal.ErrUnsupported, portal.ErrDenied, portal.ErrConflict, portal.ErrNotFound} {
		t.Run(kind.Error(), func(t *testing.T) {
			w := newWorld(t)
			sub := w.subscribed(t)
			w.gateways["north"].fail(refuses(kind))
			_, err := w.Claim(t.Context(), ann, sub.ID)
			var at *portal.GatewayError
			if !errors.Is(err, kind) || !errors.As(err, &at) || at.Gateway != "north" || errors.Is(err, portal.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			if s := w.ring(t, sub.ID)[0].State; s != keys.Failed {
				t.Errorf("the credential is %s", s)
			}
			w.claimed(t, sub) // at once
			w.settle(t)
		})
	}
}

func TestLostAnswerIsFoundAtOnce(t *testing.T) {
	for name, f := range map[string]fault{
		"unavailable": losesAnswer,
		"rubbish": func(ctx context.Context, act func() issued) (issued, error) {
			act()
			return issued{}, portal.ErrInvalid
		},
		"timeout": func(ctx context.Context, act func() issued) (issued, error) {
			act()
			<-ctx.Done()
			return issued{}, ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sub := w.subscribed(t)
			w.gateways["north"].fail(f)
			got, err := w.Claim(t.Context(), ann, sub.ID)
			if err == nil || secret(got) != "" {
				t.Fatalf("got %v", err)
			}
			if n := len(w.gateways["north"].working()); n != 0 {
				t.Errorf("%d keys work that nobody saw", n)
			}
			first := w.ring(t, sub.ID)[0]
			if want := []string{"credential.issue.intent", "credential.issue.found", "credential.revoke.intent", "credential.revoke.done"}; !slices.Equal(w.actions(t, string(first.ID)), want) {
				t.Errorf("the audit says %v", w.actions(t, string(first.ID)))
			}
			if first.State != keys.Revoked {
				t.Errorf("it is %s", first.State)
			}
			w.claimed(t, sub)
			w.settle(t)
		})
	}
}

func TestActWithoutAnswerSettlesThenCloses(t *testing.T) {
	for name, f := range map[string]fault{"down": refuses(portal.ErrUnavailable), "rubbish": refuses(portal.ErrInvalid), "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			north := w.gateways["north"]
			north.caps.Settle = 10 * time.Second
			sub := w.subscribed(t)
			north.fail(f)
			_, err := w.Claim(t.Context(), ann, sub.ID)
			var again *portal.RetryAfterError
			if name != "rubbish" && (!errors.As(err, &again) || again.After != 10*time.Second) {
				t.Errorf("got %v", err)
			}
			pending := w.ring(t, sub.ID)[0]
			_, err = w.Claim(t.Context(), ann, sub.ID)
			conflict(t, err, "credential", string(pending.ID))
			w.clock.advance(9 * time.Second)
			w.sweep(t)
			if s := w.state(t, pending.ID); s != keys.Pending {
				t.Errorf("before it has settled it is %s", s)
			}
			w.clock.advance(2 * time.Second)
			w.sweep(t)
			if s := w.state(t, pending.ID); s != keys.Failed {
				t.Errorf("after it has settled it is %s", s)
			}
			w.claimed(t, sub)
			w.settle(t)
		})
	}
}

func TestGatewayAsksForPatience(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	w.gateways["north"].fail(refuses(&portal.RetryAfterError{After: time.Minute, Err: portal.ErrUnavailable}))
	_, err := w.Claim(t.Context(), ann, sub.ID)
	var again *portal.RetryAfterError
	if !errors.As(err, &again) || again.After != time.Minute {
		t.Errorf("got %v; want what the gateway asked for", err)
	}
	w.settle(t)
}

func TestLateSuccess(t *testing.T) {
	for name, when := range map[string]time.Duration{"while it settles": 0, "after it was closed": time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			north := w.gateways["north"]
			sub := w.subscribed(t)
			var late func()
			north.fail(comesLate(&late))
			if _, err := w.Claim(t.Context(), ann, sub.ID); err == nil {
				t.Fatal("claimed")
			}
			first := w.ring(t, sub.ID)[0].ID
			if when > 0 {
				w.clock.advance(when)
				w.sweep(t)
				w.clock.advance(when)
				w.sweep(t)
				if s := w.state(t, first); s != keys.Failed {
					t.Fatalf("it is %s", s)
				}
			}
			late()
			second := w.claimedAfter(t, sub)
			if err := w.Reconcile(t.Context(), "north"); err != nil {
				t.Fatal(err)
			}
			if north.has(first) || !north.works(secret(second)) {
				t.Error("the late key is still there, or the good one is gone")
			}
			if s := w.state(t, first); s != keys.Revoked {
				t.Errorf("the late one is %s", s)
			}
			w.settle(t)
		})
	}
}

// claimedAfter claims once what is under way has come to its end.
func (w *world) claimedAfter(t *testing.T, sub keys.Subscription) keys.Claimed {
	t.Helper()
	w.clock.advance(time.Minute)
	w.sweep(t)
	return w.claimed(t, sub)
}

func TestFindFailsToo(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	north.fail(losesAnswer)
	north.find = []error{errDown, errDown}
	if _, err := w.Claim(t.Context(), ann, sub.ID); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	first := w.ring(t, sub.ID)[0].ID
	for range 3 {
		w.clock.advance(5 * time.Second)
		w.sweep(t)
	}
	if north.has(first) || w.state(t, first) != keys.Revoked {
		t.Errorf("it is %s, and on the gateway: %v", w.state(t, first), north.has(first))
	}
	w.claimed(t, sub)
	w.settle(t)
}

// The process dies between the gateway's answer and the record: here its database fails for that transaction.
func TestResultIsNotRecorded(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	dying := w.service(&faultyDB{DB: w.keysDB(), fail: func(n int) bool { return n >= 2 }})
	got, err := dying.Claim(t.Context(), ann, sub.ID)
	if !errors.Is(err, errDisk) || secret(got) != "" {
		t.Fatalf("got %v and a secret %v", err, secret(got) != "")
	}
	first := w.ring(t, sub.ID)[0].ID
	w.sweep(t) // the lease is not over: nobody touches the act
	if s := w.state(t, first); s != keys.Pending || !north.has(first) {
		t.Errorf("within the lease it is %s", s)
	}
	w.clock.advance(2 * callTimeout)
	w.sweep(t)
	if north.has(first) || w.state(t, first) != keys.Revoked {
		t.Errorf("after the lease it is %s", w.state(t, first))
	}
	w.claimed(t, sub)
	w.settle(t)
}

// A process that is paused longer than its lease comes back with a key: it shows no secret, and the key is revoked.
func TestLoserOfTheLeaseShowsNoSecret(t *testing.T) {
	for name, act := range map[string]string{"the sweeper found nothing": "late", "the sweeper found it": "early"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			north := w.gateways["north"]
			sub := w.subscribed(t)
			other := w.service(w.keysDB())
			sweep := func() {
				for range 3 {
					w.clock.advance(time.Minute)
					if err := other.SweepOnce(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			north.fail(func(_ context.Context, do func() issued) (issued, error) {
				if act == "late" {
					sweep()
					return do(), nil
				}
				defer sweep()
				return do(), nil
			})
			got, err := w.Claim(t.Context(), ann, sub.ID)
			if !errors.Is(err, portal.ErrConflict) || secret(got) != "" {
				t.Errorf("got %v", err)
			}
			w.settle(t)
			if n := len(north.working()); n != 0 {
				t.Errorf("%d keys work", n)
			}
			w.claimed(t, sub)
		})
	}
}

func TestClientIsGone(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	ctx, leave := context.WithCancel(t.Context())
	north.fail(func(_ context.Context, do func() issued) (issued, error) {
		leave()
		return do(), nil
	})
	got, err := w.Claim(ctx, ann, sub.ID)
	if err == nil || secret(got) != "" {
		t.Errorf("got %v", err)
	}
	// Nobody waits for the revocation, yet it needs no sweeper.
	deadline := time.Now().Add(5 * time.Second)
	for len(north.working()) > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := len(north.working()); n != 0 {
		t.Errorf("%d keys work that nobody saw", n)
	}
	w.settle(t)
	w.claimed(t, sub)
}

// The gateway has made the key before and shows its secret once: there is nothing to show, so it is replaced.
func TestSecretIsNotShownAgain(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	w.gateways["north"].fail(func(_ context.Context, do func() issued) (issued, error) {
		do()
		return do(), nil
	})
	_, err := w.Claim(t.Context(), ann, sub.ID)
	conflict(t, err, "credential", "")
	w.claimed(t, sub)
	w.settle(t)
}

func TestPendingThenDone(t *testing.T) {
	for name, early := range map[string]bool{"its secret comes when it is ready": false, "its secret comes at once": true} {
		t.Run(name, func(t *testing.T) { pendingThenDone(t, early) })
	}
}

func pendingThenDone(t *testing.T, early bool) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.slow, north.early = true, early
	sub := w.subscribed(t)
	first, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil || first.Ready || len(first.Parts) > 0 || first.Credential.Note != "somebody has to approve" {
		t.Fatalf("got %+v, %v", first, err)
	}
	for range 3 {
		w.clock.advance(time.Minute)
		w.sweep(t)
	}
	again, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil || again.Ready || again.Credential.ID != first.Credential.ID {
		t.Fatalf("got %+v, %v", again, err)
	}
	north.approve()
	w.clock.advance(time.Minute)
	w.sweep(t)
	if c := w.credential(t, first.Credential.ID); c.State != keys.Pending || !strings.Contains(c.Note, "claim again") {
		t.Errorf("it is %s: %s", c.State, c.Note)
	}
	if got := w.claimed(t, sub); got.Credential.ID != first.Credential.ID {
		t.Errorf("got another credential, %s", got.Credential.ID)
	}
	w.settle(t)
}

// A hiccup while the gateway keeps a claim waiting does not send its consumer back to the start of the queue.
func TestPendingSurvivesHiccups(t *testing.T) {
	for name, hiccup := range map[string]func(*testing.T, *world, keys.Subscription){
		"of the second claim": func(t *testing.T, w *world, sub keys.Subscription) {
			w.clock.advance(time.Hour)
			w.gateways["north"].fail(refuses(portal.ErrUnavailable))
			if _, err := w.Claim(t.Context(), ann, sub.ID); !errors.Is(err, portal.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		},
		"of the poll's record": func(t *testing.T, w *world, _ keys.Subscription) {
			w.clock.advance(time.Minute)
			bad := w.service(&faultyDB{DB: w.keysDB(), fail: func(n int) bool { return n >= 2 }})
			if err := bad.SweepOnce(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"of the poll": func(t *testing.T, w *world, _ keys.Subscription) {
			w.clock.advance(time.Minute)
			w.gateways["north"].find = []error{errDown}
			w.sweep(t)
		},
		"of opening the gateway": func(t *testing.T, w *world, _ keys.Subscription) {
			w.clock.advance(time.Minute)
			north := w.gateways["north"]
			delete(w.gateways, "north")
			w.sweep(t)
			w.gateways["north"] = north
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			north := w.gateways["north"]
			north.slow = true
			sub := w.subscribed(t)
			first, err := w.Claim(t.Context(), ann, sub.ID)
			if err != nil {
				t.Fatal(err)
			}
			hiccup(t, w, sub)
			for range 2 {
				w.clock.advance(10 * time.Minute)
				w.sweep(t)
			}
			if s := w.state(t, first.Credential.ID); s != keys.Pending {
				t.Fatalf("it is %s", s)
			}
			north.approve()
			if got := w.claimed(t, sub); got.Credential.ID != first.Credential.ID {
				t.Error("it is another key")
			}
			w.settle(t)
		})
	}
}

// A call on a claim that has waited long is given as much time to show as any other.
func TestSettlingStartsAtTheLastCall(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.slow = true
	sub := w.subscribed(t)
	first, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Hour)
	north.mu.Lock()
	delete(north.keys, first.Credential.ID) // somebody denied it, but the call below asks anew
	north.slow = false
	north.mu.Unlock()
	var late func()
	north.fail(comesLate(&late))
	if _, err := w.Claim(t.Context(), ann, sub.ID); err == nil {
		t.Fatal("claimed")
	}
	if s := w.state(t, first.Credential.ID); s != keys.Pending {
		t.Errorf("at once it is %s", s)
	}
	late()
	w.clock.advance(time.Minute)
	w.sweep(t)
	if s := w.state(t, first.Credential.ID); s != keys.Revoked || len(north.working()) > 0 {
		t.Errorf("the late key is %s", s)
	}
	w.settle(t)
}

func TestPendingIsDropped(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.slow = true
	sub := w.subscribed(t)
	first, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil {
		t.Fatal(err)
	}
	north.mu.Lock()
	delete(north.keys, first.Credential.ID)
	north.slow = false
	north.mu.Unlock()
	w.clock.advance(time.Minute)
	w.sweep(t)
	if s := w.state(t, first.Credential.ID); s != keys.Failed {
		t.Errorf("it is %s", s)
	}
	w.claimed(t, sub)
	w.settle(t)
}

func TestFollow(t *testing.T) {
	t.Run("within the division", func(t *testing.T) {
		w := newWorld(t)
		sub := w.subscribed(t)
		w.router.send("payments", deployment("south", "payments", portal.Test))
		got := w.claimed(t, sub)
		if got.Credential.Gateway != "south" || !slices.Contains(w.actions(t, string(sub.ID)), "subscription.follow") {
			t.Errorf("the key is on %s; the audit says %v", got.Credential.Gateway, w.actions(t, string(sub.ID)))
		}
		w.settle(t)
	})
	t.Run("where the plan is not offered", func(t *testing.T) {
		w := newWorld(t)
		sub := w.subscribed(t)
		south := deployment("south", "payments", portal.Test)
		south.Plans = []portal.Plan{{ID: "silver"}}
		w.router.send("payments", south)
		w.claimed(t, sub)
		sub, err := w.Subscription(t.Context(), ann, sub.ID)
		if asked := w.gateways["south"].plans; err != nil || !slices.Equal(asked, []string{"silver"}) || sub.Plan != "silver" {
			t.Errorf("the gateway was asked for %v, and the subscription says %s, %v", asked, sub.Plan, err)
		}
	})
	t.Run("to another division that decides by itself", func(t *testing.T) {
		w := newWorld(t)
		sub := w.requested(t, ann, "loans")
		if _, err := w.Decide(t.Context(), paymaster, sub.ID, true, "fine"); err != nil {
			t.Fatal(err)
		}
		cards := deployment("cards", "cards", portal.Production)
		cards.Plans = []portal.Plan{{ID: "open"}}
		w.policy = keys.Policy{{Approval: portal.Automatic}}
		w.router.send("loans", cards)
		if _, err := w.service(w.keysDB()).Claim(t.Context(), ann, sub.ID); err != nil {
			t.Fatal(err)
		}
		sub, err := w.Subscription(t.Context(), ann, sub.ID)
		if err != nil || sub.DecidedBy != "system:automatic" || sub.Division != "cards" || sub.Reason != "" {
			t.Errorf("got %+v, %v; want a decision of its own", sub, err)
		}
		if asked := w.gateways["cards"].plans; !slices.Equal(asked, []string{"open"}) {
			t.Errorf("the gateway was asked for %v", asked)
		}
	})
	t.Run("to another division that has to approve", func(t *testing.T) {
		w := newWorld(t)
		sub := w.requested(t, ann, "loans")
		if _, err := w.Decide(t.Context(), paymaster, sub.ID, true, ""); err != nil {
			t.Fatal(err)
		}
		w.router.send("loans", deployment("cards", "cards", portal.Production))
		_, err := w.Claim(t.Context(), ann, sub.ID)
		conflict(t, err, "subscription", string(sub.ID))
		if n := len(w.ring(t, sub.ID)); n != 0 {
			t.Errorf("%d credentials were made", n)
		}
		if _, err := w.Decide(t.Context(), paymaster, sub.ID, true, ""); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("the old division gets %v", err)
		}
		if _, err := w.Decide(t.Context(), cardman, sub.ID, true, ""); err != nil {
			t.Error(err)
		}
		got := w.claimed(t, sub)
		if got.Credential.Gateway != "cards" {
			t.Errorf("the key is on %s", got.Credential.Gateway)
		}
		want := []string{"subscription.request", "subscription.approve", "subscription.ask-again", "subscription.approve"}
		if told := w.actions(t, string(sub.ID)); !slices.Equal(told, want) {
			t.Errorf("the audit says %v", told)
		}
		w.settle(t)
	})
}

// Asked again while it holds a key, and then rejected: what a subscription without a right holds must not work.
func TestRejectedAfterAskingAgainLosesItsKey(t *testing.T) {
	w := newWorld(t)
	sub := w.requested(t, ann, "loans")
	if _, err := w.Decide(t.Context(), paymaster, sub.ID, true, ""); err != nil {
		t.Fatal(err)
	}
	got := w.claimed(t, sub)
	w.router.send("loans", deployment("cards", "cards", portal.Production))
	_, err := w.Rotate(t.Context(), ann, got.Credential.ID, time.Hour)
	conflict(t, err, "subscription", string(sub.ID))
	if !w.gateways["north"].works(secret(got)) {
		t.Error("asking again has ended the key")
	}
	if _, err := w.Decide(t.Context(), cardman, sub.ID, false, "no"); err != nil {
		t.Fatal(err)
	}
	if w.gateways["north"].works(secret(got)) || w.state(t, got.Credential.ID) != keys.Revoked {
		t.Errorf("the key of a rejected subscription is %s", w.state(t, got.Credential.ID))
	}
	w.settle(t)
}

// Whatever changes has its event in the same transaction: without the event nothing has changed.
func TestNoChangeWithoutAudit(t *testing.T) {
	ctx := t.Context()
	for action, try := range map[string]func(w *world, deaf *keys.Service, sub keys.Subscription, c keys.Claimed) error{
		"application.create": func(_ *world, s *keys.Service, _ keys.Subscription, _ keys.Claimed) error {
			_, err := s.CreateApplication(ctx, ann, "x")
			return err
		},
		"subscription.request": func(_ *world, s *keys.Service, sub keys.Subscription, _ keys.Claimed) error {
			_, err := s.Subscribe(ctx, ann, keys.SubscribeRequest{Application: sub.Application, API: "loans"})
			return err
		},
		"subscription.cancel": func(_ *world, s *keys.Service, sub keys.Subscription, _ keys.Claimed) error {
			_, err := s.Cancel(ctx, ann, sub.ID)
			return err
		},
		"credential.revoke.intent": func(_ *world, s *keys.Service, _ keys.Subscription, c keys.Claimed) error {
			_, err := s.Revoke(ctx, ann, c.Credential.ID)
			return err
		},
		"credential.issue.intent": func(_ *world, s *keys.Service, _ keys.Subscription, c keys.Claimed) error {
			_, err := s.Rotate(ctx, ann, c.Credential.ID, 0)
			return err
		},
		"subscription.follow": func(w *world, s *keys.Service, _ keys.Subscription, c keys.Claimed) error {
			w.router.send("payments", deployment("south", "payments", portal.Test))
			_, err := s.Rotate(ctx, ann, c.Credential.ID, 0)
			return err
		},
	} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			sub := w.subscribed(t)
			c := w.claimed(t, sub)
			before := w.dump(t)
			if err := try(w, w.service(deafDB{w.keysDB(), action}), sub, c); !errors.Is(err, errAudit) {
				t.Errorf("got %v", err)
			}
			if after := w.dump(t); after != before {
				t.Errorf("something changed:\n%s\n%s", before, after)
			}
			if !w.gateways["north"].works(secret(c)) || len(w.gateways["north"].working()) != 1 {
				t.Error("the gateway was called")
			}
		})
	}
	for _, action := range []string{"credential.issue.done", "credential.retire"} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			c := w.claimed(t, w.subscribed(t))
			got, err := w.service(deafDB{w.keysDB(), action}).Rotate(ctx, ann, c.Credential.ID, time.Hour)
			if !errors.Is(err, errAudit) || secret(got) != "" {
				t.Errorf("got %v", err)
			}
			if s := w.state(t, c.Credential.ID); s != keys.Active {
				t.Errorf("the first key is %s", s)
			}
			w.settle(t)
			if !w.gateways["north"].works(secret(c)) || len(w.gateways["north"].working()) != 1 {
				t.Error("the first key is gone, or the second works")
			}
		})
	}
}
