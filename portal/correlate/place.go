package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
)

// Place puts new members beside those of the index; a member of the index that is also new is what it was, and is not
// looked at.
//
// Every new member is in exactly one of Joins. One that has an entry stays in it, unless its explicit id names another.
// apart returns what a person wants kept apart from a member or an entry, by their ids: members and entries. It is asked
// once at most for each id, and it is enough if one of two says so of the other; it holds for all that is joined to them.
// An error is the index's.
//
// The work grows with the number of members, however much they resemble each other: a member is compared with a bounded
// number of others, and a group of any size is heard through a few of its members.
func Place(members []Member, index Index, apart func(id string) []string) (Result, error) {
	p, err := place(members, index, apart)
	if err != nil {
		return Result{}, err
	}
	return p.result(), nil
}

func place(members []Member, index Index, apart func(id string) []string) (*placing, error) {
	p := &placing{apart: apart, nodes: make([]node, 0, len(members))}
	for i := range members {
		own := members[i]
		p.nodes = append(p.nodes, node{Member: &own, at: i})
	}
	slices.SortFunc(p.nodes, inOrder)
	p.fresh = len(p.nodes)
	if err := p.fetch(index); err != nil {
		return nil, err
	}
	p.start()
	p.byID()
	p.compare()
	p.link()
	p.join()
	return p, nil
}

// node is a member that takes part: the new ones first, then those of the index.
type node struct {
	*Member
	at int // in the list of new ones
}

func inOrder(a, b node) int { return cmp.Compare(a.ID, b.ID) }

// prepared is what is worked out of a member once, for all comparisons.
type prepared struct {
	order   int64 // of sketches: their sum, and then as compareSketches says
	subject subject
	keys    []uint64
	lot     uint64 // which members speak for a group is drawn
}

func (m *Member) prepare() {
	if m.prepared == nil {
		m.prepared = &prepared{}
		m.prepared.of(m, nil)
	}
}

// of prepares a member, with what it shares with others.
func (p *prepared) of(m *Member, with *pool) {
	*p = prepared{keys: m.Sketch.keys(), subject: newSubject(&m.Sketch, with), order: m.Sketch.Sum(), lot: before("", textHash(m.ID))}
}

// edge is a pair that may be one API.
type edge struct {
	a, b int32 // nodes, a < b
	judgement
	join bool // Join, not Review
}

type placing struct {
	nodes []node
	fresh int      // how many of them are new
	asked []uint64 // the keys of these, ascending
	apart func(id string) []string

	parent  []int32 // of the node in its group; union-find
	groups  []group // by root
	edges   []edge  // the strongest first
	judged  map[uint64]judgement
	refused map[uint64][2]int // groups that were not joined, with their sizes at that time
	known   map[string]int    // nodes by id; nil until somebody keeps something apart
	passed  []int32           // by group: the last search that came by it
	passes  int32

	// What the work is made of: how often two sketches were weighed, and a member was heard about another.
	compared atomic.Int64
	heard    int
}

func (p *placing) fetch(index Index) error {
	p.each(0, func(n *node) { n.prepare() })
	for i := range p.nodes {
		p.asked = append(p.asked, p.nodes[i].keys...)
	}
	slices.Sort(p.asked)
	p.asked = slices.Compact(p.asked)
	found, err := index.Near(p.asked)
	if err != nil {
		return fmt.Errorf("looking for deployments that are alike: %w", err)
	}
	known := make([]node, len(found))
	for i, m := range found {
		known[i] = node{Member: m, at: -1}
	}
	slices.SortFunc(known, inOrder)
	known = slices.CompactFunc(known, func(a, b node) bool { return a.ID == b.ID })
	at := 0
	known = slices.DeleteFunc(known, func(n node) bool { // those that are new are there
		for at < p.fresh && p.nodes[at].ID < n.ID {
			at++
		}
		return at < p.fresh && p.nodes[at].ID == n.ID
	})
	p.nodes = append(p.nodes, known...)
	p.each(p.fresh, func(n *node) {
		if n.prepared == nil {
			own := *n.Member
			own.prepare()
			n.Member = &own
		}
	})
	return nil
}

// How many questions there are for an entry, at a time; fewer where many have an API like it, and none is likelier than others.
const (
	maxReviews      = 3
	maxPlainReviews = 2
)

func (p *placing) result() Result {
	var r Result
	for i := range p.fresh {
		g := &p.groups[p.root(i)]
		if g.told {
			continue
		}
		g.told = true
		j := Joined{Entry: g.entry, Explicit: g.explicit, Score: 1}
		for _, n := range g.nodes {
			if int(n) < p.fresh {
				j.Members = append(j.Members, p.nodes[n].at)
			}
		}
		if g.link != nil {
			j.Score, j.Reasons = g.link.score, p.reasons(g.link)
		}
		slices.Sort(j.Members)
		r.Joins = append(r.Joins, j)
	}
	for _, e := range p.questions() {
		reasons := p.reasons(e)
		switch {
		case p.across(e):
			reasons = append(reasons, Reason{Code: OtherDivision})
		case e.join:
			reasons = append(reasons, Reason{Code: SeveralFit})
		}
		one, other := p.nodes[e.a].ID, p.nodes[e.b].ID
		r.Reviews = append(r.Reviews, Pair{min(one, other), max(one, other), e.score, reasons})
	}
	return r
}

// across reports whether two divisions have the ends of an edge.
func (p *placing) across(e *edge) bool { return p.nodes[e.a].Division != p.nodes[e.b].Division }

// manyParts is how many groups of one name that can do something else make it the name of a product whose parts are described each
// by itself: nobody is asked whether two of these are one.
const manyParts = 3

// parts says of each group beside how many others it stands that are called alike and can do something else.
func (p *placing) parts() map[int]int {
	parts, seen := map[int]int{}, map[uint64]bool{}
	for i := range p.edges {
		e := &p.edges[i]
		if e.deeds >= 0 {
			continue
		}
		if a, b := p.root(int(e.a)), p.root(int(e.b)); a != b && !seen[pairOf(a, b)] {
			seen[pairOf(a, b)] = true
			parts[a]++
			parts[b]++
		}
	}
	return parts
}

// questions are those that people are asked, the strongest first.
func (p *placing) questions() []*edge {
	var all []*edge
	parts := p.parts()
	answered := map[uint64]bool{} // pairs of groups that were asked about, or need not be
	count := map[int]int{}
	for i := range p.edges {
		e := &p.edges[i]
		a, b := p.root(int(e.a)), p.root(int(e.b))
		limit := maxReviews
		if e.plain {
			limit = maxPlainReviews
		}
		if a == b || count[a] >= limit || count[b] >= limit || answered[pairOf(a, b)] {
			continue
		}
		if e.deeds == 0 && p.hear(a, b).contradicted { // a pair that says itself what it can do is not outvoted
			continue
		}
		if e.deeds < 0 && (p.across(e) || min(parts[a], parts[b]) >= manyParts) { // a name is all that they share
			continue
		}
		if e.unlike && !e.join && p.across(e) { // under two titles, divisions are asked about what would be one within one of them
			continue
		}
		if answered[pairOf(a, b)] = true; p.kept(a, b) {
			continue
		}
		count[a]++
		count[b]++
		all = append(all, e)
	}
	return all
}

func (p *placing) reasons(e *edge) []Reason {
	w := p.weigh(int(e.a), int(e.b), false)
	return w.reasons()
}
