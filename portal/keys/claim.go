package keys

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/crash"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Claimed is the outcome of a claim or a rotation. Parts hold the secret, this once.
type Claimed struct {
	Credential Credential
	Ready      bool // false: the gateway has to act first; claim again later
	Parts      []connectors.Part
	Deployment *portal.Deployment
}

// minSettle is the least time that an act without an answer is given to show on its gateway.
const minSettle = 2 * time.Second

// Claim makes the subscription's credential and returns its secret. It checks access and resolves again: another
// deployment of the same owner division is taken and audited, one of another division needs a new approval. Errors:
// portal.ConflictError names the credential that is in the way; portal.GatewayError says what the gateway did.
func (s *Service) Claim(ctx context.Context, c access.Caller, id portal.SubscriptionID) (Claimed, error) {
	return s.issue(ctx, c, id, "", 0)
}

// Rotate makes a second credential beside the active one, which retires after the overlap.
func (s *Service) Rotate(ctx context.Context, c access.Caller, id portal.CredentialID, overlap time.Duration) (Claimed, error) {
	if overlap < 0 || overlap > MaxOverlap {
		return Claimed{}, told.OverlapRange.As(portal.ErrInvalid, MaxOverlap)
	}
	var old Credential
	err := s.db.View(ctx, func(tx Tx) (err error) {
		old, err = credential(ctx, tx, c, id, access.MayChangeApplications)
		return err
	})
	if err != nil {
		return Claimed{}, err
	}
	return s.issue(ctx, c, old.Subscription, id, overlap)
}

// issue is the act of making a key: intent, call, result.
func (s *Service) issue(ctx context.Context, c access.Caller, id portal.SubscriptionID, replaces portal.CredentialID, overlap time.Duration) (_ Claimed, err error) {
	ctx, end := s.opts.Tracer.Start(ctx, "keys.issue", attribute.String("subscription", string(id)))
	defer func() { end(err) }()
	var sub Subscription
	var app Application
	err = s.db.View(ctx, func(tx Tx) (err error) {
		if sub, err = subscription(ctx, tx, c, id); err != nil {
			return err
		}
		app, err = application(ctx, tx, c, sub.Application, access.MayChangeApplications)
		return err
	})
	if err != nil {
		return Claimed{}, err
	}
	if !sub.Frozen.IsZero() {
		return Claimed{}, frozenError(sub) // also where nothing is left to be sent to
	}
	decided, err := s.router.Decide(ctx, c.Consumer(sub.Application), string(sub.API), sub.Line, sub.Environment)
	if err != nil {
		return Claimed{}, err
	}
	d := decided.Deployment
	issuer, caps, err := s.gateways.Issuer(ctx, d.Gateway)
	if err != nil {
		return Claimed{}, err
	}
	if replaces != "" && caps.MaxKeys == 1 {
		return Claimed{}, told.OneKeyAtATime.As(portal.ErrUnsupported)
	}
	acceptReach, err := s.gateways.AcceptsReach(ctx, d.Gateway)
	if err != nil {
		return Claimed{}, err
	}

	intending, intended := s.opts.Tracer.Start(ctx, "keys.issue.intent", attribute.String("gateway", string(d.Gateway)))
	cred, plan, act, was, err := s.intend(intending, c, decided, id, replaces)
	intended(err)
	if unsettled, ok := errors.AsType[*unsettledError](err); ok {
		return Claimed{Credential: unsettled.cred, Deployment: d}, nil
	}
	if err != nil {
		return Claimed{}, err
	}
	crash.Point("keys.issue.intended")
	if was == "" {
		if err := s.overtaken(ctx, c, sub, act, cred); err != nil {
			return Claimed{}, err
		}
	}

	// The call and its record go on when the caller leaves: an unfinished one would only be a job's work.
	work := context.WithoutCancel(ctx)
	call, cancel := context.WithTimeout(work, s.opts.CallTimeout)
	issued, err := issuer.Issue(call, connectors.IssueRequest{
		Mark: cred.Mark(), Deployment: cred.Key, Plan: plan, Label: app.Name + " (" + c.OrganisationName + ")",
		Expires: cred.Expires, Value: portal.NewSecret(rand.Text() + rand.Text()), AcceptReach: acceptReach,
	})
	cancel()
	crash.Point("keys.issue.answered")
	away, isAway := errors.AsType[*connectors.AwayError](err)
	switch {
	case isAway && !away.Taken:
		cred, err = s.recordUnsent(work, act, cred, was, away)
		return Claimed{Credential: cred, Deployment: d}, err
	case err != nil:
		err = s.withoutAnswer(work, issuer, caps, act, &portal.GatewayError{Gateway: d.Gateway, Op: "Issue", Err: err})
		if isAway && errors.Is(err, portal.ErrUnavailable) {
			cred, err = s.recordAway(work, act, away)
			return Claimed{Credential: cred, Deployment: d}, err
		}
		return Claimed{}, err
	case issued.Progress == connectors.Pending:
		cred, err = s.recordWaiting(work, act, cred, issued)
		return Claimed{Credential: cred, Deployment: d}, err
	}
	if !hasSecret(issued.Parts) {
		if issued.Parts, err = s.keptParts(cred); err != nil {
			return Claimed{}, err // the lease ends by itself, then a job revokes the key
		}
	}
	seen := ctx.Err() == nil && hasSecret(issued.Parts)
	recording, recorded := s.opts.Tracer.Start(work, "keys.issue.result", attribute.String("credential", string(cred.ID)), attribute.String("act", string(act.ID)))
	cred, revoke, err := s.recordIssued(recording, act, cred.ID, issued, overlap, seen)
	recorded(err)
	if err != nil {
		return Claimed{}, err
	}
	crash.Point("keys.issue.recorded")
	if cred.State != Active {
		s.finishRevokes(ctx, revoke)
		return Claimed{}, &portal.ConflictError{Kind: "credential", ID: string(cred.ID), Err: told.SecretUnseen.With()}
	}
	return Claimed{Credential: cred, Ready: true, Parts: issued.Parts, Deployment: d}, nil
}

