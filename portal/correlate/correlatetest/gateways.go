package correlatetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"concierge/portal/correlate"
)

// Profile is a kind of company, by shares from 0 to 1. The second generator, Company, makes estates in which every gateway names
// and routes in its product's own way: it shares neither names nor habits with Generate.
type Profile struct {
	Name        string
	Undescribed float64 // deployments without a document
	Routeless   float64 // of these: without routes
	Partial     float64 // documents and routes of which only a part is told
	Nameless    float64 // deployments without any title of their own, or in their document
	Localised   float64 // APIs that have another title in another country
	Versions    float64 // deployments of another version
	Owners      float64 // deployments that tell an owner
	Upstreams   float64 // deployments that tell a back end of their own
	Divided     bool    // divisions are told
}

// Profiles of companies: what most tell, and each with one thing taken to the end.
func Profiles() []Profile {
	return []Profile{
		{Name: "many gateways", Undescribed: 0.35, Routeless: 0.25, Partial: 0.15, Nameless: 0.05, Localised: 0.1, Versions: 0.2, Owners: 0.5, Upstreams: 0.6, Divided: true},
		{Name: "routes alone", Undescribed: 0.75, Routeless: 0.1, Partial: 0.3, Nameless: 0.1, Localised: 0.05, Versions: 0.15, Owners: 0.4, Upstreams: 0.7},
		{Name: "no owners, no back ends", Undescribed: 0.3, Routeless: 0.2, Partial: 0.1, Nameless: 0.05, Localised: 0.05, Versions: 0.2},
		{Name: "many versions, many languages", Undescribed: 0.3, Routeless: 0.2, Partial: 0.2, Nameless: 0.15, Localised: 0.4, Versions: 0.6, Owners: 0.5, Upstreams: 0.5, Divided: true},
		{Name: "titles alone", Undescribed: 0.6, Routeless: 0.8, Partial: 0.1, Localised: 0.05, Versions: 0.15, Owners: 0.4, Upstreams: 0.4},
	}
}

// Company makes an estate of the specs: what a company of that profile has on its gateways. The same specs, profile and seed make the
// same one.
func Company(specs []Spec, p Profile, seed uint64) []Deployment {
	c := &company{Profile: p, rand: rand.New(rand.NewPCG(seed, 77)), ids: map[string]bool{}}
	for i, product := range products {
		for n := range 1 + c.rand.IntN(3) {
			stage := stages[(i+n)%len(stages)]
			c.gateways = append(c.gateways, exposure{
				product: product, stage: stage, id: fmt.Sprintf("%s-%s-%d", product.name, stage.long, n),
				host: strings.NewReplacer("STAGE", stage.short, "N", fmt.Sprint(n)).Replace(c.pick("api-STAGE.initech.example", "STAGE.gateway.initech.example", "edge-N.initech.internal", "services.initech.example", "apigw.STAGE.emea.initech.example:8443")),
			})
		}
	}
	for _, s := range specs {
		c.service(service{Spec: s, label: s.API, division: c.division(s.Provider), kind: "real"})
	}
	for _, s := range c.rivals(specs) {
		c.service(s)
	}
	return c.out
}

// product is a gateway's way to name and to route.
type product struct {
	name string
	// describes reports whether it keeps documents.
	describes bool
	// call makes the title and the id of what is deployed of an API.
	call func(c *company, s *service, e exposure, line string) (title, id string)
	// route makes a route of an operation, below the base path.
	route func(base string, o correlate.Operation) correlate.Operation
}

// exposure is one gateway of the company.
type exposure struct {
	product  product
	stage    stage
	id, host string
}

type stage struct{ short, long string }

var stages = []stage{{"p", "prod"}, {"t", "test"}, {"prd", "production"}, {"acc", "acceptance"}, {"dv", "dev"}}

// service is one API of the company.
type service struct {
	Spec
	label, division, kind string
	foreign               string // its title in another language; empty: it has none
	technical             string // as its developers call it
	namespace             string
	told                  bool // something but a title was told of it already
}

