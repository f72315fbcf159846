package correlate

import (
	"slices"
	"strings"
)

// The least scores of the verdicts.
const (
	JoinScore   = 0.95
	ReviewScore = 0.5
)

// Compare judges two deployments as if one division had both. It is symmetrical.
func Compare(a, b Sketch) Match {
	if a.Explicit != "" && b.Explicit != "" {
		if a.Explicit == b.Explicit {
			return Match{Score: 1, Verdict: Join, Reasons: []Reason{{SameID, []string{a.Explicit}}}}
		}
		return Match{Verdict: Apart, Reasons: []Reason{{OtherID, []string{min(a.Explicit, b.Explicit), max(a.Explicit, b.Explicit)}}}}
	}
	for _, t := range a.Titles {
		title := strings.Join(words(t), " ")
		if title != "" && slices.ContainsFunc(b.Titles, func(t string) bool { return strings.Join(words(t), " ") == title }) {
			return Match{Score: JoinScore, Verdict: Join, Reasons: []Reason{{SameTitle, []string{title}}}}
		}
	}
	return Match{Verdict: Apart}
}
