package main

import (
	"os"
	"sync"
	"testing"

	"concierge/portal/store/postgres/postgrestest"
)

// testDatabase is the database of a test that would use the file: that file, or where CONCIERGE_TEST_DATABASE is postgres
// a database on PostgreSQL that belongs to the name of the file, so that a second start finds what the first one kept.
func testDatabase(t testing.TB, file string) string {
	t.Helper()
	switch engine := os.Getenv("CONCIERGE_TEST_DATABASE"); engine {
	case "", "sqlite":
		return file
	case "postgres":
	default:
		t.Fatalf("CONCIERGE_TEST_DATABASE is %q: write sqlite or postgres", engine)
	}
	databases.Lock()
	defer databases.Unlock()
	address, ok := databases.of[file]
	if !ok {
		address = postgrestest.New(t)
		databases.of[file] = address
		t.Cleanup(func() {
			databases.Lock()
			defer databases.Unlock()
			delete(databases.of, file)
		})
	}
	return address
}

var databases = struct {
	sync.Mutex
	of map[string]string
}{of: map[string]string{}}
