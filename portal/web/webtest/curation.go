package webtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

// curation is what owners wrote and decided in the world.
type curation struct {
	texts     map[string][]api.Texts // by API, the oldest first
	decisions map[string]*api.LifecycleDecision
	owner     map[string]string // team by API
	teams     []api.Team
}

func (w *World) fillCuration() {
	w.curation = curation{texts: map[string][]api.Texts{}, decisions: map[string]*api.LifecycleDecision{}, owner: map[string]string{"payments": "team_pay"}}
	w.curation.teams = []api.Team{
		{ID: "team_pay", Name: "Payments", Organisation: "Meridian Europe", OrganisationID: "org_europe", Created: at(90 * day), Members: []api.TeamMember{{ID: string(Developer), Name: "Jonas Weber", Email: "jonas@meridian.example"}}},
		{ID: "team_travel", Name: "Travel", Organisation: "Meridian Europe", OrganisationID: "org_europe", Created: at(80 * day)},
	}
	first := api.Texts{Revision: 1, Published: true, By: "Claire Fontaine", At: before(30 * day), Texts: []portal.AudienceText{{Audience: portal.Public, Summary: "Payments"}}}
	second := api.Texts{Revision: 2, Published: true, By: "Jonas Weber", At: before(3 * day)}
	second.Texts = []portal.AudienceText{
		{Audience: portal.Internal, Contact: portal.Contact{Name: "Payments team", Email: "payments@meridian.example", Chat: "#payments"}, Links: []portal.TextLink{{Title: "Runbook", Href: "https://wiki.meridian.example/payments"}}},
		{Audience: portal.Partner, Contact: portal.Contact{Name: "Partner support", Email: "partners@meridian.example", URL: "https://support.meridian.example"}, Links: []portal.TextLink{{Title: "Status", Href: "https://status.meridian.example"}}},
	}
	second.Guides = []portal.Guide{
		{ID: "gde_start", Title: "Take your first payment", Audience: portal.Partner, Body: "## In three calls\n\n1. Make a payment.\n2. Confirm it.\n3. Watch it *settle*.\n\n| State | Means |\n|---|---|\n| `open` | not paid yet |\n| `settled` | done |\n"},
		{ID: "gde_ops", Title: "When settlement hangs", Audience: portal.Internal, Body: "Ask the ledger first."},
	}
	w.curation.texts["payments"] = []api.Texts{first, second}
}

// published is what consumers read.
func (w *World) published(id string) (t api.Texts) {
	for _, saved := range w.curation.texts[id] {
		if saved.Published {
			t = saved
		}
	}
	return t
}

func (w *World) curated(audience string, texts []portal.AudienceText, guides []portal.Guide) (c api.Curated) {
	for _, allowed := range mayUse[audience] {
		for _, t := range texts {
			if string(t.Audience) != allowed {
				continue
			}
			if c.Summary == "" {
				c.Summary = t.Summary
			}
			if c.Contact == nil && !t.Contact.IsZero() {
				c.Contact = &t.Contact
			}
			if len(c.Tags) == 0 {
				c.Tags = t.Tags
			}
			c.Links = append(c.Links, t.Links...)
		}
	}
	for _, g := range guides {
		if slices.Contains(mayUse[audience], string(g.Audience)) {
			c.Guides = append(c.Guides, g)
		}
	}
	return c
}

// curate lays the owners' texts over an API.
func (w *World) curate(p *person, a *api.API) {
	t := w.published(a.ID)
	c := w.curated(w.organisation(p.OrganisationID).Audience, t.Texts, t.Guides)
	if c.Summary != "" {
		a.Summary = c.Summary
	}
	if len(c.Tags) > 0 {
		a.Tags = c.Tags
	}
	a.Contact = c.Contact
	for _, l := range c.Links {
		a.Links = append(a.Links, api.Link{Rel: "related", Href: l.Href, Title: l.Title})
	}
	for _, g := range c.Guides {
		a.Guides = append(a.Guides, api.GuideHead{ID: g.ID, Title: g.Title})
	}
	a.CanCurate = w.owns(p, a.ID)
}

func (w *World) owns(p *person, id string) bool {
	team := w.curation.owner[id]
	return w.organisation(p.OrganisationID).Audience == "internal" && (p.is("platform-administrator", "division-administrator", "api-owner") ||
		slices.ContainsFunc(w.curation.teams, func(t api.Team) bool {
			return t.ID == team && slices.ContainsFunc(t.Members, func(m api.TeamMember) bool { return m.ID == p.ID })
		}))
}

