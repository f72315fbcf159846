package ingest

import (
	"context"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
)

// members are all deployments as correlation compares them, in memory. They follow the log of changes: what another replica
// or a person did is taken over by the next transaction that places something, before it looks. So what is placed is placed
// beside what its own transaction sees, neither more nor less. Use them with turn held.
type members struct {
	turn    chan struct{}         // holds one token
	memory  *correlate.Memory     // nil: not loaded yet
	version int64                 // of the log
	own     map[portal.APIID]bool // entries that were changed since, once, by taking in what the memory has already
}

// take waits for the turn; give ends it.
func (m *members) take(ctx context.Context) (give func(), err error) {
	select {
	case m.turn <- struct{}{}:
		return func() { <-m.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// load reads all members, unless that was done. It is done in a transaction that keeps no writer waiting.
func (m *members) load(ctx context.Context, db catalog.DB) error {
	if m.memory != nil {
		return nil
	}
	return db.View(ctx, func(tx catalog.Tx) error { return m.read(ctx, tx.Catalog()) })
}

func (m *members) read(ctx context.Context, store catalog.Store) error {
	memory := &correlate.Memory{}
	version, err := store.Members(ctx, memory.Put)
	if err != nil {
		return err
	}
	m.memory, m.version, m.own = memory, version, nil
	return nil
}

// took takes in what a transaction has placed, which is committed. entries are those that it changed in no other way.
func (m *members) took(placed []correlate.Member, entries map[portal.APIID]bool) {
	for _, x := range placed {
		m.memory.Put(x)
	}
	m.own = entries
}

// follow takes over what was committed before the transaction. It comes before the transaction writes anything.
func (m *members) follow(ctx context.Context, store catalog.Store) error {
	times, newest, complete, err := store.ChangedEntries(ctx, m.version)
	if err != nil {
		return err
	}
	if !complete || newest < m.version { // a gap, or another database: one restored from a backup
		return m.read(ctx, store)
	}
	var entries []portal.APIID
	for id, n := range times {
		if n > 1 || !m.own[id] {
			entries = append(entries, id)
		}
	}
	found, err := store.MembersOf(ctx, entries, func(id string, sum int64) bool {
		had, ok := m.memory.Member(id)
		return ok && had.Sum == sum
	})
	if err != nil {
		return fmt.Errorf("following what is compared: %w", err)
	}
	there := make(map[string]bool, len(found))
	for _, x := range found {
		there[x.ID] = true
		if had, ok := m.memory.Member(x.ID); ok && had.Sum == x.Sum {
			m.memory.Join(x.ID, x.Entry, x.Division)
		} else {
			m.memory.Put(x)
		}
	}
	for _, entry := range entries {
		for _, id := range m.memory.Of(string(entry)) {
			if !there[id] {
				m.memory.Remove(id)
			}
		}
	}
	m.version, m.own = newest, nil
	return nil
}

// beside are the members as a transaction sees them that has written to some entries itself.
type beside struct {
	all  *correlate.Memory
	own  correlate.Memory // those of the entries that it has written to
	past map[string]bool  // those that were in these entries
	took time.Duration    // to find what is near
}

// seen returns the members with what the transaction has done to the entries given.
func (m *members) seen(ctx context.Context, store catalog.Store, written []portal.APIID) (*beside, error) {
	b := &beside{all: m.memory, past: map[string]bool{}}
	found, err := store.MembersOf(ctx, written, func(string, int64) bool { return false })
	if err != nil {
		return nil, err
	}
	for _, x := range found {
		b.own.Put(x)
		b.past[x.ID] = true
	}
	for _, entry := range written {
		for _, id := range m.memory.Of(string(entry)) {
			b.past[id] = true
		}
	}
	return b, nil
}

// Near implements correlate.Index.
func (b *beside) Near(keys []uint64) ([]*correlate.Member, error) {
	began := time.Now()
	defer func() { b.took += time.Since(began) }()
	if len(b.past) == 0 {
		return b.all.Near(keys)
	}
	found, err := b.own.Near(keys)
	if err != nil {
		return nil, err
	}
	others, err := b.all.Near(keys)
	for _, x := range others {
		if !b.past[x.ID] {
			found = append(found, x)
		}
	}
	return found, err
}

// entry is where a member is; empty: it is none.
func (b *beside) entry(id string) portal.APIID {
	x, ok := b.own.Member(id)
	if !ok && !b.past[id] {
		x, _ = b.all.Member(id)
	}
	return portal.APIID(x.Entry)
}
