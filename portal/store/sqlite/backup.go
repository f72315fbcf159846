package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"concierge/portal"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// Backup writes one state of the database at path to a new file, readable for this user only. The portal may run and write
// meanwhile: it is neither stopped nor slowed but for the disk. The file is looked at whole before it gets its name; a
// Backup that fails leaves none.
func Backup(ctx context.Context, path, to string) (store.Contents, error) {
	var none store.Contents
	if _, err := os.Stat(path); err != nil {
		return none, fmt.Errorf("there is no database to back up: %w; name it with --database", err)
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
	if err := copyDatabase(ctx, path, temporary); err != nil {
		return none, fmt.Errorf("backing up %s: %w", path, err)
	}
	contents, err := inspect(ctx, temporary)
	if err != nil {
		return none, fmt.Errorf("backing up %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return none, fmt.Errorf("making the backup: %w", err)
	}
	// A link, and not a rename: it does not replace what somebody else has put there meanwhile.
	if err := errors.Join(os.Link(temporary, to), syncFolder(filepath.Dir(to))); err != nil {
		return none, fmt.Errorf("making the backup: %w", err)
	}
	return contents, nil
}

// copyDatabase reads the source as one more reader, which a log beside the file allows next to the process that has locked
// it. What was deleted is not copied.
func copyDatabase(ctx context.Context, path, to string) error {
	db, err := open(path, url.Values{"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}})
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, to)
	return errors.Join(kind(ctx, err), db.Close())
}

// inspect looks at every page of a file that nobody writes, and says what it holds. Its errors say what is wrong with it.
func inspect(ctx context.Context, path string) (c store.Contents, err error) {
	db, err := open(path, url.Values{"mode": {"ro"}, "immutable": {"1"}})
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := sound(ctx, db, "the file", "integrity_check"); err != nil {
		return c, err
	}
	var ours int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('goose_db_version', 'settings', 'people')`).Scan(&ours)
	if err != nil {
		return c, kind(ctx, err)
	}
	if ours != 3 {
		return c, errors.New("the file is a database, but not one of Concierge")
	}
	if err := db.QueryRowContext(ctx, `SELECT (SELECT max(version_id) FROM goose_db_version), (SELECT count(*) FROM people)`).Scan(&c.Version, &c.People); err != nil {
		return c, kind(ctx, err)
	}
	p, err := migrator(db)
	if err != nil {
		return c, err
	}
	if newest := newest(p); c.Version > newest {
		return c, fmt.Errorf("the file was written by a newer version of Concierge (tables %d, this program knows %d): use that program", c.Version, newest)
	}
	c.Settings, err = settings(ctx, db)
	return c, err
}

func settings(ctx context.Context, db *sql.DB) (_ map[string][]byte, err error) {
	rows, err := db.QueryContext(ctx, `SELECT name, value FROM settings`)
	if err != nil {
		return nil, kind(ctx, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all := map[string][]byte{}
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, rows.Err()
}

// Restore puts a backup in the place of the database at path. The backup is copied, looked at whole and given to accept
// before anything else is touched; it takes its place in one step, and a database that was there is kept beside it under the
// name that aside tells. Nobody is signed in to what is restored, and no one-time link or enrolment of it works. Errors: portal.ErrConflict where a process uses the database, or where it has people in it, or cannot
// be read, and replace was not asked for.
func Restore(ctx context.Context, from, path string, replace bool, accept func(store.Contents) error) (contents store.Contents, aside string, err error) {
	var none store.Contents
	if path, err = filepath.Abs(path); err != nil {
		return none, "", fmt.Errorf("database file: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return none, "", fmt.Errorf("folder of the database file: %w", err)
	}
	unlock, err := lock(path + ".lock")
	if err != nil {
		return none, "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()

	fresh := path + "." + rand.Text()[:8] + ".new"
	defer func() { _ = os.Remove(fresh) }()
	if err := copyBackup(from, fresh); err != nil {
		return none, "", err
	}
	if contents, err = inspect(ctx, fresh); err != nil {
		return none, "", fmt.Errorf("%s cannot be restored: %w", from, err)
	}
	if err := accept(contents); err != nil {
		return none, "", err
	}
	if err := forget(ctx, fresh); err != nil {
		return none, "", fmt.Errorf("ending sessions in the backup's copy: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		if aside, err = setAside(ctx, path, replace); err != nil {
			return none, "", err
		}
	}
	if err := errors.Join(os.Rename(fresh, path), syncFolder(filepath.Dir(path))); err != nil {
		return none, aside, fmt.Errorf("putting the backup in its place: %w", err)
	}
	return contents, aside, nil
}

// forget ends what must not come back.
func forget(ctx context.Context, path string) (err error) {
	db, err := open(path, url.Values{"mode": {"rw"}, "_pragma": {"synchronous(FULL)", "fullfsync(ON)"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(kind(ctx, err), db.Close()) }()
	for _, table := range sqlstore.Restored {
		var there bool
		if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`, table).Scan(&there); err != nil {
			return err
		}
		if !there {
			continue
		}
		if _, err := db.ExecContext(ctx, `DELETE FROM `+table); err != nil {
			return err
		}
	}
	return nil
}

// copyBackup copies a file that may be a backup.
func copyBackup(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("opening the backup: %w", err)
	}
	defer func() { _ = in.Close() }()
	start := make([]byte, 16)
	n, err := io.ReadFull(in, start)
	switch start = start[:n]; {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF):
		return fmt.Errorf("reading the backup: %w", err)
	case bytes.HasPrefix(start, []byte("PGDMP")):
		return fmt.Errorf("%s is a backup of a PostgreSQL database: name one with --database postgres://…", from)
	case string(start) != "SQLite format 3\x00":
		return fmt.Errorf("%s is no backup of Concierge: name a file that concierge backup made", from)
	}
	if info, err := os.Stat(from + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s is a database in use and no backup: part of it is in %s-wal; make a backup of it with concierge backup", from, from)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copying the backup: %w", err)
	}
	_, err = io.Copy(out, io.MultiReader(bytes.NewReader(start), in))
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copying the backup: %w", err)
	}
	return nil
}

