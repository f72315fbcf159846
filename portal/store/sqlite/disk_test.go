//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/store"
	"concierge/portal/store/sqlite/sqlitetest"
)

// A disk that is full or fails is told in words that say what to do; what was there can be read, and the same process goes
// on writing once the disk is well.
func TestTroubledDisk(t *testing.T) {
	type trouble struct {
		begin func(*sqlitetest.Disk)
		words string
	}
	troubles := map[string]trouble{"fails": {func(d *sqlitetest.Disk) { d.Break(true) }, "look at the system's log"}}
	for _, left := range []int64{0, 1, 600, 5000, 20_000, 100_000} {
		troubles[fmt.Sprintf("%d bytes left", left)] = trouble{func(d *sqlitetest.Disk) { d.Fill(left) }, "full: make space there"}
	}
	for name, tc := range troubles {
		t.Run(name, func(t *testing.T) {
			disk := sqlitetest.New(t, t.TempDir())
			path := filepath.Join(disk.Folder(), "concierge.db")
			db := openAt(t, path)
			n, ctx := 0, t.Context()
			write := func() error {
				err := loadOne(ctx, db, n+1)
				if err == nil {
					n++
				}
				return err
			}
			for range 20 {
				if err := write(); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				tc.begin(disk)
				var err error
				for err == nil {
					err = write()
				}
				for range 3 { // it stays so, and does no harm
					if !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), tc.words) {
						t.Fatalf("got %v", err)
					}
					if found, err := loadFound(ctx, db); err != nil || found != n {
						t.Fatalf("of %d transactions %d are there, %v", n, found, err)
					}
					for err = nil; err == nil; {
						err = write() // a small one may still fit
					}
				}
				disk.Break(false)
				disk.Free()
				for range 10 {
					if err := write(); err != nil {
						t.Fatalf("after the trouble: %v", err)
					}
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if found, err := loadFound(ctx, openAt(t, path)); err != nil || found != n {
				t.Fatalf("after a restart, of %d transactions %d are there, %v", n, found, err)
			}
		})
	}
}

// A start without space says so, and does not speak of damage; with space again it starts with all that was there.
func TestStartOnFullDisk(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, path string) int{
		"a new database": func(*testing.T, string) int { return 0 },
		"one that was closed": func(t *testing.T, path string) int {
			db := openAt(t, path)
			if err := errors.Join(loadOne(t.Context(), db, 1), db.Close()); err != nil {
				t.Fatal(err)
			}
			return 1
		},
		"one whose process was killed": func(t *testing.T, path string) int {
			child, lines := startKilled(t, path)
			for range 20 {
				lines.Scan()
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = child.Wait()
			return 19
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := sqlitetest.New(t, t.TempDir())
			path := filepath.Join(disk.Folder(), "concierge.db")
			least := prepare(t, path)
			disk.Fill(0)
			for range 2 {
				db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
				if err == nil { // reading needs no space
					if err := db.Close(); err != nil {
						t.Fatal(err)
					}
					continue
				}
				if !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "full") || strings.Contains(err.Error(), "backup") {
					t.Errorf("got %v", err)
				}
			}
			disk.Free()
			if found, err := loadFound(t.Context(), openAt(t, path)); err != nil || found < least {
				t.Errorf("of %d transactions %d are there, %v", least, found, err)
			}
		})
	}
}

// A page that rots under a running process is told when it is met, and what is whole can be read; the next start refuses.
func TestPageRotsWhileRunning(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "concierge.db"), t.Context()
	db := openAt(t, path)
	for n := range 20 {
		if err := loadOne(ctx, db, n+1); err != nil {
			t.Fatal(err)
		}
	}
	var page int64
	if err := db.engine.write.QueryRowContext(ctx, `SELECT rootpage FROM sqlite_schema WHERE name = 'gateways'`).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if _, err := db.engine.write.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	rot(t, path, page)
	if err := db.PutSetting(ctx, "whole", []byte("yes")); err != nil { // it also lets every connection look at the file anew
		t.Errorf("writing elsewhere: %v", err)
	}
	for range 3 {
		err := db.View(ctx, func(tx store.Tx) error {
			_, err := tx.(catalog.Tx).Catalog().Gateway(ctx, loadSlot(1))
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "damaged: stop Concierge and restore it from a backup") || errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("reading the page: %v", err)
		}
		if v, err := db.Setting(ctx, "whole"); err != nil || string(v) != "yes" {
			t.Errorf("reading elsewhere: %q, %v", v, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("the next start: %v", err)
	}
}

// A large file is looked through beside the work: damage is found without being met, and nothing more is written.
func TestLargeFileIsCheckedBesideTheWork(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "concierge.db"), t.Context()
	db := openAt(t, path)
	for n := range 20 {
		if err := loadOne(ctx, db, n+1); err != nil {
			t.Fatal(err)
		}
	}
	var page int64
	if err := db.engine.write.QueryRowContext(ctx, `SELECT rootpage FROM sqlite_schema WHERE name = 'gateways'`).Scan(&page); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	was := checkedFirst
	checkedFirst = 0
	t.Cleanup(func() { checkedFirst = was })

	whole := openAt(t, path)
	<-whole.engine.checked
	if err := whole.PutSetting(ctx, "whole", []byte("yes")); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	if err := whole.Close(); err != nil {
		t.Fatal(err)
	}
	rot(t, path, page)
	rotten, err := Open(ctx, path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	<-rotten.engine.checked
	if err := rotten.PutSetting(ctx, "whole", []byte("no")); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("writing after damage was found: %v", err)
	}
	if v, err := rotten.Setting(ctx, "whole"); err != nil || string(v) != "yes" {
		t.Errorf("reading elsewhere: %q, %v", v, err)
	}
	if err := rotten.Close(); err != nil {
		t.Error(err)
	}

	cut := openAt(t, path) // closed while it is looked through
	if err := cut.Close(); err != nil {
		t.Error(err)
	}
}

// pageBytes is the size of a page of SQLite's, which Concierge leaves as it is.
const pageBytes = 4096

// rot overwrites a page, counted from 1.
func rot(t *testing.T, path string, page int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(strings.Repeat("\xff", pageBytes)), (page-1)*pageBytes)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Every page in turn: a start that finds one overwritten refuses and changes nothing.
func TestAnyRottenPageIsFoundAtStart(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "concierge.db"), t.Context()
	db := openAt(t, path)
	for n := range 5 {
		if err := loadOne(ctx, db, n+1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.engine.write.ExecContext(ctx, `VACUUM`); err != nil { // a free page holds nothing
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := range int64(len(whole) / pageBytes) {
		rot(t, path, page+1)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(ctx, path, slog.New(slog.DiscardHandler))
		if err == nil {
			_ = db.Close()
			t.Errorf("page %d: it opens", page+1)
		} else if !strings.Contains(err.Error(), "restore it from a backup") {
			t.Errorf("page %d: %v", page+1, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("page %d: the file was changed (%v)", page+1, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
