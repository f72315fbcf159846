// Package sqlstore is what the database engines have in common: the SQL of every package's store, one text for all
// engines, and the log of what changed. An engine is a folder beside it: it opens its database, runs transactions, and
// says what its errors mean.
//
// One text serves all engines as long as it keeps to: numbered placeholders; TEXT compared byte by byte, BIGINT,
// BOOLEAN and bytes; TRUE and FALSE and NOT instead of 0 and 1; JSON as text that SQL never looks into; ON CONFLICT,
// RETURNING, FILTER, row values and window functions; LIMIT without a negative number; an alias for every derived table.
// What differs is written once per engine, behind Engine and Querier: definitions of tables, how writers are kept apart,
// notifications, jobs, backups, and search.
//
// What engines would do differently is decided here, once: text that one of them cannot keep (with a NUL, or not UTF-8)
// is portal.ErrInvalid, and a transaction in which a statement failed comes to nothing, whatever its function returns.
package sqlstore

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
)

// Engine runs transactions on one database.
type Engine interface {
	// Write runs fn in one transaction as if no other ran at the same time, and commits where it returns nil; the topics
	// that it returns are told to who listens. fn may be run again from the start where another transaction got in the way.
	Write(ctx context.Context, fn func(Querier) (topics []string, err error)) error
	// Read runs fn in one transaction that sees one state and cannot write.
	Read(ctx context.Context, fn func(Querier) error) error
	// Listen returns a channel that receives after commits that told a topic.
	Listen(ctx context.Context, topic string) <-chan struct{}
	Close() error
}

// Querier runs statements in one transaction.
type Querier interface {
	// Exec returns how many rows the statement met.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Add adds rows to a table: values of its columns, in their order. An error of rows ends it, and is returned.
	Add(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) error
	// AtOnce is how many rows one statement had better write.
	AtOnce() int
	// Turn is that of store.Tx.
	Turn(ctx context.Context) error
	// Singly is that of store.Tx.
	Singly(ctx context.Context) error
	// Serialise lets one transaction after another pass from here to its commit, so that numbers taken from here on
	// become visible in their order.
	Serialise(ctx context.Context) error
	// Enqueue asks for a job; see store.Tx.
	Enqueue(ctx context.Context, j store.Job) error
}

// Rows is the result of a query; close it.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close()
}

const (
	keptChanges   = 100_000 // rows of the change log
	changesToTrim = 10_000
	changesAtOnce = 500 // rows of one statement
)

// DB is a database on an Engine. It is safe for concurrent use.
type DB struct{ engine Engine }

var _ store.DB = (*DB)(nil)

// New returns the database of an engine, which DB closes.
func New(e Engine) *DB { return &DB{e} }

// Close implements store.DB.
func (db *DB) Close() error { return db.engine.Close() }

// InTx implements store.DB.
func (db *DB) InTx(ctx context.Context, fn func(store.Tx) error) error {
	return db.engine.Write(ctx, func(q Querier) ([]string, error) {
		s := &statements{Querier: q}
		tx := &Tx{q: s, topics: map[string]bool{}}
		if err := s.outcome(fn(tx)); err != nil {
			return nil, err
		}
		// The log comes last: who writes it keeps others from doing so until the commit.
		if err := tx.noteRequest(ctx); err != nil {
			return nil, err
		}
		if err := tx.logChanges(ctx); err != nil {
			return nil, err
		}
		return slices.Sorted(maps.Keys(tx.topics)), nil
	})
}

// View implements store.DB.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	return db.engine.Read(ctx, func(q Querier) error {
		s := &statements{Querier: q}
		return s.outcome(fn(&Tx{q: s, topics: map[string]bool{}}))
	})
}

// Listen implements store.DB.
func (db *DB) Listen(ctx context.Context, topic string) <-chan struct{} {
	return db.engine.Listen(ctx, topic)
}

// Version implements store.DB.
func (db *DB) Version(ctx context.Context) (v int64, err error) {
	err = db.engine.Read(ctx, func(q Querier) error {
		return (&Tx{q: q}).one(ctx, []any{&v}, `SELECT coalesce(max(seq), 0) FROM changes`)
	})
	return v, doing(err, "reading the version")
}

// Changes implements store.DB.
func (db *DB) Changes(ctx context.Context, after int64) (changes []store.Change, newest int64, complete bool, err error) {
	err = db.engine.Read(ctx, func(q Querier) error {
		tx := &Tx{q: q}
		var err error
		if newest, complete, err = tx.newest(ctx, after); err != nil || !complete {
			return err
		}
		changes, err = rows(ctx, tx, func(r scanner) (c store.Change, err error) { return c, r.Scan(&c.Kind, &c.ID) },
			`SELECT DISTINCT kind, id FROM changes WHERE seq > $1`, after)
		return err
	})
	return changes, newest, complete, doing(err, "reading the change log")
}

