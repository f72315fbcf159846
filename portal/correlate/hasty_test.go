package correlate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// told draws what deployments tell that have a few words, operations, owners and back ends among them.
func told(t *rapid.T, label string) *Sketch {
	some := rapid.SampledFrom([]string{"", "order", "orders", "tracking", "ordertracking", "trk", "acme", "s", "sales", "ales", "supply", "eu", "zz"})
	text := func(what string) string { return strings.Join(rapid.SliceOfN(some, 0, 3).Draw(t, label+what), " ") }
	d := Deployment{
		Title: text("title"), Names: []string{text("name")}, Owner: some.Draw(t, label+"owner"),
		BaseURL: fmt.Sprintf("https://api.acme.example/%s", strings.ReplaceAll(text("base"), " ", "-")),
	}
	if host := some.Draw(t, label+"host"); host != "" {
		d.Upstream = host + ".acme.internal"
	}
	if rapid.IntRange(0, 9).Draw(t, label+"explicit") == 0 {
		d.Explicit = some.Draw(t, label+"id")
	}
	paths := rapid.SliceOfN(rapid.SampledFrom(ops("GET /orders, POST /orders, GET /orders/{id}, GET /trackings, DELETE /trackings/{id}, GET /status, PUT /chargebacks/{id}")), 0, 5)
	d.Shape = NewShape(paths.Draw(t, label+"operations"))
	s := New(d)
	return &s
}

// Whether two are apart is the same where the weighing leaves off early, and whether what they have is kept once or not.
func TestHastyVerdictIsTheVerdict(t *testing.T) {
	hopeless := 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := told(t, "a "), told(t, "b ")
		x, y := newSubject(a, nil), newSubject(b, nil)
		whole, hasty := weighInOrder(&x, &y, false), weighInOrder(&x, &y, true)
		if hasty.signals < whole.signals {
			hopeless++
		}
		if w, h := whole.verdict(), hasty.verdict(); w != h || w != Apart && whole.judgement() != hasty.judgement() {
			t.Fatalf("%s in haste, else %s with %v", h, w, whole.found)
		}
		pool := newPool()
		pool.sketch(a)
		pool.sketch(b)
		x, y = newSubject(a, pool), newSubject(b, pool)
		if pooled := weighInOrder(&x, &y, false); pooled.judgement() != whole.judgement() || pooled.found != whole.found {
			t.Fatalf("%v, kept once %v", whole.found, pooled.found)
		}
	})
	if hopeless == 0 {
		t.Error("nothing is hopeless")
	}
	// Titles speak as much against them as they can, and all else for them.
	one := New(Deployment{Title: "Consignment Roster", Upstream: "ledger.acme.internal", Owner: "depot", Shape: document(tracking)})
	other := New(Deployment{Title: "Clearing House", Upstream: "ledger.acme.internal", Owner: "depot", Shape: document(tracking)})
	x, y := newSubject(&one, nil), newSubject(&other, nil)
	if e := weighInOrder(&x, &y, true); e.verdict() != Review {
		t.Errorf("%s with %v", e.verdict(), e.found)
	}
}

// What mayBeSpelled rules out is not found by spelled.
func TestMayBeSpelledRulesOutNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[asp]{1,4}`)
		draw := func(label string) (all []word) {
			for _, w := range rapid.SliceOfN(text, 1, 3).Draw(t, label) {
				all = append(all, word{w, rare})
			}
			return all
		}
		a, b := draw("a"), draw("b")
		var l likeness
		l.spelled(slices.Clone(a), slices.Clone(b))
		if l != (likeness{}) && !mayBeSpelled(a, b) {
			t.Fatalf("%v and %v have %+v in common", a, b, l)
		}
	})
	if mayBeSpelled([]word{{"order", rare}}, []word{{"sales", rare}}) {
		t.Error("nothing is ruled out")
	}
}
