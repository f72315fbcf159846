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
	SessionIdle    = 8 * time.Hour  // since it was last used
	SessionLife    = 24 * time.Hour // since sign-in
	touchEvery     = time.Minute
	maxSessionData = 4 << 10
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

// Values of a session that say whose it is, as strings. A page sets SessionPerson after Renew. SessionOrganisation says
// for which organisation the person acts; without it, Save fills in the oldest that is not disabled.
const (
	SessionPerson       = "person"
	SessionOrganisation = "organisation"
)

// Sessions keeps browser sessions in the database. It is a sessions.Store, with these promises:
//   - the cookie holds 256 random bits and nothing else, and the database their hash;
//   - Renew gives the id of sign-in, and whatever had the id before is gone; nothing else changes whose session it is;
//   - a cookie that is bad, unknown, ended or too old means signed out and is not an error; only a database that does
//     not answer is one;
//   - only somebody who signed in has a row: saving the session of anybody else is portal.ErrUnsupported.
//
// Other values are kept in clear, at most 4 KiB of them, as encoding/gob writes them: never put a secret in.
type Sessions struct{ service *Service }

var _ sessions.Store = Sessions{}

// Sessions returns the store of browser sessions.
func (s *Service) Sessions() Sessions { return Sessions{s} }

// options says every option of the cookie, since gorilla/sessions and browsers have other defaults. Pages that are
// served over plain HTTP on loopback clear Secure before they save.
func options() *sessions.Options {
	return &sessions.Options{
		Path:        "/",
		Domain:      "", // this host only
		MaxAge:      0,  // gone with the browser; the database says when it ends before that
		Secure:      true,
		HttpOnly:    true,
		Partitioned: false,
		SameSite:    http.SameSiteLaxMode, // not Strict: who follows a link from elsewhere stays signed in
	}
}

// Get implements sessions.Store: the same session throughout one request.
func (s Sessions) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New implements sessions.Store. It reads the session of the cookie and notes its use.
func (s Sessions) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	session.Options = options()
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
		s.service.log.WarnContext(r.Context(), "a session is not readable; its person signs in again", "error", err)
		return session, nil
	}
	values[SessionPerson], values[SessionOrganisation] = string(kept.Person), string(kept.Organisation)
	session.ID, session.Values, session.IsNew = cookie.Value, values, false
	return session, nil
}

// read returns the session, unless it has ended, and notes its use at most once a minute.
func (s Sessions) read(ctx context.Context, h Hash) (kept Session, err error) {
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
		s.service.log.WarnContext(ctx, "use of a session was not written", "error", err)
	}
	return kept, nil
}

// Renew gives the session a new id and no values, and ends the one that the browser had, at once. Call it at sign-in
// and when a person turns to another of their organisations, then set the values and Save, which writes the cookie.
func (s Sessions) Renew(r *http.Request, _ http.ResponseWriter, session *sessions.Session) error {
	if err := s.end(r.Context(), session); err != nil {
		return err
	}
	id, _ := newRandom()
	session.ID = id.Reveal()
	return nil
}

// end removes the session's row and empties the session.
func (s Sessions) end(ctx context.Context, session *sessions.Session) error {
	if h, ok := parseRandom(session.ID); ok {
		err := s.service.db.InTx(ctx, func(tx Tx) error { return tx.People().EndSession(ctx, h) })
		if err != nil {
			return fmt.Errorf("ending the session: %w", err)
		}
	}
	session.ID, session.Values, session.IsNew = "", map[any]any{}, true
	return nil
}

// Save implements sessions.Store: it keeps the session and writes its cookie. With a negative MaxAge it ends both.
// Errors: portal.ErrUnsupported for a session without a person or without Renew, ErrSignedOut where person or
// organisation was disabled or the session ended meanwhile, portal.ErrInvalid for too many values.
func (s Sessions) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options == nil {
		session.Options = options()
	}
	err := s.save(r.Context(), session)
	if err != nil {
		return fmt.Errorf("saving the session: %w", err)
	}
	http.SetCookie(w, sessions.NewCookie(session.Name(), session.ID, session.Options))
	return nil
}

func (s Sessions) save(ctx context.Context, session *sessions.Session) error {
	if session.Options.MaxAge < 0 {
		return s.end(ctx, session)
	}
	h, ok := parseRandom(session.ID)
	person, _ := session.Values[SessionPerson].(string)
	in, _ := session.Values[SessionOrganisation].(string)
	if !ok || person == "" {
		return fmt.Errorf("a session of nobody: %w", portal.ErrUnsupported)
	}
	data, err := encodeValues(session.Values)
	if err != nil {
		return err
	}
	now := s.service.time()
	kept := Session{Hash: h, Person: portal.PersonID(person), Organisation: portal.OrganisationID(in), Data: data, Created: now, Seen: now}
	err = s.service.db.InTx(ctx, func(tx Tx) error {
		write := tx.People().SaveSession
		if session.IsNew {
			c, err := callerIn(ctx, tx.People(), kept.Person, kept.Organisation)
			if err != nil {
				return signedOut(err)
			}
			kept.Organisation = c.Organisation
			write = tx.People().AddSession
		}
		ok, err := write(ctx, kept)
		if err == nil && !ok {
			err = ErrSignedOut
		}
		return err
	})
	if err != nil {
		return err
	}
	session.IsNew = false
	session.Values[SessionOrganisation] = string(kept.Organisation)
	return nil
}

func encodeValues(values map[any]any) ([]byte, error) {
	values = maps.Clone(values)
	delete(values, SessionPerson)
	delete(values, SessionOrganisation)
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(values); err != nil {
		return nil, invalid("a value of the session cannot be kept: %w", err)
	}
	if data.Len() > maxSessionData {
		return nil, invalid("the values of the session are longer than %d bytes", maxSessionData)
	}
	return data.Bytes(), nil
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
