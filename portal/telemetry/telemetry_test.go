package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/store"
	"concierge/portal/telemetry"
	"concierge/portal/telemetry/span"
)

var update = flag.Bool("update", false, "write the table of portal/doc/metrics.md anew")

// environment answers for variables.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func open(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	if o.Getenv == nil {
		o.Getenv = environment()
	}
	tel, err := telemetry.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

// scrape is what Prometheus sees.
func scrape(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wants(t *testing.T, seen string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(seen, line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("there is no %s; of %s there is:\n%s", line, name, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(seen, -1), "\n"))
		}
	}
}

// collector is a receiver of traces.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*tracepb.Span
	about map[string]string // of the program
	calls []*http.Request
	deny  bool
}

func collect(t *testing.T) *collector {
	c := &collector{about: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.calls = append(c.calls, r)
		body, err := io.ReadAll(r.Body)
		var in tracepb.TracesData
		if err := errors.Join(err, proto.Unmarshal(body, &in)); err != nil || c.deny {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		for _, from := range in.ResourceSpans {
			for _, a := range from.Resource.Attributes {
				c.about[a.Key] = a.Value.GetStringValue()
			}
			for _, scope := range from.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// tree is the spans as "parent > child", by names.
func (c *collector) tree() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]string{}
	for _, s := range c.spans {
		names[string(s.SpanId)] = s.Name
	}
	edges := map[string]bool{}
	for _, s := range c.spans {
		edges[names[string(s.ParentSpanId)]+" > "+s.Name] = true
	}
	return edges
}

const documentation = "../doc/metrics.md"

// TestDocumentation: portal/doc/metrics.md lists every metric, and no other.
func TestDocumentation(t *testing.T) {
	var table strings.Builder
	table.WriteString("| Metric | Type | Labels | What it says |\n|---|---|---|---|\n")
	for _, m := range open(t, telemetry.Options{}).All() {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, labels, m.Help)
	}
	text, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- metrics -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", documentation)
	}
	want := before + begin + table.String() + end + after
	if want == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code counts: go test ./portal/telemetry -run Documentation -update", documentation)
	}
	if err := os.WriteFile(documentation, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestNamesAreDocumented: what is there to be seen is in All, or is of Go and the process.
func TestNamesAreDocumented(t *testing.T) {
	tel := open(t, telemetry.Options{})
	known := map[string]bool{}
	for _, m := range tel.All() {
		known[m.Name] = true
		if !regexp.MustCompile(`^concierge_[a-z_]+$`).MatchString(m.Name) || m.Help == "" {
			t.Errorf("%q needs a name of ours and words", m.Name)
		}
	}
	everything(t, tel)
	seen := 0
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(scrape(t, tel), -1) {
		switch {
		case known[m[1]]:
			seen++
		case !strings.HasPrefix(m[1], "go_") && !strings.HasPrefix(m[1], "process_"):
			t.Errorf("%s is not documented", m[1])
		}
	}
	if seen != len(known)-1 { // spans: nothing is traced here
		t.Errorf("%d of %d metrics are there", seen, len(known))
	}
}

// everything makes each metric have a value.
func everything(t *testing.T, tel *telemetry.Telemetry) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/{api}", func(http.ResponseWriter, *http.Request) {})
	tel.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/apis/payments?q=x", nil))
	desk := tel.Desk(desk{})
	_, _ = desk.Resolve(t.Context(), api.ResolveQuery{})
	_, _ = desk.Claim(t.Context(), "sub_1")
	_ = tel.DB(database{tries: 3}).InTx(t.Context(), func(store.Tx) error { return nil })
	tel.Synced("edge", "applied")
	_, _ = opened(t, tel, gatewayWithKeys{}).Probe(t.Context())
	now := time.Now()
	tel.Read(func(context.Context) (telemetry.State, error) {
		return telemetry.State{
			Table: telemetry.Table{Version: 7, Current: now}, Pools: []store.Pool{{Name: "write", InUse: 1, Max: 12}},
			Traffic:  []telemetry.Traffic{{Gateway: "edge", Open: true, Waiting: 2}},
			Gateways: []telemetry.Gateway{{ID: "edge", LastSync: "applied", LastGood: now, Deployments: 3, Unclassified: 1}},
			Acts:     []telemetry.Acts{{Kind: "issue", Phase: "calling", Open: 2, Oldest: now}},
			Jobs:     []telemetry.Jobs{{Kind: "sync", State: "running", Count: 1}},
			Sites:    []telemetry.Site{{Name: "plant", Workers: 1, Waiting: 4}},
		}, nil
	})
}

