package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/store/storetest"
)

var (
	chief     = access.Caller{Person: "per_chief", Organisation: "org", Audience: portal.Internal, Roles: []access.Role{access.PlatformAdministrator}}
	retail    = access.Caller{Person: "per_retail", Organisation: "org_r", Audience: portal.Internal, Division: "retail", Roles: []access.Role{access.DivisionAdministrator}}
	wholesale = access.Caller{Person: "per_wholesale", Organisation: "org_w", Audience: portal.Internal, Division: "wholesale", Roles: []access.Role{access.DivisionAdministrator}}
	developer = access.Caller{Person: "per_dev", Organisation: "org_r", Audience: portal.Internal, Division: "retail", Roles: []access.Role{access.Developer}}
)

// registerFor adds a gateway of a division.
func (d *desk) registerFor(division portal.Division, id portal.GatewayID, deployments ...connectors.Deployment) *fake {
	d.t.Helper()
	r := registration(id)
	r.Division = division
	f := &fake{able: able(), deployments: deployments, documents: map[string]string{}}
	d.fakes[r.Address] = f
	if _, err := d.gateways.Register(context.Background(), "per_admin", r); err != nil {
		d.t.Fatal(err)
	}
	return f
}

// named is a deployment that names its API.
func named(id, title, api string) connectors.Deployment {
	d := deployment(id, title)
	d.API = api
	return d
}

func (d *desk) asked(c access.Caller) []Question {
	d.t.Helper()
	all, err := d.service.Reviews(context.Background(), c, catalog.ReviewFilter{State: catalog.ReviewOpen}, "", 0)
	if err != nil {
		d.t.Fatal(err)
	}
	return all
}

// A division that names its API like another's, by title or by explicit id, captures nothing: both are asked.
func TestNobodyCapturesAnothersConsumers(t *testing.T) {
	d := newDesk(t, Options{})
	d.registerFor("retail", "kong-r", named("pay", "Card Payments", "card-payments"))
	d.registerFor("wholesale", "kong-w", named("pay", "Card Payments", "card-payments"))
	d.sync("kong-r")
	d.sync("kong-w")
	before := d.entries()
	if len(before) != 2 || len(before["card-payments"].Deployments) != 1 || before["card-payments"].Division != "retail" {
		t.Fatalf("%+v", before)
	}
	open := d.asked(retail)
	if len(open) != 1 || len(open[0].Missing) != 2 || len(open[0].Reasons) == 0 {
		t.Fatalf("%+v", open)
	}
	id := open[0].ID
	if _, err := d.service.Reviews(t.Context(), developer, catalog.ReviewFilter{State: catalog.ReviewOpen}, "", 0); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("a developer sees reviews: %v", err)
	}
	for _, c := range []access.Caller{developer, {Person: "x", Audience: portal.Internal, Division: "loans", Roles: []access.Role{access.DivisionAdministrator}}} {
		for name, act := range map[string]func(context.Context, access.Caller, string) (Question, error){"see": d.service.Review, "accept": d.service.Accept, "reject": d.service.Reject, "reopen": d.service.Reopen} {
			if _, err := act(t.Context(), c, id); !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("%s may %s it: %v", c.Person, name, err)
			}
		}
	}
	q, err := d.service.Accept(t.Context(), wholesale, id)
	if err != nil || q.State != catalog.ReviewOpen || !slices.Equal(q.Missing, []portal.Division{"retail"}) || len(d.entries()) != 2 {
		t.Fatalf("the yes of one division: %+v, %v", q, err)
	}
	if q, err = d.service.Accept(t.Context(), retail, id); err != nil || q.State != catalog.ReviewAccepted || q.Act == "" {
		t.Fatalf("the yes of the other: %+v, %v", q, err)
	}
	after := d.entries()
	if len(after) != 1 || len(after["card-payments"].Deployments) != 2 {
		t.Fatalf("%+v", after)
	}
	for _, dep := range after["card-payments"].Deployments {
		if dep.Since.IsZero() != (dep.Gateway == "kong-r") {
			t.Errorf("%s counts since %s", dep.Gateway, dep.Since)
		}
	}
	if _, err := d.service.Accept(t.Context(), chief, id); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("answered twice: %v", err)
	}
	// The undoing brings back what was, and the question.
	if q, err = d.service.Reopen(t.Context(), chief, id); err != nil || q.State != catalog.ReviewOpen || len(q.Agreed) != 0 {
		t.Fatalf("%+v, %v", q, err)
	}
	back := d.entries()
	for slug, e := range before {
		if back[slug].ID != e.ID || len(back[slug].Deployments) != 1 || back[slug].Deployments[0].ID != e.Deployments[0].ID || !back[slug].Deployments[0].Since.IsZero() || len(back[slug].Aliases) != 0 || back[slug].Explicit != e.Explicit {
			t.Errorf("%s was %+v and is %+v", slug, e, back[slug])
		}
	}
	for _, g := range []portal.GatewayID{"kong-r", "kong-w"} {
		if run := d.sync(g); run.State != catalog.Unchanged {
			t.Errorf("%+v", run)
		}
	}
}

