package routing

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold makes text comparable: without case, accents and control characters, its white space single spaces.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			s = foldUnicode(s)
			break
		}
	}
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

func foldUnicode(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError)) // normalisation stops short after a byte that is none
	s = cases.Fold().String(norm.NFKD.String(s))
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
}

var apostrophes = strings.NewReplacer("'", "", "’", "")

// words splits folded text at whatever is neither letter nor digit. Apostrophes vanish, as they do in slugs.
func words(folded string) []string {
	if strings.ContainsAny(folded, "'’") {
		folded = apostrophes.Replace(folded)
	}
	return strings.FieldsFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
