package document

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Description is what a description says about its API. Texts come from outside: escape them, and render Description through
// Markdown only. Titles, versions, summaries, tags and words are cut to 1,000 bytes.
type Description struct {
	Kind        Kind
	Format      Format
	SpecVersion string // as written: "2.0", "3.0.3", "3.1.0"; "proto3"
	Title       string
	Version     string
	Summary     string // info.summary of 3.1
	Description string // markdown, not rendered
	Tags        []string
	Operations  []Operation // in the document's order
	Security    []SecurityScheme
	Servers     []string // base URLs in the document's order; of 2.0, one for each scheme. They may be relative or hold variables

	API         string            // x-concierge-api of info, else of the root: the explicit id of the catalog entry
	Words       map[string]string // the other x-concierge-* words of info and root, named without the prefix; info wins
	Synthesised bool              // made by Synthesise

	SHA256 string // of the bytes as given, in hexadecimal
	Size   int64  // bytes
}

// Operation is one method of one path. Operations of webhooks and callbacks are not among them: nobody calls those here. Of other
// kinds than OpenAPI it is what comes closest: see describeAsync, describeSDL, describeProto, describeWSDL.
type Operation struct {
	Method     string // upper case
	Path       string // template, as written
	ID         string // operationId; may be empty and may repeat
	Summary    string
	Tags       []string
	Deprecated bool
	// Plain is true for a GET without path parameters and without any other parameter that the document requires: what a
	// person, or a test call, can try first.
	Plain bool
}

// SecurityScheme is a way to prove who calls, as the document's author says. What the gateway enforces may differ.
type SecurityScheme struct {
	ID     string // its name in the document
	Type   string // apiKey, http, oauth2, openIdConnect, mutualTLS; of 2.0 also basic
	In     string // of apiKey
	Name   string // of apiKey
	Scheme string // of http
}

const (
	wordPrefix = "x-concierge-"
	maxText    = 1000
)

// SynthesisedMark is the root field that marks a description made by Synthesise.
const SynthesisedMark = wordPrefix + "synthesised"

// Describe reads a description. The error wraps portal.ErrInvalid and says what to do.
//
// It is lenient where gateways are sloppy: a missing title or a field of the wrong type counts as absent. It refuses what is of
// no kind, what is over the limits, and keys that appear twice.
func Describe(doc []byte, limits Limits) (Description, error) {
	limits = limits.withDefaults()
	body, format, err := open(doc, limits)
	if err != nil {
		return Description{}, err
	}
	d, done := Description{}, false
	switch format {
	case SDL:
		d, err = describeSDL(string(body), limits)
	case Proto:
		d, err = describeProto(string(body), limits)
	case Descriptors:
		d, err = describeDescriptors(body, limits)
	case XML:
		d, err = describeWSDL(body, limits)
	case JSON:
		if d, done = describeStream(body, limits); done {
			break
		}
		fallthrough
	default:
		d, err = describeTree(body, format, limits)
	}
	if err != nil {
		return Description{}, err
	}
	sum := sha256.Sum256(doc)
	d.SHA256, d.Size = hex.EncodeToString(sum[:]), int64(len(doc))
	return d, nil
}

// describeTree says what a stream says, of JSON and YAML alike.
func describeTree(body []byte, format Format, limits Limits) (Description, error) {
	root, err := parseBody(body, format, limits)
	if err != nil {
		return Description{}, err
	}
	if root.get("asyncapi") != nil {
		return describeAsync(root, format)
	}
	version, err := versionOf(root)
	if err != nil {
		return Description{}, err
	}
	info := root.get("info")
	d := Description{
		Kind:        OpenAPI,
		Format:      format,
		SpecVersion: version,
		Title:       clip(info.get("title").str(), maxText),
		Version:     clip(info.get("version").str(), maxText),
		Summary:     clip(info.get("summary").str(), maxText),
		Description: info.get("description").str(),
		Tags:        tagNames(root),
		Operations:  operations(root),
		Security:    securitySchemes(root),
		Servers:     servers(root, version),
		Synthesised: root.get(SynthesisedMark).isTrue(),
	}
	d.API, d.Words = words(append(wordsIn(root), wordsIn(info)...))
	return d, nil
}

func versionOf(root *node) (string, error) {
	return specVersion(root.get("swagger").str(), root.get("openapi").str())
}

