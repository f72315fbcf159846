package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Composition is an entry as those who govern it see it: what is in it and why.
type Composition struct {
	Entry   catalog.Entry    // without its deployments
	Records []catalog.Record // published ones, by id
	Acts    []catalog.EntryAct
}

func newApplier(tx catalog.Tx, actor string, now time.Time) *applier {
	return &applier{tx: tx, store: tx.Catalog(), actor: actor, now: now.UTC().Truncate(time.Microsecond),
		touched: map[portal.APIID]bool{}, before: map[portal.APIID]*before{}, taken: map[string]bool{}, new: map[portal.GatewayID]catalog.Gateway{}}
}

// noteChanges tells routing which entries were touched.
func (a *applier) noteChanges() {
	for api := range a.touched {
		a.tx.Changed(store.ChangedAPI, string(api))
	}
}

func noEntry(name string) error { return fmt.Errorf("API %s: %w", name, portal.ErrNotFound) }

// governed finds an entry by id, slug or alias, for who governs it; to anybody else it does not exist.
func governed(ctx context.Context, st catalog.Store, c access.Caller, name string) (catalog.Entry, error) {
	e, err := st.EntryBySlug(ctx, name)
	if errors.Is(err, portal.ErrNotFound) {
		e, err = st.LoadEntry(ctx, portal.APIID(name))
	}
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return catalog.Entry{}, err
	}
	if err != nil || !access.MayGovern(c, e.Division) {
		return catalog.Entry{}, noEntry(name)
	}
	return e, nil
}

// Composition returns what is in an entry. portal.ErrNotFound to whoever does not govern it.
func (s *Service) Composition(ctx context.Context, c access.Caller, name string) (found Composition, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		found, err = composition(ctx, tx.Catalog(), c, name)
		return err
	})
	return found, err
}

func composition(ctx context.Context, st catalog.Store, c access.Caller, name string) (found Composition, err error) {
	if found.Entry, err = governed(ctx, st, c, name); err != nil {
		return found, err
	}
	found.Entry.Deployments = nil
	all, err := st.RecordsOf(ctx, found.Entry.ID)
	if err != nil {
		return found, err
	}
	found.Records = slices.DeleteFunc(all, func(r catalog.Record) bool { return !r.Live() })
	acts, err := st.EntryActs(ctx, found.Entry.ID)
	// A rename is taken back where it was accepted: at its review.
	found.Acts = slices.DeleteFunc(acts, func(a catalog.EntryAct) bool { return a.Kind == catalog.EntryRenamed })
	return found, err
}

// compose changes an entry in one transaction and returns what is in it then.
func (s *Service) compose(ctx context.Context, c access.Caller, name string, change func(context.Context, *applier, Composition) (show portal.APIID, err error)) (found Composition, err error) {
	err = s.db.InTx(ctx, func(tx catalog.Tx) error {
		was, err := composition(ctx, tx.Catalog(), c, name)
		if err != nil {
			return err
		}
		a := newApplier(tx, string(c.Person), s.clock())
		show, err := change(ctx, a, was)
		if err != nil {
			return err
		}
		a.noteChanges()
		found, err = composition(ctx, tx.Catalog(), c, string(show))
		return err
	})
	return found, err
}

// Join makes two entries one: all that is in the first goes to the second, and its slugs go on answering there. Both have to
// be the caller's to govern; otherwise the owner of the other is asked by a review, whose id a *portal.ConflictError names. It
// is about one of the deployments of the other that the caller sees, where these are given.
func (s *Service) Join(ctx context.Context, c access.Caller, from, to string, seen ...portal.DeploymentID) (Composition, error) {
	var asked error
	found, err := s.compose(ctx, c, from, func(ctx context.Context, a *applier, was Composition) (portal.APIID, error) {
		asked = nil
		target, err := a.store.EntryBySlug(ctx, to)
		if errors.Is(err, portal.ErrNotFound) {
			target, err = a.store.LoadEntry(ctx, portal.APIID(to))
		}
		switch {
		case err != nil:
			return "", err
		case target.ID == was.Entry.ID:
			return "", told.SameAPI.As(portal.ErrInvalid, to)
		case access.MayGovern(c, target.Division):
			_, err := a.unite(ctx, was.Entry, target, catalog.Review{})
			return target.ID, err
		case c.Division == "" || len(was.Records) == 0:
			return "", noEntry(to)
		}
		there, err := a.store.LoadEntry(ctx, target.ID)
		if len(seen) > 0 {
			there.Deployments = slices.DeleteFunc(there.Deployments, func(d portal.Deployment) bool { return !slices.Contains(seen, d.ID) })
		}
		if err != nil || len(there.Deployments) == 0 {
			return "", cmp.Or(err, noEntry(to))
		}
		own := slices.IndexFunc(was.Records, func(r catalog.Record) bool { return r.Deployment.Placement.Classified() })
		one, other := was.Records[max(own, 0)].Deployment.ID, there.Deployments[0].ID
		review := catalog.Review{ID: portal.NewID("rev"), Kind: catalog.ReviewJoin, A: min(one, other), B: max(one, other), Score: 1,
			State: catalog.ReviewOpen, Agreed: []portal.Division{was.Entry.Division}, Opened: a.now}
		if review, err = a.question(ctx, review); err != nil {
			return "", err
		}
		asked = &portal.ConflictError{Kind: "review", ID: review.ID, Err: told.OtherDivisionAsked.With()}
		return was.Entry.ID, a.act(ctx, "review.ask", review.ID, map[string]string{"from": string(was.Entry.ID), "to": string(target.ID)})
	})
	return found, cmp.Or(err, asked)
}

