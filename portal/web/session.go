package web

import (
	"fmt"
	"net/http"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"

	"github.com/gorilla/sessions"
)

// sessionLife is the longest that a session's cookie lives; the store may end it earlier.
const sessionLife = 12 * time.Hour

// door knows who is signed in.
type door struct {
	sessions Sessions
	secure   bool
}

// cookieName has the __Host- prefix where browsers honour it: then no other host can set the cookie.
func (d door) cookieName() string {
	if d.secure {
		return "__Host-concierge"
	}
	return "concierge"
}

func (d door) options(maxAge time.Duration) *sessions.Options {
	return &sessions.Options{
		Path: "/", MaxAge: int(maxAge / time.Second), Secure: d.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// who returns who is signed in, and for which organisation they act; empty for nobody. A cookie that makes no sense is
// nobody; an error is the store's.
func (d door) who(r *http.Request) (portal.PersonID, portal.OrganisationID, error) {
	if d.sessions == nil {
		return "", "", nil
	}
	s, err := d.sessions.Get(r, d.cookieName())
	if err != nil {
		return "", "", fmt.Errorf("reading the session: %w", err)
	}
	person, _ := s.Values[people.SessionPerson].(string)
	in, _ := s.Values[people.SessionOrganisation].(string)
	return portal.PersonID(person), portal.OrganisationID(in), nil
}

// enter signs a person in under a new session id, so that an id that somebody else planted is worth nothing.
func (d door) enter(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	s, err := d.sessions.Get(r, d.cookieName())
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	s.Options = d.options(sessionLife)
	if err := d.sessions.Renew(r, w, s); err != nil {
		return fmt.Errorf("renewing a session: %w", err)
	}
	s.Values[people.SessionPerson], s.Values[people.SessionOrganisation] = string(c.Person), string(c.Organisation)
	if err := d.sessions.Save(r, w, s); err != nil {
		return fmt.Errorf("saving a session: %w", err)
	}
	return nil
}

// leave ends the session, here and in the store.
func (d door) leave(w http.ResponseWriter, r *http.Request) error {
	s, err := d.sessions.Get(r, d.cookieName())
	if err != nil {
		return fmt.Errorf("reading the session: %w", err)
	}
	s.Options = d.options(-time.Second)
	if err := d.sessions.Save(r, w, s); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}
