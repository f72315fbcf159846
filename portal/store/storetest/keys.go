package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/keys"
	"concierge/portal/store"
)

var keyRules = []Rule{
	{"KeysComeBackAsTheyWere", "credentials, acts and subscriptions come back as they were", one(keysComeBackAsTheyWere)},
	{"KeysThatAreNotThere", "what is absent is portal.ErrNotFound", one(keysThatAreNotThere)},
	{"OneOfEachKey", "one open claim, one live and one retiring key, one open subscription, one open act of a kind", one(oneOfEach)},
	{"KeysChangeFromWhatTheyWere", "updates that meet another state or lease are a conflict", one(keysChangeFromWhatTheyWere)},
	{"KeysPageNewestFirst", "pages go on where the one before ended, also among rows of one instant", one(keysPageNewestFirst)},
	{"KeysAreFiltered", "each filter narrows", one(keysFilters)},
	{"EndedCredentials", "live credentials whose end or expiry has come, of each gateway the oldest", one(endedCredentials)},
	{"NextDue", "when there is something to do next on a gateway", one(nextDue)},
	{"DueActs", "revocations first, then the oldest, and a busy gateway leaves room for the others", one(dueActs)},
	{"FrozenSubscriptions", "since when and why is kept, filtered by, and left alone by other updates", one(frozenSubscriptions)},
	{"SubscriptionsByEndpoint", "who uses an API, a line of it, an environment: only those, and only open ones where asked", one(subscriptionsByEndpoint)},
	{"Held", "subscriptions with a key on a gateway that works or may come to, each once for a deployment", one(heldOnAGateway)},
	{"OpenActsAreCounted", "by kind and phase, with when the oldest was made; those that ended do not count", one(openActsAreCounted)},
	{"Bindings", "an application is bound where it has a live credential; a successor wins over a retiring one", one(bindings)},
}

// inKeys runs fn in a transaction of its own and returns its error: what fails leaves nothing.
func inKeys(t T, db DB, fn func(ctx context.Context, k keys.Store) error) error {
	t.Helper()
	return db.InTx(t.Context(), func(tx store.Tx) error { return fn(t.Context(), tx.(keys.Tx).Keys()) })
}

func mustKeys(t T, db DB, fn func(ctx context.Context, k keys.Store) error) {
	t.Helper()
	if err := inKeys(t, db, fn); err != nil {
		t.Fatal(err)
	}
}

func application(n int) keys.Application {
	return keys.Application{ID: portal.ApplicationID(fmt.Sprintf("app_%d", n)), Organisation: "org_a", Name: "shop", CreatedBy: "per_a", Created: born}
}

func subscription(n int, state keys.SubscriptionState) keys.Subscription {
	return keys.Subscription{
		ID: portal.SubscriptionID(fmt.Sprintf("sub_%d", n)), Application: "app_1", Organisation: "org_a", API: "api_1", Line: "2", Environment: portal.Test,
		Plan: "basic", State: state, Deployment: "dep_1", Division: "payments", RequestedBy: "per_a", Created: born.Add(time.Duration(n) * time.Second),
	}
}

func credentialOf(n int, state keys.CredentialState) keys.Credential {
	return keys.Credential{
		ID: portal.CredentialID(fmt.Sprintf("crd_%d", n)), Subscription: "sub_1", Application: "app_1", Organisation: "org_a", Gateway: "north", Deployment: "dep_1",
		Key: connectors.Key{RemoteID: "r", Exposure: "test"}, State: state, Created: born.Add(time.Duration(n) * time.Second),
	}
}

func act(n int, kind keys.ActKind, due time.Duration) keys.Act {
	return keys.Act{
		ID: portal.ActID(fmt.Sprintf("act_%02d", n)), Kind: kind, Credential: portal.CredentialID(fmt.Sprintf("crd_%d", n)), Gateway: "north",
		State: keys.ActOpen, Phase: keys.PhaseCalling, Lease: "mine", Due: born.Add(due), Created: born,
	}
}

// withSubscription is a database with an application and its subscription.
func withSubscription(t T, db DB) {
	t.Helper()
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return errors.Join(k.AddApplication(ctx, application(1)), k.AddSubscription(ctx, subscription(1, keys.Approved)))
	})
}

