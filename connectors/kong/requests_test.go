package kong

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/kong/kongtest"

	"github.com/google/go-cmp/cmp"
)

// recorded is an exchange with a real Kong 3.9.3; see testdata.
type recorded struct {
	Name, Side string
	Request    struct {
		Method, Path string
		Body         any
	}
	Response struct {
		Status int
		Body   json.RawMessage
	}
}

// endpoint is a method and a path whose ids and names are replaced.
type endpoint struct{ method, path string }

func endpointOf(method, path string) endpoint {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i := range segments {
		if i%2 == 1 {
			segments[i] = "{}"
		}
	}
	return endpoint{method, "/" + strings.Join(segments, "/")}
}

// unrecorded are the requests that no recording has, and where else they are known from.
var unrecorded = map[endpoint]string{
	{"PATCH", "/consumers/{}"}:          "the probe: services/24-patch-missing shows the same for another collection",
	{"GET", "/consumers/{}/basic-auth"}: "node/06-endpoints lists it; a collection like key-auth",
	{"GET", "/consumers/{}/hmac-auth"}:  "node/06-endpoints lists it; a collection like key-auth",
	{"GET", "/consumers/{}/jwt"}:        "node/06-endpoints lists it; a collection like key-auth",
	{"GET", "/consumers/{}/oauth2"}:     "node/06-endpoints lists it; a collection like key-auth",
}

// TestRequestsMatchTheRecordings makes every kind of call and holds each request against those that a real Kong took: same
// method and path, no query parameter and no body field that it was not seen to take, of the same JSON type.
func TestRequestsMatchTheRecordings(t *testing.T) {
	known := map[endpoint]map[string]reflect.Type{} // fields of bodies that were taken
	for _, x := range recordings(t) {
		if x.Side != "admin" || x.Response.Status >= 400 && x.Response.Status != http.StatusNotFound {
			continue
		}
		at := endpointOf(x.Request.Method, x.Request.Path)
		if known[at] == nil {
			known[at] = map[string]reflect.Type{}
		}
		body, _ := x.Request.Body.(map[string]any)
		for name, v := range body {
			known[at][name] = reflect.TypeOf(v)
		}
	}
	// Every collection pages and filters alike (pagination, tags): these are the parameters that were seen.
	paging := []string{"offset", "size", "tags"}

	seen := map[endpoint]bool{}
	for _, r := range everyRequest(t) {
		at := endpointOf(r.Method, r.URL.Path)
		seen[at] = true
		fields, ok := known[at]
		if !ok && unrecorded[at] == "" {
			t.Errorf("%s %s was never recorded", at.method, at.path)
		}
		for name := range r.URL.Query() {
			if !slices.Contains(paging, name) {
				t.Errorf("%s %s with the parameter %s was never recorded", at.method, at.path, name)
			}
		}
		var body map[string]any
		if raw, _ := io.ReadAll(r.Body); len(raw) > 0 && json.Unmarshal(raw, &body) != nil {
			t.Errorf("%s %s: the body %s is no object", at.method, at.path, raw)
		}
		if unrecorded[at] != "" {
			continue
		}
		for name, v := range body {
			if want := fields[name]; want == nil || want != reflect.TypeOf(v) {
				t.Errorf("%s %s: the field %s of type %T was recorded as %v", at.method, at.path, name, v, want)
			}
		}
		if strings.Contains(at.path, "/key-auth/") && at.method == http.MethodPut && (body["key"] == nil || body["tags"] == nil) {
			t.Errorf("%s %s: the body is not whole: %v", at.method, at.path, slices.Collect(maps.Keys(body)))
		}
		if id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]; at.method == http.MethodPut && !isID(id) {
			t.Errorf("%s %s: in a path Kong takes %q for a name, or for the key itself", at.method, at.path, id)
		}
	}
	for at := range unrecorded {
		if !seen[at] {
			t.Errorf("%s %s is excused, but was not sent", at.method, at.path)
		}
	}
	t.Logf("%d kinds of request", len(seen))
	if len(seen) < 15 {
		t.Errorf("only %d kinds of request were made", len(seen))
	}
}

