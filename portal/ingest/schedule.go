package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/store"
)

// The kinds of job of this package: the sync of a gateway, which is the subject and which the transaction that registers or
// changes it asks for, what looks after those, and the end of documents that nothing points at any more.
const (
	JobSync     = "sync"
	JobSchedule = "schedule"
	JobForget   = "forget-documents"
)

const (
	// ScheduleEvery is how long a sync may be overdue before it is asked for again.
	ScheduleEvery = 10 * time.Second
	// DefaultTimeout bounds one sync.
	DefaultTimeout = 10 * time.Minute
	// ForgetEvery is the time between two looks for documents that nothing points at.
	ForgetEvery = time.Hour
	// orphanAge is how long such a document is kept: longer than any sync takes.
	orphanAge = 24 * time.Hour
	// forgotten is how many of them one transaction takes away.
	forgotten = 100
)

// Scheduled syncs a gateway and waits for it. next is when it is synced again; zero where it is paused or gone. An error is
// why the sync failed, and changes nothing about that.
func (s *Service) Scheduled(ctx context.Context, id portal.GatewayID) (next time.Time, err error) {
	g, err := s.gateways.Gateway(ctx, id)
	if errors.Is(err, portal.ErrNotFound) || (err == nil && g.Paused) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	run, _, err := s.start(ctx, id, ScheduleActor, order{})
	if err != nil {
		return time.Time{}, fmt.Errorf("starting a sync of gateway %s: %w", id, err)
	}
	if run, err = s.Wait(ctx, id, run.ID); err != nil {
		return time.Time{}, fmt.Errorf("waiting for a sync of gateway %s: %w", id, err)
	}
	if next, err = s.next(ctx, g, rand.Float64()); err != nil {
		return time.Time{}, err
	}
	if run.State == catalog.Failed {
		err = errors.New(run.Error)
	}
	return next, err
}

// Schedule closes runs that nobody does any more, and asks for the sync of gateways that is long overdue. It writes nothing
// where there are none.
func (s *Service) Schedule(ctx context.Context) error {
	if err := s.recover(ctx); err != nil {
		return err
	}
	all, err := s.gateways.all(ctx)
	if err != nil {
		return fmt.Errorf("listing gateways: %w", err)
	}
	if err := s.watchThose(ctx, all); err != nil {
		return err
	}
	var late []portal.GatewayID
	for _, g := range all {
		if g.Paused {
			continue
		}
		runs, err := s.recent(ctx, g.ID)
		if err != nil {
			return err
		}
		next := after(g, s.opts.Every, runs, 1)
		// Where a sync will have ended only later the clock went back, and the job of the next one waits for a time that is far away.
		early := len(runs) > 0 && runs[0].Ended.After(s.clock().Add(ScheduleEvery))
		if early || !next.IsZero() && s.clock().After(next.Add(ScheduleEvery)) {
			late = append(late, g.ID)
		}
	}
	if len(late) == 0 {
		return nil
	}
	err = s.db.InTx(ctx, func(tx catalog.Tx) error {
		for _, id := range late {
			if err := tx.Enqueue(ctx, store.Job{Kind: JobSync, Subject: string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("asking for syncs that are overdue: %w", err)
	}
	return nil
}

// manyFailures is more than the wait after a failure goes on growing with.
const manyFailures = 10

// next is when a gateway is synced again, by how its last runs ended; zero while one is running. See wait for jitter.
func (s *Service) next(ctx context.Context, g catalog.Gateway, jitter float64) (time.Time, error) {
	runs, err := s.recent(ctx, g.ID)
	return after(g, s.opts.Every, runs, jitter), err
}

// Due returns how often a gateway is synced, and when the next time is, give or take a tenth; zero while a sync runs, and
// for one that is paused.
func (s *Service) Due(ctx context.Context, g catalog.Gateway) (every time.Duration, next time.Time, err error) {
	every = cmp.Or(g.Every, s.opts.Every)
	if g.Paused {
		return every, next, nil
	}
	const middle = 0.5 // no jitter
	next, err = s.next(ctx, g, middle)
	return every, next, err
}

// recent returns the last runs of a gateway that tell when the next one is due.
func (s *Service) recent(ctx context.Context, id portal.GatewayID) ([]catalog.Run, error) {
	runs, err := s.Runs(ctx, id, "", 2*manyFailures) // some of them may only have planned
	if err != nil {
		return nil, fmt.Errorf("looking for the last syncs of gateway %s: %w", id, err)
	}
	return runs, nil
}

// after is when a gateway is synced after its last runs, the newest first; every is the time between two where it has none
// of its own.
func after(g catalog.Gateway, every time.Duration, runs []catalog.Run, jitter float64) time.Time {
	planning := len(runs) > 0 && runs[0].State == catalog.Running && runs[0].Dry
	runs = slices.DeleteFunc(slices.Clone(runs), func(r catalog.Run) bool { return r.Dry })
	if planning {
		return time.Time{}
	}
	if len(runs) == 0 {
		return g.Created
	}
	last := runs[0]
	switch {
	case last.State == catalog.Running:
		return time.Time{}
	case last.State == catalog.Failed && !itsFault(last):
		return last.Ended
	}
	failures := 0
	for _, run := range runs {
		if run.State != catalog.Failed {
			break
		}
		if itsFault(run) {
			failures++
		}
	}
	return last.Ended.Add(wait(cmp.Or(g.Every, every), failures, last.Again.Sub(last.Ended), jitter))
}

// itsFault reports whether a failed run says something of its gateway.
func itsFault(run catalog.Run) bool { return run.Error != recoveryError && run.Error != stoppedError }

// Times between two syncs of one gateway.
const (
	DefaultEvery = 5 * time.Minute
	MinEvery     = 10 * time.Second

	firstRetry = 30 * time.Second
	maxRetry   = time.Hour
)

// wait returns how long after the end of a sync the next one starts: the gateway's own time between two, or after
// failures in a row half a minute, doubled with each, up to an hour or the gateway's own time where that is longer; never
// less than the gateway asked for. jitter in [0,1) moves it by up to a tenth either way, so that gateways that were
// registered together do not stay together.
func wait(every time.Duration, failures int, asked time.Duration, jitter float64) time.Duration {
	every = cmp.Or(every, DefaultEvery)
	d := every
	if failures > 0 {
		d = firstRetry
		for range min(failures-1, 20) {
			d *= 2
			if d >= max(maxRetry, every) {
				break
			}
		}
		d = min(d, max(maxRetry, every))
	}
	d += time.Duration((jitter - 0.5) * 0.2 * float64(d))
	return max(d, asked)
}

// Forget takes documents out of the catalog that no deployment has pointed at for a day. It keeps no writer waiting while it
// looks for them, and writes nothing where there are none.
func (s *Service) Forget(ctx context.Context) error {
	before := s.clock().Add(-orphanAge)
	for {
		var orphans []string
		err := s.db.View(ctx, func(tx catalog.Tx) (err error) {
			orphans, err = tx.Catalog().Orphans(ctx, before, forgotten)
			return err
		})
		if err != nil || len(orphans) == 0 {
			return err
		}
		err = s.db.InTx(ctx, func(tx catalog.Tx) error { return tx.Catalog().ForgetOrphans(ctx, orphans, before) })
		if err != nil {
			return err
		}
	}
}
