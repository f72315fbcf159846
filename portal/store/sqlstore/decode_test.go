package sqlstore

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concierge/portal"
)

// A deployment that shares parts with others is what it is by itself.
func TestSharedPartsAreTheSame(t *testing.T) {
	s := newShared()
	for _, want := range []portal.Deployment{
		{Title: "nothing else"},
		{Title: "a", Placement: portal.Placement{portal.AxisAudience: {Value: "partner", Layer: portal.LayerRule}}, Plans: []portal.Plan{{ID: "gold", Limits: []string{"10 per second"}}}, Tags: []string{"x"}},
		{Title: "b", Placement: portal.Placement{portal.AxisAudience: {Value: "partner", Layer: portal.LayerRule}}, Plans: []portal.Plan{{ID: "silver"}}, Sunset: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)},
		{Title: "c", Placement: portal.Placement{portal.AxisAudience: {Value: "internal"}}, Authentication: portal.Authentication{Type: "apiKey", In: "header", Name: "X"}, Active: true},
	} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := deploymentRow{id: "dep_1", api: "api_1", published: string(text)}.decode(s)
		want.ID, want.API = "dep_1", "api_1"
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", want.Title, err, diff)
		}
	}
	if len(s.placements) != 2 || len(s.plans) != 2 {
		t.Errorf("%d placements and %d lists of plans are kept; want 2 of each", len(s.placements), len(s.plans))
	}
}
