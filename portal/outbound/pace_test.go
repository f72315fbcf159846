package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"concierge/portal"

	"pgregory.net/rapid"
)

// take makes a call of a given length in a lane and says when it was let through.
func take(t *testing.T, p *Pace, ctx context.Context, length time.Duration) time.Time {
	t.Helper()
	leave, err := p.enter(ctx)
	if err != nil {
		t.Error(err)
		return time.Time{}
	}
	at := time.Now()
	time.Sleep(length)
	leave(answered, "")
	return at
}

func TestPaceKeepsToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := NewPace(Limits{PerSecond: 10, Burst: 3}), time.Now()
		for range 23 {
			take(t, p, t.Context(), 0)
		}
		if took := time.Since(began); took < 1990*time.Millisecond || took > 2100*time.Millisecond {
			t.Errorf("23 calls at 10 a second, 3 at once, took %s", took)
		}
	})
}

// Whatever is asked, no more calls are under way than may be, none comes before its time, and all are let through.
func TestPaceBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := Limits{
			PerSecond: float64(rapid.IntRange(1, 50).Draw(rt, "rate")), Burst: rapid.IntRange(1, 10).Draw(rt, "burst"),
			Parallel: rapid.IntRange(1, 5).Draw(rt, "parallel"),
		}
		lanes := rapid.SliceOfN(rapid.IntRange(0, 1), 1, 40).Draw(rt, "lanes")
		length := time.Duration(rapid.IntRange(0, 500).Draw(rt, "length")) * time.Millisecond
		var times []time.Time
		var most, under atomic.Int32
		synctest.Test(t, func(t *testing.T) {
			p := NewPace(l)
			var mu sync.Mutex
			var all sync.WaitGroup
			for _, which := range lanes {
				ctx := t.Context()
				if which == 1 {
					ctx = Background(ctx)
				}
				all.Go(func() {
					leave, err := p.enter(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					times = append(times, time.Now())
					mu.Unlock()
					now := under.Add(1)
					for had := most.Load(); now > had && !most.CompareAndSwap(had, now); had = most.Load() {
					}
					time.Sleep(length)
					under.Add(-1)
					leave(answered, "")
				})
			}
			all.Wait()
		})
		if int(most.Load()) > l.Parallel || len(times) != len(lanes) {
			rt.Fatalf("%d at a time of %d, %d of %d were let through", most.Load(), l.Parallel, len(times), len(lanes))
		}
		slices.SortFunc(times, time.Time.Compare)
		for i := range times {
			for j := i; j < len(times); j++ {
				if most := float64(l.Burst) + l.PerSecond*times[j].Sub(times[i]).Seconds() + 1e-6; float64(j-i+1) > most {
					rt.Fatalf("%d calls within %s", j-i+1, times[j].Sub(times[i]))
				}
			}
		}
	})
}

// Acts go before what may wait, however long it has waited, and find a place though every other call hangs.
func TestActsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := NewPace(Limits{PerSecond: 1, Burst: 1}), time.Now()
		for range 100 {
			go take(t, p, Background(t.Context()), 0)
		}
		synctest.Wait()
		if at := take(t, p, t.Context(), 0); at.Sub(began) > time.Second {
			t.Errorf("behind 100 calls of a sync an act waited %s", at.Sub(began))
		}
		time.Sleep(2 * time.Minute)
	})
	synctest.Test(t, func(t *testing.T) {
		p, began := NewPace(Limits{Parallel: 3}), time.Now()
		for range 10 {
			go take(t, p, Background(t.Context()), time.Hour) // the gateway hangs
		}
		go take(t, p, Standing(t.Context()), time.Hour)
		synctest.Wait()
		if s := p.State(); s.Under != 3 || s.Waiting != 8 {
			t.Errorf("%+v; want two in the background and one standing", s)
		}
		if at := take(t, p, t.Context(), 0); !at.Equal(began) {
			t.Errorf("beside calls that hang an act waited %s", at.Sub(began))
		}
		time.Sleep(10 * time.Hour)
	})
}

func TestWhoGivesUpLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(Limits{PerSecond: 1, Burst: 1})
		take(t, p, t.Context(), 0)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := p.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if s := p.State(); s.Waiting != 0 || s.Under != 0 {
			t.Errorf("%+v", s)
		}
		began := time.Now()
		take(t, p, t.Context(), 0)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the turn of who gave up is lost: %s", took)
		}
	})
}

