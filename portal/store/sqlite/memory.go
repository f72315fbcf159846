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

// OpenMemory makes a database in memory that is gone when it is closed; nothing of it is on disk. It keeps the rules of one
// in a file but for this: a transaction that writes waits for the views that run, and views wait for it, so a function
// given to InTx or View must not begin another.
func OpenMemory(ctx context.Context, log *slog.Logger) (*DB, error) {
	e := &engine{unlock: func() error { return nil }, turns: semaphore.NewWeighted(readers)}
	if err := e.openMemory(ctx, log); err != nil {
		_ = e.Close()
		return nil, err
	}
	return &DB{sqlstore.New(e), e}, nil
}

func (e *engine) openMemory(ctx context.Context, log *slog.Logger) (err error) {
	// A name that begins with a slash is shared by the connections of this process: https://sqlite.org/src/file/src/memdb.c
	name := "/concierge-" + rand.Text()
	if e.write, err = connectMemory(name, "immediate"); err != nil {
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
