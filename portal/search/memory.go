package search

import (
	"math/bits"
	"slices"
	"strings"
	"sync"

	"concierge/portal"
)

// memory holds which rows have which tokens. It is safe for concurrent use; the zero memory is empty.
//
// A row is known by its number, given in the order in which rows come, so a list of numbers grows at its end only. A row that
// is replaced is dead from then on, and its number is taken out of the lists when many are.
type memory struct {
	mu      sync.RWMutex
	numbers map[string]uint32 // of tokens
	tokens  []string          // by number
	lists   [][]uint32        // by number of the token: the rows that have it
	order   []uint32          // numbers of tokens, by token
	rows    []Match
	living  bitmap
	dead    int
	of      map[portal.APIID]revised
	place   Place // of the newest row

	words dictionary
}

// revised are the rows of an entry, and the revision that they are of.
type revised struct {
	revision int64
	rows     []uint32
}

// bitmap is a set of rows.
type bitmap []uint64

func (b bitmap) set(n uint32)      { b[n/64] |= 1 << (n % 64) }
func (b bitmap) clear(n uint32)    { b[n/64] &^= 1 << (n % 64) }
func (b bitmap) has(n uint32) bool { return b[n/64]&(1<<(n%64)) != 0 }

// upTo is the place after which there is something to add.
func (m *memory) upTo() Place {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.place
}

// add takes over rows in the order of their places.
func (m *memory) add(all []Indexed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.numbers == nil {
		m.numbers, m.of = map[string]uint32{}, map[portal.APIID]revised{}
	}
	known := len(m.tokens)
	for _, x := range all {
		m.place = x.Place
		entry := m.of[x.API]
		if entry.revision != x.Place.Revision { // it was replaced
			for _, n := range entry.rows {
				m.living.clear(n)
			}
			m.dead += len(entry.rows)
			entry = revised{revision: x.Place.Revision}
		}
		if x.Tokens != "" {
			n := uint32(len(m.rows))
			m.rows = append(m.rows, Match{x.API, x.Place.Row})
			if int(n)/64 == len(m.living) {
				m.living = append(m.living, 0)
			}
			m.living.set(n)
			entry.rows = append(entry.rows, n)
			for token := range strings.SplitSeq(x.Tokens, " ") {
				t := m.number(token)
				m.lists[t] = append(m.lists[t], n)
			}
		}
		if len(entry.rows) == 0 {
			delete(m.of, x.API)
		} else {
			m.of[x.API] = entry
		}
	}
	m.sort(known)
	if m.dead > 1000 && m.dead > len(m.rows)/4 {
		m.compact()
	}
}

// number returns that of a token.
func (m *memory) number(token string) uint32 {
	t, ok := m.numbers[token]
	if !ok {
		t, token = uint32(len(m.tokens)), strings.Clone(token) // it outlives its row
		m.numbers[token] = t
		m.tokens, m.lists = append(m.tokens, token), append(m.lists, nil)
	}
	return t
}

// sort puts the tokens from one on into the order, and their words into the dictionary.
func (m *memory) sort(from int) {
	fresh := make([]uint32, 0, len(m.tokens)-from)
	for t := from; t < len(m.tokens); t++ {
		fresh = append(fresh, uint32(t))
		if kind, word := m.tokens[t][:1], m.tokens[t][1:]; (kind == textToken || kind == wordToken) && correctable(word) {
			m.words.add(word)
		}
	}
	if len(fresh) == 0 {
		return
	}
	byToken := func(a, b uint32) int { return strings.Compare(m.tokens[a], m.tokens[b]) }
	slices.SortFunc(fresh, byToken)
	merged, rest := make([]uint32, 0, len(m.order)+len(fresh)), m.order
	for _, t := range fresh { // runs between two new ones are copied whole
		at, _ := slices.BinarySearchFunc(rest, t, byToken)
		merged, rest = append(append(merged, rest[:at]...), t), rest[at:]
	}
	m.order = append(merged, rest...)
}

// compact gives the living rows new numbers, in the same order.
func (m *memory) compact() {
	renumbered := make([]uint32, len(m.rows))
	var rows []Match
	for n, row := range m.rows {
		if m.living.has(uint32(n)) {
			renumbered[n] = uint32(len(rows))
			rows = append(rows, row)
		}
	}
	for t, list := range m.lists {
		left := list[:0]
		for _, n := range list {
			if m.living.has(n) {
				left = append(left, renumbered[n])
			}
		}
		m.lists[t] = slices.Clip(left)
	}
	for _, entry := range m.of {
		for i, n := range entry.rows {
			entry.rows[i] = renumbered[n]
		}
	}
	m.rows, m.dead, m.living = rows, 0, make(bitmap, (len(rows)+63)/64)
	for n := range rows {
		m.living.set(uint32(n))
	}
}

// find returns rows that match, in the order in which they came, at most so many.
func (m *memory) find(e Expression, limit int) []Match {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if len(m.rows) == 0 {
		return nil
	}
	found, any := slices.Clone(m.living), make(bitmap, len(m.living))
	for _, group := range e {
		clear(any)
		for _, term := range group {
			for _, t := range m.matching(term) {
				for _, n := range m.lists[t] {
					any.set(n)
				}
			}
		}
		left := uint64(0)
		for i := range found {
			found[i] &= any[i]
			left |= found[i]
		}
		if left == 0 {
			return nil
		}
	}
	n := 0
	for _, word := range found {
		n += bits.OnesCount64(word)
	}
	matches := make([]Match, 0, min(n, limit))
	for i, word := range found {
		for ; word != 0; word &= word - 1 {
			if len(matches) == limit {
				return matches
			}
			matches = append(matches, m.rows[i*64+bits.TrailingZeros64(word)])
		}
	}
	return matches
}

// matching returns the numbers of the tokens that a term stands for.
func (m *memory) matching(term Term) []uint32 {
	if !term.Prefix {
		if t, ok := m.numbers[term.Token]; ok {
			return []uint32{t}
		}
		return nil
	}
	first, _ := slices.BinarySearchFunc(m.order, term.Token, func(t uint32, prefix string) int { return strings.Compare(m.tokens[t], prefix) })
	rest := m.order[first:]
	end, _ := slices.BinarySearchFunc(rest, term.Token, func(t uint32, prefix string) int {
		if strings.HasPrefix(m.tokens[t], prefix) {
			return -1
		}
		return 1
	})
	return rest[:end]
}

// near returns words at one mistake from the word, and at two, the likeliest first.
func (m *memory) near(word string) (one, two []string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.words.near(word)
}
