package correlate

import (
	"maps"
	"slices"
)

// Memory is an Index in memory. The zero value is empty. It is not safe for concurrent use.
type Memory struct {
	members map[string]Member
	keys    map[string]map[string]bool // ids
}

// Put adds a member, or replaces the one with its id.
func (m *Memory) Put(member Member) {
	m.Remove(member.ID)
	if m.members == nil {
		m.members, m.keys = map[string]Member{}, map[string]map[string]bool{}
	}
	m.members[member.ID] = member
	for _, k := range member.Sketch.Keys() {
		if m.keys[k] == nil {
			m.keys[k] = map[string]bool{}
		}
		m.keys[k][member.ID] = true
	}
}

// Remove forgets a member.
func (m *Memory) Remove(id string) {
	for _, k := range m.members[id].Sketch.Keys() {
		delete(m.keys[k], id)
		if len(m.keys[k]) == 0 {
			delete(m.keys, k)
		}
	}
	delete(m.members, id)
}

// Near returns all members that have one of the keys, by id.
func (m *Memory) Near(keys []string) ([]Member, error) {
	ids := map[string]bool{}
	for _, k := range keys {
		maps.Copy(ids, m.keys[k])
	}
	var found []Member
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		found = append(found, m.members[id])
	}
	return found, nil
}
