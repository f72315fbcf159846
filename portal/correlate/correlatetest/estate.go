package correlatetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"concierge/portal/correlate"
)

// Deployment is one deployment of an estate.
type Deployment struct {
	ID          string // "gateway/object"
	Gateway     string
	API         string // the label: which API it truly is
	Family      string // company and title of the description: whether two of one family are one API, nobody outside can say
	Kind        string // why it is there, for reports
	Provider    string
	Title       string   // of the API
	Mould       string   // the same where the operations are of one origin
	Changes     []string // what was done to it
	Environment string
	Division    string
	Told        correlate.Deployment
	Document    *Document // nil: it has none
}

// Document is what its description says.
type Document struct {
	Title, Version string
	Servers        []string
	Operations     []correlate.Operation
}

// generic is the mould of services that do what every framework's example does.
const generic = "generic"

// Member is the deployment as correlation sees it.
func (d Deployment) Member() correlate.Member {
	return correlate.Member{ID: d.ID, Division: d.Division, Sketch: correlate.New(d.Told)}
}

// Generate makes an estate of the specs. The same specs and seed make the same one.
func Generate(specs []Spec, seed uint64) []Deployment {
	g := &mixture{rand: rand.New(rand.NewPCG(seed, 0)), specs: specs, ids: map[string]bool{}}
	for i := range 24 {
		g.gateways = append(g.gateways, gateway{
			id:   fmt.Sprintf("gw%02d", i),
			host: pick(g, "api.example.com", "gw.example.net", "apis.corp.example", "edge-eu.example.org", "gateway.internal.example", "partner-api.example.com") + pick(g, "", ":8443", ""),
			env:  pick(g, "prod", "prod", "prod", "test", "dev", "staging", "qa", "sandbox"),
			flat: g.chance(0.4),
		})
	}
	for _, s := range specs {
		g.deploy(s, s.API, g.division(s.Provider), "real")
	}
	n := len(specs)
	for i := range n/12 + 1 { // the title of another company's API
		a, b := g.spec(), g.spec()
		if a.Provider == b.Provider || len(b.Operations) == 0 || !g.documented(a.API) {
			continue
		}
		b.Title, b.Provider = a.Title, b.Provider+"-twin"
		division := g.division(a.Provider)
		if i%2 == 0 {
			division = "other"
		}
		g.deploy(b, fmt.Sprintf("same title %d/%s", i, b.File), division, "same title")
	}
	for i := range n/24 + 1 { // the operations of another API
		a, b := g.spec(), g.spec()
		if a.Provider == b.Provider {
			continue
		}
		title := pick(g, things...) + " " + pick(g, things...) + pick(g, "", " API", " Service")
		b = Spec{File: b.File, Provider: fmt.Sprintf("shape%d", i), Title: strings.ToUpper(title[:1]) + title[1:], Version: "1.0", Operations: a.Operations, Mould: a.File}
		g.deploy(b, fmt.Sprintf("same shape %d/%s", i, a.File), g.division(a.Provider), "same shape")
	}
	for i := range n/6 + 2 { // what every framework's example looks like
		s := g.crud(i)
		g.deploy(s, s.API, g.division(s.Provider), "generic")
	}
	return g.out
}

type gateway struct {
	id, host, env string
	flat          bool // the version stands in its base paths
}

type mixture struct {
	rand     *rand.Rand
	specs    []Spec
	gateways []gateway
	out      []Deployment
	ids      map[string]bool
	n        int
}

func (g *mixture) chance(p float64) bool { return g.rand.Float64() < p }
func (g *mixture) spec() Spec            { return g.specs[g.rand.IntN(len(g.specs))] }

// documented reports whether a deployment of the API has a document. Where two companies tell nothing but one title,
// nobody could say that they are two.
func (g *mixture) documented(api string) bool {
	return slices.ContainsFunc(g.out, func(d Deployment) bool { return d.API == api && d.Document != nil })
}

func pick[T any](g *mixture, of ...T) T { return of[g.rand.IntN(len(of))] }

// division is the same for all of a company.
func (g *mixture) division(provider string) string {
	return []string{"retail", "wholesale", "group"}[len(provider)%3]
}

// nobodys are titles that frameworks write into a document until somebody finds a better one.
var nobodys = []string{"API", "Swagger", "OpenAPI definition", "Api Documentation", "FastAPI", "My API", "Swagger API", "REST API", "WebApi", "Untitled"}

var things = strings.Fields(`item order customer product user invoice asset note task ticket booking vehicle claim policy vendor
	contract shipment campaign survey course device sensor recipe member account event payment report contact lead quote batch
	warehouse supplier refund coupon review rating session locker badge parcel meter tariff branch desk room shift`)

