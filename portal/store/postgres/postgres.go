// Package postgres keeps everything in a PostgreSQL database, which any number of replicas of the portal share. Writing
// transactions are serializable unless they say that they need not be, and run again where another got in the way; reading
// ones see one state. What one replica tells, the others hear by LISTEN and NOTIFY.
//
// It needs PostgreSQL 14 or newer with the encoding UTF8. A connection pooler in front has to keep sessions ("session
// mode"): LISTEN, prepared statements and advisory locks need them.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"concierge/portal"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// channel carries the topics that are told.
	channel = "concierge"
	// changesLock is the advisory lock under which the change log is written: "concierg" as a number.
	changesLock = 0x636f6e6369657267

	oldestVersion = 140_000 // of the server

	connections      = 12 // of each of two pools, unless the URL says pool_max_conns; one more listens
	jobConnections   = 6  // of the one for jobs, or fewer if the URL says so
	connectTimeout   = 5 * time.Second
	statementTimeout = 30 * time.Second
	lockTimeout      = 10 * time.Second
	idleTimeout      = time.Minute // of a transaction that does nothing

	commitTimeout = 15 * time.Second
	settleTimeout = 10 * time.Second // until it is known what became of a commit that was not answered

	tries    = 20                    // of a transaction that others get in the way of
	maxPause = 50 * time.Millisecond // between two of them
)

// DB is one PostgreSQL database. It is safe for concurrent use by any number of processes.
type DB struct {
	*sqlstore.DB
	engine *engine
}

type engine struct {
	write, read, jobs *pgxpool.Pool
	topics            sqlstore.Topics
	log               *slog.Logger
	stop              context.CancelFunc
	listening         sync.WaitGroup
}

// Open connects and brings the tables up to date; of several replicas that start together one does so and the others
// wait. address is a postgres:// URL; errors never hold its password. They say what to do: a server that does not answer
// or lets nobody in, another encoding, tables of a newer version.
func Open(ctx context.Context, address string, log *slog.Logger) (*DB, error) {
	e := &engine{log: log, stop: func() {}}
	if err := e.open(ctx, address); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return &DB{sqlstore.New(e), e}, nil
}

