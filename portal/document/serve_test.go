package document

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concierge/portal"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestServeGolden(t *testing.T) {
	bearer := &portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Bearer "}
	prefixed := &portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "apiKey "}
	for golden, tc := range map[string]struct {
		in  string
		key *portal.Authentication
	}{
		"everything31.as-is.yaml":  {"everything31.in.yaml", nil},
		"everything31.bearer.yaml": {"everything31.in.yaml", bearer},
		"swagger20.as-is.yaml":     {"swagger20.in.yaml", nil},
		"swagger20.prefixed.json":  {"swagger20.in.yaml", prefixed},
	} {
		t.Run(golden, func(t *testing.T) {
			in, err := os.ReadFile(filepath.Join("testdata", "serve", tc.in))
			if err != nil {
				t.Fatal(err)
			}
			out, err := Serve(in, ServeOptions{
				BaseURL:      "https://partner.gateway.test/pay/v2/",
				Format:       Format(strings.TrimPrefix(filepath.Ext(golden), ".")),
				AllowedHosts: []string{"docs.public.example", "license.public.example"},
				Hidden:       []string{"internal.corp", "eks-blue", "10.0.0.5"},
				Key:          tc.key,
			})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "serve", golden)
			if *update {
				if err := os.WriteFile(path, out, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(out)); diff != "" {
				t.Error(diff)
			}
			for _, word := range []string{"internal.corp", "eks-blue", "10.0.0.5", "amazon", "x-go-type"} {
				if strings.Contains(string(out), word) {
					t.Errorf("%q remains", word)
				}
			}
		})
	}
}

func TestServeRefuses(t *testing.T) {
	const doc = `{"openapi":"3.0.0","info":{"title":"A","version":"1"},"paths":{}}`
	for name, tc := range map[string]struct{ doc, base, want string }{
		"no base URL":            {doc, "", "https://host/path"},
		"relative base URL":      {doc, "/v1", "https://host/path"},
		"other scheme":           {doc, "ftp://a.test", "https://host/path"},
		"user in base URL":       {doc, "https://u:hunter2@a.test", "without user"},
		"query in base URL":      {doc, "https://a.test?k=hunter2", "without user, query"},
		"base URL is not a URL":  {doc, "https://u:hunter2@a b\x7f", "not a URL"},
		"document is not JSON":   {`{"openapi"`, "https://a.test", "ends too early"},
		"document is no OpenAPI": {`{"raml":"1.0"}`, "https://a.test", "is it the right file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Serve([]byte(tc.doc), ServeOptions{BaseURL: tc.base})
			if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want ErrInvalid with %q", err, tc.want)
			}
		})
	}
}

