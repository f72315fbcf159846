package site_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/site"
)

// asked is a call of Find as its caller sees it.
type asked struct {
	credential portal.CredentialID
	giveUp     context.CancelFunc
	done       chan struct{}
	found      connectors.Found // after done
	err        error
}

// ask makes a call in the background.
func (w *world) ask(gateway portal.GatewayID, credential portal.CredentialID) *asked {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	a := &asked{credential: credential, giveUp: cancel, done: make(chan struct{})}
	issuer := w.service.Connector(plant, gateway).(connectors.Issuer)
	go func() {
		defer close(a.done)
		a.found, a.err = issuer.Find(ctx, connectors.Mark{Credential: credential})
	}()
	return a
}

func (a *asked) answered() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// away is how a call without an answer ended.
func away(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error) *connectors.AwayError {
	t.Helper()
	var a *connectors.AwayError
	if !errors.As(err, &a) || !errors.Is(err, portal.ErrUnavailable) {
		t.Fatalf("got %v; want an AwayError", err)
	}
	return a
}

func foundBy(o site.Order, worker string) connectors.Found {
	return connectors.Found{
		Mark: connectors.Mark{Credential: o.Request.Mark.Credential}, Progress: connectors.Done,
		Handle: connectors.Handle{Open: map[string]string{"by": worker, "call": o.ID}},
	}
}