func keysComeBackAsTheyWere(t T, db DB) {
	withSubscription(t, db)
	c := credentialOf(1, keys.Pending)
	c.Handle, c.Sealed, c.Fingerprint, c.Replaces, c.Note = map[string]string{"id": "1"}, []byte{0, 1, 2}, "ff", "crd_0", "waits"
	c.Expires, c.Ends, c.Effective, c.EffectiveBy = born.Add(1*time.Hour), born.Add(2*time.Hour), born.Add(3*time.Hour), "admin"
	a := act(1, keys.ActIssue, time.Hour)
	a.Attempts, a.Error, a.Ended = 3, "no", born
	s := subscription(2, keys.Cancelled)
	s.DecidedBy, s.Reason, s.Decided = "per_b", "why", born
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return errors.Join(k.AddCredential(ctx, c), k.AddAct(ctx, a), k.AddSubscription(ctx, s))
	})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		gotC, err1 := k.Credential(ctx, c.ID)
		gotA, err2 := k.Act(ctx, a.ID)
		gotO, err3 := k.OpenAct(ctx, c.ID, keys.ActIssue)
		gotS, err4 := k.Subscription(ctx, s.ID)
		if fmt.Sprint(gotC) != fmt.Sprint(c) || gotA != a || gotO != a || gotS != s {
			t.Errorf("got %+v %+v %+v %+v", gotC, gotA, gotO, gotS)
		}
		return errors.Join(err1, err2, err3, err4)
	})
}

func keysThatAreNotThere(t T, db DB) {
	withSubscription(t, db)
	for name, look := range map[string]func(ctx context.Context, k keys.Store) error{
		"application":  func(ctx context.Context, k keys.Store) error { _, err := k.Application(ctx, "x"); return err },
		"subscription": func(ctx context.Context, k keys.Store) error { _, err := k.Subscription(ctx, "x"); return err },
		"open one": func(ctx context.Context, k keys.Store) error {
			_, err := k.OpenSubscription(ctx, "app_1", "api_1", "2", portal.Production)
			return err
		},
		"credential": func(ctx context.Context, k keys.Store) error { _, err := k.Credential(ctx, "x"); return err },
		"act":        func(ctx context.Context, k keys.Store) error { _, err := k.Act(ctx, "x"); return err },
		"open act": func(ctx context.Context, k keys.Store) error {
			_, err := k.OpenAct(ctx, "x", keys.ActIssue)
			return err
		},
	} {
		if err := inKeys(t, db, look); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func oneOfEach(t T, db DB) {
	withSubscription(t, db)
	add := func(c keys.Credential) error {
		return inKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.AddCredential(ctx, c) })
	}
	n := 0
	for _, state := range []keys.CredentialState{keys.Pending, keys.Active, keys.Retiring, keys.Revoking, keys.Revoked, keys.Failed} {
		if err := add(credentialOf(n+1, state)); err != nil {
			t.Errorf("the first %s: %v", state, err)
		}
		single := state == keys.Pending || state.Live()
		if err := add(credentialOf(n+2, state)); errors.Is(err, portal.ErrConflict) != single || (!single && err != nil) {
			t.Errorf("a second %s: %v", state, err)
		}
		n += 2
	}
	for _, state := range []keys.SubscriptionState{keys.Requested, keys.Approved, keys.Suspended} {
		err := inKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.AddSubscription(ctx, subscription(10, state)) })
		if !errors.Is(err, portal.ErrConflict) {
			t.Errorf("a second subscription, %s: %v", state, err)
		}
	}
	for i, state := range []keys.SubscriptionState{keys.Rejected, keys.Cancelled, keys.Cancelled} {
		if err := inKeys(t, db, func(ctx context.Context, k keys.Store) error {
			return k.AddSubscription(ctx, subscription(20+i, state))
		}); err != nil {
			t.Errorf("one that is over: %v", err)
		}
	}
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.AddAct(ctx, act(1, keys.ActIssue, 0)) })
	second := act(1, keys.ActIssue, 0)
	second.ID = "act_x"
	if err := inKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.AddAct(ctx, second) }); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("a second open issue: %v", err)
	}
	second.Kind = keys.ActRevoke
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.AddAct(ctx, second) })
}

func keysChangeFromWhatTheyWere(t T, db DB) {
	withSubscription(t, db)
	c, a := credentialOf(1, keys.Pending), act(1, keys.ActIssue, 0)
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return errors.Join(k.AddCredential(ctx, c), k.AddAct(ctx, a))
	})
	c.State, a.Lease = keys.Active, "yours"
	s := subscription(1, keys.Cancelled)
	for name, update := range map[string]func(ctx context.Context, k keys.Store) error{
		"credential":   func(ctx context.Context, k keys.Store) error { return k.UpdateCredential(ctx, c, keys.Pending) },
		"subscription": func(ctx context.Context, k keys.Store) error { return k.UpdateSubscription(ctx, s, keys.Approved) },
		"act":          func(ctx context.Context, k keys.Store) error { return k.UpdateAct(ctx, a, "mine") },
	} {
		mustKeys(t, db, update)
		if err := inKeys(t, db, update); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("%s a second time: %v", name, err)
		}
	}
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		a.State = keys.ActDone
		return k.UpdateAct(ctx, a, "yours")
	})
	if err := inKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.UpdateAct(ctx, a, "yours") }); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("an act that is over: %v", err)
	}
}