func TestServeKey(t *testing.T) {
	auth := func(typ, in, name, prefix string) portal.Authentication {
		return portal.Authentication{Type: typ, In: in, Name: name, Prefix: prefix}
	}
	for name, tc := range map[string]struct {
		key   portal.Authentication
		v2    string // type, in, name, scheme; empty: no scheme
		v3    string
		words string // in the scheme's description
	}{
		"header":          {auth("apiKey", "header", "apikey", ""), "apiKey header apikey ", "apiKey header apikey ", ""},
		"query":           {auth("apiKey", "query", "key", ""), "apiKey query key ", "apiKey query key ", ""},
		"bearer":          {auth("http", "header", "Authorization", "Bearer "), "apiKey header Authorization ", "http   bearer", ""},
		"basic":           {auth("http", "header", "authorization", "Basic "), "basic   ", "http   basic", ""},
		"prefix":          {auth("apiKey", "header", "Authorization", "apiKey "), "apiKey header Authorization ", "apiKey header Authorization ", `Send "apiKey ", followed by the key.`},
		"none":            {auth("none", "", "", ""), "", "", ""},
		"mutual TLS":      {auth("mutualTLS", "", "", ""), "", "mutualTLS   ", ""},
		"oauth2 as token": {auth("oauth2", "header", "Authorization", "Bearer "), "apiKey header Authorization ", "http   bearer", ""},
	} {
		for version, root := range map[string]string{"2.0": `"swagger":"2.0","securityDefinitions":{"old":{"type":"basic"}}`,
			"3.1": `"openapi":"3.1.0","components":{"securitySchemes":{"old":{"type":"http","scheme":"digest"}}}`} {
			t.Run(name+" "+version, func(t *testing.T) {
				doc := `{` + root + `,"info":{"title":"A","version":"1"},"security":[{"old":[]}],"paths":{"/a":{"get":{"security":[],"responses":{}}}}}`
				out, err := Serve([]byte(doc), ServeOptions{BaseURL: "https://a.test", Key: &tc.key})
				if err != nil {
					t.Fatal(err)
				}
				d, err := Describe(out, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				want := tc.v2
				if version == "3.1" {
					want = tc.v3
				}
				got := ""
				for _, s := range d.Security {
					got += strings.Join([]string{s.Type, s.In, s.Name, s.Scheme}, " ")
				}
				if got != want {
					t.Errorf("scheme %q, want %q", got, want)
				}
				required := `"security": [
    {
      "gatewayKey": []
    }
  ]`
				if want == "" {
					required = `"security": []`
				}
				if strings.Count(string(out), `"security":`) != 1 || !strings.Contains(string(out), required) {
					t.Errorf("security is not %s, once:\n%s", required, out)
				}
				if !strings.Contains(string(out), strings.ReplaceAll(tc.words, `"`, `\"`)) {
					t.Errorf("%q is not said:\n%s", tc.words, out)
				}
			})
		}
	}
}

func TestScrub(t *testing.T) {
	s := newScrubber([]string{"ok.test", "port.test:8443", "*.wild.test", "api.corp.test"}, []string{"corp.test", "Gateway East", "eks-blue", "10.1.1.1", "ab", "kong.test:8001"})
	for in, want := range map[string]string{
		"":                                                       "",
		"see https://ok.test/a?b=c#d.":                           "see https://ok.test/a?b=c#d.",
		"see https://other.test/a?b=c#d.":                        "see https://removed.invalid/.",
		"(https://other.test/a)":                                 "(https://removed.invalid/)",
		"[x](https://other.test/a \"t\")":                        "[x](https://removed.invalid/ \"t\")",
		"HTTPS://OTHER.test":                                     "https://removed.invalid/",
		"https://OK.test:443/ https://ok.test.":                  "https://OK.test:443/ https://ok.test.",
		"https://ok.test:8443":                                   "https://removed.invalid/",
		"https://port.test:8443/x":                               "https://port.test:8443/x",
		"https://port.test":                                      "https://removed.invalid/",
		"https://a.b.wild.test":                                  "https://a.b.wild.test",
		"https://{tenant}.wild.test/x":                           "https://{tenant}.wild.test/x",
		"https://wild.test":                                      "https://removed.invalid/",
		"https://evilwild.test":                                  "https://removed.invalid/",
		"https://ok.test@other.test/":                            "https://removed.invalid/",
		"https://user:pw@ok.test/":                               "https://user:pw@ok.test/",
		"https://ok.test.other.test":                             "https://removed.invalid/",
		"https://other%2Etest/":                                  "https://removed.invalid/",
		"https://[2001:db8::1]:80/x y":                           "https://removed.invalid/ y",
		"http://orders:8080/x":                                   "https://removed.invalid/",
		"jdbc:mysql://db.test:3306/x":                            "jdbc:https://removed.invalid/",
		"kafka://a.test:1,b.test:2/x":                            "https://removed.invalid/",
		"file:///etc/passwd":                                     "https://removed.invalid/",
		"//other.test/x":                                         "https://removed.invalid/",
		"<a href=\"//other.test/x\">":                            "<a href=\"https://removed.invalid/\">",
		"// a comment, a//b":                                     "// a comment, a//b",
		"https:\\/\\/other.test\\/x\\\"":                         "https://removed.invalid/\\\"",
		"https://ok.test/?next=https%3A%2F%2Fother.test%2Fx&y=1": "https://ok.test/?next=https://removed.invalid/",
		"https://ok.test/https://other.test/x y":                 "https://ok.test/https://removed.invalid/ y",
		"starts with https:// or http://":                        "starts with https:// or http://",
		"^https:\\/\\/.*$":                                       "^https:\\/\\/.*$",
		"https://{host}/x":                                       "https://{host}/x",
		"https://www.example.com/x":                              "https://www.example.com/x",
		"urn:a:b mailto:a@other.test":                            "urn:a:b mailto:a@other.test",

		"corp.test":                                  "removed",
		"at eu.CORP.test. Yes":                       "at removed. Yes",
		"mail a@corp.test, x":                        "mail a@removed, x",
		"corp.tester, my-corp.test, corp.test-2":     "corp.tester, my-corp.test, corp.test-2",
		"corp.test.other.net":                        "removed",
		"api.corp.test and x.corp.test":              "api.corp.test and removed",
		"https://api.corp.test/x":                    "https://api.corp.test/x",
		"the gateway east, gateway eastern":          "the removed, gateway eastern",
		"eks-blue eks-blue2 eks-blue-2 xeks-blue":    "removed eks-blue2 removed-2 xeks-blue",
		"10.1.1.1 10.1.1.10 10.1.1.1:80":             "removed 10.1.1.10 removed:80",
		"kong.test:8001 kong.test:8002 kong.test:80": "removed kong.test:8002 kong.test:80",
		"ab is too short":                            "ab is too short",
		"corp.test/corp.test corp.test":              "removed/removed removed",
	} {
		if got := s.clean(in); got != want {
			t.Errorf("clean(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

// Whatever surrounds it, a hidden host does not stay, and cleaning twice changes nothing more.
func TestScrubProperty(t *testing.T) {
	s := newScrubber([]string{"ok.test"}, []string{"secret-host.internal", "canary"})
	around := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ a.:/\\%@"'(){}\[\]<>,?#&=-]{0,8}`),
		rapid.SampledFrom([]string{"https://", "http://ok.test/", "//", "https:\\/\\/", "https%3A%2F%2F", "http://u:p@", "[x](", "\n"}))
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"secret-host.internal", "SECRET-host.Internal", "a.secret-host.internal", "canary", "Canary"}).Draw(t, "word")
		before, after := around.Draw(t, "before"), around.Draw(t, "after")
		if before != "" && (isHostByte(before[len(before)-1]) && before[len(before)-1] != '.') || after != "" && isHostByte(after[0]) && after[0] != '.' {
			return // part of a longer word
		}
		in := before + word + after
		got := s.clean(in)
		for _, hidden := range []string{"secret-host.internal", "canary"} {
			if strings.Contains(lower(got), hidden) {
				t.Fatalf("clean(%q) = %q", in, got)
			}
		}
		if again := s.clean(got); again != got {
			t.Fatalf("clean(%q) = %q, then %q", in, got, again)
		}
	})
}

