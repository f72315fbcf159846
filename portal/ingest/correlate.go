package ingest

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"concierge/portal"
	"concierge/portal/catalog"
)

// A Correlator decides which entry records belong to. It sees the entries and the records of one owner division only:
// automatic joins never leave it. It is pure, and its answer does not depend on when it is asked: what it joined stays
// joined.
type Correlator func(entries []catalog.Candidate, records []catalog.Record) []Join

// Join puts records into one entry.
type Join struct {
	API      portal.APIID // an existing entry; empty: a new one
	Explicit string       // the id that the entry is to carry from now on; empty: as it is
	Records  []int        // by their place in the list
	Reason   string       // in words
}

// Correlate joins by explicit id, else by title; versions of one API are lines of its one entry. A record that has an
// entry already leaves it only for the one that its explicit id names. Where a title fits several entries, a record goes
// to the one that no explicit id names, and stays apart if there are more of those. An explicit id also finds an entry
// by its slug, and gives its name to an entry that has none.
func Correlate(entries []catalog.Candidate, records []catalog.Record) []Join {
	c := correlation{explicit: map[string]int{}, slug: map[string]int{}, api: map[portal.APIID]int{}, titles: map[string][]int{}}
	for _, e := range entries {
		g := c.add(Join{API: e.ID}, e.Explicit)
		c.slug[e.Slug], c.api[e.ID] = g, g
		for _, title := range e.Titles {
			c.title(title, g)
		}
	}
	for i, r := range records {
		g, reason := c.find(r)
		if g < 0 {
			continue
		}
		c.title(r.Deployment.Title, g)
		if had, ok := c.api[r.Deployment.API]; ok && had == g {
			continue
		}
		join := &c.groups[g].Join
		join.Records = append(join.Records, i)
		if join.Reason == "" {
			join.Reason = reason
		}
	}
	var joins []Join
	for _, g := range c.groups {
		if len(g.Records) > 0 || g.Explicit != "" {
			joins = append(joins, g.Join)
		}
	}
	return joins
}

type group struct {
	Join
	explicit string // the id that names it
}

type correlation struct {
	groups   []group
	explicit map[string]int
	slug     map[string]int
	api      map[portal.APIID]int
	titles   map[string][]int // normalised
}

func (c *correlation) add(j Join, explicit string) int {
	c.groups = append(c.groups, group{Join: j})
	g := len(c.groups) - 1
	if explicit != "" {
		c.groups[g].explicit = explicit
		c.explicit[explicit] = g
	}
	return g
}

func (c *correlation) title(title string, g int) {
	t := normalTitle(title)
	if t == "" {
		return
	}
	for _, known := range c.titles[t] {
		if known == g {
			return
		}
	}
	c.titles[t] = append(c.titles[t], g)
}

// find returns the group of a record, -1 where it stays in the one that it has.
func (c *correlation) find(r catalog.Record) (g int, reason string) {
	id := explicitID(r)
	if id != "" {
		if g, ok := c.explicit[id]; ok {
			return g, "explicit id " + id
		}
		for _, found := range []func() (int, bool){
			func() (int, bool) { g, ok := c.slug[catalog.Slug(id)]; return g, ok },
			func() (int, bool) { g, ok := c.api[r.Deployment.API]; return g, ok },
			func() (int, bool) { return c.byTitle(r.Deployment.Title) },
		} {
			if g, ok := found(); ok && c.groups[g].explicit == "" {
				c.groups[g].explicit, c.groups[g].Explicit, c.explicit[id] = id, id, g
				return g, "explicit id " + id
			}
		}
		return c.add(Join{Explicit: id}, id), "explicit id " + id
	}
	if r.Deployment.API != "" {
		return -1, ""
	}
	if g, ok := c.byTitle(r.Deployment.Title); ok {
		return g, "same title"
	}
	return c.add(Join{}, ""), "alone"
}

// byTitle finds the one group of a title, or the one of several that no explicit id names.
func (c *correlation) byTitle(title string) (g int, ok bool) {
	found := c.titles[normalTitle(title)]
	if len(found) == 1 {
		return found[0], true
	}
	n := 0
	for _, f := range found {
		if c.groups[f].explicit == "" {
			g, n = f, n+1
		}
	}
	return g, n == 1
}

// explicitID is the id by which a deployment, or its document, names its entry.
func explicitID(r catalog.Record) string {
	if id := strings.TrimSpace(r.Discovered.API); id != "" {
		return id
	}
	return strings.TrimSpace(r.Described.API)
}

var titleVersion = regexp.MustCompile(`\s+((v|version )[0-9]+(\.[0-9]+)*|[0-9]+(\.[0-9]+)+)$`)

// normalTitle is what two titles of one API have in common: letters and digits in lower case, without the version at the
// end ("v2", "version 2", "2.0"; a bare "2" may be part of the name). It is empty for a title without letters and digits.
func normalTitle(title string) string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(title)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '.'
	})
	t := strings.Trim(strings.Join(words, " "), ". ")
	return titleVersion.ReplaceAllString(t, "")
}
