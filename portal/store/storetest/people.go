package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/store"
)

var peopleRules = []Rule{
	{"PeopleWithTheirMemberships", "a person comes with all memberships, in the order in which they began", one(peopleWithTheirMemberships)},
	{"WhoMayComeIn", "callers, administrators and sessions are those of active people in active organisations", whoMayComeIn},
	{"ConditionalWrites", "a write whose condition does not hold says so and writes nothing", one(conditionalWrites)},
	{"PeopleConflicts", "names and addresses are given once, and a token needs a membership", one(peopleConflicts)},
	{"EndOfOneOrganisationOrAll", "sessions and tokens end in one organisation or in all", one(endOfOneOrganisationOrAll)},
	{"LinksAreTakenOnce", "a newer link voids the older, and one of many who take it gets it", one(linksAreOnePerPersonAndTakenOnce)},
	{"SessionsAndLinksExpire", "what is too old is removed, and nothing else", one(sessionsAndLinksExpire)},
	{"LinkOf", "a person's link is the newest, until it is taken or void", one(linkOf)},
	{"AttemptsAreKept", "what was tried at a place is what was put last, of that place alone", one(attemptsAreKept)},
	{"AttemptsAreForgotten", "attempts once their limit is whole again, places once nobody signed in since, and no others", one(attemptsAreForgotten)},
}

var hashOf = portal.NewSecret("$argon2id$…")

func inPeople(t T, db DB, fn func(ctx context.Context, p people.Store) error) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx store.Tx) error { return fn(t.Context(), tx.(people.Tx).People()) }); err != nil {
		t.Fatal(err)
	}
}

