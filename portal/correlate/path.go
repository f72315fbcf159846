package correlate

import (
	"regexp"
	"strings"
	"unicode"
)

// parameter stands for a segment of a path that holds a value.
const parameter = "{}"

var (
	versionSegment = regexp.MustCompile(`^(v|version)?[-_.]?[0-9]+([._][0-9]+)*[-_.]?((alpha|beta|preview|rc|p)[0-9.]*)?$|^[0-9]{4}-[0-9]{2}(-[0-9]{2})?(-preview)?$|^v?\{[a-z_.-]*version[a-z_.-]*\}$|^v\{[a-z_.-]*\}$`)
	extension      = regexp.MustCompile(`\.(json|xml|csv|php|aspx?|ashx|svc|html?|do|jsonp|ya?ml|rss|txt)$|[.]?\{\.?(format|extension|ext)\}$|\.\{\}$`)
)

// isVersion reports whether a segment in lower case is a version. Most are not by what is asked first, which is cheaper.
func isVersion(s string) bool {
	return s != "" && strings.IndexByte("v{-_.0123456789", s[0]) >= 0 &&
		(strings.ContainsAny(s, "0123456789") || strings.Contains(s, "version") || strings.HasPrefix(s, "v{")) && versionSegment.MatchString(s)
}

// mayExtend is false for a segment in which there is no extension; asking that is cheaper.
func mayExtend(s string) bool {
	return strings.Contains(s, ".") || strings.HasSuffix(s, "ext}") || strings.HasSuffix(s, "format}") || strings.HasSuffix(s, "extension}")
}

// segments returns the parts of a path template that say what it is about, in lower case: without versions, without the
// words that every API has ("api", "rest"), with every parameter written alike. open is true for a path that stands for
// all below it ("/orders/*"); a star before the last segment is a parameter. What stands behind a # tells operations of one
// path apart ("/#Action=CreateTags").
func segments(path string) (parts []string, open bool) {
	path = strings.TrimRight(template(path), "$ ")
	path, fragment, _ := strings.Cut(path, "#")
	starred := false // the segment before is one star
	path, _, _ = strings.Cut(path, "?")
	for raw := range strings.SplitSeq(path, "/") {
		s := strings.ToLower(strings.TrimFunc(raw, unicode.IsSpace))
		if s == "" {
			continue
		}
		if open && starred {
			parts = append(parts, parameter)
		}
		starred = s == "*"
		open = s == "*" || s == "**" || s == ".*" || strings.HasSuffix(s, "+}") || strings.HasPrefix(s, "{*")
		if open {
			continue
		}
		if isVersion(s) || s == "api" || s == "apis" || s == "rest" {
			continue
		}
		if mayExtend(s) {
			if bare := extension.ReplaceAllString(s, ""); bare != "" || s[0] != '{' { // what is nothing but {format} is a parameter
				s = bare
			}
		}
		switch {
		case s == "":
			continue
		case strings.ContainsAny(s, "{}()<>*") || s[0] == ':' || s[0] == '$':
			s = parameter
		}
		parts = append(parts, s)
	}
	if fragment = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(fragment, "/", " "))); fragment != "" {
		parts, open = append(parts, fragment), false
	}
	return parts, open
}

// words splits a name at everything that is not a letter or digit, and where case says that a word begins: "paymentMethods",
// "HTTPServer"; but "iPlayer" and "APIs" are one word each.
func words(name string) []string {
	var out []string
	var b strings.Builder
	length := 0 // of the word, in letters
	flush := func() {
		if length > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
			length = 0
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			flush()
			continue
		case length == 0 || !unicode.IsUpper(r):
		case unicode.IsDigit(runes[i-1]), unicode.IsLower(runes[i-1]) && length > 1,
			unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !plural(runes[i+1:]):
			flush()
		}
		b.WriteRune(r)
		length++
	}
	flush()
	return out
}

// plural reports whether what follows is but an s at the end of a word.
func plural(rest []rune) bool {
	return rest[0] == 's' && (len(rest) == 1 || !unicode.IsLower(rest[1]))
}
