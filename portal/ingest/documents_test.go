package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/document"
)

// records returns the published records of a gateway by remote id.
func (d *desk) records(gateway portal.GatewayID) map[string]catalog.Record {
	d.t.Helper()
	found := map[string]catalog.Record{}
	d.view(func(ctx context.Context, s catalog.Store) error {
		all, err := s.Records(ctx, gateway)
		for _, r := range all {
			if r.Live() {
				found[r.Deployment.RemoteID] = r
			}
		}
		return err
	})
	return found
}

// TestEveryHostileDocument brings documents that were made to do harm, and one that is good, through a whole sync: it goes on, the
// good one is taken over, and each of the others has its reason.
func TestEveryHostileDocument(t *testing.T) {
	bomb := "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("%c: &%[1]c [*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c]\n", 'b'+i, 'a'+i)
	}
	hostile := map[string]struct{ doc, unread string }{
		"good":              {openAPI("Good", ""), ""},
		"alias bomb":        {bomb, "YAML aliases that multiply"},
		"alias circle":      {"openapi: 3.0.0\na: &a {b: *a}\n", "circle"},
		"reference circle":  {`{"openapi":"3.0.0","paths":{"/a":{"$ref":"#/components/pathItems/p"}},"components":{"pathItems":{"p":{"$ref":"#/components/pathItems/q"},"q":{"$ref":"#/components/pathItems/p"}},"schemas":{"s":{"$ref":"#/components/schemas/s"}}}}`, ""},
		"50 MB":             {`{"openapi":"3.0.0","x":"` + strings.Repeat("a", 50<<20) + `"}`, "larger than"},
		"deep":              {`{"openapi":"3.0.0","x":` + strings.Repeat("[", 1<<20), "nested more than"},
		"many values":       {`{"openapi":"3.0.0","x":[0` + strings.Repeat(",0", 600_000) + `]}`, "more than 500000 values"},
		"a key twice":       {`{"openapi":"3.0.0","info":{"title":"A","title":"B"}}`, "appears twice"},
		"not UTF-8":         {"{\"openapi\":\"\xff\"}", "UTF-8"},
		"entities":          {`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "document type"},
		"something else":    {"hello", "is it the right file"},
		"declares itself":   {openAPI("Declares", `,"x-concierge-audience":"public","x-concierge-environment":"development"`), ""},
		"javascript":        {openAPI("Javascript", `,"description":"[pay](javascript:alert(1)) <script>alert(1)</script> <img src=x onerror=alert(1)>"`), ""},
		"control character": {openAPI("Bell", `,"summary":"a\u0007b"`), ""},
	}
	d := newDesk(t, Options{})
	f := d.register("kong")
	for name, h := range hostile {
		f.deployments = append(f.deployments, withDocument(deployment(name, ""), name, "1"))
		f.documents[name] = h.doc
	}
	run := d.sync("kong")
	if run.State != catalog.Applied || run.Added != len(hostile) {
		t.Fatalf("%+v", run)
	}
	for name, r := range d.records("kong") {
		if want := hostile[name].unread; want == "" != (r.Described.Unread == "") || !strings.Contains(r.Described.Unread, want) {
			t.Errorf("%s: %q, want %q", name, r.Described.Unread, want)
		}
		if (r.Deployment.Document == "") != (hostile[name].unread != "") {
			t.Errorf("%s: its document is %q", name, r.Deployment.Document)
		}
		// What declares itself too much, and what cannot be read and might narrow, is for nobody.
		audience, environment := portal.Audience("partner"), portal.Environment("production")
		if name == "declares itself" {
			audience, environment = "", ""
		} else if hostile[name].unread != "" {
			audience = ""
		}
		if p := r.Deployment.Placement; p.Audience() != audience || p.Environment() != environment {
			t.Errorf("%s: it stands in %s/%s", name, p.Audience(), p.Environment())
		}
		if name == "javascript" {
			shown := document.Markdown(r.Deployment.Description)
			if strings.Contains(shown, "javascript:") || strings.Contains(shown, "<script") || strings.Contains(shown, "onerror") {
				t.Errorf("harm is left: %s", shown)
			}
		}
	}
	d.sync("kong") // what will not get better is not opened again
	if f.opened != len(hostile) {
		t.Errorf("%d documents were opened, want %d", f.opened, len(hostile))
	}
}

// TestServedDocument: what a sync took over is handed out without vendor extensions and foreign servers.
func TestServedDocument(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", "A"), "doc", "1"))
	f.documents["doc"] = `{"openapi":"3.0.0","info":{"title":"A","version":"1","x-backend":"https://backend.corp.test"},"servers":[{"url":"https://foreign.test"}],
		"paths":{"/a":{"get":{"x-amazon-apigateway-integration":{"uri":"https://backend.corp.test"},"servers":[{"url":"https://foreign.test/b"}]}}}}`
	d.sync("kong")
	hash := d.records("kong")["a"].Deployment.Document
	d.view(func(ctx context.Context, s catalog.Store) error {
		doc, err := s.Document(ctx, hash)
		if err != nil {
			return err
		}
		out, err := document.Serve(doc.Content, document.ServeOptions{BaseURL: "https://gw.example/a"})
		if text := string(out); strings.Contains(text, "foreign.test") || strings.Contains(text, "corp.test") || !strings.Contains(text, "https://gw.example/a") {
			t.Errorf("served:\n%s", text)
		}
		return err
	})
}

// TestRealDocumentsAreTakenIn: every document in testdata, and in the folder that CONCIERGE_SPECS names, is taken over by a sync.
func TestRealDocumentsAreTakenIn(t *testing.T) {
	var names []string
	for _, folder := range []string{filepath.Join("..", "document", "testdata", "real"), os.Getenv("CONCIERGE_SPECS")} {
		if folder == "" {
			continue
		}
		found, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents in %s: %v", folder, err)
		}
		names = append(names, found...)
	}
	d := newDesk(t, Options{})
	f := d.register("kong")
	for i, name := range names {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint(i, " ", filepath.Base(name))
		f.documents[id] = string(doc)
		f.deployments = append(f.deployments, withDocument(deployment(id, ""), id, "1"))
	}
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != len(names) || len(run.Warnings) > 0 {
		t.Fatalf("%+v", run)
	}
	for name, r := range d.records("kong") {
		if r.Described.Unread != "" || r.Deployment.Document == "" || r.Described.Title == "" {
			t.Errorf("%s: %q", name, r.Described.Unread)
		}
		var shape correlate.Shape
		if err := shape.UnmarshalText([]byte(r.Described.Shape)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d documents", len(names))
}

// TestShape: the operations of a document are there for correlation.
func TestShape(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", "A"), "doc", "1"), deployment("b", "B"))
	f.documents["doc"] = openAPI("A", "")
	d.sync("kong")
	all := d.records("kong")
	var shape correlate.Shape
	if err := shape.UnmarshalText([]byte(all["a"].Described.Shape)); err != nil || shape.IsZero() {
		t.Errorf("%q: %v", all["a"].Described.Shape, err)
	}
	if all["b"].Described.Shape != "" {
		t.Errorf("a deployment without a document has the shape %q", all["b"].Described.Shape)
	}
}

// TestShapeOfAnEarlierVersion: a shape that was made otherwise is made anew, from the document as it is kept.
func TestShapeOfAnEarlierVersion(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", "A"), "doc", "1"))
	f.documents["doc"] = openAPI("A", "")
	d.sync("kong")
	r := d.records("kong")["a"]
	d.view(func(ctx context.Context, s catalog.Store) error {
		want, err := sketchOf(ctx, s, r)
		if err != nil || want.Sketch.Shape.IsZero() {
			t.Fatalf("%+v, %v", want, err)
		}
		r.Described.Shape = "AQEFaXRlbXMA" // of format 1
		got, err := sketchOf(ctx, s, r)
		if err != nil || got.Sketch.Sum() != want.Sketch.Sum() {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		r.Deployment.Document = ""
		if got, err := sketchOf(ctx, s, r); err != nil || !got.Sketch.Shape.IsZero() {
			t.Errorf("without a document: %+v, %v", got, err)
		}
		return nil
	})
}

// TestUpload: what a person uploads takes the place of the gateway's document, survives syncs, a changed document and a rename,
// and goes when they say so.
func TestUpload(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", ""), "doc", "1"))
	f.documents["doc"] = openAPI("Of the gateway", "")
	d.sync("kong")
	ctx := t.Context()
	before := d.records("kong")["a"]
	id := before.Deployment.ID

	if err := d.service.Upload(ctx, "per_ann", id, []byte("hello")); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a document that is none: %v", err)
	}
	if err := d.service.Upload(ctx, "per_ann", "dep_none", []byte(openAPI("Uploaded", ""))); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("a deployment that is not there: %v", err)
	}
	if diff := d.records("kong")["a"]; diff.Fingerprint != before.Fingerprint {
		t.Error("what failed changed something")
	}
	if err := d.service.Upload(ctx, "per_ann", id, []byte(openAPI("Uploaded", ""))); err != nil {
		t.Fatal(err)
	}
	holds := func(when string) {
		t.Helper()
		r := d.records("kong")[cmp.Or(f.deployments[0].RemoteID, "a")]
		if r.Deployment.ID != id || r.Deployment.Title != "Uploaded" || r.Override.Document == nil || r.Override.Document.By != "per_ann" || r.Deployment.Document != r.Override.Document.Hash {
			t.Errorf("%s: %+v", when, r)
		}
	}
	holds("at once")
	opened := f.opened
	if run := d.sync("kong"); run.State != catalog.Unchanged || f.opened != opened {
		t.Errorf("a sync after an upload: %+v, %d documents opened", run, f.opened-opened)
	}
	f.set(func(f *fake) { f.deployments[0].Document.Revision, f.deployments[0].Tags = "2", []string{"new"} })
	d.sync("kong")
	holds("after the gateway's own changed")
	if err := d.service.Override(ctx, "per_bob", id, catalog.Override{BaseURL: "https://other.example/a"}); err != nil {
		t.Fatal(err)
	}
	holds("after an override of something else")
	dump := d.dump()
	if err := d.service.Upload(ctx, "per_bob", id, []byte(openAPI("Uploaded", ""))); err != nil || d.dump() != dump {
		t.Errorf("the same document again: %v", err)
	}

	if err := d.service.RemoveUpload(ctx, "per_ann", id); err != nil {
		t.Fatal(err)
	}
	if r := d.records("kong")["a"]; r.Deployment.Document != "" || r.Override.Document != nil || r.Override.BaseURL == "" {
		t.Errorf("removed: %+v", r)
	}
	d.sync("kong")
	if r := d.records("kong")["a"]; r.Deployment.Title != "Of the gateway" || r.Deployment.Document == "" {
		t.Errorf("after the next sync: %+v", r)
	}
	dump = d.dump()
	if err := d.service.RemoveUpload(ctx, "per_ann", id); err != nil || d.dump() != dump {
		t.Errorf("removed again: %v", err)
	}
}

// TestUploadShowsNobodyMore: what the gateway's own document says of who may see a deployment holds through uploads that say nothing of
// it, and through no other; an override is how an administrator decides otherwise.
func TestUploadShowsNobodyMore(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", ""), "doc", "1"))
	f.documents["doc"] = openAPI("Of the gateway", `,"x-concierge-audience":"internal"`)
	d.sync("kong")
	ctx, id := t.Context(), d.records("kong")["a"].Deployment.ID
	for _, tc := range []struct{ says, want string }{
		{"", "internal"}, {`,"x-concierge-environment":"production"`, "internal"}, {`,"x-concierge-audience":"partner"`, "partner"}, {`,"summary":"Again"`, "internal"},
	} {
		if err := d.service.Upload(ctx, "per_ann", id, []byte(openAPI("Uploaded", tc.says))); err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"at once", "after a sync"} {
			if r := d.records("kong")["a"]; string(r.Deployment.Placement.Audience()) != tc.want || r.Deployment.Title != "Uploaded" {
				t.Errorf("%q %s: %s, %s", tc.says, when, r.Deployment.Title, r.Deployment.Placement.Audience())
			}
			d.sync("kong")
		}
	}
}

// TestRemovedUploadShowsNobodyMore: between the removal of a document that says who may see a deployment and the sync that reads the
// gateway's own, which may say the same, it stays where it was.
func TestRemovedUploadShowsNobodyMore(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("a", ""), "doc", "1"))
	f.documents["doc"] = openAPI("Of the gateway", `,"x-concierge-audience":"internal"`)
	d.sync("kong")
	ctx, id := t.Context(), d.records("kong")["a"].Deployment.ID
	if err := d.service.Upload(ctx, "per_ann", id, []byte(openAPI("Uploaded", `,"x-concierge-audience":"internal"`))); err != nil {
		t.Fatal(err)
	}
	if err := d.service.RemoveUpload(ctx, "per_ann", id); err != nil {
		t.Fatal(err)
	}
	r := d.records("kong")["a"]
	if r.Deployment.Placement.Audience() != "internal" || r.Deployment.Document != "" || r.Override.Document != nil {
		t.Errorf("before its own is read: %+v", r)
	}
	if err := d.service.UploadAsOwner(ctx, "per_bob", id, []byte(openAPI("Of its owners", ""))); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("owners give it one meanwhile: %v", err)
	}
	d.sync("kong")
	if r := d.records("kong")["a"]; r.Deployment.Placement.Audience() != "internal" || r.Deployment.Title != "Of the gateway" {
		t.Errorf("after the sync: %+v", r)
	}
}

// TestFetch: a document that is elsewhere is fetched where an administrator has allowed it, and from nowhere else.
func TestFetch(t *testing.T) {
	var mu sync.Mutex // of asked
	var asked []string
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path+r.Header.Get("Authorization")+r.Header.Get("Cookie"))
		mu.Unlock()
		switch r.URL.Path {
		case "/doc":
			_, _ = w.Write([]byte(openAPI("Fetched", "")))
		case "/moved":
			http.Redirect(w, r, server.URL+"/doc", http.StatusFound)
		case "/closed":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	at := func(path string) connectors.Deployment {
		dep := deployment(strings.Trim(path, "/"), "")
		dep.Document = connectors.DocumentRef{URL: server.URL + path}
		return dep
	}
	odd := deployment("odd", "")
	odd.Document = connectors.DocumentRef{URL: "file:///etc/passwd"}
	all := []connectors.Deployment{at("/doc"), at("/moved"), at("/closed"), at("/none"), odd}
	for name, tc := range map[string]struct {
		fetching catalog.Fetching
		unread   map[string]string
	}{
		"nothing is allowed": {catalog.Fetching{Allow: []string{"127.0.0.0/8"}},
			map[string]string{"doc": "documents: {fetch: true}", "moved": "fetch: true", "closed": "fetch: true", "none": "fetch: true", "odd": "cannot be fetched"}},
		"public addresses are": {catalog.Fetching{Fetch: true},
			map[string]string{"doc": "documents.allow", "moved": "documents.allow", "closed": "documents.allow", "none": "documents.allow", "odd": "cannot be fetched"}},
		"this one is": {catalog.Fetching{Fetch: true, Allow: []string{"127.0.0.0/8"}},
			map[string]string{"doc": "", "moved": "redirects are not followed", "closed": "denied", "none": "not found", "odd": "cannot be fetched"}},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			asked = nil
			mu.Unlock()
			d := newDesk(t, Options{})
			f := &fake{able: able(), deployments: all}
			d.fakes["fake://kong"] = f
			n := registration("kong")
			n.Documents = tc.fetching
			if _, err := d.gateways.Register(t.Context(), "per_admin", n); err != nil {
				t.Fatal(err)
			}
			if run := d.sync("kong"); run.State != catalog.Applied {
				t.Fatalf("%+v", run)
			}
			for id, r := range d.records("kong") {
				if want := tc.unread[id]; want == "" != (r.Described.Unread == "") || !strings.Contains(r.Described.Unread, want) {
					t.Errorf("%s: %q, want %q", id, r.Described.Unread, want)
				}
			}
			if r := d.records("kong")["doc"]; tc.unread["doc"] == "" && (r.Deployment.Title != "Fetched" || r.Deployment.Document == "") {
				t.Errorf("fetched: %+v", r.Deployment)
			}
			if f.opened != 0 {
				t.Error("the gateway was asked for what is elsewhere")
			}
			mu.Lock()
			defer mu.Unlock()
			if allowed := tc.unread["doc"] == ""; !allowed && len(asked) > 0 || allowed && len(asked) != 4 {
				t.Errorf("asked for %q", asked)
			}
		})
	}
	d := newDesk(t, Options{})
	d.fakes["fake://kong"] = &fake{able: able()}
	n := registration("kong")
	n.Documents.Allow = []string{"nowhere"}
	if _, err := d.gateways.Register(t.Context(), "per_admin", n); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a malformed network: %v", err)
	}
}

// A connector that fails in a way it should not while a document is opened leaves out that document, and nothing else.
func TestPanicWhileADocumentIsOpened(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", withDocument(deployment("pay", "Payments"), "bad", "1"), withDocument(deployment("ship", "Shipping"), "doc", "1"))
	f.set(func(f *fake) {
		f.documents["doc"] = openAPI("Shipping", "")
		f.documentIn = func(ref connectors.DocumentRef) {
			if ref.ID == "bad" {
				panic("boom")
			}
		}
	})
	if run := d.sync("kong"); run.State != catalog.Applied || run.Added != 2 {
		t.Fatalf("%+v", run)
	}
	found := d.records("kong")
	if r := found["pay"]; r.Deployment.Document != "" || !strings.Contains(r.Described.Unread, "its log says more") {
		t.Errorf("%q %q", r.Deployment.Document, r.Described.Unread)
	}
	if r := found["ship"]; r.Deployment.Document == "" || r.Described.Unread != "" {
		t.Errorf("%q %q", r.Deployment.Document, r.Described.Unread)
	}
	f.set(func(f *fake) { f.documentIn = nil; f.documents["bad"] = openAPI("Payments", "") })
	d.sync("kong")
	if r := d.records("kong")["pay"]; r.Deployment.Document == "" || r.Described.Unread != "" {
		t.Errorf("asked again: %q %q", r.Deployment.Document, r.Described.Unread)
	}
}
