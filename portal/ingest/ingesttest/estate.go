// Package ingesttest is a large company for benchmarks: a hundred gateways with a hundred thousand deployments of some
// twenty-five thousand APIs, made up and the same every time. Its gateways are connectors in memory; a document is
// written when it is opened, so that the company takes little room.
//
// An API belongs to one division and is deployed on one to eight of its gateways: by region, audience and environment,
// under its title, the title with a suffix, or a technical name, some in an older version, with operations added or left
// out, one in ten without a document. Titles and resources are drawn from one vocabulary, common words often and rare ones
// seldom, as people's are.
package ingesttest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// Kind is the kind of the estate's gateways.
const Kind = "memory"

// Size says how large an estate is.
type Size struct {
	Gateways, Deployments, APIs int
}

// Large is the size that the product plans for.
var Large = Size{Gateways: 100, Deployments: 100_000, APIs: 25_000}

// Estate is the company. Its gateways may be read at the same time.
type Estate struct {
	Registrations []catalog.Gateway
	APIs          []API

	mu    sync.Mutex
	gates map[string]*gate // by address
}

// API is one API of the company, as its makers know it.
type API struct {
	Title     string
	Summary   string
	Division  portal.Division
	Resources []string
	Rare      string // a word that few others have
	Number    int    // of deployments
}

// New makes the estate of a size: the same every time.
func New(size Size) *Estate {
	m := &maker{rand: rand.New(rand.NewPCG(1881, 4)), size: size}
	e := &Estate{gates: map[string]*gate{}}
	for n := range size.Gateways {
		g := m.gateway(n)
		e.Registrations = append(e.Registrations, g)
		e.gates[g.Address] = &gate{estate: e, places: map[string]int{}}
	}
	used := map[string]bool{}
	for n, left := range m.shares() {
		a := m.api(n, used)
		a.Number = left
		e.APIs = append(e.APIs, a)
		m.deploy(e, n, a)
	}
	return e
}

// Kinds is how a portal opens the estate's gateways.
func (e *Estate) Kinds() map[string]connectors.Kind {
	return map[string]connectors.Kind{Kind: {Name: Kind, Title: "In memory", Open: func(c connectors.Config) (connectors.Connector, error) {
		if g := e.gates[c.Address]; g != nil {
			return g, nil
		}
		return nil, fmt.Errorf("the estate has no gateway at %q: %w", c.Address, portal.ErrInvalid)
	}}}
}

// Deployments returns what a gateway serves.
func (e *Estate) Deployments(gateway portal.GatewayID) []connectors.Deployment {
	g := e.gate(gateway)
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]connectors.Deployment, len(g.served))
	for i, s := range g.served {
		all[i] = e.told(s)
	}
	return all
}

// Touch gives one deployment of a gateway another revision: an operation more.
func (e *Estate) Touch(gateway portal.GatewayID, n int) {
	g := e.gate(gateway)
	e.mu.Lock()
	defer e.mu.Unlock()
	g.served[n%len(g.served)].revision++
}

func (e *Estate) gate(id portal.GatewayID) *gate {
	for _, g := range e.Registrations {
		if g.ID == id {
			return e.gates[g.Address]
		}
	}
	panic(fmt.Sprintf("ingesttest: the estate has no gateway %s", id))
}

// gate is one gateway.
type gate struct {
	estate *Estate
	served []served
	places map[string]int // in served, by id
}

// served is one deployment.
type served struct {
	api        int
	id, title  string
	host, base string
	line       int
	without    int // the operation that is left out; -1: none
	bare       bool
	revision   int
}

// Probe implements connectors.Connector.
func (*gate) Probe(context.Context) (connectors.Capabilities, error) {
	return connectors.Capabilities{
		Product: "memory", Discovery: connectors.DiscoverSnapshot, Identity: connectors.OpaqueIDs, Documents: true,
		Issue: connectors.Ability{Reason: "it is a catalog only"},
	}, nil
}

// Discover implements connectors.Connector.
func (g *gate) Discover(context.Context, connectors.Cursor) (connectors.Snapshot, error) {
	g.estate.mu.Lock()
	defer g.estate.mu.Unlock()
	s := connectors.Snapshot{Complete: true, Deployments: make([]connectors.Deployment, len(g.served))}
	for i, d := range g.served {
		s.Deployments[i] = g.estate.told(d)
	}
	return s, nil
}

