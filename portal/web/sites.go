package web

import (
	"fmt"
	"net/http"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (s *site) sites(v *visit) error {
	sites, err := v.desk.Sites(v.ctx())
	if err != nil {
		return err
	}
	l := ui.Sites{Items: each(sites, siteView), OnlyLocal: true}
	for _, i := range sites {
		l.OnlyLocal = l.OnlyLocal && i.Local
	}
	return v.render(ui.SitesPage(v.in(ui.SitesPath, v.text.T("nav.sites")), l))
}

func (s *site) site(v *visit) error {
	found, err := v.desk.Site(v.ctx(), v.r.PathValue("site"))
	if err != nil {
		return err
	}
	return v.render(ui.SitePageView(v.in(ui.SitesPath, found.Name, v.crumb("nav.sites", ui.SitesPath)), siteView(found)))
}

func (s *site) newWorker(v *visit) error {
	return v.renderNewWorker(http.StatusOK, ui.Form{Values: map[string]string{"site": v.query("site")}})
}

func (v *visit) renderNewWorker(status int, form ui.Form) error {
	sites, err := v.desk.Sites(v.ctx())
	if err != nil {
		return err
	}
	n := ui.NewWorker{Form: form}
	for _, i := range sites {
		if !i.Local {
			n.Sites = append(n.Sites, i.Name)
		}
	}
	p := v.in(ui.SitesPath, v.text.T("sites.add_worker"), v.crumb("nav.sites", ui.SitesPath))
	return v.renderAs(status, ui.NewWorkerPage(p, n))
}

// enrol makes a token for a worker and shows it in this one answer.
func (s *site) enrol(v *visit) error {
	form := v.written("site")
	if !v.require(form, "site") {
		return v.renderNewWorker(http.StatusUnprocessableEntity, form)
	}
	e, err := v.desk.CreateEnrolment(v.ctx(), v.field("site"))
	if v.refused(&form, err) {
		return v.renderNewWorker(http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	p := v.in(ui.SitesPath, v.text.T("enrolled.title", "Site", e.Site), v.crumb("nav.sites", ui.SitesPath))
	return v.render(ui.EnrolledPage(p, ui.Enrolled{
		Site: e.Site, Token: e.Token.Reveal(), Expires: e.Expires, Variable: enrolmentVariable,
		Command: "concierge worker --site " + e.Site + " --server " + quoted(v.base()),
	}))
}

// enrolmentVariable is where concierge worker finds its enrolment token.
const enrolmentVariable = "CONCIERGE_ENROLMENT_TOKEN"

// enrolment finds one that can still be used.
func (v *visit) enrolment(id string) (api.Enrolment, error) {
	sites, err := v.desk.Sites(v.ctx())
	for _, i := range sites {
		for _, e := range i.Enrolments {
			if e.ID == id {
				return e, err
			}
		}
	}
	if err == nil {
		err = fmt.Errorf("enrolment %q: %w", id, portal.ErrNotFound)
	}
	return api.Enrolment{}, err
}

func (s *site) askRevokeEnrolment(v *visit) error {
	e, err := v.enrolment(v.r.PathValue("enrolment"))
	if err != nil {
		return err
	}
	return v.confirm(ui.SitesPath, ui.Confirm{
		Title: v.text.T("revoke_enrolment.title", "ID", e.ID), Text: v.text.T("revoke_enrolment.text", "Site", e.Site),
		Points: []string{v.text.T("revoke_enrolment.point")},
		Action: ui.Below(ui.EnrolmentsPath, e.ID, "revoke"), Button: v.text.T("revoke_token.submit"), Danger: true, Back: ui.Below(ui.SitesPath, e.Site),
	})
}

func (s *site) revokeEnrolment(v *visit) error {
	e, err := v.enrolment(v.r.PathValue("enrolment"))
	if err != nil {
		return err
	}
	if err := v.desk.RevokeEnrolment(v.ctx(), e.ID); err != nil {
		return err
	}
	return v.done(ui.Below(ui.SitesPath, e.Site), "token-revoked")
}

func (s *site) askRevokeWorker(v *visit) error {
	id := v.r.PathValue("worker")
	sites, err := v.desk.Sites(v.ctx())
	if err != nil {
		return err
	}
	for _, i := range sites {
		for _, w := range i.Workers {
			if w.ID == id {
				return v.confirm(ui.SitesPath, v.revokeWorkerQuestion(siteView(i), w))
			}
		}
	}
	return fmt.Errorf("worker %q: %w", id, portal.ErrNotFound)
}

func (v *visit) revokeWorkerQuestion(in ui.Site, w api.Worker) ui.Confirm {
	others := in.Connected
	if w.State == "connected" {
		others--
	}
	left := v.text.T("revoke_worker.point_alone")
	if others > 0 {
		left = v.text.N("revoke_worker.point_others", others)
	}
	return ui.Confirm{
		Title: v.text.T("revoke_worker.title", "Name", w.Name), Text: v.text.T("revoke_worker.text", "Site", in.Name),
		Points: []string{left, v.text.T("revoke_worker.point_back"), v.text.T("revoke_worker.point_credentials")},
		Action: ui.Below(ui.WorkersPath, w.ID, "revoke"), Button: v.text.T("revoke_worker.submit"), Danger: true, Back: ui.Below(ui.SitesPath, in.Name),
	}
}

func (s *site) revokeWorker(v *visit) error {
	w, err := v.desk.RevokeWorker(v.ctx(), v.r.PathValue("worker"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.SitesPath, w.Site), "worker-revoked")
}
