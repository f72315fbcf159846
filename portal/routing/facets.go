package routing

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"

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

// setting is the different places of an entry's deployments as one audience sees them. There are far fewer than entries: what
// a filter has to do with one is worked out once.
type setting struct {
	number uint32
	places []place
	values []uint32 // of all places, each once
}

// values numbers the values of all facets from 1 on, and settings from 0 on. It never changes; edit makes the next one.
type values struct {
	numbers  map[value]uint32
	list     []value             // by number; the first is none
	tags     map[string]uint32   // the first number of the tags that are alike without regard to case and accents
	alike    []uint32            // by number: of a tag the one in tags, else the number itself
	others   map[uint32][]uint32 // by such a first number: the further ones
	several  []bool              // by number: it has others
	settings map[string]*setting
	numbered []*setting // by number
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

// change makes what it holds its own.
func (e *valuesEdit) change() {
	if e.own {
		return
	}
	e.own = true
	if e.numbers == nil {
		e.values = values{map[value]uint32{}, []value{{}}, map[string]uint32{}, []uint32{0}, map[uint32][]uint32{}, []bool{false}, map[string]*setting{}, nil}
		return
	}
	e.values = values{maps.Clone(e.numbers), slices.Clone(e.list), maps.Clone(e.tags), slices.Clone(e.alike), maps.Clone(e.others), slices.Clone(e.several), maps.Clone(e.settings), slices.Clone(e.numbered)}
}

func (e *valuesEdit) number(facet int, text string) uint32 {
	if text == "" {
		return 0
	}
	v := value{facet, text}
	if n, ok := e.numbers[v]; ok {
		return n
	}
	e.change()
	n := uint32(len(e.list))
	v.text = strings.Clone(text) // it outlives the deployment
	e.numbers[v], e.list, e.alike, e.several = n, append(e.list, v), append(e.alike, n), append(e.several, false)
	if facet == byTag {
		folded := fold(text)
		if first, ok := e.tags[folded]; ok {
			e.alike[n], e.several[first] = first, true
			e.others[first] = append(slices.Clip(e.others[first]), n)
		} else {
			e.tags[folded] = n
		}
	}
	return n
}

// setting finds or makes the one of these places, which are different ones.
func (e *valuesEdit) setting(places []place) *setting {
	slices.SortFunc(places, func(a, b place) int { return slices.Compare(a[:], b[:]) })
	key := make([]byte, 0, len(places)*placeFacets*4)
	for _, p := range places {
		for _, n := range p {
			key = binary.LittleEndian.AppendUint32(key, n)
		}
	}
	if known := e.settings[string(key)]; known != nil {
		return known
	}
	e.change()
	s := &setting{number: uint32(len(e.numbered)), places: places}
	for _, p := range places {
		for _, n := range p {
			if n != 0 && !slices.Contains(s.values, n) {
				s.values = append(s.values, n)
			}
		}
	}
	e.settings[string(key)], e.numbered = s, append(e.numbered, s)
	return s
}

// classify notes by what the view is narrowed, in words. Entries are compiled side by side and numbered one by one.
func (v *view) classify(a *axes, seen []candidate) {
	for i := range seen {
		d := seen[i].deployment
		p := placeWords{
			byAudience: string(d.Placement.Audience()), byDivision: string(d.Placement.Division()), byRegion: string(d.Placement.Region()),
			byLifecycle: string(d.Lifecycle), byKind: d.Kind, byGateway: string(d.Gateway),
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
	places := make([]place, len(v.words))
	for i, words := range v.words {
		for k, text := range words {
			places[i][k] = e.number(k, text)
		}
	}
	v.setting, v.words = e.setting(places), nil
	for _, tag := range v.shown.Tags {
		if n := e.number(byTag, tag); n != 0 && !slices.ContainsFunc(v.tags, func(m uint32) bool { return e.alike[m] == e.alike[n] }) {
			v.tags = append(v.tags, n)
		}
	}
	v.tags = slices.Clip(v.tags)
}

// addTo adds by to the counts of all values of the view.
func (v *view) addTo(counts []int32, by int32) {
	for _, n := range v.setting.values {
		counts[n] += by
	}
	for _, n := range v.tags {
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
			switch { // 0 where nothing has it
			case !told(i, c):
			case i == byTag:
				made.wanted[i] = append(made.wanted[i], x.tags[fold(text)])
			default:
				made.wanted[i] = append(made.wanted[i], x.numbers[value{i, text}])
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

// tally narrows views and counts values of those that are left: those of a facet for which a view passes all other facets.
type tally struct {
	choice
	values  values
	counts  []int32   // by number of the value
	settled []settled // by number of the setting
}

// settled is what a filter has to do with a setting.
type settled struct {
	known, placed bool  // placed: one of its places is as asked for
	views         int32 // that have it, and a tag that is asked for
}

func (x values) tally(c choice) *tally {
	return &tally{choice: c, values: x, counts: make([]int32, len(x.list)), settled: make([]settled, len(x.numbered))}
}

// take reports whether a view with this setting and these tags passes, and counts it.
func (t *tally) take(setting uint32, tags []uint32) bool {
	s := &t.settled[setting]
	if !s.known {
		s.known = true
		s.placed = slices.ContainsFunc(t.values.numbered[setting].places, func(p place) bool { return t.misses(&p) == 0 })
	}
	tagged := !t.active[byTag] || slices.ContainsFunc(tags, func(n uint32) bool { return slices.Contains(t.wanted[byTag], t.values.alike[n]) })
	if tagged {
		s.views++
	}
	if s.placed {
		for _, n := range tags {
			t.counts[n]++
		}
	}
	return tagged && s.placed
}

// counted returns how many of the views taken have a value, by its number.
func (t *tally) counted() []int32 {
	var counted []uint32 // of one setting
	for number, s := range t.settled {
		if s.views == 0 {
			continue
		}
		counted = counted[:0]
		add := func(n uint32) {
			if n != 0 && !slices.Contains(counted, n) {
				counted = append(counted, n)
				t.counts[n] += s.views
			}
		}
		places := t.values.numbered[number].places
		for i := range places {
			p := &places[i]
			switch misses := t.misses(p); {
			case misses == 0:
				for _, n := range p {
					add(n)
				}
			case misses&(misses-1) == 0: // one facet alone
				add(p[bits.TrailingZeros32(misses)])
			}
		}
	}
	return t.counts
}

// report puts counts into words: of each facet the values of most entries, and those asked for.
func (t *Table) report(counts []int32, f Filter, consumer portal.Consumer) []FacetCounts {
	var found [facets][]ValueCount
	var left [facets]int // values that are counted and not in found
	for n, count := range counts {
		if count <= 0 && !t.values.several[n] {
			continue
		}
		v := t.values.list[n]
		if v.facet == byTag {
			if t.values.alike[n] != uint32(n) {
				continue // it is counted with the first that is like it
			}
			if t.values.several[n] {
				for _, m := range t.values.others[uint32(n)] {
					if int(m) < len(counts) {
						count += counts[m]
					}
				}
			}
		}
		if count <= 0 || !told(v.facet, consumer) {
			continue
		}
		list := found[v.facet]
		if v.facet != byEnvironment && len(list) == mostValues {
			left[v.facet]++
			if int(count) < list[mostValues-1].Count {
				continue
			}
			list = list[:mostValues-1]
			if last := found[v.facet][mostValues-1]; moreFrequent(last, ValueCount{Value: t.spelling(counts, uint32(n)), Count: int(count)}) < 0 {
				continue
			}
		}
		one := ValueCount{Value: t.spelling(counts, uint32(n)), Count: int(count)}
		at, _ := slices.BinarySearchFunc(list, one, moreFrequent)
		found[v.facet] = slices.Insert(list, at, one)
	}
	var all []FacetCounts
	for _, facet := range Facets {
		i := slices.Index(facetNumbers[:], facet)
		list := found[i]
		if i == byEnvironment {
			slices.SortStableFunc(list, func(a, b ValueCount) int {
				return cmp.Compare(t.axes.environment(portal.Environment(a.Value)), t.axes.environment(portal.Environment(b.Value)))
			})
		}
		for _, asked := range f[facet] {
			if asked == "" {
				continue
			}
			n := slices.IndexFunc(list, func(v ValueCount) bool { return v.Value == asked || i == byTag && fold(v.Value) == fold(asked) })
			if n < 0 {
				one := ValueCount{Value: asked}
				if told(i, consumer) {
					one = t.valueCount(counts, i, asked)
				}
				if one.Count > 0 {
					left[i]--
				}
				n, list = len(list), append(list, one)
			}
			list[n].Selected = true
		}
		if len(list) > 0 {
			all = append(all, FacetCounts{Facet: facet, Values: list, More: left[i]})
		}
	}
	return all
}

// outline is what a class is narrowed and counted by, made when somebody asks for the first time.
type outline struct {
	views sync.Once
	// By the position of a view: the number of its setting, and where its tags end.
	settings, ends []uint32
	tags           []uint32

	reports [2]struct { // of the whole class: for those who are told of no division, and for others
		once   sync.Once
		facets []FacetCounts
	}
}

// of returns the outline of a class with its views filled in: side by side they are read many times as fast.
func (o *outline) of(c *class) *outline {
	o.views.Do(func() {
		o.settings, o.ends = make([]uint32, len(c.views)), make([]uint32, len(c.views))
		for i, v := range c.views {
			o.tags = append(o.tags, v.tags...)
			o.settings[i], o.ends[i] = v.setting.number, uint32(len(o.tags))
		}
	})
	return o
}

func (o *outline) report(t *Table, c *class, consumer portal.Consumer) []FacetCounts {
	one := &o.reports[0]
	if told(byDivision, consumer) {
		one = &o.reports[1]
	}
	one.once.Do(func() { one.facets = t.report(c.counts, nil, consumer) })
	return one.facets
}

func moreFrequent(a, b ValueCount) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
}

// spelling is how most write a value; of a tag, those of other case and accents among them.
func (t *Table) spelling(counts []int32, first uint32) string {
	best := first
	for _, n := range t.values.others[first] {
		if int(n) < len(counts) && (counts[n] > counts[best] || counts[n] == counts[best] && t.values.list[n].text < t.values.list[best].text) {
			best = n
		}
	}
	return t.values.list[best].text
}

// valueCount looks up one value.
func (t *Table) valueCount(counts []int32, facet int, text string) ValueCount {
	n := t.values.numbers[value{facet, text}]
	if facet == byTag {
		n = t.values.tags[fold(text)]
	}
	one := ValueCount{Value: text}
	for _, m := range append([]uint32{n}, t.values.others[n]...) {
		if m != 0 && int(m) < len(counts) {
			one.Count += int(counts[m])
		}
	}
	if one.Count > 0 {
		one.Value = t.spelling(counts, n)
	}
	return one
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
		v := e.views[i]
		if !v.visible() {
			continue
		}
		f := Face{Audience: audience, View: v.shown, Values: map[Facet][]string{}}
		for _, c := range t.seenBy(audience, e.Deployments) {
			f.Deployments = append(f.Deployments, c.deployment)
		}
		for _, n := range append(slices.Clip(v.setting.values), v.tags...) {
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

// On lists the entries, in no order, that have a deployment on one of these gateways.
func (t *Table) On(gateways map[portal.GatewayID]bool) []portal.APIID {
	if len(gateways) == 0 {
		return nil
	}
	var ids []portal.APIID
	for e := range t.entries.all() {
		if slices.ContainsFunc(e.Deployments, func(d portal.Deployment) bool { return gateways[d.Gateway] }) {
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
