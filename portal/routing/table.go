// Package routing decides which one deployment a consumer is sent to, and says why.
//
// A Table is compiled from the catalog and never changes: Build and With are pure, two tables built from the same facts
// give the same answers whatever the order in which the facts came, and a table is read by any number of goroutines
// without locks. Live keeps the newest one and follows the store.
//
// Two promises hold for everything that takes a portal.Consumer. A deployment of another environment, or of an audience
// that the consumer's may not use, is never the answer. And nothing of such a deployment is told: not its name, gateway,
// region, texts or number, neither in answers and reasons nor in lists, their order or errors. What has no audience or
// environment, or one that is not configured, is told to no consumer at all.
package routing

import (
	"cmp"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"concierge/portal"
	"concierge/portal/access"
)

// Config is what a table takes from configuration; another one needs another Build.
type Config struct {
	Environments []portal.Environment // in their order; a deployment in any other one is unclassified
	Audiences    access.Audiences     // an audience that is no key here sees nothing
}

// Input is everything that a table is compiled from. Ids are unique within each list; so are slugs, else the lower id
// answers. It belongs to the table afterwards: change nothing in it.
type Input struct {
	Version      int64 // of the store, as it was read
	Config       Config
	APIs         []Entry
	Gateways     []Gateway
	Applications []Application
	People       []Person
}

// Entry is one API of the catalog.
type Entry struct {
	ID      portal.APIID
	Slug    string
	Aliases []string // former slugs; they go on answering, but are never shown
	Owner   portal.Division
	// Deployments are all that are joined to the entry, also unclassified and inactive ones.
	Deployments []portal.Deployment
	// Named lists the deployments whose gateway asked for this slug (an explicit id); whoever may see one of them may
	// read the slug. Others may where SlugTold says so, and otherwise read the entry's id in its place.
	Named []portal.DeploymentID
	// Texts and Guides are the owners' own, published, each marked for its audience; see Curate. Guides come without their
	// bodies.
	Texts  []portal.AudienceText
	Guides []portal.Guide
	Team   portal.TeamID // that owns it; empty: its division alone does
}

// Gateway is what routing knows of a gateway. Whether it is paused does not matter here: nobody reads or changes it then,
// but it serves its callers as before.
type Gateway struct {
	ID       portal.GatewayID
	Priority int32  // the higher one is preferred among equals; 0 for a gateway that is not listed
	Admin    string // host of its admin side, which no text names to a consumer; empty where it is not known
	// Fleet names the gateways behind one public address. Deployments of one fleet, line, environment, audience and address
	// are one candidate for newcomers: whichever gateway takes a call, it takes it at that address. Empty: in none.
	Fleet string
}

// Application holds the bindings of one application.
type Application struct {
	ID           portal.ApplicationID
	Organisation portal.OrganisationID // bindings count for consumers of this one only
	Bindings     []Binding
}

// Binding says where an application holds a live credential.
type Binding struct {
	API         portal.APIID
	Line        string
	Environment portal.Environment
	Deployment  portal.DeploymentID
}

// Person holds the tokens by which one person is known, over all organisations.
type Person struct {
	ID     portal.PersonID
	Tokens []Token
}

// Token is one token that works until it expires. The table sees its hash only.
type Token struct {
	Hash    [32]byte
	Expires time.Time // zero: never
	Caller  access.Caller
}

// Delta is a set of changes. Each value replaces what was there, nil removes it.
type Delta struct {
	Version      int64
	APIs         map[portal.APIID]*Entry
	Gateways     map[portal.GatewayID]*Gateway
	Applications map[portal.ApplicationID]*Application
	People       map[portal.PersonID]*Person
}

// Table answers for one state of the catalog. What it returns is shared and must not be changed.
type Table struct {
	version      int64
	axes         *axes
	gateways     map[portal.GatewayID]Gateway
	adminHosts   []string
	entries      index[portal.APIID, *entry]
	names        index[string, claim]
	applications index[portal.ApplicationID, *Application]
	people       index[portal.PersonID, *Person]
	tokens       index[[32]byte, *Token]
	classes      []class // by number of the audience
	values       valuesEdit
}

