package ingest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// TestHostileTexts: whatever a gateway calls its things, what is kept is bounded, has no control characters and turns no
// text around, and a second sync finds nothing changed.
func TestHostileTexts(t *testing.T) {
	evil := "a\x00b\x1b[31m\u202e\u2066c<script>alert(1)</script>\xff" + strings.Repeat("x", 100_000)
	dep := deployment("x", evil)
	dep.Summary, dep.Description, dep.Version, dep.Owner, dep.API, dep.Stage = evil, strings.Repeat(evil, 50), evil, evil, evil, evil
	dep.Issue.Reason, dep.PublicReason = evil, evil
	dep.Plans = []portal.Plan{{ID: evil, Title: "unusable"}, {ID: "basic", Title: evil, Limits: []string{evil}}}
	dep.Authentication = portal.Authentication{Type: evil, In: evil, Name: evil, Prefix: evil}
	dep.Hosts, dep.Paths = []string{evil}, []string{evil}
	for i := range 100_000 {
		dep.Tags = append(dep.Tags, fmt.Sprint(evil[:20], i))
		dep.Operations = append(dep.Operations, connectors.Operation{Method: evil[:200], Path: fmt.Sprint("/", evil[:10], i)})
		dep.Plans = append(dep.Plans, portal.Plan{ID: fmt.Sprint("p", i)})
	}
	d := newDesk(t, Options{})
	f := d.register("kong", dep)
	f.able.Product = evil
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != 1 {
		t.Fatalf("%+v", run)
	}
	r := d.records("kong")["x"]
	kept := r.Deployment
	texts := []string{kept.Title, kept.Summary, kept.Description, kept.Version, kept.Line, kept.Owner, kept.BaseURL, kept.IssueRefused,
		kept.Authentication.Type, kept.Authentication.In, kept.Authentication.Name, kept.Authentication.Prefix}
	texts = append(texts, kept.Tags...)
	for _, p := range kept.Plans {
		texts = append(append(texts, p.ID, p.Title), p.Limits...)
	}
	for _, o := range r.Discovered.Operations {
		texts = append(texts, o.Method, o.Path)
	}
	for _, s := range texts {
		if len(s) > maxText && s != kept.Description || len(s) > maxDescription || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || reorders(r) }) {
			t.Errorf("%d bytes are kept: %.80q", len(s), s)
		}
	}
	if len(kept.Tags) > maxList || len(kept.Plans) > maxPlans || len(r.Discovered.Operations) > maxRoutes || kept.Plans[0].ID != "basic" {
		t.Errorf("%d tags, %d plans, the first %q, %d routes", len(kept.Tags), len(kept.Plans), kept.Plans[0].ID, len(r.Discovered.Operations))
	}
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Errorf("the next sync: %+v", run)
	}
}

// TestHostileLists: an answer that cannot be true is refused as a whole, with the reason, and nothing of it is taken over.
func TestHostileLists(t *testing.T) {
	many := make([]connectors.Deployment, maxDeployments+1)
	for i := range many {
		many[i].RemoteID = fmt.Sprint("d", i)
	}
	odd := func(ids ...string) (all []connectors.Deployment) {
		for _, id := range ids {
			all = append(all, deployment(id, "Odd"))
		}
		return all
	}
	for name, tc := range map[string]struct {
		told []connectors.Deployment
		want string
	}{
		"too many":           {many, fmt.Sprintf("it holds %d deployments, and at most %d are taken over from one gateway", len(many), maxDeployments)},
		"one twice":          {odd("a", "b", "a"), "the answer holds a twice"},
		"control characters": {odd("a\x00", "b\n\x1b[2J", "c"), "of 3 deployments 2 are without an id"},
		"10 kB":              {odd(strings.Repeat("x", 10_000), strings.Repeat("y", 10_000)), "of 2 deployments 2 are without an id"},
		"not UTF-8":          {odd("\xff", "\xfe\xff"), "of 2 deployments 2 are without an id"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Options{})
			f := d.register("kong", deployment("pay", "Payments"))
			d.sync("kong")
			before := d.dump()
			f.set(func(f *fake) { f.deployments = tc.told })
			if run := d.sync("kong"); run.State != catalog.Failed || !strings.Contains(run.Error, tc.want) {
				t.Errorf("%s: %q, want %q", run.State, run.Error, tc.want)
			}
			if d.dump() != before {
				t.Error("something of it was taken over")
			}
		})
	}
}

