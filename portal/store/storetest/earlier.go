package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"concierge/portal/store/postgres/postgrestest"
)

// remade says which tables Earlier leaves empty: what is made from the others, or is no state of the portal.
func remade(table string) bool {
	for _, prefix := range []string{"goose_", "sqlite_", "river_", "search_", "job_", "sketch", "changes"} {
		if strings.HasPrefix(table, prefix) {
			return true
		}
	}
	return false
}

// Earlier returns the address of a new database whose tables are those of an earlier version of the portal, with all rows of
// the database given as far as the tables of that version have room for them: it is what a portal of that version would have
// kept of them. Nobody may have either of them open.
func Earlier(t testing.TB, address string, version int64) string {
	t.Helper()
	ctx := t.Context()
	driver, dialect, folder, other := "sqlite", goose.DialectSQLite3, "sqlite", filepath.Join(t.TempDir(), "earlier.db")
	if !IsFile(address) {
		driver, dialect, folder, other = "pgx", goose.DialectPostgres, "postgres", postgrestest.New(t)
	}
	connect := func(address string) *sql.Conn {
		t.Helper()
		db, err := sql.Open(driver, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		if address == other {
			_, here, _, _ := runtime.Caller(0)
			up, err := goose.NewProvider(dialect, db, os.DirFS(filepath.Join(filepath.Dir(here), "..", folder, "migrations")), goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := up.UpTo(ctx, version); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	from, to := connect(address), connect(other)
	unchecked := `PRAGMA foreign_keys = OFF` // rows come in the order of their tables' names
	if driver == "pgx" {
		unchecked = `SET session_replication_role = replica`
	}
	if _, err := to.ExecContext(ctx, unchecked); err != nil {
		t.Fatal(err)
	}
	have, want := columnsOf(ctx, t, from, driver), columnsOf(ctx, t, to, driver)
	for table, columns := range want {
		if remade(table) {
			continue
		}
		columns = slices.DeleteFunc(columns, func(c string) bool { return !slices.Contains(have[table], c) })
		if len(columns) > 0 {
			copyRows(ctx, t, from, to, table, columns)
		}
	}
	for _, conn := range []*sql.Conn{from, to} {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// columnsOf lists the columns of every table.
func columnsOf(ctx context.Context, t testing.TB, conn *sql.Conn, driver string) map[string][]string {
	t.Helper()
	query := `SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'`
	if driver == "pgx" {
		query = `SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	all := map[string][]string{}
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		all[table] = append(all[table], column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func copyRows(ctx context.Context, t testing.TB, from, to *sql.Conn, table string, columns []string) {
	t.Helper()
	places := make([]string, len(columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	names := strings.Join(columns, ", ")
	if _, err := to.ExecContext(ctx, `DELETE FROM `+table); err != nil { // what a migration has put there
		t.Fatal(err)
	}
	rows, err := from.QueryContext(ctx, `SELECT `+names+` FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		if _, err := to.ExecContext(ctx, `INSERT INTO `+table+` (`+names+`) VALUES (`+strings.Join(places, ", ")+`)`, values...); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
