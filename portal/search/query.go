package search

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/routing"
)

// Bounds of what is looked at of a query. What is beyond is not there.
const (
	maxQuery = 1000 // bytes
	maxWords = 12
)

// minPrefix is how many letters a word must have to stand for all that begin with it; the last one, which somebody may
// still be typing, needs one.
const minPrefix = 3

// query is what somebody asks for, made ready.
type query struct {
	words    []string // folded
	parts    []string // the words, and of those in mixed case the parts in their place; nil where that is the same
	method   string   // lower case; empty: any
	path     []string // segments of a path; none: it is not about one
	audience portal.Audience
	filter   routing.Filter
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}

// parse reads what somebody typed. Everything is words but what begins with a slash, or is a URL: that is a path, with
// its method where that stands before it.
func parse(text string) query {
	if len(text) > maxQuery {
		text = text[:maxQuery]
	}
	text = strings.ToValidUTF8(text, " ")
	var q query
	var words, parts []string
	for _, field := range strings.Fields(text) {
		path := ""
		if strings.HasPrefix(field, "/") {
			path = field
		} else if u, err := url.Parse(field); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			path = u.Path
		}
		if found := segments(path); q.path == nil && slices.ContainsFunc(found, func(s string) bool { return s != "{}" }) {
			q.path = found
			if n := len(words); n > 0 && slices.Contains(methods, words[n-1]) {
				q.method, words, parts = words[n-1], words[:n-1], parts[:len(parts)-1]
			}
			for i := range q.path { // an id, where the template has a parameter
				if i > 0 && strings.Trim(q.path[i], "0123456789") == "" {
					q.path[i] = "{}"
				}
			}
			continue
		}
		words, parts = append(words, plain(field)...), append(parts, plain(humps(field))...)
	}
	if q.words = few(words); len(parts) > len(words) {
		q.parts = few(parts)
	}
	return q
}

// few is each word once, the first ones.
func few(words []string) (some []string) {
	for _, w := range words {
		if len(some) < maxWords && !slices.Contains(some, w) {
			some = append(some, w)
		}
	}
	return some
}

func (q *query) empty() bool { return len(q.words) == 0 && len(q.path) == 0 }

// How much of a query an expression takes.
type stage struct {
	kinds    []string // tokens in which words are looked for
	prefixes bool     // words stand for all that begin with them
}

var (
	exactTexts  = stage{[]string{textToken}, false}
	exactTitles = stage{[]string{titleToken}, false}
	titles      = stage{[]string{titleToken}, true}
	texts       = stage{[]string{textToken}, true}
	anywhere    = stage{[]string{textToken, wordToken}, true}
)

// expression makes an expression of a query.
func (q *query) expression(s stage) Expression {
	e := Expression{{{Token: audienceToken + escape(string(q.audience))}}}
	for _, facet := range routing.Facets {
		var values []Term
		for _, v := range q.filter[facet] {
			if v != "" {
				values = append(values, Term{Token: facetValue(facet, v)})
			}
		}
		if len(values) > 0 {
			e = append(e, values)
		}
	}
	for i, word := range q.words {
		last := i == len(q.words)-1 && len(q.path) == 0
		var terms []Term
		for _, kind := range s.kinds {
			terms = append(terms, Term{kind + word, s.prefixes && (last || utf8.RuneCountInString(word) >= minPrefix)})
		}
		e = append(e, terms)
	}
	return append(e, q.pathGroups(false)...)
}

// pathGroups are the groups of the path; with unfinished, its last segment may go on.
func (q *query) pathGroups(unfinished bool) (e Expression) {
	kind := pathToken
	if q.method != "" {
		kind = methodToken + q.method + "/"
	}
	n := len(q.path)
	for i, s := range q.path {
		term := Term{Token: clip(kind + s), Prefix: unfinished && i == n-1}
		if i > 0 {
			term.Token = clip(kind + q.path[i-1] + "/" + s)
		} else if n > 1 || s == "{}" {
			continue // the pair says more
		}
		e = append(e, []Term{term})
	}
	return e
}

// serves reports whether an operation, such as "POST /v1/refunds", has the path's segments one after another.
func (q *query) serves(operation string, unfinished bool) bool {
	method, path, _ := strings.Cut(operation, " ")
	if q.method != "" && !strings.EqualFold(method, q.method) {
		return false
	}
	there := segments(path)
	for i := 0; i+len(q.path) <= len(there); i++ {
		fits := true
		for k, s := range q.path {
			t := there[i+k]
			if t != s && !(unfinished && k == len(q.path)-1 && strings.HasPrefix(t, s)) {
				fits = false
				break
			}
		}
		if fits {
			return true
		}
	}
	return false
}

// names reports how many of the words begin a word of an operation.
func (q *query) names(operation string) (n int) {
	there := partsOf(operation)
	for _, w := range q.words {
		if slices.ContainsFunc(there, func(t string) bool { return strings.HasPrefix(t, w) }) {
			n++
		}
	}
	return n
}
