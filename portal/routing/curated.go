package routing

import (
	"cmp"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/access"
)

// Curated is what one audience reads of the owners' own texts. The zero value is nothing.
type Curated struct {
	Summary string
	Contact portal.Contact
	Tags    []string
	Links   []portal.TextLink
	Guides  []portal.Guide // as far as they were given: the table has no bodies
}

// Curate chooses what an audience reads: of what is marked for it, or for another audience that it may use, the summary,
// contact and tags that are nearest to it on its ladder, each by itself, and all links and guides, the nearest first. What
// is marked for any other audience, or for none, is nobody's business.
func Curate(ladder access.Audiences, reader portal.Audience, texts []portal.AudienceText, guides []portal.Guide) Curated {
	type ranked struct {
		*portal.AudienceText
		rank int
	}
	var mine []ranked
	for i := range texts {
		if rank, ok := rankOf(ladder, reader, texts[i].Audience); ok {
			mine = append(mine, ranked{&texts[i], rank})
		}
	}
	slices.SortStableFunc(mine, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	var c Curated
	for _, t := range mine {
		c.Summary = cmp.Or(c.Summary, t.Summary)
		c.Contact = cmp.Or(c.Contact, t.Contact)
		if len(c.Tags) == 0 {
			c.Tags = t.Tags
		}
		c.Links = append(c.Links, t.Links...)
	}
	for _, g := range guides {
		if _, ok := rankOf(ladder, reader, g.Audience); ok {
			c.Guides = append(c.Guides, g) // in the owners' order
		}
	}
	return c
}

// conceal takes out of what an audience reads every word that names a place which they do not see: the address of another
// deployment of the entry, or an admin side. A link there goes whole. So nobody finds by such a word either.
func (t *Table) conceal(c Curated, e *Entry, seen []candidate) Curated {
	var hidden, own []string
	for i := range seen {
		own = append(own, hostOf(seen[i].deployment.BaseURL))
	}
	for i := range e.Deployments {
		d := &e.Deployments[i]
		if slices.ContainsFunc(seen, func(s candidate) bool { return s.deployment == d }) {
			continue
		}
		_, place, _ := strings.Cut(d.BaseURL, "://")
		hidden = append(hidden, strings.ToLower(place))
		if host := hostOf(d.BaseURL); !slices.Contains(own, host) {
			hidden = append(hidden, host)
		}
	}
	hidden = slices.DeleteFunc(append(hidden, t.adminHosts...), func(h string) bool { return h == "" || slices.Contains(own, h) })
	named := func(s string) bool {
		s = strings.ToLower(s)
		return slices.ContainsFunc(hidden, func(h string) bool { return strings.Contains(s, h) })
	}
	clean := func(s string) string {
		if !named(s) {
			return s
		}
		return strings.Join(slices.DeleteFunc(strings.Fields(s), named), " ")
	}
	c.Summary = clean(c.Summary)
	c.Contact = portal.Contact{Name: clean(c.Contact.Name), Email: clean(c.Contact.Email), URL: clean(c.Contact.URL), Chat: clean(c.Contact.Chat)}
	c.Tags = slices.DeleteFunc(slices.Clone(c.Tags), named)
	c.Links = slices.DeleteFunc(slices.Clone(c.Links), func(l portal.TextLink) bool { return named(l.Href) || named(l.Title) })
	c.Guides = slices.Clone(c.Guides)
	for i := range c.Guides {
		c.Guides[i].Title = clean(c.Guides[i].Title)
	}
	return c
}

// hostOf is the host of an address with its port, in lower case.
func hostOf(address string) string {
	_, place, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(place, "/")
	return strings.ToLower(host)
}

// rankOf is the place of a text's audience on the reader's ladder. A reader or a text without an audience has none.
func rankOf(ladder access.Audiences, reader, audience portal.Audience) (int, bool) {
	if reader == "" || audience == "" {
		return 0, false
	}
	return ladder.Rank(reader, audience)
}

// Curate is the function of that name for a consumer of this table.
func (t *Table) Curate(c portal.Consumer, texts []portal.AudienceText, guides []portal.Guide) Curated {
	return Curate(t.axes.ladder, c.Audience, texts, guides)
}

// Audiences lists those that are configured, in order.
func (t *Table) Audiences() []portal.Audience { return t.axes.audiences }
