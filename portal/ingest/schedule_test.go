package ingest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/catalog"
)

func TestWait(t *testing.T) {
	const middle = 0.5 // no jitter
	for _, tc := range []struct {
		every    time.Duration
		failures int
		asked    time.Duration
		want     time.Duration
	}{
		{0, 0, 0, DefaultEvery},
		{time.Hour, 0, 0, time.Hour},
		{time.Hour, 1, 0, 30 * time.Second},
		{time.Hour, 3, 0, 2 * time.Minute},
		{time.Minute, 50, 0, time.Hour},
		{24 * time.Hour, 50, 0, 24 * time.Hour},
		{time.Minute, 1, 10 * time.Minute, 10 * time.Minute},
	} {
		if got := wait(tc.every, tc.failures, tc.asked, middle); got != tc.want {
			t.Errorf("wait(%s, %d, %s) = %s, want %s", tc.every, tc.failures, tc.asked, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(int64(MinEvery), int64(48*time.Hour)).Draw(t, "every"))
		failures := rapid.IntRange(0, 1000).Draw(t, "failures")
		asked := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "asked"))
		got := wait(every, failures, asked, rapid.Float64Range(0, 0.999).Draw(t, "jitter"))
		if got < asked || got <= 0 || float64(got) > 1.1*float64(max(every, maxRetry)) {
			t.Fatalf("wait %s", got)
		}
	})
}

func TestBackOffFollowsFailures(t *testing.T) {
	g := catalog.Gateway{Every: time.Hour}
	d := &schedule{}
	end := func(err error) time.Duration {
		d.running = &progress{err: err}
		d.ended(g, noon)
		return d.at.Sub(noon)
	}
	if first, second := end(portal.ErrUnavailable), end(portal.ErrUnavailable); first > 35*time.Second || second < 50*time.Second {
		t.Errorf("after failures %s, %s", first, second)
	}
	if asked := end(&portal.RetryAfterError{After: 3 * time.Hour}); asked < 3*time.Hour {
		t.Errorf("asked for 3 h, got %s", asked)
	}
	if good := end(nil); good < 50*time.Minute || d.failures != 0 {
		t.Errorf("after a good one %s", good)
	}
}