func (w *World) owned(p *person, id string) error {
	if !slices.ContainsFunc(w.deployments, func(d deployment) bool { return string(d.API) == id }) || !w.owns(p, id) {
		return missing("api", id)
	}
	return nil
}

func (d *desk) Guide(_ context.Context, id, guide string) (api.GuidePage, error) {
	w, p, leave := d.enter()
	defer leave()
	if !slices.ContainsFunc(w.visible(p), func(d deployment) bool { return string(d.API) == id }) {
		return api.GuidePage{}, missing("api", id)
	}
	for _, g := range w.curated(w.organisation(p.OrganisationID).Audience, nil, w.published(id).Guides).Guides {
		if g.ID == guide {
			return api.GuidePage{GuideHead: api.GuideHead{ID: g.ID, Title: g.Title}, Body: g.Body}, nil
		}
	}
	return api.GuidePage{}, missing("guide", guide)
}

func (w *World) shownTexts(p *person, id string, t api.Texts) api.Texts {
	t.API, t.Team, t.Audiences = id, w.curation.owner[id], []string{"internal", "partner", "public"}
	t.CanAssign = p.is("platform-administrator", "division-administrator")
	for _, a := range w.deployments {
		if string(a.API) == id {
			t.Title = a.Title
		}
	}
	return t
}

func (d *desk) Texts(_ context.Context, id string, revision int64, from string) (api.Texts, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return api.Texts{}, err
	}
	saved := w.curation.texts[id]
	switch {
	case from != "":
		return api.Texts{}, missing("texts", from)
	case revision == 0 && len(saved) == 0:
		return w.shownTexts(p, id, api.Texts{}), nil
	case revision == 0:
		revision = int64(len(saved))
	}
	if revision > int64(len(saved)) {
		return api.Texts{}, missing("revision", strconv.FormatInt(revision, 10))
	}
	return w.shownTexts(p, id, saved[revision-1]), nil
}

func (d *desk) SaveTexts(_ context.Context, id string, n api.NewTexts) (api.Texts, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return api.Texts{}, err
	}
	if newest := int64(len(w.curation.texts[id])); n.Revision != newest {
		return api.Texts{}, &portal.ConflictError{Kind: "revision", ID: strconv.FormatInt(newest, 10), Err: told.TextsOvertaken.With()}
	}
	for i, g := range n.Guides {
		if g.Title == "" {
			return api.Texts{}, fmt.Errorf("%w: %w", errors.Join(told.GuideTitle.With(), told.LinkStarts.With(told.ALink)), portal.ErrInvalid)
		}
		if g.ID == "" {
			n.Guides[i].ID = w.next("gde")
		}
	}
	now := w.now()
	t := api.Texts{Revision: n.Revision + 1, Published: n.Publish, Texts: n.Texts, Guides: n.Guides, By: p.Name, At: &now}
	w.curation.texts[id] = append(w.curation.texts[id], t)
	return w.shownTexts(p, id, t), nil
}

func (d *desk) PreviewTexts(_ context.Context, id, audience string, n api.NewTexts) (api.Curated, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return api.Curated{}, err
	}
	return w.curated(audience, n.Texts, n.Guides), nil
}

func (d *desk) TextsHistory(_ context.Context, id string) ([]api.TextsRevision, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return nil, err
	}
	all := []api.TextsRevision{}
	for _, t := range slices.Backward(w.curation.texts[id]) {
		all = append(all, api.TextsRevision{Revision: t.Revision, Published: t.Published, Current: t.Revision == w.published(id).Revision, By: t.By, At: *t.At})
	}
	if id == "payments" {
		all = append(all, api.TextsRevision{Revision: 4, Published: true, From: "api_old_payments", By: "Claire Fontaine", At: at(200 * day)})
	}
	return all, nil
}

func (d *desk) AssignTeam(ctx context.Context, id, team string) (api.Texts, error) {
	w, p, leave := d.enter()
	err := w.owned(p, id)
	if err == nil && !p.is("platform-administrator", "division-administrator") {
		err = fmt.Errorf("only an administrator of its division gives an API to a team: %w", portal.ErrDenied)
	}
	if err == nil {
		w.curation.owner[id] = team
	}
	leave()
	if err != nil {
		return api.Texts{}, err
	}
	return d.Texts(ctx, id, 0, "")
}

