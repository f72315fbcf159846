package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/access"
)

// Seed is one person as the demo and tests want them.
type Seed struct {
	Organisation NewOrganisation // made where no organisation has the name
	Name         string
	Email        string
	Password     portal.Secret
	Roles        []access.Role
}

const (
	seeder    portal.PersonID = "system:seed"
	seedToken                 = "demo"
	seedLife                  = 30 * 24 * time.Hour
)

// Seed makes a person with a password and a token, without an invitation and without asking package access: it is for
// the demo and for tests, and reachable from no page and no API. Repeating it for the same e-mail gives a new password
// and a new token, and voids the sessions and tokens of the time before. Errors: portal.ErrConflict where the
// organisation exists with another audience.
func (s *Service) Seed(ctx context.Context, n Seed) (c access.Caller, token portal.Secret, err error) {
	o, err := s.newOrganisation(n.Organisation)
	if err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	name, err := cleanName("person", n.Name)
	if err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	email, err := cleanEmail(n.Email)
	if err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	roles, err := cleanRoles(n.Roles, o.Audience)
	if err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	if err := CheckPassword(n.Password, email); err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	hash, err := s.hasher.hash(ctx, n.Password)
	if err != nil {
		return access.Caller{}, portal.Secret{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		p := tx.People()
		have, err := p.OrganisationByName(ctx, o.Name)
		switch {
		case errors.Is(err, portal.ErrNotFound):
			err = s.addOrganisation(ctx, tx, seeder, o)
		case err == nil && have.Audience != o.Audience:
			err = conflict("the organisation %q has the audience %s", have.Name, have.Audience)
		case err == nil:
			o = have
		}
		if err != nil {
			return err
		}
		id, err := s.seedPerson(ctx, tx, name, email, Membership{Organisation: o, Roles: roles})
		if err != nil {
			return err
		}
		set, err := p.SetPassword(ctx, id, name, hash)
		if err == nil && !set {
			err = conflict("the person is disabled")
		}
		if err != nil {
			return err
		}
		var e ended
		if err := e.all(ctx, p, id, o.ID); err != nil {
			return err
		}
		if c, err = p.Caller(ctx, id, o.ID); err != nil {
			return err
		}
		if err := s.record(ctx, tx, seeder, "person.seed", string(id), o.ID, map[string]string{"roles": joinRoles(roles)}); err != nil {
			return err
		}
		_, token, err = s.addToken(ctx, tx, c, seedToken, seedLife)
		return err
	})
	if err != nil {
		return access.Caller{}, portal.Secret{}, fmt.Errorf("seeding %s: %w", email, err)
	}
	return c, token, nil
}

func (s *Service) seedPerson(ctx context.Context, tx Tx, name, email string, m Membership) (portal.PersonID, error) {
	a, err := tx.People().Account(ctx, email)
	if errors.Is(err, portal.ErrNotFound) {
		return s.join(ctx, tx, name, email, m)
	}
	if err != nil {
		return "", err
	}
	return a.Person, tx.People().SetRoles(ctx, a.Person, m.Organisation.ID, m.Roles, s.time())
}
