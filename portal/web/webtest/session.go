package webtest

import (
	"crypto/rand"
	"maps"
	"net/http"

	"github.com/gorilla/sessions"
)

// Get is part of sessions.Store.
func (w *World) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(w, name)
}

// New is part of sessions.Store. Ids that are not known begin an empty session.
func (w *World) New(r *http.Request, name string) (*sessions.Session, error) {
	s := sessions.NewSession(w, name)
	s.IsNew = true
	c, err := r.Cookie(name)
	if err != nil {
		return s, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if values, ok := w.sessions[c.Value]; ok {
		s.ID, s.IsNew, s.Values = c.Value, false, maps.Clone(values)
	}
	return s, nil
}

// Save is part of sessions.Store.
func (w *World) Save(_ *http.Request, rw http.ResponseWriter, s *sessions.Session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.Options.MaxAge < 0 {
		delete(w.sessions, s.ID)
	} else {
		if s.ID == "" {
			s.ID = rand.Text()
		}
		w.sessions[s.ID] = maps.Clone(s.Values)
	}
	http.SetCookie(rw, sessions.NewCookie(s.Name(), s.ID, s.Options))
	return nil
}

// Renew is part of web.Sessions.
func (w *World) Renew(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.sessions, s.ID)
	s.ID, s.Values, s.IsNew = rand.Text(), map[any]any{}, true
	return nil
}
