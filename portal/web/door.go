package web

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/web/ui"
)

const yearSeconds = 365 * 24 * 60 * 60

// setPreferences keeps the language and the theme. A script sends the theme behind the page's back and needs no answer.
func (s *site) setPreferences(v *visit) error {
	if language := v.field("language"); slices.Contains(ui.Languages, language) {
		v.setCookie(languageCookie, language, yearSeconds)
	}
	switch theme := v.field("theme"); theme {
	case "light", "dark":
		v.setCookie(themeCookie, theme, yearSeconds)
	case "system":
		v.setCookie(themeCookie, "", -1)
	}
	if v.r.Header.Get("HX-Request") != "" {
		v.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	v.redirect(local(v.field("next")))
	return nil
}

func (s *site) showSignIn(v *visit) error {
	if v.desk != nil {
		v.redirect(local(v.query("next")))
		return nil
	}
	return v.render(ui.SignInPage(v.in("", v.text.T("sign_in.title")), ui.SignIn{Next: v.query("next")}))
}

func (s *site) signIn(v *visit) error {
	form := ui.SignIn{Form: v.written("email"), Next: v.field("next")}
	again := func(status int) error {
		return v.renderAs(status, ui.SignInPage(v.in("", v.text.T("sign_in.title")), form))
	}
	if !v.require(form.Form, "email", "password") {
		return again(http.StatusUnprocessableEntity)
	}
	caller, err := s.Accounts.SignIn(v.ctx(), v.field("email"), portal.NewSecret(v.r.PostFormValue("password")), from(v.r))
	var retry *portal.RetryAfterError
	switch {
	case errors.As(err, &retry):
		form.Problem = ui.Say(v.text.T("sign_in.too_many"))
		return again(http.StatusTooManyRequests)
	case errors.Is(err, portal.ErrDenied):
		form.Problem = ui.Say(v.text.T("sign_in.wrong"))
		return again(http.StatusUnauthorized)
	case err != nil:
		return err
	}
	if err := s.door.enter(v.w, v.r, caller); err != nil {
		return err
	}
	v.redirect(local(form.Next))
	return nil
}

func (s *site) signOut(v *visit) error {
	if err := s.door.leave(v.w, v.r); err != nil {
		return err
	}
	return v.done(ui.SignInPath, "signed-out")
}

// from is the address that a request came from. Behind a proxy the server has put the client's there.
func from(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// showInvitation asks somebody who follows a one-time link for a password; the first administrator also for who they are.
func (s *site) showInvitation(v *visit) error {
	person, err := s.Accounts.LookUpLink(v.ctx(), portal.NewSecret(v.r.PathValue("token")))
	if err != nil {
		return v.invitationFailed(err)
	}
	form := ui.Form{Values: map[string]string{"name": person.Name}}
	return v.renderInvitation(http.StatusOK, person, form)
}

func (v *visit) renderInvitation(status int, p people.Person, form ui.Form) error {
	page := ui.Invitation{Form: form, Action: v.r.URL.EscapedPath(), First: p.ID == "", Email: p.Email, MinPassword: people.MinPasswordLength}
	if len(p.Memberships) > 0 {
		page.Organisation = p.Memberships[0].Organisation.Name
	}
	return v.renderAs(status, ui.InvitationPage(v.in("", v.text.T("invitation.title")), page))
}

func (s *site) acceptInvitation(v *visit) error {
	token := portal.NewSecret(v.r.PathValue("token"))
	person, err := s.Accounts.LookUpLink(v.ctx(), token)
	if err != nil {
		return v.invitationFailed(err)
	}
	first := person.ID == ""
	form := v.written("name", "email", "organisation")
	needed := []string{"name", "password"}
	if first {
		needed = append(needed, "email", "organisation")
	}
	if !v.require(form, needed...) {
		return v.renderInvitation(http.StatusUnprocessableEntity, person, form)
	}
	password := portal.NewSecret(v.r.PostFormValue("password"))
	var caller access.Caller
	if first {
		caller, err = s.Accounts.SetUp(v.ctx(), token, people.Setup{
			Organisation: v.field("organisation"), Name: v.field("name"), Email: v.field("email"), Password: password,
		})
	} else {
		caller, err = s.Accounts.AcceptInvitation(v.ctx(), token, v.field("name"), password)
	}
	if v.refused(&form, err) {
		return v.renderInvitation(http.StatusUnprocessableEntity, person, form)
	}
	if err != nil {
		return v.invitationFailed(err)
	}
	if err := s.door.enter(v.w, v.r, caller); err != nil {
		return err
	}
	v.redirect(ui.HomePath)
	return nil
}

// invitationFailed says that a link does not work any more; whoever follows one knows that it was one.
func (v *visit) invitationFailed(err error) error {
	if !errors.Is(err, portal.ErrNotFound) {
		return err
	}
	f := ui.Failure{
		Status: http.StatusNotFound, Title: v.text.T("invitation.gone"), Text: v.text.T("invitation.gone_text"), Home: true,
	}
	v.show(f)
	return nil
}
