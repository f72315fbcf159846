package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// curated is what the owners of an API say about it, on its page.
func (v *visit) curated(a api.API) ui.Curated {
	c := ui.Curated{}
	if a.Contact != nil {
		c.Contact = contact(*a.Contact)
	}
	path := ui.Below(ui.APIsPath, a.ID)
	for _, g := range a.Guides {
		c.Guides = append(c.Guides, ui.Link{Text: g.Title, Href: ui.Below(path, "guides", g.ID)})
	}
	if a.CanCurate {
		c.Edit = path
	}
	return c
}

func contact(c portal.Contact) ui.Contact {
	shown := ui.Contact{Name: c.Name, Email: c.Email, URL: c.URL, Chat: c.Chat}
	if u, err := url.Parse(c.Chat); err == nil && u.Scheme == "https" && u.Host != "" {
		shown.ChatHref = c.Chat
	}
	return shown
}

func (s *site) guide(v *visit) error {
	id := v.r.PathValue("api")
	g, err := v.desk.Guide(v.ctx(), id, v.r.PathValue("guide"))
	if err != nil {
		return err
	}
	a, err := v.desk.API(v.ctx(), id)
	if err != nil {
		return err
	}
	page := ui.GuidePage{Title: g.Title, Markdown: v.site.Markdown(g.Body)}
	for _, other := range a.Guides {
		page.Others = append(page.Others, ui.Link{Text: other.Title, Href: ui.Below(ui.APIsPath, a.ID, "guides", other.ID), Current: other.ID == g.ID})
	}
	p := v.in(ui.APIsPath, g.Title, v.crumb("nav.apis", ui.APIsPath), ui.Link{Text: a.Title, Href: ui.Below(ui.APIsPath, a.ID)})
	return v.render(ui.GuidePageView(p, page))
}

// texts is the owners' editor, filled with what was saved last, or with a revision of the past.
func (s *site) texts(v *visit) error {
	id := v.r.PathValue("api")
	newest, err := v.desk.Texts(v.ctx(), id, 0, "")
	if err != nil {
		return err
	}
	page, shown := v.editor(newest), newest
	if number, _ := strconv.ParseInt(v.query("revision"), 10, 64); number > 0 || v.query("from") != "" {
		if shown, err = v.desk.Texts(v.ctx(), id, number, v.query("from")); err != nil {
			return err
		}
		page.Loaded = v.text.T("texts.loaded", "Number", v.text.Number(int(shown.Revision)))
		if v.query("from") != "" {
			page.Loaded = v.text.T("texts.loaded_joined")
		}
	}
	v.fillTexts(&page, shown.Texts, shown.Guides)
	return v.renderTexts(http.StatusOK, id, page)
}

// editor is the page around the form; the form is based on these texts.
func (v *visit) editor(t api.Texts) ui.EditTexts {
	path := ui.Below(ui.APIsPath, t.API)
	page := ui.EditTexts{
		Title: t.Title, Action: ui.Below(path, "texts"), Back: path, History: ui.Below(path, "texts", "history"), Revision: strconv.FormatInt(t.Revision, 10),
		Published: t.Published, By: t.By, At: t.At, Audiences: v.audienceOptions(t.Audiences), Team: t.Team,
		Form: ui.Form{Values: map[string]string{}, Errors: map[string]string{}},
	}
	for _, a := range t.Audiences {
		page.Parts = append(page.Parts, ui.EditPart{Audience: a})
	}
	if t.CanAssign {
		page.AssignPath = ui.Below(path, "team")
	}
	return page
}

func (v *visit) audienceOptions(audiences []string) []ui.Option {
	return each(audiences, func(a string) ui.Option { return ui.Option{Value: a, Text: v.text.Audience(a)} })
}

