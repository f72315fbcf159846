package web

import (
	"bytes"
	"context"
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

	"github.com/a-h/templ"
)

// Cookies that hold a preference or the word for what has just been done; never anything about a person.
const (
	languageCookie = "concierge_language"
	themeCookie    = "concierge_theme"
	flashCookie    = "concierge_flash"
)

// visit is one request for a page.
type visit struct {
	site *site
	w    http.ResponseWriter
	r    *http.Request
	text ui.Text
	page ui.Page
	desk api.Desk // nil where nobody is signed in
	me   api.Me
}

func (v *visit) ctx() context.Context { return v.r.Context() }

// page makes a handler out of one that may fail. It looks up who asks, refuses what another site sent, and shows every
// error in one way.
func (s *site) page(h func(*visit) error, signedIn bool) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageHeaders(w.Header())
		v := s.visit(w, r)
		if err := v.serve(h, signedIn, crossOrigin.Check(r)); err != nil {
			v.fail(err)
		}
	})
}

func (v *visit) serve(h func(*visit) error, signedIn bool, crossOrigin error) error {
	if crossOrigin != nil {
		return errCrossOrigin
	}
	if err := v.parse(); err != nil {
		return err
	}
	if err := v.whoAsks(); err != nil && signedIn {
		return err // a page for everybody is there for nobody too
	}
	return h(v)
}

func (s *site) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{site: s, w: w, r: r}
	v.text = ui.TextIn(ui.ChooseLanguage(v.cookie(languageCookie), r.Header.Get("Accept-Language")))
	v.r = r.WithContext(ui.WithSetting(r.Context(), v.text, s.Desktop))
	v.page.Path = r.URL.RequestURI()
	if !safe(r.Method) {
		v.page.Path = ui.HomePath // the answer to a form has no address to come back to
	}
	if theme := v.cookie(themeCookie); theme == "light" || theme == "dark" {
		v.page.Theme = theme
	}
	if key, ok := flashes[v.cookie(flashCookie)]; ok && safe(r.Method) && r.Header.Get("HX-Request") == "" {
		v.page.Flash = v.text.T(key)
		v.setCookie(flashCookie, "", -1)
	}
	return v
}

func (v *visit) parse() error {
	limit := int64(maxFormBytes)
	if isUpload(v.r) {
		limit = api.MaxDocumentBytes + maxFormBytes
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, limit)
	if err := v.r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge
		}
		return fmt.Errorf("the form cannot be read: %w", portal.ErrInvalid)
	}
	return nil
}

func (v *visit) whoAsks() error {
	person, in, err := v.site.door.who(v.r)
	if err != nil {
		return err
	}
	if person == "" && !v.site.Desktop {
		return errSignIn
	}
	desk, err := v.site.Desk(v.ctx(), person, in)
	if errors.Is(err, portal.ErrDenied) && !v.site.Desktop {
		if err := v.site.door.leave(v.w, v.r); err != nil {
			return err
		}
		return errSignIn
	}
	if err != nil {
		return fmt.Errorf("opening the desk: %w", err)
	}
	me, err := desk.Me(v.ctx())
	if err != nil {
		return fmt.Errorf("asking who is signed in: %w", err)
	}
	v.desk, v.me = desk, me
	v.page.Me = ui.Me{
		Name: me.Name, Email: me.Email, Organisation: me.Organisation, Audience: me.Audience, Roles: me.Roles,
		SignOut: !v.site.Desktop,
	}
	v.page.Nav = v.navigation()
	return nil
}

// is reports whether the person has one of the roles. It decides what is offered, never what is allowed.
func (v *visit) is(roles ...access.Role) bool {
	return slices.ContainsFunc(v.me.Roles, func(r string) bool { return slices.Contains(roles, access.Role(r)) })
}

