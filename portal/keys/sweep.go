package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/outbound"
	"concierge/portal/store"
	"concierge/portal/told"
)

// The kinds of job of this package. The subject of an acts job is the gateway on which there is something to do; that of a
// reconciliation is a gateway too, or nothing for all of them.
const (
	JobActs      = "acts"
	JobSweep     = "sweep"
	JobReconcile = "reconcile"
)

const (
	// SweepEvery is how long what nobody asked for in time may be overdue: acts whose holder died, keys that expired.
	SweepEvery = 5 * time.Second
	// ActTimeout bounds what a job does on one gateway in one go.
	ActTimeout = 10 * time.Minute
	// sweepBatch is how many acts, and how many keys that have ended, are carried on in one go.
	sweepBatch = 100
	// listPage is how many marks reconciliation asks a gateway for at a time.
	listPage = 200
)

// Sweep asks for the acts of each gateway where something is overdue. It writes nothing where nothing is.
func (s *Service) Sweep(ctx context.Context) error {
	var late []portal.GatewayID
	err := s.db.View(ctx, func(tx Tx) error {
		now, found := s.now(), map[portal.GatewayID]bool{}
		ended, err := tx.Keys().EndedCredentials(ctx, "", now, 1)
		if err != nil {
			return err
		}
		for _, c := range ended {
			found[c.Gateway] = true
		}
		acts, err := tx.Keys().DueActs(ctx, "", now, 1)
		if err != nil {
			return err
		}
		for _, a := range acts {
			found[a.Gateway] = true
		}
		late = slices.Sorted(maps.Keys(found))
		return nil
	})
	if err != nil {
		return fmt.Errorf("looking for what is overdue: %w", err)
	}
	return s.ask(ctx, JobActs, late)
}

