package people

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"concierge/portal"
	"concierge/portal/access"
)

// Limits of a session.
const (
	SessionIdle  = 8 * time.Hour  // since it was last used
	SessionLife  = 24 * time.Hour // since sign-in
	touchEvery   = time.Minute
	maxSessionKB = 4
)

// Session is one person signed in with one browser, as it is kept.
type Session struct {
	Hash         Hash
	Person       portal.PersonID
	Organisation portal.OrganisationID // that they act for
	Data         []byte                // what pages remember, encoded
	Created      time.Time
	Seen         time.Time // written at most once a minute
}

func (s Session) ended(now time.Time) bool {
	return now.Sub(s.Created) >= SessionLife || now.Sub(s.Seen) >= SessionIdle
}

// Sessions keeps browser sessions in the database. It is a sessions.Store, with these promises:
//   - the cookie holds 256 random bits and nothing else, and the database their hash;
//   - the id is a new one at each sign-in, and the old one is gone;
//   - a cookie that is bad, unknown, ended or too old means signed out and is not an error; only a database that does
//     not answer is one;
//   - only somebody who signed in has a row: saving the session of anybody else is portal.ErrUnsupported.
//
// Values are kept in clear, at most 4 KiB of them, with keys and values that encoding/gob knows: never put a secret in.
type Sessions struct {
	service *Service
	secure  bool
}

var _ sessions.Store = (*Sessions)(nil)

// Sessions returns the store of browser sessions. secure is false only where the portal is reached over plain HTTP on
// loopback: the cookie then lacks Secure and the __Host- prefix that demands it.
func (s *Service) Sessions(secure bool) *Sessions { return &Sessions{service: s, secure: secure} }

// CookieName is the name of the cookie, for Get and New.
func (s *Sessions) CookieName() string {
	if s.secure {
		return "__Host-concierge"
	}
	return "concierge"
}

// options says every option of the cookie: gorilla/sessions and browsers have other defaults.
func (s *Sessions) options() *sessions.Options {
	return &sessions.Options{
		Path:        "/",
		Domain:      "", // this host only
		MaxAge:      0,  // gone with the browser; the database says when it ends before that
		Secure:      s.secure,
		HttpOnly:    true,
		Partitioned: false,
		SameSite:    http.SameSiteLaxMode, // not Strict: who follows a link from elsewhere stays signed in
	}
}

// Keys of Values that hold whose session it is. They are of a type of their own, so that no page overwrites them.
type subject string

const (
	subjectPerson       subject = "person"
	subjectOrganisation subject = "organisation"
)

// Get implements sessions.Store: the same session throughout one request.
func (s *Sessions) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New implements sessions.Store. It reads the session of the cookie and notes its use.
func (s *Sessions) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.Options = s.options()
	session.IsNew = true
	cookie, err := r.Cookie(name)
	if err != nil {
		return session, nil // no cookie
	}
	h, ok := parseRandom(cookie.Value)
	if !ok {
		return session, nil
	}
	kept, err := s.read(r.Context(), h)
	if errors.Is(err, portal.ErrNotFound) {
		return session, nil
	}
	if err != nil {
		return session, fmt.Errorf("reading the session: %w", err)
	}
	values := map[any]any{}
	if err := gob.NewDecoder(bytes.NewReader(kept.Data)).Decode(&values); err != nil {
		s.service.log.Warn("a session is not readable; its person signs in again", "error", err)
		return session, nil
	}
	values[subjectPerson], values[subjectOrganisation] = kept.Person, kept.Organisation
	session.ID, session.Values, session.IsNew = cookie.Value, values, false
	return session, nil
}

// read returns the session, unless it has ended, and notes its use at most once a minute.
func (s *Sessions) read(ctx context.Context, h Hash) (kept Session, err error) {
	now := s.service.time()
	err = s.service.db.View(ctx, func(tx Tx) error {
		kept, err = tx.People().Session(ctx, h)
		return err
	})
	if err != nil {
		return Session{}, err
	}
	if kept.ended(now) {
		return Session{}, portal.ErrNotFound
	}
	if now.Sub(kept.Seen) < touchEvery {
		return kept, nil
	}
	err = s.service.db.InTx(ctx, func(tx Tx) error {
		_, err := tx.People().TouchSession(ctx, h, now, now.Add(-touchEvery))
		return err
	})
	if err != nil { // reading goes on where writing does not
		s.service.log.Warn("use of a session was not written", "error", err)
	}
	return kept, nil
}