func (v *visit) navigation() []ui.NavGroup {
	t := v.text
	groups := []ui.NavGroup{{Title: t.T("nav.group_use"), Links: []ui.NavLink{
		{Text: t.T("nav.home"), Icon: "house", Href: ui.HomePath},
		{Text: t.T("nav.apis"), Icon: "layers", Href: ui.APIsPath},
		{Text: t.T("nav.keys"), Icon: "key-round", Href: ui.KeysPath},
		{Text: t.T("nav.applications"), Icon: "app-window", Href: ui.ApplicationsPath},
		{Text: t.T("nav.subscriptions"), Icon: "badge-check", Href: ui.SubscriptionsPath},
	}}}
	var run []ui.NavLink
	if v.decides() {
		run = append(run, ui.NavLink{Text: t.T("nav.approvals"), Icon: "stamp", Href: ui.ApprovalsPath})
		run = append(run, ui.NavLink{Text: t.T("nav.reviews"), Icon: "layers", Href: ui.ReviewsPath})
	}
	if v.operates() {
		run = append(run, ui.NavLink{Text: t.T("nav.gateways"), Icon: "network", Href: ui.GatewaysPath})
	}
	if v.steers() {
		run = append(run,
			ui.NavLink{Text: t.T("nav.sites"), Icon: "server", Href: ui.SitesPath},
			ui.NavLink{Text: t.T("nav.jobs"), Icon: "activity", Href: ui.JobsPath})
	}
	if v.managesPeople() || v.decides() {
		run = append(run, ui.NavLink{Text: t.T("nav.teams"), Icon: "users", Href: ui.TeamsPath})
	}
	if v.managesPeople() {
		run = append(run,
			ui.NavLink{Text: t.T("nav.organisations"), Icon: "building-2", Href: ui.OrganisationsPath},
			ui.NavLink{Text: t.T("nav.people"), Icon: "users", Href: ui.PeoplePath})
	}
	if len(run) > 0 {
		groups = append(groups, ui.NavGroup{Title: t.T("nav.group_run"), Links: run})
	}
	return groups
}

func (v *visit) decides() bool {
	return v.is(access.PlatformAdministrator, access.DivisionAdministrator, access.APIOwner)
}
func (v *visit) operates() bool {
	return v.is(access.PlatformAdministrator, access.Auditor, access.DivisionAdministrator)
}
func (v *visit) steers() bool { return v.is(access.PlatformAdministrator) }
func (v *visit) changesApplications() bool {
	return v.is(access.OrganisationAdmin, access.Developer, access.PlatformAdministrator)
}
func (v *visit) managesPeople() bool { return v.is(access.PlatformAdministrator, access.Auditor) }

// render writes a page whole: it is built in memory, so that an error in the middle is an error page and not half one.
func (v *visit) render(c templ.Component) error { return v.renderAs(http.StatusOK, c) }

