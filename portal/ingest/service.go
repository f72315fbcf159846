// Package ingest brings into the catalog what gateways publish: it runs connectors, plans the difference as data and
// applies it in one transaction.
//
// What holds: removal only from a complete snapshot, and a plan that removes an unusual share waits for a person; on any
// error the last good state stays, with its age and cause; an unchanged gateway costs one row, that of the run; a
// deployment's placement is worked out in layers, never leaves the gateway's bounds and fails closed; entries keep their
// id and slug. The rules (Place, Address, Line, Correlate, Compare) are pure.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/crash"
	"concierge/portal/document"
	"concierge/portal/store"
	"concierge/portal/telemetry/span"
)

// ScheduleActor is who asks for a sync that nobody asked for.
const ScheduleActor = "system:schedule"

const recoveryError = "the portal stopped in the middle; nothing of this sync was taken over"

// Options of a Service. Zero values mean the defaults.
type Options struct {
	Removals  Removals
	Documents document.Limits
	// Timeout bounds one sync; default 10 min.
	Timeout time.Duration
	// Tick is how often the schedule is looked at; default 1 s.
	Tick      time.Duration
	Correlate Correlator // default Correlate
	Now       func() time.Time
	Log       *slog.Logger
	Tracer    span.Tracer       // zero: nothing is traced
	Ended     func(catalog.Run) // is told how each sync ended; nil: nobody is
}

// Service syncs gateways. It is safe for concurrent use. Close it.
type Service struct {
	db       catalog.DB
	gateways *Gateways
	opts     Options

	ctx    context.Context // ends with Close: a sync outlives the request that asked for it
	cancel context.CancelFunc
	syncs  sync.WaitGroup // Add under mu, while not closed

	mu     sync.Mutex
	closed bool
	live   map[portal.GatewayID]*progress
}

// New makes a Service.
func New(db catalog.DB, gateways *Gateways, opts Options) *Service {
	opts.Timeout, opts.Tick = cmp.Or(opts.Timeout, 10*time.Minute), cmp.Or(opts.Tick, time.Second)
	if opts.Correlate == nil {
		opts.Correlate = Correlate
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Ended == nil {
		opts.Ended = func(catalog.Run) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{db: db, gateways: gateways, opts: opts, ctx: ctx, cancel: cancel, live: map[portal.GatewayID]*progress{}}
}

// Close ends all running syncs, as failed, and waits for them.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.syncs.Wait()
}

func (s *Service) clock() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// progress is a running sync as others may look at it.
type progress struct {
	started chan struct{} // closed when its row is written, or refused is set
	refused error
	done    chan struct{} // closed at its end
	err     error         // as it ended

	mu  sync.Mutex
	run catalog.Run
}

func (p *progress) look() catalog.Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	run := p.run
	run.Warnings, run.Removing = slices.Clone(run.Warnings), slices.Clone(run.Removing)
	return run
}

func (p *progress) change(fn func(*catalog.Run)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(&p.run)
}

func (p *progress) phase(name string) {
	p.change(func(r *catalog.Run) { r.Phase, r.Done, r.Total = name, 0, 0 })
}

func (p *progress) steps(done, total int) {
	p.change(func(r *catalog.Run) { r.Done, r.Total = done, total })
}

// Sync starts a sync, or returns the one that is running; it does not wait for it. actor is who asks. Errors:
// portal.ErrNotFound; portal.ErrConflict where the gateway is paused.
func (s *Service) Sync(ctx context.Context, gateway portal.GatewayID, actor string) (catalog.Run, error) {
	p, _, err := s.start(ctx, gateway, actor, nil)
	if err != nil {
		return catalog.Run{}, err
	}
	return p.look(), nil
}

// Apply starts a sync that may remove what a waiting run wanted to remove, and no more than that. portal.ErrConflict
// where the run is not the gateway's last, does not wait, or another sync is running.
func (s *Service) Apply(ctx context.Context, gateway portal.GatewayID, run portal.RunID, actor string) (catalog.Run, error) {
	var last []catalog.Run
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		last, err = tx.Catalog().Runs(ctx, gateway, "", 1)
		return err
	})
	if err != nil {
		return catalog.Run{}, err
	}
	if len(last) == 0 || last[0].ID != run || last[0].State != catalog.Waiting {
		return catalog.Run{}, fmt.Errorf("sync %s of gateway %s does not wait, or a newer one took its place: %w", run, gateway, portal.ErrConflict)
	}
	p, fresh, err := s.start(ctx, gateway, actor, last[0].Removing)
	if err != nil {
		return catalog.Run{}, err
	}
	if !fresh {
		return catalog.Run{}, &portal.ConflictError{Kind: "run", ID: string(p.look().ID), Err: errors.New("a sync is running: wait for it")}
	}
	return p.look(), nil
}