func TestHTTP(t *testing.T) {
	tel := open(t, telemetry.Options{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys/{key}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) })
	mux.HandleFunc("POST /keys/{key}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h := tel.HTTP(mux)
	for _, call := range []string{"GET /keys/crd_1", "GET /keys/crd_2?token=t", "POST /keys/crd_1", "GET /nothing/here", "GET /stream", "GET /broken"} {
		method, path, _ := strings.Cut(call, " ")
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
		}()
	}
	seen := scrape(t, tel)
	wants(t, seen,
		`concierge_http_requests_total{route="GET /keys/{key}",status="2xx"} 2`,
		`concierge_http_requests_total{route="POST /keys/{key}",status="5xx"} 1`,
		`concierge_http_requests_total{route="none",status="4xx"} 1`,
		`concierge_http_requests_total{route="GET /stream",status="2xx"} 1`,
		`concierge_http_requests_total{route="GET /broken",status="aborted"} 1`,
		`concierge_http_request_duration_seconds_count{route="GET /keys/{key}"} 2`,
		`concierge_http_requests_in_flight 0`,
	)
	for _, never := range []string{"crd_1", "token", "/nothing/here"} {
		if strings.Contains(seen, never) {
			t.Errorf("the metrics hold %q of an address", never)
		}
	}
}

// TestAccessLog: changes and failures at info, reading at debug; routes, not addresses.
func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	tel := open(t, telemetry.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	mux := http.NewServeMux()
	mux.HandleFunc("/a/{b}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("fail") {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	h := tel.HTTP(mux)
	for _, tc := range []struct{ method, path, level string }{
		{"GET", "/a/secret-1", "DEBUG"}, {"POST", "/a/secret-2", "INFO"}, {"GET", "/a/secret-3?fail=secret", "INFO"},
	} {
		log.Reset()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tc.method, tc.path, nil))
		line := log.String()
		if !strings.Contains(line, "level="+tc.level) || !strings.Contains(line, "method="+tc.method+" route=/a/{b} status=") ||
			!strings.Contains(line, "elapsed_ms=") || strings.Contains(line, "secret") {
			t.Errorf("%s %s is logged as %q", tc.method, tc.path, line)
		}
	}
}

// database runs each transaction some times, as one does whose transactions get in each other's way.
type database struct {
	store.DB
	tries int
	err   error
}

func (d database) InTx(_ context.Context, fn func(store.Tx) error) error {
	for range d.tries {
		if err := fn(nil); err != nil {
			return err
		}
	}
	return d.err
}

func (d database) View(_ context.Context, fn func(store.Tx) error) error { return fn(nil) }

