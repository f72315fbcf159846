package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/curation"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/told"
)

// ending is what the caller is told of a version that is on its way out.
func (d *desk) ending(table *routing.Table, in portal.APIID, l portal.Lifecycle, deprecated, sunset time.Time, successor string) (e api.EndOfLife) {
	if !sunset.IsZero() {
		e.Sunset = &sunset
	}
	if !l.Ending() {
		return e
	}
	e.Deprecation = timeOrNil(deprecated)
	e.Successor = d.successor(table, in, successor)
	return e
}

func (d *desk) endingOf(table *routing.Table, to *portal.Deployment) api.EndOfLife {
	return d.ending(table, to.API, to.Lifecycle, to.Deprecated, to.Sunset, to.Successor)
}

// successor is told to those only who may see it. A name without a slash may be a version of the same API.
func (d *desk) successor(table *routing.Table, in portal.APIID, named string) *api.Successor {
	if named == "" {
		return nil
	}
	to := portal.ParseSuccessor(named)
	if to.API == "" {
		to.API = string(in)
	} else if v, err := table.API(d.consumer(), string(in)); err == nil && to.Version == "" && hasLine(v, to.API) {
		to = portal.Successor{API: string(in), Version: to.API}
	}
	v, err := table.API(d.consumer(), to.API)
	if err != nil || to.Version != "" && !hasLine(v, to.Version) {
		return nil
	}
	return &api.Successor{API: v.Name, Title: v.Title, Version: to.Version}
}

func hasLine(v routing.EntryView, line string) bool {
	return slices.ContainsFunc(v.Versions, func(l routing.VersionView) bool { return l.Line == line })
}

// endingFor is the lifecycle of what a subscription is for, as far as its holder may see it.
func (d *desk) endingFor(in portal.APIID, id portal.DeploymentID) (string, api.EndOfLife) {
	table := d.Live.Table()
	if _, err := table.API(d.consumer(), string(in)); err != nil {
		return "", api.EndOfLife{}
	}
	entry, _ := table.Entry(in)
	for i := range entry.Deployments {
		if to := &entry.Deployments[i]; to.ID == id {
			return string(to.Lifecycle), d.endingOf(table, to)
		}
	}
	return "", api.EndOfLife{}
}

// owned finds an API for a caller who may curate it: as they know it as a consumer or, where their audience does not see
// it, by its own name.
func (d *desk) owned(ctx context.Context, name string) (routing.Entry, *routing.Table, error) {
	return routing.Find(ctx, d.Live, func(t *routing.Table) (routing.Entry, error) {
		entry, ok := t.Named(name)
		if v, err := t.API(d.consumer(), name); err == nil {
			entry, ok = t.Entry(v.ID)
		}
		if !ok || !access.MayCurate(d.caller, access.Owner{Division: entry.Owner, Team: entry.Team}) {
			return routing.Entry{}, fmt.Errorf("API %s: %w", name, portal.ErrNotFound)
		}
		return entry, nil
	})
}

// titleOf is what an entry is called among those who govern it.
func (d *desk) titleOf(t *routing.Table, e routing.Entry) (slug, title string) {
	if v, err := t.API(d.consumer(), string(e.ID)); err == nil {
		return v.Name, v.Title
	}
	if len(e.Deployments) > 0 {
		title = e.Deployments[0].Title
	}
	return e.Slug, title
}

// mayKnow reports whether an owner of an API is told of a deployment: what has no audience or environment is known to those only
// who govern it.
func (d *desk) mayKnow(to *portal.Deployment) bool {
	return to.Placement.Classified() || access.MayGovern(d.caller, to.Placement.Division())
}

// mostUsers is how many of those who use a version are named.
const mostUsers = 200

func lineOf(version string) string {
	if version == api.NoVersion {
		return ""
	}
	return version
}

