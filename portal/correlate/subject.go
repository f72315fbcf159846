package correlate

import (
	"slices"
	"strings"
)

// word is one of a name, with its weight in bits.
type word struct {
	text   string
	weight float64
}

// named is a name that is ready to be compared often.
type named struct {
	name
	words   []word   // Words
	letters string   // Words, written as one
	bare    []string // every word, without the decorations at the end
}

func newNamed(n name) *named {
	x := &named{name: n, words: make([]word, len(n.Words)), letters: strings.Join(n.Words, ""), bare: undecorated(n.spelling())}
	for i, w := range n.Words {
		x.words[i] = word{w, wordWeight(w)}
	}
	return x
}

// subject is a sketch that is ready to be compared often.
type subject struct {
	*Sketch
	titles  []*named
	place   *named      // nil: it has none
	backEnd *named      // nil: it is unknown, or its name says nothing
	fronts  [][]segment // what may stand in front of its paths; one at least
	company []string    // words that are the company's name
	rare    []string    // rare words of all that it is called
	owners  []string    // rare words of its owner's name
	owner   string      // the same for owners who differ in decoration only
	calls   bool        // its operations are no HTTP
}

// rareWords appends those of a name that the list has not.
func rareWords(list []string, n name) []string {
	for _, w := range n.Words {
		if wordWeight(w) >= rare && !slices.Contains(list, w) {
			list = append(list, w)
		}
	}
	return list
}

// names are its titles, and what its base path and its back end call it.
func (x *subject) names() []*named {
	names := x.titles
	for _, n := range []*named{x.place, x.backEnd} {
		if n != nil {
			names = append(slices.Clip(names), n)
		}
	}
	return names
}

func newSubject(s *Sketch, with *pool) subject {
	x := subject{Sketch: s, titles: with.named(s.Titles).ready}
	if s.Owner != "" {
		owner := newName(s.Owner)
		x.owner, x.owners = owner.key(), rareWords(nil, owner)
	}
	if s.Place != nil {
		x.place = with.name(*s.Place)
	}
	if s.Upstream != nil && len(s.Upstream.Words) > 0 {
		x.backEnd = with.name(name{Words: s.Upstream.Words})
	}
	for _, n := range x.names() {
		x.rare = rareWords(x.rare, n.name)
	}
	for _, d := range s.Domains {
		label, _, _ := strings.Cut(d, ".")
		x.company = append(x.company, label)
		if short := stem(label); short != label {
			x.company = append(x.company, short)
		}
	}
	x.rare, x.owners, x.company = with.list(x.rare), with.list(x.owners), with.list(x.company)
	if s.Shape.IsZero() {
		return x
	}
	x.calls = s.Shape.calls()
	x.fronts = with.front(s.Base[:min(len(s.Base), 2)], s.Shape.prefix)
	return x
}

// newFronts makes what may stand in front of paths: one of the base paths, and then the prefix.
func newFronts(bases [][]string, prefix []string) [][]segment {
	if len(bases) == 0 {
		bases = [][]string{nil}
	}
	fronts := make([][]segment, len(bases))
	for i, base := range bases {
		for _, text := range slices.Concat(base, prefix) {
			fronts[i] = append(fronts[i], segment{text, textHash(text), segmentWeight(text)})
		}
	}
	return fronts
}