// question asks what a review asks, unless that is open already: then it gets the yes of who asks, as long as others have to
// say it too. One that was answered is open again.
func (a *applier) question(ctx context.Context, review catalog.Review) (catalog.Review, error) {
	known, err := a.store.SameReview(ctx, review)
	if errors.Is(err, portal.ErrNotFound) {
		_, err = a.store.AddReview(ctx, review)
		return review, err
	}
	if err != nil {
		return known, err
	}
	was := known.State
	switch {
	case was != catalog.ReviewOpen:
		known.State, known.Agreed, known.DecidedBy, known.Decided = catalog.ReviewOpen, review.Agreed, "", a.now
	case len(known.Agreed) == 0:
		known.Agreed = review.Agreed
	default:
		return known, nil
	}
	return known, a.store.UpdateReview(ctx, known, was)
}

// act records what a person did.
func (a *applier) act(ctx context.Context, action, target string, detail map[string]string) error {
	return a.tx.Audit().Append(ctx, audit.Event{At: a.now, Actor: a.actor, Action: action, Target: target, Detail: detail})
}

// unite hands all of an entry over to another. Where that has deployments in an environment, what comes counts after them,
// in the order that it had, until a person confirms it: no consumer of the one that stays is sent elsewhere.
func (a *applier) unite(ctx context.Context, from, to catalog.Entry, review catalog.Review) (catalog.EntryAct, error) {
	act := catalog.EntryAct{
		ID: portal.NewID("eac"), Kind: catalog.EntryJoined, From: from.ID, To: to.ID, Slugs: append([]string{from.Slug}, from.Aliases...),
		Named: from.Explicit, Review: review.ID, Actor: a.actor, At: a.now,
	}
	if from.Joined != "" || to.Joined != "" {
		return act, &portal.ConflictError{Kind: "api", ID: string(from.ID), Err: told.JoinedMeanwhile.With()}
	}
	there, err := a.was(ctx, to.ID)
	if err != nil {
		return act, err
	}
	moving, err := a.store.RecordsOf(ctx, from.ID)
	if err != nil {
		return act, err
	}
	staying, err := a.store.RecordsOf(ctx, to.ID)
	if err != nil {
		return act, err
	}
	slices.SortStableFunc(moving, func(x, y catalog.Record) int { return x.Deployment.Since.Compare(y.Deployment.Since) })
	after := a.now
	for i, r := range moving {
		if i > 0 && !moving[i-1].Deployment.Since.Equal(r.Deployment.Since) {
			after = after.Add(time.Microsecond)
		}
		why := catalog.Joining{At: a.now, Actor: a.actor, Score: cmp.Or(review.Score, 1), Reasons: review.Reasons}
		if env := r.Deployment.Placement.Environment(); there.environment[env] || env == "" {
			why.Since = after
		} else {
			why.Since = r.Deployment.Since
		}
		act.Moved = append(act.Moved, catalog.Moved{Deployment: r.Deployment.ID, Since: r.Joining.Since, Why: r.Joining})
		if err := a.store.Move(ctx, r.Deployment.ID, to.ID, why); err != nil {
			return act, err
		}
	}
	if err := a.store.HandOver(ctx, from.ID, to.ID); err != nil {
		return act, err
	}
	if err := a.decide(ctx, moving, staying, catalog.Together); err != nil {
		return act, err
	}
	a.touched[from.ID], a.touched[to.ID] = true, true
	if err := a.store.AddEntryAct(ctx, act); err != nil {
		return act, err
	}
	return act, a.act(ctx, "api.join", string(to.ID), map[string]string{"from": string(from.ID), "act": act.ID, "review": review.ID})
}

