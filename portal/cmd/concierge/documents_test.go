package main

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/document"
	"concierge/portal/people"
	"concierge/portal/web"
	"concierge/portal/web/ui"
)

// refusals are documents that are not taken over, and what the page says of each.
func refusals() map[string]struct{ doc, says string } {
	bomb := "openapi: 3.0.0\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("%c: &%[1]c [*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c,*%[2]c]\n", 'b'+i, 'a'+i)
	}
	return map[string]struct{ doc, says string }{
		"alias-bomb":     {bomb, "YAML aliases that multiply"},
		"alias-circle":   {"openapi: 3.0.0\na: &a {b: *a}\n", "circle"},
		"fifty-mb":       {`{"openapi":"3.0.0","x":"` + strings.Repeat("a", 50<<20) + `"}`, "larger than"},
		"deep":           {`{"openapi":"3.0.0","x":` + strings.Repeat("[", 1<<20), "nested more than"},
		"many-values":    {`{"openapi":"3.0.0","x":[0` + strings.Repeat(",0", 600_000) + `]}`, "more than 500000 values"},
		"a-key-twice":    {`{"openapi":"3.0.0","info":{"title":"A","title":"B"}}`, "appears twice"},
		"not-utf-8":      {"{\"openapi\":\"\xff\"}", "UTF-8"},
		"entities":       {`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "document type"},
		"something-else": {"hello", "is it the right file"},
		"a-web-page":     {"<!doctype html><title>Sign in</title>", ""},
		"cut-short":      {`{"openapi":"3.0.0","info":{"title":"A"`, ""},
		"swagger-one":    {`{"swagger":"1.2","apis":[]}`, "convert it to OpenAPI 3"},
		"openapi-four":   {`{"openapi":"4.0.0","info":{"title":"A"}}`, "use 2.0, 3.0, 3.1 or 3.2"},
	}
}

// oddities are documents that are taken over although they were made to do harm, or are larger than any that we know.
func oddities() map[string]string {
	var tags, operations strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&tags, `,{"name":"t%d"}`, i)
	}
	for i := range 30_000 {
		fmt.Fprintf(&operations, `,"/things/%d":{"get":{"operationId":"get%[1]d","summary":"Gets thing %[1]d","tags":["t%d"],"responses":{"200":{"description":"ok"}}}}`, i, i%100)
	}
	const ping = `"paths":{"/ping":{"get":{"responses":{"200":{"description":"ok"}}}}}`
	info := func(more string) string {
		return `{"openapi":"3.0.3","info":{"title":"Odd","version":"1"` + more + `},` + ping + `}`
	}
	return map[string]string{
		"tags":        `{"openapi":"3.0.3","info":{"title":"Odd","version":"1"},"tags":[{"name":"first"}` + tags.String() + `],` + ping + `}`,
		"operations":  `{"openapi":"3.0.3","info":{"title":"Odd","version":"1"},"paths":{"/first":{"get":{"responses":{}}}` + operations.String() + `}}`,
		"description": info(`,"description":"` + strings.Repeat("Lorem *ipsum* [dolor](https://example.com). ", 120_000) + `"`),
		"nesting":     info(`,"description":"` + strings.Repeat("> ", 5_000) + strings.Repeat("[", 5_000) + strings.Repeat("*_", 5_000) + `"`),
		"title":       `{"openapi":"3.0.3","info":{"title":"` + strings.Repeat("Odd ", 25_000) + `","version":"` + strings.Repeat("9", 100_000) + `"},` + ping + `}`,
		"script":      info(`,"description":"[pay](javascript:alert(1)) <script>alert(1)</script> <img src=x onerror=alert(1)> [x](vbscript:alert(1)) ![y](data:text/html,alert(1))"`),
		"references": `{"openapi":"3.0.0","info":{"title":"Odd","version":"1"},"paths":{"/a":{"$ref":"#/components/pathItems/p"},"/b":{"get":{"parameters":[{"$ref":"#/components/parameters/q"}]}}},
			"components":{"parameters":{"q":{"$ref":"#/components/parameters/q"}},"pathItems":{"p":{"$ref":"#/components/pathItems/q"},"q":{"$ref":"#/components/pathItems/p"}},"schemas":{"s":{"$ref":"#/components/schemas/s"}}}}`,
		"back-ends": `{"openapi":"3.0.0","info":{"title":"Odd","version":"1","x-backend":"https://backend.corp.test"},"servers":[{"url":"https://foreign.corp.test"}],
			"paths":{"/a":{"servers":[{"url":"https://path.corp.test"}],"get":{"x-amazon-apigateway-integration":{"uri":"https://lambda.corp.test"},"servers":[{"url":"https://operation.corp.test"}],
			"responses":{"200":{"description":"ok","links":{"l":{"server":{"url":"https://link.corp.test"}}}}},"callbacks":{"c":{"{$request.query.u}":{"post":{"servers":[{"url":"https://callback.corp.test"}]}}}}}}}}`,
		"public":   info(`,"x-concierge-audience":"public","x-concierge-environment":"development"`),
		"swagger":  `{"swagger":"2.0","info":{"title":"Old","version":"1"},"host":"old.corp.test","basePath":"/v1","schemes":["http"],"paths":{"/ping":{"get":{"responses":{"200":{"description":"ok"}}}}}}`,
		"three-2":  `{"openapi":"3.2.0","info":{"title":"New","version":"1"},"paths":{"/q":{"query":{"responses":{}},"additionalOperations":{"COPY":{"responses":{}}}}}}`,
		"yaml":     "openapi: 3.1.0\ninfo: {title: Plain, version: '1'}\npaths: {/ping: {get: {responses: {'200': {description: ok}}}}}\n",
		"asyncapi": "asyncapi: 2.6.0\ninfo: {title: Orders, version: '1.2'}\nchannels: {orders: {subscribe: {operationId: onOrder}}}\n",
		"graphql":  "schema { query: Root }\ntype Root { order(id: ID!): String }\n",
		"proto":    "syntax = \"proto3\";\npackage shop.v1;\nservice Orders { rpc Get (A) returns (B); }\n",
		"wsdl":     `<w:definitions name="Orders" targetNamespace="urn:o" xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:portType name="Orders"><w:operation name="Get"/></w:portType></w:definitions>`,
	}
}

// largestPage is what a page may have, in bytes, whatever document it is about.
const largestPage = 4 << 20

// TestDocuments brings real documents (those in testdata, and in the folder that CONCIERGE_SPECS names), odd ones and
// hostile ones from a gateway to the pages: each that is not taken over is named on a page with its reason, and each that is
// can be looked at and downloaded.
func TestDocuments(t *testing.T) {
	var apis []gateway.API
	add := func(name string, doc []byte) {
		apis = append(apis, gateway.API{Name: name, Title: name, Version: "1.0.0", Entry: name, Document: doc})
	}
	notName := regexp.MustCompile(`[^a-z0-9]+`)
	for _, folder := range []string{filepath.Join("..", "..", "document", "testdata", "real"), os.Getenv("CONCIERGE_SPECS")} {
		found, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || folder != "" && len(found) == 0 {
			t.Fatalf("no documents in %s: %v", folder, err)
		}
		for i, name := range found {
			doc, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			add(fmt.Sprintf("real-%d-%d-%s", len(folder), i, strings.Trim(notName.ReplaceAllString(strings.ToLower(filepath.Base(name)), "-"), "-")), doc)
		}
	}
	for name, doc := range oddities() {
		add("odd-"+name, []byte(doc))
	}
	bad := refusals()
	for name, r := range bad {
		add("bad-"+name, []byte(r.doc))
	}
	_, at := registeredSample(t, gateway.Options{APIs: apis}, catalog.Gateway{
		ID: "edge", Title: "Edge", Division: "cards",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Partner}, Environments: []portal.Environment{portal.Test}},
	})
	s := openPortal(t, t.TempDir(), at)
	ada := administrator(t, s)
	dev := s.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)
	runs, err := s.ingest.Runs(t.Context(), "edge", "", 1)
	if err != nil || len(runs) != 1 || runs[0].State != catalog.Applied || runs[0].Added != len(apis) {
		t.Fatalf("%+v, %v", runs, err)
	}

	value := func(values []string, i int) string { return append(values, "", "", "")[i] }
	// What was not taken over: every one of them with its reason, on the page and over the API.
	unread := map[string]string{}
	listed := ""
	for target := "/gateways/edge/documents"; target != ""; {
		page := s.ask(ada, web.SurfacePage, "GET", target, "")
		if page.status != http.StatusOK {
			t.Fatalf("%s: %s", target, page)
		}
		listed += page.body
		target = ""
		if next := regexp.MustCompile(`<a[^>]*rel="next"[^>]*href="([^"]*)"|href="([^"]*)"[^>]*rel="next"`).FindStringSubmatch(page.body); next != nil {
			target = html.UnescapeString(next[1] + next[2])
		}
	}
	for cursor := ""; ; {
		answer := s.must(t, ada, "GET", "/api/v1/gateways/edge/documents?limit=5&cursor="+cursor, nil)
		for _, i := range answer["items"].([]any) {
			d := i.(map[string]any)
			unread[strings.TrimPrefix(d["title"].(string), "bad-")] = d["unread"].(string)
		}
		if cursor, _ = answer["next"].(string); cursor == "" {
			break
		}
	}
	for name, reason := range unread {
		if _, ok := bad[name]; !ok {
			t.Errorf("%s was not taken over: %s", name, reason)
		}
	}
	for name, r := range bad {
		if reason := unread[name]; reason == "" || !strings.Contains(reason, r.says) {
			t.Errorf("%s: %q, want %q", name, reason, r.says)
		} else if named, values, ok := document.ReasonIn(reason); !ok {
			t.Errorf("%s: %q is no reason that pages have words for", name, reason)
		} else if said := ui.TextIn("en").T("unread."+string(named), "A", value(values, 0), "B", value(values, 1), "C", value(values, 2)); !strings.Contains(listed, ">bad-"+name+"<") || !strings.Contains(listed, html.EscapeString(said)) {
			t.Errorf("the page says nothing of %s: %s", name, said)
		} else {
			t.Logf("refused: %-14s %s", name, reason)
		}
		// It might narrow: nobody but administrators sees it.
		if got := s.ask(dev, web.SurfaceAPI, "GET", "/api/v1/apis/bad-"+name, ""); got.status != http.StatusNotFound {
			t.Errorf("%s is shown: %d", name, got.status)
		}
	}

	// What was: looked at from all sides.
	kinds := map[document.Kind]int{}
	var slowest time.Duration
	slowestPage := ""
	for _, a := range apis {
		if strings.HasPrefix(a.Name, "bad-") || a.Name == "odd-public" {
			continue
		}
		d, err := document.Describe(a.Document, document.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		kinds[d.Kind]++
		for _, page := range []string{"", "/endpoints", "/reference?environment=test", "/reference?environment=test&q=get", "/operations?environment=test", "/document?environment=test", "/changes"} {
			began := time.Now()
			target := "/apis/" + a.Name + page
			got := s.ask(dev, web.SurfacePage, "GET", target, "")
			if took := time.Since(began); took > slowest {
				slowest, slowestPage = took, fmt.Sprintf("%s, %d bytes", target, len(got.body))
			}
			if got.status != http.StatusOK {
				t.Errorf("%s: %d", target, got.status)
			}
			if len(got.body) > largestPage && page != "/document?environment=test" {
				t.Errorf("%s has %d bytes", target, len(got.body))
			}
			for _, harm := range []string{"javascript:", "vbscript:", "data:text", "<script>alert", "onerror=alert", "corp.test", "x-backend", "x-amazon"} {
				text := strings.ToLower(got.body)
				if i := strings.Index(text, harm); strings.HasPrefix(a.Name, "odd-") && i >= 0 && (page != "/document?environment=test" || strings.HasPrefix(harm, "x-") || harm == "corp.test") {
					t.Errorf("%s: …%s…", target, text[max(0, i-60):min(len(text), i+60)])
				}
			}
		}
	}
	// Operations of every kind are listed, and found by.
	if err := s.search.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ operation, search string }{
		"yaml": {"GET /ping", "GET /ping"}, "asyncapi": {"SUBSCRIBE orders", "onOrder"}, "graphql": {"QUERY order", "query order"},
		"proto": {"RPC /shop.v1.Orders/Get", "RPC /shop.v1.Orders/Get"}, "wsdl": {"SOAP Orders/Get", "soap orders get"},
	} {
		for _, page := range []string{"/operations", "/reference"} {
			target := "/apis/odd-" + name + page + "?environment=test"
			method, path, _ := strings.Cut(tc.operation, " ")
			if got := s.ask(dev, web.SurfacePage, "GET", target, ""); !strings.Contains(got.body, ">"+method+"<") || !strings.Contains(got.body, "<code>"+path+"</code>") {
				t.Errorf("%s does not list %s", target, tc.operation)
			}
		}
		found := s.must(t, dev, "GET", "/api/v1/apis?q="+url.QueryEscape(tc.search), nil)["items"].([]any)
		if !slices.ContainsFunc(found, func(i any) bool { return i.(map[string]any)["id"] == "odd-"+name }) {
			t.Errorf("%q does not find odd-%s", tc.search, name)
		}
	}
	t.Logf("%d documents: %v; %d refused; slowest page %s: %s", len(apis), kinds, len(unread), slowest.Round(time.Millisecond), slowestPage)

	// What declares itself public leaves its gateway's bounds: it is for nobody, and its gateway's administrators are told.
	for _, who := range []somebody{dev, ada} {
		if got := s.ask(who, web.SurfaceAPI, "GET", "/api/v1/apis/odd-public", ""); got.status != http.StatusNotFound {
			t.Errorf("%s sees what declared itself public: %d", who.name, got.status)
		}
	}
	if list := s.must(t, ada, "GET", "/api/v1/deployments?gateway=edge&unclassified=true&limit=100", nil)["items"].([]any); !slices.ContainsFunc(list, func(i any) bool { return i.(map[string]any)["title"] == "odd-public" }) {
		t.Error("what declared itself public is not among what is unclassified")
	}
	if page := s.ask(ada, web.SurfacePage, "GET", "/gateways/edge", ""); page.status != http.StatusOK {
		t.Errorf("the gateway's page: %s", page)
	}
	if again := s.syncNow(t, "edge"); again.State != catalog.Unchanged {
		t.Errorf("the next sync: %+v", again)
	}
}
