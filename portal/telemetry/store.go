package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"concierge/portal/store"
	"concierge/portal/telemetry/span"
)

// DB counts, times and traces the transactions of a database. What the database does for itself is not among them.
func (t *Telemetry) DB(db store.DB) store.DB { return observedDB{db, t} }

type observedDB struct {
	store.DB
	t *Telemetry
}

func (o observedDB) InTx(ctx context.Context, fn func(store.Tx) error) error {
	return o.t.transaction(ctx, "write", o.DB.InTx, fn)
}

func (o observedDB) View(ctx context.Context, fn func(store.Tx) error) error {
	return o.t.transaction(ctx, "read", o.DB.View, fn)
}

func (t *Telemetry) transaction(ctx context.Context, kind string, run func(context.Context, func(store.Tx) error) error, fn func(store.Tx) error) error {
	end := func(error) {}
	if t.tracer.Active() && span.Under(ctx) { // a look that nobody waits for is not worth a trace
		ctx, end = t.tracer.Start(ctx, "store."+kind)
	}
	began, tries := time.Now(), 0
	err := run(ctx, func(tx store.Tx) error {
		tries++
		return fn(tx)
	})
	if tries > 1 {
		t.metrics.retries.Add(float64(tries - 1))
		span.Add(ctx, attribute.Int("tries", tries))
	}
	t.metrics.transactionDuration.WithLabelValues(kind).Observe(time.Since(began).Seconds())
	t.metrics.transactions.WithLabelValues(kind, span.Outcome(err)).Inc()
	end(err)
	return err
}
