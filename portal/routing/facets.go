package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"concierge/portal"
)

// Facet is a property by which the catalog is narrowed.
type Facet string

// The facets. All but the tag are properties of a deployment: where several are asked for, there is one deployment that has
// them all.
const (
	FacetEnvironment Facet = "environment"
	FacetAudience    Facet = "audience"
	FacetDivision    Facet = "division" // for consumers that have one: outsiders are not told of any
	FacetRegion      Facet = "region"
	FacetLifecycle   Facet = "lifecycle"
	FacetKind        Facet = "kind"
	FacetGateway     Facet = "gateway"
	FacetTag         Facet = "tag"
)

// Facets lists them in the order in which people see them.
var Facets = []Facet{FacetEnvironment, FacetLifecycle, FacetTag, FacetKind, FacetRegion, FacetDivision, FacetAudience, FacetGateway}

// Filter narrows the catalog to entries that have, of each facet that is named, one of the values. Tags are compared
// without regard to case and accents.
type Filter map[Facet][]string

// FacetCounts says how many entries each value of a facet would leave, with the filters of the other facets.
type FacetCounts struct {
	Facet  Facet
	Values []ValueCount // environments in configured order, others the most frequent first; those asked for are always there
	More   int          // values that are left out
}

// ValueCount is a value and the number of entries that have it.
type ValueCount struct {
	Value    string
	Count    int
	Selected bool
}

// mostValues is how many values of a facet are listed.
const mostValues = 50

// Numbers of the facets of a deployment, then that of the tag.
const (
	byEnvironment = iota
	byAudience
	byDivision
	byRegion
	byLifecycle
	byKind
	byGateway
	placeFacets
	byTag  = placeFacets
	facets = placeFacets + 1
)

var facetNumbers = [facets]Facet{FacetEnvironment, FacetAudience, FacetDivision, FacetRegion, FacetLifecycle, FacetKind, FacetGateway, FacetTag}

// place holds the values of one deployment by their numbers; 0 is none. placeWords are the same in words.
type (
	place      [placeFacets]uint32
	placeWords [placeFacets]string
)

// values numbers the values of all facets from 1 on. It never changes; edit makes the next one.
type values struct {
	numbers map[value]uint32
	list    []value // by number; the first is none
}

type value struct {
	facet int
	text  string
}

// valuesEdit is a values in the making; it copies once something new comes.
type valuesEdit struct {
	values
	own bool
}

func (e *valuesEdit) number(facet int, text string) uint32 {
	if text == "" {
		return 0
	}
	v := value{facet, text}
	if n, ok := e.numbers[v]; ok {
		return n
	}
	if !e.own {
		e.own = true
		e.list = slices.Clone(e.list)
		if e.numbers = maps.Clone(e.numbers); e.numbers == nil {
			e.numbers, e.list = map[value]uint32{}, []value{{}}
		}
	}
	n := uint32(len(e.list))
	v.text = strings.Clone(text) // it outlives the deployment
	e.numbers[v], e.list = n, append(e.list, v)
	return n
}

// classify notes by what the view is narrowed, in words. Entries are compiled side by side and numbered one by one.
func (v *view) classify(a *axes, seen []candidate) {
	for i := range seen {
		d := seen[i].deployment
		p := placeWords{
			byAudience: string(d.Placement.Audience()), byDivision: string(d.Placement.Division()), byRegion: string(d.Placement.Region()),
			byLifecycle: string(d.Lifecycle), byGateway: string(d.Gateway),
		}
		if d.Active { // else there is no endpoint in its environment
			p[byEnvironment] = string(a.environments[seen[i].environment])
		}
		if !slices.Contains(v.words, p) {
			v.words = append(v.words, p)
		}
	}
}

// number turns the words of classify, and the tags, into numbers.
func (v *view) number(e *valuesEdit) {
	v.places = make([]place, len(v.words))
	for i, words := range v.words {
		for k, text := range words {
			n := e.number(k, text)
			v.places[i][k] = n
			if n != 0 && !slices.Contains(v.values, n) {
				v.values = append(v.values, n)
			}
		}
	}
	v.words = nil
	var folded []string
	for _, tag := range v.shown.Tags {
		if f := fold(tag); f != "" && !slices.Contains(folded, f) {
			folded = append(folded, f)
			v.tags = append(v.tags, e.number(byTag, tag))
		}
	}
	v.tags, v.values = slices.Clip(v.tags), slices.Clip(append(v.values, v.tags...))
}

// addTo adds by to the counts of all values of the view.
func (v *view) addTo(counts []int32, by int32) {
	for _, n := range v.values {
		counts[n] += by
	}
}

// choice is a Filter by numbers.
type choice struct {
	wanted [facets][]uint32
	any    bool // something is asked for
	active [facets]bool
}

func (x values) choice(f Filter, c portal.Consumer) choice {
	var made choice
	for i, facet := range facetNumbers {
		for _, text := range f[facet] {
			if text == "" {
				continue
			}
			made.active[i], made.any = true, true
			if !told(i, c) {
				continue
			}
			if i != byTag {
				made.wanted[i] = append(made.wanted[i], x.numbers[value{i, text}]) // 0 where nothing has it
				continue
			}
			folded := fold(text)
			for n, v := range x.list {
				if v.facet == byTag && fold(v.text) == folded {
					made.wanted[i] = append(made.wanted[i], uint32(n))
				}
			}
		}
	}
	return made
}

// told reports whether a consumer is told of a facet at all.
func told(facet int, c portal.Consumer) bool { return facet != byDivision || c.Division != "" }

