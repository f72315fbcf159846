//go:build unix

package sqlite

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concierge/portal"
)

// killedFile names, for the child of TestKilled, the file that it writes until it is killed.
const killedFile = "CONCIERGE_KILLED_FILE"

// TestKilled: a process that writes is killed at a random instant, over and over on the same file. Then the file opens and is
// sound, everything acknowledged is there, and state, event and note of a transaction are all there or none is.
// CONCIERGE_KILLS says how often.
func TestKilled(t *testing.T) {
	kills := times(t, "CONCIERGE_KILLS", 60)
	began := time.Now()
	rng := rand.New(rand.NewPCG(uint64(began.UnixNano()), 0))
	var path string
	var acknowledged, total, opening int
	for round := range kills {
		if round%200 == 0 {
			path, acknowledged = filepath.Join(t.TempDir(), "concierge.db"), 0
		}
		// One in five does not get as far as writing: it is killed while it starts, recovers or makes its tables.
		early := time.Duration(-1)
		if rng.IntN(5) == 0 {
			early = time.Duration(rng.Int64N(int64(12 * time.Millisecond)))
		}
		found, last := killOne(t, path, early, rng.IntN(12), time.Duration(rng.Int64N(int64(3*time.Millisecond))))
		if found < 0 {
			opening++
		} else if found < acknowledged || found > acknowledged+1 {
			t.Fatalf("kill %d: the next process finds %d transactions, and %d were acknowledged", round, found, acknowledged)
		}
		if last > acknowledged {
			total += last - acknowledged
		}
		acknowledged = max(acknowledged, found, last)
		// Every other time this process opens the file, which puts its log away; else the next child goes on from what is there.
		if rng.IntN(2) == 0 || round == kills-1 {
			if found := openKilled(t, path); found < acknowledged || found > acknowledged+1 {
				t.Fatalf("kill %d: %d transactions are there, and %d were acknowledged", round, found, acknowledged)
			} else {
				acknowledged = found
			}
		}
	}
	t.Logf("%d kills, %d of them before the first write, %d acknowledged transactions, %s", kills, opening, total, time.Since(began).Round(time.Millisecond))
}

func openKilled(t *testing.T, path string) (found int) {
	t.Helper()
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	found, err = loadFound(t.Context(), db)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return found
}

// startKilled starts a process that writes the file until it is killed. It tells line by line what it found and what it has done.
func startKilled(t *testing.T, path string) (child *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	told, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child = exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
	child.Env = append(os.Environ(), killedFile+"="+path)
	child.ExtraFiles = []*os.File{tell}
	if err := errors.Join(child.Start(), tell.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = told.Close() })
	return child, bufio.NewScanner(told)
}

// killOne starts a process that writes and kills it: early after its start or, where that is negative, a moment after some
// acknowledged transactions. found is how many transactions it found, or -1 where it did not get that far; last the last that it acknowledged.
func killOne(t *testing.T, path string, early time.Duration, transactions int, moment time.Duration) (found, last int) {
	t.Helper()
	child, lines := startKilled(t, path)
	kill := func() { _ = child.Process.Kill() }
	if early >= 0 {
		time.AfterFunc(early, kill)
	}
	found = -1
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "found ") {
			if _, err := fmt.Sscanf(lines.Text(), "found %d", &found); err != nil {
				t.Fatal(err)
			}
		} else if _, err := fmt.Sscanf(lines.Text(), "done %d", &last); err != nil {
			kill()
			t.Errorf("the child says: %s", lines.Text())
		}
		if transactions--; early < 0 && transactions == -1 {
			time.AfterFunc(moment, kill)
		}
	}
	if err := child.Wait(); child.ProcessState.Exited() {
		t.Errorf("the child ended by itself: %v", err)
	}
	if t.Failed() {
		t.FailNow()
	}
	return found, last
}

// TestSecondProcessIsRefusedWhileTheFirstRuns: whoever has the file keeps it, and it is free the moment that one is gone.
func TestSecondProcessIsRefusedWhileTheFirstRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "concierge.db")
	child, lines := startKilled(t, path)
	if !lines.Scan() || lines.Text() != "found 0" {
		t.Fatalf("the child says %q", lines.Text())
	}
	_, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("beside a running process: %v", err)
	}
	for range 3 {
		if !lines.Scan() {
			t.Fatal("the first process does not go on")
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if found := openKilled(t, path); found < 3 {
		t.Errorf("%d transactions are left", found)
	}
}

// TestKilledChild is the process that TestKilled kills.
func TestKilledChild(t *testing.T) {
	path := os.Getenv(killedFile)
	if path == "" {
		t.Skip("this is the process that is killed: TestKilled starts it")
	}
	told := os.NewFile(3, "told")
	tell := func(format string, args ...any) {
		if _, err := fmt.Fprintf(told, format+"\n", args...); err != nil {
			t.Fatal(err)
		}
	}
	db, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		tell("opening: %v", err)
		t.Fatal(err)
	}
	n, err := loadFound(t.Context(), db)
	if err != nil {
		tell("looking: %v", err)
		t.Fatal(err)
	}
	for tell("found %d", n); ; tell("done %d", n) {
		n++
		if err := loadOne(t.Context(), db, n); err != nil {
			tell("transaction %d: %v", n, err)
			t.Fatal(err)
		}
	}
}
