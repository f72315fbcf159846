package web_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"golang.org/x/net/html"

	"concierge/frontend"
	"concierge/portal/web/ui"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestEveryPage holds on every page, in both languages, what must hold on all of them.
func TestEveryPage(t *testing.T) {
	for _, language := range ui.Languages {
		for _, s := range everyPage {
			t.Run(language+"/"+s.name, func(t *testing.T) {
				b := as(t, site(t), s.who)
				b.header.Set("Accept-Language", language)
				res := b.open(s)
				if res.Code != s.status() {
					t.Fatalf("status %d, want %d", res.Code, s.status())
				}
				body := res.Body.String()
				if i := strings.Index(body, "⟦"); i >= 0 {
					t.Errorf("a message is missing: %s", body[i:min(i+60, len(body))])
				}
				if strings.Contains(body, "<no value>") || strings.Contains(body, "&lt;no value&gt;") {
					t.Error("a message lacks a value")
				}
				doc, err := goquery.NewDocumentFromReader(strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if got := doc.Find("html").AttrOr("lang", ""); got != language {
					t.Errorf("lang %q", got)
				}
				checkPolicy(t, res.Header().Get("Content-Security-Policy"), doc)
				checkStructure(t, doc)
				if got := res.Header().Get("Cache-Control"); got != "private, no-store" {
					t.Errorf("Cache-Control %q", got)
				}
			})
		}
	}
}

// checkPolicy looks for what the policy would block, since a browser would only say so in its console.
func checkPolicy(t *testing.T, policy string, doc *goquery.Document) {
	t.Helper()
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q is lax", policy)
	}
	if doc.Find("style, [style], script:not([src]), iframe, object, embed, base").Length() > 0 {
		t.Error("the page has inline style or script, or a frame")
	}
	doc.Find("*").Each(func(_ int, e *goquery.Selection) {
		for _, a := range e.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:") {
				t.Errorf("<%s %s=%q> is a script", e.Nodes[0].Data, a.Key, a.Val)
			}
			if a.Key == "hx-trigger" && strings.Contains(a.Val, "[") {
				t.Errorf("hx-trigger %q would make a function from text", a.Val)
			}
		}
	})
}

// checkStructure holds what people with a screen reader or a keyboard rely on, and what ids are for.
func checkStructure(t *testing.T, doc *goquery.Document) {
	t.Helper()
	if n := doc.Find("h1").Length(); n != 1 {
		t.Errorf("%d h1", n)
	}
	if doc.Find("main#main").Length() != 1 || doc.Find("a.skip-link[href='#main']").Length() != 1 {
		t.Error("no main part, or no way to skip to it")
	}
	ids := map[string]bool{}
	doc.Find("[id]").Each(func(_ int, e *goquery.Selection) {
		id := e.AttrOr("id", "")
		if ids[id] {
			t.Errorf("two elements have the id %q", id)
		}
		ids[id] = true
	})
	for _, attribute := range []string{"for", "aria-describedby", "aria-labelledby"} {
		doc.Find("[" + attribute + "]").Each(func(_ int, e *goquery.Selection) {
			for _, id := range strings.Fields(e.AttrOr(attribute, "")) {
				if !ids[id] {
					t.Errorf("%s=%q names nothing", attribute, id)
				}
			}
		})
	}
	doc.Find("input:not([type=hidden]), select, textarea").Each(func(_ int, e *goquery.Selection) {
		id := e.AttrOr("id", "")
		labelled := e.Closest("label").Length() > 0 || id != "" && doc.Find("label[for='"+id+"']").Length() > 0
		if !labelled {
			t.Errorf("field %q has no label", e.AttrOr("name", ""))
		}
	})
	doc.Find("button, a[href]").Each(func(_ int, e *goquery.Selection) {
		if strings.TrimSpace(e.Text()) == "" && e.AttrOr("aria-label", "") == "" {
			t.Errorf("a button or link without words: %s", outer(e))
		}
	})
	doc.Find("table").Each(func(_ int, e *goquery.Selection) {
		if e.Find("caption").Length() != 1 {
			t.Error("a table without a caption")
		}
	})
	if doc.Find("form[method=get], form:not([method])").FilterFunction(func(_ int, e *goquery.Selection) bool {
		return e.Find("input[type=password]").Length() > 0
	}).Length() > 0 {
		t.Error("a password would go into an address")
	}
}

func outer(e *goquery.Selection) string {
	var b bytes.Buffer
	_ = html.Render(&b, e.Nodes[0])
	return b.String()
}

// assetHash is the part of an asset's address that changes with every build.
var assetHash = regexp.MustCompile(regexp.QuoteMeta(frontend.Prefix) + `[0-9a-f]{12}/`)

// TestGolden compares every page with the one that somebody looked at last. The request's number differs each time.
func TestGolden(t *testing.T) {
	requestID := regexp.MustCompile(`[a-z2-7]{12}`)
	for _, s := range everyPage {
		t.Run(s.name, func(t *testing.T) {
			res := as(t, site(t), s.who).open(s)
			got := assetHash.ReplaceAllString(tidy(t, s.name, res.Body.String()), frontend.Prefix+"HASH/")
			if id := res.Header().Get("X-Request-Id"); requestID.MatchString(id) {
				got = strings.ReplaceAll(got, id, "REQUEST")
			}
			file := filepath.Join("testdata", "pages", s.name+".html")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s; look at it and run with -update:\n%s", file, firstDifference(got, string(want)))
			}
		})
	}
}

// TestGoldenHasNoLeftovers fails for a golden file whose page is gone.
func TestGoldenHasNoLeftovers(t *testing.T) {
	files, err := filepath.Glob("testdata/pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".html")
		if !slices.ContainsFunc(everyPage, func(s shown) bool { return s.name == name }) {
			t.Errorf("%s belongs to no page", f)
		}
	}
}

// tidy writes the part of a page that is its own, an element a line, so that a difference can be read; the navigation
// only on first pages. Icons are left out: they have no words.
func tidy(t *testing.T, name, page string) string {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	doc.Find("svg").Remove()
	var b strings.Builder
	b.WriteString("<title>" + doc.Find("title").First().Text() + "</title>\n")
	if !strings.HasPrefix(name, "home") {
		doc.Find(".rail").Remove()
	}
	doc.Find("main, .toast, .rail").Each(func(_ int, e *goquery.Selection) { write(&b, e.Nodes[0], 0) })
	return b.String()
}

func write(b *strings.Builder, n *html.Node, depth int) {
	indent := strings.Repeat(" ", depth)
	switch n.Type {
	case html.TextNode:
		if text := strings.Join(strings.Fields(n.Data), " "); text != "" {
			b.WriteString(indent + html.EscapeString(text) + "\n")
		}
	case html.ElementNode:
		b.WriteString(indent + "<" + n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
			if a.Val != "" {
				b.WriteString(`="` + html.EscapeString(a.Val) + `"`)
			}
		}
		b.WriteString(">\n")
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			write(b, c, depth+1)
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "line " + strings.TrimSpace(w[i]) + "\n now " + strings.TrimSpace(g[i])
		}
	}
	return "one is longer than the other"
}
