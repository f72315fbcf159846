// Package ingest brings into the catalog what gateways publish: it runs connectors, plans the difference as data and
// applies it in one transaction.
//
// What holds: removal only from a complete snapshot, and a plan that removes an unusual share waits for a person; on any
// error the last good state stays, with its age and cause; an unchanged gateway costs one row, that of the run; a
// deployment's placement is worked out in layers, never leaves the gateway's bounds and fails closed; entries keep their
// id and slug. The rules (Place, Address, Line, Compare, and correlate.Place) are pure.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sync/semaphore"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/crash"
	"concierge/portal/document"
	"concierge/portal/outbound"
	"concierge/portal/store"
	"concierge/portal/telemetry/span"
	"concierge/portal/told"
)

// ScheduleActor is who asks for a sync that nobody asked for.
const ScheduleActor = "system:schedule"

// What runs say that did not end by their gateway's fault.
const (
	recoveryError = "the portal stopped in the middle; nothing of this sync was taken over"
	stoppedError  = "the portal was stopped: unavailable"
)

// Options of a Service. Zero values mean the defaults.
type Options struct {
	Removals  Removals
	Documents document.Limits
	// Timeout bounds one sync; default DefaultTimeout.
	Timeout time.Duration
	// Every is the time between two syncs of a gateway that has none of its own; default DefaultEvery.
	Every time.Duration
	// Alone says that no other process uses the database: a run that is not this one's has nobody.
	Alone  bool
	Now    func() time.Time
	Log    *slog.Logger
	Tracer span.Tracer       // zero: nothing is traced
	Ended  func(catalog.Run) // is told how each sync ended; nil: nobody is
}

// Service syncs gateways. It is safe for concurrent use. Close it.
type Service struct {
	db       catalog.DB
	gateways *Gateways
	opts     Options

	ctx    context.Context // ends with Close: a sync outlives the request that asked for it
	cancel context.CancelFunc
	syncs  sync.WaitGroup // Add under mu, while not closed

	describing *semaphore.Weighted // bytes

	mu     sync.Mutex
	closed bool
	live   map[portal.GatewayID]*progress
	heard  map[portal.GatewayID]bool      // gateways that this process listens to
	asked  map[portal.GatewayID]time.Time // for whose watch this process has asked, and of which registration

	sketching sync.Mutex
	sketched  bool // all that is in the catalog can be compared; under sketching

	watch    stopwatch
	members  members
	settled  settled
	hands    *semaphore.Weighted // deployments; before planning
	planning *semaphore.Weighted // deployments
}

// New makes a Service.
func New(db catalog.DB, gateways *Gateways, opts Options) *Service {
	opts.Timeout, opts.Every = cmp.Or(opts.Timeout, DefaultTimeout), cmp.Or(opts.Every, DefaultEvery)
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
	return &Service{db: db, gateways: gateways, opts: opts, ctx: ctx, cancel: cancel, describing: semaphore.NewWeighted(describing), live: map[portal.GatewayID]*progress{},
		heard: map[portal.GatewayID]bool{}, asked: map[portal.GatewayID]time.Time{}, members: members{turn: make(chan struct{}, 1)},
		settled: settled{of: map[portal.GatewayID]standing{}}, hands: semaphore.NewWeighted(inHand), planning: semaphore.NewWeighted(planned)}
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
	started chan struct{} // closed when its row is written, or refused or other is set
	refused error
	other   *catalog.Run  // of another process, which runs instead
	done    chan struct{} // closed at its end

	quiet func() // stops noting how far it is

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

// Sync starts a sync, or returns the one that is running, here or in another process; it does not wait for it. actor is who asks. Errors:
// portal.ErrNotFound; portal.ErrConflict where the gateway is paused, or where it is being worked out what a sync would do.
func (s *Service) Sync(ctx context.Context, gateway portal.GatewayID, actor string) (catalog.Run, error) {
	return s.ask(ctx, gateway, actor, false)
}

// Plan starts to work out what a sync would do, or returns the run that does; it writes nothing but that run, whose plan
// says it in the end. Errors as of Sync.
func (s *Service) Plan(ctx context.Context, gateway portal.GatewayID, actor string) (catalog.Run, error) {
	return s.ask(ctx, gateway, actor, true)
}

func (s *Service) ask(ctx context.Context, gateway portal.GatewayID, actor string, dry bool) (catalog.Run, error) {
	run, fresh, err := s.start(ctx, gateway, actor, order{dry: dry})
	if err == nil && !fresh && run.Dry != dry {
		return catalog.Run{}, busy(run)
	}
	return run, err
}

// busy is the answer where a run stands in another one's way.
func busy(run catalog.Run) error {
	why := told.SyncRuns
	if run.Dry {
		why = told.PlanRuns
	}
	return &portal.ConflictError{Kind: "run", ID: string(run.ID), Err: why.With()}
}

// Apply starts a sync that may remove what a waiting run wanted to remove, and no more than that. portal.ErrConflict
// where the run does not wait, something was applied or discarded since, or another sync is running.
func (s *Service) Apply(ctx context.Context, gateway portal.GatewayID, run portal.RunID, actor string) (catalog.Run, error) {
	var waiting catalog.Run
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		waiting, err = waitingRun(ctx, tx, gateway, run)
		return err
	})
	if err != nil {
		return catalog.Run{}, err
	}
	started, fresh, err := s.start(ctx, gateway, actor, order{may: waiting.Removing})
	if err == nil && !fresh {
		err = busy(started)
	}
	if err != nil {
		return catalog.Run{}, err
	}
	return started, nil
}

