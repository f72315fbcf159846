package search

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/document"
	"concierge/portal/routing"
)

// A token is a letter that says what it is, and a value. Values hold letters and digits, beyond ASCII too, and of other
// signs those of tokenSigns only: no engine takes them apart or reads them as part of its query language.
const (
	audienceToken = "a"
	facetToken    = "f" // with the facet's name and "="
	titleToken    = "t" // a word of title or name; it is a textToken too
	textToken     = "w" // a word of title, name, tags, summary, guides' titles or the beginning of the description
	wordToken     = "o" // a word of an operation: method, part of its path, part of its id
	pathToken     = "/" // one segment of an operation's path, or two that follow each other
	methodToken   = "." // the same with the operation's method before it
)

// format changes with the tokens: an index of another format is made anew.
const format = "2"

const (
	tokenSigns    = "/{}_.=-"
	maxToken      = 120     // bytes
	maxTokens     = 400_000 // bytes of a row: PostgreSQL takes a megabyte
	maxDescribed  = 600     // bytes of a description: its first lines say what an API is for, and the rest how it is used
	maxOperations = 3000    // of a row; the document with the most has half as many
)

// rowsOf makes the rows of an entry. operations are those of a deployment.
func rowsOf(table *routing.Table, id portal.APIID, operations func(*portal.Deployment) []Operation) []Row {
	type group struct {
		Row
		audiences []string
	}
	var groups []group
	for _, face := range table.Faces(id) {
		allowed, hidden := table.Hosts(portal.Consumer{Audience: face.Audience}, id)
		row := rowOf(face, operations, document.Texts(allowed, hidden))
		same := slices.IndexFunc(groups, func(g group) bool {
			return slices.Equal(g.Tokens, row.Tokens) && slices.Equal(g.Operations, row.Operations)
		})
		if same < 0 {
			same, groups = len(groups), append(groups, group{Row: row})
		}
		groups[same].audiences = append(groups[same].audiences, audienceToken+escape(string(face.Audience)))
	}
	rows := make([]Row, len(groups))
	for i, g := range groups {
		rows[i] = g.Row
		rows[i].Tokens = append(g.audiences, g.Tokens...)
		slices.Sort(rows[i].Tokens)
	}
	return rows
}

// rowOf makes the row of one audience, without its name. shown is how texts are shown to it.
func rowOf(face routing.Face, operations func(*portal.Deployment) []Operation, shown func(string) string) Row {
	tokens, size := map[string]bool{}, 0
	add := func(kind string, words []string) {
		for _, w := range words {
			if token := kind + w; !tokens[token] && size < maxTokens {
				tokens[token] = true
				size += len(token) + 1
			}
		}
	}
	v := face.View
	title := append(wordsOf(v.Title), wordsOf(v.Name)...)
	add(titleToken, title)
	add(textToken, title)
	add(textToken, wordsOf(shown(v.Summary)))
	add(textToken, wordsOf(beginning(shown(v.Description))))
	for _, tag := range v.Tags {
		add(textToken, wordsOf(tag))
	}
	for _, guide := range v.Curated.Guides {
		add(textToken, wordsOf(guide.Title))
	}
	for facet, values := range face.Values {
		for _, value := range values {
			add("", []string{facetValue(facet, value)})
		}
	}
	known := map[string]bool{}
	for _, d := range face.Deployments {
		for _, op := range operations(d) {
			written := op.Method + " " + op.Path
			if known[written] || len(known) == maxOperations || !utf8.ValidString(written) || strings.ContainsFunc(written, unicode.IsControl) || shown(op.Path) != op.Path {
				continue
			}
			known[written] = true
			add(wordToken, partsOf(written+" "+shown(op.ID)))
			add("", pathTokens(op.Method, segments(op.Path)))
		}
	}
	return Row{Tokens: slices.Sorted(maps.Keys(tokens)), Operations: slices.Sorted(maps.Keys(known))}
}

// fingerprint is different for different rows.
func fingerprint(rows []Row) string {
	h := sha256.New()
	for _, r := range rows {
		_, _ = fmt.Fprintf(h, "%q\n%q\n", r.Tokens, r.Operations)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
}

// wordsOf cuts a text into words, folded, each once. A word such as "PayPal" gives its parts too.
func wordsOf(text string) []string { return each(append(plain(text), partsOf(text)...)) }

// partsOf cuts a text into words, and those into their parts: there are too many names of operations to keep them whole.
func partsOf(text string) []string { return each(plain(humps(text))) }

func plain(text string) []string {
	words := routing.Words(routing.Fold(text))
	for i, w := range words {
		words[i] = clip(w)
	}
	return words
}

func each(words []string) []string {
	slices.Sort(words)
	return slices.Compact(words)
}

// humps puts spaces where a word written in capitals goes on: "createHTTPRefund" becomes "create HTTP Refund".
func humps(text string) string {
	var b strings.Builder
	runes := []rune(text)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			before := runes[i-1]
			if unicode.IsLower(before) || unicode.IsDigit(before) || unicode.IsUpper(before) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
				b.WriteByte(' ')
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}

// clip shortens what is too long for a token. Both what is searched and what is asked for are cut alike.
func clip(s string) string {
	if len(s) <= maxToken {
		return s
	}
	cut := maxToken
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// beginning is the first part of a description, in whole words.
func beginning(text string) string {
	if len(text) <= maxDescribed {
		return text
	}
	return text[:max(0, strings.LastIndexByte(text[:maxDescribed], ' '))]
}

// escape writes a value so that no other one is written alike.
func escape(value string) string {
	var b strings.Builder
	for _, r := range value {
		if unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.IsUpper(r) {
			b.WriteRune(r)
		} else {
			_, _ = fmt.Fprintf(&b, "_%x_", r)
		}
	}
	if b.Len() > maxToken {
		sum := sha256.Sum256([]byte(value))
		return fmt.Sprintf("%x", sum[:16])
	}
	return b.String()
}

func facetValue(facet routing.Facet, value string) string {
	if facet == routing.FacetTag {
		value = routing.Fold(value)
	}
	return facetToken + string(facet) + "=" + escape(value)
}

// segments cuts a path. A parameter is "{}" whatever its name, also where it is a part of a segment.
func segments(path string) []string {
	var all []string
	path, _, _ = strings.Cut(path, "?")
	for s := range strings.SplitSeq(path, "/") {
		if s = segment(s); s != "" {
			all = append(all, s)
		}
	}
	return all
}

func segment(s string) string {
	if strings.HasPrefix(s, ":") && len(s) > 1 || len(s) > 2 && s[0] == '<' && s[len(s)-1] == '>' {
		return "{}"
	}
	var b strings.Builder
	for {
		before, rest, open := strings.Cut(s, "{")
		b.WriteString(before)
		if !open {
			break
		}
		_, after, closed := strings.Cut(rest, "}")
		b.WriteString("{}")
		if !closed {
			break
		}
		s = after
	}
	return clip(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("{}_.-", r) {
			return r
		}
		return '_'
	}, routing.Fold(b.String())))
}

// pathTokens are the tokens of one operation. Without a method there are those of the path alone.
func pathTokens(method string, segments []string) []string {
	var all []string
	add := func(token string) {
		all = append(all, clip(pathToken+token))
		if method != "" {
			all = append(all, clip(methodToken+segment(method)+"/"+token))
		}
	}
	for i, s := range segments {
		if s != "{}" {
			add(s)
		}
		if i > 0 {
			add(segments[i-1] + "/" + s)
		}
	}
	return all
}
