package difference_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/difference"
)

func side(hash, text string, loads *atomic.Int32) difference.Side {
	return difference.Side{Hash: hash, Load: func(context.Context) (difference.Document, error) {
		loads.Add(1)
		return content(text), nil
	}}
}

func TestComparerRemembers(t *testing.T) {
	var loads atomic.Int32
	c := difference.NewComparer(difference.Options{MaxKept: 3})
	ask := func(a, b string) {
		t.Helper()
		r, err := c.Compare(t.Context(), side(a, strings.ReplaceAll(described, "List orders", a), &loads), side(b, strings.ReplaceAll(described, "List orders", b), &loads))
		if err != nil || len(r.Changes) != 1 {
			t.Fatalf("%q, %v", lines(r), err)
		}
	}
	for _, want := range []int32{2, 2} {
		if ask("a", "b"); loads.Load() != want {
			t.Fatalf("%d loads, want %d", loads.Load(), want)
		}
	}
	if ask("b", "a"); loads.Load() != 4 { // the other way is another report, and outweighs the first
		t.Fatalf("%d loads", loads.Load())
	}
	if ask("a", "b"); loads.Load() != 6 {
		t.Fatalf("%d loads: what was used longest ago was not forgotten", loads.Load())
	}
}

func TestComparerComparesOnceForAll(t *testing.T) {
	var loads atomic.Int32
	c := difference.NewComparer(difference.Options{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Compare(t.Context(), side("a", described, &loads), side("b", swagger, &loads)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if loads.Load() != 2 {
		t.Errorf("%d loads", loads.Load())
	}
}

func TestComparerDoesNotKeepErrors(t *testing.T) {
	c := difference.NewComparer(difference.Options{})
	var loads atomic.Int32
	broken := difference.Side{Hash: "a", Load: func(context.Context) (difference.Document, error) {
		return difference.Document{}, fmt.Errorf("loading: %w", portal.ErrUnavailable)
	}}
	if _, err := c.Compare(t.Context(), broken, side("b", described, &loads)); !errors.Is(err, portal.ErrUnavailable) {
		t.Fatal(err)
	}
	if r, err := c.Compare(t.Context(), side("a", described, &loads), side("b", described, &loads)); err != nil || !r.Same {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestComparerGoesOnAlone: whoever cannot wait comes back for the report.
func TestComparerGoesOnAlone(t *testing.T) {
	c := difference.NewComparer(difference.Options{})
	release := make(chan struct{})
	slow := difference.Side{Hash: "a", Load: func(ctx context.Context) (difference.Document, error) {
		select {
		case <-release:
			return content(described), nil
		case <-ctx.Done():
			return difference.Document{}, ctx.Err()
		}
	}}
	var loads atomic.Int32
	other := side("b", described, &loads)
	impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	var again *portal.RetryAfterError
	if _, err := c.Compare(impatient, slow, other); !errors.As(err, &again) || !errors.Is(err, portal.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Compare(gone, slow, other); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(release)
	if r, err := c.Compare(t.Context(), slow, other); err != nil || !r.Same || loads.Load() != 1 {
		t.Errorf("%+v, %v, %d loads", r, err, loads.Load())
	}
}

// TestComparerIsPatientForSoLong: what takes too long is compared by operations.
func TestComparerIsPatientForSoLong(t *testing.T) {
	c := difference.NewComparer(difference.Options{Patience: time.Nanosecond})
	release := make(chan struct{})
	defer close(release)
	difference.Hold(c, release)
	var loads atomic.Int32
	r, err := c.Compare(t.Context(), side("a", described, &loads), side("b", strings.ReplaceAll(described, "List", "Read"), &loads))
	if err != nil || r.Reason != difference.TooSlow || r.Basis != difference.Operations {
		t.Errorf("%+v, %v", r, err)
	}
}

// hostile is a description that grows where a reader follows its references without care.
func hostile(kind string, n int) string {
	var schemas []string
	for i := range n {
		next := fmt.Sprintf(`{"$ref": "#/components/schemas/S%d"}`, (i+1)%n)
		switch kind {
		case "chain": // one long circle
			schemas = append(schemas, fmt.Sprintf(`"S%d": {"type": "object", "properties": {"a": %s}}`, i, next))
		case "ladder": // 2^n ways down
			if i == n-1 {
				next = `{"type": "string"}`
			}
			schemas = append(schemas, fmt.Sprintf(`"S%d": {"type": "object", "properties": {"a": %s, "b": %s, "c": {"allOf": [%s, %s]}}}`, i, next, next, next, next))
		case "mesh": // everything refers to everything
			var properties []string
			for j := range n {
				properties = append(properties, fmt.Sprintf(`"p%d": {"$ref": "#/components/schemas/S%d"}`, j, j))
			}
			schemas = append(schemas, fmt.Sprintf(`"S%d": {"type": "object", "properties": {%s}}`, i, strings.Join(properties, ",")))
		case "either": // every one may be any other
			var any []string
			for j := range n {
				any = append(any, fmt.Sprintf(`{"$ref": "#/components/schemas/S%d"}`, j))
			}
			schemas = append(schemas, fmt.Sprintf(`"S%d": {"oneOf": [%s]}`, i, strings.Join(any, ",")))
		case "itself":
			schemas = append(schemas, fmt.Sprintf(`"S%d": {"$ref": "#/components/schemas/S%d"}`, i, i))
		}
	}
	if kind == "choices" { // choices within choices
		schema := `{"type": "string"}`
		for range n / 30 {
			schema = `{"oneOf": [` + strings.Repeat(schema+",", 4) + `{"type": "object", "properties": {"a": {"type": "string"}}}]}`
		}
		schemas = append(schemas, `"S0": `+schema)
	}
	return fmt.Sprintf(`{"openapi": "3.0.3", "info": {"title": "x", "version": "1"}, "paths": {"/x": {"post": {
		"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}},
		"responses": {"200": {"description": "x", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}}}}},
		"components": {"schemas": {%s}}}`, strings.Join(schemas, ",\n"))
}

// TestHostile: what is made to grow is compared, or refused by name, and nothing hangs: the test's own deadline tells.
func TestHostile(t *testing.T) {
	for _, kind := range []string{"chain", "ladder", "mesh", "either", "itself", "choices"} {
		for _, n := range []int{3, 40, 100} {
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				from := hostile(kind, n)
				to := strings.Replace(from, `"type": "string"`, `"type": "integer"`, 1)
				to = strings.Replace(to, `"S1": {`, `"S1": {"nullable": true, `, 1)
				r := difference.Compare(content(from), content(to), difference.Limits{})
				if r.Basis == difference.Operations && r.Reason == "" {
					t.Errorf("%+v", r)
				}
			})
		}
	}
	r := difference.Compare(content(hostile("chain", 21_000)), content(described), difference.Limits{})
	if r.Reason != difference.TooLarge {
		t.Errorf("a long chain: %q", r.Reason)
	}
	r = difference.Compare(content(hostile("chain", 19_000)), content(hostile("chain", 18_000)), difference.Limits{})
	if r.Reason != difference.TooLarge {
		t.Errorf("two circles: %q", r.Reason)
	}
}

// TestCompareProperties: with itself there is nothing; what is taken away breaks in one direction and is new in the other.
func TestCompareProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,6}`), 1, 6, rapid.ID).Draw(t, "paths")
		method := rapid.SampledFrom([]string{"get", "post", "delete"})
		path := func(name string) string {
			summary, err := json.Marshal(rapid.String().Draw(t, "summary"))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(`"/%s/{id}": {%q: {"summary": %s, "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}], "responses": {"200": {"description": "ok"}}}}`,
				name, method.Draw(t, "method"), summary)
		}
		var paths []string
		for _, name := range names {
			paths = append(paths, path(name))
		}
		document := func(paths []string) difference.Document {
			return content(`{"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {` + strings.Join(paths, ",") + `}}`)
		}
		whole, less := document(paths), document(paths[1:])
		if r := difference.Compare(whole, whole, difference.Limits{}); !r.Same || len(r.Changes) > 0 {
			t.Fatalf("with itself: %+v", r)
		}
		there, back := difference.Compare(whole, less, difference.Limits{}), difference.Compare(less, whole, difference.Limits{})
		if there.Counts[difference.Breaking] != 1 || there.Counts[difference.Compatible] != 0 {
			t.Fatalf("taken away: %q", lines(there))
		}
		if back.Counts[difference.Breaking] != 0 || back.Counts[difference.Compatible] != 1 {
			t.Fatalf("added: %q", lines(back))
		}
	})
}

// FuzzCompare: broken descriptions are compared, or the report says why not. It never panics, and never says nothing.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(described), []byte(swagger))
	f.Add([]byte(described), []byte(hostile("ladder", 20)))
	f.Add([]byte(hostile("mesh", 6)), []byte(hostile("either", 6)))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/":{"get":{"responses":{"default":{"$ref":"#/paths/~1/get/responses/default"}}}}}}`), []byte(`{"openapi":"3.2.0"}`))
	f.Add([]byte(`{"swagger":"2.0","paths":{"/":null}}`), []byte(`{"openapi":"3.0.0","paths":{"":{"get":{}}}}`))
	for _, real := range realDocuments(f, 40<<10) {
		f.Add(real, []byte(described))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r := difference.Compare(difference.Document{Content: a}, difference.Document{Content: b}, difference.Limits{MaxBytes: 1 << 20})
		switch {
		case r.Same && len(r.Changes) > 0, (r.Basis == difference.Operations) != (r.Reason != ""),
			r.Basis == difference.Documents && !r.Same && len(r.Changes) == 0, r.Failure != nil && r.Reason != difference.Unreadable:
			t.Errorf("a report that contradicts itself: %+v", r)
		}
	})
}
