package routing

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// What is folded already is not folded anew: it has to be the same.
func TestFoldOfPlainText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("aZ 09-\t\n\x00\x7f.'"))).Draw(t, "text")
		want := strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
		if got := fold(s); got != want {
			t.Fatalf("%q becomes %q, want %q", s, got, want)
		}
		if got := fold(want); got != want {
			t.Fatalf("%q is folded again to %q", want, got)
		}
	})
}
