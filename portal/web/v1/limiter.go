package v1

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"concierge/portal/store"
)

// Limits keeps a token bucket for each API token. It forgets those that are full again. It is safe for concurrent use.
//
// Replicas share the limit without asking anybody on a call: each counts for itself, and once a second tells the others, in
// a table, what it served to tokens that use a twentieth of their rate or more; each then leaves to such a token what the
// others do not serve, but at least its own share. However many replicas a token calls, they come to its rate together,
// and to a twentieth of it more for each that serves less than that; only when a token begins, in the first two seconds,
// may each let through a whole burst and the rate. What is not heard of for three seconds does not count: without the
// database each limits by itself.
type Limits struct {
	rate    rate.Limit
	burst   int
	shared  store.Rates
	replica string
	log     *slog.Logger

	mu      sync.RWMutex
	buckets map[[32]byte]*bucket
	others  map[[32]byte]others // of the last exchange

	exchange exchange // used by Run alone
}

// bucket also counts the calls let through since the last exchange.
type bucket struct {
	*rate.Limiter
	calls atomic.Int64
}

// others is what other replicas serve to a token.
type others struct {
	calls    int64 // per second
	replicas int
}

// exchange is what one has told and heard.
type exchange struct {
	round   int64
	last    time.Time // when it was tried
	met     time.Time // when it was done
	told    bool
	failing bool
	heard   map[string]heard // by replica
}

type heard struct {
	round int64
	since time.Time // when it was first heard of, by our clock
}

const (
	defaultRate, defaultBurst = 200, 400

	manyBuckets  = 10_000 // when the idle ones are forgotten
	noticeable   = 20     // the part of the rate from which on others are told
	manyRates    = 500    // the most tokens of which others are told: those that call most
	tellEvery    = time.Second
	silentAfter  = 3 * time.Second
	forgetSilent = time.Minute
)

// NewLimits returns limits of calls per second and at once; 0 means 200 and 400. With shared, call Run.
func NewLimits(perSecond float64, burst int, shared store.Rates, log *slog.Logger) *Limits {
	return &Limits{
		rate: rate.Limit(cmp.Or(perSecond, defaultRate)), burst: cmp.Or(burst, defaultBurst), shared: shared, replica: rand.Text(), log: log,
		buckets: map[[32]byte]*bucket{}, exchange: exchange{heard: map[string]heard{}},
	}
}

// wait takes one call from the bucket. It returns how long the caller has to wait, 0 for not at all.
func (l *Limits) wait(token [32]byte, now time.Time) time.Duration {
	l.mu.RLock()
	b := l.buckets[token]
	l.mu.RUnlock()
	if b == nil {
		b = l.add(token, now)
	}
	if b.AllowN(now, 1) {
		b.calls.Add(1)
		return 0
	}
	return max(time.Second, time.Duration(float64(time.Second)/float64(l.rate)))
}

func (l *Limits) add(token [32]byte, now time.Time) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[token]; b != nil {
		return b
	}
	if len(l.buckets) >= manyBuckets {
		for k, b := range l.buckets {
			if b.TokensAt(now) >= float64(b.Burst()) {
				delete(l.buckets, k)
			}
		}
	}
	limit, burst := l.left(l.others[token])
	b := &bucket{Limiter: rate.NewLimiter(limit, burst)}
	l.buckets[token] = b
	return b
}

// left is what this replica may serve beside others.
func (l *Limits) left(o others) (rate.Limit, int) {
	share := 1 + o.replicas
	return max(l.rate-rate.Limit(o.calls), l.rate/rate.Limit(share)), max(1, l.burst/share)
}

// Run exchanges with the other replicas until ctx ends. Without any it returns at once.
func (l *Limits) Run(ctx context.Context) {
	if l.shared == nil {
		return
	}
	l.exchange.last = time.Now()
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			l.meet(ctx, now)
		}
	}
}

// meet is one exchange.
func (l *Limits) meet(ctx context.Context, now time.Time) {
	x := &l.exchange
	busy, active := l.busy(now.Sub(x.last))
	x.last = now
	err := l.tell(ctx, busy)
	if err == nil && (active || len(x.heard) > 0) {
		err = l.hear(ctx, now)
	}
	if err != nil && ctx.Err() == nil && !x.failing {
		l.log.Warn("limits of calls are not shared with other replicas; each limits by itself", "error", err)
	}
	x.failing = err != nil
	if err == nil {
		x.met = now
	}
	if err != nil && now.Sub(x.met) >= silentAfter {
		l.apply(now, nil)
	}
}

// busy lists the tokens that use much of their limit here, and says whether there was any call at all.
func (l *Limits) busy(passed time.Duration) (busy []store.Rate, active bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for token, b := range l.buckets {
		calls := b.calls.Swap(0)
		active = active || calls > 0
		if perSecond := float64(calls) / passed.Seconds(); perSecond >= float64(l.rate)/noticeable {
			busy = append(busy, store.Rate{Token: token, Calls: int64(perSecond), Round: l.exchange.round + 1})
		}
	}
	slices.SortFunc(busy, func(a, b store.Rate) int { return cmp.Compare(b.Calls, a.Calls) })
	return busy[:min(len(busy), manyRates)], active
}

func (l *Limits) tell(ctx context.Context, busy []store.Rate) error {
	x := &l.exchange
	if len(busy) == 0 && !x.told {
		return nil
	}
	x.round++
	ctx, cancel := context.WithTimeout(ctx, tellEvery)
	defer cancel()
	if err := l.shared.PutRates(ctx, l.replica, busy); err != nil {
		return err
	}
	x.told = len(busy) > 0
	return nil
}

// hear takes in what the others serve. One that has told nothing new for a while is silent, and then forgotten: clocks of
// replicas are not compared.
func (l *Limits) hear(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, tellEvery)
	defer cancel()
	rates, err := l.shared.RatesBut(ctx, l.replica)
	if err != nil {
		return err
	}
	rounds := map[string]heard{}
	all := map[[32]byte]others{}
	for _, r := range rates {
		h := l.exchange.heard[r.Replica]
		if h.round != r.Round {
			h = heard{r.Round, now}
		}
		rounds[r.Replica] = h
		if now.Sub(h.since) < silentAfter {
			o := all[r.Token]
			all[r.Token] = others{o.calls + r.Calls, o.replicas + 1}
		}
	}
	l.exchange.heard = rounds
	l.apply(now, all)
	for replica, h := range rounds {
		if now.Sub(h.since) > forgetSilent {
			if err := l.shared.DropRates(ctx, replica, h.round); err != nil {
				return fmt.Errorf("forgetting a replica that is gone: %w", err)
			}
		}
	}
	return nil
}

// apply leaves to each token what the others do not serve.
func (l *Limits) apply(now time.Time, all map[[32]byte]others) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for token := range l.others {
		if _, still := all[token]; !still {
			l.set(now, token, others{})
		}
	}
	for token, o := range all {
		l.set(now, token, o)
	}
	l.others = all
}

func (l *Limits) set(now time.Time, token [32]byte, o others) {
	if b := l.buckets[token]; b != nil {
		limit, burst := l.left(o)
		b.SetLimitAt(now, limit)
		b.SetBurstAt(now, burst)
	}
}