// TestAskingAgain: who asks another division a second time is led to the question that was asked, which is open again if it
// was answered.
func TestAskingAgain(t *testing.T) {
	d := newDesk(t, Options{})
	d.registerFor("retail", "kong-r", deployment("pay", "Card Payments"))
	d.registerFor("wholesale", "kong-w", deployment("led", "Stock Ledger"))
	d.sync("kong-r")
	d.sync("kong-w")
	ask := func() Question {
		t.Helper()
		_, err := d.service.Join(t.Context(), retail, "card-payments", "stock-ledger")
		var asked *portal.ConflictError
		if !errors.As(err, &asked) || asked.Kind != "review" {
			t.Fatalf("%v", err)
		}
		q, err := d.service.Review(t.Context(), retail, asked.ID)
		if err != nil || q.State != catalog.ReviewOpen || !slices.Equal(q.Missing, []portal.Division{"wholesale"}) {
			t.Fatalf("%+v, %v", q, err)
		}
		return q
	}
	first := ask()
	if again := ask(); again.ID != first.ID {
		t.Errorf("%+v", again)
	}
	if _, err := d.service.Reject(t.Context(), wholesale, first.ID); err != nil {
		t.Fatal(err)
	}
	if again := ask(); again.ID != first.ID {
		t.Errorf("%+v", again)
	}
	if q, err := d.service.Accept(t.Context(), wholesale, first.ID); err != nil || q.State != catalog.ReviewAccepted || len(d.entries()) != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

// TestADivisionGivesItsEntryAway: the last yes may be of the division whose entry becomes part of the other's. It sees what
// came of that; to take it apart is the other's, who gets back what it had.
func TestADivisionGivesItsEntryAway(t *testing.T) {
	d := newDesk(t, Options{})
	d.registerFor("retail", "kong-r", deployment("pay", "Card Payments"))
	d.registerFor("wholesale", "kong-w", deployment("pay", "Card Payments"))
	d.sync("kong-r")
	d.sync("kong-w")
	before, id := d.entries(), d.asked(chief)[0].ID
	if _, err := d.service.Accept(t.Context(), retail, id); err != nil {
		t.Fatal(err)
	}
	q, err := d.service.Accept(t.Context(), wholesale, id)
	if err != nil || q.State != catalog.ReviewAccepted || q.Act != "" {
		t.Fatalf("%+v, %v", q, err)
	}
	joined := d.entries()
	if len(joined) != 1 || q.One.Entry.Division != "retail" || q.Other.Entry.Division != "retail" {
		t.Fatalf("%+v", joined)
	}
	if q, err := d.service.Review(t.Context(), wholesale, id); err != nil || q.Act != "" {
		t.Errorf("%+v, %v", q, err)
	}
	if _, err := d.service.Reopen(t.Context(), wholesale, id); err == nil {
		t.Error("it takes another division's entry apart")
	}
	for slug, e := range joined {
		c, err := d.service.Composition(t.Context(), retail, slug)
		if err != nil || len(c.Acts) != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		if c, err = d.service.Undo(t.Context(), retail, slug, c.Acts[0].ID); err != nil || c.Entry.ID != e.ID {
			t.Fatalf("%+v, %v", c.Entry, err)
		}
	}
	if after := d.entries(); len(after) != len(before) {
		t.Errorf("%+v", after)
	}
}

func TestANoIsRemembered(t *testing.T) {
	d := newDesk(t, Options{})
	d.registerFor("retail", "kong-r", deployment("pay", "Card Payments"))
	f := d.registerFor("wholesale", "kong-w", deployment("pay", "Card Payments"))
	d.sync("kong-r")
	d.sync("kong-w")
	open := d.asked(chief)
	if len(open) != 1 {
		t.Fatalf("%+v", open)
	}
	if q, err := d.service.Reject(t.Context(), wholesale, open[0].ID); err != nil || q.State != catalog.ReviewRejected {
		t.Fatalf("%+v, %v", q, err)
	}
	f.set(func(f *fake) { f.deployments = nil })
	if run := d.sync("kong-w"); run.State == catalog.Waiting {
		if run, err := d.service.Apply(t.Context(), "kong-w", run.ID, "per_1"); err != nil || d.wait(run).State != catalog.Applied {
			t.Fatalf("%+v, %v", run, err)
		}
	}
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{deployment("pay", "Card Payments")} })
	d.sync("kong-w")
	if open := d.asked(chief); len(open) != 0 || len(d.entries()) != 2 {
		t.Errorf("asked again: %+v", open)
	}
	if q, err := d.service.Reopen(t.Context(), retail, open[0].ID); err != nil || q.State != catalog.ReviewOpen {
		t.Errorf("%+v, %v", q, err)
	}
}

