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
	"sync/atomic"
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
	"concierge/portal/curation"
	"concierge/portal/desk"
	"concierge/portal/document"
	"concierge/portal/ingest"
	"concierge/portal/jobs"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/seal"
	"concierge/portal/search"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/telemetry"
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
	config    config
	log       *slog.Logger
	telemetry *telemetry.Telemetry
	db        database
	people    *people.Service
	ingest    *ingest.Service
	gateways  *ingest.Gateways
	live      *routing.Live
	search    *search.Index
	limits    *v1.Limits
	keys      *keys.Service
	jobs      *jobs.Runner
	sites     *site.Service
	router    *web.Router
	handler   http.Handler

	cancel   context.CancelFunc
	running  sync.WaitGroup
	stopping atomic.Bool
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
	if s.telemetry, err = newTelemetry(ctx, c, log); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.db = observed{db, s.telemetry.DB(db)}
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
	kinds := s.telemetry.Kinds(kinds)
	catalogDB := store.Narrow[catalog.Tx](s.db)
	gateways := ingest.NewGateways(catalogDB, kinds, box, s.log)
	s.sites = site.New(store.Narrow[site.Tx](s.db), box, site.Options{Back: s.back, Log: s.log})
	s.gateways = gateways
	gateways.Through(s.sites)
	gateways.Detect(ingest.EnvironmentNames(c.Environments, c.EnvironmentNames))
	if err := gateways.Configure(ctx, registrations); err != nil {
		return err
	}
	s.people, err = people.New(store.Narrow[people.Tx](s.db), people.Options{Audiences: audiences(c.Audiences), Log: s.log, Fingerprint: box.Fingerprint})
	if err != nil {
		return err
	}
	s.ingest = ingest.New(catalogDB, gateways, ingest.Options{Every: c.Sync.Every, Alone: !onPostgres(c.Database), Log: s.log, Tracer: s.telemetry.Tracer(), Ended: s.syncEnded})
	routed := routing.Config{Environments: c.Environments, Audiences: c.Audiences}
	s.live = routing.NewLive(routed, desk.Source(s.db), s.log)
	if err := loading(func() error { return s.live.Refresh(ctx) }); err != nil {
		return err
	}
	s.search = search.New(search.On(s.db), s.live, routed, s.log)
	s.keys = keys.NewService(store.Narrow[keys.Tx](s.db), desk.Router(s.live), gateways, box, keys.Options{
		Policy: c.policy(), CallTimeout: c.Keys.CallTimeout, Reconcile: c.Keys.Reconcile, Log: s.log, Tracer: s.telemetry.Tracer(),
	})
	s.jobs = s.db.Jobs(s.log)
	s.work(s.jobs)
	d := desk.New(desk.Parts{
		Curation: curation.New(store.Narrow[curation.Tx](s.db), audiences(c.Audiences), nil),
		DB:       s.db, Live: s.live, Keys: s.keys, Policy: c.policy(), People: s.people, Ingest: s.ingest, Gateways: gateways, Kinds: kinds, Sealer: box, Jobs: s.jobs, Sites: s.sites, Search: s.search, Log: s.log,
	})
	s.limits = v1.NewLimits(0, 0, c.rates(s.db), s.log)
	if err := s.routes(d, box); err != nil {
		return err
	}
	s.telemetry.Read(s.state)
	room := uint64(garbageRoom)
	if onPostgres(c.Database) {
		room = serverRoom
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel = cancel
	for name, run := range map[string]func(context.Context){
		"people": s.people.Run, "limits": s.limits.Run, "routing": s.live.Run, "search": s.search.Run, "sites": s.sites.Run, "memory": func(ctx context.Context) { collect(ctx, room) },
	} {
		s.running.Go(func() {
			run(background)
			s.log.Debug("background work ended", "part", name)
		})
	}
	return s.jobs.Start(ctx)
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
		Caller: s.caller, Desk: func(c access.Caller) api.Desk { return s.telemetry.Desk(d.For(c)) }, State: func() any { return s.live.Table() }, Limits: s.limits, Requests: s.db, Fingerprint: box.Fingerprint, PublicURL: s.config.PublicURL, Log: s.log,
	})
	health := func(pattern string, ok func() error) {
		var failing atomic.Bool
		s.router.Handle(web.Route{Method: http.MethodGet, Pattern: pattern, Surface: web.SurfaceOperations, Access: web.AccessAnonymous},
			http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.Header().Set("Cache-Control", "no-store")
				err := ok()
				if was := failing.Swap(err != nil); err != nil && !was {
					s.log.WarnContext(r.Context(), "not ready", "error", err)
				}
				if err != nil {
					w.WriteHeader(http.StatusServiceUnavailable)
					_, _ = w.Write([]byte("not ready\n"))
					return
				}
				_, _ = w.Write([]byte("ok\n"))
			}))
	}
	health("/healthz", func() error { return nil })
	health("/readyz", s.ready)
	for _, r := range s.sites.Routes() {
		answers := web.AccessWorker
		if r.Enrol {
			answers = web.AccessAnonymous
		}
		s.router.Handle(web.Route{Method: http.MethodPost, Pattern: r.Pattern, Surface: web.SurfaceWorker, Access: answers, Mutates: true}, r.Handler)
	}
	proxies, err := s.config.proxies()
	if err != nil {
		return err
	}
	s.handler, err = web.New(web.Options{
		Router: s.router,
		Desk: func(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (api.Desk, error) {
			c, err := s.people.CallerBySession(ctx, person, in)
			if err != nil {
				return nil, err
			}
			return s.telemetry.Desk(d.For(c)), nil
		},
		Accounts: s.people, Sessions: s.people.Sessions(), Markdown: document.Markdown,
		Secure: strings.HasPrefix(s.config.PublicURL, "https://"), BaseURL: s.config.PublicURL,
		Around: s.telemetry.HTTP, Proxies: proxies, Log: s.log,
	})
	return err
}