func (v *visit) renderAs(status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(v.ctx(), &b); err != nil {
		return fmt.Errorf("rendering the page: %w", err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = b.WriteTo(v.w) // the reader is gone: nobody is left to tell
	}
	return nil
}

// in names the page and its place in the navigation.
func (v *visit) in(section, title string, crumbs ...ui.Link) ui.Page {
	p := v.page
	p.Section, p.Title, p.Crumbs = section, title, crumbs
	return p
}

// fail shows an error and logs those that are ours.
func (v *visit) fail(err error) {
	if errors.Is(err, context.Canceled) && v.r.Context().Err() != nil {
		return // nobody waits for the answer any more
	}
	if errors.Is(err, errSignIn) {
		next := ""
		if safe(v.r.Method) && v.r.URL.Path != ui.HomePath {
			next = v.r.URL.RequestURI()
		}
		v.redirect(ui.With(ui.SignInPath, "next", next))
		return
	}
	f, unknown := v.failure(err)
	var gateway *portal.GatewayError
	if unknown || errors.As(err, &gateway) {
		v.site.Log.ErrorContext(v.ctx(), "page failed", "method", v.r.Method, "pattern", v.r.Pattern, "error", err)
	}
	problem, _ := api.ProblemOf(err)
	if after := problem.GetHeaders().Get("Retry-After"); after != "" {
		v.w.Header().Set("Retry-After", after)
	}
	v.show(f)
}

func (v *visit) show(f ui.Failure) {
	p := v.in("", f.Title)
	component := ui.FailureDoor(p, f)
	if v.desk != nil {
		component = ui.FailurePage(p, f)
	}
	if err := v.renderAs(f.Status, component); err != nil {
		v.site.Log.ErrorContext(v.ctx(), "error page failed", "error", err)
		http.Error(v.w, f.Title, f.Status)
	}
}

// redirect sends the browser on with a GET.
func (v *visit) redirect(to string) { http.Redirect(v.w, v.r, to, http.StatusSeeOther) }

// done sends the browser on and says there, once, what was done.
func (v *visit) done(to, flash string) error {
	if flash != "" {
		v.setCookie(flashCookie, flash, 60)
	}
	v.redirect(to)
	return nil
}

// flashes are what the flash cookie may say: a word that is not here says nothing.
var flashes = map[string]string{
	"signed-out":         "flash.signed_out",
	"asked":              "flash.asked",
	"asked-before":       "flash.asked_before",
	"person-added":       "flash.person_added",
	"revoking":           "flash.revoking",
	"cancelled":          "flash.cancelled",
	"approved":           "flash.approved",
	"rejected":           "flash.rejected",
	"application-added":  "flash.application_added",
	"gateway-added":      "flash.gateway_added",
	"gateway-changed":    "flash.gateway_changed",
	"organisation-added": "flash.organisation_added",
	"disabled":           "flash.disabled",
	"document-uploaded":  "flash.document_uploaded",
	"document-removed":   "flash.document_removed",
	"enabled":            "flash.enabled",
	"roles-saved":        "flash.roles_saved",
	"token-revoked":      "flash.token_revoked",
	"job-runs":           "flash.job_runs",
	"worker-revoked":     "flash.worker_revoked",
	"lifecycle-decided":  "flash.lifecycle_decided",
	"team-added":         "flash.team_added",
	"team-assigned":      "flash.team_assigned",
	"team-changed":       "flash.team_changed",
	"team-deleted":       "flash.team_deleted",
	"team-renamed":       "flash.team_renamed",
	"texts-published":    "flash.texts_published",
	"texts-saved":        "flash.texts_saved",
	"renames-accepted":   "flash.renames_accepted",
	"review-agreed":      "flash.review_agreed",
	"review-accepted":    "flash.review_accepted",
	"review-rejected":    "flash.review_rejected",
	"review-reopened":    "flash.review_reopened",
	"api-split":          "flash.api_split",
	"api-joined":         "flash.api_joined",
	"api-confirmed":      "flash.api_confirmed",
	"api-undone":         "flash.api_undone",
	"rules-saved":        "flash.rules_saved",
	"override-saved":     "flash.override_saved",
	"override-cleared":   "flash.override_cleared",
	"thawed":             "flash.thawed",
}

func (v *visit) cookie(name string) string {
	c, err := v.r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps a preference or a flash; maxAge is in seconds, and negative forgets it.
func (v *visit) setCookie(name, value string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, Secure: v.site.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// field returns what was written into a form's field, without the space around it.
func (v *visit) field(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }

// query returns a parameter of the address.
func (v *visit) query(name string) string { return strings.TrimSpace(v.r.URL.Query().Get(name)) }

// written keeps a form's fields to show them again. Secrets are never shown again.
func (v *visit) written(names ...string) ui.Form {
	f := ui.Form{Values: map[string]string{}, Errors: map[string]string{}}
	for _, name := range names {
		f.Values[name] = strings.Join(v.r.PostForm[name], " ")
	}
	return f
}

// require notes every named field that was left empty, and reports whether none was.
func (v *visit) require(f ui.Form, names ...string) bool {
	for _, name := range names {
		if v.field(name) == "" {
			f.Errors[name] = v.text.T("form.required")
		}
	}
	return len(f.Errors) == 0
}

// refused reports whether an error is for the person to correct in the form, and notes it there.
func (v *visit) refused(f *ui.Form, err error) bool {
	if errors.Is(err, portal.ErrInvalid) || errors.Is(err, portal.ErrConflict) || errors.Is(err, portal.ErrUnsupported) {
		problem, _ := api.ProblemOf(err)
		f.Problem = v.told(problem)
		return len(f.Problem) > 0
	}
	return false
}

// local returns a path of this site, or the first page: what a form or an address says where to go on is not to be
// trusted.
func local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(u.Path, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return ui.HomePath
	}
	if to := u.RequestURI(); strings.HasPrefix(to, "/") {
		return to
	}
	return ui.HomePath
}

// paging reads the cursor of the address.
func (v *visit) paging(limit int) api.Paging {
	return api.Paging{Limit: limit, Cursor: v.query("cursor")}
}

// pages returns the addresses of the first and of the next page of a list, both with the filters of this one.
func (v *visit) pages(next string) (first, following string) {
	q := v.r.URL.Query()
	if q.Get("cursor") != "" {
		q.Del("cursor")
		first = address(v.r.URL.Path, q)
	}
	if next != "" {
		q.Set("cursor", next)
		following = address(v.r.URL.Path, q)
	}
	return first, following
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