// twoPeople adds Ann and Bob, who can sign in, to an organisation each, and Ann to Bob's as well.
func twoPeople(t T, db DB) {
	t.Helper()
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		acme := people.Organisation{ID: "org_a", Name: "Acme", Audience: portal.Internal, Division: "payments", Region: "eu", Created: born}
		bolt := people.Organisation{ID: "org_b", Name: "Bolt", Audience: portal.Partner, Created: born}
		ann := people.Person{ID: "per_a", Name: "Ann", Email: "ann@example.com", Created: born, Memberships: []people.Membership{{Organisation: acme, Roles: []access.Role{access.PlatformAdministrator}}}}
		bob := people.Person{ID: "per_b", Name: "Bob", Email: "bob@example.com", Created: born, Memberships: []people.Membership{{Organisation: bolt, Roles: []access.Role{access.Developer, access.Viewer}}}}
		errs := []error{p.AddOrganisation(ctx, acme), p.AddOrganisation(ctx, bolt), p.AddPerson(ctx, ann), p.AddPerson(ctx, bob)}
		errs = append(errs, p.SetRoles(ctx, "per_a", "org_b", nil, born.Add(time.Second)))
		for _, id := range []portal.PersonID{"per_a", "per_b"} {
			set, err := p.SetPassword(ctx, id, "Ann or Bob", hashOf)
			if !set {
				t.Errorf("%s has no password", id)
			}
			errs = append(errs, err)
		}
		for i, m := range []struct {
			person portal.PersonID
			in     portal.OrganisationID
		}{{"per_a", "org_a"}, {"per_a", "org_b"}, {"per_b", "org_b"}} {
			h := people.Hash{byte(i)}
			errs = append(errs, p.AddToken(ctx, h, m.person, m.in, people.Token{ID: string(m.person) + string(m.in), Created: born, Expires: born.Add(time.Hour)}))
			added, err := p.AddSession(ctx, people.Session{Hash: h, Person: m.person, Organisation: m.in, Data: []byte("x"), Created: born, Seen: born})
			if !added {
				t.Errorf("no session for %v", m)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func peopleWithTheirMemberships(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		ann, err := p.Person(ctx, "per_a")
		if err != nil {
			return err
		}
		if len(ann.Memberships) != 2 || ann.Memberships[0].Organisation.ID != "org_a" || ann.Memberships[1].Organisation.ID != "org_b" ||
			len(ann.Memberships[1].Roles) != 0 || !ann.Created.Equal(born) || !ann.LastSeen.IsZero() || ann.State != people.Active {
			t.Errorf("got %+v", ann)
		}
		c, err := p.Caller(ctx, "per_a", "org_a")
		want := access.Caller{
			Person: "per_a", Name: "Ann or Bob", Email: "ann@example.com", Organisation: "org_a", OrganisationName: "Acme",
			Audience: portal.Internal, Division: "payments", Region: "eu", Roles: []access.Role{access.PlatformAdministrator},
		}
		if !slices.Equal(c.Roles, want.Roles) || c.Consumer("") != want.Consumer("") || c.Name != want.Name || c.Email != want.Email || c.OrganisationName != want.OrganisationName {
			t.Errorf("caller %+v, want %+v", c, want)
		}
		if _, err := p.Caller(ctx, "per_b", "org_a"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("no member, and yet %v", err)
		}
		members, err2 := p.Members(ctx, "org_b")
		if !slices.Equal(members, []portal.PersonID{"per_a", "per_b"}) {
			t.Errorf("members %v", members)
		}
		return errors.Join(err, err2)
	})
}

func whoMayComeIn(t T, e Engine) {
	for name, tc := range map[string]struct {
		shut           func(ctx context.Context, p people.Store) (bool, error)
		callers        int
		administrators int
		session        bool // Ann can open one for Acme
	}{
		"everybody":       {func(context.Context, people.Store) (bool, error) { return true, nil }, 3, 1, true},
		"Ann is disabled": {func(ctx context.Context, p people.Store) (bool, error) { return p.SetDisabled(ctx, "per_a", true) }, 1, 0, false},
		"Bob is disabled": {func(ctx context.Context, p people.Store) (bool, error) { return p.SetDisabled(ctx, "per_b", true) }, 2, 1, true},
		"Acme is disabled": {func(ctx context.Context, p people.Store) (bool, error) {
			return p.SetOrganisationDisabled(ctx, "org_a", true)
		}, 2, 0, false},
		"Bolt is disabled": {func(ctx context.Context, p people.Store) (bool, error) {
			return p.SetOrganisationDisabled(ctx, "org_b", true)
		}, 1, 1, true},
		"Ann has no password": {func(ctx context.Context, p people.Store) (bool, error) {
			return p.SetPassword(ctx, "per_a", "Ann", portal.Secret{})
		}, 1, 0, false},
		"Ann is administrator of a partner": {func(ctx context.Context, p people.Store) (bool, error) {
			return true, errors.Join(
				p.SetRoles(ctx, "per_a", "org_a", []access.Role{access.Viewer}, born),
				p.SetRoles(ctx, "per_a", "org_b", []access.Role{access.PlatformAdministrator}, born))
		}, 3, 0, true},
	} {
		db, _ := e.Open(t)
		twoPeople(t, db)
		inPeople(t, db, func(ctx context.Context, p people.Store) error {
			if done, err := tc.shut(ctx, p); err != nil || !done {
				t.Fatalf("%s: %v, %v", name, done, err)
			}
			all, err := p.Callers(ctx)
			if err != nil || len(all) != tc.callers {
				t.Errorf("%s: %d callers, want %d; %v", name, len(all), tc.callers, err)
			}
			n, err := p.Administrators(ctx)
			if err != nil || n != tc.administrators {
				t.Errorf("%s: %d administrators, want %d; %v", name, n, tc.administrators, err)
			}
			added, err := p.AddSession(ctx, people.Session{Hash: people.Hash{9}, Person: "per_a", Organisation: "org_a", Data: []byte("x"), Created: born, Seen: born})
			if err != nil || added != tc.session {
				t.Errorf("%s: session %v, want %v; %v", name, added, tc.session, err)
			}
			return nil
		})
	}
}

func conditionalWrites(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		later := born.Add(time.Minute)
		for _, step := range []struct {
			name string
			do   func() (bool, error)
			want bool
		}{
			{"sign in with another hash", func() (bool, error) { return p.SignedIn(ctx, "per_a", portal.NewSecret("other"), later) }, false},
			{"sign in without a hash", func() (bool, error) { return p.SignedIn(ctx, "per_a", portal.Secret{}, later) }, false},
			{"sign in", func() (bool, error) { return p.SignedIn(ctx, "per_a", hashOf, later) }, true},
			{"enable who is enabled", func() (bool, error) { return p.SetDisabled(ctx, "per_a", false) }, false},
			{"disable", func() (bool, error) { return p.SetDisabled(ctx, "per_a", true) }, true},
			{"disable again", func() (bool, error) { return p.SetDisabled(ctx, "per_a", true) }, false},
			{"disabled: sign in", func() (bool, error) { return p.SignedIn(ctx, "per_a", hashOf, later) }, false},
			{"disabled: set a password", func() (bool, error) { return p.SetPassword(ctx, "per_a", "Ann", hashOf) }, false},
			{"touch too soon", func() (bool, error) { return p.TouchSession(ctx, people.Hash{2}, later, born.Add(-1000)) }, false},
			{"touch", func() (bool, error) { return p.TouchSession(ctx, people.Hash{2}, later, born) }, true},
			{"touch what is not there", func() (bool, error) { return p.TouchSession(ctx, people.Hash{7}, later, born) }, false},
			{"save a session as another person's", func() (bool, error) {
				return p.SaveSession(ctx, people.Session{Hash: people.Hash{2}, Person: "per_a", Organisation: "org_b", Data: []byte("y")})
			}, false},
			{"save a session", func() (bool, error) {
				return p.SaveSession(ctx, people.Session{Hash: people.Hash{2}, Person: "per_b", Organisation: "org_b", Data: []byte("y")})
			}, true},
			{"revoke another's token", func() (bool, error) { return p.RevokeToken(ctx, "per_a", "org_b", "per_borg_b") }, false},
			{"revoke", func() (bool, error) { return p.RevokeToken(ctx, "per_b", "org_b", "per_borg_b") }, true},
			{"revoke again", func() (bool, error) { return p.RevokeToken(ctx, "per_b", "org_b", "per_borg_b") }, false},
		} {
			if got, err := step.do(); err != nil || got != step.want {
				t.Errorf("%s: %v, %v", step.name, got, err)
			}
		}
		s, err := p.Session(ctx, people.Hash{2})
		if !s.Seen.Equal(later) || !s.Created.Equal(born) || string(s.Data) != "y" {
			t.Errorf("session %+v", s)
		}
		return err
	})
}