// misses says, a bit each, which facets of the deployment are not as asked for.
func (f *choice) misses(p *place) (bits uint32) {
	for i := range p {
		if f.active[i] && (p[i] == 0 || !slices.Contains(f.wanted[i], p[i])) {
			bits |= 1 << i
		}
	}
	return bits
}

// tagged reports whether the view has a tag that is asked for, or none is.
func (f *choice) tagged(v *view) bool {
	return !f.active[byTag] || slices.ContainsFunc(v.tags, func(n uint32) bool { return slices.Contains(f.wanted[byTag], n) })
}

// count reports whether the view passes, and counts its values: those of a facet for which it passes all other facets.
func (f *choice) count(v *view, counts []int32) bool {
	if !f.any {
		v.addTo(counts, 1)
		return true
	}
	tagged, passes := f.tagged(v), false
	var buffer [32]uint32
	counted := buffer[:0]
	add := func(n uint32) {
		if n != 0 && !slices.Contains(counted, n) {
			counted = append(counted, n)
			counts[n]++
		}
	}
	placed := false
	for i := range v.places {
		p := &v.places[i]
		switch misses := f.misses(p); {
		case misses == 0:
			placed = true
			if tagged {
				passes = true
				for _, n := range p {
					add(n)
				}
			}
		case tagged && misses&(misses-1) == 0: // one facet alone
			for i, n := range p {
				if misses == 1<<i {
					add(n)
				}
			}
		}
	}
	if placed {
		for _, n := range v.tags {
			add(n)
		}
	}
	return passes
}

// report puts counts into words.
func (t *Table) report(counts []int32, f Filter, consumer portal.Consumer) []FacetCounts {
	type key struct {
		facet int
		text  string
	}
	var found [facets][]ValueCount
	at := map[key]int{} // of tags that differ in case and accents only
	most := map[key]int32{}
	for n, count := range counts {
		if count <= 0 {
			continue
		}
		v := t.values.list[n]
		if !told(v.facet, consumer) {
			continue
		}
		if v.facet == byTag {
			k := key{v.facet, fold(v.text)}
			if i, ok := at[k]; ok {
				same := &found[byTag][i]
				same.Count += int(count)
				if most[k] < count || most[k] == count && v.text < same.Value {
					most[k], same.Value = count, v.text
				}
				continue
			}
			at[k], most[k] = len(found[byTag]), count
		}
		found[v.facet] = append(found[v.facet], ValueCount{Value: v.text, Count: int(count)})
	}
	var all []FacetCounts
	for _, facet := range Facets {
		i := slices.Index(facetNumbers[:], facet)
		list := found[i]
		same := func(a, b string) bool { return a == b || i == byTag && fold(a) == fold(b) }
		for _, asked := range f[facet] {
			n := slices.IndexFunc(list, func(v ValueCount) bool { return same(v.Value, asked) })
			if n < 0 && asked != "" {
				n, list = len(list), append(list, ValueCount{Value: asked})
			}
			if n >= 0 {
				list[n].Selected = true
			}
		}
		slices.SortFunc(list, func(a, b ValueCount) int {
			if i == byEnvironment {
				if c := cmp.Compare(t.axes.environment(portal.Environment(a.Value)), t.axes.environment(portal.Environment(b.Value))); c != 0 {
					return c
				}
			}
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
		})
		c := FacetCounts{Facet: facet, Values: list}
		if len(list) > mostValues {
			c.Values = slices.Clone(list[:mostValues])
			for _, v := range list[mostValues:] {
				if v.Selected {
					c.Values = append(c.Values, v)
				} else {
					c.More++
				}
			}
		}
		if len(c.Values) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// Face is what one audience sees of an entry, for whoever makes an index of it.
type Face struct {
	Audience    portal.Audience
	View        EntryView
	Deployments []*portal.Deployment // that they may see
	Values      map[Facet][]string   // by which they may narrow
}

// Faces returns what each audience sees of an entry, without those that do not see it.
func (t *Table) Faces(id portal.APIID) []Face {
	e := t.entries.get(id)
	if e == nil {
		return nil
	}
	var all []Face
	for i, audience := range t.axes.audiences {
		v := &e.views[i]
		if !v.visible() {
			continue
		}
		f := Face{Audience: audience, View: v.shown, Values: map[Facet][]string{}}
		for _, c := range t.seenBy(audience, e.Deployments) {
			f.Deployments = append(f.Deployments, c.deployment)
		}
		for _, n := range v.values {
			x := t.values.list[n]
			f.Values[facetNumbers[x.facet]] = append(f.Values[facetNumbers[x.facet]], x.text)
		}
		all = append(all, f)
	}
	return all
}

// IDs lists all entries, those that nobody sees among them, in order.
func (t *Table) IDs() []portal.APIID {
	var ids []portal.APIID
	for e := range t.entries.all() {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

// On lists the entries, in no order, that have a deployment on a gateway.
func (t *Table) On(gateway portal.GatewayID) []portal.APIID {
	var ids []portal.APIID
	for e := range t.entries.all() {
		if slices.ContainsFunc(e.Deployments, func(d portal.Deployment) bool { return d.Gateway == gateway }) {
			ids = append(ids, e.ID)
		}
	}
	return ids
}

// Sees reports whether a consumer may see an entry, by its id.
func (t *Table) Sees(c portal.Consumer, id portal.APIID) bool {
	number, e := t.axes.audience(c.Audience), t.entries.get(id)
	return number >= 0 && e != nil && e.views[number].visible()
}
