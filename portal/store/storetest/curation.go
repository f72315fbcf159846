package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/store/sqlstore"
)

var curationRules = []Rule{
	{"TextsAreRevisions", "texts come back as they were saved, each number once, and what is published outlives many drafts", one(textsAreRevisions)},
	{"TextsAreLaidOverTheirEntry", "an entry's layer has its newest published texts without bodies, and its team", one(textsAreLaid)},
	{"DecisionsGoWithDeployments", "a decision is there again after a removal, and goes with its deployments to another entry", one(decisionsGoWithDeployments)},
	{"UsersOfADeployment", "who has an open subscription is counted and named, of an entry, a line or a deployment", one(usersOfADeployment)},
	{"TeamsMakeCallers", "whoever is in a team calls as its member in its organisation, and in no other", one(teamsMakeCallers)},
}

// curated adds two entries with a deployment each.
func curated(t T, db DB) {
	t.Helper()
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.PutGateway(ctx, testGateway("g")), s.AddEntry(ctx, testEntry("api_1", "payments")), s.AddEntry(ctx, testEntry("api_2", "pay")),
			s.AddRecord(ctx, testRecord("g", "api_1", 1)), s.AddRecord(ctx, testRecord("g", "api_2", 2)))
	})
}

func revision(api portal.APIID, n int64, published bool) curation.Revision {
	return curation.Revision{
		API: api, Number: n, Published: published, Author: "per_1", At: noon.Add(time.Duration(n) * time.Minute),
		Texts: []portal.AudienceText{{
			Audience: portal.Partner, Summary: fmt.Sprintf("Pay %d, très vite", n), Contact: portal.Contact{Name: "Cards", Email: "cards@example.com"},
			Tags: []string{"money"}, Links: []portal.TextLink{{Title: "Status", Href: "https://status.example.com"}},
		}},
		Guides: []portal.Guide{
			{ID: "gde_2", Title: "Second", Audience: portal.Internal, Body: "# Two\n\nwords"},
			{ID: "gde_1", Title: "First", Audience: portal.Public, Body: "One"},
		},
	}
}

func textsAreRevisions(t T, db DB) {
	curated(t, db)
	add := func(r curation.Revision) error {
		return try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Curation().AddRevision(ctx, r) })
	}
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for name, err := range map[string]error{
			"newest": second(tx.Curation().Newest(ctx, "api_1")), "published": second(tx.Curation().Published(ctx, "api_1")), "one": second(tx.Curation().Revision(ctx, "api_1", 1)),
		} {
			if !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("%s of nothing: %v", name, err)
			}
		}
		return nil
	})
	for _, r := range []curation.Revision{revision("api_1", 1, false), revision("api_1", 2, true), revision("api_1", 3, false), revision("api_2", 1, true)} {
		if err := add(r); err != nil {
			t.Fatal(err)
		}
	}
	conflicts(t, add(revision("api_1", 3, true)), "a number for the second time")
	same := func(want curation.Revision) func(curation.Revision, error) error {
		return func(got curation.Revision, err error) error {
			if diff := cmp.Diff(want, got); err == nil && diff != "" {
				t.Errorf("revision %d differs:\n%s", want.Number, diff)
			}
			return err
		}
	}
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		history, err := tx.Curation().History(ctx, "api_1", 0, 10)
		older, err2 := tx.Curation().History(ctx, "api_1", 3, 1)
		if len(history) != 3 || history[0].Number != 3 || history[0].Author != "per_1" || history[0].Texts != nil || len(older) != 1 || !older[0].Published {
			t.Errorf("history %+v, before 3 %+v", history, older)
		}
		return errors.Join(err, err2, same(revision("api_1", 3, false))(tx.Curation().Newest(ctx, "api_1")),
			same(revision("api_1", 2, true))(tx.Curation().Published(ctx, "api_1")), same(revision("api_1", 1, false))(tx.Curation().Revision(ctx, "api_1", 1)))
	})
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for n := int64(4); n <= curation.KeptRevisions+10; n++ {
			if err := tx.Curation().AddRevision(ctx, revision("api_1", n, false)); err != nil {
				return err
			}
		}
		return nil
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		history, err := tx.Curation().History(ctx, "api_1", 0, 0)
		if len(history) != curation.KeptRevisions+1 || history[len(history)-1].Number != 2 {
			t.Errorf("%d revisions are kept", len(history))
		}
		return errors.Join(err, same(revision("api_1", 2, true))(tx.Curation().Published(ctx, "api_1")))
	})
}

