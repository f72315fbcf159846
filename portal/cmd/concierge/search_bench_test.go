package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/desk"
	"concierge/portal/ingest"
	"concierge/portal/ingest/ingesttest"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/search"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// searchMix is what people search for: of each kind, so many of 300.
var searchMix = []struct {
	kind  string
	share int
}{{"rare", 120}, {"prefix", 60}, {"typo", 45}, {"path", 45}, {"common", 30}}

// searchQueries draws the mix from an estate: the same every time.
func searchQueries(e *ingesttest.Estate) (queries, kinds []string) {
	r := rand.New(rand.NewPCG(4, 7))
	for _, part := range searchMix {
		for range part.share {
			a := e.APIs[r.IntN(len(e.APIs))]
			words := strings.Fields(strings.ToLower(a.Title))
			word := words[r.IntN(len(words))]
			var q string
			switch part.kind {
			case "rare":
				q = a.Rare
				if r.IntN(3) == 0 {
					q += " " + word
				}
			case "prefix":
				q = word[:min(len(word), 2+r.IntN(4))]
				if r.IntN(2) == 0 {
					q = words[0] + " " + q
				}
			case "typo":
				for len(word) < 6 {
					word = a.Rare + words[0]
				}
				q = mistype(r, word)
			case "path":
				resource := a.Resources[r.IntN(len(a.Resources))]
				q = []string{"POST /" + resource, "/" + resource + "/{id}", "DELETE /" + resource + "/{number}", "GET /" + resource + "/17"}[r.IntN(4)]
			case "common":
				q = []string{"service", "api", "customer", "order", "payment", "customer order", "status", "service api"}[r.IntN(8)]
			}
			queries, kinds = append(queries, q), append(kinds, part.kind)
		}
	}
	return queries, kinds
}

// mistype makes one mistake.
func mistype(r *rand.Rand, word string) string {
	at := 1 + r.IntN(len(word)-2)
	switch r.IntN(4) {
	case 0:
		return word[:at] + word[at+1:]
	case 1:
		return word[:at] + "x" + word[at:]
	case 2:
		return word[:at] + word[at+1:at+2] + word[at:at+1] + word[at+2:]
	default:
		return word[:at] + "x" + word[at+1:]
	}
}

// BenchmarkSearch makes the search index of 100,000 deployments and asks it a mix of 300 queries, through package search
// and through the page of the catalog, beside one plain question to the engine for the same words. It prints percentiles for
// each kind. CONCIERGE_SCALE and CONCIERGE_SCALE_DATA are those of BenchmarkScale, CONCIERGE_TEST_DATABASE names the engine.
func BenchmarkSearch(b *testing.B) {
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
	log := slog.New(slog.DiscardHandler)
	s, err := open(b.Context(), c, registrations, log)
	if err != nil {
		b.Fatal(err)
	}
	for _, g := range estate.Registrations {
		for syncNow(b, s, g.ID).State == catalog.Failed { // a hundred first syncs at once get in each other's way
			b.Logf("gateway %s is synced once more", g.ID)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	took := remakeIndex(b, c, log)
	if s, err = open(b.Context(), c, registrations, log); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	for !s.search.Ready() {
		time.Sleep(10 * time.Millisecond)
	}
	asker := s.enter(b, "Asker", "asker@example.com", people.NewOrganisation{Name: "Company", Audience: portal.Internal, Division: "freight"}, access.Developer)
	consumer := portal.Consumer{Audience: portal.Internal}

	queries, sorts := searchQueries(estate)
	for b.Loop() {
		times := map[string]map[string][]float64{"store": {}, "page": {}, "raw": {}}
		found := map[string]int{}
		note := func(way string, i int, began time.Time) {
			ms := float64(time.Since(began).Microseconds()) / 1e3
			for _, of := range []string{sorts[i], "all"} {
				times[way][of] = append(times[way][of], ms)
			}
		}
		for i, q := range queries {
			if i == 0 { // connections and pages of the file come in
				for range 3 {
					_, _ = s.search.Find(b.Context(), consumer, routing.Query{Q: q, Limit: 24})
				}
			}
			began := time.Now()
			r, err := s.search.Find(b.Context(), consumer, routing.Query{Q: q, Limit: 24})
			note("store", i, began)
			if err != nil {
				b.Fatal(err)
			}
			if r.Total > 0 {
				found[sorts[i]]++
				found["all"]++
			}
		}
		for i, q := range queries {
			began := time.Now()
			rawQuery(b, s, q)
			note("raw", i, began)
		}
		for i, q := range queries {
			request := httptest.NewRequest(http.MethodGet, "/apis?q="+url.QueryEscape(q), nil)
			request.Header.Set("Cookie", asker.cookie)
			w := httptest.NewRecorder()
			began := time.Now()
			s.handler.ServeHTTP(w, request)
			note("page", i, began)
			if w.Code != http.StatusOK {
				b.Fatalf("%q: %d %s", q, w.Code, w.Body)
			}
		}
		for _, part := range append(slices.Clone(searchMix), struct {
			kind  string
			share int
		}{"all", len(queries)}) {
			fmt.Printf("%-8s %3d queries, %3d with hits", part.kind, part.share, found[part.kind])
			for _, way := range []string{"raw", "store", "page"} {
				t := times[way][part.kind]
				slices.Sort(t)
				at := func(p int) float64 { return t[min(len(t)-1, len(t)*p/100)] }
				fmt.Printf("   %s p50 %.1f p95 %.1f p99 %.1f ms", way, at(50), at(95), at(99))
				if part.kind == "all" {
					b.ReportMetric(at(95), way+"-p95-ms")
				}
			}
			fmt.Println()
		}
	}
	b.ReportMetric(took.Seconds(), "index-s")
	b.ReportMetric(float64(indexSize(b, s))/1e6, "index-MB")
	b.ReportMetric(float64(entriesIn(b, s)), "entries")
}

// remakeIndex empties the index and makes it anew.
func remakeIndex(b *testing.B, c config, log *slog.Logger) time.Duration {
	b.Helper()
	db, err := openDatabase(b.Context(), c.Database, log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	config := routing.Config{Environments: c.Environments, Audiences: c.Audiences}
	live := routing.NewLive(config, desk.Source(db), log)
	err = db.InTx(b.Context(), func(tx store.Tx) error {
		for _, table := range []string{"search_index", "search_operations", "search_rows", "search_terms", "search_progress"} {
			if _, err := sqlstore.Statements(tx).Exec(b.Context(), "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = live.Refresh(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := search.New(search.On(db), live, config, log).CatchUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// indexSize is how many bytes the index has.
func indexSize(b *testing.B, s *server) (bytes int64) {
	b.Helper()
	query := `SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'search_%'`
	if onPostgres(s.config.Database) {
		query = `SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relname LIKE 'search_%'`
	}
	if err := s.db.View(b.Context(), func(tx store.Tx) error {
		rows, err := sqlstore.Statements(tx).Query(b.Context(), query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&bytes); err != nil {
				return err
			}
		}
		return rows.Err()
	}); err != nil {
		b.Log("the size of the index is not known: ", err)
	}
	return bytes
}

// rawQuery asks the engine for the words as they are, without an audience, corrections, ranks and counts.
func rawQuery(b *testing.B, s *server, q string) {
	b.Helper()
	var e search.Expression
	for _, w := range routing.Words(routing.Fold(q)) {
		e = append(e, []search.Term{{Token: "w" + w}, {Token: "o" + w}})
	}
	err := store.Narrow[search.Tx](s.db).View(b.Context(), func(tx search.Tx) error {
		_, err := tx.Search().Find(b.Context(), e, routing.MostFound)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
