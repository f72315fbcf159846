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
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
)

func openTest(t *testing.T) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "concierge.db"))
}

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

func TestChanges(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	told := db.Listen(ctx, store.TopicChanges)
	note := func(id string) {
		t.Helper()
		if err := db.InTx(ctx, func(tx store.Tx) error {
			tx.Changed(store.ChangedAPI, id)
			tx.Changed(store.ChangedAPI, id)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	note("a")
	v1, err := db.Version(ctx)
	if err != nil || v1 != 1 {
		t.Fatalf("version %d, %v", v1, err)
	}
	note("b")
	note("a")
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Fatal("not told")
	}
	got, newest, complete, err := db.Changes(ctx, v1)
	if err != nil || !complete || newest != 3 || len(got) != 2 {
		t.Fatalf("%v %d %v %v", got, newest, complete, err)
	}
	if _, err := db.engine.write.Exec(`DELETE FROM changes WHERE seq <= 2`); err != nil {
		t.Fatal(err)
	}
	if _, _, complete, _ := db.Changes(ctx, 1); complete {
		t.Error("a gap in the log passed for complete")
	}
	if _, _, complete, _ := db.Changes(ctx, 2); !complete {
		t.Error("no gap, yet incomplete")
	}
	if got, _, complete, _ := db.Changes(ctx, 3); !complete || len(got) != 0 {
		t.Errorf("nothing new: %v %v", got, complete)
	}
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	boom := errors.New("boom")
	err := db.InTx(ctx, func(tx store.Tx) error {
		tx.Changed(store.ChangedAPI, "a")
		if err := tx.Audit().Append(ctx, audit.Event{Action: "test.done", Target: "x"}); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	err = db.View(ctx, func(tx store.Tx) error {
		events, err := tx.Audit().Events(ctx, "", 10)
		if len(events) != 0 {
			t.Errorf("left %v", events)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventsAreImmutable(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	at := time.Date(2026, 11, 22, 10, 0, 0, 123000, time.UTC)
	want := audit.Event{ID: "evt_1", At: at, Actor: "per_1", Action: "test.done", Target: "x", Organisation: "org_1", Gateway: "g", Detail: map[string]string{"k": "v"}}
	if err := db.InTx(ctx, func(tx store.Tx) error { return tx.Audit().Append(ctx, want) }); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`UPDATE events SET actor = 'other'`, `DELETE FROM events`} {
		if _, err := db.engine.write.ExecContext(ctx, q); err == nil {
			t.Errorf("%s passed", q)
		}
	}
	err := db.View(ctx, func(tx store.Tx) error {
		got, err := tx.Audit().Events(ctx, "x", 10)
		if err == nil && (len(got) != 1 || got[0].Actor != "per_1" || !got[0].At.Equal(at) || got[0].Detail["k"] != "v") {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestViewCannotWrite(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	err := db.View(ctx, func(tx store.Tx) error {
		return tx.Audit().Append(ctx, audit.Event{Action: "test.done"})
	})
	if err == nil {
		t.Error("a view wrote")
	}
}

func TestUniqueIsConflict(t *testing.T) {
	db, ctx := openTest(t), t.Context()
	add := func() error {
		return db.InTx(ctx, func(tx store.Tx) error { return tx.Audit().Append(ctx, audit.Event{ID: "same"}) })
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	if err := add(); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestNarrow(t *testing.T) {
	type onlyAudit interface{ Audit() audit.Store }
	db := store.Narrow[onlyAudit](openTest(t))
	if err := db.InTx(t.Context(), func(tx onlyAudit) error { return tx.Audit().Append(t.Context(), audit.Event{}) }); err != nil {
		t.Error(err)
	}
	type tooMuch interface{ NoSuchStore() }
	bad := store.Narrow[tooMuch](openTest(t))
	if err := bad.InTx(t.Context(), func(tooMuch) error { return nil }); err == nil {
		t.Error("a transaction that does not offer the interface was given out")
	}
}

func TestCancelledReadEnds(t *testing.T) {
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.View(ctx, func(store.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
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
