package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/keys"
	"concierge/portal/store"
)

// orphanAge is how long a document that no deployment points at is kept: longer than any sync takes.
const orphanAge = 24 * time.Hour

// applier writes one plan within one transaction.
type applier struct {
	tx        catalog.Tx
	store     catalog.Store
	actor     string
	now       time.Time
	correlate Correlator
	touched   map[portal.APIID]bool
}

func apply(ctx context.Context, tx catalog.Tx, correlate Correlator, actor string, now time.Time, p Plan) error {
	a := &applier{
		tx: tx, store: tx.Catalog(), actor: actor, now: now.UTC().Truncate(time.Microsecond),
		correlate: correlate, touched: map[portal.APIID]bool{},
	}
	if err := a.plan(ctx, p); err != nil {
		return err
	}
	for api := range a.touched {
		tx.Changed(store.ChangedAPI, string(api))
	}
	return nil
}

func (a *applier) plan(ctx context.Context, p Plan) error {
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for i := range changes {
			if err := a.change(ctx, &changes[i]); err != nil {
				return err
			}
		}
	}
	if err := a.freeze(ctx, p); err != nil {
		return err
	}
	for _, c := range p.Rename {
		if err := a.note(ctx, "deployment.rename", c.After, map[string]string{"was": c.Before.Deployment.RemoteID, "is": c.After.Deployment.RemoteID}); err != nil {
			return err
		}
	}
	for _, r := range p.Remove {
		was := r.Fingerprint
		r.Removed, r.Changed = a.now, a.now
		api, err := a.store.ChangeRecord(ctx, r, was)
		if err != nil {
			return err
		}
		a.touched[api] = true
		if err := a.note(ctx, "deployment.remove", r, map[string]string{"title": r.Deployment.Title, "remote_id": r.Deployment.RemoteID}); err != nil {
			return err
		}
	}
	if err := a.join(ctx, p); err != nil {
		return err
	}
	if len(p.Change)+len(p.Rename)+len(p.Back) > 0 {
		return a.store.SweepDocuments(ctx, a.now.Add(-orphanAge))
	}
	return nil
}

func (a *applier) note(ctx context.Context, action string, r catalog.Record, detail map[string]string) error {
	return a.tx.Audit().Append(ctx, audit.Event{
		At: a.now, Actor: a.actor, Action: action, Target: string(r.Deployment.ID), Gateway: r.Deployment.Gateway, Detail: detail,
	})
}

// change writes one record and learns which entry it is in.
func (a *applier) change(ctx context.Context, c *Change) error {
	c.After.Changed = a.now
	since(&c.Before.Deployment, &c.After.Deployment, a.now)
	api, err := a.store.ChangeRecord(ctx, c.After, c.Before.Fingerprint)
	if err != nil {
		return err
	}
	a.touched[api] = true
	c.After.Deployment.API = api
	if !c.Reclassified() {
		return nil
	}
	before, after := c.Before.Deployment.Placement, c.After.Deployment.Placement
	return a.note(ctx, "deployment.reclassify", c.After, map[string]string{
		"audience_was": string(before.Audience()), "audience": string(after.Audience()),
		"environment_was": string(before.Environment()), "environment": string(after.Environment()),
	})
}

// freeze freezes what holds keys of deployments that are classified anew: see keys.Freeze.
func (a *applier) freeze(ctx context.Context, p Plan) error {
	_, err := keys.Freeze(ctx, a.tx, a.actor, a.now, p.Gateway, p.reclassified())
	return err
}

// reclassified says of each deployment that the plan classifies anew from what to what, in words.
func (p Plan) reclassified() map[portal.DeploymentID]string {
	all := map[portal.DeploymentID]string{}
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for _, c := range changes {
			if !c.Reclassified() {
				continue
			}
			var moved []string
			for _, axis := range failClosed {
				was, is := c.Before.Deployment.Placement.Get(axis), c.After.Deployment.Placement.Get(axis)
				if was != is {
					moved = append(moved, fmt.Sprintf("%s %s → %s", axis, cmp.Or(was, "?"), cmp.Or(is, "?")))
				}
			}
			all[c.Before.Deployment.ID] = strings.Join(moved, ", ")
		}
	}
	return all
}