type company struct {
	Profile
	rand     *rand.Rand
	gateways []exposure
	out      []Deployment
	ids      map[string]bool
}

func (c *company) chance(p float64) bool      { return c.rand.Float64() < p }
func (c *company) pick(of ...string) string   { return of[c.rand.IntN(len(of))] }
func (c *company) number(from, below int) int { return from + c.rand.IntN(below-from) }
func (c *company) hex(n int) (out string) {
	for range n {
		out += string("0123456789abcdef"[c.rand.IntN(16)])
	}
	return out
}

// describes reports whether a deployment of the API has a document. Where two companies tell nothing but one title, nobody could say
// that they are two.
func (c *company) describes(api string) bool {
	return slices.ContainsFunc(c.out, func(d Deployment) bool { return d.API == api && d.Document != nil })
}

func (c *company) division(provider string) string {
	if !c.Divided {
		return ""
	}
	return []string{"north", "south", "holding"}[len(provider)*7%3]
}

var products = []product{
	{"kong", false, func(c *company, s *service, e exposure, line string) (string, string) {
		name := joined(".", c.pick("svc", "", s.namespace), s.technical, line)
		return name, c.hex(8) + "-" + c.hex(4)
	}, func(base string, o correlate.Operation) correlate.Operation { // one route for each path, as a regular expression
		return correlate.Operation{Method: o.Method, Path: "~" + parameters(base+o.Path, func(name string) string { return "(?<" + name + `>[^/]+)` }) + "$"}
	}},
	{"tyk", true, func(c *company, s *service, e exposure, line string) (string, string) {
		return joined(" ", s.Title, line, c.pick("", "#"+s.namespace, "#"+e.stage.long)), c.hex(32)
	}, func(base string, o correlate.Operation) correlate.Operation { // its paths begin behind the listen path
		return o
	}},
	{"apim", true, func(c *company, s *service, e exposure, line string) (string, string) {
		return s.Title, joined("-", s.technical, line) + c.pick("", ";rev="+fmt.Sprint(c.number(1, 9)))
	}, func(base string, o correlate.Operation) correlate.Operation { return o }},
	{"istio", false, func(c *company, s *service, e exposure, line string) (string, string) {
		return "", joined("/", s.namespace, joined("-", s.technical, c.pick("vs", "virtualservice", "routes")))
	}, func(base string, o correlate.Operation) correlate.Operation {
		return correlate.Operation{Method: o.Method, Path: parameters(base+o.Path, func(string) string { return "*" })}
	}},
	{"envoy", false, func(c *company, s *service, e exposure, line string) (string, string) {
		return joined("_", s.technical, line, e.stage.short, c.pick("cluster", "route", "")), c.hex(12)
	}, func(base string, o correlate.Operation) correlate.Operation {
		return correlate.Operation{Method: o.Method, Path: "^" + parameters(base+o.Path, func(string) string { return "([^/]+)" }) + "$"}
	}},
	{"nginx", false, func(c *company, s *service, e exposure, line string) (string, string) {
		return "", c.hex(10)
	}, func(base string, o correlate.Operation) correlate.Operation { // a location has no method
		return correlate.Operation{Path: parameters(base+o.Path, func(string) string { return `(\d+)` })}
	}},
	{"apigee", true, func(c *company, s *service, e exposure, line string) (string, string) {
		name := joined("-", strings.ToUpper(s.namespace[:3]), camel(s.technical), line)
		return name, name
	}, func(base string, o correlate.Operation) correlate.Operation {
		return correlate.Operation{Method: o.Method, Path: parameters(o.Path, func(string) string { return "*" })}
	}},
	{"aws", true, func(c *company, s *service, e exposure, line string) (string, string) {
		return joined("-", e.stage.long, s.technical, c.pick("api", "stack", "")), c.hex(10)
	}, func(base string, o correlate.Operation) correlate.Operation { return o }},
	{"gravitee", true, func(c *company, s *service, e exposure, line string) (string, string) {
		return s.Title + c.pick("", " | "+strings.ToUpper(e.stage.long), " - "+s.namespace), c.hex(8) + "-" + c.hex(8)
	}, func(base string, o correlate.Operation) correlate.Operation {
		return correlate.Operation{Method: o.Method, Path: parameters(o.Path, func(name string) string { return ":" + name })}
	}},
}

