package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlstore"
)

var quiet = slog.New(slog.DiscardHandler)

// patience is how long a test waits for what has to come.
const patience = time.Minute

func open(t *testing.T, address string) *DB {
	t.Helper()
	db, err := Open(context.WithoutCancel(t.Context()), address, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func add(ctx context.Context, db store.DB, id string) error {
	return db.InTx(ctx, func(tx store.Tx) error { return tx.Audit().Append(ctx, audit.Event{ID: id}) })
}

func count(ctx context.Context, db store.DB) (n int, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		all, err := tx.Audit().Events(ctx, "", 1_000_000)
		n = len(all)
		return err
	})
	return n, err
}

// until waits for something to hold.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > patience {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// ask runs a statement as the owner of the server.
func ask(t *testing.T, address, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(conn)
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// While the server is away everything is unavailable, at once and with nothing written; when it is back the same handle
// works, with connections that died under it, and who listens is told that something may have been missed.
func TestServerGoesAndComesBack(t *testing.T) {
	server := postgrestest.Start(t)
	db := open(t, server.Database(t))
	heard := db.Listen(t.Context(), "topic")
	for name, end := range map[string]func(){"stopped": server.Stop, "killed": server.Kill} {
		before, err := count(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range connections { // so that the pools are full of connections that will be dead
			all.Go(func() { _, _ = count(t.Context(), db) })
			all.Go(func() {
				_ = db.InTx(t.Context(), func(store.Tx) error { time.Sleep(10 * time.Millisecond); return nil })
			})
		}
		all.Wait()
		end()
		for range 3 {
			if err := add(t.Context(), db, name+" away"); !errors.Is(err, portal.ErrUnavailable) {
				t.Errorf("%s: writing: %v", name, err)
			}
			if _, err := count(t.Context(), db); !errors.Is(err, portal.ErrUnavailable) {
				t.Errorf("%s: reading: %v", name, err)
			}
		}
		select {
		case <-heard:
		default:
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		for n := range 2 * connections {
			if err := add(t.Context(), db, fmt.Sprint(name, n)); err != nil {
				t.Errorf("%s, and back: %v", name, err)
			}
			if now, err := count(t.Context(), db); err != nil || now != before+n+1 {
				t.Errorf("%s, and back: %d events, %v; want %d", name, now, err, before+n+1)
			}
		}
		until(t, "listening again", func() bool {
			select {
			case <-heard:
				return true
			default:
				return false
			}
		})
		until(t, "hearing again", func() bool {
			if err := db.InTx(t.Context(), func(tx store.Tx) error { tx.Tell("topic"); return nil }); err != nil {
				t.Fatal(err)
			}
			select {
			case <-heard:
				return true
			case <-time.After(100 * time.Millisecond):
				return false
			}
		})
	}
}

// A transaction whose connection is ended, in its middle or just before its commit, is run again and done once.
func TestConnectionLostInTheMiddle(t *testing.T) {
	address := postgrestest.New(t)
	db := open(t, address)
	for n, after := range []bool{false, true} {
		runs := 0
		err := db.InTx(t.Context(), func(tx store.Tx) error {
			runs++
			if err := tx.Audit().Append(t.Context(), audit.Event{ID: fmt.Sprint(n)}); err != nil {
				return err
			}
			if runs > 1 {
				return nil
			}
			ask(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
			if after {
				return nil
			}
			_, err := tx.Audit().Events(t.Context(), "", 1)
			if err == nil {
				t.Error("the connection still works")
			}
			return err
		})
		if err != nil || runs != 2 {
			t.Errorf("%d runs, %v", runs, err)
		}
	}
	if n, err := count(t.Context(), db); n != 2 || err != nil {
		t.Errorf("%d events, %v; want 2", n, err)
	}
	// A view is not run again: it may have shown to others what it read.
	err := db.View(t.Context(), func(tx store.Tx) error {
		if _, err := tx.Audit().Events(t.Context(), "", 1); err != nil {
			return err
		}
		ask(t, address, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
		_, err := tx.Audit().Events(t.Context(), "", 1)
		return err
	})
	if !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("a view: %v", err)
	}
}

// proxy passes connections on to a server, until a client sends a commit.
type proxy struct {
	to      string
	on      net.Listener
	swallow atomic.Bool // the commit never arrives
	hide    atomic.Bool // its answer never arrives
	conns   sync.WaitGroup
	commits atomic.Int64
}

func newProxy(t *testing.T, address string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: u.Host}
	if p.on, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go p.serve()
	t.Cleanup(func() { _ = p.on.Close(); p.conns.Wait() })
	u.Host = p.on.Addr().String()
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		client, err := p.on.Accept()
		if err != nil {
			return
		}
		p.conns.Go(func() { p.pass(client) })
	}
}

func (p *proxy) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var hiding atomic.Bool
	p.conns.Go(func() {
		defer func() { _ = client.Close() }()
		b := make([]byte, 64<<10)
		for {
			n, err := server.Read(b)
			if err != nil || hiding.Load() {
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	})
	b := make([]byte, 64<<10)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if bytes.Contains(b[:n], []byte("commit\x00")) {
			p.commits.Add(1)
			if p.swallow.CompareAndSwap(true, false) {
				return
			}
			if p.hide.CompareAndSwap(true, false) {
				hiding.Store(true)
			}
		}
		if _, err := io.Copy(server, bytes.NewReader(b[:n])); err != nil {
			return
		}
	}
}

// A commit whose answer is lost was done, and is not done twice; one that never arrived is done by a second run.
func TestAnswerOfACommitIsLost(t *testing.T) {
	address := postgrestest.New(t)
	p, through := newProxy(t, address)
	db := open(t, through)
	for name, tc := range map[string]struct {
		fault *atomic.Bool
		runs  int
	}{"done, and not heard of": {&p.hide, 1}, "never arrived": {&p.swallow, 2}} {
		tc.fault.Store(true)
		runs := 0
		err := db.InTx(t.Context(), func(tx store.Tx) error {
			runs++
			_, err := sqlstore.Statements(tx).Exec(t.Context(), `INSERT INTO settings (name, value) VALUES ($1, '') ON CONFLICT (name) DO UPDATE SET value = settings.value || '\x01'`, name)
			return err
		})
		if err != nil || runs != tc.runs || tc.fault.Load() {
			t.Errorf("%s: %d runs, %v", name, runs, err)
		}
		if value, err := db.Setting(t.Context(), name); err != nil || len(value) != 0 {
			t.Errorf("%s: done %d times more, %v", name, len(value), err)
		}
	}
	if p.commits.Load() == 0 {
		t.Error("the proxy knows no commit when it sees one")
	}
}

// What becomes of a commit whose server does not come back is not known, and said so.
func TestServerNeverAnswersTheCommit(t *testing.T) {
	p, through := newProxy(t, postgrestest.New(t))
	db := open(t, through)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	p.hide.Store(true)
	err := db.InTx(ctx, func(tx store.Tx) error {
		_ = p.on.Close() // nobody connects from now on
		return tx.Audit().Append(ctx, audit.Event{ID: "x"})
	})
	if !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "not known") {
		t.Errorf("got %v", err)
	}
}

func TestStatementsHaveATimeOut(t *testing.T) {
	db := open(t, postgrestest.New(t))
	err := db.InTx(t.Context(), func(tx store.Tx) error {
		for _, statement := range []string{`SET LOCAL statement_timeout = 50`, `SELECT pg_sleep(60)`} {
			if _, err := sqlstore.Statements(tx).Exec(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := add(t.Context(), db, "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Errors of the first connection say what to do, and never show the password.
func TestFirstErrorsSayWhatToDo(t *testing.T) {
	server := postgrestest.Start(t)
	admin := server.Address("postgres")
	ask(t, admin, `CREATE ROLE visitor LOGIN PASSWORD 'right'`)
	ask(t, admin, `CREATE ROLE few LOGIN PASSWORD 'right' CONNECTION LIMIT 0`)
	ask(t, admin, `CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`)
	ask(t, admin, `CREATE DATABASE empty`)
	var hba string
	conn, err := pgx.Connect(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer closeNow(conn)
	if err := conn.QueryRow(t.Context(), `SHOW hba_file`).Scan(&hba); err != nil {
		t.Fatal(err)
	}
	ask(t, admin, fmt.Sprintf(`COPY (VALUES ('host all concierge 127.0.0.1/32 trust'), ('host all all 127.0.0.1/32 scram-sha-256')) TO '%s'`, hba))
	ask(t, admin, `SELECT pg_reload_conf()`)
	as := func(user, password, database, query string) string {
		u, _ := url.Parse(server.Address(database))
		u.User, u.RawQuery = url.UserPassword(user, password), u.RawQuery+query
		return u.String()
	}
	// A port that nobody answers on.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	until(t, "the new rules of the server", func() bool {
		_, err := Open(t.Context(), as("visitor", "s3cr3t-w0rd", "empty", ""), quiet)
		return err != nil && strings.Contains(err.Error(), "does not let")
	})
	for name, tc := range map[string]struct {
		address     string
		want        string
		unavailable bool
	}{
		"wrong password":       {as("visitor", "s3cr3t-w0rd", "empty", ""), "does not let the user visitor in", true},
		"unknown user":         {as("s0mebody", "s3cr3t-w0rd", "empty", ""), "does not let the user s0mebody in", true},
		"unknown database":     {as("concierge", "s3cr3t-w0rd", "none", ""), `CREATE DATABASE "none" ENCODING 'UTF8'`, true},
		"too many connections": {as("few", "right", "empty", ""), "max_connections", true},
		"another encoding":     {as("concierge", "s3cr3t-w0rd", "latin", ""), "create one with ENCODING 'UTF8'", false},
		"may make no tables":   {as("visitor", "right", "empty", ""), "make it the owner of the database", false},
		"nobody answers":       {"postgres://concierge:s3cr3t-w0rd@" + nobody + "/empty?sslmode=disable", "check the address", true},
		"no such host":         {"postgres://concierge:s3cr3t-w0rd@nowhere.invalid/empty", "check the address", true},
		"no TLS there":         {strings.Replace(as("concierge", "s3cr3t-w0rd", "empty", ""), "sslmode=disable", "sslmode=require", 1), "TLS", true},
		"rubbish":              {"postgres://concierge:s3cr3t-w0rd@host:port/x", "write postgres://", false},
		"slash in a password":  {"postgres://concierge:s3cr3t-w0rd/more@host/x", "as %XX", false},
		"unknown TLS mode":     {as("concierge", "s3cr3t-w0rd", "empty", "&sslmode=often"), "sslmode", false},
		"no number":            {as("concierge", "s3cr3t-w0rd", "empty", "&pool_max_conns=s0me"), `"s0me"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(t.Context(), tc.address, quiet)
			if err == nil {
				_ = db.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), tc.want) || errors.Is(err, portal.ErrUnavailable) != tc.unavailable {
				t.Errorf("got %v; want %q in it, unavailable %v", err, tc.want, tc.unavailable)
			}
			for _, shown := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
				if strings.Contains(shown, "s3cr3t") || strings.Contains(shown, "w0rd") || strings.Contains(shown, "right@") {
					t.Errorf("it shows the password: %s", shown)
				}
			}
		})
	}
}

// A standby is refused at start and unavailable later, and good once it is promoted.
func TestStandby(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database(t)
	db := open(t, address)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	var data string
	if err := conn.QueryRow(t.Context(), `SHOW data_directory`).Scan(&data); err != nil {
		t.Fatal(err)
	}
	closeNow(conn)
	ask(t, address, fmt.Sprintf(`COPY (VALUES ('')) TO '%s/standby.signal'`, data))
	server.Stop()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), address, quiet); !errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "address of the primary") {
		t.Errorf("starting: %v", err)
	}
	if err := add(t.Context(), db, "x"); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("writing: %v", err)
	}
	ask(t, address, `SELECT pg_promote()`)
	until(t, "writing after the promotion", func() bool { return add(t.Context(), db, "x") == nil })
	open(t, address)
}

func TestPoolSize(t *testing.T) {
	for query, want := range map[string]int32{"": connections, "&pool_max_conns=3": 3} {
		db := open(t, postgrestest.New(t)+query)
		if w, r := db.engine.write.Config().MaxConns, db.engine.read.Config().MaxConns; w != want || r != want {
			t.Errorf("%q: %d connections write and %d read; want %d", query, w, r, want)
		}
	}
}

// Replicas that start together on an empty database bring it up to date once, and all work.
func TestReplicasStartTogether(t *testing.T) {
	for range 3 {
		address := postgrestest.New(t)
		var all sync.WaitGroup
		for n := range 3 {
			all.Go(func() {
				db, err := Open(t.Context(), address, quiet)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = db.Close() }()
				if err := add(t.Context(), db, fmt.Sprint(n)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n, err := count(t.Context(), open(t, address)); n != 3 || err != nil {
			t.Errorf("%d events, %v", n, err)
		}
	}
}

func TestTablesOfANewerVersionAreRefused(t *testing.T) {
	address := postgrestest.New(t)
	if err := open(t, address).Close(); err != nil {
		t.Fatal(err)
	}
	ask(t, address, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
	if _, err := Open(t.Context(), address, quiet); err == nil || !strings.Contains(err.Error(), "newer version of Concierge") {
		t.Errorf("got %v", err)
	}
}
