package ingest

import (
	"fmt"
	"testing"

	"concierge/connectors"
	"concierge/portal/catalog"
)

const manyDeployments = 10_000

func many() []connectors.Deployment {
	all := make([]connectors.Deployment, manyDeployments)
	for i := range all {
		d := deployment(fmt.Sprint("svc-", i), fmt.Sprintf("Service %d of %d", i/4, i%4))
		d.Description, d.Tags = "What it does, in a sentence or two that somebody wrote once.", []string{"team:a", "tier:2"}
		d.Operations = []connectors.Operation{{Method: "GET", Path: "/"}, {Method: "POST", Path: "/"}}
		all[i] = d
	}
	return all
}

// rows counts all rows of all tables but the runs.
func (d *desk) rows() (n int) {
	d.t.Helper()
	for _, c := range d.dump() {
		if c == '\n' {
			n++
		}
	}
	return n
}

// BenchmarkFirstSync brings 10,000 deployments into an empty catalog: a gateway in memory, a real SQLite file.
func BenchmarkFirstSync(b *testing.B) {
	deployments := many()
	for b.Loop() {
		b.StopTimer()
		d := newDesk(b, Options{})
		d.register("big", deployments...)
		before := d.rows()
		b.StartTimer()
		if run := d.sync("big"); run.State != catalog.Applied || run.Added != manyDeployments {
			b.Fatalf("%+v", run)
		}
		b.StopTimer()
		b.ReportMetric(float64(d.rows()-before), "rows/op")
		b.StartTimer()
	}
}

// BenchmarkUnchangedSync syncs them again: no row but the run's own is written.
func BenchmarkUnchangedSync(b *testing.B) {
	d := newDesk(b, Options{})
	d.register("big", many()...)
	d.sync("big")
	before, rows := d.dump(), d.rows()
	for b.Loop() {
		if run := d.sync("big"); run.State != catalog.Unchanged || run.Unchanged != manyDeployments {
			b.Fatalf("%+v", run)
		}
	}
	b.StopTimer()
	if d.dump() != before {
		b.Fatal("an unchanged sync wrote")
	}
	b.ReportMetric(float64(d.rows()-rows), "rows/op")
}
