package main

import (
	"fmt"
	"log/slog"
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
	"concierge/portal/desk"
	"concierge/portal/ingest/ingesttest"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/search"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// BenchmarkSearch makes the search index of 100,000 deployments and asks it a mix of 300 queries, through package search
// and through the page of the catalog, beside one plain question to the engine for the same words. It prints percentiles for
// each kind, for somebody within the company and for a partner. CONCIERGE_SCALE names another number of deployments,
// CONCIERGE_SEARCH_DATA a folder that is kept, CONCIERGE_TEST_DATABASE the engine; with CONCIERGE_SEARCH_INDEX the index is made
// anew.
func BenchmarkSearch(b *testing.B) {
	size := ingesttest.Large
	if n := os.Getenv("CONCIERGE_SCALE"); n != "" {
		if _, err := fmt.Sscan(n, &size.Deployments); err != nil {
			b.Fatalf("CONCIERGE_SCALE: %v", err)
		}
		size.APIs = size.Deployments / 4
	}
	c := filled(b, size)
	log := slog.New(slog.DiscardHandler)
	took := makeIndex(b, c, log, os.Getenv("CONCIERGE_SEARCH_INDEX") != "")
	s, err := open(b.Context(), c, nil, log)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	for !s.search.Ready() {
		time.Sleep(10 * time.Millisecond)
	}
	plainIndex(b, s)
	askers := []asker{
		s.asker(b, people.NewOrganisation{Name: "Company " + portal.NewID("o"), Audience: portal.Internal, Division: "freight"}),
		s.asker(b, people.NewOrganisation{Name: "Partner " + portal.NewID("o"), Audience: portal.Partner}),
	}
	queries := readSearchMix(b)
	for b.Loop() {
		for _, who := range askers {
			measureSearch(b, s, who, queries)
		}
		for _, who := range askers {
			measureBrowsing(b, s, who)
		}
	}
	b.ReportMetric(took.Seconds(), "index-s")
	b.ReportMetric(float64(indexSize(b, s))/1e6, "index-MB")
	b.ReportMetric(float64(entriesIn(b, s)), "entries")
}

// asker is somebody who searches.
type asker struct {
	somebody
	consumer portal.Consumer
}

func (s *server) asker(b *testing.B, o people.NewOrganisation) asker {
	who := s.enter(b, "Asker", portal.NewID("a")+"@example.com", o, access.Developer)
	return asker{who, portal.Consumer{Organisation: who.organisation, Audience: o.Audience, Division: o.Division}}
}

// timings are milliseconds, by what was done and for which queries.
type timings map[string]map[string][]float64

func (t timings) note(way, kind string, began time.Time) {
	ms := float64(time.Since(began).Microseconds()) / 1e3
	if t[way] == nil {
		t[way] = map[string][]float64{}
	}
	for _, of := range []string{kind, "all"} {
		t[way][of] = append(t[way][of], ms)
	}
}

// at is a percentile of what was noted.
func (t timings) at(way, kind string, percent int) float64 {
	all := t[way][kind]
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*percent/100)]
}

// measureSearch asks everything once through package search, through the page, and as it is.
func measureSearch(b *testing.B, s *server, who asker, queries []searchQuery) {
	times, found, hits := timings{}, map[string]int{}, map[string][]int{}
	for range 3 { // connections and pages of the file come in
		for _, q := range queries[:20] {
			_, _ = s.search.Find(b.Context(), who.consumer, routing.Query{Q: q.text, Limit: 24})
		}
	}
	for _, q := range queries {
		began := time.Now()
		r, err := s.search.Find(b.Context(), who.consumer, routing.Query{Q: q.text, Limit: 24})
		times.note("store", q.kind, began)
		if err != nil {
			b.Fatal(err)
		}
		if r.Total > 0 {
			found[q.kind]++
			found["all"]++
		}
		hits[q.kind], hits["all"] = append(hits[q.kind], r.Total), append(hits["all"], r.Total)
	}
	for _, q := range queries {
		began := time.Now()
		rawQuery(b, s, q.text)
		times.note("raw", q.kind, began)
	}
	for _, q := range queries {
		times.note("page", q.kind, s.page(b, who, "/apis?q="+url.QueryEscape(q.text)))
	}
	fmt.Printf("\n%s, %d entries\n%-8s %7s %9s %11s", who.consumer.Audience, s.live.Table().APIs(who.consumer, routing.Query{}).Total, "", "queries", "with hits", "median hits")
	for _, way := range []string{"raw", "store", "page"} {
		fmt.Printf("   %-5s p50   p95   p99", way)
	}
	fmt.Println(" (ms)")
	for _, part := range append(searchMix(), searchShare{"all", len(queries)}) {
		slices.Sort(hits[part.kind])
		fmt.Printf("%-8s %7d %9d %11d", part.kind, part.share, found[part.kind], hits[part.kind][len(hits[part.kind])/2])
		for _, way := range []string{"raw", "store", "page"} {
			fmt.Printf("   %9.1f %5.1f %5.1f", times.at(way, part.kind, 50), times.at(way, part.kind, 95), times.at(way, part.kind, 99))
		}
		fmt.Println()
	}
	for _, way := range []string{"raw", "store", "page"} {
		b.ReportMetric(times.at(way, "all", 95), string(who.consumer.Audience)+"-"+way+"-p95-ms")
	}
}

// page asks for a page and returns when it began.
func (s *server) page(b *testing.B, who asker, address string) time.Time {
	b.Helper()
	request := httptest.NewRequest(http.MethodGet, address, nil)
	request.Header.Set("Cookie", who.cookie)
	w := httptest.NewRecorder()
	began := time.Now()
	s.handler.ServeHTTP(w, request)
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", address, w.Code, w.Body)
	}
	return began
}

