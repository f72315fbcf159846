package document

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

func TestMarkdown(t *testing.T) {
	const rel = ` rel="nofollow noreferrer noopener" target="_blank"`
	for in, want := range map[string]string{
		"":                                     "",
		"# A\n\ntext **b** `c`":                "<h3>A</h3>\n<p>text <strong>b</strong> <code>c</code></p>",
		"###### A":                             "<h6>A</h6>",
		"|a|b|\n|-|-:|\n|1|2|":                 "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td>\n</tr>\n</tbody>\n</table>",
		"[a](https://b.test/?c=d&e)":           `<p><a href="https://b.test/?c=d&amp;e"` + rel + `>a</a></p>`,
		"<https://b.test>":                     `<p><a href="https://b.test"` + rel + `>https://b.test</a></p>`,
		"[a](mailto:b@c.test)":                 `<p><a href="mailto:b@c.test" rel="nofollow noreferrer">a</a></p>`,
		"[a](/logout) [b](//c.test) [d](#e)":   "<p>a b d</p>",
		"[a](http:logout)":                     "<p>a</p>",
		"[a](javascript:alert(1))":             "<p>a</p>",
		"[a](data:text/html,x)":                "<p>a</p>",
		"![a](https://b.test/c.png)":           "<p></p>",
		"<script>alert(1)</script>b":           "b",
		"<p onclick=x>a<br><b>c</b></p>":       "<p>a<br><b>c</b></p>",
		"<style>p{}</style>":                   "",
		"<h1 id=x class=y style=z>a</h1>":      "a",
		"<iframe src=x></iframe>":              "",
		"<form action=x><input name=y></form>": "",
		"<svg onload=x>":                       "",
		"3. a":                                 "<ol start=\"3\">\n<li>a</li>\n</ol>",
		"a\xffb":                               "<p>a�b</p>",
		strings.Repeat(">", 60) + "<b>":        "<pre>" + strings.Repeat("&gt;", 60) + "&lt;b&gt;</pre>",
	} {
		if got := Markdown(in); got != want {
			t.Errorf("Markdown(%q)\n got %q\nwant %q", in, got, want)
		}
	}
	if got := Markdown(strings.Repeat("ä", MaxMarkdownBytes)); len(got) > MaxMarkdownBytes+20 || !strings.HasSuffix(got, "ä…</p>") {
		t.Errorf("a long text became %d bytes", len(got))
	}
}

// Texts that cost a naive parser the square of their length.
func TestMarkdownIsBounded(t *testing.T) {
	texts := []string{strings.Repeat(strings.Repeat(">", 49)+"\n", 1300), strings.Repeat(strings.Repeat("[a](", 49)+"\n\n", 320)}
	for _, opener := range []string{">", "[", "![", "*a", "_a", "`", "`a``", "<", "<a ", "<!--", "- ", "* * ", "1. ", "[a](", "[a]:x\n", "[a][", "|a", "~~a", "\\", "&",
		"http://", "a@", "**a *", "</p>", "<b>", "<div>\n", "[](<", "![[]()", "<table>", "\t", "> - ", "<![CDATA[", "[a](b\n", "[a](<)"} {
		texts = append(texts, strings.Repeat(opener, MaxMarkdownBytes/len(opener)))
	}
	for _, text := range texts {
		start := time.Now()
		out := Markdown(text)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20q took %s", text, took)
		}
		checkHarmless(t, out)
	}
}

var harmlessAttributes = map[string]bool{"a href": true, "a rel": true, "a target": true, "th align": true, "td align": true, "ol start": true}

// checkHarmless reads HTML as a browser would and knows what may be in it.
func checkHarmless(t interface{ Errorf(string, ...any) }, out string) {
	const elements = " h3 h4 h5 h6 p br hr ul ol li dl dt dd blockquote pre code em strong b i del sub sup kbd table thead tbody tr th td a "
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.CommentToken, html.DoctypeToken:
			t.Errorf("comment or doctype in %q", out)
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if !strings.Contains(elements, " "+token.Data+" ") {
				t.Errorf("<%s> in %q", token.Data, out)
			}
			for _, a := range token.Attr {
				if !harmlessAttributes[token.Data+" "+a.Key] {
					t.Errorf("%s on <%s> in %q", a.Key, token.Data, out)
				}
				if link := strings.ToLower(a.Val); a.Key == "href" && !strings.HasPrefix(link, "http://") && !strings.HasPrefix(link, "https://") && !strings.HasPrefix(link, "mailto:") {
					t.Errorf("link to %q", a.Val)
				}
			}
		}
	}
}

func TestMarkdownProperty(t *testing.T) {
	part := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"<script>", "<img src=x onerror=y>", "](javascript:x)", "[a", "![", "<a href='", "java\nscript:", "&#106;",
		"\"", "'", ">", "<", "`", "```\n", "|", "\n\n", "    ", "<!--", "-->", "<svg/onload=x>", "</p>", "<math>", "<p style=x>", "data:", "vbscript:", "\x00", "<style>", "<b "}))
	rapid.Check(t, func(t *rapid.T) {
		checkHarmless(t, Markdown(strings.Join(rapid.SliceOfN(part, 0, 12).Draw(t, "parts"), "")))
	})
}

func FuzzMarkdown(f *testing.F) {
	for _, seed := range []string{"# a\n[b](https://c.test)", "<a href=\"javascript:x\">", "![a](b)", "|a|\n|-|\n|<b>|", "<!-- -->", "[a]: javascript:x\n[a]", "<p><script>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) { checkHarmless(t, Markdown(src)) })
}