func peopleConflicts(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		if err := p.AddOrganisation(ctx, people.Organisation{ID: "org_c", Name: "ACME"}); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("name: %v", err)
		}
		if err := p.AddPerson(ctx, people.Person{ID: "per_c", Email: "ann@example.com"}); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("e-mail: %v", err)
		}
		return nil
	})
	err := db.InTx(t.Context(), func(tx store.Tx) error {
		return tx.(people.Tx).People().AddToken(t.Context(), people.Hash{8}, "per_b", "org_a", people.Token{ID: "tok_x"})
	})
	if err == nil {
		t.Error("a token for an organisation that its person is not in")
	}
}

func endOfOneOrganisationOrAll(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		for _, step := range []struct {
			person portal.PersonID
			in     portal.OrganisationID
			want   int64
		}{{"per_a", "org_b", 1}, {"per_a", "", 1}, {"per_a", "", 0}, {"per_b", "org_a", 0}, {"per_b", "", 1}} {
			sessions, err := p.EndSessions(ctx, step.person, step.in)
			tokens, err2 := p.EndTokens(ctx, step.person, step.in)
			if sessions != step.want || tokens != step.want || err != nil || err2 != nil {
				t.Errorf("%+v: %d sessions, %d tokens, %v, %v", step, sessions, tokens, err, err2)
			}
		}
		return nil
	})
}

