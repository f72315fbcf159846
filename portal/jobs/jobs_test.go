package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/postgres"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlite"
)

// patience is far more than anything here takes.
const patience = 60 * time.Second

// database is what both engines offer here.
type database interface {
	store.DB
	Jobs(log *slog.Logger) *jobs.Runner
}

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	// A life and a beat are longer than the periods of these tests: what a process did and could not record any more before it
	// was killed is done again, but not in the same period.
	jobs.LiveFast(200*time.Millisecond, 1500*time.Millisecond)
	if address := os.Getenv(childDatabase); address != "" {
		child(address)
		return
	}
	os.Exit(m.Run())
}

func openAt(ctx context.Context, address string) (database, error) {
	if strings.HasPrefix(address, "postgres://") {
		return postgres.Open(ctx, address, quiet)
	}
	return sqlite.Open(ctx, address, quiet)
}

func open(t *testing.T, address string) database {
	t.Helper()
	db, err := openAt(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// onEach runs a test on either engine, on a new database.
func onEach(t *testing.T, test func(t *testing.T, address string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "concierge.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, postgrestest.New(t))
	})
}

// start starts a runner and stops it before its database is closed.
func start(t *testing.T, r *jobs.Runner) *jobs.Runner {
	t.Helper()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t *testing.T, r *jobs.Runner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func enqueue(t *testing.T, db store.DB, all ...store.Job) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx store.Tx) error { return ask(t.Context(), tx, all...) }); err != nil {
		t.Fatal(err)
	}
}

func ask(ctx context.Context, tx store.Tx, all ...store.Job) error {
	for _, j := range all {
		if err := tx.Enqueue(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

func list(t *testing.T, r *jobs.Runner, f jobs.Filter) []jobs.Status {
	t.Helper()
	found, _, err := r.Jobs(t.Context(), f, "", 200)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("never %s", what)
		}
	}
}

// counter counts what ran, by subject.
type counter struct {
	mu  sync.Mutex
	ran map[string]int
}

func (c *counter) handle(_ context.Context, subject string) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ran == nil {
		c.ran = map[string]int{}
	}
	c.ran[subject]++
	return time.Time{}, nil
}

func (c *counter) of(subject string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ran[subject]
}

// A job is there if and only if the state is that asks for it.
func TestThereIfAndOnlyIfTheStateIs(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		var c counter
		r := db.Jobs(quiet)
		r.Handle("do", jobs.Options{}, c.handle)
		start(t, r)
		refused := errors.New("refused")
		for i := range 20 {
			subject := fmt.Sprint(i)
			err := db.InTx(t.Context(), func(tx store.Tx) error {
				if err := tx.Audit().Append(t.Context(), audit.Event{ID: subject, Target: subject, Action: "x"}); err != nil {
					return err
				}
				if err := tx.Enqueue(t.Context(), store.Job{Kind: "do", Subject: subject}); err != nil {
					return err
				}
				if i%2 == 1 {
					return refused
				}
				return nil
			})
			if (i%2 == 1) != errors.Is(err, refused) {
				t.Fatal(err)
			}
		}
		cancelled, cancel := context.WithCancel(t.Context())
		err := db.InTx(cancelled, func(tx store.Tx) error {
			err := tx.Enqueue(cancelled, store.Job{Kind: "do", Subject: "cancelled"})
			cancel()
			return err
		})
		if err == nil {
			t.Error("a cancelled transaction was committed")
		}
		until(t, "all done", func() bool { return len(list(t, r, jobs.Filter{State: jobs.Completed})) == 10 })
		for i := range 20 {
			if got, want := c.of(fmt.Sprint(i)), 1-i%2; got != want {
				t.Errorf("job %d ran %d times, want %d", i, got, want)
			}
		}
		if all := list(t, r, jobs.Filter{}); len(all) != 10 {
			t.Errorf("%d jobs, want 10: %+v", len(all), all)
		}
	})
}