func textsAreLaid(t T, db DB) {
	curated(t, db)
	team := people.Team{ID: "team_1", Organisation: people.Organisation{ID: "org_1", Name: "Acme", Audience: portal.Internal}, Name: "Cards"}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return errors.Join(tx.People().AddOrganisation(ctx, team.Organisation), tx.People().AddTeam(ctx, team), tx.Curation().SetTeam(ctx, "api_1", "team_1"),
			tx.Curation().SetTeam(ctx, "api_2", "team_1"), tx.Curation().SetTeam(ctx, "api_2", ""),
			tx.Curation().AddRevision(ctx, revision("api_1", 1, true)), tx.Curation().AddRevision(ctx, revision("api_1", 2, true)), tx.Curation().AddRevision(ctx, revision("api_1", 3, false)),
			tx.Curation().AddRevision(ctx, revision("api_2", 1, false)))
	})
	want := revision("api_1", 2, true)
	for i := range want.Guides {
		want.Guides[i].Body = ""
	}
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for api, want := range map[portal.APIID]bool{"api_1": true, "api_2": true, "api_3": false} {
			if is, err := tx.Catalog().Curated(ctx, api); is != want || err != nil {
				t.Errorf("people wrote about %s: %v, %v", api, is, err)
			}
		}
		for _, api := range []portal.APIID{"", "api_1"} {
			l, err := tx.Curation().Layer(ctx, api)
			if err != nil {
				return err
			}
			if diff := cmp.Diff(curation.Layer{Texts: map[portal.APIID]curation.Revision{"api_1": want}, Teams: map[portal.APIID]portal.TeamID{"api_1": "team_1"}}, l, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("layer of %q differs:\n%s", api, diff)
			}
		}
		l, err := tx.Curation().Layer(ctx, "api_2")
		if len(l.Texts)+len(l.Teams) != 0 {
			t.Errorf("a draft, and a team that was taken away: %+v", l)
		}
		return err
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.HandOver(ctx, "api_1", "api_2") })
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		joined, err := tx.Curation().JoinedInto(ctx, "api_2")
		if !slices.Equal(joined, []portal.APIID{"api_1"}) {
			t.Errorf("joined to api_2: %v", joined)
		}
		return err
	})
}

