package ingest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/jobs"
)

// sampleDesk is a desk with a real gateway that tells of changes.
func sampleDesk(t *testing.T, budget connectors.Budget) (*desk, *gateway.Gateway) {
	t.Helper()
	g, err := gateway.New(gateway.Options{Name: "EU", Changes: true, APIs: []gateway.API{{Name: "payments", Title: "Payments"}, {Name: "orders", Title: "Orders"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	d := newDesk(t, Options{})
	d.gateways = NewGateways(d.db, map[string]connectors.Kind{"sample": sample.Kind}, plainSealer{}, slog.New(slog.DiscardHandler))
	d.service = New(d.db, d.gateways, Options{})
	n := registration("eu")
	n.Kind, n.Address, n.AllowPrivate, n.Budget = "sample", g.AdminURL(), []string{"127.0.0.0/8"}, budget
	n.Every = 24 * time.Hour // the schedule is of no help
	n.Credentials = map[string]portal.Secret{"token": g.AdminToken()}
	if _, err := d.gateways.Register(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	return d, g
}

// eventually polls with a generous deadline.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatal(what)
		}
	}
}

// A change on a gateway that tells of changes is in the catalog soon, through a sync of what changed alone; the watch
// outlives the gateway being away, and ends where the gateway is paused.
func TestWatchedChangesAreSyncedSoon(t *testing.T) {
	t.Parallel() // most of it is waiting
	d, g := sampleDesk(t, connectors.Budget{})
	if run := d.sync("eu"); run.State != catalog.Applied || run.Added != 2 || run.Cursor == "" {
		t.Fatalf("%+v", run)
	}
	r := d.raw.Jobs(slog.New(slog.DiscardHandler))
	r.Handle(JobWatch, jobs.Options{Timeout: WatchFor}, func(ctx context.Context, id string) (time.Time, error) {
		return d.service.Watch(ctx, portal.GatewayID(id))
	})
	r.Handle(JobSync, jobs.Options{}, func(context.Context, string) (time.Time, error) { return time.Time{}, nil })
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := d.service.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody listens", func() bool { return d.service.Watching("eu") })
	last := func() catalog.Run {
		runs, err := d.service.Runs(t.Context(), "eu", "", 1)
		if err != nil {
			t.Fatal(err)
		}
		return runs[0]
	}
	for _, name := range []string{"refunds", "loans", "rates"} { // one sync for what comes together
		if err := g.Add(gateway.API{Name: name, Title: name}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the change is not taken over", func() bool { return len(d.entries()) == 5 })
	if run := last(); run.Actor != WatchActor || run.Added != 3 {
		t.Errorf("%+v", run)
	}
	g.SetFaults(gateway.Faults{Down: true})
	eventually(t, "the watch does not see that the gateway is away", func() bool { return !d.service.Watching("eu") })
	if err := g.Remove("loans"); err != nil {
		t.Fatal(err)
	}
	g.SetFaults(gateway.Faults{})
	eventually(t, "what changed while it was away is not taken over", func() bool { return len(d.entries()) == 4 })
	if run := last(); run.Actor != WatchActor || run.Removed != 1 {
		t.Errorf("%+v", run)
	}

	n := registration("eu")
	n.Kind, n.Address, n.AllowPrivate, n.Paused = "sample", g.AdminURL(), []string{"127.0.0.0/8"}, true
	n.Credentials = map[string]portal.Secret{"token": g.AdminToken()}
	if _, err := d.gateways.Change(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a paused gateway is listened to", func() bool { return !d.service.Watching("eu") })
	if next, err := d.service.Watch(t.Context(), "eu"); err != nil || !next.IsZero() {
		t.Errorf("paused: %s %v", next, err)
	}
}

// Where a gateway hangs for every call of a sync, a key is revoked all the same, and within the gateway's budget.
func TestKeysGoBeforeSyncs(t *testing.T) {
	d, g := sampleDesk(t, connectors.Budget{PerSecond: 1000, Burst: 1000, Parallel: 2})
	if run := d.sync("eu"); run.State != catalog.Applied {
		t.Fatalf("%+v", run)
	}
	issuer, _, err := d.gateways.Issuer(t.Context(), "eu")
	if err != nil {
		t.Fatal(err)
	}
	mark := connectors.Mark{Credential: "crd_1"}
	at := d.entries()["payments"].Deployments[0]
	_, err = issuer.Issue(t.Context(), connectors.IssueRequest{Mark: mark, Deployment: connectors.Key{RemoteID: at.RemoteID, Exposure: at.Exposure}, Plan: at.Plans[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	g.SetFaults(gateway.Faults{Delay: time.Hour})
	run, err := d.service.Sync(t.Context(), "eu", "per_1")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sync does not hang", func() bool { p, _ := d.gateways.Pace("eu"); return p.Under == 1 })
	g.SetFaults(gateway.Faults{}) // what hangs goes on hanging
	if _, err := issuer.Revoke(t.Context(), mark, connectors.Handle{}); err != nil {
		t.Errorf("beside a sync that hangs: %v", err)
	}
	if runs, err := d.service.Runs(t.Context(), "eu", "", 1); err != nil || runs[0].ID != run.ID || runs[0].State != catalog.Running {
		t.Errorf("%+v %v", runs, err)
	}
}
