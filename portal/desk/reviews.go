package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/routing"
)

func (d *desk) Reviews(ctx context.Context, q api.ReviewsQuery) (list api.ReviewList, err error) {
	f := catalog.ReviewFilter{
		State: catalog.ReviewState(cmp.Or(q.State, string(catalog.ReviewOpen))), Kind: catalog.ReviewKind(q.Kind), Division: portal.Division(q.Division), Gateway: portal.GatewayID(q.Gateway),
	}
	about := fmt.Sprintf("reviews %s %q %q %q", f.State, q.Kind, q.Division, q.Gateway)
	after, err := openCursor[string](d, about, q.Cursor)
	if err != nil {
		return list, err
	}
	n := limit(q.Limit)
	found, err := d.Ingest.Reviews(ctx, d.caller, f, cmp.Or(after, q.After), n+1)
	if err != nil {
		return list, err
	}
	if list.Open, err = d.Ingest.OpenReviews(ctx, d.caller); err != nil {
		return list, err
	}
	var actors []string
	for _, v := range found {
		actors = append(actors, v.DecidedBy)
	}
	names, err := d.peopleOf(ctx, actors...)
	if err != nil {
		return list, err
	}
	list.Items = []api.Review{}
	for i, v := range found {
		if i == n {
			list.Next, err = sealCursor(d, about, found[i-1].ID)
			return list, err
		}
		list.Items = append(list.Items, d.shownReview(v, names))
	}
	return list, nil
}

func (d *desk) Review(ctx context.Context, id string) (api.Review, error) {
	return d.oneReview(ctx, id, d.Ingest.Review)
}

func (d *desk) AcceptReview(ctx context.Context, id string) (api.Review, error) {
	return d.oneReview(ctx, id, d.Ingest.Accept)
}

func (d *desk) RejectReview(ctx context.Context, id string) (api.Review, error) {
	return d.oneReview(ctx, id, d.Ingest.Reject)
}

func (d *desk) ReopenReview(ctx context.Context, id string) (api.Review, error) {
	return d.oneReview(ctx, id, d.Ingest.Reopen)
}

// oneReview does something with a review and shows it with the operations of both documents.
func (d *desk) oneReview(ctx context.Context, id string, do func(context.Context, access.Caller, string) (ingest.Question, error)) (api.Review, error) {
	q, err := do(ctx, d.caller, id)
	if err != nil {
		return api.Review{}, err
	}
	names, err := d.peopleOf(ctx, q.DecidedBy, q.One.Record.Joining.Actor)
	if err != nil {
		return api.Review{}, err
	}
	shown := d.shownReview(q, names)
	if q.Other == nil {
		return shown, nil
	}
	err = d.catalog.View(ctx, func(tx catalog.Tx) error {
		one, err := operationsOf(ctx, tx.Catalog(), q.One.Record)
		if err != nil {
			return err
		}
		other, err := operationsOf(ctx, tx.Catalog(), q.Other.Record)
		shown.Operations = aligned(one, other)
		return err
	})
	return shown, err
}

// peopleOf are the names of people, by id; of the portal itself there is none.
func (d *desk) peopleOf(ctx context.Context, actors ...string) (map[string]string, error) {
	names := map[string]string{}
	err := d.people.View(ctx, func(tx people.Tx) error {
		for _, id := range actors {
			if _, known := names[id]; known || id == "" || strings.HasPrefix(id, "system:") {
				continue
			}
			p, err := tx.People().Person(ctx, portal.PersonID(id))
			if err != nil && !errors.Is(err, portal.ErrNotFound) {
				return err
			}
			names[id] = cmp.Or(p.Name, id)
		}
		return nil
	})
	return names, err
}

