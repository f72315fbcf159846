package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/keys"
	"concierge/portal/store"
	"concierge/portal/told"
)

// rename makes what a gateway publishes under the key of a review the deployment that the review is about. What it holds by
// now (a record of its own, with subscriptions and keys) goes to that.
func rename(ctx context.Context, tx catalog.Tx, actor string, now time.Time, q *Question) error {
	st, before := tx.Catalog(), q.One.Record
	g, err := st.Gateway(ctx, q.Review.Gateway)
	if err != nil {
		return err
	}
	if q.Other == nil { // its sync waits: what is published now is read under its new name by the next one
		waits, err := awaited(ctx, st, g.ID, before.Key())
		if err != nil {
			return err
		}
		if !waits {
			return &portal.ConflictError{Kind: "deployment", ID: string(before.Deployment.ID), Err: told.PublishedAgain.With()}
		}
		discovered := before.Discovered
		discovered.Key = q.Review.Key
		after, _ := publish(g, capabilities(g), Found{discovered, before.Described, before.Revision, before.Deployment.Document}, before.Override)
		if err := renamed(ctx, tx, actor, now, g, before, after); err != nil {
			return err
		}
		if err := st.AddEntryAct(ctx, renaming(actor, now, q, before.Deployment.API)); err != nil {
			return err
		}
		return tx.Enqueue(ctx, store.Job{Kind: JobSync, Subject: string(g.ID)})
	}
	next := q.Other.Record
	if before.Live() {
		return &portal.ConflictError{Kind: "deployment", ID: string(before.Deployment.ID), Err: told.PublishedAgain.With()}
	}
	// The two change places: a key is in the catalog once, so one waits aside meanwhile.
	aside := next
	aside.Deployment.RemoteID, aside.Removed = "renamed "+string(next.Deployment.ID), now
	aside.Fingerprint = aside.Hash()
	if _, err := st.ChangeRecord(ctx, aside, next.Fingerprint); err != nil {
		return err
	}
	after, _ := publish(g, capabilities(g), Found{next.Discovered, next.Described, next.Revision, next.Deployment.Document}, before.Override)
	after.Removed = next.Removed
	if err := renamed(ctx, tx, actor, now, g, before, after); err != nil {
		return err
	}
	was := aside.Fingerprint
	aside.Deployment.RemoteID, aside.Deployment.Exposure, aside.Discovered = before.Deployment.RemoteID, before.Deployment.Exposure, before.Discovered
	aside.Fingerprint = aside.Hash()
	if _, err := st.ChangeRecord(ctx, aside, was); err != nil {
		return err
	}
	act := renaming(actor, now, q, next.Deployment.API)
	if err := eachSubscription(ctx, tx, next.Deployment.ID, func(sub keys.Subscription) error {
		act.Renamed.Taken = append(act.Renamed.Taken, sub.ID)
		return nil
	}); err != nil {
		return err
	}
	if err := newApplier(tx, actor, now).freeze(ctx, Plan{Gateway: g.ID, Change: []Change{{next, after}}}); err != nil {
		return err
	}
	if err := st.TakeOver(ctx, next.Deployment.ID, before.Deployment.ID, q.Review.Key); err != nil {
		return err
	}
	tx.Changed(store.ChangedAPI, string(next.Deployment.API))
	if next.Deployment.API == before.Deployment.API {
		return st.AddEntryAct(ctx, act)
	}
	// What left the entry without any deployment goes along with the one that is moved, and comes back with it.
	all, err := st.RecordsOf(ctx, next.Deployment.API)
	if err != nil {
		return err
	}
	others := slices.ContainsFunc(all, catalog.Record.Live)
	for _, r := range all {
		if r.Deployment.ID == aside.Deployment.ID || !others {
			act.Moved = append(act.Moved, catalog.Moved{Deployment: r.Deployment.ID, Since: r.Joining.Since, Why: r.Joining})
		}
	}
	act.Slugs, act.Named = append([]string{q.Other.Entry.Slug}, q.Other.Entry.Aliases...), q.Other.Entry.Explicit
	if err := st.AddEntryAct(ctx, act); err != nil {
		return err
	}
	a := newApplier(tx, actor, now)
	if err := a.move(ctx, aside, before.Deployment.API, catalog.Joining{At: now, Actor: actor, Score: 1}); err != nil {
		return err
	}
	a.noteChanges()
	return nil
}

// awaited reports whether the last plan for a gateway would remove a deployment, and was not applied.
func awaited(ctx context.Context, st catalog.Store, gateway portal.GatewayID, key connectors.Key) (bool, error) {
	runs, err := st.Runs(ctx, gateway, "", 0)
	if err != nil {
		return false, err
	}
	for _, r := range runs {
		switch {
		case r.State.Good():
			return false, nil
		case r.State == catalog.Waiting, r.State == catalog.Discarded:
			return slices.Contains(r.Removing, key), nil
		}
	}
	return false, nil
}