func (w *World) ending(d *deployment) (e api.EndOfLife) {
	if !d.Sunset.IsZero() {
		e.Sunset = &d.Sunset
	}
	if d.Lifecycle.Ending() {
		e.Deprecation = before(60 * day)
		if d.API == "payments" {
			e.Successor = &api.Successor{API: "payments", Title: "Payments", Version: "2"}
		}
	}
	return e
}

func (d *desk) Leaving(context.Context) ([]api.Leaving, error) {
	w, p, leave := d.enter()
	defer leave()
	found := []api.Leaving{}
	for _, c := range w.credentials {
		if w.ownerOf(c.Application) != p.Organisation || c.State != "active" {
			continue
		}
		for i := range w.deployments {
			if at := &w.deployments[i]; string(at.API) == c.API && at.Line == c.Version && at.environment == c.Environment && at.Lifecycle.Ending() {
				found = append(found, api.Leaving{
					Application: c.Application, ApplicationName: c.ApplicationName, API: c.API, Title: c.Title, Version: c.Version, Environment: c.Environment,
					Lifecycle: string(at.Lifecycle), EndOfLife: w.ending(at),
				})
			}
		}
	}
	return found, nil
}

func (w *World) ownerOf(application string) string {
	for _, a := range w.applications {
		if a.ID == application {
			return a.Organisation
		}
	}
	return ""
}

func (d *desk) VersionLifecycle(_ context.Context, id, version string) (api.VersionLifecycle, error) {
	w, p, leave := d.enter()
	defer leave()
	return w.versionLifecycle(p, id, version)
}

func (w *World) versionLifecycle(p *person, id, version string) (api.VersionLifecycle, error) {
	if err := w.owned(p, id); err != nil {
		return api.VersionLifecycle{}, err
	}
	l := api.VersionLifecycle{API: id, Version: version, Decision: w.curation.decisions[id+"/"+version], Users: []api.APIUser{}}
	for i := range w.deployments {
		to := &w.deployments[i]
		if string(to.API) != id || to.Line != version {
			continue
		}
		l.Title = to.Title
		e := w.ending(to)
		shown := api.DeploymentLifecycle{
			ID: string(to.ID) + strconv.Itoa(i), Gateway: to.gateway, Environment: to.environment, Audience: to.audience, BaseURL: to.BaseURL,
			Lifecycle: string(to.Lifecycle), Deprecation: e.Deprecation, Sunset: e.Sunset,
		}
		if to.Lifecycle.Ending() {
			shown.LifecycleLayer, shown.SunsetLayer, shown.Successor, shown.SuccessorLayer = "gateway", "gateway", "/2", "document"
		}
		if l.Decision != nil {
			shown.Lifecycle, shown.LifecycleLayer = l.Decision.Lifecycle, "override"
		}
		l.Deployments = append(l.Deployments, shown)
	}
	if len(l.Deployments) == 0 {
		return l, missing("version", version)
	}
	organisations, applications := map[string]bool{}, map[string]bool{}
	for _, s := range w.subscriptions {
		if s.API == id && s.Version == version && slices.Contains([]string{"requested", "approved", "suspended"}, s.State) {
			l.Usage.Subscriptions++
			organisations[s.Organisation], applications[s.Application] = true, true
			l.Users = append(l.Users, api.APIUser{Subscription: s.ID, Organisation: s.Organisation, Application: s.Application, ApplicationName: s.ApplicationName, Environment: s.Environment, State: s.State, LastAct: &s.Created})
		}
	}
	l.Usage.Organisations, l.Usage.Applications = len(organisations), len(applications)
	return l, nil
}

func (d *desk) SetVersionLifecycle(_ context.Context, id, version string, n api.NewLifecycle) (api.VersionLifecycle, error) {
	w, p, leave := d.enter()
	defer leave()
	if err := w.owned(p, id); err != nil {
		return api.VersionLifecycle{}, err
	}
	if n.Successor == "nowhere" {
		return api.VersionLifecycle{}, told.NoSuccessor.As(portal.ErrInvalid, n.Successor)
	}
	key := id + "/" + version
	delete(w.curation.decisions, key)
	if n.Lifecycle != "" {
		now := w.now()
		w.curation.decisions[key] = &api.LifecycleDecision{Lifecycle: n.Lifecycle, Deprecation: &now, Sunset: n.Sunset, Successor: n.Successor, Note: n.Note, By: p.Name, At: now}
	}
	return w.versionLifecycle(p, id, version)
}

