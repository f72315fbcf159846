// Package span marks the steps of work that goes through several packages, so that one claim or one sync can be followed
// from its request to the gateway and back.
//
// A span holds ids, counts and kinds of errors. It never holds an error's text, an address's path or query, a person or
// anything secret: spans leave the portal for whatever collects them.
package span

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"concierge/portal"
)

// Tracer begins spans. The zero value begins none and costs nothing. It is safe for concurrent use.
type Tracer struct{ tracer trace.Tracer }

// New returns a Tracer whose spans go where the provider sends them.
func New(p trace.TracerProvider) Tracer { return Tracer{p.Tracer("concierge")} }

// Active reports whether spans go anywhere.
func (t Tracer) Active() bool { return t.tracer != nil }

// Start begins a span below the one that ctx carries, or a trace where it carries none. Call end once, with what came of
// it.
func (t Tracer) Start(ctx context.Context, name string, about ...attribute.KeyValue) (_ context.Context, end func(error)) {
	return t.StartKind(ctx, trace.SpanKindInternal, name, about...)
}

// StartKind is Start for work that crosses a process.
func (t Tracer) StartKind(ctx context.Context, kind trace.SpanKind, name string, about ...attribute.KeyValue) (_ context.Context, end func(error)) {
	if t.tracer == nil {
		return ctx, func(error) {}
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(about...))
	return ctx, func(err error) {
		if err != nil {
			s.SetStatus(codes.Error, Outcome(err))
		}
		s.End()
	}
}

// Under reports whether ctx carries a span.
func Under(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// Add says more about the span that ctx carries, if any.
func Add(ctx context.Context, about ...attribute.KeyValue) {
	trace.SpanFromContext(ctx).SetAttributes(about...)
}

// outcomes in the order in which they are looked for.
var outcomes = []struct {
	kind error
	word string
}{
	{context.Canceled, "canceled"},
	{portal.ErrUnsupported, "unsupported"},
	{portal.ErrDenied, "denied"},
	{portal.ErrConflict, "conflict"},
	{portal.ErrInvalid, "invalid"},
	{portal.ErrNotFound, "not_found"},
	{portal.ErrUnavailable, "unavailable"},
	{context.DeadlineExceeded, "timeout"},
}

// Outcome is the kind of an error in one word, "ok" for none: few words, and nothing of the error's own text.
func Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			return o.word
		}
	}
	return "error"
}