// service deploys an API on one to five gateways.
func (c *company) service(s service) {
	s.technical = abbreviated(c, s.Title, s.Spec)
	s.namespace = c.pick("finance", "logistics", "platform", "sales", "claims", "retail-banking", "digital")
	if c.chance(c.Localised) {
		s.foreign = localised(s.Title, c.rand.IntN(3))
	}
	owner := c.pick(s.Provider, "team-"+s.namespace, "CC-"+fmt.Sprint(c.number(1000, 9999)), "squad-"+s.technical)
	for _, at := range c.rand.Perm(len(c.gateways))[:c.number(1, 6)] {
		c.deploy(&s, c.gateways[at], owner)
	}
}

func (c *company) deploy(s *service, e exposure, owner string) {
	d := Deployment{Gateway: e.id, API: s.label, Family: s.Provider + " " + s.Title, Kind: s.kind, Provider: s.Provider, Title: s.Title,
		Mould: cmp.Or(s.Mould, s.File), Environment: e.stage.long, Division: s.division}
	changed := func(what string) { d.Changes = append(d.Changes, what) }
	if c.Divided && c.chance(0.02) {
		d.Division = "platform" // that of the team which runs the gateway
		changed("another division")
	}
	version, line, operations := s.Version, "", s.Operations
	if c.chance(c.Versions) {
		line = c.pick("v2", "v3", "v4")
		version = line[1:] + ".0"
		operations = c.evolve(operations)
		changed("another version")
	}
	if c.chance(c.Partial) && len(operations) > 3 {
		operations = operations[:len(operations)*c.number(40, 90)/100] // one page of an export
		changed("a part of the operations")
	}
	title, id := e.product.call(c, s, e, line)
	documentTitle := s.Title
	if s.foreign != "" && c.chance(0.5) {
		title, documentTitle = strings.ReplaceAll(title, s.Title, s.foreign), s.foreign
		changed("a title in another language")
	}
	if c.chance(c.Nameless) {
		title, documentTitle, id = "", c.pick("", "OpenAPI definition", "API", "v1", "Swagger UI"), c.hex(12)
		changed("no title")
	}
	base, host := c.address(s, e, line)
	d.Told = correlate.Deployment{Title: title, Version: version, BaseURL: "https://" + host + base}
	if strings.IndexFunc(id, unicode.IsLetter) >= 0 {
		d.Told.Names = append(d.Told.Names, id)
	}
	if c.chance(c.Owners) {
		if d.Told.Owner = owner; c.chance(0.1) {
			d.Told.Owner = c.pick("integration", "CC-0001", "former-team-"+s.namespace)
			changed("an owner that is not the others'")
		}
	}
	d.Told.Upstream = c.upstream(s, e)
	undescribed := c.Undescribed
	if !e.product.describes {
		undescribed = (1 + 2*undescribed) / 3
	} else {
		undescribed *= undescribed
	}
	// Where nothing but one title is told of two companies' APIs, nobody could say that they are two.
	must := s.kind == "same title" && !s.told
	switch {
	case len(operations) == 0:
		changed("nothing but names")
	case must || !c.chance(undescribed):
		d.Document = c.describe(documentTitle, version, s, e, base, operations)
		d.Told.Names = append(d.Told.Names, d.Document.Title)
		d.Told.Servers, d.Told.Shape = d.Document.Servers, correlate.NewShape(d.Document.Operations)
		s.told = true
	case c.chance(c.Routeless):
		changed("nothing but names")
		if title == "" && !strings.Contains(base, s.technical) {
			base = "/" + s.technical // something has to be told
			d.Told.BaseURL = "https://" + host + base
		}
	case c.chance(0.2):
		d.Told.Routes = []correlate.Operation{{Path: base + c.pick("/*", "/{proxy+}", "/(.*)", "/**")}}
		changed("one route for all")
	default:
		for _, o := range operations {
			d.Told.Routes = append(d.Told.Routes, e.product.route(base, correlate.Operation{Method: o.Method, Path: "/" + strings.TrimLeft(o.Path, "/")}))
		}
		changed("routes only")
		s.told = true
	}
	d.ID = e.id + "/" + id
	for c.ids[d.ID] {
		d.ID += "-" + c.hex(2)
	}
	c.ids[d.ID] = true
	c.out = append(c.out, d)
}

