package ingest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
)

// syncBy runs a sync by one of several replicas.
func (d *desk) syncBy(s *Service, id portal.GatewayID) catalog.Run {
	d.t.Helper()
	run, err := s.Sync(d.t.Context(), id, "per_admin")
	if err == nil {
		run, err = s.Wait(d.t.Context(), id, run.ID)
	}
	if err != nil || run.State == catalog.Failed {
		d.t.Fatalf("%+v %v", run, err)
	}
	return run
}

// Whatever happens to a gateway and its records: who remembers what the gateway told finds the same to do, and warns of the
// same, as who looks at everything; and what deployments are compared with is what the database says, whoever wrote it.
func TestWhatIsRememberedChangesNothing(t *testing.T) {
	d := newDesk(t, Options{Removals: Removals{Share: 1}})
	other := New(d.db, d.gateways, Options{Removals: Removals{Share: 1}})
	t.Cleanup(other.Close)
	replicas := []*Service{d.service, other}
	random := rand.New(rand.NewPCG(4, 7))
	titles := []string{"Payments", "Card Settlements", "Depot Roster", "Consignment Ledger"}
	ids := []portal.GatewayID{"one", "two"}
	gates := map[portal.GatewayID]*fake{}
	for _, id := range ids {
		f := d.register(id, deployment("first", "Payments"))
		f.documents["doc"], f.documents["bad"] = openAPI("Documented", ""), "rubbish"
		gates[id] = f
	}
	made := 0
	steps := []struct {
		name string
		do   func(f *fake)
	}{
		{"add", func(f *fake) {
			made++
			f.deployments = append(f.deployments, deployment(fmt.Sprint("d", made), titles[random.IntN(len(titles))]))
		}},
		{"rename", func(f *fake) { f.deployments[0].Title = titles[random.IntN(len(titles))] }},
		{"document", func(f *fake) {
			made++
			last := &f.deployments[len(f.deployments)-1]
			last.Document = connectors.DocumentRef{ID: []string{"doc", "bad", "gone"}[random.IntN(3)], Revision: []string{"", fmt.Sprint(made)}[random.IntN(2)]}
		}},
		{"remove", func(f *fake) {
			if len(f.deployments) > 1 {
				f.deployments = slices.Delete(f.deployments, 1, 2)
			}
		}},
		{"no address", func(f *fake) { f.deployments[0].Public = []string{"", "https://gw.example/first"}[random.IntN(2)] }},
		{"back", func(f *fake) {
			if !slices.ContainsFunc(f.deployments, func(d connectors.Deployment) bool { return d.RemoteID == "d1" }) {
				f.deployments = append(f.deployments, deployment("d1", titles[0]))
			}
		}},
		{"nothing", func(*fake) {}},
	}
	for n := range 80 {
		id := ids[random.IntN(len(ids))]
		step := steps[random.IntN(len(steps))]
		gates[id].set(step.do)
		if random.IntN(6) == 0 { // a person
			for _, e := range d.entries() {
				dep := e.Deployments[0]
				o := catalog.Override{BaseURL: fmt.Sprintf("https://cdn.example/%d", n)}
				if err := d.service.Override(t.Context(), "per_1", dep.ID, o); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if random.IntN(4) == 0 { // another one
			d.compose(random)
		}
		told := d.syncBy(replicas[random.IntN(len(replicas))], id)
		fresh := New(d.db, d.gateways, Options{Removals: Removals{Share: 1}})
		whole := d.syncBy(fresh, id)
		fresh.Close()
		if whole.State != catalog.Unchanged || whole.Unchanged != len(gates[id].deployments) {
			t.Fatalf("step %d, %s: something was left to do after %+v: %+v", n, step.name, told, whole)
		}
		if diff := cmp.Diff(whole.Warnings, told.Warnings); diff != "" && told.State == catalog.Unchanged {
			t.Fatalf("step %d, %s: who remembers warns of something else:\n%s", n, step.name, diff)
		}
		for _, s := range replicas {
			if diff := cmp.Diff(d.compared(&members{}), d.compared(&s.members)); diff != "" {
				t.Fatalf("step %d, %s: what is compared differs:\n%s", n, step.name, diff)
			}
		}
	}
}

// compose joins two entries, or takes one apart.
func (d *desk) compose(random *rand.Rand) {
	d.t.Helper()
	all := d.entries()
	slugs := slices.Sorted(maps.Keys(all))
	one := all[slugs[random.IntN(len(slugs))]]
	var err error
	if len(one.Deployments) > 1 {
		_, err = d.service.Split(d.t.Context(), retail, one.Slug, []portal.DeploymentID{one.Deployments[0].ID})
	} else if to := slugs[random.IntN(len(slugs))]; to != one.Slug {
		_, err = d.service.Join(d.t.Context(), retail, one.Slug, to)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// compared is what a new deployment would be compared with, and what would come of it.
func (d *desk) compared(m *members) (found []string) {
	d.t.Helper()
	if err := m.load(d.t.Context(), d.db); err != nil {
		d.t.Fatal(err)
	}
	err := d.db.View(d.t.Context(), func(tx catalog.Tx) error {
		found = nil
		if err := m.follow(d.t.Context(), tx.Catalog()); err != nil {
			return err
		}
		in, err := m.seen(d.t.Context(), tx.Catalog(), nil)
		if err != nil {
			return err
		}
		for _, title := range []string{"Payments", "Card Settlements", "Depot Roster", "Documented"} {
			x := correlate.Member{ID: "new", Division: "retail", Sketch: correlate.New(correlate.Deployment{Title: title})}
			near, err := in.Near(x.Sketch.Keys())
			if err != nil {
				return err
			}
			for _, n := range near {
				found = append(found, fmt.Sprint(title, " is near ", n.ID, " of ", n.Entry, " of ", n.Division, " ", n.Sum))
			}
			r, err := correlate.Place([]correlate.Member{x}, in, func(string) []string { return nil })
			if err != nil {
				return err
			}
			found = append(found, fmt.Sprintf("%+v", r))
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	slices.Sort(found)
	return found
}

// What a first sync has learned of the gateway itself does not make the second one look at everything again.
func TestTheSecondSyncLooksAtNothingAgain(t *testing.T) {
	d := newDesk(t, Options{})
	one := deployment("a", "A")
	d.register("north", one)
	d.sync("north")
	g, err := d.gateways.Gateway(t.Context(), "north")
	if err != nil {
		t.Fatal(err)
	}
	told, _, err := clean(connectors.Snapshot{Complete: true, Deployments: []connectors.Deployment{one}})
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.service.news(t.Context(), g, able(), answer{snapshot: connectors.Snapshot{Complete: true}, told: told})
	if err != nil || len(n.same) != 1 || len(n.current)+len(n.told) > 0 {
		t.Errorf("%d are settled, %d are read and %d worked out again: %v", len(n.same), len(n.current), len(n.told), err)
	}
}
