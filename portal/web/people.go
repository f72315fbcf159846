package web

import (
	"fmt"
	"net/http"
	"net/url"

	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (s *site) organisations(v *visit) error {
	p, err := v.desk.Organisations(v.ctx(), v.paging(listLimit))
	if err != nil {
		return err
	}
	l := ui.Organisations{Items: each(p.Items, organisation), CanChange: v.is(access.PlatformAdministrator)}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.OrganisationsPage(v.in(ui.OrganisationsPath, v.text.T("nav.organisations")), l))
}

// newOrganisation asks for the list first: whoever may not see it gets no form either.
func (s *site) newOrganisation(v *visit) error {
	if _, err := v.desk.Organisations(v.ctx(), api.Paging{Limit: 1}); err != nil {
		return err
	}
	return v.renderNewOrganisation(http.StatusOK, ui.Form{})
}

func (v *visit) renderNewOrganisation(status int, form ui.Form) error {
	p := v.in(ui.OrganisationsPath, v.text.T("organisations.new"), v.crumb("nav.organisations", ui.OrganisationsPath))
	return v.renderAs(status, ui.NewOrganisationPage(p, ui.NewOrganisation{Form: form, Audiences: audiences()}))
}

func (s *site) createOrganisation(v *visit) error {
	n := api.NewOrganisation{Name: v.field("name"), Audience: v.field("audience"), Division: v.field("division"), Region: v.field("region")}
	_, err := v.desk.CreateOrganisation(v.ctx(), n)
	form := v.written("name", "audience", "division", "region")
	if v.refused(&form, err) {
		v.require(form, "name", "audience")
		return v.renderNewOrganisation(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.OrganisationsPath, "organisation-added")
}

func (s *site) askDisableOrganisation(v *visit) error {
	id := v.r.PathValue("organisation")
	o, err := v.desk.Organisation(v.ctx(), id)
	if err != nil {
		return err
	}
	return v.confirm(ui.OrganisationsPath, ui.Confirm{
		Title: v.text.T("disable_organisation.title", "Name", o.Name), Text: v.text.T("disable_organisation.text"),
		Points: []string{v.text.T("disable_person.point")},
		Action: ui.Below(ui.OrganisationsPath, o.ID, "disable"), Button: v.text.T("disable_organisation.submit"),
		Danger: true, Back: ui.OrganisationsPath,
	})
}

func (s *site) disableOrganisation(v *visit) error { return v.setOrganisation(true, "disabled") }
func (s *site) enableOrganisation(v *visit) error  { return v.setOrganisation(false, "enabled") }

func (v *visit) setOrganisation(disabled bool, flash string) error {
	if _, err := v.desk.SetOrganisationDisabled(v.ctx(), v.r.PathValue("organisation"), disabled); err != nil {
		return err
	}
	return v.done(ui.OrganisationsPath, flash)
}

func (s *site) people(v *visit) error {
	p, err := v.desk.People(v.ctx(), v.paging(listLimit))
	if err != nil {
		return err
	}
	l := ui.People{Items: each(p.Items, v.person), CanChange: v.is(access.PlatformAdministrator)}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.PeoplePage(v.in(ui.PeoplePath, v.text.T("nav.people")), l))
}

func (s *site) newPerson(v *visit) error { return v.renderNewPerson(http.StatusOK, ui.Form{}) }

func (v *visit) renderNewPerson(status int, form ui.Form) error {
	o, err := v.desk.Organisations(v.ctx(), api.Paging{Limit: 200})
	if err != nil {
		return err
	}
	n := ui.NewPerson{Form: form, Roles: roles()}
	for _, i := range o.Items {
		if !i.Disabled {
			n.Organisations = append(n.Organisations, ui.Option{Value: i.ID, Text: i.Name})
		}
	}
	p := v.in(ui.PeoplePath, v.text.T("people.invite"), v.crumb("nav.people", ui.PeoplePath))
	return v.renderAs(status, ui.NewPersonPage(p, n))
}