func (w *World) team(p *person, t api.Team) api.Team {
	t.CanManage = p.is("platform-administrator") || p.is("division-administrator") && t.OrganisationID == p.OrganisationID
	t.Size = len(t.Members)
	t.Others = nil
	if t.CanManage {
		for _, o := range w.people {
			in := slices.ContainsFunc(t.Members, func(m api.TeamMember) bool { return m.ID == o.ID })
			if o.OrganisationID == t.OrganisationID && !in {
				t.Others = append(t.Others, api.TeamMember{ID: o.ID, Name: o.Name, Email: o.Email})
			}
		}
	}
	return t
}

func (d *desk) Teams(context.Context) ([]api.Team, error) {
	w, p, leave := d.enter()
	defer leave()
	found := []api.Team{}
	for _, t := range w.curation.teams {
		if t.OrganisationID == p.OrganisationID || p.is("platform-administrator", "auditor") {
			found = append(found, w.team(p, t))
		}
	}
	return found, nil
}

func (d *desk) Team(ctx context.Context, id string) (api.Team, error) {
	all, err := d.Teams(ctx)
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	if err == nil {
		err = missing("team", id)
	}
	return api.Team{}, err
}

func (d *desk) CreateTeam(_ context.Context, n api.NewTeam) (api.Team, error) {
	w, p, leave := d.enter()
	defer leave()
	if n.Organisation == "" {
		n.Organisation = p.OrganisationID
	}
	t := api.Team{ID: w.next("team"), Name: n.Name, OrganisationID: n.Organisation, Organisation: w.organisation(n.Organisation).Name, Created: w.now()}
	if !w.team(p, t).CanManage {
		return api.Team{}, missing("organisation", n.Organisation)
	}
	if slices.ContainsFunc(w.curation.teams, func(o api.Team) bool { return o.OrganisationID == t.OrganisationID && o.Name == t.Name }) {
		return api.Team{}, told.NameTaken.As(portal.ErrConflict, n.Name)
	}
	w.curation.teams = append(w.curation.teams, t)
	return w.team(p, t), nil
}

func (d *desk) SetTeamMember(ctx context.Context, id, person string, member bool) (api.Team, error) {
	t, err := d.Team(ctx, id)
	if err != nil || !t.CanManage {
		return api.Team{}, missing("team", id)
	}
	w, _, leave := d.enter()
	for i := range w.curation.teams {
		at := &w.curation.teams[i]
		if at.ID != id {
			continue
		}
		at.Members = slices.DeleteFunc(slices.Clone(at.Members), func(m api.TeamMember) bool { return m.ID == person })
		if o := w.person(person); member && o != nil {
			at.Members = append(at.Members, api.TeamMember{ID: o.ID, Name: o.Name, Email: o.Email})
		}
	}
	leave()
	return d.Team(ctx, id)
}

func (d *desk) RenameTeam(ctx context.Context, id string, c api.TeamChange) (api.Team, error) {
	t, err := d.Team(ctx, id)
	if err != nil || !t.CanManage {
		return api.Team{}, missing("team", id)
	}
	w, _, leave := d.enter()
	for i := range w.curation.teams {
		o := &w.curation.teams[i]
		if o.ID != id && o.OrganisationID == t.OrganisationID && o.Name == c.Name {
			leave()
			return api.Team{}, told.NameTaken.As(portal.ErrConflict, c.Name)
		}
	}
	for i := range w.curation.teams {
		if o := &w.curation.teams[i]; o.ID == id {
			o.Name = c.Name
		}
	}
	leave()
	return d.Team(ctx, id)
}

func (d *desk) DeleteTeam(ctx context.Context, id string) error {
	t, err := d.Team(ctx, id)
	if err != nil || !t.CanManage {
		return missing("team", id)
	}
	w, _, leave := d.enter()
	defer leave()
	w.curation.teams = slices.DeleteFunc(slices.Clone(w.curation.teams), func(o api.Team) bool { return o.ID == id })
	return nil
}