// Discard records that a person said no to a waiting run: nothing of it is applied. What the gateway says is planned anew
// by the next sync, and waits again where it is still unusual. Errors as of Apply.
func (s *Service) Discard(ctx context.Context, gateway portal.GatewayID, id portal.RunID, actor string) (run catalog.Run, err error) {
	err = s.db.InTx(ctx, func(tx catalog.Tx) error {
		if run, err = waitingRun(ctx, tx, gateway, id); err != nil {
			return err
		}
		run.State, run.Decided = catalog.Discarded, actor
		if err := tx.Catalog().DiscardRun(ctx, run); err != nil {
			return err
		}
		return tx.Audit().Append(ctx, audit.Event{
			At: s.clock(), Actor: actor, Action: "gateway.sync.discard", Target: string(gateway), Gateway: gateway,
			Detail: map[string]string{"run": string(id), "removed": strconv.Itoa(run.Removed)},
		})
	})
	return run, err
}

// waitingRun returns a run that waits for a person, whose plan still says what there is to do: nothing was applied or
// discarded since.
func waitingRun(ctx context.Context, tx catalog.Tx, gateway portal.GatewayID, id portal.RunID) (catalog.Run, error) {
	run, err := tx.Catalog().Run(ctx, gateway, id)
	if err != nil {
		return run, err
	}
	later, err := tx.Catalog().Runs(ctx, gateway, "", 0)
	if err != nil {
		return run, err
	}
	for _, r := range later {
		if r.ID == id {
			break
		}
		if r.State.Good() || r.State == catalog.Discarded {
			return run, told.RunOvertaken.As(portal.ErrConflict, id, gateway, r.ID)
		}
	}
	if run.State != catalog.Waiting {
		return run, told.RunWaitsNot.As(portal.ErrConflict, id, gateway)
	}
	return run, nil
}

// waitEvery is how often a run of another process is looked at.
const waitEvery = 250 * time.Millisecond

// Wait returns a run once it has ended, wherever it runs.
func (s *Service) Wait(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (catalog.Run, error) {
	s.mu.Lock()
	p := s.live[gateway]
	s.mu.Unlock()
	if p != nil && p.look().ID == id {
		select {
		case <-p.done:
		case <-ctx.Done():
			return catalog.Run{}, ctx.Err()
		}
	}
	for {
		run, err := s.Run(ctx, gateway, id)
		if err != nil || run.State != catalog.Running {
			return run, err
		}
		if s.abandoned(run) {
			if err := s.recover(ctx); err != nil {
				return catalog.Run{}, err
			}
			continue
		}
		select {
		case <-time.After(waitEvery):
		case <-ctx.Done():
			return catalog.Run{}, ctx.Err()
		}
	}
}

// Run returns one run, with its progress while it is running.
func (s *Service) Run(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (run catalog.Run, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		run, err = tx.Catalog().Run(ctx, gateway, id)
		return err
	})
	return s.current(run), err
}

