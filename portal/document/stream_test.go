package document

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameAsTree holds a stream to what the tree says, and reports whether the stream read the document.
func sameAsTree(t testing.TB, doc []byte, limits Limits) bool {
	t.Helper()
	limits = limits.withDefaults()
	body, format, err := open(doc, limits)
	if err != nil || format != JSON {
		return false
	}
	got, ok := describeStream(body, limits)
	if !ok {
		return false
	}
	want, err := describeTree(body, format, limits)
	if err != nil {
		t.Fatalf("the stream accepts what the tree refuses: %v", err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("tree (-) and stream (+): %s", diff)
	}
	return true
}

// TestStreamRealDocuments: descriptions as their publishers wrote them are read in one pass, and say what the tree says.
func TestStreamRealDocuments(t *testing.T) {
	for _, name := range realDocuments(t) {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !sameAsTree(t, doc, Limits{}) {
			t.Errorf("%s is not read in one pass", filepath.Base(name))
		}
	}
}

// realDocuments are those in testdata and those in the folder that CONCIERGE_SPECS names.
func realDocuments(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, folder := range []string{filepath.Join("testdata", "real"), os.Getenv("CONCIERGE_SPECS")} {
		if folder == "" {
			continue
		}
		names, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no documents in %s: %v", folder, err)
		}
		all = append(all, names...)
	}
	return all
}

// streamed are read in one pass; given up are left to the tree, for one reason each.
var (
	streamed = map[string]string{
		"everything": `{"openapi":"3.1.0","x-concierge-api":"root","x-concierge-tier":2,"x-concierge-open":true,"x-concierge-none":null,"x-concierge-list":[1],
			"x-concierge-synthesised":true,"info":{"title":"T\u00e9 \ud83d\ude00 \ud800 \"q\" \\ \/ \b\f\n\r\t","version":1.0,"summary":"S","description":"D","x-concierge-api":"info","x-concierge-tier":"3"},
			"servers":[{"url":"https://a.test"},{"url":""},{},7,{"url":"/v2"}],"tags":[{"name":"a"},{"name":7},"b",{}],
			"paths":{"/a":{"get":{"operationId":"a","summary":"A","tags":["a",7,null],"deprecated":true},"post":{},"put":null,"GET":{}},
				"/b":{"parameters":[{"required":true}],"get":{}},"/c/{id}":{"get":{}},"/d":[],"x-e":{"get":{}},
				"/f":{"additionalOperations":{"copy":{"tags":"no"},"x":1}},"/g":{"get":{},"$ref":"other.json","post":{}},"/h":{"get":{"$ref":"#/a"}}},
			"components":{"securitySchemes":{"k":{"type":"apiKey","in":"header","name":"X"},"r":{"$ref":"x.json","type":"no"},"n":[],"d":{"$ref":7,"type":"http","scheme":"basic"}}}}`,
		"2.0":                   `{"swagger":"2.0","host":"a.test","basePath":"/v","schemes":["https",null,"http"],"securityDefinitions":{"b":{"type":"basic"}}}`,
		"references before":     `{"openapi":"3.0.0","components":{"parameters":{"p":{"required":true},"q":{"$ref":"#/components/parameters/p"},"o":{}}},"paths":{"/a":{"get":{"parameters":[{"$ref":"#/components/parameters/q"}]}},"/b":{"get":{"parameters":[{"$ref":"#/components/parameters/o"}]}}}}`,
		"references after":      `{"openapi":"3.0.0","paths":{"/a":{"get":{},"parameters":[{"$ref":"#/parameters/p"}]},"/b":{"get":{"parameters":[{"$ref":"b.json","required":true}]}}},"parameters":{"p":{"required":true}}}`,
		"a circle":              `{"openapi":"3.0.0","parameters":{"p":{"$ref":"#/parameters/p","required":true}},"paths":{"/a":{"get":{"parameters":[{"$ref":"#/parameters/p"}]}}}}`,
		"a long chain":          `{"openapi":"3.0.0","parameters":{"a":{"$ref":"#/parameters/b"},"b":{"$ref":"#/parameters/c"},"c":{"$ref":"#/parameters/d"},"d":{"$ref":"#/parameters/e"},"e":{"$ref":"#/parameters/f"},"f":{"$ref":"#/parameters/g"},"g":{"$ref":"#/parameters/h"},"h":{"required":true}},"paths":{"/a":{"get":{"parameters":[{"$ref":"#/parameters/a"}]}},"/b":{"get":{"parameters":[{"$ref":"#/parameters/b"}]}}}}`,
		"fields of wrong types": `{"openapi":3.0,"info":[],"paths":[],"servers":{},"tags":{},"components":[],"securityDefinitions":7,"schemes":"https","host":{},"x-concierge-api":[]}`,
		"many keys":             `{"openapi":"3.0.0","x":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13}}`,
		"numbers":               `{"openapi":"3.0.0","x":[0,-0,1.5,-1e9,1E+2,2e-3]}`,
		"a byte order mark":     "\ufeff {\"openapi\":\"3.0.0\"}\r\n",
	}
	givenUp = map[string]string{
		"a key twice":                  `{"openapi":"3.0.0","x":{"a":1,"b":2,"a":3}}`,
		"a key twice, escaped":         `{"openapi":"3.0.0","x":{"a":1,"\u0061":3}}`,
		"a key twice among many":       `{"openapi":"3.0.0","x":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"a":13}}`,
		"a shared path item":           `{"openapi":"3.0.0","paths":{"/a":{"$ref":"#/components/pathItems/a"}},"components":{"pathItems":{"a":{"get":{}}}}}`,
		"a shared security scheme":     `{"openapi":"3.0.0","components":{"securitySchemes":{"a":{"type":"http"},"b":{"$ref":"#/components/securitySchemes/a"}}}}`,
		"a parameter somewhere":        `{"openapi":"3.0.0","paths":{"/a":{"get":{"parameters":[{"$ref":"#/x/p"}]}}},"x":{"p":{"required":true}}}`,
		"an empty reference":           `{"openapi":"3.0.0","paths":{"/a":{"$ref":"","get":{}}}}`,
		"no version":                   `{"info":{}}`,
		"another version":              `{"openapi":"4.0.0"}`,
		"a list":                       `["openapi"]`,
		"something behind it":          `{"openapi":"3.0.0"} {}`,
		"an end too early":             `{"openapi":"3.0.0"`,
		"a comma too many":             `{"openapi":"3.0.0",}`,
		"a comma too few":              `{"openapi":"3.0.0" "info":{}}`,
		"a comma too many in a list":   `{"openapi":"3.0.0","x":[1,]}`,
		"brackets that do not match":   `{"openapi":"3.0.0","x":[1}}`,
		"a control character":          "{\"openapi\":\"3.0.0\",\"x\":\"a\tb\"}",
		"an escape that is none":       `{"openapi":"3.0.0","x":"\x"}`,
		"an escape that ends":          `{"openapi":"3.0.0","x":"\u12`,
		"a number with a leading zero": `{"openapi":"3.0.0","x":01}`,
		"a number without digits":      `{"openapi":"3.0.0","x":-}`,
		"a fraction without digits":    `{"openapi":"3.0.0","x":1.}`,
		"an exponent without digits":   `{"openapi":"3.0.0","x":1e}`,
		"a word that is none":          `{"openapi":"3.0.0","x":nul}`,
		"a key without quotes":         `{openapi:"3.0.0"}`,
	}
)

