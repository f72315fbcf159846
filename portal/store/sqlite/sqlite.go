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
	"iter"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"concierge/portal"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	readers     = 4
	busyTimeout = 5 * time.Second
	// How much of the file connections keep in memory, in KiB: SQLite's own 2 MB make a catalog of 100,000 read the disk
	// for every row. Twice as much makes nothing faster; half of what a reader has makes a start slower.
	writerCache, readerCache = 32 << 10, 16 << 10
)

// checkedFirst is how large a file may be, in bytes, to be looked through before anything else: that takes about a tenth
// of a second. A larger one is looked through beside the work, and takes no more writes where it is found to be damaged.
var checkedFirst int64 = 64 << 20

// checkPause is how long that waits: what starts has both processors and the disk for itself.
const checkPause = 5 * time.Second

// engine is one file.
type engine struct {
	write, read *sql.DB
	unlock      func() error
	topics      sqlstore.Topics

	// Of a large file: it is looked through until checked is closed or stopCheck called; damage is what was found.
	stopCheck context.CancelFunc
	checked   chan struct{}
	damage    atomic.Pointer[error]

	// Of a database in memory only. kept is a connection, without which it would be gone. There is no log from which readers
	// could see the state before a transaction, so turns lets one writer or several readers in, in the order in which they come.
	kept  *sql.Conn
	turns *semaphore.Weighted
}

// DB is one file. It is safe for concurrent use by one process.
type DB struct {
	*sqlstore.DB
	engine *engine
}

// Open opens or creates the file and brings its tables up to date. Errors say what to do: a second process on the
// file, a file that a newer version wrote, a damaged one, a folder that cannot be written. Damage to a large file, which is
// looked through while it is used, is told by the first write after it was found.
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
	e := &engine{unlock: unlock}
	if err := e.open(ctx, path, log); err != nil {
		_ = e.Close()
		return nil, err
	}
	return &DB{sqlstore.New(e), e}, nil
}

func (e *engine) open(ctx context.Context, path string, log *slog.Logger) error {
	// The file holds password hashes and fingerprints: nobody else on the machine reads it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("database file: %w; check the folder's permissions and free space, or choose another with --database", err)
	}
	if err := errors.Join(f.Close(), syncFolder(filepath.Dir(path))); err != nil {
		return fmt.Errorf("database file: %w", err)
	}
	// fullfsync: on macOS alone, an fsync does not reach the disk.
	writer := []string{"journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("cache_size(-%d)", writerCache), "fullfsync(ON)", "checkpoint_fullfsync(ON)"}
	size, err := e.prepare(ctx, path, log, writer)
	if err != nil {
		return err
	}
	// What a statement of many rows changes is noted until it ends, in case it fails: in memory that costs a tenth less.
	// Migrations change more at once than memory may hold, so they are not among these.
	if e.write, err = connect(path, "immediate", append(writer, "temp_store(MEMORY)")...); err != nil {
		return err
	}
	e.write.SetMaxOpenConns(1)
	if e.read, err = connect(path, "deferred", "query_only(ON)", fmt.Sprintf("cache_size(-%d)", readerCache)); err != nil {
		return err
	}
	e.read.SetMaxOpenConns(readers)
	if size > checkedFirst {
		e.checkBeside(path, log)
	}
	return nil
}

