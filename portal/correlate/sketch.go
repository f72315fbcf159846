package correlate

import (
	"cmp"
	"hash/fnv"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Sketch is what is kept of a deployment to compare it with others. It is small, and marshalled as JSON it is the same
// again. A change of its form, or of what is made of the same facts, comes with another Format: sketches of an older one are
// made anew.
type Sketch struct {
	Explicit string     `json:"explicit,omitempty"`
	Titles   []name     `json:"titles,omitempty"` // the gateway's first
	Place    *name      `json:"place,omitempty"`  // what the base path calls it
	Base     [][]string `json:"base,omitempty"`   // base paths in front of the shape's
	Upstream *host      `json:"upstream,omitempty"`
	Domains  []string   `json:"domains,omitempty"` // of the addresses, such as "example.com"
	Owner    string     `json:"owner,omitempty"`
	Shape    Shape      `json:"shape,omitzero"`
	Routes   bool       `json:"routes,omitempty"` // Shape is that of the gateway's routes
}

// Format of sketches and shapes.
const Format = 6

// host is a back end.
type host struct {
	Text   string   `json:"text"`             // without environment, region and number
	Words  []string `json:"words,omitempty"`  // that tell which API it is
	Domain string   `json:"domain,omitempty"` // such as "example.com"
}

// New condenses what is told about a deployment.
func New(d Deployment) Sketch {
	s := Sketch{Explicit: strings.TrimSpace(d.Explicit), Owner: strings.TrimSpace(d.Owner), Shape: d.Shape}
	for _, text := range append([]string{d.Title}, d.Names...) {
		text = unspaced(strings.TrimSpace(text))
		if text == "" || slices.ContainsFunc(s.Titles, func(n name) bool { return n.Text == text }) {
			continue
		}
		if n := newName(clip(text)); len(n.Words) > 0 {
			s.Titles = append(s.Titles, n)
		}
	}
	if s.Shape.IsZero() {
		s.Shape = NewShape(below(d.BaseURL, d.told()))
		s.Routes = !s.Shape.IsZero()
	}
	for _, address := range append([]string{d.BaseURL}, d.Servers...) {
		host, path := split(address)
		if domain := domain(host); domain != "" && !slices.Contains(s.Domains, domain) {
			s.Domains = append(s.Domains, domain)
		}
		parts, _ := segments(path)
		parts = slices.DeleteFunc(parts, func(p string) bool { return p == parameter })
		if len(parts) > 0 && !slices.ContainsFunc(s.Base, func(b []string) bool { return slices.Equal(b, parts) }) {
			s.Base = append(s.Base, parts)
		}
		s.call(parts)
	}
	if !starsAreParameters(d.Routes) { // else a star says which one, not where all are
		for _, r := range d.Routes {
			if parts, open := segments(r.Path); open {
				s.call(parts)
			}
		}
	}
	if s.Routes {
		s.call(s.Shape.prefix)
	}
	if h, path := split(d.Upstream); h != "" {
		s.Upstream = newHost(h, path)
	}
	return s
}

// told are the routes without those that pass on all below the base path, whatever the method: they say where an API is, not
// what it can do.
func (d *Deployment) told() []Operation {
	_, path := split(d.BaseURL)
	base, _ := segments(path)
	passesAll := func(r Operation) bool {
		if methodMask(r.Method) != anyMethod {
			return false
		}
		parts, _ := segments(r.Path)
		return slices.Equal(parts, base) || len(d.Routes) == 1 && !slices.Contains(parts, parameter)
	}
	if !slices.ContainsFunc(d.Routes, passesAll) {
		return d.Routes
	}
	return slices.DeleteFunc(slices.Clone(d.Routes), passesAll)
}

var spaced = regexp.MustCompile(`^[a-z0-9.-]+/[a-z0-9.-]+$`)

// unspaced is a name without its namespace, as Kubernetes writes them: "finance/orders" is "orders".
func unspaced(text string) string {
	if _, own, ok := strings.Cut(text, "/"); ok && spaced.MatchString(text) {
		return own
	}
	return text
}

// call takes the name out of a base path, unless it has one.
func (s *Sketch) call(parts []string) {
	if s.Place != nil {
		return
	}
	if n := newName(clip("/" + strings.Join(telling(parts), "/"))); len(n.Words) > 0 {
		s.Place = &n
	}
}

// below are the routes as they are below the address, where all of them repeat its path.
func below(address string, routes []Operation) []Operation {
	_, path := split(address)
	base := "/" + strings.Trim(path, "/") + "/"
	if base == "//" {
		return routes
	}
	cut := make([]Operation, len(routes))
	for i, r := range routes {
		rest, ok := strings.CutPrefix(template(r.Path)+"/", base)
		if !ok {
			return routes
		}
		cut[i] = Operation{r.Method, "/" + strings.TrimSuffix(rest, "/")}
	}
	return cut
}

// telling leaves out segments that say nothing about which API it is.
func telling(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p != parameter && slices.ContainsFunc(words(p), tells) {
			out = append(out, p)
		}
	}
	return out
}