// crud is a service that can be told from others of its kind by the thing that it is about, or hardly at all.
func (g *mixture) crud(i int) Spec {
	thing := things[i%len(things)]
	company := fmt.Sprintf("crud%d", i)
	resource := "items"
	if g.chance(0.6) {
		resource = thing + "s"
	}
	s := Spec{Provider: company, API: company + "/" + thing, Title: strings.ToUpper(thing[:1]) + thing[1:] + pick(g, " Service", " API", "s", " Management"), Version: "1.0.0", File: company, Mould: generic}
	switch round := i / len(things); {
	case round >= len(things):
		s.Title = syllables(uint32(i)*2654435761) + " " + s.Title
	case round > 0:
		s.Title = things[(i+round)%len(things)] + " " + s.Title
	}
	for _, op := range []string{"GET /health", "GET /R", "POST /R", "GET /R/{id}", "PUT /R/{id}", "DELETE /R/{id}", "GET /status", "GET /metrics"} {
		method, path, _ := strings.Cut(strings.ReplaceAll(op, "R", resource), " ")
		if g.chance(0.85) {
			s.Operations = append(s.Operations, correlate.Operation{Method: method, Path: path})
		}
	}
	s.Servers = []string{"https://" + company + ".example/" + pick(g, "", "api", "v1", thing+"s")}
	return s
}

// deploy puts an API on one to six gateways.
func (g *mixture) deploy(s Spec, label, division, kind string) {
	at := g.rand.Perm(len(g.gateways))[:1+g.rand.IntN(6)]
	upstream := pick(g, "per API", "per API", "shared", "none")
	owner := ""
	if g.chance(0.5) {
		owner = pick(g, "team-", "", "squad ") + strings.SplitN(s.Provider, ".", 2)[0]
	}
	technical := technicalName(s)
	backend := technical
	if kind == "same title" { // nobody gives two services one name in one cluster
		backend = strings.Map(func(r rune) rune {
			if r == '.' {
				return '-'
			}
			return r
		}, s.Provider)
	}
	for _, n := range at {
		gw := g.gateways[n]
		env := gw.env
		d := Deployment{Gateway: gw.id, API: label, Family: s.Provider + " " + s.Title, Kind: kind, Environment: env, Division: division,
			Provider: s.Provider, Title: s.Title, Mould: cmp.Or(s.Mould, s.File)}
		changed := func(what string) { d.Changes = append(d.Changes, what) }
		if g.chance(0.02) {
			d.Division = "abroad"
			changed("another division")
		}
		line := ""
		version := s.Version
		operations := s.Operations
		if g.chance(0.15) {
			line = pick(g, "v2", "v3", "v1")
			version = line[1:] + "." + pick(g, "0", "1", "4") + ".0"
			operations = g.change(operations, 0.25)
			changed("another version")
		}
		if g.chance(0.5) {
			changed("operations dropped and added")
			operations = g.change(operations, pick(g, 0.05, 0.1, 0.2, 0.35))
		}
		g.n++
		id := fmt.Sprintf("%08x", g.rand.Uint32())
		switch g.rand.IntN(4) {
		case 0:
			id = g.decorate(technical, env, line)
		case 1:
			id = fmt.Sprintf("r-%d", g.n)
		}
		title := s.Title
		switch x := g.rand.Float64(); {
		case x < 0.3:
		case x < 0.6:
			title = g.suffix(title, env, line)
			changed("a title with a suffix")
		case x < 0.88:
			title = g.decorate(technical, env, line)
			changed("a technical name")
		default:
			title = ""
			changed("no title of its own")
		}
		base := g.base(s, technical, gw, env, line)
		d.Told = correlate.Deployment{Title: title, Version: version, Owner: owner}
		switch x := g.rand.Float64(); {
		case (x < 0.7 || kind == "same title" && n == at[0]) && len(operations) > 0: // a twin has one at least, or nobody could tell
			document := &Document{Title: s.Title, Version: version, Operations: operations, Servers: []string{"https://" + gw.host + base}}
			switch x := g.rand.Float64(); {
			case x < 0.2:
				document.Title = g.suffix(s.Title, env, line)
			case x < 0.25:
				document.Title = pick(g, nobodys...)
				changed("a generic title in its document")
			}
			if g.chance(0.3) {
				document.Servers = s.Servers
			}
			if g.chance(0.3) { // the base path stands in the paths
				document.Servers, document.Operations = []string{"https://" + gw.host}, prefixed(operations, base)
				changed("its base path in its paths")
			}
			d.Document = document
		case x < 0.85 && len(operations) > 0:
			d.Told.Routes = prefixed(operations, base)
			changed("routes only")
			if g.chance(0.3) {
				d.Told.Routes = slices.Clone(operations)
			}
			if g.chance(0.2) {
				for i := range d.Told.Routes {
					d.Told.Routes[i].Method = ""
				}
			}
		case title != "":
			changed("nothing but names")
		default:
			changed("nothing but names")
			title = s.Title
			if g.chance(0.5) {
				title = g.decorate(technical, env, line)
			}
			if d.Told.Title = title; g.chance(0.4) { // only its base path tells what it is
				d.Told.Title = ""
				base = "/" + technical
			}
		}
		d.Told.BaseURL = "https://" + gw.host + base
		switch upstream {
		case "per API":
			d.Told.Upstream = "http://" + backend + pick(g, "-svc", "", "."+env, "-"+env) + ".svc.cluster.local:8080"
		case "shared":
			d.Told.Upstream = "http://ingress-" + env + ".corp.example"
		}
		if g.chance(0.3) {
			d.Told.Upstream = ""
		}
		d.ID = gw.id + "/" + id
		d.Told.Names = append(d.Told.Names, id)
		if doc := d.Document; doc != nil {
			d.Told.Names = append(d.Told.Names, doc.Title)
			d.Told.Servers = doc.Servers
			d.Told.Shape = correlate.NewShape(doc.Operations)
		}
		if g.ids[d.ID] {
			d.ID += fmt.Sprintf("-%d", g.n)
		}
		g.ids[d.ID] = true
		g.out = append(g.out, d)
	}
}

