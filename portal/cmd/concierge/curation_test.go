package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/people"
	"concierge/portal/web"
)

// TestRetiring goes the whole way of a version that is retired: newcomers, those who are bound, a sync, the API gone and
// back, and a change of mind.
func TestRetiring(t *testing.T) {
	one, two := gateway.API{Name: "payments", Path: "/payments/v1", Title: "Payments", Version: "1.0.0", Entry: "payments"},
		gateway.API{Name: "payments2", Path: "/payments/v2", Title: "Payments", Version: "2.0.0", Entry: "payments"}
	g, at := registeredSample(t, gateway.Options{APIs: []gateway.API{one, two, {Name: "other", Title: "Other", Version: "1.0.0"}}}, catalog.Gateway{
		ID: "edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Partner}, Environments: []portal.Environment{portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	partners := people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}
	petra := s.enter(t, "Petra", "petra@brightmart.example", partners, access.OrganisationAdmin, access.Developer)
	admin := s.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal, Division: "cards"}, access.PlatformAdministrator)

	app := s.must(t, petra, "POST", "/api/v1/applications", map[string]any{"name": "Shop"})["id"].(string)
	ask := map[string]any{"application": app, "api": "payments", "version": "1", "environment": "test"}
	sub := s.must(t, petra, "POST", "/api/v1/subscriptions", ask)["id"].(string)
	s.must(t, petra, "POST", "/api/v1/subscriptions/"+sub+"/credentials", nil)

	// The owners of an API that their audience does not see decide about it all the same.
	decide := func(body map[string]any) map[string]any {
		t.Helper()
		return s.must(t, admin, "PUT", "/api/v1/apis/payments/versions/1/lifecycle", body)
	}
	told := decide(map[string]any{"lifecycle": "retired", "sunset": "2099-01-31T00:00:00Z", "note": "two is there"})
	if usage := fmt.Sprint(told["usage"]); usage != "map[applications:1 organisations:1 subscriptions:1]" || !strings.Contains(fmt.Sprint(told["users"]), "Brightmart") {
		t.Errorf("who uses it: %s, %v", usage, told["users"])
	}
	newcomer := "/api/v1/resolve?api=payments&version=1&environment=test"
	retired := func(when string) {
		t.Helper()
		r := s.ask(petra, web.SurfaceAPI, "GET", newcomer, "")
		if r.status != http.StatusNotFound || !strings.Contains(r.body, "/problems/no-endpoint") || !strings.Contains(r.body, `"retired":true`) {
			t.Errorf("%s: a newcomer: %s", when, r)
		}
		r = s.ask(petra, web.SurfaceAPI, "GET", newcomer+"&application="+app, "")
		if h := r.header; r.status != http.StatusOK || !strings.HasPrefix(h.Get("Deprecation"), "@") || h.Get("Sunset") != "Sat, 31 Jan 2099 00:00:00 GMT" ||
			!strings.Contains(h.Get("Link"), `rel="deprecation"`) {
			t.Errorf("%s: who holds a key: %s", when, r)
		}
	}
	retired("decided")
	// Its document is for those who hold a key, and for nobody else.
	otto := s.enter(t, "Otto", "otto@other.example", people.NewOrganisation{Name: "Other", Audience: portal.Partner}, access.OrganisationAdmin, access.Developer)
	const of = "version=1&environment=test"
	for surface, targets := range map[web.Surface][]string{
		web.SurfaceAPI:  {"/api/v1/apis/payments/spec?" + of},
		web.SurfacePage: {"/apis/payments/document?" + of, "/apis/payments/reference?" + of, "/apis/payments/operations?" + of},
	} {
		for _, target := range targets {
			if r := s.ask(petra, surface, "GET", target+"&application="+app, ""); r.status != http.StatusOK || !strings.Contains(r.body, "/payments") {
				t.Errorf("%s: who holds a key: %s", target, r)
			}
			if r := s.ask(petra, surface, "GET", target, ""); r.status != http.StatusNotFound {
				t.Errorf("%s: a newcomer: %s", target, r)
			}
			if r := s.ask(otto, surface, "GET", target+"&application="+app, ""); r.status != http.StatusNotFound {
				t.Errorf("%s: somebody else with its name: %s", target, r)
			}
		}
	}
	second := s.must(t, petra, "POST", "/api/v1/applications", map[string]any{"name": "Second"})["id"].(string)
	r := s.ask(petra, web.SurfaceAPI, "POST", "/api/v1/subscriptions", fmt.Sprintf(`{"application":%q,"api":"payments","version":"1","environment":"test"}`, second))
	if r.status != http.StatusNotFound {
		t.Errorf("a new subscription: %s", r)
	}
	if r := s.ask(petra, web.SurfaceAPI, "GET", "/api/v1/leaving", ""); !strings.Contains(r.body, `"lifecycle":"retired"`) || !strings.Contains(r.body, "Shop") {
		t.Errorf("what Petra has to leave: %s", r)
	}
	for _, page := range []string{"/", "/keys", "/applications/" + app} {
		if r := s.ask(petra, web.SurfacePage, "GET", page, ""); !strings.Contains(r.body, `data-testid="leaving"`) {
			t.Errorf("%s says nothing of it", page)
		}
	}
	if r := s.ask(petra, web.SurfacePage, "GET", "/apis/payments?environment=test&version=1&application="+app, ""); r.header.Get("Deprecation") == "" || r.header.Get("Sunset") == "" {
		t.Errorf("the page says nothing in its headers: %v", r.header)
	}

	s.syncNow(t, "edge")
	retired("synced")
	if err := g.Remove("payments"); err != nil {
		t.Fatal(err)
	}
	s.syncNow(t, "edge")
	if err := g.Add(one); err != nil {
		t.Fatal(err)
	}
	s.syncNow(t, "edge")
	retired("gone and back")

	decide(map[string]any{"lifecycle": "deprecated", "successor": ""})
	if r := s.ask(petra, web.SurfaceAPI, "GET", newcomer, ""); r.status != http.StatusOK || r.header.Get("Deprecation") == "" {
		t.Errorf("deprecated: %s", r)
	}
	decide(map[string]any{"lifecycle": ""})
	if r := s.ask(petra, web.SurfaceAPI, "GET", newcomer, ""); r.status != http.StatusOK || r.header.Get("Deprecation") != "" {
		t.Errorf("taken back: %s", r)
	}
}

