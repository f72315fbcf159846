package people_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
)

func setup(name string) people.Setup {
	return people.Setup{Organisation: "Acme", Name: name, Email: strings.ToLower(name) + "@example.com", Password: password(name)}
}

func first(t *testing.T, w *world) portal.Secret {
	t.Helper()
	token, expires, err := w.FirstLink(w.ctx(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !expires.Equal(w.clock().Add(24 * time.Hour)) {
		t.Errorf("expires %s", expires)
	}
	return token
}

func TestFirstAdministrator(t *testing.T) {
	w := newWorld(t)
	old := first(t, w)
	token := first(t, w) // after a restart
	_, err := w.SetUp(w.ctx(), old, setup("Ada"))
	wantErr(t, err, portal.ErrNotFound)
	if p := must[people.Person](t)(w.LookUpLink(w.ctx(), token)); p.ID != "" {
		t.Errorf("the link is %s's", p.ID)
	}
	_, err = w.AcceptInvitation(w.ctx(), token, "Ada", password("Ada"))
	wantErr(t, err, portal.ErrNotFound)
	for name, n := range map[string]people.Setup{
		"organisation": {Name: "Ada", Email: "ada@example.com", Password: password("Ada")},
		"name":         {Organisation: "Acme", Email: "ada@example.com", Password: password("Ada")},
		"e-mail":       {Organisation: "Acme", Name: "Ada", Email: "ada", Password: password("Ada")},
		"password":     {Organisation: "Acme", Name: "Ada", Email: "ada@example.com", Password: portal.NewSecret("short")},
	} {
		if _, err := w.SetUp(w.ctx(), token, n); err == nil {
			t.Errorf("without %s it passed", name)
		}
	}
	c := must[access.Caller](t)(w.SetUp(w.ctx(), token, setup("Ada")))
	if !c.Has(access.PlatformAdministrator) || c.OrganisationName != "Acme" {
		t.Errorf("got %+v", c)
	}
	if got := must[access.Caller](t)(w.SignIn(w.ctx(), "Ada@example.com", password("Ada"), home)); got.Person != c.Person || !access.MayManagePeople(got) {
		t.Errorf("signed in as %+v", got)
	}
	_, err = w.SetUp(w.ctx(), token, setup("Eve"))
	wantErr(t, err, portal.ErrNotFound)
	_, _, err = w.FirstLink(w.ctx(), 0)
	wantErr(t, err, portal.ErrConflict)
}

func TestFirstLinkIsVoidOnceThereIsAnAdministrator(t *testing.T) {
	w := newWorld(t)
	token := first(t, w)
	w.administrator()
	_, err := w.SetUp(w.ctx(), token, people.Setup{Organisation: "Evil", Name: "Eve", Email: "eve@example.com", Password: password("Eve")})
	wantErr(t, err, portal.ErrConflict)
}

// Processes that start together show one link; a later start shows another.
func TestFirstLinkIsShownOnce(t *testing.T) {
	w := newWorld(t)
	token := first(t, w)
	w.pass(59 * time.Second)
	if _, _, err := w.FirstLink(w.ctx(), time.Minute); !errors.Is(err, people.ErrFirstLinkShown) {
		t.Errorf("another process shows one too: %v", err)
	}
	must[people.Person](t)(w.LookUpLink(w.ctx(), token))
	w.pass(time.Second)
	if _, _, err := w.FirstLink(w.ctx(), time.Minute); err != nil {
		t.Errorf("a later start: %v", err)
	}
	_, err := w.LookUpLink(w.ctx(), token)
	wantErr(t, err, portal.ErrNotFound)
}

func TestFirstLinkExpires(t *testing.T) {
	w := newWorld(t)
	token := first(t, w)
	w.pass(24 * time.Hour)
	_, err := w.SetUp(w.ctx(), token, setup("Ada"))
	wantErr(t, err, portal.ErrNotFound)
}

func TestInvitationLinkMakesNoAdministrator(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	inv := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Eve", Email: "eve@example.com", Organisation: admin.Organisation}))
	_, err := w.SetUp(w.ctx(), inv.Token, people.Setup{Organisation: "Evil", Name: "Eve", Email: "eve2@example.com", Password: password("Eve")})
	wantErr(t, err, portal.ErrNotFound)
}

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	ctx := w.ctx()
	invite := func(email string) people.Invitation {
		t.Helper()
		return must[people.Invitation](t)(w.Invite(ctx, admin, people.NewPerson{Name: "Eve", Email: email, Organisation: admin.Organisation}))
	}
	inv := invite("Eve@Example.com")
	if inv.Person.State != people.Invited || inv.Person.Email != "eve@example.com" || !inv.Expires.Equal(start.Add(7*24*time.Hour)) ||
		len(inv.Token.Reveal()) != 43 || inv.Person.Memberships[0].Roles[0] != access.Developer {
		t.Errorf("got %+v", inv)
	}
	_, err := w.SignIn(ctx, "eve@example.com", portal.NewSecret(""), home)
	wantErr(t, err, people.ErrSignedOut)

	if p := must[people.Person](t)(w.LookUpLink(ctx, inv.Token)); p.Email != "eve@example.com" {
		t.Errorf("link of %+v", p)
	}
	for _, bad := range []string{"", "x", inv.Token.Reveal() + "A", inv.Token.Reveal()[:42] + "!", strings.Repeat("A", 43)} {
		_, err := w.AcceptInvitation(ctx, portal.NewSecret(bad), "Eve", password("Eve"))
		wantErr(t, err, portal.ErrNotFound)
	}
	_, err = w.AcceptInvitation(ctx, inv.Token, "Eve", portal.NewSecret("eve@example.com"))
	wantErr(t, err, portal.ErrInvalid)
	c := must[access.Caller](t)(w.AcceptInvitation(ctx, inv.Token, "Eve Example", password("Eve")))
	if c.Name != "Eve Example" || c.Person != inv.Person.ID || c.Organisation != admin.Organisation {
		t.Errorf("got %+v", c)
	}
	_, err = w.AcceptInvitation(ctx, inv.Token, "Eve", password("Other"))
	wantErr(t, err, portal.ErrNotFound)
	_, err = w.LookUpLink(ctx, inv.Token)
	wantErr(t, err, portal.ErrNotFound)
	must[access.Caller](t)(w.SignIn(ctx, "eve@example.com", password("Eve"), home))

	t.Run("a new link voids the older one", func(t *testing.T) {
		inv := invite("fred@example.com")
		newer := must[people.Invitation](t)(w.Reinvite(ctx, admin, inv.Person.ID))
		_, err := w.AcceptInvitation(ctx, inv.Token, "Fred", password("Fred"))
		wantErr(t, err, portal.ErrNotFound)
		must[access.Caller](t)(w.AcceptInvitation(ctx, newer.Token, "Fred", password("Fred")))
	})
	t.Run("it expires after seven days", func(t *testing.T) {
		inv := invite("gina@example.com")
		w.pass(7*24*time.Hour - time.Microsecond)
		must[people.Person](t)(w.LookUpLink(ctx, inv.Token))
		w.pass(time.Microsecond)
		_, err := w.AcceptInvitation(ctx, inv.Token, "Gina", password("Gina"))
		wantErr(t, err, portal.ErrNotFound)
	})
	t.Run("into a disabled organisation", func(t *testing.T) {
		tom, _ := w.person("Tom", partner, access.Developer)
		must[people.Organisation](t)(w.SetOrganisationDisabled(ctx, admin, tom.Organisation, true))
		_, err := w.Invite(ctx, admin, people.NewPerson{Name: "H", Email: "h@example.com", Organisation: tom.Organisation})
		wantErr(t, err, portal.ErrConflict)
		_, err = w.Invite(ctx, admin, people.NewPerson{Name: "H", Email: "h@example.com", Organisation: "org_none"})
		wantErr(t, err, portal.ErrInvalid)
	})
}

func TestLockedOutPersonGetsANewPassword(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, token := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	inv := must[people.Invitation](t)(w.Reinvite(w.ctx(), admin, tom.Person))
	if got, err := b.caller(); err != nil || got.Person != tom.Person {
		t.Errorf("the link alone ended the session: %v", err)
	}
	must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
	must[access.Caller](t)(w.AcceptInvitation(w.ctx(), inv.Token, "Tom", password("New")))
	_, err := b.caller()
	wantErr(t, err, people.ErrSignedOut)
	_, err = w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home)
	wantErr(t, err, people.ErrSignedOut)
	must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("New"), home))
	must[access.Caller](t)(w.CallerByToken(w.ctx(), token))
}

