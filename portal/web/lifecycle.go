package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// endingOf is the banner of what is on its way out; nil for everything else. Headers say the same to programs.
func (v *visit) endingOf(d api.Decision) *ui.Ending {
	if !portal.Lifecycle(d.Lifecycle).Ending() {
		return nil
	}
	shown := v.ending(d.Lifecycle, d.Version, d.EndOfLife)
	h := v.w.Header()
	if d.Deprecation != nil {
		h.Set("Deprecation", "@"+strconv.FormatInt(d.Deprecation.Unix(), 10))
	}
	if d.Sunset != nil {
		h.Set("Sunset", d.Sunset.UTC().Format(http.TimeFormat))
	}
	if shown.Successor.Href != "" {
		h.Set("Link", "<"+shown.Successor.Href+`>; rel="successor-version"`)
	}
	return &shown
}

func (v *visit) ending(lifecycle, version string, e api.EndOfLife) ui.Ending {
	shown := ui.Ending{Lifecycle: lifecycle, Version: version, Since: e.Deprecation, Sunset: e.Sunset}
	if to := e.Successor; to != nil {
		shown.Successor = ui.Link{Text: titled(to.Title, to.API), Href: ui.With(ui.Below(ui.APIsPath, to.API), "version", to.Version)}
		if to.Version != "" {
			shown.Successor.Text += " " + to.Version
		}
	}
	return shown
}

// leaving is what the person's applications have to leave, those of one application or of all.
func (v *visit) leaving(application string) ([]ui.Leaving, error) {
	all, err := v.desk.Leaving(v.ctx())
	if err != nil {
		return nil, err
	}
	var shown []ui.Leaving
	for _, l := range all {
		if application != "" && l.Application != application {
			continue
		}
		shown = append(shown, ui.Leaving{
			Link:    ui.Link{Text: titled(l.Title, l.API), Href: ui.With(ui.Below(ui.APIsPath, l.API), "environment", l.Environment, "version", l.Version, "application", l.Application)},
			Version: l.Version, Environment: l.Environment, Application: l.ApplicationName, ApplicationHref: ui.Below(ui.ApplicationsPath, l.Application),
			Ending: v.ending(l.Lifecycle, l.Version, l.EndOfLife),
		})
	}
	return shown, nil
}

// version is the one that an owner looks at, as the API's addresses write it: the first where none is chosen.
func (v *visit) version(id string) (version string, all []string, err error) {
	a, err := v.desk.API(v.ctx(), id)
	if err == nil {
		for _, l := range a.Versions {
			all = append(all, l.Version)
		}
	} else if !absent(err) { // its owners may not see it as consumers
		return "", nil, err
	}
	version = v.query("version")
	if version == "" && len(all) > 0 {
		version = all[0]
	}
	if version == "" {
		version = api.NoVersion
	}
	return version, all, nil
}

func (s *site) lifecycle(v *visit) error {
	return v.renderLifecycle(http.StatusOK, ui.Form{Values: map[string]string{}, Errors: map[string]string{}})
}

func (v *visit) renderLifecycle(status int, form ui.Form) error {
	id := v.r.PathValue("api")
	version, all, err := v.version(id)
	if err != nil {
		return err
	}
	l, err := v.desk.VersionLifecycle(v.ctx(), id, version)
	if err != nil {
		return err
	}
	path := ui.Below(ui.APIsPath, id, "lifecycle")
	page := ui.LifecyclePage{
		Form: form, Title: titled(l.Title, id), Version: l.Version, Action: ui.With(path, "version", version), Back: ui.Below(ui.APIsPath, id),
		Subscriptions: l.Usage.Subscriptions, Applications: l.Usage.Applications, Organisations: l.Usage.Organisations,
		Scopes: []ui.Option{{Text: v.text.T("lifecycle.whole")}},
	}
	page.AllUsers = stillUsing(id, version)
	for _, other := range offered(all, version) {
		page.Versions = append(page.Versions, ui.Link{Text: v.versionName(other), Href: ui.With(path, "version", other), Current: other == version})
	}
	for _, state := range []string{"deprecated", "retired", "active", "preview"} {
		page.States = append(page.States, ui.Option{Value: state, Text: v.text.Lifecycle(state)})
	}
	if d := l.Decision; d != nil {
		page.Decision = &ui.LifecycleDecision{Lifecycle: d.Lifecycle, Successor: d.Successor, Note: d.Note, By: d.By, Sunset: d.Sunset, At: d.At}
	}
	order, err := v.desk.Environments(v.ctx())
	if err != nil {
		return err
	}
	slices.SortStableFunc(l.Deployments, func(a, b api.DeploymentLifecycle) int {
		return cmp.Or(strings.Compare(a.Gateway, b.Gateway), cmp.Compare(slices.Index(order, a.Environment), slices.Index(order, b.Environment)), strings.Compare(a.Audience, b.Audience))
	})
	for _, d := range l.Deployments {
		page.Deployments = append(page.Deployments, ui.LifecycleRow{
			ID: d.ID, Gateway: d.Gateway, Environment: d.Environment, Audience: d.Audience, Lifecycle: d.Lifecycle, LifecycleLayer: d.LifecycleLayer,
			Sunset: d.Sunset, SunsetLayer: d.SunsetLayer, Successor: d.Successor, SuccessorBy: d.SuccessorLayer, Decided: d.Decision != nil,
		})
		page.Scopes = append(page.Scopes, ui.Option{Value: d.ID, Text: v.where(d)})
	}
	for _, u := range l.Users {
		page.Users = append(page.Users, ui.LifecycleUser{Organisation: u.Organisation, Application: u.ApplicationName, Environment: u.Environment, State: u.State, LastAct: u.LastAct})
	}
	return v.renderAs(status, ui.LifecyclePageView(v.inAPI(id, l.Title, "curated.lifecycle"), page))
}

