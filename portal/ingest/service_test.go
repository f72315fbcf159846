package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/document"
	"concierge/portal/jobs"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

func TestFirstSync(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("pay", "Card Payments"), "doc", "1"), deployment("pay2", "Card Payments v2"), deployment("ord", "Orders"))
	f.documents["doc"] = openAPI("Card Payments API", `,"x-concierge-audience":"internal"`)
	run := d.sync("kong")
	if run.State != catalog.Applied || run.Added != 3 || run.Error != "" || run.Ended.IsZero() || run.Phase != "" {
		t.Fatalf("%+v", run)
	}
	all := d.entries()
	if len(all) != 2 || len(all["card-payments"].Deployments) != 2 || len(all["orders"].Deployments) != 1 {
		t.Fatalf("%+v", all)
	}
	for _, dep := range all["card-payments"].Deployments {
		want := portal.Audience("partner")
		if dep.RemoteID == "pay" {
			want = "internal"
		}
		if dep.Placement.Audience() != want || dep.API != all["card-payments"].ID || dep.ID == "" {
			t.Errorf("%+v", dep)
		}
		if (dep.Document != "") != (dep.RemoteID == "pay") {
			t.Errorf("%s has document %q", dep.RemoteID, dep.Document)
		}
	}
	d.view(func(ctx context.Context, s catalog.Store) error {
		for _, dep := range all["card-payments"].Deployments {
			if dep.Document == "" {
				continue
			}
			doc, err := s.Document(ctx, dep.Document)
			if err != nil || string(doc.Content) != f.documents["doc"] || doc.Description.Title != "Card Payments API" {
				t.Errorf("document %q %v", doc.Content, err)
			}
		}
		return nil
	})
	st, err := d.service.Standing(t.Context(), "kong")
	if err != nil || st.Deployments != 3 || st.Unclassified != 0 || st.LastGood == nil || st.Probed.IsZero() {
		t.Errorf("%+v %v", st, err)
	}
}

func TestUnchangedWritesNothing(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("pay", "Payments"), "doc", "1"), withDocument(deployment("ord", "Orders"), "unversioned", ""), withDocument(deployment("bad", "Bad"), "bad", "1"))
	f.documents["doc"], f.documents["unversioned"], f.documents["bad"] = openAPI("Payments", ""), openAPI("Orders", ""), "rubbish"
	if run := d.sync("kong"); run.State != catalog.Applied {
		t.Fatalf("%+v", run)
	}
	before, opened := d.dump(), f.opened
	version, err := d.raw.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := d.sync("kong")
	if run.State != catalog.Unchanged || run.Unchanged != 3 || len(run.Warnings) == 0 {
		t.Fatalf("%+v", run)
	}
	if after := d.dump(); after != before {
		t.Errorf("an unchanged sync wrote\nbefore\n%s\nafter\n%s", before, after)
	}
	if now, _ := d.raw.Version(t.Context()); now != version {
		t.Errorf("the table's version went from %d to %d", version, now)
	}
	if f.opened != opened+1 {
		t.Errorf("%d documents were opened again; only the one without a revision needs it", f.opened-opened)
	}
}

func TestChangesAndRemovals(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"), deployment("ord", "Orders"))
	d.sync("kong")
	before := d.entries()
	changed := deployment("pay", "Payments and more")
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{changed} })
	run := d.sync("kong")
	if run.State != catalog.Applied || run.Changed != 1 || run.Removed != 1 {
		t.Fatalf("%+v", run)
	}
	after := d.entries()
	if len(after) != 1 || after["payments"].ID != before["payments"].ID || after["payments"].Deployments[0].ID != before["payments"].Deployments[0].ID || after["payments"].Deployments[0].Title != "Payments and more" {
		t.Errorf("%+v", after)
	}
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{changed, deployment("ord", "Orders")} })
	d.sync("kong")
	back := d.entries()
	if back["orders"].ID != before["orders"].ID || back["orders"].Deployments[0].ID != before["orders"].Deployments[0].ID {
		t.Errorf("what came back is another one: %+v", back["orders"])
	}
	var actions []string
	err := d.db.View(t.Context(), func(tx catalog.Tx) error {
		events, err := tx.Audit().Events(t.Context(), "", 100)
		for _, e := range events {
			actions = append(actions, e.Action)
		}
		return err
	})
	slices.Sort(actions)
	if want := []string{"deployment.remove", "gateway.register", "gateway.sync", "gateway.sync", "gateway.sync"}; err != nil || !slices.Equal(actions, want) {
		t.Errorf("audit %v %v", actions, err)
	}
}

