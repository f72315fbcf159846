package jobs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/postgres/postgrestest"
)

// childDatabase names the database of a child process, which works jobs there until it is killed and says what it does.
const childDatabase = "CONCIERGE_TEST_JOBS"

const period = time.Second // of the children's periodic job

func child(address string) {
	db, err := openAt(context.Background(), address)
	if err != nil {
		panic(err)
	}
	r := db.Jobs(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	r.Handle("hang", jobs.Options{}, func(ctx context.Context, subject string) (time.Time, error) {
		fmt.Println("hang", subject)
		<-ctx.Done()
		return time.Time{}, ctx.Err()
	})
	r.Handle("tick", jobs.Options{Every: period}, func(context.Context, string) (time.Time, error) {
		fmt.Println("tick", time.Now().Unix())
		return time.Time{}, nil
	})
	if err := r.Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println("ready")
	select {}
}

// process is a child and what it has said.
type process struct {
	*exec.Cmd
	mu   sync.Mutex
	said []string
}

func spawn(t *testing.T, address string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), childDatabase+"="+address)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.said = append(p.said, lines.Text())
			p.mu.Unlock()
		}
	}()
	until(t, "ready", func() bool { return p.count("ready") == 1 })
	return p
}

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.said...)
}

func (p *process) count(line string) (n int) {
	for _, l := range p.lines() {
		if l == line {
			n++
		}
	}
	return n
}

// A job whose process was killed in its middle is taken over: on SQLite at the next start, on PostgreSQL by the others.
func TestKilledInTheMiddleOfAJob(t *testing.T) {
	onEach(t, func(t *testing.T, address string) {
		db, err := openAt(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, db, store.Job{Kind: "hang", Subject: "x"})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		first := spawn(t, address)
		until(t, "in the middle", func() bool { return first.count("hang x") == 1 })
		first.kill()
		began := time.Now()
		second := spawn(t, address)
		until(t, "taken over", func() bool { return second.count("hang x") == 1 })
		t.Logf("taken over %s after the kill", time.Since(began).Round(time.Millisecond))
	})
}

// Three processes, the leader among them killed again and again: the periodic job runs at most once in each period, and
// after a kill goes on by itself. Only a kill in the middle of it makes it run again in its period.
func TestPeriodicOutlivesItsLeader(t *testing.T) {
	t.Parallel()
	address := postgrestest.New(t)
	var all []*process
	for range 3 {
		p := spawn(t, address)
		all = append(all, p)
	}
	ticks := func() map[string]int {
		n := map[string]int{}
		for _, p := range all {
			for _, l := range p.lines() {
				if strings.HasPrefix(l, "tick") {
					n[l]++
				}
			}
		}
		return n
	}
	for round := range 3 {
		before := len(ticks())
		until(t, "ticking", func() bool { return len(ticks()) >= before+2 })
		victim := all[round]
		victim.kill()
		all = append(all, spawn(t, address))
	}
	before := len(ticks())
	until(t, "ticking", func() bool { return len(ticks()) >= before+3 })
	twice := 0
	for at, n := range ticks() {
		if n > 1 {
			twice++
			t.Logf("%d times at %s", n, at)
		}
	}
	if twice > 0 {
		t.Errorf("%d periods with more than one run", twice)
	}
	t.Logf("%d periods, 3 kills", len(ticks()))
}

// A database that is gone for some seconds, and comes back, is all that a runner has to be given.
func TestDatabaseGoneAndBack(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	db := open(t, server.Database(t))
	var ticks atomic.Int64
	r := db.Jobs(quiet)
	r.Handle("tick", jobs.Options{Every: period}, func(context.Context, string) (time.Time, error) {
		ticks.Add(1)
		return time.Time{}, nil
	})
	var c counter
	r.Handle("do", jobs.Options{}, c.handle)
	start(t, r)
	for round := range 2 {
		before := ticks.Load()
		until(t, "ticking", func() bool { return ticks.Load() >= before+2 })
		server.Kill()
		if _, _, err := r.Jobs(t.Context(), jobs.Filter{}, "", 10); !errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("a list without a database: %v", err)
		}
		time.Sleep(3 * time.Second)
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		before = ticks.Load()
		until(t, "ticking again", func() bool { return ticks.Load() > before })
		t.Logf("ticking %s after the database is back", time.Since(back).Round(time.Millisecond))
		subject := fmt.Sprint(round)
		enqueue(t, db, store.Job{Kind: "do", Subject: subject})
		until(t, "done", func() bool { return c.of(subject) == 1 })
	}
}