// join asks for the entries of what is new or names another one, division by division, and adds what is new.
func (a *applier) join(ctx context.Context, p Plan) error {
	byDivision := map[portal.Division][]catalog.Record{}
	put := func(r catalog.Record) {
		division := r.Deployment.Placement.Division()
		byDivision[division] = append(byDivision[division], r)
	}
	for _, r := range p.Add {
		put(r)
	}
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for _, c := range changes {
			if id := explicitID(c.After); id != "" && id != explicitID(c.Before) {
				put(c.After)
			}
		}
	}
	for _, division := range slices.Sorted(maps.Keys(byDivision)) {
		if err := a.joinDivision(ctx, division, byDivision[division]); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) joinDivision(ctx context.Context, division portal.Division, records []catalog.Record) error {
	entries, err := a.store.Candidates(ctx, division)
	if err != nil {
		return err
	}
	for _, j := range a.correlate(entries, records) {
		if j.API == "" {
			if j.API, err = a.entry(ctx, division, j.Explicit, records[j.Records[0]]); err != nil {
				return err
			}
		} else if j.Explicit != "" {
			if err := a.store.SetExplicit(ctx, j.API, j.Explicit); err != nil {
				return err
			}
		}
		a.touched[j.API] = true
		for _, i := range j.Records {
			if err := a.put(ctx, records[i], j); err != nil {
				return err
			}
		}
	}
	return nil
}

// put adds a record to an entry, or moves it there.
func (a *applier) put(ctx context.Context, r catalog.Record, j Join) error {
	if r.Deployment.ID == "" {
		r.Deployment.ID, r.Deployment.API = portal.DeploymentID(portal.NewID("dep")), j.API
		r.Created, r.Changed = a.now, a.now
		since(&portal.Deployment{}, &r.Deployment, a.now)
		return a.store.AddRecord(ctx, r)
	}
	from := r.Deployment.API
	if err := a.store.Move(ctx, r.Deployment.ID, j.API); err != nil {
		return err
	}
	a.touched[from] = true
	if err := a.note(ctx, "deployment.join", r, map[string]string{"was": string(from), "is": string(j.API), "reason": j.Reason}); err != nil {
		return err
	}
	left, err := a.store.LoadEntry(ctx, from)
	if err != nil {
		return err
	}
	if len(left.Deployments) > 0 {
		return nil
	}
	return a.store.Join(ctx, from, j.API) // its slugs go on answering
}

// entry adds a new one under the first slug that is free.
func (a *applier) entry(ctx context.Context, division portal.Division, explicit string, first catalog.Record) (portal.APIID, error) {
	d := first.Deployment
	e := catalog.Entry{ID: portal.APIID(portal.NewID("api")), Division: division, Explicit: explicit, Title: d.Title, Created: a.now}
	for _, slug := range catalog.Slugs(e.ID, d.Title, division, d.Gateway, first.Key()) {
		_, err := a.store.EntryBySlug(ctx, slug)
		if errors.Is(err, portal.ErrNotFound) {
			e.Slug = slug
			return e.ID, a.store.AddEntry(ctx, e)
		}
		if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("catalog entry for %q: every slug is taken: %w", d.Title, portal.ErrConflict)
}

// replan places a gateway's deployments anew, from what it told last: its registration or an override has changed.
func replan(ctx context.Context, tx catalog.Tx, actor string, g catalog.Gateway, now time.Time) error {
	current, err := tx.Catalog().Records(ctx, g.ID)
	if err != nil {
		return err
	}
	p := Compare(g, capabilities(g), current, foundBefore(current))
	if p.Empty() {
		return nil
	}
	return apply(ctx, tx, Correlate, actor, now, p)
}

// counts are a plan's numbers, for its audit event.
func counts(p Plan) map[string]string {
	return map[string]string{
		"added": strconv.Itoa(len(p.Add) + len(p.Back)), "changed": strconv.Itoa(len(p.Change) + len(p.Rename)),
		"removed": strconv.Itoa(len(p.Remove)), "unchanged": strconv.Itoa(p.Unchanged),
	}
}
