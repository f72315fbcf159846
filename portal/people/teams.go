package people

import (
	"context"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/told"
)

// Team is some of an organisation's people. A team of an internal organisation may own APIs.
type Team struct {
	ID           portal.TeamID
	Organisation Organisation // without Members
	Name         string       // unique within the organisation, without regard to case
	Members      []Person     // those who are active, by name; only on a single team
	Size         int
	Created      time.Time
}

// TeamStore keeps teams within one transaction.
type TeamStore interface {
	// AddTeam: portal.ErrConflict where the name is taken in the organisation.
	AddTeam(ctx context.Context, t Team) error
	Team(ctx context.Context, id portal.TeamID) (Team, error)
	// Teams of an organisation, or of all where it is empty, by name.
	Teams(ctx context.Context, in portal.OrganisationID) ([]Team, error)
	// SetTeamMember puts somebody into a team or takes them out; false: they were, or were not, in it already.
	SetTeamMember(ctx context.Context, id portal.TeamID, person portal.PersonID, member bool) (bool, error)
	// RenameTeam: portal.ErrConflict where the name is taken in the organisation.
	RenameTeam(ctx context.Context, id portal.TeamID, name string) error
	// RemoveTeam removes a team that owns no API, with its memberships.
	RemoveTeam(ctx context.Context, id portal.TeamID) error
}

// Teams lists the teams of the caller's organisation; those who may see all people see all.
func (s *Service) Teams(ctx context.Context, c access.Caller) (teams []Team, err error) {
	in := c.Organisation
	if access.MaySeePeople(c) {
		in = ""
	}
	err = s.db.View(ctx, func(tx Tx) error {
		teams, err = tx.People().Teams(ctx, in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing teams: %w", err)
	}
	return teams, nil
}

// Team returns one with its members.
func (s *Service) Team(ctx context.Context, c access.Caller, id portal.TeamID) (t Team, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		t, err = tx.People().Team(ctx, id)
		if err == nil && !access.MaySeeTeams(c, t.Organisation.ID) {
			err = portal.ErrNotFound
		}
		return err
	})
	if err != nil {
		return Team{}, fmt.Errorf("team %s: %w", id, err)
	}
	return t, nil
}

// CreateTeam makes an empty team in an organisation.
func (s *Service) CreateTeam(ctx context.Context, c access.Caller, in portal.OrganisationID, name string) (t Team, err error) {
	if !access.MayManageTeams(c, in) {
		return Team{}, portal.ErrNotFound
	}
	if name, err = cleanName("team", name); err != nil {
		return Team{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		o, err := tx.People().Organisation(ctx, in)
		if err != nil {
			return err
		}
		t = Team{ID: portal.TeamID(portal.NewID("team")), Organisation: o, Name: name, Created: s.time()}
		if err := tx.People().AddTeam(ctx, t); err != nil {
			return err
		}
		return s.record(ctx, tx, c.Person, "team.create", string(t.ID), in, map[string]string{"name": name})
	})
	if err != nil {
		return Team{}, fmt.Errorf("creating the team: %w", err)
	}
	return t, nil
}

// SetTeamMember puts somebody of the team's organisation into it, or takes them out. Repeating it changes nothing. Whoever is
// of another organisation does not exist, but to those who may see all people.
func (s *Service) SetTeamMember(ctx context.Context, c access.Caller, id portal.TeamID, person portal.PersonID, member bool) (t Team, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		t, err = tx.People().Team(ctx, id)
		if err == nil && !access.MayManageTeams(c, t.Organisation.ID) {
			err = portal.ErrNotFound
		}
		if err != nil {
			return err
		}
		p, err := tx.People().Person(ctx, person)
		if err != nil {
			return err
		}
		if _, err := p.membership(t.Organisation.ID); err != nil {
			if !access.MaySeePeople(c) {
				return fmt.Errorf("person %s: %w", person, portal.ErrNotFound)
			}
			return told.NotInOrganisation.As(portal.ErrInvalid, p.Name, t.Organisation.Name)
		}
		done, err := tx.People().SetTeamMember(ctx, id, person, member)
		if err != nil || !done {
			return err
		}
		action := "team.add"
		if !member {
			action = "team.remove"
		}
		changed(tx, person)
		if err := s.record(ctx, tx, c.Person, action, string(id), t.Organisation.ID, map[string]string{"person": string(person)}); err != nil {
			return err
		}
		t, err = tx.People().Team(ctx, id)
		return err
	})
	if err != nil {
		return Team{}, fmt.Errorf("members of team %s: %w", id, err)
	}
	return t, nil
}

// RenameTeam gives a team another name: portal.ErrConflict where another team of its organisation has it.
func (s *Service) RenameTeam(ctx context.Context, c access.Caller, id portal.TeamID, name string) (t Team, err error) {
	if name, err = cleanName("team", name); err != nil {
		return Team{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		was, err := tx.People().Team(ctx, id)
		if err == nil && !access.MayManageTeams(c, was.Organisation.ID) {
			err = portal.ErrNotFound
		}
		if err != nil {
			return err
		}
		t = was
		if name == was.Name {
			return nil
		}
		if err := tx.People().RenameTeam(ctx, id, name); err != nil {
			return err
		}
		t.Name = name
		return s.record(ctx, tx, c.Person, "team.rename", string(id), was.Organisation.ID, map[string]string{"was": was.Name, "is": name})
	})
	if err != nil {
		return Team{}, fmt.Errorf("renaming team %s: %w", id, err)
	}
	return t, nil
}