// Every fault leaves the last good state, and says what happened.
func TestFaultsLoseNothing(t *testing.T) {
	down := fmt.Errorf("connection refused: %w", portal.ErrUnavailable)
	for name, tc := range map[string]struct {
		fault func(*fake)
		want  string
	}{
		"unreachable":     {func(f *fake) { f.probe = down }, "gateway kong: Probe: connection refused"},
		"refused":         {func(f *fake) { f.probe = fmt.Errorf("401: %w", portal.ErrDenied) }, "401: denied"},
		"down in between": {func(f *fake) { f.snapshot = func() (connectors.Snapshot, error) { return connectors.Snapshot{}, down } }, "Discover: connection refused"},
		"half a list": {func(f *fake) {
			f.snapshot = func() (connectors.Snapshot, error) { return connectors.Snapshot{Deployments: f.deployments[:1]}, nil }
		}, "not complete"},
		"rubbish":          {func(f *fake) { f.deployments = []connectors.Deployment{{Title: "no id"}} }, "without an id"},
		"a panic":          {func(f *fake) { f.snapshot = func() (connectors.Snapshot, error) { panic("boom") } }, "the log says more"},
		"too slow":         {func(f *fake) { f.hold = make(chan struct{}) }, "took longer than"},
		"documents denied": {func(f *fake) { f.documentErr = portal.ErrDenied; f.deployments = manyDocuments() }, "opening 11 documents: denied"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Options{Timeout: 300 * time.Millisecond})
			f := d.register("kong", deployment("pay", "Payments"), deployment("ord", "Orders"))
			d.service.opts.Timeout = time.Minute
			good := d.sync("kong")
			before := d.dump()
			d.service.opts.Timeout = 300 * time.Millisecond
			f.set(tc.fault)
			run := d.sync("kong")
			if run.State != catalog.Failed || !strings.Contains(run.Error, tc.want) {
				t.Errorf("%s: %q, want %q", run.State, run.Error, tc.want)
			}
			if after := d.dump(); after != before {
				t.Errorf("a failed sync wrote:\n%s\n%s", before, after)
			}
			st, err := d.service.Standing(t.Context(), "kong")
			if err != nil || st.LastGood == nil || st.LastGood.ID != good.ID || st.LastRun.ID != run.ID || st.Deployments != 2 {
				t.Errorf("%+v %v", st, err)
			}
		})
	}
}

func manyDocuments() []connectors.Deployment {
	var all []connectors.Deployment
	for i := range 20 {
		all = append(all, withDocument(deployment(fmt.Sprint("d", i), "D"), fmt.Sprint("doc", i), "1"))
	}
	return all
}