// OpenDocument implements connectors.Connector.
func (g *gate) OpenDocument(_ context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	g.estate.mu.Lock()
	i, ok := g.places[ref.ID]
	var d served
	if ok {
		d = g.served[i]
	}
	g.estate.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("document %s: %w", ref.ID, portal.ErrNotFound)
	}
	b := written.Get().(*body)
	b.content = g.estate.document(b.content[:0], d)
	b.Reset(b.content)
	return b, nil
}

// body is a document on its way. What it is written to is used again: a gateway leaves nothing behind in the portal.
type body struct {
	bytes.Reader
	content []byte
}

var written = sync.Pool{New: func() any { return new(body) }}

// Close may be called once.
func (b *body) Close() error {
	written.Put(b)
	return nil
}

// told is a deployment as its gateway tells it.
func (e *Estate) told(s served) connectors.Deployment {
	d := connectors.Deployment{
		Key: connectors.Key{RemoteID: s.id}, Title: s.title, Hosts: []string{s.host}, Paths: []string{s.base},
		Public: "https://" + s.host + s.base, Active: true, Issue: connectors.Ability{Reason: "it is a catalog only"},
		Authentication: portal.Authentication{Type: "apiKey", In: "header", Name: "X-Api-Key"},
	}
	if s.bare {
		for _, o := range e.operations(s) {
			d.Operations = append(d.Operations, connectors.Operation{Method: o.method, Path: o.path})
		}
		return d
	}
	d.Document = connectors.DocumentRef{ID: s.id, Revision: fmt.Sprint(s.revision)}
	return d
}

type operation struct{ method, path, words string }

// operations of a deployment: five of each of its resources.
func (e *Estate) operations(s served) []operation {
	var all []operation
	for i, r := range e.APIs[s.api].Resources {
		one := "/" + r + "/{id}"
		all = append(all,
			operation{http.MethodGet, "/" + r, "List " + r},
			operation{http.MethodPost, "/" + r, "Create one of " + r},
			operation{http.MethodGet, one, "Read one of " + r},
			operation{http.MethodDelete, one, "Remove one of " + r},
		)
		if i == 0 {
			verb := verbs[s.api%len(verbs)]
			all = append(all, operation{http.MethodPost, one + "/" + verb, verb + " one of " + r})
		}
	}
	if s.without >= 0 && s.without < len(all) {
		all = slices.Delete(all, s.without, s.without+1)
	}
	for n := range s.revision {
		all = append(all, operation{http.MethodGet, fmt.Sprint("/changes/", n), "Changes"})
	}
	return all
}

// document appends the description of a deployment.
func (e *Estate) document(b []byte, s served) []byte {
	a := e.APIs[s.api]
	b = fmt.Appendf(b, `{"openapi":"3.0.3","info":{"title":%q,"version":"%d.%d.0","description":%q},"servers":[{"url":"https://%s%s"}],"tags":[{"name":%q},{"name":%q}],"paths":{`,
		s.title, s.line, s.revision, a.Summary, s.host, s.base, a.Resources[0], string(a.Division))
	operations := e.operations(s)
	slices.SortStableFunc(operations, func(a, b operation) int { return strings.Compare(a.path, b.path) })
	for i, o := range operations {
		switch {
		case i > 0 && operations[i-1].path == o.path:
			b = append(b, ',')
		default:
			if i > 0 {
				b = append(b, `},`...)
			}
			b = fmt.Appendf(b, `%q:{`, o.path)
		}
		b = fmt.Appendf(b, `%q:{"summary":%q,"operationId":%q,"responses":{"200":{"description":"What was asked for"}}}`,
			strings.ToLower(o.method), o.words, strings.ReplaceAll(o.words, " ", ""))
	}
	if len(operations) > 0 {
		b = append(b, '}')
	}
	return append(b, `}}`...)
}

type maker struct {
	rand *rand.Rand
	size Size
}

