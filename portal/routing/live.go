package routing

import (
	"context"
	"fmt"
	"log/slog"
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
type Live struct {
	config Config
	source Source
	log    *slog.Logger
	table  atomic.Pointer[Table]
	ready  atomic.Bool
	turn   chan struct{} // holds one token while somebody catches up

	check time.Duration // between two looks at the version without a notification
}

// checkEvery is the safety net under notifications.
const checkEvery = 10 * time.Second

// NewLive returns a Live with an empty table, in which nothing is found. Call Refresh to load it, Run to follow.
func NewLive(config Config, source Source, log *slog.Logger) *Live {
	l := &Live{config: config, source: source, log: log, turn: make(chan struct{}, 1), check: checkEvery}
	l.table.Store(Build(Input{Config: config}))
	return l
}

// Table returns the newest table, never nil.
func (l *Live) Table() *Table { return l.table.Load() }

// Ready reports whether a table has been loaded. It stays so when the source fails later: the last table goes on.
func (l *Live) Ready() bool { return l.ready.Load() }

// CallerByToken is Table.CallerByToken of the newest table.
func (l *Live) CallerByToken(hash [32]byte, now time.Time) (access.Caller, bool) {
	return l.Table().CallerByToken(hash, now)
}

// Run keeps up with the source until ctx ends: after every notification, and every ten seconds in case one was lost. A
// failure leaves the table as it is and is logged once, until things work again.
func (l *Live) Run(ctx context.Context) {
	changed := l.source.Notify(ctx)
	ticker := time.NewTicker(l.check)
	defer ticker.Stop()
	failing := false
	for {
		err := l.Refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			l.log.ErrorContext(ctx, "routing table cannot follow the store; the last one goes on", "error", err, "table_version", l.Table().Version())
		case err == nil && failing:
			l.log.InfoContext(ctx, "routing table follows the store again", "table_version", l.Table().Version())
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// Refresh catches up with everything that was committed before the call. On an error the table stays as it is.
func (l *Live) Refresh(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return fmt.Errorf("refreshing the routing table: %w", ctx.Err())
	}
	if err := l.catchUp(ctx); err != nil {
		return fmt.Errorf("refreshing the routing table: %w", err)
	}
	return nil
}

// WaitFor catches up until the table holds a version, so that whoever committed it reads what they wrote. Errors:
// portal.ErrUnavailable where the source does not know that version.
func (l *Live) WaitFor(ctx context.Context, version int64) error {
	if l.Table().Version() >= version {
		return nil
	}
	if err := l.Refresh(ctx); err != nil {
		return err
	}
	if have := l.Table().Version(); have < version {
		return fmt.Errorf("the routing table is at version %d, not yet at %d: %w", have, version, portal.ErrUnavailable)
	}
	return nil
}

func (l *Live) catchUp(ctx context.Context) error {
	if !l.Ready() {
		return l.load(ctx)
	}
	table := l.Table()
	newest, err := l.source.Version(ctx)
	if err != nil || newest == table.Version() {
		return err
	}
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
