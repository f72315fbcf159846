package jobs

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"concierge/portal/store"
)

// OnSQLite returns the runner of a file that no other process uses. db is the one connection that writes.
func OnSQLite(db *sql.DB, known Known, log *slog.Logger) *Runner {
	return newRunner(sqliteEngine{db, known}, log)
}

type sqliteEngine struct {
	db   *sql.DB
	kind Known
}

func (e sqliteEngine) known(ctx context.Context, err error) error { return e.kind(ctx, err) }

// client looks for jobs now and then, in one short transaction that writes nothing where there are none. River's
// notifications on SQLite are rows that it writes with every job and asks for twenty times a second.
func (e sqliteEngine) client(c *river.Config) (client, error) {
	c.PollOnly = true
	return river.NewClient(riversqlite.New(e.db), c)
}

func (e sqliteEngine) enqueue(ctx context.Context, j store.Job) error {
	return e.inTx(ctx, func(tx *sql.Tx) error { return EnqueueSQLite(ctx, tx, j) })
}

// arrive takes over what a process that was killed was doing, and its office: the file is ours alone, so it is dead. What
// came due meanwhile is not kept waiting for River to see it.
func (e sqliteEngine) arrive(ctx context.Context, _ string) error {
	return e.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM river_leader`); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE river_job SET attempt = CASE state WHEN 'running' THEN max(attempt - 1, 0) ELSE attempt END, state = 'available'
			WHERE state = 'running' OR (state IN ('scheduled', 'retryable') AND scheduled_at <= $1)`, sqliteTime(time.Now().Add(soon)))
		return err
	})
}

func (sqliteEngine) leave(context.Context, string) error { return nil }

func (e sqliteEngine) release(ctx context.Context, _ string, ids []int64, before time.Time) (released int64, err error) {
	err = e.inTx(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			res, err := tx.ExecContext(ctx, `UPDATE river_job SET state = 'available', scheduled_at = $1, attempt = max(attempt - 1, 0)
				WHERE state = 'running' AND id = $2 AND attempted_at < $3`, sqliteTime(time.Now()), id, sqliteTime(before))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			released += n
		}
		return nil
	})
	return released, err
}

// keep has nobody to tell.
func (sqliteEngine) keep(context.Context, string, *slog.Logger) {}

func (e sqliteEngine) inTx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := e.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}
