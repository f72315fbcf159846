package document

import (
	"bytes"
	"html"
	"net/url"
	"regexp"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	gparser "github.com/yuin/goldmark/parser"
	ghtml "github.com/yuin/goldmark/renderer/html"
	gtext "github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// MaxMarkdownBytes is how much of a text Markdown renders; the longest info.description of 200 real documents has 37,036
// bytes.
const MaxMarkdownBytes = 64 << 10

// Markdown renders a text from outside as HTML that is safe inside a page: CommonMark with tables and strikethrough, and of the HTML that
// many descriptions hold only formatting. There are no images, scripts, styles, forms, ids and classes; links are absolute http, https or mailto,
// open elsewhere, and carry rel="nofollow noreferrer noopener". Headings start at h3, to fit below those of a page. A longer
// text is cut at MaxMarkdownBytes. A text that is nested to excess is shown as it was written.
//
// It is safe for concurrent use.
func Markdown(src string) string {
	src = clip(strings.ToValidUTF8(src, "�"), MaxMarkdownBytes)
	if nestedToExcess(src) {
		return "<pre>" + html.EscapeString(src) + "</pre>"
	}
	var out bytes.Buffer
	if err := markdown.Convert([]byte(src), &out); err != nil {
		return "<pre>" + html.EscapeString(src) + "</pre>"
	}
	return strings.TrimSpace(markdownPolicy.Sanitize(out.String()))
}

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
	goldmark.WithParserOptions(gparser.WithASTTransformers(util.Prioritized(headings{}, 500))),
	goldmark.WithRendererOptions(ghtml.WithUnsafe()), // the policy below decides what stays
)

var markdownPolicy = newMarkdownPolicy()

func newMarkdownPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("h3", "h4", "h5", "h6", "p", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "code", "em",
		"strong", "b", "i", "del", "sub", "sup", "kbd", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("align").Matching(regexp.MustCompile(`^(left|right|center)$`)).OnElements("th", "td")
	p.AllowAttrs("start").Matching(regexp.MustCompile(`^[0-9]{1,9}$`)).OnElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("mailto")
	for _, scheme := range []string{"http", "https"} {
		// "http:logout" would be relative to the page.
		p.AllowURLSchemeWithCustomPolicy(scheme, func(link *url.URL) bool { return link.Host != "" })
	}
	p.RequireParseableURLs(true)
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true) // and with it noopener
	return p
}

// headings moves headings two levels down.
type headings struct{}

func (headings) Transform(doc *ast.Document, _ gtext.Reader, _ gparser.Context) {
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			h.Level = min(h.Level+2, 6)
		}
		return ast.WalkContinue, nil
	})
}

// nestedToExcess reports whether a text opens far more levels than any author does: block quotes and lists in one line, or
// link targets that never close in one paragraph. The parser's cost grows with their square.
func nestedToExcess(src string) bool {
	const most = 50
	targets, angles := 0, 0
	for line := range strings.Lines(src) {
		if strings.TrimSpace(line) == "" {
			targets, angles = 0, 0
		}
		targets = max(0, targets+strings.Count(line, "](")-strings.Count(line, ")"))
		angles = max(0, angles+strings.Count(line, "](<")-strings.Count(line, ">"))
		if targets > most || angles > most {
			return true
		}
		content := strings.TrimLeft(line, " \t>-*+.)0123456789")
		if markers := line[:len(line)-len(content)]; strings.Count(markers, ">")+len(strings.Fields(markers)) > most {
			return true
		}
	}
	return false
}
