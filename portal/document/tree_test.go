package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var allowNode = cmp.AllowUnexported(node{}, field{})

// anyString draws texts that are traps for writers: control characters, things that look like other types, YAML's
// punctuation, white space at the ends.
func anyString() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", " ", "true", "no", "null", "~", "1", "1.0", "0x1f", "017", "1e3", ".inf", "2020-01-01", "- a", "a: b", "# c",
			"a #b", "a\nb", "a\n", "\na", " a\nb", "a\n\n", "a\n\n\n", "\t", "a\tb", "\r\n", "a\r", "\u0085", "\u2028", "\ufeff", "\x00", "\x7f", "<<", "=",
			"@a", "`a`", "%a", "&a", "*a", "!a", "|", ">", "?", ":", "-", "'", "\"", "{", "[", "]", ",", "---", "...", "--- a", "\n  a\n b", "\U0001F600",
			"trailing \nspace", "\n", "\n\n", "a\n ", " \n a", "a:", "http://x/y", "\\n", "yes", "on", "Off", "1_000", "12:30:45", "null\n", "ä"}),
		rapid.StringMatching(`[ \t\n:#\-a'"|>?&*!%@,\[\]{}]{0,12}`),
	)
}

func anyNode(depth int) *rapid.Generator[*node] {
	return rapid.Custom(func(t *rapid.T) *node {
		kinds := []kind{null, boolean, number, text}
		if depth > 0 {
			kinds = append(kinds, list, object, object)
		}
		switch rapid.SampledFrom(kinds).Draw(t, "kind") {
		case boolean:
			return newBool(rapid.Bool().Draw(t, "bool"))
		case number:
			return &node{kind: number, text: rapid.SampledFrom([]string{"0", "-1", "1.50", "1e300", "12345678901234567890", "-0", "1E+2", "200"}).Draw(t, "number")}
		case text:
			return newText(anyString().Draw(t, "text"))
		case list:
			n := newList()
			for range rapid.IntRange(0, 4).Draw(t, "items") {
				n.items = append(n.items, anyNode(depth-1).Draw(t, "item"))
			}
			return n
		case object:
			return anyObject(depth).Draw(t, "object")
		}
		return &node{}
	})
}

func anyObject(depth int) *rapid.Generator[*node] {
	return rapid.Custom(func(t *rapid.T) *node {
		n := newObject()
		for range rapid.IntRange(0, 5).Draw(t, "fields") {
			n.set(anyString().Draw(t, "key"), anyNode(depth-1).Draw(t, "value"))
		}
		return n
	})
}

// What is written is read again as the same tree, in both formats.
func TestWriteThenParse(t *testing.T) {
	for _, format := range []Format{JSON, YAML} {
		t.Run(string(format), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				root := anyObject(4).Draw(t, "root")
				out, err := write(root, format, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				back, _, err := parse(out, Limits{})
				if err != nil {
					t.Fatalf("%v\n%q", err, out)
				}
				if diff := cmp.Diff(root, back, allowNode); diff != "" {
					t.Fatalf("%s\n%q", diff, out)
				}
			})
		})
	}
}

func TestWriteRefusesWhatIsTooLarge(t *testing.T) {
	root := newObject(field{"a", newText(strings.Repeat("\x01", 1000))})
	for _, format := range []Format{JSON, YAML} {
		if _, err := write(root, format, 1000); err == nil {
			t.Errorf("%s: no error", format)
		}
	}
}
