package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/store"
	"concierge/portal/store/storetest"
)

// fake is a gateway in memory whose every answer a test can change.
type fake struct {
	mu          sync.Mutex
	able        connectors.Capabilities
	deployments []connectors.Deployment
	snapshot    func() (connectors.Snapshot, error) // nil: the deployments, complete
	probe       error
	documents   map[string]string
	documentErr error
	documentIn  func(connectors.DocumentRef) // called before a document is opened
	hold        chan struct{}                // Discover waits until it is closed
	opened      int                          // documents
	since       []connectors.Cursor
}

func (f *fake) Probe(context.Context) (connectors.Capabilities, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.able, f.probe
}

func (f *fake) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	f.mu.Lock()
	hold := f.hold
	f.since = append(f.since, since)
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return connectors.Snapshot{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snapshot != nil {
		return f.snapshot()
	}
	return connectors.Snapshot{Complete: true, Deployments: append([]connectors.Deployment{}, f.deployments...)}, nil
}

func (f *fake) OpenDocument(_ context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	if f.documentIn != nil {
		f.documentIn(ref)
	}
	if f.documentErr != nil {
		return nil, f.documentErr
	}
	doc, ok := f.documents[ref.ID]
	if !ok {
		return nil, portal.ErrNotFound
	}
	return io.NopCloser(strings.NewReader(doc)), nil
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// plainSealer marks what it seals, and opens it in its place only.
type plainSealer struct{}

func (plainSealer) Seal(table, row, column string, plaintext []byte) ([]byte, error) {
	return []byte(table + "/" + row + "/" + column + "\n" + string(plaintext)), nil
}

func (plainSealer) Unseal(table, row, column string, sealed []byte) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(sealed), table+"/"+row+"/"+column+"\n")
	if !ok {
		return nil, errors.New("sealed for another place")
	}
	return []byte(plain), nil
}

// desk is a service over a new database file, with gateways that are fakes by their address.
type desk struct {
	t        testing.TB
	path     string
	db       catalog.DB
	raw      storetest.DB
	gateways *Gateways
	service  *Service
	mu       sync.Mutex                      // of what follows, once syncs run
	fakes    map[string]connectors.Connector // by address
	configs  map[string]connectors.Config    // as opened last, by address
}

func newDesk(t testing.TB, opts Options) *desk {
	t.Helper()
	d := &desk{t: t, path: storetest.Address(t), fakes: map[string]connectors.Connector{}, configs: map[string]connectors.Config{}}
	d.start(opts)
	t.Cleanup(d.stop)
	return d
}

func (d *desk) start(opts Options) {
	d.t.Helper()
	raw := storetest.OpenAt(d.t, d.path, slog.New(slog.DiscardHandler))
	d.raw, d.db = raw, store.Narrow[catalog.Tx](raw)
	kinds := map[string]connectors.Kind{"fake": {Name: "fake", Settings: []connectors.Setting{{Name: "token", Secret: true}}, Open: d.open}}
	d.gateways = NewGateways(d.db, kinds, plainSealer{}, slog.New(slog.DiscardHandler))
	d.service = New(d.db, d.gateways, opts)
}

func (d *desk) stop() {
	d.service.Close()
	_ = d.raw.Close()
}

func (d *desk) open(cfg connectors.Config) (connectors.Connector, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fakes[cfg.Address]
	if f == nil {
		return nil, fmt.Errorf("there is no fake at %q: %w", cfg.Address, portal.ErrInvalid)
	}
	d.configs[cfg.Address] = cfg
	return f, nil
}

// register adds a gateway with some deployments, which is for partners in production unless they say otherwise.
func (d *desk) register(id portal.GatewayID, deployments ...connectors.Deployment) *fake {
	d.t.Helper()
	f := &fake{able: able(), deployments: deployments, documents: map[string]string{}}
	d.registerAs(id, f)
	return f
}

// registerAs adds a gateway that is c.
func (d *desk) registerAs(id portal.GatewayID, c connectors.Connector) {
	d.t.Helper()
	d.mu.Lock()
	d.fakes["fake://"+string(id)] = c
	d.mu.Unlock()
	if _, err := d.gateways.Register(context.Background(), "per_admin", registration(id)); err != nil {
		d.t.Fatal(err)
	}
}

func registration(id portal.GatewayID) Registration {
	return Registration{Gateway: catalog.Gateway{
		ID: id, Kind: "fake", Address: "fake://" + string(id), Division: "retail",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "production"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{"internal", "partner"}, Environments: []portal.Environment{"production"}},
	}, Credentials: map[string]portal.Secret{"token": portal.NewSecret("admin-canary")}}
}

func deployment(id, title string) connectors.Deployment {
	return connectors.Deployment{
		Key: connectors.Key{RemoteID: id}, Title: title, Version: "1.0.0", Public: "https://gw.example/" + id, Paths: []string{"/" + id},
		Active: true, Issue: connectors.Ability{Able: true}, Plans: []portal.Plan{{ID: "basic", Approval: portal.Automatic}},
	}
}

func withDocument(d connectors.Deployment, doc, revision string) connectors.Deployment {
	d.Document = connectors.DocumentRef{ID: doc, Revision: revision}
	return d
}

func openAPI(title, info string) string {
	return fmt.Sprintf(`{"openapi":"3.0.3","info":{"title":%q,"version":"2.1.0"%s},"paths":{"/ping":{"get":{"responses":{"200":{"description":"ok"}}}}}}`, title, info)
}

// sync runs one sync to its end.
func (d *desk) sync(id portal.GatewayID) catalog.Run {
	d.t.Helper()
	run, err := d.service.Sync(context.Background(), id, "per_admin")
	if err != nil {
		d.t.Fatal(err)
	}
	return d.wait(run)
}

func (d *desk) wait(run catalog.Run) catalog.Run {
	d.t.Helper()
	run, err := d.service.Wait(context.Background(), run.Gateway, run.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return run
}

func (d *desk) view(fn func(ctx context.Context, s catalog.Store) error) {
	d.t.Helper()
	err := d.db.View(context.Background(), func(tx catalog.Tx) error { return fn(context.Background(), tx.Catalog()) })
	if err != nil {
		d.t.Fatal(err)
	}
}

// entries returns the catalog as routing loads it, by slug.
func (d *desk) entries() map[string]catalog.Entry {
	d.t.Helper()
	all := map[string]catalog.Entry{}
	d.view(func(ctx context.Context, s catalog.Store) error {
		loaded, err := s.LoadAll(ctx)
		for _, e := range loaded {
			all[e.Slug] = e
		}
		return err
	})
	return all
}

// plan is what was kept of what a run did or would do.
func (d *desk) plan(run catalog.Run) (p catalog.Plan) {
	d.t.Helper()
	d.view(func(ctx context.Context, s catalog.Store) (err error) {
		p, err = s.Plan(ctx, run.ID)
		return err
	})
	return p
}

// dump returns every row of every table but runs and what goes with them, so that a test can say that nothing was written.
func (d *desk) dump() string {
	d.t.Helper()
	return storetest.Dump(d.t, d.raw, "runs", "plans")
}