func (d *desk) VersionLifecycle(ctx context.Context, id, version string) (api.VersionLifecycle, error) {
	entry, table, err := d.owned(ctx, id)
	if err != nil {
		return api.VersionLifecycle{}, err
	}
	line := lineOf(version)
	st, err := d.Curation.Standing(ctx, d.caller, entry.ID, line, "", mostUsers)
	if err != nil {
		return api.VersionLifecycle{}, err
	}
	shown := api.VersionLifecycle{
		Version: line, Users: []api.APIUser{}, Deployments: []api.DeploymentLifecycle{},
		Usage: api.Usage{Subscriptions: st.Usage.Subscriptions, Applications: st.Usage.Applications, Organisations: st.Usage.Organisations},
	}
	shown.API, shown.Title = d.titleOf(table, entry)
	names, err := d.peopleNamed(ctx, st.Decisions)
	if err != nil {
		return api.VersionLifecycle{}, err
	}
	decided := func(s curation.Scope) *api.LifecycleDecision {
		i := slices.IndexFunc(st.Decisions, func(c curation.Decision) bool { return c.Scope == s })
		if i < 0 {
			return nil
		}
		c := st.Decisions[i]
		return &api.LifecycleDecision{
			Lifecycle: string(c.Lifecycle), Deprecation: timeOrNil(c.Since), Sunset: timeOrNil(c.Sunset), Successor: d.successorNamed(table, c.Successor),
			Note: c.Note, By: names[c.Actor], At: c.At,
		}
	}
	shown.Decision = decided(curation.Scope{API: entry.ID, Line: line})
	for _, to := range st.Deployments {
		if to.Line != line || !d.mayKnow(&to) {
			continue
		}
		shown.Deployments = append(shown.Deployments, api.DeploymentLifecycle{
			ID: string(to.ID), Gateway: string(to.Gateway), Environment: string(to.Placement.Environment()), Audience: string(to.Placement.Audience()), BaseURL: to.BaseURL,
			Lifecycle: string(to.Lifecycle), LifecycleLayer: string(to.SaidBy.Lifecycle), Deprecation: timeOrNil(to.Deprecated),
			Sunset: timeOrNil(to.Sunset), SunsetLayer: string(to.SaidBy.Sunset), Successor: d.successorNamed(table, to.Successor), SuccessorLayer: string(to.SaidBy.Successor),
			Decision: decided(curation.Scope{Deployment: to.ID}),
		})
	}
	if len(shown.Deployments) == 0 {
		return api.VersionLifecycle{}, fmt.Errorf("version %q of API %s: %w", line, id, portal.ErrNotFound)
	}
	for _, u := range st.Users {
		shown.Users = append(shown.Users, api.APIUser{
			Subscription: string(u.Subscription), Organisation: u.OrganisationName, Application: string(u.Application), ApplicationName: u.ApplicationName,
			Environment: string(u.Environment), State: u.State, LastAct: timeOrNil(u.LastAct),
		})
	}
	return shown, nil
}

// successorNamed writes a successor that was kept by id with the name that people know. One that the caller neither sees nor
// owns has no name for them; what a gateway or a document says stays as it is written there.
func (d *desk) successorNamed(table *routing.Table, kept string) string {
	to := portal.ParseSuccessor(kept)
	e, ok := table.Entry(portal.APIID(to.API))
	if !ok {
		return to.String()
	}
	_, hidden := table.API(d.consumer(), string(e.ID))
	switch {
	case hidden == nil || access.MayCurate(d.caller, access.Owner{Division: e.Owner, Team: e.Team}):
		to.API, _ = d.titleOf(table, e)
	case to.API == string(e.ID):
		return ""
	}
	return to.String()
}

func (d *desk) peopleNamed(ctx context.Context, decisions []curation.Decision) (map[portal.PersonID]string, error) {
	ids := make([]portal.PersonID, len(decisions))
	for i, c := range decisions {
		ids[i] = c.Actor
	}
	return d.namesOf(ctx, ids)
}

// namesOf names people.
func (d *desk) namesOf(ctx context.Context, ids []portal.PersonID) (map[portal.PersonID]string, error) {
	names := map[portal.PersonID]string{}
	err := d.people.View(ctx, func(tx people.Tx) error {
		for _, id := range ids {
			if _, ok := names[id]; ok || id == "" {
				continue
			}
			p, err := tx.People().Person(ctx, id)
			if err != nil {
				return err
			}
			names[id] = p.Name
		}
		return nil
	})
	return names, err
}

