package site_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/site"
)

// slow is a gateway whose Probe waits to be let go.
func slow(began chan<- struct{}, letGo <-chan struct{}) *connector {
	return &connector{
		probe: func(ctx context.Context) (connectors.Capabilities, error) {
			began <- struct{}{}
			select {
			case <-letGo:
				return connectors.Capabilities{Product: "Slow 1"}, nil
			case <-ctx.Done():
				return connectors.Capabilities{}, ctx.Err()
			}
		},
		revoke: func(connectors.Handle) (connectors.Revoked, error) { return connectors.Revoked{Absent: true}, nil },
	}
}

// TestRevocationsFindRoom: however many other calls a gateway is busy with, one for a revocation begins.
func TestRevocationsFindRoom(t *testing.T) {
	w := newWorld(t)
	began, letGo := make(chan struct{}, 100), make(chan struct{})
	c := w.through(t.TempDir(), slow(began, letGo))
	var probes sync.WaitGroup
	for range 2 * site.AtOnce {
		probes.Go(func() {
			if _, err := c.Probe(t.Context()); err != nil {
				t.Errorf("Probe: %v", err)
			}
		})
	}
	for range site.AtOnce - 1 {
		<-began
	}
	revoked, err := c.(connectors.Issuer).Revoke(t.Context(), connectors.Mark{Credential: "crd_1"}, connectors.Handle{})
	if err != nil || !revoked.Absent {
		t.Errorf("the revocation: %v, %v", revoked, err)
	}
	if n := len(began); n > 0 {
		t.Errorf("%d calls more than there is room for", n)
	}
	close(letGo)
	probes.Wait()
}

// TestStoppingWorkerFinishes: what it has begun is answered; it takes nothing more, and is gone at once.
func TestStoppingWorkerFinishes(t *testing.T) {
	w := newWorld(t)
	w.register(plant, "floor")
	began, letGo := make(chan struct{}, 1), make(chan struct{})
	r := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": slow(began, letGo)})
	stop := w.start(r)
	w.served("floor", site.Connected)
	c := w.service.Connector(plant, "floor")
	answered := make(chan error)
	go func() {
		_, err := c.Probe(t.Context())
		answered <- err
	}()
	<-began
	ended := make(chan error)
	go func() { ended <- stop() }()
	w.served("floor", site.Gone)
	if _, err := c.Probe(t.Context()); away(t, err).Taken {
		t.Errorf("a call to a worker that stops: %v", err)
	}
	close(letGo)
	if err := <-answered; err != nil {
		t.Errorf("what it had begun: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestCallThatNobodyWaitsFor is ended at its worker, soon: its gateway has better things to do.
func TestCallThatNobodyWaitsFor(t *testing.T) {
	w := newWorld(t)
	began, never := make(chan struct{}, 1), make(chan struct{})
	stopped := make(chan struct{})
	gateway := slow(began, never)
	inner := gateway.probe
	gateway.probe = func(ctx context.Context) (connectors.Capabilities, error) {
		defer close(stopped)
		return inner(ctx)
	}
	c := w.through(t.TempDir(), gateway)
	ctx, giveUp := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, err := c.Probe(ctx)
		answered <- err
	}()
	<-began
	giveUp()
	if err := <-answered; !away(t, err).Taken || !errors.Is(err, context.Canceled) {
		t.Errorf("the caller: %v", err)
	}
	<-stopped
}

// TestConnectorThatPanics fails its call and nothing else.
func TestConnectorThatPanics(t *testing.T) {
	w := newWorld(t)
	calls := 0
	c := w.through(t.TempDir(), &connector{probe: func(context.Context) (connectors.Capabilities, error) {
		if calls++; calls == 1 {
			panic("canary")
		}
		return connectors.Capabilities{Product: "Calm 1"}, nil
	}})
	if _, err := c.Probe(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "the worker's log") {
		t.Errorf("got %v", err)
	}
	if caps, err := c.Probe(t.Context()); err != nil || caps.Product != "Calm 1" {
		t.Errorf("afterwards: %v, %v", caps, err)
	}
}

// TestErrorsKeepTheirKind on the way from the worker.
func TestErrorsKeepTheirKind(t *testing.T) {
	w := newWorld(t)
	var told error
	c := w.through(t.TempDir(), &connector{probe: func(context.Context) (connectors.Capabilities, error) { return connectors.Capabilities{}, told }})
	for _, kind := range []error{portal.ErrNotFound, portal.ErrDenied, portal.ErrUnavailable, portal.ErrConflict, portal.ErrUnsupported, portal.ErrInvalid, nil} {
		told = errors.New("it says so")
		if kind != nil {
			told = fmt.Errorf("it says so: %w", kind)
		}
		_, err := c.Probe(t.Context())
		for _, other := range []error{portal.ErrNotFound, portal.ErrDenied, portal.ErrUnavailable, portal.ErrConflict, portal.ErrUnsupported, portal.ErrInvalid} {
			if errors.Is(err, other) != (kind == other) {
				t.Errorf("%v came as %v", told, err)
			}
		}
		if err == nil || err.Error() != told.Error() {
			t.Errorf("%v came as %v", told, err)
		}
	}
	told = &portal.RetryAfterError{After: 7e9, Err: errors.New("too many requests")}
	_, err := c.Probe(t.Context())
	if retry, ok := errors.AsType[*portal.RetryAfterError](err); !ok || retry.After != 7e9 || err.Error() != told.Error() {
		t.Errorf("%v came as %v", told, err)
	}
}

// TestTwoWorkersShareCalls: each call is done once, whoever takes it.
func TestTwoWorkersShareCalls(t *testing.T) {
	w := newWorld(t)
	w.register(plant, "floor")
	var done atomic.Int64
	for range 2 {
		w.start(w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": &connector{probe: func(context.Context) (connectors.Capabilities, error) {
			return connectors.Capabilities{MaxKeys: int(done.Add(1))}, nil
		}}}))
	}
	w.eventually("both are there", func() bool {
		n := 0
		for _, worker := range w.site(plant).Workers {
			if worker.Connected(w.clock.now()) {
				n++
			}
		}
		return n == 2
	})
	c := w.service.Connector(plant, "floor")
	var seen sync.Map
	var calls sync.WaitGroup
	const n = 60
	for range n {
		calls.Go(func() {
			caps, err := c.Probe(t.Context())
			if _, twice := seen.LoadOrStore(caps.MaxKeys, true); err != nil || twice {
				t.Errorf("%v, %v", caps.MaxKeys, err)
			}
		})
	}
	calls.Wait()
	if got := done.Load(); got != n {
		t.Errorf("%d calls were done %d times", n, got)
	}
}
