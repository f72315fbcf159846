// Package jobs does work that outlives a request: syncs, acts whose time has come, upkeep.
//
// A job is a kind and a subject, the id of what it is done to. What there is to do is read from the store when the job
// runs, never kept in the job, so doing one twice, or once too often, does no harm. A job is asked for in the transaction
// that makes it necessary (store.Tx.Enqueue): it is there if and only if that was committed. Of jobs that have not ended
// there is one of a kind and subject in the whole cluster, and one process at a time runs it. One that fails comes again
// with back-off until it is done; one whose process died is taken over, on SQLite at the next start, on PostgreSQL after
// about half a minute.
//
// The queue is River's, on both engines; see decision 10. Nobody else touches its tables.
package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"concierge/portal/store"
)

// Handler does what a job is for. next is when it is to run again, zero where it is done. On an error it runs again too:
// at next, or where that is zero, after a back-off. It returns soon after its context has ended.
type Handler func(ctx context.Context, subject string) (next time.Time, err error)

// Options of a kind of job. Zero values mean the defaults.
type Options struct {
	// Timeout bounds one run; default 1 min.
	Timeout time.Duration
	// Every makes a kind periodic: its job without a subject runs once in each such period, in the whole cluster, as long
	// as a process is there: at its beginning, first in the one after the start. Periods without a process are made up
	// for by one run. A subject of such a kind is not periodic.
	Every time.Duration
}

const (
	defaultTimeout = time.Minute
	// concurrent jobs of one process. They mostly wait for gateways, and there is one of a kind for each gateway: a slow
	// one takes its own place only.
	concurrent = 1000
	// poll is how often jobs that have come due are looked for; it bounds how late one starts.
	poll = 250 * time.Millisecond
	// kept is how long a job that has ended stays in the list.
	kept = time.Hour
	// grace is how much longer than its time-out a job may take before it counts as lost.
	grace = time.Minute
	// maxError is how much of an error is kept.
	maxError = 1000
)

// Runner works the jobs of one process. Register its kinds, Start it, Stop it. Its list of jobs may be asked for at any
// time between the two.
type Runner struct {
	id     string
	log    *slog.Logger
	kinds  map[string]kind
	engine engine

	client  client
	mine    mine
	upkeep  sync.WaitGroup
	endKeep context.CancelFunc
}

type kind struct {
	Options
	handle Handler
}

// period is when the next one begins.
func (k kind) period(now time.Time) time.Time { return now.Truncate(k.Every).Add(k.Every) }

// client is what is used of a river.Client, whatever its transactions.
type client interface {
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	JobGet(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
	JobRetry(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

// engine is what differs between databases.
type engine interface {
	client(c *river.Config) (client, error)
	// enqueue asks for a job in a transaction of its own.
	enqueue(ctx context.Context, j store.Job) error
	// arrive is called before a runner starts, leave when it has stopped.
	arrive(ctx context.Context, runner string) error
	leave(ctx context.Context, runner string) error
	// keep tells others that the runner is alive, and takes over what dead ones have left, until ctx ends.
	keep(ctx context.Context, runner string, log *slog.Logger)
	// release makes jobs available again that the runner began before a time and that still count as running.
	release(ctx context.Context, runner string, ids []int64, before time.Time) (int64, error)
	// known gives an error of the database its kind.
	known(ctx context.Context, err error) error
}

// Handle says who does the jobs of a kind. Call it before Start, once for each kind that is ever asked for.
func (r *Runner) Handle(name string, o Options, h Handler) {
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	r.kinds[name] = kind{o, h}
}

// Start begins to work jobs, and returns. Stop it also where ctx has ended.
func (r *Runner) Start(ctx context.Context) error {
	workers := river.NewWorkers()
	var periodic []store.Job
	longest := defaultTimeout
	for name, k := range r.kinds {
		river.AddWorkerArgs(workers, args{kind: name}, &worker{runner: r, kind: k})
		if k.Every > 0 {
			periodic = append(periodic, store.Job{Kind: name, After: k.period(time.Now())})
		}
		longest = max(longest, k.Timeout)
	}
	c, err := r.engine.client(&river.Config{
		ID: r.id, Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: concurrent}},
		FetchPollInterval: poll, JobTimeout: longest + grace, RescueStuckJobsAfter: longest + 2*grace,
		CompletedJobRetentionPeriod: kept, Logger: slog.New(quiet{r.log.Handler()}),
	})
	if err != nil {
		return fmt.Errorf("setting up jobs: %w", err)
	}
	r.client = c
	if err := r.engine.arrive(ctx, r.id); err != nil {
		return fmt.Errorf("starting to work jobs: %w", r.engine.known(ctx, err))
	}
	// In one transaction, processes that start at once would wait for each other's rows, each in an order of its own.
	for _, j := range periodic {
		if err := r.engine.enqueue(ctx, j); err != nil {
			return fmt.Errorf("asking for periodic jobs: %w", r.engine.known(ctx, err))
		}
	}
	background := context.WithoutCancel(ctx)
	if err := c.Start(background); err != nil {
		return fmt.Errorf("starting to work jobs: %w", r.engine.known(ctx, err))
	}
	background, r.endKeep = context.WithCancel(background)
	r.upkeep.Go(func() { r.engine.keep(background, r.id, r.log) })
	r.upkeep.Go(func() { r.recall(background) })
	return nil
}

// Stop ends the jobs that run and hands them back, so that another process, or the next start, takes them up at once. It
// waits until they have returned. A runner that was not started has nothing to stop.
func (r *Runner) Stop(ctx context.Context) error {
	if r.endKeep == nil {
		return nil
	}
	r.endKeep()
	r.upkeep.Wait()
	if err := r.client.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stopping jobs: %w", err)
	}
	return r.engine.leave(ctx, r.id)
}