// address is where a gateway offers an API. Versions stand in the path, in the host, or in a header, and then nowhere.
func (c *company) address(s *service, e exposure, line string) (base, host string) {
	host = e.host
	switch e.product.name {
	case "aws":
		return "/" + e.stage.long, c.hex(10) + ".execute-api.eu-west-1.amazonaws.com"
	case "istio":
		if c.chance(0.6) {
			return "", joined("-", s.technical, line) + "." + s.namespace + "." + e.stage.short + ".mesh.initech.internal"
		}
	}
	inPath := line
	switch c.rand.IntN(4) {
	case 0: // in a header, or in the media type
		inPath = ""
	case 1:
		if inPath = ""; line != "" {
			host = line + "." + host
		}
	}
	place := s.technical
	switch c.rand.IntN(4) {
	case 0:
		place = s.namespace + "/" + place
	case 1:
		place = strings.ReplaceAll(place, "-", c.pick("", "/", "_"))
	}
	if c.chance(0.15) {
		return "/" + joined("/", inPath, place), host
	}
	return "/" + joined("/", c.pick("", "", "api", e.stage.short), place, inPath), host
}

func (c *company) upstream(s *service, e exposure) string {
	switch x := c.rand.Float64(); {
	case x < c.Upstreams:
		name := s.technical
		if s.kind == "same title" { // nobody gives two services one name in one cluster
			name += "-" + strings.SplitN(s.Provider, ".", 2)[0]
		}
		return strings.NewReplacer("NAME", name, "SPACE", s.namespace, "STAGE", e.stage.short).Replace(c.pick(
			"http://NAME.SPACE.svc.cluster.local", "http://NAME-STAGE:8080", "https://NAME.STAGE.apps.initech.internal/", "http://NAME_backend", "https://app-NAME-STAGE.azurewebsites.net"))
	case x < (1+c.Upstreams)/2 && c.Upstreams > 0:
		return c.pick("http://10.20.30."+fmt.Sprint(c.number(2, 250))+":8080", "http://internal-alb-"+e.stage.short+".eu-west-1.elb.amazonaws.com", "http://mule-esb.initech.internal:8081", "http://traefik."+e.stage.short+".initech.internal")
	}
	return ""
}

// describe makes the document that a gateway keeps.
func (c *company) describe(title, version string, s *service, e exposure, base string, operations []correlate.Operation) *Document {
	d := &Document{Title: title, Version: version, Servers: []string{"https://" + e.host + base}, Operations: slices.Clone(operations)}
	switch e.product.name {
	case "aws": // its exports carry its own names
		d.Title, d.Version = c.pick(title, title, joined("-", e.stage.long, s.technical)), "2024-03-01T10:00:00Z"
	case "apim":
		d.Servers = []string{"https://initech.azure-api.net" + base}
	}
	switch c.rand.IntN(5) {
	case 0: // as its developers wrote it
		d.Servers = s.Servers
	case 1: // the base path stands in the paths
		d.Servers, d.Operations = []string{"http://localhost:8080"}, prefixed(operations, base)
	}
	return d
}

// evolve makes the operations of another version: some go, some come, and they may move below its number.
func (c *company) evolve(operations []correlate.Operation) []correlate.Operation {
	var out []correlate.Operation
	gone := float64(c.number(0, 30)) / 100
	for _, o := range operations {
		if !c.chance(gone) {
			out = append(out, o)
		}
		if c.chance(gone / 3) {
			out = append(out, correlate.Operation{Method: c.pick("GET", "POST", "PATCH"), Path: strings.TrimRight(o.Path, "/") + "/" + c.pick("history", "bulk", "export", "archive", "links", "comments")})
		}
	}
	if len(out) == 0 {
		return operations
	}
	return out
}

