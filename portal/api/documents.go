package api

import "strings"

// Ending returns how the name of a file with the document ends, without a dot.
func (d Document) Ending() string {
	contentType, _, _ := strings.Cut(d.ContentType, ";")
	switch contentType {
	case "application/yaml":
		return "yaml"
	case "application/graphql":
		return "graphql"
	case "application/wsdl+xml":
		return "wsdl"
	case "application/protobuf":
		return "binpb"
	case "text/plain":
		return "proto"
	}
	return "json"
}