// TestGuidesAreHarmless puts into a guide what a browser would run.
func TestGuidesAreHarmless(t *testing.T) {
	_, at := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Title: "Payments", Version: "1.0.0"}}}, catalog.Gateway{
		ID: "edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "public", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Public}, Environments: []portal.Environment{portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	admin := s.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal, Division: "cards"}, access.PlatformAdministrator)
	member := s.enter(t, "Mia", "mia@alpenglow.example", people.NewOrganisation{Name: "Cards", Audience: portal.Internal, Division: "cards"}, access.Developer)

	if r := s.ask(member, web.SurfaceAPI, "GET", "/api/v1/apis/payments/texts", ""); r.status != http.StatusNotFound {
		t.Errorf("before she is in the team: %s", r)
	}
	team := s.must(t, admin, "POST", "/api/v1/teams", map[string]any{"name": "Cards", "organisation": string(member.organisation)})["id"].(string)
	s.must(t, admin, "PUT", "/api/v1/teams/"+team+"/members/"+string(member.person), nil)
	s.must(t, admin, "PUT", "/api/v1/apis/payments/team", map[string]any{"team": team})

	body := "# Start\n\n<script>alert(1)</script>\n\n<img src=x onerror=alert(2)>\n\n[click](javascript:alert(3)) **bold**"
	saved := s.must(t, member, "PUT", "/api/v1/apis/payments/texts", map[string]any{"revision": 0, "publish": true, "guides": []any{map[string]string{"title": "Start", "audience": "public", "body": body}}})
	id := saved["guides"].([]any)[0].(map[string]any)["id"].(string)
	r := s.ask(member, web.SurfacePage, "GET", "/apis/payments/guides/"+id, "")
	_, main, _ := strings.Cut(r.body, "<main")
	if r.status != http.StatusOK || strings.Contains(main, "alert(") || strings.Contains(main, "javascript:") || !strings.Contains(main, "<strong>bold</strong>") {
		t.Errorf("the guide: %s", main)
	}
	if r := s.ask(member, web.SurfaceAPI, "PUT", "/api/v1/apis/payments/texts", `{"revision":0,"publish":true}`); r.status != http.StatusConflict || !strings.Contains(r.body, `"conflict":"1"`) {
		t.Errorf("saving on top of nothing: %s", r)
	}
	s.must(t, admin, "DELETE", "/api/v1/teams/"+team+"/members/"+string(member.person), nil)
	if r := s.ask(member, web.SurfaceAPI, "GET", "/api/v1/apis/payments/texts", ""); r.status != http.StatusNotFound {
		t.Errorf("after she has left the team: %s", r)
	}
}

