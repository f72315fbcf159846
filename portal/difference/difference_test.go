package difference_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concierge/portal/difference"
)

// described is a small description in which tests change something.
const described = `{
  "openapi": "3.0.3",
  "info": {"title": "Orders", "version": "1.0.0", "description": "Orders and their items."},
  "servers": [{"url": "https://test.example.com"}],
  "paths": {
    "/orders": {
      "get": {"summary": "List orders", "parameters": [{"name": "limit", "in": "query", "description": "How many", "schema": {"type": "integer"}}],
        "responses": {"200": {"description": "Orders", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}}}}},
      "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewOrder"}}}}, "responses": {"201": {"description": "Made"}}}
    },
    "/orders/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}], "responses": {"200": {"description": "One"}}}}
  },
  "components": {"schemas": {
    "Order": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "state": {"type": "string", "enum": ["open", "paid"]}, "description": {"type": "string"}}},
    "NewOrder": {"type": "object", "properties": {"sku": {"type": "string"}, "gift": {"type": "boolean"}}},
    "Spare": {"type": "string"}
  }}
}`

func content(text string) difference.Document { return difference.Document{Content: []byte(text)} }

func TestCompare(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string // replaced in the second description
		want     []string
	}{
		"the address": {`https://test.example.com`, `https://example.com`, nil},
		"a text":      {`"List orders"`, `"Lists orders"`, []string{"documentation GET /orders texts-changed: texts differ: `summary`"}},
		"a text of a parameter": {`"How many"`, `"At most"`, []string{
			"documentation GET /orders texts-changed: texts differ: `parameters › query limit › description`"}},
		"a text that is gone":    {`"summary": "List orders", `, ``, []string{"documentation GET /orders texts-changed: texts differ: `summary`"}},
		"the stated version":     {`"1.0.0"`, `"1.0.1"`, []string{"documentation   texts-changed: texts differ: `info › version`"}},
		"a property of a schema": {`"state":`, `"status":`, []string{"compatible Order  response-optional-property-added: added the optional property `status` to the response", "compatible Order  response-optional-property-removed"}},
		"a property that is named as a text": {`"description": {"type": "string"}`, `"description": {"type": "integer"}`, []string{
			"breaking Order  response-property-type-changed"}},
		"an operation is gone": {`"post": {"requestBody"`, `"x-post": {"requestBody"`, []string{"breaking POST /orders api-removed-without-deprecation"}},
		"an operation is deprecated": {`"post": {"requestBody": {`, `"post": {"deprecated": true, "requestBody": {`, []string{
			"compatible POST /orders endpoint-deprecated"}},
		"a parameter has another name": {`/orders/{id}": {"get": {"parameters": [{"name": "id"`, `/orders/{order}": {"get": {"parameters": [{"name": "order"`, []string{"compatible   other-changed"}},
		"a request needs more":         {`"NewOrder": {"type": "object"`, `"NewOrder": {"type": "object", "required": ["sku"]`, []string{"breaking NewOrder  request-property-became-required"}},
		"a new value in an answer":     {`"paid"]`, `"paid", "lost"]`, []string{"breaking Order  response-property-enum-value-added"}},
		"what no call uses":            {`"Spare": {"type": "string"}`, `"Spare": {"type": "string", "format": "uuid"}`, []string{"compatible   other-changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(described, tc.old) {
				t.Fatalf("nothing to replace: %s", tc.old)
			}
			r := difference.Compare(content(described), content(strings.Replace(described, tc.old, tc.new, 1)), difference.Limits{})
			if r.Basis != difference.Documents || r.Failure != nil {
				t.Fatalf("basis %s, %v", r.Basis, r.Failure)
			}
			got := lines(r)
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tc.want[i]) {
					t.Errorf("got %q, want %q", got[i], tc.want[i])
				}
			}
			if r.Same != (tc.want == nil && name == "the address") {
				t.Errorf("same: %v", r.Same)
			}
		})
	}
}

func lines(r difference.Report) []string {
	var all []string
	for _, c := range r.Changes {
		level := string(c.Level)
		if c.Possible {
			level += "?"
		}
		all = append(all, strings.Join([]string{level, c.Method + c.Schema, c.Path, c.Code + ": " + c.Text}, " "))
	}
	return all
}

const swagger = `{"swagger": "2.0", "info": {"title": "Orders", "version": "1"}, "host": "a.example.com", "basePath": "/v1", "schemes": ["https"], "paths": {
  "/orders": {"get": {"parameters": [{"name": "limit", "in": "query", "type": "integer"}], "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Order"}}}}}},
  "definitions": {"Order": {"type": "object", "properties": {"id": {"type": "string"}}}}}`

