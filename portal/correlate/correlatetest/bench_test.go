package correlatetest

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"concierge/portal/correlate"
)

// The scale that Concierge plans for: 100,000 deployments of some 25,000 APIs. Run it with
//
//	go test -run xxx -bench Scale -benchtime 1x ./portal/correlate/correlatetest
func BenchmarkScale(b *testing.B) {
	estate := Generate(Multiply(specs(b), 23_000), 1)
	estate = estate[:min(len(estate), 100_000)]
	members := make([]correlate.Member, len(estate))
	start := time.Now()
	for i, d := range estate {
		members[i] = d.Member()
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/float64(len(estate)), "µs/sketch")
	none := func(string) []string { return nil }
	var r correlate.Result
	b.ResetTimer()
	for range b.N {
		before, stop := heap(), make(chan struct{})
		peak := watch(stop)
		start := time.Now()
		var err error
		if r, err = correlate.Place(members, &correlate.Memory{}, none); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/estate")
		close(stop)
		b.ReportMetric(float64(<-peak-before)/(1<<20), "MB-more-at-most")
		b.ReportMetric(float64(before)/(1<<20), "MB-before")
	}
	b.StopTimer()
	b.Log(Measure(estate, r))
	known := &correlate.Memory{}
	for i, j := range r.Joins {
		for _, m := range j.Members {
			members[m].Entry = fmt.Sprint("entry-", i)
			known.Put(members[m])
		}
	}
	const times = 100
	start = time.Now()
	for i := range times {
		changed := members[i*len(members)/times]
		changed.ID, changed.Entry = "changed", ""
		if _, err := correlate.Place([]correlate.Member{changed}, known, none); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(start).Microseconds())/1000/times, "ms/changed")
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// watch tells the largest heap until it is stopped.
func watch(stop <-chan struct{}) <-chan uint64 {
	most := make(chan uint64, 1)
	go func() {
		var peak uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				most <- peak
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return most
}