// fillTexts writes texts into the form, with an empty guide at its end.
func (v *visit) fillTexts(page *ui.EditTexts, texts []portal.AudienceText, guides []portal.Guide) {
	set := func(name, value string) { page.Values[name] = value }
	for i := range page.Parts {
		a := page.Parts[i].Audience
		for _, t := range texts {
			if string(t.Audience) != a {
				continue
			}
			page.Parts[i].Filled = true
			set("summary."+a, t.Summary)
			set("contact_name."+a, t.Contact.Name)
			set("contact_email."+a, t.Contact.Email)
			set("contact_url."+a, t.Contact.URL)
			set("contact_chat."+a, t.Contact.Chat)
			set("tags."+a, strings.Join(t.Tags, ", "))
			set("links."+a, strings.Join(each(t.Links, func(l portal.TextLink) string { return l.Title + " | " + l.Href }), "\n"))
		}
	}
	for i, g := range append(slices.Clone(guides), portal.Guide{Audience: portal.Internal}) {
		n := strconv.Itoa(i)
		page.Guides = append(page.Guides, ui.EditGuide{Number: n, New: i == len(guides)})
		set("guide_id."+n, g.ID)
		set("guide_title."+n, g.Title)
		set("guide_audience."+n, string(g.Audience))
		set("guide_place."+n, strconv.Itoa(i+1))
		set("guide_body."+n, g.Body)
	}
}

// mostGuides is how many guides a form may have.
const mostGuides = 25

// writtenTexts reads the form.
func (v *visit) writtenTexts(audiences []string) (n api.NewTexts) {
	n.Revision, _ = strconv.ParseInt(v.field("revision"), 10, 64)
	for _, a := range audiences {
		t := portal.AudienceText{Audience: portal.Audience(a), Summary: v.field("summary." + a), Contact: portal.Contact{
			Name: v.field("contact_name." + a), Email: v.field("contact_email." + a), URL: v.field("contact_url." + a), Chat: v.field("contact_chat." + a),
		}}
		for tag := range strings.SplitSeq(v.field("tags."+a), ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				t.Tags = append(t.Tags, tag)
			}
		}
		for line := range strings.Lines(v.field("links." + a)) {
			title, href, split := strings.Cut(line, "|")
			if !split {
				title, href = "", title
			}
			if l := (portal.TextLink{Title: strings.TrimSpace(title), Href: strings.TrimSpace(href)}); l != (portal.TextLink{}) {
				l.Title = titled(l.Title, l.Href)
				t.Links = append(t.Links, l)
			}
		}
		if t.Summary != "" || !t.Contact.IsZero() || len(t.Tags)+len(t.Links) > 0 {
			n.Texts = append(n.Texts, t)
		}
	}
	type placed struct {
		portal.Guide
		place int
	}
	var guides []placed
	for i := range mostGuides {
		number := strconv.Itoa(i)
		g := portal.Guide{
			ID: v.field("guide_id." + number), Title: v.field("guide_title." + number), Audience: portal.Audience(v.field("guide_audience." + number)),
			Body: strings.TrimSpace(v.r.PostFormValue("guide_body." + number)),
		}
		if g.Title != "" || g.Body != "" {
			place, _ := strconv.Atoi(v.field("guide_place." + number))
			guides = append(guides, placed{g, place})
		}
	}
	slices.SortStableFunc(guides, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	n.Guides = each(guides, func(g placed) portal.Guide { return g.Guide })
	return n
}

// saveTexts saves, publishes or shows what was written. Where somebody else has saved meanwhile both are shown, and the
// next save goes on top of theirs.
func (s *site) saveTexts(v *visit) error {
	id := v.r.PathValue("api")
	newest, err := v.desk.Texts(v.ctx(), id, 0, "")
	if err != nil {
		return err
	}
	n := v.writtenTexts(newest.Audiences)
	page := v.editor(newest)
	v.fillTexts(&page, n.Texts, n.Guides)
	page.Values["audience"] = v.field("audience")
	if v.field("action") == "preview" {
		page.Revision = v.field("revision") // somebody may have saved meanwhile: that is told when this is saved
		seen, err := v.desk.PreviewTexts(v.ctx(), id, v.field("audience"), n)
		if v.refused(&page.Form, err) {
			return v.renderTexts(http.StatusUnprocessableEntity, id, page)
		}
		if err != nil {
			return err
		}
		page.Preview = v.preview(v.field("audience"), seen)
		return v.renderTexts(http.StatusOK, id, page)
	}
	n.Publish = v.field("action") == "publish"
	_, err = v.desk.SaveTexts(v.ctx(), id, n)
	switch {
	case errors.Is(err, portal.ErrConflict):
		page.Other = &ui.Saved{By: newest.By, At: newest.At}
		for _, a := range newest.Audiences {
			seen, err := v.desk.PreviewTexts(v.ctx(), id, a, api.NewTexts{Texts: only(newest.Texts, a), Guides: onlyGuides(newest.Guides, a)})
			if err != nil {
				return err
			}
			page.Other.Parts = append(page.Other.Parts, *v.preview(a, seen))
		}
		return v.renderTexts(http.StatusConflict, id, page)
	case v.refused(&page.Form, err):
		return v.renderTexts(http.StatusUnprocessableEntity, id, page)
	case err != nil:
		return err
	}
	flash := "texts-saved"
	if n.Publish {
		flash = "texts-published"
	}
	return v.done(page.Action, flash)
}

