package people_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/store/storetest"
)

func TestSignInAnswersAlikeForEveryReason(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	w.person("Tom", partner, access.Developer)
	tim, _ := w.person("Tim", partner, access.Developer)
	must[people.Person](t)(w.ChangePerson(w.ctx(), admin, tim.Person, people.PersonChange{Disabled: ptr(true)}))
	must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Eve", Email: "eve@example.com", Organisation: admin.Organisation}))
	var texts []string
	for _, tc := range []struct{ email, password string }{
		{"tom@example.com", "wrong"},
		{"tom@example.com", ""},
		{"tom@example.com", strings.Repeat("x", 2000)},
		{"tim@example.com", password("Tim").Reveal()}, // disabled
		{"eve@example.com", "anything"},               // invited
		{"nobody@example.com", "anything"},
		{"not an address", "anything"},
		{"", ""},
	} {
		_, err := w.SignIn(w.ctx(), tc.email, portal.NewSecret(tc.password), home)
		if !errors.Is(err, people.ErrSignedOut) {
			t.Fatalf("%s: %v", tc.email, err)
		}
		texts = append(texts, err.Error())
		w.pass(time.Hour)
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("%q and %q", text, texts[0])
		}
	}
}

func TestSignInIsThrottled(t *testing.T) {
	w := newWorld(t)
	w.person("Tom", partner, access.Developer)
	for range 20 { // right ones are not counted
		must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
	}
	for _, email := range []string{"tom@example.com", "nobody@example.com"} { // alike for both: being slowed down does not tell
		for range 8 {
			_, err := w.SignIn(w.ctx(), email, portal.NewSecret("wrong"), home)
			wantErr(t, err, people.ErrSignedOut)
		}
		_, err := w.SignIn(w.ctx(), strings.ToUpper(email), password("Tom"), home)
		var retry *portal.RetryAfterError
		if !errors.As(err, &retry) {
			t.Errorf("%s: %v", email, err)
		}
	}
	w.pass(15 * time.Second)
	must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
}