func (d *desk) shownReview(q ingest.Question, names map[string]string) api.Review {
	v := api.Review{
		ID: q.ID, Kind: string(q.Kind), State: string(q.State), Score: q.Score, Reasons: shownReasons(q.Reasons), One: d.shownSide(q.One, names),
		NewName: q.Review.Key.RemoteID, Missing: texts(q.Missing), CanUndo: q.State == catalog.ReviewRejected || q.Act != "",
		Opened: q.Opened, Decided: timeOrNil(q.Decided), DecidedBy: names[q.DecidedBy],
	}
	if q.Other != nil {
		other := d.shownSide(*q.Other, names)
		v.Other = &other
	}
	if q.State != catalog.ReviewOpen {
		v.Missing = []string{}
	}
	return v
}

// shownSide shows one of the two. How another division's gateway names its things, what is behind it and how its API came to be
// what it is, is not told; nor what the API is called, where the caller knows it by another name.
func (d *desk) shownSide(s ingest.Side, names map[string]string) api.ReviewSide {
	to := shownDeployment(s.Record, names)
	side := api.ReviewSide{API: s.Entry.Slug, Title: s.Entry.Title, Division: string(s.Entry.Division), Deployment: to, Subscriptions: s.Subscribed}
	if access.MayGovern(d.caller, s.Entry.Division) || access.MayGovern(d.caller, s.Record.Deployment.Placement.Division()) {
		return side
	}
	side.Deployment.RemoteID, side.Deployment.Upstream = "", ""
	side.Deployment.Since, side.Deployment.JoinedBy, side.Deployment.Score, side.Deployment.Reasons = nil, "", 0, []api.ReviewReason{}
	if v, err := d.Live.Table().API(d.consumer(), string(s.Entry.ID)); err == nil {
		side.API, side.Title = v.Name, v.Title
	}
	return side
}

func shownReasons(all []correlate.Reason) []api.ReviewReason {
	shown := make([]api.ReviewReason, len(all))
	for i, r := range all {
		shown[i] = api.ReviewReason{Code: r.Code, Args: append([]string{}, r.Args...), Text: r.String()}
	}
	return shown
}

func shownDeployment(r catalog.Record, names map[string]string) api.EntryDeployment {
	d := r.Deployment
	return api.EntryDeployment{
		ID: string(d.ID), Title: d.Title, Gateway: string(d.Gateway), RemoteID: d.RemoteID, Version: d.Version,
		Environment: string(d.Placement.Environment()), Audience: string(d.Placement.Audience()), Division: string(d.Placement.Division()),
		BaseURL: d.BaseURL, Owner: d.Owner, Upstream: r.Discovered.Upstream, Published: r.Live(), Since: timeOrNil(r.Joining.Since), JoinedBy: names[r.Joining.Actor],
		Score: r.Joining.Score, Reasons: shownReasons(r.Joining.Reasons),
	}
}

// operationsOf are those of a deployment's document or, without one, those that its gateway tells.
func operationsOf(ctx context.Context, s catalog.Store, r catalog.Record) ([]connectors.Operation, error) {
	if r.Deployment.Document == "" {
		return r.Discovered.Operations, nil
	}
	doc, err := s.Document(ctx, r.Deployment.Document)
	if err != nil {
		return nil, err
	}
	all := make([]connectors.Operation, len(doc.Description.Operations))
	for i, o := range doc.Description.Operations {
		all[i] = connectors.Operation{Method: o.Method, Path: o.Path}
	}
	return all, nil
}

var parameter = regexp.MustCompile(`\{[^/}]*\}`)