func keysPageNewestFirst(t T, db DB) {
	var want []portal.ApplicationID
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		var errs []error
		for n := range 7 {
			a := application(n)
			a.Created = born.Add(time.Duration(n/3) * time.Second) // several at once
			errs = append(errs, k.AddApplication(ctx, a))
			want = append(want, a.ID)
		}
		other := application(99)
		other.Organisation = "org_b"
		return errors.Join(append(errs, k.AddApplication(ctx, other))...)
	})
	slices.Reverse(want)
	var got []portal.ApplicationID
	page := keys.Page{Limit: 2}
	for {
		var found []keys.Application
		mustKeys(t, db, func(ctx context.Context, k keys.Store) (err error) {
			found, err = k.Applications(ctx, "org_a", page)
			return err
		})
		for _, a := range found {
			got = append(got, a.ID)
		}
		if len(found) < page.Limit {
			break
		}
		page.After = string(found[len(found)-1].ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

func keysFilters(t T, db DB) {
	withSubscription(t, db)
	none, payments := portal.Division(""), portal.Division("payments")
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		stray := subscription(2, keys.Requested)
		stray.Division, stray.API = "", "api_2"
		revoked, elsewhere := credentialOf(2, keys.Revoked), credentialOf(3, keys.Failed)
		elsewhere.Gateway = "south"
		return errors.Join(k.AddSubscription(ctx, stray), k.AddCredential(ctx, credentialOf(1, keys.Active)), k.AddCredential(ctx, revoked), k.AddCredential(ctx, elsewhere))
	})
	all := keys.Page{Limit: 10}
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		for want, f := range map[string]keys.SubscriptionFilter{
			"sub_2 sub_1": {}, "sub_1": {Division: &payments}, "sub_2": {Division: &none}, "": {Organisation: "org_b"},
			"sub_1 ": {State: keys.Approved}, " ": {Application: "app_2"},
		} {
			found, err := k.Subscriptions(ctx, f, all)
			var got []string
			for _, s := range found {
				got = append(got, string(s.ID))
			}
			if err != nil || strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v: got %v, %v", f, got, err)
			}
		}
		for want, f := range map[string]keys.CredentialFilter{
			"crd_3 crd_2 crd_1": {}, "crd_1": {Open: true}, "crd_3": {Gateway: "south"}, "crd_2": {State: keys.Revoked, Subscription: "sub_1"},
			"": {Organisation: "org_b"}, " ": {Application: "app_2"},
		} {
			found, err := k.Credentials(ctx, f, all)
			var got []string
			for _, c := range found {
				got = append(got, string(c.ID))
			}
			if err != nil || strings.Join(got, " ") != strings.TrimSpace(want) {
				t.Errorf("%+v: got %v, %v", f, got, err)
			}
		}
		return nil
	})
}

func endedCredentials(t T, db DB) {
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		errs := []error{k.AddApplication(ctx, application(1))}
		for n, c := range []struct {
			state         keys.CredentialState
			ends, expires time.Time
		}{
			{keys.Retiring, born, time.Time{}},                           // 0: ends now
			{keys.Retiring, born.Add(time.Microsecond), time.Time{}},     // 1: later
			{keys.Active, time.Time{}, born},                             // 2: expires now
			{keys.Active, time.Time{}, born.Add(time.Microsecond)},       // 3: later
			{keys.Active, time.Time{}, time.Time{}},                      // 4: never
			{keys.Retiring, born.Add(time.Hour), born.Add(-time.Second)}, // 5: expires before its end
			{keys.Revoked, born, born},                                   // 6: over
			{keys.Active, born, time.Time{}},                             // 7: retires no more
		} {
			s := subscription(n, keys.Approved)
			s.API = portal.APIID(fmt.Sprint("api_", n))
			cred := credentialOf(n, c.state)
			cred.Subscription, cred.Ends, cred.Expires = s.ID, c.ends, c.expires
			errs = append(errs, k.AddSubscription(ctx, s), k.AddCredential(ctx, cred))
		}
		return errors.Join(errs...)
	})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		for limit, want := range map[int][]portal.CredentialID{10: {"crd_0", "crd_2", "crd_5"}, 1: {"crd_0"}} {
			found, err := k.EndedCredentials(ctx, "", born, limit)
			var got []portal.CredentialID
			for _, c := range found {
				got = append(got, c.ID)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
		for gateway, want := range map[portal.GatewayID]int{"north": 3, "south": 0} {
			if found, err := k.EndedCredentials(ctx, gateway, born, 10); err != nil || len(found) != want {
				t.Errorf("of %s: %v, %v; want %d", gateway, found, err, want)
			}
		}
		return nil
	})
}

