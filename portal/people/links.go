package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/access"
)

const (
	invitationLife = 7 * 24 * time.Hour
	setupLife      = 24 * time.Hour
)

// Link is the right to set a password once. Its token is shown when it is made; only the hash is kept.
type Link struct {
	Hash    Hash
	Person  portal.PersonID // empty: the first administrator
	Expires time.Time
}

// Invitation is a person and, this once, the token of their link.
type Invitation struct {
	Person  Person
	Token   portal.Secret
	Expires time.Time // zero without a token
}

// errLink is the answer for every link that does not work, whatever the reason.
var errLink = fmt.Errorf("the link was used, replaced or has expired; ask for a new one: %w", portal.ErrNotFound)

// putLink makes a link; the person's older one is void.
func (s *Service) putLink(ctx context.Context, tx Tx, person portal.PersonID, life time.Duration) (portal.Secret, time.Time, error) {
	token, hash := newRandom()
	expires := s.time().Add(life)
	return token, expires, tx.People().PutLink(ctx, Link{Hash: hash, Person: person, Expires: expires})
}

// ErrFirstLinkShown is the answer of FirstLink where another process has just shown one.
var ErrFirstLinkShown = fmt.Errorf("the link for the first administrator was shown by another process a moment ago: %w", portal.ErrConflict)

// FirstLink returns the one-time token with which SetUp makes the first administrator; it expires in a day. It voids the
// token before it, unless that is younger than keep: processes that start together show one link, and it works. Errors:
// ErrFirstLinkShown then; portal.ErrConflict once there is a platform administrator.
func (s *Service) FirstLink(ctx context.Context, keep time.Duration) (token portal.Secret, expires time.Time, err error) {
	err = s.db.InTx(ctx, func(tx Tx) error {
		if err := noAdministrator(ctx, tx.People()); err != nil {
			return err
		}
		shown, err := tx.People().LinkOf(ctx, "")
		switch {
		case err == nil && s.time().Sub(shown.Expires.Add(-setupLife)) < keep:
			return ErrFirstLinkShown
		case err != nil && !errors.Is(err, portal.ErrNotFound):
			return err
		}
		if token, expires, err = s.putLink(ctx, tx, "", setupLife); err != nil {
			return err
		}
		return s.record(ctx, tx, "system:setup", "setup.link", "", "", map[string]string{"expires": expires.Format(time.RFC3339)})
	})
	if err != nil {
		return portal.Secret{}, time.Time{}, fmt.Errorf("first link: %w", err)
	}
	return token, expires, nil
}

func noAdministrator(ctx context.Context, p Store) error {
	n, err := p.Administrators(ctx)
	if err == nil && n > 0 {
		return conflict("there is a platform administrator already")
	}
	return err
}

// Setup is what the first administrator says about the company and themself.
type Setup struct {
	Organisation string // the company's own, internal organisation
	Name         string
	Email        string
	Password     portal.Secret
}

// SetUp makes the internal organisation and its first platform administrator. Errors: portal.ErrNotFound for a token
// that does not work, portal.ErrConflict once there is an administrator.
func (s *Service) SetUp(ctx context.Context, token portal.Secret, n Setup) (access.Caller, error) {
	o, err := s.newOrganisation(NewOrganisation{Name: n.Organisation, Audience: portal.Internal})
	if err != nil {
		return access.Caller{}, err
	}
	p := Person{ID: portal.PersonID(portal.NewID("per")), Created: s.time()}
	p.Memberships = []Membership{{Organisation: o, Roles: []access.Role{access.PlatformAdministrator}}}
	if p.Name, err = cleanName("person", n.Name); err != nil {
		return access.Caller{}, err
	}
	if p.Email, err = cleanEmail(n.Email); err != nil {
		return access.Caller{}, err
	}
	hash, err := s.passwordFor(ctx, token, n.Password, func(of Link) (string, error) {
		if of.Person != "" {
			return "", errLink
		}
		return p.Email, nil
	})
	if err != nil {
		return access.Caller{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if err := tx.People().LockAdministrators(ctx); err != nil {
			return err
		}
		if err := noAdministrator(ctx, tx.People()); err != nil {
			return err
		}
		if _, err := s.takeLink(ctx, tx, token); err != nil {
			return err
		}
		if err := s.addOrganisation(ctx, tx, p.ID, o); err != nil {
			return err
		}
		if err := tx.People().AddPerson(ctx, p); err != nil {
			return err
		}
		if _, err := tx.People().SetPassword(ctx, p.ID, p.Name, hash); err != nil {
			return err
		}
		changed(tx, p.ID)
		return s.record(ctx, tx, p.ID, "person.setup", string(p.ID), o.ID, map[string]string{"roles": joinRoles(p.Memberships[0].Roles)})
	})
	if err != nil {
		return access.Caller{}, fmt.Errorf("setting up: %w", err)
	}
	return p.caller(p.Memberships[0]), nil
}

