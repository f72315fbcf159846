package difference

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"concierge/portal"
)

// Options are how a Comparer works. A zero field means its default.
type Options struct {
	Limits Limits
	// Patience is how long the rules may take. Two descriptions that take longer are compared by operations. Default 20 s;
	// GitHub's two editions take 6 s of one core.
	Patience time.Duration
	// Slots is how many comparisons run at once; others wait. Default 2. One that outlasts Patience keeps its slot until it ends.
	Slots int
	// MaxKept is how many changes are remembered, over all reports, each counting as one more. Default 50,000, some 20 MB.
	MaxKept int
	Log     *slog.Logger // nil discards
}

// Comparer compares in the background and remembers. It is safe for concurrent use.
type Comparer struct {
	o     Options
	slots chan struct{}
	deep  func(prepared) Report

	mu      sync.Mutex
	running map[pair]*run
	kept    map[pair]*list.Element // of *run
	order   list.List              // the one used last is in front
	weight  int
}

// pair names a comparison by its two sides.
type pair struct{ from, to string }

// run is one comparison; report and err are there once done is closed.
type run struct {
	pair   pair
	done   chan struct{}
	report Report
	err    error
}

// NewComparer returns one that remembers nothing yet.
func NewComparer(o Options) *Comparer {
	if o.Patience <= 0 {
		o.Patience = 20 * time.Second
	}
	if o.Slots <= 0 {
		o.Slots = 2
	}
	if o.MaxKept <= 0 {
		o.MaxKept = 50_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Comparer{o: o, slots: make(chan struct{}, o.Slots), deep: prepared.deep, running: map[pair]*run{}, kept: map[pair]*list.Element{}}
}

// Side is a description that is loaded when nobody remembers its comparison.
type Side struct {
	// Hash tells descriptions apart as they are served: two that differ in one byte have two.
	Hash string
	// Load is called from another goroutine, with a context of its own.
	Load func(context.Context) (Document, error)
}

// maxLoading bounds the loading of both sides.
const maxLoading = 10 * time.Second

// errComparing says that a report is being made: ask again.
var errComparing = &portal.RetryAfterError{After: 2 * time.Second, Err: fmt.Errorf("the two descriptions are being compared: %w", portal.ErrUnavailable)}

// Compare returns the report on two sides, waiting for it as long as ctx allows; the comparison goes on without whoever asked.
// Errors: portal.ErrUnavailable in a portal.RetryAfterError where it takes longer, the error of Load, context.Canceled.
func (c *Comparer) Compare(ctx context.Context, from, to Side) (Report, error) {
	r := c.start(ctx, from, to)
	select {
	case <-r.done:
		return r.report, r.err
	default:
	}
	wait := time.NewTimer(c.o.Patience + maxLoading)
	defer wait.Stop()
	select {
	case <-r.done:
		return r.report, r.err
	case <-wait.C:
		return Report{}, errComparing
	case <-ctx.Done():
		if ctx.Err() == context.Canceled {
			return Report{}, ctx.Err()
		}
		return Report{}, errComparing
	}
}

// start returns the run of a pair: one that is over, one that goes on, or a new one.
func (c *Comparer) start(ctx context.Context, from, to Side) *run {
	key := pair{from.Hash, to.Hash}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.kept[key]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*run)
	}
	if r, ok := c.running[key]; ok {
		return r
	}
	r := &run{pair: key, done: make(chan struct{})}
	c.running[key] = r
	go c.run(context.WithoutCancel(ctx), r, from, to)
	return r
}

func (c *Comparer) run(ctx context.Context, r *run, from, to Side) {
	c.slots <- struct{}{}
	finished := make(chan struct{})
	defer c.end(r)
	p, err := c.load(ctx, from, to)
	if err != nil || p.same || p.short != "" {
		<-c.slots
		if r.err = err; err == nil {
			r.report = p.shallow(p.short)
		}
		return
	}
	var deep Report
	go func() {
		defer func() { <-c.slots; close(finished) }()
		deep = c.deep(p)
	}()
	select {
	case <-finished:
		if r.report = deep; deep.Failure != nil {
			c.o.Log.Warn("API descriptions could not be compared by the rules", "error", deep.Failure)
		}
	case <-time.After(c.o.Patience):
		r.report = p.shallow(TooSlow)
	}
}

// load reads both sides.
func (c *Comparer) load(ctx context.Context, from, to Side) (prepared, error) {
	ctx, cancel := context.WithTimeout(ctx, maxLoading)
	defer cancel()
	a, err := from.Load(ctx)
	if err != nil {
		return prepared{}, err
	}
	b, err := to.Load(ctx)
	if err != nil {
		return prepared{}, err
	}
	return prepare(a, b, c.o.Limits), nil
}

// end tells those who wait, and keeps the report. An error is not kept.
func (c *Comparer) end(r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, r.pair)
	close(r.done)
	if r.err != nil {
		return
	}
	c.kept[r.pair] = c.order.PushFront(r)
	c.weight += weight(r)
	for c.weight > c.o.MaxKept && c.order.Len() > 1 {
		oldest := c.order.Remove(c.order.Back()).(*run)
		delete(c.kept, oldest.pair)
		c.weight -= weight(oldest)
	}
}

func weight(r *run) int { return len(r.report.Changes) + 1 }
