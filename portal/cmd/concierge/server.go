package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/connectors/caddy"
	"concierge/connectors/expressgateway"
	"concierge/connectors/kong"
	"concierge/connectors/sample"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/desk"
	"concierge/portal/document"
	"concierge/portal/ingest"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/seal"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/web"
	v1 "concierge/portal/web/v1"
)

// kinds are the gateways that this program can talk to.
var kinds = map[string]connectors.Kind{
	caddy.Kind.Name:          caddy.Kind,
	expressgateway.Kind.Name: expressgateway.Kind,
	kong.Kind.Name:           kong.Kind,
	sample.Kind.Name:         sample.Kind,
}

// server is a running portal.
type server struct {
	config  config
	log     *slog.Logger
	db      database
	people  *people.Service
	ingest  *ingest.Service
	live    *routing.Live
	keys    *keys.Service
	sites   *site.Service
	router  *web.Router
	handler http.Handler

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// open wires the portal and starts what it does in the background. Close it.
func open(ctx context.Context, c config, gateways []ingest.Registration, log *slog.Logger) (*server, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the data: %w; create it or choose another with data", err)
	}
	db, err := openDatabase(ctx, c.Database, log)
	if err != nil {
		return nil, err
	}
	s := &server{config: c, log: log, db: db}
	if err := s.wire(ctx, gateways); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *server) wire(ctx context.Context, registrations []ingest.Registration) error {
	c := s.config
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w; name another one with data", err)
	}
	box, err := openBox(ctx, s.db, c.KeyFile)
	if err != nil {
		return err
	}
	if err := compareConfiguration(ctx, s.db, c, s.log); err != nil {
		return err
	}
	catalogDB := store.Narrow[catalog.Tx](s.db)
	gateways := ingest.NewGateways(catalogDB, kinds, box, s.log)
	s.sites = site.New(store.Narrow[site.Tx](s.db), box, site.Options{Back: s.back, Log: s.log})
	gateways.Through(s.sites)
	if err := gateways.Configure(ctx, registrations); err != nil {
		return err
	}
	s.people, err = people.New(store.Narrow[people.Tx](s.db), people.Options{Audiences: audiences(c.Audiences), Log: s.log, Fingerprint: box.Fingerprint})
	if err != nil {
		return err
	}
	s.ingest = ingest.New(catalogDB, gateways, ingest.Options{Log: s.log})
	s.live = routing.NewLive(routing.Config{Environments: c.Environments, Audiences: c.Audiences}, desk.Source(s.db), s.log)
	if err := s.live.Refresh(ctx); err != nil {
		return err
	}
	s.keys = keys.NewService(store.Narrow[keys.Tx](s.db), desk.Router(s.live), gateways, box, keys.Options{
		Policy: c.policy(), CallTimeout: c.Keys.CallTimeout, Reconcile: c.Keys.Reconcile, Log: s.log,
	})
	d := desk.New(desk.Parts{
		DB: s.db, Live: s.live, Keys: s.keys, Policy: c.policy(), People: s.people, Ingest: s.ingest, Gateways: gateways, Kinds: kinds, Sealer: box,
	})
	if err := s.routes(d, box); err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	for name, run := range map[string]func(context.Context){
		"people": s.people.Run, "routing": s.live.Run, "keys": s.keys.Sweep, "requests": s.forgetRequests, "sites": s.sites.Run,
		"ingest": func(ctx context.Context) {
			if err := s.ingest.Serve(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("gateways are not synced any more; restart the portal", "error", err)
			}
		},
	} {
		s.running.Go(func() {
			run(background)
			s.log.Debug("background work ended", "part", name)
		})
	}
	return nil
}

// back lets what waits for gateways go on: their worker is there again.
func (s *server) back(ctx context.Context, gateways []portal.GatewayID) {
	if err := s.keys.Hurry(ctx, gateways); err != nil {
		s.log.Warn("acts on gateways that are back wait for their time", "gateways", gateways, "error", err)
	}
	for _, id := range gateways {
		if _, err := s.ingest.Sync(ctx, id, ingest.ScheduleActor); err != nil && !errors.Is(err, portal.ErrConflict) {
			s.log.Warn("a gateway that is back is synced at its time", "gateway", id, "error", err)
		}
	}
}

