package desk

import (
	"context"
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/curation"
	"concierge/portal/document"
	"concierge/portal/routing"
	"concierge/portal/told"
)

// curate fills in what the owners say, without the hosts that are not for the caller.
func (d *desk) curate(a *api.API, c routing.Curated, hidden []string) {
	shown := scrubbed(c, hidden)
	a.Contact = shown.Contact
	for _, l := range shown.Links {
		a.Links = append(a.Links, api.Link{Rel: "related", Href: l.Href, Title: l.Title})
	}
	for _, g := range shown.Guides {
		a.Guides = append(a.Guides, api.GuideHead{ID: g.ID, Title: g.Title})
	}
}

// scrubbed takes out hosts that are not for the reader. An address that would name one goes whole.
func scrubbed(c routing.Curated, hidden []string) api.Curated {
	clean := func(s string) string { return document.Hide(s, hidden) }
	whole := func(s string) string {
		if clean(s) != s {
			return ""
		}
		return s
	}
	shown := api.Curated{Summary: clean(c.Summary)}
	if contact := (portal.Contact{Name: clean(c.Contact.Name), Email: whole(c.Contact.Email), URL: whole(c.Contact.URL), Chat: whole(c.Contact.Chat)}); !contact.IsZero() {
		shown.Contact = &contact
	}
	for _, t := range c.Tags {
		shown.Tags = append(shown.Tags, clean(t))
	}
	for _, l := range c.Links {
		if whole(l.Href) != "" {
			shown.Links = append(shown.Links, portal.TextLink{Title: clean(l.Title), Href: l.Href})
		}
	}
	for _, g := range c.Guides {
		g.Title, g.Body = clean(g.Title), clean(g.Body)
		shown.Guides = append(shown.Guides, g)
	}
	return shown
}

func (d *desk) Guide(ctx context.Context, id, guide string) (api.GuidePage, error) {
	v, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.EntryView, error) { return t.API(d.consumer(), id) })
	if err != nil {
		return api.GuidePage{}, err
	}
	r, err := d.Curation.Published(ctx, v.ID)
	if err != nil {
		return api.GuidePage{}, err
	}
	_, hidden := d.hosts(table, v.ID)
	for _, g := range scrubbed(table.Curate(d.consumer(), nil, r.Guides), hidden).Guides {
		if g.ID == guide {
			return api.GuidePage{GuideHead: api.GuideHead{ID: g.ID, Title: g.Title}, Body: g.Body}, nil
		}
	}
	return api.GuidePage{}, fmt.Errorf("guide %s: %w", guide, portal.ErrNotFound)
}

func (d *desk) Texts(ctx context.Context, id string, revision int64, from string) (api.Texts, error) {
	entry, table, err := d.owned(ctx, id)
	if err != nil {
		return api.Texts{}, err
	}
	var r curation.Revision
	if revision == 0 && from == "" {
		r, err = d.Curation.Newest(ctx, d.caller, entry.ID)
	} else {
		r, err = d.Curation.Revision(ctx, d.caller, entry.ID, portal.APIID(from), revision)
	}
	if err != nil {
		return api.Texts{}, err
	}
	return d.texts(ctx, table, entry, r)
}

func (d *desk) texts(ctx context.Context, table *routing.Table, entry routing.Entry, r curation.Revision) (api.Texts, error) {
	names, err := d.namesOf(ctx, []portal.PersonID{r.Author})
	if err != nil {
		return api.Texts{}, err
	}
	shown := api.Texts{
		Revision: r.Number, Published: r.Published, Texts: slices.Concat([]portal.AudienceText{}, r.Texts), Guides: slices.Concat([]portal.Guide{}, r.Guides),
		By: names[r.Author], At: timeOrNil(r.At), Team: string(entry.Team), CanAssign: access.MayAssign(d.caller, entry.Owner), Audiences: texts(table.Audiences()),
	}
	shown.API, shown.Title = d.titleOf(table, entry)
	return shown, nil
}

func (d *desk) SaveTexts(ctx context.Context, id string, n api.NewTexts) (api.Texts, error) {
	entry, table, err := d.owned(ctx, id)
	if err != nil {
		return api.Texts{}, err
	}
	r, err := d.Curation.Save(ctx, d.caller, entry.ID, draft(n))
	if err != nil {
		return api.Texts{}, err
	}
	if err := d.seen(ctx); err != nil {
		return api.Texts{}, err
	}
	return d.texts(ctx, table, entry, r)
}

func draft(n api.NewTexts) curation.Draft {
	return curation.Draft{Base: n.Revision, Publish: n.Publish, Texts: n.Texts, Guides: n.Guides}
}

func (d *desk) PreviewTexts(ctx context.Context, id, audience string, n api.NewTexts) (api.Curated, error) {
	entry, table, err := d.owned(ctx, id)
	if err != nil {
		return api.Curated{}, err
	}
	reader := portal.Audience(audience)
	if !slices.Contains(table.Audiences(), reader) {
		return api.Curated{}, told.NoAudience.As(portal.ErrInvalid, audience, table.Audiences())
	}
	as := &desk{Service: d.Service, caller: access.Caller{Audience: reader}}
	_, hidden := as.hosts(table, entry.ID)
	return scrubbed(table.Curate(as.consumer(), n.Texts, n.Guides), hidden), nil
}

func (d *desk) TextsHistory(ctx context.Context, id string) ([]api.TextsRevision, error) {
	entry, _, err := d.owned(ctx, id)
	if err != nil {
		return nil, err
	}
	past, err := d.Curation.History(ctx, d.caller, entry.ID, 0, curation.KeptRevisions)
	if err != nil {
		return nil, err
	}
	all := append(past.Revisions, past.Joined...)
	ids := make([]portal.PersonID, len(all))
	for i, r := range all {
		ids[i] = r.Author
	}
	names, err := d.namesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	items := make([]api.TextsRevision, len(all))
	for i, r := range all {
		items[i] = api.TextsRevision{Revision: r.Number, Published: r.Published, By: names[r.Author], At: r.At}
		if r.API == entry.ID {
			items[i].Current = r.Number == past.Published
		} else {
			items[i].From = string(r.API)
		}
	}
	return items, nil
}

func (d *desk) AssignTeam(ctx context.Context, id, team string) (api.Texts, error) {
	entry, _, err := d.owned(ctx, id)
	if err != nil {
		return api.Texts{}, err
	}
	if err := d.Curation.Assign(ctx, d.caller, entry.ID, portal.TeamID(team)); err != nil {
		return api.Texts{}, err
	}
	if err := d.seen(ctx); err != nil {
		return api.Texts{}, err
	}
	return d.Texts(ctx, id, 0, "")
}