// A person's split, and join, outlive changes, removal and return of the deployment, and what its gateway names it.
func TestSplitAndJoinOutliveSyncs(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong-a", named("pay", "Card Payments", "card-payments"))
	f := d.register("kong-b", named("pay2", "Card Payments", "card-payments"))
	d.sync("kong-a")
	d.sync("kong-b")
	all := d.entries()
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	e := all["card-payments"]
	var chosen portal.DeploymentID
	for _, dep := range e.Deployments {
		if dep.Gateway == "kong-b" {
			chosen = dep.ID
		}
	}
	for _, wrong := range [][]portal.DeploymentID{nil, {"dep_x"}, {e.Deployments[0].ID, e.Deployments[1].ID}} {
		if _, err := d.service.Split(t.Context(), retail, "card-payments", wrong); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("split %v: %v", wrong, err)
		}
	}
	if _, err := d.service.Split(t.Context(), wholesale, "card-payments", []portal.DeploymentID{chosen}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("another division splits it: %v", err)
	}
	split, err := d.service.Split(t.Context(), retail, "card-payments", []portal.DeploymentID{chosen})
	if err != nil || len(split.Records) != 1 || split.Records[0].Deployment.ID != chosen || split.Entry.Slug == "card-payments" {
		t.Fatalf("%+v, %v", split, err)
	}
	again := func(when string, want int) {
		t.Helper()
		f.set(func(f *fake) { f.deployments = nil })
		if run := d.sync("kong-b"); run.State == catalog.Waiting {
			started, err := d.service.Apply(t.Context(), "kong-b", run.ID, "per_1")
			if err != nil || d.wait(started).State != catalog.Applied {
				t.Fatal(err)
			}
		}
		f.set(func(f *fake) {
			back := named("pay2", "Card Payments", "card-payments")
			back.Summary = "after " + when
			f.deployments = []connectors.Deployment{back}
		})
		if run := d.sync("kong-b"); run.State != catalog.Applied {
			t.Fatalf("%+v", run)
		}
		if all := d.entries(); len(all) != want {
			t.Errorf("%s, then removed and back: %+v", when, all)
		}
	}
	again("split", 2)
	if kept := d.entries()["card-payments"]; kept.ID != e.ID || len(kept.Deployments) != 1 {
		t.Errorf("the slug leads to %+v", kept)
	}
	joined, err := d.service.Join(t.Context(), retail, string(split.Entry.ID), "card-payments")
	if err != nil || len(joined.Records) != 2 || joined.Entry.ID != e.ID || !slices.Contains(joined.Entry.Aliases, split.Entry.Slug) {
		t.Fatalf("%+v, %v", joined, err)
	}
	again("joined", 1)
	f.set(func(f *fake) { f.deployments[0].API = "something-else" })
	d.sync("kong-b")
	if all := d.entries(); len(all) != 1 {
		t.Errorf("its gateway names it otherwise: %+v", all)
	}
	confirmed, err := d.service.Confirm(t.Context(), retail, "card-payments", []portal.DeploymentID{chosen})
	if err != nil || slices.ContainsFunc(confirmed.Records, func(r catalog.Record) bool { return !r.Deployment.Since.IsZero() }) {
		t.Errorf("%+v, %v", confirmed, err)
	}
	undone, err := d.service.Undo(t.Context(), retail, "card-payments", joined.Acts[0].ID)
	if err != nil || undone.Entry.Slug != split.Entry.Slug || len(undone.Records) != 1 {
		t.Fatalf("%+v, %v", undone, err)
	}
	if _, err := d.service.Undo(t.Context(), retail, "card-payments", joined.Acts[0].ID); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("undone twice: %v", err)
	}
	// The split itself can be undone as well.
	back, err := d.service.Undo(t.Context(), retail, split.Entry.Slug, split.Acts[0].ID)
	if err != nil || back.Entry.ID != e.ID || len(back.Records) != 2 || len(d.entries()) != 1 {
		t.Errorf("%+v, %v", back, err)
	}
}

