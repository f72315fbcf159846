// Package storetest is the conformance suite of package store: a list of named rules, each a promise that the portal
// relies on, which every engine keeps. What the packages above may believe about their stores is here and not in the tests
// of one engine: if a rule passes on all of them, the SQL is one text.
//
// The rules are data: Run drives them all as subtests. A rule that cannot hold for an engine is waived by name, with the
// reason.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/jobs"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

// DB is what every engine offers.
type DB interface {
	store.DB
	store.Settings
	store.Requests
	store.Rates
	Jobs(log *slog.Logger) *jobs.Runner
}

// Engine is an engine under test.
type Engine struct {
	// Open makes an empty database, closed after the test. Again opens the same one as another process would; it is nil
	// where a database is for one process.
	Open func(t T) (db DB, again func() DB)
	// Scans runs a query's plan in a transaction and returns which tables it would read from end to end.
	Scans func(ctx context.Context, q sqlstore.Querier, query string, args ...any) ([]string, error)
	// Waivers maps the name of a rule that cannot hold to the reason.
	Waivers map[string]string
}

// T is what a rule needs of *testing.T.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	TempDir() string
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Rule is one promise.
type Rule struct {
	Name    string
	Promise string // in one line
	Check   func(t T, e Engine)
}

// Rules returns all rules in the order in which they are run.
func Rules() []Rule {
	return slices.Concat(transactionRules, changeRules, valueRules, catalogRules, joiningRules, keyRules, peopleRules, requestRules, rateRules, siteRules, curationRules, searchRules, planRules)
}

// Run checks every rule as a subtest of its own.
func Run(t *testing.T, e Engine) {
	for name, reason := range e.Waivers {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name }) || strings.TrimSpace(reason) == "" {
			t.Fatalf("the waiver of %q names no rule or gives no reason", name)
		}
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if reason, waived := e.Waivers[rule.Name]; waived {
				t.Skipf("waived: %s", reason)
			}
			rule.Check(t, e)
		})
	}
}

// one is for rules that need one database, used by one process.
func one(check func(t T, db DB)) func(T, Engine) {
	return func(t T, e Engine) {
		db, _ := e.Open(t)
		check(t, db)
	}
}

// patience is how long a rule waits for what has to come: far longer than it takes.
const patience = 30 * time.Second

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	born  = time.Date(2026, 11, 23, 9, 0, 0, 1000, time.UTC)
	errNo = errors.New("no")
)

// write runs fn in a transaction and fails the test on its error.
func write(t T, db store.DB, fn func(ctx context.Context, tx *sqlstore.Tx) error) {
	t.Helper()
	if err := try(t, db, fn); err != nil {
		t.Fatal(err)
	}
}

func try(t T, db store.DB, fn func(ctx context.Context, tx *sqlstore.Tx) error) error {
	t.Helper()
	return db.InTx(t.Context(), func(tx store.Tx) error { return fn(t.Context(), tx.(*sqlstore.Tx)) })
}

// view runs fn in a transaction that reads and fails the test on its error.
func view(t T, db store.DB, fn func(ctx context.Context, tx *sqlstore.Tx) error) {
	t.Helper()
	if err := db.View(t.Context(), func(tx store.Tx) error { return fn(t.Context(), tx.(*sqlstore.Tx)) }); err != nil {
		t.Fatal(err)
	}
}

// note appends an audit event with an id.
func note(ctx context.Context, tx store.Tx, id string) error {
	return tx.Audit().Append(ctx, audit.Event{ID: id, Action: "test.done", Target: "x"})
}

// events are the ids of all events, in order of time and id.
func events(t T, db store.DB) (ids []string) {
	t.Helper()
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		ids = nil
		all, err := tx.Audit().Events(ctx, "", 1_000_000)
		for _, e := range all {
			ids = append(ids, e.ID)
		}
		return err
	})
	return ids
}

// scan runs a query of the test's own and hands each row to fn.
func scan(ctx context.Context, q sqlstore.Querier, fn func(sqlstore.Rows) error, query string, args ...any) error {
	rs, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := fn(rs); err != nil {
			return err
		}
	}
	return rs.Err()
}

// told waits for a channel of Listen.
func told(t T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("not told: %s", what)
	}
}

func conflicts(t T, err error, what string) {
	t.Helper()
	if !errors.Is(err, portal.ErrConflict) {
		t.Errorf("%s: got %v; want a conflict", what, err)
	}
}

func id(prefix string, n int) string { return fmt.Sprintf("%s_%04d", prefix, n) }
