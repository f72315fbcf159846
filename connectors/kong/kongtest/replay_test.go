package kongtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"concierge/connectors/kong/kongtest"

	"github.com/google/go-cmp/cmp"
)

// exchange is one recorded request to a real Kong 3.9.3 and its answer.
type exchange struct {
	Name    string
	Side    string // admin or proxy
	Trimmed bool   // parts of the answer were left out
	Request struct {
		Method  string
		Path    string
		Headers map[string]any // a text, or a list of them
		Body    any
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    any
	}
}

// notReplayed are the exchanges that say nothing about a connector, by name, with the reason.
var notReplayed = map[string]string{
	"node/03-plugins-enabled":            "the fake offers fewer plugins",
	"node/06-endpoints":                  "the list of endpoints is not served",
	"node/07-schema-keyauth-credentials": "schemas are not served",
	"node/08-schema-plugin-key-auth":     "schemas are not served",
	"usage/03-metrics":                   "metrics are not served",
	"rate-limit/04-call3":                "rate limits are stored, not enforced",
	"dbless/12-config-get":               "the declarative configuration is not served",
	"dbless/13-config-post":              "declares a configuration: seeded from its answer",
	"dbless/14-config-post-bad":          "the declarative configuration is not served",
	"dbless/19-config-post-mixed-tags":   "declares a configuration: seeded from its answer",
	"dbless/25-tags-page1":               "/tags pages by table in DB-less mode; the connector does not ask for it",
	"dbless/26-tags-page2":               "/tags pages by table in DB-less mode; the connector does not ask for it",
	"dbless/27-tags-page3":               "/tags pages by table in DB-less mode; the connector does not ask for it",
	"dbless/28-config-post-one-untagged": "declares a configuration: seeded from its answer",
	"dbless/30-config-post-relative-ttl": "declares a configuration: seeded from its answer",
	"dbless/33-config-post-epoch-ttl":    "declares a configuration: seeded from its answer",
	"hybrid/01-data-planes":              "the fake's control plane has no data planes to list",
	"hybrid/10-data-planes-after":        "the fake's control plane has no data planes to list",
}

// clock holds the times at which something was recorded that its answer does not show, in epoch seconds.
var clock = map[string]int64{
	"key-auth/03-get-ttl-counts-down": 1795380084,
	"proxy/20-ttl-key-expired":        1795380104,
	"dbless/34-epoch-ttl-list":        1795380138,
	"dbless/36-epoch-ttl-proxy-later": 1795380148,
}

// unrecorded is what was done before an exchange without being recorded.
var unrecorded = map[string]func(g *kongtest.Gateway){
	"pagination/01-services-size4-page1": func(g *kongtest.Gateway) {
		for i := range 5 {
			g.Seed("services", map[string]any{"id": fmt.Sprintf("00000000-0000-4000-8000-00000000010%d", i), "name": fmt.Sprintf("page-%d", i),
				"host": "127.0.0.1", "port": 18002, "tags": []any{"paged"}, "created_at": 1795380080, "updated_at": 1795380080})
		}
	},
	"pagination/15-nested-routes-size1-tag-page1": func(g *kongtest.Gateway) {
		for i := range 3 {
			g.Seed("routes", map[string]any{"id": fmt.Sprintf("00000000-0000-4000-8000-00000000020%d", i), "name": fmt.Sprintf("pr-%d", i),
				"paths": []any{fmt.Sprintf("/pr%d", i)}, "tags": []any{"rt"}, "service": map[string]any{"name": "orders"},
				"created_at": 1795380080, "updated_at": 1795380080})
		}
	},
	"usage/02-upstream-headers": func(g *kongtest.Gateway) {
		id := g.Seed("consumers", map[string]any{"id": "00000000-0000-4000-8000-000000000071", "username": "metered"})
		g.Seed("acls", map[string]any{"group": "api-orders", "consumer": map[string]any{"id": id}})
		g.Seed("key-auths", map[string]any{"id": "00000000-0000-4000-8000-000000000073", "key": "demo-key-metered-not-a-secret", "consumer": map[string]any{"id": id}})
	},
	"dbless/01-status": func(g *kongtest.Gateway) {
		g.Seed("services", map[string]any{"id": "580c8aca-d632-5804-b307-a24326e1e2d5", "name": "orders", "url": "http://127.0.0.1:18002/orders",
			"tags": []any{"env:prod"}, "created_at": 1795380075, "updated_at": 1795380075})
		g.Seed("routes", map[string]any{"id": "756cf725-a0aa-5628-b38a-bf82d7a7cc26", "name": "orders-r", "paths": []any{"/orders"},
			"service": map[string]any{"name": "orders"}, "created_at": 1795380075, "updated_at": 1795380075})
		g.Seed("consumers", map[string]any{"id": "b32379d9-3d28-5683-a79c-72139be6e34f", "username": "alice"})
	},
}

