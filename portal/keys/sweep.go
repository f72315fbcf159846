package keys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

const (
	sweepEvery = 500 * time.Millisecond
	sweepBatch = 100
	// listPage is how many marks reconciliation asks a gateway for at a time.
	listPage = 200
)

// Sweep takes care, until ctx ends, of what was left open: acts whose lease has ended, keys whose overlap or life has
// ended, and, at the start and every Options.Reconcile, keys that carry our mark on a gateway but should not exist. A slow
// gateway delays its own work only.
func (s *Service) Sweep(ctx context.Context) {
	w := sweeper{s: s, busy: map[portal.GatewayID]bool{}}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := w.pass(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "sweeping", "error", err)
		}
		select {
		case <-ctx.Done():
			w.running.Wait()
			return
		case <-tick.C:
		}
	}
}

type sweeper struct {
	s          *Service
	running    sync.WaitGroup
	mu         sync.Mutex
	busy       map[portal.GatewayID]bool // somebody works on it
	reconciled time.Time
}

// pass starts the work that is due, gateway by gateway, without waiting for it.
func (w *sweeper) pass(ctx context.Context) error {
	due := map[portal.GatewayID][]func(context.Context) error{}
	err := w.s.db.View(ctx, func(tx Tx) error {
		now := w.s.now()
		ended, err := tx.Keys().EndedCredentials(ctx, now, sweepBatch)
		if err != nil {
			return err
		}
		for _, c := range ended {
			due[c.Gateway] = append(due[c.Gateway], func(ctx context.Context) error { return w.s.end(ctx, c) })
		}
		acts, err := tx.Keys().DueActs(ctx, now, sweepBatch)
		if err != nil {
			return err
		}
		for _, a := range acts {
			due[a.Gateway] = append(due[a.Gateway], func(ctx context.Context) error { return w.s.resume(ctx, a) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	if time.Since(w.reconciled) >= w.s.opts.Reconcile {
		ids, err := w.s.gateways.Issuing(ctx)
		if err != nil {
			return err
		}
		w.reconciled = time.Now()
		for _, id := range ids {
			due[id] = append(due[id], func(ctx context.Context) error { return w.s.Reconcile(ctx, id) })
		}
	}
	for id, work := range due {
		w.start(ctx, id, work)
	}
	return nil
}

func (w *sweeper) start(ctx context.Context, id portal.GatewayID, work []func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[id] {
		return // what is due stays due
	}
	w.busy[id] = true
	w.running.Go(func() {
		for _, do := range work {
			if err := do(ctx); err != nil && !errors.Is(err, portal.ErrConflict) && ctx.Err() == nil {
				w.s.opts.Log.WarnContext(ctx, "sweeping a gateway", "gateway", id, "error", err)
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.busy, id)
	})
}

// end revokes a key whose overlap or life has ended.
func (s *Service) end(ctx context.Context, c Credential) error {
	var act Act
	err := s.db.InTx(ctx, func(tx Tx) (err error) {
		act, err = s.startRevoking(ctx, tx, "system:sweeper", &c, "its time has ended")
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
			cred.Note = "ready: claim again to see the key"
		}
		if err := tx.Keys().UpdateCredential(ctx, cred, Pending); err != nil {
			return err
		}
		return s.postpone(ctx, tx, act, PhaseWaiting, backoff(act.Attempts), "")
	})
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
		call, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
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
		act, err = s.startRevoking(ctx, tx, "system:sweeper", &cred, "it was found working on the gateway after its end")
		return err
	})
	if err != nil {
		return err
	}
	s.finishRevoke(ctx, act)
	return nil
}
