package correlate

import (
	"cmp"
	"math"
	"slices"
)

// group is what one entry holds, as far as it is known here.
type group struct {
	nodes    []int32 // in no order
	heard    []int32 // those that speak for it: up to sample, drawn by lot
	rivals   []int32 // its strongest edges to other groups, at most one to each, the strongest first
	division string
	entry    string
	explicit string
	link     *edge // the weakest that holds it together
	told     bool

	unasked []int32  // nodes of which it was not asked yet what is kept apart from them
	asked   string   // the entry of which that was asked
	not     []string // what is kept apart from it
}

const (
	sample     = 5   // members that speak for a group
	maxRivals  = 128 // edges that a group keeps to others
	maxThird   = 16  // other groups that are heard before two are joined
	maxFit     = 6   // of these that are heard about each other
	margin     = 3.0 // bits by which a link must be better than one to another entry
	wideMargin = 6.0 // the same, where nothing but names speaks for the link and the others can do something else
)

// start makes the groups that there are: an entry, or a new member alone.
func (p *placing) start() {
	p.parent, p.groups, p.passed = make([]int32, len(p.nodes)), make([]group, len(p.nodes)), make([]int32, len(p.nodes))
	p.judged, p.refused = map[uint64]judgement{}, map[uint64][2]int{}
	for i := range p.nodes {
		p.parent[i] = int32(i)
	}
	self := slices.Clone(p.parent)
	entries := map[string]int{}
	for i := range p.nodes {
		n, alone := &p.nodes[i], self[i:i+1:i+1]
		p.groups[i] = group{nodes: alone, heard: alone, unasked: alone, division: n.Division, entry: n.Entry, explicit: n.Sketch.Explicit}
	}
	for i := range slices.Backward(p.nodes) { // known ones first: what a new member says of its entry does not count against it
		n := &p.nodes[i]
		if n.Entry == "" {
			continue
		}
		first, ok := entries[n.Entry]
		if !ok {
			entries[n.Entry] = i
			continue
		}
		if x := p.groups[p.root(first)].explicit; i < p.fresh && n.Sketch.Explicit != "" && x != "" && x != n.Sketch.Explicit {
			p.groups[i].entry = "" // it names another
			continue
		}
		p.union(first, i, nil)
	}
}

func (p *placing) root(i int) int {
	for int(p.parent[i]) != i {
		p.parent[i] = p.parent[p.parent[i]]
		i = int(p.parent[i])
	}
	return i
}

// union makes one group of two; link is what speaks for it.
func (p *placing) union(i, j int, link *edge) {
	i, j = p.root(i), p.root(j)
	if i == j {
		return
	}
	if len(p.groups[i].nodes) < len(p.groups[j].nodes) || len(p.groups[i].nodes) == len(p.groups[j].nodes) && j < i {
		i, j = j, i
	}
	a, b := &p.groups[i], &p.groups[j]
	p.parent[j] = int32(i)
	a.nodes = append(a.nodes, b.nodes...)
	a.heard = p.drawn(a.heard, b.heard)
	a.rivals = p.strongest(i, a.rivals, b.rivals)
	a.unasked, a.not = append(a.unasked, b.unasked...), append(a.not, b.not...)
	a.entry, a.explicit, a.asked = cmp.Or(a.entry, b.entry), cmp.Or(a.explicit, b.explicit), cmp.Or(a.asked, b.asked)
	for _, l := range []*edge{b.link, link} {
		if l != nil && (a.link == nil || l.score < a.link.score) {
			a.link = l
		}
	}
	*b = group{}
}

// drawn are the members of two groups whose lots are the lowest, in their order. Who they are does not depend on the order in
// which a group came about, and hardly changes any more when it is large.
func (p *placing) drawn(a, b []int32) []int32 {
	lower := func(i, j int32) bool {
		one, other := p.nodes[i].lot, p.nodes[j].lot
		return one < other || one == other && i < j
	}
	both := make([]int32, 0, min(sample, len(a)+len(b)))
	for len(both) < cap(both) {
		from := &a
		if len(a) == 0 || len(b) > 0 && lower(b[0], a[0]) {
			from = &b
		}
		both, *from = append(both, (*from)[0]), (*from)[1:]
	}
	return both
}

