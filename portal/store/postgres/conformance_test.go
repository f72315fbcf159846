package postgres_test

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"concierge/portal/store/postgres"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlstore"
	"concierge/portal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Engine{Scans: scans, Open: func(t storetest.T) (storetest.DB, func() storetest.DB) {
		address := postgrestest.New(t.(testing.TB))
		open := func() storetest.DB {
			db, err := postgres.Open(context.WithoutCancel(t.Context()), address, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return db
		}
		return open(), open
	}})
}

func TestEarlierShapes(t *testing.T) {
	storetest.EarlierShapes(t, func(t *testing.T) (*sql.DB, *goose.Provider, func() storetest.DB) {
		address := postgrestest.New(t)
		raw, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		up, err := postgres.Migrator(raw)
		if err != nil {
			t.Fatal(err)
		}
		return raw, up, func() storetest.DB { return storetest.OpenAt(t, address, slog.New(slog.DiscardHandler)) }
	})
}

// scans returns the lines of a plan that read a table, or an index, without a condition.
func scans(ctx context.Context, q sqlstore.Querier, query string, args ...any) (found []string, err error) {
	rs, err := q.Query(ctx, `EXPLAIN `+query, args...)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var index string // of the line before, which the next one should give a condition
	for rs.Next() {
		var line string
		if err := rs.Scan(&line); err != nil {
			return nil, err
		}
		if index != "" && !strings.Contains(line, "Index Cond:") {
			found = append(found, index)
		}
		index = ""
		switch {
		case strings.Contains(line, "Seq Scan on "):
			found = append(found, line)
		case strings.Contains(line, "Index Scan") || strings.Contains(line, "Index Only Scan"):
			index = line
		}
	}
	if index != "" {
		found = append(found, index)
	}
	return found, rs.Err()
}