func TestPasswordIsRehashedWhenParametersChange(t *testing.T) {
	w := newWorld(t)
	w.person("Tom", partner, access.Developer)
	hash := func() string {
		t.Helper()
		var a people.Account
		err := viewPeople(w, func(p people.Store) (err error) {
			a, err = p.Account(w.ctx(), "tom@example.com")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return a.Password.Reveal()
	}
	in := func() { must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home)) }
	before := hash()
	in()
	if hash() != before {
		t.Error("rehashed without need")
	}
	if err := w.HashWith(people.RealParams); err != nil {
		t.Fatal(err)
	}
	_, err := w.SignIn(w.ctx(), "tom@example.com", portal.NewSecret("wrong"), home)
	wantErr(t, err, people.ErrSignedOut)
	if hash() != before {
		t.Error("a wrong password rehashed it")
	}
	in()
	if got := hash(); !strings.HasPrefix(got, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash is %.40q", got)
	}
	in()
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	tom, _ := w.person("Tom", partner, access.Developer)
	tim, _ := w.person("Tim", partner, access.Developer)
	w.pass(time.Hour)
	var token people.Token
	var value portal.Secret
	var err error
	if got := w.changedPeople(func() { token, value, err = w.CreateToken(w.ctx(), tom, people.NewToken{Name: " ci "}) }); err != nil || len(got) != 1 || got[0] != string(tom.Person) {
		t.Fatalf("change log names %v, %v", got, err)
	}
	if token.Name != "ci" || token.Hint != value.Reveal()[:8] || !token.Expires.Equal(start.Add(time.Hour+90*24*time.Hour)) {
		t.Errorf("got %+v", token)
	}
	if got := must[access.Caller](t)(w.CallerByToken(w.ctx(), value)); got.Person != tom.Person || got.Organisation != tom.Organisation {
		t.Errorf("caller %+v", got)
	}
	list := must[[]people.Token](t)(w.Tokens(w.ctx(), tom))
	if len(list) != 2 || list[0].ID != token.ID || !list[0].LastUsed.IsZero() {
		t.Errorf("list %+v", list)
	}

	t.Run("use is written by Flush, once a minute", func(t *testing.T) {
		used := func() time.Time {
			t.Helper()
			if err := w.Flush(w.ctx()); err != nil {
				t.Fatal(err)
			}
			return must[[]people.Token](t)(w.Tokens(w.ctx(), tom))[0].LastUsed
		}
		first := start.Add(time.Hour)
		if got := used(); !got.Equal(first) {
			t.Errorf("first use %s", got)
		}
		w.pass(59 * time.Second)
		must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
		if got := used(); !got.Equal(first) {
			t.Errorf("written again after 59 s: %s", got)
		}
		w.pass(time.Second)
		must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
		cancelled, cancel := context.WithCancel(w.ctx())
		cancel()
		if err := w.Flush(cancelled); err == nil {
			t.Error("a flush without a database passed")
		}
		if got := used(); !got.Equal(first.Add(time.Minute)) {
			t.Errorf("after a minute, and a flush that failed: %s", got)
		}
	})
	t.Run("only one's own are revoked", func(t *testing.T) {
		wantErr(t, w.RevokeToken(w.ctx(), tim, token.ID), portal.ErrNotFound)
		elsewhere := tom
		elsewhere.Organisation = "org_other"
		wantErr(t, w.RevokeToken(w.ctx(), elsewhere, token.ID), portal.ErrNotFound)
		must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
		if got := w.changedPeople(func() { err = w.RevokeToken(w.ctx(), tom, token.ID) }); err != nil || len(got) != 1 {
			t.Errorf("change log names %v, %v", got, err)
		}
		_, err := w.CallerByToken(w.ctx(), value)
		wantErr(t, err, people.ErrSignedOut)
		wantErr(t, w.RevokeToken(w.ctx(), tom, token.ID), portal.ErrNotFound)
	})
	t.Run("it expires", func(t *testing.T) {
		_, value, err := w.CreateToken(w.ctx(), tim, people.NewToken{Name: "short", Days: 1})
		if err != nil {
			t.Fatal(err)
		}
		w.pass(24*time.Hour - time.Microsecond)
		must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
		w.pass(time.Microsecond)
		_, err = w.CallerByToken(w.ctx(), value)
		wantErr(t, err, people.ErrSignedOut)
	})
	for _, n := range []people.NewToken{{}, {Name: "x", Days: -1}, {Name: "x", Days: 366}, {Name: "a\nb"}} {
		_, _, err := w.CreateToken(w.ctx(), tim, n)
		wantErr(t, err, portal.ErrInvalid)
	}
	t.Run("there is a bound", func(t *testing.T) {
		for range 48 {
			if _, _, err := w.CreateToken(w.ctx(), tim, people.NewToken{Name: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := w.CreateToken(w.ctx(), tim, people.NewToken{Name: "x"})
		wantErr(t, err, portal.ErrConflict)
	})
	for _, bad := range []string{"", "cgp_", strings.Repeat("x", 40)} {
		_, err := w.CallerByToken(w.ctx(), portal.NewSecret(bad))
		wantErr(t, err, people.ErrSignedOut)
	}
}

func TestCallersFeed(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, value := w.person("Tom", partner, access.Developer)
	hash, ok := people.ParseToken(value.Reveal())
	if !ok {
		t.Fatal("not a token")
	}
	if got := w.callers(); len(got) != 2 {
		t.Errorf("got %d", len(got))
	}
	var got []people.TokenCaller
	err := viewPeople(w, func(p people.Store) (err error) {
		got, err = p.CallersOf(w.ctx(), tom.Person)
		return err
	})
	if err != nil || len(got) != 1 || got[0].Hash != hash || got[0].Caller.Email != "tom@example.com" || got[0].Caller.Audience != portal.Partner || !got[0].Expires.Equal(start.Add(30*24*time.Hour)) {
		t.Errorf("got %+v, %v", got, err)
	}
	must[people.Organisation](t)(w.SetOrganisationDisabled(w.ctx(), admin, tom.Organisation, true))
	if got := w.callers(); len(got) != 1 || got[0].Caller.Person != admin.Person {
		t.Errorf("got %+v", got)
	}
}

func TestRunFlushesAtTheEnd(t *testing.T) {
	w := newWorld(t)
	tom, value := w.person("Tom", partner, access.Developer)
	ctx, stop := context.WithCancel(w.ctx())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
	stop()
	<-done
	if got := must[[]people.Token](t)(w.Tokens(w.ctx(), tom)); !got[0].LastUsed.Equal(start) {
		t.Errorf("last used %s", got[0].LastUsed)
	}
}

func viewPeople(w *world, fn func(people.Store) error) error {
	return storeOf(w).View(w.ctx(), func(tx people.Tx) error { return fn(tx.People()) })
}

// No secret is in the database file, a log line, an error or an audit event.
func TestNoSecretIsKeptOrTold(t *testing.T) {
	w := newWorld(t)
	secrets := map[string]string{}
	keep := func(name string, s portal.Secret) portal.Secret {
		secrets[name] = s.Reveal()
		return s
	}
	var errs []error
	fails := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("it should have failed")
		}
		errs = append(errs, err)
	}
	link := keep("first link", first(t, w))
	fails(func() error {
		n := setup("Ada")
		n.Password = keep("short password", portal.NewSecret("canary-bad"))
		_, err := w.SetUp(w.ctx(), link, n)
		return err
	}())
	n := setup("Ada")
	n.Password = keep("password", portal.NewSecret("canary password of Ada"))
	admin := must[access.Caller](t)(w.SetUp(w.ctx(), link, n))
	_, err := w.SetUp(w.ctx(), link, n)
	fails(err)
	inv := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Findable Eve", Email: "eve@example.com", Organisation: admin.Organisation}))
	open := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Open", Email: "open@example.com", Organisation: admin.Organisation}))
	keep("invitation", inv.Token)
	keep("open invitation", open.Token)
	eve := must[access.Caller](t)(w.AcceptInvitation(w.ctx(), inv.Token, "Findable Eve", keep("password of Eve", portal.NewSecret("canary password of Eve"))))
	_, err = w.AcceptInvitation(w.ctx(), inv.Token, "Eve", keep("second password", portal.NewSecret("canary second password")))
	fails(err)
	_, err = w.SignIn(w.ctx(), "eve@example.com", keep("wrong password", portal.NewSecret("canary wrong password")), home)
	fails(err)
	for range 9 {
		_, err = w.SignIn(w.ctx(), "open@example.com", portal.NewSecret("canary wrong password"), home)
	}
	fails(err) // throttled
	must[access.Caller](t)(w.SignIn(w.ctx(), "eve@example.com", portal.NewSecret("canary password of Eve"), home))
	_, value, err := w.CreateToken(w.ctx(), eve, people.NewToken{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	keep("token", value)
	must[access.Caller](t)(w.CallerByToken(w.ctx(), value))
	_, seeded := w.person("Tom", partner, access.Developer)
	keep("seeded token", seeded)
	keep("seeded password", password("Tom"))
	b := newBrowser(w)
	b.signIn(eve)
	keep("session", portal.NewSecret(b.cookie.Value))
	must[access.Caller](t)(b.caller())
	must[people.Person](t)(w.ChangePerson(w.ctx(), admin, eve.Person, people.PersonChange{Disabled: ptr(true)}))
	_, err = w.CallerByToken(w.ctx(), value)
	fails(err)
	b.signIn(admin)
	keep("session of the administrator", portal.NewSecret(b.cookie.Value))

	file := []byte(storetest.Dump(t, w.db))
	if err := w.db.Close(); err != nil { // writes everything into the one file
		t.Fatal(err)
	}
	if storetest.IsFile(w.path) {
		all, err := os.ReadFile(w.path)
		if err != nil {
			t.Fatal(err)
		}
		file = append(file, all...)
	}
	if !strings.Contains(string(file), "Findable Eve") {
		t.Fatal("the file does not hold what it must: the search is blind")
	}
	if !strings.Contains(w.log.String(), "too many attempts") {
		t.Fatal("the log does not hold what it must: the search is blind")
	}
	for name, secret := range secrets {
		for _, form := range spellings(secret) {
			if strings.Contains(string(file), form) {
				t.Errorf("%s is in the database file", name)
			}
			if strings.Contains(w.log.String(), form) {
				t.Errorf("%s is in the log", name)
			}
			for _, err := range errs {
				if strings.Contains(err.Error(), form) {
					t.Errorf("%s is in the error %v", name, err)
				}
			}
		}
	}
}