// prepare looks through a file that is small enough for that, and brings it up to date. It returns its size from before.
func (e *engine) prepare(ctx context.Context, path string, log *slog.Logger, pragmas []string) (size int64, err error) {
	db, err := connect(path, "immediate", pragmas...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if size, err = sizeOf(path); err != nil {
		return 0, fmt.Errorf("database file: %w", err)
	}
	if size <= checkedFirst {
		if err := sound(ctx, db, path, "quick_check"); err != nil {
			return 0, err
		}
	}
	return size, migrate(ctx, db, path, log)
}

// sizeOf is how much there is to look through: the file and its log.
func sizeOf(path string) (size int64, err error) {
	for _, name := range []string{path, path + "-wal"} {
		switch info, err := os.Stat(name); {
		case err == nil:
			size += info.Size()
		case !errors.Is(err, fs.ErrNotExist):
			return 0, err
		}
	}
	return size, nil
}

// checkBeside looks through the file while it is in use.
func (e *engine) checkBeside(path string, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	e.stopCheck, e.checked = cancel, make(chan struct{})
	go func() {
		defer close(e.checked)
		select {
		case <-time.After(checkPause):
		case <-ctx.Done():
			return
		}
		if err := sound(ctx, e.read, path, "quick_check"); err != nil && ctx.Err() == nil {
			e.damage.Store(&err)
			log.Error("the database file is damaged, and takes no more writes", "error", err)
		}
	}()
}

// sound asks SQLite to look at a whole file: quick_check at its structure, integrity_check also at its indexes.
func sound(ctx context.Context, db *sql.DB, path, check string) error {
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA `+check+`(1)`).Scan(&found); err != nil {
		return fmt.Errorf("%s: %w", path, kind(ctx, err))
	}
	if found != "ok" {
		return fmt.Errorf("%s is damaged (%s); nothing was changed, restore it from a backup", path, found)
	}
	return nil
}

func connect(path, lock string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_txlock": {lock}}
	for _, p := range append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "foreign_keys(ON)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return open(path, q)
}

func open(path string, q url.Values) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetConnMaxIdleTime(0)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB, path string, log *slog.Logger) error {
	p, err := migrator(db)
	if err != nil {
		return err
	}
	newest := newest(p)
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("version of %s: %w", path, kind(ctx, err))
	}
	if have > newest {
		return fmt.Errorf("%s was written by a newer version of Concierge (tables %d, this program knows %d); start the newer program, or restore a backup from before the upgrade", path, have, newest)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bringing %s up to date: %w", path, kind(ctx, err))
	}
	if len(done) > 0 {
		log.Info("database is up to date", "from", have, "to", newest)
	}
	return nil
}

// newest is the version of the tables that this program makes.
func newest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}

// migrator applies migrations.
func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// Close waits for running transactions and closes the file, so that nothing of it is in use when the lock is given back.
func (e *engine) Close() error {
	var errs []error
	if e.stopCheck != nil {
		e.stopCheck()
		<-e.checked
	}
	if e.kept != nil {
		errs = append(errs, e.kept.Close())
	}
	for _, d := range []*sql.DB{e.read, e.write} {
		if d != nil {
			errs = append(errs, d.Close(), drained(d))
		}
	}
	return errors.Join(append(errs, e.unlock())...)
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

// Jobs returns the runner of the database's jobs. It uses the connection that writes, in short transactions of its own.
// Stop it before Close.
func (db *DB) Jobs(log *slog.Logger) *jobs.Runner { return jobs.OnSQLite(db.engine.write, kind, log) }

// Write implements sqlstore.Engine. There is one writer at a time.
func (e *engine) Write(ctx context.Context, fn func(sqlstore.Querier) ([]string, error)) error {
	if e.turns != nil {
		if err := e.turns.Acquire(ctx, readers); err != nil {
			return err
		}
		defer e.turns.Release(readers)
	}
	if damage := e.damage.Load(); damage != nil {
		return *damage
	}
	tx, err := e.write.BeginTx(ctx, nil)
	if err != nil {
		return kind(ctx, fmt.Errorf("beginning a transaction: %w", err))
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	q := newQuerier(tx)
	topics, err := fn(q)
	if err = errors.Join(err, q.close()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return kind(ctx, fmt.Errorf("committing: %w", err))
	}
	e.topics.Tell(topics...)
	return nil
}

// Read implements sqlstore.Engine.
func (e *engine) Read(ctx context.Context, fn func(sqlstore.Querier) error) error {
	if e.turns != nil {
		if err := e.turns.Acquire(ctx, 1); err != nil {
			return err
		}
		defer e.turns.Release(1)
	}
	tx, err := e.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return kind(ctx, fmt.Errorf("beginning to read: %w", err))
	}
	defer func() { _ = tx.Rollback() }()
	q := newQuerier(tx)
	return errors.Join(fn(q), q.close())
}

// Listen implements sqlstore.Engine.
func (e *engine) Listen(ctx context.Context, topic string) <-chan struct{} {
	return e.topics.Listen(ctx, topic)
}

// querier is a transaction as sqlstore sees it. What it runs a second time it has prepared from then on: a sync runs the
// same few statements for thousands of rows. The rows of a query are closed before the same one is run again.
type querier struct {
	tx       *sql.Tx
	prepared map[string]*sql.Stmt // nil: run once
}

func newQuerier(tx *sql.Tx) querier { return querier{tx, map[string]*sql.Stmt{}} }

func (q querier) close() error {
	var errs []error
	for _, stmt := range q.prepared {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// statement returns a prepared statement, or nil for what runs the first time.
func (q querier) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt, known := q.prepared[query]
	if !known {
		q.prepared[query] = nil
		return nil, nil
	}
	if stmt == nil {
		var err error
		if stmt, err = q.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		q.prepared[query] = stmt
	}
	return stmt, nil
}

// manyParameters is from how many on a statement is run without their numbers.
const manyParameters = 32

// unnamed leaves out the numbers of a statement's n parameters, where they stand in order: the driver asks SQLite for the
// name of each, and for each SQLite goes through a list of those before it.
func unnamed(query string, n int) string {
	if n < manyParameters {
		return query
	}
	var b strings.Builder
	rest := query
	for i := range n {
		before, after, _ := strings.Cut(rest, "$")
		b.WriteString(before)
		b.WriteByte('?')
		var ok bool
		if rest, ok = strings.CutPrefix(after, strconv.Itoa(i+1)); !ok || rest != "" && '0' <= rest[0] && rest[0] <= '9' {
			return query
		}
	}
	if strings.Contains(rest, "$") {
		return query
	}
	b.WriteString(rest)
	return b.String()
}

// AtOnce implements sqlstore.Querier. More do not pay: the driver looks up the name of every parameter in a list of all.
func (q querier) AtOnce() int { return 32 }

// Add implements sqlstore.Querier.
func (q querier) Add(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) error {
	return sqlstore.Insert(ctx, q, q.AtOnce(), table, columns, rows)
}

func (q querier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	query = unnamed(query, len(args))
	stmt, err := q.statement(ctx, query)
	if err != nil {
		return 0, kind(ctx, err)
	}
	var res sql.Result
	if stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = q.tx.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, kind(ctx, err)
	}
	return res.RowsAffected()
}

func (q querier) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	stmt, err := q.statement(ctx, query)
	if err != nil {
		return nil, kind(ctx, err)
	}
	var rs *sql.Rows
	if stmt != nil {
		rs, err = stmt.QueryContext(ctx, args...)
	} else {
		rs, err = q.tx.QueryContext(ctx, query, args...)
	}
	if err != nil {
		return nil, kind(ctx, err)
	}
	return result{rs, ctx}, nil
}

// Turn has nothing to do: there is one writer.
func (querier) Turn(context.Context) error { return nil }

// Singly has nothing to do: there is one writer.
func (querier) Singly(context.Context) error { return nil }

// Serialise has nothing to do: there is one writer.
func (querier) Serialise(context.Context) error { return nil }

func (q querier) Enqueue(ctx context.Context, j store.Job) error {
	return kind(ctx, jobs.EnqueueSQLite(ctx, q.tx, j))
}

type result struct {
	*sql.Rows
	ctx context.Context // of the query, whose rows these are
}

// Close ends the query; what went wrong is told by Err.
func (r result) Close() { _ = r.Rows.Close() }

func (r result) Err() error { return kind(r.ctx, r.Rows.Err()) }

// troubles are what a database file can suffer, by SQLite's primary code, and what to do about it. What is temporary leaves
// nothing half done, and the next transaction tries anew.
var troubles = map[int]struct {
	words     string
	temporary bool
}{
	sqlite3.SQLITE_BUSY:     {"the database is busy", true},
	sqlite3.SQLITE_LOCKED:   {"the database is busy", true},
	sqlite3.SQLITE_FULL:     {"the disk of the database is full: make space there", true},
	sqlite3.SQLITE_IOERR:    {"the disk of the database fails or is full: look at the system's log and at the free space", true},
	sqlite3.SQLITE_CANTOPEN: {"the database file cannot be opened: look at the permissions of its folder and at the free space", true},
	sqlite3.SQLITE_READONLY: {"the database file cannot be written: look at the permissions of it and of its folder", true},
	sqlite3.SQLITE_PERM:     {"the database file cannot be used: look at the permissions of it and of its folder", true},
	sqlite3.SQLITE_CORRUPT:  {"the database file is damaged: stop Concierge and restore it from a backup", false},
	sqlite3.SQLITE_NOTADB:   {"the file is not a database, or damaged: stop Concierge and restore it from a backup", false},
}

// kind turns what the engine says into the kinds of package portal.
func kind(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) { // interrupted, or rolled back since
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", portal.ErrConflict, err)
	}
	switch trouble, ok := troubles[e.Code()&0xff]; {
	case !ok:
		return err
	case trouble.temporary:
		return fmt.Errorf("%s: %w: %w", trouble.words, portal.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", trouble.words, err)
	}
}
