package told

import (
	"strings"

	"concierge/portal"
)

// Warnings say why something that a gateway, a rule or a document says of a deployment does not count. They are kept as text;
// WarningIn finds them again.
var Warnings = NewBook(map[Sentence]string{
	OutsideBounds:     "%s %q, from the %s, is outside the gateway's bounds",
	RulePartly:        "the rule for %s matches only some of its addresses",
	NamesPartly:       "only some of its addresses say that it is %s",
	NameUnknown:       "%q, in its %s, is the usual name of an environment that is not configured",
	NamesContradict:   "%q, in its %s, says %s, and %q, in its %s, says %s",
	WordsContradict:   "the gateway says %s %q, the document %q",
	WordsUnread:       "its document could not be read, and might say which %s",
	DivisionUntrusted: "the gateway's own words name division %q, which it is not trusted with",
	WordUnknown:       "x-concierge-%s %q in its document is not understood",
	NotTakenOver:      "its document was not taken over: %s",
	NoAddress:         "it has no address for consumers: %s",
	AddressUntold:     "the gateway does not say at which address it is called; give its public address by a placement rule",
	RuleNoAddress:     "the rule for %s gives no address: %s",
	PathPattern:       "its path %q is a pattern",
	FetchNowhere:      "the gateway says that it is at an address that cannot be fetched: write it as https://host/path, without a user",
	FetchForbidden:    "it is at %s, and nothing is fetched for this gateway: allow it with \"documents: {fetch: true}\", or upload it",
	FetchRefused:      "fetching it from %s: it answers %s; redirects are not followed",
	FetchTooLong:      "what is not in the gateway took too long to fetch, and this was left out; the next sync asks for it again, or upload it",
	FetchFailed:       "fetching it from %s: %s",
})

// The warnings.
const (
	OutsideBounds     Sentence = "outside_bounds"
	RulePartly        Sentence = "rule_partly"
	NamesPartly       Sentence = "names_partly"
	NameUnknown       Sentence = "name_unknown"
	NamesContradict   Sentence = "names_contradict"
	WordsContradict   Sentence = "words_contradict"
	WordsUnread       Sentence = "words_unread"
	DivisionUntrusted Sentence = "division_untrusted"
	WordUnknown       Sentence = "word_unknown"
	NotTakenOver      Sentence = "not_taken_over"
	NoAddress         Sentence = "no_address"
	AddressUntold     Sentence = "address_untold"
	RuleNoAddress     Sentence = "rule_no_address"
	PathPattern       Sentence = "path_pattern"
	FetchNowhere      Sentence = "fetch_nowhere"
	FetchForbidden    Sentence = "fetch_forbidden"
	FetchRefused      Sentence = "fetch_refused"
	FetchFailed       Sentence = "fetch_failed"
	FetchTooLong      Sentence = "fetch_too_long"
)

// Warning says one in English.
func Warning(w Sentence, values ...any) string { return Warnings.Text(w, values...) }

// kinds are errors whose text may stand behind a warning.
var kinds = []error{portal.ErrNotFound, portal.ErrDenied, portal.ErrUnavailable, portal.ErrConflict, portal.ErrUnsupported, portal.ErrInvalid}

// WarningIn finds the warning in a text, its values, and what the text says it is about, empty where it does not.
func WarningIn(text string) (about string, w Sentence, values []string, ok bool) {
	for i := 0; i < len(kinds); {
		if shorter, found := strings.CutSuffix(text, ": "+kinds[i].Error()); found {
			text, i = shorter, 0
			continue
		}
		i++
	}
	for at := 0; ; {
		if w, values, ok = Warnings.Find(text[at:]); ok {
			return strings.TrimSuffix(text[:at], ": "), w, values, true
		}
		next := strings.Index(text[at:], ": ")
		if next < 0 {
			return "", "", nil, false
		}
		at += next + len(": ")
	}
}

// LayerPhrases are how a warning calls a layer.
var LayerPhrases = map[portal.Layer]string{
	portal.LayerGateway: "gateway's defaults", portal.LayerDetected: "names of its things", portal.LayerRule: "placement rules",
	portal.LayerWords: "gateway's own words", portal.LayerOverride: "override",
}

// OnlyAdministrators ends a warning for which a deployment is shown to nobody else.
const OnlyAdministrators = "; only administrators see it"
