package v1

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiter keeps a token bucket for each API token. It forgets those that are full again.
type limiter struct {
	rate  rate.Limit
	burst int

	mu      sync.RWMutex
	buckets map[[32]byte]*rate.Limiter
}

// manyBuckets is when the idle ones are forgotten.
const manyBuckets = 10_000

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate: rate.Limit(perSecond), burst: burst, buckets: map[[32]byte]*rate.Limiter{}}
}

// wait takes one call from the bucket. It returns how long the caller has to wait, 0 for not at all.
func (l *limiter) wait(token [32]byte, now time.Time) time.Duration {
	l.mu.RLock()
	b := l.buckets[token]
	l.mu.RUnlock()
	if b == nil {
		b = l.add(token, now)
	}
	if b.AllowN(now, 1) {
		return 0
	}
	return max(time.Second, time.Duration(float64(time.Second)/float64(l.rate)))
}

func (l *limiter) add(token [32]byte, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.buckets[token]; b != nil {
		return b
	}
	if len(l.buckets) >= manyBuckets {
		for k, b := range l.buckets {
			if b.TokensAt(now) >= float64(l.burst) {
				delete(l.buckets, k)
			}
		}
	}
	b := rate.NewLimiter(l.rate, l.burst)
	l.buckets[token] = b
	return b
}
