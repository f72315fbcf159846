package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// Question is a review as a person reads it.
type Question struct {
	catalog.Review
	One   Side
	Other *Side // nil: of a rename whose new name is not in the catalog yet, because its sync waits
	// Missing are the owner divisions whose yes a join still needs.
	Missing []portal.Division
	Act     string // that undoes an accepted join; empty: there is nothing to undo
}

// Side is one of the two that a review is about.
type Side struct {
	Record catalog.Record
	Entry  catalog.Entry // without its deployments
	// Subscribed counts the subscriptions to the entry that are neither rejected nor cancelled.
	Subscribed int
}

// governs says which reviews a caller may see: of a division, or with nil of all. ok is false for who may see none.
func governs(c access.Caller) (division *portal.Division, ok bool) {
	if c.Has(access.PlatformAdministrator) {
		return nil, true
	}
	return &c.Division, access.MayGovern(c, c.Division)
}

func noReview(id string) error { return fmt.Errorf("review %s: %w", id, portal.ErrNotFound) }

// Reviews lists the questions of a filter that concern what the caller governs, the likeliest first, from the one after on.
// portal.ErrNotFound to whoever governs nothing.
func (s *Service) Reviews(ctx context.Context, c access.Caller, f catalog.ReviewFilter, after string, limit int) (all []Question, err error) {
	var ok bool
	if f.Within, ok = governs(c); !ok {
		return nil, fmt.Errorf("reviews: %w", portal.ErrNotFound)
	}
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		found, err := tx.Catalog().Reviews(ctx, f, after, limit)
		if err != nil {
			return err
		}
		all = make([]Question, len(found))
		for i, v := range found {
			if all[i], err = question(ctx, tx.Catalog(), v); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// OpenReviews counts the open questions that concern what the caller governs; none for who governs nothing.
func (s *Service) OpenReviews(ctx context.Context, c access.Caller) (n int, err error) {
	division, ok := governs(c)
	if !ok {
		return 0, nil
	}
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		n, err = tx.Catalog().CountReviews(ctx, catalog.ReviewFilter{State: catalog.ReviewOpen, Within: division})
		return err
	})
	return n, err
}

// Review returns one question. portal.ErrNotFound where it concerns nothing that the caller governs, or governed when they
// agreed.
func (s *Service) Review(ctx context.Context, c access.Caller, id string) (q Question, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		q, err = visibleQuestion(ctx, tx.Catalog(), c, id)
		return err
	})
	return q, err
}

func visibleQuestion(ctx context.Context, st catalog.Store, c access.Caller, id string) (Question, error) {
	v, err := st.Review(ctx, id)
	if err != nil {
		return Question{}, err
	}
	q, err := question(ctx, st, v)
	if err == nil && len(q.governed(c)) == 0 {
		if !slices.ContainsFunc(q.Agreed, func(d portal.Division) bool { return access.MayGovern(c, d) }) {
			return q, noReview(id)
		}
		q.Act = "" // who said yes and gave an entry away sees what came of it, and undoes nothing
	}
	return q, err
}

// question loads what a review is about.
func question(ctx context.Context, st catalog.Store, v catalog.Review) (q Question, err error) {
	q.Review = v
	if q.One, err = side(ctx, st, v.A); err != nil {
		return q, err
	}
	other := v.B
	if v.Kind == catalog.ReviewRename {
		found, err := st.RecordByKey(ctx, v.Gateway, v.Key)
		if errors.Is(err, portal.ErrNotFound) {
			return q, nil
		}
		if err != nil {
			return q, err
		}
		if found.Deployment.ID == v.A { // it is that by now
			return q, q.undoable(ctx, st)
		}
		other = found.Deployment.ID
	}
	b, err := side(ctx, st, other)
	if err != nil {
		return q, err
	}
	q.Other = &b
	if v.Kind != catalog.ReviewJoin {
		return q, nil
	}
	for _, d := range q.divisions() {
		if !slices.Contains(v.Agreed, d) {
			q.Missing = append(q.Missing, d)
		}
	}
	return q, q.undoable(ctx, st)
}

// undoable finds the act that undoes a yes.
func (q *Question) undoable(ctx context.Context, st catalog.Store) error {
	if q.State != catalog.ReviewAccepted {
		return nil
	}
	acts, err := st.EntryActs(ctx, q.One.Entry.ID)
	for _, a := range acts {
		if a.Review == q.ID && a.Undone.IsZero() {
			q.Act = a.ID // the newest
			break
		}
	}
	return err
}

func side(ctx context.Context, st catalog.Store, id portal.DeploymentID) (s Side, err error) {
	if s.Record, err = st.Record(ctx, id); err != nil {
		return s, err
	}
	s.Entry, err = st.LoadEntry(ctx, s.Record.Deployment.API)
	if err != nil {
		return s, err
	}
	s.Entry.Deployments = nil
	s.Subscribed, err = st.Subscribed(ctx, s.Entry.ID)
	return s, err
}

// divisions are the owner divisions that a question concerns, each once.
func (q *Question) divisions() []portal.Division {
	all := []portal.Division{q.One.Entry.Division}
	if q.Other != nil && q.Other.Entry.Division != q.One.Entry.Division {
		all = append(all, q.Other.Entry.Division)
	}
	return all
}

// governed are those of them that a caller governs.
func (q *Question) governed(c access.Caller) []portal.Division {
	return slices.DeleteFunc(q.divisions(), func(d portal.Division) bool { return !access.MayGovern(c, d) })
}