func audiences(a access.Audiences) []portal.Audience {
	var all []portal.Audience
	for own := range a {
		all = append(all, own)
	}
	return all
}

// routes registers everything that the portal answers.
func (s *server) routes(d *desk.Service, box *seal.Box) error {
	s.router = web.NewRouter()
	v1.Register(s.router, v1.Options{
		Caller: s.caller, Desk: d.For, State: func() any { return s.live.Table() }, Requests: s.db, Fingerprint: box.Fingerprint, PublicURL: s.config.PublicURL, Log: s.log,
	})
	health := func(pattern string, ok func(context.Context) error) {
		s.router.Handle(web.Route{Method: http.MethodGet, Pattern: pattern, Surface: web.SurfaceOperations, Access: web.AccessAnonymous},
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.Header().Set("Cache-Control", "no-store")
				if err := ok(r.Context()); err != nil {
					s.log.Warn("not ready", "error", err)
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = w.Write([]byte("not ready\n"))
					return
				}
				_, _ = w.Write([]byte("ok\n"))
			}))
	}
	health("/healthz", func(context.Context) error { return nil })
	health("/readyz", s.ready)
	for _, r := range s.sites.Routes() {
		answers := web.AccessWorker
		if r.Enrol {
			answers = web.AccessAnonymous
		}
		s.router.Handle(web.Route{Method: http.MethodPost, Pattern: r.Pattern, Surface: web.SurfaceWorker, Access: answers, Mutates: true}, r.Handler)
	}
	var err error
	s.handler, err = web.New(web.Options{
		Router: s.router,
		Desk: func(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (api.Desk, error) {
			c, err := s.people.CallerBySession(ctx, person, in)
			if err != nil {
				return nil, err
			}
			return d.For(c), nil
		},
		Accounts: s.people, Sessions: s.people.Sessions(), Markdown: document.Markdown,
		Secure: strings.HasPrefix(s.config.PublicURL, "https://"), BaseURL: s.config.PublicURL, Log: s.log,
	})
	return err
}

// ready says whether requests can be answered: a table is loaded and the database can be read.
func (s *server) ready(ctx context.Context) error {
	if !s.live.Ready() {
		return fmt.Errorf("the routing table is not loaded: %w", portal.ErrUnavailable)
	}
	_, err := s.db.Version(ctx)
	return err
}

// caller finds who holds a token, in memory. Only for a token that is not there the database is asked, at a measured pace.
func (s *server) caller(ctx context.Context, token string, now time.Time) (access.Caller, error) {
	hash, ok := people.ParseToken(token)
	if !ok {
		return access.Caller{}, people.ErrSignedOut
	}
	c, err := s.live.CallerByToken(ctx, hash, now)
	if err == nil {
		s.people.Used(hash, now)
	}
	return c, err
}

// forgetRequests drops idempotency keys after a day.
func (s *server) forgetRequests(ctx context.Context) {
	const keep, every = 24 * time.Hour, time.Hour
	for {
		if err := s.db.DropRequestsBefore(ctx, time.Now().Add(-keep)); err != nil && ctx.Err() == nil {
			s.log.Warn("old idempotency keys stay", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// serve answers on the listener until ctx ends, then finishes what is under way.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	h.RegisterOnShutdown(s.sites.Stop)
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	const grace = 30 * time.Second
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return h.Shutdown(stop)
}

// listen takes the address, or says what to do where it is taken.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; stop what uses it, or choose another address with --listen", address, err)
	}
	return l, nil
}

// Close stops the background work and closes the database.
func (s *server) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	if s.ingest != nil {
		s.ingest.Close()
	}
	s.running.Wait()
	return s.db.Close()
}