// joined puts what is not empty together.
func joined(by string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), by)
}

// parameters writes those of a path in another way.
func parameters(path string, as func(name string) string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if from, to := strings.IndexByte(p, '{'), strings.LastIndexByte(p, '}'); from >= 0 && to > from {
			name := strings.Map(func(r rune) rune {
				if unicode.IsLetter(r) {
					return unicode.ToLower(r)
				}
				return -1
			}, p[from:to])
			parts[i] = p[:from] + as(cmp.Or(name, "id")) + p[to+1:]
		}
	}
	return strings.Join(parts, "/")
}

func camel(technical string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(technical, "-") {
		if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// abbreviated is what developers call an API: some of its words, and now and then their initials.
func abbreviated(c *company, title string, s Spec) string {
	all := spoken(title)
	if len(all) == 0 {
		all = []string{strings.SplitN(s.Provider, ".", 2)[0]}
	}
	if len(all) > 3 && c.chance(0.2) {
		initials := ""
		for _, w := range all[:min(len(all), 6)] {
			initials += string([]rune(w)[:1])
		}
		return initials + "-" + all[len(all)-1]
	}
	return strings.Join(all[:min(len(all), 6)], "-")
}

// spoken are the words of a title that people say.
func spoken(title string) (all []string) {
	for _, w := range strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if !slices.Contains([]string{"api", "apis", "the", "of", "for", "and", "to", "a", "in", "rest", "openapi", "specification", "documentation", "v1", "v2", "swagger"}, w) {
			all = append(all, w)
		}
	}
	return all
}

// languages have words of titles in German, French and Dutch.
var languages = map[string][3]string{
	"account": {"Konto", "Compte", "Rekening"}, "accounts": {"Konten", "Comptes", "Rekeningen"}, "payment": {"Zahlung", "Paiement", "Betaling"}, "payments": {"Zahlungen", "Paiements", "Betalingen"},
	"order": {"Auftrag", "Commande", "Bestelling"}, "orders": {"Aufträge", "Commandes", "Bestellingen"}, "customer": {"Kunde", "Client", "Klant"}, "customers": {"Kunden", "Clients", "Klanten"},
	"search": {"Suche", "Recherche", "Zoeken"}, "service": {"Dienst", "Service", "Dienst"}, "services": {"Dienste", "Services", "Diensten"}, "management": {"Verwaltung", "Gestion", "Beheer"},
	"data": {"Daten", "Données", "Gegevens"}, "user": {"Benutzer", "Utilisateur", "Gebruiker"}, "users": {"Benutzer", "Utilisateurs", "Gebruikers"}, "report": {"Bericht", "Rapport", "Rapport"},
	"reports": {"Berichte", "Rapports", "Rapporten"}, "invoice": {"Rechnung", "Facture", "Factuur"}, "billing": {"Abrechnung", "Facturation", "Facturatie"}, "weather": {"Wetter", "Météo", "Weer"},
	"news": {"Nachrichten", "Actualités", "Nieuws"}, "events": {"Ereignisse", "Événements", "Evenementen"}, "number": {"Nummer", "Numéro", "Nummer"}, "flight": {"Flug", "Vol", "Vlucht"},
	"hotel": {"Hotel", "Hôtel", "Hotel"}, "price": {"Preis", "Prix", "Prijs"}, "public": {"Öffentlich", "Public", "Openbaar"}, "document": {"Dokument", "Document", "Document"}, "documents": {"Dokumente", "Documents", "Documenten"},
	"product": {"Produkt", "Produit", "Product"}, "store": {"Laden", "Magasin", "Winkel"}, "health": {"Gesundheit", "Santé", "Gezondheid"}, "notification": {"Benachrichtigung", "Notification", "Melding"}, "api": {"Schnittstelle", "API", "API"},
}

func localised(title string, language int) string {
	words := strings.Fields(title)
	for i, w := range words {
		if other, ok := languages[strings.ToLower(w)]; ok {
			words[i] = other[language]
		}
	}
	return strings.Join(words, " ")
}
