package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

const listLimit = 50

func (s *site) applications(v *visit) error {
	p, err := v.desk.Applications(v.ctx(), v.paging(listLimit))
	if err != nil {
		return err
	}
	a := ui.Applications{Items: each(p.Items, application), CanAdd: v.changesApplications()}
	a.First, a.Next = v.pages(p.Next)
	return v.render(ui.ApplicationsPage(v.in(ui.ApplicationsPath, v.text.T("nav.applications")), a))
}

func (s *site) newApplication(v *visit) error {
	return v.renderNewApplication(http.StatusOK, ui.Form{})
}

func (v *visit) renderNewApplication(status int, form ui.Form) error {
	p := v.in(ui.ApplicationsPath, v.text.T("applications.new"), v.crumb("nav.applications", ui.ApplicationsPath))
	return v.renderAs(status, ui.NewApplicationPage(p, form))
}

func (s *site) createApplication(v *visit) error {
	form := v.written("name")
	if !v.require(form, "name") {
		return v.renderNewApplication(http.StatusUnprocessableEntity, form)
	}
	a, err := v.desk.CreateApplication(v.ctx(), api.NewApplication{Name: v.field("name")})
	if v.refused(&form, err) {
		return v.renderNewApplication(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.ApplicationsPath, a.ID), "application-added")
}

func (s *site) application(v *visit) error {
	id := v.r.PathValue("application")
	a, err := v.desk.Application(v.ctx(), id)
	if err != nil {
		return err
	}
	subscriptions, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: api.Paging{Limit: 200}, Application: id})
	if err != nil {
		return err
	}
	credentials, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: 200}, Application: id})
	if err != nil {
		return err
	}
	leaving, err := v.leaving(id)
	if err != nil {
		return err
	}
	p := v.in(ui.ApplicationsPath, a.Name, v.crumb("nav.applications", ui.ApplicationsPath))
	return v.render(ui.ApplicationPageView(p, ui.ApplicationPage{
		Application: application(a), Leaving: leaving, Subscriptions: each(subscriptions.Items, subscription), Keys: v.keys(credentials.Items),
	}))
}

var subscriptionStates = []string{"requested", "approved", "rejected", "suspended", "cancelled"}

func (s *site) subscriptions(v *visit) error {
	state := v.query("state")
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: v.paging(listLimit), State: state})
	if err != nil {
		return err
	}
	l := ui.Subscriptions{
		Items:  each(p.Items, subscription),
		States: v.states(ui.SubscriptionsPath, state, subscriptionStates, v.text.SubscriptionState),
	}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.SubscriptionsPage(v.in(ui.SubscriptionsPath, v.text.T("nav.subscriptions")), l))
}

// states is the filter of a list by state.
func (v *visit) states(path, chosen string, states []string, name func(string) string, filters ...string) []ui.Link {
	link := func(text, state string) ui.Link {
		return ui.Link{Text: text, Href: ui.With(path, append([]string{"state", state}, filters...)...), Current: state == chosen}
	}
	links := []ui.Link{link(v.text.T("filter.all"), "")}
	for _, s := range states {
		links = append(links, link(name(s), s))
	}
	return links
}

// subscribe asks for access, for an application that is there or a new one. An application that was made on the way
// stays when the request is refused: it is chosen then when the form is shown again.
func (s *site) subscribe(v *visit) error {
	form := v.written("plan", "application", "new_application")
	again := func() error {
		return v.renderAPI(http.StatusUnprocessableEntity, v.field("api"), place{
			environment: v.field("environment"), version: v.field("version"),
		}, form)
	}
	chosen := v.field("application")
	if chosen == ui.NewApplicationChoice {
		if !v.require(form, "new_application") {
			return again()
		}
		a, err := v.desk.CreateApplication(v.ctx(), api.NewApplication{Name: v.field("new_application")})
		if errors.Is(err, portal.ErrInvalid) || errors.Is(err, portal.ErrConflict) {
			form.Errors["new_application"] = v.words(err)
			return again()
		}
		if err != nil {
			return err
		}
		chosen, form.Values["application"] = a.ID, a.ID
	}
	sub, err := v.desk.Subscribe(v.ctx(), api.NewSubscription{
		Application: chosen, API: v.field("api"), Version: v.field("version"), Environment: v.field("environment"), Plan: v.field("plan"),
	})
	var conflict *portal.ConflictError
	if errors.As(err, &conflict) {
		if there, err := v.desk.Subscription(v.ctx(), conflict.ID); err == nil {
			return v.done(ui.Below(ui.SubscriptionsPath, there.ID), "asked-before")
		}
	}
	if v.refused(&form, err) {
		return again()
	}
	if err != nil {
		return err
	}
	flash := ""
	if sub.State == "requested" {
		flash = "asked"
	}
	return v.done(ui.Below(ui.SubscriptionsPath, sub.ID), flash)
}

