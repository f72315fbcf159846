package site_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/seal"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/store/sqlite"
)

// patience is how long tests wait for what comes by itself, on a busy machine.
const patience = 30 * time.Second

const plant portal.Site = "plant"

// world is a portal with a database, and its workers.
type world struct {
	t       *testing.T
	db      site.DB
	box     *seal.Box
	service *site.Service
	server  *httptest.Server
	portal  *site.Portal
	log     *lockedBuffer
	clock   *clock

	mu   sync.Mutex
	back []portal.GatewayID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	folder := t.TempDir()
	box, _, err := seal.Open(filepath.Join(folder, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := sqlite.Open(t.Context(), filepath.Join(folder, "concierge.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("%v", err)
	}
	db := store.Narrow[site.Tx](kept)
	w := &world{t: t, db: db, box: box, log: &lockedBuffer{}, clock: &clock{}}
	w.service = site.New(w.db, box, site.Options{Log: w.logger(), Now: w.clock.now, Back: func(_ context.Context, ids []portal.GatewayID) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.back = append(w.back, ids...)
	}})
	mux := http.NewServeMux()
	for _, r := range w.service.Routes() {
		mux.Handle("POST "+r.Pattern, r.Handler)
	}
	w.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		w.service.Stop()
		w.server.Close()
		if err := kept.Close(); err != nil {
			t.Errorf("%v", err)
		}
	})
	if w.portal, err = site.NewPortal(w.server.URL, nil, false); err != nil {
		t.Fatalf("%v", err)
	}
	return w
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// register makes gateways known to the portal.
func (w *world) register(at portal.Site, ids ...portal.GatewayID) {
	w.t.Helper()
	err := w.db.InTx(w.t.Context(), func(tx site.Tx) error {
		for _, id := range ids {
			g := catalog.Gateway{ID: id, Title: string(id), Kind: "sample", Site: at, Source: catalog.FromConfiguration, Created: time.Now(), Changed: time.Now()}
			if err := tx.Catalog().PutGateway(w.t.Context(), g); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("registering: %v", err)
	}
}

// join enrols a worker that is not started yet.
func (w *world) join(at portal.Site, folder string, gateways map[portal.GatewayID]connectors.Connector) *site.Runner {
	w.t.Helper()
	_, token, err := w.service.CreateEnrolment(w.t.Context(), "per_root", at)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	id, err := site.Join(w.t.Context(), w.portal, at, filepath.Join(folder, "worker.json"), token, "host", "1.0")
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	r := &site.Runner{Portal: w.portal, Identity: id, Gateways: map[portal.GatewayID]site.Held{}, Name: "host", Version: "1.0", Log: w.logger()}
	for id, c := range gateways {
		r.Gateways[id] = site.Held{Kind: "sample", Connector: c}
	}
	return r
}

// start runs a worker until stop, which waits for its end; so does the end of the test.
func (w *world) start(r *site.Runner) (stop func() error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, patience) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	w.t.Cleanup(func() { _ = stop() })
	return stop
}

// served waits until a worker serves the gateway, or none does.
func (w *world) served(gateway portal.GatewayID, want site.State) {
	w.t.Helper()
	w.eventually("gateway "+string(gateway)+" is "+string(want), func() bool {
		states, err := w.service.States(w.t.Context())
		return err == nil && states(plant, gateway) == want
	})
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			w.t.Fatalf("not after %s: %s\n%s", patience, what, w.log)
		}
	}
}

// clock is the true one, moved.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// lockedBuffer takes log lines from anywhere.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