// decide remembers a verdict on two groups: apart on each of one with each of the other; together on each with one of the
// other, and wherever they were kept apart before.
func (a *applier) decide(ctx context.Context, some, others []catalog.Record, verdict catalog.Verdict) error {
	var all []catalog.Decision
	seen := map[[2]portal.DeploymentID]bool{}
	add := func(x, y portal.DeploymentID) {
		pair := [2]portal.DeploymentID{min(x, y), max(x, y)}
		if !seen[pair] {
			seen[pair] = true
			all = append(all, catalog.Decision{A: pair[0], B: pair[1], Verdict: verdict, Actor: a.actor, At: a.now})
		}
	}
	in := map[portal.DeploymentID]bool{}
	for _, o := range others {
		in[o.Deployment.ID] = true
	}
	for i, r := range some {
		if verdict == catalog.Together {
			had, err := a.store.Decisions(ctx, r.Deployment.ID)
			if err != nil {
				return err
			}
			for _, d := range had {
				if d.Verdict == catalog.Apart && in[d.Other] {
					add(r.Deployment.ID, d.Other)
				}
			}
		}
		for k, o := range others {
			if verdict == catalog.Apart || i == 0 || k == 0 {
				add(r.Deployment.ID, o.Deployment.ID)
			}
		}
	}
	return a.store.Decide(ctx, all)
}

// Split gives some deployments of an entry one of their own. Their subscriptions and keys go with them; the slugs stay where
// they are. It is remembered: no sync joins the two again. portal.ErrInvalid unless some are chosen and some stay.
func (s *Service) Split(ctx context.Context, c access.Caller, name string, chosen []portal.DeploymentID) (Composition, error) {
	return s.compose(ctx, c, name, func(ctx context.Context, a *applier, was Composition) (portal.APIID, error) {
		all, err := a.store.RecordsOf(ctx, was.Entry.ID)
		if err != nil {
			return "", err
		}
		var leaving, stay []catalog.Record
		for _, r := range all {
			if slices.Contains(chosen, r.Deployment.ID) && r.Live() {
				leaving = append(leaving, r)
			} else {
				stay = append(stay, r)
			}
		}
		if len(leaving) == 0 || len(leaving) < len(chosen) || !slices.ContainsFunc(stay, catalog.Record.Live) {
			return "", told.ChooseSome.As(portal.ErrInvalid)
		}
		division := leaving[0].Deployment.Placement.Division()
		if slices.ContainsFunc(leaving, func(r catalog.Record) bool { return r.Deployment.Placement.Division() != division }) || !access.MayGovern(c, division) {
			division = was.Entry.Division
		}
		to, err := a.entry(ctx, division, "", leaving)
		if err != nil {
			return "", err
		}
		act := catalog.EntryAct{ID: portal.NewID("eac"), Kind: catalog.EntrySplit, From: was.Entry.ID, To: to, Actor: a.actor, At: a.now}
		for _, r := range leaving {
			act.Moved = append(act.Moved, catalog.Moved{Deployment: r.Deployment.ID, Since: r.Joining.Since, Why: r.Joining})
			why := catalog.Joining{Since: r.Joining.Since, At: a.now, Actor: a.actor, Score: 1}
			if err := a.store.Move(ctx, r.Deployment.ID, to, why); err != nil {
				return "", err
			}
		}
		if err := a.decide(ctx, leaving, stay, catalog.Apart); err != nil {
			return "", err
		}
		a.touched[was.Entry.ID], a.touched[to] = true, true
		if err := a.store.AddEntryAct(ctx, act); err != nil {
			return "", err
		}
		return to, a.act(ctx, "api.split", string(was.Entry.ID), map[string]string{"to": string(to), "act": act.ID, "deployments": fmt.Sprint(len(leaving))})
	})
}

// Confirm settles automatic joins: routing counts the deployments like all others of the entry from now on. portal.ErrInvalid
// for a deployment that is not in the entry.
func (s *Service) Confirm(ctx context.Context, c access.Caller, name string, chosen []portal.DeploymentID) (Composition, error) {
	return s.compose(ctx, c, name, func(ctx context.Context, a *applier, was Composition) (portal.APIID, error) {
		for _, id := range chosen {
			i := slices.IndexFunc(was.Records, func(r catalog.Record) bool { return r.Deployment.ID == id })
			if i < 0 {
				return "", fmt.Errorf("deployment %s is not of this API: %w", id, portal.ErrInvalid)
			}
			why := was.Records[i].Joining
			if why.Since.IsZero() {
				continue
			}
			why.Since = time.Time{}
			if err := a.store.SetJoining(ctx, id, why); err != nil {
				return "", err
			}
			a.touched[was.Entry.ID] = true
			if err := a.note(ctx, "deployment.confirm", was.Records[i], map[string]string{"api": string(was.Entry.ID)}); err != nil {
				return "", err
			}
		}
		return was.Entry.ID, nil
	})
}

