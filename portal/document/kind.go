package document

import (
	"bytes"
	"slices"
)

// Kind is the language of a description.
type Kind string

// The kinds. All but OpenAPI are recognised, listed and handed out as far as they can be made free of what may not be named; no more
// is known of them.
const (
	OpenAPI  Kind = "openapi"
	AsyncAPI Kind = "asyncapi" // 2.x and 3.x
	GraphQL  Kind = "graphql"  // schema definition language
	GRPC     Kind = "grpc"     // .proto text, or a FileDescriptorSet
	WSDL     Kind = "wsdl"     // 1.1 and 2.0
)

// Media returns the content type of a format and the ending of its files, without a dot.
func (f Format) Media() (contentType, ending string) {
	switch f {
	case YAML:
		return "application/yaml", "yaml"
	case SDL:
		return "application/graphql", "graphql"
	case Proto:
		return "text/plain; charset=utf-8", "proto"
	case Descriptors:
		return "application/protobuf", "binpb"
	case XML:
		return "application/wsdl+xml", "wsdl"
	}
	return "application/json", "json"
}

// Tree reports whether the format is one that can be written as JSON and as YAML.
func (f Format) Tree() bool { return f == JSON || f == YAML }

var (
	protoWords = []string{"syntax", "edition", "package", "import", "option", "message", "service"}
	sdlWords   = []string{"schema", "type", "interface", "union", "enum", "input", "scalar", "directive", "extend"}
)

// formatOf says how a text is written, by how it begins. What is nothing else is YAML.
func formatOf(doc []byte) Format {
	switch doc[0] {
	case '{', '[':
		return JSON
	case '<':
		return XML
	}
	first, second := firstWords(doc)
	switch {
	case second == ":":
		return YAML
	case slices.Contains(protoWords, first):
		return Proto
	case slices.Contains(sdlWords, first), first == `"""`:
		return SDL
	}
	return YAML
}

// firstWords returns the first word behind comments, or the opening quotes of a text, and what follows it.
func firstWords(doc []byte) (first, second string) {
	for {
		doc = bytes.TrimLeft(doc, " \t\r\n")
		end := ""
		switch {
		case bytes.HasPrefix(doc, []byte("#")), bytes.HasPrefix(doc, []byte("//")):
			end = "\n"
		case bytes.HasPrefix(doc, []byte("/*")):
			end = "*/"
		case bytes.HasPrefix(doc, []byte(`"""`)):
			return `"""`, ""
		}
		if end == "" {
			break
		}
		i := bytes.Index(doc, []byte(end))
		if i < 0 {
			return "", ""
		}
		doc = doc[i+len(end):]
	}
	n := 0
	for n < len(doc) && n < 100 && isNameByte(doc[n]) {
		n++
	}
	first, doc = string(doc[:n]), bytes.TrimLeft(doc[n:], " \t")
	if len(doc) > 0 {
		second = string(doc[:1])
	}
	return first, second
}

func isNameByte(c byte) bool { return isAlnum(c) || c == '_' }
