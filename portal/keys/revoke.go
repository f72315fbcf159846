package keys

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/crash"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Revoke makes a credential unusable. It answers at once with what is known: Revoking until the gateway confirms and its
// propagation delay has passed, Revoked afterwards. Revoking again asks the gateway again, or changes nothing.
func (s *Service) Revoke(ctx context.Context, c access.Caller, id portal.CredentialID) (Credential, error) {
	var acts []Act
	err := s.db.InTx(ctx, func(tx Tx) error {
		cred, err := credential(ctx, tx, c, id, access.MayChangeApplications)
		if err != nil || cred.State.Final() {
			return err
		}
		if cred.State != Revoking {
			started, err := s.startRevoking(ctx, tx, string(c.Person), &cred, "")
			acts = []Act{started}
			return err
		}
		open, err := tx.Keys().OpenAct(ctx, id, ActRevoke)
		if err != nil || open.Phase == PhaseCalling || open.Phase == PhasePropagating {
			return err
		}
		lease := open.Lease
		s.take(&open)
		acts = []Act{open}
		return tx.Keys().UpdateAct(ctx, open, lease)
	})
	if err != nil {
		return Credential{}, err
	}
	s.finishRevokes(ctx, acts)
	return s.load(ctx, id)
}

// finishRevokes carries out acts that are leased to the caller, all at once, and waits for them as long as a person would:
// what takes longer goes on without.
func (s *Service) finishRevokes(ctx context.Context, acts []Act) {
	if len(acts) == 0 {
		return
	}
	crash.Point("keys.revoke.intended")
	var working sync.WaitGroup
	for _, act := range acts {
		working.Go(func() { s.finishRevoke(ctx, act) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		working.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	case <-time.After(patience):
	}
}

// patience is how long a caller waits for a gateway to confirm a revocation.
const patience = 3 * time.Second

// startRevoking records that a credential is about to be revoked; the act is leased to the caller. An issue that waits for
// the gateway ends with it: nobody is to ask for that key any more.
func (s *Service) startRevoking(ctx context.Context, tx Tx, actor string, cred *Credential, note string) (Act, error) {
	from := cred.State
	cred.State, cred.Note = Revoking, note
	if from == Pending {
		s.dropParts(cred)
	}
	if err := tx.Keys().UpdateCredential(ctx, *cred, from); err != nil {
		return Act{}, err
	}
	if from == Pending {
		issue, err := tx.Keys().OpenAct(ctx, cred.ID, ActIssue)
		if err == nil && (issue.Phase == PhaseWaiting || issue.Phase == PhaseUnsent) {
			err = s.nothingCame(ctx, tx, issue, "it was revoked before the gateway had made it")
		}
		if err != nil && !errors.Is(err, portal.ErrNotFound) {
			return Act{}, err
		}
	}
	act, err := s.addAct(ctx, tx, *cred, ActRevoke)
	if err != nil {
		return Act{}, err
	}
	tx.Changed(store.ChangedApplication, string(cred.Application))
	return act, s.credentialEvent(ctx, tx, actor, "credential.revoke.intent", *cred, map[string]string{"act": string(act.ID), "was": string(from), "because": note})
}

// finishRevoke calls the gateway under the act's lease and records what it said. A failure is recorded too and tried again
// by a job; an error here would change nothing for the caller, so it is logged.
func (s *Service) finishRevoke(ctx context.Context, act Act) {
	ctx = context.WithoutCancel(ctx)
	if err := s.revoke(ctx, act); err != nil {
		s.opts.Log.WarnContext(ctx, "revocation is not recorded; it is tried again when its lease ends",
			"gateway", act.Gateway, "credential", act.Credential, "error", err)
	}
}

func (s *Service) revoke(ctx context.Context, act Act) (err error) {
	ctx, end := s.opts.Tracer.Start(ctx, "keys.revoke",
		attribute.String("gateway", string(act.Gateway)), attribute.String("credential", string(act.Credential)), attribute.String("act", string(act.ID)))
	defer func() { end(err) }()
	var cred Credential
	var issuing bool // its issue may bring a key after the call
	err = s.db.View(ctx, func(tx Tx) (err error) {
		if cred, err = tx.Keys().Credential(ctx, act.Credential); err != nil {
			return err
		}
		_, err = tx.Keys().OpenAct(ctx, cred.ID, ActIssue)
		issuing = err == nil
		if errors.Is(err, portal.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	absent, caps, callErr := s.callRevoke(ctx, cred)
	crash.Point("keys.revoke.answered")
	err = s.db.InTx(ctx, func(tx Tx) (err error) {
		if cred, err = tx.Keys().Credential(ctx, cred.ID); err != nil { // an issue may have saved its handle meanwhile
			return err
		}
		if callErr != nil {
			if err := s.note(ctx, tx, cred, told.NoteRetried.With().Error()); err != nil {
				return err
			}
			return s.postpone(ctx, tx, act, PhaseRetrying, backoff(act.Attempts), callErr.Error())
		}
		switch {
		case issuing:
			return s.postpone(ctx, tx, act, PhaseSettling, max(caps.Settle, time.Second), "")
		case !absent:
			return s.postpone(ctx, tx, act, PhaseSettling, max(caps.Settle, backoff(act.Attempts)), "")
		case caps.Propagation > 0 && act.Phase != PhasePropagating:
			if err := s.note(ctx, tx, cred, told.NoteFollows.With().Error()); err != nil {
				return err
			}
			return s.postpone(ctx, tx, act, PhasePropagating, caps.Propagation, "")
		}
		if err := s.closeAct(ctx, tx, act, ActDone, ""); err != nil {
			return err
		}
		cred.State, cred.Effective, cred.EffectiveBy, cred.Note = Revoked, s.now(), "admin", ""
		if err := tx.Keys().UpdateCredential(ctx, cred, Revoking); err != nil {
			return err
		}
		return s.credentialEvent(ctx, tx, "system:keys", "credential.revoke.done", cred, map[string]string{"act": string(act.ID)})
	})
	crash.Point("keys.revoke.recorded")
	return err
}

// note tells people what a revoking credential waits for.
func (s *Service) note(ctx context.Context, tx Tx, cred Credential, text string) error {
	cred.Note = text
	return tx.Keys().UpdateCredential(ctx, cred, Revoking)
}

// callRevoke asks the gateway to revoke and, where it only accepted, whether the credential is gone.
func (s *Service) callRevoke(ctx context.Context, cred Credential) (absent bool, caps connectors.Capabilities, err error) {
	fail := func(op string, err error) (bool, connectors.Capabilities, error) {
		return false, caps, &portal.GatewayError{Gateway: cred.Gateway, Op: op, Err: err}
	}
	issuer, caps, err := s.gateways.Issuer(ctx, cred.Gateway)
	if err != nil {
		return fail("open", err)
	}
	h, err := s.handle(cred)
	if err != nil {
		return fail("Revoke", err)
	}
	call, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	revoked, err := issuer.Revoke(call, cred.Mark(), h)
	if err != nil {
		return fail("Revoke", err)
	}
	if revoked.Absent {
		return true, caps, nil
	}
	_, err = issuer.Find(call, cred.Mark())
	switch {
	case errors.Is(err, portal.ErrNotFound):
		return true, caps, nil
	case err != nil:
		return fail("Find", err)
	}
	return false, caps, nil
}
