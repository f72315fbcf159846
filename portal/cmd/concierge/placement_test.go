package main

import (
	"strings"
	"testing"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/web"
)

// A gateway's rules, an override and what they freeze, over the HTTP API: by its division within the central bounds, and by
// nobody else.
func TestPlacementOverTheAPI(t *testing.T) {
	sample, err := gateway.New(gateway.Options{APIs: []gateway.API{
		{Name: "orders", Path: "/orders", Title: "Orders", Version: "1.0.0"}, {Name: "rates", Path: "/dev/rates", Title: "Rates", Version: "1.0.0"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sample.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sample.Close() })
	s := openPortal(t, t.TempDir())
	hq := people.NewOrganisation{Name: "Headquarters", Audience: portal.Internal}
	admin := s.enter(t, "Ada", "ada@hq.example", hq, access.PlatformAdministrator, access.Developer)
	freight := people.NewOrganisation{Name: "Freight", Audience: portal.Internal, Division: "freight"}
	division := s.enter(t, "Finn", "finn@hq.example", freight, access.DivisionAdministrator)
	other := s.enter(t, "Otto", "otto@hq.example", people.NewOrganisation{Name: "Retail", Audience: portal.Internal, Division: "retail"}, access.DivisionAdministrator)
	partner := s.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)

	s.must(t, admin, "POST", "/api/v1/gateways", map[string]any{
		"id": "lab", "kind": "sample", "address": sample.AdminURL(), "division": "freight", "allow_private": []string{"127.0.0.0/8"},
		"placement": map[string]string{"audience": "partner", "environment": "test"}, "secrets": map[string]string{"token": sample.AdminToken().Reveal()},
		"bounds": map[string]any{"audiences": []string{"internal", "partner"}, "environments": []string{"development", "test"}},
	})
	s.syncNow(t, "lab")
	app := s.must(t, partner, "POST", "/api/v1/applications", map[string]any{"name": "Shop"})["id"].(string)
	sub := s.must(t, partner, "POST", "/api/v1/subscriptions", map[string]any{"application": app, "api": "rates", "environment": "test"})
	held, _ := sub["id"].(string)
	if sub["state"] == "requested" {
		s.must(t, admin, "POST", "/api/v1/subscriptions/"+held+"/approve", nil)
	}
	key := s.must(t, partner, "POST", "/api/v1/subscriptions/"+held+"/credentials", nil)["id"].(string)

	// The usual names: dev, in a path, is within the bounds. Nothing is saved unseen.
	draft := map[string]any{"detect": true, "rules": []any{}}
	preview := s.must(t, division, "POST", "/api/v1/gateways/lab/rules/preview", draft)
	if preview["changed"] != 1.0 || preview["frozen"] != 1.0 || preview["unclassified"] != 0.0 {
		t.Fatalf("%v", preview)
	}
	status := func(who somebody, method, target, body string) reply {
		return s.ask(who, web.SurfaceAPI, method, target, body)
	}
	if r := status(division, "PUT", "/api/v1/gateways/lab/rules", `{"detect":true,"rules":[],"preview":"unseen"}`); r.status != 409 {
		t.Errorf("saved unseen: %s", r)
	}
	for _, who := range []somebody{other, partner} {
		for target, body := range map[string]string{"GET /api/v1/gateways/lab/rules": "", "POST /api/v1/gateways/lab/rules/preview": `{"rules":[]}`, "GET /api/v1/deployments?gateway=lab": ""} {
			method, path, _ := strings.Cut(target, " ")
			if r := status(who, method, path, body); r.status != 404 {
				t.Errorf("%s: %s: %d", who.name, target, r.status)
			}
		}
	}
	for what, body := range map[string]string{
		"outside the bounds": `{"rules":[{"match":{},"set":{"environment":"production"}}]}`,
		"a bad pattern":      `{"rules":[{"match":{"path":"/["},"set":{"environment":"test"}}]}`,
	} {
		if r := status(division, "POST", "/api/v1/gateways/lab/rules/preview", body); r.status != 422 {
			t.Errorf("%s: %s", what, r)
		}
	}
	if r := status(division, "POST", "/api/v1/gateways/lab/rules/preview", `{"rules":[{"match":{},"set":{"division":"retail"}}]}`); r.status != 403 {
		t.Errorf("another division's: %s", r)
	}
	draft["preview"] = preview["preview"]
	if rules := s.must(t, division, "PUT", "/api/v1/gateways/lab/rules", draft); rules["detect"] != true || rules["can_change"] != true {
		t.Errorf("%v", rules)
	}

	// The key works still; nothing new is made, and its consumer is told no more than that.
	shown := s.must(t, partner, "GET", "/api/v1/subscriptions/"+held, nil)
	frozen, _ := shown["frozen"].(map[string]any)
	if frozen == nil || strings.Contains(frozen["reason"].(string), "development") || s.must(t, partner, "GET", "/api/v1/credentials/"+key, nil)["state"] != "active" {
		t.Errorf("%v", shown)
	}
	if r := status(partner, "POST", "/api/v1/credentials/"+key+"/rotate", `{}`); r.status != 409 || !strings.Contains(r.body, "frozen") {
		t.Errorf("rotating: %s", r)
	}
	if r := status(partner, "GET", "/api/v1/resolve?api=rates&environment=test&application="+app, ""); r.status != 404 {
		t.Errorf("a bound application is sent elsewhere: %s", r)
	}
	list := s.must(t, division, "GET", "/api/v1/subscriptions?frozen=true", nil)["items"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["frozen"].(map[string]any)["reason"] != "environment test → development" || list[0].(map[string]any)["can_decide"] != true {
		t.Fatalf("%v", list)
	}
	if r := status(partner, "POST", "/api/v1/subscriptions/"+held+"/thaw", `{}`); r.status != 403 {
		t.Errorf("a consumer decides: %s", r)
	}

	// A person's word outdoes the names, and what they decide is theirs to take back.
	deployment := ""
	for _, i := range s.must(t, division, "GET", "/api/v1/deployments?gateway=lab&limit=10", nil)["items"].([]any) {
		if d := i.(map[string]any); d["title"] == "Rates" {
			deployment = d["id"].(string)
		}
	}
	at := "/api/v1/deployments/" + deployment
	decided := s.must(t, division, "PUT", at+"/override", map[string]any{"placement": map[string]string{"environment": "test"}})
	if decided["placement"].(map[string]any)["environment"].(map[string]any)["layer"] != "override" || decided["overridden"] != true {
		t.Errorf("%v", decided)
	}
	if r := status(division, "PUT", at+"/override", `{"placement":{"audience":"public"}}`); r.status != 422 {
		t.Errorf("outside the bounds: %s", r)
	}
	if r := status(division, "PUT", at+"/override", `{"placement":{"division":"retail"}}`); r.status != 403 {
		t.Errorf("another division's: %s", r)
	}
	if r := status(other, "DELETE", at+"/override", ""); r.status != 404 {
		t.Errorf("another division decides: %s", r)
	}
	if thawed := s.must(t, division, "POST", "/api/v1/subscriptions/"+held+"/thaw", map[string]any{"reason": "it is test"}); thawed["frozen"] != nil {
		t.Errorf("%v", thawed)
	}
	s.must(t, partner, "POST", "/api/v1/credentials/"+key+"/rotate", map[string]any{"overlap": "1h"})
	if o := s.must(t, division, "GET", at+"/override", nil); o["placement"].(map[string]any)["environment"] != "test" {
		t.Errorf("%v", o)
	}
	back := s.must(t, division, "DELETE", at+"/override", nil)
	if back["placement"].(map[string]any)["environment"].(map[string]any)["value"] != "development" || back["overridden"] != false {
		t.Errorf("%v", back)
	}
	if n := len(s.must(t, division, "GET", "/api/v1/deployments?unclassified=true", nil)["items"].([]any)); n != 0 {
		t.Errorf("%d are unclassified", n)
	}
}
