package main

import (
	"fmt"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/web"
)

// TestDifferenceIsForThoseWhoSeeBothSides: what does not resolve for the caller answers as an API that does not exist, and an id
// of a deployment is for those only who govern it.
func TestDifferenceIsForThoseWhoSeeBothSides(t *testing.T) {
	w := openCanaries(t)
	view, err := w.live.Table().API(portal.Consumer{Audience: portal.Internal}, "payments")
	if err != nil {
		t.Fatal(err)
	}
	entry, _ := w.live.Table().Entry(view.ID)
	if len(entry.Deployments) < 2 {
		t.Fatalf("%d deployments", len(entry.Deployments))
	}
	one, other := entry.Deployments[0].ID, entry.Deployments[1].ID
	byID := fmt.Sprintf("from_deployment=%s&to_deployment=%s", one, other)
	const missing = "/problems/not-found"
	for name, tc := range map[string]struct {
		who    somebody
		query  string
		status int
		holds  string
	}{
		"a partner, with itself":                   {w.partner, "from_environment=production&to_environment=production", 200, `"same":true`},
		"a partner, an environment that is hidden": {w.partner, "from_environment=development&to_environment=production", 404, missing},
		"a partner, one that does not exist":       {w.partner, "from_environment=nonsense&to_environment=production", 404, missing},
		"a partner, a deployment by its id":        {w.partner, byID, 404, missing},
		"a developer of the company, by id":        {w.insider, byID, 404, missing},
		"nothing named":                            {w.partner, "", 404, missing},
		"an administrator, by id":                  {w.admin, byID, 200, fmt.Sprintf(`"deployment":%q`, other)},
		"an administrator, of an id that is not":   {w.admin, "from_deployment=none&to_environment=production", 404, missing},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.ask(tc.who, web.SurfaceAPI, "GET", "/api/v1/apis/payments/difference?"+tc.query, "")
			if got.status != tc.status || !strings.Contains(got.String(), tc.holds) {
				t.Errorf("%s", got)
			}
		})
	}
	for name, tc := range map[string]struct {
		who    somebody
		status int
	}{"a partner": {w.partner, 404}, "a developer of the company": {w.insider, 404}, "an administrator": {w.admin, 200}} {
		got := w.ask(tc.who, web.SurfaceAPI, "GET", "/api/v1/apis/payments/consumers", "")
		if got.status != tc.status || tc.status == 200 && !strings.Contains(got.String(), `"fingerprint"`) {
			t.Errorf("consumers for %s: %s", name, got)
		}
	}
}
