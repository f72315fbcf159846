package curation_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlite"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Who asks: by role, by team, and others.
var (
	owner    = access.Caller{Person: "per_owner", Organisation: "org_eu", Audience: portal.Internal, Division: "europe", Roles: []access.Role{access.APIOwner}}
	division = access.Caller{Person: "per_div", Organisation: "org_eu", Audience: portal.Internal, Division: "europe", Roles: []access.Role{access.DivisionAdministrator}}
	member   = access.Caller{Person: "per_member", Organisation: "org_eu", Audience: portal.Internal, Teams: []portal.TeamID{"team_1"}}
	foreign  = access.Caller{Person: "per_foreign", Organisation: "org_us", Audience: portal.Internal, Division: "america", Roles: []access.Role{access.APIOwner}}
	partner  = access.Caller{Person: "per_partner", Organisation: "org_p", Audience: portal.Partner, Teams: []portal.TeamID{"team_1"}, Roles: []access.Role{access.APIOwner}}
)

type world struct {
	*curation.Service
	db store.DB
}

// open makes a catalog of two entries of one division, each with a deployment of line 1.
func open(t *testing.T) world {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := world{curation.New(store.Narrow[curation.Tx](db), []portal.Audience{portal.Internal, portal.Partner, portal.Public}, func() time.Time { return noon }), db}
	w.write(t, func(ctx context.Context, tx curation.Tx) error {
		errs := []error{
			tx.Catalog().PutGateway(ctx, catalog.Gateway{ID: "g", Source: catalog.FromAPI, Created: noon, Changed: noon}),
			tx.People().AddOrganisation(ctx, people.Organisation{ID: "org_eu", Name: "Europe", Audience: portal.Internal, Division: "europe"}),
			tx.People().AddOrganisation(ctx, people.Organisation{ID: "org_p", Name: "Partner", Audience: portal.Partner}),
			tx.People().AddTeam(ctx, people.Team{ID: "team_1", Organisation: people.Organisation{ID: "org_eu"}, Name: "Cards"}),
			tx.People().AddTeam(ctx, people.Team{ID: "team_p", Organisation: people.Organisation{ID: "org_p"}, Name: "Cards"}),
		}
		for _, id := range []portal.APIID{"api_a", "api_b"} {
			r := catalog.Record{Deployment: portal.Deployment{
				ID: portal.DeploymentID("dep_" + id), Gateway: "g", RemoteID: string(id), API: id, Title: "Payments", Line: "1", Lifecycle: portal.Active, Active: true,
			}, Created: noon, Changed: noon}
			r.Fingerprint = r.Hash()
			errs = append(errs, tx.Catalog().AddEntry(ctx, catalog.Entry{ID: id, Slug: "slug-" + string(id), Division: "europe", Title: "Payments", Created: noon}), tx.Catalog().AddRecord(ctx, r))
		}
		return errors.Join(errs...)
	})
	return w
}

func (w world) write(t *testing.T, fn func(ctx context.Context, tx curation.Tx) error) {
	t.Helper()
	err := store.Narrow[curation.Tx](w.db).InTx(t.Context(), func(tx curation.Tx) error { return fn(t.Context(), tx) })
	if err != nil {
		t.Fatal(err)
	}
}

// laid is the lifecycle of every deployment of an entry, as routing sees it.
func (w world) laid(t *testing.T, api portal.APIID) (states []portal.Lifecycle) {
	t.Helper()
	w.write(t, func(ctx context.Context, tx curation.Tx) error {
		e, err := tx.Catalog().LoadEntry(ctx, api)
		if err != nil {
			return err
		}
		layer, err := tx.Curation().Layer(ctx, api)
		states = nil
		for _, d := range layer.Lay(api, e.Deployments) {
			states = append(states, d.Lifecycle)
		}
		return err
	})
	return states
}

func summary(text string) []portal.AudienceText {
	return []portal.AudienceText{{Audience: portal.Partner, Summary: text}}
}