func hasSecret(parts []connectors.Part) bool {
	for _, p := range parts {
		if !p.Public && !p.Value.IsZero() {
			return true
		}
	}
	return false
}

// intend records that a key is about to be made under the subscription's plan, or takes over one that waits: was is the
// phase in which it did.
func (s *Service) intend(ctx context.Context, c access.Caller, decided Decided, id portal.SubscriptionID, replaces portal.CredentialID) (cred Credential, plan string, act Act, was Phase, err error) {
	d := decided.Deployment
	var moved error
	err = s.db.InTx(ctx, func(tx Tx) error {
		now := s.now()
		sub, err := tx.Keys().Subscription(ctx, id)
		if err != nil {
			return err
		}
		if sub.State != Approved {
			return &portal.ConflictError{Kind: "subscription", ID: string(id), Err: told.NotClaimable.With(sub.State)}
		}
		if !sub.Frozen.IsZero() {
			return frozenError(sub)
		}
		if sub.Deployment != d.ID {
			if sub, moved, err = s.follow(ctx, tx, c, sub, decided); err != nil || moved != nil {
				return err
			}
		}
		plan = sub.Plan
		open, err := tx.Keys().Credentials(ctx, CredentialFilter{Subscription: id, Open: true}, Page{Limit: maxOpen})
		if err != nil {
			return err
		}
		waiting, err := s.inTheWay(ctx, tx, open, replaces)
		if err != nil {
			return err
		}
		actor := string(c.Person)
		if waiting != nil {
			if cred, err = tx.Keys().Credential(ctx, waiting.Credential); err != nil {
				return err
			}
			if cred.Deployment != d.ID {
				return &portal.ConflictError{Kind: "credential", ID: string(cred.ID), Err: told.EndpointGone.With()}
			}
			act, was = *waiting, waiting.Phase
			before := act.Lease
			s.take(&act)
			return tx.Keys().UpdateAct(ctx, act, before)
		}
		cred = Credential{
			ID: portal.CredentialID(portal.NewID("crd")), Subscription: sub.ID, Application: sub.Application, Organisation: sub.Organisation,
			Gateway: d.Gateway, Deployment: d.ID, Key: connectors.Key{RemoteID: d.RemoteID, Exposure: d.Exposure},
			State: Pending, Created: now, Replaces: replaces,
		}
		if err := tx.Keys().AddCredential(ctx, cred); err != nil {
			return err
		}
		act, err = s.addAct(ctx, tx, cred, ActIssue)
		if err != nil {
			return err
		}
		return s.credentialEvent(ctx, tx, actor, "credential.issue.intent", cred, map[string]string{"act": string(act.ID), "replaces": string(replaces)})
	})
	if err == nil {
		err = moved
	}
	return cred, plan, act, was, err
}

