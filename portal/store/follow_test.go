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
		cancel()
		<-ended
		if want := []string{"failed: away", "recovered"}; !slices.Equal(said, want) {
			t.Errorf("it said %q, want %q", said, want)
		}
	})
}
