package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concierge/portal/store"
	"concierge/portal/store/postgres"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlite"
	"concierge/portal/store/sqlstore"
)

// Open opens an empty database for a test of a package above the stores, and closes it after the test. It is a file of
// SQLite or, where CONCIERGE_TEST_DATABASE is postgres, a database on a server that postgrestest starts.
func Open(t testing.TB) DB {
	t.Helper()
	return OpenAt(t, Address(t), slog.New(slog.DiscardHandler))
}

// Address is where Open would open an empty database, for tests that open it more than once, or in another process.
func Address(t testing.TB) string {
	t.Helper()
	switch engine := os.Getenv("CONCIERGE_TEST_DATABASE"); engine {
	case "", "sqlite":
		return filepath.Join(t.TempDir(), "concierge.db")
	case "postgres":
		return postgrestest.New(t)
	default:
		t.Fatalf("CONCIERGE_TEST_DATABASE is %q: write sqlite or postgres", engine)
		return ""
	}
}

// OpenAt opens the database of an Address, and closes it after the test.
func OpenAt(t testing.TB, address string, log *slog.Logger) DB {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it is closed in a clean-up, after that context has ended
	var db DB
	var err error
	if IsFile(address) {
		db, err = sqlite.Open(ctx, address, log)
	} else {
		db, err = postgres.Open(ctx, address, log)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the test may have done so
	return db
}

// IsFile reports whether an Address is that of a file, which a test may read.
func IsFile(address string) bool { return !strings.HasPrefix(address, "postgres://") }

// Dump is every row of every table but those named, as text in a fixed order, so that a test can say that nothing was
// written or look for what must not be there.
func Dump(t testing.TB, db store.DB, but ...string) string {
	t.Helper()
	row := func(ctx context.Context, q sqlstore.Querier, table string) (string, error) {
		columns, err := column(ctx, q, `SELECT name FROM pragma_table_info($1)`, table)
		return `quote(` + strings.Join(columns, `) || ' ' || quote(`) + `)`, err
	}
	if _, ok := db.(*postgres.DB); ok {
		row = func(_ context.Context, _ sqlstore.Querier, table string) (string, error) {
			return table + `::text COLLATE "C"`, nil
		}
	}
	var dump string
	err := db.View(t.Context(), func(tx store.Tx) error {
		var b strings.Builder
		q := sqlstore.Statements(tx)
		names, err := tables(t.Context(), db, q)
		if err != nil {
			return err
		}
		for _, table := range names {
			if slices.Contains(but, table) {
				continue
			}
			text, err := row(t.Context(), q, table)
			if err != nil {
				return err
			}
			rows, err := column(t.Context(), q, `SELECT `+text+` FROM `+table+` ORDER BY 1`)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s\n%s\n", table, strings.Join(rows, "\n"))
		}
		dump = b.String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dump
}

// tables are the names of all tables, in order.
func tables(ctx context.Context, db store.DB, q sqlstore.Querier) ([]string, error) {
	if _, ok := db.(*postgres.DB); ok {
		return column(ctx, q, `SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1`)
	}
	return column(ctx, q, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
}

// column is the first column of all rows.
func column(ctx context.Context, q sqlstore.Querier, query string, args ...any) (all []string, err error) {
	err = scan(ctx, q, func(r sqlstore.Rows) error {
		var s string
		err := r.Scan(&s)
		all = append(all, s)
		return err
	}, query, args...)
	return all, err
}

// Forget empties tables, as if they were of a later version than what was written.
func Forget(t testing.TB, db store.DB, tables ...string) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx store.Tx) error {
		for _, table := range tables {
			if _, err := sqlstore.Statements(tx).Exec(t.Context(), "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
