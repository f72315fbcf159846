package web

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// apiTab is one of the pages of an API.
type apiTab string

// The pages of an API, in order.
const (
	tabOverview  apiTab = ""
	tabEndpoints apiTab = "endpoints"
	tabReference apiTab = "reference"
	tabChanges   apiTab = "changes"
	tabConsumers apiTab = "consumers"

	tabComposition apiTab = "composition"
)

// apiHead is what the pages of an API begin with. Who uses it is a page for those only who decide about
// it or own it, what it is made of for those who decide.
func (v *visit) apiHead(a api.API, current apiTab, environment, version string) ui.APIHead {
	head := ui.APIHead{Title: titled(a.Title, a.ID), Summary: a.Summary, Owner: a.Owner, Tags: tags(a.Tags)}
	for _, tab := range []struct {
		apiTab
		key string
	}{{tabOverview, "tabs.overview"}, {tabEndpoints, "tabs.endpoints"}, {tabReference, "tabs.reference"}, {tabChanges, "tabs.changes"}, {tabConsumers, "tabs.consumers"}, {tabComposition, "tabs.composition"}} {
		path := ui.Below(ui.APIsPath, a.ID)
		switch tab.apiTab {
		case tabConsumers, tabComposition:
			if !a.Governed && (tab.apiTab == tabComposition || !a.CanCurate) {
				continue
			}
			path = ui.Below(path, string(tab.apiTab))
		case tabOverview:
			path = ui.With(path, "environment", environment, "version", version)
		case tabReference:
			path = ui.With(ui.Below(path, string(tab.apiTab)), "environment", environment, "version", version)
		default:
			path = ui.Below(path, string(tab.apiTab))
		}
		head.Tabs = append(head.Tabs, ui.Link{Text: v.text.T(tab.key), Href: path, Current: tab.apiTab == current})
	}
	return head
}

// inAPI places a page of an API in the navigation.
func (v *visit) inAPI(id, title, key string, way ...ui.Link) ui.Page {
	way = append([]ui.Link{v.crumb("nav.apis", ui.APIsPath), {Text: titled(title, id), Href: ui.Below(ui.APIsPath, id)}}, way...)
	p := v.in(ui.APIsPath, v.text.T(key)+" · "+titled(title, id), way...)
	p.Here = v.text.T(key)
	return p
}

// apiSide is one side of a comparison as an address writes it: environment, environment/version, or @ and the id of a
// deployment, for those who decide about it.
type apiSide struct{ environment, version, deployment string }

func sideOf(text string) apiSide {
	if id, ok := strings.CutPrefix(text, "@"); ok {
		return apiSide{deployment: id}
	}
	environment, version, _ := strings.Cut(text, "/")
	return apiSide{environment: environment, version: version}
}

func (s apiSide) String() string {
	if s.deployment != "" {
		return "@" + s.deployment
	}
	if s.version == "" {
		return s.environment
	}
	return s.environment + "/" + s.version
}

func (s apiSide) query() api.SideQuery {
	return api.SideQuery{Environment: s.environment, Version: s.version, Deployment: s.deployment}
}

// sideName says a side to people.
func (v *visit) sideName(s apiSide) string {
	if s.deployment != "" {
		return v.text.T("changes.deployment", "ID", s.deployment)
	}
	if s.version == "" {
		return v.text.Environment(s.environment)
	}
	return v.text.Environment(s.environment) + " · " + s.version
}

// sidesOf lists what an API can be compared by: each version in each environment that the person is sent to.
func sidesOf(a api.API) []apiSide {
	var sides []apiSide
	for _, l := range a.Versions {
		for _, e := range l.Environments {
			sides = append(sides, apiSide{environment: e, version: l.Version})
		}
	}
	return sides
}

// beside chooses what an endpoint is compared with: production of the same version, or, for production itself, the
// environment before it. ok is false where the person has no other one.
func beside(a api.API, version, environment string) (from, to apiSide, ok bool) {
	production := string(portal.Production)
	for _, l := range a.Versions {
		at := slices.Index(l.Environments, production)
		if l.Version != version || at < 0 || !slices.Contains(l.Environments, environment) {
			continue
		}
		if environment == production {
			if at == 0 {
				return from, to, false
			}
			environment = l.Environments[at-1]
		}
		return apiSide{environment: environment, version: version}, apiSide{environment: production, version: version}, true
	}
	return from, to, false
}

// How long a page waits for a comparison: it goes on without the page, and the next look finds it.
const (
	bannerPatience  = 250 * time.Millisecond
	changesPatience = 8 * time.Second
)

// differs says whether what an endpoint's page shows differs from production. It never keeps the page from being shown.
func (v *visit) differs(a api.API, version, environment string) *ui.Differs {
	from, to, ok := beside(a, version, environment)
	if !ok {
		return nil
	}
	shown := &ui.Differs{From: v.text.Environment(from.environment), To: v.text.Environment(to.environment), Href: changesAddress(a.ID, from, to)}
	d, pending, err := v.difference(bannerPatience, a.ID, from, to)
	switch {
	case pending:
		shown.Pending = true
		return shown
	case err != nil:
		if !errors.Is(err, portal.ErrNotFound) && !errors.Is(err, context.Canceled) {
			v.site.Log.WarnContext(v.ctx(), "an API page says nothing of differences", "error", err)
		}
		return nil
	case d.Same || d.Breaking+d.Compatible+d.Documentation == 0:
		return nil
	}
	shown.Breaking, shown.Compatible, shown.Documentation = d.Breaking, d.Compatible, d.Documentation
	return shown
}

