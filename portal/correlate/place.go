package correlate

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Place puts new members beside those of the index; a member of the index that is also new is what it was, and is not
// looked at.
//
// Every new member is in exactly one of Joins. One that has an entry stays in it, unless its explicit id names another.
// apart says that a person wants two kept apart; it is asked with ids of members and ids of entries, in any order and as
// often as it takes, and holds for all that is joined to them. An error is the index's.
func Place(members []Member, index Index, apart func(a, b string) bool) (Result, error) {
	p := placing{apart: apart, judged: map[uint64]judgement{}}
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
	keys []uint64
}

// edge is a pair that may be one API.
type edge struct {
	a, b  int // nodes, a < b
	score float64
	join  bool // Join, not Review
}

type placing struct {
	nodes []node
	fresh int // how many of them are new
	apart func(a, b string) bool

	parent   []int   // of the node in its cluster; union-find
	clusters []group // by root
	edges    []edge  // the strongest first
	near     [][]int // the edges of every node
	judged   map[uint64]judgement
}

// group is what one entry holds, as far as it is known here.
type group struct {
	nodes    []int // ascending
	entry    string
	explicit string
	link     *edge // the weakest that holds it together
}

// batch is how many keys the index is asked for at once.
const batch = 500

func (p *placing) fetch(index Index) error {
	fresh := map[string]bool{}
	var all []uint64
	for i := range p.nodes {
		n := &p.nodes[i]
		n.keys, fresh[n.ID] = n.Sketch.keys(), true
		all = append(all, n.keys...)
	}
	slices.Sort(all)
	known := map[string]Member{}
	asked := make([]string, 0, batch)
	for some := range slices.Chunk(slices.Compact(all), batch) {
		asked = asked[:0]
		for _, k := range some {
			asked = append(asked, keyText(k))
		}
		found, err := index.Near(asked)
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
		p.nodes = append(p.nodes, node{Member: m, at: -1, keys: m.Sketch.keys()})
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
func (p *placing) union(i, j int, link *edge) {
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
	for _, l := range []*edge{b.link, link} {
		if l != nil && (a.link == nil || l.score < a.link.score) {
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
		p.union(a, b, &edge{min(i, to), max(i, to), 1, true})
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
	if a.entry != "" && b.entry != "" && p.apart(a.entry, b.entry) {
		return true
	}
	for _, i := range a.nodes {
		if b.entry != "" && p.apart(p.nodes[i].ID, b.entry) {
			return true
		}
		for _, j := range b.nodes {
			if p.apart(p.nodes[i].ID, p.nodes[j].ID) {
				return true
			}
		}
	}
	for _, j := range b.nodes {
		if a.entry != "" && p.apart(a.entry, p.nodes[j].ID) {
			return true
		}
	}
	return false
}

// judgement is what is kept of a weighing.
type judgement struct {
	score float64
	clash bool
	deeds int8
}

func pairOf(i, j int) uint64 { return uint64(min(i, j))<<32 | uint64(max(i, j)) }

// judge compares two nodes, unless that was done.
func (p *placing) judge(i, j int) judgement {
	known, ok := p.judged[pairOf(i, j)]
	if !ok {
		e := weighUp(&p.nodes[i].Sketch, &p.nodes[j].Sketch)
		known = judgement{e.score, e.clash, e.deeds}
		p.judged[pairOf(i, j)] = known
	}
	return known
}

// compare judges the pairs that share a key, on all processors.
func (p *placing) compare() {
	pairs := p.pairs()
	const share = 4096 // pairs at once
	parts := make([][]edge, (len(pairs)+share-1)/share)
	judged := make([][]judgement, len(parts))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)) {
		workers.Go(func() {
			for {
				part := int(next.Add(1)) - 1
				if part >= len(parts) {
					return
				}
				for _, pair := range pairs[part*share : min(len(pairs), (part+1)*share)] {
					i, j := int(pair>>32), int(pair&math.MaxUint32)
					e := weighUp(&p.nodes[i].Sketch, &p.nodes[j].Sketch)
					if v := e.verdict(); v != Apart {
						parts[part] = append(parts[part], edge{i, j, e.score, v == Join})
						judged[part] = append(judged[part], judgement{e.score, e.clash, e.deeds})
					}
				}
			}
		})
	}
	workers.Wait()
	for part, edges := range parts {
		for k, e := range edges {
			p.judged[pairOf(e.a, e.b)] = judged[part][k]
		}
		p.edges = append(p.edges, edges...)
	}
	slices.SortFunc(p.edges, func(x, y edge) int { // nodes stand in the order of their ids
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	for i, e := range p.edges {
		p.near[e.a], p.near[e.b] = append(p.near[e.a], i), append(p.near[e.b], i)
	}
}

// pairs are those of a new node and another one that share a key, each once.
func (p *placing) pairs() []uint64 {
	type holder struct {
		key  uint64
		node int32
	}
	var holders []holder
	for i, n := range p.nodes {
		for _, k := range n.keys {
			holders = append(holders, holder{k, int32(i)})
		}
	}
	slices.SortFunc(holders, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.node, b.node))
	})
	var pairs []uint64
	add := func(i, j int) {
		if min(i, j) < p.fresh && p.root(i) != p.root(j) {
			pairs = append(pairs, pairOf(i, j))
		}
	}
	for len(holders) > 0 {
		n := 1
		for n < len(holders) && holders[n].key == holders[0].key {
			n++
		}
		same, reach := holders[:n], n
		holders = holders[n:]
		if n > Common {
			// Too many to try every pair: neighbours, once they stand in an order that brings together what is alike.
			slices.SortFunc(same, func(a, b holder) int {
				return cmp.Or(slices.Compare(p.nodes[a.node].keys, p.nodes[b.node].keys), cmp.Compare(a.node, b.node))
			})
			reach = window
		}
		for x, a := range same {
			for _, b := range same[x+1 : min(n, x+1+reach)] {
				add(int(a.node), int(b.node))
			}
		}
	}
	slices.Sort(pairs)
	return slices.Compact(pairs)
}

// window is how many neighbours a member is compared with among those that share a key which is too common.
const window = 8

// join makes clusters, the strongest links first.
func (p *placing) join() {
	for i := range p.edges {
		e := &p.edges[i]
		if !e.join {
			break
		}
		a, b := p.root(e.a), p.root(e.b)
		if a == b || p.bars(a, b) || !p.agree(a, b) || p.torn(a, b, e) || p.torn(b, a, e) {
			continue
		}
		p.union(a, b, e)
	}
}

// sample is how many members of a cluster are asked about another one.
const sample = 5

// agree reports whether two clusters are one by all that their members say, not by one pair alone.
func (p *placing) agree(a, b int) bool {
	score, contradicted := p.hear(a, b)
	return !contradicted && score >= ReviewScore
}

// hear asks members of two clusters about each other: the mean of their scores, and whether what they can do, or their
// titles, rule out that the clusters are one.
func (p *placing) hear(a, b int) (score float64, contradicted bool) {
	n, deeds := 0, 0
	for _, i := range some(p.clusters[a].nodes) {
		for _, j := range some(p.clusters[b].nodes) {
			m := p.judge(i, j)
			score, n, deeds, contradicted = score+m.score, n+1, deeds+int(m.deeds), contradicted || m.clash
		}
	}
	return score / float64(n), contradicted || deeds < 0
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
			if !other.join || bitsOf(e.score)-bitsOf(other.score) > margin {
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
			j.Score, j.Reasons = g.link.score, p.reasons(g.link)
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
		if p.answered(a, b, &e) {
			continue
		}
		asked[[2]int{min(a, b), max(a, b)}] = true
		count[a]++
		count[b]++
		reasons := p.reasons(&e)
		switch {
		case p.nodes[e.a].Division != p.nodes[e.b].Division:
			reasons = append(reasons, Reason{Code: OtherDivision})
		case e.join:
			reasons = append(reasons, Reason{Code: SeveralFit})
		}
		one, other := p.nodes[e.a].ID, p.nodes[e.b].ID
		r.Reviews = append(r.Reviews, Pair{min(one, other), max(one, other), e.score, reasons})
	}
	return r
}

// answered reports whether the other members of two clusters speak so clearly against what one pair says that there is
// nothing to ask.
func (p *placing) answered(a, b int, e *edge) bool {
	if p.judge(e.a, e.b).deeds != 0 {
		return false // the pair itself says what it can do
	}
	_, contradicted := p.hear(a, b)
	return contradicted
}

func (p *placing) reasons(e *edge) []Reason {
	return Compare(p.nodes[e.a].Sketch, p.nodes[e.b].Sketch).Reasons
}

// bitsOf is the score as it was added up.
func bitsOf(score float64) float64 { return math.Log2(score / (1 - score)) }
