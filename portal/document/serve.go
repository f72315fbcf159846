package document

import (
	"fmt"
	"net/url"
	"strings"

	"concierge/portal"
)

// ServeOptions say how a description leaves the portal.
type ServeOptions struct {
	// BaseURL is the one endpoint that was decided for the consumer: absolute, http or https, without user, query and
	// fragment. Required.
	BaseURL string
	// Format to write, of a document that is JSON or YAML; empty keeps its format. Others keep theirs.
	Format Format
	// AllowedHosts may be named in texts and values: "host", "host:port", "*.example.com" for every name below it, or "*" for all.
	// Without a port the default ports are meant. The host of BaseURL, hosts reserved for examples and those of the specifications may always be named.
	AllowedHosts []string
	// Hidden are host names and words that may not appear, in values or in names: what the catalog knows of the places that this
	// audience must not learn of. A word counts where no letter or digit touches it, a host also as the end of a longer host; case does not
	// matter. Words of less than three bytes are ignored. Hosts that are allowed stay.
	Hidden []string
	// Key, where set, says how callers prove who they are at the gateway. It replaces every security scheme and requirement of the
	// document, since the gateway's is the one that holds. Type "none" removes them.
	Key *portal.Authentication
	// Limits bound the document; the result may have four times MaxBytes.
	Limits Limits
}

// gatewayKey names the security scheme that Serve and Synthesise write.
const gatewayKey = "gatewayKey"

// Text returns a text, such as a summary, as Serve would write it in a description: without the URLs of hosts that are not allowed,
// and without what is hidden.
func Text(text string, allowed, hidden []string) string { return Texts(allowed, hidden)(text) }

// Texts is Text for many texts.
func Texts(allowed, hidden []string) func(text string) string {
	return newScrubber(allowed, hidden).clean
}

// Serve returns the description as one consumer sees it. The same input gives the same bytes; keys keep their order.
//
//   - The only server is BaseURL: 3.x has it in "servers" at the root and no "servers" or "server" anywhere else; 2.0 has it in host,
//     basePath and schemes.
//   - Vendor extensions and fields that the specification does not know are dropped, but for a few (see grammar.go). Names that only
//     look like extensions stay: properties, headers, payloads, enum values.
//   - URLs of other hosts become https://removed.invalid/, or go with their field where it says nothing else: links to
//     documentation, terms, contact, licence, external examples. References to other documents become an empty object with a description; such parameters go.
//     Hidden words become "removed". Where two names become the same, the first stays. A host without a scheme that is not listed as hidden is not recognised.
//   - With Key, the document tells how the gateway checks keys.
//
// Of the other kinds, see serveAsync, serveText, serveDescriptors and serveWSDL: they keep less, and what cannot be made free of
// hidden names is not handed out, with portal.ErrUnsupported.
//
// Other errors wrap portal.ErrInvalid and say what to do.
func Serve(doc []byte, opts ServeOptions) ([]byte, error) {
	base, err := parseBase(opts.BaseURL)
	if err != nil {
		return nil, err
	}
	limits := opts.Limits.withDefaults()
	body, format, err := open(doc, limits)
	if err != nil {
		return nil, err
	}
	s := server{scrubber: newScrubber(append([]string{base.Host}, opts.AllowedHosts...), opts.Hidden), key: opts.Key}
	if !format.Tree() {
		return serveOther(body, format, base, s.scrubber, limits)
	}
	root, err := parseBody(body, format, limits)
	if err != nil {
		return nil, err
	}
	if opts.Format.Tree() {
		format = opts.Format
	}
	if root.get("asyncapi") != nil {
		if err := serveAsync(root, base, &s); err != nil {
			return nil, err
		}
		return write(root, format, 4*limits.MaxBytes)
	}
	version, err := versionOf(root)
	if err != nil {
		return nil, err
	}
	s.object(root, grammar)
	// YAML authors write `swagger: 2.0` and `version: 1.0` without quotes; in JSON that would be another type.
	for _, n := range []*node{root.get("openapi"), root.get("swagger"), root.get("info").get("title"), root.get("info").get("version")} {
		if n != nil && n.kind == number {
			n.kind = text
		}
	}
	setBase(root, base, version)
	if opts.Key != nil {
		setKey(root, *opts.Key, version)
	}
	return write(root, format, 4*limits.MaxBytes)
}

// serveOther rewrites what is no tree. Comments and settings go, texts are scrubbed, addresses become the gateway's. Names that
// callers send cannot be changed: where one of them says what is hidden, the document is not handed out.
func serveOther(body []byte, format Format, base *url.URL, s *scrubber, limits Limits) (out []byte, err error) {
	if _, err := Describe(body, limits); err != nil {
		return nil, err
	}
	switch format {
	case XML:
		out, err = serveWSDL(body, base, s, limits)
	case Descriptors:
		out = serveDescriptors(body)
	default:
		out, err = serveText(string(body), format, s, limits)
	}
	if err != nil {
		return nil, err
	}
	// Namespaces of WSDL look like URLs and lead nowhere; elsewhere a URL is one.
	text := string(out)
	if s.cleanWords(text) != text || format != XML && s.cleanURLs(text) != text {
		return nil, fmt.Errorf("this description cannot be handed out: the names in it say what is not for everybody; its administrators can see it: %w", portal.ErrUnsupported)
	}
	return out, nil
}

