package v1

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/store"
)

// board is a table of rates in memory.
type board struct {
	told  map[string][]store.Rate
	fail  bool
	calls int
}

func (b *board) PutRates(_ context.Context, replica string, rates []store.Rate) error {
	b.calls++
	if b.fail {
		return portal.ErrUnavailable
	}
	delete(b.told, replica)
	if len(rates) > 0 {
		b.told[replica] = rates
	}
	for i := range rates {
		rates[i].Replica = replica
	}
	return nil
}

func (b *board) RatesBut(_ context.Context, replica string) (found []store.Rate, err error) {
	b.calls++
	if b.fail {
		return nil, portal.ErrUnavailable
	}
	for _, r := range slices.Sorted(maps.Keys(b.told)) {
		if r != replica {
			found = append(found, b.told[r]...)
		}
	}
	return found, nil
}

func (b *board) DropRates(_ context.Context, replica string, _ int64) error {
	delete(b.told, replica)
	return nil
}

// cluster is some replicas whose time a test moves.
type cluster struct {
	*board
	replicas []*Limits
	now      time.Time
	logged   strings.Builder
}

var limitedToken = [32]byte{1}

func newCluster(replicas int) *cluster {
	c := &cluster{board: &board{told: map[string][]store.Rate{}}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	for i := range replicas {
		l := NewLimits(0, 0, c.board, slog.New(slog.NewTextHandler(&c.logged, nil)))
		l.replica, l.exchange.last = fmt.Sprint(i), c.now
		c.replicas = append(c.replicas, l)
	}
	return c
}

// second lets a second pass in which each replica is called that often, evenly. It returns how many calls each let through.
func (c *cluster) second(demand ...int) (passed []int) {
	const steps = 1000
	passed = make([]int, len(demand))
	for step := range steps {
		for i, d := range demand {
			for range d*(step+1)/steps - d*step/steps {
				if c.replicas[i].wait(limitedToken, c.now) == 0 {
					passed[i]++
				}
			}
		}
		c.now = c.now.Add(time.Second / steps)
		for i, l := range c.replicas { // not all at the same moment
			if step == (100+300*i)%steps {
				l.meet(context.Background(), c.now)
			}
		}
	}
	return passed
}

func sum(passed []int) (n int) {
	for _, p := range passed {
		n += p
	}
	return n
}

func TestReplicasShareALimit(t *testing.T) {
	for name, demand := range map[string][]int{
		"a flood of all":         {1000, 1000, 1000},
		"a flood of two":         {1000, 1000, 0},
		"of one, and a trickle":  {1000, 5, 5},
		"all a little too much":  {100, 100, 100},
		"one near the limit":     {190, 60, 0},
		"one floods, one serves": {1000, 50, 0},
		"ten replicas":           {300, 300, 300, 300, 300, 300, 300, 300, 300, 300},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(len(demand))
			first := sum(c.second(demand...)) + sum(c.second(demand...))
			if most := len(demand) * (defaultBurst + 2*defaultRate); first > most {
				t.Errorf("%d calls in the first two seconds, at most %d", first, most)
			}
			for range 15 { // what is left of the burst is used up
				c.second(demand...)
			}
			total := 0
			const seconds = 10
			for range seconds {
				total += sum(c.second(demand...))
			}
			light := 0
			for _, d := range demand {
				if d < defaultRate/noticeable {
					light += d
				}
			}
			if most := seconds * (defaultRate + light); total > most*105/100 {
				t.Errorf("%d calls in %d seconds, at most some %d", total, seconds, most)
			}
			if total < seconds*defaultRate*80/100 {
				t.Errorf("%d calls in %d seconds of %d a second: too few", total, seconds, defaultRate)
			}
		})
	}
}

func TestCallsWithinTheLimitPass(t *testing.T) {
	c := newCluster(3)
	for range 20 {
		if n := sum(c.second(60, 60, 60)); n != 180 {
			t.Fatalf("%d calls of 180 passed", n)
		}
	}
}

func TestFewCallsAskNobody(t *testing.T) {
	c := newCluster(2)
	for range 10 {
		c.second(5, 0)
	}
	if len(c.told) != 0 || c.calls > 10 {
		t.Errorf("%d questions, told %v", c.calls, c.told)
	}
	before := c.calls
	for range 10 {
		c.second(0, 0)
	}
	if c.calls > before+1 {
		t.Errorf("%d questions while nobody calls", c.calls-before)
	}
}

func TestEachLimitsByItselfWithoutTheDatabase(t *testing.T) {
	c := newCluster(2)
	for range 5 {
		c.second(1000, 1000)
	}
	c.fail = true
	for range 5 {
		c.second(1000, 1000)
	}
	if n := sum(c.second(1000, 1000)); n < 2*defaultRate*95/100 || n > 2*defaultRate*105/100 {
		t.Errorf("%d calls passed, want the limit of each", n)
	}
	if n := strings.Count(c.logged.String(), "WARN"); n != 2 {
		t.Errorf("%d warnings of two replicas:\n%s", n, c.logged.String())
	}
	c.fail = false
	for range 4 {
		c.second(1000, 1000)
	}
	if n := sum(c.second(1000, 1000)); n > defaultRate*105/100 {
		t.Errorf("%d calls passed once it is back", n)
	}
}

// What a replica told before it was killed counts for three seconds and is removed after a minute.
func TestReplicaThatIsGoneIsForgotten(t *testing.T) {
	c := newCluster(2)
	for range 5 {
		c.second(1000, 1000)
	}
	gone := c.replicas[1].replica
	c.replicas = c.replicas[:1]
	for range 4 {
		c.second(1000)
	}
	if n := sum(c.second(1000)); n < defaultRate*95/100 {
		t.Errorf("%d calls passed beside a replica that is gone", n)
	}
	for range 60 {
		c.second(100)
	}
	if _, there := c.told[gone]; there {
		t.Error("it is never forgotten")
	}
}
