//go:build unix

package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/store/sqlite/sqlitetest"
)

// TestPowerCut: whenever the power goes, the database that is found afterwards opens, is sound, holds everything that was
// acknowledged and nothing by halves. Every round goes on from what a cut of the one before has left, so that opening,
// recovering and creating the tables are cut as well. CONCIERGE_CUTS says how many disks are looked at.
func TestPowerCut(t *testing.T) {
	began := time.Now()
	c := &cutter{t: t, seed: uint64(began.UnixNano())}
	for disks := times(t, "CONCIERGE_CUTS", 100); c.disks < disks; {
		if err := c.round(); err != nil {
			t.Fatalf("seed %d, disk %d: %v", c.seed, c.disks, err)
		}
	}
	t.Logf("%d power cuts in %d loads of %d transactions, %d disks, %s", c.cuts, c.rounds, c.transactions, c.disks, time.Since(began).Round(time.Millisecond))
}

// TestPowerCutFindsLosses: where the store does not wait for the disk, or the disk lies, the same test finds it.
func TestPowerCutFindsLosses(t *testing.T) {
	pragma := func(statement string) func(*testing.T, *sqlitetest.Disk, *DB) {
		return func(t *testing.T, _ *sqlitetest.Disk, db *DB) {
			if _, err := db.engine.write.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, spoil := range map[string]func(*testing.T, *sqlitetest.Disk, *DB){
		"synchronous=OFF":    pragma(`PRAGMA synchronous=OFF`),
		"synchronous=NORMAL": pragma(`PRAGMA synchronous=NORMAL`),
		"a disk that lies":   func(_ *testing.T, d *sqlitetest.Disk, _ *DB) { d.Lie() },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				c := &cutter{t: t, seed: seed, spoil: spoil}
				if err := c.round(); err != nil {
					t.Logf("found on disk %d: %v", c.disks, err)
					return
				}
			}
			t.Error("no loss was found")
		})
	}
}

// cutter loads databases on a disk whose power it cuts.
type cutter struct {
	t     *testing.T
	seed  uint64
	spoil func(*testing.T, *sqlitetest.Disk, *DB) // makes the database or the disk forgetful, or nil

	left                              string // the folder that the last round left
	found                             int    // transactions that are in it
	rounds, transactions, cuts, disks int
}

// round puts a load on what the last round left, or on a new database now and then, and looks at what power cuts leave of it.
func (c *cutter) round() error {
	rng := rand.New(rand.NewPCG(c.seed, uint64(c.rounds)))
	if c.rounds%10 == 0 {
		c.left, c.found = c.t.TempDir(), 0
	}
	c.rounds++
	disk := sqlitetest.New(c.t, c.left)
	disk.Record(c.t)
	db, err := Open(c.t.Context(), filepath.Join(c.left, "concierge.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if c.spoil != nil {
		c.spoil(c.t, disk, db)
	}
	opened := disk.Now()
	var acknowledged []int // the instant of each
	for range 20 + rng.IntN(150) {
		n := c.found + len(acknowledged) + 1
		if rng.IntN(50) == 0 {
			disk.Break(true)
			if err := loadOne(c.t.Context(), db, n); !errors.Is(err, portal.ErrUnavailable) {
				return fmt.Errorf("transaction %d on a broken disk: %w", n, err)
			}
			disk.Break(false)
		}
		if err := loadOne(c.t.Context(), db, n); err != nil {
			return err
		}
		acknowledged = append(acknowledged, disk.Now())
	}
	c.transactions += len(acknowledged)
	loaded := disk.Now()
	if err := db.Close(); err != nil {
		return err
	}

	var instants []int
	for _, span := range []struct{ cuts, from, to int }{{3, 0, opened}, {12, opened, loaded}, {3, loaded, disk.Now()}} {
		for range span.cuts {
			instants = append(instants, span.from+rng.IntN(span.to-span.from+1))
		}
	}
	images := c.t.TempDir()
	sqlitetest.New(c.t, images)
	next, nextFound, before := c.t.TempDir(), 0, c.found
	goOn := rng.IntN(len(instants))
	for at, cut := range disk.PowerCuts(rng, instants) {
		c.cuts++
		least, most := before, before
		for i, instant := range acknowledged {
			if instant <= at {
				least++
			}
			if i == 0 && at > opened || i > 0 && at > acknowledged[i-1] {
				most++
			}
		}
		for i := range 2 {
			c.disks++
			image := filepath.Join(images, strconv.Itoa(c.disks))
			if err := cut.Write(image); err != nil {
				return err
			}
			if rng.IntN(3) == 0 { // an index of the log that belongs to nothing
				if err := os.WriteFile(filepath.Join(image, "concierge.db-shm"), bytes.Repeat([]byte{byte(c.disks)}, 32<<10), 0o600); err != nil {
					return err
				}
			}
			if i == 0 && goOn == 0 {
				if err := os.CopyFS(next, os.DirFS(image)); err != nil {
					return err
				}
			}
			found, err := c.look(filepath.Join(image, "concierge.db"))
			if err != nil {
				return fmt.Errorf("cut at %d of %d: %w", at, disk.Now(), err)
			}
			if found < least || found > most {
				return fmt.Errorf("cut at %d of %d: %d transactions are there, want %d to %d", at, disk.Now(), found, least, most)
			}
			if i == 0 && goOn == 0 {
				nextFound = found
			}
			if err := os.RemoveAll(image); err != nil {
				return err
			}
		}
		goOn--
	}
	c.left, c.found = next, nextFound
	return nil
}

// look opens a database as the portal does and says what it holds.
func (c *cutter) look(path string) (found int, err error) {
	db, err := Open(c.t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return loadFound(c.t.Context(), db)
}
