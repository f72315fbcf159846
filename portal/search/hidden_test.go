package search_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/routing"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
	"concierge/portal/store/storetest"
)

// usable reports whether an audience may see a deployment at all.
func usable(audience portal.Audience, d deployment) bool {
	own, environment, _ := strings.Cut(d.place, " ")
	_, sees := config.Audiences.Rank(audience, portal.Audience(own))
	return sees && slices.Contains(config.Environments, portal.Environment(environment))
}

// told is everything that a search tells: what is found, in which order, how many, by which facets, under which correction, and
// what is suggested.
func told(t *rapid.T, w *world, c portal.Consumer, q routing.Query) string {
	r, err := w.index.Find(t.Context(), c, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, answer(r), r.Total, r.More, r.Corrected, r.Facets, r.Operations)
	for _, v := range r.Items {
		fmt.Fprintf(&b, "%+v\n", v)
	}
	for _, v := range w.index.Suggest(c, q.Q, 10) {
		fmt.Fprintln(&b, v.Name, v.Title)
	}
	return b.String()
}

// Entries that somebody may not see, which share every word with what they may, make no difference to results, order, counts,
// facets, corrections and suggestions.
func TestHiddenEntriesMakeNoDifference(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		all, visible := over(t, open(t), config), over(t, open(t), config)
		rapid.Check(t, func(t *rapid.T) {
			c := as(rapid.SampledFrom([]portal.Audience{portal.Internal, portal.Partner, portal.Public}).Draw(t, "audience"))
			for n := range 6 {
				a := drawAPI(t, n)
				all.put(t, a)
				a.deployments = slices.DeleteFunc(slices.Clone(a.deployments), func(d deployment) bool { return !usable(c.Audience, d) })
				visible.put(t, a)
			}
			all.caughtUp(t)
			visible.caughtUp(t)
			for _, text := range []string{"pay", "paymnt", "payments order", "oders", "quoka", "valt", "refnd", "x", "/v1/payments", "POST /orders/{id}", "zurich", ""} {
				q := routing.Query{Q: text}
				if rapid.Bool().Draw(t, "narrowed") {
					q.Filter = routing.Filter{routing.FacetEnvironment: {"production"}}
				}
				if a, b := told(t, all, c, q), told(t, visible, c, q); a != b {
					t.Fatalf("%s asks for %q; with what is hidden:\n%s\nwithout:\n%s", c.Audience, text, a, b)
				}
			}
		})
	})
}

// What was indexed is found by another process over the same rows at once, and an index that was lost is made anew.
func TestIndexIsReadOrMadeAnew(t *testing.T) {
	eachEngine(t, func(t *testing.T, open func(testing.TB) storetest.DB) {
		w := over(t, open(t), config)
		w.put(t, shop...)
		w.caughtUp(t)
		finds := func(name string, w *world) {
			t.Helper()
			for q, want := range map[string]string{"finance": "payments", "POST /refunds": "payments (POST /v1/payments/{id}/refunds)", "custmer": "customer: orders"} {
				r, err := w.index.Find(t.Context(), as(portal.Partner), routing.Query{Q: q})
				if err != nil || answer(r) != want {
					t.Errorf("%s, %q: %q, %v; want %q", name, q, answer(r), err, want)
				}
			}
		}
		again := over(t, w.DB, config)
		again.caughtUp(t)
		finds("after a restart", again)
		for _, emptied := range [][]string{{"search_progress"}, {"search_progress", "search_tokens"}} {
			if err := w.InTx(t.Context(), func(tx store.Tx) error {
				for _, table := range emptied {
					if _, err := sqlstore.Statements(tx).Exec(t.Context(), "DELETE FROM "+table); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			anew := over(t, w.DB, config)
			anew.caughtUp(t)
			finds(fmt.Sprint("without ", emptied), anew)
			w.caughtUp(t)
			finds(fmt.Sprint("the process that was there without ", emptied), w)
		}
	})
}
