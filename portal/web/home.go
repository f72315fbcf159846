package web

import (
	"errors"
	"strconv"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// homeLimit is how much of each list the first page reads. What there is more is said as "20+".
const homeLimit = 20

func (s *site) home(v *visit) error {
	h := ui.Home{Name: v.me.Name, Decides: v.decides(), Operator: v.operates()}
	live, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: homeLimit}, State: "active"})
	if err != nil {
		return err
	}
	h.Keys, h.HasKeys = howMany(live), len(live.Items) > 0
	retiring, err := v.desk.Credentials(v.ctx(), api.CredentialsQuery{Paging: api.Paging{Limit: homeLimit}, State: "retiring"})
	if err != nil {
		return err
	}
	h.Ending = v.keys(retiring.Items)
	applications, err := v.desk.Applications(v.ctx(), api.Paging{Limit: homeLimit})
	if err != nil {
		return err
	}
	h.Applications, h.HasApplication = howMany(applications), len(applications.Items) > 0
	if h.Leaving, err = v.leaving(""); err != nil {
		return err
	}
	if h.Environments, err = v.desk.Environments(v.ctx()); err != nil {
		return err
	}
	for _, ask := range []func(*visit, *ui.Home) error{ready, waiting, toDecide, frozen, toReview, troubles, ownWork} {
		if err := ask(v, &h); err != nil {
			return err
		}
	}
	return v.render(ui.HomePage(v.in(ui.HomePath, v.text.T("nav.home")), h))
}

func howMany[T any](p api.Page[T]) string {
	n := strconv.Itoa(len(p.Items))
	if p.Next != "" {
		n += "+"
	}
	return n
}

// ready finds what is granted and has no key yet.
func ready(v *visit, h *ui.Home) error {
	granted, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: api.Paging{Limit: homeLimit}, State: "approved"})
	if err != nil {
		return err
	}
	for _, g := range granted.Items {
		held, err := v.held(g.ID)
		if err != nil {
			return err
		}
		if held == "" {
			h.Ready = append(h.Ready, subscription(g))
		}
	}
	return nil
}

func waiting(v *visit, h *ui.Home) error {
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: api.Paging{Limit: homeLimit}, State: "requested"})
	h.Waiting = howMany(p)
	return err
}

func toDecide(v *visit, h *ui.Home) error {
	if !h.Decides {
		return nil
	}
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: api.Paging{Limit: homeLimit}, ToDecide: true})
	h.ToDecide = howMany(p)
	return err
}

// troubles counts what nobody has classified and lists the gateways whose last sync did not end well.
func troubles(v *visit, h *ui.Home) error {
	if !h.Operator {
		return nil
	}
	p, err := v.desk.Gateways(v.ctx(), api.Paging{Limit: 200})
	if errors.Is(err, portal.ErrNotFound) {
		h.Operator = false // the role may be there without a gateway to run
		return nil
	}
	if err != nil {
		return err
	}
	h.Gateways = len(p.Items)
	for _, g := range p.Items {
		h.Unclassified += g.Unclassified
		if g.LastRun != nil && (g.LastRun.State == "failed" || g.LastRun.State == "waiting") {
			h.Troubled = append(h.Troubled, v.gatewayView(g))
		}
	}
	return nil
}

// ownWork counts what went wrong in the portal's own work, for those who steer it.
func ownWork(v *visit, h *ui.Home) error {
	if !v.steers() {
		return nil
	}
	var failing api.Page[api.Job]
	for _, state := range []string{"failed", "retrying"} { // those to look at are those of the last that has any
		p, err := v.desk.Jobs(v.ctx(), api.JobsQuery{Paging: api.Paging{Limit: homeLimit}, State: state})
		if absent(err) {
			break
		}
		if err != nil {
			return err
		}
		failing.Items, failing.Next = append(failing.Items, p.Items...), failing.Next+p.Next
		h.Jobs = howMany(failing)
		if len(p.Items) > 0 || h.JobsHref == "" {
			h.JobsHref = ui.With(ui.JobsPath, "state", state)
		}
	}
	sites, err := v.desk.Sites(v.ctx())
	if absent(err) {
		return nil
	}
	gone := 0
	for _, s := range sites {
		if !s.Local {
			gone += siteView(s).Gone
			h.Workers = strconv.Itoa(gone)
		}
	}
	return err
}

// absent reports whether the portal has no such thing, or not for the person.
func absent(err error) bool {
	return errors.Is(err, portal.ErrUnsupported) || errors.Is(err, portal.ErrNotFound)
}