const maxName = 200 // bytes

func clip(text string) string {
	if len(text) <= maxName {
		return text
	}
	return strings.ToValidUTF8(text[:maxName], "")
}

// split takes an address apart; what is no URL is a host with a path.
func split(address string) (host, path string) {
	address = strings.TrimSpace(address)
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	} else {
		address = strings.TrimPrefix(address, "//")
	}
	host, path, _ = strings.Cut(address, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if u, err := url.PathUnescape(path); err == nil {
		path = u
	}
	return strings.ToLower(host), path
}

// domain is the part of a host that a company registers: "example.co.uk" of "api.example.co.uk:443". It is empty for an
// address in numbers and for a name of one label.
func domain(host string) string {
	if h, _, ok := strings.Cut(host, ":"); ok {
		host = h
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	labels := strings.Split(strings.Trim(host, "."), ".")
	n := len(labels)
	if n < 2 || strings.ContainsAny(host, "{}$") {
		return ""
	}
	take := 2
	if n > 2 && len(labels[n-1]) == 2 && slices.Contains([]string{"co", "com", "org", "net", "gov", "gob", "ac", "edu", "go", "or", "ne"}, labels[n-2]) {
		take = 3
	}
	return strings.Join(labels[n-take:], ".")
}

// namespace is that of a service in Kubernetes, without environment and region: "finance.svc" of "finance-prod.svc.cluster.local".
func namespace(rest string) string {
	space, _, _ := strings.Cut(rest, ".")
	return strings.Join(slices.DeleteFunc(words(space), func(w string) bool { return !tells(w) }), "-") + ".svc"
}

func newHost(address, path string) *host {
	h := &host{Domain: domain(address)}
	bare, port, _ := strings.Cut(address, ":")
	if _, err := netip.ParseAddr(bare); err == nil {
		h.Text = address
		return h
	}
	own := strings.TrimSuffix(strings.TrimSuffix(bare, h.Domain), ".")
	if service, rest, ok := strings.Cut(bare, "."); ok && strings.Contains("."+rest+".", ".svc.") {
		own, h.Domain = service, namespace(rest) // Kubernetes puts the namespace behind the service
	}
	for _, w := range words(own) {
		if tells(w) && !balancers[w] {
			h.Words = append(h.Words, stem(w))
		}
	}
	parts, _ := segments(path)
	for _, p := range telling(parts) {
		for _, w := range words(p) {
			if tells(w) && !slices.Contains(h.Words, stem(w)) {
				h.Words = append(h.Words, stem(w))
			}
		}
	}
	if port == "80" || port == "443" {
		port = ""
	}
	h.Text = strings.Trim(strings.Join(h.Words, "-")+"."+h.Domain+":"+port, ".:")
	return h
}

// Keys returns the keys under which members that may match are found, ascending: two that share none are apart. There are
// some fifteen.
func (s Sketch) Keys() []uint64 { return s.keys() }

// keys are hashes of what is told, ascending.
func (s *Sketch) keys() []uint64 {
	keys := make([]uint64, 0, 16)
	add := func(kind byte, parts ...string) {
		h := fnv.New64a()
		h.Write([]byte{kind})
		for _, p := range parts {
			h.Write([]byte(p))
		}
		keys = append(keys, h.Sum64())
	}
	if s.Explicit != "" {
		add('x', s.Explicit)
	}
	for _, n := range s.names() {
		add('n', n.Words...)
		if len(n.Words) == 1 {
			continue
		}
		add('n', slices.Sorted(slices.Values(n.Words))...)
		rarest := slices.SortedStableFunc(slices.Values(n.Words), func(a, b string) int { return cmp.Compare(wordWeight(b), wordWeight(a)) })
		for _, w := range rarest[:2] {
			if wordWeight(w) > everywhere {
				add('n', w)
			}
		}
	}
	for _, m := range s.Shape.marks {
		add('m', strconv.FormatUint(m, 36))
	}
	if s.Upstream != nil && len(s.Upstream.Words) > 0 {
		add('u', s.Upstream.Text)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// names are its titles, and what its base path and its back end call it.
func (s *Sketch) names() []name {
	names := s.Titles
	if s.Place != nil {
		names = append(slices.Clip(names), *s.Place)
	}
	if s.Upstream != nil && len(s.Upstream.Words) > 0 {
		names = append(slices.Clip(names), name{Words: s.Upstream.Words})
	}
	return names
}