// Undo takes back what a person did to an entry: a join, or a split. The opposite is remembered. portal.ErrConflict where it
// is undone already, or a later act has to be undone first.
func (s *Service) Undo(ctx context.Context, c access.Caller, name, act string) (Composition, error) {
	return s.compose(ctx, c, name, func(ctx context.Context, a *applier, was Composition) (portal.APIID, error) {
		i := slices.IndexFunc(was.Acts, func(x catalog.EntryAct) bool { return x.ID == act })
		if i < 0 {
			return "", fmt.Errorf("act %s on API %s: %w", act, name, portal.ErrNotFound)
		}
		if err := a.undo(ctx, c, act); err != nil {
			return "", err
		}
		from, err := a.store.LoadEntry(ctx, was.Acts[i].From)
		if err == nil && !access.MayGovern(c, from.Division) {
			return was.Acts[i].To, nil // what goes back is another division's again
		}
		return from.ID, err
	})
}

func (a *applier) undo(ctx context.Context, c access.Caller, id string) error {
	act, err := a.store.EntryAct(ctx, id)
	if err != nil {
		return err
	}
	if act.Kind == catalog.EntryRenamed {
		return a.unrename(ctx, c, act)
	}
	conflict := func(why *told.Error) error { return &portal.ConflictError{Kind: "act", ID: id, Err: why} }
	to, err := a.store.LoadEntry(ctx, act.To)
	if err != nil {
		return err
	}
	from, err := a.store.LoadEntry(ctx, act.From)
	if err != nil {
		return err
	}
	switch {
	case !access.MayGovern(c, to.Division) || !access.MayGovern(c, from.Division) && act.Kind == catalog.EntrySplit:
		return fmt.Errorf("act %s: %w", id, portal.ErrNotFound)
	case to.Joined != "" || act.Kind == catalog.EntrySplit && from.Joined != "":
		return conflict(told.EntryJoinedLater.With())
	case act.Kind == catalog.EntryJoined && from.Joined != act.To:
		return conflict(told.HoldsNoMore.With())
	}
	if err := a.store.UndoEntryAct(ctx, id, a.now); err != nil {
		return err
	}
	if act.Kind == catalog.EntryJoined {
		if err := a.store.TakeBack(ctx, act.From, act.Slugs, act.Named); err != nil {
			return err
		}
	}
	all, err := a.store.RecordsOf(ctx, act.To)
	if err != nil {
		return err
	}
	var moved, stay []catalog.Record
	for _, r := range all {
		i := slices.IndexFunc(act.Moved, func(m catalog.Moved) bool { return m.Deployment == r.Deployment.ID })
		if i < 0 {
			stay = append(stay, r)
			continue
		}
		moved = append(moved, r)
		why := act.Moved[i].Why
		why.Since = act.Moved[i].Since
		if err := a.store.Move(ctx, r.Deployment.ID, act.From, why); err != nil {
			return err
		}
	}
	if len(moved) == 0 {
		return conflict(told.NothingLeft.With())
	}
	a.touched[act.From], a.touched[act.To] = true, true
	if act.Kind == catalog.EntrySplit {
		others, err := a.store.RecordsOf(ctx, act.From)
		if err != nil {
			return err
		}
		others = slices.DeleteFunc(others, func(r catalog.Record) bool {
			return slices.ContainsFunc(moved, func(m catalog.Record) bool { return m.Deployment.ID == r.Deployment.ID })
		})
		if err := a.decide(ctx, moved, others, catalog.Together); err != nil {
			return err
		}
		if len(stay) == 0 {
			if err := a.store.HandOver(ctx, act.To, act.From); err != nil {
				return err
			}
		}
	} else if err := a.decide(ctx, moved, stay, catalog.Apart); err != nil {
		return err
	}
	if act.Review != "" {
		review, err := a.store.Review(ctx, act.Review)
		if err != nil {
			return err
		}
		from := review.State
		review.State, review.Agreed, review.DecidedBy, review.Decided = catalog.ReviewOpen, nil, a.actor, a.now
		if err := a.store.UpdateReview(ctx, review, from); err != nil {
			return err
		}
	}
	return a.act(ctx, "api.undo", string(act.To), map[string]string{"act": act.ID, "kind": string(act.Kind), "from": string(act.From)})
}
