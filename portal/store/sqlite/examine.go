package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"

	"concierge/portal"
	"concierge/portal/store"
)

// Examine looks at a file without changing it, also while a portal uses it: the lock of the portal is not taken.
// portal.ErrNotFound where there is no file; other errors say what is wrong with it.
func Examine(ctx context.Context, path string) (e store.Examination, err error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return e, fmt.Errorf("%s: %w", path, portal.ErrNotFound)
	}
	how := url.Values{"mode": {"ro"}, "_pragma": {fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, os.ErrNotExist) {
		// Nobody uses it. A reader would make the files beside it, as another user perhaps, and leave them in the portal's way.
		how.Set("immutable", "1")
	}
	db, err := open(path, how)
	if err != nil {
		return e, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := sound(ctx, db, path, "quick_check"); err != nil {
		return e, err
	}
	if err := db.QueryRowContext(ctx, `SELECT 'SQLite ' || sqlite_version(), max(version_id) FROM goose_db_version`).Scan(&e.Server, &e.Tables); err != nil {
		return e, fmt.Errorf("%s is a database, but not one of Concierge: %w", path, kind(ctx, err))
	}
	p, err := migrator(db)
	if err != nil {
		return e, err
	}
	e.Newest = newest(p)
	e.Settings, err = settings(ctx, db)
	return e, err
}
