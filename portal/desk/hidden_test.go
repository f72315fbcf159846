package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/store"
)

// crew is a team without a role over APIs.
var crew = access.Caller{Person: "m", Organisation: "i", Audience: portal.Internal, Division: "freight", Teams: []portal.TeamID{"crew"}}

// hiding is the estate with gateways whose deployments are not told to everybody: each with its division, its API's explicit
// id and, but for those that stay unclassified, an audience and an environment.
func hiding(t *testing.T) *Service {
	t.Helper()
	service, gateways := estate(t)
	ctx := t.Context()
	service.Curation = curation.New(store.Narrow[curation.Tx](service.DB), []portal.Audience{portal.Internal, portal.Partner, portal.Public}, nil)
	placed := map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "production"}
	for _, g := range []struct {
		id       portal.GatewayID
		division portal.Division
		entry    string
		defaults map[portal.Axis]string
	}{
		{"rates", "freight", "rates", placed},
		{"quokka-rates", "freight", "rates", nil},
		{"quokka-a", "parcel", "labels", nil},
		{"quokka-b", "parcel", "labels", nil},
		{"quokka-c", "parcel", "labels", nil},
		{"labels", "parcel", "labels", placed},
		{"quokka-plan", "parcel", "quokka-plan", nil},
	} {
		title := g.entry
		if g.defaults == nil {
			title = "Quokka " + g.entry
		}
		gateways["shelf://"+string(g.id)] = &shelf{deployment: connectors.Deployment{
			Key: connectors.Key{RemoteID: "remote-" + string(g.id)}, API: g.entry, Title: title, Version: "1.0.0", Public: "https://" + string(g.id) + ".example", Active: true,
			Upstream: "behind-" + string(g.id) + ".svc:8080",
		}}
		_, err := service.Gateways.Register(ctx, "c", ingest.Registration{Gateway: catalog.Gateway{
			ID: g.id, Kind: "shelf", Address: "shelf://" + string(g.id), Division: g.division, Defaults: g.defaults,
		}})
		if err != nil {
			t.Fatal(err)
		}
		run, err := service.Ingest.Sync(ctx, g.id, "c")
		if err == nil {
			_, err = service.Ingest.Wait(ctx, g.id, run.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := store.Narrow[curation.Tx](service.DB).InTx(ctx, func(tx curation.Tx) error {
		team := people.Team{ID: "crew", Organisation: people.Organisation{ID: "i"}, Name: "Crew", Created: time.Unix(1, 0).UTC()}
		err := tx.People().AddTeam(ctx, team)
		for _, c := range []access.Caller{chief, crew} {
			in := []people.Membership{{Organisation: team.Organisation, Roles: c.Roles}}
			err = errors.Join(err, tx.People().AddPerson(ctx, people.Person{ID: c.Person, Name: string(c.Person), Email: string(c.Person) + "@example.com", Memberships: in, Created: team.Created}))
		}
		return err
	})
	if err == nil {
		_, err = service.Live.Newest(ctx)
	}
	if err == nil {
		_, err = service.For(chief).AssignTeam(ctx, "rates", "crew")
	}
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// TestTeamsAndTheUnclassified: whoever owns an API by their team alone neither reads of its deployments without audience or
// environment nor decides about them.
func TestTeamsAndTheUnclassified(t *testing.T) {
	service, ctx := hiding(t), t.Context()
	all, err := service.For(owner).VersionLifecycle(ctx, "rates", "1")
	if err != nil || len(all.Deployments) != 2 {
		t.Fatalf("who governs it reads of %d, %v", len(all.Deployments), err)
	}
	team := service.For(crew)
	told, err := team.VersionLifecycle(ctx, "rates", "1")
	if text := fmt.Sprintf("%+v", told); err != nil || len(told.Deployments) != 1 || strings.Contains(text, "quokka") {
		t.Errorf("the team reads %s, %v", text, err)
	}
	for _, d := range all.Deployments {
		_, err := team.SetVersionLifecycle(ctx, "rates", "1", api.NewLifecycle{Lifecycle: "deprecated", Deployment: d.ID})
		if hidden := strings.HasPrefix(d.Gateway, "quokka"); hidden != errors.Is(err, portal.ErrNotFound) || !hidden && err != nil {
			t.Errorf("the team decides about the deployment on %s: %v", d.Gateway, err)
		}
	}
}

// TestSuccessorsThatAreHidden: what owners neither see nor own is not named to them as a successor, whoever decided so.
func TestSuccessorsThatAreHidden(t *testing.T) {
	service, ctx := hiding(t), t.Context()
	for _, named := range []string{"quokka-plan", "labels"} {
		shown, err := service.For(chief).SetVersionLifecycle(ctx, "rates", "1", api.NewLifecycle{Lifecycle: "deprecated", Successor: named})
		if err != nil || shown.Decision.Successor != named {
			t.Fatalf("%s: %+v, %v", named, shown, err)
		}
		shown, err = service.For(owner).VersionLifecycle(ctx, "rates", "1")
		if err != nil {
			t.Fatal(err)
		}
		want := named
		if named == "quokka-plan" {
			want = ""
		}
		if got := []string{shown.Decision.Successor, shown.Deployments[0].Successor}; got[0] != want || got[1] != want {
			t.Errorf("the successor %s is told as %q", named, got)
		}
	}
}

// TestAskedAboutWhatOneSees: the question that asking for another division's API raises is about a deployment that the caller
// sees, and tells nothing of how that division's gateway names it or what is behind it. Those of the other side are told.
func TestAskedAboutWhatOneSees(t *testing.T) {
	service, ctx := hiding(t), t.Context()
	var asked *portal.ConflictError
	if _, err := service.For(owner).JoinAPI(ctx, "rates", api.Target{Into: "labels"}); !errors.As(err, &asked) {
		t.Fatal(err)
	}
	sides := func(who access.Caller) (rates, labels api.ReviewSide) {
		t.Helper()
		v, err := service.For(who).Review(ctx, asked.ID)
		if err != nil || v.Other == nil {
			t.Fatalf("%+v, %v", v, err)
		}
		if v.One.API == "rates" {
			return v.One, *v.Other
		}
		return *v.Other, v.One
	}
	rates, labels := sides(owner)
	if d := labels.Deployment; d.Gateway != "labels" || d.RemoteID+d.Upstream != "" {
		t.Errorf("they are told of %+v", d)
	}
	if text := strings.ToLower(fmt.Sprintf("%+v", labels)); strings.Contains(text, "quokka") || len(labels.Deployment.Reasons) > 0 {
		t.Errorf("they are told %s", text)
	}
	if d := rates.Deployment; d.Gateway != "rates" || d.RemoteID == "" || d.Upstream == "" {
		t.Errorf("of their own they are told %+v", d)
	}
	rates, labels = sides(stranger)
	if d := rates.Deployment; d.Gateway != "rates" || d.RemoteID+d.Upstream != "" {
		t.Errorf("the others are told of %+v", d)
	}
	if d := labels.Deployment; d.RemoteID == "" || d.Upstream == "" {
		t.Errorf("of their own the others are told %+v", d)
	}
}

// TestNamesInOtherShapes: what is hidden is as missing by whatever name it is asked for.
func TestNamesInOtherShapes(t *testing.T) {
	service, ctx := hiding(t), t.Context()
	hidden, ok := service.Live.Table().Named("quokka-plan")
	if !ok {
		t.Fatal("there is no such API")
	}
	asks := map[string]func(d api.Desk, ctx context.Context, name string) error{
		"API":         func(d api.Desk, ctx context.Context, n string) error { _, err := d.API(ctx, n); return err },
		"composition": func(d api.Desk, ctx context.Context, n string) error { _, err := d.Composition(ctx, n); return err },
		"split": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.SplitAPI(ctx, n, api.Chosen{})
			return err
		},
		"join from": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.JoinAPI(ctx, n, api.Target{Into: "rates"})
			return err
		},
		"join into": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.JoinAPI(ctx, "rates", api.Target{Into: n})
			return err
		},
		"undo": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.UndoEntryAct(ctx, n, "x")
			return err
		},
		"texts": func(d api.Desk, ctx context.Context, n string) error { _, err := d.Texts(ctx, n, 0, ""); return err },
		"lifecycle": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.VersionLifecycle(ctx, n, "1")
			return err
		},
		"decide": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.SetVersionLifecycle(ctx, n, "1", api.NewLifecycle{Lifecycle: "zombie"})
			return err
		},
		"consumers": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.Consumers(ctx, api.ConsumersQuery{API: n})
			return err
		},
		"documents": func(d api.Desk, ctx context.Context, n string) error { _, err := d.OwnDocuments(ctx, n); return err },
		"resolve": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.Resolve(ctx, api.ResolveQuery{API: n, Environment: "production"})
			return err
		},
		"deployment": func(d api.Desk, ctx context.Context, n string) error { _, err := d.Deployment(ctx, n); return err },
		"document": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.DeploymentDocument(ctx, n)
			return err
		},
		"gateway": func(d api.Desk, ctx context.Context, n string) error { _, err := d.Gateway(ctx, n); return err },
		"runs": func(d api.Desk, ctx context.Context, n string) error {
			_, err := d.Runs(ctx, n, api.Paging{})
			return err
		},
		"review": func(d api.Desk, ctx context.Context, n string) error { _, err := d.Review(ctx, n); return err },
		"thaw":   func(d api.Desk, ctx context.Context, n string) error { _, err := d.Thaw(ctx, n, ""); return err },
	}
	names := []string{
		"quokka-plan", "QUOKKA-PLAN", string(hidden.ID), string(hidden.Deployments[0].ID), strings.ToUpper(string(hidden.ID)), "quokka-plan ",
		"../quokka-plan", "quokka-plan/", "%2fquokka-plan", strings.Repeat("q", 100_000), "no-such-thing",
	}
	for _, who := range []access.Caller{owner, crew, engineer} {
		for what, ask := range asks {
			for _, name := range names {
				if err := ask(service.For(who), ctx, name); !errors.Is(err, portal.ErrNotFound) {
					t.Errorf("%s asks for %s of %.40q: %v", who.Person, what, name, err)
				}
			}
		}
	}
}
