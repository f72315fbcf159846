package jobs

import (
	"context"
	"time"
)

// LiveFast makes the runners of this process say that they are alive, take over from the dead, and recall what they lost,
// sooner.
func LiveFast(every, dead time.Duration) { beat, life, recorded = every, dead, dead }

// LoseEnd leaves a job that has run as it is when its end could not be recorded.
func (r *Runner) LoseEnd(ctx context.Context, id string) (err error) {
	switch e := r.engine.(type) {
	case postgresEngine:
		_, err = e.pool.Exec(ctx, `UPDATE river_job SET state = 'running', finalized_at = NULL WHERE id = $1::text::bigint`, id)
	case sqliteEngine:
		_, err = e.db.ExecContext(ctx, `UPDATE river_job SET state = 'running', finalized_at = NULL WHERE id = $1`, id)
	}
	return err
}
