package routing

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
func (v *view) project(t *Table, audience portal.Audience, e *Entry, seen []candidate, lines []string) {
	a := t.axes
	slices.SortFunc(seen, func(c, d candidate) int { return a.compareTelling(&c, &d) })
	lead := seen[0].deployment
	v.name = e.nameFor(seen)
	var curated Curated
	if len(e.Texts)+len(e.Guides) > 0 {
		curated = t.conceal(Curate(a.ladder, audience, e.Texts, e.Guides), e, seen)
	}
	v.shown = EntryView{
		ID: e.ID, Name: v.name,
		Title: lead.Title, Summary: cmp.Or(curated.Summary, lead.Summary), Description: lead.Description, Tags: lead.Tags, Owner: lead.Owner,
		Versions: v.versions(a, seen, lines), Curated: curated,
	}
	if len(curated.Tags) > 0 {
		v.shown.Tags = curated.Tags
	}
	title := fold(lead.Title)
	text := []string{title, fold(v.name)}
	for _, tag := range v.shown.Tags {
		text = append(text, fold(tag))
	}
	for _, g := range curated.Guides {
		text = append(text, fold(g.Title))
	}
	v.text = strings.Join(text, "\n") // no folded query holds a line break, so that a word is found in one of them
	v.title = v.text[:len(title)]
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
	if portal.Reserved(e.Slug) {
		return string(e.ID)
	}
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
			for seen := range wordsOf(fold(text)) {
				if missing = slices.DeleteFunc(missing, func(word string) bool { return word == seen }); len(missing) == 0 {
					return true
				}
			}
		}
	}
	return false
}

// Query asks for a page of the catalog.
type Query struct {
	Q      string // words
	Filter Filter
	// Found is what an index of words has for Q; nil: there is none to ask, and each word must occur in title, tags or name.
	Found *Found
	After Cursor // zero: from the start
	Limit int    // 0 means 50; the most is 200
}

// Found are entries that an index of words has for a query. What the consumer may not see does no harm in it.
type Found struct {
	Texts      []portal.APIID // every word is in title, name, tags or summary
	Operations []portal.APIID // some word, or a path, is in the operations only
	More       bool           // there are others
}

// Listing is a page of the catalog.
type Listing struct {
	Items  []EntryView
	Next   Cursor // zero on the last page
	Total  int    // entries on all pages
	More   bool   // there are more than Total, and counts are of those alone
	Facets []FacetCounts
}

// Cursor is the place in a list after which the next page begins. It holds for a changed table too. It names an entry
// that the consumer has seen.
type Cursor struct {
	Rank  int
	Title string
	ID    portal.APIID
}

// Sizes of a page.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// MostFound is how many entries a search lists and counts.
const MostFound = 1000

// Ranks of what is found, the best first.
const (
	rankExact  = iota // the title or the name is what was asked for
	rankBegins        // the title begins so
	rankTitle         // every word begins one of title or name
	rankTags          // or of the tags
	rankText
	rankOperation
)

// hit is a view in a list.
type hit struct {
	*view
	rank int
}

func (h hit) compare(i hit) int { return cmp.Or(cmp.Compare(h.rank, i.rank), h.view.compare(i.view)) }

