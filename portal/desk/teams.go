package desk

import (
	"context"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/people"
)

func (d *desk) Teams(ctx context.Context) ([]api.Team, error) {
	found, err := d.Service.People.Teams(ctx, d.caller)
	items := make([]api.Team, len(found))
	for i, t := range found {
		items[i] = d.team(t)
	}
	return items, err
}

func (d *desk) team(t people.Team) api.Team {
	return api.Team{
		ID: string(t.ID), Name: t.Name, Organisation: t.Organisation.Name, OrganisationID: string(t.Organisation.ID), Size: t.Size,
		CanManage: access.MayManageTeams(d.caller, t.Organisation.ID), Created: t.Created,
	}
}

func (d *desk) Team(ctx context.Context, id string) (api.Team, error) {
	t, err := d.Service.People.Team(ctx, d.caller, portal.TeamID(id))
	if err != nil {
		return api.Team{}, err
	}
	return d.wholeTeam(ctx, t)
}

func member(p people.Person) api.TeamMember {
	return api.TeamMember{ID: string(p.ID), Name: p.Name, Email: p.Email}
}

func (d *desk) wholeTeam(ctx context.Context, t people.Team) (api.Team, error) {
	shown := d.team(t)
	in := map[portal.PersonID]bool{}
	for _, p := range t.Members {
		in[p.ID] = true
		shown.Members = append(shown.Members, member(p))
	}
	if !shown.CanManage {
		return shown, nil
	}
	owned, err := d.Curation.TeamAPIs(ctx, d.caller, t.ID)
	if err != nil {
		return api.Team{}, err
	}
	shown.Owns = len(owned)
	err = d.people.View(ctx, func(tx people.Tx) error {
		shown.Others = nil
		ids, err := tx.People().Members(ctx, t.Organisation.ID)
		if err != nil {
			return err
		}
		for _, id := range slices.DeleteFunc(ids, func(id portal.PersonID) bool { return in[id] }) {
			p, err := tx.People().Person(ctx, id)
			if err != nil {
				return err
			}
			if p.State != people.Disabled {
				shown.Others = append(shown.Others, member(p))
			}
		}
		return nil
	})
	return shown, err
}

func (d *desk) CreateTeam(ctx context.Context, n api.NewTeam) (api.Team, error) {
	in := portal.OrganisationID(n.Organisation)
	if in == "" {
		in = d.caller.Organisation
	}
	t, err := d.Service.People.CreateTeam(ctx, d.caller, in, n.Name)
	if err != nil {
		return api.Team{}, err
	}
	return d.wholeTeam(ctx, t)
}

func (d *desk) SetTeamMember(ctx context.Context, team, person string, member bool) (api.Team, error) {
	t, err := d.Service.People.SetTeamMember(ctx, d.caller, portal.TeamID(team), portal.PersonID(person), member)
	if err != nil {
		return api.Team{}, err
	}
	if err := d.seen(ctx); err != nil {
		return api.Team{}, err
	}
	return d.wholeTeam(ctx, t)
}

func (d *desk) RenameTeam(ctx context.Context, id string, c api.TeamChange) (api.Team, error) {
	t, err := d.Service.People.RenameTeam(ctx, d.caller, portal.TeamID(id), c.Name)
	if err != nil {
		return api.Team{}, err
	}
	return d.wholeTeam(ctx, t)
}

func (d *desk) DeleteTeam(ctx context.Context, id string) error {
	if err := d.Curation.DeleteTeam(ctx, d.caller, portal.TeamID(id)); err != nil {
		return err
	}
	return d.seen(ctx)
}
