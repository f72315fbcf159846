// Package telemetry lets people who run a portal see what it does: numbers for Prometheus, traces for OpenTelemetry.
//
// It promises: nothing here changes what the portal does or fails a request; no metric, label or attribute holds a secret,
// a person, a token, a path or a query; labels are few: route patterns, kinds of errors, states, and the ids of gateways
// and sites. Since those ids are internal names, Metrics is served beside the portal and never on its public address.
//
// It is put around the parts at their seams: HTTP around the router, DB around the database, Desk around what callers ask,
// Kinds around the connectors. What is kept in the database is looked up when somebody asks for the metrics.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"concierge/portal/telemetry/span"
)

// Options of a Telemetry. The zero value counts, and traces where the environment says so.
type Options struct {
	Version  string // of the program
	Database string // its engine

	// Getenv answers for OTEL_* variables; default os.Getenv. Without OTEL_EXPORTER_OTLP_ENDPOINT nothing is traced.
	Getenv func(string) string
	// Client calls the collector of traces; nil means http.DefaultClient.
	Client *http.Client
	// Propagate sends the trace's id to gateways. They, and whatever logs their traffic, then learn which calls belong
	// together.
	Propagate bool

	Now func() time.Time
	Log *slog.Logger // nil discards
}

// Telemetry counts and traces. It is safe for concurrent use. Close it.
type Telemetry struct {
	opts     Options
	registry *prometheus.Registry
	metrics  metrics
	state    stateReader
	tracer   span.Tracer
	traces   *sdktrace.TracerProvider // nil: nothing is traced
	incoming propagation.TextMapPropagator
}

// New returns a Telemetry. The error says which OTEL_* variable is wrong.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{opts: o, registry: prometheus.NewRegistry(), incoming: propagation.TraceContext{}}
	t.metrics.register(t.registry)
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &t.state)
	t.state.now = o.Now
	t.metrics.build.WithLabelValues(o.Version, runtime.Version(), o.Database).Set(1)
	return t, t.startTracing(ctx)
}

func (t *Telemetry) startTracing(ctx context.Context) error {
	to, err := collectorFrom(t.opts.Getenv)
	if err != nil || to == nil {
		return err
	}
	to.client, to.log, to.spans = t.opts.Client, t.opts.Log, t.metrics.spans
	exporter, err := otlptrace.New(ctx, to)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	about, err := resource.New(ctx,
		resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "concierge"), attribute.String("service.version", t.opts.Version)),
		resource.WithFromEnv(),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	t.tracer = span.New(t.traces)
	return nil
}

// Tracer begins spans; the zero Tracer where nothing is traced.
func (t *Telemetry) Tracer() span.Tracer { return t.tracer }

// Metrics answers with all metrics in Prometheus' format. It is not for the public: labels name gateways.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{
		ErrorLog: promLog{t.opts.Log}, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, Timeout: 30 * time.Second,
	})
}

type promLog struct{ log *slog.Logger }

func (l promLog) Println(v ...any) { l.log.Warn("metrics are not complete", "error", fmt.Sprint(v...)) }

// LogAttrs are what log lines of a traced request carry.
func LogAttrs(ctx context.Context) []slog.Attr {
	s := oteltrace.SpanContextFromContext(ctx)
	if !s.IsValid() {
		return nil
	}
	return []slog.Attr{slog.String("trace_id", s.TraceID().String())}
}

// Close sends what spans are left, as long as ctx allows.
func (t *Telemetry) Close(ctx context.Context) error {
	if t.traces == nil {
		return nil
	}
	if err := t.traces.Shutdown(ctx); err != nil {
		return fmt.Errorf("sending the last traces: %w", err)
	}
	return nil
}