// LookUpLink says whom a link is for, so that its page can greet them: the person, or the zero Person for the first
// administrator. Errors: portal.ErrNotFound for a link that does not work.
func (s *Service) LookUpLink(ctx context.Context, token portal.Secret) (p Person, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		l, err := s.readLink(ctx, tx, token)
		if err != nil {
			return err
		}
		if l.Person == "" {
			return nil
		}
		p, err = tx.People().Person(ctx, l.Person)
		return err
	})
	if err != nil {
		return Person{}, fmt.Errorf("looking up a link: %w", err)
	}
	return p, nil
}

// AcceptInvitation sets the person's name and password, once, and ends the sessions that an older password opened.
// Errors: portal.ErrNotFound for a token that does not work.
func (s *Service) AcceptInvitation(ctx context.Context, token portal.Secret, name string, password portal.Secret) (c access.Caller, err error) {
	if name, err = cleanName("person", name); err != nil {
		return access.Caller{}, err
	}
	hash, err := s.passwordFor(ctx, token, password, func(of Link) (email string, err error) {
		if of.Person == "" {
			return "", errLink
		}
		err = s.db.View(ctx, func(tx Tx) error {
			p, err := tx.People().Person(ctx, of.Person)
			email = p.Email
			return err
		})
		return email, err
	})
	if err != nil {
		return access.Caller{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		l, err := s.takeLink(ctx, tx, token)
		if err != nil {
			return err
		}
		set, err := tx.People().SetPassword(ctx, l.Person, name, hash)
		if err != nil {
			return err
		}
		if !set {
			return errLink // disabled meanwhile
		}
		if _, err := tx.People().EndSessions(ctx, l.Person, ""); err != nil {
			return err
		}
		p, err := tx.People().Person(ctx, l.Person)
		if err != nil {
			return err
		}
		m, ok := p.usable()
		if !ok {
			return errLink
		}
		c = p.caller(m)
		changed(tx, p.ID)
		return s.record(ctx, tx, p.ID, "person.accept", string(p.ID), c.Organisation, nil)
	})
	if err != nil {
		return access.Caller{}, fmt.Errorf("accepting the invitation: %w", err)
	}
	return c, nil
}

// passwordFor hashes a new password before the transaction that uses it, and only for a link that works: hashing is
// slow, and nobody without a link makes us do it.
func (s *Service) passwordFor(ctx context.Context, token, password portal.Secret, email func(Link) (string, error)) (portal.Secret, error) {
	var l Link
	err := s.db.View(ctx, func(tx Tx) (err error) {
		l, err = s.readLink(ctx, tx, token)
		return err
	})
	if err != nil {
		return portal.Secret{}, err
	}
	address, err := email(l)
	if err != nil {
		return portal.Secret{}, err
	}
	if err := CheckPassword(password, address); err != nil {
		return portal.Secret{}, err
	}
	return s.hasher.hash(ctx, password)
}

func (s *Service) readLink(ctx context.Context, tx Tx, token portal.Secret) (Link, error) {
	return s.link(token, func(h Hash) (Link, error) { return tx.People().Link(ctx, h) })
}

func (s *Service) takeLink(ctx context.Context, tx Tx, token portal.Secret) (Link, error) {
	return s.link(token, func(h Hash) (Link, error) { return tx.People().TakeLink(ctx, h) })
}

func (s *Service) link(token portal.Secret, get func(Hash) (Link, error)) (Link, error) {
	h, ok := parseRandom(token.Reveal())
	if !ok {
		return Link{}, errLink
	}
	l, err := get(h)
	if errors.Is(err, portal.ErrNotFound) || (err == nil && !s.time().Before(l.Expires)) {
		return Link{}, errLink
	}
	return l, err
}

// usable returns the oldest membership whose organisation is not disabled.
func (p Person) usable() (Membership, bool) {
	for _, m := range p.Memberships {
		if !m.Organisation.Disabled {
			return m, true
		}
	}
	return Membership{}, false
}
