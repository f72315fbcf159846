package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/jobs"
	"concierge/portal/keys"
	"concierge/portal/outbound"
	"concierge/portal/store"
	"concierge/portal/telemetry"
	"concierge/portal/web"
)

const logFormatFlag = "log-format"

// logFormat is a flag that takes the names of two formats.
type logFormat struct{ name string }

func (f *logFormat) String() string { return f.name }

// Type implements pflag.Value: cobra's GetString asks for it.
func (f *logFormat) Type() string { return "string" }

func (f *logFormat) Set(name string) error {
	if name != "text" && name != "json" {
		return errors.New("write text or json")
	}
	f.name = name
	return nil
}

// newLogger writes lines of text, or JSON, that carry the ids of the request and trace that they belong to.
func newLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(web.LogHandler(h, telemetry.LogAttrs))
}

// newTelemetry counts and traces a portal on a database.
func newTelemetry(ctx context.Context, c config, log *slog.Logger) (*telemetry.Telemetry, error) {
	// The collector is named by whoever starts the program, and is near it as a rule.
	client, err := outbound.NewClient(outbound.Policy{Allow: anywhere, Setting: "nothing"}, outbound.Options{Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	engine := "sqlite"
	if onPostgres(c.Database) {
		engine = "postgres"
	}
	return telemetry.New(ctx, telemetry.Options{Version: version(), Database: engine, Client: client, Propagate: c.Traces.ToGateways, Log: log})
}

// anywhere leaves out what is never reached: link-local and metadata addresses.
var anywhere = []outbound.Network{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, {Prefix: netip.MustParsePrefix("::/0")}}

// observed is a database whose transactions are counted.
type observed struct {
	database
	seen store.DB
}

func (o observed) InTx(ctx context.Context, fn func(store.Tx) error) error {
	return o.seen.InTx(ctx, fn)
}
func (o observed) View(ctx context.Context, fn func(store.Tx) error) error {
	return o.seen.View(ctx, fn)
}

// state is what the metrics say of this portal. What this process knows is in it also with an error.
func (s *server) state(ctx context.Context) (telemetry.State, error) {
	status := s.live.Status()
	state := telemetry.State{
		Table: telemetry.Table{Version: s.live.Table().Version(), Current: status.Current, Rebuild: status.Rebuild},
		Pools: s.db.Pools(), Traffic: s.traffic(),
	}
	var gateways []telemetry.Gateway
	err := store.Narrow[catalog.Tx](s.db).View(ctx, func(tx catalog.Tx) error {
		all, err := tx.Catalog().Gateways(ctx, "", 0)
		if err != nil {
			return err
		}
		gateways = make([]telemetry.Gateway, len(all))
		for i, g := range all {
			standing, err := tx.Catalog().Standing(ctx, g.ID)
			if err != nil {
				return err
			}
			gateways[i] = gatewayState(g.ID, standing)
		}
		return nil
	})
	if err != nil {
		return state, err
	}
	state.Gateways = gateways
	var acts []keys.ActCount
	err = store.Narrow[keys.Tx](s.db).View(ctx, func(tx keys.Tx) (err error) {
		acts, err = tx.Keys().CountOpenActs(ctx)
		return err
	})
	for _, a := range acts {
		state.Acts = append(state.Acts, telemetry.Acts{Kind: string(a.Kind), Phase: string(a.Phase), Open: a.Open, Oldest: a.Oldest})
	}
	if err != nil {
		return state, err
	}
	sites, err := s.sites.Sites(ctx)
	for _, at := range sites {
		if at.Name == portal.SiteLocal {
			continue // it has no workers
		}
		seen := telemetry.Site{Name: string(at.Name), Waiting: at.Waiting}
		for _, w := range at.Workers {
			if w.Connected(s.sites.Now()) {
				seen.Workers++
			}
		}
		state.Sites = append(state.Sites, seen)
	}
	if err != nil {
		return state, err
	}
	state.Jobs, err = s.countJobs(ctx)
	return state, err
}

// traffic says how this process gets on with the gateways that it has called.
func (s *server) traffic() (all []telemetry.Traffic) {
	for id, p := range s.gateways.Paces() {
		all = append(all, telemetry.Traffic{Gateway: string(id), Open: p.Open, Waiting: p.Waiting, Watching: s.ingest.Watching(id)})
	}
	return all
}

// countJobs counts those that are not over, a thousand at most.
func (s *server) countJobs(ctx context.Context) (counts []telemetry.Jobs, err error) {
	type kindState struct {
		kind  string
		state jobs.State
	}
	found := map[kindState]int{}
	var after string
	for range 5 {
		page, next, err := s.jobs.Jobs(ctx, jobs.Filter{}, after, 200)
		if err != nil {
			return nil, err
		}
		for _, j := range page {
			if j.Ended.IsZero() {
				found[kindState{j.Kind, j.State}]++
			} else {
				next = "" // those that are over follow those that are not
			}
		}
		if after = next; after == "" {
			break
		}
	}
	for of, n := range found {
		counts = append(counts, telemetry.Jobs{Kind: of.kind, State: string(of.state), Count: n})
	}
	return counts, nil
}

// syncEnded counts a sync.
func (s *server) syncEnded(run catalog.Run) {
	s.telemetry.Synced(string(run.Gateway), string(run.State))
}

func gatewayState(id portal.GatewayID, st catalog.Standing) telemetry.Gateway {
	g := telemetry.Gateway{ID: string(id), Deployments: st.Deployments, Unclassified: st.Unclassified}
	if st.LastRun != nil {
		g.LastSync = string(st.LastRun.State)
	}
	if st.LastGood != nil {
		g.LastGood = st.LastGood.Ended
	}
	return g
}

// serveMetrics answers /metrics on an address of its own until stop is called.
func (s *server) serveMetrics(address string) (stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s for metrics: %w; stop what uses it, or choose another address with metrics_listen", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.telemetry.Metrics())
	h := &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	s.running.Go(func() {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics are not served any more; restart the portal", "error", err)
		}
	})
	s.log.Info("serving metrics", "address", l.Addr().String())
	return func() { _ = h.Close() }, nil
}
