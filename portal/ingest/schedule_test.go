package ingest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

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
	g := catalog.Gateway{Every: time.Hour, Created: noon.Add(-time.Minute)}
	failed := catalog.Run{State: catalog.Failed, Error: "connection refused", Ended: noon}
	stopped, dead, good, asked, running := failed, failed, failed, failed, failed
	stopped.Error, dead.Error = stoppedError, recoveryError
	good.State, good.Error = catalog.Unchanged, ""
	asked.Again = noon.Add(3 * time.Hour)
	running.State = catalog.Running
	const middle = 0.5 // no jitter
	for name, tc := range map[string]struct {
		runs []catalog.Run // the newest first
		want time.Time
	}{
		"never synced":          {nil, g.Created},
		"good":                  {[]catalog.Run{good, failed}, noon.Add(time.Hour)},
		"failed":                {[]catalog.Run{failed, good, failed}, noon.Add(30 * time.Second)},
		"failed twice":          {[]catalog.Run{failed, failed, good}, noon.Add(time.Minute)},
		"failed around a stop":  {[]catalog.Run{failed, stopped, failed, good}, noon.Add(time.Minute)},
		"stopped":               {[]catalog.Run{stopped, failed, failed}, noon},
		"its process died":      {[]catalog.Run{dead}, noon},
		"asked for three hours": {[]catalog.Run{asked, good}, noon.Add(3 * time.Hour)},
		"running":               {[]catalog.Run{running, good}, time.Time{}},
	} {
		if got := after(g, DefaultEvery, tc.runs, middle); !got.Equal(tc.want) {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
