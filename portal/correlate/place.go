package correlate

import (
	"cmp"
	"fmt"
	"slices"
)

// Place puts new members beside those of the index, which must not hold the new ones.
//
// Every new member is in exactly one of Joins. One that has an entry stays in it, unless its explicit id names another.
// apart says that a person wants two kept apart; it is asked with ids of members and ids of entries, in any order and as
// often as it takes, and holds for all that is joined to them. An error is the index's.
func Place(members []Member, index Index, apart func(a, b string) bool) (Result, error) {
	order := make([]int, len(members))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(members[i].ID, members[j].ID) })
	var r Result
	type place struct{ join, first int }
	groups := map[string][]place{}
	for _, i := range order {
		m := members[i]
		keys := m.Sketch.Keys()
		known, err := index.Near(keys)
		if err != nil {
			return Result{}, fmt.Errorf("looking for deployments like %s: %w", m.ID, err)
		}
		at, best := -1, Match{Score: 1}
		var to string
		for _, k := range known {
			match := Compare(m.Sketch, k.Sketch)
			if match.Verdict != Join || apart(m.ID, k.ID) || apart(m.ID, k.Entry) {
				continue
			}
			if k.Division != m.Division {
				r.Reviews = append(r.Reviews, Pair{min(m.ID, k.ID), max(m.ID, k.ID), match.Score, match.Reasons})
			} else if to == "" {
				to, best = k.Entry, match
			}
		}
		for _, k := range keys {
			for _, g := range groups[m.Division+"\x00"+k] {
				if at < 0 && to == "" && !apart(m.ID, members[g.first].ID) {
					at, best = g.join, Compare(m.Sketch, members[g.first].Sketch)
				}
			}
		}
		if at < 0 {
			at = len(r.Joins)
			r.Joins = append(r.Joins, Joined{Entry: to, Score: best.Score, Reasons: best.Reasons})
		}
		r.Joins[at].Members = append(r.Joins[at].Members, i)
		for _, k := range keys {
			groups[m.Division+"\x00"+k] = append(groups[m.Division+"\x00"+k], place{at, i})
		}
	}
	return r, nil
}