// follow takes a subscription to the deployment that its consumer is now sent to. Within one owner division that is
// allowed; elsewhere it is decided anew, and moved says that somebody has to. Where its plan is not offered, the first is
// taken.
func (s *Service) follow(ctx context.Context, tx Tx, c access.Caller, was Subscription, decided Decided) (sub Subscription, moved, err error) {
	d := decided.Deployment
	plan, err := choosePlan(d, was.Plan)
	if err != nil {
		if plan, err = choosePlan(d, ""); err != nil {
			return was, nil, err
		}
	}
	sub = was
	sub.Deployment, sub.Division, sub.Plan = d.ID, d.Placement.Division(), plan.ID
	action := "subscription.follow"
	if was.Division != sub.Division {
		sub.DecidedBy, sub.Decided, sub.Reason = automatic, s.now(), ""
		if s.opts.Policy.Approval(decided.Slug, d, plan) == portal.Required {
			sub.State, sub.DecidedBy, sub.Decided = Requested, "", time.Time{}
			action = "subscription.ask-again"
			moved = &portal.ConflictError{Kind: "subscription", ID: string(sub.ID), Err: told.OtherDivisionServes.With()}
		}
	}
	if err := tx.Keys().UpdateSubscription(ctx, sub, was.State); err != nil {
		return was, nil, err
	}
	return sub, moved, s.event(ctx, tx, string(c.Person), action, sub, map[string]string{
		"from": string(was.Deployment), "to": string(sub.Deployment), "plan": sub.Plan,
	})
}

// unsettledError is a claim whose outcome is looked for: it ends by itself, and then the subscription can be claimed again.
type unsettledError struct{ cred Credential }

func (e *unsettledError) Error() string {
	return fmt.Sprintf("the outcome of the claim of key %s is being looked for", e.cred.ID)
}

// inTheWay looks at the subscription's credentials that are not final. It returns the act of a claim that was kept
// waiting, or an error that names what forbids another key.
func (s *Service) inTheWay(ctx context.Context, tx Tx, open []Credential, replaces portal.CredentialID) (waiting *Act, err error) {
	var active bool
	for _, held := range open {
		conflict := func(why *told.Error) error {
			return &portal.ConflictError{Kind: "credential", ID: string(held.ID), Err: why}
		}
		switch held.State {
		case Pending:
			act, err := tx.Keys().OpenAct(ctx, held.ID, ActIssue)
			if err != nil && !errors.Is(err, portal.ErrNotFound) {
				return nil, err
			}
			if err == nil && held.Replaces == replaces {
				switch act.Phase {
				case PhaseWaiting, PhaseUnsent:
					return &act, nil
				case PhaseSettling, PhaseRetrying:
					if held.Note != "" { // its consumer was told to wait, by recordAway
						return nil, &unsettledError{held}
					}
				}
			}
			return nil, conflict(told.ClaimUnderWay.With())
		case Active:
			if held.ID == replaces {
				active = true
				continue
			}
			return nil, conflict(told.HasKey.With())
		case Retiring:
			return nil, conflict(told.RotationUnderWay.With())
		}
	}
	if replaces != "" && !active {
		return nil, &portal.ConflictError{Kind: "credential", ID: string(replaces), Err: told.OnlyActiveRotates.With()}
	}
	return nil, nil
}

// take gives the act a new lease.
func (s *Service) take(a *Act) {
	a.Phase, a.Lease, a.Due = PhaseCalling, rand.Text(), s.now().Add(s.lease())
	a.Attempts++
}

