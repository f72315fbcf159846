package people

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/portal"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func addr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestThrottle(t *testing.T) {
	// attempts makes wrong attempts until one is refused.
	attempts := func(th *throttle, now time.Time, account, from func(int) string, most int) int {
		for i := range most {
			if _, err := th.attempt(now, account(i), netip.MustParseAddr(from(i))); err != nil {
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
		if got := attempts(newThrottle(), noon, tc.account, tc.from, 200); got != tc.want {
			t.Errorf("%s: refused after %d, want %d", name, got, tc.want)
		}
	}
}

func TestThrottleForgetsWithTime(t *testing.T) {
	th, from := newThrottle(), addr(1)
	for range 8 {
		if _, err := th.attempt(noon, "a", from); err != nil {
			t.Fatal(err)
		}
	}
	_, err := th.attempt(noon, "a", from)
	var retry *portal.RetryAfterError
	if !errors.As(err, &retry) {
		t.Fatal(err)
	}
	if _, err := th.attempt(noon.Add(-time.Hour), "a", from); err == nil {
		t.Error("a clock that jumps back refilled it")
	}
	if _, err := th.attempt(noon.Add(-time.Hour), "b", from); err != nil {
		t.Errorf("a clock that jumps back locked somebody else out: %v", err)
	}
	if _, err := th.attempt(noon.Add(retry.After), "a", from); err != nil {
		t.Errorf("after the time that was told: %v", err)
	}
}

func TestRightAttemptsAreNotCounted(t *testing.T) {
	th := newThrottle()
	for i := range 1000 {
		ok, err := th.attempt(noon, "a", addr(1))
		if err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
		ok()
	}
}

func TestAttackFromElsewhereDoesNotLockTheOwnerOut(t *testing.T) {
	th, owner := newThrottle(), addr(1)
	ok, err := th.attempt(noon, "a", owner)
	if err != nil {
		t.Fatal(err)
	}
	ok()
	now := noon.Add(time.Hour)
	for i := range 500 {
		_, _ = th.attempt(now, "a", addr(1000+i))
	}
	if _, err := th.attempt(now, "a", addr(5000)); err == nil {
		t.Error("the attack was not slowed down")
	}
	if _, err := th.attempt(now, "a", owner); err != nil {
		t.Errorf("the owner: %v", err)
	}
	if _, err := th.attempt(now.Add(10*time.Second), "a", addr(5000)); err != nil {
		t.Errorf("a new address once the attack is over: %v", err)
	}
}

// However attempts come, no account is tried more often than its limit allows.
func TestThrottleBoundsGuesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th, now := newThrottle(), noon
		passed := 0
		for range rapid.IntRange(1, 300).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(-5, 20).Draw(t, "seconds")) * time.Second)
			if _, err := th.attempt(now, "a", addr(rapid.IntRange(0, 50).Draw(t, "address"))); err == nil {
				passed++
			}
		}
		// The clock wanders by the seconds drawn; what refills is bounded by how far it ever went forward.
		most := int(perAccount.burst) + 300*20/10 + 1
		if passed > most {
			t.Errorf("%d guesses passed, at most %d should", passed, most)
		}
	})
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	th := newThrottle()
	for i := range maxBuckets {
		if _, err := th.attempt(noon, fmt.Sprint("a", i), addr(i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(th.buckets) > maxBuckets {
		t.Errorf("%d buckets", len(th.buckets))
	}
}