func (e *engine) open(ctx context.Context, address string) (err error) {
	// Without this a serializable transaction that reads one row of a small table locks all of it; see decision 9.
	if e.write, err = connect(ctx, address, map[string]string{"default_transaction_isolation": "serializable", "enable_seqscan": "off"}); err != nil {
		return err
	}
	if e.read, err = connect(ctx, address, map[string]string{"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}); err != nil {
		return err
	}
	c := e.read.Config() // a copy
	c.MaxConns = min(c.MaxConns, jobConnections)
	c.ConnConfig.RuntimeParams["application_name"] = "concierge jobs"
	c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	delete(c.ConnConfig.RuntimeParams, "default_transaction_read_only")
	if e.jobs, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := usable(ctx, e.read); err != nil {
		return err
	}
	if err := migrate(ctx, address, e.log); err != nil {
		return err
	}
	listen, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	ready := make(chan struct{})
	e.listening.Go(func() { e.hear(listen, address, ready) })
	select {
	case <-ready:
	case <-time.After(connectTimeout): // it goes on trying
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// usable reports what a person has to change before the portal can work on the database.
func usable(ctx context.Context, pool *pgxpool.Pool) error {
	c := pool.Config().ConnConfig
	var version int
	var encoding string
	var readOnly bool
	err := pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()`).Scan(&version, &encoding, &readOnly)
	switch {
	case err != nil:
		return fmt.Errorf("database %s on %s:%d: %s: %w", c.Database, c.Host, c.Port, advice(err, c), kind(ctx, err))
	case version < oldestVersion:
		return fmt.Errorf("the database server is PostgreSQL %d: version %d or newer is needed", version/10_000, oldestVersion/10_000)
	case encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s: create one with ENCODING 'UTF8'", encoding)
	case readOnly:
		return fmt.Errorf("the database server %s:%d is a read-only standby: give the address of the primary, or of all servers as postgres://USER@A,B/NAME?target_session_attrs=read-write: %w", c.Host, c.Port, portal.ErrUnavailable)
	}
	return nil
}

// advice says what to do about an error of the first connection.
func advice(err error, c *pgx.ConnConfig) string {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return "the server does not answer; check the address given with --database, and that PostgreSQL runs there and can be reached"
	}
	switch {
	case strings.HasPrefix(refusal.Code, "28"):
		return fmt.Sprintf("the server does not let the user %s in; check name and password, and pg_hba.conf on the server", c.User)
	case refusal.Code == "3D000":
		return fmt.Sprintf(`there is no such database; create it with CREATE DATABASE "%s" ENCODING 'UTF8'`, c.Database)
	case refusal.Code == "53300":
		return "the server has no connection left; raise its max_connections, or ask for fewer with pool_max_conns in the address"
	case refusal.Code == "57P03":
		return "the server is starting or stopping; try again in a moment"
	}
	return "the server refuses the connection"
}

// parse reads the URL. Its errors do not hold the password.
func parse(address string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(address)
	if err == nil {
		if !strings.Contains(address, "pool_max_conns") {
			c.MaxConns = connections
		}
		if c.ConnConfig.ConnectTimeout == 0 {
			c.ConnConfig.ConnectTimeout = connectTimeout
		}
		return c, nil
	}
	// What is wrong with a setting may be told; what is wrong with a URL may quote any part of it.
	const message = "the address of the database is not one of PostgreSQL: write postgres://USER:PASSWORD@HOST:5432/NAME, with signs other than letters and digits in the password as %XX"
	var setting *pgconn.ParseConfigError
	if _, notURL := url.Parse(address); notURL == nil && errors.As(err, &setting) && setting.Unwrap() != nil {
		return nil, fmt.Errorf("%s: %w", message, setting.Unwrap())
	}
	return nil, errors.New(message)
}

func connect(ctx context.Context, address string, params map[string]string) (*pgxpool.Pool, error) {
	c, err := parse(address)
	if err != nil {
		return nil, err
	}
	set := c.ConnConfig.RuntimeParams
	set["application_name"] = "concierge"
	set["timezone"] = "UTC"
	set["statement_timeout"] = milliseconds(statementTimeout)
	set["lock_timeout"] = milliseconds(lockTimeout)
	set["idle_in_transaction_session_timeout"] = milliseconds(idleTimeout)
	// Without statistics, which a catalog that is being set up has none of, the server would read all deployments, on several
	// processors, to find those of 200 entries.
	set["random_page_cost"], set["max_parallel_workers_per_gather"] = "1.1", "0"
	for name, value := range params {
		set[name] = value
	}
	c.AfterConnect = packFast
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return pool, nil
}

// packFast has the server pack long values with LZ4, where it was built with it: the deployments of a catalog take half as long
// to write as with its own method, and less room.
func packFast(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SELECT set_config(name, 'lz4', false) FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)`)
	return err
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// migrate brings the tables up to date, on a connection whose statements may take as long as they need.
func migrate(ctx context.Context, address string, log *slog.Logger) error {
	c, err := parse(address)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*c.ConnConfig)
	defer func() { _ = db.Close() }()
	p, err := migrator(db)
	if err != nil {
		return err
	}
	newest := newest(p)
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("version of the database: %w", mayNot(ctx, err))
	}
	if have > newest {
		return fmt.Errorf("the database was written by a newer version of Concierge (tables %d, this program knows %d); start the newer program, or restore a backup from before the upgrade", have, newest)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bringing the database up to date: %w", mayNot(ctx, err))
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

// migrator applies migrations; of several processes one does so and the others wait.
func migrator(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	one, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // seconds between tries, and tries
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(one))
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return p, nil
}

// mayNot says what to do where the user may not make tables.
func mayNot(ctx context.Context, err error) error {
	if is(err, "42501") {
		return fmt.Errorf("the user may not make tables; make it the owner of the database, or GRANT CREATE ON SCHEMA public to it: %w", err)
	}
	return kind(ctx, err)
}

// Close implements sqlstore.Engine.
func (e *engine) Close() error {
	e.stop()
	e.listening.Wait()
	for _, pool := range []*pgxpool.Pool{e.jobs, e.read, e.write} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

// Jobs returns a runner of the database's jobs, on connections of its own. Stop it before Close.
func (db *DB) Jobs(log *slog.Logger) *jobs.Runner {
	return jobs.OnPostgres(db.engine.jobs, func(ctx context.Context, err error) error {
		if refusal := (*pgconn.PgError)(nil); err != nil && !errors.As(err, &refusal) {
			err = fmt.Errorf("%w: %w", errLost, err) // the server did not say so: the connection did
		}
		return kind(ctx, err)
	}, log)
}

// Write implements sqlstore.Engine. What came to nothing because of another transaction, or because the connection was
// lost before the commit, is run again.
func (e *engine) Write(ctx context.Context, fn func(sqlstore.Querier) ([]string, error)) error {
	forbidden := false
	for try := 1; ; try++ {
		err := e.try(ctx, fn, try > 1)
		// What a unique index forbids is tried once more: fn may have looked before the other row was there, and says it
		// better when it sees it (PostgreSQL 15, 13.5.1).
		first := !forbidden && is(err, "23505")
		forbidden = forbidden || first
		if err == nil || !(first || again(err)) || ctx.Err() != nil {
			return kind(ctx, err)
		}
		if try == tries {
			return fmt.Errorf("database: others were faster %d times: %w: %w", try, portal.ErrUnavailable, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(min(maxPause, time.Duration(try)*2*time.Millisecond))):
		}
	}
}

// try runs fn in one transaction. Those that others got in the way of run in turn, one at a time over all replicas: many
// that ran again at once would get in each other's way once more.
func (e *engine) try(ctx context.Context, fn func(sqlstore.Querier) ([]string, error), inTurn bool) error {
	q, end, err := begin(ctx, e.write)
	if err != nil {
		return err
	}
	defer end()
	if inTurn {
		// Locking a table takes no snapshot, so that the transaction sees what those before it have done (PostgreSQL 15,
		// LOCK). Nobody else locks this one: the mode is in the way of itself, not of those who read or write rows.
		if _, err := q.tx.Exec(ctx, `LOCK TABLE settings IN SHARE UPDATE EXCLUSIVE MODE`); err != nil {
			return q.fault(ctx, fmt.Errorf("waiting for its turn: %w", err))
		}
	}
	topics, err := fn(q)
	if err != nil {
		return err
	}
	var number *string // of the transaction; none was given to one that wrote nothing
	err = q.tx.QueryRow(ctx, `SELECT pg_current_xact_id_if_assigned()::text, count(pg_notify($1, topic)) FROM unnest($2::text[]) AS topic`, channel, topics).Scan(&number, nil)
	if err != nil {
		return q.fault(ctx, fmt.Errorf("telling: %w", err))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Once sent, a commit is not taken back: whoever gives up waiting would not know.
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	err = q.fault(commit, q.tx.Commit(commit))
	if number != nil && (errors.Is(err, errLost) || commit.Err() != nil) {
		return e.settle(ctx, *number, err)
	}
	return err
}

// settle finds out what became of a transaction whose commit was not answered, once the server is back.
func (e *engine) settle(ctx context.Context, number string, lost error) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		var status *string
		err := e.write.QueryRow(ctx, `SELECT pg_xact_status($1::text::xid8)`, number).Scan(&status)
		switch {
		case err == nil && status != nil && *status == "committed":
			return nil
		case err == nil && status != nil && *status == "aborted":
			return fmt.Errorf("%w: %w", errLost, lost)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("database: %w: the connection was lost during a commit, and it is not known whether it was done", portal.ErrUnavailable)
		case <-time.After(maxPause):
		}
	}
}

// errLost marks a transaction that came to nothing because its connection was lost.
var errLost = errors.New("the connection was lost")

// again reports whether a transaction came to nothing for a reason that may have passed.
func again(err error) bool {
	return is(err, "40001") || is(err, "40P01") || errors.Is(err, errLost) // serialization_failure, deadlock_detected
}

func is(err error, code string) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == code
}

// Read implements sqlstore.Engine.
func (e *engine) Read(ctx context.Context, fn func(sqlstore.Querier) error) error {
	q, end, err := begin(ctx, e.read)
	if err != nil {
		return kind(ctx, err)
	}
	defer end()
	return kind(ctx, fn(q))
}

// begin starts a transaction; end rolls back what is left of it and gives its connection back. A connection that turns out
// to be dead, as all do after a restart of the server, is replaced by another.
func begin(ctx context.Context, pool *pgxpool.Pool) (q querier, end func(), err error) {
	for range tries {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return querier{}, nil, fmt.Errorf("connecting: %w", err)
		}
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{})
		if err == nil {
			return querier{tx}, func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
				defer cancel()
				_ = tx.Rollback(ctx) // after Commit it does nothing
				conn.Release()
			}, nil
		}
		dead := conn.Conn().IsClosed()
		conn.Release()
		if !dead || ctx.Err() != nil {
			return querier{}, nil, fmt.Errorf("beginning a transaction: %w", err)
		}
	}
	return querier{}, nil, fmt.Errorf("beginning a transaction: %w", errLost)
}

