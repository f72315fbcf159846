package document

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"concierge/portal"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	const in = `
openapi: 3.0
x-concierge-api: from-root
x-concierge-environment: test
x-concierge-owner: [no, scalar]
info:
  title: Orders
  version: 1.0
  summary: Takes orders
  description: "# Orders"
  x-concierge-api: orders
  x-concierge-environment: production
tags: [{name: read}, {name: 7}, read]
servers: [{url: "https://a.test/v1"}, {description: none}, {url: /v2}]
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
    same: {$ref: "#/components/securitySchemes/key"}
  parameters:
    since: {name: since, in: query, required: true}
  pathItems:
    loop: {$ref: "#/components/pathItems/loop"}
    shared: {get: {operationId: shared}}
paths:
  /orders:
    summary: Not an operation
    get: {operationId: listOrders, summary: List, tags: [read]}
    post: {deprecated: true}
    parameters: [{name: page, in: query}]
  /orders/{id}:
    get: {}
  /search:
    get: {parameters: [{$ref: "#/components/parameters/since"}]}
  /loop: {$ref: "#/components/pathItems/loop"}
  /shared: {$ref: "#/components/pathItems/shared"}
  /remote: {$ref: "https://a.test/x.yaml"}
  /wrong: [get]
  /null: {get: null, additionalOperations: {COPY: {}}}
  x-path: {get: {}}
`
	sum := sha256.Sum256([]byte(in))
	want := Description{
		Kind: OpenAPI, Format: YAML, SpecVersion: "3.0", Title: "Orders", Version: "1.0", Summary: "Takes orders", Description: "# Orders",
		Tags:    []string{"read", "7"},
		Servers: []string{"https://a.test/v1", "/v2"},
		API:     "orders", Words: map[string]string{"environment": "production"},
		Operations: []Operation{
			{Method: "GET", Path: "/orders", ID: "listOrders", Summary: "List", Tags: []string{"read"}, Plain: true},
			{Method: "POST", Path: "/orders", Deprecated: true},
			{Method: "GET", Path: "/orders/{id}"},
			{Method: "GET", Path: "/search"},
			{Method: "GET", Path: "/shared", ID: "shared", Plain: true},
			{Method: "COPY", Path: "/null"},
		},
		Security: []SecurityScheme{{ID: "key", Type: "apiKey", In: "header", Name: "X-Key"}, {ID: "same", Type: "apiKey", In: "header", Name: "X-Key"}},
		SHA256:   hex.EncodeToString(sum[:]), Size: int64(len(in)),
	}
	got, err := Describe([]byte(in), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDescribeServers(t *testing.T) {
	for in, want := range map[string][]string{
		`{"swagger":"2.0","host":"a.test","basePath":"/v1","schemes":["https","http"]}`: {"https://a.test/v1", "http://a.test/v1"},
		`{"swagger":"2.0","host":"a.test"}`:                                             {"//a.test"},
		`{"swagger":"2.0","basePath":"/v1","schemes":["https"]}`:                        {"/v1"},
		`{"swagger":2}`: nil,
		`{"openapi":"3.1.0","host":"a.test","servers":"x"}`:       nil,
		"\ufeff{\"openapi\":\"3.2.0\",\"servers\":[{\"url\":1}]}": {"1"},
	} {
		d, err := Describe([]byte(in), Limits{})
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if diff := cmp.Diff(want, d.Servers); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

// YAML values become what JSON can say; dates and odd numbers do not change their spelling on the way.
func TestYAMLValues(t *testing.T) {
	const in = `{a: 017, b: 0x1F, c: 1_000, d: .inf, e: 2020-01-01, f: ~, g: True, h: 1.50, i: !!str 5, j: !Ref x, k: +.5, l: yes, m: !!binary aGk=,
 200: x, true: y, n: 0.1e1, o: 12345678901234567890123, p: "1", q: , r: !!int "3"}`
	const want = `{"a": 15, "b": 31, "c": 1000, "d": ".inf", "e": "2020-01-01", "f": null, "g": true, "h": 1.50, "i": "5", "j": "x", "k": 0.5, "l": "yes", ` +
		`"m": "aGk=", "200": "x", "true": "y", "n": 0.1e1, "o": 12345678901234567890123, "p": "1", "q": null, "r": 3}`
	p := parser{limits: Limits{}.withDefaults()}
	root, err := p.yaml([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	got, err := write(root, JSON, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(got), "\n  ", " "), "\n", ""), "{ ", "{")
	if diff := cmp.Diff(want, flat); diff != "" {
		t.Error(diff)
	}
}

// Everything hostile ends soon, in little memory, with an error that says what to do.
func TestHostile(t *testing.T) {
	head := "openapi: 3.0.0\n"
	bomb := head + "x0: &x0 [a,a,a,a,a,a,a,a,a,a]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("x%d: &x%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d,", i), 10), ","))
	}
	merges := head + "m0: &m0 {a: 1, b: 2}\n"
	for i := range 40 {
		merges += fmt.Sprintf("m%d: &m%d {<<: [*m%d, *m%d], c%d: 1}\n", i+1, i+1, i, i, i)
	}
	for name, tc := range map[string]struct{ doc, want string }{
		"empty":                    {"", "it is empty"},
		"white space":              {" \n\t ", "it is empty"},
		"a list":                   {"[1]", "not an object"},
		"a word":                   {"hello", "not an object"},
		"HTML":                     {"<!DOCTYPE html><html><body>502</body></html>", "is it the right file"},
		"two values":               {`{"openapi":"3.0.0"} {}`, "follows the end"},
		"two YAML documents":       {head + "---\n" + head, "not valid YAML"},
		"cut off":                  {`{"openapi":"3.0.0","paths":{"/a":{"get":`, "ends too early, inside /paths/~1a/get"},
		"broken JSON":              {`{"openapi":"3.0.0",}`, "not valid JSON near byte"},
		"broken YAML":              {"openapi: [", "not valid YAML"},
		"invalid UTF-8":            {"{\"openapi\":\"3.0.0\",\"a\":\"\xff\"}", "save it as UTF-8"},
		"UTF-16":                   {"\xff\xfe{\x00", "save it as UTF-8"},
		"other version":            {`{"openapi":"4.0.0"}`, "use 2.0, 3.0, 3.1 or 3.2"},
		"not a version":            {`{"openapi":"3.0evil"}`, "use 2.0"},
		"old Swagger":              {`{"swagger":"1.2"}`, "convert it"},
		"version is an object":     {`{"openapi":{}}`, "is it the right file"},
		"duplicate key":            {`{"openapi":"3.0.0","paths":{"/a":{},"/a":{}}}`, "/paths/~1a appears twice"},
		"duplicate key, escaped":   {`{"openapi":"3.0.0","\u006fpenapi":"3.0.0"}`, "/openapi appears twice"},
		"duplicate key of many":    {`{"openapi":"3.0.0"` + manyFields(40) + `,"f20":1}`, "/f20 appears twice"},
		"duplicate YAML key":       {head + "openapi: 3.0.0", "appears twice"},
		"key that is a list":       {head + "? [a]\n: b", "line 2, is not a plain word"},
		"deep JSON":                {`{"openapi":"3.0.0","a":` + strings.Repeat("[", 1<<20), "nested more than 100 deep"},
		"deep objects":             {`{"openapi":"3.0.0","a":` + strings.Repeat(`{"a":`, 1<<18), "nested more than 100 deep"},
		"deep flow YAML":           {head + "a: " + strings.Repeat("[", 1<<16), "it is not valid YAML"},
		"deep block YAML":          {head + "a:\n" + strings.Repeat("- ", 1<<18), ""},
		"alias bomb":               {bomb, "aliases that multiply"},
		"merge bomb":               {merges, ""},
		"merge of a word":          {head + "a: {<<: b}", "takes a mapping"},
		"circle":                   {head + "a: &a {b: *a}", "nested more than 100 deep at /a/b/*a/b/*a"},
		"unknown alias":            {head + "a: *b", "not valid YAML"},
		"text bomb":                {head + "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 30) + "]", "larger than"},
		"50 MB":                    {`{"openapi":"3.0.0","a":"` + strings.Repeat("x", 50<<20) + `"}`, "larger than 20971520 bytes"},
		"many JSON values":         {`{"openapi":"3.0.0","a":[` + strings.Repeat("0,", 9<<20) + "0]}", "more than 500000"},
		"many YAML values":         {head + "a: [" + strings.Repeat("0,", 9<<20) + "0]", "more than 500000"},
		"many YAML lists":          {head + "a: [" + strings.Repeat("[]", 9<<20), "more than 500000"},
		"many YAML quoted keys":    {head + "a: {" + strings.Repeat("'':'',", 3<<20), "more than 500000"},
		"many YAML anchors":        {head + "a: [" + strings.Repeat("&a ,", 4<<20), "more than 500000"},
		"one huge YAML word":       {head + strings.Repeat("a", 4<<20), "not valid YAML"},
		"one huge YAML comment":    {head + strings.Repeat("#", 4<<20), ""},
		"many YAML comments":       {head + strings.Repeat("# a\n", 200_000), ""},
		"unclosed YAML quote":      {head + "a: '" + strings.Repeat("\n", 400_000), "not valid YAML"},
		"YAML quotes with no text": {head + "a: '" + strings.Repeat("''", 2<<20), "not valid YAML"},
		"YAML tags":                {head + "a: [" + strings.Repeat("!a ,", 200_000) + "]", ""},
		"YAML directives":          {strings.Repeat("%TAG ! tag:a\n", 100_000) + "---\n" + head, "not valid YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Describe([]byte(tc.doc), Limits{})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if tc.want != "" && (!errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %.300v, want ErrInvalid with %q", err, tc.want)
			}
			if err != nil && len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 700 || took > 8*time.Second {
				t.Errorf("took %s and %d MB in all", took, mb)
			}
		})
	}
}