// ask enqueues a job of a kind for each gateway.
func (s *Service) ask(ctx context.Context, kind string, gateways []portal.GatewayID) error {
	if len(gateways) == 0 {
		return nil
	}
	err := s.db.InTx(ctx, func(tx Tx) error {
		for _, id := range gateways {
			if err := tx.Enqueue(ctx, store.Job{Kind: kind, Subject: string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("asking for %s: %w", kind, err)
	}
	return nil
}

// Act does what is due on a gateway: it revokes keys whose overlap or life has ended, and carries on acts whose time has
// come. next is when there is something to do again, zero where nothing is open. An error says what is tried again then.
func (s *Service) Act(ctx context.Context, id portal.GatewayID) (next time.Time, err error) {
	var ended []Credential
	var acts []Act
	err = s.db.View(ctx, func(tx Tx) (err error) {
		if ended, err = tx.Keys().EndedCredentials(ctx, id, s.now(), sweepBatch); err != nil {
			return err
		}
		acts, err = tx.Keys().DueActs(ctx, id, s.now(), sweepBatch)
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for what is due on gateway %s: %w", id, err)
	}
	var problems []error
	note := func(err error) {
		if err != nil && !errors.Is(err, portal.ErrConflict) { // somebody else was faster
			problems = append(problems, err)
		}
	}
	for _, c := range ended {
		note(s.end(ctx, c))
	}
	for _, a := range acts {
		note(s.resume(ctx, a))
	}
	if err := errors.Join(problems...); err != nil {
		return time.Time{}, err
	}
	var cause error // in the gateway's words
	err = s.db.View(ctx, func(tx Tx) (err error) {
		if next, err = tx.Keys().NextDue(ctx, id); err != nil {
			return err
		}
		for _, a := range acts {
			now, err := tx.Keys().Act(ctx, a.ID)
			if err != nil {
				return err
			}
			if now.State == ActOpen && now.Phase == PhaseRetrying {
				cause = fmt.Errorf("act %s: %s", now.ID, now.Error)
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("looking for what is due next on gateway %s: %w", id, err)
	}
	return next, cause
}

// end revokes a key whose overlap or life has ended.
func (s *Service) end(ctx context.Context, c Credential) error {
	var act Act
	err := s.db.InTx(ctx, func(tx Tx) (err error) {
		act, err = s.startRevoking(ctx, tx, "system:sweeper", &c, told.NoteEnded.With().Error())
		return err
	})
	if err != nil {
		return err
	}
	s.finishRevoke(ctx, act)
	return nil
}

// Hurry lets acts go on at once that wait because these gateways could not be asked.
func (s *Service) Hurry(ctx context.Context, gateways []portal.GatewayID) error {
	return s.db.InTx(ctx, func(tx Tx) error {
		for _, id := range gateways {
			if err := tx.Keys().HurryActs(ctx, id, s.now()); err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, store.Job{Kind: JobActs, Subject: string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// resume takes an act whose time has come and carries it on. portal.ErrConflict: somebody else was faster.
func (s *Service) resume(ctx context.Context, act Act) error {
	phase, lease := act.Phase, act.Lease
	err := s.db.InTx(ctx, func(tx Tx) error {
		s.take(&act)
		switch {
		case phase == PhaseWaiting, phase == PhaseSettling, phase == PhasePropagating, phase == PhaseUnsent,
			phase == PhaseRetrying && act.Kind == ActIssue:
			act.Phase = phase // what follows, and who claims meanwhile, needs to know what it waited for
		}
		return tx.Keys().UpdateAct(ctx, act, lease)
	})
	if err != nil {
		return err
	}
	if act.Kind == ActRevoke {
		return s.revoke(ctx, act)
	}
	if phase == PhaseUnsent {
		return s.db.InTx(ctx, func(tx Tx) error {
			return s.nothingCame(ctx, tx, act, "nobody was at the gateway's site, and nobody claimed the key again")
		})
	}
	issuer, caps, err := s.gateways.Issuer(ctx, act.Gateway)
	if err != nil {
		later := PhaseRetrying
		if phase == PhaseWaiting {
			later = phase // there is something to ask for
		}
		return s.db.InTx(ctx, func(tx Tx) error { return s.postpone(ctx, tx, act, later, backoff(act.Attempts), err.Error()) })
	}
	if phase == PhaseWaiting {
		return s.poll(ctx, issuer, act)
	}
	cause := act.Error
	if cause == "" {
		cause = "the gateway's answer was not recorded"
	}
	_, err = s.search(ctx, issuer, caps, act, false, cause)
	return err
}

// poll asks about a key that the gateway keeps waiting. Its consumer fetches the secret by claiming again.
func (s *Service) poll(ctx context.Context, issuer connectors.Issuer, act Act) error {
	cred, err := s.load(ctx, act.Credential)
	if err != nil {
		return err
	}
	h, err := s.handle(cred)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	issued, err := issuer.Status(call, cred.Mark(), h)
	cancel()
	return s.db.InTx(ctx, func(tx Tx) error {
		switch {
		case errors.Is(err, portal.ErrNotFound):
			return s.nothingCame(ctx, tx, act, "the gateway did not go through with it")
		case err != nil:
			return s.postpone(ctx, tx, act, PhaseWaiting, backoff(act.Attempts), err.Error())
		}
		cred.Note = issued.Note
		if issued.Progress == connectors.Done {
			cred.Note = told.NoteReady.With().Error()
		}
		if err := tx.Keys().UpdateCredential(ctx, cred, Pending); err != nil {
			return err
		}
		return s.postpone(ctx, tx, act, PhaseWaiting, backoff(act.Attempts), "")
	})
}

// ReconcileEvery is Options.Reconcile.
func (s *Service) ReconcileEvery() time.Duration { return s.opts.Reconcile }

// ReconcileAll asks for a reconciliation of every gateway that has keys.
func (s *Service) ReconcileAll(ctx context.Context) error {
	ids, err := s.gateways.Issuing(ctx)
	if err != nil {
		return fmt.Errorf("listing the gateways that have keys: %w", err)
	}
	return s.ask(ctx, JobReconcile, ids)
}

// Reconcile revokes every key on a gateway that carries the mark of a credential which is over: an answer that came later
// than anybody waited, or a key that came back. A mark that is not known here belongs to another installation, or to a
// database that was restored: it is logged and left alone.
func (s *Service) Reconcile(ctx context.Context, id portal.GatewayID) error {
	issuer, caps, err := s.gateways.Issuer(ctx, id)
	if err != nil {
		return err
	}
	var cursor connectors.Cursor
	for {
		asked := s.now()
		call, cancel := context.WithTimeout(outbound.Background(ctx), s.opts.CallTimeout) // what people wait for goes first
		found, next, err := issuer.List(call, cursor, listPage)
		cancel()
		if err != nil {
			return &portal.GatewayError{Gateway: id, Op: "List", Err: err}
		}
		for _, f := range found {
			if err := s.reconcile(ctx, id, asked.Add(-max(caps.Settle, minSettle)), f); err != nil && !errors.Is(err, portal.ErrConflict) {
				return fmt.Errorf("reconciling credential %s: %w", f.Mark.Credential, err)
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// reconcile revokes a key that was found although its credential was over already at the given time.
func (s *Service) reconcile(ctx context.Context, id portal.GatewayID, over time.Time, f connectors.Found) error {
	cred, err := s.load(ctx, f.Mark.Credential)
	if errors.Is(err, portal.ErrNotFound) || (err == nil && cred.Gateway != id) {
		s.opts.Log.WarnContext(ctx, "a key carries our mark but is not known here", "gateway", id, "credential", f.Mark.Credential)
		return nil
	}
	if err != nil || !cred.State.Final() || cred.Effective.After(over) {
		return err
	}
	var act Act
	err = s.db.InTx(ctx, func(tx Tx) error {
		cred.Effective, cred.EffectiveBy = time.Time{}, ""
		act, err = s.startRevoking(ctx, tx, "system:sweeper", &cred, told.NoteFoundWorking.With().Error())
		return err
	})
	if err != nil {
		return err
	}
	s.finishRevoke(ctx, act)
	return nil
}
