package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/keys"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	for range 3 {
		c, err := w.Revoke(t.Context(), ann, got.Credential.ID)
		if err != nil || c.State != keys.Revoked || c.EffectiveBy != "admin" || c.Effective.IsZero() {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	if north.works(secret(got)) || north.calls != 1 {
		t.Errorf("after %d calls the key works: %v", north.calls, north.works(secret(got)))
	}
	if h := north.handles[0]; h.Open["id"] != string(got.Credential.ID) || h.Sealed["key"].Reveal() != secret(got) {
		t.Error("the gateway was not given its handle back")
	}
	w.claimed(t, sub)
	w.settle(t)
}

func TestRevokeIsRetriedUntilItHolds(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	got := w.claimed(t, w.subscribed(t))
	north.revoke = []error{errDown, errDown, errDown}
	for range 2 { // a person's second try asks the gateway again
		c, err := w.Revoke(t.Context(), ann, got.Credential.ID)
		if err != nil || c.State != keys.Revoking || c.Note == "" {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	if north.calls != 2 {
		t.Errorf("%d calls", north.calls)
	}
	w.clock.advance(time.Second)
	w.sweep(t) // 2 s after the second
	if north.calls != 2 {
		t.Errorf("%d calls before its time", north.calls)
	}
	w.clock.advance(time.Second)
	w.sweep(t)
	w.clock.advance(3 * time.Second)
	w.sweep(t) // 4 s after the third
	if north.calls != 3 {
		t.Errorf("%d calls; back-off does not grow", north.calls)
	}
	w.clock.advance(time.Second)
	w.sweep(t)
	if s := w.state(t, got.Credential.ID); s != keys.Revoked || north.works(secret(got)) {
		t.Errorf("it is %s", s)
	}
	w.settle(t)
}

func TestRevokeAcceptedIsNotYetAbsent(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.caps.Settle = 3 * time.Second
	got := w.claimed(t, w.subscribed(t))
	north.keep = 2
	c, err := w.Revoke(t.Context(), ann, got.Credential.ID)
	if err != nil || c.State != keys.Revoking {
		t.Fatalf("got %+v, %v", c, err)
	}
	for _, want := range []keys.CredentialState{keys.Revoking, keys.Revoked} {
		w.clock.advance(4 * time.Second)
		w.sweep(t)
		if s := w.state(t, got.Credential.ID); s != want {
			t.Errorf("it is %s; want %s", s, want)
		}
	}
	w.settle(t)
}

func TestRevokePropagates(t *testing.T) {
	w := newWorld(t)
	w.gateways["north"].caps.Propagation = 10 * time.Second
	got := w.claimed(t, w.subscribed(t))
	for range 2 {
		if c, err := w.Revoke(t.Context(), ann, got.Credential.ID); err != nil || c.State != keys.Revoking {
			t.Fatalf("got %+v, %v", c, err)
		}
	}
	w.clock.advance(9 * time.Second)
	w.sweep(t)
	if s := w.state(t, got.Credential.ID); s != keys.Revoking {
		t.Errorf("while it propagates it is %s", s)
	}
	w.clock.advance(time.Second)
	w.sweep(t)
	if c := w.credential(t, got.Credential.ID); c.State != keys.Revoked || c.Note != "" {
		t.Errorf("afterwards it is %s: %s", c.State, c.Note)
	}
	w.settle(t)
}

// A claim that the gateway keeps waiting is dropped at once.
func TestRevokeOfPendingClaim(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.slow = true
	sub := w.subscribed(t)
	first, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.Revoke(t.Context(), ann, first.Credential.ID)
	if err != nil || c.State != keys.Revoked || north.has(c.ID) {
		t.Errorf("got %s, %v", c.State, err)
	}
	north.slow = false
	w.claimed(t, sub)
	w.settle(t)
}

// Revoked while the gateway is making it: the claim shows no secret and the key does not stay, whichever of the two
// calls reaches the gateway first.
func TestRevokeWhileIssuing(t *testing.T) {
	for name, before := range map[string]bool{"before the key is made": true, "after": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			north := w.gateways["north"]
			sub := w.subscribed(t)
			revoke := func() {
				if _, err := w.Revoke(t.Context(), ann, w.ring(t, sub.ID)[0].ID); err != nil {
					t.Error(err)
				}
			}
			north.fail(func(_ context.Context, do func() issued) (issued, error) {
				if before {
					revoke()
					return do(), nil
				}
				defer revoke()
				return do(), nil
			})
			got, err := w.Claim(t.Context(), ann, sub.ID)
			conflict(t, err, "credential", "")
			if secret(got) != "" {
				t.Error("a secret was shown")
			}
			for range 3 {
				w.clock.advance(time.Minute)
				w.sweep(t)
			}
			if len(north.working()) > 0 {
				t.Error("the key works")
			}
			w.settle(t)
		})
	}
}