// TestDeletingATeam: what it owns goes on without it, its members may no more than others, and its name is free.
func TestDeletingATeam(t *testing.T) {
	_, at := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Title: "Payments", Version: "1.0.0"}}}, catalog.Gateway{
		ID: "edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal}, Environments: []portal.Environment{portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	admin := s.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal, Division: "cards"}, access.PlatformAdministrator)
	member := s.enter(t, "Mia", "mia@alpenglow.example", people.NewOrganisation{Name: "Cards", Audience: portal.Internal, Division: "cards"}, access.Developer)
	create := func(name string) string {
		t.Helper()
		return s.must(t, admin, "POST", "/api/v1/teams", map[string]any{"name": name, "organisation": string(member.organisation)})["id"].(string)
	}
	team, other := create("Cards"), create("Loans")
	s.must(t, admin, "PUT", "/api/v1/teams/"+team+"/members/"+string(member.person), nil)
	s.must(t, admin, "PUT", "/api/v1/apis/payments/team", map[string]any{"team": team})
	s.must(t, member, "PUT", "/api/v1/apis/payments/texts", map[string]any{"revision": 0, "publish": true, "texts": []any{map[string]string{"audience": "internal", "summary": "By its team"}}})

	// Its members do not manage it.
	for _, r := range []reply{
		s.ask(member, web.SurfaceAPI, "PATCH", "/api/v1/teams/"+team, `{"name":"Mine"}`), s.ask(member, web.SurfaceAPI, "DELETE", "/api/v1/teams/"+team, ""),
		s.ask(member, web.SurfacePage, "GET", "/teams/"+team+"/delete", ""),
	} {
		if r.status != http.StatusNotFound {
			t.Errorf("a member: %s", r)
		}
	}
	if r := s.ask(admin, web.SurfaceAPI, "PATCH", "/api/v1/teams/"+team, `{"name":"loans"}`); r.status != http.StatusConflict {
		t.Errorf("the name of another team: %s", r)
	}
	if renamed := s.must(t, admin, "PATCH", "/api/v1/teams/"+team, map[string]any{"name": "Cards and more"}); renamed["name"] != "Cards and more" || renamed["owns"] != 1.0 {
		t.Errorf("renamed: %v", renamed)
	}
	if r := s.ask(admin, web.SurfacePage, "GET", "/teams/"+team+"/delete", ""); !strings.Contains(r.body, "1 API goes back to its division") {
		t.Errorf("the question does not say what becomes of its API: %s", r)
	}
	for _, id := range []string{team, other} {
		if r := s.ask(admin, web.SurfaceAPI, "DELETE", "/api/v1/teams/"+id, ""); r.status != http.StatusNoContent {
			t.Fatalf("deleted: %s", r)
		}
	}
	if r := s.ask(member, web.SurfaceAPI, "GET", "/api/v1/apis/payments/texts", ""); r.status != http.StatusNotFound {
		t.Errorf("who was in it still has its texts to edit: %s", r)
	}
	if a := s.must(t, member, "GET", "/api/v1/apis/payments", nil); a["summary"] != "By its team" {
		t.Errorf("what it wrote is gone: %v", a["summary"])
	}
	if texts := s.must(t, admin, "GET", "/api/v1/apis/payments/texts", nil); texts["team"] != nil && texts["team"] != "" {
		t.Errorf("it still owns its API: %v", texts["team"])
	}
	if r := s.ask(admin, web.SurfaceAPI, "GET", "/api/v1/teams/"+team, ""); r.status != http.StatusNotFound {
		t.Errorf("it is still there: %s", r)
	}
	create("Cards and more")
}
