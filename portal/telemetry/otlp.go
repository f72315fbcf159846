package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector sends spans by OTLP over HTTP, in protobuf. What it cannot deliver is dropped, counted and logged once.
//
// The exporter of the OpenTelemetry project for this protocol brings gRPC along, which is 7 MB that nothing here uses.
type collector struct {
	url     string
	headers http.Header
	client  *http.Client
	log     *slog.Logger
	spans   *prometheus.CounterVec
	failing atomic.Bool
}

// collectorFrom reads where to send traces from the environment; nil: nowhere. The variables are those of
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/ (version 1.47).
func collectorFrom(getenv func(string) string) (*collector, error) {
	name, suffix := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""
	address := getenv(name)
	if address == "" {
		name, suffix = "OTEL_EXPORTER_OTLP_ENDPOINT", "/v1/traces"
		address = getenv(name)
	}
	if address == "" || getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return nil, fmt.Errorf("%s: write the address of an OTLP receiver over HTTP, such as http://127.0.0.1:4318, without a user", name)
	}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := getenv(variable); p != "" && p != "http/protobuf" {
			return nil, fmt.Errorf("%s: only http/protobuf is spoken here, not %q; most collectors listen for it on port 4318", variable, p)
		}
	}
	c := &collector{url: strings.TrimRight(address, "/") + suffix, headers: http.Header{}}
	for _, variable := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"} {
		if err := c.addHeaders(getenv(variable)); err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
	}
	return c, nil
}

// addHeaders reads "name=value,name=value", the values escaped as in a URL. Its errors show none of them: they are
// credentials.
func (c *collector) addHeaders(list string) error {
	for i, pair := range strings.Split(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			return fmt.Errorf("header %d is not name=value", i+1)
		}
		c.headers.Set(strings.TrimSpace(name), value)
	}
	return nil
}

// Start implements otlptrace.Client.
func (c *collector) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *collector) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. It returns no error: the caller could only print it.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	n := 0
	for _, r := range spans {
		for _, s := range r.ScopeSpans {
			n += len(s.Spans)
		}
	}
	err := c.upload(ctx, spans)
	switch {
	case err != nil:
		c.spans.WithLabelValues("dropped").Add(float64(n))
		if !c.failing.Swap(true) {
			c.log.Warn("traces are not delivered", "error", err)
		}
	default:
		c.spans.WithLabelValues("delivered").Add(float64(n))
		if c.failing.Swap(false) {
			c.log.Info("traces are delivered again")
		}
	}
	return nil
}

func (c *collector) upload(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The message of the service, ExportTraceServiceRequest, has the same one field under the same number.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encoding traces: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("sending traces: %w", err)
	}
	req.Header = c.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("sending traces: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("sending traces: the collector answers %s", resp.Status)
	}
	return nil
}
