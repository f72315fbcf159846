package correlate

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// judgement is what is kept of a weighing.
type judgement struct {
	score  float64
	common float32 // of what they can do, by weight; -1: not known
	clash  bool
	plain  bool
	unlike bool // titles that are not the same
	deeds  int8
}

func (e *weighing) judgement() judgement {
	j := judgement{score: e.score, common: -1, clash: e.clash, plain: e.plain, unlike: e.titled && !e.alike.same(), deeds: e.deeds}
	if e.shapes && min(e.ops.ofA, e.ops.ofB) >= fewOperations {
		j.common = float32(e.ops.ratio())
	}
	return j
}

func pairOf(i, j int) uint64 { return uint64(min(i, j))<<32 | uint64(max(i, j)) }

// weigh compares two nodes; see weighInOrder.
func (p *placing) weigh(i, j int, verdict bool) weighing {
	p.compared.Add(1)
	a, b := &p.nodes[i], &p.nodes[j]
	if a.order > b.order || a.order == b.order && compareSketches(&a.Sketch, &b.Sketch) > 0 {
		a, b = b, a
	}
	return weighInOrder(&a.subject, &b.subject, verdict)
}

// judge compares two nodes, unless that was done.
func (p *placing) judge(i, j int) judgement {
	p.heard++
	known, ok := p.judged[pairOf(i, j)]
	if !ok {
		e := p.weigh(i, j, false)
		known = e.judgement()
		p.judged[pairOf(i, j)] = known
	}
	return known
}

// parallel calls do for every number below n, on all processors, a share of them at a time.
func parallel(n, share int, do func(from, to int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+share-1)/share) {
		workers.Go(func() {
			for {
				to := int(next.Add(int64(share)))
				from := to - share
				if from >= n {
					return
				}
				do(from, min(to, n))
			}
		})
	}
	workers.Wait()
}

// each calls do for every node from the first on, on all processors.
func (p *placing) each(first int, do func(*node)) {
	parallel(len(p.nodes)-first, 256, func(from, to int) {
		for i := from; i < to; i++ {
			do(&p.nodes[first+i])
		}
	})
}

// compare judges the pairs that share a key, on all processors.
func (p *placing) compare() {
	roots := make([]int, len(p.nodes))
	for i := range p.nodes {
		roots[i] = p.root(i)
	}
	beside := p.neighbours()
	const share = 64
	parts := make([][]edge, (p.fresh+share-1)/share)
	parallel(p.fresh, share, func(from, to int) {
		var others []int32
		for i := from; i < to; i++ {
			others = beside.of(i, others[:0])
			for _, j := range others {
				if int(j) <= i && int(j) < p.fresh || roots[i] == roots[j] {
					continue
				}
				e := p.weigh(i, int(j), true)
				if v := e.verdict(); v != Apart {
					parts[from/share] = append(parts[from/share], edge{int32(i), j, e.judgement(), v == Join})
				}
			}
		}
	})
	p.edges = slices.Concat(parts...)
	slices.SortFunc(p.edges, func(x, y edge) int { // nodes stand in the order of their ids
		return cmp.Or(cmp.Compare(y.score, x.score), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
}

// window is how many neighbours on either side a member is compared with among those that share a key which is too common.
const window = 8

// neighbours are the nodes that share keys.
type neighbours struct {
	holders []int32 // nodes, those of one key beside each other
	spans   []span  // of holders
	first   []int32 // of the spans of each node
}

type span struct{ from, to int32 }

// of appends those that a node shares a key with to a list: ascending, each once, the node itself too.
func (n *neighbours) of(node int, list []int32) []int32 {
	for _, s := range n.spans[n.first[node]:n.first[node+1]] {
		list = append(list, n.holders[s.from:s.to]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// neighbours finds for every node those that share a key with it: all of them where they are few, else those that are most
// alike in all their keys.
func (p *placing) neighbours() *neighbours {
	n := &neighbours{first: make([]int32, len(p.nodes)+1)}
	const share = 512
	parts := make([][]int32, (len(p.nodes)+share-1)/share)
	const bits = 1 << 18 // keys are hashes: of those that are not asked for, most are left out by a bit
	var asked [bits / 64]uint64
	for _, k := range p.asked {
		asked[k%bits/64] |= 1 << (k % 64)
	}
	parallel(len(p.nodes), share, func(from, to int) {
		var part []int32
		for i := from; i < to; i++ {
			for _, k := range p.nodes[i].keys {
				if asked[k%bits/64]&(1<<(k%64)) == 0 {
					continue
				}
				if at, found := slices.BinarySearch(p.asked, k); found {
					part = append(part, int32(at))
				}
			}
			n.first[i+1] = int32(len(part)) // within the part, as yet
		}
		parts[from/share] = part
	})
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	// held are the keys of each node that new ones have, by their place among these: what known ones share among themselves is
	// not looked at.
	held := make([]int32, 0, size)
	for x, part := range parts {
		for i := x * share; i < min((x+1)*share, len(p.nodes)); i++ {
			n.first[i+1] += int32(len(held))
		}
		held = append(held, part...)
	}
	ends := make([]int32, len(p.asked)+1) // of the holders of each key
	for _, at := range held {
		ends[at+1]++
	}
	for at := range p.asked {
		ends[at+1] += ends[at]
	}
	n.holders, n.spans = make([]int32, len(held)), make([]span, len(held))
	next := slices.Clone(ends)
	for i := range p.nodes {
		for _, at := range held[n.first[i]:n.first[i+1]] {
			n.holders[next[at]] = int32(i)
			next[at]++
		}
	}
	parallel(len(p.asked), share, func(first, last int) {
		for at := first; at < last; at++ {
			if same := n.holders[ends[at]:ends[at+1]]; len(same) > Common {
				// Too many to try every pair: neighbours, once they stand in an order that brings together what is alike.
				slices.SortFunc(same, func(i, j int32) int {
					return cmp.Or(slices.Compare(p.nodes[i].keys, p.nodes[j].keys), cmp.Compare(i, j))
				})
			}
		}
	})
	filled := slices.Clone(n.first)
	for at := range p.asked {
		from, to := int(ends[at]), int(ends[at+1])
		same, reach := n.holders[from:to], len(held)
		if len(same) > Common {
			reach = window
		}
		for x, i := range same {
			n.spans[filled[i]] = span{int32(max(from, from+x-reach)), int32(min(to, from+x+reach+1))}
			filled[i]++
		}
	}
	return n
}
