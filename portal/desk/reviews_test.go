package desk

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/seal"
	"concierge/portal/store"
	"concierge/portal/store/storetest"
)

// shelf is a gateway in memory with one deployment and its keys.
type shelf struct {
	deployment connectors.Deployment
	mu         sync.Mutex
	keys       map[portal.CredentialID]connectors.Mark
}

func (g *shelf) Probe(context.Context) (connectors.Capabilities, error) {
	return connectors.Capabilities{Product: "Shelf 1", Discovery: connectors.DiscoverSnapshot, Issue: connectors.Ability{Able: true}, Identity: connectors.OpaqueIDs}, nil
}

func (g *shelf) Discover(context.Context, connectors.Cursor) (connectors.Snapshot, error) {
	return connectors.Snapshot{Complete: true, Deployments: []connectors.Deployment{g.deployment}}, nil
}

func (g *shelf) OpenDocument(context.Context, connectors.DocumentRef) (io.ReadCloser, error) {
	return nil, portal.ErrNotFound
}

func (g *shelf) Issue(_ context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[req.Mark.Credential] = req.Mark
	return connectors.Issued{Progress: connectors.Done, Parts: []connectors.Part{{In: "header", Name: "X-Key", Value: req.Value}}}, nil
}

func (g *shelf) Status(context.Context, connectors.Mark, connectors.Handle) (connectors.Issued, error) {
	return connectors.Issued{}, portal.ErrNotFound
}

func (g *shelf) Find(_ context.Context, mark connectors.Mark) (connectors.Found, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.keys[mark.Credential]; !ok {
		return connectors.Found{}, portal.ErrNotFound
	}
	return connectors.Found{Mark: mark}, nil
}

func (g *shelf) Revoke(_ context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Revoked, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.keys, mark.Credential)
	return connectors.Revoked{}, nil
}

func (g *shelf) List(context.Context, connectors.Cursor, int) ([]connectors.Found, connectors.Cursor, error) {
	return nil, "", nil
}

func (g *shelf) has(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.keys[portal.CredentialID(id)]
	return ok
}