func linksAreOnePerPersonAndTakenOnce(t T, db DB) {
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		return p.PutLink(ctx, people.Link{Hash: people.Hash{9}, Person: "per_x", Expires: born})
	})
	var took atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			eventually(t, func() error {
				err := db.InTx(t.Context(), func(tx store.Tx) error {
					_, err := tx.(people.Tx).People().TakeLink(t.Context(), people.Hash{9})
					return err
				})
				switch {
				case err == nil:
					took.Add(1)
				case errors.Is(err, portal.ErrNotFound):
					return nil
				}
				return err
			})
		})
	}
	all.Wait()
	if took.Load() != 1 {
		t.Errorf("%d took one link", took.Load())
	}
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		older, newer := people.Link{Hash: people.Hash{1}, Person: "per_a", Expires: born}, people.Link{Hash: people.Hash{2}, Person: "per_a", Expires: born.Add(time.Hour)}
		setup := people.Link{Hash: people.Hash{3}, Expires: born}
		for _, l := range []people.Link{older, setup, newer} {
			if err := p.PutLink(ctx, l); err != nil {
				return err
			}
		}
		if _, err := p.Link(ctx, older.Hash); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("the older link: %v", err)
		}
		for _, want := range []people.Link{newer, setup} {
			if got, err := p.Link(ctx, want.Hash); err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
			if got, err := p.TakeLink(ctx, want.Hash); err != nil || got != want {
				t.Errorf("took %+v, %v", got, err)
			}
			if _, err := p.TakeLink(ctx, want.Hash); !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("taken twice: %v", err)
			}
		}
		return nil
	})
}

func sessionsAndLinksExpire(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		for n, l := range []people.Link{{Hash: people.Hash{20}, Person: "old", Expires: born}, {Hash: people.Hash{21}, Person: "new", Expires: born.Add(time.Microsecond)}} {
			if err := p.PutLink(ctx, l); err != nil {
				return fmt.Errorf("link %d: %w", n, err)
			}
		}
		_, err := p.AddSession(ctx, people.Session{Hash: people.Hash{30}, Person: "per_a", Organisation: "org_a", Data: []byte{}, Created: born.Add(time.Microsecond), Seen: born.Add(time.Microsecond)})
		return errors.Join(err, p.Expire(ctx, born, born, born, born.Add(time.Hour)))
	})
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		for name, got := range map[string]struct {
			err  error
			gone bool
		}{
			"a session made before":   {second(p.Session(ctx, people.Hash{0})), true},
			"a later session":         {second(p.Session(ctx, people.Hash{30})), false},
			"a link that expired":     {second(p.Link(ctx, people.Hash{20})), true},
			"a link of a moment more": {second(p.Link(ctx, people.Hash{21})), false},
			"a token that expired":    {second(p.CallerByToken(ctx, people.Hash{0})), true},
		} {
			if errors.Is(got.err, portal.ErrNotFound) != got.gone || (!got.gone && got.err != nil) {
				t.Errorf("%s: %v", name, got.err)
			}
		}
		return nil
	})
}

