package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"concierge/portal"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/postgres"
	"concierge/portal/store/sqlite"
)

// database is what every engine offers.
type database interface {
	store.DB
	store.Requests
	store.Settings
	Pools() []store.Pool
	// Jobs returns a runner of the jobs that transactions ask for. Stop it before Close.
	Jobs(log *slog.Logger) *jobs.Runner
	store.Rates
}

// onPostgres reports whether a database is named by a URL of PostgreSQL; otherwise it is a file of SQLite.
func onPostgres(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// databaseName completes what --database or the configuration says: a URL as it is, a file as an absolute path.
func databaseName(dir, name string) (string, error) {
	if onPostgres(name) || filepath.IsAbs(name) {
		return name, nil
	}
	if scheme, _, ok := strings.Cut(name, "://"); ok {
		return "", fmt.Errorf("database: %q is no database that is known here: name a file, or write postgres://USER@HOST:5432/NAME", scheme+"://…")
	}
	return filepath.Join(dir, name), nil
}

// shownDatabase is the name without a password.
func shownDatabase(name string) string {
	u, err := url.Parse(name)
	if !onPostgres(name) {
		return name
	}
	if err != nil {
		return "postgres://…"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// withPassword is the name of a PostgreSQL database with its password in it.
func withPassword(name string, password portal.Secret) (string, error) {
	u, err := url.Parse(name)
	if !onPostgres(name) || err != nil || u.User == nil {
		return "", fmt.Errorf("database_password is for a database on PostgreSQL whose address names its user: postgres://USER@HOST:5432/NAME")
	}
	if _, has := u.User.Password(); has {
		return "", fmt.Errorf("the database's address holds a password and so does database_password: remove one of them")
	}
	u.User = url.UserPassword(u.User.Username(), password.Reveal())
	return u.String(), nil
}

func openDatabase(ctx context.Context, name string, log *slog.Logger) (database, error) {
	if onPostgres(name) {
		return postgres.Open(ctx, name, log)
	}
	return sqlite.Open(ctx, name, log)
}