func (s *Service) addAct(ctx context.Context, tx Tx, cred Credential, kind ActKind) (Act, error) {
	a := Act{
		ID: portal.ActID(portal.NewID("act")), Kind: kind, Credential: cred.ID, Gateway: cred.Gateway,
		State: ActOpen, Created: s.now(),
	}
	s.take(&a)
	return a, tx.Keys().AddAct(ctx, a)
}

func (s *Service) credentialEvent(ctx context.Context, tx Tx, actor, action string, cred Credential, detail map[string]string) error {
	return tx.Audit().Append(ctx, audit.Event{
		At: s.now(), Actor: actor, Action: action, Target: string(cred.ID), Organisation: cred.Organisation, Gateway: cred.Gateway, Detail: detail,
	})
}

// recordIssued saves a key that the gateway has made. Where nobody will see its secret, or somebody revoked it meanwhile,
// it is revoked: the acts of that are returned. portal.ErrConflict: the lease has passed to a job, which takes care
// of the key.
func (s *Service) recordIssued(ctx context.Context, act Act, id portal.CredentialID, issued connectors.Issued, overlap time.Duration, seen bool) (cred Credential, revoke []Act, err error) {
	sealed, err := s.sealHandle(id, issued.Handle)
	if err != nil {
		return Credential{}, nil, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		now := s.now()
		if err := s.closeAct(ctx, tx, act, ActDone, ""); err != nil {
			return err
		}
		if cred, err = tx.Keys().Credential(ctx, id); err != nil {
			return err
		}
		from := cred.State
		cred.Handle, cred.Sealed, cred.Expires, cred.Note = issued.Handle.Open, sealed, issued.Expires, ""
		cred.Fingerprint = s.fingerprint(issued.Parts)
		done := map[string]string{"act": string(act.ID), "fingerprint": cred.Fingerprint}
		if from == Revoking || !seen {
			if err := tx.Keys().UpdateCredential(ctx, cred, from); err != nil {
				return err
			}
			if err := s.credentialEvent(ctx, tx, "system:keys", "credential.issue.done", cred, done); err != nil {
				return err
			}
			if from == Revoking {
				return nil // its revocation is under way and waits for this
			}
			a, err := s.startRevoking(ctx, tx, "system:keys", &cred, told.NoteUnseen.With().Error())
			revoke = []Act{a}
			return err
		}
		if cred.Replaces != "" {
			if err := s.retire(ctx, tx, cred.Replaces, now.Add(overlap)); err != nil {
				return err
			}
		}
		cred.State = Active
		if err := tx.Keys().UpdateCredential(ctx, cred, from); err != nil {
			return err
		}
		tx.Changed(store.ChangedApplication, string(cred.Application))
		return s.credentialEvent(ctx, tx, "system:keys", "credential.issue.done", cred, done)
	})
	return cred, revoke, err
}

// retire lets an active key end. One that is not active any more needs no end.
func (s *Service) retire(ctx context.Context, tx Tx, id portal.CredentialID, ends time.Time) error {
	old, err := tx.Keys().Credential(ctx, id)
	if err != nil {
		return err
	}
	if old.State != Active {
		return nil
	}
	old.State, old.Ends = Retiring, ends
	if err := tx.Keys().UpdateCredential(ctx, old, Active); err != nil {
		return err
	}
	if err := tx.Enqueue(ctx, store.Job{Kind: JobActs, Subject: string(old.Gateway), After: ends}); err != nil {
		return err
	}
	return s.credentialEvent(ctx, tx, "system:keys", "credential.retire", old, map[string]string{"ends": ends.Format(time.RFC3339)})
}

