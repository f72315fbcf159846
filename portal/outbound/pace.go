package outbound

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"concierge/portal"

	"golang.org/x/time/rate"
)

// Limits are what the receiver of calls can take. A zero field sets no limit.
type Limits struct {
	PerSecond float64
	Burst     int // calls at once after a pause; 0: one
	// Parallel is how many calls may be under way at a time, their bodies included.
	Parallel int
}

// lane is how much of a hurry a call has.
type lane int

const (
	acting     lane = iota // somebody waits, or a key has to be refused: before everything else
	background             // may wait, and leaves one of the parallel places to acts
	standing               // stays open on purpose: takes no place
	lanes
)

type laneKey struct{}

// Background marks calls that may wait: those of syncs. Every other call goes before them.
func Background(ctx context.Context) context.Context {
	return context.WithValue(ctx, laneKey{}, background)
}

// Standing marks calls that stay open on purpose until there is something to say: those of watches. They count against the
// rate like others, but not as under way.
func Standing(ctx context.Context) context.Context {
	return context.WithValue(ctx, laneKey{}, standing)
}

func laneOf(ctx context.Context) lane {
	l, _ := ctx.Value(laneKey{}).(lane)
	return l
}

const (
	// patience is the longest pause asked for by a receiver that a call waits out; after a longer one it is for the caller
	// to come back.
	patience = 30 * time.Second
	// attempts of a call in the background that only reads, where the receiver asks for a pause.
	attempts = 3
	// longestPause bounds what a receiver may ask for: who mended it has not to wait for longer. The next sync comes when
	// it asked for, however long that is.
	longestPause = 5 * time.Minute
)

// Pace lets calls through as fast as their receiver can take them, those in a hurry first; holds back while the receiver
// asks for a pause; and, while it fails again and again, lets nothing through but one probe at a time (see circuit). It
// may be shared by clients, is safe for concurrent use, and is this process's own: replicas do not know of each other's.
type Pace struct {
	limits Limits

	mu       sync.Mutex
	limiter  *rate.Limiter
	circuit  circuit
	paused   time.Time // until when the receiver wants no calls
	queues   [lanes]*list.List
	under    [lanes]int // under way
	alarm    *time.Timer
	alarmFor time.Time
}

// NewPace makes a pace.
func NewPace(l Limits) *Pace {
	p := &Pace{limits: l, limiter: rate.NewLimiter(rate.Inf, 1)}
	if l.PerSecond > 0 {
		p.limiter = rate.NewLimiter(rate.Limit(l.PerSecond), cmp.Or(max(l.Burst, 0), 1))
	}
	for i := range p.queues {
		p.queues[i] = list.New()
	}
	return p
}

// PaceState is how a Pace stands at a moment.
type PaceState struct {
	// Open: the receiver failed again and again since Since, and is left alone until Until but for one probe at a time.
	// Failures in a row, and why the last one failed.
	Open         bool
	Since, Until time.Time
	Failures     int
	Why          string
	// Paused is until when the receiver asked for no calls; zero or past: it did not.
	Paused         time.Time
	Waiting, Under int // calls that wait, and that are under way
}

// State returns how the pace stands.
func (p *Pace) State() PaceState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PaceState{
		Open: p.circuit.open(), Since: p.circuit.since, Until: p.circuit.until, Failures: p.circuit.failures, Why: p.circuit.why, Paused: p.paused,
	}
	for i := range p.queues {
		s.Waiting += p.queues[i].Len()
		s.Under += p.under[i]
	}
	return s
}

// waiter is a call that wants to be let through.
type waiter struct {
	let     chan struct{} // closed when it is
	granted bool
}

// enter waits until a call may be made. What it returns tells how the call went, once. Errors are portal.ErrUnavailable,
// with portal.RetryAfterError where it is known when to come back, or the caller's own end.
func (p *Pace) enter(ctx context.Context) (leave func(outcome, string), err error) {
	l := laneOf(ctx)
	p.mu.Lock()
	now := time.Now()
	if pause := p.paused.Sub(now); pause > 0 && (pause > patience || endsWithin(ctx, pause)) {
		p.mu.Unlock()
		return nil, &portal.RetryAfterError{After: pause, Err: fmt.Errorf("it asked for no calls until then: %w", portal.ErrUnavailable)}
	}
	probe, err := p.circuit.allow(now, l == acting)
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	w := &waiter{let: make(chan struct{})}
	place := p.queues[l].PushBack(w)
	p.dispatch()
	p.mu.Unlock()
	leave = func(o outcome, why string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.under[l]--
		p.circuit.done(time.Now(), o, probe, why)
		p.dispatch()
	}
	select {
	case <-w.let:
		return leave, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	if w.granted { // at the same moment
		p.mu.Unlock()
		leave(unknown, "")
	} else {
		p.queues[l].Remove(place)
		p.circuit.done(time.Now(), unknown, probe, "")
		p.mu.Unlock()
	}
	return nil, fmt.Errorf("waiting for the request budget: %w", context.Cause(ctx))
}

func endsWithin(ctx context.Context, d time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) < d
}