// Accept says yes. Two entries of one owner division become one at once; of two divisions each has to say yes, since the
// consumers of both are concerned. A rename makes what is published now the deployment that it was. Errors:
// portal.ErrNotFound as Review; portal.ErrConflict where it was answered already.
func (s *Service) Accept(ctx context.Context, c access.Caller, id string) (Question, error) {
	return s.answer(ctx, c, id, func(ctx context.Context, tx catalog.Tx, q *Question) error {
		if q.Kind == catalog.ReviewRename {
			q.State = catalog.ReviewAccepted
			return rename(ctx, tx, string(c.Person), s.clock(), q)
		}
		q.Agreed = append(slices.Clone(q.Agreed), slices.DeleteFunc(q.governed(c), func(d portal.Division) bool { return slices.Contains(q.Agreed, d) })...)
		if slices.ContainsFunc(q.divisions(), func(d portal.Division) bool { return !slices.Contains(q.Agreed, d) }) {
			return nil // it stays open until the others have said yes too
		}
		q.State = catalog.ReviewAccepted
		if q.One.Entry.ID == q.Other.Entry.ID {
			return nil
		}
		from, to, err := s.elder(ctx, tx.Catalog(), q.One.Entry, q.Other.Entry)
		if err != nil {
			return err
		}
		a := newApplier(tx, string(c.Person), s.clock())
		if _, err = a.unite(ctx, from, to, q.Review); err != nil {
			return err
		}
		a.noteChanges()
		return nil
	})
}

// Reject says no: the two stay apart, whatever they tell from now on.
func (s *Service) Reject(ctx context.Context, c access.Caller, id string) (Question, error) {
	return s.answer(ctx, c, id, func(ctx context.Context, tx catalog.Tx, q *Question) error {
		q.State = catalog.ReviewRejected
		if q.Kind == catalog.ReviewRename {
			return nil
		}
		return tx.Catalog().Decide(ctx, []catalog.Decision{{A: q.A, B: q.B, Verdict: catalog.Apart, Actor: string(c.Person), At: s.clock()}})
	})
}

// answer changes an open question in one transaction, with its audit event.
func (s *Service) answer(ctx context.Context, c access.Caller, id string, decide func(context.Context, catalog.Tx, *Question) error) (q Question, err error) {
	err = s.db.InTx(ctx, func(tx catalog.Tx) error {
		asked, err := visibleQuestion(ctx, tx.Catalog(), c, id)
		if err != nil {
			return err
		}
		if asked.State != catalog.ReviewOpen {
			return &portal.ConflictError{Kind: "review", ID: id, Err: told.ReviewDecided.With(asked.State)}
		}
		if err := decide(ctx, tx, &asked); err != nil {
			return err
		}
		now := s.clock()
		asked.DecidedBy, asked.Decided = string(c.Person), now
		if err := tx.Catalog().UpdateReview(ctx, asked.Review, catalog.ReviewOpen); err != nil {
			return err
		}
		action := map[catalog.ReviewState]string{catalog.ReviewOpen: "review.agree", catalog.ReviewAccepted: "review.accept", catalog.ReviewRejected: "review.reject"}[asked.State]
		event := audit.Event{At: now, Actor: string(c.Person), Action: action, Target: id, Gateway: asked.Review.Gateway,
			Detail: map[string]string{"kind": string(asked.Kind), "a": string(asked.A), "b": string(asked.B), "remote_id": asked.Review.Key.RemoteID}}
		if err := tx.Audit().Append(ctx, event); err != nil {
			return err
		}
		q, err = visibleQuestion(ctx, tx.Catalog(), c, id)
		return err
	})
	return q, err
}

// Reopen asks a question again that was answered: what a yes joined is taken apart.
func (s *Service) Reopen(ctx context.Context, c access.Caller, id string) (q Question, err error) {
	err = s.db.InTx(ctx, func(tx catalog.Tx) error {
		was, err := visibleQuestion(ctx, tx.Catalog(), c, id)
		if err != nil {
			return err
		}
		switch {
		case was.State == catalog.ReviewOpen:
			return &portal.ConflictError{Kind: "review", ID: id, Err: told.ReviewOpen.With()}
		case was.State == catalog.ReviewAccepted && was.Act == "":
			return &portal.ConflictError{Kind: "review", ID: id, Err: told.NotUndoneHere.With()}
		case was.Act != "":
			a := newApplier(tx, string(c.Person), s.clock())
			if err := a.undo(ctx, c, was.Act); err != nil {
				return err
			}
			a.noteChanges()
		default:
			was.Review.State, was.Agreed, was.DecidedBy, was.Decided = catalog.ReviewOpen, nil, "", s.clock()
			if err := tx.Catalog().UpdateReview(ctx, was.Review, catalog.ReviewRejected); err != nil {
				return err
			}
		}
		event := audit.Event{At: s.clock(), Actor: string(c.Person), Action: "review.reopen", Target: id, Detail: map[string]string{"a": string(was.A), "b": string(was.B)}}
		if err := tx.Audit().Append(ctx, event); err != nil {
			return err
		}
		q, err = visibleQuestion(ctx, tx.Catalog(), c, id)
		return err
	})
	return q, err
}

// elder says which of two entries takes over the other: one that an explicit id names, else the one with more subscriptions,
// else the older one.
func (s *Service) elder(ctx context.Context, st catalog.Store, a, b catalog.Entry) (from, to catalog.Entry, err error) {
	subscribedA, err := st.Subscribed(ctx, a.ID)
	if err != nil {
		return from, to, err
	}
	subscribedB, err := st.Subscribed(ctx, b.ID)
	if err != nil {
		return from, to, err
	}
	switch {
	case (a.Explicit != "") != (b.Explicit != ""):
		if a.Explicit != "" {
			return b, a, nil
		}
	case subscribedA != subscribedB:
		if subscribedA > subscribedB {
			return b, a, nil
		}
	case a.Created.Before(b.Created):
		return b, a, nil
	}
	return a, b, nil
}