// RunWithPlan returns one run with what it did or would do; the plan is zero where nothing was to be done.
func (s *Service) RunWithPlan(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (run catalog.Run, plan catalog.Plan, err error) {
	err = s.db.View(ctx, func(tx catalog.Tx) error {
		if run, err = tx.Catalog().Run(ctx, gateway, id); err != nil {
			return err
		}
		plan, err = tx.Catalog().Plan(ctx, id)
		return err
	})
	return s.current(run), plan, err
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
				return told.BoundsOfGateway.As(portal.ErrInvalid, axis, v, g.ID)
			}
		}
		if o.BaseURL != "" {
			if err := CheckAddress(o.BaseURL); err != nil {
				return err
			}
		}
		o.Document = r.Override.Document // see Upload
		if reflect.DeepEqual(o, r.Override) {
			return nil
		}
		now := s.clock()
		r.Override = o
		p := Compare(g, capabilities(g), []catalog.Record{r}, foundBefore([]catalog.Record{r}))
		if err := apply(ctx, tx, actor, now, p); err != nil {
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

// order says what kind of run is wanted.
type order struct {
	dry bool             // only work out what a sync would do
	may []connectors.Key // deployments that it may remove even if they are many
}

// start begins a run in the background, or returns the running one with fresh false.
func (s *Service) start(ctx context.Context, id portal.GatewayID, actor string, o order) (run catalog.Run, fresh bool, err error) {
	g, err := s.gateways.Gateway(ctx, id)
	if err != nil {
		return catalog.Run{}, false, err
	}
	if g.Paused {
		return catalog.Run{}, false, told.GatewayPaused.As(portal.ErrConflict, id)
	}
	p := &progress{started: make(chan struct{}), done: make(chan struct{}), run: catalog.Run{
		ID: portal.RunID(portal.NewID("run")), Gateway: id, Actor: actor, State: catalog.Running, Dry: o.dry, Phase: "probe", Started: s.clock(),
	}}
	p.run.Lease = p.run.Started.Add(lease)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return catalog.Run{}, false, fmt.Errorf("the portal is stopping: %w", portal.ErrUnavailable)
	}
	if running := s.live[id]; running != nil {
		s.mu.Unlock()
		select {
		case <-running.started:
		case <-ctx.Done():
			return catalog.Run{}, false, ctx.Err()
		}
		switch {
		case running.refused != nil:
			return catalog.Run{}, false, running.refused
		case running.other != nil:
			return *running.other, false, nil
		}
		return running.look(), false, nil
	}
	s.live[id] = p
	s.syncs.Add(1)
	s.mu.Unlock()

	p.refused = s.db.InTx(ctx, func(tx catalog.Tx) (err error) {
		p.other, err = s.elsewhere(ctx, tx, id)
		if err != nil || p.other != nil {
			return err
		}
		return tx.Catalog().StartRun(ctx, p.run)
	})
	close(p.started)
	if p.refused != nil || p.other != nil {
		s.leave(p)
		if p.refused != nil {
			return catalog.Run{}, false, p.refused
		}
		return *p.other, false, nil
	}
	run = p.look()
	go func() {
		defer s.leave(p)
		s.run(g, p, o.may)
	}()
	return run, true, nil
}

// elsewhere returns the run that another process does for a gateway. One that nobody does any more is closed.
func (s *Service) elsewhere(ctx context.Context, tx catalog.Tx, id portal.GatewayID) (*catalog.Run, error) {
	run, err := tx.Catalog().OpenRun(ctx, id)
	if err != nil || run == nil || !s.abandoned(*run) {
		return run, err
	}
	return nil, tx.Catalog().EndRun(ctx, s.givenUp(*run))
}

func (s *Service) leave(p *progress) {
	s.mu.Lock()
	delete(s.live, p.run.Gateway)
	s.mu.Unlock()
	close(p.done)
	s.syncs.Done()
}

const (
	// lease is how long a running sync counts as alive after it was heard of last. It is noted anew before a third of it is
	// over, and no sooner than a second after the last time.
	lease     = 15 * time.Second
	noteEvery = time.Second
	// applyLease is for a plan that many rows come of: nothing is heard of it before its transaction is committed.
	applyLease = 5 * time.Minute
	manyRows   = 1000
)

// note writes how far a sync is, until ctx ends, so that every process can show it and knows that it is alive. Where that
// is refused the run was closed by somebody else: lost is called.
func (s *Service) note(ctx context.Context, p *progress, lost func(error)) {
	type step struct {
		phase       string
		done, total int
	}
	at := func(r catalog.Run) step { return step{r.Phase, r.Done, r.Total} }
	noted := at(p.look())
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		run := p.look()
		now := s.clock()
		if at(run) == noted && run.Lease.Sub(now) > lease*2/3 {
			continue
		}
		run.Lease = now.Add(lease)
		err := s.noteRun(ctx, run)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, portal.ErrConflict):
			lost(fmt.Errorf("another process took this sync for dead and closed it: %w", portal.ErrConflict))
			return
		case err == nil:
			noted = at(run)
			p.change(func(r *catalog.Run) { r.Lease = run.Lease })
		}
	}
}

