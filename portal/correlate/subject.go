package correlate

import (
	"slices"
	"strings"
)

// subject is a sketch that is ready to be compared often.
type subject struct {
	*Sketch
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

func newSubject(s *Sketch) subject {
	x := subject{Sketch: s}
	if s.Owner != "" {
		owner := newName(s.Owner)
		x.owner, x.owners = owner.key(), rareWords(nil, owner)
	}
	for _, n := range s.names() {
		x.rare = rareWords(x.rare, n)
	}
	for _, d := range s.Domains {
		label, _, _ := strings.Cut(d, ".")
		x.company = append(x.company, label)
		if short := stem(label); short != label {
			x.company = append(x.company, short)
		}
	}
	if s.Shape.IsZero() {
		return x
	}
	x.calls = s.Shape.calls()
	bases := s.Base[:min(len(s.Base), 2)]
	if len(bases) == 0 {
		bases = [][]string{nil}
	}
	for _, base := range bases {
		front := make([]segment, 0, len(base)+len(s.Shape.prefix))
		for _, text := range slices.Concat(base, s.Shape.prefix) {
			front = append(front, segment{text, textHash(text), segmentWeight(text)})
		}
		x.fronts = append(x.fronts, front)
	}
	return x
}
