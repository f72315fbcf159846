package storetest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"concierge/portal/store/postgres"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlite"
)

// Open opens an empty database for a test of a package above the stores, and closes it after the test. It is a file of
// SQLite or, where CONCIERGE_TEST_DATABASE is postgres, a database on a server that postgrestest starts.
func Open(t testing.TB) DB {
	t.Helper()
	return OpenAt(t, filepath.Join(t.TempDir(), "concierge.db"), slog.New(slog.DiscardHandler))
}

// OpenAt is Open for tests that close a database and open it again: the same file gives the same one, on either engine.
func OpenAt(t testing.TB, file string, log *slog.Logger) DB {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // it is closed in a clean-up, after that context has ended
	var db DB
	var err error
	if OnPostgres(t) {
		db, err = postgres.Open(ctx, address(t, file), log)
	} else {
		db, err = sqlite.Open(ctx, file, log)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// OnPostgres reports whether Open gives databases on PostgreSQL.
func OnPostgres(t testing.TB) bool {
	t.Helper()
	switch engine := os.Getenv("CONCIERGE_TEST_DATABASE"); engine {
	case "", "sqlite":
		return false
	case "postgres":
		return true
	default:
		t.Fatalf("CONCIERGE_TEST_DATABASE is %q: write sqlite or postgres", engine)
		return false
	}
}

// addresses are the databases that belong to names of files.
var addresses sync.Map

func address(t testing.TB, file string) string {
	t.Helper()
	if known, ok := addresses.Load(file); ok {
		return known.(string)
	}
	made := postgrestest.New(t)
	addresses.Store(file, made)
	t.Cleanup(func() { addresses.Delete(file) })
	return made
}
