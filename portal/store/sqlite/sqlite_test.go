package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
)

func openAt(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "concierge.db")
	first := openAt(t, path)
	_, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "stop that one first") {
		t.Fatalf("second open: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

func TestBadFiles(t *testing.T) {
	newer := func(t *testing.T, path string) {
		db := openAt(t, path)
		if _, err := db.engine.write.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"newer version": {newer, "newer version of Concierge"},
		"rubbish": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("rubbish ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "restore it from a backup"},
		"corrupted page": {func(t *testing.T, path string) {
			db := openAt(t, path)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(b); i++ {
				b[i] = 0xff
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "restore it from a backup"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "concierge.db")
			tc.prepare(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), path, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q in it", err, tc.want)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(before) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "concierge.db")
	openAt(t, path)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != fs.FileMode(0o600) {
		t.Fatalf("mode %v, %v", st.Mode(), err)
	}
}

// A transaction that was cancelled gives its connection back by itself, a moment after its error: Close waits for that, and
// the file holds everything, with no log beside it.
func TestCloseLeavesOneFile(t *testing.T) {
	for range 8 {
		path := filepath.Join(t.TempDir(), "concierge.db")
		db := openAt(t, path)
		for range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				_ = db.InTx(ctx, func(tx store.Tx) error {
					cancel()
					return tx.Audit().Append(ctx, audit.Event{Action: "test.done"})
				})
			}()
			<-ctx.Done()
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("a log is left: %v", err)
		}
	}
}
