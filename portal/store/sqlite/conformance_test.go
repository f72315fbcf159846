package sqlite_test

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/pressly/goose/v3"

	"concierge/portal/store/sqlite"
	"concierge/portal/store/sqlstore"
	"concierge/portal/store/storetest"
)

func TestConformanceOfAFile(t *testing.T) {
	storetest.Run(t, storetest.Engine{Scans: scans, Open: func(t storetest.T) (storetest.DB, func() storetest.DB) {
		db, err := sqlite.Open(context.WithoutCancel(t.Context()), filepath.Join(t.TempDir(), "concierge.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db, nil
	}})
}

func TestConformanceInMemory(t *testing.T) {
	storetest.Run(t, storetest.Engine{
		Scans: scans, Open: memory,
		Waivers: map[string]string{
			"WritersDoNotWaitForViews": noLog, "ViewsDoNotWaitForWriters": noLog,
		},
	})
}

func TestEarlierShapes(t *testing.T) {
	storetest.EarlierShapes(t, func(t *testing.T) (*sql.DB, *goose.Provider, func() storetest.DB) {
		path := filepath.Join(t.TempDir(), "concierge.db")
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		up, err := sqlite.Migrator(raw)
		if err != nil {
			t.Fatal(err)
		}
		return raw, up, func() storetest.DB { return storetest.OpenAt(t, path, slog.New(slog.DiscardHandler)) }
	})
}

const noLog = "a database in memory has no log from which a view could read what was before; see sqlite.OpenMemory"

func memory(t storetest.T) (storetest.DB, func() storetest.DB) {
	db, err := sqlite.OpenMemory(context.WithoutCancel(t.Context()), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, nil
}

// A plan's line is "SCAN <table>", also where an index is read from end to end; what comes out of a part of the query in
// brackets is scanned too, and is no table.
var scanOf = regexp.MustCompile(`^SCAN (\w+)`)

func scans(ctx context.Context, q sqlstore.Querier, query string, args ...any) (found []string, err error) {
	tables := map[string]bool{}
	if err := each(ctx, q, func(r sqlstore.Rows) error {
		var name string
		err := r.Scan(&name)
		tables[name] = true
		return err
	}, `SELECT name FROM sqlite_schema WHERE type = 'table'`); err != nil {
		return nil, err
	}
	err = each(ctx, q, func(r sqlstore.Rows) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		if m := scanOf.FindStringSubmatch(detail); m != nil && (tables[m[1]] || len(m[1]) == 1) { // or a table's alias
			found = append(found, detail)
		}
		return err
	}, `EXPLAIN QUERY PLAN `+query, args...)
	return found, err
}

func each(ctx context.Context, q sqlstore.Querier, fn func(sqlstore.Rows) error, query string, args ...any) error {
	rs, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := fn(rs); err != nil {
			return err
		}
	}
	return rs.Err()
}
