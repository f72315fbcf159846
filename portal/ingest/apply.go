package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/keys"
)

// applier writes one plan within one transaction.
type applier struct {
	tx      catalog.Tx
	store   catalog.Store
	actor   string
	now     time.Time
	members *members              // that new deployments are placed beside; nil where there are none
	watch   *stopwatch            // goes with members
	placed  []correlate.Member    // new ones, and
	alone   map[portal.APIID]bool // their entries, as far as nothing else of them was changed
	touched map[portal.APIID]bool
	before  map[portal.APIID]*before
	made    []catalog.Entry                      // that are not added yet
	taken   map[string]bool                      // slugs, as far as they were looked up
	new     map[portal.GatewayID]catalog.Gateway // those without a good sync; the zero Gateway has one
}

// apply applies a plan that adds nothing.
func apply(ctx context.Context, tx catalog.Tx, actor string, now time.Time, p Plan) error {
	return newApplier(tx, actor, now).apply(ctx, p)
}

func (a *applier) apply(ctx context.Context, p Plan) error {
	if err := a.plan(ctx, p); err != nil {
		return err
	}
	a.noteChanges()
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
		if err := a.store.TakeOver(ctx, c.After.Deployment.ID, c.After.Deployment.ID, c.After.Key()); err != nil {
			return err
		}
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
	return a.join(ctx, p)
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

// join finds the entries of what is new, and of what names another one now; and it asks whether what has gone is what came.
func (a *applier) join(ctx context.Context, p Plan) error {
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename} {
		for _, c := range changes {
			if id := c.After.Explicit(); id != "" && id != c.Before.Explicit() {
				if err := a.rejoin(ctx, c.After); err != nil {
					return err
				}
			}
		}
	}
	if err := a.resketch(ctx, p); err != nil {
		return err
	}
	if err := a.place(ctx, slices.Clone(p.Add)); err != nil {
		return err
	}
	return offer(ctx, a.store, a.now, p)
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
	return apply(ctx, tx, actor, now, p)
}

// counts are a plan's numbers, for its audit event.
func counts(p Plan) map[string]string {
	return map[string]string{
		"added": strconv.Itoa(len(p.Add) + len(p.Back)), "changed": strconv.Itoa(len(p.Change) + len(p.Rename)),
		"removed": strconv.Itoa(len(p.Remove)), "unchanged": strconv.Itoa(p.Unchanged),
	}
}
