package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Temporary makes a schema of its own in a database, for what is not to be kept. It returns the address that leads there,
// and what drops it with all that it holds.
func Temporary(ctx context.Context, address string) (in string, drop func() error, err error) {
	c, err := parse(address)
	if err != nil {
		return "", nil, err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, fmt.Errorf("the address of the database: %w", err)
	}
	schema := "concierge_demo_" + strings.ToLower(rand.Text()[:12])
	run := func(ctx context.Context, statement string) error {
		conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
		if err != nil {
			return kind(ctx, err)
		}
		defer closeNow(conn)
		_, err = conn.Exec(ctx, statement)
		return kind(ctx, err)
	}
	if err := run(ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", nil, fmt.Errorf("making a schema for the time of the demo: %w", err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String(), func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		return run(ctx, "DROP SCHEMA "+schema+" CASCADE")
	}, nil
}

// closeNow closes a connection without waiting for a server that does not answer.
func closeNow(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}
