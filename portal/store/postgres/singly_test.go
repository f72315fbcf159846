package postgres

import (
	"context"
	"testing"

	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlstore"
)

// Of two transactions that each write what the other has read one runs again, unless one of them says that its statements
// hold by themselves.
func TestSinglyIsInNobodysWay(t *testing.T) {
	db := opened(t, postgrestest.New(t))
	for _, c := range []struct {
		name   string
		singly bool
		runs   int
	}{{"serializable", false, 2}, {"singly", true, 1}} {
		t.Run(c.name, func(t *testing.T) {
			run := func(write func(sqlstore.Querier) error) {
				t.Helper()
				err := db.engine.Write(t.Context(), func(q sqlstore.Querier) ([]string, error) { return nil, write(q) })
				if err != nil {
					t.Fatal(err)
				}
			}
			ctx := context.Background()
			set := func(q sqlstore.Querier, name, value string) error {
				_, err := q.Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
				return err
			}
			look := func(q sqlstore.Querier, name string) error {
				found, err := q.Query(ctx, `SELECT value FROM settings WHERE name = $1`, name)
				if err != nil {
					return err
				}
				defer found.Close()
				for found.Next() {
				}
				return found.Err()
			}
			run(func(q sqlstore.Querier) error { return set(q, "one", c.name) })
			run(func(q sqlstore.Querier) error { return set(q, "other", c.name) })
			runs := 0
			run(func(q sqlstore.Querier) error {
				runs++
				if err := look(q, "one"); err != nil {
					return err
				}
				if runs == 1 {
					run(func(q sqlstore.Querier) error {
						if c.singly {
							if err := q.Singly(ctx); err != nil {
								return err
							}
						}
						if err := look(q, "other"); err != nil {
							return err
						}
						return set(q, "one", "")
					})
				}
				return set(q, "other", "")
			})
			if runs != c.runs {
				t.Errorf("the transaction ran %d times, not %d", runs, c.runs)
			}
		})
	}
}
