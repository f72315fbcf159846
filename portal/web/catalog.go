package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// showAPI is the page of one API. Without a choice of environment it shows the first one that has an endpoint.
func (s *site) showAPI(v *visit) error {
	return v.renderAPI(http.StatusOK, v.r.PathValue("api"), place{
		environment: v.query("environment"), version: v.query("version"), application: v.query("application"),
	}, ui.Form{})
}

// place is what a person has chosen on the page of an API.
type place struct {
	environment, version, application string
}

func (v *visit) renderAPI(status int, id string, at place, form ui.Form) error {
	a, err := v.desk.API(v.ctx(), id)
	if err != nil {
		return err
	}
	mine, err := v.desk.Applications(v.ctx(), api.Paging{Limit: 200})
	if err != nil {
		return err
	}
	environments := environmentsOf(a, at.version)
	if at.environment == "" && len(environments) > 0 {
		at.environment = environments[0]
	}
	page := ui.APIPage{
		APIHead: v.apiHead(a, tabOverview, at.environment, at.version), Environment: at.environment,
		Markdown: v.site.Markdown(a.Description),
		Links:    links(a.Links),
		Curated:  v.curated(a),
	}
	path := ui.Below(ui.APIsPath, a.ID)
	resolve := func() (api.Decision, error) {
		return v.desk.Resolve(v.ctx(), api.ResolveQuery{
			API: a.ID, Version: at.version, Environment: at.environment, Application: at.application,
		})
	}
	var d api.Decision
	if at.environment == "" {
		err = &portal.NoEndpointError{API: a.ID}
	} else {
		d, err = resolve()
	}
	var none *portal.NoEndpointError
	if errors.As(err, &none) && at.version == "" {
		if at.version = onlyByName(a, at.environment); at.version != "" {
			d, err = resolve()
		}
	}
	switch {
	case err == nil:
		if err := v.fillEndpoint(&page, a, d, at, mine.Items, form); err != nil {
			return err
		}
	case errors.As(err, &none):
		page.Retired = retired(a, at.version)
		for _, e := range none.Environments {
			page.Elsewhere = append(page.Elsewhere, ui.Link{
				Text: v.text.Environment(string(e)), Href: ui.With(path, "environment", string(e)),
			})
		}
	default:
		return err
	}
	for _, e := range environments {
		page.Environments = append(page.Environments, ui.Link{
			Text: v.text.Environment(e), Current: e == at.environment,
			Href: ui.With(path, "environment", e, "version", at.version, "application", at.application),
		})
	}
	for _, l := range a.Versions {
		to := at.environment
		if !slices.Contains(l.Environments, to) && len(l.Environments) > 0 {
			to = l.Environments[0]
		}
		page.Versions = append(page.Versions, ui.VersionTab{Lifecycle: l.Lifecycle, Link: ui.Link{
			Text: l.Version, Href: ui.With(path, "environment", to, "version", l.Version),
			Current: l.Version == d.Version || d.Version == "" && l.Version == at.version,
		}})
	}
	return v.renderAs(status, ui.APIPageView(v.in(ui.APIsPath, titled(a.Title, a.ID), v.crumb("nav.apis", ui.APIsPath)), page))
}

// onlyByName is the first version that there is in an environment, for where none is fit for newcomers that do not name one;
// empty where there is none to name.
func onlyByName(a api.API, environment string) string {
	for _, l := range a.Versions {
		if slices.Contains(l.Environments, environment) {
			return l.Version
		}
	}
	return ""
}

// retired is the version that takes nobody new, if that is why there is no endpoint: the one that was asked for, or all that there are.
func retired(a api.API, version string) string {
	asked := slices.DeleteFunc(slices.Clone(a.Versions), func(l api.Version) bool { return version != "" && l.Version != version })
	if len(asked) == 0 || slices.ContainsFunc(asked, func(l api.Version) bool { return l.Lifecycle != string(portal.Retired) }) {
		return ""
	}
	return asked[0].Version
}

// environmentsOf lists the environments of one version, or of all, in their configured order.
func environmentsOf(a api.API, version string) []string {
	var found []string
	for _, l := range a.Versions {
		for _, e := range l.Environments {
			if (version == "" || l.Version == version) && !slices.Contains(found, e) {
				found = append(found, e)
			}
		}
	}
	return found
}

