package routing

import (
	"cmp"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
)

// Curated is what one audience reads of the owners' own texts. The zero value is nothing.
type Curated struct {
	Summary string
	Contact portal.Contact
	Tags    []string
	Links   []portal.Link
	Guides  []portal.Guide // as far as they were given: the table has no bodies
}

// Curate chooses what an audience reads: of what is marked for it, or for another audience that it may use, the summary,
// contact and tags that are nearest to it on its ladder, each by itself, and all links and guides, the nearest first. What
// is marked for any other audience, or for none, is nobody's business.
func Curate(ladder access.Audiences, reader portal.Audience, texts []portal.Texts, guides []portal.Guide) Curated {
	type ranked struct {
		*portal.Texts
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

// rankOf is the place of a text's audience on the reader's ladder. A reader or a text without an audience has none.
func rankOf(ladder access.Audiences, reader, audience portal.Audience) (int, bool) {
	if reader == "" || audience == "" {
		return 0, false
	}
	return ladder.Rank(reader, audience)
}

// Curate is the function of that name for a consumer of this table.
func (t *Table) Curate(c portal.Consumer, texts []portal.Texts, guides []portal.Guide) Curated {
	return Curate(t.axes.ladder, c.Audience, texts, guides)
}

// Audiences lists those that are configured, in order.
func (t *Table) Audiences() []portal.Audience { return t.axes.audiences }