func (s *Service) noteRun(ctx context.Context, run catalog.Run) error {
	return s.db.InTx(ctx, func(tx catalog.Tx) error {
		if err := tx.Singly(ctx); err != nil { // rows of runs are neighbours: those that note theirs would fail the one that ends
			return err
		}
		return tx.Catalog().NoteRun(ctx, run)
	})
}

// still stops noting how far a sync is: the transaction that applies it writes the same row, and would be in the way of
// itself. What follows has the time that so many rows take. A sync that waits for its turn goes on being noted until that
// has come, unless it has that time.
func (s *Service) still(ctx context.Context, p *progress, waits bool, rows int) error {
	if waits && rows <= manyRows {
		return nil
	}
	p.quiet()
	run := p.look()
	now := s.clock()
	switch {
	case rows > manyRows:
		run.Lease = now.Add(applyLease)
	case run.Lease.Sub(now) < lease*2/3:
		run.Lease = now.Add(lease)
	default:
		return nil
	}
	if err := s.noteRun(ctx, run); err != nil {
		return fmt.Errorf("taking the time to apply the plan: %w", err)
	}
	p.change(func(r *catalog.Run) { r.Lease = run.Lease })
	return nil
}

// abandoned reports whether nobody does a running sync any more.
func (s *Service) abandoned(run catalog.Run) bool {
	s.mu.Lock()
	p := s.live[run.Gateway]
	s.mu.Unlock()
	if p != nil && p.look().ID == run.ID {
		return false
	}
	return s.opts.Alone || s.clock().After(run.Lease)
}

// givenUp is an abandoned run as it is closed.
func (s *Service) givenUp(run catalog.Run) catalog.Run {
	run.State, run.Phase, run.Ended, run.Error = unsuccessful(run), "", s.clock(), recoveryError
	return run
}

// unsuccessful is the state of a run that ends with an error.
func unsuccessful(run catalog.Run) catalog.RunState {
	if run.Dry {
		return catalog.Planned
	}
	return catalog.Failed
}

// recover closes the runs that nobody does any more.
func (s *Service) recover(ctx context.Context) error {
	var open []catalog.Run
	err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
		open, err = tx.Catalog().OpenRuns(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("looking for syncs that nobody does: %w", err)
	}
	for _, run := range open {
		if !s.abandoned(run) {
			continue
		}
		if err := s.end(ctx, s.givenUp(run)); err != nil && !errors.Is(err, portal.ErrConflict) { // conflict: it has ended
			return err
		}
	}
	return nil
}