// Of those that have not ended there is one of a kind and subject, whoever asks, and the earliest time holds.
func TestOneOfAKindAndSubject(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		var c counter
		r := db.Jobs(quiet)
		r.Handle("do", jobs.Options{}, c.handle)
		r.Handle("else", jobs.Options{}, c.handle)
		start(t, r)
		hour := time.Now().Add(time.Hour).Truncate(time.Second)
		var asking sync.WaitGroup
		for range 10 {
			asking.Go(func() {
				for i := range 10 {
					enqueue(t, db, store.Job{Kind: "do", Subject: fmt.Sprint(i % 2), After: hour})
				}
			})
		}
		asking.Wait()
		waiting := list(t, r, jobs.Filter{Kind: "do", State: jobs.Scheduled})
		if len(waiting) != 2 || !waiting[0].Due.Equal(hour) {
			t.Fatalf("%+v", waiting)
		}
		enqueue(t, db, store.Job{Kind: "do", Subject: "0", After: hour.Add(time.Hour)}, store.Job{Kind: "do", Subject: "1", After: hour.Add(-time.Minute)})
		waiting = list(t, r, jobs.Filter{Kind: "do", State: jobs.Scheduled})
		if len(waiting) != 2 || waiting[0].Subject != "1" || !waiting[0].Due.Equal(hour.Add(-time.Minute)) || !waiting[1].Due.Equal(hour) {
			t.Fatalf("%+v", waiting)
		}
		soon := time.Now().Add(500 * time.Millisecond)
		enqueue(t, db, store.Job{Kind: "do", Subject: "0", After: soon}, store.Job{Kind: "else", Subject: "0"}, store.Job{Kind: "do", Subject: "new", After: soon})
		until(t, "run", func() bool { return c.of("0") == 2 && c.of("new") == 1 })
		if time.Now().Before(soon) || c.of("1") != 0 {
			t.Errorf("too early: %+v", c.ran)
		}
		until(t, "ended", func() bool { return len(list(t, r, jobs.Filter{Kind: "do", State: jobs.Completed})) == 2 })
		enqueue(t, db, store.Job{Kind: "do", Subject: "0"}) // that one has ended: this is another
		until(t, "run again", func() bool { return c.of("0") == 3 })
	})
}

func TestFailuresComeAgainWithBackOff(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var mu sync.Mutex
		var at []time.Time
		seen := make(chan struct{})
		r.Handle("do", jobs.Options{}, func(context.Context, string) (time.Time, error) {
			mu.Lock()
			at = append(at, time.Now())
			n := len(at)
			mu.Unlock()
			switch n {
			case 1:
				return time.Time{}, errors.New("gateway is away")
			case 2:
				<-seen
				panic("broken")
			}
			return time.Time{}, nil
		})
		r.Handle("slow", jobs.Options{Timeout: 50 * time.Millisecond}, func(ctx context.Context, _ string) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		})
		start(t, r)
		enqueue(t, db, store.Job{Kind: "do", Subject: "x"}, store.Job{Kind: "slow", Subject: "x"})
		state := func(kind string) jobs.Status { return list(t, r, jobs.Filter{Kind: kind})[0] }
		until(t, "failed", func() bool { return state("do").Error != "" })
		if s := state("do"); s.Error != "gateway is away" || s.Attempt != 2 {
			t.Errorf("%+v", s)
		}
		close(seen)
		until(t, "failed twice", func() bool { return state("do").Attempt == 3 })
		if s := state("do"); !strings.Contains(s.Error, "the log says more") || strings.Contains(s.Error, "broken") {
			t.Errorf("%+v", s)
		}
		until(t, "timed out", func() bool { return strings.Contains(state("slow").Error, "longer than 50ms") })
		until(t, "done", func() bool { return state("do").State == jobs.Completed })
		if s := state("do"); s.Error != "" || s.Attempt != 1 || s.Ended.IsZero() {
			t.Errorf("%+v", s)
		}
		if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < time.Second || second < 2*time.Second {
			t.Errorf("tried again after %s, %s", first, second)
		}
	})
}

// A job that says when it comes again is one row for ever.
func TestComesAgainWhenItSays(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var ran atomic.Int64
		r.Handle("do", jobs.Options{}, func(context.Context, string) (time.Time, error) {
			if ran.Add(1) == 4 {
				return time.Now().Add(time.Hour), nil
			}
			return time.Now(), nil
		})
		start(t, r)
		enqueue(t, db, store.Job{Kind: "do", Subject: "x"})
		until(t, "run four times", func() bool {
			all := list(t, r, jobs.Filter{})
			return ran.Load() == 4 && len(all) == 1 && all[0].State == jobs.Scheduled && all[0].Due.After(time.Now().Add(50*time.Minute))
		})
	})
}

