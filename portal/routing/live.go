package routing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/store"
)

// Source is the store as a table needs it. Version and Changes are those of store.DB; Notify listens to store.TopicChanges.
type Source interface {
	// Load returns everything, of one consistent state with its Version. Live adds the Config.
	Load(ctx context.Context) (Input, error)
	// LoadChanged returns the present state of what changed, of one consistent state; what is gone is nil. That state may
	// be newer than the changes. Live sets the Version.
	LoadChanged(ctx context.Context, changes []store.Change) (Delta, error)

	Version(ctx context.Context) (int64, error)
	Changes(ctx context.Context, after int64) (changes []store.Change, newest int64, complete bool, err error)
	Notify(ctx context.Context) <-chan struct{}
}

// Live holds the newest table and follows a Source. It is safe for concurrent use; reading the table takes no lock.
//
// The table of a process is a little older than the store: until a notification has come and been followed, some
// milliseconds as a rule. That is good enough for what is found in it. What is not found there may have been made through
// another replica a moment ago: ask Newest, or Find, before saying so. What decides about a change asks Refresh first.
type Live struct {
	config Config
	source Source
	log    *slog.Logger
	table  atomic.Pointer[Table]
	ready  atomic.Bool
	status atomic.Pointer[Status]
	check  time.Duration // between two looks at the version without a notification

	turn  chan struct{} // holds one token while somebody catches up
	mu    sync.Mutex
	now   *look     // the one of Refresh that has not begun; whoever comes may share it
	soon  *look     // the same of Newest
	again time.Time // when the next one of Newest may begin
}

// Status says how a Live follows its source.
type Status struct {
	Current time.Time     // when the table was last known to hold everything that was committed; zero: never
	Rebuild time.Duration // how long the last change took to get into the table, reading it included
}

// look is one look at the source, which many wait for.
type look struct {
	done chan struct{}
	err  error
}

const (
	// checkEvery is the safety net under notifications.
	checkEvery = 5 * time.Second
	// followPause is the least time between two looks that notifications cause, followMost the longest: after a large change the
	// next is followed followRest times as much later as that took, so that an estate which is set up has most of the machine. A
	// revoked token is to be refused everywhere within a second, on a busy machine too.
	followPause = 10 * time.Millisecond
	followMost  = 250 * time.Millisecond
	followRest  = 4
	// newestEvery is the least time between two looks that Newest makes: however many ask for what does not exist, the
	// store is asked fifty times a second for its version, and each of them waits a little.
	newestEvery = 20 * time.Millisecond
	// versionTimeout bounds the question for the version, loadTimeout all that may follow.
	versionTimeout = 2 * time.Second
	loadTimeout    = time.Minute
)

// NewLive returns a Live with an empty table, in which nothing is found. Call Refresh to load it, Run to follow.
func NewLive(config Config, source Source, log *slog.Logger) *Live {
	l := &Live{config: config, source: source, log: log, turn: make(chan struct{}, 1), check: checkEvery}
	l.table.Store(Build(Input{Config: config}))
	l.status.Store(&Status{})
	return l
}

// Table returns the newest table that this process has, never nil.
func (l *Live) Table() *Table { return l.table.Load() }

// Ready reports whether a table has been loaded. It stays so when the source fails later: the last table goes on.
func (l *Live) Ready() bool { return l.ready.Load() }

// Status says how the source is followed.
func (l *Live) Status() Status { return *l.status.Load() }

// CallerByToken is Table.CallerByToken, where a token is unknown that of the Newest table. Errors: portal.ErrDenied for a
// token of nobody, or one that is expired; portal.ErrUnavailable where that cannot be said.
func (l *Live) CallerByToken(ctx context.Context, hash [32]byte, now time.Time) (access.Caller, error) {
	table := l.Table()
	if c, ok := table.CallerByToken(hash, now); ok {
		return c, nil
	}
	newest, err := l.Newest(ctx)
	if err != nil {
		return access.Caller{}, err
	}
	if c, ok := newest.CallerByToken(hash, now); ok {
		return c, nil
	}
	return access.Caller{}, fmt.Errorf("the token is unknown or has expired: %w", portal.ErrDenied)
}

// Find asks the table; where it answers portal.ErrNotFound, the Newest one. It returns the table that answered. Errors:
// those of ask, and portal.ErrUnavailable where nothing was found and the store cannot say whether there is something by now.
func Find[T any](ctx context.Context, l *Live, ask func(*Table) (T, error)) (found T, in *Table, err error) {
	in = l.Table()
	found, err = ask(in)
	if !errors.Is(err, portal.ErrNotFound) {
		return found, in, err
	}
	newest, failed := l.Newest(ctx)
	switch {
	case failed != nil:
		return found, in, failed
	case newest == in:
		return found, in, err
	}
	found, err = ask(newest)
	return found, newest, err
}

