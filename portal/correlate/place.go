package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Place puts new members beside those of the index; a member of the index that is also new is what it was, and is not
// looked at.
//
// Every new member is in exactly one of Joins. One that has an entry stays in it, unless its explicit id names another.
// apart says that a person wants two kept apart; it is asked with ids of members and ids of entries, in any order and as
// often as it takes, and holds for all that is joined to them. An error is the index's.
func Place(members []Member, index Index, apart func(a, b string) bool) (Result, error) {
	p := placing{apart: apart}
	for i, m := range members {
		p.nodes = append(p.nodes, node{Member: m, at: i})
	}
	slices.SortFunc(p.nodes, func(a, b node) int { return cmp.Compare(a.ID, b.ID) })
	p.fresh = len(p.nodes)
	if err := p.fetch(index); err != nil {
		return Result{}, err
	}
	p.start()
	p.byID()
	p.compare()
	p.join()
	return p.result(), nil
}

// node is a member that takes part: the new ones first, then those of the index.
type node struct {
	Member
	at   int // in the list of new ones
	keys []string
}

// edge is a pair that may be one API.
type edge struct {
	a, b int // nodes, a < b
	Match
}

type placing struct {
	nodes []node
	fresh int // how many of them are new
	apart func(a, b string) bool

	parent   []int   // of the node in its cluster; union-find
	clusters []group // by root
	edges    []edge  // the strongest first
	near     [][]int // the edges of every node
}

// group is what one entry holds, as far as it is known here.
type group struct {
	nodes    []int // ascending
	entry    string
	explicit string
	link     *Match // the weakest that holds it together
}

// batch is how many keys the index is asked for at once.
const batch = 500