// Save implements sessions.Store: it writes what pages put into Values. With a negative MaxAge it ends the session.
// Errors: portal.ErrNotFound for a session that was ended meanwhile, portal.ErrUnsupported for one without a person,
// portal.ErrInvalid for too much data.
func (s *Sessions) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options != nil && session.Options.MaxAge < 0 {
		return s.end(r.Context(), w, session)
	}
	h, ok := parseRandom(session.ID)
	if !ok {
		return fmt.Errorf("saving the session of nobody: %w", portal.ErrUnsupported)
	}
	data, err := encodeValues(session.Values)
	if err != nil {
		return err
	}
	return s.service.db.InTx(r.Context(), func(tx Tx) error {
		ok, err := tx.People().SetSessionData(r.Context(), h, data)
		if err == nil && !ok {
			err = portal.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("saving the session: %w", err)
		}
		return nil
	})
}

func encodeValues(values map[any]any) ([]byte, error) {
	values = maps.Clone(values)
	delete(values, subjectPerson)
	delete(values, subjectOrganisation)
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(values); err != nil {
		return nil, invalid("a value of the session cannot be kept: %w", err)
	}
	if data.Len() > maxSessionKB<<10 {
		return nil, invalid("the values of the session are longer than %d KiB", maxSessionKB)
	}
	return data.Bytes(), nil
}

// Renew signs a caller in: the session gets a new id and starts empty, and the one that the browser had is gone. Call
// it after SignIn, AcceptInvitation and SetUp, and when a person turns to another of their organisations. Errors:
// ErrSignedOut where person or organisation was disabled meanwhile.
func (s *Sessions) Renew(w http.ResponseWriter, r *http.Request, c access.Caller) error {
	session, err := s.Get(r, s.CookieName())
	if err != nil {
		return err
	}
	id, hash := newRandom()
	data, err := encodeValues(nil)
	if err != nil {
		return err
	}
	ctx, now := r.Context(), s.service.time()
	err = s.service.db.InTx(ctx, func(tx Tx) error {
		if old, ok := parseRandom(session.ID); ok {
			if err := tx.People().EndSession(ctx, old); err != nil {
				return err
			}
		}
		ok, err := tx.People().AddSession(ctx, Session{
			Hash: hash, Person: c.Person, Organisation: c.Organisation, Data: data, Created: now, Seen: now,
		})
		if err == nil && !ok {
			return ErrSignedOut
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("starting a session: %w", err)
	}
	session.ID, session.IsNew = id.Reveal(), false
	session.Values = map[any]any{subjectPerson: c.Person, subjectOrganisation: c.Organisation}
	session.Options = s.options()
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

// Caller returns who is signed in, as they stand now. Errors: ErrSignedOut.
func (s *Sessions) Caller(r *http.Request) (access.Caller, error) {
	session, err := s.Get(r, s.CookieName())
	if err != nil {
		return access.Caller{}, err
	}
	person, ok := session.Values[subjectPerson].(portal.PersonID)
	in, _ := session.Values[subjectOrganisation].(portal.OrganisationID)
	if !ok {
		return access.Caller{}, ErrSignedOut
	}
	return s.service.CallerBySession(r.Context(), person, in)
}

// End signs out: the session is gone from the database and its cookie from the browser. Whoever is not signed in is
// signed out already.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	session, err := s.Get(r, s.CookieName())
	if err != nil {
		return err
	}
	return s.end(r.Context(), w, session)
}

func (s *Sessions) end(ctx context.Context, w http.ResponseWriter, session *sessions.Session) error {
	if h, ok := parseRandom(session.ID); ok {
		err := s.service.db.InTx(ctx, func(tx Tx) error { return tx.People().EndSession(ctx, h) })
		if err != nil {
			return fmt.Errorf("ending the session: %w", err)
		}
	}
	gone := s.options()
	gone.MaxAge = -1
	http.SetCookie(w, sessions.NewCookie(session.Name(), "", gone))
	session.ID, session.Values, session.IsNew = "", map[any]any{}, true
	return nil
}

// EndOwnSessions signs a person out everywhere.
func (s *Service) EndOwnSessions(ctx context.Context, c access.Caller) error {
	err := s.db.InTx(ctx, func(tx Tx) error {
		n, err := tx.People().EndSessions(ctx, c.Person, "")
		if err != nil {
			return err
		}
		return s.record(ctx, tx, c.Person, "person.sign-out-everywhere", string(c.Person), c.Organisation, map[string]string{"sessions": fmt.Sprint(n)})
	})
	if err != nil {
		return fmt.Errorf("ending all sessions: %w", err)
	}
	return nil
}