// specVersion returns which OpenAPI a document is, by what its root says.
func specVersion(swagger, v string) (string, error) {
	if swagger == "2.0" || swagger == "2" {
		return "2.0", nil
	} else if swagger != "" {
		return "", invalid(SwaggerVersion, clip(swagger, 20))
	}
	for _, known := range []string{"3.0", "3.1", "3.2"} {
		if v == known || strings.HasPrefix(v, known+".") {
			return clip(v, 20), nil
		}
	}
	if v != "" {
		return "", invalid(OpenAPIVersion, clip(v, 20))
	}
	return "", invalid(NoVersion)
}

func isSwagger(version string) bool { return version == "2.0" }

func tagNames(root *node) []string {
	var out []string
	for _, tag := range root.get("tags").elements() {
		if name := tag.get("name").str(); name != "" {
			out = append(out, clip(name, maxText))
		}
	}
	return out
}

func operations(root *node) []Operation {
	var out []Operation
	for _, path := range root.get("paths").children() {
		if isExtension(path.key) {
			continue
		}
		item := root.resolve(path.value)
		for _, f := range item.children() {
			if f.value.kind != object {
				continue
			}
			if slices.Contains(methods, f.key) {
				out = append(out, operation(root, f.key, path.key, item, f.value))
			}
			if f.key == "additionalOperations" {
				for _, more := range f.value.fields {
					if more.value.kind == object {
						out = append(out, operation(root, more.key, path.key, item, more.value))
					}
				}
			}
		}
	}
	return out
}

func operation(root *node, method, path string, item, op *node) Operation {
	out := Operation{
		Method:     strings.ToUpper(method),
		Path:       path,
		ID:         op.get("operationId").str(),
		Summary:    clip(op.get("summary").str(), maxText),
		Deprecated: op.get("deprecated").isTrue(),
	}
	for _, tag := range op.get("tags").elements() {
		out.Tags = append(out.Tags, clip(tag.str(), maxText))
	}
	out.Plain = out.Method == "GET" && !strings.Contains(path, "{")
	for _, parameters := range []*node{item.get("parameters"), op.get("parameters")} {
		for _, p := range parameters.elements() {
			if root.resolve(p).get("required").isTrue() {
				out.Plain = false
			}
		}
	}
	return out
}

func securitySchemes(root *node) []SecurityScheme {
	var out []SecurityScheme
	for _, schemes := range []*node{root.get("components").get("securitySchemes"), root.get("securityDefinitions")} {
		for _, f := range schemes.children() {
			scheme := root.resolve(f.value)
			out = append(out, SecurityScheme{
				ID:     f.key,
				Type:   scheme.get("type").str(),
				In:     scheme.get("in").str(),
				Name:   scheme.get("name").str(),
				Scheme: scheme.get("scheme").str(),
			})
		}
	}
	return out
}

func servers(root *node, version string) []string {
	var urls, schemes []string
	for _, s := range root.get("servers").elements() {
		if u := s.get("url").str(); u != "" {
			urls = append(urls, u)
		}
	}
	for _, scheme := range root.get("schemes").elements() {
		schemes = append(schemes, scheme.str())
	}
	return baseURLs(version, urls, schemes, root.get("host").str(), root.get("basePath").str())
}

// baseURLs are the servers of 3.x, or what 2.0 says instead.
func baseURLs(version string, servers, schemes []string, host, base string) []string {
	if !isSwagger(version) {
		return servers
	}
	var out []string
	for _, scheme := range schemes {
		if host != "" && scheme != "" {
			out = append(out, scheme+"://"+host+base)
		}
	}
	if len(out) == 0 && host+base != "" {
		if host != "" {
			host = "//" + host
		}
		out = append(out, host+base)
	}
	return out
}

// word is an x-concierge-* scalar, named without the prefix.
type word struct{ name, value string }

func wordsIn(n *node) []word {
	var out []word
	for _, f := range n.children() {
		name, ours := strings.CutPrefix(f.key, wordPrefix)
		if ours && f.key != SynthesisedMark && f.value.kind != null && f.value.kind < list {
			out = append(out, word{name, f.value.text})
		}
	}
	return out
}

// words tells the explicit id from the others; of two with one name the later counts.
func words(all []word) (api string, others map[string]string) {
	for _, w := range all {
		value := clip(w.value, maxText)
		if w.name == "api" {
			api = value
			continue
		}
		if others == nil {
			others = map[string]string{}
		}
		others[w.name] = value
	}
	return api, others
}

func isExtension(key string) bool { return len(key) > 2 && strings.EqualFold(key[:2], "x-") }
