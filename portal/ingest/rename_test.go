package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/keys"
)

// keyOf is the key that a subscription has, and where its gateway has it.
func (d *desk) keyOf(sub portal.SubscriptionID) (portal.DeploymentID, connectors.Key) {
	d.t.Helper()
	var held []keys.Credential
	if err := d.db.View(d.t.Context(), func(tx catalog.Tx) (err error) {
		held, err = tx.Keys().Credentials(d.t.Context(), keys.CredentialFilter{Subscription: sub}, keys.Page{Limit: 1})
		return err
	}); err != nil || len(held) != 1 {
		d.t.Fatalf("keys of %s: %+v, %v", sub, held, err)
	}
	return held[0].Deployment, held[0].Key
}

// askRename is rev_1: has a deployment another name now?
func (d *desk) askRename(gateway portal.GatewayID, id portal.DeploymentID, name string) {
	d.t.Helper()
	review := catalog.Review{ID: "rev_1", Kind: catalog.ReviewRename, A: id, Gateway: gateway, Key: connectors.Key{RemoteID: name}, State: catalog.ReviewOpen, Opened: noon}
	if err := d.db.InTx(d.t.Context(), func(tx catalog.Tx) error { return second(tx.Catalog().AddReview(d.t.Context(), review)) }); err != nil {
		d.t.Fatal(err)
	}
}