// Run keeps up with the source until ctx ends: after every notification, and every five seconds in case one was lost. A
// failure leaves the table as it is and is logged once, until things work again.
func (l *Live) Run(ctx context.Context) {
	store.Follower{
		CatchUp: l.Refresh, Idle: l.check, Rest: followRest, Least: followPause, Most: followMost,
		Failed: func(ctx context.Context, err error) {
			l.log.ErrorContext(ctx, "routing table cannot follow the store; the last one goes on", "error", err, "table_version", l.Table().Version())
		},
		Recovered: func(ctx context.Context) {
			l.log.InfoContext(ctx, "routing table follows the store again", "table_version", l.Table().Version())
		},
	}.Run(ctx, l.source.Notify(ctx))
}

// Refresh catches up with everything that was committed before the call. On an error the table stays as it is. Any number
// of callers share one look at the source: it costs one question where nothing has changed.
func (l *Live) Refresh(ctx context.Context) error {
	l.mu.Lock()
	next := l.now
	if next == nil {
		next = &look{done: make(chan struct{})}
		l.now = next
		go l.look(context.WithoutCancel(ctx), next)
	}
	l.mu.Unlock()
	return next.wait(ctx)
}

func (l *Live) look(ctx context.Context, next *look) {
	l.turn <- struct{}{}
	l.mu.Lock()
	l.now = nil // whoever comes from here on needs a later look
	l.mu.Unlock()
	began, before := time.Now(), l.Table()
	next.err = l.catchUp(ctx)
	if next.err == nil {
		l.note(began, l.Table() != before)
	}
	<-l.turn
	close(next.done)
}

// note records a look that found the table current at a time, or made it so.
func (l *Live) note(at time.Time, rebuilt bool) {
	now := Status{Current: at, Rebuild: l.Status().Rebuild}
	if rebuilt {
		now.Rebuild = time.Since(at)
	}
	l.status.Store(&now)
}

func (k *look) wait(ctx context.Context) error {
	select {
	case <-k.done:
	case <-ctx.Done():
		return fmt.Errorf("refreshing the routing table: %w", ctx.Err())
	}
	if k.err != nil {
		return fmt.Errorf("refreshing the routing table: %w", k.err)
	}
	return nil
}

// Newest returns a table that has everything that was committed before the call, for whoever found nothing in Table. It
// is Refresh at a measured pace, so that asking for what does not exist is no way to load the store.
func (l *Live) Newest(ctx context.Context) (*Table, error) {
	l.mu.Lock()
	next := l.soon
	if next == nil {
		next = &look{done: make(chan struct{})}
		l.soon = next
		go l.lookSoon(context.WithoutCancel(ctx), next, time.Until(l.again))
	}
	l.mu.Unlock()
	if err := next.wait(ctx); err != nil {
		return nil, err
	}
	return l.Table(), nil
}

func (l *Live) lookSoon(ctx context.Context, next *look, pause time.Duration) {
	time.Sleep(pause)
	l.mu.Lock()
	l.soon, l.again = nil, time.Now().Add(newestEvery)
	l.mu.Unlock()
	next.err = l.Refresh(ctx)
	close(next.done)
}

func (l *Live) catchUp(ctx context.Context) error {
	if !l.Ready() {
		return l.load(ctx)
	}
	table := l.Table()
	newest, err := l.version(ctx)
	if err != nil || newest == table.Version() {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	changes, newest, complete, err := l.source.Changes(ctx, table.Version())
	if err != nil {
		return err
	}
	if !complete || newest < table.Version() { // a gap, or another database: one restored from a backup
		return l.load(ctx)
	}
	delta, err := l.source.LoadChanged(ctx, changes)
	if err != nil {
		return err
	}
	delta.Version = newest
	l.table.Store(table.With(delta))
	return nil
}

// version asks the source for its newest version. One that does not answer in time is portal.ErrUnavailable.
func (l *Live) version(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	v, err := l.source.Version(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("the store does not answer: %w: %w", portal.ErrUnavailable, err)
	}
	return v, err
}

func (l *Live) load(ctx context.Context) error {
	in, err := l.source.Load(ctx)
	if err != nil {
		return err
	}
	in.Config = l.config
	l.table.Store(Build(in))
	l.ready.Store(true)
	return nil
}