// Wait returns a run once it has ended.
func (s *Service) Wait(ctx context.Context, gateway portal.GatewayID, run portal.RunID) (catalog.Run, error) {
	s.mu.Lock()
	p := s.live[gateway]
	s.mu.Unlock()
	if p != nil && p.look().ID == run {
		select {
		case <-p.done:
		case <-ctx.Done():
			return catalog.Run{}, ctx.Err()
		}
	}
	return s.Run(ctx, gateway, run)
}

// Run returns one run, with its progress while it is running.
func (s *Service) Run(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (run catalog.Run, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		run, err = tx.Catalog().Run(ctx, gateway, id)
		return err
	})
	return s.current(run), err
}

// Runs lists a gateway's runs, the newest first, from the one before the run given on; empty: from the newest.
func (s *Service) Runs(ctx context.Context, gateway portal.GatewayID, before portal.RunID, limit int) (all []catalog.Run, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		all, err = tx.Catalog().Runs(ctx, gateway, before, limit)
		return err
	})
	for i := range all {
		all[i] = s.current(all[i])
	}
	return all, err
}

// Standing returns what an administrator sees of a gateway at a glance.
func (s *Service) Standing(ctx context.Context, gateway portal.GatewayID) (st catalog.Standing, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		st, err = tx.Catalog().Standing(ctx, gateway)
		return err
	})
	if st.LastRun != nil {
		*st.LastRun = s.current(*st.LastRun)
	}
	return st, err
}

// current adds the progress of a running sync.
func (s *Service) current(run catalog.Run) catalog.Run {
	if run.State != catalog.Running {
		return run
	}
	s.mu.Lock()
	p := s.live[run.Gateway]
	s.mu.Unlock()
	if p == nil {
		return run
	}
	if now := p.look(); now.ID == run.ID {
		return now
	}
	return run
}

// Override sets what a person decides about one deployment, or with the zero Override takes it back. The deployment is
// placed anew at once. Errors: portal.ErrNotFound; portal.ErrInvalid for a value outside the gateway's bounds.
func (s *Service) Override(ctx context.Context, actor string, id portal.DeploymentID, o catalog.Override) error {
	return s.db.InTx(ctx, func(tx catalog.Tx) error {
		r, err := tx.Catalog().Record(ctx, id)
		if err != nil {
			return err
		}
		if !r.Live() {
			return fmt.Errorf("deployment %s: %w", id, portal.ErrNotFound)
		}
		g, err := tx.Catalog().Gateway(ctx, r.Deployment.Gateway)
		if err != nil {
			return err
		}
		for axis, v := range o.Placement {
			if !slices.Contains(portal.Axes, axis) || !within(g, axis, v) {
				return fmt.Errorf("%s %q is outside the bounds of gateway %s: %w", axis, v, g.ID, portal.ErrInvalid)
			}
		}
		if o.BaseURL != "" {
			if err := CheckAddress(o.BaseURL); err != nil {
				return err
			}
		}
		if reflect.DeepEqual(o, r.Override) {
			return nil
		}
		now := s.clock()
		r.Override = o
		p := Compare(g, capabilities(g), []catalog.Record{r}, foundBefore([]catalog.Record{r}))
		if err := apply(ctx, tx, s.opts.Correlate, actor, now, p); err != nil {
			return err
		}
		detail := map[string]string{"base_url": o.BaseURL}
		for axis, v := range o.Placement {
			detail[string(axis)] = v
		}
		return tx.Audit().Append(ctx, audit.Event{At: now, Actor: actor, Action: "deployment.override", Target: string(id), Gateway: g.ID, Detail: detail})
	})
}

func capabilities(g catalog.Gateway) connectors.Capabilities {
	if g.Capabilities == nil {
		return connectors.Capabilities{}
	}
	return *g.Capabilities
}

