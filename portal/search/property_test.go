package search_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/routing"
	"concierge/portal/store/storetest"
)

var (
	drawnWords  = []string{"pay", "payment", "payments", "order", "orders", "zürich", "quokka", "vault", "a", "v2", "订单", "refund"}
	drawnPaths  = []string{"/v1/payments", "/v1/payments/{id}", "/payments/{id}/refund", "/orders/{id}", "/v1/orders/{id}/payments/{n}", "/"}
	drawnPlaces = []string{"internal production", "internal test", "partner production", "partner test", "public test", "odd production", "partner nowhere"}
)

func drawAPI(t *rapid.T, n int) api {
	a := api{id: fmt.Sprintf("api%d", n)}
	text := func(label string, most int) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(drawnWords), 0, most).Draw(t, label), " ")
	}
	for range rapid.IntRange(0, 3).Draw(t, "deployments") {
		d := deployment{
			place: rapid.SampledFrom(drawnPlaces).Draw(t, "place"), title: "x " + text("title", 2), summary: text("summary", 3),
			tags: rapid.SliceOfN(rapid.SampledFrom(drawnWords), 0, 2).Draw(t, "tags"), region: rapid.SampledFrom([]string{"", "eu", "us"}).Draw(t, "region"),
			routed: rapid.Bool().Draw(t, "routed"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "operations") {
			d.operations = append(d.operations, rapid.SampledFrom([]string{"GET", "POST"}).Draw(t, "method")+" "+rapid.SampledFrom(drawnPaths).Draw(t, "path"))
		}
		a.deployments = append(a.deployments, d)
	}
	return a
}

// finds is the search in plain code: which entries a consumer gets for words and a path, in no order.
func finds(all map[string]api, table *routing.Table, c portal.Consumer, words []string, method, path string) (found []string) {
	for id, a := range all {
		if !table.Sees(c, portal.APIID(id)) {
			continue
		}
		view, err := table.API(c, id)
		if err != nil {
			continue
		}
		var there, operations []string
		add := func(text string) { there = append(there, routing.Words(routing.Fold(text))...) }
		add(view.Title)
		add(view.Name)
		add(view.Summary)
		add(strings.Join(view.Tags, " "))
		for _, d := range a.deployments {
			audience, environment, _ := strings.Cut(d.place, " ")
			rank, sees := config.Audiences.Rank(c.Audience, portal.Audience(audience))
			if sees && rank >= 0 && slices.Contains(config.Environments, portal.Environment(environment)) {
				for _, op := range d.operations {
					add(op)
					operations = append(operations, op)
				}
			}
		}
		fits := true
		for i, w := range words {
			fits = fits && slices.ContainsFunc(there, func(x string) bool {
				return x == w || strings.HasPrefix(x, w) && (utf8.RuneCountInString(w) >= 3 || i == len(words)-1 && path == "")
			})
		}
		if path != "" {
			fits = fits && slices.ContainsFunc(operations, func(op string) bool {
				m, p, _ := strings.Cut(op, " ")
				return (method == "" || m == method) && strings.Contains(plain(p)+"/", plain(path)+"/")
			})
		}
		if fits {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found
}

// plain is a path with nameless parameters.
func plain(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return "/" + strings.Join(parts, "/")
}

func TestFindsAsPlainCodeDoes(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		w := over(t, open(t), config)
		all := map[string]api{} // the catalog goes on from case to case, and the index follows it
		rapid.Check(t, func(t *rapid.T) {
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				a := drawAPI(t, rapid.IntRange(0, 5).Draw(t, "which"))
				w.put(t, a)
				all[a.id] = a
			}
			w.caughtUp(t)
			for range 4 {
				words := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"pay", "payment", "ord", "zur", "quokka", "vau", "a", "v", "订", "refund", "post"}), 0, 2, rapid.ID).Draw(t, "words")
				method, path := "", ""
				if rapid.Bool().Draw(t, "of a path") {
					method = rapid.SampledFrom([]string{"", "GET", "POST"}).Draw(t, "method")
					path = rapid.SampledFrom([]string{"/payments", "/v1/payments", "/payments/{x}", "/v1/orders/{id}/payments", "/refund", "/orders/{id}/refund"}).Draw(t, "path")
				}
				if path != "" { // before a path it is the method
					words = slices.DeleteFunc(words, func(w string) bool { return w == "post" })
				}
				if len(words) == 0 && path == "" {
					continue
				}
				c := as(rapid.SampledFrom([]portal.Audience{portal.Internal, portal.Partner, portal.Public, "odd"}).Draw(t, "audience"))
				asked := strings.TrimSpace(strings.Join(words, " ") + " " + method + " " + path)
				r, err := w.index.Find(t.Context(), c, routing.Query{Q: asked, Limit: 200})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, v := range r.Items {
					got = append(got, string(v.ID))
					if op := r.Operations[v.ID]; op != "" && !visibleOperation(all[string(v.ID)], c, op) {
						t.Fatalf("%q is shown to %s", op, c.Audience)
					}
				}
				slices.Sort(got)
				want := finds(all, w.live.Table(), c, words, method, path)
				if r.Corrected != "" {
					got = nil // nothing has what was asked for
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s asks for %q: %v; want %v", c.Audience, asked, got, want)
				}
				if r.Total != len(r.Items) || r.More || r.Incomplete {
					t.Fatalf("%+v", r)
				}
			}
		})
	})
}