func TestOfTwoWhoSaveOneIsTold(t *testing.T) {
	w := open(t)
	first, err := w.Save(t.Context(), owner, "api_a", curation.Draft{Publish: true, Texts: summary("first")})
	if err != nil || first.Number != 1 {
		t.Fatalf("got %+v, %v", first, err)
	}
	if _, err := w.Save(t.Context(), division, "api_a", curation.Draft{Base: 1, Texts: summary("a draft")}); err != nil {
		t.Fatal(err)
	}
	_, err = w.Save(t.Context(), owner, "api_a", curation.Draft{Base: 1, Publish: true, Texts: summary("mine")})
	var conflict *portal.ConflictError
	if !errors.As(err, &conflict) || conflict.ID != "2" {
		t.Errorf("the second who saves on top of 1: %v", err)
	}
	if p, err := w.Published(t.Context(), "api_a"); err != nil || p.Number != 1 || p.Texts[0].Summary != "first" {
		t.Errorf("consumers read %+v, %v", p, err)
	}
	past, err := w.History(t.Context(), owner, "api_a", 0, 10)
	if err != nil || len(past.Revisions) != 2 || past.Published != 1 || past.Revisions[0].Author != division.Person {
		t.Errorf("history %+v, %v", past, err)
	}
}

func TestWhoMayCurate(t *testing.T) {
	w := open(t)
	if err := w.Assign(t.Context(), division, "api_a", "team_1"); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		who access.Caller
		api portal.APIID
		may bool
	}{
		"owner": {owner, "api_a", true}, "member": {member, "api_a", true}, "member of no team of it": {member, "api_b", false},
		"another division": {foreign, "api_a", false}, "a partner who claims a team": {partner, "api_a", false}, "nobody": {access.Caller{}, "api_a", false},
	} {
		_, save := w.Save(t.Context(), tc.who, tc.api, curation.Draft{Base: 99})
		decide := w.Decide(t.Context(), tc.who, tc.api, curation.Change{Line: "1"})
		_, read := w.Newest(t.Context(), tc.who, tc.api)
		_, history := w.History(t.Context(), tc.who, tc.api, 0, 1)
		_, standing := w.Standing(t.Context(), tc.who, tc.api, "", "", 1)
		for what, err := range map[string]error{"save": save, "decide": decide, "read": read, "history": history, "standing": standing} {
			if got := !errors.Is(err, portal.ErrNotFound); got != tc.may {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
	for name, err := range map[string]error{
		"an owner gives it away":         w.Assign(t.Context(), owner, "api_a", ""),
		"a member gives it away":         w.Assign(t.Context(), member, "api_a", ""),
		"a team of a partner":            w.Assign(t.Context(), division, "api_a", "team_p"),
		"a team that is none":            w.Assign(t.Context(), division, "api_a", "team_x"),
		"a division's API, by a foreign": w.Assign(t.Context(), foreign, "api_a", "team_1"),
	} {
		if err == nil {
			t.Errorf("%s: it is done", name)
		}
	}
}

func TestTextsThatAreRefused(t *testing.T) {
	w := open(t)
	many := make([]portal.Guide, 30)
	for i := range many {
		many[i] = portal.Guide{Title: "t", Audience: portal.Public}
	}
	for name, d := range map[string]curation.Draft{
		"no audience":         {Texts: []portal.AudienceText{{Summary: "x"}}},
		"unknown audience":    {Texts: []portal.AudienceText{{Audience: "everybody", Summary: "x"}}},
		"one audience twice":  {Texts: append(summary("x"), summary("y")...)},
		"script as a link":    {Texts: []portal.AudienceText{{Audience: portal.Public, Links: []portal.TextLink{{Title: "x", Href: "javascript:alert(1)"}}}}},
		"script as a page":    {Texts: []portal.AudienceText{{Audience: portal.Public, Contact: portal.Contact{URL: "data:text/html,x"}}}},
		"a password in a URL": {Texts: []portal.AudienceText{{Audience: portal.Public, Contact: portal.Contact{URL: "https://me:secret@example.com"}}}},
		"no e-mail address":   {Texts: []portal.AudienceText{{Audience: portal.Public, Contact: portal.Contact{Email: "me"}}}},
		"a long summary":      {Texts: summary(strings.Repeat("é", 501))},
		"two lines":           {Texts: summary("a\nb")},
		"a guide for nobody":  {Guides: []portal.Guide{{Title: "x"}}},
		"a guide's title":     {Guides: []portal.Guide{{Body: "x", Audience: portal.Public}}},
		"a huge guide":        {Guides: []portal.Guide{{Title: "x", Audience: portal.Public, Body: strings.Repeat("x", curation.MaxBody+1)}}},
		"an id twice":         {Guides: []portal.Guide{{ID: "gde_1", Title: "x", Audience: portal.Public}, {ID: "gde_1", Title: "y", Audience: portal.Public}}},
		"too many guides":     {Guides: many},
	} {
		if _, err := w.Save(t.Context(), owner, "api_a", d); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A join keeps the target's texts and the decisions of both; undone, each has its own again.
func TestJoinAndSplit(t *testing.T) {
	w := open(t)
	for _, api := range []portal.APIID{"api_a", "api_b"} {
		if _, err := w.Save(t.Context(), owner, api, curation.Draft{Publish: true, Texts: summary(string(api))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Decide(t.Context(), owner, "api_a", curation.Change{Line: "1", Lifecycle: portal.Retired}); err != nil {
		t.Fatal(err)
	}
	w.write(t, func(ctx context.Context, tx curation.Tx) error {
		return errors.Join(tx.Catalog().Move(ctx, "dep_api_a", "api_b", catalog.Joining{}), tx.Catalog().HandOver(ctx, "api_a", "api_b"))
	})
	if got := w.laid(t, "api_b"); len(got) != 2 || got[0] != portal.Retired || got[1] != portal.Active {
		t.Errorf("joined: %v", got)
	}
	if p, _ := w.Published(t.Context(), "api_b"); p.Texts[0].Summary != "api_b" {
		t.Errorf("joined: consumers read %+v", p.Texts)
	}
	past, err := w.History(t.Context(), owner, "api_b", 0, 10)
	if err != nil || len(past.Joined) != 1 || past.Joined[0].API != "api_a" {
		t.Errorf("joined: history %+v, %v", past, err)
	}
	if r, err := w.Revision(t.Context(), owner, "api_b", "api_a", 0); err != nil || r.Texts[0].Summary != "api_a" {
		t.Errorf("joined: the other's texts %+v, %v", r, err)
	}
	if _, err := w.Revision(t.Context(), owner, "api_b", "api_x", 0); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("texts of an entry that was not joined: %v", err)
	}
	w.write(t, func(ctx context.Context, tx curation.Tx) error {
		return errors.Join(tx.Catalog().TakeBack(ctx, "api_a", []string{"slug-api_a"}, ""), tx.Catalog().Move(ctx, "dep_api_a", "api_a", catalog.Joining{}))
	})
	if got := w.laid(t, "api_a"); len(got) != 1 || got[0] != portal.Retired {
		t.Errorf("split: %v", got)
	}
	if p, _ := w.Published(t.Context(), "api_a"); p.Texts[0].Summary != "api_a" {
		t.Errorf("split: consumers read %+v", p.Texts)
	}
	if err := w.Decide(t.Context(), owner, "api_a", curation.Change{Line: "1"}); err != nil {
		t.Fatal(err)
	}
	if got := w.laid(t, "api_a"); got[0] != portal.Active {
		t.Errorf("taken back: %v", got)
	}
}

func TestDecisionsThatAreRefused(t *testing.T) {
	w := open(t)
	for name, tc := range map[string]struct {
		change curation.Change
		want   error
	}{
		"no such state":         {curation.Change{Line: "1", Lifecycle: "zombie"}, portal.ErrInvalid},
		"no such line":          {curation.Change{Line: "9", Lifecycle: portal.Retired}, portal.ErrNotFound},
		"another's deployment":  {curation.Change{Line: "1", Deployment: "dep_api_b", Lifecycle: portal.Retired}, portal.ErrNotFound},
		"an active sunset":      {curation.Change{Line: "1", Lifecycle: portal.Active, Sunset: noon}, portal.ErrInvalid},
		"a sunset of long ago":  {curation.Change{Line: "1", Lifecycle: portal.Retired, Sunset: time.Unix(1, 0)}, portal.ErrInvalid},
		"a preview's successor": {curation.Change{Line: "1", Lifecycle: portal.Preview, Successor: "x"}, portal.ErrInvalid},
	} {
		if err := w.Decide(t.Context(), owner, "api_a", tc.change); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.laid(t, "api_a"); got[0] != portal.Active {
		t.Errorf("after all that: %v", got)
	}
	if err := w.Decide(t.Context(), owner, "api_b", curation.Change{Line: "1", Deployment: "dep_api_b", Lifecycle: portal.Deprecated}); err != nil {
		t.Fatal(err)
	}
	err := w.Decide(t.Context(), owner, "api_a", curation.Change{Line: "1", Deployment: "dep_api_b"})
	if got := w.laid(t, "api_b"); !errors.Is(err, portal.ErrNotFound) || got[0] != portal.Deprecated {
		t.Errorf("taking back what is decided about another's deployment: %v, %v", err, got)
	}
}