// strongest merges the rivals of two groups that are one now.
func (p *placing) strongest(group int, a, b []int32) []int32 {
	var out []int32
	p.passes++
	p.passed[group] = p.passes
	for len(out) < maxRivals && len(a)+len(b) > 0 {
		from := &a
		if len(a) == 0 || len(b) > 0 && b[0] < a[0] {
			from = &b
		}
		e := (*from)[0]
		*from = (*from)[1:]
		other := p.root(int(p.edges[e].a))
		if other == group {
			other = p.root(int(p.edges[e].b))
		}
		if p.passed[other] != p.passes {
			p.passed[other] = p.passes
			out = append(out, e)
		}
	}
	return out
}

// byID joins what names the same id, in one division.
func (p *placing) byID() {
	type id struct{ division, explicit string }
	named := map[id]int{}
	for i := range slices.Backward(p.nodes) { // known ones first
		n := &p.nodes[i]
		if n.Sketch.Explicit == "" {
			continue
		}
		to, ok := named[id{n.Division, n.Sketch.Explicit}]
		if !ok {
			named[id{n.Division, n.Sketch.Explicit}] = i
			continue
		}
		a, b := p.root(to), p.root(i)
		if i < p.fresh && p.groups[b].entry != "" && p.groups[a].entry != "" && p.groups[b].entry != p.groups[a].entry && len(p.groups[b].nodes) == 1 {
			p.groups[b].entry = "" // its id names another
		}
		if a == b || p.bars(a, b) {
			continue
		}
		p.union(a, b, &edge{a: int32(min(i, to)), b: int32(max(i, to)), judgement: judgement{score: 1}, join: true})
	}
}

// bars reports whether two groups can never be one: of two divisions, two entries, two ids, or kept apart by a person.
func (p *placing) bars(i, j int) bool {
	a, b := &p.groups[i], &p.groups[j]
	return a.division != b.division ||
		a.entry != "" && b.entry != "" && a.entry != b.entry ||
		a.explicit != "" && b.explicit != "" && a.explicit != b.explicit ||
		p.kept(i, j)
}

// kept reports whether a person keeps two groups apart.
func (p *placing) kept(i, j int) bool {
	a, b := &p.groups[i], &p.groups[j]
	p.ask(a)
	p.ask(b)
	return p.among(a.not, j) || p.among(b.not, i)
}

// ask completes what is kept apart from a group.
func (p *placing) ask(g *group) {
	for _, i := range g.unasked {
		g.not = append(g.not, p.apart(p.nodes[i].ID)...)
	}
	g.unasked = nil
	if g.entry != g.asked {
		g.not, g.asked = append(g.not, p.apart(g.entry)...), g.entry
	}
}

// among reports whether a group is the entry, or has one of the members, with one of the ids.
func (p *placing) among(ids []string, g int) bool {
	if len(ids) == 0 {
		return false
	}
	if p.known == nil {
		p.known = make(map[string]int, len(p.nodes))
		for i := range p.nodes {
			p.known[p.nodes[i].ID] = i
		}
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		i, ok := p.known[id]
		return ok && p.root(i) == g || id != "" && id == p.groups[g].entry
	})
}

// link tells every group its edges.
func (p *placing) link() {
	for i := range p.edges {
		a, b := p.root(int(p.edges[i].a)), p.root(int(p.edges[i].b))
		for _, g := range []*group{&p.groups[a], &p.groups[b]} {
			if a != b && len(g.rivals) < maxRivals {
				g.rivals = append(g.rivals, int32(i))
			}
		}
	}
}

