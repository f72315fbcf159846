package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlstore"
)

// Transactions that all get in each other's way, of two replicas, get through, and each sees those before it.
func TestTransactionsInEachOthersWayTakeTurns(t *testing.T) {
	address := postgrestest.New(t)
	replicas := []*DB{opened(t, address), opened(t, address), opened(t, address)}
	const many = 300
	var ran atomic.Int64
	var seen sync.Map
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			var before int
			err := replicas[i%len(replicas)].engine.Write(context.Background(), func(q sqlstore.Querier) ([]string, error) {
				ran.Add(1)
				before = 0
				rows, err := q.Query(t.Context(), `SELECT name FROM settings WHERE name LIKE 'turn %'`)
				if err != nil {
					return nil, err
				}
				defer rows.Close()
				for rows.Next() {
					before++
				}
				if err := rows.Err(); err != nil {
					return nil, err
				}
				if _, err = q.Exec(t.Context(), `INSERT INTO settings (name, value) VALUES ($1, '')`, fmt.Sprintf("turn %d", i)); err != nil {
					return nil, err
				}
				return nil, q.Serialise(t.Context())
			})
			if err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
			if other, twice := seen.LoadOrStore(before, i); twice {
				t.Errorf("transactions %v and %d both saw %d before them", other, i, before)
			}
		})
	}
	all.Wait()
	t.Logf("%d transactions ran %d times", many, ran.Load())
}