// newest is the number of the newest change, and whether the log has all after another.
func (tx *Tx) newest(ctx context.Context, after int64) (newest int64, complete bool, err error) {
	var oldest int64
	// Each by itself: SQLite reads the whole log for a question about both ends.
	err = tx.one(ctx, []any{&oldest, &newest}, `SELECT coalesce((SELECT min(seq) FROM changes), 0), coalesce((SELECT max(seq) FROM changes), 0)`)
	return newest, after == newest || (oldest > 0 && after >= oldest-1 && after < newest), err
}

// Tx is one transaction. It implements the Tx of every package that has a store.
type Tx struct {
	q       Querier
	changes map[store.Change]bool
	topics  map[string]bool
}

// Changed implements store.Tx.
func (tx *Tx) Changed(kind store.ChangeKind, id string) {
	if tx.changes == nil {
		tx.changes = map[store.Change]bool{}
	}
	tx.changes[store.Change{Kind: kind, ID: id}] = true
	tx.Tell(store.TopicChanges)
}

// Turn implements store.Tx.
func (tx *Tx) Turn(ctx context.Context) error { return tx.q.Turn(ctx) }

// Singly implements store.Tx.
func (tx *Tx) Singly(ctx context.Context) error { return tx.q.Singly(ctx) }

// Enqueue implements store.Tx.
func (tx *Tx) Enqueue(ctx context.Context, j store.Job) error { return tx.q.Enqueue(ctx, j) }

// Tell implements store.Tx.
func (tx *Tx) Tell(topic string) { tx.topics[topic] = true }

func (tx *Tx) logChanges(ctx context.Context) error {
	if len(tx.changes) == 0 {
		return nil
	}
	if err := tx.q.Serialise(ctx); err != nil {
		return doing(err, "noting changes")
	}
	var last int64
	for some := range slices.Chunk(slices.Collect(maps.Keys(tx.changes)), changesAtOnce) {
		var values []string
		var args []any
		for _, c := range some {
			values = append(values, fmt.Sprintf("($%d, $%d)", len(args)+1, len(args)+2))
			args = append(args, string(c.Kind), c.ID)
		}
		seqs, err := rows(ctx, tx, func(r scanner) (seq int64, err error) { return seq, r.Scan(&seq) },
			`INSERT INTO changes (kind, id) VALUES `+strings.Join(values, ", ")+` RETURNING seq`, args...)
		if err != nil {
			return doing(err, "noting changes")
		}
		last = max(last, slices.Max(seqs))
	}
	if last%changesToTrim < int64(len(tx.changes)) {
		return doing(tx.exec(ctx, `DELETE FROM changes WHERE seq <= $1`, last-keptChanges), "trimming the change log")
	}
	return nil
}

// exec runs a statement whose effect nobody counts.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.q.Exec(ctx, query, args...)
	return err
}

// affected runs a conditional update and says how many rows it met.
func (tx *Tx) affected(ctx context.Context, query string, args ...any) (int64, error) {
	return tx.q.Exec(ctx, query, args...)
}

// scanner is one row.
type scanner interface{ Scan(dest ...any) error }

// rows reads all rows of a query.
func rows[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rs, err := tx.q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rs.Close()
	var all []T
	for rs.Next() {
		t, err := scan(rs)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rs.Err()
}

// get reads one row; portal.ErrNotFound where there is none.
func get[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	var none T
	all, err := rows(ctx, tx, scan, query, args...)
	if err != nil {
		return none, err
	}
	if len(all) == 0 {
		return none, portal.ErrNotFound
	}
	return all[0], nil
}

// one scans a single row; portal.ErrNotFound where there is none.
func (tx *Tx) one(ctx context.Context, dest []any, query string, args ...any) error {
	_, err := get(ctx, tx, func(r scanner) (struct{}, error) { return struct{}{}, r.Scan(dest...) }, query, args...)
	return err
}

// micros is how a time is kept: whole microseconds UTC, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the reverse of micros.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// orNull is a reference to another table's row, or none.
func orNull(id string) any {
	if id == "" {
		return nil
	}
	return id
}

// Audit implements store.Tx.
func (tx *Tx) Audit() audit.Store { return auditStore{tx} }

// doing wraps an error with what was being done; nil stays nil.
func doing(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}

// met turns a conditional update that met no row into portal.ErrConflict.
func met(n int64, err error, format string, args ...any) error {
	if err == nil && n == 0 {
		err = portal.ErrConflict
	}
	return doing(err, format, args...)
}
