package curation

import (
	"context"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/store"
)

// TeamAPIs lists what a team owns, for those who manage it. Others get portal.ErrNotFound.
func (s *Service) TeamAPIs(ctx context.Context, c access.Caller, id portal.TeamID) (owned []portal.APIID, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		owned, err = managed(ctx, tx, c, id)
		return err
	})
	return owned, err
}

// DeleteTeam removes a team. Its APIs are nobody's but their division's then; nothing else of them changes, and its members
// stay in their organisation. Errors as TeamAPIs.
func (s *Service) DeleteTeam(ctx context.Context, c access.Caller, id portal.TeamID) error {
	return s.db.InTx(ctx, func(tx Tx) error {
		owned, err := managed(ctx, tx, c, id)
		if err != nil {
			return err
		}
		t, err := tx.People().Team(ctx, id)
		if err != nil {
			return err
		}
		event := func(action, target string, detail map[string]string) error {
			return tx.Audit().Append(ctx, audit.Event{At: s.time(), Actor: string(c.Person), Action: action, Target: target, Organisation: t.Organisation.ID, Detail: detail})
		}
		for _, api := range owned {
			if err := tx.Curation().SetTeam(ctx, api, ""); err != nil {
				return err
			}
			tx.Changed(store.ChangedAPI, string(api))
			if err := event("api.team.assign", string(api), map[string]string{"was": string(id), "is": ""}); err != nil {
				return err
			}
		}
		for _, p := range t.Members {
			tx.Changed(store.ChangedPerson, string(p.ID))
		}
		if err := tx.People().RemoveTeam(ctx, id); err != nil {
			return err
		}
		return event("team.delete", string(id), map[string]string{"name": t.Name})
	})
}

func managed(ctx context.Context, tx Tx, c access.Caller, id portal.TeamID) ([]portal.APIID, error) {
	t, err := tx.People().Team(ctx, id)
	if err == nil && !access.MayManageTeams(c, t.Organisation.ID) {
		err = fmt.Errorf("team %s: %w", id, portal.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	return tx.Curation().TeamAPIs(ctx, id)
}