// measureBrowsing narrows the catalog without words, by each value of each facet and by two of them, and goes through some
// pages of what is left.
func measureBrowsing(b *testing.B, s *server, who asker) {
	times := timings{}
	all := s.live.Table().APIs(who.consumer, routing.Query{})
	var filters []routing.Filter
	for _, f := range all.Facets {
		for _, v := range f.Values[:min(4, len(f.Values))] {
			filters = append(filters, routing.Filter{f.Facet: {v.Value}})
		}
	}
	for i := range len(filters) - 5 {
		both := routing.Filter{}
		for _, f := range []routing.Filter{filters[i], filters[i+5]} {
			for facet, values := range f {
				both[facet] = append(both[facet], values...)
			}
		}
		filters = append(filters, both)
	}
	for _, f := range filters {
		began := time.Now()
		first := s.live.Table().APIs(who.consumer, routing.Query{Filter: f, Limit: 24})
		times.note("table", "first", began)
		q, next := routing.Query{Filter: f, Limit: 200}, first.Next
		for range 5 {
			if next == (routing.Cursor{}) {
				break
			}
			q.After = next
			began = time.Now()
			next = s.live.Table().APIs(who.consumer, q).Next
			times.note("table", "deep", began)
		}
		address := url.Values{}
		for facet, values := range f {
			address[string(facet)] = values
		}
		times.note("page", "first", s.page(b, who, "/apis?"+address.Encode()))
	}
	for range 20 {
		times.note("page", "everything", s.page(b, who, "/apis"))
	}
	fmt.Printf("%s, narrowed without words in %d ways: table p50 %.1f p95 %.1f ms, further pages of 200 p95 %.1f ms, whole page p50 %.1f p95 %.1f ms; not narrowed p95 %.1f ms\n",
		who.consumer.Audience, len(filters), times.at("table", "first", 50), times.at("table", "first", 95), times.at("table", "deep", 95),
		times.at("page", "first", 50), times.at("page", "first", 95), times.at("page", "everything", 95))
	b.ReportMetric(times.at("table", "first", 95), string(who.consumer.Audience)+"-narrowed-p95-ms")
}

// makeIndex brings the index up to date, anew where that is wanted.
func makeIndex(b *testing.B, c config, log *slog.Logger, anew bool) time.Duration {
	b.Helper()
	db, err := openDatabase(b.Context(), c.Database, log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	config := routing.Config{Environments: c.Environments, Audiences: c.Audiences}
	live := routing.NewLive(config, desk.Source(db), log)
	if anew {
		err = db.InTx(b.Context(), func(tx store.Tx) error {
			for _, table := range []string{"search_tokens", "search_progress"} {
				if _, err := sqlstore.Statements(tx).Exec(b.Context(), "DELETE FROM "+table); err != nil {
					return err
				}
			}
			return nil
		})
	}
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

// plainIndex is an index of words as the engine makes them, of what the portal finds entries by.
func plainIndex(b *testing.B, s *server) {
	b.Helper()
	prepare, put := []string{
		`DROP TABLE IF EXISTS raw_search`,
		`CREATE VIRTUAL TABLE raw_search USING fts5 (tokens, content = '', detail = none, prefix = '2 3 4 5', tokenize = "ascii tokenchars '/{}_.=-'")`,
	}, `INSERT INTO raw_search (rowid, tokens) VALUES ($1, $2)`
	if onPostgres(s.config.Database) {
		prepare, put = []string{
			`DROP TABLE IF EXISTS raw_search`,
			`CREATE TABLE raw_search (id BIGINT, tokens TSVECTOR)`,
		}, `INSERT INTO raw_search (id, tokens) VALUES ($1, array_to_tsvector(string_to_array($2, ' ')))`
	}
	if err := s.db.InTx(b.Context(), func(tx store.Tx) error {
		q := sqlstore.Statements(tx)
		for _, statement := range prepare {
			if _, err := q.Exec(b.Context(), statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		for after, more := (search.Place{}), true; more; {
			rows, err := tx.(search.Tx).Search().Since(b.Context(), after, 2000)
			if err != nil {
				return err
			}
			for _, r := range rows {
				after = r.Place
				if _, err := q.Exec(b.Context(), put, r.Place.Row, r.Tokens); err != nil {
					return err
				}
			}
			more = len(rows) > 0
		}
		if onPostgres(s.config.Database) {
			_, err := q.Exec(b.Context(), `CREATE INDEX raw_search_tokens ON raw_search USING gin (tokens)`)
			if err == nil {
				_, err = q.Exec(b.Context(), `ANALYZE raw_search`)
			}
			return err
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}

// rawQuery asks that for the words as they are, without an audience, corrections, ranks and counts.
func rawQuery(b *testing.B, s *server, q string) {
	b.Helper()
	words := routing.Words(routing.Fold(q))
	query, and, word := `SELECT rowid FROM raw_search WHERE raw_search MATCH $1 LIMIT 1000`, " AND ", `("w%[1]s" OR "o%[1]s")`
	if onPostgres(s.config.Database) {
		query, and, word = `SELECT id FROM raw_search WHERE tokens @@ $1::text::tsquery LIMIT 1000`, " & ", "('w%[1]s' | 'o%[1]s')"
	}
	for i, w := range words {
		words[i] = fmt.Sprintf(word, w)
	}
	if err := s.db.View(b.Context(), func(tx store.Tx) error {
		rows, err := sqlstore.Statements(tx).Query(b.Context(), query, strings.Join(words, and))
		if err != nil {
			return err
		}
		defer rows.Close()
		for n := int64(0); rows.Next(); {
			if err := rows.Scan(&n); err != nil {
				return err
			}
		}
		return rows.Err()
	}); err != nil {
		b.Fatal(err)
	}
}
