package ingest

import (
	"testing"

	"concierge/portal"
	"concierge/portal/catalog"
)

// TestApartWhateverTheirGatewaysSay: what a person split, undid or said no to stays apart when its gateway names the API of the other.
func TestApartWhateverTheirGatewaysSay(t *testing.T) {
	for name, part := range map[string]func(t *testing.T, d *desk, a, b portal.Deployment){
		"split": func(t *testing.T, d *desk, a, b portal.Deployment) {
			if _, err := d.service.Join(t.Context(), retail, string(b.API), string(a.API)); err != nil {
				t.Fatal(err)
			}
			if _, err := d.service.Split(t.Context(), retail, string(a.API), []portal.DeploymentID{b.ID}); err != nil {
				t.Fatal(err)
			}
		},
		"a join undone": func(t *testing.T, d *desk, a, b portal.Deployment) {
			joined, err := d.service.Join(t.Context(), retail, string(b.API), string(a.API))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.service.Undo(t.Context(), retail, string(a.API), joined.Acts[0].ID); err != nil {
				t.Fatal(err)
			}
		},
		"a no": func(t *testing.T, d *desk, a, b portal.Deployment) {
			review := catalog.Review{ID: "rev_1", Kind: catalog.ReviewJoin, A: min(a.ID, b.ID), B: max(a.ID, b.ID), State: catalog.ReviewOpen, Opened: noon}
			if err := d.db.InTx(t.Context(), func(tx catalog.Tx) error { return second(tx.Catalog().AddReview(t.Context(), review)) }); err != nil {
				t.Fatal(err)
			}
			if _, err := d.service.Reject(t.Context(), retail, "rev_1"); err != nil {
				t.Fatal(err)
			}
		},
		"nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Options{})
			d.register("kong-a", named("pay", "Card Payments", "card-payments"))
			f := d.register("kong-b", deployment("led", "Stock Ledger"))
			d.sync("kong-a")
			d.sync("kong-b")
			if part != nil {
				part(t, d, d.records("kong-a")["pay"].Deployment, d.records("kong-b")["led"].Deployment)
			}
			f.set(func(f *fake) { f.deployments[0].API = "card-payments" })
			d.sync("kong-b")
			one := d.records("kong-a")["pay"].Deployment.API == d.records("kong-b")["led"].Deployment.API
			if one != (part == nil) {
				t.Errorf("they are one: %v", one)
			}
		})
	}
}

// TestSplitIsNotAskedAgain: what a person split stays apart, and nobody is asked about it again, when more of the same is
// published by other gateways and by those that are there.
func TestSplitIsNotAskedAgain(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong-a", named("pay", "Card Payments", "card-payments"))
	f := d.register("kong-b", named("pay2", "Card Payments", "card-payments"))
	d.sync("kong-a")
	d.sync("kong-b")
	chosen := d.records("kong-b")["pay2"].Deployment.ID
	if _, err := d.service.Split(t.Context(), retail, "card-payments", []portal.DeploymentID{chosen}); err != nil {
		t.Fatal(err)
	}
	apart := func(when string) {
		t.Helper()
		a, b := d.records("kong-a")["pay"].Deployment.API, d.records("kong-b")["pay2"].Deployment.API
		if a == b {
			t.Errorf("%s: they are one again", when)
		}
		for _, q := range d.asked(chief) {
			if q.Kind == catalog.ReviewJoin && q.Other != nil && (q.One.Entry.ID == a && q.Other.Entry.ID == b || q.One.Entry.ID == b && q.Other.Entry.ID == a) {
				t.Errorf("%s: it is asked again: %+v", when, q.Review)
			}
		}
	}
	apart("split")
	d.register("kong-c", named("pay3", "Card Payments", "card-payments"))
	d.sync("kong-c")
	apart("a third that names it")
	d.register("kong-d", deployment("pay4", "Card Payments"))
	d.sync("kong-d")
	apart("a fourth of that title")
	f.set(func(f *fake) { f.deployments = append(f.deployments, named("pay5", "Card Payments", "")) })
	d.sync("kong-b")
	apart("another one beside it")
}