// kind turns what the server says into the kinds of package portal. Codes: PostgreSQL 15, appendix A.
func kind(ctx context.Context, err error) error {
	var e *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case err == nil, errors.Is(err, portal.ErrUnavailable), errors.Is(err, portal.ErrConflict), errors.Is(err, portal.ErrInvalid):
		return err
	case ctx.Err() != nil:
		if errors.Is(err, ctx.Err()) {
			return err
		}
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case errors.As(err, &connecting), errors.Is(err, errLost):
		return fmt.Errorf("database: %w: %w", portal.ErrUnavailable, err)
	case !errors.As(err, &e):
		return err
	case e.Code == "23505": // unique_violation
		return fmt.Errorf("%w: %w", portal.ErrConflict, err)
	case e.Code == "54000": // longer than what an index can hold
		return fmt.Errorf("%w: %w", portal.ErrInvalid, err)
	case strings.HasPrefix(e.Code, "08"), // connection
		strings.HasPrefix(e.Code, "28"), // not let in any more
		strings.HasPrefix(e.Code, "53"), // out of disk, memory, connections
		strings.HasPrefix(e.Code, "57"), // shutting down, ended by a time-out
		strings.HasPrefix(e.Code, "58"), // system error
		e.Code == "25006",               // read-only: a view that writes
		e.Code == "0A000",               // serializable on a standby
		e.Code == "25P03",               // idle in a transaction for too long
		e.Code == "3D000",               // no such database
		e.Code == "55P03", again(err):   // lock not available; others were faster
		return fmt.Errorf("database: %w: %w", portal.ErrUnavailable, err)
	}
	return err
}