// TestOddIds: ids that mean something elsewhere are only text here, and stay two where they are two.
func TestOddIds(t *testing.T) {
	ids := []string{"../../etc/passwd", "..", "%2e%2e%2f", "a/b", "a%2Fb", "a?b#c", " ", "a ", "a", "A", "' OR 1=1 --", "dep_1", "é", "e\u0301", "\u202ea", strings.Repeat("é", maxID/2)}
	d := newDesk(t, Options{})
	f := d.register("kong")
	for i, id := range ids {
		f.deployments = append(f.deployments, deployment(id, fmt.Sprint("API ", i)))
	}
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != len(ids) {
		t.Fatalf("%+v", run)
	}
	all := d.records("kong")
	for i, id := range ids {
		if r, ok := all[id]; !ok || r.Deployment.Title != fmt.Sprint("API ", i) {
			t.Errorf("%q is %+v", id, r.Deployment)
		}
	}
	if run := d.sync("kong"); run.State != catalog.Unchanged {
		t.Errorf("the next sync: %+v", run)
	}
}

// TestDocumentsFromInside: a gateway's object that points to an address inside, in whatever form it is written, reaches
// nothing there, even where documents are fetched; what is answered as a way there is not followed.
func TestDocumentsFromInside(t *testing.T) {
	var reached atomic.Int64
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached.Add(1)
		_, _ = w.Write([]byte(openAPI("Secret", "")))
	}))
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, Options{})
	f := &fake{able: able()}
	for i, host := range []string{
		"127.0.0.1", "localhost", "LOCALHOST.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "2130706433", "0x7f000001", "017700000001", "127.1", "0", "0.0.0.0", "[::]",
		"169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[fd00:ec2::254]", "[fe80::1%25lo]", "10.0.0.1", "192.168.0.1", "100.100.100.200",
	} {
		dep := deployment(fmt.Sprint("at ", host), fmt.Sprint("API ", i))
		dep.Document = connectors.DocumentRef{URL: "http://" + host + ":" + port + "/latest/meta-data"}
		f.deployments = append(f.deployments, dep)
	}
	for _, odd := range []string{"file:///etc/passwd", "gopher://127.0.0.1", "http://user:secret@example.com/", "//127.0.0.1/x", "http:///x", "http://[::1", "javascript:alert(1)", "data:text/plain,x", "ftp://example.com"} {
		dep := deployment("odd "+odd, "Odd")
		dep.Document = connectors.DocumentRef{URL: odd}
		f.deployments = append(f.deployments, dep)
	}
	n := registration("kong")
	n.Documents.Fetch = true
	d.fakes[n.Address] = f
	if _, err := d.gateways.Register(t.Context(), "per_admin", n); err != nil {
		t.Fatal(err)
	}
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != len(f.deployments) {
		t.Fatalf("%+v", run)
	}
	for id, r := range d.records("kong") {
		if r.Deployment.Document != "" || r.Described.Unread == "" || strings.Contains(r.Described.Unread, "secret@") {
			t.Errorf("%s: document %q, %q", id, r.Deployment.Document, r.Described.Unread)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests went inside", n)
	}
	// The test's own server is there: with the network allowed, its document is taken over.
	n.Documents.Allow = []string{"127.0.0.0/8"}
	if _, err := d.gateways.Change(context.Background(), "per_admin", n); err != nil {
		t.Fatal(err)
	}
	d.sync("kong")
	if r := d.records("kong")["at 127.0.0.1"]; r.Deployment.Document == "" || reached.Load() == 0 {
		t.Errorf("where it is allowed: %q", r.Described.Unread)
	}
}

// TestSlowElsewhere: documents at a place that never answers keep neither the gateway's other documents nor its sync waiting.
func TestSlowElsewhere(t *testing.T) {
	ended := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(ended) })
	d := newDesk(t, Options{Timeout: 20 * time.Second})
	f := &fake{able: able(), documents: map[string]string{"doc": openAPI("Own", "")}, deployments: []connectors.Deployment{withDocument(deployment("own", ""), "doc", "1")}}
	for i := range 50 {
		dep := deployment(fmt.Sprint("slow ", i), fmt.Sprint("Slow ", i))
		dep.Document = connectors.DocumentRef{URL: fmt.Sprint(slow.URL, "/", i)}
		f.deployments = append(f.deployments, dep)
	}
	n := registration("kong")
	n.Documents = catalog.Fetching{Fetch: true, Allow: []string{"127.0.0.0/8"}}
	d.fakes[n.Address] = f
	if _, err := d.gateways.Register(t.Context(), "per_admin", n); err != nil {
		t.Fatal(err)
	}
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != len(f.deployments) {
		t.Fatalf("%+v", run)
	}
	for id, r := range d.records("kong") {
		if want := id == "own"; want != (r.Described.Unread == "") || !want && !strings.Contains(r.Described.Unread, "took too long") {
			t.Errorf("%s: %q", id, r.Described.Unread)
		}
	}
}