// class is what one audience sees of the whole catalog.
type class struct {
	names     index[string, sight]
	views     []*view // by title, then id
	endpoints []int   // how many entries have an endpoint, by number of the environment
	counts    []int32 // how many entries have a value, by its number
	outline   *outline
}

// sight is what an audience sees under a name; the zero sight is nothing. The candidates are the view's own, one step
// nearer: memory is what Resolve waits for.
type sight struct {
	view       *view
	candidates []candidate
}

// claim is an entry that answers to a name; the zero claim is none. The claims of a name are a list, the stronger first:
// whoever asks gets the first that they may see.
type claim struct {
	entry *entry
	kind  int // an id goes before a slug, a slug before an alias
	next  *claim
}

// sight returns what an audience sees under the name.
func (c claim) sight(audience int) sight {
	for at := &c; at != nil && at.entry != nil; at = at.next {
		if v := at.entry.views[audience]; v.visible() {
			return sight{v, v.candidates}
		}
	}
	return sight{}
}

func (c claim) compare(d claim) int {
	return cmp.Or(cmp.Compare(c.kind, d.kind), cmp.Compare(c.entry.ID, d.entry.ID))
}

// with returns the list with another claim in its place; c stays as it is.
func (c claim) with(d claim) claim {
	switch {
	case c.entry == nil:
		return d
	case d.compare(c) < 0:
		d.next = &c
		return d
	case c.next == nil:
		c.next = &d
	default:
		rest := c.next.with(d)
		c.next = &rest
	}
	return c
}

// without returns the list without an entry; c stays as it is.
func (c claim) without(e *entry) claim {
	var rest claim
	if c.next != nil {
		rest = c.next.without(e)
	}
	if c.entry == e {
		return rest
	}
	c.next = nil
	if rest.entry != nil {
		c.next = &rest
	}
	return c
}

// Build compiles a table.
func Build(in Input) *Table {
	axes := newAxes(in.Config)
	t := &Table{axes: axes, classes: make([]class, len(axes.audiences))}
	for i := range t.classes {
		t.classes[i].endpoints = make([]int, len(axes.environments))
		t.classes[i].outline = new(outline)
	}
	return t.With(Delta{
		Version:      in.Version,
		APIs:         byID(in.APIs, func(e *Entry) portal.APIID { return e.ID }),
		Gateways:     byID(in.Gateways, func(g *Gateway) portal.GatewayID { return g.ID }),
		Applications: byID(in.Applications, func(a *Application) portal.ApplicationID { return a.ID }),
		People:       byID(in.People, func(p *Person) portal.PersonID { return p.ID }),
	})
}

func byID[K comparable, T any](list []T, id func(*T) K) map[K]*T {
	m := make(map[K]*T, len(list))
	for i := range list {
		m[id(&list[i])] = &list[i]
	}
	return m
}

// Version is that of the state that the table was compiled from.
func (t *Table) Version() int64 { return t.version }

// With returns the table after some changes. Whatever they do not touch is shared with t, which stays as it is.
func (t *Table) With(d Delta) *Table {
	next := *t
	next.version = d.Version
	next.values.own = false
	next.withGateways(d.Gateways)
	next.withEntries(d.APIs, t.outranked(d))

	next.applications = withEach(t.applications, d.Applications)
	next.people = withEach(t.people, d.People)
	tokens := t.tokens.edit()
	for id := range d.People {
		if old := t.people.get(id); old != nil {
			for i := range old.Tokens {
				tokens.delete(old.Tokens[i].Hash)
			}
		}
	}
	for _, p := range d.People {
		if p != nil {
			for i := range p.Tokens {
				tokens.set(p.Tokens[i].Hash, &p.Tokens[i])
			}
		}
	}
	next.tokens = tokens.done()
	return &next
}

// withEach replaces single things; nil removes.
func withEach[K comparable, T any](x index[K, *T], changes map[K]*T) index[K, *T] {
	edit := x.edit()
	for k, v := range changes {
		if v == nil {
			edit.delete(k)
		} else {
			edit.set(k, v)
		}
	}
	return edit.done()
}

