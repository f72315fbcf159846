package postgres

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"concierge/portal"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// Backup writes one state of the database, all that is in it, to a new file in pg_dump's custom format, readable for this
// user only. The replicas may run and write meanwhile. The file is read whole before it gets its name; a Backup that fails
// leaves none. It needs pg_dump and pg_restore, not older than the server.
func Backup(ctx context.Context, address, to string) (store.Contents, error) {
	var none store.Contents
	c, err := parse(address)
	if err != nil {
		return none, err
	}
	if _, err := os.Lstat(to); err == nil {
		return none, fmt.Errorf("%s is there already: choose another name, no backup is overwritten: %w", to, portal.ErrConflict)
	}
	temporary := to + "." + rand.Text()[:8] + ".new"
	f, err := os.OpenFile(temporary, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return none, fmt.Errorf("making the backup: %w", err)
	}
	defer func() { _ = os.Remove(temporary) }()
	defer func() { _ = f.Close() }()
	err = run(ctx, address, c.ConnConfig, nil, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+temporary)
	if err != nil {
		return none, fmt.Errorf("backing up the database: %w", err)
	}
	contents, err := inspect(ctx, temporary)
	if err != nil {
		return none, fmt.Errorf("looking at the backup: %w", err)
	}
	if err := f.Sync(); err != nil {
		return none, fmt.Errorf("making the backup: %w", err)
	}
	// A link, and not a rename: it does not replace what somebody else has put there meanwhile.
	if err := os.Link(temporary, to); err != nil {
		return none, fmt.Errorf("making the backup: %w", err)
	}
	return contents, nil
}

// program finds one of PostgreSQL's programs.
func program(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // where Debian has those of each version
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("%s is needed and is neither in PATH nor in /usr/lib/postgresql: install PostgreSQL's client, on Debian the package postgresql-client", name)
	}
	return found[len(found)-1], nil
}

// run runs one of PostgreSQL's programs, on the database of c unless that is nil. The password goes by its environment.
func run(ctx context.Context, address string, c *pgx.ConnConfig, out io.Writer, name string, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = out, &said, append(os.Environ(), "LC_ALL=C")
	if c != nil {
		cmd.Env = append(cmd.Env, "PGHOST="+c.Host, "PGPORT="+strconv.Itoa(int(c.Port)), "PGUSER="+c.User, "PGDATABASE="+c.Database, "PGAPPNAME="+name)
		if c.Password != "" {
			cmd.Env = append(cmd.Env, "PGPASSWORD="+c.Password)
		}
		if u, err := url.Parse(address); err == nil {
			for _, option := range []string{"sslmode", "sslrootcert", "sslcert", "sslkey"} {
				if v := u.Query().Get(option); v != "" {
					cmd.Env = append(cmd.Env, "PG"+strings.ToUpper(option)+"="+v)
				}
			}
		}
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// inspect reads a whole archive, and says what it holds. Its errors say what is wrong with it.
func inspect(ctx context.Context, file string) (store.Contents, error) {
	c := store.Contents{Settings: map[string][]byte{}}
	known := map[string]bool{}
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		err := tables(r, func(table string, row map[string]string) (err error) {
			known[table] = true
			switch {
			case row == nil:
			case table == "goose_db_version":
				var version int64
				version, err = strconv.ParseInt(row["version_id"], 10, 64)
				c.Version = max(c.Version, version)
			case table == "people":
				c.People++
			case table == "settings":
				c.Settings[row["name"]], err = hex.DecodeString(strings.TrimPrefix(row["value"], `\\x`))
			}
			return err
		})
		_ = r.CloseWithError(err) // pg_restore need not go on
		read <- err
	}()
	err := run(ctx, "", nil, w, "pg_restore", "--file=-", file)
	_ = w.CloseWithError(err)
	if err := errors.Join(err, <-read); err != nil {
		return c, err
	}
	if !known["goose_db_version"] || !known["people"] || !known["settings"] {
		return c, errors.New("it is of a database that is not one of Concierge")
	}
	db := stdlib.OpenDB(pgx.ConnConfig{}) // it is not connected to: what this program knows is asked for
	defer func() { _ = db.Close() }()
	p, err := migrator(db)
	if err != nil {
		return c, err
	}
	if newest := newest(p); c.Version > newest {
		return c, fmt.Errorf("it was written by a newer version of Concierge (tables %d, this program knows %d): use that program", c.Version, newest)
	}
	return c, nil
}

// tables reads the script that pg_restore makes and tells the tables that a person wants to know of: first without a row,
// then row by row. Values are as COPY writes them; those it reads have nothing in them to escape.
func tables(script io.Reader, tell func(table string, row map[string]string) error) error {
	in := bufio.NewReaderSize(script, 64<<10)
	var table string // whose rows these are
	var columns []string
	wanted := []string{"goose_db_version", "people", "settings"}
	for {
		start, more, err := in.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line := string(start)
		var rest strings.Builder
		for more {
			if start, more, err = in.ReadLine(); err != nil {
				return fmt.Errorf("a line is cut off: %w", err)
			}
			if slices.Contains(wanted, table) {
				rest.Write(start)
			}
		}
		line += rest.String()
		switch {
		case table == "" && strings.HasPrefix(line, "COPY ") && strings.HasSuffix(line, ") FROM stdin;"):
			name, list, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "COPY "), ") FROM stdin;"), " (")
			table, columns = name[strings.LastIndex(name, ".")+1:], strings.Split(list, ", ")
			if slices.Contains(wanted, table) {
				err = tell(table, nil)
			}
		case line == `\.`:
			table = ""
		case slices.Contains(wanted, table):
			row := map[string]string{}
			for i, v := range strings.Split(line, "\t") {
				if i < len(columns) {
					row[columns[i]] = v
				}
			}
			err = tell(table, row)
		}
		if err != nil {
			return err
		}
	}
}

