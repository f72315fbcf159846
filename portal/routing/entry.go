package routing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"concierge/portal"
)

// entry is an Entry, compiled.
type entry struct {
	Entry
	views []*view // by number of the audience; nil: it may not see the entry
}

// view is all of an entry that one audience may know. What Resolve reads comes first and fills one cache line.
type view struct {
	id         portal.APIID
	name       string                  // under which the audience knows the entry
	candidates []candidate             // in the order of candidate.compare
	none       *portal.NoEndpointError // the answer where a request has no endpoint
	retired    *portal.NoEndpointError // the same, where something retired would fit

	environments []int // numbers of those with an endpoint, in order
	shown        EntryView
	title        string // folded: the list is in its order
	text         string // folded: title, name and tags, each in a line of its own

	// What the list is narrowed by, as numbers in the table's values.
	setting *setting
	tags    []uint32     // different ones
	words   []placeWords // the places until they are numbered
}

// candidate is a deployment that one audience may use in one environment. It fills one cache line.
type candidate struct {
	deployment  *portal.Deployment
	region      portal.Region
	division    portal.Division
	merit       uint64 // what is known of step 8 without the consumer
	line        int32  // number of its line within the view: equal for equal lines
	environment int16
	rank        int16 // of its audience on the ladder of the consumer's: 0 is the consumer's own
	stage       int8  // stageOf its lifecycle
	mate        bool  // another candidate stands for it: see Gateway.Fleet
	joined      int32 // 0 is settled; the later it was joined automatically, the higher: equal for equal times
}

// stageOf orders lifecycles: 0 is for everybody, what is above 0 must be asked for by its version, and within a version
// the lower one wins. What is retired is there for bound applications only. What is not known is taken for active.
func stageOf(l portal.Lifecycle) int8 {
	switch l {
	case portal.Deprecated:
		return 1
	case portal.Preview:
		return 2
	case portal.Retired:
		return retired
	default:
		return 0
	}
}

const retired = 3

// Step 8 as one number: the smaller is better, and the highest bit in which two candidates differ says what decides
// between them. The lowest 32 bits are the gateway's priority, turned round.
const (
	otherRegion   = 1 << 34
	legacy        = 1 << 33
	otherDivision = 1 << 32
)

func merit(p portal.Placement, priority int32) uint64 {
	m := uint64(^(uint32(priority) ^ 1<<31)) // as unsigned, in the same order, then reversed
	if p.Legacy() {
		m |= legacy
	}
	return m
}

// compare puts candidates in an order by environment, in which the first that qualifies is of the right audience, version
// and stage, and its equals are next to it, by id. What was joined automatically comes after all that was there before it:
// so it never is the answer to a request that has had one.
func (c *candidate) compare(d *candidate) int {
	return cmp.Or(
		cmp.Compare(c.environment, d.environment),
		cmp.Compare(c.joined, d.joined),
		cmp.Compare(c.rank, d.rank),
		cmp.Compare(c.line, d.line),
		cmp.Compare(c.stage, d.stage),
		after(c.mate, d.mate),
		strings.Compare(string(c.deployment.ID), string(d.deployment.ID)),
	)
}