// What is due next on a gateway: an act, the end of an overlap or the end of a life.
func nextDue(t T, db DB) {
	withSubscription(t, db)
	next := func(want time.Time) {
		mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
			if got, err := k.NextDue(ctx, "north"); err != nil || !got.Equal(want) {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
			if got, err := k.NextDue(ctx, "south"); err != nil || !got.IsZero() {
				t.Errorf("elsewhere %s, %v", got, err)
			}
			return nil
		})
	}
	next(time.Time{})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		over, life := credentialOf(1, keys.Revoked), credentialOf(2, keys.Active)
		over.Ends, over.Expires = born, born
		life.Ends, life.Expires = born, born.Add(time.Hour)
		closed := act(1, keys.ActIssue, 0)
		closed.State = keys.ActDone
		return errors.Join(k.AddCredential(ctx, over), k.AddCredential(ctx, life), k.AddAct(ctx, closed))
	})
	next(born.Add(time.Hour))
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		overlap := credentialOf(3, keys.Retiring)
		overlap.Ends = born.Add(time.Minute)
		return k.AddCredential(ctx, overlap)
	})
	next(born.Add(time.Minute))
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return k.AddAct(ctx, act(2, keys.ActRevoke, time.Second))
	})
	next(born.Add(time.Second))
}

// Revocations come first, then what has waited longest; and a gateway with much to do leaves room for the others.
func dueActs(t T, db DB) {
	withSubscription(t, db)
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		var errs []error
		for n := range 9 {
			errs = append(errs, k.AddCredential(ctx, credentialOf(n, keys.Revoked)))
		}
		quiet, over := act(7, keys.ActIssue, 0), act(8, keys.ActRevoke, -time.Hour)
		quiet.Gateway, over.State = "south", keys.ActDone
		for _, a := range []keys.Act{
			act(1, keys.ActIssue, -time.Hour), act(2, keys.ActRevoke, -time.Second), act(3, keys.ActIssue, -2*time.Hour), act(4, keys.ActRevoke, -time.Minute),
			act(5, keys.ActRevoke, time.Microsecond), act(6, keys.ActIssue, 0), quiet, over,
		} {
			errs = append(errs, k.AddAct(ctx, a))
		}
		return errors.Join(errs...)
	})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		for limit, want := range map[int]map[portal.GatewayID][]portal.ActID{
			10: {"north": {"act_04", "act_02", "act_03", "act_01", "act_06"}, "south": {"act_07"}},
			2:  {"north": {"act_04", "act_02"}, "south": {"act_07"}},
		} {
			found, err := k.DueActs(ctx, "", born, limit)
			got := map[portal.GatewayID][]portal.ActID{}
			for _, a := range found {
				got[a.Gateway] = append(got[a.Gateway], a.ID)
			}
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
		for gateway, want := range map[portal.GatewayID]int{"north": 5, "south": 1, "west": 0} {
			if found, err := k.DueActs(ctx, gateway, born, 10); err != nil || len(found) != want {
				t.Errorf("of %s: %v, %v; want %d", gateway, found, err, want)
			}
		}
		return nil
	})
}

func openActsAreCounted(t T, db DB) {
	withSubscription(t, db)
	count := func(want ...keys.ActCount) {
		t.Helper()
		mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
			got, err := k.CountOpenActs(ctx)
			if !slices.Equal(got, want) {
				t.Errorf("got %+v; want %+v", got, want)
			}
			return err
		})
	}
	count()
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		var errs []error
		for n := range 6 {
			a := act(n, keys.ActIssue, time.Hour)
			a.Created = born.Add(time.Duration(n) * time.Second)
			switch n {
			case 0:
				a.State = keys.ActDone
			case 2, 3:
				a.Phase = keys.PhaseRetrying
			case 4:
				a.Kind = keys.ActRevoke
			case 5:
				a.Gateway = "south"
			}
			errs = append(errs, k.AddCredential(ctx, credentialOf(n, keys.Revoked)), k.AddAct(ctx, a))
		}
		return errors.Join(errs...)
	})
	count(
		keys.ActCount{Kind: keys.ActIssue, Phase: keys.PhaseCalling, Open: 2, Oldest: born.Add(time.Second)},
		keys.ActCount{Kind: keys.ActIssue, Phase: keys.PhaseRetrying, Open: 2, Oldest: born.Add(2 * time.Second)},
		keys.ActCount{Kind: keys.ActRevoke, Phase: keys.PhaseCalling, Open: 1, Oldest: born.Add(4 * time.Second)})
}