// The revocation asks the gateway before the key is made, and records its answer after the key is.
func TestRevokeOvertakenByIssue(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	begin, asked := make(chan struct{}), make(chan struct{})
	recorded := make(chan error, 1)
	north.fail(func(_ context.Context, do func() issued) (issued, error) {
		go func() {
			_, err := w.service(slowDB{w.keysDB(), 2, new(int), asked, begin}).Revoke(t.Context(), ann, w.ring(t, sub.ID)[0].ID)
			recorded <- err
		}()
		<-asked // the gateway has answered that there is no such key
		return do(), nil
	})
	if _, err := w.Claim(t.Context(), ann, sub.ID); err == nil {
		t.Error("a key was shown that is being revoked")
	}
	close(begin)
	if err := <-recorded; err != nil {
		t.Fatal(err)
	}
	c := w.ring(t, sub.ID)[0]
	if c.State == keys.Revoked && north.has(c.ID) {
		t.Error("it counts as revoked while it works")
	}
	if len(c.Handle) == 0 || len(c.Sealed) == 0 {
		t.Error("its handle was lost")
	}
	w.clock.advance(time.Minute)
	w.sweep(t)
	if len(north.working()) > 0 {
		t.Error("it works after the sweep")
	}
	w.settle(t)
}

// slowDB says when its nth writing transaction is about to begin, and waits.
type slowDB struct {
	keys.DB
	nth   int
	n     *int
	ready chan<- struct{}
	begin <-chan struct{}
}

func (s slowDB) InTx(ctx context.Context, fn func(keys.Tx) error) error {
	if *s.n++; *s.n == s.nth {
		close(s.ready)
		<-s.begin
	}
	return s.DB.InTx(ctx, fn)
}

func TestRevocationIsNotRecorded(t *testing.T) {
	w := newWorld(t)
	got := w.claimed(t, w.subscribed(t))
	dying := w.service(&faultyDB{DB: w.keysDB(), fail: func(n int) bool { return n >= 2 }})
	if c, err := dying.Revoke(t.Context(), ann, got.Credential.ID); err != nil || c.State != keys.Revoking {
		t.Fatalf("got %s, %v", c.State, err)
	}
	w.clock.advance(time.Second)
	w.sweep(t)
	if s := w.state(t, got.Credential.ID); s != keys.Revoked {
		t.Errorf("it is %s", s)
	}
	w.settle(t)
}

