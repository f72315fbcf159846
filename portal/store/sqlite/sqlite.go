// Package sqlite keeps everything in one SQLite file: the default, which needs no service. It is for one process; a
// second one on the same file is refused. One connection writes, several read; every commit is on disk when InTx
// returns (WAL, synchronous=FULL).
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	readers       = 4
	busyTimeout   = 5 * time.Second
	keptChanges   = 100_000 // rows of the change log
	changesToTrim = 10_000
)

// DB is one file. It is safe for concurrent use by one process.
type DB struct {
	write, read *sql.DB
	unlock      func() error

	mu        sync.Mutex
	listeners map[chan struct{}]bool
}

var _ store.DB = (*DB)(nil)

// Open opens or creates the file and brings its tables up to date. Errors say what to do: a second process on the
// file, a file that a newer version wrote, a damaged one, a folder that cannot be written.
func Open(ctx context.Context, path string, log *slog.Logger) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("folder of the database file: %w; create it or choose another with --database", err)
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return nil, err
	}
	db := &DB{unlock: unlock, listeners: map[chan struct{}]bool{}}
	if err := db.open(ctx, path, log); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, log *slog.Logger) error {
	// The file holds password hashes and fingerprints: nobody else on the machine reads it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("database file: %w; check the folder's permissions and free space, or choose another with --database", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	if db.write, err = connect(path, "immediate", "journal_mode(WAL)", "synchronous(FULL)"); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	var sound string
	if err := db.write.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&sound); err != nil {
		return fmt.Errorf("%s is not a sound database: %w; restore it from a backup", path, err)
	}
	if sound != "ok" {
		return fmt.Errorf("%s is damaged (%s); nothing was changed, restore it from a backup", path, sound)
	}
	if err := migrate(ctx, db.write, path, log); err != nil {
		return err
	}
	if db.read, err = connect(path, "deferred", "query_only(ON)"); err != nil {
		return err
	}
	db.read.SetMaxOpenConns(readers)
	return nil
}

func connect(path, lock string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}}
	for _, p := range append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(ON)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetConnMaxIdleTime(0)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, path string, log *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("version of %s: %w", path, err)
	}
	if have > newest {
		return fmt.Errorf("%s was written by a newer version of Concierge (tables %d, this program knows %d); start the newer program, or restore a backup from before the upgrade", path, have, newest)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bringing %s up to date: %w", path, err)
	}
	if len(done) > 0 {
		log.Info("database is up to date", "from", have, "to", newest)
	}
	return nil
}

// Close waits for running transactions and closes the file, so that nothing of it is in use when the lock is given back.
func (db *DB) Close() error {
	var errs []error
	for _, d := range []*sql.DB{db.read, db.write} {
		if d != nil {
			errs = append(errs, d.Close(), drained(d))
		}
	}
	return errors.Join(append(errs, db.unlock())...)
}

// drained waits for the connections of a closed database: one whose transaction was cancelled goes a moment later.
func drained(d *sql.DB) error {
	for start := time.Now(); d.Stats().OpenConnections > 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > busyTimeout {
			return fmt.Errorf("closing the database: %d connections are still in use", d.Stats().OpenConnections)
		}
	}
	return nil
}

// InTx implements store.DB.
func (db *DB) InTx(ctx context.Context, fn func(store.Tx) error) error {
	sqlTx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return kind(fmt.Errorf("beginning a transaction: %w", err))
	}
	tx := &Tx{sql: sqlTx}
	defer func() { _ = sqlTx.Rollback() }() // after Commit it does nothing
	if err := fn(tx); err != nil {
		return kind(err)
	}
	if err := errors.Join(tx.logChanges(ctx), tx.noteRequest(ctx)); err != nil {
		return kind(err)
	}
	if err := sqlTx.Commit(); err != nil {
		return kind(fmt.Errorf("committing: %w", err))
	}
	if len(tx.changes) > 0 {
		db.tell()
	}
	return nil
}

// View implements store.DB.
func (db *DB) View(ctx context.Context, fn func(store.Tx) error) error {
	sqlTx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return kind(fmt.Errorf("beginning to read: %w", err))
	}
	defer func() { _ = sqlTx.Rollback() }()
	return kind(fn(&Tx{sql: sqlTx}))
}