func bindings(t T, db DB) {
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		errs := []error{k.AddApplication(ctx, application(1)), k.AddApplication(ctx, application(2))}
		add := func(n int, app portal.ApplicationID, api portal.APIID, c ...keys.Credential) {
			s := subscription(n, keys.Approved)
			s.Application, s.API = app, api
			errs = append(errs, k.AddSubscription(ctx, s))
			for _, c := range c {
				c.Subscription, c.Application = s.ID, app
				errs = append(errs, k.AddCredential(ctx, c))
			}
		}
		at := func(n int, state keys.CredentialState, deployment portal.DeploymentID) keys.Credential {
			c := credentialOf(n, state)
			c.Deployment = deployment
			return c
		}
		add(1, "app_1", "api_1", at(1, keys.Retiring, "old"), at(2, keys.Active, "new"))
		add(2, "app_1", "api_2", at(3, keys.Retiring, "only"))
		add(3, "app_1", "api_3", at(4, keys.Pending, "none"), at(5, keys.Revoked, "none"))
		add(4, "app_2", "api_1", at(6, keys.Active, "other"))
		return errors.Join(errs...)
	})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		for app, want := range map[portal.ApplicationID]string{"app_1": "api_1:new api_2:only", "app_2": "api_1:other", "": "api_1:new api_2:only api_1:other", "app_3": ""} {
			found, err := k.Bindings(ctx, app)
			var got []string
			for _, b := range found {
				got = append(got, string(b.API)+":"+string(b.Deployment))
			}
			if err != nil || strings.Join(got, " ") != want {
				t.Errorf("of %q: got %v, %v; want %s", app, got, err, want)
			}
		}
		return nil
	})
}

func frozenSubscriptions(t T, db DB) {
	withSubscription(t, db)
	warm := subscription(2, keys.Cancelled)
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return errors.Join(k.AddSubscription(ctx, warm), k.SetFrozen(ctx, "sub_1", born, "audience partner → ?"))
	})
	got := subscription(1, keys.Approved)
	mustKeys(t, db, func(ctx context.Context, k keys.Store) (err error) {
		got.Plan = "gold"
		if err := k.UpdateSubscription(ctx, got, keys.Approved); err != nil {
			return err
		}
		got, err = k.Subscription(ctx, "sub_1")
		return err
	})
	if !got.Frozen.Equal(born) || got.FrozenBecause != "audience partner → ?" || got.Plan != "gold" {
		t.Errorf("frozen: %+v", got)
	}
	frozen := func() (all []keys.Subscription) {
		mustKeys(t, db, func(ctx context.Context, k keys.Store) (err error) {
			all, err = k.Subscriptions(ctx, keys.SubscriptionFilter{Frozen: true}, keys.Page{Limit: 10})
			return err
		})
		return all
	}
	if all := frozen(); len(all) != 1 || all[0] != got {
		t.Errorf("the frozen ones: %+v", all)
	}
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.SetFrozen(ctx, "sub_1", time.Time{}, "") })
	if all := frozen(); len(all) != 0 {
		t.Errorf("thawed: %+v", all)
	}
	if err := inKeys(t, db, func(ctx context.Context, k keys.Store) error { return k.SetFrozen(ctx, "none", born, "") }); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("none: %v", err)
	}
}

func heldOnAGateway(t T, db DB) {
	withSubscription(t, db)
	other := credentialOf(8, keys.Active)
	other.Deployment, other.Subscription = "dep_2", "sub_2"
	gone := credentialOf(7, keys.Revoked)
	gone.Deployment = "dep_3"
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		err := k.AddSubscription(ctx, subscription(2, keys.Cancelled))
		for _, c := range []keys.Credential{credentialOf(1, keys.Pending), credentialOf(2, keys.Active), credentialOf(3, keys.Retiring), other, gone} {
			err = errors.Join(err, k.AddCredential(ctx, c))
		}
		return err
	})
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		got, err := k.Held(ctx, "north")
		if !slices.Equal(got, []keys.Held{{Subscription: "sub_1", Deployment: "dep_1"}, {Subscription: "sub_2", Deployment: "dep_2"}}) {
			t.Errorf("held: %+v", got)
		}
		return err
	})
}
