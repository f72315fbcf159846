package main

import (
	"html"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/people"
	"concierge/portal/web"
)

// TestRulesThatWereTriedCanBeKept: rules of a gateway from the configuration are tried on its page and not saved, and what the page
// shows for the configuration file is read there as what was tried.
func TestRulesThatWereTriedCanBeKept(t *testing.T) {
	_, at := registeredSample(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Title: "Payments", Version: "1.0.0", Path: "/dev/payments"}}}, catalog.Gateway{
		ID: "edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "test"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal}, Environments: []portal.Environment{portal.Development, portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	admin := s.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}, access.PlatformAdministrator)
	form := url.Values{
		"do": {"preview"}, "detect": {"yes"}, "rule.0.match.path": {"/dev"}, "rule.0.match.name": {`the "new": {one}`}, "rule.0.set.environment": {"development"},
		"rule.1.match.host": {"*.corp"}, "rule.1.public": {"https://apis.example/x"}, "rule.1.set.region": {"eu # west"},
	}
	r := s.ask(admin, web.SurfacePage, "POST", "/gateways/edge/placement", form.Encode())
	_, text, _ := strings.Cut(r.body, "<code>")
	text, _, ok := strings.Cut(text, "</code>")
	if r.status != 200 || !ok || strings.Contains(r.body, `value="save"`) {
		t.Fatalf("%s", r)
	}
	text = strings.ReplaceAll("\n"+strings.TrimSpace(html.UnescapeString(text)), "\n", "\n    ")
	c, err := parseConfig([]byte("gateways:\n  - id: edge"+text+"\n"), t.TempDir())
	if err != nil || len(c.Gateways) != 1 || c.Gateways[0].Environments != "detect" || len(c.Gateways[0].Rules) != 2 {
		t.Fatalf("%s\n%+v, %v", text, c.Gateways, err)
	}
	want := []catalog.Rule{
		{Match: catalog.Match{Path: "/dev", Name: `the "new": {one}`}, Set: map[portal.Axis]string{portal.AxisEnvironment: "development"}},
		{Match: catalog.Match{Host: "*.corp"}, Set: map[portal.Axis]string{portal.AxisRegion: "eu # west"}, Public: "https://apis.example/x"},
	}
	if got := []catalog.Rule{c.Gateways[0].Rules[0].rule(), c.Gateways[0].Rules[1].rule()}; !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n%+v", text, got)
	}
}
