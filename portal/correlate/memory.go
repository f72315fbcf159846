package correlate

import (
	"slices"
	"strings"
)

// Memory is an Index in memory, for a whole company: 100,000 members take some 100 MB. The zero value is empty. It is not
// safe for concurrent use.
type Memory struct {
	places  map[string]uint32   // of members, by id
	members []*Member           // nil: it has gone
	free    []uint32            // places of members that have gone
	keys    map[uint64][]uint32 // places, in the order of the ids
	entries map[string][]uint32 // places, in no order
	texts   map[string]string   // words that many have are kept once
	passed  []uint32            // by place: the last search that came by
	passes  uint32
}

// Len is the number of members.
func (m *Memory) Len() int { return len(m.places) }

// Put adds a member, or replaces the one with its id.
func (m *Memory) Put(member Member) {
	m.Remove(member.ID)
	if m.places == nil {
		*m = Memory{places: map[string]uint32{}, keys: map[uint64][]uint32{}, entries: map[string][]uint32{}, texts: map[string]string{}}
	}
	place := uint32(len(m.members))
	if n := len(m.free); n > 0 {
		place, m.free = m.free[n-1], m.free[:n-1]
	} else {
		m.members, m.passed = append(m.members, nil), append(m.passed, 0)
	}
	member.Division = m.once(member.Division)
	member.Entry = m.once(member.Entry)
	m.share(&member.Sketch)
	member.prepared = nil
	member.prepare()
	m.places[member.ID], m.members[place] = place, &member
	m.entries[member.Entry] = append(m.entries[member.Entry], place)
	for _, k := range m.members[place].keys {
		at, _ := m.find(k, member.ID)
		m.keys[k] = slices.Insert(m.keys[k], at, place)
	}
}

// Join says of a member to which entry it belongs now.
func (m *Memory) Join(id, entry, division string) {
	place, ok := m.places[id]
	if !ok {
		return
	}
	member := m.members[place]
	m.leave(place)
	member.Entry, member.Division = m.once(entry), m.once(division)
	m.entries[member.Entry] = append(m.entries[member.Entry], place)
}

// Remove forgets a member.
func (m *Memory) Remove(id string) {
	place, ok := m.places[id]
	if !ok {
		return
	}
	for _, k := range m.members[place].keys {
		at, _ := m.find(k, id)
		if m.keys[k] = slices.Delete(m.keys[k], at, at+1); len(m.keys[k]) == 0 {
			delete(m.keys, k)
		}
	}
	m.leave(place)
	delete(m.places, id)
	m.members[place] = nil
	m.free = append(m.free, place)
}

// leave takes a member out of its entry.
func (m *Memory) leave(place uint32) {
	entry := m.members[place].Entry
	all := m.entries[entry]
	if m.entries[entry] = slices.DeleteFunc(all, func(p uint32) bool { return p == place }); len(m.entries[entry]) == 0 {
		delete(m.entries, entry)
	}
}

// find is where an id stands, or would stand, under a key.
func (m *Memory) find(key uint64, id string) (at int, found bool) {
	return slices.BinarySearchFunc(m.keys[key], id, func(place uint32, id string) int { return strings.Compare(m.members[place].ID, id) })
}

// Member returns the one with an id.
func (m *Memory) Member(id string) (Member, bool) {
	place, ok := m.places[id]
	if !ok {
		return Member{}, false
	}
	return *m.members[place], true
}

// Of returns the ids of an entry's members, in no order.
func (m *Memory) Of(entry string) []string {
	var ids []string
	for _, place := range m.entries[entry] {
		ids = append(ids, m.members[place].ID)
	}
	return ids
}

// Near implements Index: of a key that more than Common have, the first of them by id.
func (m *Memory) Near(keys []uint64) ([]*Member, error) {
	m.passes++
	var found []*Member
	for _, k := range keys {
		for _, place := range m.keys[k][:min(Common, len(m.keys[k]))] {
			if m.passed[place] != m.passes {
				m.passed[place] = m.passes
				found = append(found, m.members[place])
			}
		}
	}
	return found, nil
}

// once returns an equal text that is kept already.
func (m *Memory) once(text string) string {
	if kept, ok := m.texts[text]; ok {
		return kept
	}
	text = strings.Clone(text)
	m.texts[text] = text
	return text
}

// share replaces the words of a sketch, which others have too.
func (m *Memory) share(s *Sketch) {
	all := func(texts []string) []string {
		if len(texts) == 0 {
			return nil
		}
		out := make([]string, len(texts))
		for i, t := range texts {
			out[i] = m.once(t)
		}
		return out
	}
	named := func(n name) name { return name{Text: m.once(n.Text), Words: all(n.Words), All: all(n.All)} }
	titles := make([]name, len(s.Titles))
	for i, n := range s.Titles {
		titles[i] = named(n)
	}
	s.Titles = titles
	if s.Place != nil {
		n := named(*s.Place)
		s.Place = &n
	}
	if s.Upstream != nil {
		s.Upstream = &host{Text: m.once(s.Upstream.Text), Words: all(s.Upstream.Words), Domain: m.once(s.Upstream.Domain)}
	}
	base := make([][]string, len(s.Base))
	for i, b := range s.Base {
		base[i] = all(b)
	}
	s.Base, s.Domains, s.Owner, s.Shape.prefix = base, all(s.Domains), m.once(s.Owner), all(s.Shape.prefix)
}