func changesAddress(id string, from, to apiSide) string {
	return ui.With(ui.Below(ui.APIsPath, id, string(tabChanges)), "from", from.String(), "to", to.String())
}

// difference asks for a comparison for so long. pending says that it is still being worked out.
func (v *visit) difference(patience time.Duration, id string, from, to apiSide) (d api.Difference, pending bool, err error) {
	ctx, cancel := context.WithTimeout(v.ctx(), patience)
	defer cancel()
	d, err = v.desk.Difference(ctx, api.DifferenceQuery{API: id, From: from.query(), To: to.query()})
	pending = errors.Is(err, portal.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	return d, pending, err
}

func (s *site) changes(v *visit) error {
	a, err := v.desk.API(v.ctx(), v.r.PathValue("api"))
	if err != nil {
		return err
	}
	sides := sidesOf(a)
	from, to := sideOf(v.query("from")), sideOf(v.query("to"))
	if v.query("from") == "" && v.query("to") == "" && len(sides) > 1 {
		from, to = firstPair(a, sides)
	}
	offered := slices.Clone(sides)
	for _, s := range []apiSide{from, to} {
		if s.deployment != "" && !slices.Contains(offered, s) {
			offered = append(offered, s)
		}
	}
	page := ui.Changes{
		APIHead: v.apiHead(a, tabChanges, "", ""), Path: ui.Below(ui.APIsPath, a.ID, string(tabChanges)),
		Sides: each(offered, func(s apiSide) ui.Option { return ui.Option{Value: s.String(), Text: v.sideName(s)} }),
		From:  from.String(), To: to.String(), FromName: v.sideName(from), ToName: v.sideName(to), Swap: changesAddress(a.ID, to, from),
	}
	if len(sides) > 1 || v.query("from") != "" {
		d, pending, err := v.difference(changesPatience, a.ID, from, to)
		switch {
		case pending:
			page.Pending, page.Again = true, changesAddress(a.ID, from, to)
		case err != nil:
			return err
		default:
			page.FromName, page.ToName = v.answeredSide(from, d.From), v.answeredSide(to, d.To)
			page.Report = v.changeReport(d, page.FromName, page.ToName)
		}
	}
	return v.render(ui.ChangesPage(v.inAPI(a.ID, a.Title, "tabs.changes"), page))
}

// firstPair is what the page begins with: the newest version that can be compared with production, else the first two.
func firstPair(a api.API, sides []apiSide) (from, to apiSide) {
	for _, l := range a.Versions {
		if from, to, ok := beside(a, l.Version, string(portal.Production)); ok {
			return from, to
		}
	}
	return sides[0], sides[1]
}

// noteKeys say why only operations were compared.
var noteKeys = map[string]string{
	"synthesised": "changes.note_synthesised", "kind": "changes.note_kind", "too-large": "changes.note_too_large",
	"too-slow": "changes.note_too_slow", "unreadable": "changes.note_unreadable",
}

// answeredSide says a side to people, a deployment by where it is.
func (v *visit) answeredSide(asked apiSide, d api.DifferenceSide) string {
	if asked.deployment == "" {
		return v.sideName(asked)
	}
	return d.Gateway + " · " + v.sideName(apiSide{environment: d.Environment, version: d.Version})
}

func (v *visit) changeReport(d api.Difference, from, to string) *ui.ChangeReport {
	r := &ui.ChangeReport{Same: d.Same, More: d.More, MoreTouch: d.MoreTouched}
	if key, ok := noteKeys[d.Reason]; ok {
		r.Note = v.text.T(key)
	}
	for _, g := range []ui.ChangeGroup{{Level: "breaking", Count: d.Breaking}, {Level: "compatible", Count: d.Compatible}, {Level: "documentation", Count: d.Documentation}} {
		for _, c := range d.Changes {
			if c.Level != g.Level {
				continue
			}
			g.Items = append(g.Items, ui.ChangeRow{
				Method: c.Method, Path: c.Path, Schema: c.Schema, UsesMore: c.UsesMore, Possible: c.Possible, Text: v.text.Change(c.Code, c.Text),
				Uses: each(c.Uses, func(o api.OperationRef) ui.Operation { return ui.Operation{Method: o.Method, Path: o.Path} }),
			})
		}
		if g.Count > 0 {
			r.Groups = append(r.Groups, g)
		}
	}
	side := map[string]string{"from": from, "to": to}
	r.Touched = each(d.Subscriptions, func(t api.Touched) ui.TouchedRow {
		return ui.TouchedRow{ID: t.ID, Application: t.ApplicationName, Organisation: t.Organisation, State: t.State, Side: side[t.Side]}
	})
	return r
}
