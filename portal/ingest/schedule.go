package ingest

import (
	"cmp"
	"time"
)

// Times between two syncs of one gateway.
const (
	DefaultEvery = 5 * time.Minute
	MinEvery     = 10 * time.Second

	firstRetry = 30 * time.Second
	maxRetry   = time.Hour
)

// wait returns how long after the end of a sync the next one starts: the gateway's own time between two, or after
// failures in a row half a minute, doubled with each, up to an hour or the gateway's own time where that is longer; never
// less than the gateway asked for. jitter in [0,1) moves it by up to a tenth either way, so that gateways that were
// registered together do not stay together.
func wait(every time.Duration, failures int, asked time.Duration, jitter float64) time.Duration {
	every = cmp.Or(every, DefaultEvery)
	d := every
	if failures > 0 {
		d = firstRetry
		for range min(failures-1, 20) {
			d *= 2
			if d >= max(maxRetry, every) {
				break
			}
		}
		d = min(d, max(maxRetry, every))
	}
	d += time.Duration((jitter - 0.5) * 0.2 * float64(d))
	return max(d, asked)
}
