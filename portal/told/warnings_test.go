package told

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
)

// TestWarningsAreFoundAgain: whatever a warning's values are called, what was written down is that warning, with these values and
// what it is about; with the kind of an error behind it too.
func TestWarningsAreFoundAgain(t *testing.T) {
	for w, n := range Warnings.Sentences() {
		rapid.Check(t, func(t *rapid.T) {
			values := rapid.SliceOfN(rapid.StringMatching(`[a-zé/.-][a-zé /.-]{0,10}[a-z]|'a'`), n, n).Draw(t, "values")
			if w == OutsideBounds {
				values[0] = string(rapid.SampledFrom(portal.Axes).Draw(t, "axis"))
			}
			args := make([]any, n)
			for i, v := range values {
				args[i] = v
			}
			about := rapid.SampledFrom([]string{"", "Payments (test)", "a: b"}).Draw(t, "about")
			text := Warning(w, args...)
			if about != "" {
				text = about + ": " + text
			}
			if rapid.Bool().Draw(t, "kind") {
				text += ": " + portal.ErrDenied.Error()
			}
			of, found, got, ok := WarningIn(text)
			if !ok || found != w || of != about || !slices.Equal(got, values) {
				t.Fatalf("%q is %q of %q with %q", text, found, of, got)
			}
		})
	}
	for _, text := range []string{"", "denied", "the gateway is slow", "it has no address"} {
		if _, w, _, ok := WarningIn(text); ok {
			t.Errorf("%q is %s", text, w)
		}
	}
	if got := fmt.Sprint(Warning(OutsideBounds, "audience", `a "b"`, LayerPhrases[portal.LayerRule])); got != `audience "a \"b\"", from the placement rules, is outside the gateway's bounds` {
		t.Errorf("%s", got)
	}
}
