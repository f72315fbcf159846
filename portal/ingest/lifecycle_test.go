package ingest

import (
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

func TestLifecycleInLayers(t *testing.T) {
	may := time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
	june := may.AddDate(0, 1, 0)
	for name, tc := range map[string]struct {
		words    map[string]string
		gateway  connectors.Deployment
		want     portal.Deployment
		warnings int
	}{
		"nobody says anything": {want: portal.Deployment{Lifecycle: portal.Active}},
		"the document": {
			words: map[string]string{"lifecycle": " Deprecated ", "sunset": "2027-05-01", "successor": "pay / 3", "deprecated": "2027-06-01T02:00:00+02:00"},
			want: portal.Deployment{
				Lifecycle: portal.Deprecated, Sunset: may, Successor: "pay/3", Deprecated: june,
				SaidBy: portal.LifecycleLayers{Lifecycle: portal.LayerDocument, Sunset: portal.LayerDocument, Successor: portal.LayerDocument},
			},
		},
		"the gateway wins, value by value": {
			words:   map[string]string{"lifecycle": "preview", "sunset": "2027-05-01", "successor": "/3"},
			gateway: connectors.Deployment{Lifecycle: portal.Retired, Sunset: june},
			want: portal.Deployment{
				Lifecycle: portal.Retired, Sunset: june, Successor: "/3",
				SaidBy: portal.LifecycleLayers{Lifecycle: portal.LayerGateway, Sunset: portal.LayerGateway, Successor: portal.LayerDocument},
			},
		},
		"deprecated without more": {
			words: map[string]string{"deprecated": "true"},
			want:  portal.Deployment{Lifecycle: portal.Deprecated, SaidBy: portal.LifecycleLayers{Lifecycle: portal.LayerDocument}},
		},
		"a day, and active all the same": {
			words: map[string]string{"deprecated": "2027-05-01", "lifecycle": "active"},
			want:  portal.Deployment{Lifecycle: portal.Active, SaidBy: portal.LifecycleLayers{Lifecycle: portal.LayerDocument}},
		},
		"nonsense is nothing, and told": {
			words:    map[string]string{"lifecycle": "zombie", "sunset": "soon", "deprecated": "perhaps"},
			want:     portal.Deployment{Lifecycle: portal.Active},
			warnings: 3,
		},
		"a gateway's nonsense": {gateway: connectors.Deployment{Lifecycle: "zombie"}, want: portal.Deployment{Lifecycle: portal.Active}},
	} {
		t.Run(name, func(t *testing.T) {
			var got portal.Deployment
			warnings := live(&got, tc.gateway, catalog.Described{Words: tc.words})
			if len(warnings) != tc.warnings {
				t.Errorf("warnings %q", warnings)
			}
			if got.Lifecycle != tc.want.Lifecycle || !got.Sunset.Equal(tc.want.Sunset) || got.Successor != tc.want.Successor || !got.Deprecated.Equal(tc.want.Deprecated) || got.SaidBy != tc.want.SaidBy {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// A version that says beta is what its gateway says it is.
func TestVersionsSayNothingOfTheLifecycle(t *testing.T) {
	f := Found{Deployment: connectors.Deployment{Key: connectors.Key{RemoteID: "r"}, Version: "2.0.0-beta"}}
	if r, _ := publish(catalog.Gateway{ID: "g"}, connectors.Capabilities{}, f, catalog.Override{}); r.Deployment.Lifecycle != portal.Active {
		t.Errorf("got %s", r.Deployment.Lifecycle)
	}
}

func TestSinceWhenItIsDeprecated(t *testing.T) {
	now := time.Date(2027, 5, 1, 0, 0, 0, 0, time.UTC)
	old := now.AddDate(-1, 0, 0)
	for name, tc := range map[string]struct{ before, after, want portal.Deployment }{
		"active":           {after: portal.Deployment{Lifecycle: portal.Active}},
		"from now on":      {portal.Deployment{Lifecycle: portal.Active}, portal.Deployment{Lifecycle: portal.Deprecated}, portal.Deployment{Deprecated: now}},
		"as before":        {portal.Deployment{Lifecycle: portal.Deprecated, Deprecated: old}, portal.Deployment{Lifecycle: portal.Retired}, portal.Deployment{Deprecated: old}},
		"as somebody says": {portal.Deployment{Lifecycle: portal.Deprecated, Deprecated: old}, portal.Deployment{Lifecycle: portal.Retired, Deprecated: now}, portal.Deployment{Deprecated: now}},
		"for once more":    {portal.Deployment{Lifecycle: portal.Active, Deprecated: old}, portal.Deployment{Lifecycle: portal.Deprecated}, portal.Deployment{Deprecated: now}},
	} {
		if since(&tc.before, &tc.after, now); !tc.after.Deprecated.Equal(tc.want.Deprecated) {
			t.Errorf("%s: got %v, want %v", name, tc.after.Deprecated, tc.want.Deprecated)
		}
	}
}