// setAside gives the files of a database a second name, and leaves nothing beside it that belongs to its log: a log would be
// taken for one of whatever takes its place. At every instant the database is complete under one of its names.
func setAside(ctx context.Context, path string, replace bool) (aside string, err error) {
	people, unreadable := countPeople(ctx, path)
	switch {
	case replace:
	case unreadable != nil:
		return "", fmt.Errorf("%s is there and cannot be read (%w): to put the backup in its place, which keeps it under another name, add --replace: %w", path, unreadable, portal.ErrConflict)
	case people > 0:
		return "", fmt.Errorf("%s has %d people in it: to put the backup in its place, which keeps it under another name, add --replace: %w", path, people, portal.ErrConflict)
	}
	if unreadable == nil {
		if err := putLogAway(ctx, path); err != nil {
			return "", fmt.Errorf("keeping %s: %w", path, err)
		}
	}
	aside = path + ".before-" + time.Now().UTC().Format("20060102T150405.000Z")
	logs := []string{"-wal", "-journal"}
	for _, end := range append([]string{""}, logs...) {
		if err := os.Link(path+end, aside+end); err != nil && !(end != "" && errors.Is(err, fs.ErrNotExist)) {
			return "", fmt.Errorf("keeping %s: %w", path, err)
		}
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("keeping %s: %w", path, err)
	}
	for _, end := range append(logs, "-shm") {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("keeping %s: %w", path, err)
		}
	}
	return aside, syncFolder(filepath.Dir(path))
}

// countPeople reads a database that nobody uses.
func countPeople(ctx context.Context, path string) (people int, err error) {
	db, err := open(path, url.Values{"mode": {"ro"}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE name = 'people'`).Scan(&tables); err != nil || tables == 0 {
		return 0, kind(ctx, err)
	}
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM people`).Scan(&people)
	return people, kind(ctx, err)
}

// putLogAway brings what is in the log of a database that nobody uses into its file.
func putLogAway(ctx context.Context, path string) error {
	db, err := open(path, url.Values{"mode": {"rw"}, "_pragma": {"synchronous(FULL)", "fullfsync(ON)", "checkpoint_fullfsync(ON)"}})
	if err != nil {
		return err
	}
	var busy, frames, moved int
	err = db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved)
	return errors.Join(kind(ctx, err), db.Close())
}
