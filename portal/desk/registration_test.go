package desk

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// TestRegistrationLosesNothing: a form that is filled with what is registered and sent back as it is changes nothing.
func TestRegistrationLosesNothing(t *testing.T) {
	g := catalog.Gateway{
		ID: "edge", Title: "Edge", Kind: "kong", Address: "https://edge.example:8444", Settings: map[string]string{"workspace": "a"}, Division: "europe", Site: "paris",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisDivision: "europe"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Partner}, Environments: []portal.Environment{portal.Test}},
		Detect:   map[string]portal.Environment{}, Trust: []portal.Axis{portal.AxisAudience}, Fleet: "lb", AllowPrivate: []string{"10.0.0.0/8"},
		Documents: catalog.Fetching{Fetch: true, Allow: []string{"10.1.0.0/16"}}, AcceptReach: true, Every: 90 * time.Second,
		Budget: connectors.Budget{PerSecond: 2.5, Burst: 10, Parallel: 3},
	}
	for _, g := range []catalog.Gateway{g, {ID: "plain", Kind: "kong", Defaults: map[portal.Axis]string{}}} {
		back, err := registration(*registered(g))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(g, back.Gateway, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if (g.Detect == nil) != (back.Detect == nil) || len(back.Credentials) != 0 {
			t.Errorf("names of environments %v, credentials %d", back.Detect, len(back.Credentials))
		}
	}
}
