package document

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"concierge/portal"
)

// Reason names why a description is refused, so that it can be said in other languages. Reasons are kept where their words
// are: what was refused is written down as text, and ReasonIn finds its reason again.
type Reason string

// The reasons.
const (
	AsyncAPIVersion Reason = "asyncapi_version"
	SwaggerVersion  Reason = "swagger_version"
	OpenAPIVersion  Reason = "openapi_version"
	NoVersion       Reason = "no_version"
	TooLarge        Reason = "too_large"
	TooMany         Reason = "too_many"
	TooDeep         Reason = "too_deep"
	NothingDefined  Reason = "nothing_defined"
	BadField        Reason = "bad_field"
	OpenBracket     Reason = "open_bracket"
	OpenComment     Reason = "open_comment"
	OpenText        Reason = "open_text"
	OpenLine        Reason = "open_line"
	DeepBrackets    Reason = "deep_brackets"
	StrayBracket    Reason = "stray_bracket"
	NotUTF8         Reason = "not_utf8"
	Empty           Reason = "empty"
	NotObject       Reason = "not_object"
	Trailing        Reason = "trailing"
	CutShort        Reason = "cut_short"
	BadJSON         Reason = "bad_json"
	TwiceKey        Reason = "twice_key"
	BadYAML         Reason = "bad_yaml"
	OddKey          Reason = "odd_key"
	BadMerge        Reason = "bad_merge"
	NoProto         Reason = "no_proto"
	BadDescriptors  Reason = "bad_descriptors"
	BadXML          Reason = "bad_xml"
	DocumentType    Reason = "document_type"
	DeepElements    Reason = "deep_elements"
	NotWSDL         Reason = "not_wsdl"
	NoElement       Reason = "no_element"
	Namespaces      Reason = "namespaces"
)

// sayings are what each reason says, and what to do.
var sayings = map[Reason]string{
	AsyncAPIVersion: "AsyncAPI %s is not read; use 2 or 3",
	SwaggerVersion:  "Swagger %s is not read; convert it to OpenAPI 3",
	OpenAPIVersion:  "OpenAPI %s is not read; use 2.0, 3.0, 3.1 or 3.2",
	NoVersion:       "it has neither \"openapi\" nor \"swagger\" at its root; is it the right file?",
	TooLarge:        "it is larger than %d bytes; split it, or raise the limit for API descriptions",
	TooMany:         "it has more than %d values, or YAML aliases that multiply to more; split it, or raise the limit for API descriptions",
	TooDeep:         "values are nested more than %d deep at %s, or YAML aliases form a circle; move inner parts to components and refer to them",
	NothingDefined:  "it looks like a GraphQL schema and defines nothing; is it the right file?",
	BadField:        "a field of the GraphQL type for %s begins with %s; correct the schema",
	OpenBracket:     "it ends too early: a bracket is not closed; fetch or export it again",
	OpenComment:     "it ends inside a comment; fetch or export it again",
	OpenText:        "it ends inside a text; fetch or export it again",
	OpenLine:        "a text in it does not end on its line; fetch or export it again",
	DeepBrackets:    "brackets are nested more than %d deep; raise the limit for API descriptions, or simplify it",
	StrayBracket:    "a bracket is closed that was not opened; fetch or export it again",
	NotUTF8:         "it is not UTF-8 text; save it as UTF-8",
	Empty:           "it is empty; export it again from its source",
	NotObject:       "it is not an object with the key \"openapi\" or \"swagger\"; is it the right file?",
	Trailing:        "something follows the end of its JSON value, at byte %d; remove it",
	CutShort:        "its JSON ends too early, inside %s; fetch or export it again",
	BadJSON:         "it is not valid JSON near byte %d, inside %s: %w",
	TwiceKey:        "the key at %s appears twice; readers would disagree on which one counts, so remove one",
	BadYAML:         "it is not valid YAML: %w",
	OddKey:          "a key inside %s, line %d, is not a plain word; write it as text",
	BadMerge:        "the merge key at %s takes a mapping or a list of mappings",
	NoProto:         "it looks like Protocol Buffers and has neither syntax, package nor service; is it the right file?",
	BadDescriptors:  "its descriptors are not well formed; make them again, with protoc --descriptor_set_out",
	BadXML:          "it is not valid XML near byte %d: %w",
	DocumentType:    "it has a document type (<!%s), which is not read; remove it, or is it the right file?",
	DeepElements:    "elements are nested more than %d deep; simplify it",
	NotWSDL:         "its root is <%s>, which is neither WSDL 1.1 nor 2.0; is it the right file?",
	NoElement:       "it holds no element; export it again from its source",
	Namespaces:      "it declares more than %d namespaces; declare them once, at its root",
}

// Reasons are all of them, with how many values each says.
func Reasons() map[Reason]int {
	all := make(map[Reason]int, len(sayings))
	for r, format := range sayings {
		all[r] = len(verb.FindAllString(format, -1))
	}
	return all
}

const refused = "API description: "

// invalid says what is wrong with a description, and is portal.ErrInvalid.
func invalid(r Reason, values ...any) error {
	return fmt.Errorf(refused+"%w: %w", portal.ErrInvalid, fmt.Errorf(sayings[r], values...))
}

var verb = regexp.MustCompile(`%[dsw]`)

// patterns match the words of each reason at the end of a text, with the values in them.
var patterns = sync.OnceValue(func() map[Reason]*regexp.Regexp {
	all := make(map[Reason]*regexp.Regexp, len(sayings))
	for r, format := range sayings {
		parts := verb.Split(format, -1)
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		all[r] = regexp.MustCompile("(?s)^" + strings.Join(parts, "(.*?)") + "$")
	}
	return all
})

// ReasonIn finds the reason in the text of an error of this package, with the values that it says, in order. ok is false
// where the text says something else.
func ReasonIn(text string) (r Reason, values []string, ok bool) {
	_, text, ok = strings.Cut(text, refused+portal.ErrInvalid.Error()+": ")
	if !ok {
		return "", nil, false
	}
	for r, p := range patterns() {
		if found := p.FindStringSubmatch(text); found != nil {
			return r, found[1:], true
		}
	}
	return "", nil, false
}