func after(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// equal reports whether neither a join nor steps 3 and 4 make a difference between two candidates of one environment, nor
// another one of their fleet.
func (c *candidate) equal(d *candidate) bool {
	return c.joined == d.joined && c.rank == d.rank && c.line == d.line && c.stage == d.stage && c.mate == d.mate
}

// Kinds of name, the stronger first.
const (
	nameID = iota
	nameSlug
	nameAlias
)

// eachName lists what an entry answers to, each name once with its strongest kind.
func (e *Entry) eachName(f func(name string, kind int)) {
	f(string(e.ID), nameID)
	seen := []string{"", string(e.ID)}
	each := func(name string, kind int) {
		if !slices.Contains(seen, name) {
			seen = append(seen, name)
			f(name, kind)
		}
	}
	each(e.Slug, nameSlug)
	for _, alias := range e.Aliases {
		each(alias, nameAlias)
	}
}

// compile works out what each audience sees of an entry.
func (t *Table) compile(source *Entry) *entry {
	e := &entry{Entry: *source, views: make([]*view, len(t.axes.audiences))}
	for i, audience := range t.axes.audiences {
		if seen := t.seenBy(audience, e.Deployments); len(seen) > 0 {
			e.views[i] = t.view(audience, &e.Entry, seen)
		}
	}
	return e
}

// seenBy lists what an audience may see, active or not: steps 2 and 3, for every environment. Whatever is not known for
// certain is left out.
func (t *Table) seenBy(audience portal.Audience, deployments []portal.Deployment) []candidate {
	seen := make([]candidate, 0, len(deployments))
	for i := range deployments {
		d := &deployments[i]
		environment := t.axes.environment(d.Placement.Environment())
		rank, ok := t.axes.ladder.Rank(audience, d.Placement.Audience())
		if !d.Placement.Classified() || environment < 0 || !ok {
			continue
		}
		seen = append(seen, candidate{
			deployment: d, region: d.Placement.Region(), division: d.Placement.Division(),
			environment: int16(environment), rank: int16(rank), stage: stageOf(d.Lifecycle),
			merit: merit(d.Placement, t.gateways[d.Gateway].Priority),
		})
	}
	return seen
}

// view compiles what an audience sees of an entry from the deployments that they see.
func (t *Table) view(audience portal.Audience, e *Entry, seen []candidate) *view {
	v := &view{id: e.ID}
	lines, times := linesOf(seen), timesOf(seen)
	v.candidates = make([]candidate, 0, count(seen, func(c *candidate) bool { return c.deployment.Active }))
	for i := range seen {
		c := &seen[i]
		c.joined = int32(slices.IndexFunc(times, c.deployment.Since.Equal) + 1)
		c.line = int32(slices.Index(lines, c.deployment.Line))
		if c.deployment.Active {
			v.candidates = append(v.candidates, *c)
		}
	}
	t.mates(v.candidates)
	slices.SortFunc(v.candidates, func(a, b candidate) int { return a.compare(&b) })
	for i := range v.candidates {
		if n := int(v.candidates[i].environment); v.candidates[i].stage != retired && !slices.Contains(v.environments, n) {
			v.environments = append(v.environments, n)
		}
	}
	v.project(t, audience, e, seen, lines)
	v.classify(t.axes, seen)
	v.none = &portal.NoEndpointError{API: v.name, Environments: t.axes.names(v.environments)}
	v.retired = &portal.NoEndpointError{API: v.name, Environments: v.none.Environments, Retired: true}
	return v
}

// mates marks all but one of the candidates that are one place to callers: of one fleet, at one address. The one that stands
// for them is of the best merit, then of the lowest id. An application that is bound to another of them stays there.
func (t *Table) mates(candidates []candidate) {
	type place struct {
		fleet, address    string
		environment, rank int16
		line, joined      int32
		stage             int8
	}
	stands := map[place]*candidate{}
	for i := range candidates {
		c := &candidates[i]
		fleet := t.gateways[c.deployment.Gateway].Fleet
		if fleet == "" || c.deployment.BaseURL == "" {
			continue
		}
		at := place{fleet, c.deployment.BaseURL, c.environment, c.rank, c.line, c.joined, c.stage}
		best := stands[at]
		if best == nil {
			stands[at] = c
			continue
		}
		if cmp.Or(cmp.Compare(c.merit, best.merit), strings.Compare(string(c.deployment.ID), string(best.deployment.ID))) < 0 {
			c, stands[at] = best, c
		}
		c.mate = true
	}
}

// linesOf lists the different lines, the newest first.
func linesOf(seen []candidate) []string {
	var lines []string
	for i := range seen {
		if line := seen[i].deployment.Line; !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return compareLines(b, a) })
	return lines
}

// timesOf lists the different times of automatic joins, the oldest first.
func timesOf(seen []candidate) []time.Time {
	var times []time.Time
	for i := range seen {
		if since := seen[i].deployment.Since; !since.IsZero() && !slices.ContainsFunc(times, since.Equal) {
			times = append(times, since)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

func count(all []candidate, is func(*candidate) bool) (n int) {
	for i := range all {
		if is(&all[i]) {
			n++
		}
	}
	return n
}

func (v *view) visible() bool { return v != nil }

// cellOf returns the candidates of one environment.
func cellOf(all []candidate, environment int) []candidate {
	first := 0
	for first < len(all) && int(all[first].environment) < environment {
		first++
	}
	end := first
	for end < len(all) && int(all[end].environment) == environment {
		end++
	}
	return all[first:end]
}

// compare is the order of the catalog.
func (v *view) compare(w *view) int {
	return cmp.Or(strings.Compare(v.title, w.title), strings.Compare(string(v.id), string(w.id)))
}

// count adds by to the count of every environment in which the entry has an endpoint.
func (v *view) count(endpoints []int, by int) {
	for _, n := range v.environments {
		endpoints[n] += by
	}
}