// recordWaiting saves that the gateway has to act before there is a key. A secret that the gateway has shown already, and
// will not show again, waits with it, sealed, for the claim that finds the key ready.
func (s *Service) recordWaiting(ctx context.Context, act Act, cred Credential, issued connectors.Issued) (Credential, error) {
	parts := issued.Parts
	if !hasSecret(parts) {
		var err error
		if parts, err = s.keptParts(cred); err != nil {
			return Credential{}, err
		}
	}
	h, err := keepParts(issued.Handle, parts)
	if err != nil {
		return Credential{}, fmt.Errorf("secret of pending credential %s: %w", cred.ID, err)
	}
	sealed, err := s.sealHandle(cred.ID, h)
	if err != nil {
		return Credential{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if cred, err = tx.Keys().Credential(ctx, cred.ID); err != nil {
			return err
		}
		cred.Handle, cred.Sealed, cred.Note = issued.Handle.Open, sealed, issued.Note
		if err := tx.Keys().UpdateCredential(ctx, cred, cred.State); err != nil {
			return err
		}
		return s.postpone(ctx, tx, act, PhaseWaiting, backoff(act.Attempts), "")
	})
	return cred, err
}

// keptUnsent is how long a claim that nobody took waits to be claimed again.
const keptUnsent = 7 * 24 * time.Hour

// recordUnsent saves that nobody took the call: no key came of it, and none will. The next claim sends it, with a key of
// its own for the answer. Where the gateway has kept the key waiting since before (was), it goes on being polled.
func (s *Service) recordUnsent(ctx context.Context, act Act, cred Credential, was Phase, away *connectors.AwayError) (Credential, error) {
	phase, after := PhaseUnsent, keptUnsent
	if was == PhaseWaiting {
		phase, after = was, backoff(act.Attempts)
	}
	return s.waits(ctx, cred.ID, fmt.Sprintf("waits for the worker of site %s: claim again once it is there", away.Site), func(tx Tx) error {
		return s.postpone(ctx, tx, act, phase, after, away.Error())
	})
}

// recordAway tells the consumer of a call that was taken and not answered: its outcome is looked for by its mark.
func (s *Service) recordAway(ctx context.Context, act Act, away *connectors.AwayError) (Credential, error) {
	note := fmt.Sprintf("the worker of site %s did not answer; what came of it is looked for once it is there: claim again", away.Site)
	return s.waits(ctx, act.Credential, note, func(Tx) error { return nil })
}

// waits notes what a pending credential waits for, and does the rest of it in the same transaction.
func (s *Service) waits(ctx context.Context, id portal.CredentialID, note string, rest func(Tx) error) (cred Credential, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		if cred, err = tx.Keys().Credential(ctx, id); err != nil {
			return err
		}
		if cred.State == Pending {
			cred.Note = note
			if err := tx.Keys().UpdateCredential(ctx, cred, Pending); err != nil {
				return err
			}
		}
		return rest(tx)
	})
	return cred, err
}

// withoutAnswer handles an Issue that failed: what the gateway did is unknown, so it is asked by mark at once. The error
// that the caller gets is err, with a time to try again where that makes sense.
func (s *Service) withoutAnswer(ctx context.Context, issuer connectors.Issuer, caps connectors.Capabilities, act Act, err error) error {
	// portal.ErrInvalid is not an answer: it also stands for one that makes no sense, which tells nothing of the key.
	answered := slices.ContainsFunc([]error{portal.ErrUnsupported, portal.ErrDenied, portal.ErrConflict, portal.ErrNotFound},
		func(kind error) bool { return errors.Is(err, kind) })
	after, recordErr := s.search(ctx, issuer, caps, act, answered, err.Error())
	if recordErr != nil {
		return errors.Join(err, recordErr) // the lease ends by itself, then a job searches
	}
	if answered || errors.Is(err, portal.ErrInvalid) {
		return err
	}
	var asked *portal.RetryAfterError // by the gateway
	if errors.As(err, &asked) {
		after = max(after, asked.After)
	}
	return &portal.RetryAfterError{After: after, Err: err}
}