// only keeps what is marked for one audience.
func only(texts []portal.AudienceText, audience string) []portal.AudienceText {
	return slices.DeleteFunc(slices.Clone(texts), func(t portal.AudienceText) bool { return string(t.Audience) != audience })
}

func onlyGuides(guides []portal.Guide, audience string) []portal.Guide {
	return slices.DeleteFunc(slices.Clone(guides), func(g portal.Guide) bool { return string(g.Audience) != audience })
}

func (v *visit) preview(audience string, c api.Curated) *ui.Preview {
	p := &ui.Preview{Audience: audience, Summary: c.Summary, Tags: c.Tags}
	if c.Contact != nil {
		p.Contact = contact(*c.Contact)
	}
	for _, l := range c.Links {
		p.Links = append(p.Links, ui.Link{Text: l.Title, Href: l.Href})
	}
	p.Links = followable(p.Links)
	if !web(p.Contact.URL) {
		p.Contact.URL = ""
	}
	for _, g := range c.Guides {
		p.Guides = append(p.Guides, ui.GuidePage{Title: g.Title, Markdown: v.site.Markdown(g.Body)})
	}
	return p
}

// followable keeps links that a browser may follow: what is previewed has not been checked yet.
func followable(links []ui.Link) []ui.Link {
	return slices.DeleteFunc(links, func(l ui.Link) bool { return !web(l.Href) })
}