func TestHostileDocuments(t *testing.T) {
	d := newDesk(t, Options{Documents: document.Limits{MaxBytes: 10_000}})
	f := d.register("kong", withDocument(deployment("pay", "Payments"), "pay", "1"), withDocument(deployment("new", "New"), "new", "1"), deployment("ord", "Orders"))
	f.documents["pay"] = openAPI("Payments", `,"x-concierge-audience":"internal"`)
	f.documents["new"] = "a: &a [*a]"
	run := d.sync("kong")
	if run.State != catalog.Applied || run.Added != 3 {
		t.Fatalf("the sync did not go on: %+v", run)
	}
	if !strings.Contains(strings.Join(run.Warnings, "\n"), "New: its document was not taken over") {
		t.Errorf("warnings %q", run.Warnings)
	}
	if p := d.entries()["new"].Deployments[0].Placement; p.Audience() != "" {
		t.Errorf("a document that could not be read might narrow, yet it is shown to %q", p.Audience())
	}
	good := d.entries()["payments"].Deployments[0].Document

	f.set(func(f *fake) {
		f.deployments[0].Document.Revision = "2"
		f.documents["pay"] = strings.Repeat("x", 20_000)
	})
	run = d.sync("kong")
	dep := d.entries()["payments"].Deployments[0]
	if run.State != catalog.Applied || dep.Document != good || dep.Placement.Audience() != "internal" {
		t.Errorf("%+v: its last good document and words are gone: %+v", run, dep)
	}
	opened := f.opened
	d.sync("kong")
	if f.opened != opened {
		t.Error("a refused document was opened again")
	}

	f.set(func(f *fake) {
		f.deployments[0].Document.Revision = "3"
		f.documentErr = portal.ErrUnavailable
	})
	d.sync("kong")
	f.set(func(f *fake) { f.documentErr, f.documents["pay"] = nil, openAPI("Payments", "") })
	run = d.sync("kong")
	if dep := d.entries()["payments"].Deployments[0]; dep.Document == good || dep.Placement.Audience() != "partner" {
		t.Errorf("%+v: the document is not read once it can be: %+v", run, dep)
	}
}

func TestManyRemovalsWait(t *testing.T) {
	d := newDesk(t, Options{})
	var all []connectors.Deployment
	for i := range 10 {
		all = append(all, deployment(fmt.Sprint("d", i), fmt.Sprint("API ", i)))
	}
	f := d.register("kong", all...)
	d.sync("kong")
	before := d.dump()
	f.set(func(f *fake) { f.deployments = all[:4] })
	run := d.sync("kong")
	if run.State != catalog.Waiting || run.Removed != 6 || len(run.Removing) != 6 {
		t.Fatalf("%+v", run)
	}
	if plan := d.plan(run); len(plan.Steps) != 6 || plan.Steps[5].Kind != catalog.StepRemove || plan.Steps[5].Title != "API 9" {
		t.Errorf("%+v", plan)
	}
	if d.dump() != before {
		t.Error("a waiting plan wrote")
	}
	if _, err := d.service.Apply(t.Context(), "kong", "run_other", "per_1"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("another run applied: %v", err)
	}

	// More is gone meanwhile than the person said yes to: it waits again.
	f.set(func(f *fake) { f.deployments = all[:3] })
	again, err := d.service.Apply(t.Context(), "kong", run.ID, "per_1")
	if err != nil {
		t.Fatal(err)
	}
	if again = d.wait(again); again.State != catalog.Waiting || again.Removed != 7 {
		t.Fatalf("%+v", again)
	}
	done, err := d.service.Apply(t.Context(), "kong", again.ID, "per_1")
	if err != nil {
		t.Fatal(err)
	}
	if done = d.wait(done); done.State != catalog.Applied || done.Removed != 7 || len(d.entries()) != 3 {
		t.Fatalf("%+v", done)
	}
	if _, err := d.service.Apply(t.Context(), "kong", again.ID, "per_1"); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("applied twice: %v", err)
	}
}