// TestCallsInAnyOrder lets callers, two workers of the site, a stranger and the clock do what they like, and holds: a call
// is in at most one hand, an answer counts only under its lease, and reaches who asked; a caller who is told that nobody
// took a call is told the truth.
func TestCallsInAnyOrder(t *testing.T) {
	site.LookOften()
	w := newWorld(t)
	w.register(plant, "floor")
	w.register("other", "field")
	workers := []*site.Runner{
		w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil}),
		w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil}),
		w.join("other", t.TempDir(), map[portal.GatewayID]connectors.Connector{"floor": nil, "field": nil}),
	}
	rapid.Check(t, func(r *rapid.T) {
		for _, worker := range workers {
			if _, _, err := worker.PollOnce(r.Context()); err != nil {
				r.Fatalf("%v", err)
			}
		}
		type hand struct {
			site.Order
			worker int
			since  time.Time // by the clock, of its lease
		}
		var calls []*asked
		var hands []hand                                 // calls that somebody took and has not handed back or answered
		taken := map[portal.CredentialID]int{}           // less those that were handed back
		accepted := map[portal.CredentialID]string{}     // id of the call that the portal took an answer to
		byCredential := map[portal.CredentialID]*asked{} // all
		expired := func(h hand) bool { return w.clock.now().Sub(h.since) > site.LeaseFor }
		pick := func() int { return rapid.IntRange(0, len(hands)-1).Draw(r, "hand") }
		drop := func(i int) { hands = append(hands[:i], hands[i+1:]...) }

		r.Repeat(map[string]func(*rapid.T){
			"a call": func(r *rapid.T) {
				a := w.ask("floor", portal.CredentialID(fmt.Sprintf("crd_%d", len(calls))))
				calls = append(calls, a)
				byCredential[a.credential] = a
				w.eventually("the call waits or has ended", func() bool {
					all, err := w.service.Sites(r.Context())
					waiting := 0
					for _, s := range all {
						waiting += s.Waiting
					}
					open := 0
					for _, c := range calls {
						if !c.answered() && taken[c.credential] == 0 {
							open++
						}
					}
					return err == nil && (a.answered() || waiting >= open)
				})
			},
			"a poll": func(r *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(r, "worker")
				orders, _, err := workers[i].PollOnce(r.Context())
				if err != nil {
					r.Fatalf("%v", err)
				}
				for _, o := range orders {
					taken[o.Request.Mark.Credential]++
					if n := taken[o.Request.Mark.Credential]; n != 1 {
						r.Fatalf("call %s is in %d hands", o.ID, n)
					}
					hands = append(hands, hand{o, i, w.clock.now()})
				}
			},
			"a poll of a stranger": func(r *rapid.T) {
				orders, ignored, err := workers[2].PollOnce(r.Context())
				if err != nil || len(orders) > 0 || len(ignored) != 1 || !strings.HasPrefix(ignored[0], "floor: it is not of this site") {
					r.Fatalf("got %v, %v, %v", orders, ignored, err)
				}
			},
			"an answer": func(r *rapid.T) {
				if len(hands) == 0 {
					r.Skip()
				}
				i := pick()
				h := hands[i]
				late := expired(h)
				err := workers[h.worker].AnswerFound(r.Context(), h.Order, foundBy(h.Order, workers[h.worker].Identity.Worker))
				gone := byCredential[h.Request.Mark.Credential].answered()
				switch {
				case err == nil && late:
					r.Fatalf("an answer after the lease was taken")
				case err != nil && !errors.Is(err, portal.ErrConflict):
					r.Fatalf("%v", err)
				case err != nil && !late && !gone:
					r.Fatalf("the answer was refused: %v", err)
				case err == nil:
					accepted[h.Request.Mark.Credential] = h.ID
				}
				drop(i)
			},
			"an answer of another worker": func(r *rapid.T) {
				if len(hands) == 0 {
					r.Skip()
				}
				h := hands[pick()]
				for i, worker := range workers {
					if i != h.worker {
						if err := worker.AnswerFound(r.Context(), h.Order, foundBy(h.Order, "thief")); !errors.Is(err, portal.ErrConflict) {
							r.Fatalf("it was taken: %v", err)
						}
					}
				}
				forged := h.Order
				forged.Lease = "no-such-lease"
				if err := workers[h.worker].AnswerFound(r.Context(), forged, foundBy(h.Order, "thief")); !errors.Is(err, portal.ErrConflict) {
					r.Fatalf("it was taken: %v", err)
				}
			},
			"handing back": func(r *rapid.T) {
				if len(hands) == 0 {
					r.Skip()
				}
				i := pick()
				if err := workers[hands[i].worker].HandBack(r.Context(), hands[i].Order); err != nil {
					r.Fatalf("%v", err)
				}
				taken[hands[i].Request.Mark.Credential]--
				drop(i)
			},
			"renewing": func(r *rapid.T) {
				if len(hands) == 0 {
					r.Skip()
				}
				i := pick()
				gone, err := workers[hands[i].worker].Renew(r.Context(), hands[i].Order)
				if err != nil {
					r.Fatalf("%v", err)
				}
				if len(gone) == 0 {
					hands[i].since = w.clock.now()
				}
			},
			"time": func(r *rapid.T) {
				w.clock.advance(time.Duration(rapid.IntRange(1, int(site.LeaseFor*2)).Draw(r, "time")))
				for _, worker := range workers[:2] { // they are there all the time
					orders, _, err := worker.PollOnce(r.Context())
					if err != nil {
						r.Fatalf("%v", err)
					}
					if err := worker.HandBack(r.Context(), orders...); err != nil {
						r.Fatalf("%v", err)
					}
				}
			},
			"giving up": func(r *rapid.T) {
				if len(calls) == 0 {
					r.Skip()
				}
				a := calls[rapid.IntRange(0, len(calls)-1).Draw(r, "call")]
				a.giveUp()
				<-a.done
			},
		})

		var ends sync.WaitGroup
		for _, a := range calls {
			ends.Go(func() {
				if _, ok := accepted[a.credential]; !ok {
					a.giveUp()
				}
				<-a.done
			})
		}
		ends.Wait()
		for _, a := range calls {
			call, ok := accepted[a.credential]
			switch {
			case a.err == nil && (!ok || a.found.Handle.Open["call"] != call || a.found.Mark.Credential != a.credential):
				r.Errorf("%s got %v; the answer that was taken is of %q", a.credential, a.found, call)
			case a.err == nil:
			case ok && !errors.Is(a.err, context.Canceled):
				r.Errorf("%s was answered and got %v", a.credential, a.err)
			case ok: // it gave up while it read the answer
			case !away(r, a.err).Taken && taken[a.credential] != 0:
				r.Errorf("%s is told that nobody took it; %d did", a.credential, taken[a.credential])
			}
		}
		var left int
		err := w.db.View(r.Context(), func(tx site.Tx) error {
			queued, err := tx.Sites().QueuedCalls(r.Context(), plant, time.Time{}, 1000)
			left = len(queued)
			return err
		})
		if err != nil || left != 0 {
			r.Errorf("%d calls are left, %v", left, err)
		}
	})
}
