package keys

import (
	"context"
	"fmt"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/told"
)

// Freeze freezes every subscription with a key on one of a gateway's deployments, in the transaction that classifies these
// anew; because says of each from what to what, in words for whoever decides. Under a frozen subscription no key is made or
// replaced and none moves to another deployment, until a person thaws or cancels it. The keys that it has stay as they are
// on their gateway: they can be revoked, and what was to end goes on to its end. One that is frozen already keeps its time.
// It returns how many were frozen.
func Freeze(ctx context.Context, tx Tx, actor string, now time.Time, gateway portal.GatewayID, because map[portal.DeploymentID]string) (frozen int, err error) {
	if len(because) == 0 {
		return 0, nil
	}
	held, err := tx.Keys().Held(ctx, gateway)
	if err != nil {
		return 0, err
	}
	for _, h := range held {
		why, ok := because[h.Deployment]
		if !ok {
			continue
		}
		sub, err := tx.Keys().Subscription(ctx, h.Subscription)
		if err != nil {
			return frozen, err
		}
		since := now
		if !sub.Frozen.IsZero() {
			since = sub.Frozen
		}
		if err := tx.Keys().SetFrozen(ctx, sub.ID, since, why); err != nil {
			return frozen, err
		}
		err = tx.Audit().Append(ctx, audit.Event{
			At: now, Actor: actor, Action: "subscription.freeze", Target: string(sub.ID), Organisation: sub.Organisation, Gateway: gateway,
			Detail: map[string]string{"deployment": string(h.Deployment), "because": why},
		})
		if err != nil {
			return frozen, err
		}
		frozen++
	}
	return frozen, nil
}

// frozenError is the answer to whoever wants a key. It does not say why: that is for whoever decides.
func frozenError(sub Subscription) error {
	return &portal.ConflictError{Kind: "subscription", ID: string(sub.ID), Err: told.SubscriptionFrozen.With()}
}

// Frozen lists, newest first, the frozen subscriptions that the caller may decide about; to who decides about none, those
// of their organisation.
func (s *Service) Frozen(ctx context.Context, c access.Caller, p Page) (found []Subscription, err error) {
	f := SubscriptionFilter{Frozen: true}
	switch {
	case c.Has(access.PlatformAdministrator):
	case access.MayGovern(c, c.Division):
		f.Division = &c.Division
	case access.MayUseApplications(c, c.Organisation):
		f.Organisation = c.Organisation
	default:
		return nil, nil
	}
	err = s.db.View(ctx, func(tx Tx) error {
		found, err = tx.Keys().Subscriptions(ctx, f, p)
		return err
	})
	return found, err
}

// Thaw decides that a frozen subscription goes on: its keys stay, and others can be made where its environment and audience
// lead. Nobody thaws what they asked for themselves. The other decision is Cancel.
func (s *Service) Thaw(ctx context.Context, c access.Caller, id portal.SubscriptionID, reason string) (sub Subscription, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		sub, err = subscription(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if !access.MayDecide(c, sub.Division, sub.RequestedBy) {
			return fmt.Errorf("somebody else who is responsible for this API has to decide: %w", portal.ErrDenied)
		}
		if sub.Frozen.IsZero() {
			return &portal.ConflictError{Kind: "subscription", ID: string(id), Err: told.NotFrozen.With()}
		}
		because := sub.FrozenBecause
		sub.Frozen, sub.FrozenBecause = time.Time{}, ""
		if err := tx.Keys().SetFrozen(ctx, id, sub.Frozen, sub.FrozenBecause); err != nil {
			return err
		}
		return s.event(ctx, tx, string(c.Person), "subscription.thaw", sub, map[string]string{"reason": strings.TrimSpace(reason), "was_frozen_because": because})
	})
	if err != nil {
		return Subscription{}, err
	}
	return sub, nil
}

// unfreeze ends the freezing of a subscription that ends itself.
func unfreeze(ctx context.Context, tx Tx, sub *Subscription) error {
	if sub.Frozen.IsZero() {
		return nil
	}
	sub.Frozen, sub.FrozenBecause = time.Time{}, ""
	return tx.Keys().SetFrozen(ctx, sub.ID, sub.Frozen, sub.FrozenBecause)
}

// overtaken looks, once an intent is recorded, whether its deployment was classified anew in between: from here on the
// freezing finds the key. Nothing was asked of the gateway yet, so the act ends as one that came to nothing.
func (s *Service) overtaken(ctx context.Context, c access.Caller, sub Subscription, act Act, cred Credential) error {
	again, err := s.router.Decide(ctx, c.Consumer(sub.Application), string(sub.API), sub.Line, sub.Environment)
	if err == nil && again.Deployment.ID == cred.Deployment {
		return nil
	}
	cause := told.ClassifiedMeanwhile.With()
	failed := s.db.InTx(ctx, func(tx Tx) error { return s.nothingCame(ctx, tx, act, cause.Error()) })
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	return &portal.ConflictError{Kind: "credential", ID: string(cred.ID), Err: cause}
}