// join makes groups larger, the strongest links first.
func (p *placing) join() {
	for i := range p.edges {
		e := &p.edges[i]
		if !e.join {
			break
		}
		a, b := p.root(int(e.a)), p.root(int(e.b))
		if a == b {
			continue
		}
		a, b = min(a, b), max(a, b)
		sizes := [2]int{len(p.groups[a].nodes), len(p.groups[b].nodes)}
		if p.refused[pairOf(a, b)] == sizes { // and nobody came since who could say otherwise
			continue
		}
		if p.bars(a, b) || !p.agree(a, b) || p.torn(a, b, e) || p.torn(b, a, e) {
			p.refused[pairOf(a, b)] = sizes
			continue
		}
		p.union(a, b, e)
	}
}

// leastCommon is the share of operations that two groups have in common, in the mean of their members, if they are one:
// editions and relatives of a product share a part, deployments of one API nearly all.
const (
	leastCommon   = 0.3
	fewOperations = 4 // from which on there is a share to speak of
)

// agree reports whether two groups are one by all that their members say, not by one pair alone.
func (p *placing) agree(a, b int) bool {
	h := p.hear(a, b)
	return !h.contradicted && h.score >= ReviewScore && h.common >= leastCommon
}

// opposed reports whether two groups are surely not one.
func (p *placing) opposed(a, b int) bool {
	if p.bars(a, b) {
		return true
	}
	h := p.hear(a, b)
	return h.contradicted || h.score < ReviewScore
}

// hearing is what members of two groups say about each other.
type hearing struct {
	score        float64 // the mean
	common       float64 // the mean share of what they can do that they have in common; 1 where it is not known
	deeds        int     // more members that can do the same, or (negative) something else
	contradicted bool    // what they can do, or their titles, rule out that the groups are one
}

// hear asks members of two groups about each other.
func (p *placing) hear(a, b int) hearing {
	var h hearing
	n, known := 0, 0
	for _, i := range p.groups[a].heard {
		for _, j := range p.groups[b].heard {
			m := p.judge(int(i), int(j))
			h.score, n, h.deeds, h.contradicted = h.score+m.score, n+1, h.deeds+int(m.deeds), h.contradicted || m.clash
			if m.common >= 0 {
				h.common, known = h.common+float64(m.common), known+1
			}
		}
	}
	h.score /= float64(n)
	h.contradicted = h.contradicted || h.deeds < 0
	if known == 0 {
		h.common = 1
	} else {
		h.common /= float64(known)
	}
	return h
}

// torn reports whether a, about to join b, fits a third group nearly as well which is not one with b; or, where the link
// is ambiguous, several groups that are not one with each other.
func (p *placing) torn(a, b int, e *edge) bool {
	heard := 0
	var fit []int
	for _, at := range p.groups[a].rivals {
		other := &p.edges[at]
		behind := bitsOf(e.score) - bitsOf(other.score)
		close := other.join && behind <= margin
		if !close && (e.deeds != 0 || behind > wideMargin) || heard == maxThird {
			break
		}
		c := p.root(int(other.a))
		if c == a {
			c = p.root(int(other.b))
		}
		if c == a || c == b || p.groups[c].division != p.groups[a].division || p.kept(a, c) {
			continue
		}
		heard++
		if !close {
			if p.hear(b, c).deeds < 0 {
				return true
			}
			continue
		}
		if p.opposed(b, c) {
			return true
		}
		if !e.ambiguous() || !other.ambiguous() || len(fit) == maxFit {
			continue
		}
		if slices.ContainsFunc(fit, func(d int) bool { return c != d && p.opposed(c, d) }) {
			return true
		}
		fit = append(fit, c)
	}
	return false
}

// ambiguous reports whether two are called alike and nothing else is known of them, or nothing but what many have.
func (e *edge) ambiguous() bool { return e.deeds == 0 || e.plain }

// bitsOf is the score as it was added up.
func bitsOf(score float64) float64 { return math.Log2(score / (1 - score)) }
