package telemetry

import (
	"context"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"

	"concierge/connectors"
	"concierge/portal/telemetry/span"
)

// Kinds counts, times and traces what connectors of these kinds are asked, and traces the calls that they make.
func (t *Telemetry) Kinds(kinds map[string]connectors.Kind) map[string]connectors.Kind {
	observed := make(map[string]connectors.Kind, len(kinds))
	for name, k := range kinds {
		open := k.Open
		k.Open = func(c connectors.Config) (connectors.Connector, error) {
			if t.tracer.Active() && c.Client != nil {
				client := *c.Client
				client.Transport = transport{client.Transport, t}
				c.Client = &client
			}
			opened, err := open(c)
			if err != nil {
				return nil, err
			}
			return t.connector(string(c.ID), opened), nil
		}
		observed[name] = k
	}
	return observed
}

// connector observes one. It has the ability to issue where the one inside has; other abilities are found through Unwrap.
func (t *Telemetry) connector(gateway string, c connectors.Connector) connectors.Connector {
	o := observedConnector{c, gateway, t}
	if issuer, ok := connectors.As[connectors.Issuer](c); ok {
		return observedIssuer{o, issuer}
	}
	return o
}

type observedConnector struct {
	inner   connectors.Connector
	gateway string
	t       *Telemetry
}

type observedIssuer struct {
	observedConnector
	issuer connectors.Issuer
}

// Unwrap implements connectors.Unwrapper.
func (o observedConnector) Unwrap() connectors.Connector { return o.inner }

// call begins one call and returns what ends it.
func (o observedConnector) call(ctx context.Context, operation string) (context.Context, func(error)) {
	ctx, end := o.t.tracer.Start(ctx, "gateway."+operation, attribute.String("gateway", o.gateway))
	began := time.Now()
	return ctx, func(err error) {
		o.t.metrics.callDuration.WithLabelValues(o.gateway).Observe(time.Since(began).Seconds())
		o.t.metrics.calls.WithLabelValues(o.gateway, operation, span.Outcome(err)).Inc()
		end(err)
	}
}

func (o observedConnector) Probe(ctx context.Context) (c connectors.Capabilities, err error) {
	ctx, end := o.call(ctx, "Probe")
	c, err = o.inner.Probe(ctx)
	end(err)
	return c, err
}

func (o observedConnector) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	ctx, end := o.call(ctx, "Discover")
	s, err := o.inner.Discover(ctx, since)
	end(err)
	return s, err
}

func (o observedConnector) OpenDocument(ctx context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	ctx, end := o.call(ctx, "OpenDocument")
	d, err := o.inner.OpenDocument(ctx, ref)
	end(err)
	return d, err
}

func (o observedIssuer) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	ctx, end := o.call(ctx, "Issue")
	i, err := o.issuer.Issue(ctx, req)
	end(err)
	return i, err
}

func (o observedIssuer) Status(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Issued, error) {
	ctx, end := o.call(ctx, "Status")
	i, err := o.issuer.Status(ctx, mark, h)
	end(err)
	return i, err
}

func (o observedIssuer) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	ctx, end := o.call(ctx, "Find")
	f, err := o.issuer.Find(ctx, mark)
	end(err)
	return f, err
}

func (o observedIssuer) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	ctx, end := o.call(ctx, "Revoke")
	r, err := o.issuer.Revoke(ctx, mark, h)
	end(err)
	return r, err
}

func (o observedIssuer) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	ctx, end := o.call(ctx, "List")
	f, next, err := o.issuer.List(ctx, after, limit)
	end(err)
	return f, next, err
}

// transport traces outgoing calls by method, host and status: the path may name a key, and the query may be one.
type transport struct {
	base http.RoundTripper
	t    *Telemetry
}

func (tr transport) RoundTrip(req *http.Request) (*http.Response, error) {
	base := tr.base
	if base == nil {
		base = http.DefaultTransport
	}
	if !span.Under(req.Context()) {
		return base.RoundTrip(req)
	}
	ctx, end := tr.t.tracer.StartKind(req.Context(), oteltrace.SpanKindClient, "HTTP "+req.Method,
		attribute.String("http.request.method", req.Method), attribute.String("server.address", req.URL.Hostname()))
	req = req.Clone(ctx)
	if tr.t.opts.Propagate {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	}
	resp, err := base.RoundTrip(req)
	if err == nil {
		span.Add(ctx, attribute.Int("http.response.status_code", resp.StatusCode))
	}
	end(err)
	return resp, err
}

// CloseIdleConnections lets http.Client reach the connections.
func (tr transport) CloseIdleConnections() {
	if c, ok := tr.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
