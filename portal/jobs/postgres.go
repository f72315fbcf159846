package jobs

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"concierge/portal/store"
)

// Known gives an error of a database its kind: portal.ErrUnavailable and so on.
type Known func(ctx context.Context, err error) error

// OnPostgres returns a runner that shares the jobs of a database with any number of others. Transactions of the pool are
// "read committed": River does not run again what a stricter one refuses.
func OnPostgres(pool *pgxpool.Pool, known Known, log *slog.Logger) *Runner {
	return newRunner(postgresEngine{pool, known}, log)
}

func newRunner(e engine, log *slog.Logger) *Runner {
	return &Runner{id: rand.Text(), log: log, kinds: map[string]kind{}, engine: e}
}

// A runner says every beat that it is alive. One that has said nothing for the time of a life is dead: what it was doing
// is handed to the others. So that an outage of the database kills nobody, a runner buries others only after it has been
// heard without a break for that long itself. Tests live faster.
var (
	beat = 5 * time.Second
	life = 20 * time.Second
	// recorded is how long River may take to record the end of a job.
	recorded = 30 * time.Second
)

type postgresEngine struct {
	pool *pgxpool.Pool
	kind Known
}

func (e postgresEngine) known(ctx context.Context, err error) error { return e.kind(ctx, err) }

func (e postgresEngine) client(c *river.Config) (client, error) {
	return river.NewClient(riverpgxv5.New(e.pool), c)
}

func (e postgresEngine) enqueue(ctx context.Context, j store.Job) error {
	return pgx.BeginFunc(ctx, e.pool, func(tx pgx.Tx) error { return EnqueuePostgres(ctx, tx, j) })
}

func (e postgresEngine) arrive(ctx context.Context, runner string) error {
	_, err := e.pool.Exec(ctx, `INSERT INTO job_runners (id, until) VALUES ($1, now() + $2) ON CONFLICT (id) DO UPDATE SET until = excluded.until`, runner, life)
	return err
}

// leave hands back at once what a runner that could not tell the database so was doing.
func (e postgresEngine) leave(ctx context.Context, runner string) error {
	if _, err := e.pool.Exec(ctx, `DELETE FROM job_runners WHERE id = $1`, runner); err != nil {
		return fmt.Errorf("taking leave of the other processes: %w", e.kind(ctx, err))
	}
	return nil
}

func (e postgresEngine) release(ctx context.Context, runner string, ids []int64, before time.Time) (int64, error) {
	tag, err := e.pool.Exec(ctx, `UPDATE river_job SET state = 'available', scheduled_at = now(), attempt = greatest(attempt - 1, 0)
		WHERE state = 'running' AND id = ANY($1) AND attempted_by[array_upper(attempted_by, 1)] = $2 AND attempted_at < $3`, ids, runner, before)
	return tag.RowsAffected(), err
}

func (e postgresEngine) keep(ctx context.Context, runner string, log *slog.Logger) {
	heard := time.Now()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		took, err := e.beat(ctx, runner, time.Since(heard) > life)
		switch {
		case err != nil && ctx.Err() == nil:
			log.Warn("other processes may take this one for dead", "error", e.kind(ctx, err))
			heard = time.Now()
		case took > 0:
			log.Info("jobs of processes that died are taken over", "jobs", took)
		}
	}
}

// beat says that the runner is alive. Where it may, it hands over what dead ones were doing.
func (e postgresEngine) beat(ctx context.Context, runner string, bury bool) (took int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, beat)
	defer cancel()
	if err := e.arrive(ctx, runner); err != nil || !bury {
		return 0, err
	}
	// River itself takes over what has run for longer than any job may: that is too long for a sync every minute.
	tag, err := e.pool.Exec(ctx, `UPDATE river_job SET state = 'available', scheduled_at = now(), attempt = greatest(attempt - 1, 0)
		WHERE state = 'running' AND NOT EXISTS (SELECT FROM job_runners WHERE id = attempted_by[array_upper(attempted_by, 1)] AND until > now())`)
	if err != nil {
		return 0, err
	}
	_, err = e.pool.Exec(ctx, `DELETE FROM job_runners WHERE until < now() - $1::interval`, time.Hour)
	return tag.RowsAffected(), err
}