// Listen implements sqlstore.Engine.
func (e *engine) Listen(ctx context.Context, topic string) <-chan struct{} {
	return e.topics.Listen(ctx, topic)
}

// hear passes on what all processes tell, on a connection of its own, which it opens anew where it is lost. ready is
// closed when it hears for the first time.
func (e *engine) hear(ctx context.Context, address string, ready chan struct{}) {
	first := sync.OnceFunc(func() { close(ready) })
	for failures := 0; ctx.Err() == nil; failures++ {
		err := e.hearOnce(ctx, address, func() { failures = 0; first() })
		if ctx.Err() != nil {
			return
		}
		if failures == 0 {
			e.log.Warn("changes of other replicas are not heard; they are looked for now and then", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(100*time.Millisecond<<min(failures, 5), time.Second)):
		}
	}
}

func (e *engine) hearOnce(ctx context.Context, address string, hearing func()) error {
	c, err := parse(address)
	if err != nil {
		return err
	}
	c.ConnConfig.RuntimeParams["application_name"] = "concierge listener"
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return err
	}
	defer closeNow(conn)
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	e.topics.TellAll() // what was told before this moment was missed
	hearing()
	for {
		// A connection that went without a word is found by asking now and then.
		wait, cancel := context.WithTimeout(ctx, 5*time.Second)
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			e.topics.Tell(n.Payload)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded) && !conn.IsClosed():
			ping, cancel := context.WithTimeout(ctx, connectTimeout)
			err := conn.Ping(ping)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// querier is a transaction as sqlstore sees it.
