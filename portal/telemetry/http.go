package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// HTTP counts, times, traces and logs the requests of a handler that is an http.ServeMux or leads to one. A request is
// known by the pattern of its route: its path and query are in none of these. Trace ids are taken over from whoever sends
// them: strip the headers of those who are not trusted first.
func (t *Telemetry) HTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &recorder{ResponseWriter: w}
		end := func(string, int) {}
		if t.tracer.Active() && r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			r, end = t.trace(r)
		}
		t.metrics.httpNow.Inc()
		whole := false
		defer func() {
			t.metrics.httpNow.Dec()
			route, status := r.Pattern, seen.status
			if route == "" {
				route = "none"
			}
			if status == 0 && whole {
				status = http.StatusOK // what net/http sends for a handler that writes nothing
			}
			took := time.Since(began)
			t.metrics.route(route).observe(status, took)
			end(route, status)
			t.logRequest(r.Context(), r.Method, route, status, took)
		}()
		next.ServeHTTP(seen, r)
		whole = true
	})
}

// logRequest writes the access log: what changes something and what fails at info, the rest at debug.
func (t *Telemetry) logRequest(ctx context.Context, method, route string, status int, took time.Duration) {
	level := slog.LevelInfo
	if (method == http.MethodGet || method == http.MethodHead) && status < http.StatusInternalServerError && status > 0 {
		level = slog.LevelDebug
	}
	if t.opts.Log.Enabled(ctx, level) {
		t.opts.Log.LogAttrs(ctx, level, "request", slog.String("method", method), slog.String("route", route), slog.Int("status", status),
			slog.Float64("elapsed_ms", float64(took.Microseconds())/1000))
	}
}

func (t *Telemetry) trace(r *http.Request) (_ *http.Request, end func(route string, status int)) {
	ctx := t.incoming.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, finish := t.tracer.StartKind(ctx, oteltrace.SpanKindServer, "HTTP", attribute.String("http.request.method", r.Method))
	return r.WithContext(ctx), func(route string, status int) {
		s := oteltrace.SpanFromContext(ctx)
		s.SetName(route)
		s.SetAttributes(attribute.String("http.route", route), attribute.Int("http.response.status_code", status))
		var err error
		if status >= http.StatusInternalServerError || status == 0 {
			err = errServed
		}
		finish(err)
	}
}

var errServed = errors.New("the request was not served")

// series are the metrics of one route.
type series struct {
	status   [6]prometheus.Counter // by hundreds; 0: the answer was broken off
	duration prometheus.Observer
}

func (s *series) observe(status int, took time.Duration) {
	class := status / 100
	if class < 0 || class >= len(s.status) {
		class = 0
	}
	s.status[class].Inc()
	s.duration.Observe(took.Seconds())
}

var statusClasses = [6]string{"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"}

// route returns the metrics of a route. There are as many as patterns are registered.
func (m *metrics) route(pattern string) *series {
	if s, ok := m.routes.Load(pattern); ok {
		return s.(*series)
	}
	s := &series{duration: m.httpDuration.WithLabelValues(pattern)}
	for i, class := range statusClasses {
		s.status[i] = m.http.WithLabelValues(pattern, class)
	}
	kept, _ := m.routes.LoadOrStore(pattern, s)
	return kept.(*series)
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Flush implements http.Flusher for answers that are sent piece by piece.
func (r *recorder) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // one that cannot flush sends it at the end
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
