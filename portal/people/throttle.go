package people

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

const knownFor = 30 * 24 * time.Hour // how long a good address is remembered

type limit struct {
	burst  int
	refill time.Duration // for one more attempt
}

// Attempts is what was tried at a place: its limit is whole again Debt after At.
type Attempts struct {
	At   time.Time
	Debt time.Duration
}

// debt is what is left of it at a time. A clock that jumped back pays nothing off.
func (a Attempts) debt(now time.Time) time.Duration {
	return max(0, a.Debt-max(0, now.Sub(a.At)))
}

// wait is how long there is none to be had, 0 where one is.
func (l limit) wait(a Attempts, now time.Time) time.Duration {
	return max(0, a.debt(now)-time.Duration(l.burst-1)*l.refill)
}

// add counts n attempts, or takes them back. Replicas whose clocks differ a little share what they count: its time goes
// back only where it lies so far ahead that some clock had jumped.
func (l limit) add(a Attempts, now time.Time, n int) Attempts {
	at := now
	if ahead := a.At.Sub(now); ahead > 0 && ahead <= time.Duration(l.burst)*l.refill {
		at = a.At
	}
	return Attempts{At: at, Debt: max(0, a.debt(now)+time.Duration(n)*l.refill)}
}

// throttle slows down guessing. What it counts is in the database, so that it holds for all replicas together and a
// restart does not forget it. Names and addresses are kept as keyed hashes.
type throttle struct {
	db   DB
	hash func(purpose string, data []byte) string
}

// counted is a place whose limit an attempt counts against.
type counted struct {
	place string
	limit
}

// attempt counts one attempt before it is made, so that many at once do not slip through. Call succeeded when it was
// right: it is not counted then. Errors: portal.RetryAfterError.
func (t *throttle) attempt(ctx context.Context, now time.Time, account string, from netip.Addr) (succeeded func(context.Context) error, err error) {
	address := network(from).String()
	here := t.place(account, address)
	var places []counted
	err = t.db.InTx(ctx, func(tx Tx) error {
		places = []counted{{here, perPlace}, {t.place("", address), perAddress}}
		last, err := tx.People().SignedInFrom(ctx, here)
		if err != nil && !errors.Is(err, portal.ErrNotFound) {
			return err
		}
		if now.Sub(last) > knownFor {
			places = append(places, counted{t.place(account, ""), perAccount})
		}
		had := make([]Attempts, len(places))
		var wait time.Duration
		for i, p := range places {
			if had[i], err = tx.People().Attempts(ctx, p.place); err != nil && !errors.Is(err, portal.ErrNotFound) {
				return err
			}
			wait = max(wait, p.wait(had[i], now))
		}
		if wait > 0 {
			return &portal.RetryAfterError{After: wait.Truncate(time.Second) + time.Second, Err: errors.New("too many attempts to sign in")}
		}
		for i, p := range places {
			if err := tx.People().PutAttempts(ctx, p.place, p.add(had[i], now, +1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return t.succeeded(ctx, now, here, places) }, nil
}

// succeeded takes an attempt back and remembers where it came from.
func (t *throttle) succeeded(ctx context.Context, now time.Time, here string, places []counted) error {
	err := t.db.InTx(ctx, func(tx Tx) error {
		for _, p := range places {
			had, err := tx.People().Attempts(ctx, p.place)
			if errors.Is(err, portal.ErrNotFound) {
				continue // paid off and forgotten
			}
			if err != nil {
				return err
			}
			if err := tx.People().PutAttempts(ctx, p.place, p.add(had, now, -1)); err != nil {
				return err
			}
		}
		return tx.People().PutSignedInFrom(ctx, here, now)
	})
	if err != nil {
		return fmt.Errorf("taking back a counted attempt: %w", err)
	}
	return nil
}

// place names an account, an address, or an account at an address.
func (t *throttle) place(account, address string) string {
	return t.hash("sign-in", []byte(account+"\x00"+address))
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