// links keeps those that a browser can follow: the API's own need a token.
func links(ls []api.Link) []ui.Link {
	var kept []ui.Link
	for _, l := range ls {
		if u, err := url.Parse(l.Href); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			kept = append(kept, ui.Link{Text: titled(l.Title, l.Rel), Href: l.Href})
		}
	}
	return kept
}

func (v *visit) crumb(key, href string) ui.Link { return ui.Link{Text: v.text.T(key), Href: href} }

func (v *visit) fillEndpoint(page *ui.APIPage, a api.API, d api.Decision, at place, mine []api.Application, form ui.Form) error {
	path := ui.Below(ui.APIsPath, a.ID)
	page.Ending = v.endingOf(d)
	if page.Ending != nil && (a.Governed || a.CanCurate) {
		page.Ending.Users = stillUsing(a.ID, cmp.Or(d.Version, api.NoVersion))
	}
	shown := v.endpoint(d)
	shown.Application, shown.Reset = at.application, path
	shown.Applications = append([]ui.Option{{Text: v.text.T("endpoint.newcomer")}}, options(mine)...)
	page.Endpoint = &shown
	page.Differs = v.differs(a, d.Version, d.Environment)
	document := func(format string) string {
		return ui.With(ui.Below(ui.APIsPath, a.ID, "document"), "environment", d.Environment, "version", d.Version, "application", at.application, "format", format)
	}
	page.JSON, page.DocumentKind = document("json"), documentKind(d.Kind)
	if writtenAsYAML(d.Kind) {
		page.YAML = document("yaml")
	}
	page.Reference = ui.With(ui.Below(ui.APIsPath, a.ID, string(tabReference)), "environment", d.Environment, "version", d.Version, "application", at.application)
	page.Operations = ui.With(ui.Below(ui.APIsPath, a.ID, "operations"), "environment", d.Environment, "version", d.Version, "application", at.application)

	held, err := v.keysFor(a.ID, d.Version, d.Environment)
	if err != nil {
		return err
	}
	page.Keys = held
	page.GetKey = ui.GetKey{
		Form: form, API: a.ID, Version: d.Version, Environment: d.Environment,
		Plans:        each(d.Plans, v.plan),
		Applications: append(options(mine), ui.Option{Value: ui.NewApplicationChoice, Text: v.text.T("get_key.application_new")}),
		Able:         v.changesApplications(),
	}
	return nil
}

// endpoint shows a decision.
func (v *visit) endpoint(d api.Decision) ui.Endpoint {
	return ui.Endpoint{
		BaseURL: d.BaseURL, Gateway: d.Gateway, Region: d.Region, Version: d.Version, Environment: d.Environment,
		Lifecycle: d.Lifecycle, Refused: v.keysRefused(d.KeysRefused),
		Authentication: v.authentication(d.Authentication),
		Curl:           Curl(CallAddress(d.BaseURL, d.Try), v.placeholder(d.Authentication)),
		Why:            each(d.Why, func(r api.Reason) string { return v.text.Reason(r.Code, r.Args, r.Text) }),
	}
}

func options(applications []api.Application) []ui.Option {
	return each(applications, func(a api.Application) ui.Option { return ui.Option{Value: a.ID, Text: a.Name} })
}

// keysFor finds the person's live keys for one endpoint, among the newest of theirs.
func (v *visit) keysFor(id, version, environment string) ([]ui.Key, error) {
	p, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: 200}})
	if err != nil {
		return nil, err
	}
	var found []ui.Key
	for _, c := range p.Items {
		if k := v.key(c); k.Live() && c.API == id && c.Version == version && c.Environment == environment {
			found = append(found, k)
		}
	}
	return found, nil
}

// document hands out the API's description as a file.
func (s *site) document(v *visit) error {
	format := v.query("format")
	if format != "yaml" {
		format = "json"
	}
	id := v.r.PathValue("api")
	d, err := v.desk.Spec(v.ctx(), api.SpecQuery{
		API: id, Version: v.query("version"), Environment: v.query("environment"), Format: format, Application: v.query("application"),
	})
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", d.ContentType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(id, v.query("version"), v.query("environment"), d.Ending())))
	_, _ = v.w.Write(d.Content) // the reader is gone: nobody is left to tell
	return nil
}

// fileName joins what is known, with nothing in it that a file system or a header could stumble over.
func fileName(id, version, environment, format string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return -1
	}, strings.Join(slices.DeleteFunc([]string{id, version, environment}, func(s string) bool { return s == "" }), "-"))
	return strings.Trim(name, ".") + "." + format
}