func TestOneSyncAtATime(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"))
	hold := make(chan struct{})
	f.set(func(f *fake) { f.hold = hold })
	first, err := d.service.Sync(t.Context(), "kong", "per_1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.service.Sync(t.Context(), "kong", "per_2")
	if err != nil || second.ID != first.ID || second.Actor != "per_1" {
		t.Errorf("%+v %v", second, err)
	}
	for {
		run, err := d.service.Run(t.Context(), "kong", first.ID)
		if err != nil {
			t.Fatal(err)
		}
		if run.Phase == "discover" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	// A slow gateway holds nobody up.
	d.register("other", deployment("x", "X"))
	if run := d.sync("other"); run.State != catalog.Applied {
		t.Errorf("%+v", run)
	}
	close(hold)
	if run := d.wait(first); run.State != catalog.Applied {
		t.Errorf("%+v", run)
	}
}

func TestCloseEndsSyncs(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"))
	f.set(func(f *fake) { f.hold = make(chan struct{}) })
	run, err := d.service.Sync(t.Context(), "kong", "per_1")
	if err != nil {
		t.Fatal(err)
	}
	d.service.Close()
	if run = d.wait(run); run.State != catalog.Failed || !strings.Contains(run.Error, "the portal was stopped") {
		t.Errorf("%+v", run)
	}
	if _, err := d.service.Sync(t.Context(), "kong", "per_1"); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
}

func TestJoinsStayWithinADivision(t *testing.T) {
	d := newDesk(t, Options{})
	payments := deployment("pay", "Payments")
	payments.API = "payments"
	d.register("kong-eu", payments)
	d.register("kong-us", payments)
	other := registration("wholesale")
	other.Division = "wholesale"
	d.fakes[other.Address] = &fake{able: able(), deployments: []connectors.Deployment{payments}}
	if _, err := d.gateways.Register(t.Context(), "per_1", other); err != nil {
		t.Fatal(err)
	}
	for _, g := range []portal.GatewayID{"kong-eu", "kong-us", "wholesale"} {
		d.sync(g)
	}
	all := d.entries()
	if len(all["payments"].Deployments) != 2 || len(all["payments-wholesale"].Deployments) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestExplicitIDMovesAndSlugsGoOn(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("a", "Payments"), deployment("b", "Billing"))
	d.sync("kong")
	before := d.entries()
	f.set(func(f *fake) { f.deployments[1].API = "payments" })
	if run := d.sync("kong"); run.State != catalog.Applied {
		t.Fatalf("%+v", run)
	}
	all := d.entries()
	if len(all) != 1 || len(all["payments"].Deployments) != 2 || all["payments"].ID != before["payments"].ID || !slices.Equal(all["payments"].Aliases, []string{string(before["billing"].ID), "billing"}) {
		t.Errorf("%+v", all)
	}
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Errorf("the next sync is not unchanged: %+v", run)
	}
}

// TestTextsOutliveExplicitIDs: a gateway that names an API otherwise does not take it away from what people wrote about it.
func TestTextsOutliveExplicitIDs(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", named("a", "Payments", "payments"), named("b", "Billing", "billing"), named("c", "Ledger", "ledger"))
	d.sync("kong")
	before := d.entries()
	err := store.Narrow[curation.Tx](d.raw).InTx(t.Context(), func(tx curation.Tx) error {
		text := curation.Revision{API: before["billing"].ID, Number: 1, Published: true, Texts: []portal.AudienceText{{Audience: portal.Partner, Summary: "Ours"}}, Author: "per_1", At: noon}
		org := people.Organisation{ID: "org_1", Name: "Retail", Audience: portal.Internal, Created: noon}
		return errors.Join(tx.Curation().AddRevision(t.Context(), text), tx.People().AddOrganisation(t.Context(), org),
			tx.People().AddTeam(t.Context(), people.Team{ID: "team_1", Organisation: org, Name: "Ledgers", Created: noon}),
			tx.Curation().SetTeam(t.Context(), before["ledger"].ID, "team_1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fake) { f.deployments[1].API, f.deployments[2].API = "payments", "new-ledger" })
	if run := d.sync("kong"); run.State != catalog.Applied {
		t.Fatalf("%+v", run)
	}
	all, records := d.entries(), d.records("kong")
	if len(all) != 3 || records["b"].Deployment.API != before["billing"].ID || records["c"].Deployment.API != before["ledger"].ID {
		t.Errorf("%+v", all)
	}
	if open := d.asked(retail); len(open) != 1 || open[0].One.Entry.ID == open[0].Other.Entry.ID {
		t.Errorf("whether Billing is part of Payments: %+v", open)
	}
}

func TestChangesSinceACursor(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("a", "A"), deployment("b", "B"), deployment("c", "C"))
	f.able.Discovery = connectors.DiscoverSince
	f.snapshot = func() (connectors.Snapshot, error) {
		return connectors.Snapshot{Complete: true, Deployments: f.deployments, Cursor: "1"}, nil
	}
	d.sync("kong")
	f.set(func(f *fake) {
		f.snapshot = func() (connectors.Snapshot, error) {
			return connectors.Snapshot{Deployments: []connectors.Deployment{deployment("d", "D")}, Removed: []connectors.Key{{RemoteID: "a"}}, Cursor: "2"}, nil
		}
	})
	run := d.sync("kong")
	if run.State != catalog.Applied || run.Added != 1 || run.Removed != 1 || run.Unchanged != 2 {
		t.Errorf("%+v", run)
	}
	d.sync("kong")
	if !slices.Equal(f.since, []connectors.Cursor{"", "1", "2"}) {
		t.Errorf("asked since %q", f.since)
	}
	changed := registration("kong")
	changed.Title = "Kong Europe"
	if _, err := d.gateways.Change(t.Context(), "per_1", changed); err != nil {
		t.Fatal(err)
	}
	d.sync("kong")
	if last := f.since[len(f.since)-1]; last != "" {
		t.Errorf("after a change of the registration asked since %q", last)
	}
}

func TestOverride(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"))
	d.sync("kong")
	id := d.entries()["payments"].Deployments[0].ID
	set := func(o catalog.Override) error { return d.service.Override(t.Context(), "per_1", id, o) }
	if err := set(catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "public"}}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("outside the bounds: %v", err)
	}
	if err := set(catalog.Override{BaseURL: "javascript:alert(1)"}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a script for an address: %v", err)
	}
	o := catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "internal"}, BaseURL: "https://cdn.example/pay"}
	if err := set(o); err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fake) { f.deployments[0].Summary = "changed" })
	d.sync("kong")
	dep := d.entries()["payments"].Deployments[0]
	if dep.Placement[portal.AxisAudience] != (portal.Placed{Value: "internal", Layer: portal.LayerOverride}) || dep.BaseURL != "https://cdn.example/pay" || dep.Summary != "changed" {
		t.Errorf("after a sync: %+v", dep)
	}
	if err := set(catalog.Override{}); err != nil {
		t.Fatal(err)
	}
	if dep := d.entries()["payments"].Deployments[0]; dep.Placement.Audience() != "partner" || dep.BaseURL != "https://gw.example/pay" {
		t.Errorf("taken back: %+v", dep)
	}
	var events []audit.Event
	err := d.db.View(t.Context(), func(tx catalog.Tx) (err error) {
		events, err = tx.Audit().Events(t.Context(), string(id), 10)
		return err
	})
	if err != nil || len(events) != 4 { // two overrides, each with its reclassification
		t.Errorf("%v %v", events, err)
	}
}