// Restore puts a backup in the place of a database that nobody is connected to. The backup is read whole and given to accept
// before anything is touched. An empty database is filled, in one transaction. One that Concierge has used is kept
// under the name that aside tells: the backup is restored into a new database, which then takes its name; that needs the
// right to create databases. Nobody is signed in to what is restored, and no one-time link or enrolment of it works. Errors: portal.ErrConflict where a portal is connected, or where the database has people in it
// and replace was not asked for, or holds what is not Concierge's.
func Restore(ctx context.Context, from, address string, replace bool, accept func(store.Contents) error) (contents store.Contents, aside string, err error) {
	var none store.Contents
	pool, err := parse(address)
	if err != nil {
		return none, "", err
	}
	c := pool.ConnConfig
	if err := archive(from); err != nil {
		return none, "", err
	}
	if contents, err = inspect(ctx, from); err != nil {
		return none, "", fmt.Errorf("%s cannot be restored: %w", from, err)
	}
	if err := accept(contents); err != nil {
		return none, "", err
	}
	empty, err := free(ctx, c, replace)
	if err != nil {
		return none, "", err
	}
	if empty {
		return contents, "", fill(ctx, address, c, from)
	}
	aside, err = swap(ctx, address, c, from)
	return contents, aside, err
}

// archive reports whether a file is one of pg_dump's.
func archive(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("opening the backup: %w", err)
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, 15)
	n, err := io.ReadFull(f, start)
	switch start = start[:n]; {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the backup: %w", err)
	case bytes.HasPrefix(start, []byte("PGDMP")):
		return nil
	case string(start) == "SQLite format 3":
		return fmt.Errorf("%s is a backup of a database in a file: name a file with --database", file)
	default:
		return fmt.Errorf("%s is no backup of Concierge: name a file that concierge backup made", file)
	}
}