// word draws from a vocabulary: the first ones often, the last ones seldom.
func (m *maker) word(from []string) string {
	return from[int(float64(len(from))*math.Pow(m.rand.Float64(), 2.2))]
}

// coin makes a word that hardly any other API has.
func (m *maker) coin() string {
	var b strings.Builder
	for range 3 {
		b.WriteString(syllables[m.rand.IntN(len(syllables))])
	}
	return b.String()
}

func (m *maker) gateway(n int) catalog.Gateway {
	division, environment := m.division(n), environments[n/len(divisions)%len(environments)]
	audience := audiences[n/3%len(audiences)]
	region := regions[n%len(regions)]
	id := fmt.Sprintf("gateway-%03d", n)
	return catalog.Gateway{
		ID: portal.GatewayID(id), Title: "Gateway " + fmt.Sprint(n), Kind: Kind, Address: "memory://" + id, Division: division, Source: catalog.FromAPI,
		Defaults: map[portal.Axis]string{
			portal.AxisAudience: string(audience), portal.AxisEnvironment: string(environment), portal.AxisRegion: region,
		},
	}
}

// division is that of the nth of anything: each has a gateway.
func (m *maker) division(n int) portal.Division {
	return divisions[n%min(len(divisions), m.size.Gateways)]
}

// shares says how many deployments each API has: four as a mean, eight at most.
func (m *maker) shares() []int {
	all := make([]int, m.size.APIs)
	for i := range all {
		all[i] = 1
	}
	for left := m.size.Deployments - m.size.APIs; left > 0; {
		if i := m.rand.IntN(len(all)); all[i] < 8 {
			all[i]++
			left--
		}
	}
	return all
}

func (m *maker) api(n int, used map[string]bool) API {
	a := API{Division: m.division(n)}
	a.Rare = m.coin()
	words := []string{title(m.word(subjects)), title(m.word(matters))}
	if m.rand.IntN(3) == 0 {
		words[0] = title(a.Rare)
	}
	if m.rand.IntN(2) == 0 {
		words = append(words, title(m.word(kinds)))
	}
	a.Title = strings.Join(words, " ")
	if used[string(a.Division)+a.Title] {
		a.Title += " " + title(a.Rare)
	}
	used[string(a.Division)+a.Title] = true
	a.Summary = fmt.Sprintf("Everything about %s and %s for the %s of %s, once known as %s.",
		m.word(subjects), m.word(matters), m.word(kinds), a.Division, a.Rare)
	for len(a.Resources) < 2+m.rand.IntN(4) {
		r := m.word(subjects) + "-" + m.word(matters)
		if m.rand.IntN(4) == 0 {
			r = m.coin() + "s"
		}
		if !slices.Contains(a.Resources, r) {
			a.Resources = append(a.Resources, r)
		}
	}
	return a
}

// deploy puts an API on gateways of its division, one after the other.
func (m *maker) deploy(e *Estate, n int, a API) {
	var own []int
	for i, g := range e.Registrations {
		if g.Division == a.Division {
			own = append(own, i)
		}
	}
	technical := strings.ToLower(strings.ReplaceAll(a.Title, " ", "-"))
	start := m.rand.IntN(len(own))
	for i := range a.Number {
		g := e.Registrations[own[(start+i)%len(own)]]
		s := served{
			api: n, id: fmt.Sprintf("svc-%06d-%d", n, i), title: a.Title, line: 1, without: -1, bare: m.rand.IntN(10) == 0,
			host: fmt.Sprintf("%s.%s.example.com", g.ID, g.Defaults[portal.AxisRegion]),
		}
		switch m.rand.IntN(10) {
		case 0:
			s.title += " " + title(g.Defaults[portal.AxisEnvironment])
		case 1:
			s.title = technical + "-" + g.Defaults[portal.AxisRegion]
		case 2:
			s.line = 2
		case 3, 4:
			s.without = m.rand.IntN(5)
		}
		s.base = fmt.Sprintf("/%s/v%d", technical, s.line)
		gate := e.gates[g.Address]
		gate.places[s.id] = len(gate.served)
		gate.served = append(gate.served, s)
	}
}

func title(w string) string { return strings.ToUpper(w[:1]) + w[1:] }