// A run of another process that is alive is everybody's; one that nobody does any more is closed as failed, and the next
// one is free to start.
func TestRunsOfOtherProcesses(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong", deployment("pay", "Payments"))
	elsewhere := catalog.Run{ID: "run_else", Gateway: "kong", State: catalog.Running, Phase: "apply", Started: noon, Lease: time.Now().Add(time.Hour)}
	begin := func() {
		t.Helper()
		if err := d.db.InTx(t.Context(), func(tx catalog.Tx) error { return tx.Catalog().StartRun(t.Context(), elsewhere) }); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	if run, err := d.service.Sync(t.Context(), "kong", "per_1"); err != nil || run.ID != "run_else" || run.Phase != "apply" {
		t.Errorf("beside a running one: %+v %v", run, err)
	}
	if err := d.service.recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	elsewhere.Phase, elsewhere.Done, elsewhere.Total = "documents", 3, 9
	if err := d.db.InTx(t.Context(), func(tx catalog.Tx) error { return tx.Catalog().NoteRun(t.Context(), elsewhere) }); err != nil {
		t.Fatal(err)
	}
	if run, err := d.service.Run(t.Context(), "kong", "run_else"); err != nil || run.State != catalog.Running || run.Done != 3 {
		t.Errorf("its progress: %+v %v", run, err)
	}
	waited := make(chan catalog.Run)
	go func() {
		run, err := d.service.Wait(context.WithoutCancel(t.Context()), "kong", "run_else")
		if err != nil {
			t.Error(err)
		}
		waited <- run
	}()
	elsewhere.State, elsewhere.Ended = catalog.Unchanged, noon
	if err := d.service.end(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	if run := <-waited; run.State != catalog.Unchanged {
		t.Errorf("waited for %+v", run)
	}

	elsewhere.ID, elsewhere.State, elsewhere.Ended, elsewhere.Lease = "run_dead", catalog.Running, time.Time{}, time.Now().Add(-time.Second)
	begin()
	if run, err := d.service.Wait(t.Context(), "kong", "run_dead"); err != nil || run.State != catalog.Failed || run.Error != recoveryError {
		t.Errorf("waited for one that is dead: %+v %v", run, err)
	}
	elsewhere.ID = "run_dead2"
	begin()
	if run := d.sync("kong"); run.State != catalog.Applied {
		t.Errorf("after one that is dead: %+v", run)
	}
	if run, err := d.service.Run(t.Context(), "kong", "run_dead2"); err != nil || run.State != catalog.Failed || run.Error != recoveryError {
		t.Errorf("%+v %v", run, err)
	}
}

// A sync that takes long says how far it is, and that it is alive; one that was closed by others stops.
func TestLongSyncNotesHowFarItIs(t *testing.T) {
	d := newDesk(t, Options{})
	slow := d.register("slow", deployment("x", "X"))
	slow.set(func(f *fake) { f.hold = make(chan struct{}) })
	run, err := d.service.Sync(t.Context(), "slow", "per_1")
	if err != nil {
		t.Fatal(err)
	}
	stored := func() (r catalog.Run) {
		d.view(func(ctx context.Context, s catalog.Store) (err error) {
			r, err = s.Run(ctx, "slow", run.ID)
			return err
		})
		return r
	}
	for began := time.Now(); stored().Phase != "discover"; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("it says nothing: %+v", stored())
		}
	}
	if !stored().Lease.After(run.Lease) {
		t.Errorf("its lease ends as before: %+v", stored())
	}
	if err := d.service.end(t.Context(), d.service.givenUp(stored())); err != nil {
		t.Fatal(err)
	}
	d.service.live["slow"].change(func(r *catalog.Run) { r.Done++ }) // there is something to say
	if ended := d.wait(run); ended.Error != recoveryError {
		t.Errorf("%+v", ended)
	}
}

