package people_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlite"
	"concierge/portal/store/storetest"
)

func addr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// throttled is a service whose clock the test moves, on a database that nobody has tried to sign in to.
type throttled struct {
	*people.Service
	now *time.Time
}

func over(t testing.TB, db store.DB) throttled {
	t.Helper()
	now := start
	s, err := people.New(store.Narrow[people.Tx](db), people.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return throttled{s, &now}
}

func newThrottled(t testing.TB) throttled {
	t.Helper()
	db, err := sqlite.OpenMemory(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return over(t, db)
}

// right is an attempt with the right password.
func (th throttled) right(t testing.TB, account string, from netip.Addr) {
	t.Helper()
	ok, err := th.Attempt(t.Context(), account, from)
	if err == nil {
		err = ok(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestThrottle(t *testing.T) {
	// attempts makes wrong attempts until one is refused.
	attempts := func(th throttled, account, from func(int) string, most int) int {
		for i := range most {
			if _, err := th.Attempt(t.Context(), account(i), netip.MustParseAddr(from(i))); err != nil {
				var retry *portal.RetryAfterError
				if !errors.As(err, &retry) || retry.After <= 0 || retry.After > 16*time.Second {
					t.Errorf("refused with %v", err)
				}
				return i
			}
		}
		return most
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	many := func(format string) func(int) string { return func(i int) string { return fmt.Sprintf(format, i) } }
	for name, tc := range map[string]struct {
		account, from func(int) string
		want          int
	}{
		"one account from one address":      {same("a"), same("192.0.2.1"), 8},
		"many accounts from one address":    {many("a%d"), same("192.0.2.1"), 40},
		"one account from many addresses":   {same("a"), many("192.0.2.%d"), 25},
		"one IPv6 customer":                 {same("a"), many("2001:db8::%x"), 8},
		"many IPv6 customers":               {same("a"), many("2001:db8:0:%x::1"), 25},
		"IPv4 in IPv6 is IPv4":              {same("a"), many("::ffff:192.0.2.%d"), 25},
		"many accounts from many addresses": {many("a%d"), many("192.0.2.%d"), 200},
	} {
		if got := attempts(newThrottled(t), tc.account, tc.from, 200); got != tc.want {
			t.Errorf("%s: refused after %d, want %d", name, got, tc.want)
		}
	}
}

func TestThrottleForgetsWithTime(t *testing.T) {
	th, from := newThrottled(t), addr(1)
	try := func(account string, at time.Time) error {
		*th.now = at
		_, err := th.Attempt(t.Context(), account, from)
		return err
	}
	for range 8 {
		if err := try("a", start); err != nil {
			t.Fatal(err)
		}
	}
	var retry *portal.RetryAfterError
	if err := try("a", start); !errors.As(err, &retry) {
		t.Fatal(err)
	}
	if try("a", start.Add(-time.Hour)) == nil {
		t.Error("a clock that jumps back refilled it")
	}
	if err := try("b", start.Add(-time.Hour)); err != nil {
		t.Errorf("a clock that jumps back locked somebody else out: %v", err)
	}
	if err := try("a", start.Add(retry.After)); err != nil {
		t.Errorf("after the time that was told: %v", err)
	}
}

// Replicas whose clocks differ by some seconds do not refill the limit between them.
func TestThrottleWithClocksThatDiffer(t *testing.T) {
	th := newThrottled(t)
	passed := 0
	for i := range 100 {
		*th.now = start.Add(time.Duration(i%2) * 50 * time.Second)
		if _, err := th.Attempt(t.Context(), "a", addr(1)); err == nil {
			passed++
		}
	}
	if most := 8 + 50/15 + 1; passed > most {
		t.Errorf("%d attempts passed, at most %d should", passed, most)
	}
}

func TestRightAttemptsAreNotCounted(t *testing.T) {
	th := newThrottled(t)
	for range 200 {
		th.right(t, "a", addr(1))
	}
}

func TestAttackFromElsewhereDoesNotLockTheOwnerOut(t *testing.T) {
	th, owner := newThrottled(t), addr(1)
	th.right(t, "a", owner)
	*th.now = start.Add(time.Hour)
	for i := range 500 {
		_, _ = th.Attempt(t.Context(), "a", addr(1000+i))
	}
	if _, err := th.Attempt(t.Context(), "a", addr(5000)); err == nil {
		t.Error("the attack was not slowed down")
	}
	if _, err := th.Attempt(t.Context(), "a", owner); err != nil {
		t.Errorf("the owner: %v", err)
	}
	*th.now = start.Add(time.Hour + 10*time.Second)
	if _, err := th.Attempt(t.Context(), "a", addr(5000)); err != nil {
		t.Errorf("a new address once the attack is over: %v", err)
	}
}

// However attempts come, no account is tried more often than its limit allows.
func TestThrottleBoundsGuesses(t *testing.T) {
	th, ctx, checks := newThrottled(t), t.Context(), 0
	rapid.Check(t, func(t *rapid.T) {
		checks++
		account, passed := fmt.Sprint("a", checks), 0
		for range rapid.IntRange(1, 300).Draw(t, "attempts") {
			*th.now = th.now.Add(time.Duration(rapid.IntRange(-5, 20).Draw(t, "seconds")) * time.Second)
			if _, err := th.Attempt(ctx, account, addr(checks*100+rapid.IntRange(0, 50).Draw(t, "address"))); err == nil {
				passed++
			}
		}
		// The clock wanders by the seconds drawn; what refills is bounded by how far it ever went forward.
		most := people.MostGuesses + 300*20/10 + 1
		if passed > most {
			t.Errorf("%d guesses passed, at most %d should", passed, most)
		}
	})
}

// Attempts on several processes at once count together, exactly; and nothing is left of them in time.
func TestThrottleIsShared(t *testing.T) {
	db := storetest.Open(t)
	replicas := []throttled{over(t, db), over(t, db), over(t, db)}
	replicas[1].right(t, "owner", addr(9))
	var passed atomic.Int32
	var group sync.WaitGroup
	for i := range 4 * len(replicas) {
		group.Go(func() {
			for range 4 {
				for {
					_, err := replicas[i%len(replicas)].Attempt(t.Context(), "a", addr(1))
					var retry *portal.RetryAfterError
					switch {
					case err == nil:
						passed.Add(1)
					case errors.As(err, &retry):
					case errors.Is(err, portal.ErrUnavailable):
						continue // the others were faster too often
					default:
						t.Error(err)
					}
					break
				}
			}
		})
	}
	group.Wait()
	if n := passed.Load(); n != 8 {
		t.Errorf("%d attempts passed on %d replicas, want 8", n, len(replicas))
	}
	for range 30 {
		_, _ = replicas[0].Attempt(t.Context(), "owner", addr(100)) // from elsewhere
	}
	if _, err := replicas[2].Attempt(t.Context(), "owner", addr(9)); err != nil {
		t.Errorf("a good address is known to one replica only: %v", err)
	}

	*replicas[0].now = start.Add(time.Hour)
	if err := replicas[0].Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows := func() (n int) {
		err := db.View(t.Context(), func(tx store.Tx) error {
			n = count(t, tx, `SELECT count(*) FROM sign_in_attempts`) + count(t, tx, `SELECT count(*) FROM sign_in_places`)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := rows(); n != 1 {
		t.Errorf("%d rows an hour later, want the good address alone", n)
	}
	*replicas[0].now = start.Add(31 * 24 * time.Hour)
	if err := replicas[0].Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(); n != 0 {
		t.Errorf("%d rows a month later", n)
	}
}

// A database that is away refuses to let anybody in, and says why.
func TestSignInWithoutDatabase(t *testing.T) {
	w := newWorld(t)
	w.person("Tom", partner, access.Developer)
	ctx, cancel := context.WithCancel(w.ctx())
	cancel()
	if _, err := w.SignIn(ctx, "tom@example.com", password("Tom"), home); err == nil || errors.Is(err, people.ErrSignedOut) {
		t.Errorf("got %v", err)
	}
}
