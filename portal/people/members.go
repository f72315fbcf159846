package people

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/told"
)

// ListPeople returns a page of all people by name, for those who may see people.
func (s *Service) ListPeople(ctx context.Context, c access.Caller, p Paging) (items []Person, next string, err error) {
	if !access.MaySeePeople(c) {
		return nil, "", portal.ErrNotFound
	}
	name, id, ok := strings.Cut(p.After, keySeparator)
	if p.After != "" && !ok {
		return nil, "", invalid("that is not the key of a page of people")
	}
	err = s.db.View(ctx, func(tx Tx) error {
		items, err = tx.People().People(ctx, name, portal.PersonID(id), p.limit()+1)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing people: %w", err)
	}
	items, next = page(items, p.limit(), func(p Person) string { return SortKey(p.Name) + keySeparator + string(p.ID) })
	return items, next, nil
}

const keySeparator = "\x00" // never in a name

// Person returns one person, for those who may see people.
func (s *Service) Person(ctx context.Context, c access.Caller, id portal.PersonID) (p Person, err error) {
	if !access.MaySeePeople(c) {
		return Person{}, portal.ErrNotFound
	}
	err = s.db.View(ctx, func(tx Tx) error {
		p, err = tx.People().Person(ctx, id)
		return err
	})
	if err != nil {
		return Person{}, fmt.Errorf("reading the person: %w", err)
	}
	return p, nil
}

// NewPerson asks for somebody to be invited.
type NewPerson struct {
	Name         string
	Email        string
	Organisation portal.OrganisationID
	Roles        []access.Role // empty means developer
}

// Invite adds a person to an organisation. The invitation carries the link's token, this once; it is zero for somebody
// who has a password already and is simply a member of one more organisation from now on. Errors: portal.ErrConflict
// for somebody who is a member already.
func (s *Service) Invite(ctx context.Context, c access.Caller, n NewPerson) (inv Invitation, err error) {
	if !access.MayManagePeople(c) {
		return Invitation{}, portal.ErrNotFound
	}
	name, err := cleanName("person", n.Name)
	if err != nil {
		return Invitation{}, err
	}
	email, err := cleanEmail(n.Email)
	if err != nil {
		return Invitation{}, err
	}
	if len(n.Roles) == 0 {
		n.Roles = []access.Role{access.Developer}
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		o, err := tx.People().Organisation(ctx, n.Organisation)
		if errors.Is(err, portal.ErrNotFound) {
			return told.NoOrganisation.As(portal.ErrInvalid)
		}
		if err != nil {
			return err
		}
		if o.Disabled {
			return told.OrganisationDisabled.As(portal.ErrConflict)
		}
		roles, err := cleanRoles(n.Roles, o.Audience)
		if err != nil {
			return err
		}
		id, err := s.join(ctx, tx, name, email, Membership{Organisation: o, Roles: roles})
		if err != nil {
			return err
		}
		if inv.Person, err = tx.People().Person(ctx, id); err != nil {
			return err
		}
		if inv.Person.State == Invited {
			if inv.Token, inv.Expires, err = s.putLink(ctx, tx, id, invitationLife); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, c.Person, "person.invite", string(id), o.ID, map[string]string{"roles": joinRoles(roles)})
	})
	if err != nil {
		return Invitation{}, fmt.Errorf("inviting: %w", err)
	}
	return inv, nil
}

// join makes somebody a member, known to us before or not.
func (s *Service) join(ctx context.Context, tx Tx, name, email string, m Membership) (portal.PersonID, error) {
	a, err := tx.People().Account(ctx, email)
	if errors.Is(err, portal.ErrNotFound) {
		id := portal.PersonID(portal.NewID("per"))
		return id, tx.People().AddPerson(ctx, Person{ID: id, Name: name, Email: email, Memberships: []Membership{m}, Created: s.time()})
	}
	if err != nil {
		return "", err
	}
	p, err := tx.People().Person(ctx, a.Person)
	if err != nil {
		return "", err
	}
	if p.State == Disabled {
		return "", told.PersonDisabled.As(portal.ErrConflict)
	}
	if _, err := p.membership(m.Organisation.ID); err == nil {
		return "", told.PersonMember.As(portal.ErrConflict)
	}
	changed(tx, p.ID)
	return p.ID, tx.People().SetRoles(ctx, p.ID, m.Organisation.ID, m.Roles, s.time())
}