// A job whose end could not be recorded, because the database was away for long, runs again; one that is being done does not.
func TestLostEndsAreFound(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var ran, long atomic.Int64
		r.Handle("later", jobs.Options{}, func(context.Context, string) (time.Time, error) {
			ran.Add(1)
			return time.Now().Add(time.Hour), nil
		})
		r.Handle("long", jobs.Options{}, func(ctx context.Context, _ string) (time.Time, error) {
			long.Add(1)
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		})
		start(t, r)
		enqueue(t, db, store.Job{Kind: "later"}, store.Job{Kind: "long"})
		var id string
		until(t, "it has run", func() bool {
			all := list(t, r, jobs.Filter{Kind: "later"})
			if len(all) == 1 && all[0].State == "scheduled" && ran.Load() == 1 {
				id = all[0].ID
			}
			return id != ""
		})
		if err := r.LoseEnd(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		until(t, "it runs again", func() bool { return ran.Load() == 2 })
		if long.Load() != 1 {
			t.Errorf("one that is being done began %d times", long.Load())
		}
	})
}

func TestPeriodicRunsOncePerPeriod(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		const period = time.Second
		var mu sync.Mutex
		ran := map[time.Time]int{}
		count := func(context.Context, string) (time.Time, error) {
			mu.Lock()
			defer mu.Unlock()
			ran[time.Now().Truncate(period)]++
			return time.Time{}, nil
		}
		dbs := []database{open(t, address)}
		if strings.HasPrefix(address, "postgres://") {
			dbs = append(dbs, open(t, address), open(t, address))
		}
		var runners []*jobs.Runner
		for _, db := range dbs {
			r := db.Jobs(quiet)
			r.Handle("tick", jobs.Options{Every: period}, count)
			runners = append(runners, start(t, r))
		}
		periods := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(ran)
		}
		until(t, "run in five periods", func() bool { return periods() >= 5 })
		all := list(t, runners[0], jobs.Filter{})
		if len(all) != 1 || !all[0].Periodic {
			t.Errorf("%+v", all)
		}
		mu.Lock()
		defer mu.Unlock()
		for at, n := range ran {
			if n != 1 {
				t.Errorf("%d runs in the period of %s", n, at)
			}
		}
	})
}

// Processes that start at once ask for the same periodic jobs, each in its own order, and none gets in another's way.
func TestPeriodicAreAskedForByAllAtOnce(t *testing.T) {
	t.Parallel()
	address := postgrestest.New(t)
	var processes []database
	for range 4 {
		processes = append(processes, open(t, address))
	}
	for round := range 10 {
		var starting sync.WaitGroup
		begun := make([]*jobs.Runner, len(processes))
		errs := make([]error, len(processes))
		for i, db := range processes {
			begun[i] = db.Jobs(quiet)
			for kind := range 15 {
				begun[i].Handle(fmt.Sprintf("kind-%d-%d", round, kind), jobs.Options{Every: time.Hour}, func(context.Context, string) (time.Time, error) { return time.Time{}, nil })
			}
			starting.Go(func() { errs[i] = begun[i].Start(t.Context()) })
		}
		starting.Wait()
		for _, r := range begun {
			stop(t, r)
		}
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunNow(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var c counter
		going, goOn := make(chan struct{}), make(chan struct{})
		r.Handle("do", jobs.Options{}, c.handle)
		r.Handle("long", jobs.Options{}, func(ctx context.Context, _ string) (time.Time, error) {
			close(going)
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			return time.Time{}, nil
		})
		start(t, r)
		enqueue(t, db, store.Job{Kind: "do", Subject: "x", After: time.Now().Add(time.Hour)}, store.Job{Kind: "long", Subject: "x"})
		job := list(t, r, jobs.Filter{Kind: "do"})[0]
		if s, err := r.RunNow(t.Context(), job.ID); err != nil || s.State != jobs.Available {
			t.Fatalf("%+v %v", s, err)
		}
		until(t, "run", func() bool { return c.of("x") == 1 })
		until(t, "ended", func() bool { return list(t, r, jobs.Filter{Kind: "do"})[0].State == jobs.Completed })
		if _, err := r.RunNow(t.Context(), job.ID); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("one that is done: %v", err)
		}
		<-going
		if _, err := r.RunNow(t.Context(), list(t, r, jobs.Filter{Kind: "long"})[0].ID); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("one that is running: %v", err)
		}
		close(goOn)
		for _, id := range []string{"999999", "x", ""} {
			if _, err := r.RunNow(t.Context(), id); !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("run %q: %v", id, err)
			}
			if _, err := r.Job(t.Context(), id); !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("job %q: %v", id, err)
			}
		}
	})
}

