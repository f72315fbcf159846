package routing

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"concierge/portal"
)

// EntryView is an entry as one consumer sees it, made of nothing but the deployments that they may see.
type EntryView struct {
	ID portal.APIID
	// Name is the entry's stable name for this consumer: its slug where they may read that, else its id.
	Name string
	// Title, Summary, Description, Tags and Owner are those, but for what is curated, of the deployment that comes first for the consumer's
	// audience: production before other environments (later ones first), then as Resolve prefers them.
	Title       string
	Summary     string
	Description string // markdown from outside: render it through document.Markdown only
	Tags        []string
	Owner       string
	Versions    []VersionView // the newest first
	// Curated are the owners' own texts for the audience. Its summary and tags, where there are any, are above in place of
	// the deployment's.
	Curated Curated
}

// VersionView is one line of an entry.
type VersionView struct {
	Line string
	// Lifecycle, and what belongs to it, is that of the line's first deployment, in the order of EntryView.
	Lifecycle  portal.Lifecycle
	Deprecated time.Time // zero: it is not, or not known since when
	Sunset     time.Time // zero: none announced
	Successor  string    // see portal.ParseSuccessor; it may name what this consumer may not see
	// Environments are those in which asking for this line gives the consumer an endpoint, in configured order. They are
	// none for a line whose deployments are all inactive or retired.
	Environments []portal.Environment
}

// project fills in the descriptive part of a view.
func (v *view) project(a *axes, audience portal.Audience, e *Entry, seen []candidate, lines []string) {
	slices.SortFunc(seen, func(c, d candidate) int { return a.compareTelling(&c, &d) })
	lead := seen[0].deployment
	v.name = e.nameFor(seen)
	curated := Curate(a.ladder, audience, e.Texts, e.Guides)
	v.shown = EntryView{
		ID: e.ID, Name: v.name,
		Title: lead.Title, Summary: cmp.Or(curated.Summary, lead.Summary), Description: lead.Description, Tags: lead.Tags, Owner: lead.Owner,
		Versions: v.versions(a, seen, lines), Curated: curated,
	}
	if len(curated.Tags) > 0 {
		v.shown.Tags = curated.Tags
	}
	v.title = fold(lead.Title)
	v.tags = make([]string, len(v.shown.Tags))
	for i, tag := range v.shown.Tags {
		v.tags[i] = fold(tag)
	}
	texts := append([]string{v.title, fold(v.shown.Summary), fold(v.name)}, v.tags...)
	for _, g := range curated.Guides {
		texts = append(texts, fold(g.Title))
	}
	// A line break keeps a word from matching across two texts: no folded query holds one.
	v.text = strings.Join(texts, "\n")
}

// compareTelling orders deployments by how much they have to say about their entry.
func (a *axes) compareTelling(c, d *candidate) int {
	return cmp.Or(
		preferTrue(c.deployment.Active, d.deployment.Active),
		preferTrue(a.environments[c.environment] == portal.Production, a.environments[d.environment] == portal.Production),
		cmp.Compare(d.environment, c.environment),
		preferTrue(c.stage == 0, d.stage == 0),
		cmp.Compare(c.rank, d.rank),
		cmp.Compare(c.line, d.line),
		cmp.Compare(c.stage, d.stage),
		cmp.Compare(c.merit, d.merit),
		strings.Compare(string(c.deployment.ID), string(d.deployment.ID)),
	)
}