// renamed applies one rename as a sync would.
func renamed(ctx context.Context, tx catalog.Tx, actor string, now time.Time, g catalog.Gateway, before, after catalog.Record) error {
	after.Deployment.ID, after.Deployment.API, after.Created = before.Deployment.ID, before.Deployment.API, before.Created
	return apply(ctx, tx, actor, now, Plan{Gateway: g.ID, Rename: []Change{{before, after}}})
}

// renaming is the act of a rename, for a deployment of an entry that becomes the one which the review is about.
func renaming(actor string, now time.Time, q *Question, from portal.APIID) catalog.EntryAct {
	before := q.One.Record
	return catalog.EntryAct{
		ID: portal.NewID("eac"), Kind: catalog.EntryRenamed, From: from, To: before.Deployment.API, Review: q.ID, Actor: actor, At: now,
		Renamed: &catalog.Renamed{Deployment: before.Deployment.ID, Was: before.Discovered},
	}
}

// eachSubscription goes through all subscriptions to a deployment.
func eachSubscription(ctx context.Context, tx catalog.Tx, id portal.DeploymentID, do func(keys.Subscription) error) error {
	const many = 500
	for p := (keys.Page{Limit: many}); ; {
		all, err := tx.Keys().Subscriptions(ctx, keys.SubscriptionFilter{Deployment: id}, p)
		if err != nil {
			return err
		}
		for _, sub := range all {
			if err := do(sub); err != nil {
				return err
			}
		}
		if len(all) < many {
			return nil
		}
		p.After = string(all[many-1].ID)
	}
}

// unrename takes an accepted rename back: the old name and the new one are two deployments again.
//
// What was done since the rename was done to what is published under the new name, and stays with that: the subscriptions that
// were made since, with their keys, and those that it had before. All that the old deployment had before stays with the old
// one: its subscriptions with their keys, what persons decided about it, and its API. A key that was made since under a
// subscription from before would belong to both; the rename stays until such keys are revoked.
func (a *applier) unrename(ctx context.Context, c access.Caller, act catalog.EntryAct) error {
	conflict := func(why *told.Error) error {
		return &portal.ConflictError{Kind: "act", ID: act.ID, Err: why}
	}
	review, err := a.store.Review(ctx, act.Review)
	if err != nil {
		return err
	}
	to, err := a.store.LoadEntry(ctx, act.To)
	if err != nil {
		return err
	}
	from, err := a.store.LoadEntry(ctx, act.From)
	if err != nil {
		return err
	}
	g, err := a.store.Gateway(ctx, review.Gateway)
	if err != nil {
		return err
	}
	now, err := a.store.Record(ctx, act.Renamed.Deployment)
	if err != nil {
		return err
	}
	switch {
	case !access.MayGovern(c, to.Division):
		return fmt.Errorf("act %s: %w", act.ID, portal.ErrNotFound)
	case now.Key() != review.Key:
		return conflict(told.RenamedLater.With())
	case now.Deployment.API != act.To, from.Joined != "" && from.Joined != act.To:
		return conflict(told.JoinedLater.With())
	}
	other, err := a.store.RecordByKey(ctx, g.ID, act.Renamed.Was.Key)
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return err
	}
	moved, err := a.since(ctx, act)
	if err != nil {
		return err
	}
	if err := a.store.UndoEntryAct(ctx, act.ID, a.now); err != nil {
		return err
	}

	// A key is in the catalog once, so one waits aside while the two change places.
	parked := now
	parked.Deployment.RemoteID = "renamed " + string(now.Deployment.ID)
	parked.Fingerprint = parked.Hash()
	if _, err := a.store.ChangeRecord(ctx, parked, now.Fingerprint); err != nil {
		return err
	}
	newer, err := a.underNewName(ctx, g, act, now, other)
	if err != nil {
		return err
	}
	if err := a.underOldName(ctx, g, act, parked, other); err != nil {
		return err
	}
	for _, id := range moved {
		if err := a.store.GiveBack(ctx, id, newer, review.Key); err != nil {
			return err
		}
	}
	if err := a.placedAnew(ctx, now, newer); err != nil {
		return err
	}
	if err := a.store.TakeOver(ctx, now.Deployment.ID, now.Deployment.ID, act.Renamed.Was.Key); err != nil {
		return err
	}
	if from.Joined != "" {
		if err := a.store.TakeBack(ctx, act.From, act.Slugs, act.Named); err != nil {
			return err
		}
	}
	for _, m := range act.Moved {
		why := m.Why
		why.Since = m.Since
		if err := a.store.Move(ctx, m.Deployment, act.From, why); err != nil {
			return err
		}
	}
	a.touched[act.From], a.touched[act.To] = true, true
	was := review.State
	review.State, review.Agreed, review.DecidedBy, review.Decided = catalog.ReviewOpen, nil, a.actor, a.now
	if err := a.store.UpdateReview(ctx, review, was); err != nil {
		return err
	}
	detail := map[string]string{"was": review.Key.RemoteID, "is": act.Renamed.Was.RemoteID, "act": act.ID}
	if err := a.note(ctx, "deployment.unrename", now, detail); err != nil {
		return err
	}
	return a.tx.Enqueue(ctx, store.Job{Kind: JobSync, Subject: string(g.ID)})
}