// TestReplay plays the recorded requests to the fake, in order, and compares every answer with the recorded one: status,
// headers that mean something, and the whole body. Nothing in bodies is normalised but the proxy's request ids and port: the
// fake's clock, ids and generated keys come from the recording.
func TestReplay(t *testing.T) {
	replayed, skipped := 0, 0
	for _, run := range []struct {
		mode      kongtest.Mode
		sequences []string
	}{
		{kongtest.Traditional, []string{"node", "empty", "services", "pagination", "tags", "routes", "plugins", "consumers", "acls",
			"key-auth", "proxy", "usage", "disabled-service", "rate-limit"}},
		{kongtest.DBless, []string{"dbless"}},
		{kongtest.ControlPlane, []string{"hybrid"}},
	} {
		r := &replay{mode: run.mode}
		r.restart()
		for _, sequence := range run.sequences {
			for _, x := range load(t, sequence) {
				r.prepare(x)
				if reason, skip := notReplayed[x.Name]; skip {
					t.Logf("not replayed: %-40s %s", x.Name, reason)
					skipped++
					continue
				}
				replayed++
				t.Run(x.Name, func(t *testing.T) { r.play(t, x) })
			}
		}
		r.gateway.Close()
	}
	t.Logf("replayed %d of %d recorded exchanges", replayed, replayed+skipped)
	if skipped != len(notReplayed) {
		t.Errorf("%d exchanges were left out, the table lists %d", skipped, len(notReplayed))
	}
}

// replay is one node that a run of sequences was recorded against.
type replay struct {
	mode    kongtest.Mode
	gateway *kongtest.Gateway
	now     int64
	id, key string // what the recorded node generated
}

func (r *replay) restart() {
	if r.gateway != nil {
		r.gateway.Close()
	}
	r.gateway = kongtest.New(kongtest.Options{
		Mode: r.mode,
		Now:  func() time.Time { return time.Unix(r.now, 0) },
		NewID: func() string {
			if r.id == "" {
				return "ffffffff-ffff-4fff-8fff-ffffffffffff" // of a request that is refused
			}
			return r.id
		},
		NewKey: func() string { return r.key },
	})
}

// prepare brings clock, ids and unrecorded state to where they were when x was recorded.
func (r *replay) prepare(x exchange) {
	body, _ := x.Response.Body.(map[string]any)
	r.id, _ = body["id"].(string)
	r.key, _ = body["key"].(string)
	if x.Request.Method != http.MethodGet {
		for _, stamp := range []string{"created_at", "updated_at"} {
			if at, ok := body[stamp].(float64); ok {
				r.now = max(r.now, int64(at))
			}
		}
	}
	r.now = max(r.now, clock[x.Name])
	if x.Request.Path == "/config" && x.Response.Status == http.StatusCreated {
		r.declare(body)
	}
	if before := unrecorded[x.Name]; before != nil {
		before(r.gateway)
	}
}

