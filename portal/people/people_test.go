package people_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
	"concierge/portal/store/storetest"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

var home = netip.MustParseAddr("192.0.2.1")

// world is a service on a real database with a clock that tests move.
type world struct {
	*people.Service
	t    testing.TB
	db   storetest.DB
	path string // of the database, a file or an address
	log  *syncBuffer

	mu  sync.Mutex
	now time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, path: storetest.Address(t), log: &syncBuffer{}, now: start}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.db = storetest.OpenAt(t, w.path, log)
	var err error
	w.Service, err = people.New(store.Narrow[people.Tx](w.db), people.Options{Log: log, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) ctx() context.Context { return w.t.Context() }

var (
	company = people.NewOrganisation{Name: "Acme", Audience: portal.Internal, Division: "payments", Region: "eu"}
	partner = people.NewOrganisation{Name: "Partner Ltd", Audience: portal.Partner}
)

// person seeds somebody whose password is their name with a passphrase behind it.
func (w *world) person(name string, in people.NewOrganisation, roles ...access.Role) (access.Caller, portal.Secret) {
	w.t.Helper()
	c, token, err := w.Seed(w.ctx(), people.Seed{
		Organisation: in, Name: name, Email: strings.ToLower(name) + "@example.com", Password: password(name), Roles: roles,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, token
}

func password(name string) portal.Secret {
	return portal.NewSecret(name + " walks over seven bridges")
}

func (w *world) administrator() access.Caller {
	w.t.Helper()
	c, _ := w.person("Ada", company, access.PlatformAdministrator)
	return c
}

func (w *world) events(action string) (found []audit.Event) {
	w.t.Helper()
	err := w.db.View(w.ctx(), func(tx store.Tx) error {
		all, err := tx.Audit().Events(w.ctx(), "", 1000)
		found = slices.DeleteFunc(all, func(e audit.Event) bool { return e.Action != action })
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// changedPeople runs fn and returns whom the change log names afterwards.
func (w *world) changedPeople(fn func()) []string {
	w.t.Helper()
	before, err := w.db.Version(w.ctx())
	if err != nil {
		w.t.Fatal(err)
	}
	fn()
	changes, _, _, err := w.db.Changes(w.ctx(), before)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, c := range changes {
		if c.Kind == store.ChangedPerson {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func (w *world) callers() (all []people.TokenCaller) {
	w.t.Helper()
	err := w.db.View(w.ctx(), func(tx store.Tx) (err error) {
		all, err = tx.(people.Tx).People().Callers(w.ctx())
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func ptr[T any](v T) *T { return &v }

func TestOnlyAdministratorsManagePeople(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	target, _ := w.person("Tom", partner, access.Developer)
	ctx := w.ctx()
	manage := map[string]func(access.Caller) error{
		"create organisation": func(c access.Caller) error {
			_, err := w.CreateOrganisation(ctx, c, people.NewOrganisation{Name: "New of " + c.Name, Audience: portal.Partner})
			return err
		},
		"enable organisation": func(c access.Caller) error {
			_, err := w.SetOrganisationDisabled(ctx, c, target.Organisation, false)
			return err
		},
		"invite": func(c access.Caller) error {
			_, err := w.Invite(ctx, c, people.NewPerson{Name: "New", Email: "new-of-" + c.Email, Organisation: target.Organisation})
			return err
		},
		"reinvite": func(c access.Caller) error { _, err := w.Reinvite(ctx, c, target.Person); return err },
		"change": func(c access.Caller) error {
			_, err := w.ChangePerson(ctx, c, target.Person, people.PersonChange{Disabled: ptr(false)})
			return err
		},
	}
	see := map[string]func(access.Caller) error{
		"organisations": func(c access.Caller) error { _, _, err := w.ListOrganisations(ctx, c, people.Paging{}); return err },
		"people":        func(c access.Caller) error { _, _, err := w.ListPeople(ctx, c, people.Paging{}); return err },
		"person":        func(c access.Caller) error { _, err := w.Person(ctx, c, target.Person); return err },
	}
	auditor, _ := w.person("Otto", company, access.Auditor)
	others := []access.Caller{{}}
	for i, role := range access.Roles[2:] {
		c, _ := w.person("Role"+string(rune('a'+i)), company, role)
		others = append(others, c)
	}
	others = append(others, target)
	for name, try := range manage {
		if err := try(admin); err != nil {
			t.Errorf("%s as administrator: %v", name, err)
		}
		for _, c := range append(others, auditor) {
			if err := try(c); err != portal.ErrNotFound { //nolint:errorlint // not even the wrapping may tell
				t.Errorf("%s as %v: %v", name, c.Roles, err)
			}
		}
	}
	for name, try := range see {
		for _, c := range []access.Caller{admin, auditor} {
			if err := try(c); err != nil {
				t.Errorf("%s as %v: %v", name, c.Roles, err)
			}
		}
		for _, c := range others {
			if err := try(c); err != portal.ErrNotFound { //nolint:errorlint // not even the wrapping may tell
				t.Errorf("%s as %v: %v", name, c.Roles, err)
			}
		}
	}
}

func TestOrganisations(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	o := must[people.Organisation](t)(w.CreateOrganisation(w.ctx(), admin, people.NewOrganisation{Name: "  Zeta GmbH ", Audience: portal.Partner, Region: "eu"}))
	if o.Name != "Zeta GmbH" || o.Audience != portal.Partner || o.Created != start || o.ID == "" {
		t.Errorf("got %+v", o)
	}
	for name, n := range map[string]people.NewOrganisation{
		"no name":             {Audience: portal.Partner},
		"long name":           {Name: strings.Repeat("é", 101), Audience: portal.Partner},
		"control character":   {Name: "a\x00b", Audience: portal.Partner},
		"no audience":         {Name: "X"},
		"unknown audience":    {Name: "X", Audience: "friends"},
		"division of partner": {Name: "X", Audience: portal.Partner, Division: "payments"},
		"bad region":          {Name: "X", Audience: portal.Partner, Region: "e\nu"},
	} {
		if _, err := w.CreateOrganisation(w.ctx(), admin, n); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.CreateOrganisation(w.ctx(), admin, people.NewOrganisation{Name: "ZETA gmbh", Audience: portal.Public})
	wantErr(t, err, portal.ErrConflict)
	if got := w.events("organisation.create"); len(got) != 2 || got[0].Actor != string(admin.Person) && got[1].Actor != string(admin.Person) {
		t.Errorf("audit: %+v", got)
	}
	_, err = w.SetOrganisationDisabled(w.ctx(), admin, "org_none", true)
	wantErr(t, err, portal.ErrNotFound)
}

func TestListsPageToTheEnd(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	want := []string{"Acme"}
	names := []string{"Ada"}
	for _, n := range []string{"beta", "Alpha", "Gamma", "delta", "Éclair"} {
		o := must[people.Organisation](t)(w.CreateOrganisation(w.ctx(), admin, people.NewOrganisation{Name: n, Audience: portal.Partner}))
		want = append(want, n)
		// Three with one name: their ids decide.
		must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Same", Email: n[:1] + "x@example.com", Organisation: o.ID}))
		names = append(names, "Same")
	}
	byKey := func(a, b string) int { return strings.Compare(people.SortKey(a), people.SortKey(b)) }
	slices.SortFunc(want, byKey)
	for limit := 1; limit <= 7; limit++ {
		var orgs []string
		for p := (people.Paging{Limit: limit}); ; {
			items, next, err := w.ListOrganisations(w.ctx(), admin, p)
			if err != nil || len(items) > limit {
				t.Fatal(items, err)
			}
			for _, o := range items {
				orgs = append(orgs, o.Name)
				if o.Members != 1 {
					t.Errorf("%s has %d members", o.Name, o.Members)
				}
			}
			if p.After = next; next == "" {
				break
			}
		}
		if !slices.Equal(orgs, want) {
			t.Errorf("limit %d: organisations %v, want %v", limit, orgs, want)
		}
		var got []string
		seen := map[portal.PersonID]bool{}
		for p := (people.Paging{Limit: limit}); ; {
			items, next, err := w.ListPeople(w.ctx(), admin, p)
			if err != nil || len(items) > limit {
				t.Fatal(items, err)
			}
			for _, p := range items {
				got = append(got, p.Name)
				seen[p.ID] = true
			}
			if p.After = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, names) || len(seen) != len(names) {
			t.Errorf("limit %d: people %v (%d different), want %v", limit, got, len(seen), names)
		}
	}
	_, _, err := w.ListPeople(w.ctx(), admin, people.Paging{After: "rubbish"})
	wantErr(t, err, portal.ErrInvalid)
}

func TestSeveralOrganisations(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	c, _ := w.person("Tom", partner, access.Developer)
	other := must[people.Organisation](t)(w.CreateOrganisation(w.ctx(), admin, people.NewOrganisation{Name: "Other", Audience: portal.Public}))
	w.pass(time.Hour)
	inv := must[people.Invitation](t)(w.Invite(w.ctx(), admin, people.NewPerson{Name: "Ignored", Email: "TOM@example.com ", Organisation: other.ID, Roles: []access.Role{access.Viewer}}))
	if !inv.Token.IsZero() || inv.Person.ID != c.Person || inv.Person.Name != "Tom" || len(inv.Person.Memberships) != 2 {
		t.Fatalf("got %+v", inv)
	}
	second := must[access.Caller](t)(w.CallerBySession(w.ctx(), c.Person, other.ID))
	if second.Audience != portal.Public || !slices.Equal(second.Roles, []access.Role{access.Viewer}) || second.OrganisationName != "Other" {
		t.Errorf("acting for the second: %+v", second)
	}
	first := must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
	if first.Organisation != c.Organisation {
		t.Errorf("signed in for %s", first.OrganisationName)
	}
	_, err := w.Invite(w.ctx(), admin, people.NewPerson{Name: "Tom", Email: "tom@example.com", Organisation: other.ID})
	wantErr(t, err, portal.ErrConflict)
	_, err = w.ChangePerson(w.ctx(), admin, c.Person, people.PersonChange{Roles: &[]access.Role{access.Viewer}})
	wantErr(t, err, portal.ErrInvalid) // which organisation?
	p := must[people.Person](t)(w.ChangePerson(w.ctx(), admin, c.Person, people.PersonChange{Organisation: other.ID, Roles: &[]access.Role{}}))
	if len(p.Memberships[1].Roles) != 0 || !slices.Equal(p.Memberships[0].Roles, []access.Role{access.Developer}) {
		t.Errorf("roles: %+v", p.Memberships)
	}

	// One organisation disabled: the person works on for the other one.
	_, token, err := w.CreateToken(w.ctx(), second, people.NewToken{Name: "second"})
	if err != nil {
		t.Fatal(err)
	}
	must[people.Organisation](t)(w.SetOrganisationDisabled(w.ctx(), admin, c.Organisation, true))
	if got := must[access.Caller](t)(w.CallerByToken(w.ctx(), token)); got.Organisation != other.ID {
		t.Errorf("token: %+v", got)
	}
	if got := must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home)); got.Organisation != other.ID {
		t.Errorf("signed in for %s", got.OrganisationName)
	}
}

func TestGuards(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	ctx := w.ctx()
	tom, _ := w.person("Tom", partner, access.Developer)
	t.Run("nobody disables themself", func(t *testing.T) {
		w := newWorld(t)
		admin := w.administrator()
		w.person("Bob", people.NewOrganisation{Name: "Other", Audience: portal.Internal}, access.PlatformAdministrator) // would be left
		_, err := w.ChangePerson(ctx, admin, admin.Person, people.PersonChange{Disabled: ptr(true)})
		wantErr(t, err, portal.ErrConflict)
		_, err = w.SetOrganisationDisabled(ctx, admin, admin.Organisation, true)
		wantErr(t, err, portal.ErrConflict)
	})
	t.Run("the last administrator keeps the role", func(t *testing.T) {
		_, err := w.ChangePerson(ctx, admin, admin.Person, people.PersonChange{Roles: &[]access.Role{access.Developer}})
		wantErr(t, err, portal.ErrConflict)
		if p := must[people.Person](t)(w.Person(ctx, admin, admin.Person)); !slices.Equal(p.Memberships[0].Roles, []access.Role{access.PlatformAdministrator}) {
			t.Errorf("roles are %v", p.Memberships[0].Roles)
		}
	})
	t.Run("an invited administrator does not count", func(t *testing.T) {
		inv := must[people.Invitation](t)(w.Invite(ctx, admin, people.NewPerson{
			Name: "Eve", Email: "eve@example.com", Organisation: admin.Organisation, Roles: []access.Role{access.PlatformAdministrator},
		}))
		_, err := w.ChangePerson(ctx, admin, admin.Person, people.PersonChange{Roles: &[]access.Role{}})
		wantErr(t, err, portal.ErrConflict)
		eve := must[access.Caller](t)(w.AcceptInvitation(ctx, inv.Token, "Eve", password("Eve")))
		must[people.Person](t)(w.ChangePerson(ctx, admin, admin.Person, people.PersonChange{Roles: &[]access.Role{}}))
		// A stale caller, who was an administrator when the request began, cannot disable the last one either.
		_, err = w.ChangePerson(ctx, admin, eve.Person, people.PersonChange{Disabled: ptr(true)})
		wantErr(t, err, portal.ErrConflict)
		_, err = w.SetOrganisationDisabled(ctx, access.Caller{Person: tom.Person, Organisation: tom.Organisation, Audience: portal.Internal, Roles: admin.Roles}, eve.Organisation, true)
		wantErr(t, err, portal.ErrConflict)
		must[access.Caller](t)(w.CallerBySession(ctx, eve.Person, eve.Organisation))
	})
	t.Run("company roles are for internal organisations", func(t *testing.T) {
		for _, role := range []access.Role{access.PlatformAdministrator, access.Auditor, access.DivisionAdministrator, access.APIOwner, "emperor"} {
			_, err := w.ChangePerson(ctx, admin, tom.Person, people.PersonChange{Roles: &[]access.Role{role}})
			wantErr(t, err, portal.ErrInvalid)
			_, err = w.Invite(ctx, admin, people.NewPerson{Name: "X", Email: "x@example.com", Organisation: tom.Organisation, Roles: []access.Role{role}})
			wantErr(t, err, portal.ErrInvalid)
		}
	})
}

func TestTwoAdministratorsDisableEachOther(t *testing.T) {
	w := newWorld(t)
	ada := w.administrator()
	bob, _ := w.person("Bob", company, access.PlatformAdministrator)
	errs := make(chan error, 2)
	for _, pair := range [][2]access.Caller{{ada, bob}, {bob, ada}} {
		go func() {
			_, err := w.ChangePerson(w.ctx(), pair[0], pair[1].Person, people.PersonChange{Disabled: ptr(true)})
			errs <- err
		}()
	}
	a, b := <-errs, <-errs
	if (a == nil) == (b == nil) {
		t.Errorf("one must win: %v, %v", a, b)
	}
	for _, err := range []error{a, b} {
		if err != nil {
			wantErr(t, err, portal.ErrConflict)
		}
	}
}

func TestDisabledPersonLosesEverythingAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, token := w.person("Tom", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	inv := must[people.Invitation](t)(w.Reinvite(w.ctx(), admin, tom.Person))

	var p people.Person
	if got := w.changedPeople(func() {
		p = must[people.Person](t)(w.ChangePerson(w.ctx(), admin, tom.Person, people.PersonChange{Disabled: ptr(true)}))
	}); !slices.Equal(got, []string{string(tom.Person)}) {
		t.Errorf("change log names %v", got)
	}
	if p.State != people.Disabled {
		t.Errorf("state %s", p.State)
	}
	out := func(when string) {
		t.Helper()
		_, err := b.caller()
		wantErr(t, err, people.ErrSignedOut)
		_, err = w.CallerByToken(w.ctx(), token)
		wantErr(t, err, people.ErrSignedOut)
		if slices.ContainsFunc(w.callers(), func(c people.TokenCaller) bool { return c.Caller.Person == tom.Person }) {
			t.Errorf("%s: still in the feed", when)
		}
		_, err = w.AcceptInvitation(w.ctx(), inv.Token, "Tom", password("Tom"))
		wantErr(t, err, portal.ErrNotFound)
	}
	out("disabled")
	_, err := w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home)
	wantErr(t, err, people.ErrSignedOut)
	_, err = w.Reinvite(w.ctx(), admin, tom.Person)
	wantErr(t, err, portal.ErrConflict)
	_, _, err = w.CreateToken(w.ctx(), tom, people.NewToken{Name: "late"})
	wantErr(t, err, portal.ErrNotFound)
	if err := b.renew(tom); !errors.Is(err, people.ErrSignedOut) {
		t.Errorf("a session began: %v", err)
	}
	if e := w.events("person.disable"); len(e) != 1 || e[0].Detail["sessions"] != "1" || e[0].Detail["tokens"] != "1" || e[0].Actor != string(admin.Person) {
		t.Errorf("audit: %+v", e)
	}
	must[people.Person](t)(w.ChangePerson(w.ctx(), admin, tom.Person, people.PersonChange{Disabled: ptr(true)}))
	if e := w.events("person.disable"); len(e) != 1 {
		t.Errorf("repeating it wrote %d events", len(e))
	}

	must[people.Person](t)(w.ChangePerson(w.ctx(), admin, tom.Person, people.PersonChange{Disabled: ptr(false)}))
	out("enabled again")
	must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
}

func TestDisabledOrganisationLosesEverythingAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	tom, token := w.person("Tom", partner, access.Developer)
	tim, _ := w.person("Tim", partner, access.Developer)
	b := newBrowser(w)
	b.signIn(tom)
	got := w.changedPeople(func() {
		if o := must[people.Organisation](t)(w.SetOrganisationDisabled(w.ctx(), admin, tom.Organisation, true)); !o.Disabled {
			t.Error("not disabled")
		}
	})
	slices.Sort(got)
	want := []string{string(tom.Person), string(tim.Person)}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("change log names %v, want %v", got, want)
	}
	for _, again := range []bool{true, false} {
		_, err := b.caller()
		wantErr(t, err, people.ErrSignedOut)
		_, err = w.CallerByToken(w.ctx(), token)
		wantErr(t, err, people.ErrSignedOut)
		if again {
			_, err = w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home)
			wantErr(t, err, people.ErrSignedOut)
			must[people.Organisation](t)(w.SetOrganisationDisabled(w.ctx(), admin, tom.Organisation, false))
		}
	}
	if e := w.events("organisation.disable"); len(e) != 1 || e[0].Detail["sessions"] != "1" || e[0].Detail["tokens"] != "2" {
		t.Errorf("audit: %+v", e)
	}
	must[access.Caller](t)(w.SignIn(w.ctx(), "tom@example.com", password("Tom"), home))
}

func TestRolesChange(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	ann, token := w.person("Ann", company, access.Viewer)
	roles := []access.Role{access.Developer, access.APIOwner, access.Developer}
	if got := w.changedPeople(func() {
		must[people.Person](t)(w.ChangePerson(w.ctx(), admin, ann.Person, people.PersonChange{Roles: &roles}))
	}); !slices.Equal(got, []string{string(ann.Person)}) {
		t.Errorf("change log names %v", got)
	}
	want := []access.Role{access.APIOwner, access.Developer}
	if c := must[access.Caller](t)(w.CallerByToken(w.ctx(), token)); !slices.Equal(c.Roles, want) {
		t.Errorf("roles by token %v", c.Roles)
	}
	if e := w.events("person.roles"); len(e) != 1 || e[0].Detail["before"] != "viewer" || e[0].Detail["after"] != "api-owner developer" {
		t.Errorf("audit: %+v", e)
	}
}

func TestSeedTwice(t *testing.T) {
	w := newWorld(t)
	tom, token := w.person("Tom", partner, access.Developer)
	again, fresh := w.person("Tom", partner, access.Viewer)
	if again.Person != tom.Person || again.Organisation != tom.Organisation || !slices.Equal(again.Roles, []access.Role{access.Viewer}) {
		t.Errorf("got %+v after %+v", again, tom)
	}
	_, err := w.CallerByToken(w.ctx(), token)
	wantErr(t, err, people.ErrSignedOut)
	if got := must[access.Caller](t)(w.CallerByToken(w.ctx(), fresh)); got.Person != tom.Person {
		t.Errorf("got %+v", got)
	}
	_, _, err = w.Seed(w.ctx(), people.Seed{
		Organisation: people.NewOrganisation{Name: partner.Name, Audience: portal.Internal}, Name: "Tom", Email: "tom@example.com", Password: password("Tom"),
	})
	wantErr(t, err, portal.ErrConflict)
}

func storeOf(w *world) people.DB { return store.Narrow[people.Tx](w.db) }

// spellings are the ways in which a secret might have been written.
func spellings(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))}
	if raw, err := base64.RawURLEncoding.DecodeString(secret); err == nil && len(raw) == 32 {
		all = append(all, string(raw), hex.EncodeToString(raw))
	}
	return all
}

// count is the one number that a query returns.
func count(t testing.TB, tx store.Tx, query string) (n int) {
	t.Helper()
	rows, err := sqlstore.Statements(tx).Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestTeamsTellOfNobodyElse: who makes teams in their organisation is not told who else there is.
func TestTeamsTellOfNobodyElse(t *testing.T) {
	w := newWorld(t)
	admin := w.administrator()
	lead, _ := w.person("Lea", people.NewOrganisation{Name: "Freight", Audience: portal.Internal, Division: "freight"}, access.DivisionAdministrator)
	other, _ := w.person("Quokka", partner, access.Developer)
	team := must[people.Team](t)(w.CreateTeam(w.ctx(), lead, lead.Organisation, "Crew"))
	for _, id := range []portal.PersonID{other.Person, "per_none"} {
		_, err := w.SetTeamMember(w.ctx(), lead, team.ID, id, true)
		wantErr(t, err, portal.ErrNotFound)
	}
	_, err := w.SetTeamMember(w.ctx(), admin, team.ID, other.Person, true)
	wantErr(t, err, portal.ErrInvalid)
}
