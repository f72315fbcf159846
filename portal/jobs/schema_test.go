package jobs_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"concierge/portal/store/postgres/postgrestest"
)

// The migrations of the store make River's tables as River's own would.
func TestTablesAreRivers(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		file := func() string { return filepath.Join(t.TempDir(), "concierge.db") }
		ours, theirs := file(), file()
		if err := open(t, ours).Close(); err != nil {
			t.Fatal(err)
		}
		db := func(path string) *sql.DB {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			return db
		}
		check(t, riversqlite.New(db(ours)), riversqlite.New(db(theirs)), db(ours), db(theirs),
			`SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '') || ' ' || c.pk
			FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.name LIKE 'river%' AND m.type = 'table'`,
			`SELECT m.name || ' ' || c.seqno || ' ' || c.name || ' ' || (m.sql LIKE '%UNIQUE%') || (m.sql LIKE '%WHERE%') FROM sqlite_master m JOIN pragma_index_info(m.name) c
			WHERE m.name LIKE 'river%' AND m.type = 'index'`)
	})
	t.Run("postgres", func(t *testing.T) {
		ours, theirs := postgrestest.New(t), postgrestest.New(t)
		if err := open(t, ours).Close(); err != nil {
			t.Fatal(err)
		}
		pool := func(address string) *pgxpool.Pool {
			p, err := pgxpool.New(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Close)
			return p
		}
		a, b := pool(ours), pool(theirs)
		check(t, riverpgxv5.New(a), riverpgxv5.New(b), stdlib.OpenDBFromPool(a), stdlib.OpenDBFromPool(b),
			`SELECT concat_ws(' ', table_name, column_name, udt_name, character_maximum_length, is_nullable, column_default) FROM information_schema.columns WHERE table_name LIKE 'river%'`,
			`SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'river%'`,
			`SELECT c.relname || ' ' || n.conname || ' ' || pg_get_constraintdef(n.oid) FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid WHERE c.relname LIKE 'river%'`,
			`SELECT relname || ' ' || relpersistence::text FROM pg_class WHERE relname LIKE 'river%'`,
			`SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'river%'`,
			`SELECT enumlabel FROM pg_enum`)
	})
}

func check[TTx any](t *testing.T, ours, theirs riverdriver.Driver[TTx], a, b *sql.DB, queries ...string) {
	t.Helper()
	by, err := rivermigrate.New(theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := by.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	by, err = rivermigrate.New(ours, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := by.Validate(t.Context(), nil); err != nil || !res.OK {
		t.Errorf("River does not know its tables: %+v %v", res, err)
	}
	for _, q := range queries {
		have, want := lines(t, a, q), lines(t, b, q)
		if len(want) == 0 {
			t.Fatalf("%s: nothing", q)
		}
		for _, l := range want {
			if !slices.Contains(have, l) {
				t.Errorf("missing: %s", l)
			}
		}
		for _, l := range have {
			if !slices.Contains(want, l) {
				t.Errorf("not River's: %s", l)
			}
		}
	}
}

func lines(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rs, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rs.Close() }()
	for rs.Next() {
		var l string
		if err := rs.Scan(&l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
