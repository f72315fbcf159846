package people

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"concierge/portal"
	"concierge/portal/access"
)

// SignIn returns the person acting for the oldest of their organisations that is not disabled. from is the address of
// whoever tries. Errors: ErrSignedOut, the same for every reason and after the same work; portal.RetryAfterError after
// too many wrong attempts.
func (s *Service) SignIn(ctx context.Context, email string, password portal.Secret, from netip.Addr) (access.Caller, error) {
	account, err := cleanEmail(email)
	if err != nil {
		account = "?" // no account, and one place to count all that is none
	}
	succeeded, err := s.throttle.attempt(ctx, s.time(), account, from)
	var tooMany *portal.RetryAfterError
	if errors.As(err, &tooMany) {
		s.log.WarnContext(ctx, "too many attempts to sign in", "address", from.String())
	}
	if err != nil {
		return access.Caller{}, fmt.Errorf("signing in: %w", err)
	}
	c, err := s.signIn(ctx, account, password)
	if err != nil {
		return access.Caller{}, fmt.Errorf("signing in: %w", err)
	}
	if err := succeeded(ctx); err != nil {
		s.log.Warn("a right password counts as a wrong one", "error", err)
	}
	return c, nil
}

func (s *Service) signIn(ctx context.Context, email string, password portal.Secret) (access.Caller, error) {
	var a Account
	err := s.db.View(ctx, func(tx Tx) (err error) {
		a, err = tx.People().Account(ctx, email)
		return err
	})
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return access.Caller{}, err
	}
	match, outdated, err := s.hasher.compare(ctx, password, a.Password) // zero without an account: the dummy is compared
	if err != nil {
		return access.Caller{}, err
	}
	if !match || a.Disabled {
		return access.Caller{}, ErrSignedOut
	}
	var fresh portal.Secret
	if outdated {
		if fresh, err = s.hasher.hash(ctx, password); err != nil {
			return access.Caller{}, err
		}
	}
	var c access.Caller
	err = s.db.InTx(ctx, func(tx Tx) error {
		ok, err := tx.People().SignedIn(ctx, a.Person, a.Password, s.time())
		if err != nil {
			return err
		}
		if !ok { // disabled, or another password, while we compared
			return ErrSignedOut
		}
		p, err := tx.People().Person(ctx, a.Person)
		if err != nil {
			return err
		}
		m, ok := p.usable()
		if !ok {
			return ErrSignedOut
		}
		if !fresh.IsZero() {
			if _, err := tx.People().SetPassword(ctx, p.ID, p.Name, fresh); err != nil {
				return err
			}
		}
		c = p.caller(m)
		return s.record(ctx, tx, p.ID, "person.sign-in", string(p.ID), c.Organisation, nil)
	})
	return c, err
}

// CallerBySession returns the person acting for one of their organisations, as they stand now; an empty organisation
// means the oldest that is not disabled. Errors: ErrSignedOut where person or organisation is disabled, or the person
// is no member.
func (s *Service) CallerBySession(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (c access.Caller, err error) {
	err = s.db.View(ctx, func(tx Tx) error {
		c, err = callerIn(ctx, tx.People(), person, in)
		return err
	})
	if err != nil {
		return access.Caller{}, fmt.Errorf("reading the caller: %w", signedOut(err))
	}
	return c, nil
}

// callerIn: portal.ErrNotFound unless person and organisation are active.
func callerIn(ctx context.Context, p Store, person portal.PersonID, in portal.OrganisationID) (access.Caller, error) {
	if in == "" {
		who, err := p.Person(ctx, person)
		if err != nil {
			return access.Caller{}, err
		}
		m, ok := who.usable()
		if !ok {
			return access.Caller{}, portal.ErrNotFound
		}
		in = m.Organisation.ID
	}
	return p.Caller(ctx, person, in)
}

// CallerByToken returns whose token it is and notes its use. A server that compiles Store.Callers into memory calls
// ParseToken and Used instead. Errors: ErrSignedOut.
func (s *Service) CallerByToken(ctx context.Context, token portal.Secret) (access.Caller, error) {
	h, ok := ParseToken(token.Reveal())
	if !ok {
		return access.Caller{}, ErrSignedOut
	}
	var t TokenCaller
	err := s.db.View(ctx, func(tx Tx) (err error) {
		t, err = tx.People().CallerByToken(ctx, h)
		return err
	})
	if err != nil {
		return access.Caller{}, fmt.Errorf("reading the caller: %w", signedOut(err))
	}
	now := s.time()
	if t.Expired(now) {
		return access.Caller{}, ErrSignedOut
	}
	s.Used(h, now)
	return t.Caller, nil
}

// TokenCaller is a token's hash and who calls with it.
type TokenCaller struct {
	Hash    Hash
	Caller  access.Caller
	Expires time.Time
}

// Expired reports whether the token is void by now.
func (t TokenCaller) Expired(now time.Time) bool { return !now.Before(t.Expires) }