func TestTwoAcceptOneInvitation(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	inv := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Eve", Email: "eve@example.com", Organisation: admin.Organisation}))
	const n = 8
	type result struct {
		name string
		err  error
	}
	results := make(chan result, n)
	for i := range n {
		name := string(rune('A' + i))
		go func() {
			_, err := w.AcceptInvitation(w.ctx(), inv.Token, name, password(name))
			results <- result{name, err}
		}()
	}
	var won []string
	for range n {
		if r := <-results; r.err == nil {
			won = append(won, r.name)
		} else {
			wantErr(t, r.err, portal.ErrNotFound)
		}
	}
	if len(won) != 1 {
		t.Fatalf("%v won", won)
	}
	must[access.Caller](t)(w.SignIn(w.ctx(), "eve@example.com", password(won[0]), home))
	if e := w.events("person.accept"); len(e) != 1 {
		t.Errorf("%d audit events", len(e))
	}
}

func TestTwoSetUps(t *testing.T) {
	w := newWorld(t)
	token := first(t, w)
	errs := make(chan error, 2)
	for _, name := range []string{"Ada", "Eve"} {
		go func() {
			n := setup(name)
			n.Organisation = name
			_, err := w.SetUp(w.ctx(), token, n)
			errs <- err
		}()
	}
	if a, b := <-errs, <-errs; (a == nil) == (b == nil) {
		t.Errorf("one must win: %v, %v", a, b)
	}
}
