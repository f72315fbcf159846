package web

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/document"
	"concierge/portal/web/ui"
)

// TestTablesOfKeys: what a table names is a message.
func TestTablesOfKeys(t *testing.T) {
	var keys []string
	for _, o := range outcomes {
		keys = append(keys, o.title, o.text)
	}
	keys = slices.AppendSeq(keys, maps.Values(flashes))
	keys = slices.AppendSeq(keys, maps.Values(discoveryKeys))
	keys = slices.AppendSeq(keys, maps.Values(scopeKeys))
	for _, key := range keys {
		if said := ui.TextIn("en").T(key); strings.Contains(said, key) {
			t.Errorf("%s is no message", key)
		}
	}
}

// TestEveryProblemHasWords: the kinds of the HTTP API are those of the pages.
func TestEveryProblemHasWords(t *testing.T) {
	for _, err := range []error{
		portal.ErrNotFound, portal.ErrDenied, portal.ErrUnavailable, portal.ErrConflict, portal.ErrUnsupported, portal.ErrInvalid,
		&portal.NoEndpointError{}, &portal.GatewayError{Err: portal.ErrDenied}, api.TooManyRequests(1), api.StillRunning(1),
	} {
		if p, _ := api.ProblemOf(err); outcomes[p.Type].title == "" {
			t.Errorf("%s (%v) has no words", p.Type, err)
		}
	}
}

// TestEveryUnreadDocumentHasWords: each reason for which a document is not taken over is said in every language, with all that
// its English words name, and says what to do.
func TestEveryUnreadDocumentHasWords(t *testing.T) {
	for reason, values := range document.Reasons.Sentences() {
		for _, language := range ui.Languages {
			said := ui.TextIn(language).T("unread."+string(reason), "A", "<first>", "B", "<second>", "C", "<third>")
			if strings.Contains(said, "⟦") {
				t.Errorf("%s: %s has no words", language, reason)
				continue
			}
			for i, value := range []string{"<first>", "<second>", "<third>"} {
				if strings.Contains(said, value) != (i < values) {
					t.Errorf("%s: %s has %d values and says %q", language, reason, values, said)
				}
			}
			if _, advice, ok := strings.Cut(said, ". "); !ok || advice == "" {
				t.Errorf("%s: %s does not say what to do: %q", language, reason, said)
			}
		}
	}
}

// TestLocalStaysHere: wherever somebody says to go on, it is a path of this site.
func TestLocalStaysHere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"/", "\\", "//", "http:", "https://", "evil.example", "?", "#", "@", "%2F", "a", ":", " ", "\t", "\n", "."}), 0, 6)
		got := local(strings.Join(parts.Draw(t, "next"), ""))
		if !strings.HasPrefix(got, "/") || len(got) > 1 && (got[1] == '/' || got[1] == '\\') || strings.ContainsAny(got, "\t\n\r") {
			t.Fatalf("leads to %q", got)
		}
	})
}

// TestQuoted: a shell reads back what was quoted, whatever a key contains.
func TestQuoted(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh in PATH, which is what reads the quoted words; it is on every system that CI uses")
	}
	for _, s := range []string{"", "plain", "it's", `$(rm -rf /) "x" \ 'y'`, "a\nb", "!$`*"} {
		out, err := exec.Command(sh, "-c", "printf %s "+quoted(s)).Output()
		if err != nil || string(out) != s {
			t.Errorf("%q is read back as %q (%v)", s, out, err)
		}
	}
}

func TestCurl(t *testing.T) {
	secret := portal.NewSecret("k'1")
	for name, tc := range map[string]struct {
		parts []api.Part
		want  string
	}{
		"nothing":   {nil, "curl 'https://x.example/'"},
		"header":    {[]api.Part{{In: "header", Name: "Authorization", Prefix: "apiKey ", Value: secret}}, `curl -H 'Authorization: apiKey k'\''1' 'https://x.example/'`},
		"query":     {[]api.Part{{In: "query", Name: "apikey", Value: portal.NewSecret("a b&c")}}, "curl 'https://x.example/?apikey=a+b%26c'"},
		"two parts": {[]api.Part{{In: "query", Name: "id", Value: portal.NewSecret("1"), Public: true}, {In: "query", Name: "key", Value: portal.NewSecret("2")}}, "curl 'https://x.example/?id=1&key=2'"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Curl("https://x.example/", tc.parts); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestFileName(t *testing.T) {
	for _, tc := range []struct{ id, version, environment, want string }{
		{"payments", "2", "test", "payments-2-test.json"},
		{"payments", "", "", "payments.json"},
		{`../../etc/"x"`, "2\r\n", "t", "etcx-2-t.json"},
	} {
		if got := fileName(tc.id, tc.version, tc.environment, "json"); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

func TestOperations(t *testing.T) {
	for name, tc := range map[string]struct {
		document string
		want     []ui.Operation
	}{
		"sorted": {`{"openapi": "3.0.0", "paths": {"/b": {"post": {"operationId": "make"}, "get": {"summary": "Read"}, "parameters": []}, "/a": {"delete": {"deprecated": true}, "x-y": {}}}}`,
			[]ui.Operation{{Method: "DELETE", Path: "/a", Deprecated: true}, {Method: "GET", Path: "/b", Summary: "Read"}, {Method: "POST", Path: "/b", Summary: "make"}}},
		"asyncapi": {"asyncapi: 2.6.0\nchannels: {orders: {subscribe: {operationId: onOrder}, publish: {summary: Say it}}}",
			[]ui.Operation{{Method: "PUBLISH", Path: "orders", Summary: "Say it"}, {Method: "SUBSCRIBE", Path: "orders", Summary: "onOrder"}}},
		"graphql": {"type Query { \"One\" b(id: ID!): String @deprecated a: Int }\ntype Mutation { c: Int }",
			[]ui.Operation{{Method: "QUERY", Path: "b", Summary: "One", Deprecated: true}, {Method: "QUERY", Path: "a"}, {Method: "MUTATION", Path: "c"}}},
		"grpc": {"syntax = \"proto3\"; package shop.v1; service Orders { rpc Get (A) returns (B); }", []ui.Operation{{Method: "RPC", Path: "/shop.v1.Orders/Get"}}},
		"wsdl": {`<w:definitions name="O" xmlns:w="http://schemas.xmlsoap.org/wsdl/"><w:portType name="Orders"><w:operation name="Get"/></w:portType></w:definitions>`,
			[]ui.Operation{{Method: "SOAP", Path: "Orders/Get"}}},
		"no document": {"hello", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := operationsIn([]byte(tc.document)); !slices.Equal(got, tc.want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func FuzzOperations(f *testing.F) {
	for _, seed := range []string{`{}`, `{"openapi": "3.0.0", "paths": {"/a": {"get": {}}}}`, "type Query { a: Int }", `{"paths": {"/a": null}}`, `{"swagger": "2.0", "paths": []}`, `[`, `{"paths": {"/a": {"get": 1}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		found, _ := operationsIn(document)
		for _, o := range found {
			if o.Method == "" || o.Method != strings.ToUpper(o.Method) {
				t.Errorf("method %q", o.Method)
			}
		}
	})
}