// search asks the gateway whether an issue of unknown outcome has left a key, and records the answer. A key is revoked,
// since nobody saw its secret; one that the gateway keeps waiting has none yet and goes on waiting. No key closes the act
// once the gateway has answered the call itself (answered), or has had its time to settle since it was last looked for;
// after says when that is.
func (s *Service) search(ctx context.Context, issuer connectors.Issuer, caps connectors.Capabilities, act Act, answered bool, cause string) (after time.Duration, err error) {
	settle := max(caps.Settle, minSettle)
	cred, err := s.load(ctx, act.Credential)
	if err != nil {
		return 0, err
	}
	call, cancel := context.WithTimeout(ctx, s.opts.CallTimeout/4)
	found, findErr := issuer.Find(call, cred.Mark())
	cancel()
	var revoke *Act
	err = s.db.InTx(ctx, func(tx Tx) error {
		switch {
		case findErr == nil:
			if cred, err = tx.Keys().Credential(ctx, cred.ID); err != nil {
				return err
			}
			if found.Progress == connectors.Pending && cred.State == Pending {
				after = backoff(act.Attempts)
				return s.postpone(ctx, tx, act, PhaseWaiting, after, cause)
			}
			if err := s.closeAct(ctx, tx, act, ActDone, cause); err != nil {
				return err
			}
			if err := s.credentialEvent(ctx, tx, "system:keys", "credential.issue.found", cred, map[string]string{"act": string(act.ID), "cause": cause}); err != nil {
				return err
			}
			if cred.State != Pending {
				return nil // being revoked already
			}
			a, err := s.startRevoking(ctx, tx, "system:keys", &cred, told.NoteAnswerLost.With().Error())
			revoke = &a
			return err
		case !errors.Is(findErr, portal.ErrNotFound):
			after = backoff(act.Attempts)
			return s.postpone(ctx, tx, act, PhaseRetrying, after, cause+"; then, looking for it: "+findErr.Error())
		case answered || act.Phase == PhaseSettling:
			return s.nothingCame(ctx, tx, act, cause)
		default:
			after = settle
			return s.postpone(ctx, tx, act, PhaseSettling, settle, cause)
		}
	})
	if err == nil && revoke != nil {
		s.finishRevoke(ctx, *revoke)
		after = time.Second
	}
	return after, err
}

// nothingCame closes an issue that left nothing on the gateway.
func (s *Service) nothingCame(ctx context.Context, tx Tx, act Act, cause string) error {
	if err := s.closeAct(ctx, tx, act, ActFailed, cause); err != nil {
		return err
	}
	cred, err := tx.Keys().Credential(ctx, act.Credential)
	if err != nil {
		return err
	}
	if cred.State == Pending {
		cred.State, cred.Note = Failed, told.NoteNotMade.With().Error()
		s.dropParts(&cred)
		if err := tx.Keys().UpdateCredential(ctx, cred, Pending); err != nil {
			return err
		}
	}
	return s.credentialEvent(ctx, tx, "system:keys", "credential.issue.failed", cred, map[string]string{"act": string(act.ID), "cause": cause})
}

// closeAct ends an act under its lease.
func (s *Service) closeAct(ctx context.Context, tx Tx, act Act, state ActState, cause string) error {
	lease := act.Lease
	act.State, act.Lease, act.Error, act.Ended = state, "", cause, s.now()
	return tx.Keys().UpdateAct(ctx, act, lease)
}

// postpone gives the lease back and says when to look again. The lease is nobody's then, and new: whoever has read the act
// before cannot take it for what it was. A job takes it up when it is due.
func (s *Service) postpone(ctx context.Context, tx Tx, act Act, phase Phase, after time.Duration, cause string) error {
	lease := act.Lease
	act.Phase, act.Lease, act.Due, act.Error = phase, rand.Text(), s.now().Add(after), cause
	if err := tx.Keys().UpdateAct(ctx, act, lease); err != nil {
		return err
	}
	return tx.Enqueue(ctx, store.Job{Kind: JobActs, Subject: string(act.Gateway), After: act.Due})
}

// backoff is the wait before attempt n+1: 1 s doubling to 5 minutes.
func backoff(n int) time.Duration {
	return min(time.Second<<min(max(n-1, 0), 20), 5*time.Minute)
}

func (s *Service) load(ctx context.Context, id portal.CredentialID) (cred Credential, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		cred, err = tx.Keys().Credential(ctx, id)
		return err
	})
	return cred, err
}

// The table, row and column that a sealed handle belongs to.
const (
	sealedTable  = "credentials"
	sealedColumn = "sealed"
)

