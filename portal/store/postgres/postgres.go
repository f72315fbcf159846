// Package postgres keeps everything in a PostgreSQL database, which any number of replicas of the portal share. Writing
// transactions are serializable, and run again where another got in the way; reading ones see one state. What one
// replica tells, the others hear by LISTEN and NOTIFY.
//
// It needs PostgreSQL 14 or newer with the encoding UTF8. A connection pooler in front has to keep sessions ("session
// mode"): LISTEN, prepared statements and advisory locks need them.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
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
	"concierge/portal/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// channel carries the topics that are told.
	channel = "concierge"
	// changesLock is the advisory lock under which the change log is written: "concierg" as a number.
	changesLock = 0x636f6e6369657267

	connections      = 12 // of each pool, unless the URL says pool_max_conns
	connectTimeout   = 5 * time.Second
	statementTimeout = 30 * time.Second
	lockTimeout      = 10 * time.Second
	idleTimeout      = time.Minute // of a transaction that does nothing

	tries    = 20                    // of a transaction that others get in the way of
	maxPause = 50 * time.Millisecond // between two of them
)

// DB is one PostgreSQL database. It is safe for concurrent use by any number of processes.
type DB struct {
	*sqlstore.DB
	engine *engine
}

type engine struct {
	write, read *pgxpool.Pool
	topics      sqlstore.Topics
	log         *slog.Logger
	stop        context.CancelFunc
	listening   sync.WaitGroup
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
	// Without this a serialisable transaction that reads one row of a small table locks all of it.
	if e.write, err = connect(ctx, address, map[string]string{"default_transaction_isolation": "serializable", "enable_seqscan": "off"}); err != nil {
		return err
	}
	if e.read, err = connect(ctx, address, map[string]string{"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on"}); err != nil {
		return err
	}
	var encoding string
	if err := e.read.QueryRow(ctx, `SHOW server_encoding`).Scan(&encoding); err != nil {
		return fmt.Errorf("database: %w; check the server, the address and the user given with --database", unavailable(err))
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database has the encoding %s: create one with ENCODING 'UTF8'", encoding)
	}
	if err := migrate(ctx, e.write, e.log); err != nil {
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

// parse reads the URL. Its errors do not hold the password.
func parse(address string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New("the address of the database is not one of PostgreSQL: write postgres://USER:PASSWORD@HOST:5432/NAME")
	}
	if !strings.Contains(address, "pool_max_conns") {
		c.MaxConns = connections
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	return c, nil
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
	for name, value := range params {
		set[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("database: %w", unavailable(err))
	}
	return pool, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

func migrate(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	one, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60)) // seconds between tries, and tries
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(one))
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("version of the database: %w", kind(err))
	}
	if have > newest {
		return fmt.Errorf("the database was written by a newer version of Concierge (tables %d, this program knows %d); start the newer program, or restore a backup from before the upgrade", have, newest)
	}
	done, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("bringing the database up to date: %w", kind(err))
	}
	if len(done) > 0 {
		log.Info("database is up to date", "from", have, "to", newest)
	}
	return nil
}

// Close implements sqlstore.Engine.
func (e *engine) Close() error {
	e.stop()
	e.listening.Wait()
	for _, pool := range []*pgxpool.Pool{e.read, e.write} {
		if pool != nil {
			pool.Close()
		}
	}
	return nil
}

// Write implements sqlstore.Engine.
func (e *engine) Write(ctx context.Context, fn func(sqlstore.Querier) ([]string, error)) error {
	for try := 1; ; try++ {
		err := pgx.BeginFunc(ctx, e.write, func(tx pgx.Tx) error {
			topics, err := fn(querier{tx})
			if err != nil {
				return err
			}
			for _, topic := range topics {
				if _, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, topic); err != nil {
					return fmt.Errorf("telling: %w", err)
				}
			}
			return nil
		})
		if !again(err, try) {
			return kind(err)
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

// again reports whether a transaction came to nothing because of another one, so that it may be tried again. What a unique
// index forbids is tried once more: fn may have looked before the other row was there, and says it better when it sees it
// (PostgreSQL 15, 13.5.1).
func again(err error, try int) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	return e.Code == "40001" || e.Code == "40P01" || (e.Code == "23505" && try == 1)
}

// Read implements sqlstore.Engine.
func (e *engine) Read(ctx context.Context, fn func(sqlstore.Querier) error) error {
	return kind(pgx.BeginFunc(ctx, e.read, func(tx pgx.Tx) error { return fn(querier{tx}) }))
}

// kind turns what the server says into the kinds of package portal. Codes: PostgreSQL 15, appendix A.
func kind(err error) error {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return unavailable(err)
	case e.Code == "23505": // unique_violation
		return fmt.Errorf("%w: %w", portal.ErrConflict, err)
	case e.Code == "22021", e.Code == "22P05": // characters that text cannot hold
		return fmt.Errorf("%w: %w", portal.ErrInvalid, err)
	case strings.HasPrefix(e.Code, "08"), // connection
		strings.HasPrefix(e.Code, "53"),                    // out of disk, memory, connections
		strings.HasPrefix(e.Code, "57"),                    // shutting down, cancelled by a time-out
		strings.HasPrefix(e.Code, "58"),                    // system error
		strings.HasPrefix(e.Code, "28"), e.Code == "3D000", // not let in, no such database
		e.Code == "55P03", e.Code == "25006", e.Code == "25P03": // lock not available, read-only standby, idle too long
		return fmt.Errorf("database: %w: %w", portal.ErrUnavailable, err)
	}
	return err
}

// unavailable marks errors of the connection.
func unavailable(err error) error {
	var connecting *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connecting) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "unexpected EOF") {
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
		return unavailable(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return kind(err)
	}
	hearing()
	e.topics.TellAll() // what was told before this moment was missed
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
				return unavailable(err)
			}
		default:
			return unavailable(err)
		}
	}
}

// querier is a transaction as sqlstore sees it.
type querier struct{ tx pgx.Tx }

func (q querier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := q.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (q querier) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	return q.tx.Query(ctx, query, args...)
}

func (q querier) Serialise(ctx context.Context) error {
	_, err := q.tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(changesLock))
	return err
}
