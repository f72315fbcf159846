package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/ingest/ingesttest"
	"concierge/portal/routing"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// BenchmarkScale runs the portal over 100,000 deployments on 100 gateways: their first sync with every document and the
// whole correlation, an unchanged one, one deployment changed, the start over that database, and the first sync after an
// upgrade that compares by something else. CONCIERGE_SCALE names
// another number of deployments; CONCIERGE_SCALE_DATA a folder that is kept, so that a second run measures the rest only;
// CONCIERGE_SCALE_PROFILES a folder for profiles: of the heap at its largest, and of the processor in each part.
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
		heap, profiled := watchHeap(b), profile(b, "first")
		began, used := time.Now(), spentSoFar(b)
		for _, g := range estate.Registrations {
			awaitSync(b, s, g.ID)
		}
		first := time.Since(began)
		if err := s.live.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
		profiled()
		spent, used := s.ingest.Spent(), spentSoFar(b)-used
		entries, questions := entriesIn(b, s), questionsIn(b, s)
		for _, line := range []struct {
			what string
			took any
		}{
			{"first sync of all", first}, {"  processor", used}, {"  peak of memory", megabytes(peak(b))}, {"  peak of the heap", megabytes(heap.most())}, {"  peak of what lives in it", megabytes(heap.mostLive())},
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
		b.ReportMetric(float64(entries), "entries")
		began = time.Now()
		awaitSearch(b, s)
		b.ReportMetric(time.Since(began).Seconds(), "search-s")
		b.ReportMetric(float64(heap.stop())/1e6, "heap-MB")
		b.ReportMetric(float64(peak(b))/1e6, "peak-MB")

		if os.Getenv("CONCIERGE_SCALE_DATA") != "" { // it may know documents that the last run changed
			for _, g := range estate.Registrations {
				syncNow(b, s, g.ID)
			}
		}
		awaitSearch(b, s)
		began, profiled = time.Now(), profile(b, "unchanged")
		for _, g := range estate.Registrations {
			if run := syncNow(b, s, g.ID); run.State != catalog.Unchanged {
				b.Fatalf("%+v", run)
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "unchanged-s")

		profiled()

		var changed []float64
		profiled = profile(b, "changed")
		for n := range 9 {
			awaitSearch(b, s)
			g := estate.Registrations[n*7%len(estate.Registrations)].ID
			estate.Touch(g, 7*n+3)
			began = time.Now()
			run := syncNow(b, s, g)
			if err := s.live.Refresh(b.Context()); err != nil {
				b.Fatal(err)
			}
			if took := time.Since(began); run.State == catalog.Applied && run.Changed == 1 {
				changed = append(changed, float64(took.Microseconds())/1e3)
			}
		}
		if len(changed) == 0 {
			b.Fatal("nothing changed")
		}
		b.ReportMetric(median(changed), "changed-ms")
		b.ReportMetric(slices.Max(changed), "changed-most-ms")
		profiled()
		stop(s)

		var ready []float64
		profiled = profile(b, "ready")
		for range 3 {
			runtime.GC()
			s, took := start()
			ready = append(ready, took.Seconds())
			stop(s)
		}
		profiled()
		b.ReportMetric(median(ready), "ready-s")

		s, _ = start()
		outdate(b, s)
		began, profiled = time.Now(), profile(b, "upgraded")
		syncNow(b, s, estate.Registrations[0].ID)
		b.ReportMetric(time.Since(began).Seconds(), "upgraded-s")
		profiled()
		stop(s)
		if info, err := os.Stat(filepath.Clean(c.Database)); err == nil {
			b.ReportMetric(float64(info.Size())/1e6, "file-MB")
		}
	}
}

// outdate makes what deployments are compared by that of an earlier version of the portal.
func outdate(b *testing.B, s *server) {
	b.Helper()
	err := s.db.InTx(b.Context(), func(tx store.Tx) error {
		_, err := sqlstore.Statements(tx).Exec(b.Context(), `UPDATE sketches SET format = 0`)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// awaitSearch waits until the search index has all that is in the table.
func awaitSearch(b *testing.B, s *server) {
	b.Helper()
	for end := time.Now().Add(5 * time.Minute); s.search.Version() < s.live.Table().Version(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("the search index is at %d, the table at %d", s.search.Version(), s.live.Table().Version())
		}
	}
}

// profile writes what the processor does into a file of that name, until the function returned is called.
func profile(b *testing.B, name string) (end func()) {
	b.Helper()
	dir := os.Getenv("CONCIERGE_SCALE_PROFILES")
	if dir == "" {
		return func() {}
	}
	f, err := os.Create(filepath.Join(dir, name+".cpu"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	}
}

// heap watches how large the heap is.
type heap struct {
	largest, largestLive atomic.Uint64
	enough               chan struct{}
	ended                chan struct{}
}

func watchHeap(b *testing.B) *heap {
	h := &heap{enough: make(chan struct{}), ended: make(chan struct{})}
	dir := os.Getenv("CONCIERGE_SCALE_PROFILES")
	go func() {
		defer close(h.ended)
		metric := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
		written := uint64(0)
		for {
			metrics.Read(metric)
			h.largest.Store(max(h.largest.Load(), metric[0].Value.Uint64()))
			live := metric[1].Value.Uint64()
			h.largestLive.Store(max(h.largestLive.Load(), live))
			if dir != "" && live > written+written/20 {
				written = live
				var profile bytes.Buffer
				if err := pprof.WriteHeapProfile(&profile); err != nil {
					b.Error(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "heap"), profile.Bytes(), 0o600); err != nil {
					b.Error(err)
				}
			}
			select {
			case <-h.enough:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return h
}

func (h *heap) most() int64     { return int64(h.largest.Load()) }
func (h *heap) mostLive() int64 { return int64(h.largestLive.Load()) }

// stop ends it, and returns how large the heap was at most.
func (h *heap) stop() int64 {
	close(h.enough)
	<-h.ended
	return h.most()
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n/1e6) }

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
		time.Sleep(200 * time.Millisecond)
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
