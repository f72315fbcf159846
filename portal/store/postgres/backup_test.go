package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/postgres/postgrestest"
)

func accept(store.Contents) error { return nil }

// note is one transaction that a test counts: an event and a change.
func note(ctx context.Context, db *DB, n int) error {
	return db.InTx(ctx, func(tx store.Tx) error {
		tx.Changed(store.ChangedAPI, fmt.Sprint(n))
		return tx.Audit().Append(ctx, audit.Event{ID: fmt.Sprintf("evt_%06d", n), Action: "test.done", Target: "x"})
	})
}

// noted counts them, and fails where one is half there.
func noted(t *testing.T, address string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var events, changes int
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM changes)`).Scan(&events, &changes); err != nil {
		t.Fatal(err)
	}
	if events != changes {
		t.Errorf("%d events, %d changes", events, changes)
	}
	return events
}

func opened(t *testing.T, address string) *DB {
	t.Helper()
	db, err := Open(t.Context(), address, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, address string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// named is the address of another database on the same server.
func named(t *testing.T, address, database string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

func TestBackupAndRestore(t *testing.T) {
	address, ctx, file := postgrestest.New(t), t.Context(), filepath.Join(t.TempDir(), "backup")
	db := opened(t, address)
	value := []byte("tab\tline\nback\\slash\x00")
	err := db.InTx(ctx, func(tx store.Tx) error {
		return tx.(people.Tx).People().AddPerson(ctx, people.Person{ID: "per_1", Email: "ann@example.com", Name: "Ann\tB\\"})
	})
	if err := errors.Join(err, db.PutSetting(ctx, "name", value)); err != nil {
		t.Fatal(err)
	}
	// The backup is made while others write.
	writing, stop := context.WithCancel(ctx)
	written := make(chan int)
	go func() {
		n := 0
		for writing.Err() == nil && note(ctx, db, n) == nil {
			n++
		}
		written <- n
	}()
	for time.Sleep(time.Millisecond); ; time.Sleep(time.Millisecond) {
		if v, err := db.Version(ctx); err != nil || v > 10 {
			break
		}
	}
	contents, err := Backup(ctx, address, file)
	stop()
	n := <-written
	if err != nil || contents.People != 1 || contents.Version == 0 || string(contents.Settings["name"]) != string(value) {
		t.Fatalf("backup: %+v, %v", contents, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	if _, _, err := Restore(ctx, file, address, true, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "stop every replica first") {
		t.Errorf("under a running portal: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(ctx, file, address, false, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "has 1 people in it") || !strings.Contains(err.Error(), "--replace") {
		t.Errorf("over people: %v", err)
	}
	refused := errors.New("another key")
	if _, _, err := Restore(ctx, file, address, true, func(store.Contents) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("not accepted: %v", err)
	}
	if got := noted(t, address); got != n {
		t.Errorf("after refusals %d of %d are there", got, n)
	}

	empty := postgrestest.New(t)
	if _, aside, err := Restore(ctx, file, empty, false, accept); err != nil || aside != "" {
		t.Fatalf("into an empty database: %q, %v", aside, err)
	}
	got := noted(t, empty)
	if got < 10 || got > n {
		t.Errorf("the backup holds %d transactions of %d", got, n)
	}
	restored := opened(t, empty)
	if v, err := restored.Setting(ctx, "name"); err != nil || string(v) != string(value) {
		t.Errorf("setting %q, %v", v, err)
	}
	if err := note(ctx, restored, 1_000_000); err != nil {
		t.Errorf("writing on: %v", err)
	}

	_, aside, err := Restore(ctx, file, address, true, accept)
	if err != nil {
		t.Fatal(err)
	}
	if again := noted(t, address); again != got {
		t.Errorf("%d are restored, want %d", again, got)
	}
	if kept := noted(t, named(t, address, aside)); kept != n {
		t.Errorf("%d are kept, want %d", kept, n)
	}
	execute(t, address, "DROP DATABASE "+aside)
}

func TestRestoreKeepsOutOfOthersDatabases(t *testing.T) {
	address, ctx, file := postgrestest.New(t), t.Context(), filepath.Join(t.TempDir(), "backup")
	if err := opened(t, address).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(ctx, address, file); err != nil {
		t.Fatal(err)
	}
	other := postgrestest.New(t)
	execute(t, other, `CREATE TABLE invoices (id text)`)
	if _, _, err := Restore(ctx, file, other, true, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "not Concierge's") {
		t.Errorf("over another program's tables: %v", err)
	}

	// Without the right to make databases nothing is touched, and the message says what to do.
	execute(t, address, `CREATE ROLE clerk LOGIN`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk`)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("clerk")
	if _, _, err := Restore(ctx, file, u.String(), true, accept); err == nil || !strings.Contains(err.Error(), `ALTER ROLE "clerk" CREATEDB`) {
		t.Errorf("without the right to make databases: %v", err)
	}
	execute(t, address, `DROP OWNED BY clerk`, `DROP ROLE clerk`)
}

func TestBadBackups(t *testing.T) {
	address, ctx, whole := postgrestest.New(t), t.Context(), filepath.Join(t.TempDir(), "backup")
	db := opened(t, address)
	if err := errors.Join(note(ctx, db, 1), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(ctx, address, whole); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	dumped := func(statement string) []byte {
		from, file := postgrestest.New(t), filepath.Join(t.TempDir(), "dump")
		execute(t, from, statement)
		c, err := parse(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(ctx, from, c.ConnConfig, nil, "pg_dump", "--format=custom", "--file="+file); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	newer := dumped(`CREATE TABLE goose_db_version AS SELECT 9999 AS version_id; CREATE TABLE people (id text); CREATE TABLE settings (name text)`)
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":              {nil, "no backup of Concierge"},
		"rubbish":            {[]byte(strings.Repeat("rubbish ", 100)), "no backup of Concierge"},
		"of a file":          {[]byte("SQLite format 3\x00 and so on"), "name a file with --database"},
		"only a beginning":   {[]byte("PGDMP"), "cannot be restored"},
		"cut off":            {good[:len(good)-100], "cannot be restored"},
		"cut off early":      {good[:len(good)/2], "cannot be restored"},
		"of another program": {dumped(`CREATE TABLE people (id text)`), "not one of Concierge"},
		"of a newer program": {newer, "newer version of Concierge"},
	} {
		t.Run(name, func(t *testing.T) {
			file, into := filepath.Join(t.TempDir(), "backup"), postgrestest.New(t)
			if err := os.WriteFile(file, tc.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := Restore(ctx, file, into, true, accept); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			conn, err := pgx.Connect(ctx, into)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close(context.Background()) }()
			var tables int
			if err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil || tables != 0 {
				t.Errorf("%d tables were made, %v", tables, err)
			}
		})
	}
}

// Where PostgreSQL's programs are missing the message says what to install.
func TestBackupWithoutItsPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := program("pg_no_such_program"); err == nil || !strings.Contains(err.Error(), "postgresql-client") {
		t.Errorf("got %v", err)
	}
}
