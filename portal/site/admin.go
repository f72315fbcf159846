package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/told"
)

// State says whether a gateway of another site can be reached.
type State string

// A gateway is connected while a worker that holds it is there.
const (
	Connected State = "connected"
	Gone      State = "gone"
)

// Site is a place from which gateways are reached, as an administrator sees it.
type Site struct {
	Name       portal.Site
	Gateways   []portal.GatewayID
	Workers    []Worker
	Waiting    int         // calls that wait for a worker
	Enrolments []Enrolment // those that can still be used
}

// Sites lists every site that a gateway, a worker or an enrolment names, the local one first.
func (s *Service) Sites(ctx context.Context) (all []Site, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		now := s.now()
		gateways, err := tx.Catalog().Gateways(ctx, "", 0)
		if err != nil {
			return err
		}
		workers, err := tx.Sites().Workers(ctx)
		if err != nil {
			return err
		}
		enrolments, err := tx.Sites().Enrolments(ctx, now)
		if err != nil {
			return err
		}
		waiting, err := tx.Sites().Waiting(ctx, now)
		if err != nil {
			return err
		}
		byName := map[portal.Site]*Site{portal.SiteLocal: {Name: portal.SiteLocal}}
		at := func(name portal.Site) *Site {
			if byName[name] == nil {
				byName[name] = &Site{Name: name, Waiting: waiting[name]}
			}
			return byName[name]
		}
		for _, g := range gateways {
			at(g.Site).Gateways = append(at(g.Site).Gateways, g.ID)
		}
		for _, w := range workers {
			at(w.Site).Workers = append(at(w.Site).Workers, w)
		}
		for _, e := range enrolments {
			at(e.Site).Enrolments = append(at(e.Site).Enrolments, e)
		}
		all = nil
		for _, site := range byName {
			all = append(all, *site)
		}
		slices.SortFunc(all, func(a, b Site) int {
			if (a.Name == portal.SiteLocal) != (b.Name == portal.SiteLocal) {
				return map[bool]int{true: -1, false: 1}[a.Name == portal.SiteLocal]
			}
			return cmp.Compare(a.Name, b.Name)
		})
		return nil
	})
	return all, err
}

// Site returns one of Sites; portal.ErrNotFound where nothing names it.
func (s *Service) Site(ctx context.Context, name portal.Site) (Site, error) {
	all, err := s.Sites(ctx)
	if err != nil {
		return Site{}, err
	}
	i := slices.IndexFunc(all, func(site Site) bool { return site.Name == name })
	if i < 0 {
		return Site{}, fmt.Errorf("site %s: %w", name, portal.ErrNotFound)
	}
	return all[i], nil
}

// States returns how to tell the state of gateways of other sites, as things are now.
func (s *Service) States(ctx context.Context) (func(portal.Site, portal.GatewayID) State, error) {
	var workers []Worker
	err := s.db.View(ctx, func(tx Tx) (err error) {
		workers, err = tx.Sites().Workers(ctx)
		return err
	})
	now := s.now()
	return func(site portal.Site, gateway portal.GatewayID) State {
		if slices.ContainsFunc(workers, func(w Worker) bool { return w.serves(site, gateway, now) }) {
			return Connected
		}
		return Gone
	}, err
}

// Now is the service's clock, for Worker.Connected.
func (s *Service) Now() time.Time { return s.now() }

// enrolmentLife is how long an enrolment can be used.
const enrolmentLife = 24 * time.Hour

// CreateEnrolment makes a token with which one worker joins the site within a day. It is returned this once. Errors:
// portal.ErrInvalid for a name that no site can have, or the local one.
func (s *Service) CreateEnrolment(ctx context.Context, actor string, site portal.Site) (Enrolment, portal.Secret, error) {
	switch {
	case site == portal.SiteLocal:
		return Enrolment{}, portal.Secret{}, told.SiteLocal.As(portal.ErrInvalid, site)
	case !ValidName(site):
		return Enrolment{}, portal.Secret{}, told.SiteName.As(portal.ErrInvalid)
	}
	token := portal.NewID("enrol")
	now := s.now()
	e := Enrolment{ID: portal.NewID("enr"), Site: site, Token: hash(token), Created: now, Expires: now.Add(enrolmentLife)}
	err := s.db.InTx(ctx, func(tx Tx) error {
		if err := tx.Sites().AddEnrolment(ctx, e); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, "site.enrolment.create", e.ID, map[string]string{"site": string(site), "expires": e.Expires.Format(time.RFC3339)})
	})
	if err != nil {
		return Enrolment{}, portal.Secret{}, fmt.Errorf("creating an enrolment: %w", err)
	}
	return e, portal.NewSecret(token), nil
}

