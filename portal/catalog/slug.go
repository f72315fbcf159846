package catalog

import (
	"cmp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"concierge/connectors"
	"concierge/portal"
)

const maxSlug = 80 // letters

// Slugs returns the slugs that an entry may get, the one that reads best first: its title alone, then with its owner
// division, its gateway, the gateway's own name for it, and at last its own id, which nothing else has. There are no
// counters: what a slug says does not depend on what else there is at the time. None is portal.Reserved.
func Slugs(id portal.APIID, title string, division portal.Division, gateway portal.GatewayID, key connectors.Key) []string {
	words := cmp.Or(Slug(title), "api")
	var all []string
	if !portal.Reserved(words) {
		all = append(all, words)
	}
	for _, more := range []string{string(division), string(gateway), key.RemoteID, key.Exposure, string(id)} {
		if s := Slug(more); s != "" {
			words += "-" + s
			all = append(all, words)
		}
	}
	return all
}

// Slug turns words into lower-case letters, digits and single dashes, at most 80 of them. Accents are dropped; letters of
// other scripts stay. It is empty where there is no letter or digit.
func Slug(words string) string {
	var b strings.Builder
	n, gap := 0, false
	for _, r := range norm.NFKD.String(words) {
		switch {
		case unicode.Is(unicode.Mn, r) || r == '\'' || r == '’':
			continue
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if gap && n > 0 {
				b.WriteByte('-')
				n++
			}
			gap = false
			if n >= maxSlug {
				return strings.TrimSuffix(b.String(), "-")
			}
			b.WriteRune(unicode.ToLower(r))
			n++
		default:
			gap = true
		}
	}
	return b.String()
}
