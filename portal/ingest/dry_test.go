package ingest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
)

// Working out what a sync would do writes its own run and nothing else, says what the sync then does, and counts neither as
// the last sync nor as a failure.
func TestPlanChangesNothing(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"), deployment("old", "Old"))
	first := d.sync("kong")
	f.set(func(f *fake) {
		f.documents["doc"] = openAPI("New", "")
		f.able.Product = "Another 2.0" // not noted either
		f.deployments = []connectors.Deployment{withDocument(deployment("new", "New"), "doc", "1"), deployment("pay", "Payments 2")}
	})
	before := d.dump()
	plan := func() catalog.Run {
		t.Helper()
		run, err := d.service.Plan(t.Context(), "kong", "per_1")
		if err != nil {
			t.Fatal(err)
		}
		return d.wait(run)
	}
	run := plan()
	if run.State != catalog.Planned || run.Error != "" || run.Added != 1 || run.Changed != 1 || run.Removed != 1 || run.Cursor != "" {
		t.Fatalf("%+v", run)
	}
	if d.dump() != before {
		t.Error("a plan wrote something")
	}
	steps := func(run catalog.Run) (all string) {
		for _, s := range d.plan(run).Steps {
			all += fmt.Sprintln(s.Kind, s.RemoteID, s.Fields)
		}
		return all
	}
	foreseen := steps(run)
	if want := "remove old []\nchange pay [{title Payments Payments 2 }]\nadd new []\n"; foreseen != want {
		t.Errorf("%s, want\n%s", foreseen, want)
	}
	f.set(func(f *fake) { f.probe = fmt.Errorf("401: %w", portal.ErrDenied) })
	if run := plan(); run.State != catalog.Planned || run.Error == "" {
		t.Errorf("%+v", run)
	}
	st, err := d.service.Standing(t.Context(), "kong")
	if err != nil || st.LastRun.ID != first.ID {
		t.Errorf("%+v %v", st.LastRun, err)
	}
	g, err := d.gateways.Gateway(t.Context(), "kong")
	if err != nil {
		t.Fatal(err)
	}
	if _, next, err := d.service.Due(t.Context(), g); err != nil || next.Before(first.Ended.Add(DefaultEvery-time.Second)) {
		t.Errorf("the next sync is due at %s (%v), %s after the last", next, err, next.Sub(first.Ended))
	}

	// While one is at work the other is refused: neither is an answer to who asks for the other.
	hold := make(chan struct{})
	f.set(func(f *fake) { f.probe, f.hold = nil, hold })
	planning, err := d.service.Plan(t.Context(), "kong", "per_1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.service.Plan(t.Context(), "kong", "per_2"); err != nil || again.ID != planning.ID {
		t.Errorf("a second plan: %+v %v", again, err)
	}
	var busy *portal.ConflictError
	if _, err := d.service.Sync(t.Context(), "kong", "per_2"); !errors.As(err, &busy) || busy.ID != string(planning.ID) {
		t.Errorf("a sync beside a plan: %v", err)
	}
	close(hold)
	d.wait(planning)
	f.set(func(f *fake) { f.hold = nil })
	if run := d.sync("kong"); run.State != catalog.Applied || steps(run) != foreseen {
		t.Errorf("%+v did\n%s", run, steps(run))
	}
	if run := plan(); run.State != catalog.Planned || run.Unchanged != 2 || len(d.plan(run).Steps) != 0 {
		t.Errorf("afterwards: %+v", run)
	}
}

