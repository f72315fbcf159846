package correlate

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever a text is cut into begins with a word that mayRunThrough does not rule out.
func TestMayRunThroughRulesOutNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[asp]{1,3}`)
		text := strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, "text"), "")
		words := rapid.SliceOfN(word, 1, 4).Draw(t, "words")
		cut := slices.ContainsFunc(words, func(w string) bool { _, ok := cutWord(text, w); return ok })
		if cut && !mayRunThrough(text[0], words) {
			t.Fatalf("%q begins with one of %q", text, words)
		}
	})
	if mayRunThrough('p', []string{"order", "a"}) {
		t.Error("nothing is ruled out")
	}
}