// start begins a sync in the background, or returns the running one with fresh false. may lists the deployments that it
// may remove even if they are many.
func (s *Service) start(ctx context.Context, id portal.GatewayID, actor string, may []connectors.Key) (p *progress, fresh bool, err error) {
	g, err := s.gateways.Gateway(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if g.Paused {
		return nil, false, fmt.Errorf("gateway %s is paused: %w", id, portal.ErrConflict)
	}
	p = &progress{started: make(chan struct{}), done: make(chan struct{}), run: catalog.Run{
		ID: portal.RunID(portal.NewID("run")), Gateway: id, Actor: actor, State: catalog.Running, Phase: "probe", Started: s.clock(),
	}}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, false, fmt.Errorf("the portal is stopping: %w", portal.ErrUnavailable)
	}
	if running := s.live[id]; running != nil {
		s.mu.Unlock()
		select {
		case <-running.started:
			return running, false, running.refused
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
	s.live[id] = p
	s.syncs.Add(1)
	s.mu.Unlock()

	p.refused = s.db.InTx(ctx, func(tx catalog.Tx) error { return tx.Catalog().StartRun(ctx, p.run) })
	close(p.started)
	if p.refused != nil {
		s.leave(p)
		return nil, false, p.refused
	}
	go func() {
		defer s.leave(p)
		p.err = s.run(g, p, may)
	}()
	return p, true, nil
}

func (s *Service) leave(p *progress) {
	s.mu.Lock()
	delete(s.live, p.run.Gateway)
	s.mu.Unlock()
	close(p.done)
	s.syncs.Done()
}

// run does one sync to its end and records how it ended.
func (s *Service) run(g catalog.Gateway, p *progress, may []connectors.Key) error {
	log := s.opts.Log.With("gateway", g.ID, "run", p.run.ID)
	ctx, cancel := context.WithTimeoutCause(s.ctx, s.opts.Timeout, fmt.Errorf("the sync took longer than %s: %w", s.opts.Timeout, portal.ErrUnavailable))
	defer cancel()
	defer func() { s.opts.Ended(p.look()) }()
	ctx, end := s.opts.Tracer.Start(ctx, "ingest.sync", attribute.String("gateway", string(g.ID)), attribute.String("run", string(p.run.ID)))
	err := s.guarded(ctx, g, p, may)
	end(err)
	run := p.look()
	if err == nil {
		log.InfoContext(ctx, "gateway synced", "state", run.State, "added", run.Added, "changed", run.Changed, "removed", run.Removed,
			"unchanged", run.Unchanged, "warnings", len(run.Warnings), "elapsed_ms", run.Ended.Sub(run.Started).Milliseconds())
		return nil
	}
	switch {
	case s.ctx.Err() != nil:
		err = fmt.Errorf("the portal was stopped: %w", portal.ErrUnavailable)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	log.WarnContext(ctx, "gateway not synced", "phase", run.Phase, "error", err)
	p.change(func(r *catalog.Run) {
		r.State, r.Ended, r.Error = catalog.Failed, s.clock(), text(err.Error(), 2*maxText)
		r.Added, r.Changed, r.Removed, r.Unchanged = 0, 0, 0, 0
	})
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second) // the sync's own has ended
	defer cancel()
	if endErr := s.end(ctx, p.look()); endErr != nil {
		log.ErrorContext(ctx, "end of a failed sync not recorded", "error", endErr)
	}
	return err
}

func (s *Service) end(ctx context.Context, run catalog.Run) error {
	return s.db.InTx(ctx, func(tx catalog.Tx) error { return tx.Catalog().EndRun(ctx, run) })
}

// guarded turns a panic in a connector into an error: one broken connector stops nobody else.
func (s *Service) guarded(ctx context.Context, g catalog.Gateway, p *progress, may []connectors.Key) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.opts.Log.ErrorContext(ctx, "panic in a sync", "gateway", g.ID, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("gateway %s: the connector failed in a way it should not; the log says more", g.ID)
		}
	}()
	return s.sync(ctx, g, p, may)
}

// maxWarnings is how many warnings a run keeps.
const maxWarnings = 200