type querier struct{ tx pgx.Tx }

// AtOnce implements sqlstore.Querier: every statement waits for the way to the server and back.
func (q querier) AtOnce() int { return 256 }

// copied is how many rows one COPY takes, which has statementTimeout as any other statement.
const copied = 1000

// Add implements sqlstore.Querier by COPY: neither side handles a parameter for each value of each row.
func (q querier) Add(ctx context.Context, table string, columns []string, rows iter.Seq2[[]any, error]) error {
	next, stop := iter.Pull2(rows)
	defer stop()
	var invalid error // of a row; the server only tells that it was sent no more
	for more := true; more; {
		left := copied
		_, err := q.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() (row []any, err error) {
			if left--; left >= 0 {
				row, invalid, more = next()
			}
			return row, invalid
		}))
		if invalid != nil {
			return invalid
		}
		if err != nil {
			return q.fault(ctx, err)
		}
	}
	return nil
}

func (q querier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := q.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), q.fault(ctx, err)
}

func (q querier) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	rs, err := q.tx.Query(ctx, query, args...)
	if err != nil {
		return nil, q.fault(ctx, err)
	}
	return result{rs, q, ctx}, nil
}

// Turn implements sqlstore.Querier. It waits for as long as ctx lets it: whoever is before it may write a large gateway. None
// of these statements takes a snapshot, so that the transaction sees what those before it have done (PostgreSQL 15, LOCK), and
// nobody else locks this table: the mode is in the way of itself, not of those who read or write rows.
func (q querier) Turn(ctx context.Context) error {
	for _, statement := range []string{
		`SET LOCAL lock_timeout = 0`, `SET LOCAL statement_timeout = 0`,
		`LOCK TABLE gateways IN SHARE UPDATE EXCLUSIVE MODE`,
		`SET LOCAL lock_timeout TO DEFAULT`, `SET LOCAL statement_timeout TO DEFAULT`,
	} {
		if _, err := q.tx.Exec(ctx, statement); err != nil {
			return q.fault(ctx, fmt.Errorf("waiting for its turn: %w", err))
		}
	}
	return nil
}

// Singly implements sqlstore.Querier: what is not serializable is not looked at when it is found out who is in whose way.
func (q querier) Singly(ctx context.Context) error {
	_, err := q.tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL READ COMMITTED`)
	return q.fault(ctx, err)
}

func (q querier) Serialise(ctx context.Context) error {
	_, err := q.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(changesLock))
	return q.fault(ctx, err)
}

func (q querier) Enqueue(ctx context.Context, j store.Job) error {
	return q.fault(ctx, jobs.EnqueuePostgres(ctx, q.tx, j))
}

// fault gives an error of a statement its kind.
func (q querier) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() == nil && q.tx.Conn().IsClosed() && !is(err, "25P03") { // who was idle for too long would be so again
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return kind(ctx, err)
}

type result struct {
	pgx.Rows
	q   querier
	ctx context.Context // of the query, whose rows these are
}

func (r result) Err() error { return r.q.fault(r.ctx, r.Rows.Err()) }
