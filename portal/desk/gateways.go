package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
)

// hidden is the answer to whoever may not see gateways, or this one.
func hidden(id string) error { return fmt.Errorf("gateway %s: %w", id, portal.ErrNotFound) }

// seesGateways reports whether the caller may see any gateway at all.
func (d *desk) seesGateways() bool {
	return access.MaySeeGateway(d.caller, d.caller.Division)
}

func (d *desk) GatewayKinds(context.Context) ([]api.GatewayKind, error) {
	if !access.MayRegisterGateways(d.caller) {
		return nil, fmt.Errorf("kinds of gateway: %w", portal.ErrNotFound)
	}
	kinds := []api.GatewayKind{}
	for _, name := range slices.Sorted(maps.Keys(d.Kinds)) {
		k := d.Kinds[name]
		shown := api.GatewayKind{Name: k.Name, Title: k.Title, Address: k.Address, Settings: []api.GatewaySetting{}}
		for _, s := range k.Settings {
			shown.Settings = append(shown.Settings, api.GatewaySetting{Name: s.Name, Title: s.Title, Help: s.Help, Required: s.Required, Secret: s.Secret, Default: s.Default})
		}
		kinds = append(kinds, shown)
	}
	return kinds, nil
}

// gatewayBatch is how many gateways are read at a time while looking for those that the caller may see.
const gatewayBatch = 200

func (d *desk) Gateways(ctx context.Context, p api.Paging) (page api.Page[api.Gateway], err error) {
	if !d.seesGateways() {
		return page, fmt.Errorf("gateways: %w", portal.ErrNotFound)
	}
	after, err := openCursor[portal.GatewayID](d, "gateways", p.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []api.Gateway{}
	reach := &reach{desk: d}
	for {
		var batch []catalog.Gateway
		err := d.catalog.View(ctx, func(tx catalog.Tx) (err error) {
			batch, err = tx.Catalog().Gateways(ctx, after, gatewayBatch)
			return err
		})
		if err != nil {
			return page, err
		}
		for _, g := range batch {
			if access.MaySeeGateway(d.caller, g.Division) {
				if len(page.Items) == limit(p.Limit) {
					page.Next, err = sealCursor(d, "gateways", after)
					return page, err
				}
				shown, err := d.gateway(ctx, g, reach)
				if err != nil {
					return page, err
				}
				page.Items = append(page.Items, shown)
			}
			after = g.ID
		}
		if len(batch) < gatewayBatch {
			return page, nil
		}
	}
}

// visible loads a gateway that the caller may see.
func (d *desk) visible(ctx context.Context, id string, may func(access.Caller, portal.Division) bool) (catalog.Gateway, error) {
	g, err := d.Service.Gateways.Gateway(ctx, portal.GatewayID(id))
	if err != nil {
		return g, err
	}
	if !access.MaySeeGateway(d.caller, g.Division) {
		return g, hidden(id)
	}
	if !may(d.caller, g.Division) {
		return g, fmt.Errorf("your role may look at gateway %s but not do this: %w", id, portal.ErrDenied)
	}
	return g, nil
}

func (d *desk) Gateway(ctx context.Context, id string) (api.Gateway, error) {
	g, err := d.visible(ctx, id, access.MaySeeGateway)
	if err != nil {
		return api.Gateway{}, err
	}
	shown, err := d.gateway(ctx, g, &reach{desk: d})
	if access.MayRegisterGateways(d.caller) {
		shown.Registered = registered(g)
	}
	return shown, err
}

func (d *desk) gateway(ctx context.Context, g catalog.Gateway, reach *reach) (api.Gateway, error) {
	st, err := d.Ingest.Standing(ctx, g.ID)
	if err != nil {
		return api.Gateway{}, err
	}
	shown := api.Gateway{
		ID: string(g.ID), Title: g.Title, Kind: g.Kind, Address: g.Address, Division: string(g.Division), Site: string(g.Site),
		Source: string(g.Source), Paused: g.Paused, Placement: map[string]string{}, Bounds: g.Bounds, Fleet: g.Fleet, Settings: g.Settings,
		Deployments: st.Deployments, Unclassified: st.Unclassified,
	}
	shown.Bounds.Audiences = append([]portal.Audience{}, g.Bounds.Audiences...)
	shown.Bounds.Environments = append([]portal.Environment{}, g.Bounds.Environments...)
	for axis, v := range g.Defaults {
		shown.Placement[string(axis)] = v
	}
	if shown.Settings == nil {
		shown.Settings = map[string]string{}
	}
	if c := g.Capabilities; c != nil {
		shown.Capabilities = &api.Capabilities{
			Product: c.Product, Discovery: string(c.Discovery), Documents: c.Documents, Issue: c.Issue.Able, IssueReason: c.Issue.Reason,
			Scope: string(c.Scope), MaxKeys: c.MaxKeys, Expiry: c.Expiry, Suspend: c.Suspend, ReadBack: c.ReadBack,
			PropagationSeconds: c.Propagation.Seconds(), Pipeline: c.Pipeline, Probed: st.Probed,
		}
	}
	if shown.SiteState, shown.SiteSeen, err = reach.of(ctx, g); err != nil {
		return api.Gateway{}, err
	}
	if st.LastGood != nil {
		shown.LastGood = timeOrNil(st.LastGood.Ended)
	}
	if st.LastRun != nil {
		runs, err := d.shownRuns(ctx, *st.LastRun)
		if err != nil {
			return api.Gateway{}, err
		}
		shown.LastRun = &runs[0]
	}
	every, next, err := d.Ingest.Due(ctx, g)
	if err != nil {
		return api.Gateway{}, err
	}
	shown.Every, shown.NextSync, shown.Budget, shown.Traffic = every.String(), timeOrNil(next), api.Budget(d.Service.Gateways.Budget(g)), d.traffic(g)
	return shown, nil
}

func (d *desk) Sync(ctx context.Context, gateway string) (api.Run, error) {
	return d.administer(ctx, gateway, func(id portal.GatewayID) (catalog.Run, error) {
		return d.Ingest.Sync(ctx, id, string(d.caller.Person))
	})
}

func (d *desk) Runs(ctx context.Context, gateway string, p api.Paging) (page api.Page[api.Run], err error) {
	g, err := d.visible(ctx, gateway, access.MaySeeGateway)
	if err != nil {
		return page, err
	}
	before, err := openCursor[portal.RunID](d, "runs of "+gateway, p.Cursor)
	if err != nil {
		return page, err
	}
	n := limit(p.Limit)
	found, err := d.Ingest.Runs(ctx, g.ID, before, n+1)
	if err != nil {
		return page, err
	}
	if len(found) > n {
		found = found[:n]
		if page.Next, err = sealCursor(d, "runs of "+gateway, found[n-1].ID); err != nil {
			return page, err
		}
	}
	page.Items, err = d.shownRuns(ctx, found...)
	return page, err
}

func (d *desk) Run(ctx context.Context, gateway, id string) (api.Run, error) {
	g, err := d.visible(ctx, gateway, access.MaySeeGateway)
	if err != nil {
		return api.Run{}, err
	}
	run, plan, err := d.Ingest.RunWithPlan(ctx, g.ID, portal.RunID(id))
	if err != nil {
		return api.Run{}, err
	}
	shown, err := d.shownRuns(ctx, run)
	if err != nil {
		return api.Run{}, err
	}
	if run.State != catalog.Running {
		shown[0].Plan = shownPlan(plan)
	}
	return shown[0], nil
}