// aligned puts the operations of two documents side by side, by path; what a parameter is called makes no difference.
func aligned(one, other []connectors.Operation) []api.ComparedOperation {
	all := map[string]*api.ComparedOperation{}
	add := func(o connectors.Operation, mark func(*api.ComparedOperation)) {
		key := o.Method + " " + parameter.ReplaceAllString(o.Path, "{}")
		if all[key] == nil {
			all[key] = &api.ComparedOperation{Method: o.Method, Path: o.Path}
		}
		mark(all[key])
	}
	for _, o := range one {
		add(o, func(c *api.ComparedOperation) { c.One = true })
	}
	for _, o := range other {
		add(o, func(c *api.ComparedOperation) { c.Other = true })
	}
	list := make([]api.ComparedOperation, 0, len(all))
	for _, c := range all {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b api.ComparedOperation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return list
}

func (d *desk) Composition(ctx context.Context, name string) (api.Composition, error) {
	c, err := d.Ingest.Composition(ctx, d.caller, name)
	return d.composed(ctx, c, err)
}

func (d *desk) SplitAPI(ctx context.Context, name string, c api.Chosen) (api.Composition, error) {
	split, err := d.Ingest.Split(ctx, d.caller, name, deploymentIDs(c))
	return d.composed(ctx, split, err)
}

func (d *desk) JoinAPI(ctx context.Context, name string, t api.Target) (api.Composition, error) {
	into, seen, err := d.joinable(ctx, t.Into)
	if err != nil {
		return api.Composition{}, err
	}
	joined, err := d.Ingest.Join(ctx, d.caller, name, string(into), seen...)
	return d.composed(ctx, joined, err)
}

// joinable finds what an API is to become part of: one that the caller governs, or sees as a consumer, and then by which
// deployments. Whoever is asked about another one is shown one of these.
func (d *desk) joinable(ctx context.Context, name string) (portal.APIID, []portal.DeploymentID, error) {
	c, err := d.Ingest.Composition(ctx, d.caller, name)
	if !errors.Is(err, portal.ErrNotFound) {
		return c.Entry.ID, nil, err
	}
	v, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.EntryView, error) {
		v, err := t.API(d.consumer(), name)
		if err != nil {
			return v, fmt.Errorf("API %s: %w", name, err)
		}
		return v, nil
	})
	if err != nil {
		return "", nil, err
	}
	var seen []portal.DeploymentID
	for _, f := range table.Faces(v.ID) {
		if f.Audience == d.caller.Audience {
			for _, to := range f.Deployments {
				seen = append(seen, to.ID)
			}
		}
	}
	return v.ID, seen, nil
}

func (d *desk) ConfirmAPI(ctx context.Context, name string, c api.Chosen) (api.Composition, error) {
	confirmed, err := d.Ingest.Confirm(ctx, d.caller, name, deploymentIDs(c))
	return d.composed(ctx, confirmed, err)
}

func (d *desk) UndoEntryAct(ctx context.Context, name, act string) (api.Composition, error) {
	undone, err := d.Ingest.Undo(ctx, d.caller, name, act)
	return d.composed(ctx, undone, err)
}

func deploymentIDs(c api.Chosen) []portal.DeploymentID {
	ids := make([]portal.DeploymentID, len(c.Deployments))
	for i, id := range c.Deployments {
		ids[i] = portal.DeploymentID(id)
	}
	return ids
}

func (d *desk) composed(ctx context.Context, c ingest.Composition, err error) (api.Composition, error) {
	if err != nil {
		return api.Composition{}, err
	}
	var actors []string
	for _, r := range c.Records {
		actors = append(actors, r.Joining.Actor)
	}
	for _, a := range c.Acts {
		actors = append(actors, a.Actor)
	}
	names, err := d.peopleOf(ctx, actors...)
	if err != nil {
		return api.Composition{}, err
	}
	shown := api.Composition{API: c.Entry.Slug, Title: c.Entry.Title, Division: string(c.Entry.Division), Aliases: []string{}, Deployments: []api.EntryDeployment{}, Acts: []api.EntryAct{}}
	for _, alias := range c.Entry.Aliases {
		if !strings.HasPrefix(alias, "api_") { // the id of one that it took over
			shown.Aliases = append(shown.Aliases, alias)
		}
	}
	for _, r := range c.Records {
		shown.Deployments = append(shown.Deployments, shownDeployment(r, names))
	}
	for _, a := range c.Acts {
		shown.Acts = append(shown.Acts, api.EntryAct{ID: a.ID, Kind: string(a.Kind), Deployments: len(a.Moved), By: names[a.Actor], At: a.At, Undone: timeOrNil(a.Undone)})
	}
	return shown, nil
}