func TestPages(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var c counter
		r.Handle("do", jobs.Options{}, c.handle)
		start(t, r)
		for i := range 7 {
			enqueue(t, db, store.Job{Kind: "do", Subject: fmt.Sprint("done", i)})
		}
		until(t, "done", func() bool { return len(list(t, r, jobs.Filter{State: jobs.Completed})) == 7 })
		hour := time.Now().Add(time.Hour)
		for i := range 5 {
			enqueue(t, db, store.Job{Kind: "do", Subject: fmt.Sprint("wait", i), After: hour.Add(-time.Duration(i) * time.Minute)})
		}
		for limit := range 13 {
			var seen []string
			var pages int
			for after := ""; ; pages++ {
				page, next, err := r.Jobs(t.Context(), jobs.Filter{}, after, limit+1)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range page {
					seen = append(seen, s.Subject)
				}
				if len(page) == 0 || len(page) > limit+1 {
					t.Fatalf("a page of %d, limit %d", len(page), limit+1)
				}
				if after = next; next == "" {
					break
				}
			}
			if len(seen) != 12 || !slices.Equal(seen[:5], []string{"wait4", "wait3", "wait2", "wait1", "wait0"}) || !slices.ContainsFunc(seen[5:], func(s string) bool { return s == "done0" }) {
				t.Fatalf("by %d: %v", limit+1, seen)
			}
		}
		for _, after := range []string{"x", "9.e30=", "0.", "0.%%%"} {
			if _, _, err := r.Jobs(t.Context(), jobs.Filter{}, after, 5); !errors.Is(err, portal.ErrInvalid) {
				t.Errorf("after %q: %v", after, err)
			}
		}
	})
}

// What runs when a runner stops is handed back, and taken up by the next at once.
func TestStopHandsBack(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		first := db.Jobs(quiet)
		going := make(chan struct{})
		first.Handle("do", jobs.Options{}, func(ctx context.Context, _ string) (time.Time, error) {
			close(going)
			<-ctx.Done()
			return time.Time{}, errors.New("interrupted")
		})
		start(t, first)
		enqueue(t, db, store.Job{Kind: "do", Subject: "x"})
		<-going
		stop(t, first)
		if all := list(t, first, jobs.Filter{}); len(all) != 1 || all[0].State != jobs.Available || all[0].Error != "" {
			t.Errorf("%+v", all)
		}
		second := db.Jobs(quiet)
		var c counter
		second.Handle("do", jobs.Options{}, c.handle)
		start(t, second)
		until(t, "taken up", func() bool { return c.of("x") == 1 })
	})
}

// A slow job takes its own place only.
func TestSlowOnesDelayNobody(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db := open(t, address)
		r := db.Jobs(quiet)
		var c counter
		r.Handle("slow", jobs.Options{}, func(ctx context.Context, _ string) (time.Time, error) {
			<-ctx.Done()
			return time.Time{}, ctx.Err()
		})
		r.Handle("do", jobs.Options{}, c.handle)
		start(t, r)
		for i := range 150 {
			enqueue(t, db, store.Job{Kind: "slow", Subject: fmt.Sprint(i)})
		}
		until(t, "running", func() bool { return len(list(t, r, jobs.Filter{State: jobs.Running})) == 150 })
		enqueue(t, db, store.Job{Kind: "do", Subject: "x"})
		until(t, "run", func() bool { return c.of("x") == 1 })
	})
}