func (s *Service) sync(ctx context.Context, g catalog.Gateway, p *progress, may []connectors.Key) error {
	conn, err := s.gateways.connector(g)
	if err != nil {
		return err
	}
	failed := func(op string, err error) error { return &portal.GatewayError{Gateway: g.ID, Op: op, Err: err} }
	able, err := conn.Probe(ctx)
	if err != nil {
		return failed("Probe", err)
	}
	p.change(func(r *catalog.Run) { r.Probed = s.clock() })

	p.phase("discover")
	since, err := s.cursor(ctx, g, able)
	if err != nil {
		return err
	}
	snapshot, err := conn.Discover(ctx, since)
	if err != nil {
		return failed("Discover", err)
	}
	if since == "" && !snapshot.Complete {
		return failed("Discover", fmt.Errorf("the first answer is not complete: %w", portal.ErrInvalid))
	}
	told, err := clean(snapshot)
	if err != nil {
		return failed("Discover", err)
	}
	crash.Point("ingest.discovered")

	for range 2 {
		err = s.takeOver(ctx, g, conn, able, snapshot, told, p, may)
		if !errors.Is(err, portal.ErrConflict) {
			return err
		}
		// A person overrode a deployment while the plan was made: make another one.
	}
	return err
}

// cursor is where the last good sync ended, for gateways that tell changes; empty after a change of the registration.
func (s *Service) cursor(ctx context.Context, g catalog.Gateway, able connectors.Capabilities) (connectors.Cursor, error) {
	if able.Discovery == connectors.DiscoverSnapshot {
		return "", nil
	}
	st, err := s.Standing(ctx, g.ID)
	if err != nil || st.LastGood == nil || st.LastGood.Started.Before(g.Changed) {
		return "", err
	}
	return st.LastGood.Cursor, nil
}

// takeOver opens what documents have changed, plans and applies.
func (s *Service) takeOver(ctx context.Context, g catalog.Gateway, conn connectors.Connector, able connectors.Capabilities,
	snapshot connectors.Snapshot, told []connectors.Deployment, p *progress, may []connectors.Key,
) error {
	var current []catalog.Record
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		current, err = tx.Catalog().Records(ctx, g.ID)
		return err
	})
	if err != nil {
		return err
	}
	p.phase("documents")
	opening, end := s.opts.Tracer.Start(ctx, "ingest.documents")
	found, err := s.documents(opening, conn, current, merge(current, snapshot, told), p.steps)
	end(err)
	if err != nil {
		return &portal.GatewayError{Gateway: g.ID, Op: "OpenDocument", Err: err}
	}
	p.phase("plan")
	_, end = s.opts.Tracer.Start(ctx, "ingest.plan")
	plan := Compare(g, able, current, found)
	end(nil)
	wait := s.opts.Removals.Wait(plan) && !covers(may, plan.Remove)
	p.change(func(r *catalog.Run) {
		r.Added, r.Changed, r.Removed, r.Unchanged = len(plan.Add)+len(plan.Back), len(plan.Change)+len(plan.Rename), len(plan.Remove), plan.Unchanged
		r.Cursor = snapshot.Cursor
		r.Warnings = limited(append(texts(snapshot.Warnings), plan.Warnings...), maxWarnings)
	})
	p.phase("apply")
	run := p.look()
	run.Phase, run.Ended = "", s.clock()
	switch {
	case wait:
		run.State, run.Plan, run.Cursor = catalog.Waiting, text(plan.String(), maxDescription), ""
		for _, r := range plan.Remove {
			run.Removing = append(run.Removing, r.Key())
		}
	case plan.Empty():
		run.State = catalog.Unchanged
	default:
		run.State = catalog.Applied
	}
	applying, end := s.opts.Tracer.Start(ctx, "ingest.apply", attribute.Int("added", run.Added), attribute.Int("changed", run.Changed), attribute.Int("removed", run.Removed))
	err = s.db.InTx(applying, func(tx catalog.Tx) error {
		return s.commit(applying, tx, g, able, plan, run)
	})
	end(err)
	if err != nil {
		return err
	}
	crash.Point("ingest.after-commit")
	p.change(func(r *catalog.Run) { *r = run })
	return nil
}

// commit writes all that a sync has to write, in one transaction.
func (s *Service) commit(ctx context.Context, tx catalog.Tx, g catalog.Gateway, able connectors.Capabilities, plan Plan, run catalog.Run) error {
	now, err := tx.Catalog().Gateway(ctx, g.ID)
	if err != nil {
		return err
	}
	if !now.Changed.Equal(g.Changed) {
		return fmt.Errorf("the registration of gateway %s was changed during the sync; the next one follows it: %w", g.ID, portal.ErrUnavailable)
	}
	if g.Capabilities == nil || !reflect.DeepEqual(*g.Capabilities, able) {
		if err := tx.Catalog().SetCapabilities(ctx, g.ID, able); err != nil {
			return err
		}
		tx.Changed(store.ChangedGateway, string(g.ID))
	}
	if run.State == catalog.Applied {
		if err := apply(ctx, tx, s.opts.Correlate, run.Actor, run.Ended, plan); err != nil {
			return err
		}
		detail := counts(plan)
		detail["run"] = string(run.ID)
		event := audit.Event{At: run.Ended, Actor: run.Actor, Action: "gateway.sync", Target: string(g.ID), Gateway: g.ID, Detail: detail}
		if err := tx.Audit().Append(ctx, event); err != nil {
			return err
		}
	}
	if err := tx.Catalog().EndRun(ctx, run); err != nil {
		return err
	}
	crash.Point("ingest.before-commit")
	return nil
}