func visibleOperation(a api, c portal.Consumer, op string) bool {
	return slices.ContainsFunc(a.deployments, func(d deployment) bool {
		audience, environment, _ := strings.Cut(d.place, " ")
		_, sees := config.Audiences.Rank(c.Audience, portal.Audience(audience))
		return sees && slices.Contains(config.Environments, portal.Environment(environment)) && slices.Contains(d.operations, op)
	})
}

func TestNothingIsWrittenWithoutAChange(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		w := over(t, open(t), config)
		w.put(t, shop...)
		w.caughtUp(t)
		before := storetest.Dump(t, w.DB)
		w.caughtUp(t)
		again := over(t, w.DB, config) // after a restart
		again.caughtUp(t)
		if storetest.Dump(t, w.DB) != before {
			t.Error("the index was written without a change")
		}
		// The same again, as a sync that changes nothing the index holds.
		w.put(t, shop[0])
		w.caughtUp(t)
		if now := storetest.Dump(t, w.DB, "changes", "sqlite_sequence"); now != storetest.Dump(t, again.DB, "changes", "sqlite_sequence") {
			t.Error("an entry that is as it was is written")
		}
	})
}

// Two replicas index at once, and each is stopped at any moment and goes on later.
func TestReplicasAndInterruptions(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		db := open(t)
		var many []api
		for n := range 180 {
			many = append(many, api{fmt.Sprintf("api%03d", n), []deployment{{place: "partner production", title: fmt.Sprintf("Payments %d", n), operations: []string{"GET /payments"}}}})
		}
		first := over(t, db, config)
		first.put(t, many...)
		var replicas sync.WaitGroup
		for n := range 2 {
			replicas.Go(func() {
				w := over(t, db, config)
				for stop := 0; !w.index.Ready() && stop < 200; stop++ {
					ctx, cancel := context.WithCancel(t.Context())
					started := make(chan struct{})
					go func() {
						<-started
						for range 50 * (stop + n + 1) { // a little later each time
							if ctx.Err() != nil {
								return
							}
							_, _ = db.Version(ctx)
						}
						cancel()
					}()
					close(started)
					_ = w.index.CatchUp(ctx)
					cancel()
				}
			})
		}
		replicas.Wait()
		first.caughtUp(t)
		r, err := first.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: "payments"})
		if err != nil || r.Total != 180 || r.Incomplete {
			t.Errorf("%d found, %v", r.Total, err)
		}
		if r, err = first.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: "GET /payments"}); err != nil || r.Total != 180 {
			t.Errorf("by path %d found, %v", r.Total, err)
		}
	})
}

// Another configuration makes the index anew, and the old one serves meanwhile.
func TestAnotherConfiguration(t *testing.T) {
	w := over(t, storetest.Open(t), config)
	w.put(t, shop...)
	if err := w.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := w.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: "payments"}); err != nil || answer(r) != "incomplete: payments" {
		t.Errorf("before there is an index: %q, %v", answer(r), err)
	}
	w.caughtUp(t)
	other := config
	other.Environments = []portal.Environment{portal.Production, "nowhere"}
	other.Audiences = map[portal.Audience][]portal.Audience{"partner": {"partner", "internal"}, "odd": {"odd"}}
	second := over(t, w.DB, other)
	second.caughtUp(t)
	if r, err := second.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: "quokka"}); err != nil || r.Total != 1 {
		t.Errorf("with another ladder: %q, %v", answer(r), err)
	}
	if r, err := second.index.Find(t.Context(), as("odd"), routing.Query{Q: "nobody"}); err != nil || r.Total != 1 {
		t.Errorf("with another environment: %q, %v", answer(r), err)
	}
	// The first one, which still runs, leaves it alone and tells nothing that it should not.
	w.caughtUp(t)
	if r, err := w.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: "quokka"}); err != nil || strings.Contains(fmt.Sprint(r), "uokka ledger") {
		t.Errorf("the replica of before: %q, %v", answer(r), err)
	}
}

func FuzzFind(f *testing.F) {
	for _, q := range []string{"*", `"`, "NEAR(a b)", "a OR b", "-x ^y", "😀 pay", strings.Repeat("word ", 2000), "/", "//{", "POST /{", "GET /:x/<y>/%2f", "a'b\\c", "tokens:x", "{}", "\x00\xff", "http://[", "é́́", "ABCdefGHI", strings.Repeat("ä", 5000), "überweisung", "订单 支払い", "'; DROP TABLE search_tokens; --", "a\x00b", "pay:1 {title}:x"} {
		f.Add(q)
	}
	w := over(f, storetest.Open(f), config)
	w.put(f, shop...)
	w.caughtUp(f)
	f.Fuzz(func(t *testing.T, q string) {
		for _, audience := range []portal.Audience{portal.Partner, "odd"} {
			r, err := w.index.Find(t.Context(), as(audience), routing.Query{Q: q, Filter: routing.Filter{routing.FacetTag: {q}}})
			if err != nil {
				t.Fatal(err)
			}
			if some := w.index.Suggest(as(audience), q, 10); audience == "odd" && len(some) > 0 {
				t.Fatalf("%q suggests %v", q, some)
			}
			if len(r.Items) > 0 && (audience == "odd" || strings.Contains(answer(r), "vault")) {
				t.Fatalf("%q finds %q", q, answer(r))
			}
		}
	})
}