// everyRequest runs all calls of the connector against the fake and returns what it sent.
func everyRequest(t *testing.T) []*http.Request {
	t.Helper()
	g := start(t, kongtest.Options{})
	wire := &tap{}
	c, err := Open(connectors.Config{Address: g.AdminURL, Client: &http.Client{Transport: wire}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = c.Probe(ctx)
	must(err)
	_, err = c.Discover(ctx, "")
	must(err)
	req := g.request(1)
	req.Expires = time.Now().Add(time.Hour)
	issued, err := c.Issue(ctx, req)
	must(err)
	owner := issued.Handle.Open[handleConsumer]
	g.Seed("acls", map[string]any{"group": "former", "tags": []string{managed}, "consumer": map[string]any{"id": owner}})
	_, err = c.Issue(ctx, g.request(2)) // leaves the former group
	must(err)
	_, next, err := c.List(ctx, "", 1)
	must(err)
	_, _, err = c.List(ctx, next, 1)
	must(err)
	_, err = c.Find(ctx, req.Mark)
	must(err)
	for _, mark := range []connectors.Mark{req.Mark, g.request(2).Mark, g.request(2).Mark} {
		_, err = c.Revoke(ctx, mark, connectors.Handle{})
		must(err)
	}
	return wire.requests
}

// tap remembers requests with their bodies.
type tap struct {
	mu       sync.Mutex
	requests []*http.Request
}

func (w *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	copied := r.Clone(r.Context())
	copied.Body = http.NoBody
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, fmt.Errorf("reading a body again: %w", err)
		}
		copied.Body = body
	}
	w.mu.Lock()
	w.requests = append(w.requests, copied)
	w.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func recordings(t *testing.T) []recorded {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "exchanges", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	var all []recorded
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []recorded
		if err := json.Unmarshal(raw, &some); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, some...)
	}
	return all
}

// TestRecordedEntitiesAreUnderstood reads services, routes and plugins as the real Kong printed them when they were
// written.
func TestRecordedEntitiesAreUnderstood(t *testing.T) {
	latest := map[string]map[string]json.RawMessage{"services": {}, "routes": {}, "plugins": {}}
	for _, x := range recordings(t) {
		sequence, _, _ := strings.Cut(x.Name, "/")
		wrote := x.Request.Method == http.MethodPost || x.Request.Method == http.MethodPut || x.Request.Method == http.MethodPatch
		if sequence == "dbless" || sequence == "hybrid" || sequence == "rate-limit" || !wrote || x.Response.Status >= 300 {
			continue
		}
		segments := strings.Split(strings.Trim(x.Request.Path, "/"), "/")
		collection := segments[len(segments)-1]
		if len(segments)%2 == 0 {
			collection = segments[len(segments)-2]
		}
		var entity reference
		if json.Unmarshal(x.Response.Body, &entity) == nil && latest[collection] != nil {
			latest[collection][entity.ID] = x.Response.Body
		}
	}
	list := func(collection string) string {
		raw, err := json.Marshal(slices.Collect(maps.Values(latest[collection])))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	conf := read(t, list("services"), list("routes"), list("plugins"))
	var got []string
	for _, d := range published(t, conf, "https://api.example.com") {
		got = append(got, fmt.Sprintf("%s %s [%s] %s %q able %t", d.Title, d.Exposure, d.Public, d.Authentication.Type, d.Version, d.Issue.Able))
	}
	slices.Sort(got)
	want := []string{
		`billing billing.example.com/ [https://billing.example.com/billing] apiKey "v2" able true`,
		`old-api /old [https://api.example.com/old] none "" able false`,
		`orders / [] apiKey "v1" able true`,
		`orders /orders [https://api.example.com/orders] apiKey "v1" able true`,
		`pinned /put [https://api.example.com/put] none "" able false`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