func (p *placing) fetch(index Index) error {
	fresh := map[string]bool{}
	asked := map[string]bool{}
	var keys []string
	for i := range p.nodes {
		n := &p.nodes[i]
		n.keys, fresh[n.ID] = n.Sketch.Keys(), true
		for _, k := range n.keys {
			if !asked[k] {
				asked[k], keys = true, append(keys, k)
			}
		}
	}
	known := map[string]Member{}
	for some := range slices.Chunk(keys, batch) {
		found, err := index.Near(some)
		if err != nil {
			return fmt.Errorf("looking for deployments that are alike: %w", err)
		}
		for _, m := range found {
			if !fresh[m.ID] {
				known[m.ID] = m
			}
		}
	}
	for _, m := range known {
		p.nodes = append(p.nodes, node{Member: m, at: -1, keys: m.Sketch.Keys()})
	}
	slices.SortFunc(p.nodes[p.fresh:], func(a, b node) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// start makes the clusters that there are: an entry, or a new member alone.
func (p *placing) start() {
	p.parent = make([]int, len(p.nodes))
	p.clusters = make([]group, len(p.nodes))
	p.near = make([][]int, len(p.nodes))
	entries := map[string]int{}
	for i, n := range p.nodes {
		p.parent[i] = i
		p.clusters[i] = group{nodes: []int{i}, entry: n.Entry, explicit: n.Sketch.Explicit}
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
		if x := p.clusters[p.root(first)].explicit; i < p.fresh && n.Sketch.Explicit != "" && x != "" && x != n.Sketch.Explicit {
			p.clusters[i].entry = "" // it names another
			continue
		}
		p.union(first, i, nil)
	}
}

func (p *placing) root(i int) int {
	for p.parent[i] != i {
		p.parent[i] = p.parent[p.parent[i]]
		i = p.parent[i]
	}
	return i
}

// union makes one cluster of two; link is what speaks for it.
func (p *placing) union(i, j int, link *Match) {
	i, j = p.root(i), p.root(j)
	if i == j {
		return
	}
	if len(p.clusters[i].nodes) < len(p.clusters[j].nodes) || len(p.clusters[i].nodes) == len(p.clusters[j].nodes) && j < i {
		i, j = j, i
	}
	a, b := &p.clusters[i], &p.clusters[j]
	p.parent[j] = i
	a.nodes = append(a.nodes, b.nodes...)
	slices.Sort(a.nodes)
	a.entry, a.explicit = cmp.Or(a.entry, b.entry), cmp.Or(a.explicit, b.explicit)
	for _, l := range []*Match{b.link, link} {
		if l != nil && (a.link == nil || l.Score < a.link.Score) {
			a.link = l
		}
	}
	*b = group{}
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
		if i < p.fresh && p.clusters[b].entry != "" && p.clusters[a].entry != "" && p.clusters[b].entry != p.clusters[a].entry && len(p.clusters[b].nodes) == 1 {
			p.clusters[b].entry = "" // its id names another
		}
		if a == b || p.bars(a, b) {
			continue
		}
		m := Compare(n.Sketch, p.nodes[to].Sketch)
		p.union(a, b, &m)
	}
}

// bars reports whether two clusters can never be one: of two divisions, two entries, two ids, or kept apart by a person.
func (p *placing) bars(i, j int) bool {
	a, b := &p.clusters[i], &p.clusters[j]
	if p.nodes[a.nodes[0]].Division != p.nodes[b.nodes[0]].Division ||
		a.entry != "" && b.entry != "" && a.entry != b.entry ||
		a.explicit != "" && b.explicit != "" && a.explicit != b.explicit {
		return true
	}
	return p.kept(a, b)
}

// kept reports whether a person keeps two clusters apart.
func (p *placing) kept(a, b *group) bool {
	for _, x := range append(p.ids(a), a.entry) {
		for _, y := range append(p.ids(b), b.entry) {
			if x != "" && y != "" && p.apart(x, y) {
				return true
			}
		}
	}
	return false
}

func (p *placing) ids(g *group) []string {
	out := make([]string, 0, len(g.nodes)+1)
	for _, n := range g.nodes {
		out = append(out, p.nodes[n].ID)
	}
	return out
}

// compare finds the pairs that share a key and judges them.
func (p *placing) compare() {
	holders := map[string][]int32{}
	for i, n := range p.nodes {
		for _, k := range n.keys {
			holders[k] = append(holders[k], int32(i))
		}
	}
	seen := map[uint64]bool{}
	pair := func(i, j int32) {
		if i > j {
			i, j = j, i
		}
		key := uint64(i)<<32 | uint64(j)
		if int(i) >= p.fresh || seen[key] || p.root(int(i)) == p.root(int(j)) {
			return
		}
		seen[key] = true
		if m := Compare(p.nodes[i].Sketch, p.nodes[j].Sketch); m.Verdict != Apart {
			p.edges = append(p.edges, edge{int(i), int(j), m})
		}
	}
	for _, same := range holders {
		if len(same) <= Common {
			for x, i := range same {
				for _, j := range same[x+1:] {
					pair(i, j)
				}
			}
			continue
		}
		// Too many to try every pair: neighbours, once they stand in an order that brings together what is alike.
		slices.SortFunc(same, func(i, j int32) int {
			return cmp.Or(slices.Compare(p.nodes[i].keys, p.nodes[j].keys), cmp.Compare(i, j))
		})
		for x, i := range same {
			for _, j := range same[x+1 : min(len(same), x+1+window)] {
				pair(i, j)
			}
		}
	}
	slices.SortFunc(p.edges, func(x, y edge) int {
		return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(p.nodes[x.a].ID, p.nodes[y.a].ID), cmp.Compare(p.nodes[x.b].ID, p.nodes[y.b].ID))
	})
	for i, e := range p.edges {
		p.near[e.a], p.near[e.b] = append(p.near[e.a], i), append(p.near[e.b], i)
	}
}

// window is how many neighbours a member is compared with among those that share a key which is too common.
const window = 8

