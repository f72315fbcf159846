package main

import (
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

// TestOwnersGiveADocument: the team of an API gives a deployment that has none a document, which declares itself public; its
// consumers read it without the foreign server, and partners learn nothing. Nobody else of the company may.
func TestOwnersGiveADocument(t *testing.T) {
	_, at := registeredSample(t, gateway.Options{APIs: []gateway.API{
		{Name: "payments", Title: "Payments", Version: "1.0.0"},
		{Name: "documented", Title: "Documented", Version: "1.0.0", Document: []byte(partnerDocument)},
	}}, catalog.Gateway{
		ID: "edge", Division: "cards", Trust: []portal.Axis{portal.AxisAudience},
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Public}, Environments: []portal.Environment{portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	internal := people.NewOrganisation{Name: "Cards", Audience: portal.Internal, Division: "cards"}
	admin := s.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}, access.PlatformAdministrator)
	mia := s.enter(t, "Mia", "mia@alpenglow.example", internal, access.Developer)
	ned := s.enter(t, "Ned", "ned@alpenglow.example", internal, access.Developer)
	petra := s.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)
	team := s.must(t, admin, "POST", "/api/v1/teams", map[string]any{"name": "Payments", "organisation": string(mia.organisation)})["id"].(string)
	s.must(t, admin, "PUT", "/api/v1/teams/"+team+"/members/"+string(mia.person), nil)
	for _, api := range []string{"payments", "documented"} {
		s.must(t, admin, "PUT", "/api/v1/apis/"+api+"/team", map[string]any{"team": team})
	}
	deployment := func(api string) string {
		items := s.must(t, mia, "GET", "/api/v1/apis/"+api+"/documents", nil)["items"].([]any)
		if len(items) != 1 {
			t.Fatalf("documents of %s: %v", api, items)
		}
		return items[0].(map[string]any)["deployment"].(string)
	}
	path := "/deployments/" + deployment("payments") + "/document"
	const declares = `{"openapi":"3.0.3","info":{"title":"Payments","version":"9.0.0","x-concierge-audience":"public","x-concierge-api":"documented"},
		"servers":[{"url":"https://foreign.example"}],"paths":{"/refunds":{"get":{"summary":"All refunds","responses":{"200":{"description":"ok"}}}}}}`
	put := func(who somebody, path, body string) reply {
		return s.ask(who, web.SurfaceAPI, "PUT", "/api/v1"+path, body, func(r *http.Request) { r.Header.Set("Content-Type", "application/octet-stream") })
	}

	for name, who := range map[string]somebody{"a colleague outside the team": ned, "a partner": petra} {
		for _, r := range []reply{
			s.ask(who, web.SurfaceAPI, "GET", "/api/v1/apis/payments/documents", ""), s.ask(who, web.SurfacePage, "GET", "/apis/payments/documents", ""),
			s.ask(who, web.SurfacePage, "GET", path, ""), s.ask(who, web.SurfaceAPI, "GET", "/api/v1"+path, ""), put(who, path, declares),
			s.ask(who, web.SurfaceAPI, "DELETE", "/api/v1"+path, ""), s.ask(who, web.SurfaceAPI, "GET", "/api/v1"+path+"/content", ""),
		} {
			if r.status != http.StatusNotFound {
				t.Errorf("%s: %s", name, r)
			}
		}
	}
	if r := s.ask(mia, web.SurfacePage, "GET", path, ""); r.status != http.StatusOK || strings.Contains(r.body, `href="/gateways`) {
		t.Errorf("the page for an owner: %s", r)
	}
	if r := put(mia, path, strings.Repeat(" ", 21<<20)); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", r.status)
	}
	if r := put(mia, path, declares); r.status != http.StatusOK || !strings.Contains(r.body, `"uploaded_by":"Mia"`) || !strings.Contains(r.body, `"by_owners":true`) {
		t.Fatalf("uploading: %s", r)
	}
	if r := s.ask(ned, web.SurfaceAPI, "GET", "/api/v1/apis/payments/spec?environment=test", ""); !strings.Contains(r.body, "All refunds") || strings.Contains(r.body, "foreign.example") || strings.Contains(r.body, "x-concierge") {
		t.Errorf("what its consumers read: %s", r)
	}
	if r := s.ask(ned, web.SurfaceAPI, "GET", "/api/v1/apis/payments", ""); !strings.Contains(r.body, `"version":"1"`) || strings.Contains(r.body, `"version":"9"`) {
		t.Errorf("its version: %s", r)
	}
	for _, address := range []string{"/api/v1/apis", "/api/v1/apis?q=refunds", "/api/v1/apis/payments"} {
		if r := s.ask(petra, web.SurfaceAPI, "GET", address, ""); strings.Contains(r.body, "Payments") {
			t.Errorf("a partner at %s: %s", address, r)
		}
	}
	if events := s.must(t, mia, "GET", "/api/v1/apis/payments/documents", nil); events["items"].([]any)[0].(map[string]any)["source"] != "upload" {
		t.Errorf("where it is from: %v", events)
	}
	s.must(t, mia, "DELETE", "/api/v1"+path, nil)
	if r := s.ask(ned, web.SurfaceAPI, "GET", "/api/v1/apis/payments/spec?environment=test", ""); strings.Contains(r.body, "All refunds") {
		t.Errorf("taken back: %s", r)
	}
	other := "/deployments/" + deployment("documented") + "/document"
	if r := put(mia, other, declares); r.status != http.StatusConflict {
		t.Errorf("over the gateway's own: %s", r)
	}
	if r := s.ask(mia, web.SurfaceAPI, "GET", "/api/v1"+other+"/content", ""); r.status != http.StatusNotFound {
		t.Errorf("the gateway's own as published, with what consumers do not see: %s", r)
	}
}