// run does one sync to its end and records how it ended.
func (s *Service) run(g catalog.Gateway, p *progress, may []connectors.Key) {
	log := s.opts.Log.With("gateway", g.ID, "run", p.run.ID)
	ctx, cancel := context.WithTimeoutCause(outbound.Background(s.ctx), s.opts.Timeout, fmt.Errorf("the sync took longer than %s: %w", s.opts.Timeout, portal.ErrUnavailable))
	defer cancel()
	defer func() { s.opts.Ended(p.look()) }()
	ctx, end := s.opts.Tracer.Start(ctx, "ingest.sync", attribute.String("gateway", string(g.ID)), attribute.String("run", string(p.run.ID)))
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	noting, enough := context.WithCancel(ctx)
	var noter sync.WaitGroup
	noter.Go(func() { s.note(noting, p, lost) })
	p.quiet = func() {
		enough()
		noter.Wait()
	}
	err := s.guarded(ctx, g, p, may)
	p.quiet()
	end(err)
	run := p.look()
	if err == nil {
		log.InfoContext(ctx, "gateway synced", "state", run.State, "added", run.Added, "changed", run.Changed, "removed", run.Removed,
			"unchanged", run.Unchanged, "warnings", len(run.Warnings), "elapsed_ms", run.Ended.Sub(run.Started).Milliseconds())
		return
	}
	var asked *portal.RetryAfterError
	switch {
	case s.ctx.Err() != nil:
		err = errors.New(stoppedError)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	log.WarnContext(ctx, "gateway not synced", "phase", run.Phase, "error", err)
	p.change(func(r *catalog.Run) {
		r.State, r.Ended, r.Error = unsuccessful(*r), s.clock(), text(err.Error(), 2*maxText)
		r.Added, r.Changed, r.Removed, r.Unchanged = 0, 0, 0, 0
		if errors.As(err, &asked) {
			r.Again = r.Ended.Add(asked.After)
		}
	})
	ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second) // the sync's own has ended
	defer cancel()
	if endErr := s.end(ctx, p.look()); endErr != nil {
		log.ErrorContext(ctx, "end of a failed sync not recorded", "error", endErr)
	}
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

// planned is of how many deployments plans are worked out and applied at a time; a larger one is alone. A plan takes some ten
// times the memory of what a gateway told. No gateway is asked meanwhile: a slow one delays nobody.
const planned = 2000

// inHand is of how many deployments documents are read, plans made and applied at a time; a larger gateway is alone. Gateways
// that are set up together come one after the other, so that memory does not hold what all of them told about each document.
// One whose documents take longer than patience gives its place to others: a slow gateway delays nobody for long.
const (
	inHand   = 10_000
	patience = 3 * time.Second
)

// enter waits for a place for so many deployments. leave gives it back, once.
func (s *Service) enter(ctx context.Context, deployments int) (leave func(), err error) {
	share := min(int64(deployments), inHand)
	if err := s.hands.Acquire(ctx, share); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { s.hands.Release(share) }), nil
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
	var good *catalog.Run
	err = s.db.View(ctx, func(tx catalog.Tx) (err error) {
		good, err = tx.Catalog().LastGood(ctx, g.ID)
		return err
	})
	if err != nil {
		return err
	}
	since := cursor(g, able, good)
	snapshot, err := conn.Discover(outbound.Together(ctx, connectors.MaxSnapshotBytes), since)
	if err != nil {
		return failed("Discover", err)
	}
	if since == "" && !snapshot.Complete {
		return failed("Discover", fmt.Errorf("the first answer is not complete: %w", portal.ErrInvalid))
	}
	told, left, err := clean(snapshot)
	if err != nil {
		return failed("Discover", err)
	}
	snapshot.Deployments = nil // they are told
	heard := answer{snapshot: snapshot, told: told, left: left, first: good == nil}
	if good != nil {
		heard.leftBefore, heard.heldBefore = good.LeftOut, good.Held
	}
	crash.Point("ingest.discovered")

	for range 2 {
		err = s.takeOver(ctx, g, conn, able, heard, p, may)
		if !errors.Is(err, portal.ErrConflict) {
			return err
		}
		// A person overrode a deployment while the plan was made: make another one.
	}
	return err
}

// cursor is where the last good sync ended, for gateways that tell changes; empty after a change of the registration.
func cursor(g catalog.Gateway, able connectors.Capabilities, good *catalog.Run) connectors.Cursor {
	if able.Discovery == connectors.DiscoverSnapshot || good == nil || good.Started.Before(g.Changed) {
		return ""
	}
	return good.Cursor
}