// APIs lists what the consumer sees: all of it by title, or what is found by words, the best first.
func (t *Table) APIs(c portal.Consumer, q Query) Listing {
	number := t.axes.audience(c.Audience)
	if number < 0 {
		return Listing{}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	words := strings.Fields(fold(q.Q))
	chosen := t.values.choice(q.Filter, c)
	class := &t.classes[number]
	if len(words) == 0 && !chosen.any {
		return t.everything(class, c, q, limit)
	}

	if len(words) == 0 {
		return t.narrowed(class, c, q, chosen, limit)
	}

	var l Listing
	counted := t.values.tally(chosen)
	var hits []hit
	take := func(v *view, rank int) {
		if counted.take(v.setting.number, v.tags) {
			hits = append(hits, hit{v, rank})
		}
	}
	if q.Found == nil {
		for _, v := range class.views {
			if v.holds(words) {
				take(v, v.rank(words, rankTags))
			}
		}
	} else {
		var found []hit
		found, l.More = t.found(class, number, words, q.Found)
		for _, h := range found {
			take(h.view, h.rank)
		}
	}
	slices.SortFunc(hits, hit.compare)
	l.Total, l.Facets = len(hits), t.report(counted.counted(), q.Filter, c)
	if q.After != (Cursor{}) {
		after := hit{&view{title: q.After.Title, id: q.After.ID}, q.After.Rank}
		n, found := slices.BinarySearchFunc(hits, after, hit.compare)
		if found {
			n++
		}
		hits = hits[n:]
	}
	if len(hits) > limit {
		hits = hits[:limit]
		last := hits[limit-1]
		l.Next = Cursor{Rank: last.rank, Title: last.title, ID: last.id}
	}
	for _, h := range hits {
		l.Items = append(l.Items, h.shown)
	}
	return l
}

// narrowed lists those of a class that pass a filter, by title.
func (t *Table) narrowed(class *class, c portal.Consumer, q Query, chosen choice, limit int) Listing {
	var l Listing
	from := class.after(q.After)
	counted, o := t.values.tally(chosen), class.outline.of(class)
	begin, last := uint32(0), 0
	for i, end := range o.ends {
		passes := counted.take(o.settings[i], o.tags[begin:end])
		begin = end
		if !passes {
			continue
		}
		l.Total++
		if i < from {
			continue
		}
		if len(l.Items) == limit {
			l.Next = Cursor{Title: class.views[last].title, ID: class.views[last].id}
			continue
		}
		l.Items, last = append(l.Items, class.views[i].shown), i
	}
	l.Facets = t.report(counted.counted(), q.Filter, c)
	return l
}

// after is the position of the first view after a place in the list.
func (c *class) after(place Cursor) int {
	if place == (Cursor{}) {
		return 0
	}
	n, found := slices.BinarySearchFunc(c.views, &view{title: place.Title, id: place.ID}, (*view).compare)
	if found {
		n++
	}
	return n
}

// everything lists a class by title. Its counts are known.
func (t *Table) everything(class *class, c portal.Consumer, q Query, limit int) Listing {
	l := Listing{Total: len(class.views), Facets: class.outline.report(t, class, c)}
	rest := class.views[class.after(q.After):]
	if len(rest) > limit {
		rest = rest[:limit]
		last := rest[limit-1]
		l.Next = Cursor{Title: last.title, ID: last.id}
	}
	for _, v := range rest {
		l.Items = append(l.Items, v.shown)
	}
	return l
}

// found ranks what an index has. Where that is not all, what is titled so comes in from the table.
func (t *Table) found(c *class, number int, words []string, f *Found) (hits []hit, more bool) {
	seen := map[portal.APIID]bool{}
	take := func(v *view, rank int) {
		if !seen[v.id] {
			seen[v.id] = true
			hits = append(hits, hit{v, v.rank(words, rank)})
		}
	}
	if f.More {
		titled := c.titled(strings.Join(words, " "))
		for _, v := range titled[:min(len(titled), MostFound)] {
			take(v, rankText)
		}
	}
	for _, part := range []struct {
		ids  []portal.APIID
		rank int
	}{{f.Texts, rankText}, {f.Operations, rankOperation}} {
		for _, id := range part.ids {
			if e := t.entries.get(id); e != nil && e.views[number].visible() {
				take(e.views[number], part.rank)
			}
		}
	}
	if len(hits) > MostFound {
		slices.SortFunc(hits, hit.compare)
		return hits[:MostFound], true
	}
	return hits, f.More
}

// titled are the views whose title begins so.
func (c *class) titled(prefix string) []*view {
	first := sort.Search(len(c.views), func(i int) bool { return c.views[i].title >= prefix })
	rest := c.views[first:]
	return rest[:sort.Search(len(rest), func(i int) bool { return !strings.HasPrefix(rest[i].title, prefix) })]
}

// rank says how well the view answers; otherwise is the rank where the words are neither in title nor tags.
func (v *view) rank(words []string, otherwise int) int {
	query := strings.Join(words, " ")
	title, rest, _ := strings.Cut(v.text, "\n")
	name, _, _ := strings.Cut(rest, "\n")
	switch {
	case title == query || name == query:
		return rankExact
	case strings.HasPrefix(title, query):
		return rankBegins
	case begins(v.text[:len(title)+1+len(name)], words):
		return rankTitle
	case begins(v.text, words):
		return rankTags
	}
	return otherwise
}

// begins reports whether each of the words begins a word of the text.
func begins(text string, all []string) bool {
	return !slices.ContainsFunc(all, func(word string) bool {
		for from := 0; ; from++ {
			at := strings.Index(text[from:], word)
			if at < 0 {
				return true
			}
			from += at
			if before, _ := utf8.DecodeLastRuneInString(text[:from]); !unicode.IsLetter(before) && !unicode.IsDigit(before) {
				return false
			}
		}
	})
}

// holds reports whether each of the words is somewhere in title, name or tags.
func (v *view) holds(words []string) bool {
	for _, word := range words {
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