func parseBase(raw string) (*url.URL, error) {
	base, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("base URL of the API: %w: it is not a URL", portal.ErrInvalid) // err may hold a password
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("base URL of the API: %w: write it as https://host/path, without user, query and fragment", portal.ErrInvalid)
	}
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), strings.TrimRight(base.RawPath, "/")
	return base, nil
}

// setBase makes base the only server. Other places that could name one are gone by then: the grammar does not know them.
func setBase(root *node, base *url.URL, version string) {
	if !isSwagger(version) {
		root.insertAfter("info", "servers", newList(newObject(field{"url", newText(base.String())})))
		return
	}
	path := base.EscapedPath()
	if path == "" {
		path = "/"
	}
	root.insertAfter("info", "schemes", newList(newText(base.Scheme)))
	root.insertAfter("info", "basePath", newText(path))
	root.insertAfter("info", "host", newText(base.Host))
}

// A server walks a tree by the grammar.
type server struct {
	*scrubber
	key     *portal.Authentication
	inbound int // callbacks and webhooks around this value
}

// value rewrites a value in place; false means that it goes.
func (s *server) value(n *node, r *rule) bool {
	switch n.kind {
	case text:
		return s.text(n, r)
	case object:
		return s.object(n, r)
	case list:
		kept := n.items[:0]
		for _, item := range n.items {
			if s.value(item, r) && (r.role != argument || item.get("name") != nil || item.get("$ref") != nil) {
				kept = append(kept, item)
			}
		}
		n.items = kept
	}
	return true
}

func (s *server) text(n *node, r *rule) bool {
	if r.role == pointer && s.foreign(n.text) {
		return false
	}
	clean := s.clean(n.text)
	if r.role == link && clean != n.text {
		return false
	}
	n.text = clean
	return true
}

// foreign reports whether a reference leads out of the document, to a file or to a host that may not be named.
func (s *server) foreign(ref string) bool {
	switch {
	case strings.HasPrefix(ref, "#"):
		return false
	case strings.Contains(ref, "://"):
		return s.clean(ref) != ref
	}
	file := strings.HasSuffix(ref, ".json") || strings.HasSuffix(ref, ".yaml") || strings.HasSuffix(ref, ".yml")
	return file || strings.ContainsAny(ref, "/#")
}

func (s *server) object(n *node, r *rule) bool {
	if r.ref {
		if ref := n.get("$ref"); ref != nil && s.foreign(ref.str()) {
			*n = *newObject(field{"description", newText("Defined in a document that is not published here.")})
			return true
		}
	}
	if r.role == inbound {
		s.inbound++
		defer func() { s.inbound-- }()
	}
	done := newObject()
	var keys uniqueKeys
	for _, f := range n.fields {
		child, named := s.child(r, f.key)
		if child == nil || !s.value(f.value, child) {
			continue
		}
		if !named {
			f.key = s.clean(f.key)
		}
		if keys.add(done, f.key) {
			done.fields = append(done.fields, f)
		}
	}
	n.fields = done.fields
	if r.role == operate && s.inbound > 0 && s.key != nil {
		n.set("security", newList()) // the gateway's key is not sent to the consumer's own address
	}
	return r.needs == "" || n.get(r.needs) != nil
}

// child returns the rule of a field, and whether the specification names it; a nil rule drops the field.
func (s *server) child(r *rule, key string) (child *rule, named bool) {
	if child, named = r.fields[key]; named {
		if child.role == security && s.key != nil {
			return nil, true
		}
		return child, true
	}
	if r.ref && key == "$ref" {
		return anything, false
	}
	if isExtension(key) && !r.names {
		return nil, false
	}
	return r.other, false
}

// setKey writes the gateway's key as the only security scheme, and requires it for every operation.
func setKey(root *node, key portal.Authentication, version string) {
	schemes, at := root, "securityDefinitions"
	if !isSwagger(version) {
		if schemes, at = root.get("components"), "securitySchemes"; schemes == nil || schemes.kind != object {
			schemes = newObject()
			root.set("components", schemes)
		}
	}
	schemes.remove(at)
	scheme := securityScheme(key, version)
	if scheme == nil {
		root.set("security", newList())
		return
	}
	schemes.set(at, newObject(field{gatewayKey, scheme}))
	root.set("security", newList(newObject(field{gatewayKey, newList()})))
}

// securityScheme describes a key as OpenAPI does, or returns nil where there is none. What follows the prefix is the key.
func securityScheme(key portal.Authentication, version string) *node {
	prefix := strings.TrimSpace(key.Prefix)
	describe := func(scheme *node) *node {
		if prefix != "" && scheme.get("type").str() == "apiKey" {
			scheme.set("description", newText(fmt.Sprintf("Send %q, followed by the key.", key.Prefix)))
		}
		return scheme
	}
	switch key.Type {
	case "", "none":
		return nil
	case "mutualTLS":
		if isSwagger(version) || strings.HasPrefix(version, "3.0") {
			return nil // these versions cannot say it
		}
		return newObject(field{"type", newText("mutualTLS")})
	}
	if strings.EqualFold(key.Name, "Authorization") && key.In != "query" {
		switch scheme := strings.ToLower(prefix); {
		case scheme == "basic" && isSwagger(version):
			return newObject(field{"type", newText("basic")})
		case (scheme == "basic" || scheme == "bearer") && !isSwagger(version):
			return newObject(field{"type", newText("http")}, field{"scheme", newText(scheme)})
		}
	}
	return describe(newObject(field{"type", newText("apiKey")}, field{"in", newText(key.In)}, field{"name", newText(key.Name)}))
}
