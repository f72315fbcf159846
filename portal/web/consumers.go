package web

import (
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

const consumersLimit = 50

// consumers lists who uses an API, for those who decide about it.
func (s *site) consumers(v *visit) error {
	a, err := v.desk.API(v.ctx(), v.r.PathValue("api"))
	if err != nil {
		return err
	}
	if !a.Governed {
		return fmt.Errorf("consumers of %s: %w", a.ID, portal.ErrNotFound)
	}
	state, environment := v.query("state"), v.query("environment")
	found, err := v.desk.Consumers(v.ctx(), api.ConsumersQuery{Paging: v.paging(consumersLimit), API: a.ID, State: state, Environment: environment})
	if err != nil {
		return err
	}
	path := ui.Below(ui.APIsPath, a.ID, string(tabConsumers))
	page := ui.Consumers{APIHead: v.apiHead(a, tabConsumers, "", ""), Filtered: state+environment != "", Clear: path}
	page.States = []ui.Link{{Text: v.text.T("consumers.all"), Href: ui.With(path, "environment", environment), Current: state == ""}}
	for _, name := range []string{"requested", "approved", "suspended", "rejected", "cancelled"} {
		page.States = append(page.States, ui.Link{Text: v.text.SubscriptionState(name), Href: ui.With(path, "state", name, "environment", environment), Current: state == name})
	}
	page.Environments = []ui.Link{{Text: v.text.T("catalog.all"), Href: ui.With(path, "state", state), Current: environment == ""}}
	names, err := v.desk.Environments(v.ctx())
	if err != nil {
		return err
	}
	if environment != "" && !slices.Contains(names, environment) {
		names = append(names, environment)
	}
	for _, name := range names {
		page.Environments = append(page.Environments, ui.Link{Text: v.text.Environment(name), Href: ui.With(path, "state", state, "environment", name), Current: environment == name})
	}
	page.Items = each(found.Items, func(c api.Consumed) ui.ConsumerRow {
		return ui.ConsumerRow{Subscription: subscription(c.Subscription), Keys: keys(c.Keys)}
	})
	page.First, page.Next = v.pages(found.Next)
	return v.render(ui.ConsumersPage(v.inAPI(a, "tabs.consumers"), page))
}

// maxEndpoints is how many endpoints the page of an API asks for.
const maxEndpoints = 40

// endpoints lists everywhere that the person is sent to.
func (s *site) endpoints(v *visit) error {
	a, err := v.desk.API(v.ctx(), v.r.PathValue("api"))
	if err != nil {
		return err
	}
	page := ui.Endpoints{APIHead: v.apiHead(a, tabEndpoints, "", "")}
	sides := sidesOf(a)
	if n := len(sides); n > maxEndpoints {
		sides, page.More = sides[:maxEndpoints], n-maxEndpoints
	}
	for _, at := range sides {
		d, err := v.desk.Resolve(v.ctx(), api.ResolveQuery{API: a.ID, Version: at.version, Environment: at.environment})
		if err != nil {
			return err
		}
		page.Items = append(page.Items, ui.EndpointRow{
			Endpoint: v.endpoint(d), Sunset: d.Sunset, Href: ui.With(ui.Below(ui.APIsPath, a.ID), "environment", at.environment, "version", at.version),
		})
	}
	return v.render(ui.EndpointsPage(v.inAPI(a, "tabs.endpoints"), page))
}