// on runs fn on a connection to another database of the same server.
func on(ctx context.Context, c *pgx.ConnConfig, database string, fn func(*pgx.Conn) error) error {
	c = c.Copy()
	c.Database = database
	c.RuntimeParams["application_name"] = "restore"
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return kind(ctx, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return fn(conn)
}

// free reports whether a database is empty, or may be replaced. Its errors say why not.
func free(ctx context.Context, c *pgx.ConnConfig, replace bool) (empty bool, err error) {
	err = on(ctx, c, c.Database, func(conn *pgx.Conn) error {
		var portals, relations int
		var ours bool
		var people *string
		err := conn.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'concierge%'),
			(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
				WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp%'
				AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
			to_regclass('goose_db_version') IS NOT NULL AND to_regclass('settings') IS NOT NULL, to_regclass('people')::text`).Scan(&portals, &relations, &ours, &people)
		if err != nil {
			return fmt.Errorf("looking at the database: %w", err)
		}
		switch {
		case portals > 0:
			return fmt.Errorf("the database is in use by Concierge: stop every replica first: %w", portal.ErrConflict)
		case relations == 0:
			empty = true
			return nil
		case !ours:
			return fmt.Errorf("the database holds what is not Concierge's: name an empty one with --database: %w", portal.ErrConflict)
		case replace || people == nil:
			return nil
		}
		var persons int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM people`).Scan(&persons); err != nil {
			return fmt.Errorf("looking at the database: %w", err)
		}
		if persons > 0 {
			return fmt.Errorf("the database has %d people in it: to put the backup in its place, which keeps it under another name, add --replace: %w", persons, portal.ErrConflict)
		}
		return nil
	})
	return empty, err
}

// fill restores into an empty database, whole or not at all, and ends what must not come back.
func fill(ctx context.Context, address string, c *pgx.ConnConfig, from string) error {
	err := run(ctx, address, c, nil, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--dbname="+c.Database, from)
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return on(ctx, c, c.Database, func(conn *pgx.Conn) error {
		for _, table := range sqlstore.Restored {
			var there bool
			if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&there); err != nil {
				return fmt.Errorf("looking at the restored database: %w", err)
			}
			if !there {
				continue
			}
			if _, err := conn.Exec(ctx, `DELETE FROM `+table); err != nil {
				return fmt.Errorf("ending sessions in the restored database: %w", err)
			}
		}
		return nil
	})
}

// swap restores into a new database and lets it and the old one change names. A database cannot be renamed from within nor
// while anybody is connected, so each of the two is renamed from the other.
func swap(ctx context.Context, address string, c *pgx.ConnConfig, from string) (aside string, err error) {
	fresh, aside := c.Database+"_restoring_"+strings.ToLower(rand.Text()[:8]), c.Database+"_before_"+time.Now().UTC().Format("20060102t150405")
	name := func(database string) string { return pgx.Identifier{database}.Sanitize() }
	do := func(in, format string, args ...any) error {
		return on(ctx, c, in, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, fmt.Sprintf(format, args...))
			return err
		})
	}
	err = do(c.Database, `CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'`, name(fresh))
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return "", fmt.Errorf("the database is kept under another name while a new one takes its place, and user %s may not create databases: have somebody run ALTER ROLE %s CREATEDB, or make an empty database and name it with --database: %w", c.User, name(c.User), err)
	}
	if err != nil {
		return "", fmt.Errorf("making a database for the backup: %w", err)
	}
	into := c.Copy()
	into.Database = fresh
	if err := fill(ctx, address, into, from); err != nil {
		return "", errors.Join(err, do(c.Database, `DROP DATABASE %s`, name(fresh)))
	}
	if err := do(fresh, `ALTER DATABASE %s RENAME TO %s`, name(c.Database), name(aside)); err != nil {
		return "", errors.Join(fmt.Errorf("keeping the old database under another name: %w", err), do(c.Database, `DROP DATABASE %s`, name(fresh)))
	}
	if err := do(aside, `ALTER DATABASE %s RENAME TO %s`, name(fresh), name(c.Database)); err != nil {
		return "", errors.Join(fmt.Errorf("giving the restored database its name: %w", err), do(fresh, `ALTER DATABASE %s RENAME TO %s`, name(aside), name(c.Database)))
	}
	return aside, nil
}
