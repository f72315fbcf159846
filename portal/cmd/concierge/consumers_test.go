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

// TestTheTeamOfAnAPISeesWhoUsesIt: its members see the consumers of what their division publishes of it and how to reach them,
// without their keys and without what was said when they asked; nobody else of the company does, and no partner.
func TestTheTeamOfAnAPISeesWhoUsesIt(t *testing.T) {
	edge, edgeAt := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Title: "Payments", Version: "1.0.0"}}}, catalog.Gateway{
		ID: "edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "public", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Public}, Environments: []portal.Environment{portal.Test}},
	})
	_, bankAt := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "repayments", Title: "Repayments", Version: "1.0.0"}}}, catalog.Gateway{
		ID: "bank", Division: "loans",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "production", portal.AxisDivision: "loans"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal}, Environments: []portal.Environment{portal.Production}},
	})
	s := openPortal(t, t.TempDir(), edgeAt, bankAt)
	internal := func(name string, d portal.Division) people.NewOrganisation {
		return people.NewOrganisation{Name: name, Audience: portal.Internal, Division: d}
	}
	admin := s.enter(t, "Root", "root@alpenglow.example", internal("Alpenglow", ""), access.PlatformAdministrator)
	owner := s.enter(t, "Olaf", "olaf@alpenglow.example", internal("Loans", "loans"), access.APIOwner)
	mia := s.enter(t, "Mia", "mia@alpenglow.example", internal("Cards", "cards"), access.Developer)
	ned := s.enter(t, "Ned", "ned@alpenglow.example", internal("Cards", "cards"), access.Developer)
	lou := s.enter(t, "Lou", "lou@alpenglow.example", internal("Loans", "loans"), access.Developer)
	petra := s.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)
	s.must(t, admin, "POST", "/api/v1/apis/repayments/join", map[string]any{"into": "payments"})
	team := func(name string, member somebody) string {
		id := s.must(t, admin, "POST", "/api/v1/teams", map[string]any{"name": name, "organisation": string(member.organisation)})["id"].(string)
		s.must(t, admin, "PUT", "/api/v1/teams/"+id+"/members/"+string(member.person), nil)
		return id
	}
	s.must(t, admin, "PUT", "/api/v1/apis/payments/team", map[string]any{"team": team("Payments", mia)})
	team("Others", lou)
	subscribe := func(who somebody, application, environment string) string {
		app := s.must(t, who, "POST", "/api/v1/applications", map[string]any{"name": application})["id"].(string)
		sub := s.must(t, who, "POST", "/api/v1/subscriptions", map[string]any{"application": app, "api": "payments", "environment": environment})
		if sub["state"] == "requested" {
			s.must(t, admin, "POST", "/api/v1/subscriptions/"+sub["id"].(string)+"/approve", map[string]any{})
		}
		return sub["id"].(string)
	}
	claimed := s.must(t, petra, "POST", "/api/v1/subscriptions/"+subscribe(petra, "=Shop", "test")+"/credentials", nil)
	subscribe(lou, "Ledger", "production")

	const list, page, file = "/api/v1/apis/payments/consumers", "/apis/payments/consumers", "/apis/payments/consumers/list"
	seen := s.ask(mia, web.SurfaceAPI, "GET", list, "")
	for _, word := range []string{`"application_name":"=Shop"`, `"organisation":"Brightmart"`, `"email":"petra@brightmart.example"`, `"working_keys":1`, `"keys":[]`, `"governed":false`} {
		if !strings.Contains(seen.body, word) {
			t.Errorf("a member of the team is not told %s: %s", word, seen)
		}
	}
	everything := seen.body + s.ask(mia, web.SurfacePage, "GET", page, "").body + s.ask(mia, web.SurfacePage, "GET", file, "").body
	for what, word := range map[string]string{
		"who uses what another division owns": "Ledger", "a fingerprint": claimed["fingerprint"].(string), "who asked": `"requested_by":"Petra"`,
		"a key's page": "/keys/" + claimed["id"].(string), "a subscription's page": "/subscriptions/sub_",
	} {
		if strings.Contains(everything, word) {
			t.Errorf("a member of the team is told %s", what)
		}
	}
	if r := s.ask(mia, web.SurfacePage, "GET", file+"?state=open", ""); r.status != http.StatusOK || !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") ||
		!strings.Contains(r.body, "Brightmart,'=Shop,Petra,petra@brightmart.example,payments,1,test,") {
		t.Errorf("the list as a file: %s", r)
	}
	if r := s.ask(mia, web.SurfaceAPI, "GET", "/api/v1/apis/payments/versions/1/lifecycle", ""); !strings.Contains(r.body, "Brightmart") || strings.Contains(r.body, "Ledger") {
		t.Errorf("the lifecycle's page names who uses what another division owns: %s", r)
	}
	for name, who := range map[string]somebody{"a colleague outside the team": ned, "a member of another team": lou, "a partner": petra} {
		for _, r := range []reply{s.ask(who, web.SurfaceAPI, "GET", list, ""), s.ask(who, web.SurfacePage, "GET", page, ""), s.ask(who, web.SurfacePage, "GET", file, "")} {
			if r.status != http.StatusNotFound {
				t.Errorf("%s: %s", name, r)
			}
		}
		if r := s.ask(who, web.SurfacePage, "GET", "/apis/payments", ""); r.status != http.StatusOK || strings.Contains(r.body, page) {
			t.Errorf("%s is led to the list: %s", name, r)
		}
	}
	if r := s.ask(owner, web.SurfaceAPI, "GET", list, ""); !strings.Contains(r.body, "Ledger") || strings.Contains(r.body, "Brightmart") {
		t.Errorf("who governs the other division's part: %s", r)
	}
	if r := s.ask(mia, web.SurfaceAPI, "GET", list+"?version=2", ""); r.status != http.StatusOK || strings.Contains(r.body, "Brightmart") {
		t.Errorf("of a version that nobody uses: %s", r)
	}

	// Unclassified from now on: only those who govern it are told of it, so the team learns nothing of its consumers either.
	err := edge.Add(gateway.API{Name: "payments", Title: "Payments", Version: "1.0.0", Words: map[portal.Axis]string{portal.AxisAudience: "internal"}})
	if err != nil {
		t.Fatal(err)
	}
	s.syncNow(t, "edge")
	if r := s.ask(mia, web.SurfaceAPI, "GET", list, ""); r.status != http.StatusOK || strings.Contains(r.body, "Brightmart") {
		t.Errorf("of what is unclassified: %s", r)
	}
	if r := s.ask(admin, web.SurfaceAPI, "GET", list, ""); !strings.Contains(r.body, "Brightmart") || !strings.Contains(r.body, claimed["fingerprint"].(string)) {
		t.Errorf("an administrator: %s", r)
	}
}
