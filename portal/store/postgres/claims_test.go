package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/keys"
	"concierge/portal/store"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/store/sqlstore"
)

// BenchmarkClaims compares ways to keep writers apart: 50 at a time do the two transactions of a claim, each for its own
// subscription. runs/tx is how often a transaction was run until it was committed. Decision 9 rests on it.
func BenchmarkClaims(b *testing.B) {
	for _, isolation := range []string{"serializable", "repeatable read", "read committed"} {
		for _, seqscan := range []string{"off", "on"} {
			b.Run(isolation+" seqscan="+seqscan, func(b *testing.B) {
				address := postgrestest.New(b)
				db, err := Open(context.WithoutCancel(b.Context()), address, quiet)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = db.Close() }()
				db.engine.write.Close()
				db.engine.write, err = connect(b.Context(), address, map[string]string{"default_transaction_isolation": isolation, "enable_seqscan": seqscan})
				if err != nil {
					b.Fatal(err)
				}
				claims(b, db)
			})
		}
	}
}

func claims(b *testing.B, db *DB) {
	const writers = 50
	var runs, done, gaveUp, next atomic.Int64
	tx := func(fn func(ctx context.Context, tx *sqlstore.Tx) error) {
		err := db.InTx(b.Context(), func(tx store.Tx) error {
			runs.Add(1)
			return fn(b.Context(), tx.(*sqlstore.Tx))
		})
		switch {
		case err == nil:
			done.Add(1)
		case errors.Is(err, portal.ErrUnavailable):
			gaveUp.Add(1)
		default:
			b.Error(err)
		}
	}
	b.ResetTimer()
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				app, sub, crd, act := portal.ApplicationID(portal.NewID("app")), portal.SubscriptionID(portal.NewID("sub")), portal.CredentialID(portal.NewID("crd")), portal.ActID(portal.NewID("act"))
				now := time.Now()
				c := keys.Credential{ID: crd, Subscription: sub, Application: app, Organisation: "org_1", Gateway: "g", State: keys.Pending, Created: now}
				a := keys.Act{ID: act, Kind: keys.ActIssue, Credential: crd, Gateway: "g", State: keys.ActOpen, Lease: "l", Due: now, Created: now}
				tx(func(ctx context.Context, tx *sqlstore.Tx) error {
					return errors.Join(tx.Keys().AddApplication(ctx, keys.Application{ID: app, Organisation: "org_1", Name: "x", Created: now}),
						tx.Keys().AddSubscription(ctx, keys.Subscription{ID: sub, Application: app, Organisation: "org_1", API: "api_1", Environment: "test", State: keys.Approved, Created: now}))
				})
				tx(func(ctx context.Context, tx *sqlstore.Tx) error { // the intent
					if _, err := tx.Keys().Subscription(ctx, sub); err != nil {
						return err
					}
					open, err := tx.Keys().Credentials(ctx, keys.CredentialFilter{Subscription: sub, Open: true}, keys.Page{Limit: 10})
					if err != nil || len(open) > 0 {
						return errors.Join(err, fmt.Errorf("%d open", len(open)))
					}
					return errors.Join(tx.Keys().AddCredential(ctx, c), tx.Keys().AddAct(ctx, a), tx.Audit().Append(ctx, audit.Event{At: now, Target: string(crd)}))
				})
				tx(func(ctx context.Context, tx *sqlstore.Tx) error { // the result
					found, err := tx.Keys().OpenAct(ctx, crd, keys.ActIssue)
					if err != nil {
						return err
					}
					found.State = keys.ActDone
					active := c
					active.State = keys.Active
					tx.Changed(store.ChangedApplication, string(app))
					return errors.Join(tx.Keys().UpdateAct(ctx, found, "l"), tx.Keys().UpdateCredential(ctx, active, keys.Pending), tx.Audit().Append(ctx, audit.Event{At: now, Target: string(crd)}))
				})
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(runs.Load())/float64(max(done.Load(), 1)), "runs/tx")
	b.ReportMetric(float64(done.Load())/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(gaveUp.Load()), "gave-up")
}
