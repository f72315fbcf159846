package document

import (
	"strings"

	"concierge/portal"
)

// SynthesiseOptions say what is known of an API whose gateway has no description.
type SynthesiseOptions struct {
	Title      string
	Version    string // empty is written as "unknown", since OpenAPI requires one
	BaseURL    string // as in ServeOptions; required
	Operations []Route
	Key        *portal.Authentication // as in ServeOptions
	Format     Format                 // empty means JSON
}

// Route is a method and a path template. The method "ANY" or "" stands for every method that people commonly use.
type Route struct{ Method, Path string }

// anyMethod is what is written for a route that takes every method.
var anyMethod = []string{"get", "put", "post", "delete", "patch"}

// Synthesise writes an OpenAPI 3.1 description from what the gateway's configuration tells, marked by SynthesisedMark and in words. Of
// two equal routes, and of methods that OpenAPI 3.1 cannot say, one or none is written. The error is portal.ErrInvalid for the base URL.
func Synthesise(opts SynthesiseOptions) ([]byte, error) {
	base, err := parseBase(opts.BaseURL)
	if err != nil {
		return nil, err
	}
	version := opts.Version
	if version == "" {
		version = "unknown"
	}
	root := newObject(
		field{"openapi", newText("3.1.0")},
		field{"info", newObject(
			field{"title", newText(strings.ToValidUTF8(opts.Title, "�"))},
			field{"version", newText(strings.ToValidUTF8(version, "�"))},
			field{"description", newText("The gateway holds no description of this API. This one was made from its routes: it is true about addresses, " +
				"and says nothing about parameters, bodies and answers.")},
		)},
		field{"paths", synthesisePaths(opts.Operations)},
		field{SynthesisedMark, newBool(true)},
	)
	setBase(root, base, "3.1.0")
	if opts.Key != nil {
		setKey(root, *opts.Key, "3.1.0")
	}
	return write(root, opts.Format, 4*Limits{}.withDefaults().MaxBytes)
}

func synthesisePaths(routes []Route) *node {
	paths := newObject()
	items := map[string]*node{}
	for _, route := range routes {
		path := "/" + strings.TrimLeft(strings.ToValidUTF8(route.Path, "�"), "/")
		item := items[path]
		if item == nil {
			item = newObject()
			items[path] = item
			paths.fields = append(paths.fields, field{path, item})
			if parameters := pathParameters(path); len(parameters.items) > 0 {
				item.set("parameters", parameters)
			}
		}
		for _, method := range routeMethods(route.Method) {
			if item.get(method) == nil {
				item.set(method, newObject(field{"responses", newObject(
					field{"default", newObject(field{"description", newText("Not described.")})})}))
			}
		}
	}
	return paths
}

// routeMethods returns the fields of a path item for a route's method. QUERY is not of 3.1.
func routeMethods(method string) []string {
	method = strings.ToLower(method)
	if method == "" || method == "any" {
		return anyMethod
	}
	for _, known := range methods {
		if method == known && known != "query" {
			return []string{method}
		}
	}
	return nil
}

// pathParameters declares the {names} of a template, as OpenAPI requires.
func pathParameters(path string) *node {
	out := newList()
	seen := map[string]bool{}
	for {
		_, rest, found := strings.Cut(path, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return out
		}
		path = after
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		out.items = append(out.items, newObject(field{"name", newText(name)}, field{"in", newText("path")}, field{"required", newBool(true)},
			field{"schema", newObject(field{"type", newText("string")})}))
	}
}
