package correlate

import (
	"slices"
	"strings"
)

// Memory is an Index in memory, for a whole company: 100,000 members take some 120 MB. The zero value is empty. It is not
// safe for concurrent use.
type Memory struct {
	places  map[string]uint32   // of members, by id
	members []*Member           // nil: it has gone
	free    []uint32            // places of members that have gone
	keys    map[uint64]run      // of members that have the key, up to maxRun of them
	many    map[uint64][]run    // of keys that more have: one run after the other
	entries map[string][]uint32 // places, in no order
	within  []uint32            // by place: where it stands among those of its entry
	pool    *pool
	passed  []uint32 // by place: the last search that came by
	passes  uint32

	moved int // places that made room for others, or closed a gap: what the work of Put and Remove is made of
}

// run is places in the order of the ids of their members.
type run []uint32

// maxRun bounds what one Put or Remove moves, however many members have a key.
const maxRun = 1024

// Len is the number of members.
func (m *Memory) Len() int { return len(m.places) }

// Put adds a member, or replaces the one with its id.
func (m *Memory) Put(member Member) {
	m.Remove(member.ID)
	if m.places == nil {
		*m = Memory{places: map[string]uint32{}, keys: map[uint64]run{}, many: map[uint64][]run{}, entries: map[string][]uint32{}, pool: newPool()}
	}
	place := uint32(len(m.members))
	if n := len(m.free); n > 0 {
		place, m.free = m.free[n-1], m.free[:n-1]
	} else {
		m.members, m.passed, m.within = append(m.members, nil), append(m.passed, 0), append(m.within, 0)
	}
	member.Division, member.Entry = m.pool.text(member.Division), m.pool.text(member.Entry)
	m.pool.sketch(&member.Sketch)
	own := &struct {
		Member
		prepared
	}{Member: member}
	own.Member.prepared = &own.prepared
	own.prepared.of(&own.Member, m.pool)
	m.places[member.ID], m.members[place] = place, &own.Member
	m.enter(place)
	for _, k := range m.members[place].keys {
		m.hold(k, place)
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
	member.Entry, member.Division = m.pool.text(entry), m.pool.text(division)
	m.enter(place)
}

// Remove forgets a member.
func (m *Memory) Remove(id string) {
	place, ok := m.places[id]
	if !ok {
		return
	}
	for _, k := range m.members[place].keys {
		m.drop(k, place)
	}
	m.leave(place)
	delete(m.places, id)
	m.members[place] = nil
	m.free = append(m.free, place)
}

// enter puts a member into its entry.
func (m *Memory) enter(place uint32) {
	entry := m.members[place].Entry
	m.within[place] = uint32(len(m.entries[entry]))
	m.entries[entry] = append(m.entries[entry], place)
}

// leave takes a member out of its entry; the last one takes its place.
func (m *Memory) leave(place uint32) {
	entry := m.members[place].Entry
	all := m.entries[entry]
	last := all[len(all)-1]
	all[m.within[place]], m.within[last] = last, m.within[place]
	if all = all[:len(all)-1]; len(all) == 0 {
		delete(m.entries, entry)
		return
	}
	m.entries[entry] = all
}

// find is where a member stands, or would stand, in a run.
func (m *Memory) find(in run, place uint32) int {
	at, _ := slices.BinarySearchFunc(in, m.members[place].ID, func(other uint32, id string) int { return strings.Compare(m.members[other].ID, id) })
	return at
}

// among is the run that a member stands in, or would stand in.
func (m *Memory) among(runs []run, place uint32) int {
	at, found := slices.BinarySearchFunc(runs, m.members[place].ID, func(r run, id string) int { return strings.Compare(m.members[r[0]].ID, id) })
	if !found && at > 0 {
		at--
	}
	return at
}

// put adds a member to a run.
func (m *Memory) put(to run, place uint32) run {
	at := m.find(to, place)
	m.moved += len(to) - at
	return slices.Insert(to, at, place)
}

// cut takes a member out of a run.
func (m *Memory) cut(from run, place uint32) run {
	at := m.find(from, place)
	m.moved += len(from) - at
	return slices.Delete(from, at, at+1)
}

// hold puts a member under a key.
func (m *Memory) hold(key uint64, place uint32) {
	runs, ok := m.many[key]
	if !ok {
		own := m.put(m.keys[key], place)
		if len(own) <= maxRun {
			m.keys[key] = own
			return
		}
		delete(m.keys, key)
		m.many[key] = []run{slices.Clone(own[:maxRun/2]), slices.Clone(own[maxRun/2:])}
		return
	}
	at := m.among(runs, place)
	if runs[at] = m.put(runs[at], place); len(runs[at]) > maxRun {
		full := runs[at]
		runs[at] = slices.Clone(full[:maxRun/2])
		m.moved += len(runs) - at
		m.many[key] = slices.Insert(runs, at+1, slices.Clone(full[maxRun/2:]))
	}
}

// drop takes a member away from a key.
func (m *Memory) drop(key uint64, place uint32) {
	runs, ok := m.many[key]
	if !ok {
		if m.keys[key] = m.cut(m.keys[key], place); len(m.keys[key]) == 0 {
			delete(m.keys, key)
		}
		return
	}
	at := m.among(runs, place)
	if runs[at] = m.cut(runs[at], place); len(runs[at]) > 0 {
		return
	}
	m.moved += len(runs) - at
	if runs = slices.Delete(runs, at, at+1); len(runs) == 0 {
		delete(m.many, key)
		return
	}
	m.many[key] = runs
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
	pass := func(first run) {
		for _, place := range first {
			if m.passed[place] != m.passes {
				m.passed[place] = m.passes
				found = append(found, m.members[place])
			}
		}
	}
	for _, k := range keys {
		pass(m.keys[k][:min(Common, len(m.keys[k]))])
		left := Common
		for _, r := range m.many[k] {
			n := min(left, len(r))
			pass(r[:n])
			if left -= n; left == 0 {
				break
			}
		}
	}
	return found, nil
}
