package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/difference"
	"concierge/portal/document"
	"concierge/portal/routing"
)

// governs reports whether the caller decides about some of an API.
func (d *desk) governs(table *routing.Table, id portal.APIID) bool {
	entry, _ := table.Entry(id)
	return slices.ContainsFunc(entry.Deployments, func(to portal.Deployment) bool { return access.MayGovern(d.caller, to.Placement.Division()) })
}

// compared is one side of a comparison: a deployment, and its document as the caller gets to read it.
type compared struct {
	difference.Side
	deployment *portal.Deployment
}

// maxTouched is how many subscriptions to each side are named.
const maxTouched = 50

func (d *desk) Difference(ctx context.Context, q api.DifferenceQuery) (api.Difference, error) {
	view, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.EntryView, error) { return t.API(d.consumer(), q.API) })
	if err != nil {
		return api.Difference{}, err
	}
	from, err := d.side(ctx, table, view, q.From)
	if err != nil {
		return api.Difference{}, err
	}
	to, err := d.side(ctx, table, view, q.To)
	if err != nil {
		return api.Difference{}, err
	}
	report, err := d.differences.Compare(ctx, from.Side, to.Side)
	if err != nil {
		return api.Difference{}, err
	}
	shown := api.Difference{
		API: view.Name, Title: view.Title, From: d.sideView(from), To: d.sideView(to), Same: report.Same, Basis: string(report.Basis), Reason: string(report.Reason),
		Breaking: report.Counts[difference.Breaking], Compatible: report.Counts[difference.Compatible], Documentation: report.Counts[difference.Documentation],
		Changes: make([]api.Change, len(report.Changes)), More: report.More, Subscriptions: []api.Touched{},
	}
	for i, c := range report.Changes {
		shown.Changes[i] = api.Change{
			Level: string(c.Level), Possible: c.Possible, Method: c.Method, Path: c.Path, Schema: c.Schema, UsesMore: c.UsesMore, Code: c.Code, Text: c.Text,
		}
		for _, op := range c.Uses {
			shown.Changes[i].Uses = append(shown.Changes[i].Uses, api.OperationRef(op))
		}
	}
	if report.Same {
		return shown, nil
	}
	for _, side := range []struct {
		name string
		compared
	}{{"from", from}, {"to", to}} {
		if side.name == "to" && from.deployment.ID == to.deployment.ID {
			continue
		}
		if err := d.touched(ctx, &shown, side.name, side.deployment); err != nil {
			return api.Difference{}, err
		}
	}
	return shown, nil
}

// touched adds the subscriptions to a side that the caller may see.
func (d *desk) touched(ctx context.Context, shown *api.Difference, side string, to *portal.Deployment) error {
	found, more, err := d.Keys.Touching(ctx, d.caller, to.API, to.Line, to.Placement.Environment(), maxTouched)
	if err != nil {
		return err
	}
	subs, err := d.subscriptions(ctx, found)
	if err != nil {
		return err
	}
	for _, s := range subs {
		shown.Subscriptions = append(shown.Subscriptions, api.Touched{
			Side: side, ID: s.ID, Application: s.Application, ApplicationName: s.ApplicationName, Organisation: s.Organisation, State: s.State,
		})
	}
	shown.MoreTouched = shown.MoreTouched || more
	return nil
}

// side finds a side. Without an environment or a deployment there is none: the answer is that of an API that does not exist.
func (d *desk) side(ctx context.Context, table *routing.Table, view routing.EntryView, q api.SideQuery) (compared, error) {
	if q.Deployment != "" {
		return d.governedSide(ctx, table, view.ID, portal.DeploymentID(q.Deployment))
	}
	result, err := table.Resolve(d.consumer(), routing.Request{API: string(view.ID), Version: q.Version, Environment: portal.Environment(q.Environment)})
	if err != nil {
		return compared{}, fmt.Errorf("API %s: %w", view.Name, portal.ErrNotFound) // not where else there is an endpoint
	}
	allowed, hidden := d.hosts(table, result.API)
	load := func(ctx context.Context) (difference.Document, error) {
		return d.comparable(ctx, result.Deployment, allowed, hidden)
	}
	return comparedAs(ctx, result.Deployment, load, allowed, hidden)
}

// governedSide is any published deployment, for whoever governs it and something of the API that is asked about.
func (d *desk) governedSide(ctx context.Context, table *routing.Table, id portal.APIID, deployment portal.DeploymentID) (compared, error) {
	missing := fmt.Errorf("deployment %s: %w", deployment, portal.ErrNotFound)
	if !d.governs(table, id) {
		return compared{}, missing
	}
	var record catalog.Record
	err := d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
		record, err = tx.Catalog().Record(ctx, deployment)
		return err
	})
	if err != nil {
		return compared{}, err
	}
	to := &record.Deployment
	if !record.Live() || !access.MayGovern(d.caller, to.Placement.Division()) {
		return compared{}, missing
	}
	// Nothing is hidden from whoever governs both sides, whatever the audience that they belong to.
	load := func(ctx context.Context) (difference.Document, error) {
		return d.comparable(ctx, to, []string{"*"}, nil)
	}
	return comparedAs(ctx, to, load, []string{"*"}, nil)
}

// comparable is a document as it is compared: as served, with the operations of one that is not OpenAPI.
func (d *desk) comparable(ctx context.Context, to *portal.Deployment, allowed, hidden []string) (difference.Document, error) {
	s, err := d.documentFor(ctx, to, document.JSON, allowed, hidden)
	doc := difference.Document{Content: s.content}
	for _, op := range s.operations {
		doc.Operations = append(doc.Operations, difference.Operation{Method: op.Method, Path: document.Text(op.Path, allowed, hidden)})
	}
	return doc, err
}

// comparedAs names a document as served by all that goes into it. One that is made from routes is made at once: its routes are
// not among what the table knows.
func comparedAs(ctx context.Context, to *portal.Deployment, load func(context.Context) (difference.Document, error), allowed, hidden []string) (compared, error) {
	side := compared{difference.Side{Load: load}, to}
	made := []any{to.Document, to.BaseURL, to.Authentication, allowed, hidden}
	if to.Document == "" {
		doc, err := load(ctx)
		if err != nil {
			return compared{}, err
		}
		side.Load = func(context.Context) (difference.Document, error) { return doc, nil }
		made = []any{doc.Content}
	}
	b, err := marshal(made)
	if err != nil {
		return compared{}, err
	}
	sum := sha256.Sum256(b)
	side.Hash = hex.EncodeToString(sum[:])
	return side, nil
}

func (d *desk) sideView(s compared) api.DifferenceSide {
	to := s.deployment
	shown := api.DifferenceSide{Version: to.Line, Environment: string(to.Placement.Environment()), Gateway: string(to.Gateway), Synthesised: to.Document == ""}
	if access.MayGovern(d.caller, to.Placement.Division()) {
		shown.Deployment = string(to.ID)
	}
	return shown
}