// What comes to an entry that has deployments in its environment counts after them; what is set up together does not.
func TestAutomaticJoinsAreNotSettled(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("first", named("pay", "Card Payments", "card-payments"))
	d.register("together", named("pay", "Card Payments", "card-payments"))
	d.sync("first")
	d.sync("together")
	d.register("later", named("pay", "Card Payments", "card-payments"))
	d.sync("later")
	for _, dep := range d.entries()["card-payments"].Deployments {
		if dep.Since.IsZero() != (dep.Gateway != "later") {
			t.Errorf("%s counts since %s", dep.Gateway, dep.Since)
		}
	}
}

// A gateway that was restored from a backup has new ids for everything: nothing is removed or doubled silently, and a
// person's yes makes them what they were.
func TestRestoredGateway(t *testing.T) {
	d := newDesk(t, Options{})
	titles := []string{"Card Payments", "Stock Ledger", "Parcel Tracking", "Loan Quotes", "Branch Directory", "Invoice Archive"}
	publish := func(prefix string) (all []connectors.Deployment) {
		for i, title := range titles {
			dep := deployment("svc", title)
			dep.RemoteID, dep.Public, dep.Paths = prefix+title, "https://gw.example/"+titles[i], []string{"/" + titles[i]}
			all = append(all, dep)
		}
		return all
	}
	f := d.register("kong", publish("old-")...)
	d.sync("kong")
	before := d.entries()
	f.set(func(f *fake) { f.deployments = publish("new-") })
	run := d.sync("kong")
	if run.State != catalog.Waiting || len(d.entries()) != len(before) {
		t.Fatalf("%+v", run)
	}
	open := d.asked(retail)
	if len(open) != len(titles) {
		t.Fatalf("%d questions", len(open))
	}
	for _, q := range open {
		if q.Kind != catalog.ReviewRename || q.Other != nil || !strings.HasPrefix(q.Review.Key.RemoteID, "new-") {
			t.Fatalf("%+v", q)
		}
		if q, err := d.service.Accept(t.Context(), retail, q.ID); err != nil || q.State != catalog.ReviewAccepted {
			t.Fatalf("%+v, %v", q, err)
		}
	}
	if run := d.sync("kong"); run.State == catalog.Waiting || run.Added+run.Removed != 0 {
		t.Errorf("%+v", run)
	}
	for slug, e := range d.entries() {
		if before[slug].ID != e.ID || len(e.Deployments) != 1 || e.Deployments[0].ID != before[slug].Deployments[0].ID || !strings.HasPrefix(e.Deployments[0].RemoteID, "new-") {
			t.Errorf("%s was %+v and is %+v", slug, before[slug], e)
		}
	}
}