func TestStore(t *testing.T) {
	tel := open(t, telemetry.Options{})
	db := tel.DB(database{tries: 3})
	if err := db.InTx(t.Context(), func(store.Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := db.View(t.Context(), func(store.Tx) error { return portal.ErrNotFound }); !errors.Is(err, portal.ErrNotFound) {
		t.Error(err)
	}
	if err := tel.DB(database{err: portal.ErrUnavailable}).InTx(t.Context(), nil); !errors.Is(err, portal.ErrUnavailable) {
		t.Error(err)
	}
	wants(t, scrape(t, tel),
		`concierge_store_transactions_total{kind="write",outcome="ok"} 1`,
		`concierge_store_transactions_total{kind="write",outcome="unavailable"} 1`,
		`concierge_store_transactions_total{kind="read",outcome="not_found"} 1`,
		`concierge_store_retries_total 2`,
		`concierge_store_transaction_duration_seconds_count{kind="write"} 2`,
	)
}

type desk struct {
	api.Desk
	err   error
	ready bool
}

func (d desk) Resolve(context.Context, api.ResolveQuery) (api.Decision, error) {
	return api.Decision{}, d.err
}
func (d desk) Claim(context.Context, string) (api.Claim, error) {
	return api.Claim{Ready: d.ready}, d.err
}
func (d desk) Rotate(context.Context, string, time.Duration) (api.Claim, error) {
	return api.Claim{Ready: d.ready}, d.err
}
func (d desk) Revoke(context.Context, string) (api.Credential, error) {
	return api.Credential{State: map[bool]string{true: "revoked", false: "revoking"}[d.ready]}, d.err
}

func TestDesk(t *testing.T) {
	tel := open(t, telemetry.Options{})
	for _, d := range []desk{{ready: true}, {}, {err: &portal.NoEndpointError{}}, {err: errors.New("a person's name")}} {
		d := tel.Desk(d)
		_, _ = d.Resolve(t.Context(), api.ResolveQuery{API: "payments"})
		_, _ = d.Claim(t.Context(), "sub_1")
		_, _ = d.Rotate(t.Context(), "crd_1", time.Hour)
		_, _ = d.Revoke(t.Context(), "crd_1")
	}
	seen := scrape(t, tel)
	for _, operation := range []string{"claim", "rotate", "revoke"} {
		for _, outcome := range []string{"ok", "waiting", "not_found", "error"} {
			wants(t, seen, fmt.Sprintf(`concierge_key_requests_total{operation=%q,outcome=%q} 1`, operation, outcome))
		}
	}
	wants(t, seen, `concierge_resolves_total{outcome="ok"} 2`, `concierge_resolves_total{outcome="not_found"} 1`, `concierge_resolves_total{outcome="error"} 1`)
	if strings.Contains(seen, "person") || strings.Contains(seen, "payments") {
		t.Error("the metrics hold words of an error or a request")
	}
}

// gatewayWithout has no keys; gatewayWithKeys has, and can suspend.
type gatewayWithout struct{ connectors.Connector }

func (gatewayWithout) Probe(ctx context.Context) (connectors.Capabilities, error) {
	return connectors.Capabilities{Product: "x"}, nil
}

type gatewayWithKeys struct {
	gatewayWithout
	connectors.Issuer
	client *http.Client
	url    string
}

func (g gatewayWithKeys) Issue(ctx context.Context, _ connectors.IssueRequest) (connectors.Issued, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, g.url+"/consumers/canary-key?apikey=canary-key", nil)
	if err != nil {
		return connectors.Issued{}, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return connectors.Issued{}, err
	}
	return connectors.Issued{}, errors.Join(resp.Body.Close(), portal.ErrDenied)
}

func (gatewayWithKeys) Suspend(context.Context, connectors.Mark, connectors.Handle) error { return nil }
func (gatewayWithKeys) Resume(context.Context, connectors.Mark, connectors.Handle) error  { return nil }

func opened(t *testing.T, tel *telemetry.Telemetry, c connectors.Connector) connectors.Connector {
	t.Helper()
	kinds := tel.Kinds(map[string]connectors.Kind{"x": {Name: "x", Open: func(given connectors.Config) (connectors.Connector, error) {
		if g, ok := c.(gatewayWithKeys); ok {
			g.client = given.Client
			return g, nil
		}
		return c, nil
	}}})
	got, err := kinds["x"].Open(connectors.Config{ID: "edge", Client: &http.Client{}})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestAbilities: what is observed can do what it could before, and no more.
func TestAbilities(t *testing.T) {
	tel := open(t, telemetry.Options{})
	with, without := opened(t, tel, gatewayWithKeys{}), opened(t, tel, gatewayWithout{})
	_, issues := connectors.As[connectors.Issuer](with)
	_, suspends := connectors.As[connectors.Suspender](with)
	if !issues || !suspends {
		t.Errorf("lost: issues %v, suspends %v", issues, suspends)
	}
	_, issues = connectors.As[connectors.Issuer](without)
	_, suspends = connectors.As[connectors.Suspender](without)
	if issues || suspends {
		t.Errorf("made up: issues %v, suspends %v", issues, suspends)
	}
	broken := tel.Kinds(map[string]connectors.Kind{"x": {Open: func(connectors.Config) (connectors.Connector, error) { return nil, portal.ErrInvalid }}})
	if _, err := broken["x"].Open(connectors.Config{}); !errors.Is(err, portal.ErrInvalid) {
		t.Error(err)
	}
}

// TestTrace follows a claim from its request to the gateway.
func TestTrace(t *testing.T) {
	const trace = "0af7651916cd43dd8448eb211c80319c"
	for name, propagate := range map[string]bool{"kept to ourselves": false, "told to gateways": true} {
		t.Run(name, func(t *testing.T) {
			var told string
			gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told = r.Header.Get("Traceparent") }))
			defer gateway.Close()
			to := collect(t)
			tel := open(t, telemetry.Options{Version: "v9", Propagate: propagate, Getenv: environment(
				"OTEL_EXPORTER_OTLP_ENDPOINT", to.URL, "OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=a%20b")})
			issuer, _ := connectors.As[connectors.Issuer](opened(t, tel, gatewayWithKeys{url: gateway.URL}))
			desk := tel.Desk(claimer{db: tel.DB(database{tries: 1}), issuer: issuer})
			mux := http.NewServeMux()
			mux.HandleFunc("POST /subscriptions/{id}/claim", func(w http.ResponseWriter, r *http.Request) {
				if len(telemetry.LogAttrs(r.Context())) != 1 {
					t.Error("log lines would not name the trace")
				}
				_, _ = desk.Claim(r.Context(), r.PathValue("id"))
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			r := httptest.NewRequest(http.MethodPost, "/subscriptions/sub_1/claim?token=canary-token", nil)
			r.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
			r.Header.Set("Authorization", "Bearer canary-token")
			tel.HTTP(mux).ServeHTTP(httptest.NewRecorder(), r)
			tel.HTTP(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if err := tel.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := to.tree()
			for _, edge := range []string{
				" > POST /subscriptions/{id}/claim", "POST /subscriptions/{id}/claim > desk.Claim", "desk.Claim > store.write",
				"desk.Claim > gateway.Issue", "gateway.Issue > HTTP PUT",
			} {
				if !got[edge] {
					t.Errorf("there is no %q in %v", edge, got)
				}
			}
			if len(to.spans) != 5 {
				t.Errorf("%d spans", len(to.spans))
			}
			for _, s := range to.spans {
				if fmt.Sprintf("%x", s.TraceId) != trace {
					t.Errorf("%s belongs to another trace", s.Name)
				}
				if strings.Contains(s.String(), "canary") {
					t.Errorf("a secret is in %s", s)
				}
				if s.Name == "gateway.Issue" && s.Status.GetMessage() != "denied" {
					t.Errorf("the failed call says %q", s.Status)
				}
			}
			if to.about["service.name"] != "concierge" || to.about["service.version"] != "v9" {
				t.Errorf("the program is %v", to.about)
			}
			if call := to.calls[0]; call.URL.Path != "/v1/traces" || call.Header.Get("X-Tenant") != "a b" || call.Header.Get("Content-Type") != "application/x-protobuf" {
				t.Errorf("sent to %s with %v", call.URL, call.Header)
			}
			if got := told != ""; got != propagate || propagate && !strings.Contains(told, trace) {
				t.Errorf("the gateway is told %q", told)
			}
		})
	}
}

type claimer struct {
	api.Desk
	db     store.DB
	issuer connectors.Issuer
}

func (c claimer) Claim(ctx context.Context, _ string) (api.Claim, error) {
	if err := c.db.InTx(ctx, func(store.Tx) error { return nil }); err != nil {
		return api.Claim{}, err
	}
	_, err := c.issuer.Issue(ctx, connectors.IssueRequest{})
	return api.Claim{}, err
}

// TestCollectorAway: spans that nobody takes are counted and said once, and nothing fails.
func TestCollectorAway(t *testing.T) {
	to := collect(t)
	to.deny = true
	var log bytes.Buffer
	tel := open(t, telemetry.Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Getenv: environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", to.URL+"/in")})
	_, end := tel.Tracer().Start(t.Context(), "work")
	end(nil)
	if err := tel.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wants(t, scrape(t, tel), `concierge_spans_total{outcome="dropped"} 1`)
	if strings.Count(log.String(), "traces are not delivered") != 1 || to.calls[0].URL.Path != "/in" {
		t.Errorf("%s to %s", log.String(), to.calls[0].URL)
	}
}

// TestEnvironment: traces are off unless somebody says where to; what is wrong is said without what may be secret.
func TestEnvironment(t *testing.T) {
	for name, tc := range map[string]struct {
		env  []string
		want string // in the error
	}{
		"nothing":        {nil, ""},
		"disabled":       {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", "OTEL_SDK_DISABLED", "true"}, ""},
		"no address":     {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"a user in it":   {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:canary@collector"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		"gRPC":           {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}, "http/protobuf"},
		"broken headers": {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS", "canary"}, "header 1"},
	} {
		t.Run(name, func(t *testing.T) {
			tel, err := telemetry.New(t.Context(), telemetry.Options{Getenv: environment(tc.env...)})
			switch {
			case tc.want == "" && (err != nil || tel.Tracer().Active()):
				t.Errorf("%v, traced: %v", err, tel.Tracer().Active())
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary")):
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestState: what the database holds is left out while it is away, and it is not asked more often than is useful.
func TestState(t *testing.T) {
	now := time.Now()
	tel := open(t, telemetry.Options{Now: func() time.Time { return now }})
	if strings.Contains(scrape(t, tel), "concierge_routing_table") {
		t.Error("a state is told that nobody has read")
	}
	reads, away := 0, error(nil)
	tel.Read(func(context.Context) (telemetry.State, error) {
		reads++
		return telemetry.State{
			Table:    telemetry.Table{Version: 7, Current: now.Add(-3 * time.Second)},
			Gateways: []telemetry.Gateway{{ID: "edge", LastGood: now.Add(-time.Minute)}},
		}, away
	})
	scrape(t, tel)
	wants(t, scrape(t, tel), `concierge_state_read 1`, `concierge_routing_table_age_seconds 3`,
		`concierge_gateway_last_good_sync_age_seconds{gateway="edge"} 60`, `concierge_gateway_last_sync{gateway="edge",state="none"} 1`)
	if reads != 1 {
		t.Errorf("read %d times for two scrapes", reads)
	}
	now, away = now.Add(time.Hour), portal.ErrUnavailable
	seen := scrape(t, tel)
	wants(t, seen, `concierge_state_read 0`, `concierge_routing_table_version 7`)
	if strings.Contains(seen, "edge") {
		t.Error("an old state is told as if it were new")
	}
}

// TestOutcome: few words, none of them the error's own.
func TestOutcome(t *testing.T) {
	for want, err := range map[string]error{
		"ok": nil, "canceled": context.Canceled, "timeout": context.DeadlineExceeded, "error": errors.New("x"),
		"denied": &portal.GatewayError{Gateway: "edge", Op: "Issue", Err: portal.ErrDenied}, "unavailable": &portal.RetryAfterError{Err: errors.New("x")},
	} {
		if got := span.Outcome(err); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
