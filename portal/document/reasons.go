package document

import (
	"fmt"
	"strings"

	"concierge/portal"
	"concierge/portal/told"
)

// The reasons.
const (
	AsyncAPIVersion told.Sentence = "asyncapi_version"
	SwaggerVersion  told.Sentence = "swagger_version"
	OpenAPIVersion  told.Sentence = "openapi_version"
	NoVersion       told.Sentence = "no_version"
	TooLarge        told.Sentence = "too_large"
	TooMany         told.Sentence = "too_many"
	TooDeep         told.Sentence = "too_deep"
	NothingDefined  told.Sentence = "nothing_defined"
	BadField        told.Sentence = "bad_field"
	OpenBracket     told.Sentence = "open_bracket"
	OpenComment     told.Sentence = "open_comment"
	OpenText        told.Sentence = "open_text"
	OpenLine        told.Sentence = "open_line"
	DeepBrackets    told.Sentence = "deep_brackets"
	StrayBracket    told.Sentence = "stray_bracket"
	NotUTF8         told.Sentence = "not_utf8"
	Empty           told.Sentence = "empty"
	NotObject       told.Sentence = "not_object"
	Trailing        told.Sentence = "trailing"
	CutShort        told.Sentence = "cut_short"
	BadJSON         told.Sentence = "bad_json"
	TwiceKey        told.Sentence = "twice_key"
	BadYAML         told.Sentence = "bad_yaml"
	OddKey          told.Sentence = "odd_key"
	BadMerge        told.Sentence = "bad_merge"
	NoProto         told.Sentence = "no_proto"
	BadDescriptors  told.Sentence = "bad_descriptors"
	BadXML          told.Sentence = "bad_xml"
	DocumentType    told.Sentence = "document_type"
	DeepElements    told.Sentence = "deep_elements"
	NotWSDL         told.Sentence = "not_wsdl"
	NoElement       told.Sentence = "no_element"
	Namespaces      told.Sentence = "namespaces"
)

// Reasons say why a description is refused, and what to do. What was refused is written down as text, and ReasonIn finds its
// reason again.
var Reasons = told.NewBook(map[told.Sentence]string{
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
})

const refused = "API description: "

// invalid says what is wrong with a description, and is portal.ErrInvalid.
func invalid(r told.Sentence, values ...any) error {
	return fmt.Errorf(refused+"%w: %w", portal.ErrInvalid, Reasons.Error(r, values...))
}

// ReasonIn finds the reason in the text of an error of this package, with the values that it says, in order. ok is false
// where the text says something else.
func ReasonIn(text string) (r told.Sentence, values []string, ok bool) {
	_, text, ok = strings.Cut(text, refused+portal.ErrInvalid.Error()+": ")
	if !ok {
		return "", nil, false
	}
	return Reasons.Find(text)
}
