package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"

	"concierge/portal/store"
	"concierge/portal/store/sqlite"
	"concierge/portal/store/sqlstore"
	"concierge/portal/store/storetest"
)

// broken is a sound database with one mistake.
type broken struct {
	*sqlite.DB
	inTx    func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error
	view    func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error
	changes func(ctx context.Context, db *sqlite.DB, after int64) ([]store.Change, int64, bool, error)
}

func (b *broken) InTx(ctx context.Context, fn func(store.Tx) error) error {
	if b.inTx != nil {
		return b.inTx(ctx, b.DB, fn)
	}
	return b.DB.InTx(ctx, fn)
}

func (b *broken) View(ctx context.Context, fn func(store.Tx) error) error {
	if b.view != nil {
		return b.view(ctx, b.DB, fn)
	}
	return b.DB.View(ctx, fn)
}

func (b *broken) Changes(ctx context.Context, after int64) ([]store.Change, int64, bool, error) {
	if b.changes != nil {
		return b.changes(ctx, b.DB, after)
	}
	return b.DB.Changes(ctx, after)
}

// Each rule named finds the mistake.
func TestMistakesAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		broken broken
		rules  []string
	}{
		"what failed is committed": {broken{inTx: func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error {
			var failed error
			err := db.InTx(ctx, func(tx store.Tx) error { failed = fn(tx); return nil })
			return errors.Join(failed, err)
		}}, []string{"FailedTransactionLeavesNothing", "RolledBackTellsNobody", "ActingIsNotedInTheCommit"}},
		"writes are forgotten": {broken{inTx: func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error {
			return db.View(ctx, func(tx store.Tx) error { return fn(sqlstore.On(forgetful{sqlstore.Statements(tx)})) })
		}}, []string{"OwnWritesAreRead", "NoLostUpdate", "EventsAreKept"}},
		"views may write": {broken{view: func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error {
			return db.InTx(ctx, fn)
		}}, []string{"ViewCannotWrite"}},
		"contexts are ignored": {broken{
			inTx: func(ctx context.Context, db *sqlite.DB, fn func(store.Tx) error) error {
				return db.InTx(context.WithoutCancel(ctx), fn)
			},
		}, []string{"CancelledBefore"}},
		"gaps are not noticed": {broken{changes: func(ctx context.Context, db *sqlite.DB, after int64) ([]store.Change, int64, bool, error) {
			found, newest, _, err := db.Changes(ctx, after)
			return found, newest, true, err
		}}, []string{"GapsAreTold", "LogIsTrimmed"}},
		"the newest change is told late": {broken{changes: func(ctx context.Context, db *sqlite.DB, after int64) ([]store.Change, int64, bool, error) {
			found, newest, complete, err := db.Changes(ctx, after)
			return found[:max(len(found)-1, 0)], newest, complete, err
		}}, []string{"ChangesAreToldSince", "ChangesBecomeVisibleInOrder"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rule := range tc.rules {
				if failures := check(t, rule, tc.broken); len(failures) == 0 {
					t.Errorf("%s finds nothing", rule)
				}
			}
		})
	}
}

// forgetful says that it has written, and has not.
type forgetful struct{ sqlstore.Querier }

func (forgetful) Exec(context.Context, string, ...any) (int64, error) { return 1, nil }

// check runs one rule and returns what it found.
func check(t *testing.T, name string, b broken) []string {
	t.Helper()
	rules := storetest.Rules()
	i := slices.IndexFunc(rules, func(r storetest.Rule) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no rule is named %s", name)
	}
	found := &recorder{TB: t}
	var done sync.WaitGroup
	done.Go(func() { // Fatal ends the goroutine
		rules[i].Check(found, storetest.Engine{Open: func(storetest.T) (storetest.DB, func() storetest.DB) {
			db, err := sqlite.OpenMemory(context.WithoutCancel(t.Context()), slog.New(slog.DiscardHandler))
			if err != nil {
				found.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			b.DB = db
			return &b, nil
		}})
	})
	done.Wait()
	return found.failures
}

// recorder notes failures instead of failing.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) Error(args ...any)            { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)) }
func (r *recorder) Fatal(args ...any)            { r.note(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)); runtime.Goexit() }