// While a plan of many rows is applied nothing is heard of its sync: it has taken the time beforehand, and nobody writes its
// row meanwhile.
func TestManyRowsHaveTheTimeToBeApplied(t *testing.T) {
	var d *desk
	var during catalog.Run
	d = newDesk(t, Options{})
	d.service = New(heldDB{d.db, func() {
		before := d.openRun("many")
		if time.Until(before.Lease) < lease*2 {
			return // the time is not taken yet
		}
		time.Sleep(noteEvery + noteEvery/2) // the noter would have had its turn
		if during = d.openRun("many"); !during.Lease.Equal(before.Lease) || during.Phase != before.Phase {
			t.Errorf("its row was written while it is applied: %+v, then %+v", before, during)
		}
	}}, d.gateways, Options{})
	all := make([]connectors.Deployment, manyRows+1)
	for i := range all {
		all[i] = deployment(fmt.Sprint("d", i), "Same")
	}
	d.register("many", all...)
	if run := d.sync("many"); run.State != catalog.Applied || run.Added != len(all) {
		t.Fatalf("%+v", run)
	}
	if left := time.Until(during.Lease); left < applyLease-time.Minute {
		t.Errorf("it had %s", left)
	}
}

// heldDB is a database whose writing transactions begin with something else.
type heldDB struct {
	catalog.DB
	hold func()
}