func decisionsGoWithDeployments(t T, db DB) {
	curated(t, db)
	first, other := testRecord("g", "api_1", 1).Deployment, testRecord("g", "api_2", 2).Deployment
	line := curation.Decision{
		Scope: curation.Scope{API: "api_1", Line: "2"}, Lifecycle: portal.Deprecated, Since: noon, Sunset: noon.Add(time.Hour), Successor: "pay/3",
		Note: "Move on", Actor: "per_1", At: noon,
	}
	single := curation.Decision{Scope: curation.Scope{Deployment: other.ID}, Lifecycle: portal.Retired, Since: noon, Actor: "per_1", At: noon}
	states := func(when string, want map[portal.APIID][]portal.Lifecycle) {
		t.Helper()
		view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			all, err := tx.Curation().Layer(ctx, "")
			if err != nil {
				return err
			}
			entries, err := tx.Catalog().LoadEntries(ctx, slices.Collect(maps.Keys(want)))
			if err != nil {
				return err
			}
			split := all.ByEntry(entries)
			for _, e := range entries {
				id := e.ID
				one, err := tx.Curation().Layer(ctx, id)
				if err != nil {
					return err
				}
				for _, l := range []curation.Layer{one, split[id]} {
					var got []portal.Lifecycle
					for _, d := range l.Lay(id, e.Deployments) {
						got = append(got, d.Lifecycle)
					}
					if !slices.Equal(got, want[id]) {
						t.Errorf("%s: the deployments of %s are %v; want %v", when, id, got, want[id])
					}
				}
			}
			return nil
		})
	}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return errors.Join(tx.Curation().Decide(ctx, line, []portal.DeploymentID{first.ID}), tx.Curation().Decide(ctx, line, []portal.DeploymentID{first.ID}),
			tx.Curation().Decide(ctx, single, nil))
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		l, err := tx.Curation().Layer(ctx, "api_1")
		if diff := cmp.Diff([]curation.Decision{line}, l.Decisions); diff != "" {
			t.Errorf("decision differs:\n%s", diff)
		}
		return err
	})
	states("decided", map[portal.APIID][]portal.Lifecycle{"api_1": {portal.Deprecated}, "api_2": {portal.Retired}})

	change := func(fn func(*catalog.Record)) {
		t.Helper()
		inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			r, err := s.Record(ctx, first.ID)
			if err != nil {
				return err
			}
			was := r.Fingerprint
			fn(&r)
			r.Fingerprint = r.Hash()
			return second(s.ChangeRecord(ctx, r, was))
		})
	}
	change(func(r *catalog.Record) { r.Removed = noon })
	states("removed", map[portal.APIID][]portal.Lifecycle{"api_1": nil, "api_2": {portal.Retired}})
	change(func(r *catalog.Record) { r.Removed, r.Deployment.Title = time.Time{}, "Back" })
	states("back", map[portal.APIID][]portal.Lifecycle{"api_1": {portal.Deprecated}, "api_2": {portal.Retired}})

	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.Move(ctx, first.ID, "api_2", catalog.Joining{})
	})
	states("moved", map[portal.APIID][]portal.Lifecycle{"api_2": {portal.Deprecated, portal.Retired}})
	change(func(r *catalog.Record) { r.Deployment.Line = "3" })
	states("of another line", map[portal.APIID][]portal.Lifecycle{"api_2": {portal.Active, portal.Retired}})
	change(func(r *catalog.Record) { r.Deployment.Line = "2" })

	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Curation().Undecide(ctx, single.Scope) })
	states("undone for one", map[portal.APIID][]portal.Lifecycle{"api_2": {portal.Deprecated, portal.Active}})
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Curation().Undecide(ctx, line.Scope) })
	states("undone", map[portal.APIID][]portal.Lifecycle{"api_2": {portal.Active, portal.Active}})
}

func usersOfADeployment(t T, db DB) {
	curated(t, db)
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		errs := []error{tx.People().AddOrganisation(ctx, people.Organisation{ID: "org_1", Name: "Acme", Audience: portal.Partner}), tx.Keys().AddApplication(ctx, application(1)), tx.Keys().AddApplication(ctx, application(2))}
		for n, state := range []keys.SubscriptionState{keys.Approved, keys.Requested, keys.Cancelled, keys.Approved} {
			u := subscription(n+1, state)
			u.Application, u.Organisation, u.Deployment, u.API, u.Line = portal.ApplicationID(fmt.Sprint("app_", n%2+1)), "org_1", "dep_g_1", "api_1", "2"
			u.Environment = portal.Environment(fmt.Sprint("e", n))
			if n == 3 {
				u.Line = "1"
			}
			errs = append(errs, tx.Keys().AddSubscription(ctx, u))
			if n == 0 {
				c := credentialOf(1, keys.Active)
				c.Subscription, c.Created = u.ID, noon.Add(time.Hour)
				errs = append(errs, tx.Keys().AddCredential(ctx, c))
			}
		}
		return errors.Join(errs...)
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for want, ask := range map[string]func() (curation.Usage, error){
			"{3 2 1}": func() (curation.Usage, error) { return tx.Curation().Usage(ctx, "api_1", "", "") },
			"{2 2 1}": func() (curation.Usage, error) { return tx.Curation().Usage(ctx, "api_1", "2", "dep_g_1") },
			"{0 0 0}": func() (curation.Usage, error) { return tx.Curation().Usage(ctx, "api_1", "2", "dep_g_2") },
		} {
			if got, err := ask(); err != nil || fmt.Sprint(got) != want {
				t.Errorf("usage %v, %v; want %s", got, err, want)
			}
		}
		users, err := tx.Curation().Users(ctx, "api_1", "2", "", 10)
		var named []string
		for _, u := range users {
			named = append(named, u.OrganisationName+" "+string(u.Application)+" "+u.State)
		}
		if got := strings.Join(named, ", "); got != "Acme app_1 approved, Acme app_2 requested" || !users[0].LastAct.Equal(noon.Add(time.Hour)) || !users[1].LastAct.IsZero() {
			t.Errorf("users %+v", users)
		}
		if one, _ := tx.Curation().Users(ctx, "api_1", "", "", 1); len(one) != 1 {
			t.Errorf("a limit of one: %+v", one)
		}
		return err
	})
}