func (t *Table) withGateways(changes map[portal.GatewayID]*Gateway) {
	if len(changes) == 0 {
		return
	}
	gateways := make(map[portal.GatewayID]Gateway, len(t.gateways)+len(changes))
	maps.Copy(gateways, t.gateways)
	for id, g := range changes {
		if g == nil {
			delete(gateways, id)
		} else {
			gateways[id] = *g
		}
	}
	t.gateways = gateways
	t.adminHosts = nil
	for _, g := range gateways {
		if g.Admin != "" && !slices.Contains(t.adminHosts, g.Admin) {
			t.adminHosts = append(t.adminHosts, g.Admin)
		}
	}
	slices.Sort(t.adminHosts)
	t.adminHosts = slices.Clip(t.adminHosts) // whoever appends gets a copy
}

// AdminHosts are the hosts of the admin sides of all gateways, in order.
func (t *Table) AdminHosts() []string { return t.adminHosts }

// outranked lists the entries that have to be compiled again because a gateway's priority or fleet changes.
func (t *Table) outranked(d Delta) []*entry {
	changed := map[portal.GatewayID]bool{}
	for id, g := range d.Gateways {
		var now Gateway
		if g != nil {
			now = *g
		}
		if was := t.gateways[id]; now.Priority != was.Priority || now.Fleet != was.Fleet {
			changed[id] = true
		}
	}
	if len(changed) == 0 {
		return nil
	}
	var found []*entry
	for e := range t.entries.all() {
		if slices.ContainsFunc(e.Deployments, func(d portal.Deployment) bool { return changed[d.Gateway] }) {
			found = append(found, e)
		}
	}
	return found
}

// withEntries replaces entries by their new state, and compiles others again.
func (t *Table) withEntries(changes map[portal.APIID]*Entry, again []*entry) {
	var sources []*Entry
	for _, source := range changes {
		if source != nil {
			sources = append(sources, source)
		}
	}
	for _, e := range again {
		if _, replaced := changes[e.ID]; !replaced {
			sources = append(sources, &e.Entry)
		}
	}
	come := t.compileAll(sources)

	entries, names := t.entries.edit(), t.names.edit()
	touched := map[string]bool{}
	var gone []*entry
	remove := func(id portal.APIID) {
		old := t.entries.get(id)
		if old == nil {
			return
		}
		gone = append(gone, old)
		old.eachName(func(name string, _ int) {
			touched[name] = true
			if left := names.get(name).without(old); left.entry != nil {
				names.set(name, left)
			} else {
				names.delete(name)
			}
		})
		entries.delete(id)
	}
	for id := range changes {
		remove(id)
	}
	for _, e := range again {
		if _, replaced := changes[e.ID]; !replaced {
			remove(e.ID)
		}
	}
	var numbering sync.WaitGroup
	numbering.Go(func() {
		for _, e := range come {
			for _, v := range e.views {
				if v.visible() {
					v.number(&t.values)
				}
			}
		}
	})
	for _, e := range come {
		e.eachName(func(name string, kind int) {
			touched[name] = true
			names.set(name, names.get(name).with(claim{entry: e, kind: kind}))
		})
		entries.set(e.ID, e)
	}
	numbering.Wait()
	if len(gone) == 0 && len(come) == 0 {
		return
	}
	t.entries, t.names = entries.done(), names.done()
	classes := make([]class, len(t.classes))
	var work sync.WaitGroup
	for i := range classes {
		work.Go(func() { classes[i] = t.classFor(i, gone, come, touched) })
	}
	work.Wait()
	t.classes = classes
}

// classFor is what an audience sees once entries have gone and come, and some names mean another one. Entries and names are
// those of now, the class is that of before.
func (t *Table) classFor(audience int, gone, come []*entry, touched map[string]bool) class {
	next := t.classes[audience].with(viewsOf(gone, audience), viewsOf(come, audience), len(t.values.list))
	seen := next.names.edit()
	for name := range touched {
		if s := t.names.get(name).sight(audience); s.view != nil {
			seen.set(strings.Clone(name), s) // a copy lies near the others, not in its document's memory
		} else {
			seen.delete(name)
		}
	}
	next.names = seen.done()
	return next
}