func (s *site) subscription(v *visit) error {
	sub, err := v.desk.Subscription(v.ctx(), v.r.PathValue("subscription"))
	if err != nil {
		return err
	}
	credentials, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: 200}, Subscription: sub.ID})
	if err != nil {
		return err
	}
	page := ui.SubscriptionPage{Subscription: subscription(sub), Keys: v.keys(credentials.Items)}
	page.Held = holding(credentials.Items)
	page.Claim = sub.State == "approved" && page.Held == "" && sub.Frozen == nil
	p := v.in(ui.SubscriptionsPath, page.Title, v.crumb("nav.subscriptions", ui.SubscriptionsPath))
	return v.render(ui.SubscriptionPageView(p, page))
}

// held returns the credential that stands in the way of a claim, empty where there is none.
func (v *visit) held(subscription string) (string, error) {
	p, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: 200}, Subscription: subscription})
	return holding(p.Items), err
}

func holding(credentials []api.Credential) string {
	for _, c := range credentials {
		if c.State == "active" || c.State == "retiring" {
			return c.ID
		}
	}
	return ""
}

// claim makes the key and shows its secret in this one answer.
func (s *site) claim(v *visit) error {
	id := v.r.PathValue("subscription")
	c, err := v.desk.Claim(v.ctx(), id)
	if err != nil {
		return err
	}
	if !c.Ready {
		return v.wait(ui.Waiting{Note: v.note(c.Note), Action: ui.Below(ui.SubscriptionsPath, id, "claim"), Back: ui.Below(ui.SubscriptionsPath, id)})
	}
	return v.reveal(c, nil)
}

// wait says that a gateway or its site has to act first; the same request brings the secret once it has. The page asks by
// itself, less and less often: where the worker of a site is gone, that may be for hours.
func (v *visit) wait(w ui.Waiting) error {
	const most = 5 // times that the pause doubles
	if n, err := strconv.Atoi(v.field("asked")); err == nil {
		w.Asked = min(max(n, 0), most)
	}
	w.Again = 2 << w.Asked
	p := v.in(ui.KeysPath, v.text.T("waiting.title"), v.crumb("nav.keys", ui.KeysPath))
	return v.renderAs(http.StatusAccepted, ui.WaitingPage(p, w))
}

// reveal shows a secret. The page is not stored by anyone: every page is sent with no-store.
func (v *visit) reveal(c api.Claim, replaced *time.Time) error {
	r := ui.Revealed{
		Title: titled(c.Title, c.API), Version: c.Version, Environment: c.Environment, BaseURL: c.BaseURL, Key: c.ID,
		Curl: Curl(CallAddress(c.BaseURL, c.Try), c.Parts), Replaced: replaced, Replaces: c.Replaces,
		Parts: each(c.Parts, func(p api.Part) ui.RevealedPart {
			return ui.RevealedPart{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: p.Value.Reveal(), Public: p.Public}
		}),
	}
	return v.render(ui.RevealedPage(v.in(ui.KeysPath, v.text.T("secret.title"), v.crumb("nav.keys", ui.KeysPath)), r))
}

func (s *site) askCancel(v *visit) error {
	sub, err := v.desk.Subscription(v.ctx(), v.r.PathValue("subscription"))
	if err != nil {
		return err
	}
	back := ui.Below(ui.SubscriptionsPath, sub.ID)
	return v.confirm(ui.SubscriptionsPath, ui.Confirm{
		Title:  v.text.T("cancel.title", "Title", sub.Title),
		Text:   v.text.T("cancel.text", "Application", sub.ApplicationName, "Environment", v.text.Environment(sub.Environment)),
		Points: []string{v.text.T("cancel.point")},
		Action: ui.Below(back, "cancel"), Button: v.text.T("cancel.submit"), Danger: true, Back: back,
	})
}

// confirm renders a question.
func (v *visit) confirm(section string, c ui.Confirm) error {
	return v.render(ui.ConfirmPage(v.in(section, c.Title), c))
}

func (s *site) cancel(v *visit) error {
	sub, err := v.desk.Cancel(v.ctx(), v.r.PathValue("subscription"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.SubscriptionsPath, sub.ID), "cancelled")
}

var keyStates = []string{"active", "retiring", "pending", "revoking", "revoked", "failed"}