func preferTrue(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// versions lists the lines of what is seen, which is in the order of compareTelling.
func (v *view) versions(a *axes, seen []candidate, lines []string) []VersionView {
	list := make([]VersionView, len(lines))
	for n, line := range lines {
		first := slices.IndexFunc(seen, func(c candidate) bool { return int(c.line) == n })
		d := seen[first].deployment
		list[n] = VersionView{Line: line, Lifecycle: d.Lifecycle, Deprecated: d.Deprecated, Sunset: d.Sunset, Successor: d.Successor}
		var environments []int
		for i := range v.candidates {
			c := &v.candidates[i]
			if int(c.line) == n && c.stage != retired && !slices.Contains(environments, int(c.environment)) {
				environments = append(environments, int(c.environment))
			}
		}
		list[n].Environments = a.names(environments)
	}
	return list
}

// nameFor chooses the name under which an entry is shown to those who see these deployments. A slug comes from a title or
// from an explicit id, which may be that of an internal deployment; it is shown to those only who can read its words
// elsewhere. The id says nothing to anybody.
func (e *Entry) nameFor(seen []candidate) string {
	told := e.Slug != "" && slices.ContainsFunc(seen, func(c candidate) bool {
		return slices.Contains(e.Named, c.deployment.ID)
	})
	if !told {
		visible := make([]*portal.Deployment, len(seen))
		for i := range seen {
			visible[i] = seen[i].deployment
		}
		told = SlugTold(e.Slug, visible)
	}
	if told {
		return e.Slug
	}
	return string(e.ID)
}

// SlugTold reports whether a slug tells nothing new to those who see these deployments: each of its words is a word of
// their titles, summaries, tags, versions or addresses, without regard to case and accents. The catalog may ask before it
// settles on a slug; an entry whose slug is not told is shown by its id.
func SlugTold(slug string, visible []*portal.Deployment) bool {
	missing := words(fold(slug))
	if len(missing) == 0 {
		return false
	}
	for _, d := range visible {
		for _, text := range append([]string{d.Title, d.Summary, d.BaseURL, d.Version, d.Line}, d.Tags...) {
			seen := words(fold(text))
			missing = slices.DeleteFunc(missing, func(word string) bool { return slices.Contains(seen, word) })
			if len(missing) == 0 {
				return true
			}
		}
	}
	return false
}

// Query asks for a page of the catalog. Empty fields do not filter.
type Query struct {
	Q           string // every word must occur in title, summary, tags or name
	Environment portal.Environment
	Tag         string
	After       Cursor // zero: from the start
	Limit       int    // 0 means 50; the most is 200
}

// Cursor is the place in a list after which the next page begins. It holds for a changed table too. It names an entry
// that the consumer has seen.
type Cursor struct {
	Rest  bool // past those whose title begins with the query
	Title string
	ID    portal.APIID
}

// Sizes of a page.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// APIs lists what the consumer sees, by title; with Q, those whose title begins with it come first. next is zero on the
// last page.
func (t *Table) APIs(c portal.Consumer, q Query) (items []EntryView, next Cursor) {
	number := t.axes.audience(c.Audience)
	if number < 0 {
		return nil, Cursor{}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)

	s := search{
		words: strings.Fields(fold(q.Q)), tag: fold(q.Tag),
		environment: -1, anyEnvironment: q.Environment == "",
	}
	if !s.anyEnvironment {
		if s.environment = t.axes.environment(q.Environment); s.environment < 0 {
			return nil, Cursor{}
		}
	}

	views := t.classes[number].views
	prefix := strings.Join(s.words, " ")
	first := sort.Search(len(views), func(i int) bool { return views[i].title >= prefix })
	end := first + sort.Search(len(views)-first, func(i int) bool { return !strings.HasPrefix(views[first+i].title, prefix) })
	var last Cursor
	// take looks at a part of the list and reports whether the page is full.
	take := func(part []*view, rest bool) bool {
		if q.After != (Cursor{}) && q.After.Rest == rest {
			after := view{title: q.After.Title, id: q.After.ID}
			n, found := slices.BinarySearchFunc(part, &after, (*view).compare)
			if found {
				n++
			}
			part = part[n:]
		}
		for _, v := range part {
			if !s.matches(v) {
				continue
			}
			if len(items) == limit {
				next = last
				return true
			}
			items = append(items, v.shown)
			last = Cursor{Rest: rest, Title: v.title, ID: v.id}
		}
		return false
	}
	if !q.After.Rest && take(views[first:end], false) {
		return items, next
	}
	if !take(views[:first], true) {
		take(views[end:], true)
	}
	return items, next
}

// search is a query made ready.
type search struct {
	words          []string
	tag            string
	environment    int
	anyEnvironment bool
}

func (s *search) matches(v *view) bool {
	if !s.anyEnvironment && !slices.Contains(v.environments, s.environment) {
		return false
	}
	if s.tag != "" && !slices.Contains(v.tags, s.tag) {
		return false
	}
	for _, word := range s.words {
		if !strings.Contains(v.text, word) {
			return false
		}
	}
	return true
}

// API returns one entry by slug, alias or id. Errors: portal.ErrNotFound where there is none that the consumer may see.
func (t *Table) API(c portal.Consumer, name string) (EntryView, error) {
	v := t.find(c.Audience, name).view
	if v == nil {
		return EntryView{}, portal.ErrNotFound
	}
	return v.shown, nil
}

// Environments lists those in which the consumer has any endpoint at all, in configured order.
func (t *Table) Environments(c portal.Consumer) []portal.Environment {
	var list []portal.Environment
	if number := t.axes.audience(c.Audience); number >= 0 {
		for i, n := range t.classes[number].endpoints {
			if n > 0 {
				list = append(list, t.axes.environments[i])
			}
		}
	}
	return list
}