// since lists the subscriptions that belong to what has the new name. portal.ErrConflict where keys belong to both.
func (a *applier) since(ctx context.Context, act catalog.EntryAct) (moved []portal.SubscriptionID, err error) {
	between := 0
	err = eachSubscription(ctx, a.tx, act.Renamed.Deployment, func(sub keys.Subscription) error {
		if sub.Created.After(act.At) || slices.Contains(act.Renamed.Taken, sub.ID) {
			moved = append(moved, sub.ID)
			return nil
		}
		held, err := a.tx.Keys().Credentials(ctx, keys.CredentialFilter{Subscription: sub.ID, Open: true}, keys.Page{Limit: maxList})
		for _, c := range held {
			if c.Created.After(act.At) {
				between++
			}
		}
		return err
	})
	if err == nil && between > 0 {
		err = &portal.ConflictError{Kind: "act", ID: act.ID, Err: told.KeysSince.With(between)}
	}
	return moved, err
}

// underNewName makes the other record, or a new one where there is none, what is published under the new name, and returns
// its id.
func (a *applier) underNewName(ctx context.Context, g catalog.Gateway, act catalog.EntryAct, now, other catalog.Record) (portal.DeploymentID, error) {
	f := Found{now.Discovered, now.Described, now.Revision, now.Deployment.Document}
	if up := now.Override.Document; up != nil && !up.Owners {
		// What its own document says is not known: as long as that may narrow who sees it, nobody does.
		f.Described, f.Revision, f.Document = catalog.Described{Unread: "it is read by the next sync"}, "", ""
	}
	r, _ := publish(g, capabilities(g), f, other.Override)
	r.Removed, r.Created = now.Removed, other.Created
	if known := other.Deployment.ID; known != "" {
		r.Deployment.ID, r.Deployment.API = known, other.Deployment.API
		return known, a.plan(ctx, Plan{Gateway: g.ID, Back: []Change{{other, r}}})
	}
	r.Deployment.ID, r.Deployment.API, r.Created, r.Changed = portal.DeploymentID(portal.NewID("dep")), act.To, a.now, a.now
	r.Joining = catalog.Joining{At: a.now, Actor: a.actor, Score: 1}
	if err := a.store.AddRecord(ctx, r); err != nil {
		return "", err
	}
	sketch, err := sketchOf(ctx, a.store, r)
	if err != nil {
		return "", err
	}
	return r.Deployment.ID, a.store.PutSketches(ctx, []catalog.Sketched{sketch})
}

// placedAnew freezes what goes over to a deployment that stands elsewhere than the one it was made for, such as for an override.
func (a *applier) placedAnew(ctx context.Context, was catalog.Record, id portal.DeploymentID) error {
	is, err := a.store.Record(ctx, id)
	if err != nil {
		return err
	}
	was.Deployment.ID = id
	return a.freeze(ctx, Plan{Gateway: is.Deployment.Gateway, Change: []Change{{was, is}}})
}

// underOldName gives a deployment its old name again. It is published as the other record was, which had that name meanwhile,
// or, as its gateway does not tell it any more, removed.
func (a *applier) underOldName(ctx context.Context, g catalog.Gateway, act catalog.EntryAct, parked, other catalog.Record) error {
	f, removed := Found{Deployment: act.Renamed.Was}, a.now
	back := other.Deployment.ID != "" && other.Live()
	if back {
		f, removed = Found{other.Discovered, other.Described, other.Revision, other.Deployment.Document}, time.Time{}
	}
	r, _ := publish(g, capabilities(g), f, parked.Override)
	r.Deployment.ID, r.Deployment.API, r.Created, r.Removed, r.Changed = parked.Deployment.ID, parked.Deployment.API, parked.Created, removed, a.now
	if back {
		return a.plan(ctx, Plan{Gateway: g.ID, Change: []Change{{parked, r}}})
	}
	_, err := a.store.ChangeRecord(ctx, r, parked.Fingerprint)
	return err
}