func (s *site) keys(v *visit) error {
	state := v.query("state")
	p, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: v.paging(listLimit), State: state})
	if err != nil {
		return err
	}
	leaving, err := v.leaving("")
	if err != nil {
		return err
	}
	l := ui.Keys{Leaving: leaving, Items: v.keys(p.Items), States: v.states(ui.KeysPath, state, keyStates, v.text.KeyState)}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.KeysPage(v.in(ui.KeysPath, v.text.T("nav.keys")), l))
}

func (s *site) key(v *visit) error {
	c, err := v.desk.Credential(v.ctx(), v.r.PathValue("key"))
	if err != nil {
		return err
	}
	page := ui.KeyPage{Key: v.key(c), CanRotate: c.State == "active"}
	if page.Live() && page.Subscription != "" {
		sub, err := v.desk.Subscription(v.ctx(), page.Subscription)
		if err != nil {
			return err
		}
		page.Frozen = sub.Frozen != nil
		page.CanRotate = page.CanRotate && !page.Frozen
	}
	if page.Live() {
		d, err := v.desk.Resolve(v.ctx(), api.ResolveQuery{
			API: c.API, Version: c.Version, Environment: c.Environment, Application: c.Application,
		})
		if err == nil {
			page.Curl = Curl(CallAddress(d.BaseURL, d.Try), v.placeholder(d.Authentication))
		} else if !errors.Is(err, portal.ErrNotFound) {
			return err
		}
	}
	p := v.in(ui.KeysPath, titled(c.Title, c.API), v.crumb("nav.keys", ui.KeysPath))
	if c.State == "revoking" || c.State == "pending" {
		p.Refresh = 3
	}
	return v.render(ui.KeyPageView(p, page))
}

// overlaps are how long two keys may work side by side.
var overlaps = []time.Duration{time.Hour, api.DefaultOverlap, 7 * 24 * time.Hour}

func (s *site) askRotate(v *visit) error {
	c, err := v.desk.Credential(v.ctx(), v.r.PathValue("key"))
	if err != nil {
		return err
	}
	r := ui.Rotate{Key: v.key(c), Chosen: api.DefaultOverlap.String(), Single: c.SingleKey}
	for _, o := range overlaps {
		text := v.text.N("overlap.hours", int(o/time.Hour))
		if o >= 24*time.Hour {
			text = v.text.N("overlap.days", int(o/(24*time.Hour)))
		}
		r.Overlaps = append(r.Overlaps, ui.Option{Value: o.String(), Text: text})
	}
	return v.render(ui.RotatePage(v.in(ui.KeysPath, v.text.T("rotate.title", "Title", c.Title), v.crumb("nav.keys", ui.KeysPath)), r))
}

func (s *site) rotate(v *visit) error {
	overlap, err := time.ParseDuration(v.field("overlap"))
	if err != nil || overlap < 0 {
		overlap = api.DefaultOverlap
	}
	id := v.r.PathValue("key")
	c, err := v.desk.Rotate(v.ctx(), id, overlap)
	if err != nil {
		return err
	}
	if !c.Ready {
		return v.wait(ui.Waiting{Note: v.note(c.Note), Action: ui.Below(ui.KeysPath, id, "rotate"), Back: ui.Below(ui.KeysPath, id), Overlap: overlap.String()})
	}
	old, err := v.desk.Credential(v.ctx(), id)
	if err != nil {
		return v.reveal(c, nil) // the new key is there and is shown whatever became of the old one
	}
	return v.reveal(c, old.Ends)
}

func (s *site) askRevoke(v *visit) error {
	c, err := v.desk.Credential(v.ctx(), v.r.PathValue("key"))
	if err != nil {
		return err
	}
	back := ui.Below(ui.KeysPath, c.ID)
	points := []string{v.text.T("revoke.point_now"), v.text.T("revoke.point_application", "Application", c.ApplicationName)}
	if c.State == "active" {
		points = append(points, v.text.T("revoke.point_rotate"))
	}
	return v.confirm(ui.KeysPath, ui.Confirm{
		Title: v.text.T("revoke.title", "Fingerprint", c.Fingerprint),
		Text:  v.text.T("revoke.text", "Title", c.Title, "Environment", v.text.Environment(c.Environment)), Points: points,
		Action: ui.Below(back, "revoke"), Button: v.text.T("revoke.submit"), Danger: true, Back: back,
	})
}

func (s *site) revoke(v *visit) error {
	c, err := v.desk.Revoke(v.ctx(), v.r.PathValue("key"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.KeysPath, c.ID), "revoking")
}
