package postgres

import (
	"github.com/jackc/pgx/v5/pgxpool"

	"concierge/portal/store"
)

// Pools says how the connections are used.
func (db *DB) Pools() []store.Pool {
	of := func(name string, p *pgxpool.Pool) store.Pool {
		s := p.Stat()
		return store.Pool{
			Name: name, InUse: int(s.AcquiredConns()), Idle: int(s.IdleConns()), Max: int(s.MaxConns()), Waits: s.EmptyAcquireCount(),
		}
	}
	return []store.Pool{of("write", db.engine.write), of("read", db.engine.read)}
}