func TestStream(t *testing.T) {
	for name, doc := range streamed {
		t.Run(name, func(t *testing.T) {
			if !sameAsTree(t, []byte(doc), Limits{}) {
				t.Error("it is not read in one pass")
			}
		})
	}
	for name, doc := range givenUp {
		t.Run(name, func(t *testing.T) {
			if sameAsTree(t, []byte(doc), Limits{}) {
				t.Error("it is read in one pass")
			}
		})
	}
}

// TestStreamLimits: a stream and a tree draw the same lines.
func TestStreamLimits(t *testing.T) {
	doc := []byte(`{"openapi":"3.0.0","x":{"a":[[1,2,{}]]},"y":null}`)
	for _, limits := range []Limits{{MaxDepth: 4}, {MaxDepth: 5}, {MaxNodes: 8}, {MaxNodes: 9}, {MaxBytes: int64(len(doc))}} {
		if _, err := describeTree(doc, JSON, limits.withDefaults()); err != nil == sameAsTree(t, doc, limits) {
			t.Errorf("%+v: the tree says %v, the stream otherwise", limits, err)
		}
	}
}

// FuzzStream: what a stream reads is what the tree says of it.
func FuzzStream(f *testing.F) {
	for _, docs := range []map[string]string{streamed, givenUp} {
		for _, doc := range docs {
			f.Add([]byte(doc), 100, 1000)
		}
	}
	f.Fuzz(func(t *testing.T, doc []byte, depth, nodes int) {
		sameAsTree(t, doc, Limits{MaxDepth: depth, MaxNodes: nodes})
	})
}

// BenchmarkDescribeReal reads the real documents one after another, those over 400 kB left out.
func BenchmarkDescribeReal(b *testing.B) {
	var docs [][]byte
	var size int64
	for _, name := range realDocuments(b) {
		doc, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if len(doc) <= 400_000 {
			docs, size = append(docs, doc), size+int64(len(doc))
		}
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		for _, doc := range docs {
			if _, err := Describe(doc, Limits{}); err != nil && !strings.Contains(err.Error(), "invalid") {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)/float64(len(docs)), "B/document")
}
