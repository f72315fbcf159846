package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
)

// memory finds what plain code finds, whatever is replaced, taken out and renumbered.
func TestMemoryFindsAsPlainCodeDoes(t *testing.T) {
	tokens := []string{"aone", "atwo", "wa", "wab", "wabc", "wb", "oab", "tab", "/x", "/x/{}", "w\u4e8c"}
	rapid.Check(t, func(t *rapid.T) {
		var m memory
		type row struct {
			match  Match
			tokens []string
		}
		there := map[portal.APIID][]row{}
		number := int64(0)
		for revision := range rapid.Int64Range(1, 30).Draw(t, "revisions") {
			id := portal.APIID(fmt.Sprint("api_", rapid.IntRange(0, 4).Draw(t, "entry")))
			var put []Indexed
			there[id] = nil
			for range rapid.IntRange(0, 2).Draw(t, "rows") {
				number++
				some := rapid.SliceOfNDistinct(rapid.SampledFrom(tokens), 1, 5, rapid.ID).Draw(t, "tokens")
				there[id] = append(there[id], row{Match{id, number}, some})
				put = append(put, Indexed{Place{revision + 1, number}, id, strings.Join(some, " ")})
			}
			if len(put) == 0 {
				number++
				put = []Indexed{{Place: Place{revision + 1, number}, API: id}}
			}
			m.add(put)
			if rapid.IntRange(0, 4).Draw(t, "renumbered") == 0 {
				m.mu.Lock()
				m.compact()
				m.mu.Unlock()
			}
		}
		if m.upTo().Row != number {
			t.Fatalf("up to %v; want row %d", m.upTo(), number)
		}
		for range 5 {
			var e Expression
			for range rapid.IntRange(1, 3).Draw(t, "groups") {
				var group []Term
				for range rapid.IntRange(1, 2).Draw(t, "terms") {
					token := rapid.SampledFrom(append(tokens, "w", "a", "none")).Draw(t, "token")
					group = append(group, Term{token, rapid.Bool().Draw(t, "prefix")})
				}
				e = append(e, group)
			}
			var want []int64
			for _, rows := range there {
				for _, r := range rows {
					if !slices.ContainsFunc(e, func(group []Term) bool {
						return !slices.ContainsFunc(group, func(term Term) bool {
							return slices.ContainsFunc(r.tokens, func(token string) bool {
								return token == term.Token || term.Prefix && strings.HasPrefix(token, term.Token)
							})
						})
					}) {
						want = append(want, r.match.Row)
					}
				}
			}
			slices.Sort(want)
			limit := rapid.IntRange(1, 12).Draw(t, "limit")
			if got := rowsIn(m.find(e, limit)); !slices.Equal(got, want[:min(limit, len(want))]) {
				t.Fatalf("%v finds %v; want %v", e, got, want)
			}
		}
	})
}

func TestPackedTokens(t *testing.T) {
	for _, tokens := range [][]string{nil, {"wone"}, {"ainternal", "w\u4e8c", "/orders/{}"}} {
		packed, err := Pack(tokens)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Unpack(packed); err != nil || got != strings.Join(tokens, " ") {
			t.Errorf("%q comes back as %q, %v", tokens, got, err)
		}
	}
	if _, err := Unpack([]byte("no frame")); err == nil {
		t.Error("damage is not noticed")
	}
}