// mine are the jobs that a runner is doing, and those that it did a moment ago, whose end may not be recorded yet.
type mine struct {
	mu   sync.Mutex
	jobs map[int64]time.Time // when it was done; zero: it is being done
}

func (m *mine) note(id int64, done time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.jobs == nil {
		m.jobs = map[int64]time.Time{}
	}
	m.jobs[id] = done
}

// doing forgets what was done before a time, and returns the others.
func (m *mine) doing(since time.Time) map[int64]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.jobs, func(_ int64, done time.Time) bool { return !done.IsZero() && done.Before(since) })
	ids := make(map[int64]bool, len(m.jobs))
	for id := range m.jobs {
		ids[id] = true
	}
	return ids
}

// recall hands back, until ctx ends, what this runner no longer does and the database still takes for running: while it was
// away the end of a job could not be recorded, and River gives up after some tries.
func (r *Runner) recall(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		lost, err := r.recallOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.Debug("looking for jobs whose end was not recorded", "error", err)
		case lost > 0:
			r.log.Info("jobs whose end was not recorded run again", "jobs", lost)
		}
	}
}

func (r *Runner) recallOnce(ctx context.Context) (int64, error) {
	before := time.Now().Add(-recorded)
	doing := r.mine.doing(before) // asked before the list: what begins meanwhile is younger than before
	running, err := r.client.JobList(ctx, river.NewJobListParams().States(rivertype.JobStateRunning).First(concurrent))
	if err != nil {
		return 0, err
	}
	var lost []int64
	for _, row := range running.Jobs {
		n := len(row.AttemptedBy)
		if n > 0 && row.AttemptedBy[n-1] == r.id && row.AttemptedAt != nil && row.AttemptedAt.Before(before) && !doing[row.ID] {
			lost = append(lost, row.ID)
		}
	}
	if len(lost) == 0 {
		return 0, nil
	}
	return r.engine.release(ctx, r.id, lost, before)
}

// worker runs the jobs of one kind.
type worker struct {
	river.WorkerDefaults[args]
	runner *Runner
	kind   kind
}

// Timeout implements river.Worker. The job's own time-out comes before it.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return w.kind.Timeout + grace }

// NextRetry implements river.Worker: a job that was lost is taken up at once.
func (w *worker) NextRetry(*river.Job[args]) time.Time { return time.Now() }

// Work implements river.Worker. A job that is to come again is snoozed: one row serves it for ever.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	w.runner.mine.note(job.ID, time.Time{})
	defer func() { w.runner.mine.note(job.ID, time.Now()) }()
	call, cancel := context.WithTimeoutCause(ctx, w.kind.Timeout, fmt.Errorf("it took longer than %s", w.kind.Timeout))
	next, err := w.guarded(call, job.Args.Subject)
	if err != nil && call.Err() != nil {
		err = context.Cause(call)
	}
	cancel()
	if ctx.Err() != nil {
		return river.JobSnooze(0) // the runner stops: the job is handed back
	}
	before := outcomeOf(job.JobRow)
	after := outcome{}
	now := time.Now()
	var period time.Time
	if w.kind.Every > 0 && job.Args.Subject == "" {
		period = w.kind.period(now)
	}
	switch {
	case err == nil && next.IsZero():
		next = period
	case err != nil:
		after = outcome{Failures: before.Failures + 1, Error: clip(err.Error())}
		level := slog.LevelDebug
		if before.Failures == 0 {
			level = slog.LevelWarn
		}
		w.runner.log.Log(ctx, level, "job not done; it is tried again", "kind", job.Kind, "subject", job.Args.Subject, "failures", after.Failures, "error", err)
		if next.IsZero() {
			next = now.Add(backoff(after.Failures))
			if !period.IsZero() && period.Before(next) {
				next = period
			}
		}
	}
	if after != before {
		if err := river.RecordOutput(ctx, after); err != nil {
			return fmt.Errorf("noting how the job ended: %w", err)
		}
	}
	if next.IsZero() {
		return nil
	}
	return river.JobSnooze(max(0, next.Sub(now)))
}

// guarded turns a panic into an error: one broken job stops nobody else.
func (w *worker) guarded(ctx context.Context, subject string) (next time.Time, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.runner.log.ErrorContext(ctx, "panic in a job", "subject", subject, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			next, err = time.Time{}, errors.New("it failed in a way it should not; the log says more")
		}
	}()
	return w.kind.handle(ctx, subject)
}

// backoff is the wait after n failures in a row: 1 s doubling to 5 minutes.
func backoff(n int) time.Duration { return min(time.Second<<min(n-1, 10), 5*time.Minute) }

func clip(text string) string {
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}

// outcome is what is kept of the last run of a job that comes again.
type outcome struct {
	Failures int    `json:"failures"` // in a row
	Error    string `json:"error"`
}

func outcomeOf(row *rivertype.JobRow) outcome {
	var o outcome
	if b := row.Output(); b != nil && json.Unmarshal(b, &o) != nil {
		return outcome{}
	}
	return o
}

// quiet lets through what River says of its own troubles, and not that it comes and goes.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