// kind turns what the engine says into the kinds of package portal.
func kind(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", portal.ErrConflict, err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("database: %w: %w", portal.ErrUnavailable, err)
	}
	return err
}

// Version implements store.DB.
func (db *DB) Version(ctx context.Context) (int64, error) {
	var v int64
	err := db.read.QueryRowContext(ctx, `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)`).Scan(&v)
	if err != nil {
		return 0, kind(fmt.Errorf("reading the version: %w", err))
	}
	return v, nil
}

// Changes implements store.DB.
func (db *DB) Changes(ctx context.Context, after int64) (changes []store.Change, newest int64, complete bool, err error) {
	err = db.View(ctx, func(t store.Tx) error {
		tx := t.(*Tx)
		var oldest int64
		err := tx.sql.QueryRowContext(ctx, `SELECT coalesce(min(seq), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0) FROM changes`).Scan(&oldest, &newest)
		if err != nil {
			return fmt.Errorf("reading the change log: %w", err)
		}
		complete = after == newest || (oldest > 0 && after >= oldest-1)
		if !complete {
			return nil
		}
		changes, err = rows(ctx, tx, func(r *sql.Rows) (c store.Change, err error) { return c, r.Scan(&c.Kind, &c.ID) },
			`SELECT DISTINCT kind, id FROM changes WHERE seq > $1`, after)
		return err
	})
	return changes, newest, complete, err
}

// Notify implements store.DB.
func (db *DB) Notify(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{}, 1)
	db.mu.Lock()
	db.listeners[ch] = true
	db.mu.Unlock()
	context.AfterFunc(ctx, func() {
		db.mu.Lock()
		delete(db.listeners, ch)
		db.mu.Unlock()
	})
	return ch
}

func (db *DB) tell() {
	db.mu.Lock()
	defer db.mu.Unlock()
	for ch := range db.listeners {
		select {
		case ch <- struct{}{}:
		default: // it has one waiting
		}
	}
}

// Tx is one transaction.
type Tx struct {
	sql     *sql.Tx
	changes map[store.Change]bool
}

// Changed implements store.Tx.
func (tx *Tx) Changed(kind store.ChangeKind, id string) {
	if tx.changes == nil {
		tx.changes = map[store.Change]bool{}
	}
	tx.changes[store.Change{Kind: kind, ID: id}] = true
}

func (tx *Tx) logChanges(ctx context.Context) error {
	if len(tx.changes) == 0 {
		return nil
	}
	insert, err := tx.sql.PrepareContext(ctx, `INSERT INTO changes (kind, id) VALUES ($1, $2)`)
	if err != nil {
		return fmt.Errorf("noting changes: %w", err)
	}
	defer insert.Close()
	var last int64
	for c := range tx.changes {
		res, err := insert.ExecContext(ctx, string(c.Kind), c.ID)
		if err != nil {
			return fmt.Errorf("noting changes: %w", err)
		}
		if last, err = res.LastInsertId(); err != nil {
			return fmt.Errorf("noting changes: %w", err)
		}
	}
	if last%changesToTrim < int64(len(tx.changes)) {
		if err := tx.exec(ctx, `DELETE FROM changes WHERE seq <= $1`, last-keptChanges); err != nil {
			return fmt.Errorf("trimming the change log: %w", err)
		}
	}
	return nil
}

// exec runs a statement whose effect nobody counts.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.sql.ExecContext(ctx, query, args...)
	return err
}

// affected runs a conditional update and says how many rows it met.
func (tx *Tx) affected(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.sql.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// one scans a single row; portal.ErrNotFound where there is none.
func (tx *Tx) one(ctx context.Context, dest []any, query string, args ...any) error {
	err := tx.sql.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return portal.ErrNotFound
	}
	return err
}

// rows reads all rows of a query.
func rows[T any](ctx context.Context, tx *Tx, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rs, err := tx.sql.QueryContext(ctx, query, args...)
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

// Audit implements store.Tx.
func (tx *Tx) Audit() audit.Store { return auditStore{tx} }

// scanner is a row, alone or among many.
type scanner interface{ Scan(dest ...any) error }

// get reads one row; portal.ErrNotFound where there is none.
func get[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), query string, args ...any) (T, error) {
	t, err := scan(tx.sql.QueryRowContext(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		err = portal.ErrNotFound
	}
	return t, err
}

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