func linkOf(t T, db DB) {
	of := func(person portal.PersonID, want people.Link, there bool) {
		t.Helper()
		inPeople(t, db, func(ctx context.Context, p people.Store) error {
			got, err := p.LinkOf(ctx, person)
			if got != want || errors.Is(err, portal.ErrNotFound) == there || there && err != nil {
				t.Errorf("link of %q: %+v, %v; want %+v", person, got, err, want)
			}
			return nil
		})
	}
	of("per_a", people.Link{}, false)
	of("", people.Link{}, false)
	older, newer := people.Link{Hash: people.Hash{1, 31: 9}, Person: "per_a", Expires: born}, people.Link{Hash: people.Hash{2, 31: 8}, Person: "per_a", Expires: born.Add(time.Hour)}
	setup, other := people.Link{Hash: people.Hash{3}, Expires: born}, people.Link{Hash: people.Hash{4}, Person: "per_b", Expires: born}
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		return errors.Join(p.PutLink(ctx, older), p.PutLink(ctx, setup), p.PutLink(ctx, other), p.PutLink(ctx, newer))
	})
	of("per_a", newer, true)
	of("per_b", other, true)
	of("", setup, true)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		return errors.Join(second(p.TakeLink(ctx, newer.Hash)), p.VoidLink(ctx, "per_b"))
	})
	of("per_a", people.Link{}, false)
	of("per_b", people.Link{}, false)
	of("", setup, true)
}

func attemptsAreKept(t T, db DB) {
	for _, want := range []people.Attempts{
		{At: born, Debt: 90 * time.Second},
		{At: born.Add(-time.Hour), Debt: time.Microsecond}, // a clock that went back
		{At: born.Add(time.Hour)},
	} {
		inPeople(t, db, func(ctx context.Context, p people.Store) error {
			return errors.Join(p.PutAttempts(ctx, "place", want), p.PutSignedInFrom(ctx, "place", want.At))
		})
		inPeople(t, db, func(ctx context.Context, p people.Store) error {
			got, err := p.Attempts(ctx, "place")
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
			at, err := p.SignedInFrom(ctx, "place")
			if err != nil || !at.Equal(want.At) {
				t.Errorf("signed in at %s, %v; want %s", at, err, want.At)
			}
			for _, other := range []string{"", "Place", "place "} {
				if _, err := p.Attempts(ctx, other); !errors.Is(err, portal.ErrNotFound) {
					t.Errorf("attempts at %q: %v", other, err)
				}
				if _, err := p.SignedInFrom(ctx, other); !errors.Is(err, portal.ErrNotFound) {
					t.Errorf("signed in from %q: %v", other, err)
				}
			}
			return nil
		})
	}
	inPeople(t, db, func(ctx context.Context, p people.Store) error { // each without the other
		if err := errors.Join(p.PutAttempts(ctx, "tried", people.Attempts{At: born}), p.PutSignedInFrom(ctx, "known", born)); err != nil {
			return err
		}
		if _, err := p.SignedInFrom(ctx, "tried"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("signed in where it was only tried: %v", err)
		}
		if _, err := p.Attempts(ctx, "known"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("attempts where somebody only signed in: %v", err)
		}
		return nil
	})
}

func attemptsAreForgotten(t T, db DB) {
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		return errors.Join(
			p.PutAttempts(ctx, "whole", people.Attempts{At: born, Debt: time.Minute}),
			p.PutAttempts(ctx, "nearly", people.Attempts{At: born, Debt: time.Minute + time.Microsecond}),
			p.PutSignedInFrom(ctx, "long ago", noon),
			p.PutSignedInFrom(ctx, "lately", noon.Add(time.Microsecond)),
			p.ForgetAttempts(ctx, born.Add(time.Minute), noon))
	})
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		for name, got := range map[string]struct {
			err  error
			gone bool
		}{
			"a limit that is whole":         {second(p.Attempts(ctx, "whole")), true},
			"a limit that is nearly whole":  {second(p.Attempts(ctx, "nearly")), false},
			"a place of long ago":           {second(p.SignedInFrom(ctx, "long ago")), true},
			"a place where somebody was in": {second(p.SignedInFrom(ctx, "lately")), false},
		} {
			if errors.Is(got.err, portal.ErrNotFound) != got.gone || (!got.gone && got.err != nil) {
				t.Errorf("%s: %v", name, got.err)
			}
		}
		return nil
	})
}

func second[T any](_ T, err error) error { return err }