// estate is a portal with two gateways, each with an API of the division freight.
func estate(t *testing.T) (service *Service, gateways map[string]*shelf) {
	t.Helper()
	db := storetest.Open(t)
	box, _, err := seal.Open(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	gateways = map[string]*shelf{}
	for id, title := range map[string]string{"a": "Parcel Tracking", "b": "Crew Rostering"} {
		gateways["shelf://"+id] = &shelf{keys: map[portal.CredentialID]connectors.Mark{}, deployment: connectors.Deployment{
			Key: connectors.Key{RemoteID: "svc"}, Title: title, Version: "1.0.0", Public: "https://" + id + ".example/v1", Active: true,
			Issue: connectors.Ability{Able: true}, Plans: []portal.Plan{{ID: "basic", Approval: portal.Automatic}},
		}}
	}
	kinds := map[string]connectors.Kind{"shelf": {Name: "shelf", Open: func(c connectors.Config) (connectors.Connector, error) { return gateways[c.Address], nil }}}
	narrow := store.Narrow[catalog.Tx](db)
	registry := ingest.NewGateways(narrow, kinds, box, log)
	syncs := ingest.New(narrow, registry, ingest.Options{})
	t.Cleanup(syncs.Close)
	live := routing.NewLive(routing.Config{Environments: []portal.Environment{portal.Production}, Audiences: access.DefaultAudiences}, Source(db), log)
	ring := keys.NewService(store.Narrow[keys.Tx](db), Router(live), registry, box, keys.Options{Policy: keys.Policy{{Approval: portal.Automatic}}})
	for _, id := range []portal.GatewayID{"a", "b"} {
		_, err := registry.Register(t.Context(), "c", ingest.Registration{Gateway: catalog.Gateway{
			ID: id, Kind: "shelf", Address: "shelf://" + string(id), Division: "freight",
			Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "production"},
			Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal}, Environments: []portal.Environment{portal.Production}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		run, err := syncs.Sync(t.Context(), id, "c")
		if err == nil {
			run, err = syncs.Wait(t.Context(), id, run.ID)
		}
		if err != nil || run.State != catalog.Applied {
			t.Fatalf("%+v, %v", run, err)
		}
	}
	err = store.Narrow[people.Tx](db).InTx(t.Context(), func(tx people.Tx) error {
		o := people.Organisation{ID: "i", Name: "Freight", Audience: portal.Internal, Division: "freight", Created: time.Unix(1, 0).UTC()}
		if err := tx.People().AddOrganisation(t.Context(), o); err != nil {
			return err
		}
		for _, c := range []access.Caller{engineer, owner} {
			p := people.Person{ID: c.Person, Name: string(c.Person), Email: string(c.Person) + "@example.com", Memberships: []people.Membership{{Organisation: o, Roles: c.Roles}}, Created: o.Created}
			if err := tx.People().AddPerson(t.Context(), p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(Parts{DB: db, Live: live, Keys: ring, Ingest: syncs, Gateways: registry, Kinds: kinds, Sealer: box}), gateways
}

// Keys survive what people do to entries: the same credential goes on, bound where it was, and can be revoked.
func TestKeysSurviveJoinsAndSplits(t *testing.T) {
	service, gateways := estate(t)
	use, govern := service.For(engineer), service.For(owner)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	type held struct{ api, title, app, subscription, credential, address string }
	var all []held
	for slug, address := range map[string]string{"parcel-tracking": "https://a.example/v1", "crew-rostering": "https://b.example/v1"} {
		app, err := use.CreateApplication(ctx, api.NewApplication{Name: slug})
		check(err)
		sub, err := use.Subscribe(ctx, api.NewSubscription{Application: app.ID, API: slug, Environment: "production"})
		check(err)
		claim, err := use.Claim(ctx, sub.ID)
		check(err)
		all = append(all, held{slug, sub.Title, app.ID, sub.ID, claim.Credential.ID, address})
	}
	holds := func(when string) {
		t.Helper()
		check(service.Live.Refresh(ctx))
		for _, h := range all {
			d, err := use.Resolve(ctx, api.ResolveQuery{API: h.api, Environment: "production", Application: h.app})
			if err != nil || d.BaseURL != h.address || !slices.ContainsFunc(d.Why, func(r api.Reason) bool { return r.Code == "binding" }) {
				t.Errorf("%s: the application of %s is sent to %+v, %v", when, h.api, d, err)
			}
			c, err := use.Credential(ctx, h.credential)
			if err != nil || c.State != "active" {
				t.Errorf("%s: the key of %s is %+v, %v", when, h.api, c, err)
			}
		}
	}
	holds("before")
	newcomer := func(name string) string {
		t.Helper()
		d, err := use.Resolve(ctx, api.ResolveQuery{API: name, Environment: "production"})
		check(err)
		return d.BaseURL
	}
	joined, err := govern.JoinAPI(ctx, "crew-rostering", api.Target{Into: "parcel-tracking"})
	check(err)
	holds("joined")
	if got := newcomer("parcel-tracking"); got != "https://a.example/v1" {
		t.Errorf("whoever asked for what stays is sent to %s", got)
	}
	_, err = govern.UndoEntryAct(ctx, "parcel-tracking", joined.Acts[0].ID)
	check(err)
	holds("undone")
	if got := newcomer("crew-rostering"); got != "https://b.example/v1" {
		t.Errorf("after the undoing a newcomer is sent to %s", got)
	}
	joined, err = govern.JoinAPI(ctx, "crew-rostering", api.Target{Into: "parcel-tracking"})
	check(err)
	i := slices.IndexFunc(joined.Deployments, func(d api.EntryDeployment) bool { return d.Gateway == "b" })
	split, err := govern.SplitAPI(ctx, "parcel-tracking", api.Chosen{Deployments: []string{joined.Deployments[i].ID}})
	check(err)
	for n := range all { // the old name answers where it was; the deployment has another one now
		if all[n].api == "crew-rostering" {
			all[n].api = split.API
		}
	}
	holds("split")
	for _, h := range all {
		sub, err := use.Subscription(ctx, h.subscription)
		if err != nil || sub.Title != h.title {
			t.Errorf("subscription %+v, %v; want one of %s", sub, err, h.title)
		}
		if _, err := use.Revoke(ctx, h.credential); err != nil {
			t.Errorf("revoking the key of %s: %v", h.api, err)
		}
	}
	for address, g := range gateways {
		for _, h := range all {
			if g.has(h.credential) {
				t.Errorf("%s still has the key of %s", address, h.api)
			}
		}
	}
	if _, err := service.For(stranger).Composition(ctx, "parcel-tracking"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("another division sees what it is made of: %v", err)
	}
}

// TestJoiningAsksAboutWhatOneSees: an API of another division that the caller does not see is as one that does not exist;
// asked about one that they see, they are told which question that is.
func TestJoiningAsksAboutWhatOneSees(t *testing.T) {
	service, gateways := estate(t)
	ctx := t.Context()
	for id, placed := range map[portal.GatewayID]map[portal.Axis]string{
		"seen":   {portal.AxisAudience: "internal", portal.AxisEnvironment: "production"},
		"unseen": {portal.AxisAudience: "internal"},
	} {
		gateways["shelf://"+string(id)] = &shelf{deployment: connectors.Deployment{Key: connectors.Key{RemoteID: "svc"}, Title: string(id), Public: "https://x.example", Active: true}}
		_, err := service.Gateways.Register(ctx, "c", ingest.Registration{Gateway: catalog.Gateway{ID: id, Kind: "shelf", Address: "shelf://" + string(id), Division: "parcel", Defaults: placed}})
		if err != nil {
			t.Fatal(err)
		}
		run, err := service.Ingest.Sync(ctx, id, "c")
		if err == nil {
			_, err = service.Ingest.Wait(ctx, id, run.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	govern := service.For(owner)
	var asked *portal.ConflictError
	if _, err := govern.JoinAPI(ctx, "crew-rostering", api.Target{Into: "seen"}); !errors.As(err, &asked) || asked.Kind != "review" {
		t.Errorf("one that they see: %v", err)
	}
	_, none := govern.JoinAPI(ctx, "crew-rostering", api.Target{Into: "nothing"})
	_, unseen := govern.JoinAPI(ctx, "crew-rostering", api.Target{Into: "unseen"})
	if !errors.Is(unseen, portal.ErrNotFound) || errors.As(unseen, &asked) || !errors.Is(none, portal.ErrNotFound) {
		t.Errorf("one that they do not see: %v; one that does not exist: %v", unseen, none)
	}
}
