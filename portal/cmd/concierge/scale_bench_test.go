package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/ingest/ingesttest"
	"concierge/portal/routing"
	"concierge/portal/store"
)

// BenchmarkScale runs the portal over 100,000 deployments on 100 gateways: their first sync with every document and the
// whole correlation, an unchanged one, one deployment changed, and the start over that database. CONCIERGE_SCALE names
// another number of deployments; CONCIERGE_SCALE_DATA a folder that is kept, so that a second run measures the rest only.
func BenchmarkScale(b *testing.B) {
	size := ingesttest.Large
	if n := os.Getenv("CONCIERGE_SCALE"); n != "" {
		if _, err := fmt.Sscan(n, &size.Deployments); err != nil {
			b.Fatalf("CONCIERGE_SCALE: %v", err)
		}
		size.APIs = size.Deployments / 4
	}
	estate := ingesttest.New(size)
	for name, kind := range estate.Kinds() {
		kinds[name] = kind
		b.Cleanup(func() { delete(kinds, name) })
	}
	var registrations []ingest.Registration
	for _, g := range estate.Registrations {
		g.Every = 24 * time.Hour
		registrations = append(registrations, ingest.Registration{Gateway: g})
	}
	data := os.Getenv("CONCIERGE_SCALE_DATA")
	if data == "" {
		data = b.TempDir()
	}
	c, err := parseConfig(nil, data)
	if err != nil {
		b.Fatal(err)
	}
	c.Database = testDatabase(b, c.Database)
	start := func() (*server, time.Duration) {
		began := time.Now()
		s, err := open(b.Context(), c, registrations, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		if !s.live.Ready() {
			b.Fatal("open without a table")
		}
		return s, time.Since(began)
	}
	stop := func(s *server) {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		s, _ := start()
		began, used := time.Now(), spentSoFar(b)
		for _, g := range estate.Registrations {
			awaitSync(b, s, g.ID)
		}
		first := time.Since(began)
		if err := s.live.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
		spent, used := s.ingest.Spent(), spentSoFar(b)-used
		entries, questions := entriesIn(b, s), questionsIn(b, s)
		for _, line := range []struct {
			what string
			took any
		}{
			{"first sync of all", first}, {"  processor", used}, {"  peak of memory", fmt.Sprintf("%d MB", peak(b)/1e6)},
			{"  documents read and packed, added up", spent.Describe}, {"  plans, added up", spent.Plan},
			{"  correlation", spent.Correlation()}, {"    following other syncs", spent.Follow}, {"    sketches", spent.Sketch}, {"    near", spent.Near},
			{"    compare and join", spent.Compare}, {"    writes", spent.Write}, {"  commits", spent.Commit},
			{"  entries", entries}, {"  questions to people", questions},
		} {
			if d, ok := line.took.(time.Duration); ok {
				line.took = d.Round(10 * time.Millisecond)
			}
			fmt.Printf("%-42s %12v\n", line.what, line.took)
		}
		b.ReportMetric(first.Seconds(), "first-s")
		b.ReportMetric(spent.Correlation().Seconds(), "correlation-s")
		b.ReportMetric(used.Seconds(), "first-cpu-s")
		b.ReportMetric(float64(peak(b))/1e6, "peak-MB")
		b.ReportMetric(float64(entries), "entries")

		if os.Getenv("CONCIERGE_SCALE_DATA") != "" { // it may know documents that the last run changed
			for _, g := range estate.Registrations {
				syncNow(b, s, g.ID)
			}
		}
		began = time.Now()
		for _, g := range estate.Registrations {
			if run := syncNow(b, s, g.ID); run.State != catalog.Unchanged {
				b.Fatalf("%+v", run)
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "unchanged-s")

		var changed []float64
		for n := range 9 {
			g := estate.Registrations[n*7%len(estate.Registrations)].ID
			estate.Touch(g, 7*n+3)
			began = time.Now()
			run := syncNow(b, s, g)
			if err := s.live.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
			if run.State == catalog.Applied && run.Changed == 1 {
				changed = append(changed, float64(time.Since(began).Microseconds())/1e3)
			}
		}
		if len(changed) == 0 {
			b.Fatal("nothing changed")
		}
		b.ReportMetric(median(changed), "changed-ms")
		stop(s)

		var ready []float64
		for range 3 {
			runtime.GC()
			s, took := start()
			ready = append(ready, took.Seconds())
			stop(s)
		}
		b.ReportMetric(median(ready), "ready-s")
		if info, err := os.Stat(filepath.Clean(c.Database)); err == nil {
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		}
	}
}

// awaitSync waits until a gateway has been synced once.
func awaitSync(b *testing.B, s *server, id portal.GatewayID) {
	b.Helper()
	for {
		st, err := s.ingest.Standing(b.Context(), id)
		switch {
		case err != nil:
			b.Fatal(err)
		case st.LastGood != nil:
			return
		case st.LastRun != nil && st.LastRun.State != catalog.Running:
			b.Fatalf("%+v", *st.LastRun)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func syncNow(b *testing.B, s *server, id portal.GatewayID) catalog.Run {
	b.Helper()
	run, err := s.ingest.Sync(b.Context(), id, ingest.ScheduleActor)
	if err == nil {
		run, err = s.ingest.Wait(b.Context(), id, run.ID)
	}
	if err != nil {
		b.Fatal(err)
	}
	return run
}

// spentSoFar is what the process has used of all processors; 0 where the system does not tell.
func spentSoFar(b *testing.B) time.Duration {
	b.Helper()
	metric := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}}
	runtime.GC() // they are as of the last one
	metrics.Read(metric)
	var all float64
	for _, m := range metric {
		all += m.Value.Float64()
	}
	return time.Duration(all * float64(time.Second))
}

// questionsIn counts what correlation asks people.
func questionsIn(b *testing.B, s *server) (n int) {
	b.Helper()
	err := store.Narrow[catalog.Tx](s.db).View(b.Context(), func(tx catalog.Tx) (err error) {
		n, err = tx.Catalog().CountReviews(b.Context(), catalog.ReviewFilter{State: catalog.ReviewOpen})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// entriesIn counts the entries that somebody within the company sees.
func entriesIn(b *testing.B, s *server) int {
	b.Helper()
	return s.live.Table().APIs(portal.Consumer{Audience: portal.Internal}, routing.Query{}).Total
}

// peak is the most memory that the process has had, in bytes; 0 where the system does not tell.
func peak(b *testing.B) (n int64) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &n); !ok || err != nil {
		return 0
	}
	return n << 10
}
