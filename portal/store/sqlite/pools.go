package sqlite

import (
	"database/sql"

	"concierge/portal/store"
)

// Pools says how the connections are used.
func (db *DB) Pools() []store.Pool {
	of := func(name string, d *sql.DB) store.Pool {
		s := d.Stats()
		return store.Pool{Name: name, InUse: s.InUse, Idle: s.Idle, Max: s.MaxOpenConnections, Waits: s.WaitCount}
	}
	return []store.Pool{of("write", db.engine.write), of("read", db.engine.read)}
}