func TestRevocationsAreFirstInLine(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	stuck, got := w.subscribed(t), w.claimed(t, w.subscribed(t))
	north.fail(losesAnswer)
	north.find = []error{errDown}
	if _, err := w.Claim(t.Context(), ann, stuck.ID); err == nil {
		t.Fatal("claimed")
	}
	north.revoke = []error{errDown}
	if _, err := w.Revoke(t.Context(), ann, got.Credential.ID); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(time.Minute)
	working := -1
	north.inFind = func() { // the search of the stuck claim
		if working < 0 {
			working = len(north.working())
		}
	}
	w.sweep(t)
	if working != 1 {
		t.Errorf("when the older search began, %d keys worked; want the stuck one only", working)
	}
	w.settle(t)
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	first := w.claimed(t, sub)
	if _, err := w.Rotate(t.Context(), ann, first.Credential.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := w.Cancel(t.Context(), ann, sub.ID)
		if err != nil || got.State != keys.Cancelled {
			t.Errorf("got %s, %v", got.State, err)
		}
	}
	if n := len(north.working()); n != 0 {
		t.Errorf("%d keys work", n)
	}
	if told := w.actions(t, string(sub.ID)); !slices.Equal(told, []string{"subscription.request", "subscription.cancel"}) {
		t.Errorf("the audit says %v", told)
	}
	_, err := w.Claim(t.Context(), ann, sub.ID)
	conflict(t, err, "subscription", string(sub.ID))
	again, err := w.Subscribe(t.Context(), ann, keys.SubscribeRequest{Application: sub.Application, API: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	w.claimed(t, again)
	w.settle(t)
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	first := w.claimed(t, sub)
	for _, overlap := range []time.Duration{-1, keys.MaxOverlap + 1} {
		if _, err := w.Rotate(t.Context(), ann, first.Credential.ID, overlap); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("an overlap of %s: %v", overlap, err)
		}
	}
	before := w.clock.now()
	second, err := w.Rotate(t.Context(), ann, first.Credential.ID, time.Hour)
	if err != nil || !second.Ready || second.Credential.Replaces != first.Credential.ID {
		t.Fatalf("got %+v, %v", second, err)
	}
	if !north.works(secret(first)) || !north.works(secret(second)) {
		t.Error("they do not both work")
	}
	old := w.credential(t, first.Credential.ID)
	if old.State != keys.Retiring || old.Ends.Before(before.Add(time.Hour)) || old.Ends.After(w.clock.now().Add(time.Hour)) {
		t.Errorf("the first is %s and ends %s", old.State, old.Ends)
	}
	_, err = w.Rotate(t.Context(), ann, second.Credential.ID, time.Hour)
	conflict(t, err, "credential", string(first.Credential.ID))
	_, err = w.Rotate(t.Context(), ann, first.Credential.ID, time.Hour)
	conflict(t, err, "credential", string(second.Credential.ID))
	w.clock.advance(59 * time.Minute)
	w.sweep(t)
	if !north.works(secret(first)) {
		t.Error("it ended early")
	}
	w.clock.advance(time.Minute)
	w.sweep(t)
	if north.works(secret(first)) || !north.works(secret(second)) || w.state(t, first.Credential.ID) != keys.Revoked {
		t.Errorf("after the overlap the first is %s", w.state(t, first.Credential.ID))
	}
	if _, err := w.Rotate(t.Context(), ann, second.Credential.ID, 0); err != nil {
		t.Error(err)
	}
	w.settle(t)
	if n := len(north.working()); n != 1 {
		t.Errorf("%d keys work", n)
	}
}

func TestRotateThatFails(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	first := w.claimed(t, w.subscribed(t))
	for _, f := range []fault{losesAnswer, refuses(portal.ErrUnavailable), refuses(portal.ErrDenied)} {
		north.fail(f)
		if _, err := w.Rotate(t.Context(), ann, first.Credential.ID, time.Hour); err == nil {
			t.Error("rotated")
		}
		w.settle(t)
		if s := w.state(t, first.Credential.ID); s != keys.Active || !north.works(secret(first)) {
			t.Errorf("the first is %s", s)
		}
	}
}

func TestRotateOnAGatewayWithOneKey(t *testing.T) {
	w := newWorld(t)
	w.gateways["north"].caps.MaxKeys = 1
	sub := w.subscribed(t)
	first := w.claimed(t, sub)
	if _, err := w.Rotate(t.Context(), ann, first.Credential.ID, 0); !errors.Is(err, portal.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
	if n := len(w.ring(t, sub.ID)); n != 1 {
		t.Errorf("%d credentials", n)
	}
	w.settle(t)
}

func TestOnlyActiveKeysRotate(t *testing.T) {
	w := newWorld(t)
	first := w.claimed(t, w.subscribed(t))
	if _, err := w.Revoke(t.Context(), ann, first.Credential.ID); err != nil {
		t.Fatal(err)
	}
	_, err := w.Rotate(t.Context(), ann, first.Credential.ID, 0)
	conflict(t, err, "credential", string(first.Credential.ID))
	w.settle(t)
}

func TestReconcile(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	first := w.claimed(t, w.subscribed(t))
	ours := first.Credential.Mark()
	if _, err := w.Revoke(t.Context(), ann, first.Credential.ID); err != nil {
		t.Fatal(err)
	}
	second := w.claimed(t, w.subscribed(t))
	put := func(g *gateway, k *key) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.keys[k.mark.Credential] = k
	}
	hand := &key{secret: "by hand"}
	hand.mark.Credential = "crd_of_somebody_else"
	put(north, hand)
	put(north, &key{mark: ours, secret: "came back"})
	elsewhere := &key{mark: ours, secret: "elsewhere"} // a mark of ours on a gateway where we made no such key
	elsewhere.mark.Subscription = ""
	put(w.gateways["south"], elsewhere)
	reconcile := func() {
		for id := range w.gateways {
			if err := w.Reconcile(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	reconcile()
	if !north.works("came back") {
		t.Error("a listing from before the revocation settled was believed")
	}
	w.clock.advance(time.Minute)
	reconcile()
	if north.works("came back") || !north.works(secret(second)) || !north.works("by hand") || !w.gateways["south"].works("elsewhere") {
		t.Error("what came back works, or something else was touched")
	}
	w.settle(t)
	if !north.works("by hand") {
		t.Error("a key without a mark known here was touched")
	}
	north.forbid = true
	var at *portal.GatewayError
	if err := w.Reconcile(t.Context(), "north"); !errors.As(err, &at) || at.Op != "List" {
		t.Errorf("got %v", err)
	}
}

// What ends while a long list is read is no surprise.
func TestReconcileBelievesOnlyWhatIsOlderThanItsList(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	for range 3 {
		w.claimed(t, w.subscribed(t))
	}
	stale := &staleList{gateway: north, then: func() {
		for _, mark := range north.working() {
			if _, err := w.Revoke(t.Context(), ann, mark.Credential); err != nil {
				t.Error(err)
			}
		}
		w.clock.advance(time.Hour)
	}}
	s := keys.NewService(w.keysDB(), w.router, oneGateway{stale}, w.box, keys.Options{CallTimeout: callTimeout, Now: w.clock.now})
	if err := s.Reconcile(t.Context(), "north"); err != nil {
		t.Fatal(err)
	}
	if north.calls != 3 {
		t.Errorf("%d revocations of 3 keys", north.calls)
	}
	w.settle(t)
}

func TestActEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	north.fail(hangs)
	sub := w.subscribed(t)
	if _, err := w.Claim(t.Context(), ann, sub.ID); err == nil {
		t.Error("claimed")
	}
	w.clock.advance(time.Hour)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = w.Act(ctx, "north")
	}()
	stop()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("it goes on")
	}
	w.settle(t)
}

// asked are the jobs that wait, by kind and subject, with their times.
func (w *world) asked(t *testing.T) map[string]time.Time {
	t.Helper()
	all := map[string]time.Time{}
	err := w.db.View(t.Context(), func(tx store.Tx) error {
		rows, err := sqlstore.Statements(tx).Query(t.Context(), `SELECT kind, args ->> 'subject', scheduled_at FROM river_job WHERE finalized_at IS NULL`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind, subject string
			var due time.Time
			if err := rows.Scan(&kind, &subject, &due); err != nil {
				return err
			}
			all[kind+" "+subject] = due
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// near is enough for a clock that goes on with every look at it.
func near(a, b time.Time) bool { return a.Sub(b).Abs() < 10*time.Millisecond }

// What is left for later is asked for in the transaction that leaves it, for when it is due; the job then says when to come
// again. What nobody could ask for is found by the sweep, which asks for nothing else.
func TestWhatIsLeftForLaterIsAskedFor(t *testing.T) {
	w := newWorld(t)
	north := w.gateways["north"]
	sub := w.subscribed(t)
	claimed := w.claimed(t, sub)
	if asked := w.asked(t); len(asked) != 0 {
		t.Fatalf("a claim that went well left work: %v", asked)
	}
	if err := w.Sweep(t.Context()); err != nil || len(w.asked(t)) != 0 {
		t.Fatalf("nothing is overdue: %v, %v", w.asked(t), err)
	}

	rotated, err := w.Rotate(t.Context(), ann, claimed.Credential.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ends := w.clock.now().Add(time.Hour)
	if asked := w.asked(t); len(asked) != 1 || !near(asked["acts north"], ends) {
		t.Fatalf("an overlap ends at %s: %v", ends, asked)
	}
	if next, err := w.Act(t.Context(), "north"); err != nil || !near(next, ends) {
		t.Errorf("too early for it: %s, %v", next, err)
	}

	north.revoke = []error{errDown, errDown}
	if _, err := w.Revoke(t.Context(), ann, rotated.Credential.ID); err != nil {
		t.Fatal(err)
	}
	due := w.clock.now().Add(time.Second) // the first back-off
	if asked := w.asked(t); len(asked) != 1 || !near(asked["acts north"], due) {
		t.Fatalf("a revocation is tried again at %s: %v", due, asked)
	}
	w.clock.advance(2 * time.Second)
	next, err := w.Act(t.Context(), "north")
	if err == nil || !near(next, w.clock.now().Add(2*time.Second)) {
		t.Errorf("tried again: %s, %v", next, err)
	}
	w.clock.advance(2 * time.Hour)
	for range 3 {
		if next, err = w.Act(t.Context(), "north"); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Hour)
	}
	if !next.IsZero() {
		t.Errorf("nothing is left, and it comes again at %s", next)
	}
	w.settle(t)
}