func TestWaitingRunIsDiscarded(t *testing.T) {
	d := newDesk(t, Options{})
	var all []connectors.Deployment
	for i := range 10 {
		all = append(all, deployment(fmt.Sprint("d", i), "X"))
	}
	f := d.register("kong", all...)
	d.sync("kong")
	entries := len(d.entries())
	f.set(func(f *fake) { f.deployments = nil }) // an empty list
	first := d.sync("kong")
	second := d.sync("kong")
	if first.State != catalog.Waiting || second.State != catalog.Waiting || len(d.entries()) != entries {
		t.Fatalf("%+v %+v", first, second)
	}
	no, err := d.service.Discard(t.Context(), "kong", second.ID, "per_1")
	if err != nil || no.State != catalog.Discarded || no.Decided != "per_1" {
		t.Fatalf("%+v %v", no, err)
	}
	for _, id := range []portal.RunID{first.ID, second.ID} { // the no counts for what came before it, too
		if _, err := d.service.Apply(t.Context(), "kong", id, "per_1"); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("applied after a no: %v", err)
		}
		if _, err := d.service.Discard(t.Context(), "kong", id, "per_1"); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("discarded twice: %v", err)
		}
	}
	var events []audit.Event
	err = d.db.View(t.Context(), func(tx catalog.Tx) (err error) {
		events, err = tx.Audit().Events(t.Context(), "kong", 1)
		return err
	})
	if err != nil || len(events) != 1 || events[0].Action != "gateway.sync.discard" || events[0].Detail["removed"] != "10" {
		t.Errorf("%+v %v", events, err)
	}
	// It waits anew; a yes to the older of two is one to both, as long as no more is gone.
	third := d.sync("kong")
	d.sync("kong")
	run, err := d.service.Apply(t.Context(), "kong", third.ID, "per_1")
	if err != nil {
		t.Fatal(err)
	}
	if run = d.wait(run); run.State != catalog.Applied || run.Removed != 10 {
		t.Errorf("%+v", run)
	}
}

// Nobody waits for a time that the clock had once: the order of runs and the next sync follow what was, not what it said.
func TestClockJumps(t *testing.T) {
	now := time.Now()
	d := newDesk(t, Options{Now: func() time.Time { return now }, Alone: true})
	d.register("kong", deployment("pay", "Payments"))
	d.sync("kong")
	now = now.Add(30 * 24 * time.Hour)
	d.sync("kong")
	now = now.Add(-30 * 24 * time.Hour)
	back := d.sync("kong")
	st, err := d.service.Standing(t.Context(), "kong")
	if err != nil || st.LastRun.ID != back.ID || st.LastGood.ID != back.ID || back.State != catalog.Unchanged {
		t.Errorf("%+v %v", st, err)
	}
	g, err := d.gateways.Gateway(t.Context(), "kong")
	if err != nil {
		t.Fatal(err)
	}
	if _, next, err := d.service.Due(t.Context(), g); err != nil || next.Sub(now) > 2*DefaultEvery {
		t.Errorf("the next sync is due in %s (%v)", next.Sub(now), err)
	}
}

// One broken gateway delays nobody: of twenty one hangs, one is slow and one fails, and the others are read meanwhile.
func TestBrokenGatewaysDelayNobody(t *testing.T) {
	d := newDesk(t, Options{})
	slow := make(chan struct{})
	var sound []catalog.Run
	for i := range 20 {
		id := portal.GatewayID(fmt.Sprint("gateway-", i))
		f := d.register(id, deployment("pay", fmt.Sprint("API ", i)))
		switch i {
		case 3:
			f.set(func(f *fake) { f.hold = make(chan struct{}) })
		case 7:
			f.set(func(f *fake) { f.hold = slow })
		case 11:
			f.set(func(f *fake) { f.snapshot = func() (connectors.Snapshot, error) { panic("boom") } })
		}
		run, err := d.service.Sync(t.Context(), id, "per_1")
		if err != nil {
			t.Fatal(err)
		}
		if i != 3 && i != 7 && i != 11 {
			sound = append(sound, run)
		}
	}
	for _, run := range sound {
		if run = d.wait(run); run.State != catalog.Applied {
			t.Errorf("%+v", run)
		}
	}
	runs, err := d.service.Runs(t.Context(), "gateway-7", "", 1)
	if err != nil || runs[0].State != catalog.Running {
		t.Errorf("the others waited for the slow one: %+v %v", runs, err)
	}
	close(slow)
	if run := d.wait(runs[0]); run.State != catalog.Applied {
		t.Errorf("the slow one: %+v", run)
	}
}