// base is where a gateway puts an API.
func (g *mixture) base(s Spec, technical string, gw gateway, env, line string) string {
	var parts []string
	if g.chance(0.25) {
		parts = append(parts, env)
	}
	switch g.rand.IntN(4) {
	case 0:
		if len(s.Servers) > 0 {
			if u, err := url.Parse(s.Servers[0]); err == nil && !strings.Contains(u.Path, "{") {
				parts = append(parts, strings.Split(strings.Trim(u.Path, "/"), "/")...)
			}
		}
	case 1:
		parts = append(parts, "api", technical)
	default:
		parts = append(parts, technical)
	}
	if gw.flat {
		if line == "" {
			line = "v1"
		}
		parts = append(parts, line)
	}
	return strings.TrimSuffix("/"+strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "/"), "/")
}

// technicalName is what an engineer would call it.
func technicalName(s Spec) string {
	var parts []string
	for _, w := range strings.FieldsFunc(strings.ToLower(s.Title), func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9') }) {
		switch w {
		case "api", "the", "of", "and", "a", "documentation", "rest", "service":
			continue
		}
		if parts = append(parts, w); len(parts) == 4 {
			break
		}
	}
	if _, service, ok := strings.Cut(strings.TrimSuffix(s.File, ".json"), "__"); ok && len(parts) == 0 {
		return strings.ToLower(service)
	}
	if len(parts) == 0 {
		return strings.SplitN(s.Provider, ".", 2)[0]
	}
	return strings.Join(parts, "-")
}

func (g *mixture) decorate(technical, env, line string) string {
	region := pick(g, "eu", "us", "weu", "ap1", "")
	parts := []string{technical, pick(g, "svc", "api", "service", "", "app"), line, pick(g, env, "", env), region}
	if g.chance(0.15) {
		parts = append([]string{pick(g, "acme", "corp", "x1", "int")}, parts...)
	}
	name := strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "-")
	switch g.rand.IntN(6) {
	case 0:
		return strings.ReplaceAll(name, "-", "_")
	case 1:
		return strings.ReplaceAll(name, "-", ".")
	case 2:
		var b strings.Builder
		for p := range strings.SplitSeq(name, "-") {
			b.WriteString(strings.ToUpper(p[:1]) + p[1:])
		}
		return b.String()
	}
	return name
}

func (g *mixture) suffix(title, env, line string) string {
	title += pick(g, "", " (Legacy)", " - "+strings.ToUpper(env), " ["+env+"]", " v2", " 2.0", " (deprecated)", " EU", " - New", " (internal)")
	if line != "" && g.chance(0.5) {
		title += " " + line
	}
	if g.chance(0.1) {
		title = pick(g, "Acme ", "ACME: ", "Contoso ") + title
	}
	return title
}

// change drops a share of the operations and adds some of its own.
func (g *mixture) change(operations []correlate.Operation, share float64) []correlate.Operation {
	var out []correlate.Operation
	for _, op := range operations {
		if !g.chance(share) {
			out = append(out, op)
		}
	}
	if len(out) == 0 && len(operations) > 0 {
		out = append(out, operations[0])
	}
	for range int(share / 2 * float64(len(operations))) {
		other := g.spec()
		if len(other.Operations) > 0 {
			out = append(out, pick(g, other.Operations...))
		}
	}
	if g.chance(0.2) {
		out = append(out, correlate.Operation{Method: "GET", Path: pick(g, "/health", "/status", "/metrics", "/version")})
	}
	return out
}

func prefixed(operations []correlate.Operation, base string) []correlate.Operation {
	out := make([]correlate.Operation, len(operations))
	for i, op := range operations {
		out[i] = correlate.Operation{Method: op.Method, Path: base + "/" + strings.TrimPrefix(op.Path, "/")}
	}
	return out
}
