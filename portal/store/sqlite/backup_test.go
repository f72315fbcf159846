//go:build unix

package sqlite

import (
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlite/sqlitetest"
)

func accept(store.Contents) error { return nil }

// Backups that are made while another process writes without a pause hold one state each, with everything that was
// acknowledged before they began.
func TestBackupWhileAnotherProcessWrites(t *testing.T) {
	folder, ctx := t.TempDir(), t.Context()
	path := filepath.Join(folder, "concierge.db")
	child, lines := startKilled(t, path)
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	for i := range 5 {
		least := 0
		for range 15 {
			if !lines.Scan() {
				t.Fatal("the process stopped writing")
			}
			least++
		}
		to := filepath.Join(folder, "backup", strings.Repeat("x", i+1))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Backup(ctx, path, to); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the backup's mode is %v, %v", info.Mode(), err)
		}
		db := openAt(t, to)
		if found, err := loadFound(ctx, db); err != nil || found < least*(i+1)-1 {
			t.Errorf("backup %d: of %d transactions %d are there, %v", i, least*(i+1)-1, found, err)
		}
	}
	if !lines.Scan() {
		t.Error("the process stopped writing")
	}
	left, err := filepath.Glob(filepath.Join(folder, "backup", "*.new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// made is a database with a load and perhaps a person, closed.
func made(t *testing.T, path string, transactions int, persons ...people.Person) {
	t.Helper()
	db := openAt(t, path)
	for n := range transactions {
		if err := loadOne(t.Context(), db, n+1); err != nil {
			t.Fatal(err)
		}
	}
	err := db.InTx(t.Context(), func(tx store.Tx) (err error) {
		s := tx.(people.Tx).People()
		for i, p := range persons {
			err = errors.Join(err, s.AddPerson(t.Context(), p), s.PutLink(t.Context(), people.Link{Hash: people.Hash{byte(i)}, Person: p.ID, Expires: noon}))
		}
		return err
	})
	if err := errors.Join(err, db.PutSetting(t.Context(), "name", []byte(path)), db.Close()); err != nil {
		t.Fatal(err)
	}
}

var somebody = people.Person{ID: "per_1", Email: "ann@example.com", Name: "Ann"}

func TestRestore(t *testing.T) {
	folder, ctx := t.TempDir(), t.Context()
	path, backup := filepath.Join(folder, "concierge.db"), filepath.Join(folder, "backup")
	made(t, path, 10, somebody)
	want, err := Backup(ctx, path, backup)
	if err != nil || want.People != 1 || want.Version == 0 || string(want.Settings["name"]) != path {
		t.Fatalf("backup: %+v, %v", want, err)
	}
	db := openAt(t, path)
	if err := loadOne(ctx, db, 11); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(ctx, backup, path, true, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "stop that one first") {
		t.Fatalf("into a database that is in use: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(ctx, backup, path, false, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "has 1 people in it") || !strings.Contains(err.Error(), "--replace") {
		t.Fatalf("over people: %v", err)
	}
	refused := errors.New("another key")
	if _, _, err := Restore(ctx, backup, path, true, func(c store.Contents) error { return refused }); !errors.Is(err, refused) {
		t.Fatalf("not accepted: %v", err)
	}
	if found, err := opened(t, path); err != nil || found != 11 {
		t.Fatalf("after refusals: %d, %v", found, err)
	}
	got, aside, err := Restore(ctx, backup, path, true, accept)
	if err != nil || got.People != want.People || got.Version != want.Version {
		t.Fatalf("restoring: %+v, %v", got, err)
	}
	for file, want := range map[string]int{path: 10, aside: 11} {
		if found, err := opened(t, file); err != nil || found != want {
			t.Errorf("%s: %d transactions, want %d, %v", file, found, want, err)
		}
	}
	for file, want := range map[string]int{path: 0, aside: 1} {
		var links int
		if err := openAt(t, file).engine.read.QueryRowContext(ctx, `SELECT count(*) FROM links`).Scan(&links); err != nil || links != want {
			t.Errorf("%s: %d one-time links, want %d, %v", file, links, want, err)
		}
	}
	elsewhere := filepath.Join(folder, "new", "concierge.db")
	if _, aside, err := Restore(ctx, backup, elsewhere, false, accept); err != nil || aside != "" {
		t.Fatalf("where nothing was: %q, %v", aside, err)
	}
	if found, err := opened(t, elsewhere); err != nil || found != 10 {
		t.Errorf("elsewhere: %d, %v", found, err)
	}
}

func opened(t *testing.T, path string) (int, error) {
	t.Helper()
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	found, err := loadFound(t.Context(), db)
	return found, errors.Join(err, db.Close())
}

// A database whose process was killed has part of itself in its log: what is set aside has it too, and what takes its place
// is not mixed with it.
func TestRestoreOverAKilledOne(t *testing.T) {
	for name, damage := range map[string]bool{"sound": false, "damaged": true} {
		t.Run(name, func(t *testing.T) {
			folder, ctx := t.TempDir(), t.Context()
			path, backup := filepath.Join(folder, "concierge.db"), filepath.Join(folder, "backup")
			made(t, filepath.Join(folder, "other.db"), 3, somebody)
			if _, err := Backup(ctx, filepath.Join(folder, "other.db"), backup); err != nil {
				t.Fatal(err)
			}
			child, lines := startKilled(t, path)
			for range 20 {
				lines.Scan()
			}
			_ = child.Process.Kill()
			_ = child.Wait()
			if damage {
				for _, file := range []string{path, path + "-wal"} {
					rot(t, file, 1)
				}
				if _, _, err := Restore(ctx, backup, path, false, accept); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "--replace") {
					t.Fatalf("over a damaged one: %v", err)
				}
			}
			wal, err := os.ReadFile(path + "-wal")
			if err != nil || len(wal) == 0 {
				t.Fatalf("no log: %v", err)
			}
			_, aside, err := Restore(ctx, backup, path, true, accept)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := opened(t, path); err != nil || found != 3 {
				t.Errorf("restored: %d, %v", found, err)
			}
			if damage {
				if kept, err := os.ReadFile(aside + "-wal"); err != nil || string(kept) != string(wal) {
					t.Errorf("the log of the damaged one was not kept: %v", err)
				}
			} else if found, err := opened(t, aside); err != nil || found < 19 {
				t.Errorf("set aside: %d, %v", found, err)
			}
		})
	}
}

// A file that is no sound backup of this program's or an older one's is refused, and nothing that was there is touched.
func TestBadBackups(t *testing.T) {
	folder, ctx := t.TempDir(), t.Context()
	source := filepath.Join(folder, "source.db")
	made(t, source, 10, somebody)
	whole := filepath.Join(folder, "whole")
	if _, err := Backup(ctx, source, whole); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(statements ...string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range statements {
				if _, err := db.Exec(s); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	written := func(b []byte) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, file string)
		want  string
	}{
		"empty":                      {written(nil), "no backup of Concierge"},
		"rubbish":                    {written([]byte(strings.Repeat("rubbish ", 1000))), "no backup of Concierge"},
		"of PostgreSQL":              {written([]byte("PGDMP\x01\x0e and so on")), "--database postgres://"},
		"not there":                  {func(t *testing.T, file string) { _ = os.Remove(file) }, "no such file"},
		"cut off":                    {written(good[:len(good)-pageBytes]), "cannot be restored"},
		"cut off within a page":      {written(good[:len(good)/2+100]), "cannot be restored"},
		"a page is rotten":           {func(t *testing.T, file string) { rot(t, file, int64(len(good)/pageBytes/2)) }, "cannot be restored"},
		"another program's database": {func(t *testing.T, file string) { _ = os.Remove(file); changed(`CREATE TABLE people (id)`)(t, file) }, "not one of Concierge"},
		"of a newer program":         {changed(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`), "newer version of Concierge"},
		"a database in use":          {func(t *testing.T, file string) { written([]byte("frames"))(t, file+"-wal") }, "make a backup of it with concierge backup"},
		"an index lacks a row": {changed(`PRAGMA writable_schema=ON`, `UPDATE sqlite_schema SET sql = replace(sql, '(target, at)', '(at, target)') WHERE name = 'events_target'`),
			"cannot be restored"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			file, path := filepath.Join(folder, "backup"), filepath.Join(folder, "data", "concierge.db")
			written(good)(t, file)
			tc.spoil(t, file)
			made(t, path, 2)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = Restore(ctx, file, path, true, accept)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
				t.Errorf("the database was changed (%v)", err)
			}
			entries, err := os.ReadDir(filepath.Dir(path))
			if err != nil || len(entries) > 2 { // the file and its lock
				t.Errorf("left: %v, %v", entries, err)
			}
		})
	}
}

// What stands in the way of a backup is said, and no file is left that looks like one.
func TestBackupsThatFail(t *testing.T) {
	folder, ctx := t.TempDir(), t.Context()
	path := filepath.Join(folder, "concierge.db")
	made(t, path, 30, somebody)
	there := filepath.Join(folder, "there")
	if err := os.WriteFile(there, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	disk := sqlitetest.New(t, t.TempDir())
	disk.Fill(10_000)
	rotten := filepath.Join(t.TempDir(), "rotten.db")
	made(t, rotten, 30)
	rot(t, rotten, 11)
	for name, tc := range map[string]struct{ from, to, want string }{
		"no database":      {filepath.Join(folder, "none.db"), filepath.Join(folder, "a"), "name it with --database"},
		"file is there":    {path, there, "choose another name"},
		"no folder":        {path, filepath.Join(folder, "none", "a"), "no such file"},
		"full disk":        {path, filepath.Join(disk.Folder(), "a"), "full"},
		"damaged database": {rotten, filepath.Join(folder, "b"), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Backup(ctx, tc.from, tc.to); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q in it", err, tc.want)
			}
			if tc.to == there {
				return
			}
			if left, err := filepath.Glob(tc.to + "*"); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
	if b, err := os.ReadFile(there); err != nil || string(b) != "kept" {
		t.Errorf("the file that was there: %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a database was made")
	}
}