// where names one deployment of a version.
func (v *visit) where(d api.DeploymentLifecycle) string {
	return d.Gateway + ", " + v.text.Environment(d.Environment) + ", " + v.text.Audience(d.Audience)
}

// confirmations are the words of the question before newcomers are turned away.
var confirmations = map[string]struct{ title, text, submit string }{
	"deprecated": {"lifecycle.confirm_deprecated", "lifecycle.confirm_deprecated_text", "lifecycle.confirm_deprecated_submit"},
	"retired":    {"lifecycle.confirm_retired", "lifecycle.confirm_retired_text", "lifecycle.confirm_retired_submit"},
}

// decideLifecycle asks first where newcomers would be turned away, and says whom it concerns.
func (s *site) decideLifecycle(v *visit) error {
	id := v.r.PathValue("api")
	version, _, err := v.version(id)
	if err != nil {
		return err
	}
	form := v.written("lifecycle", "deployment", "sunset", "successor", "note")
	n := api.NewLifecycle{Lifecycle: v.field("lifecycle"), Deployment: v.field("deployment"), Successor: v.field("successor"), Note: v.field("note")}
	if day := v.field("sunset"); day != "" {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			form.Errors["sunset"] = v.text.T("lifecycle.sunset_wrong")
			return v.renderLifecycle(http.StatusUnprocessableEntity, form)
		}
		n.Sunset = &at
	}
	path := ui.With(ui.Below(ui.APIsPath, id, "lifecycle"), "version", version)
	if portal.Lifecycle(n.Lifecycle).Ending() && v.field("confirmed") == "" {
		l, err := v.desk.VersionLifecycle(v.ctx(), id, version)
		if err != nil {
			return err
		}
		words, count := confirmations[n.Lifecycle], v.text.Number
		about := v.text.T("lifecycle.usage", "Subscriptions", count(l.Usage.Subscriptions), "Applications", count(l.Usage.Applications), "Organisations", count(l.Usage.Organisations))
		if n.Deployment != "" {
			i := slices.IndexFunc(l.Deployments, func(d api.DeploymentLifecycle) bool { return d.ID == n.Deployment })
			if i < 0 {
				return portal.ErrNotFound
			}
			about = v.text.T("lifecycle.confirm_only", "Where", v.where(l.Deployments[i]))
		}
		c := ui.ConfirmLifecycle{Confirm: ui.Confirm{
			Title: v.text.T(words.title, "Name", l.Title, "Version", l.Version), Text: v.text.T(words.text),
			Points: []string{about, v.text.T("lifecycle.confirm_keep"), v.text.T("lifecycle.confirm_told"), v.text.T("lifecycle.confirm_undo")},
			Action: path, Button: v.text.T(words.submit), Danger: n.Lifecycle == string(portal.Retired), Back: path,
		}}
		for _, name := range []string{"lifecycle", "deployment", "sunset", "successor", "note"} {
			c.Fields = append(c.Fields, ui.Option{Value: name, Text: v.field(name)})
		}
		c.Fields = append(c.Fields, ui.Option{Value: "confirmed", Text: "yes"})
		return v.render(ui.ConfirmLifecyclePage(v.in(ui.APIsPath, c.Title), c))
	}
	if n.Lifecycle != "" && !slices.Contains(portal.Lifecycles, portal.Lifecycle(n.Lifecycle)) {
		form.Errors["lifecycle"] = v.text.T("form.required")
		return v.renderLifecycle(http.StatusUnprocessableEntity, form)
	}
	_, err = v.desk.SetVersionLifecycle(v.ctx(), id, version, n)
	if v.refused(&form, err) {
		return v.renderLifecycle(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	return v.done(path, "lifecycle-decided")
}
