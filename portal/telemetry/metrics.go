package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metric is what is known of one metric without its values.
type Metric struct {
	Name   string
	Type   string // counter, gauge or histogram
	Labels []string
	Help   string
}

// metrics are those that are counted as things happen. Those of what the database holds are in state.go.
type metrics struct {
	all []Metric

	build *prometheus.GaugeVec

	http         *prometheus.CounterVec
	httpDuration *prometheus.HistogramVec
	httpNow      prometheus.Gauge
	routes       sync.Map // pattern -> *series

	resolves *prometheus.CounterVec
	keys     *prometheus.CounterVec
	syncs    *prometheus.CounterVec

	calls        *prometheus.CounterVec
	callDuration *prometheus.HistogramVec

	transactions        *prometheus.CounterVec
	transactionDuration *prometheus.HistogramVec
	retries             prometheus.Counter

	spans *prometheus.CounterVec
}

// Upper bounds in seconds.
var (
	requestBuckets     = []float64{0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30}
	callBuckets        = []float64{0.01, 0.05, 0.25, 1, 5, 20, 60}
	transactionBuckets = []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10}
)

func (m *metrics) register(r prometheus.Registerer) {
	note := func(kind, name, help string, labels []string) {
		m.all = append(m.all, Metric{name, kind, labels, help})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		note("counter", name, help, labels)
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		note("gauge", name, help, labels)
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		note("histogram", name, help, labels)
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
		r.MustRegister(v)
		return v
	}
	m.build = gauge("concierge_build_info", "Always 1: the version of the program, of Go, and the engine of the database.", "version", "go", "database")

	m.http = counter("concierge_http_requests_total", "Requests answered, by the pattern of their route and hundreds of the status; aborted: the answer was broken off.", "route", "status")
	m.httpDuration = histogram("concierge_http_request_duration_seconds", "From a request's header to the end of its answer.", requestBuckets, "route")
	m.httpNow = gauge("concierge_http_requests_in_flight", "Requests that are being answered.").WithLabelValues()

	m.resolves = counter("concierge_resolves_total", "Questions for an endpoint that were decided; answers repeated from memory are counted as requests only.", "outcome")
	m.keys = counter("concierge_key_requests_total", "What people and programs asked of keys: claim, rotate, revoke. waiting: the gateway has to act first.", "operation", "outcome")
	m.syncs = counter("concierge_syncs_total", "Syncs that this process ended, by gateway and state: applied, unchanged, waiting for a person, failed, planned only.", "gateway", "state")

	m.calls = counter("concierge_gateway_calls_total", "What this process asked of connectors.", "gateway", "operation", "outcome")
	m.callDuration = histogram("concierge_gateway_call_duration_seconds", "How long connectors took, all operations together.", callBuckets, "gateway")

	m.transactions = counter("concierge_store_transactions_total", "Transactions, read or write.", "kind", "outcome")
	m.transactionDuration = histogram("concierge_store_transaction_duration_seconds", "How long transactions took, with what they waited for and were run again.", transactionBuckets, "kind")
	m.retries = counter("concierge_store_retries_total", "Times that a transaction was run again because another got in its way.").WithLabelValues()

	m.spans = counter("concierge_spans_total", "Spans of traces: delivered to the collector, or dropped because it did not take them.", "outcome")
}

// Synced counts a sync that has ended.
func (t *Telemetry) Synced(gateway, state string) {
	t.metrics.syncs.WithLabelValues(gateway, state).Inc()
}

// All returns every metric of the portal's own, in the order of the documentation.
func (t *Telemetry) All() []Metric {
	all := t.metrics.all
	for _, d := range stateMetrics {
		all = append(all[:len(all):len(all)], d.Metric)
	}
	return all
}