// compileAll compiles entries on all processors: each by itself.
func (t *Table) compileAll(sources []*Entry) []*entry {
	compiled := make([]*entry, len(sources))
	workers := min(runtime.GOMAXPROCS(0), 1+len(sources)/64)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			for i := w; i < len(sources); i += workers {
				compiled[i] = t.compile(sources[i])
			}
		})
	}
	work.Wait()
	return compiled
}

func viewsOf(entries []*entry, class int) []*view {
	var views []*view
	for _, e := range entries {
		if v := e.views[class]; v.visible() {
			views = append(views, v)
		}
	}
	slices.SortFunc(views, (*view).compare)
	return views
}

// with takes views out, which are in the list, and puts others in; both are sorted.
func (c class) with(gone, come []*view, values int) class {
	if len(gone) == 0 && len(come) == 0 {
		return c
	}
	endpoints, counts := slices.Clone(c.endpoints), make([]int32, values)
	copy(counts, c.counts)
	views := make([]*view, 0, len(c.views)+len(come)-len(gone))
	rest := c.views
	// Runs between two changes are copied whole: one entry among many thousands costs two binary searches.
	for len(gone) > 0 || len(come) > 0 {
		if len(come) == 0 || len(gone) > 0 && gone[0].compare(come[0]) <= 0 {
			at, _ := slices.BinarySearchFunc(rest, gone[0], (*view).compare)
			gone[0].count(endpoints, -1)
			gone[0].addTo(counts, -1)
			views, rest, gone = append(views, rest[:at]...), rest[at+1:], gone[1:]
		} else {
			at, _ := slices.BinarySearchFunc(rest, come[0], (*view).compare)
			come[0].count(endpoints, +1)
			come[0].addTo(counts, +1)
			views, rest, come = append(append(views, rest[:at]...), come[0]), rest[at:], come[1:]
		}
	}
	return class{names: c.names, views: append(views, rest...), endpoints: endpoints, counts: counts, outline: new(outline)}
}

// Entry returns an entry as it was given, by its id or that of one that it took over. It is for administrators and for keys: it names what consumers may
// not see.
func (t *Table) Entry(id portal.APIID) (Entry, bool) {
	if e := t.entries.get(id); e != nil {
		return e.Entry, true
	}
	if e := t.names.get(string(id)).entry; e != nil {
		return e.Entry, true
	}
	return Entry{}, false
}

// Named returns the first entry that answers to a name, as it was given, whoever may see it. It is for administrators and
// owners.
func (t *Table) Named(name string) (Entry, bool) {
	if e := t.names.get(name).entry; e != nil {
		return e.Entry, true
	}
	return Entry{}, false
}

// Application returns an application that holds a live credential; the others are not known here.
func (t *Table) Application(id portal.ApplicationID) (Application, bool) {
	if a := t.applications.get(id); a != nil {
		return *a, true
	}
	return Application{}, false
}

// CallerByToken returns whom a token stands for, by the hash of the token. ok is false for one that is unknown or expired.
func (t *Table) CallerByToken(hash [32]byte, now time.Time) (caller access.Caller, ok bool) {
	token := t.tokens.get(hash)
	if token == nil || !token.Expires.IsZero() && !now.Before(token.Expires) {
		return access.Caller{}, false
	}
	return token.Caller, true
}

// axes is the configuration as the table uses it: audiences and environments by number.
type axes struct {
	audiences    []portal.Audience // sorted
	environments []portal.Environment
	ladder       access.Audiences
}

func newAxes(c Config) *axes {
	a := &axes{environments: slices.Clone(c.Environments), ladder: maps.Clone(c.Audiences)}
	for audience := range c.Audiences {
		if audience != "" {
			a.audiences = append(a.audiences, audience)
		}
	}
	slices.Sort(a.audiences)
	return a
}

// audience returns the number of an audience, -1 where it is not configured.
func (a *axes) audience(name portal.Audience) int { return slices.Index(a.audiences, name) }

// environment returns the number of an environment, -1 where it is empty or not configured.
func (a *axes) environment(name portal.Environment) int {
	if name == "" {
		return -1
	}
	return slices.Index(a.environments, name)
}

// names lists environments by their numbers, nil for none.
func (a *axes) names(numbers []int) []portal.Environment {
	var list []portal.Environment
	for _, n := range numbers {
		list = append(list, a.environments[n])
	}
	return list
}
