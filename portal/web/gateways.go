package web

import (
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (v *visit) gatewayView(g api.Gateway) ui.Gateway {
	shown := ui.Gateway{
		ID: g.ID, Title: titled(g.Title, g.ID), Kind: g.Kind, Address: g.Address, Division: g.Division, Site: g.Site, Source: g.Source,
		Paused: g.Paused, Deployments: g.Deployments, Unclassified: g.Unclassified, LastGood: g.LastGood,
		Audiences:    each(g.Bounds.Audiences, func(a portal.Audience) string { return string(a) }),
		Environments: each(g.Bounds.Environments, func(e portal.Environment) string { return string(e) }),
	}
	shown.Away = g.Site != string(portal.SiteLocal)
	shown.Every, shown.NextSync, shown.Budget, shown.Traffic = plainEvery(g.Every), g.NextSync, v.budgetView(g.Budget), trafficView(g.Traffic)
	shown.Gone, shown.SiteSeen = g.SiteState == "gone", g.SiteSeen
	if v.steers() {
		shown.SiteHref = ui.Below(ui.SitesPath, g.Site)
	}
	for _, axis := range portal.Axes {
		value := g.Placement[string(axis)]
		switch {
		case value == "":
			continue
		case axis == portal.AxisAudience:
			value = v.text.Audience(value)
		case axis == portal.AxisEnvironment:
			value = v.text.Environment(value)
		}
		shown.Placement = append(shown.Placement, ui.Fact{Name: v.text.Axis(string(axis)), Value: value})
	}
	for name, value := range g.Settings {
		shown.Settings = append(shown.Settings, ui.Fact{Name: name, Value: value})
	}
	slices.SortFunc(shown.Settings, func(a, b ui.Fact) int { return strings.Compare(a.Name, b.Name) })
	if g.LastRun != nil {
		r := v.run(*g.LastRun)
		shown.LastRun = &r
	}
	if c := g.Capabilities; c != nil {
		shown.Discovery = c.Discovery
		shown.Product, shown.Probed, shown.Abilities = c.Product, &c.Probed, v.abilities(*c)
	}
	return shown
}

var discoveryKeys = map[string]string{
	"snapshot": "ability.discovery.snapshot", "since": "ability.discovery.since", "watch": "ability.discovery.watch",
}

var scopeKeys = map[string]string{
	"native": "ability.scope.native", "group": "ability.scope.group", "policy": "ability.scope.policy",
	"route": "ability.scope.route", "none": "ability.scope.none",
}

// abilities says what a gateway can do, in words, what is needed most first.
func (v *visit) abilities(c api.Capabilities) []ui.AbilityLine {
	t := v.text
	var lines []ui.AbilityLine
	say := func(able bool, text string) { lines = append(lines, ui.AbilityLine{Able: able, Text: text}) }
	either := func(able bool, yes, no string) {
		if able {
			say(true, yes)
		} else {
			say(false, no)
		}
	}
	either(c.Issue, t.T("ability.issue"), t.T("ability.issue_not", "Reason", c.IssueReason))
	if c.Issue {
		if k, ok := scopeKeys[c.Scope]; ok {
			say(c.Scope != "none", t.T(k))
		}
		if c.MaxKeys == 0 {
			say(true, t.T("ability.keys_any"))
		} else {
			say(c.MaxKeys > 1, t.N("ability.keys", c.MaxKeys))
		}
		either(c.Expiry, t.T("ability.expiry"), t.T("ability.expiry_not"))
		either(c.Suspend, t.T("ability.suspend"), t.T("ability.suspend_not"))
		switch d := time.Duration(c.PropagationSeconds * float64(time.Second)).Round(time.Millisecond); {
		case c.Pipeline:
			say(false, t.T("ability.pipeline"))
		case d == 0:
			say(true, t.T("ability.at_once"))
		default:
			say(true, t.T("ability.propagation", "Duration", t.Duration(d)))
		}
		if c.ReadBack {
			say(false, t.T("ability.read_back"))
		}
	}
	either(c.Documents, t.T("ability.documents"), t.T("ability.documents_not"))
	if k, ok := discoveryKeys[c.Discovery]; ok {
		say(true, t.T(k))
	}
	return lines
}

func (s *site) gateways(v *visit) error {
	p, err := v.desk.Gateways(v.ctx(), v.paging(listLimit))
	if err != nil {
		return err
	}
	l := ui.Gateways{Items: each(p.Items, v.gatewayView), CanAdd: v.is(access.PlatformAdministrator)}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.GatewaysPage(v.in(ui.GatewaysPath, v.text.T("nav.gateways")), l))
}

func (s *site) gateway(v *visit) error {
	g, err := v.desk.Gateway(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	runs, err := v.desk.Runs(v.ctx(), g.ID, v.paging(10))
	if err != nil {
		return err
	}
	page := ui.GatewayPage{
		Gateway: v.gatewayView(g), Runs: each(runs.Items, v.run),
		CanSync: v.administersGateways() && !g.Paused, CanChange: g.Registered != nil && g.Source == "api",
	}
	page.First, page.Next = v.pages(runs.Next)
	p := v.in(ui.GatewaysPath, page.Title, v.crumb("nav.gateways", ui.GatewaysPath))
	if g.LastRun != nil && g.LastRun.State == "running" {
		p.Refresh = 3
	}
	return v.render(ui.GatewayPageView(p, page))
}

func (s *site) sync(v *visit) error {
	r, err := v.desk.Sync(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.GatewaysPath, r.Gateway), "")
}

func audiences() []string {
	return []string{string(portal.Internal), string(portal.Partner), string(portal.Public)}
}

// withDefaults offers the environments that come with the product beside those in use.
func withDefaults(environments []string) []string {
	for _, e := range []portal.Environment{portal.Development, portal.Test, portal.Simulation, portal.Production} {
		if !slices.Contains(environments, string(e)) {
			environments = append(environments, string(e))
		}
	}
	return environments
}

// fieldsNamed collects the fields whose names begin alike, without that beginning. Empty ones are left out.
func (v *visit) fieldsNamed(prefix string) map[string]string {
	found := map[string]string{}
	for name := range v.r.PostForm {
		if rest, ok := strings.CutPrefix(name, prefix); ok && v.field(name) != "" {
			found[rest] = v.field(name)
		}
	}
	return found
}
