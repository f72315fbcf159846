package correlate

import (
	"regexp"
	"strings"
	"unicode"
)

// parameter stands for a segment of a path that holds a value.
const parameter = "{}"

var (
	versionSegment = regexp.MustCompile(`^(v|version)?[-_.]?[0-9]+([._][0-9]+)*[-_.]?((alpha|beta|preview|rc|p)[0-9.]*)?$|^[0-9]{4}-[0-9]{2}(-[0-9]{2})?(-preview)?$|^v?\{[a-z_.-]*version[a-z_.-]*\}$`)
	extension      = regexp.MustCompile(`\.(json|xml|csv|php|aspx?|ashx|svc|html?|do|jsonp|ya?ml|rss|txt)$|[.]?\{\.?(format|extension|ext)\}$`)
)

// isVersion reports whether a segment in lower case is a version.
func isVersion(s string) bool {
	return (strings.ContainsAny(s, "0123456789") || strings.Contains(s, "version")) && versionSegment.MatchString(s)
}

// segments returns the parts of a path template that say what it is about, in lower case: without versions, without the
// words that every API has ("api", "rest"), with every parameter written alike. open is true for a path that stands for
// all below it ("/orders/*").
func segments(path string) (parts []string, open bool) {
	path = strings.TrimLeft(path, "~^ ")
	path = strings.TrimRight(path, "$ ")
	if i := strings.IndexAny(path, "?#"); i >= 0 && !strings.HasPrefix(path[i:], "?<") && !strings.HasPrefix(path[i:], "?P<") {
		path = path[:i]
	}
	for raw := range strings.SplitSeq(path, "/") {
		s := strings.ToLower(strings.TrimFunc(raw, unicode.IsSpace))
		if s == "" {
			continue
		}
		open = s == "*" || s == "**" || s == ".*" || s == "(.*)" || strings.HasSuffix(s, "+}") || strings.HasPrefix(s, "{*")
		if open {
			continue
		}
		if isVersion(s) || s == "api" || s == "apis" || s == "rest" {
			continue
		}
		if strings.Contains(s, ".") || s[len(s)-1] == '}' { // else it has none
			s = extension.ReplaceAllString(s, "")
		}
		switch {
		case s == "":
			continue
		case strings.ContainsAny(s, "{}()<>*") || s[0] == ':' || s[0] == '$':
			s = parameter
		}
		parts = append(parts, s)
	}
	return parts, open
}

// words splits a name at everything that is not a letter or digit, and where case says that a word begins.
func words(name string) []string {
	var out []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			flush()
			continue
		case i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) ||
			unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			flush()
		}
		b.WriteRune(r)
	}
	flush()
	return out
}