func teamsMakeCallers(t T, db DB) {
	twoPeople(t, db)
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		acme, bolt := people.Organisation{ID: "org_a"}, people.Organisation{ID: "org_b"}
		errs := []error{
			p.AddTeam(ctx, people.Team{ID: "team_2", Organisation: acme, Name: "Loans", Created: noon}),
			p.AddTeam(ctx, people.Team{ID: "team_1", Organisation: acme, Name: "Cards", Created: noon}),
			p.AddTeam(ctx, people.Team{ID: "team_3", Organisation: bolt, Name: "Cards", Created: noon}),
		}
		for _, team := range []portal.TeamID{"team_2", "team_1", "team_3"} {
			added, err := p.SetTeamMember(ctx, team, "per_a", true)
			again, err2 := p.SetTeamMember(ctx, team, "per_a", true)
			if !added || again {
				t.Errorf("%s: added %v, once more %v", team, added, again)
			}
			errs = append(errs, err, err2)
		}
		return errors.Join(errs...)
	})
	if err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return tx.People().AddTeam(ctx, people.Team{ID: "team_4", Organisation: people.Organisation{ID: "org_a"}, Name: "cARDS"})
	}); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("a name for the second time: %v", err)
	}
	inPeople(t, db, func(ctx context.Context, p people.Store) error {
		c, err := p.Caller(ctx, "per_a", "org_a")
		if !slices.Equal(c.Teams, []portal.TeamID{"team_1", "team_2"}) {
			t.Errorf("teams %v", c.Teams)
		}
		b, err2 := p.Caller(ctx, "per_b", "org_b")
		if len(b.Teams) != 0 {
			t.Errorf("Bob is in %v", b.Teams)
		}
		callers, err3 := p.CallersOf(ctx, "per_a")
		for _, c := range callers {
			if in := c.Caller.Organisation; len(c.Caller.Teams) != map[portal.OrganisationID]int{"org_a": 2, "org_b": 1}[in] {
				t.Errorf("a token for %s with the teams %v", in, c.Caller.Teams)
			}
		}
		all, err4 := p.Teams(ctx, "")
		own, err5 := p.Teams(ctx, "org_b")
		if len(all) != 3 || all[0].ID != "team_1" || all[0].Size != 1 || all[0].Organisation.Name != "Acme" || len(own) != 1 || own[0].ID != "team_3" {
			t.Errorf("teams %+v, of org_b %+v", all, own)
		}
		one, err6 := p.Team(ctx, "team_1")
		if len(one.Members) != 1 || one.Members[0].ID != "per_a" || !one.Created.Equal(noon) || one.Name != "Cards" {
			t.Errorf("team %+v", one)
		}
		gone, err7 := p.SetTeamMember(ctx, "team_1", "per_a", false)
		again, err8 := p.SetTeamMember(ctx, "team_1", "per_a", false)
		left, err9 := p.Caller(ctx, "per_a", "org_a")
		if !gone || again || !slices.Equal(left.Teams, []portal.TeamID{"team_2"}) {
			t.Errorf("taken out %v, once more %v, left in %v", gone, again, left.Teams)
		}
		if err := p.RenameTeam(ctx, "team_2", "cards"); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("another team's name: %v", err)
		}
		errs := errors.Join(p.RenameTeam(ctx, "team_1", "CARDS"), p.RenameTeam(ctx, "team_3", "Loans"), p.RemoveTeam(ctx, "team_2"))
		renamed, err10 := p.Team(ctx, "team_1")
		if _, err := p.Team(ctx, "team_2"); renamed.Name != "CARDS" || !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("renamed %+v, removed: %v", renamed, err)
		}
		if c, err := p.Caller(ctx, "per_a", "org_a"); err != nil || len(c.Teams) > 0 {
			t.Errorf("still in %v, %v", c.Teams, err)
		}
		if _, err := p.Team(ctx, "none"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("a team that is none: %v", err)
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9, errs, err10)
	})
}
