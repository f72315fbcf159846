package correlate

import (
	"maps"
	"slices"
)

// Memory is an Index in memory. The zero value is empty. It is not safe for concurrent use.
type Memory struct {
	members map[string]Member
	keys    map[string][]string // ids, ascending
}

// Put adds a member, or replaces the one with its id.
func (m *Memory) Put(member Member) {
	m.Remove(member.ID)
	if m.members == nil {
		m.members, m.keys = map[string]Member{}, map[string][]string{}
	}
	m.members[member.ID] = member
	for _, k := range member.Sketch.Keys() {
		at, _ := slices.BinarySearch(m.keys[k], member.ID)
		m.keys[k] = slices.Insert(m.keys[k], at, member.ID)
	}
}

// Remove forgets a member.
func (m *Memory) Remove(id string) {
	for _, k := range m.members[id].Sketch.Keys() {
		if at, ok := slices.BinarySearch(m.keys[k], id); ok {
			m.keys[k] = slices.Delete(m.keys[k], at, at+1)
		}
		if len(m.keys[k]) == 0 {
			delete(m.keys, k)
		}
	}
	delete(m.members, id)
}

// Near returns the members that have one of the keys, by id; of a key that more than Common have, the first of them.
func (m *Memory) Near(keys []string) ([]Member, error) {
	ids := map[string]bool{}
	for _, k := range keys {
		for _, id := range m.keys[k][:min(Common, len(m.keys[k]))] {
			ids[id] = true
		}
	}
	var found []Member
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		found = append(found, m.members[id])
	}
	return found, nil
}
