package ingest

import (
	"testing"

	"concierge/portal"
	"concierge/portal/catalog"
)

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