// Reinvite makes a new link and voids the older one, for somebody invited or locked out. A password that is set works
// until the link is used. Errors: portal.ErrConflict for somebody disabled.
func (s *Service) Reinvite(ctx context.Context, c access.Caller, id portal.PersonID) (inv Invitation, err error) {
	if !access.MayManagePeople(c) {
		return Invitation{}, portal.ErrNotFound
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if inv.Person, err = tx.People().Person(ctx, id); err != nil {
			return err
		}
		if inv.Person.State == Disabled {
			return told.PersonDisabled.As(portal.ErrConflict)
		}
		if inv.Token, inv.Expires, err = s.putLink(ctx, tx, id, invitationLife); err != nil {
			return err
		}
		return s.record(ctx, tx, c.Person, "person.reinvite", string(id), inv.Person.Memberships[0].Organisation.ID, nil)
	})
	if err != nil {
		return Invitation{}, fmt.Errorf("inviting again: %w", err)
	}
	return inv, nil
}

// PersonChange changes what is not nil.
type PersonChange struct {
	Disabled     *bool
	Roles        *[]access.Role
	Organisation portal.OrganisationID // of the roles; empty means the only one that the person is in
}

// ChangePerson disables somebody, which ends their sessions, tokens and open invitation at once, enables them again,
// which brings none of them back, or gives them other roles. Repeating it changes nothing. Errors: portal.ErrConflict
// for disabling oneself, and where no platform administrator would be left.
func (s *Service) ChangePerson(ctx context.Context, c access.Caller, id portal.PersonID, ch PersonChange) (p Person, err error) {
	if !access.MayManagePeople(c) {
		return Person{}, portal.ErrNotFound
	}
	if ch.Disabled != nil && *ch.Disabled && id == c.Person {
		return Person{}, told.NotYourself.As(portal.ErrConflict)
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if err := tx.People().LockAdministrators(ctx); err != nil {
			return err
		}
		if p, err = tx.People().Person(ctx, id); err != nil {
			return err
		}
		if ch.Roles != nil {
			if err := s.setRoles(ctx, tx, c.Person, p, ch.Organisation, *ch.Roles); err != nil {
				return err
			}
		}
		if ch.Disabled != nil {
			if err := s.setDisabled(ctx, tx, c.Person, p, *ch.Disabled); err != nil {
				return err
			}
		}
		p, err = tx.People().Person(ctx, id)
		return err
	})
	if err != nil {
		return Person{}, fmt.Errorf("changing the person: %w", err)
	}
	return p, nil
}

func (s *Service) setRoles(ctx context.Context, tx Tx, actor portal.PersonID, p Person, in portal.OrganisationID, wanted []access.Role) error {
	m, err := p.membership(in)
	if err != nil {
		return err
	}
	roles, err := cleanRoles(wanted, m.Organisation.Audience)
	if err != nil || slices.Equal(roles, m.Roles) {
		return err
	}
	if err := tx.People().SetRoles(ctx, p.ID, m.Organisation.ID, roles, s.time()); err != nil {
		return err
	}
	if slices.Contains(m.Roles, access.PlatformAdministrator) && !slices.Contains(roles, access.PlatformAdministrator) {
		if err := stillAdministered(ctx, tx.People()); err != nil {
			return err
		}
	}
	changed(tx, p.ID)
	return s.record(ctx, tx, actor, "person.roles", string(p.ID), m.Organisation.ID,
		map[string]string{"before": joinRoles(m.Roles), "after": joinRoles(roles)})
}

func (s *Service) setDisabled(ctx context.Context, tx Tx, actor portal.PersonID, p Person, disabled bool) error {
	done, err := tx.People().SetDisabled(ctx, p.ID, disabled)
	if err != nil || !done {
		return err
	}
	changed(tx, p.ID)
	home := p.Memberships[0].Organisation.ID
	if !disabled {
		return s.record(ctx, tx, actor, "person.enable", string(p.ID), home, nil)
	}
	var e ended
	if err := e.all(ctx, tx.People(), p.ID, ""); err != nil {
		return err
	}
	if err := tx.People().VoidLink(ctx, p.ID); err != nil {
		return err
	}
	if p.administers() {
		if err := stillAdministered(ctx, tx.People()); err != nil {
			return err
		}
	}
	return s.record(ctx, tx, actor, "person.disable", string(p.ID), home, e.detail())
}

// administers reports whether the person is a platform administrator anywhere.
func (p Person) administers() bool {
	return slices.ContainsFunc(p.Memberships, func(m Membership) bool { return slices.Contains(m.Roles, access.PlatformAdministrator) })
}
