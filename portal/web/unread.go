package web

import (
	"concierge/portal/document"
)

// unreadKeys are what the reasons say for which a document is not taken over.
var unreadKeys = map[document.Reason]string{
	document.AsyncAPIVersion: "unread.asyncapi_version",
	document.SwaggerVersion:  "unread.swagger_version",
	document.OpenAPIVersion:  "unread.openapi_version",
	document.NoVersion:       "unread.no_version",
	document.TooLarge:        "unread.too_large",
	document.TooMany:         "unread.too_many",
	document.TooDeep:         "unread.too_deep",
	document.NothingDefined:  "unread.nothing_defined",
	document.BadField:        "unread.bad_field",
	document.OpenBracket:     "unread.open_bracket",
	document.OpenComment:     "unread.open_comment",
	document.OpenText:        "unread.open_text",
	document.OpenLine:        "unread.open_line",
	document.DeepBrackets:    "unread.deep_brackets",
	document.StrayBracket:    "unread.stray_bracket",
	document.NotUTF8:         "unread.not_utf8",
	document.Empty:           "unread.empty",
	document.NotObject:       "unread.not_object",
	document.Trailing:        "unread.trailing",
	document.CutShort:        "unread.cut_short",
	document.BadJSON:         "unread.bad_json",
	document.TwiceKey:        "unread.twice_key",
	document.BadYAML:         "unread.bad_yaml",
	document.OddKey:          "unread.odd_key",
	document.BadMerge:        "unread.bad_merge",
	document.NoProto:         "unread.no_proto",
	document.BadDescriptors:  "unread.bad_descriptors",
	document.BadXML:          "unread.bad_xml",
	document.DocumentType:    "unread.document_type",
	document.DeepElements:    "unread.deep_elements",
	document.NotWSDL:         "unread.not_wsdl",
	document.NoElement:       "unread.no_element",
	document.Namespaces:      "unread.namespaces",
}

// unread says in the reader's language why a document is not taken over, and what to do. What is no reason of the reader of
// documents is said as it is, in English: ours is false then.
func (v *visit) unread(text string) (said string, ours bool) {
	reason, values, ok := document.ReasonIn(text)
	if !ok {
		return text, false
	}
	var pairs []any
	for i, value := range values {
		pairs = append(pairs, string(rune('A'+i)), value)
	}
	return v.text.T(unreadKeys[reason], pairs...), true
}