// A likely rename that a sync took for another deployment becomes the same one with a person's yes: its override follows.
func TestRenameIsAccepted(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("old", "Card Payments"), deployment("x", "Stock Ledger"))
	d.sync("kong")
	was := d.entries()["card-payments"]
	override := catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "internal"}}
	if err := d.service.Override(t.Context(), "per_1", was.Deployments[0].ID, override); err != nil {
		t.Fatal(err)
	}
	f.set(func(f *fake) {
		renamed := f.deployments[0]
		renamed.RemoteID = "new"
		f.deployments[0] = renamed
	})
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != 1 || run.Removed != 1 {
		t.Fatalf("%+v", run)
	}
	open := d.asked(retail)
	if len(open) != 1 || open[0].Other == nil {
		t.Fatalf("%+v", open)
	}
	if _, err := d.service.Accept(t.Context(), retail, open[0].ID); err != nil {
		t.Fatal(err)
	}
	is := d.entries()["card-payments"]
	if is.ID != was.ID || len(is.Deployments) != 1 || is.Deployments[0].ID != was.Deployments[0].ID || is.Deployments[0].RemoteID != "new" || is.Deployments[0].Placement.Audience() != portal.Internal {
		t.Errorf("%+v", is)
	}
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Errorf("%+v", run)
	}
}

// Gateways that are synced at once, on any engine, end up in one entry.
func TestSyncsJoinAtOnce(t *testing.T) {
	d := newDesk(t, Options{})
	gateways := []portal.GatewayID{"a", "b", "c", "d"}
	for _, id := range gateways {
		d.register(id, named("pay", "Card Payments", "card-payments"), named("ord", "Stock Ledger", "stock-ledger"))
	}
	var all sync.WaitGroup
	for _, id := range gateways {
		all.Go(func() {
			run, err := d.service.Sync(context.Background(), id, "per_1")
			if err == nil {
				run, err = d.service.Wait(context.Background(), id, run.ID)
			}
			if err != nil || run.State != catalog.Applied {
				t.Errorf("%s: %+v, %v", id, run, err)
			}
		})
	}
	all.Wait()
	if got := d.entries(); len(got) != 2 || len(got["card-payments"].Deployments) != len(gateways) || len(got["stock-ledger"].Deployments) != len(gateways) {
		t.Errorf("%+v", got)
	}
}

// What was brought in before sketches were kept is found all the same.
func TestOlderRecordsAreComparedToo(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("first", named("pay", "Card Payments", ""))
	d.sync("first")
	storetest.Forget(t, d.raw, "sketches")
	d.service.Close()
	d.service = New(d.db, d.gateways, Options{})
	d.register("second", named("pay", "Card Payments", ""))
	d.sync("second")
	if all := d.entries(); len(all) != 1 && len(d.asked(retail)) == 0 {
		t.Errorf("%+v", all)
	}
}
