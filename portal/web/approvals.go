package web

import (
	"net/http"

	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (s *site) approvals(v *visit) error {
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: v.paging(listLimit), ToDecide: true})
	if err != nil {
		return err
	}
	l := ui.Subscriptions{Items: each(p.Items, subscription)}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.ApprovalsPage(v.in(ui.ApprovalsPath, v.text.T("nav.approvals")), l))
}

func (s *site) approve(v *visit) error {
	if _, err := v.desk.Approve(v.ctx(), v.r.PathValue("subscription"), v.field("reason")); err != nil {
		return err
	}
	return v.done(ui.ApprovalsPath, "approved")
}

func (s *site) askReject(v *visit) error { return v.renderReject(http.StatusOK, ui.Form{}) }

func (v *visit) renderReject(status int, form ui.Form) error {
	sub, err := v.desk.Subscription(v.ctx(), v.r.PathValue("subscription"))
	if err != nil {
		return err
	}
	c := ui.Confirm{
		Title: v.text.T("reject.title", "Application", sub.ApplicationName),
		Text: v.text.T("reject.text", "Person", sub.RequestedBy, "Title", sub.Title,
			"Environment", v.text.Environment(sub.Environment)),
		Action: ui.Below(ui.ApprovalsPath, sub.ID, "reject"), Button: v.text.T("reject.submit"), Danger: true,
		Back: ui.ApprovalsPath, Reason: true, ReasonLabel: v.text.T("reject.reason"), Form: form,
	}
	return v.renderAs(status, ui.ConfirmPage(v.in(ui.ApprovalsPath, c.Title), c))
}

func (s *site) reject(v *visit) error {
	form := v.written("reason")
	if !v.require(form, "reason") {
		return v.renderReject(http.StatusUnprocessableEntity, form)
	}
	if _, err := v.desk.Reject(v.ctx(), v.r.PathValue("subscription"), v.field("reason")); err != nil {
		return err
	}
	return v.done(ui.ApprovalsPath, "rejected")
}