func (s *site) invite(v *visit) error {
	i, err := v.desk.Invite(v.ctx(), api.NewPerson{
		Name: v.field("name"), Email: v.field("email"), Organisation: v.field("organisation"), Roles: v.r.PostForm["roles"],
	})
	form := v.written("name", "email", "organisation", "roles")
	if v.refused(&form, err) {
		v.require(form, "name", "email", "organisation")
		return v.renderNewPerson(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.invited(i)
}

func (s *site) reinvite(v *visit) error {
	i, err := v.desk.Reinvite(v.ctx(), v.r.PathValue("person"))
	if err != nil {
		return err
	}
	return v.invited(i)
}

// invited shows the link once. Somebody who has an account already needs none.
func (v *visit) invited(i api.Invitation) error {
	if i.Token.IsZero() {
		return v.done(ui.PeoplePath, "person-added")
	}
	page := ui.Invited{Person: v.person(i.Person), Address: v.base() + api.InvitationPath + url.PathEscape(i.Token.Reveal()), Expires: i.Expires}
	p := v.in(ui.PeoplePath, v.text.T("invited.title", "Name", i.Person.Name), v.crumb("nav.people", ui.PeoplePath))
	return v.render(ui.InvitedPage(p, page))
}

// base is how people reach the portal, without a slash at its end.
func (v *visit) base() string {
	if v.site.BaseURL != "" {
		return v.site.BaseURL
	}
	scheme := "http"
	if v.site.Secure || v.r.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, v.r.Host)
}

func roles() []string { return each(access.Roles, func(r access.Role) string { return string(r) }) }

func (s *site) askRoles(v *visit) error {
	p, err := v.desk.Person(v.ctx(), v.r.PathValue("person"))
	if err != nil {
		return err
	}
	page := v.in(ui.PeoplePath, v.text.T("people.roles_of", "Name", p.Name), v.crumb("nav.people", ui.PeoplePath))
	return v.render(ui.RolesPage(page, ui.Roles{Person: v.person(p), All: roles()}))
}

func (s *site) setRoles(v *visit) error {
	roles := append([]string{}, v.r.PostForm["roles"]...)
	return v.changePerson(api.PersonChange{Roles: &roles}, "roles-saved")
}

func (s *site) askDisablePerson(v *visit) error {
	p, err := v.desk.Person(v.ctx(), v.r.PathValue("person"))
	if err != nil {
		return err
	}
	return v.confirm(ui.PeoplePath, ui.Confirm{
		Title: v.text.T("disable_person.title", "Name", p.Name), Text: v.text.T("disable_person.text"),
		Points: []string{v.text.T("disable_person.point")},
		Action: ui.Below(ui.PeoplePath, p.ID, "disable"), Button: v.text.T("disable_person.submit"), Danger: true, Back: ui.PeoplePath,
	})
}

func (s *site) disablePerson(v *visit) error { return v.setPerson(true, "disabled") }
func (s *site) enablePerson(v *visit) error  { return v.setPerson(false, "enabled") }

func (v *visit) setPerson(disabled bool, flash string) error {
	return v.changePerson(api.PersonChange{Disabled: &disabled}, flash)
}

func (v *visit) changePerson(c api.PersonChange, flash string) error {
	if _, err := v.desk.ChangePerson(v.ctx(), v.r.PathValue("person"), c); err != nil {
		return err
	}
	return v.done(ui.PeoplePath, flash)
}

func (s *site) account(v *visit) error { return v.renderAccount(http.StatusOK, ui.Form{}) }

// tokenDays are how long a token may live, the usual first.
var tokenDays = []int{90, 30, 7, 365}

func (v *visit) renderAccount(status int, form ui.Form) error {
	tokens, err := v.desk.Tokens(v.ctx())
	if err != nil {
		return err
	}
	a := ui.Account{Form: form, Tokens: each(tokens, token)}
	for _, d := range tokenDays {
		a.Days = append(a.Days, ui.Option{Value: fmt.Sprint(d), Text: v.text.N("overlap.days", d)})
	}
	return v.renderAs(status, ui.AccountPage(v.in(ui.AccountPath, v.text.T("nav.account")), a))
}

func (s *site) createToken(v *visit) error {
	form := v.written("name", "days")
	if !v.require(form, "name") {
		return v.renderAccount(http.StatusUnprocessableEntity, form)
	}
	days := tokenDays[0]
	for _, d := range tokenDays {
		if fmt.Sprint(d) == v.field("days") {
			days = d
		}
	}
	t, err := v.desk.CreateToken(v.ctx(), api.NewToken{Name: v.field("name"), Days: days})
	if v.refused(&form, err) {
		return v.renderAccount(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	value := t.Value.Reveal()
	page := v.in(ui.AccountPath, v.text.T("created_token.title", "Name", t.Name), v.crumb("nav.account", ui.AccountPath))
	return v.render(ui.CreatedTokenPage(page, ui.CreatedToken{
		Token: token(t.Token), Value: value,
		Example: "curl -H " + quoted("Authorization: Bearer "+value) + " " + quoted(v.base()+"/api/v1/me"),
	}))
}

func (s *site) askRevokeToken(v *visit) error {
	t, err := v.desk.Token(v.ctx(), v.r.PathValue("token"))
	if err != nil {
		return err
	}
	return v.confirm(ui.AccountPath, ui.Confirm{
		Title: v.text.T("revoke_token.title", "Name", t.Name), Text: v.text.T("revoke_token.text"),
		Action: ui.Below(ui.TokensPath, t.ID, "revoke"), Button: v.text.T("revoke_token.submit"), Danger: true, Back: ui.AccountPath,
	})
}

func (s *site) revokeToken(v *visit) error {
	if err := v.desk.RevokeToken(v.ctx(), v.r.PathValue("token")); err != nil {
		return err
	}
	return v.done(ui.AccountPath, "token-revoked")
}