func (s *Service) sealHandle(id portal.CredentialID, h connectors.Handle) ([]byte, error) {
	if len(h.Sealed) == 0 {
		return nil, nil
	}
	clear := make(map[string]string, len(h.Sealed))
	for k, v := range h.Sealed {
		clear[k] = v.Reveal()
	}
	b, err := json.Marshal(clear)
	if err != nil {
		return nil, fmt.Errorf("handle of credential %s: %w", id, err)
	}
	sealed, err := s.sealer.Seal(sealedTable, string(id), sealedColumn, b)
	if err != nil {
		return nil, fmt.Errorf("sealing the handle of credential %s: %w", id, err)
	}
	return sealed, nil
}

// handle is what the gateway gave to find a credential by.
func (s *Service) handle(c Credential) (connectors.Handle, error) {
	h, err := s.unsealHandle(c)
	delete(h.Sealed, keptPartsKey)
	return h, err
}

func (s *Service) unsealHandle(c Credential) (connectors.Handle, error) {
	h := connectors.Handle{Open: c.Handle}
	if len(c.Sealed) == 0 {
		return h, nil
	}
	b, err := s.sealer.Unseal(sealedTable, string(c.ID), sealedColumn, c.Sealed)
	if err != nil {
		return h, fmt.Errorf("unsealing the handle of credential %s: %w", c.ID, err)
	}
	var clear map[string]string
	if err := json.Unmarshal(b, &clear); err != nil {
		return h, fmt.Errorf("handle of credential %s: %w", c.ID, err)
	}
	h.Sealed = make(map[string]portal.Secret, len(clear))
	for k, v := range clear {
		h.Sealed[k] = portal.NewSecret(v)
	}
	return h, nil
}

// keptPartsKey is where the parts of a pending key lie in its sealed handle.
const keptPartsKey = "concierge:parts"

// keptPart is a connectors.Part with its value in clear, to be sealed.
type keptPart struct {
	In, Name, Prefix, Value string
	Public                  bool
}

// keepParts adds parts to a copy of the handle.
func keepParts(h connectors.Handle, parts []connectors.Part) (connectors.Handle, error) {
	if !hasSecret(parts) {
		return h, nil
	}
	kept := make([]keptPart, len(parts))
	for i, p := range parts {
		kept[i] = keptPart{p.In, p.Name, p.Prefix, p.Value.Reveal(), p.Public}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return h, err
	}
	sealed := map[string]portal.Secret{keptPartsKey: portal.NewSecret(string(b))}
	maps.Copy(sealed, h.Sealed)
	return connectors.Handle{Open: h.Open, Sealed: sealed}, nil
}

// keptParts are those that wait with a pending credential; none where its gateway has shown none yet.
func (s *Service) keptParts(c Credential) ([]connectors.Part, error) {
	h, err := s.unsealHandle(c)
	if err != nil || h.Sealed[keptPartsKey].IsZero() {
		return nil, err
	}
	var kept []keptPart
	if err := json.Unmarshal([]byte(h.Sealed[keptPartsKey].Reveal()), &kept); err != nil {
		return nil, fmt.Errorf("secret of pending credential %s: %w", c.ID, err)
	}
	parts := make([]connectors.Part, len(kept))
	for i, k := range kept {
		parts[i] = connectors.Part{In: k.In, Name: k.Name, Prefix: k.Prefix, Value: portal.NewSecret(k.Value), Public: k.Public}
	}
	return parts, nil
}

// dropParts forgets the secret of a credential that nobody will fetch any more. A seal that does not open keeps it from
// everybody anyway.
func (s *Service) dropParts(c *Credential) {
	h, err := s.handle(*c)
	if err != nil {
		return
	}
	if sealed, err := s.sealHandle(c.ID, h); err == nil {
		c.Sealed = sealed
	}
}

// fingerprint is what is kept of a secret: enough to compare, useless to call with.
func (s *Service) fingerprint(parts []connectors.Part) string {
	var all string
	for _, p := range parts {
		if !p.Public {
			all += p.Value.Reveal()
		}
	}
	if all == "" {
		return ""
	}
	return s.sealer.Fingerprint("credential", []byte(all))
}
