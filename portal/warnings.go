package portal

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Warning names why something that a gateway, a rule or a document says of a deployment does not count, so that it can be said in
// other languages. What was told is kept as text; WarningIn finds its warning again.
type Warning string

// The warnings.
const (
	OutsideBounds     Warning = "outside_bounds"
	RulePartly        Warning = "rule_partly"
	NamesPartly       Warning = "names_partly"
	NameUnknown       Warning = "name_unknown"
	NamesContradict   Warning = "names_contradict"
	WordsContradict   Warning = "words_contradict"
	WordsUnread       Warning = "words_unread"
	DivisionUntrusted Warning = "division_untrusted"
	WordUnknown       Warning = "word_unknown"
	NotTakenOver      Warning = "not_taken_over"
	NoAddress         Warning = "no_address"
	AddressUntold     Warning = "address_untold"
	RuleNoAddress     Warning = "rule_no_address"
	PathPattern       Warning = "path_pattern"
	FetchNowhere      Warning = "fetch_nowhere"
	FetchForbidden    Warning = "fetch_forbidden"
	FetchRefused      Warning = "fetch_refused"
	FetchFailed       Warning = "fetch_failed"
	FetchTooLong      Warning = "fetch_too_long"
)

type saying struct {
	Warning
	format string
}

// warnings are what each says. Those that end with a cause stand after those that are more exact.
var warnings = []saying{
	{OutsideBounds, "%s %q, from the %s, is outside the gateway's bounds"},
	{RulePartly, "the rule for %s matches only some of its addresses"},
	{NamesPartly, "only some of its addresses say that it is %s"},
	{NameUnknown, "%q, in its %s, is the usual name of an environment that is not configured"},
	{NamesContradict, "%q, in its %s, says %s, and %q, in its %s, says %s"},
	{WordsContradict, "the gateway says %s %q, the document %q"},
	{WordsUnread, "its document could not be read, and might say which %s"},
	{DivisionUntrusted, "the gateway's own words name division %q, which it is not trusted with"},
	{WordUnknown, "x-concierge-%s %q in its document is not understood"},
	{NotTakenOver, "its document was not taken over: %s"},
	{NoAddress, "it has no address for consumers: %s"},
	{AddressUntold, "the gateway does not say at which address it is called; give its public address by a placement rule"},
	{RuleNoAddress, "the rule for %s gives no address: %s"},
	{PathPattern, "its path %q is a pattern"},
	{FetchNowhere, "the gateway says that it is at an address that cannot be fetched: write it as https://host/path, without a user"},
	{FetchForbidden, "it is at %s, and nothing is fetched for this gateway: allow it with \"documents: {fetch: true}\", or upload it"},
	{FetchRefused, "fetching it from %s: it answers %s; redirects are not followed"},
	{FetchTooLong, "what is not in the gateway took too long to fetch, and this was left out; the next sync asks for it again, or upload it"},
	{FetchFailed, "fetching it from %s: %s"},
}

// Text says a warning in English. Its values go where its words have them.
func (w Warning) Text(values ...any) string {
	i := slices.IndexFunc(warnings, func(s saying) bool { return s.Warning == w })
	return fmt.Sprintf(warnings[i].format, values...)
}

// Warnings are all of them, with how many values each says.
func Warnings() map[Warning]int {
	all := make(map[Warning]int, len(warnings))
	for _, w := range warnings {
		all[w.Warning] = len(warningVerb.FindAllString(w.format, -1))
	}
	return all
}

var warningVerb = regexp.MustCompile(`%[sq]`)

// warningPatterns match the words of each warning, after the name of what it is about and before the kind of an error.
var warningPatterns = sync.OnceValue(func() []*regexp.Regexp {
	all := make([]*regexp.Regexp, len(warnings))
	for i, w := range warnings {
		words, verbs := warningVerb.Split(w.format, -1), warningVerb.FindAllString(w.format, -1)
		pattern := `(?s)^(?:(.*?): )?`
		for j, part := range words {
			pattern += regexp.QuoteMeta(part)
			switch {
			case j < len(verbs) && j == 0 && part == "" && verbs[j] == "%s": // else what it is about could end in the value
				pattern += `(\S+)`
			case j < len(verbs):
				pattern += map[string]string{"%s": `(.*?)`, "%q": `("(?:[^"\\]|\\.)*")`}[verbs[j]]
			}
		}
		all[i] = regexp.MustCompile(pattern + `(?:: (?:` + kinds + `))*$`)
	}
	return all
})

var kinds = strings.Join([]string{ErrNotFound.Error(), ErrDenied.Error(), ErrUnavailable.Error(), ErrConflict.Error(), ErrUnsupported.Error(), ErrInvalid.Error()}, "|")

// WarningIn finds the warning in a text, its values, and what the text says it is about, empty where it does not.
func WarningIn(text string) (about string, w Warning, values []string, ok bool) {
	for i, p := range warningPatterns() {
		found := p.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		values = found[2:]
		for j, value := range values {
			if plain, err := strconv.Unquote(value); err == nil {
				values[j] = plain
			}
		}
		return found[1], warnings[i].Warning, values, true
	}
	return "", "", nil, false
}

// LayerPhrases are how a warning calls a layer.
var LayerPhrases = map[Layer]string{
	LayerGateway: "gateway's defaults", LayerDetected: "names of its things", LayerRule: "placement rules",
	LayerWords: "gateway's own words", LayerOverride: "override",
}

// OnlyAdministrators ends a warning for which a deployment is shown to nobody else.
const OnlyAdministrators = "; only administrators see it"
