package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"concierge/portal/store"
)

// args is a job as River keeps it.
type args struct {
	kind    string
	Subject string `json:"subject" river:"unique"`
}

// Kind implements river.JobArgs.
func (a args) Kind() string { return a.kind }

// soon is how far ahead River moves jobs whose time comes from those that wait to those that are looked for.
const soon = 5 * time.Second

// EnqueuePostgres asks for a job in a transaction; see store.Tx.
func EnqueuePostgres(ctx context.Context, tx pgx.Tx, j store.Job) error {
	row, earlier, err := insert(ctx, postgresQueue(), tx, &j)
	if err != nil || !earlier {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE river_job SET scheduled_at = $1::timestamptz, state = CASE WHEN $2 THEN 'available' ELSE state END
		WHERE id = $3 AND state IN ('available', 'scheduled', 'retryable') AND scheduled_at >= $1::timestamptz`, j.After, isSoon(j.After), row.ID)
	return err
}

// EnqueueSQLite asks for a job in a transaction; see store.Tx.
func EnqueueSQLite(ctx context.Context, tx *sql.Tx, j store.Job) error {
	row, earlier, err := insert(ctx, sqliteQueue(), tx, &j)
	if err != nil || !earlier {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE river_job SET scheduled_at = $1, state = CASE WHEN $2 THEN 'available' ELSE state END
		WHERE id = $3 AND state IN ('available', 'scheduled', 'retryable') AND scheduled_at >= $1`, sqliteTime(j.After), isSoon(j.After), row.ID)
	return err
}

// sqliteTime is how River's driver keeps a time, so that texts compare as times do.
func sqliteTime(t time.Time) string {
	return t.UTC().Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
}

func isSoon(t time.Time) bool { return time.Until(t) <= soon }

// insert adds a job unless it is there, and says whether the row that is there has to be brought forward: to an earlier
// time than it had, or from those that wait, which River looks through every few seconds, to those that it looks for.
func insert[TTx any](ctx context.Context, queue *river.Client[TTx], tx TTx, j *store.Job) (row *rivertype.JobRow, earlier bool, err error) {
	if j.After.IsZero() {
		j.After = time.Now()
	}
	res, err := queue.InsertTx(ctx, tx, args{kind: j.Kind, Subject: j.Subject}, &river.InsertOpts{
		ScheduledAt: j.After, MaxAttempts: math.MaxInt16,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	})
	if err != nil {
		return nil, false, fmt.Errorf("asking for %s %s: %w", j.Kind, j.Subject, err)
	}
	row = res.Job
	switch row.State {
	case rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStateRetryable:
		after := j.After.Truncate(time.Millisecond)
		return row, row.ScheduledAt.After(after) || (row.State != rivertype.JobStateAvailable && !row.ScheduledAt.Before(after) && isSoon(j.After)), nil
	}
	return row, false, nil
}

var (
	unfinished = []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
	}
	ended = []rivertype.JobState{rivertype.JobStateCompleted, rivertype.JobStateCancelled, rivertype.JobStateDiscarded}
)

// The queues add jobs in transactions that are given to them, and need no database of their own.
var (
	postgresQueue = sync.OnceValue(func() *river.Client[pgx.Tx] { return queue(river.NewClient(riverpgxv5.New(nil), &river.Config{})) })
	sqliteQueue   = sync.OnceValue(func() *river.Client[*sql.Tx] { return queue(river.NewClient(riversqlite.New(nil), &river.Config{})) })
)

func queue[TTx any](c *river.Client[TTx], err error) *river.Client[TTx] {
	if err != nil {
		panic(err) // a configuration without anything in it is refused: seen by the first test
	}
	return c
}