func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"f%d":0`, i)
	}
	return b.String()
}

// A document at the limits is written within four times its size, or refused.
func TestServeHostile(t *testing.T) {
	deep := `{"openapi":"3.0.0","paths":{"/a":{"get":{"responses":{"200":{"description":"a","content":{"a/b":{"example":` + strings.Repeat("[", 60) +
		strings.Repeat("0,", 50_000) + "0" + strings.Repeat("]", 60) + "}}}}}}}}"
	for _, format := range []Format{JSON, YAML} {
		_, err := Serve([]byte(deep), ServeOptions{BaseURL: testBase, Format: format, Limits: Limits{MaxBytes: 256 << 10}})
		if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func TestRead(t *testing.T) {
	if got, err := Read(nil, strings.NewReader("12345"), Limits{MaxBytes: 5}); string(got) != "12345" || err != nil {
		t.Errorf("at the limit: %q, %v", got, err)
	}
	if _, err := Read(nil, strings.NewReader("123456"), Limits{MaxBytes: 5}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
	broken := io.MultiReader(strings.NewReader("123"), iotest.ErrReader(portal.ErrUnavailable))
	if _, err := Read(nil, broken, Limits{}); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("broken reader: %v", err)
	}
}

func seeds(f *testing.F) {
	for _, seed := range []string{
		`{"openapi":"3.0.0","info":{"title":"A","version":"1"},"servers":[{"url":"https://a.test"}],"paths":{"/a":{"get":{"responses":{}}}}}`,
		`{"swagger":"2.0","host":"a.test","basePath":"/","schemes":["https"],"paths":{"/a":{"$ref":"#/paths/~1a"}}}`,
		"openapi: 3.1.0\na: &a {b: *a}\n", "openapi: 3.1.0\nb: &b [1]\nc: [*b, *b]\nd: {<<: {e: 1}}\n", "openapi: 3.0.0\n? [a]\n: b\n", `{"openapi":"3.0.0","\ud800":1}`,
	} {
		f.Add([]byte(seed))
	}
	for _, name := range []string{"testdata/serve/everything31.in.yaml", "testdata/serve/swagger20.in.yaml", "testdata/real/tinyuid.com.json"} {
		seed, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
}

func FuzzDescribe(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := Describe(doc, Limits{MaxNodes: 10_000})
		if err != nil && !errors.Is(err, portal.ErrInvalid) {
			t.Fatal(err)
		}
		if err == nil && (d.SpecVersion == "" || d.Size != int64(len(doc))) {
			t.Fatalf("%+v", d)
		}
	})
}

func FuzzServe(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, doc []byte) {
		limits := Limits{MaxNodes: 10_000}
		before, err := Describe(doc, limits)
		if err != nil {
			return
		}
		for _, format := range []Format{JSON, YAML} {
			out, err := Serve(doc, ServeOptions{BaseURL: testBase, Format: format, Hidden: []string{"a.test"}, Limits: limits})
			if errors.Is(err, portal.ErrInvalid) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			after, err := Describe(out, Limits{})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if len(after.Servers) != 1 || after.Servers[0] != testBase || len(after.Operations) > len(before.Operations) {
				t.Fatalf("%+v\n%s", after, out)
			}
			if strings.Contains(strings.ToLower(string(out)), "//a.test") {
				t.Fatalf("a.test remains\n%s", out)
			}
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	doc, err := os.ReadFile("testdata/real/bbc.co.uk.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Describe(doc, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// Limits hold to the value: what is at one is read, what is one over is not.
func TestLimitsAreExact(t *testing.T) {
	jsonDoc, yamlDoc := `{"openapi":"3.0.0","a":[[[0,0]]]}`, "openapi: 3.0.0\na: [[[0,0]]]\n" // 4 deep, 7 values
	for _, doc := range []string{jsonDoc, yamlDoc} {
		for limits, want := range map[Limits]bool{
			{MaxDepth: 4}: true, {MaxDepth: 3}: false,
			{MaxNodes: 7}: true, {MaxNodes: 6}: false,
			{MaxBytes: int64(len(doc))}: true, {MaxBytes: int64(len(doc)) - 1}: false,
		} {
			if _, err := Describe([]byte(doc), limits); (err == nil) != want || err != nil && !errors.Is(err, portal.ErrInvalid) {
				t.Errorf("%+v of %q: %v", limits, doc, err)
			}
		}
	}
}
