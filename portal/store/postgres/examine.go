package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"concierge/portal"
	"concierge/portal/store"
)

// Examine looks at a database without changing it. portal.ErrNotFound where it holds no tables of Concierge yet: what is
// known of the server is in the Examination still. Other errors say what is wrong with it.
func Examine(ctx context.Context, address string) (e store.Examination, err error) {
	c, err := parse(address)
	if err != nil {
		return e, err
	}
	c.ConnConfig.RuntimeParams["application_name"] = "concierge doctor"
	c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return e, kind(ctx, err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	began := time.Now()
	var clock time.Time
	if err := conn.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&clock); err != nil {
		return e, kind(ctx, err)
	}
	e.Latency = time.Since(began)
	e.Clock = clock.Sub(began.Add(e.Latency / 2))
	var most string
	var ours bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_encoding'), current_setting('max_connections'),
		to_regclass('goose_db_version') IS NOT NULL AND to_regclass('settings') IS NOT NULL`).Scan(&e.Server, &e.Encoding, &most, &ours)
	if err != nil {
		return e, kind(ctx, err)
	}
	e.Server = "PostgreSQL " + e.Server
	if e.MaxConnections, err = strconv.Atoi(most); err != nil {
		return e, fmt.Errorf("max_connections: %w", err)
	}
	if !ours {
		return e, fmt.Errorf("the database holds no tables of Concierge: %w", portal.ErrNotFound)
	}
	if err := conn.QueryRow(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&e.Tables); err != nil {
		return e, kind(ctx, err)
	}
	db := stdlib.OpenDB(*c.ConnConfig)
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := migrator(db)
	if err != nil {
		return e, err
	}
	e.Newest = newest(p)
	rows, err := conn.Query(ctx, `SELECT name, value FROM settings`)
	if err != nil {
		return e, kind(ctx, err)
	}
	e.Settings = map[string][]byte{}
	var name string
	var value []byte
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		e.Settings[name] = append([]byte(nil), value...)
		return nil
	})
	return e, kind(ctx, err)
}
