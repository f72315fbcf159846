package routing

import (
	"iter"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"concierge/portal"
)

// Fold makes text comparable: without case, accents and control characters, its white space single spaces. What is found
// by words is folded so on both sides.
func Fold(s string) string { return fold(s) }

// Words splits folded text at whatever is neither letter nor digit.
func Words(folded string) []string { return words(folded) }

// fold makes text comparable: without case, accents and control characters, its white space single spaces.
func fold(s string) string {
	folded := true // already
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			s, folded = foldUnicode(s), false
			break
		}
		plain := c > ' ' && c < 0x7F && (c < 'A' || c > 'Z')
		between := c == ' ' && i > 0 && i < len(s)-1 && s[i-1] != ' '
		folded = folded && (plain || between)
	}
	if folded {
		return s
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
func words(folded string) []string { return slices.Collect(wordsOf(folded)) }

func wordsOf(folded string) iter.Seq[string] {
	if strings.ContainsAny(folded, "'’") {
		folded = apostrophes.Replace(folded)
	}
	return strings.FieldsFuncSeq(folded, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// Hosts says which hosts texts about an entry may name to the consumer and which not: those of deployments of an audience
// that the consumer is sent to, and all others, admin sides among them. Where a host serves both, the addresses of the
// others are hidden whole.
func (t *Table) Hosts(c portal.Consumer, id portal.APIID) (allowed, hidden []string) {
	hidden = t.AdminHosts()
	entry, _ := t.Entry(id)
	for _, other := range entry.Deployments {
		mine, err := t.Resolve(c, Request{API: string(id), Version: other.Line, Environment: other.Placement.Environment()})
		if err == nil && mine.Deployment.Placement.Audience() == other.Placement.Audience() {
			allowed = append(allowed, host(other.BaseURL))
			continue
		}
		_, place, _ := strings.Cut(other.BaseURL, "://")
		hidden = append(hidden, host(other.BaseURL), place)
	}
	hidden = slices.DeleteFunc(slices.Clone(hidden), func(h string) bool { return h == "" || slices.Contains(allowed, h) })
	return allowed, hidden
}

// host is the host, with its port, of an address; empty where there is none.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