// RevokeEnrolment ends one that nobody has used. Errors: portal.ErrNotFound; portal.ErrConflict where a worker has joined
// with it, or it was revoked before.
func (s *Service) RevokeEnrolment(ctx context.Context, actor, id string) error {
	err := s.db.InTx(ctx, func(tx Tx) error {
		e, err := tx.Sites().Enrolment(ctx, id)
		if err != nil {
			return err
		}
		if e.Worker != "" {
			return &portal.ConflictError{Kind: "worker", ID: e.Worker, Err: told.WorkerJoined.With()}
		}
		e.Revoked = s.now()
		if err := tx.Sites().UpdateEnrolment(ctx, e); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, "site.enrolment.revoke", e.ID, map[string]string{"site": string(e.Site)})
	})
	if err != nil {
		return fmt.Errorf("revoking an enrolment: %w", err)
	}
	return nil
}

// RevokeWorker ends what a worker may do, at once: it gets no call any more, and what it has taken is not answered by it.
// Revoking again changes nothing.
func (s *Service) RevokeWorker(ctx context.Context, actor, id string) (w Worker, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		if w, err = tx.Sites().Worker(ctx, id); err != nil || !w.Revoked.IsZero() {
			return err
		}
		w.Revoked, w.Polling, w.Due = s.now(), "", time.Time{}
		if err := tx.Sites().UpdateWorker(ctx, w); err != nil {
			return err
		}
		if err := tx.Sites().DropCalls(ctx, id); err != nil {
			return err
		}
		tx.Tell(siteTopic(w.Site))
		return s.record(ctx, tx, actor, "site.worker.revoke", id, map[string]string{"site": string(w.Site), "name": w.Name})
	})
	if err != nil {
		return Worker{}, fmt.Errorf("revoking a worker: %w", err)
	}
	return w, nil
}

func (s *Service) record(ctx context.Context, tx Tx, actor, action, target string, detail map[string]string) error {
	return tx.Audit().Append(ctx, audit.Event{At: s.now(), Actor: actor, Action: action, Target: target, Detail: detail})
}

// errRefused is the one answer to a token that does not serve: portal.ErrDenied.
var errRefused = fmt.Errorf("this enrolment token does not serve: it was used, revoked, has expired, or is for another site; ask an administrator of the portal for a new one: %w", portal.ErrDenied)

// reusedAgain is how often the second use of a token is recorded at most.
const reusedAgain = time.Minute

// enrol lets a worker join. The one that has joined may ask again, since the answer may have been lost; anybody else who
// comes with its token is refused, and that is recorded and shown beside the worker.
func (s *Service) enrol(ctx context.Context, n enrolment) (id string, err error) {
	var refused bool
	err = s.db.InTx(ctx, func(tx Tx) error {
		refused = false
		now := s.now()
		e, err := tx.Sites().EnrolmentByToken(ctx, hash(n.Token))
		if errors.Is(err, portal.ErrNotFound) {
			return errRefused
		}
		if err != nil {
			return err
		}
		if e.Worker != "" {
			w, err := tx.Sites().Worker(ctx, e.Worker)
			if err != nil {
				return err
			}
			if w.Secret == hash(n.Secret) && w.Site == n.Site && w.Revoked.IsZero() {
				id = w.ID
				return nil
			}
			refused = true
			if now.Sub(w.Reused) < reusedAgain {
				return nil
			}
			w.Reused = now
			if err := tx.Sites().UpdateWorker(ctx, w); err != nil {
				return err
			}
			return s.record(ctx, tx, "worker:unknown", "site.enrolment.reuse", e.ID, map[string]string{
				"site": string(e.Site), "worker": w.ID, "claimed_site": clean(string(n.Site)), "claimed_name": clean(n.Name),
			})
		}
		if !e.usable(now) || e.Site != n.Site {
			return errRefused
		}
		w := Worker{
			ID: portal.NewID("wrk"), Site: e.Site, Name: shown(n.Name), Version: shown(n.Version), Secret: hash(n.Secret), Enrolled: now, Seen: now, Enrolment: e.ID,
		}
		if err := tx.Sites().AddWorker(ctx, w); err != nil {
			return err
		}
		e.Worker = w.ID
		if err := tx.Sites().UpdateEnrolment(ctx, e); err != nil {
			return err
		}
		id = w.ID
		return s.record(ctx, tx, "worker:"+w.ID, "site.worker.enrol", w.ID, map[string]string{"site": string(w.Site), "name": w.Name, "enrolment": e.ID})
	})
	if errors.Is(err, portal.ErrConflict) { // somebody else was faster
		err = errRefused
	}
	if err == nil && refused {
		s.opts.Log.Warn("an enrolment token was used again, and refused", "site", clean(string(n.Site)), "name", clean(n.Name))
		err = errRefused
	}
	return id, err
}

// maxShown bounds a name.
const maxShown = 100

func shown(name string) string {
	name = clean(name)
	return string([]rune(name)[:min(len([]rune(name)), maxShown)])
}