// staleAfter is how old the table may be, against the database, before this process sends requests to others. All replicas
// go on answering from their tables while the database is away for a moment; one that alone cannot reach it is left out
// before long.
const staleAfter = time.Minute

// ready says whether a balancer should send requests here: the table holds what the database held at the start, and has
// been compared with it not long ago, and the portal is not about to end.
func (s *server) ready() error {
	if s.stopping.Load() {
		return errors.New("the portal is stopping")
	}
	if !s.live.Ready() {
		return errors.New("the routing table is not loaded")
	}
	if age := time.Since(s.live.Status().Current); age > staleAfter {
		return fmt.Errorf("the routing table has not been compared with the database for %s", age.Round(time.Second))
	}
	return nil
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
	s.stopping.Store(true)
	s.log.Info("stopping", "delay", s.config.ShutdownDelay.String())
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-time.After(s.config.ShutdownDelay):
	}
	grace := s.config.Keys.grace()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := h.Shutdown(stop); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %s; what they began on gateways is finished at the next start, or by another replica", grace), h.Close())
	}
	return nil
}

// listen takes the address, or says what to do where it is taken.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; stop what uses it, or choose another address with --listen", address, err)
	}
	return l, nil
}

// backgroundGrace is how long the end waits for background work. It records where it stands, so that the next start, or
// another replica, goes on from there.
const backgroundGrace = 15 * time.Second

// Close stops the background work and closes the database.
func (s *server) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if s.jobs != nil {
			stop, cancel := context.WithTimeout(context.Background(), backgroundGrace)
			defer cancel()
			if err := s.jobs.Stop(stop); err != nil {
				s.log.Warn("jobs were not handed back; others take them over later", "error", err)
			}
		}
		if s.ingest != nil {
			s.ingest.Close()
		}
		s.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(backgroundGrace):
		s.log.Warn("background work did not end in time; the next start goes on with it")
	}
	var errs []error
	if s.telemetry != nil {
		last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		errs = append(errs, s.telemetry.Close(last))
	}
	return errors.Join(append(errs, s.db.Close())...)
}
