package keys

import (
	"context"
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
)

// Consumer is a subscription with its credentials that have not ended, the newest first, at most ten.
type Consumer struct {
	Subscription
	MadeBy      portal.PersonID // who made the application
	Credentials []Credential
}

// maxShownKeys is how many credentials of a subscription are listed with it; more than two live ones cannot be.
const maxShownKeys = 10

// Consumers lists subscriptions to the API that the filter names, the newest first: those to deployments of divisions whose
// consumers the caller may see, as access.MaySeeConsumers says for an API that this owner has. portal.ErrNotFound where there
// is no such division; whether the caller may know of the API is for the desk to ask.
func (s *Service) Consumers(ctx context.Context, c access.Caller, o access.Owner, f SubscriptionFilter, p Page) (found []Consumer, err error) {
	if !c.Has(access.PlatformAdministrator) {
		f.Divisions = nil
		for _, d := range []portal.Division{c.Division, o.Division} {
			if access.MaySeeConsumers(c, o, d) && !slices.Contains(f.Divisions, d) {
				f.Divisions = append(f.Divisions, d)
			}
		}
		if f.Divisions == nil {
			return nil, fmt.Errorf("consumers of %s: %w", f.API, portal.ErrNotFound)
		}
	}
	err = s.db.View(ctx, func(tx Tx) error {
		subs, err := tx.Keys().Subscriptions(ctx, f, p)
		if err != nil {
			return err
		}
		found = make([]Consumer, len(subs))
		for i, sub := range subs {
			app, err := tx.Keys().Application(ctx, sub.Application)
			if err != nil {
				return err
			}
			held, err := tx.Keys().Credentials(ctx, CredentialFilter{Subscription: sub.ID, Open: true}, Page{Limit: maxShownKeys})
			if err != nil {
				return err
			}
			found[i] = Consumer{sub, app.CreatedBy, held}
		}
		return nil
	})
	return found, err
}

// Touching lists open subscriptions to an endpoint that the caller may see, the newest first: those of their organisation's
// applications, and those that they govern. more says that there are others.
func (s *Service) Touching(ctx context.Context, c access.Caller, api portal.APIID, line string, env portal.Environment, limit int) (found []Subscription, more bool, err error) {
	f := SubscriptionFilter{API: api, Line: &line, Environment: env, Open: true}
	var filters []SubscriptionFilter
	if c.Has(access.PlatformAdministrator) {
		filters = []SubscriptionFilter{f}
	} else {
		if own := f; access.MayUseApplications(c, c.Organisation) {
			own.Organisation = c.Organisation
			filters = append(filters, own)
		}
		if governed := f; access.MayGovern(c, c.Division) {
			governed.Division = &c.Division
			filters = append(filters, governed)
		}
	}
	err = s.db.View(ctx, func(tx Tx) error {
		found, more = nil, false
		seen := map[portal.SubscriptionID]bool{}
		for _, f := range filters {
			subs, err := tx.Keys().Subscriptions(ctx, f, Page{Limit: limit + 1})
			if err != nil {
				return err
			}
			for _, sub := range subs {
				switch {
				case seen[sub.ID]:
				case len(found) == limit:
					more = true
				default:
					seen[sub.ID] = true
					found = append(found, sub)
				}
			}
		}
		return nil
	})
	return found, more, err
}
