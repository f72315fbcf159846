package people_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
)

// browser keeps the one cookie that the portal sets.
type browser struct {
	w        *world
	sessions people.Sessions
	cookie   *http.Cookie
}

const cookieName = "__Host-concierge"

func newBrowser(w *world) *browser { return &browser{w: w, sessions: w.Sessions()} }

func (b *browser) request() *http.Request {
	r := httptest.NewRequestWithContext(b.w.ctx(), http.MethodGet, "https://portal.example/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	return r
}

// do runs a handler's part and takes over the cookie that it sets.
func (b *browser) do(fn func(http.ResponseWriter, *http.Request) error) error {
	rec := httptest.NewRecorder()
	err := fn(rec, b.request())
	for _, c := range rec.Result().Cookies() {
		b.cookie = c
		if c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return err
}

// renew does what pages do at sign-in.
func (b *browser) renew(c access.Caller) error {
	return b.do(func(w http.ResponseWriter, r *http.Request) error {
		s, err := b.sessions.Get(r, cookieName)
		if err != nil {
			return err
		}
		if err := b.sessions.Renew(r, w, s); err != nil {
			return err
		}
		s.Values[people.SessionPerson] = string(c.Person)
		return s.Save(r, w)
	})
}

func (b *browser) signIn(c access.Caller) {
	b.w.t.Helper()
	if err := b.renew(c); err != nil {
		b.w.t.Fatal(err)
	}
}

// caller does what pages do at each request.
func (b *browser) caller() (access.Caller, error) {
	s, err := b.sessions.Get(b.request(), cookieName)
	if err != nil {
		return access.Caller{}, err
	}
	person, _ := s.Values[people.SessionPerson].(string)
	in, _ := s.Values[people.SessionOrganisation].(string)
	if person == "" {
		return access.Caller{}, people.ErrSignedOut
	}
	return b.w.CallerBySession(b.w.ctx(), portal.PersonID(person), portal.OrganisationID(in))
}

func TestSessionCookie(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	if _, err := b.caller(); !errors.Is(err, people.ErrSignedOut) || !errors.Is(err, portal.ErrDenied) {
		t.Errorf("without a cookie: %v", err)
	}
	b.signIn(tom)
	c := b.cookie
	if c.Name != "__Host-concierge" || len(c.Value) != 43 || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() ||
		!c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Partitioned {
		t.Errorf("cookie: %s", c)
	}
	if got := must[access.Caller](t)(b.caller()); got.Person != tom.Person || got.Organisation != tom.Organisation {
		t.Errorf("caller %+v", got)
	}
}

func TestSessionIsRenewedAtSignIn(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	tim, _ := w.person("Tim", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	old := *b.cookie
	b.signIn(tim)
	if b.cookie.Value == old.Value {
		t.Fatal("the id is the same")
	}
	if got := must[access.Caller](t)(b.caller()); got.Person != tim.Person {
		t.Errorf("caller %+v", got)
	}
	b.cookie = &old
	_, err := b.caller()
	wantErr(t, err, people.ErrSignedOut)

	// Whoever plants a cookie does not learn the id that its victim gets.
	planted := strings.Repeat("A", 43)
	b.cookie = &http.Cookie{Name: cookieName, Value: planted}
	b.signIn(tom)
	if b.cookie.Value == planted {
		t.Error("a planted id was taken over")
	}
}

func TestSessionLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		steps []time.Duration // with a use after each
		want  bool
	}{
		"used within eight hours":      {[]time.Duration{8*time.Hour - time.Microsecond}, true},
		"idle for eight hours":         {[]time.Duration{8 * time.Hour}, false},
		"used again and again":         {[]time.Duration{7 * time.Hour, 7 * time.Hour, 7 * time.Hour, 3*time.Hour - time.Microsecond}, true},
		"a day after sign-in":          {[]time.Duration{7 * time.Hour, 7 * time.Hour, 7 * time.Hour, 3 * time.Hour}, false},
		"a use within the minute":      {[]time.Duration{59 * time.Second, 8*time.Hour - 59*time.Second}, false},
		"the clock jumps back an hour": {[]time.Duration{-time.Hour, 2 * time.Hour}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tom, _ := w.person("Tom", partner, access.Developer)
			b := newBrowser(w)
			b.signIn(tom)
			var err error
			for _, step := range tc.steps {
				w.pass(step)
				_, err = b.caller()
			}
			if (err == nil) != tc.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestExpireRemovesOnlyWhatHasEnded(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, token := w.person("Tom", partner, access.Developer)
	inv := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Eve", Email: "eve@example.com", Organisation: admin.Organisation}))
	b := newBrowser(w)
	b.signIn(tom)
	w.pass(8*time.Hour - time.Microsecond)
	if err := w.Expire(w.ctx()); err != nil {
		t.Fatal(err)
	}
	must[access.Caller](t)(b.caller())
	must[people.Person](t)(w.LookUpLink(w.ctx(), inv.Token))
	must[access.Caller](t)(w.CallerByToken(w.ctx(), token))
	w.pass(30 * 24 * time.Hour)
	_, err := w.CallerByToken(w.ctx(), token)
	wantErr(t, err, people.ErrSignedOut)
	if err := w.Expire(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := must[[]people.Token](t)(w.Tokens(w.ctx(), tom)); len(got) != 1 {
		t.Errorf("an expired token left the list at once: %v", got)
	}
	w.pass(30 * 24 * time.Hour)
	if err := w.Expire(w.ctx()); err != nil {
		t.Fatal(err)
	}
	if got := must[[]people.Token](t)(w.Tokens(w.ctx(), tom)); len(got) != 0 {
		t.Errorf("still there: %v", got)
	}
}

func TestSessionIsTouchedAtMostOnceAMinute(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, _ := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	seen := func() time.Time {
		t.Helper()
		return must[people.Person](t)(w.Person(w.ctx(), admin, tom.Person)).LastSeen
	}
	w.pass(59 * time.Second)
	must[access.Caller](t)(b.caller())
	if got := seen(); !got.IsZero() {
		t.Errorf("written after 59 s: %s", got)
	}
	w.pass(time.Second)
	must[access.Caller](t)(b.caller())
	if got := seen(); !got.Equal(start.Add(time.Minute)) {
		t.Errorf("after a minute: %s", got)
	}
}

func TestSessionValues(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	tim, _ := w.person("Tim", partner, access.Developer)
	b := newBrowser(w)
	set := func(change func(*sessions.Session)) error {
		return b.do(func(rw http.ResponseWriter, r *http.Request) error {
			s, err := b.sessions.Get(r, cookieName)
			if err != nil {
				return err
			}
			change(s)
			return s.Save(r, rw)
		})
	}
	wantErr(t, set(func(s *sessions.Session) { s.Values["language"] = "fr" }), portal.ErrUnsupported)
	wantErr(t, set(func(s *sessions.Session) { s.Values[people.SessionPerson] = string(tom.Person) }), portal.ErrUnsupported) // without Renew
	if b.cookie != nil {
		t.Errorf("cookie %s", b.cookie)
	}
	b.signIn(tom)
	if err := set(func(s *sessions.Session) { s.AddFlash("saved"); s.Values["language"] = "fr" }); err != nil {
		t.Fatal(err)
	}
	s, err := b.sessions.New(b.request(), cookieName)
	if err != nil || s.IsNew || s.Values["language"] != "fr" || s.Values[people.SessionOrganisation] != string(tom.Organisation) {
		t.Fatalf("got %+v, %v", s, err)
	}
	if f := s.Flashes(); len(f) != 1 || f[0] != "saved" {
		t.Errorf("flashes %v", f)
	}
	wantErr(t, set(func(s *sessions.Session) { s.Values["much"] = strings.Repeat("x", 5000) }), portal.ErrInvalid)
	wantErr(t, set(func(s *sessions.Session) { s.Values["odd"] = make(chan int) }), portal.ErrInvalid)
	wantErr(t, set(func(s *sessions.Session) { s.Values[people.SessionPerson] = string(tim.Person) }), people.ErrSignedOut)
	if got := must[access.Caller](t)(b.caller()); got.Person != tom.Person {
		t.Errorf("caller %+v", got)
	}
}

func TestTurningToAnotherOrganisation(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, _ := w.person("Tom", partner, access.Developer)
	other := must[people.Organisation](t)(w.CreateOrganisation(w.ctx(), admin, people.NewOrganisation{Name: "Other", Audience: portal.Public}))
	w.pass(time.Second)
	b := newBrowser(w)
	turn := func(in portal.OrganisationID) error {
		return b.do(func(rw http.ResponseWriter, r *http.Request) error {
			s, err := b.sessions.Get(r, cookieName)
			if err != nil {
				return err
			}
			if err := b.sessions.Renew(r, rw, s); err != nil {
				return err
			}
			s.Values[people.SessionPerson], s.Values[people.SessionOrganisation] = string(tom.Person), string(in)
			return s.Save(r, rw)
		})
	}
	wantErr(t, turn(other.ID), people.ErrSignedOut) // no member yet
	must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Tom", Email: tom.Email, Organisation: other.ID}))
	if err := turn(other.ID); err != nil {
		t.Fatal(err)
	}
	if got := must[access.Caller](t)(b.caller()); got.Organisation != other.ID || got.Audience != portal.Public {
		t.Errorf("caller %+v", got)
	}
	must[people.Organisation](t)(w.SetOrganisationDisabled(w.ctx(), admin, other.ID, true))
	_, err := b.caller()
	wantErr(t, err, people.ErrSignedOut)
	b.signIn(tom)
	if got := must[access.Caller](t)(b.caller()); got.Organisation != tom.Organisation {
		t.Errorf("caller %+v", got)
	}
}

func TestSessionThatEndedStaysEnded(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	s, err := b.sessions.New(b.request(), cookieName)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.EndOwnSessions(w.ctx(), tom); err != nil {
		t.Fatal(err)
	}
	wantErr(t, b.sessions.Save(b.request(), httptest.NewRecorder(), s), people.ErrSignedOut)
	_, err = b.caller()
	wantErr(t, err, people.ErrSignedOut)
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	b, elsewhere := newBrowser(w), newBrowser(w)
	b.signIn(tom)
	elsewhere.signIn(tom)
	kept := *b.cookie
	out := func() {
		t.Helper()
		err := b.do(func(rw http.ResponseWriter, r *http.Request) error {
			s, err := b.sessions.Get(r, cookieName)
			if err != nil {
				return err
			}
			s.Options.MaxAge = -1
			return s.Save(r, rw)
		})
		if err != nil || b.cookie != nil {
			t.Fatalf("cookie %v, %v", b.cookie, err)
		}
	}
	out()
	b.cookie = &kept
	_, err := b.caller()
	wantErr(t, err, people.ErrSignedOut)
	must[access.Caller](t)(elsewhere.caller())
	out()
}

func TestDatabaseThatDoesNotAnswerIsAnError(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	if s, err := b.sessions.New(b.request().WithContext(ctx), cookieName); err == nil || s == nil || !s.IsNew {
		t.Errorf("got %v, %v", s, err)
	}
}

// FuzzSessionCookie: no cookie is an error, and none but a real one is a session.
func FuzzSessionCookie(f *testing.F) {
	w := newWorld(f)
	tom, _ := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	real := b.cookie.Value
	for _, seed := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 42) + "B", real[:42], real + "=", strings.Repeat("é", 22), "__Host-concierge=" + real, "\x00", `"quoted"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "https://portal.example/", nil)
		r.Header.Set("Cookie", cookieName+"="+value)
		s, err := b.sessions.New(r, cookieName)
		if err != nil {
			t.Fatal(err)
		}
		if !s.IsNew && !strings.Contains(value, real) {
			t.Errorf("%q is a session", value)
		}
	})
}