// takeOver opens what documents have changed, plans and applies.
func (s *Service) takeOver(ctx context.Context, g catalog.Gateway, conn connectors.Connector, able connectors.Capabilities,
	heard answer, p *progress, may []connectors.Key,
) error {
	n, err := s.news(ctx, g, able, heard)
	if err != nil {
		return err
	}
	keep, dry := s.store, p.look().Dry
	if dry {
		keep = forget
	}
	published, held := n.published(n.current)
	leave, err := s.enter(ctx, len(published))
	if err != nil {
		return err
	}
	defer leave()
	p.phase("documents")
	slow := time.AfterFunc(patience, leave)
	opening, end := s.opts.Tracer.Start(ctx, "ingest.documents")
	found, err := s.documents(opening, g, conn, n.current, published, keep, p.steps)
	end(err)
	slow.Stop()
	if err != nil {
		return &portal.GatewayError{Gateway: g.ID, Op: "OpenDocument", Err: err}
	}
	p.phase("plan")
	if !dry {
		if err := s.sketchAll(ctx); err != nil {
			return err
		}
	}
	share := min(int64(len(found)), planned)
	if err := s.planning.Acquire(ctx, share); err != nil {
		return err
	}
	defer s.planning.Release(share)
	_, end = s.opts.Tracer.Start(ctx, "ingest.plan")
	began := time.Now()
	plan, outcomes := compare(g, able, n.current, found)
	n.add(&plan)
	add(&s.watch.plan, began, 0)
	end(nil)
	wait := s.opts.Removals.Wait(plan) && !covers(may, plan.Remove)
	p.change(func(r *catalog.Run) {
		r.Added, r.Changed, r.Removed, r.Unchanged = len(plan.Add)+len(plan.Back), len(plan.Change)+len(plan.Rename), len(plan.Remove), plan.Unchanged
		r.Cursor, r.Held = heard.snapshot.Cursor, held
		r.LeftOut = heard.leftOut()
		r.Warnings = limited(slices.Concat(heard.warnings(held), texts(heard.snapshot.Warnings), plan.Warnings), maxWarnings)
	})
	p.phase("apply")
	placing := len(plan.Add) > 0 && !dry && !wait
	if placing {
		give, err := s.members.take(ctx)
		if err != nil {
			return err
		}
		defer give()
		if err := s.members.load(ctx, s.db); err != nil {
			return err
		}
	}
	if err := s.still(ctx, p, placing, len(plan.Add)+len(plan.Back)+len(plan.Change)+len(plan.Rename)+len(plan.Remove)); err != nil {
		return err
	}
	run := p.look()
	run.Phase, run.Ended = "", s.clock()
	if wait {
		for _, r := range plan.Remove {
			run.Removing = append(run.Removing, r.Key())
		}
	}
	switch {
	case dry:
		run.State, run.Cursor = catalog.Planned, ""
	case wait:
		run.State, run.Cursor = catalog.Waiting, ""
	case plan.Empty():
		run.State = catalog.Unchanged
	default:
		run.State = catalog.Applied
	}
	applying, end := s.opts.Tracer.Start(ctx, "ingest.apply", attribute.Int("added", run.Added), attribute.Int("changed", run.Changed), attribute.Int("removed", run.Removed))
	var done time.Time
	var applied *applier
	err = s.db.InTx(applying, func(tx catalog.Tx) error {
		if placing {
			if err := tx.Turn(applying); err != nil {
				return err
			}
			p.quiet()
			began := time.Now()
			if err := s.members.follow(applying, tx.Catalog()); err != nil {
				return err
			}
			add(&s.watch.follow, began, 0)
		}
		applied = s.applier(tx, run, g, heard.first)
		err := s.commit(applying, tx, g, able, plan, run, applied)
		done = time.Now()
		return err
	})
	add(&s.watch.commit, done, 0)
	end(err)
	if err != nil {
		return err
	}
	crash.Point("ingest.after-commit")
	if placing {
		s.members.took(applied.placed, applied.alone)
	}
	if run.State.Good() {
		s.settle(g.ID, n, found, outcomes)
	}
	p.change(func(r *catalog.Run) { *r = run })
	return nil
}

// commit writes all that a sync has to write, in one transaction.
func (s *Service) commit(ctx context.Context, tx catalog.Tx, g catalog.Gateway, able connectors.Capabilities, plan Plan, run catalog.Run, a *applier) error {
	now, err := tx.Catalog().Gateway(ctx, g.ID)
	if err != nil {
		return err
	}
	if !plan.Empty() || len(plan.Offer) > 0 {
		if err := tx.Catalog().PutPlan(ctx, run.ID, plan.Steps()); err != nil {
			return err
		}
	}
	if run.Dry {
		return tx.Catalog().EndRun(ctx, run)
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
		if err := a.apply(ctx, plan); err != nil {
			return err
		}
		detail := counts(plan)
		detail["run"] = string(run.ID)
		event := audit.Event{At: run.Ended, Actor: run.Actor, Action: "gateway.sync", Target: string(g.ID), Gateway: g.ID, Detail: detail}
		if err := tx.Audit().Append(ctx, event); err != nil {
			return err
		}
	}
	if run.State == catalog.Waiting {
		if err := offer(ctx, tx.Catalog(), run.Ended, plan); err != nil {
			return err
		}
	}
	if err := tx.Catalog().EndRun(ctx, run); err != nil {
		return err
	}
	crash.Point("ingest.before-commit")
	return nil
}

// applier is what applies the plan of a run; first: the first good one of its gateway. No other run of that can have become a
// good one meanwhile, since one alone is open at a time, so what the transaction reads of runs is its own: it would fail for
// every run of another gateway that is noted meanwhile, in the same page of an index.
func (s *Service) applier(tx catalog.Tx, run catalog.Run, g catalog.Gateway, first bool) *applier {
	a := newApplier(tx, run.Actor, run.Ended)
	a.members, a.watch = &s.members, &s.watch
	a.new[g.ID] = catalog.Gateway{}
	if first {
		a.new[g.ID] = g
	}
	return a
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
