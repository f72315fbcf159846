package store

import (
	"context"
	"time"
)

// Follower keeps something up to date with a database, of which it hears by hints: see DB.Listen.
type Follower struct {
	CatchUp func(context.Context) error // brings in all that was committed before
	// Idle is the time after which it is called without a hint: one may have been lost.
	Idle time.Duration
	// Between a call and the next that a hint causes there are Rest times the time that it took, at least Least and at most
	// Most: many commits in a row are followed together, and a large one leaves the machine to who makes it.
	Rest        int
	Least, Most time.Duration
	// Quiet ends such a time: for so long there was no hint. Zero: it does not end early.
	Quiet time.Duration
	// Failed is told the first error of several in a row, and Recovered of the first call without one after that.
	Failed    func(context.Context, error)
	Recovered func(context.Context)
}

// Run calls CatchUp at once and then whenever there is reason to, until ctx ends. An error changes nothing about that.
func (f Follower) Run(ctx context.Context, hints <-chan struct{}) {
	failing := false
	for {
		began := time.Now()
		err := f.CatchUp(ctx)
		pause := min(max(f.Least, time.Duration(f.Rest)*time.Since(began)), f.Most)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			f.Failed(ctx, err)
		case err == nil && failing:
			f.Recovered(ctx)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-hints:
			if f.rest(ctx, hints, pause); ctx.Err() != nil {
				return
			}
		case <-time.After(f.Idle):
		}
	}
}

// rest waits for as long as that, or until it has become quiet, or for the end of ctx.
func (f Follower) rest(ctx context.Context, hints <-chan struct{}, pause time.Duration) {
	enough := time.After(pause)
	var quiet <-chan time.Time
	for {
		if f.Quiet > 0 {
			quiet = time.After(f.Quiet)
		}
		select {
		case <-ctx.Done():
			return
		case <-enough:
			return
		case <-quiet:
			return
		case <-hints: // what it tells of is brought in too
		}
	}
}