func TestCircuit(t *testing.T) {
	c, now := circuit{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	call := func(act bool, o outcome) error {
		t.Helper()
		probe, err := c.allow(now, act)
		if err == nil {
			c.done(now, o, probe, "it answered 502")
		}
		return err
	}
	for range openAfter - 1 {
		if err := call(false, failed); err != nil {
			t.Fatal(err)
		}
	}
	_ = call(false, answered)
	for range openAfter {
		if err := call(false, failed); err != nil {
			t.Fatalf("a good answer did not count: %v", err)
		}
	}
	err := call(false, answered)
	var again *portal.RetryAfterError
	if !errors.As(err, &again) || again.After != firstOpen || !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "it answered 502") {
		t.Fatalf("open: %v", err)
	}
	for _, wait := range []time.Duration{firstOpen, 2 * firstOpen, 4 * firstOpen, 8 * firstOpen, 16 * firstOpen, longOpen, longOpen} {
		now = now.Add(wait - time.Millisecond)
		if call(false, answered) == nil {
			t.Fatalf("let through before %s", wait)
		}
		now = now.Add(time.Millisecond)
		if err := call(false, failed); err != nil {
			t.Fatalf("no probe after %s: %v", wait, err)
		}
	}
	if err := call(true, unknown); err != nil {
		t.Errorf("an act has to wait: %v", err)
	}
	probe, err := c.allow(now, true)
	if !probe || err != nil {
		t.Fatal(err)
	}
	if call(true, answered) == nil || call(false, answered) == nil {
		t.Error("two probes at a time")
	}
	c.done(now, answered, probe, "")
	if c.open() || call(false, answered) != nil {
		t.Errorf("a good answer does not close it: %+v", c)
	}
}

func paced(t *testing.T, ctx context.Context, client *http.Client, url string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Do(client, req)
	if err != nil {
		return 0, err
	}
	_, err = ReadAll(resp, 1000)
	return resp.StatusCode, err
}

// A sync outlasts a gateway that asks for a pause; whoever is in a hurry is told at once, and so is everybody after a long one.
func TestRetryAfterIsHonoured(t *testing.T) {
	var refuse atomic.Int32
	after := "1"
	srv, calls := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if refuse.Add(-1) >= 0 {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		_, _ = io.WriteString(w, "hello")
	})
	client := func() *http.Client { return newClient(t, local, Options{Pace: NewPace(Limits{Parallel: 2})}) }

	refuse.Store(2)
	began := time.Now()
	if status, err := paced(t, Background(t.Context()), client(), srv.URL); status != 200 || err != nil || calls.Load() != 3 || time.Since(began) < 2*time.Second {
		t.Errorf("a sync: %d, %v after %d calls in %s", status, err, calls.Load(), time.Since(began))
	}
	refuse.Store(1)
	if status, err := paced(t, t.Context(), client(), srv.URL); status != 429 || err != nil {
		t.Errorf("an act: %d, %v", status, err)
	}
	after = "600"
	refuse.Store(1)
	calls.Store(0)
	c := client()
	_, _ = paced(t, Background(t.Context()), c, srv.URL)
	_, err := paced(t, t.Context(), c, srv.URL)
	var again *portal.RetryAfterError
	if !errors.As(err, &again) || again.After < 4*time.Minute || !errors.Is(err, portal.ErrUnavailable) || calls.Load() != 1 {
		t.Errorf("after a long pause was asked for: %v, %d calls", err, calls.Load())
	}
}

// A gateway that fails is left alone; one probe at a time finds out that it is back.
func TestCircuitOfAClient(t *testing.T) {
	var broken atomic.Bool
	srv, calls := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	pace := NewPace(Limits{Parallel: 2})
	client := newClient(t, local, Options{Pace: pace})
	broken.Store(true)
	for range 20 {
		_, _ = paced(t, Background(t.Context()), client, srv.URL)
	}
	if s := pace.State(); calls.Load() != openAfter || !s.Open || s.Failures != openAfter || s.Why != "it answered 502" || s.Under != 0 {
		t.Errorf("%d calls, %+v", calls.Load(), s)
	}
	if _, err := paced(t, Background(t.Context()), client, srv.URL); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("while it is open: %v", err)
	}
	broken.Store(false)
	if status, err := paced(t, t.Context(), client, srv.URL); status != 200 || err != nil {
		t.Errorf("an act: %d, %v", status, err)
	}
	if pace.State().Open {
		t.Error("it is still open")
	}
	if status, err := paced(t, Background(t.Context()), client, srv.URL); status != 200 || err != nil {
		t.Errorf("afterwards: %d, %v", status, err)
	}
}