func TestCompareOtherKinds(t *testing.T) {
	synthesised := strings.Replace(described, `"openapi"`, `"x-concierge-synthesised": true, "openapi"`, 1)
	get := []difference.Operation{{Method: "GET", Path: "/orders"}}
	both := append(slices.Clone(get), difference.Operation{Method: "POST", Path: "/orders"})
	for name, tc := range map[string]struct {
		from, to difference.Document
		limits   difference.Limits
		reason   difference.Reason
		same     bool
		want     []string
	}{
		"2.0 with itself":        {from: content(swagger), to: content(swagger), same: true},
		"2.0 at another address": {from: content(swagger), to: content(strings.Replace(swagger, "a.example.com", "b.example.com", 1)), same: true},
		"2.0 with another": {from: content(swagger), to: content(strings.Replace(swagger, `"id": {"type": "string"}`, `"id": {"type": "integer"}`, 1)),
			want: []string{"breaking Order  response-property-type-changed"}},
		"2.0 with 3.0": {from: content(swagger), to: content(described), want: []string{"breaking GET /orders response-body-type-changed"}},
		"one made from routes": {from: content(described), to: content(strings.Replace(synthesised, `"/orders/{id}"`, `"/orders/{id}/items"`, 1)), reason: difference.Synthesised,
			want: []string{"breaking GET /orders/{id} operation-removed", "compatible GET /orders/{id}/items operation-added"}},
		"another kind":               {from: difference.Document{Content: []byte("type Query"), Operations: both}, to: difference.Document{Content: []byte("type Query {"), Operations: get}, reason: difference.OtherKind, want: []string{"breaking POST /orders operation-removed"}},
		"another kind, only texts":   {from: difference.Document{Content: []byte("asyncapi: 3"), Operations: get}, to: difference.Document{Content: []byte("asyncapi: 3.0"), Operations: get}, reason: difference.OtherKind},
		"too large":                  {from: content(described), to: content(swagger), limits: difference.Limits{MaxBytes: 10}, reason: difference.TooLarge},
		"too many values":            {from: content(described), to: content(swagger), limits: difference.Limits{MaxNodes: 10}, reason: difference.TooLarge, want: []string{"breaking POST /orders operation-removed", "breaking GET /orders/{id} operation-removed"}},
		"what the rules cannot read": {from: content(described), to: content(strings.Replace(described, `#/components/schemas/NewOrder`, `#/components/schemas/Gone`, 1)), reason: difference.Unreadable},
		"a reference to a file":      {from: content(described), to: content(strings.Replace(described, `#/components/schemas/NewOrder`, `/etc/passwd`, 1)), reason: difference.Unreadable},
		"a reference to a host":      {from: content(described), to: content(strings.Replace(described, `#/components/schemas/NewOrder`, `http://127.0.0.1:1/x.json`, 1)), reason: difference.Unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			r := difference.Compare(tc.from, tc.to, tc.limits)
			if r.Reason != tc.reason || r.Same != tc.same || (r.Basis == difference.Operations) != (tc.reason != "") || r.Failure != nil && tc.reason != difference.Unreadable {
				t.Errorf("basis %s, reason %q, same %v, failure %v", r.Basis, r.Reason, r.Same, r.Failure)
			}
			got := lines(r)
			for _, want := range tc.want {
				if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, want) }) {
					t.Errorf("got %q, want %q among them", got, want)
				}
			}
			if tc.want == nil && len(got) > 0 {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestReportIsBounded(t *testing.T) {
	var other map[string]any
	if err := json.Unmarshal([]byte(described), &other); err != nil {
		t.Fatal(err)
	}
	paths := other["paths"].(map[string]any)
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		paths["/"+name] = map[string]any{"get": map[string]any{"responses": map[string]any{"200": map[string]any{"description": name}}}}
	}
	many, err := json.Marshal(other)
	if err != nil {
		t.Fatal(err)
	}
	r := difference.Compare(content(described), difference.Document{Content: many}, difference.Limits{MaxChanges: 10})
	if len(r.Changes) != 10 || r.More != 16 || r.Counts[difference.Compatible] != 26 {
		t.Errorf("%d changes, %d more, %v", len(r.Changes), r.More, r.Counts)
	}
	if r = difference.Compare(difference.Document{Content: many}, content(described), difference.Limits{}); r.Counts[difference.Breaking] != 26 {
		t.Errorf("the other way: %v", r.Counts)
	}
}

// realDocuments are descriptions of public APIs, where the folder with them is there.
func realDocuments(t testing.TB, most int64) map[string][]byte {
	found := map[string][]byte{}
	files, err := filepath.Glob("../document/testdata/real/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(b)) <= most {
			found[filepath.Base(file)] = b
		}
	}
	if len(found) == 0 {
		t.Fatal("no real descriptions")
	}
	return found
}

// TestRealDocuments compares every real description with itself, written in another order, and with the next one, both ways.
func TestRealDocuments(t *testing.T) {
	all := realDocuments(t, 1<<20)
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range all {
			if !yield(name) {
				return
			}
		}
	})
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			var value any
			if err := json.Unmarshal(all[name], &value); err != nil {
				t.Fatal(err)
			}
			sorted, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if r := difference.Compare(difference.Document{Content: all[name]}, difference.Document{Content: sorted}, difference.Limits{}); !r.Same || len(r.Changes) > 0 {
				t.Errorf("with itself: %q", lines(r))
			}
			next := all[names[(i+1)%len(names)]]
			there := difference.Compare(difference.Document{Content: all[name]}, difference.Document{Content: next}, difference.Limits{})
			back := difference.Compare(difference.Document{Content: next}, difference.Document{Content: all[name]}, difference.Limits{})
			for _, r := range []difference.Report{there, back} {
				if r.Failure != nil {
					t.Errorf("%v", r.Failure)
				}
				if r.Same || len(r.Changes) == 0 {
					t.Error("nothing differs between two APIs")
				}
			}
		})
	}
}
