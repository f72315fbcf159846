package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"

	"golang.org/x/sync/semaphore"

	"concierge/portal/store/sqlstore"
)

// OpenMemory makes a database in memory that is gone when it is closed, for tests and for what is not to be kept. It keeps
// the rules of one in a file but for these: a commit waits for the views that run, and views wait for a commit that waits,
// so a function given to View must not write or view again; and nothing is on disk.
func OpenMemory(ctx context.Context, log *slog.Logger) (*DB, error) {
	e := &engine{unlock: func() error { return nil }, views: semaphore.NewWeighted(readers)}
	if err := e.openMemory(ctx, log); err != nil {
		_ = e.Close()
		return nil, err
	}
	return &DB{sqlstore.New(e), e}, nil
}

func (e *engine) openMemory(ctx context.Context, log *slog.Logger) (err error) {
	// A name that begins with a slash is shared by the connections of this process: https://sqlite.org/src/file/src/memdb.c
	name := "/concierge-" + rand.Text()
	// Without cache_spill a transaction needs no lock against readers before its commit.
	if e.write, err = connectMemory(name, "immediate", "cache_spill(OFF)", "synchronous(OFF)"); err != nil {
		return err
	}
	e.write.SetMaxOpenConns(1)
	if e.read, err = connectMemory(name, "deferred", "query_only(ON)"); err != nil {
		return err
	}
	e.read.SetMaxOpenConns(readers + 1)
	if e.kept, err = e.read.Conn(ctx); err != nil {
		return fmt.Errorf("opening a database in memory: %w", err)
	}
	return migrate(ctx, e.write, "the database in memory", log)
}

func connectMemory(name, lock string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"vfs": {"memdb"}, "_txlock": {lock}}
	for _, p := range append([]string{"foreign_keys(ON)", "journal_mode(MEMORY)", "temp_store(MEMORY)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return open(name, q)
}
