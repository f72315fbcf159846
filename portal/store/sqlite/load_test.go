package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/store"
)

// loadSlots are the gateways that the load changes in turn.
const loadSlots = 8

// loadTitle is the state that transaction n leaves: of very different sizes, so that pages overflow, split and come free.
func loadTitle(n int) string {
	return fmt.Sprintf("%d %s", n, strings.Repeat("x", max(n, -n)*7919%20_000))
}

func loadSlot(n int) portal.GatewayID {
	return portal.GatewayID(fmt.Sprintf("slot-%d", max(n, -n)%loadSlots))
}

// loadOne does transaction n: a change of state, its audit event and the note of the change. Now and then one before it is
// given up.
func loadOne(ctx context.Context, db *DB, n int) error {
	if n%7 == 0 {
		given := errors.New("given up")
		err := db.InTx(ctx, func(tx store.Tx) error { return errors.Join(loadInto(ctx, tx, -n), given) })
		if !errors.Is(err, given) {
			return fmt.Errorf("giving up: %w", err)
		}
	}
	return db.InTx(ctx, func(tx store.Tx) error { return loadInto(ctx, tx, n) })
}

func loadInto(ctx context.Context, tx store.Tx, n int) error {
	tx.Changed(store.ChangedGateway, strconv.Itoa(n))
	g := testGateway(loadSlot(n))
	g.Title = loadTitle(n)
	return errors.Join(
		tx.(catalog.Tx).Catalog().PutGateway(ctx, g),
		tx.Audit().Append(ctx, audit.Event{ID: fmt.Sprintf("evt_%d", n), At: noon, Action: "load.done", Target: strconv.Itoa(n)}),
	)
}

// loadFound says how many transactions of the load are in the database. Its error is what is half there or unsound.
func loadFound(ctx context.Context, db *DB) (n int, err error) {
	one := func(query string, into ...any) {
		if e := db.engine.read.QueryRowContext(ctx, query).Scan(into...); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", query, e))
		}
	}
	var sound string
	var changes, lastChange, events int
	one(`PRAGMA integrity_check`, &sound)
	one(`SELECT count(*), coalesce(max(CAST(target AS INTEGER)), 0) FROM events`, &events, &n)
	one(`SELECT count(DISTINCT id), coalesce(max(CAST(id AS INTEGER)), 0) FROM changes`, &changes, &lastChange)
	if err != nil {
		return n, err
	}
	if sound != "ok" {
		return n, fmt.Errorf("integrity: %s", sound)
	}
	if events != n || changes != n || lastChange != n {
		return n, fmt.Errorf("%d events up to %d, %d changes up to %d", events, n, changes, lastChange)
	}
	return n, db.View(ctx, func(tx store.Tx) error {
		for last := n; last > max(0, n-loadSlots); last-- {
			g, err := tx.(catalog.Tx).Catalog().Gateway(ctx, loadSlot(last))
			if err != nil || g.Title != loadTitle(last) {
				return fmt.Errorf("after %d transactions the state of %d is %.20q (%v)", n, last, g.Title, err)
			}
		}
		return nil
	})
}

// times is how often a test of chances tries: as often as the environment asks, or often enough to see a mistake.
func times(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	asked := os.Getenv(variable)
	if asked == "" {
		return otherwise
	}
	n, err := strconv.Atoi(asked)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func testGateway(id portal.GatewayID) catalog.Gateway {
	return catalog.Gateway{
		ID: id, Title: "Kong EU", Kind: "kong", Address: "https://kong.example:8001", Secrets: []byte("sealed"), Site: portal.SiteLocal,
		Every: time.Minute, Source: catalog.FromAPI, Created: noon, Changed: noon,
	}
}
