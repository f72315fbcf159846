package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// When a follower looks, and what it says of failures, by a clock of the test's own.
func TestFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of what follows
		var looked []time.Duration
		var said []string
		since, takes := time.Now(), time.Duration(0)
		var fails error
		f := Follower{
			CatchUp: func(context.Context) error {
				mu.Lock()
				looked = append(looked, time.Since(since))
				pause, err := takes, fails
				mu.Unlock()
				time.Sleep(pause)
				return err
			},
			Idle: 5 * time.Second, Rest: 4, Least: 10 * time.Millisecond, Most: time.Second,
			Failed:    func(_ context.Context, err error) { said = append(said, "failed: "+err.Error()) },
			Recovered: func(context.Context) { said = append(said, "recovered") },
		}
		ctx, cancel := context.WithCancel(t.Context())
		hints, ended := make(chan struct{}, 1), make(chan struct{})
		go func() { f.Run(ctx, hints); close(ended) }()
		// after says when it looked within a time; from then on a look takes so long, and fails or not.
		after := func(d, next time.Duration, err error) []time.Duration {
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			all := looked
			looked, since, takes, fails = nil, time.Now(), next, err
			return all
		}
		expect := func(what string, got []time.Duration, want ...time.Duration) {
			t.Helper()
			if !slices.Equal(got, want) {
				t.Errorf("%s: it looked after %v, want %v", what, got, want)
			}
		}
		expect("at once", after(0, 0, nil), 0)
		hints <- struct{}{}
		expect("after a hint", after(time.Second, 0, nil), 10*time.Millisecond)
		expect("without one", after(5*time.Second, 100*time.Millisecond, nil), 4010*time.Millisecond)
		expect("without one", after(6*time.Second, 100*time.Millisecond, nil), 4010*time.Millisecond)
		hints <- struct{}{}
		expect("after a hint, when the last took long", after(2*time.Second, time.Minute, nil), 400*time.Millisecond)
		hints <- struct{}{}
		expect("after a hint, when the last took long", after(62*time.Second, 0, nil), 400*time.Millisecond)
		hints <- struct{}{}
		expect("after a hint, when the last took very long", after(2*time.Second, 0, errors.New("away")), time.Second)
		after(time.Minute, 0, nil)
		after(time.Minute, 0, nil)
		hints <- struct{}{}
		expect("while hints come", after(5*time.Millisecond, 100*time.Millisecond, nil))
		hints <- struct{}{}
		expect("when the shortest time is over", after(time.Second, 0, nil), 5*time.Millisecond)
		cancel()
		<-ended
		if want := []string{"failed: away", "recovered"}; !slices.Equal(said, want) {
			t.Errorf("it said %q, want %q", said, want)
		}
	})
}

// A follower that took long looks again once it has become quiet, and at the latest when its pause is over.
func TestFollowerWaitsForQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began []time.Duration
		start := time.Now()
		f := Follower{
			CatchUp: func(context.Context) error {
				began = append(began, time.Since(start))
				time.Sleep(10 * time.Second)
				return nil
			},
			Idle: time.Hour, Rest: 4, Most: 30 * time.Second, Quiet: 3 * time.Second,
		}
		ctx, cancel := context.WithCancel(t.Context())
		hints, ended := make(chan struct{}, 1), make(chan struct{})
		go func() { f.Run(ctx, hints); close(ended) }()
		told := func(times int) { // each second
			for range times {
				time.Sleep(time.Second)
				select {
				case hints <- struct{}{}:
				default: // it has one waiting
				}
			}
		}
		told(20)
		time.Sleep(19 * time.Second)
		told(45) // from second 40 on
		cancel()
		<-ended
		if want := []time.Duration{0, 23 * time.Second, 70 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("it looked after %v, want %v", began, want)
		}
	})
}