// TestRenameIsTakenBack: what belonged to the old deployment stays with it, what belonged to the new one or was made since goes to
// that, and the two names are two deployments; whether the new one had been seen before the rename was accepted or not, and whether
// or not the old name comes back.
func TestRenameIsTakenBack(t *testing.T) {
	ctx, retitled := t.Context(), deployment("new", "Card Payments")
	start := func(t *testing.T) (*desk, *fake, portal.Deployment, portal.Deployment, Question) {
		d := newDesk(t, Options{})
		f := d.register("kong", deployment("old", "Card Payments"), deployment("x", "Stock Ledger"))
		d.register("tyk", deployment("pay", "Card Payments")) // which stays in the API of the old one
		d.sync("kong")
		d.sync("tyk")
		old := d.records("kong")["old"].Deployment
		d.hold("sub_old", old)
		f.set(func(f *fake) { f.deployments[0] = retitled })
		d.sync("kong")
		if _, err := d.service.Split(ctx, retail, "card-payments", []portal.DeploymentID{d.records("kong")["new"].Deployment.ID}); err != nil {
			t.Fatal(err)
		}
		next := d.records("kong")["new"].Deployment
		if next.ID == old.ID || next.API == old.API {
			t.Fatalf("they are the same: %+v", next)
		}
		d.hold("sub_next", next)
		override := catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "internal"}}
		if err := d.service.Override(ctx, "per_1", next.ID, override); err != nil {
			t.Fatal(err)
		}
		d.askRename("kong", old.ID, "new")
		q, err := d.service.Accept(ctx, retail, "rev_1")
		if err != nil || q.Act == "" {
			t.Fatalf("%+v, %v", q, err)
		}
		return d, f, old, next, q
	}
	check := func(t *testing.T, d *desk, old, next portal.Deployment, sub portal.SubscriptionID, to portal.Deployment) {
		t.Helper()
		at, key := d.keyOf(sub)
		s := d.subscription(sub)
		want := connectors.Key{RemoteID: to.RemoteID, Exposure: to.Exposure}
		if at != to.ID || s.Deployment != to.ID || s.API != to.API || key != want {
			t.Errorf("%s: %s of %s, its key at %s as %+v; want %s of %s, as %+v (old %s, new %s)", sub, s.Deployment, s.API, at, key, to.ID, to.API, want, old.ID, next.ID)
		}
	}

	t.Run("two that were there", func(t *testing.T) {
		d, _, old, next, q := start(t)
		renamed := old
		renamed.RemoteID = "new"
		check(t, d, old, next, "sub_old", renamed)
		check(t, d, old, next, "sub_next", renamed)
		d.holdSince("sub_since", d.records("kong")["new"].Deployment, time.Now().Add(time.Hour))
		if got, err := d.service.Reopen(ctx, retail, q.ID); err != nil || got.State != catalog.ReviewOpen || got.Other == nil {
			t.Fatalf("%+v, %v", got, err)
		}
		for _, when := range []string{"at once", "after a sync"} {
			is := d.records("kong")["new"].Deployment
			if is.ID != next.ID || is.API != next.API || is.Placement.Audience() != "internal" {
				t.Errorf("%s: the new one is %+v", when, is)
			}
			check(t, d, old, next, "sub_old", old)
			check(t, d, old, next, "sub_next", next)
			check(t, d, old, next, "sub_since", next)
			if run := d.sync("kong"); run.State != catalog.Unchanged {
				t.Errorf("%s: %+v", when, run)
			}
		}
		if s := d.subscription("sub_since"); s.Frozen.IsZero() {
			t.Error("what was made for partners goes on at what is internal, and nobody is asked")
		}
		if s := d.subscription("sub_old"); !s.Frozen.IsZero() {
			t.Errorf("what stays is frozen: %+v", s)
		}
		// Again, and no to it this time.
		if _, err := d.service.Accept(ctx, retail, q.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.service.Reopen(ctx, retail, q.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := d.service.Reject(ctx, retail, q.ID); err != nil {
			t.Fatal(err)
		}
		check(t, d, old, next, "sub_old", old)
	})

	t.Run("the old name is there again", func(t *testing.T) {
		d, f, old, next, q := start(t)
		f.set(func(f *fake) { f.deployments = append(f.deployments, deployment("old", "Card Payments")) })
		d.sync("kong")
		if _, err := d.service.Reopen(ctx, retail, q.ID); err != nil {
			t.Fatal(err)
		}
		all := d.records("kong")
		if all["old"].Deployment.ID != old.ID || all["new"].Deployment.ID != next.ID {
			t.Errorf("%+v", all)
		}
		check(t, d, old, next, "sub_old", old)
		check(t, d, old, next, "sub_next", next)
		if run := d.sync("kong"); run.State != catalog.Unchanged {
			t.Errorf("%+v", run)
		}
	})

	t.Run("a key that belongs to both", func(t *testing.T) {
		d, _, old, _, q := start(t)
		err := d.db.InTx(ctx, func(tx catalog.Tx) error {
			return tx.Keys().AddCredential(ctx, keys.Credential{ID: "crd_later", Subscription: "sub_old", Application: "app_sub_old", Organisation: "org_1",
				Gateway: "kong", Deployment: old.ID, State: keys.Pending, Created: time.Now().Add(time.Hour)})
		})
		if err != nil {
			t.Fatal(err)
		}
		dump := d.dump()
		if _, err := d.service.Reopen(ctx, retail, q.ID); !errors.Is(err, portal.ErrConflict) || d.dump() != dump {
			t.Errorf("it is taken back: %v", err)
		}
	})

	t.Run("before its sync was applied", func(t *testing.T) {
		d := newDesk(t, Options{Removals: Removals{Free: -1}})
		f := d.register("kong", deployment("old", "Card Payments"))
		d.sync("kong")
		old := d.records("kong")["old"].Deployment
		d.hold("sub_old", old)
		f.set(func(f *fake) { f.deployments[0] = retitled })
		if run := d.sync("kong"); run.State != catalog.Waiting {
			t.Fatalf("%+v", run)
		}
		d.askRename("kong", old.ID, "new")
		if _, err := d.service.Accept(ctx, retail, "rev_1"); err != nil {
			t.Fatal(err)
		}
		d.sync("kong")
		d.holdSince("sub_since", d.records("kong")["new"].Deployment, time.Now().Add(time.Hour))
		if _, err := d.service.Reopen(ctx, retail, "rev_1"); err != nil {
			t.Fatal(err)
		}
		next := d.records("kong")["new"].Deployment
		if next.ID == old.ID || len(d.records("kong")) != 1 {
			t.Errorf("%+v", d.records("kong"))
		}
		check(t, d, old, next, "sub_old", old)
		check(t, d, old, next, "sub_since", next)
		if run := d.sync("kong"); run.State != catalog.Unchanged {
			t.Errorf("%+v", run)
		}
		f.set(func(f *fake) { f.deployments = append(f.deployments, deployment("old", "Card Payments")) })
		d.sync("kong")
		if got := d.records("kong")["old"].Deployment; got.ID != old.ID {
			t.Errorf("the old one comes back as %+v", got)
		}
	})

	t.Run("somebody else's", func(t *testing.T) {
		d, _, _, _, q := start(t)
		other := retail
		other.Division = "banking"
		if _, err := d.service.Reopen(context.Background(), other, q.ID); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// alike are deployments that are reached by the same routes, whatever they are called.
func alike(prefix string, titles ...string) (all []connectors.Deployment) {
	for _, title := range titles {
		d := deployment(prefix+title, title)
		d.Public, d.Paths = "https://gw.example/"+title, []string{"/" + title}
		all = append(all, d)
	}
	return all
}

// TestRenameOfAnOvertakenPlan: a plan that waits asks whether what would go is what would come. Once its gateway tells the
// old names again, a yes would take away what is there.
func TestRenameOfAnOvertakenPlan(t *testing.T) {
	d := newDesk(t, Options{})
	titles := []string{"Card Payments", "Stock Ledger", "Parcel Tracking", "Loan Quotes", "Branch Directory", "Invoice Archive"}
	f := d.register("kong", alike("old-", titles...)...)
	d.sync("kong")
	f.set(func(f *fake) { f.deployments = alike("new-", titles...) })
	if run := d.sync("kong"); run.State != catalog.Waiting {
		t.Fatalf("%+v", run)
	}
	f.set(func(f *fake) { f.deployments = alike("old-", titles...) })
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Fatalf("%+v", run)
	}
	open, before := d.asked(retail), d.dump()
	if len(open) != len(titles) {
		t.Fatalf("%d questions", len(open))
	}
	for _, q := range open {
		if _, err := d.service.Accept(t.Context(), retail, q.ID); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("yes to %s: %v", q.Review.Key.RemoteID, err)
		}
	}
	if d.dump() != before {
		t.Error("something was written")
	}
}

// TestRenameFreezesWhatItTakesElsewhere: what persons decided about the old deployment holds for what is published now, and
// so what was issued there meanwhile may stand in another environment than it was issued for.
func TestRenameFreezesWhatItTakesElsewhere(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.placed("kong", append(alike("old-", "Card Payments"), deployment("x", "Stock Ledger"))...)
	old := d.records("kong")["old-Card Payments"].Deployment.ID
	if err := d.service.Override(t.Context(), "per_1", old, catalog.Override{Placement: map[portal.Axis]string{portal.AxisEnvironment: "test"}}); err != nil {
		t.Fatal(err)
	}
	d.hold("sub_old", d.records("kong")["old-Card Payments"].Deployment)
	f.set(func(f *fake) { f.deployments = append(alike("new-", "Card Payments"), deployment("x", "Stock Ledger")) })
	d.sync("kong")
	d.hold("sub_next", d.records("kong")["new-Card Payments"].Deployment)
	open := d.asked(retail)
	if len(open) != 1 {
		t.Fatalf("%+v", open)
	}
	if _, err := d.service.Accept(t.Context(), retail, open[0].ID); err != nil {
		t.Fatal(err)
	}
	if s := d.subscription("sub_next"); s.Deployment != old || s.Frozen.IsZero() || s.FrozenBecause != "environment production → test" {
		t.Errorf("what was issued for production: %+v", s)
	}
	if s := d.subscription("sub_old"); s.Deployment != old || !s.Frozen.IsZero() {
		t.Errorf("what was issued for test: %+v", s)
	}
}

// TestNamesThatAreGivenBack: a gateway is restored under new ids, then under the old ones, and so on. Each time it is asked,
// and a yes keeps the deployment with its keys.
func TestNamesThatAreGivenBack(t *testing.T) {
	d := newDesk(t, Options{})
	publish := func(prefix string) []connectors.Deployment {
		return append(alike(prefix, "Card Payments"), deployment("x", "Stock Ledger"))
	}
	f := d.register("kong", publish("old-")...)
	d.sync("kong")
	was := d.records("kong")["old-Card Payments"].Deployment
	d.hold("sub_1", was)
	for i, prefix := range []string{"new-", "old-", "new-", "old-"} {
		f.set(func(f *fake) { f.deployments = publish(prefix) })
		d.sync("kong")
		open := d.asked(retail)
		if len(open) != 1 || open[0].Kind != catalog.ReviewRename {
			t.Fatalf("%d: %+v", i, open)
		}
		if _, err := d.service.Accept(t.Context(), retail, open[0].ID); err != nil {
			t.Fatal(i, err)
		}
		is := d.records("kong")[prefix+"Card Payments"].Deployment
		if at, key := d.keyOf("sub_1"); is.ID != was.ID || at != was.ID || key.RemoteID != is.RemoteID {
			t.Errorf("%d: %+v, its key at %s as %+v", i, is, at, key)
		}
		if run := d.sync("kong"); run.State != catalog.Unchanged {
			t.Errorf("%d: %+v", i, run)
		}
	}
	// Taken back, it is what was accepted last that is undone.
	all, err := d.service.Reviews(t.Context(), retail, catalog.ReviewFilter{State: catalog.ReviewAccepted}, "", 0)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, q := range all {
		if q.Review.Key.RemoteID != "old-Card Payments" {
			continue
		}
		if _, err := d.service.Reopen(t.Context(), retail, q.ID); err != nil {
			t.Fatal(err)
		}
	}
	if at, key := d.keyOf("sub_1"); at != was.ID || key.RemoteID != "new-Card Payments" {
		t.Errorf("its key is at %s as %+v", at, key)
	}
}

// TestKeysFollowANameAtOnce: where a gateway knows its things by name, a rename that is certain takes the keys along.
func TestKeysFollowANameAtOnce(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", alike("old-", "Card Payments")...)
	f.able.Identity = connectors.Names
	d.sync("kong")
	was := d.records("kong")["old-Card Payments"].Deployment
	d.hold("sub_1", was)
	f.set(func(f *fake) { f.deployments = alike("new-", "Card Payments") })
	d.sync("kong")
	is := d.records("kong")["new-Card Payments"].Deployment
	if at, key := d.keyOf("sub_1"); is.ID != was.ID || at != was.ID || key.RemoteID != "new-Card Payments" {
		t.Errorf("%+v, its key at %s as %+v", is, at, key)
	}
}

// TestRenameToWhatHasGone: a yes to a name that the gateway does not tell any more publishes nothing.
func TestRenameToWhatHasGone(t *testing.T) {
	d := newDesk(t, Options{})
	rest := deployment("x", "Stock Ledger")
	f := d.register("kong", append(alike("old-", "Card Payments"), rest)...)
	d.sync("kong")
	f.set(func(f *fake) { f.deployments = append(alike("new-", "Card Payments"), rest) })
	d.sync("kong")
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{rest} })
	d.sync("kong")
	open := d.asked(retail)
	if len(open) != 1 {
		t.Fatalf("%+v", open)
	}
	if _, err := d.service.Accept(t.Context(), retail, open[0].ID); err != nil {
		t.Fatal(err)
	}
	if all := d.records("kong"); len(all) != 1 {
		t.Errorf("published: %+v", all)
	}
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Errorf("%+v", run)
	}
}

func second[T any](_ T, err error) error { return err }