// The base URL is the only server whatever else the document holds, and every path stays.
func TestServeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := anyObject(3).Draw(t, "root")
		root.set("paths", anyObject(4).Draw(t, "paths"))
		version := rapid.SampledFrom([]string{"2.0", "3.0.3", "3.1.0"}).Draw(t, "version")
		for _, key := range []string{"openapi", "swagger"} {
			root.remove(key)
		}
		if version == "2.0" {
			root.set("swagger", newText(version))
		} else {
			root.set("openapi", newText(version))
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "n") {
			root.get("paths").set(fmt.Sprintf("/p%d", i), newObject(field{"get", anyObject(3).Draw(t, "op")}, field{"servers", anyNode(2).Draw(t, "servers")}))
		}
		doc, err := write(root, JSON, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		before, err := Describe(doc, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		format := rapid.SampledFrom([]Format{JSON, YAML}).Draw(t, "format")
		out, err := Serve(doc, ServeOptions{BaseURL: testBase, Format: format, AllowedHosts: []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		after, err := Describe(out, Limits{})
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !slices.Equal(after.Servers, []string{testBase}) || !slices.Equal(routesOf(before), routesOf(after)) {
			t.Fatalf("servers %q, routes %q, were %q\n%s", after.Servers, routesOf(after), routesOf(before), out)
		}
	})
}

func TestSynthesise(t *testing.T) {
	out, err := Synthesise(SynthesiseOptions{
		Title: "Legacy \xff", BaseURL: testBase + "/", Key: &portal.Authentication{Type: "apiKey", In: "header", Name: "apikey"},
		Operations: []Route{{"GET", "/a"}, {"get", "a"}, {"POST", "/a"}, {"ANY", "/b/{id}/{id}"}, {"CONNECT", "/c"}, {"get", "/d/{"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(out, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /a", "POST /a", "GET /b/{id}/{id}", "PUT /b/{id}/{id}", "POST /b/{id}/{id}", "DELETE /b/{id}/{id}", "PATCH /b/{id}/{id}", "GET /d/{"}
	if diff := cmp.Diff(want, routesOf(d)); diff != "" {
		t.Error(diff)
	}
	if !d.Synthesised || d.Title != "Legacy �" || d.Version != "unknown" || !slices.Equal(d.Servers, []string{testBase}) || len(d.Security) != 1 {
		t.Errorf("%+v", d)
	}
	served, err := Serve(out, ServeOptions{BaseURL: "https://b.test"})
	if err != nil || !strings.Contains(string(served), SynthesisedMark) {
		t.Errorf("the mark is lost: %v\n%s", err, served)
	}
	if _, err := Synthesise(SynthesiseOptions{}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("without a base URL: %v", err)
	}
}

func BenchmarkServe(b *testing.B) {
	doc, err := os.ReadFile("testdata/real/bbc.co.uk.json")
	if err != nil {
		b.Fatal(err)
	}
	hidden := []string{"bbc.co.uk"}
	for i := range 200 {
		hidden = append(hidden, fmt.Sprintf("gateway-%d.internal.corp", i))
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Serve(doc, ServeOptions{BaseURL: testBase, Hidden: hidden}); err != nil {
			b.Fatal(err)
		}
	}
}