func (db heldDB) InTx(ctx context.Context, fn func(catalog.Tx) error) error {
	db.hold()
	return db.DB.InTx(ctx, fn)
}

// openRun is the run of a gateway that is running, as it is stored.
func (d *desk) openRun(id portal.GatewayID) (run catalog.Run) {
	d.view(func(ctx context.Context, s catalog.Store) error {
		open, err := s.OpenRuns(ctx)
		for _, r := range open {
			if r.Gateway == id {
				run = r
			}
		}
		return err
	})
	return run
}

// The transactions that register gateways ask for their syncs, and one that is slow, broken or paused delays nobody.
func TestSyncsAreJobs(t *testing.T) {
	d := newDesk(t, Options{})
	slow := d.register("slow", deployment("x", "X"))
	slow.set(func(f *fake) { f.hold = make(chan struct{}) })
	broken := d.register("broken")
	broken.set(func(f *fake) { f.probe = portal.ErrUnavailable })
	paused := registration("paused")
	paused.Paused = true
	d.fakes[paused.Address] = &fake{able: able()}
	if _, err := d.gateways.Register(t.Context(), "per_1", paused); err != nil {
		t.Fatal(err)
	}
	r := d.raw.Jobs(slog.New(slog.DiscardHandler))
	r.Handle(JobSync, jobs.Options{}, func(ctx context.Context, gateway string) (time.Time, error) {
		return d.service.Scheduled(ctx, portal.GatewayID(gateway))
	})
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	d.register("late", deployment("pay", "Payments"))
	runs := func(id portal.GatewayID) []catalog.Run {
		runs, err := d.service.Runs(t.Context(), id, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return runs
	}
	job := func(id string) jobs.Status {
		all, _, err := r.Jobs(t.Context(), jobs.Filter{Kind: JobSync}, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range all {
			if j.Subject == id {
				return j
			}
		}
		return jobs.Status{}
	}
	for began := time.Now(); job("late").State != jobs.Scheduled || job("broken").State != jobs.Retrying; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%+v %+v", job("late"), job("broken"))
		}
	}
	if due := time.Until(job("late").Due); due < 4*time.Minute || due > 6*time.Minute {
		t.Errorf("a good one comes again in %s", due)
	}
	if due := time.Until(job("broken").Due); due < 20*time.Second || due > 40*time.Second || !strings.Contains(job("broken").Error, "unavailable") {
		t.Errorf("a broken one comes again in %s: %+v", due, job("broken"))
	}
	if all := runs("broken"); len(all) != 1 || all[0].State != catalog.Failed {
		t.Errorf("a broken one was tried again at once: %v", all)
	}
	if all := runs("slow"); len(all) != 1 || all[0].State != catalog.Running {
		t.Errorf("slow: %v", all)
	}
	if all := runs("paused"); len(all) != 0 || job("paused").ID != "" {
		t.Errorf("a paused gateway was synced: %v", all)
	}
}

// A sync that nobody asks for any more is found by the schedule, which asks for nothing else.
func TestScheduleFindsWhatIsOverdue(t *testing.T) {
	now := time.Now()
	d := newDesk(t, Options{Now: func() time.Time { return now }})
	d.register("kong", deployment("pay", "Payments"))
	asked := func() (n int) {
		err := d.raw.InTx(t.Context(), func(tx store.Tx) (err error) {
			gone, err := sqlstore.Statements(tx).Exec(t.Context(), `DELETE FROM river_job WHERE kind = 'sync'`)
			n = int(gone)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if asked() != 1 {
		t.Fatal("its registration asks for no sync")
	}
	d.sync("kong")
	for after, want := range map[time.Duration]int{0: 0, DefaultEvery: 0, DefaultEvery + time.Minute + ScheduleEvery: 1} {
		now = now.Add(after)
		if err := d.service.Schedule(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := asked(); got != want {
			t.Errorf("%s after a sync: %d, want %d", after, got, want)
		}
		now = now.Add(-after)
	}
}