// web reports whether an address is one of the web.
func web(href string) bool {
	u, err := url.Parse(href)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

func (v *visit) renderTexts(status int, id string, page ui.EditTexts) error {
	if page.AssignPath != "" {
		teams, err := v.desk.Teams(v.ctx())
		if err != nil {
			return err
		}
		page.Teams = append([]ui.Option{{Text: v.text.T("texts.no_team")}}, each(teams, func(t api.Team) ui.Option {
			return ui.Option{Value: t.ID, Text: t.Name + " (" + t.Organisation + ")"}
		})...)
	}
	return v.renderAs(status, ui.EditTextsPage(v.inAPI(id, page.Title, "curated.edit"), page))
}

func (s *site) textsHistory(v *visit) error {
	id := v.r.PathValue("api")
	t, err := v.desk.Texts(v.ctx(), id, 0, "")
	if err != nil {
		return err
	}
	all, err := v.desk.TextsHistory(v.ctx(), id)
	if err != nil {
		return err
	}
	edit := ui.Below(ui.APIsPath, id, "texts")
	h := ui.TextsHistory{Title: t.Title, Back: edit}
	for _, r := range all {
		number := strconv.FormatInt(r.Revision, 10)
		h.Items = append(h.Items, ui.TextsRevision{
			Number: number, Published: r.Published, Current: r.Current, Joined: r.From != "", By: r.By, At: r.At, Href: ui.With(edit, "revision", number, "from", r.From),
		})
	}
	return v.render(ui.TextsHistoryPage(v.inAPI(id, t.Title, "texts.history", v.crumb("curated.edit", edit)), h))
}

func (s *site) assignTeam(v *visit) error {
	id := v.r.PathValue("api")
	if _, err := v.desk.AssignTeam(v.ctx(), id, v.field("team")); err != nil {
		return err
	}
	return v.done(ui.Below(ui.APIsPath, id, "texts"), "team-assigned")
}

func (v *visit) team(t api.Team) ui.Team {
	return ui.Team{
		ID: t.ID, Name: t.Name, Organisation: t.Organisation, Size: t.Size, CanManage: t.CanManage, Form: ui.Form{Values: map[string]string{"name": t.Name}},
		Members: each(t.Members, func(m api.TeamMember) ui.TeamMember { return ui.TeamMember{ID: m.ID, Name: m.Name, Email: m.Email} }),
		Others:  each(t.Others, func(m api.TeamMember) ui.Option { return ui.Option{Value: m.ID, Text: m.Name + ", " + m.Email} }),
	}
}

// managesTeams says to whom the form is offered; the desk decides.
func (v *visit) managesTeams() bool {
	return v.is(access.PlatformAdministrator, access.DivisionAdministrator)
}

func (s *site) teams(v *visit) error {
	all, err := v.desk.Teams(v.ctx())
	if err != nil {
		return err
	}
	return v.render(ui.TeamsPage(v.in(ui.TeamsPath, v.text.T("nav.teams")), ui.Teams{Items: each(all, v.team), CanAdd: v.managesTeams()}))
}

func (s *site) newTeam(v *visit) error { return v.renderNewTeam(http.StatusOK, ui.Form{}) }

func (v *visit) renderNewTeam(status int, form ui.Form) error {
	if !v.managesTeams() {
		return portal.ErrNotFound
	}
	n := ui.NewTeam{Form: form}
	if v.is(access.PlatformAdministrator) {
		o, err := v.desk.Organisations(v.ctx(), api.Paging{Limit: 200})
		if err != nil {
			return err
		}
		for _, i := range o.Items {
			n.Organisations = append(n.Organisations, ui.Option{Value: i.ID, Text: i.Name})
		}
	}
	return v.renderAs(status, ui.NewTeamPage(v.in(ui.TeamsPath, v.text.T("teams.new"), v.crumb("nav.teams", ui.TeamsPath)), n))
}

func (s *site) createTeam(v *visit) error {
	form := v.written("name", "organisation")
	if !v.require(form, "name") {
		return v.renderNewTeam(http.StatusUnprocessableEntity, form)
	}
	t, err := v.desk.CreateTeam(v.ctx(), api.NewTeam{Name: v.field("name"), Organisation: v.field("organisation")})
	if v.refused(&form, err) {
		return v.renderNewTeam(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.TeamsPath, t.ID), "team-added")
}

func (s *site) team(v *visit) error {
	t, err := v.desk.Team(v.ctx(), v.r.PathValue("team"))
	if err != nil {
		return err
	}
	return v.renderTeam(http.StatusOK, t, v.team(t).Form)
}

func (v *visit) renderTeam(status int, t api.Team, form ui.Form) error {
	shown := v.team(t)
	shown.Form = form
	return v.renderAs(status, ui.TeamPage(v.in(ui.TeamsPath, t.Name, v.crumb("nav.teams", ui.TeamsPath)), shown))
}

func (s *site) renameTeam(v *visit) error {
	t, err := v.desk.Team(v.ctx(), v.r.PathValue("team"))
	if err != nil {
		return err
	}
	if !t.CanManage {
		return fmt.Errorf("team %s: %w", t.ID, portal.ErrNotFound)
	}
	form := v.written("name")
	if !v.require(form, "name") {
		return v.renderTeam(http.StatusUnprocessableEntity, t, form)
	}
	renamed, err := v.desk.RenameTeam(v.ctx(), t.ID, api.TeamChange{Name: v.field("name")})
	if v.refused(&form, err) {
		return v.renderTeam(http.StatusUnprocessableEntity, t, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.TeamsPath, renamed.ID), "team-renamed")
}

func (s *site) askDeleteTeam(v *visit) error {
	t, err := v.desk.Team(v.ctx(), v.r.PathValue("team"))
	if err != nil {
		return err
	}
	if !t.CanManage {
		return fmt.Errorf("team %s: %w", t.ID, portal.ErrNotFound)
	}
	var points []string
	if t.Owns > 0 {
		points = append(points, v.text.N("delete_team.apis", t.Owns))
	}
	if t.Size > 0 {
		points = append(points, v.text.N("delete_team.members", t.Size))
	}
	return v.confirm(ui.TeamsPath, ui.Confirm{
		Title: v.text.T("delete_team.title", "Name", t.Name), Text: v.text.T("delete_team.text"),
		Points: points,
		Action: ui.Below(ui.TeamsPath, t.ID, "delete"), Button: v.text.T("delete_team.submit"), Danger: true, Back: ui.Below(ui.TeamsPath, t.ID),
	})
}

func (s *site) deleteTeam(v *visit) error {
	if err := v.desk.DeleteTeam(v.ctx(), v.r.PathValue("team")); err != nil {
		return err
	}
	return v.done(ui.TeamsPath, "team-deleted")
}

func (s *site) setTeamMember(v *visit) error {
	t, err := v.desk.SetTeamMember(v.ctx(), v.r.PathValue("team"), v.field("person"), v.field("action") != "remove")
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.TeamsPath, t.ID), "team-changed")
}