// declare starts again with the entities that POST /config answered with.
func (r *replay) declare(body map[string]any) {
	r.restart()
	for _, c := range []struct{ name, collection string }{
		{"services", "services"}, {"routes", "routes"}, {"plugins", "plugins"}, {"consumers", "consumers"}, {"keyauth_credentials", "key-auths"},
	} {
		entities, _ := body[c.name].(map[string]any)
		for _, e := range entities {
			fields := e.(map[string]any)
			r.now = max(r.now, int64(fields["created_at"].(float64)))
			for name, v := range fields {
				if v == nil {
					delete(fields, name)
				}
			}
			r.gateway.Seed(c.collection, fields)
		}
	}
}

func (r *replay) play(t *testing.T, x exchange) {
	base := r.gateway.AdminURL
	if x.Side == "proxy" {
		base = r.gateway.ProxyURL
	}
	resp, body := send(t, base, x)
	if resp.StatusCode != x.Response.Status {
		t.Fatalf("status %d, recorded %d: %s", resp.StatusCode, x.Response.Status, body)
	}
	upstream := resp.Header.Get("X-Kong-Upstream-Latency") != ""
	for _, name := range []string{"Content-Type", "Server", "WWW-Authenticate", "Via"} {
		if upstream && name == "Server" { // the upstream's own
			continue
		}
		if got, want := resp.Header.Get(name), x.Response.Headers[name]; got != want {
			t.Errorf("header %s %q, recorded %q", name, got, want)
		}
	}
	for _, name := range []string{"X-Kong-Admin-Latency", "X-Kong-Response-Latency", "X-Kong-Upstream-Latency", "X-Kong-Proxy-Latency", "X-Kong-Request-Id"} {
		if got, want := resp.Header.Get(name) != "", x.Response.Headers[name] != ""; got != want {
			t.Errorf("header %s present: %t, recorded %t", name, got, want)
		}
	}
	var got any
	if len(body) > 0 && json.Unmarshal(body, &got) != nil {
		got = string(body)
	}
	port := base[strings.LastIndex(base, ":")+1:]
	got = normalise(got, resp.Header.Get("X-Kong-Request-Id"), port)
	want := normalise(x.Response.Body, x.Response.Headers["X-Kong-Request-Id"], "18000", "18010")
	if x.Trimmed {
		if !within(got, want) && !within(want, got) {
			t.Errorf("body %v does not fit the recorded %v", got, want)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-recorded +fake):\n%s", diff)
	}
}

// send repeats the recorded request, with the headers of the recording and no others.
func send(t *testing.T, base string, x exchange) (*http.Response, []byte) {
	t.Helper()
	var body io.Reader
	switch b := x.Request.Body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), x.Request.Method, base+x.Request.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "")
	for name, v := range x.Request.Headers {
		switch v := v.(type) {
		case string:
			req.Header.Set(name, v)
			if name == "Host" {
				req.Host = v
			}
		case []any:
			for _, one := range v {
				req.Header.Add(name, one.(string))
			}
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, raw
}

// normalise replaces what differs from request to request: the request id, and the port that the proxy listens on.
func normalise(v any, requestID string, ports ...string) any {
	switch v := v.(type) {
	case string:
		if requestID != "" && v == requestID {
			return "REQUEST"
		}
	case map[string]any:
		out := map[string]any{}
		for key, e := range v {
			out[key] = normalise(e, requestID)
			for _, port := range ports {
				if key == "headers" {
					out[key] = normalise(e, requestID, ports...)
				}
				if key == "x-forwarded-port" && e == port {
					out[key] = "PORT"
				}
			}
		}
		return out
	}
	return v
}

// within reports whether everything in part is in whole with the same value.
func within(part, whole any) bool {
	p, ok := part.(map[string]any)
	if !ok {
		return reflect.DeepEqual(part, whole)
	}
	w, ok := whole.(map[string]any)
	if !ok {
		return false
	}
	for key, v := range p {
		if other, ok := w[key]; !ok || !within(v, other) {
			return false
		}
	}
	return true
}

func load(t *testing.T, sequence string) []exchange {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", "exchanges", sequence+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatalf("%s: %v", sequence, err)
	}
	return all
}