// dispatch lets through whom it may, and sees to it that it is called again where only time is missing. The caller holds mu.
func (p *Pace) dispatch() {
	for {
		l, there := p.first()
		if !there {
			return
		}
		now := time.Now()
		if wait := p.paused.Sub(now); wait > 0 {
			p.wake(now.Add(wait))
			return
		}
		turn := p.limiter.ReserveN(now, 1)
		if wait := turn.DelayFrom(now); wait > 0 {
			turn.CancelAt(now) // whoever is in more of a hurry meanwhile has it
			p.wake(now.Add(wait))
			return
		}
		w := p.queues[l].Remove(p.queues[l].Front()).(*waiter)
		w.granted = true
		p.under[l]++
		close(w.let)
	}
}

// first is the lane whose first call comes next; false where none waits that there is a place for.
func (p *Pace) first() (lane, bool) {
	free := func(l lane) bool {
		busy := p.under[acting] + p.under[background]
		switch {
		case p.limits.Parallel <= 0 || l == standing:
			return true
		case l == background:
			return busy < p.limits.Parallel && p.under[background] < max(1, p.limits.Parallel-1)
		}
		return busy < p.limits.Parallel
	}
	for l := range lanes {
		if p.queues[l].Len() > 0 && free(l) {
			return l, true
		}
	}
	return 0, false
}

// wake calls dispatch at a time. The caller holds mu.
func (p *Pace) wake(at time.Time) {
	if p.alarm != nil {
		if !at.Before(p.alarmFor) {
			return
		}
		p.alarm.Stop()
	}
	p.alarmFor = at
	var alarm *time.Timer
	alarm = time.AfterFunc(time.Until(at), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.alarm == alarm {
			p.alarm = nil
			p.dispatch()
		}
	})
	p.alarm = alarm
}

// pause holds calls back for as long as the receiver asked for.
func (p *Pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(min(d, longestPause)); until.After(p.paused) {
		p.paused = until
	}
}

// asked is the pause that an answer asks for, 0 where it asks for none.
func asked(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// outcome is what a call tells of its receiver.
type outcome int

const (
	unknown outcome = iota // nothing: it was given up, or not made
	answered
	failed
)

const (
	// openAfter failures in a row the circuit opens.
	openAfter = 5
	firstOpen = 15 * time.Second
	longOpen  = 5 * time.Minute
)

// circuit spares a receiver that fails, and those who would wait for it. After openAfter failures in a row it is open: for
// a while, doubled with every probe that fails, calls fail at once. Then one is let through as a probe, and its answer
// closes the circuit. An act does not wait for that: it is a probe at any time, if there is no other, so that a key can be
// revoked as soon as the gateway is back. A failure is an answer in the 500s or none; a refusal (400s) is an answer.
type circuit struct {
	failures     int // in a row
	since, until time.Time
	wait         time.Duration
	probing      bool
	why          string
}

func (c *circuit) open() bool { return !c.since.IsZero() }

// allow reports whether a call may be made, and whether it is the probe.
func (c *circuit) allow(now time.Time, act bool) (probe bool, err error) {
	if !c.open() {
		return false, nil
	}
	if wait := c.until.Sub(now); c.probing || wait > 0 && !act {
		return false, &portal.RetryAfterError{After: max(wait, time.Second).Round(time.Second), Err: fmt.Errorf(
			"it failed %d times in a row since %s, so it is left alone for a while: %w: %s", c.failures, c.since.UTC().Format(time.TimeOnly), portal.ErrUnavailable, c.why)}
	}
	c.probing = true
	return true, nil
}

// done tells how a call went that was allowed.
func (c *circuit) done(now time.Time, o outcome, probe bool, why string) {
	if probe {
		c.probing = false
	}
	switch o {
	case answered:
		*c = circuit{}
	case failed:
		c.failures, c.why = c.failures+1, why
		switch {
		case probe:
			c.wait = min(2*c.wait, longOpen)
		case c.open() || c.failures < openAfter:
			return
		default:
			c.since, c.wait = now, firstOpen
		}
		c.until = now.Add(c.wait)
	}
}

// outcomeOf is what the end of a call tells: err is that of the call or of reading its answer.
func outcomeOf(req *http.Request, resp *http.Response, err error) (outcome, string) {
	switch {
	case err != nil && (errors.Is(err, portal.ErrDenied) || req.Context().Err() != nil && errors.Is(req.Context().Err(), context.Canceled)):
		return unknown, ""
	case err != nil:
		return failed, err.Error()
	case resp.StatusCode >= http.StatusInternalServerError && resp.StatusCode != http.StatusNotImplemented && asked(resp) == 0:
		return failed, fmt.Sprintf("it answered %d", resp.StatusCode)
	}
	return answered, ""
}