// covers reports whether all that is to be removed is among what may be.
func covers(may []connectors.Key, remove []catalog.Record) bool {
	allowed := make(map[connectors.Key]bool, len(may))
	for _, k := range may {
		allowed[k] = true
	}
	for _, r := range remove {
		if !allowed[r.Key()] {
			return false
		}
	}
	return true
}

func limited(all []string, limit int) []string {
	if len(all) <= limit {
		return all
	}
	return append(all[:limit:limit], fmt.Sprintf("and %d more", len(all)-limit))
}

// Serve syncs every gateway on its own schedule until ctx ends. First it closes, as failed, runs that a killed process
// left running: no other process may sync at that time. Gateways that are registered later are seen within Options.Tick.
func (s *Service) Serve(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return err
	}
	due := map[portal.GatewayID]*schedule{}
	tick := time.NewTicker(s.opts.Tick)
	defer tick.Stop()
	for {
		if err := s.startDue(ctx, due); err != nil && ctx.Err() == nil {
			s.opts.Log.WarnContext(ctx, "schedule of syncs not read", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// schedule is when a gateway is due.
type schedule struct {
	at       time.Time
	failures int
	running  *progress
}

// startDue starts what is due and schedules anew what has ended. It waits for no sync.
func (s *Service) startDue(ctx context.Context, due map[portal.GatewayID]*schedule) error {
	all, err := s.gateways.all(ctx)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Paused {
			delete(due, g.ID)
			continue
		}
		d := due[g.ID]
		if d == nil {
			if d, err = s.first(ctx, g); err != nil {
				return err
			}
			due[g.ID] = d
		}
		if d.running != nil {
			select {
			case <-d.running.done:
				d.ended(g, s.clock())
			default:
				continue
			}
		}
		if s.clock().Before(d.at) {
			continue
		}
		p, _, err := s.start(ctx, g.ID, ScheduleActor, nil)
		if err != nil {
			s.opts.Log.WarnContext(ctx, "sync not started", "gateway", g.ID, "error", err)
			d.failures++
			d.at = s.clock().Add(wait(g.Every, d.failures, 0, rand.Float64()))
			continue
		}
		d.running = p
	}
	return nil
}

// spread is the time over which gateways that are known already are synced after a start.
const spread = 30 * time.Second

// first schedules a gateway that the schedule does not know: at once if it was never synced, else soon.
func (s *Service) first(ctx context.Context, g catalog.Gateway) (*schedule, error) {
	st, err := s.Standing(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	d := &schedule{at: s.clock()}
	if st.LastGood != nil {
		d.at = d.at.Add(time.Duration(rand.Float64() * float64(min(spread, cmp.Or(g.Every, DefaultEvery)))))
	}
	return d, nil
}

// ended schedules the next sync after one that has ended.
func (d *schedule) ended(g catalog.Gateway, now time.Time) {
	var asked time.Duration
	if err := d.running.err; err == nil {
		d.failures = 0
	} else {
		d.failures++
		var retry *portal.RetryAfterError
		if errors.As(err, &retry) {
			asked = retry.After
		}
	}
	d.at, d.running = now.Add(wait(g.Every, d.failures, asked, rand.Float64())), nil
}

// recover closes the runs of a process that is gone.
func (s *Service) recover(ctx context.Context) error {
	var open []catalog.Run
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		open, err = tx.Catalog().OpenRuns(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, run := range open {
		s.mu.Lock()
		_, ours := s.live[run.Gateway]
		s.mu.Unlock()
		if ours {
			continue
		}
		run.State, run.Phase, run.Ended, run.Error = catalog.Failed, "", s.clock(), recoveryError
		if err := s.end(ctx, run); err != nil && !errors.Is(err, portal.ErrConflict) { // conflict: it was ours, and has ended
			return err
		}
	}
	return nil
}