// join makes clusters, the strongest links first.
func (p *placing) join() {
	for i := range p.edges {
		e := &p.edges[i]
		if e.Verdict != Join {
			break
		}
		a, b := p.root(e.a), p.root(e.b)
		if a == b || p.bars(a, b) || !p.agree(a, b) || p.torn(a, b, e) || p.torn(b, a, e) {
			continue
		}
		p.union(a, b, &e.Match)
	}
}

// sample is how many members of a cluster are asked about another one.
const sample = 5

// agree reports whether two clusters are one by all that their members say, not by one pair alone.
func (p *placing) agree(a, b int) bool {
	var total float64
	n, deeds := 0, 0
	for _, i := range some(p.clusters[a].nodes) {
		for _, j := range some(p.clusters[b].nodes) {
			m := Compare(p.nodes[i].Sketch, p.nodes[j].Sketch)
			if m.clash {
				return false
			}
			total, n, deeds = total+m.Score, n+1, deeds+m.deeds
		}
	}
	return deeds >= 0 && total/float64(n) >= ReviewScore
}

// some are members evenly from the whole list.
func some(nodes []int) []int {
	if len(nodes) <= sample {
		return nodes
	}
	out := make([]int, sample)
	for i := range out {
		out[i] = nodes[i*len(nodes)/sample]
	}
	return out
}

// torn reports whether a, about to join b, fits a third cluster nearly as well which is not one with b.
func (p *placing) torn(a, b int, e *edge) bool {
	for _, i := range p.clusters[a].nodes {
		for _, at := range p.near[i] {
			other := &p.edges[at]
			if other.Verdict != Join || bitsOf(e.Score)-bitsOf(other.Score) > margin {
				break
			}
			c := p.root(other.a + other.b - i)
			if c != a && c != b && p.nodes[p.clusters[c].nodes[0]].Division == p.nodes[p.clusters[a].nodes[0]].Division && !p.kept(&p.clusters[a], &p.clusters[c]) && (p.bars(b, c) || !p.agree(b, c)) {
				return true
			}
		}
	}
	return false
}

// margin is how many bits a link must be better than one to another entry.
const margin = 3.0

const maxReviews = 3 // for an entry, at a time

func (p *placing) result() Result {
	var r Result
	for i := range p.fresh {
		g := &p.clusters[p.root(i)]
		if g.nodes[0] != i { // told with its first one
			continue
		}
		j := Joined{Entry: g.entry, Explicit: g.explicit, Score: 1}
		for _, n := range g.nodes {
			if n < p.fresh {
				j.Members = append(j.Members, p.nodes[n].at)
			}
		}
		if g.link != nil {
			j.Score, j.Reasons = g.link.Score, g.link.Reasons
		}
		slices.Sort(j.Members)
		r.Joins = append(r.Joins, j)
	}
	asked := map[[2]int]bool{}
	count := map[int]int{}
	for _, e := range p.edges {
		a, b := p.root(e.a), p.root(e.b)
		if a == b || asked[[2]int{min(a, b), max(a, b)}] || count[a] >= maxReviews || count[b] >= maxReviews || p.kept(&p.clusters[a], &p.clusters[b]) {
			continue
		}
		asked[[2]int{min(a, b), max(a, b)}] = true
		count[a]++
		count[b]++
		reasons := e.Reasons
		switch {
		case p.nodes[e.a].Division != p.nodes[e.b].Division:
			reasons = append(slices.Clip(reasons), Reason{Code: OtherDivision})
		case e.Verdict == Join:
			reasons = append(slices.Clip(reasons), Reason{Code: SeveralFit})
		}
		one, other := p.nodes[e.a].ID, p.nodes[e.b].ID
		r.Reviews = append(r.Reviews, Pair{min(one, other), max(one, other), e.Score, reasons})
	}
	return r
}

// bitsOf is the score as it was added up.
func bitsOf(score float64) float64 { return math.Log2(score / (1 - score)) }