func (d *desk) SetVersionLifecycle(ctx context.Context, id, version string, n api.NewLifecycle) (api.VersionLifecycle, error) {
	entry, table, err := d.owned(ctx, id)
	if err != nil {
		return api.VersionLifecycle{}, err
	}
	line, there, known := lineOf(version), false, false
	for i := range entry.Deployments {
		if to := &entry.Deployments[i]; to.Line == line && (n.Deployment == "" || n.Deployment == string(to.ID)) {
			there, known = true, known || d.mayKnow(to)
		}
	}
	if there && !known {
		return api.VersionLifecycle{}, fmt.Errorf("version %q of API %s: %w", line, id, portal.ErrNotFound)
	}
	change := curation.Change{
		Line: line, Deployment: portal.DeploymentID(n.Deployment), Lifecycle: portal.Lifecycle(n.Lifecycle), Note: n.Note,
	}
	if change.Successor, err = d.keptSuccessor(ctx, table, entry, n.Successor); err != nil {
		return api.VersionLifecycle{}, err
	}
	if n.Deprecation != nil {
		change.Since = *n.Deprecation
	}
	if n.Sunset != nil {
		change.Sunset = *n.Sunset
	}
	if err := d.Curation.Decide(ctx, d.caller, entry.ID, change); err != nil {
		return api.VersionLifecycle{}, err
	}
	if err := d.seen(ctx); err != nil {
		return api.VersionLifecycle{}, err
	}
	return d.VersionLifecycle(ctx, id, version)
}

// keptSuccessor turns the name that a person wrote into one that stays: the API's id. What they neither see nor own is no
// successor.
func (d *desk) keptSuccessor(ctx context.Context, table *routing.Table, in routing.Entry, named string) (string, error) {
	if strings.TrimSpace(named) == "" {
		return "", nil
	}
	found := d.successor(table, in.ID, named)
	if found == nil {
		own, err := d.ownSuccessor(ctx, in, named)
		if err == nil || !errors.Is(err, portal.ErrNotFound) {
			return own.String(), err
		}
		return "", told.NoSuccessor.As(portal.ErrInvalid, named)
	}
	to := portal.Successor{Version: found.Version}
	if v, err := table.API(d.consumer(), found.API); err == nil && v.ID != in.ID {
		to.API = string(v.ID)
	}
	return to.String(), nil
}

// ownSuccessor finds a successor among what the caller owns, whether their audience sees it or not; else portal.ErrNotFound.
func (d *desk) ownSuccessor(ctx context.Context, in routing.Entry, named string) (portal.Successor, error) {
	has := func(e routing.Entry, line string) bool {
		return slices.ContainsFunc(e.Deployments, func(d portal.Deployment) bool { return d.Line == line })
	}
	to, e := portal.ParseSuccessor(named), in
	if to.Version == "" && has(in, to.API) {
		to = portal.Successor{Version: to.API}
	}
	if to.API != "" {
		var err error
		if e, _, err = d.owned(ctx, to.API); err != nil {
			return to, err
		}
		to.API = string(e.ID)
	}
	if e.ID == in.ID {
		to.API = ""
	}
	if to.Version != "" && !has(e, to.Version) || to == (portal.Successor{}) {
		return to, fmt.Errorf("version %q of API %s: %w", to.Version, e.ID, portal.ErrNotFound)
	}
	return to, nil
}

// manyApplications is how many applications are read at once.
const manyApplications = 1000

func (d *desk) Leaving(ctx context.Context) ([]api.Leaving, error) {
	table, found := d.Live.Table(), []api.Leaving{}
	for after := ""; ; {
		mine, err := d.Keys.Applications(ctx, d.caller, keys.Page{After: after, Limit: manyApplications})
		if err != nil {
			return nil, err
		}
		for _, app := range mine {
			after = string(app.ID)
			held, _ := table.Application(app.ID)
			for _, b := range held.Bindings {
				lifecycle, ending := d.endingFor(b.API, b.Deployment)
				if !portal.Lifecycle(lifecycle).Ending() {
					continue
				}
				v, err := table.API(d.consumer(), string(b.API))
				if err != nil {
					continue // gone for the caller meanwhile
				}
				found = append(found, api.Leaving{
					Application: string(app.ID), ApplicationName: app.Name, API: v.Name, Title: v.Title, Version: b.Line, Environment: string(b.Environment),
					Lifecycle: lifecycle, EndOfLife: ending,
				})
			}
		}
		if len(mine) < manyApplications {
			slices.SortStableFunc(found, func(a, b api.Leaving) int {
				return cmp.Or(soonest(a.Sunset, b.Sunset), strings.Compare(a.Title, b.Title), strings.Compare(a.ApplicationName, b.ApplicationName))
			})
			return found, nil
		}
	}
}

// soonest puts the earlier time first, and none last.
func soonest(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}
