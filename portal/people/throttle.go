package people

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"concierge/portal"
)

// Limits of failed sign-ins. All of them refill with time, so that nobody is shut out for longer than one refill takes
// once the attempts end. Whoever has signed in from an address before is not counted with strangers: an attack from
// elsewhere does not shut the owner out. An owner at a new address competes with the attack for what refills.
var (
	perPlace   = limit{burst: 8, refill: 15 * time.Second}  // one account from one address
	perAddress = limit{burst: 40, refill: 5 * time.Second}  // all accounts from one address, which an office may share
	perAccount = limit{burst: 25, refill: 10 * time.Second} // one account from all addresses that never signed in to it
)

const (
	maxBuckets = 100_000             // some 20 MB
	knownFor   = 30 * 24 * time.Hour // how long a good address is remembered
)

type limit struct {
	burst  float64
	refill time.Duration // for one more attempt
}

// throttle slows down guessing. It lives in memory: a restart forgets it, and each replica counts for itself.
type throttle struct {
	mu      sync.Mutex
	buckets map[place]bucket
	known   map[place]time.Time // where somebody signed in, and when
}

// place is an account, an address, or an account at an address.
type place struct {
	account string
	address netip.Prefix
}

// bucket holds the attempts that were left at a time.
type bucket struct {
	limit
	left float64
	at   time.Time
}

func (b bucket) leftAt(now time.Time) float64 {
	if passed := now.Sub(b.at); passed > 0 { // a clock that jumped back refills nothing
		return min(b.burst, b.left+float64(passed)/float64(b.refill))
	}
	return b.left
}

func newThrottle() *throttle {
	return &throttle{buckets: map[place]bucket{}, known: map[place]time.Time{}}
}

// attempt counts one attempt before it is made, so that many at once do not slip through. Call succeeded when it was
// right: it is not counted then. Errors: portal.RetryAfterError.
func (t *throttle) attempt(now time.Time, account string, from netip.Addr) (succeeded func(), err error) {
	here := place{account, network(from)}
	limits := map[place]limit{here: perPlace, {address: here.address}: perAddress}

	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.known[here]) > knownFor {
		limits[place{account: account}] = perAccount
	}
	var wait time.Duration
	for p, l := range limits {
		b, ok := t.buckets[p]
		if !ok {
			continue
		}
		if left := b.leftAt(now); left < 1 {
			wait = max(wait, time.Duration((1-left)*float64(l.refill)))
		}
	}
	if wait > 0 {
		return nil, &portal.RetryAfterError{After: wait.Truncate(time.Second) + time.Second, Err: fmt.Errorf("too many attempts to sign in")}
	}
	for p, l := range limits {
		t.add(now, p, l, -1)
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		for p, l := range limits {
			t.add(now, p, l, +1)
		}
		makeRoom(t.known, func(at time.Time) bool { return now.Sub(at) > knownFor })
		t.known[here] = now
	}, nil
}

func (t *throttle) add(now time.Time, p place, l limit, n float64) {
	b, ok := t.buckets[p]
	if !ok {
		makeRoom(t.buckets, func(b bucket) bool { return b.leftAt(now) >= b.burst })
		b = bucket{limit: l, left: l.burst, at: now}
	}
	t.buckets[p] = bucket{limit: l, left: min(l.burst, b.leftAt(now)+n), at: now}
}

// makeRoom keeps a map bounded: at the bound it drops what is idle, and where that is too little, anything.
func makeRoom[V any](m map[place]V, idle func(V) bool) {
	if len(m) < maxBuckets {
		return
	}
	for p, v := range m {
		if idle(v) {
			delete(m, p)
		}
	}
	for p := range m {
		if len(m) <= maxBuckets*9/10 {
			return
		}
		delete(m, p)
	}
}

// network is what one customer of an Internet provider usually holds: an IPv4 address or an IPv6 /64.
func network(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0) // whoever has no address shares this one
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // bits fit the address
	return p
}
