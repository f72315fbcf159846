package desk

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/keys"
)

// shownChanges is how many changes and warnings of a preview are listed.
const shownChanges = 200

// frozen shows that a subscription is frozen. From what to what its endpoint was classified is for those who decide.
func (d *desk) frozen(s keys.Subscription) *api.Frozen {
	if s.Frozen.IsZero() {
		return nil
	}
	f := &api.Frozen{Since: s.Frozen, Reason: "its endpoint was classified anew, and whoever is responsible for it has to decide"}
	if access.MayGovern(d.caller, s.Division) {
		f.Reason = s.FrozenBecause
	}
	return f
}

func (d *desk) Thaw(ctx context.Context, id, reason string) (api.Subscription, error) {
	s, err := d.Keys.Thaw(ctx, d.caller, portal.SubscriptionID(id), reason)
	return d.subscription(ctx, s, err)
}

func (d *desk) GatewayRules(ctx context.Context, gateway string) (api.GatewayRules, error) {
	g, err := d.visible(ctx, gateway, access.MaySeeGateway)
	if err != nil {
		return api.GatewayRules{}, err
	}
	return d.rules(g), nil
}

func (d *desk) rules(g catalog.Gateway) api.GatewayRules {
	shown := api.GatewayRules{
		Gateway: string(g.ID), RulesDraft: api.RulesDraft{Detect: g.Detect != nil, Rules: []api.PlacementRule{}},
		CanChange: g.Source != catalog.FromConfiguration && access.MayAdministerGateway(d.caller, g.Division),
	}
	for _, r := range g.Rules {
		shown.Rules = append(shown.Rules, api.PlacementRule{
			Match: api.RuleMatch{Stage: r.Match.Stage, Host: r.Match.Host, Path: r.Match.Path, Tag: r.Match.Tag, Name: r.Match.Name},
			Set:   named(r.Set), Public: r.Public,
		})
	}
	return shown
}

// drafted are the rules of a draft, where the caller may make them.
func (d *desk) drafted(g catalog.Gateway, draft api.RulesDraft) (ingest.Rules, error) {
	n := ingest.Rules{Detect: draft.Detect}
	for i, r := range draft.Rules {
		rule := catalog.Rule{
			Match: catalog.Match{Stage: r.Match.Stage, Host: r.Match.Host, Path: r.Match.Path, Tag: r.Match.Tag, Name: r.Match.Name},
			Set:   axes(r.Set), Public: r.Public,
		}
		n.Rules = append(n.Rules, rule)
		there := slices.ContainsFunc(g.Rules, func(old catalog.Rule) bool {
			return old.Match == rule.Match && reflect.DeepEqual(axes(named(old.Set)), rule.Set) && old.Public == rule.Public
		})
		if division := rule.Set[portal.AxisDivision]; division != "" && !there && !access.MayPlaceIn(d.caller, g.Division, portal.Division(division)) {
			return n, fmt.Errorf("rule %d: to place deployments of gateway %s in division %s is for a platform administrator: %w", i+1, g.ID, division, portal.ErrDenied)
		}
	}
	return n, nil
}

// axes are values by axis, the empty ones left out.
func axes(set map[string]string) map[portal.Axis]string {
	all := map[portal.Axis]string{}
	for axis, v := range set {
		if v != "" {
			all[portal.Axis(axis)] = v
		}
	}
	return all
}

func named(set map[portal.Axis]string) map[string]string {
	all := map[string]string{}
	for axis, v := range set {
		all[string(axis)] = v
	}
	return all
}

func (d *desk) PreviewRules(ctx context.Context, gateway string, draft api.RulesDraft) (api.RulesPreview, error) {
	g, err := d.visible(ctx, gateway, access.MayAdministerGateway)
	if err != nil {
		return api.RulesPreview{}, err
	}
	n, err := d.drafted(g, draft)
	if err != nil {
		return api.RulesPreview{}, err
	}
	p, err := d.Service.Gateways.Preview(ctx, g.ID, n)
	if err != nil {
		return api.RulesPreview{}, err
	}
	shown := api.RulesPreview{
		Preview: p.Digest, Changed: len(p.Changes), Unchanged: p.Unchanged, Unclassified: len(p.Unclassified), Changes: []api.PlacementChange{},
		Warnings: append([]string{}, p.Warnings[:min(len(p.Warnings), shownChanges)]...),
	}
	for _, held := range p.Frozen {
		shown.Frozen += held
	}
	for _, c := range p.Changes[:min(len(p.Changes), shownChanges)] {
		to := c.After.Deployment
		shown.Changes = append(shown.Changes, api.PlacementChange{
			Deployment: string(to.ID), Title: to.Title, RemoteID: to.RemoteID, Exposure: to.Exposure, Values: values(c.Before.Deployment, to),
			Unclassified: !to.Placement.Classified(), Frozen: p.Frozen[to.ID],
		})
	}
	return shown, nil
}

// addressed is what the consumers' address is called among the axes.
const addressed = "address"

// values lists what differs between where a deployment stood and where it stands.
func values(before, after portal.Deployment) []api.ValueChange {
	all := []api.ValueChange{}
	for _, axis := range portal.Axes {
		if was, is := before.Placement.Get(axis), after.Placement.Get(axis); was != is {
			all = append(all, api.ValueChange{What: string(axis), Before: was, After: is})
		}
	}
	if before.BaseURL != after.BaseURL {
		all = append(all, api.ValueChange{What: addressed, Before: before.BaseURL, After: after.BaseURL})
	}
	return all
}

func (d *desk) SetRules(ctx context.Context, gateway string, c api.RulesChange) (api.GatewayRules, error) {
	g, err := d.visible(ctx, gateway, access.MayAdministerGateway)
	if err != nil {
		return api.GatewayRules{}, err
	}
	n, err := d.drafted(g, c.RulesDraft)
	if err != nil {
		return api.GatewayRules{}, err
	}
	if err := d.Service.Gateways.SetRules(ctx, string(d.caller.Person), g.ID, n, c.Preview); err != nil {
		return api.GatewayRules{}, err
	}
	return d.GatewayRules(ctx, gateway)
}

// deploymentsCursor is the last one of a page.
type deploymentsCursor struct {
	Gateway portal.GatewayID
	Key     connectors.Key
	ID      portal.DeploymentID
}

func (d *desk) Deployments(ctx context.Context, q api.DeploymentsQuery) (page api.Page[api.PlacedDeployment], err error) {
	if !d.seesGateways() {
		return page, fmt.Errorf("deployments: %w", portal.ErrNotFound)
	}
	list := fmt.Sprintf("deployments of %q, %v", q.Gateway, q.Unclassified)
	at, err := openCursor[deploymentsCursor](d, list, q.Cursor)
	if err != nil {
		return page, err
	}
	page.Items = []api.PlacedDeployment{}
	n := limit(q.Limit)
	err = d.catalog.View(ctx, func(tx catalog.Tx) error {
		gateways, err := tx.Catalog().Gateways(ctx, "", 0)
		if err != nil {
			return err
		}
		gateways = slices.DeleteFunc(gateways, func(g catalog.Gateway) bool {
			return g.ID < at.Gateway || q.Gateway != "" && string(g.ID) != q.Gateway || !access.MaySeeGateway(d.caller, g.Division)
		})
		if q.Gateway != "" && len(gateways) == 0 {
			return hidden(q.Gateway)
		}
		var last deploymentsCursor
		for _, g := range gateways {
			var after deploymentsCursor
			if g.ID == at.Gateway {
				after = at
			}
			var found []catalog.Record
			if q.Unclassified {
				found, err = tx.Catalog().Unclassified(ctx, g.ID, after.ID, n+1-len(page.Items))
			} else {
				found, err = tx.Catalog().Published(ctx, g.ID, after.Key, n+1-len(page.Items))
			}
			if err != nil {
				return err
			}
			for _, r := range found {
				if len(page.Items) == n {
					page.Next, err = sealCursor(d, list, last)
					return err
				}
				page.Items = append(page.Items, placed(g, r))
				last = deploymentsCursor{g.ID, r.Key(), r.Deployment.ID}
			}
		}
		return nil
	})
	return page, err
}

func placed(g catalog.Gateway, r catalog.Record) api.PlacedDeployment {
	to := r.Deployment
	shown := api.PlacedDeployment{
		ID: string(to.ID), Gateway: string(to.Gateway), Title: to.Title, Version: to.Version, RemoteID: to.RemoteID, Exposure: to.Exposure,
		BaseURL: to.BaseURL, Placement: map[string]api.PlacedValue{}, Unclassified: !to.Placement.Classified(), Warnings: []string{}, Overridden: !r.Override.IsZero(),
	}
	for axis, v := range to.Placement {
		shown.Placement[string(axis)] = api.PlacedValue{Value: v.Value, Layer: string(v.Layer)}
	}
	for _, s := range ingest.Explain(g, r.Discovered, r.Described, r.Override) {
		if s.Refused != "" {
			shown.Warnings = append(shown.Warnings, s.Refused)
		}
	}
	return shown
}

// standing loads a deployment with its gateway, where the caller may see that.
func (d *desk) standing(ctx context.Context, tx catalog.Tx, id string) (g catalog.Gateway, r catalog.Record, err error) {
	none := fmt.Errorf("deployment %s: %w", id, portal.ErrNotFound)
	if r, err = tx.Catalog().Record(ctx, portal.DeploymentID(id)); err != nil {
		return g, r, err
	}
	if g, err = tx.Catalog().Gateway(ctx, r.Deployment.Gateway); err != nil {
		return g, r, err
	}
	if !r.Live() || !access.MaySeeGateway(d.caller, g.Division) {
		return g, r, none
	}
	return g, r, nil
}

func (d *desk) Deployment(ctx context.Context, id string) (shown api.PlacedDeployment, err error) {
	err = d.catalog.View(ctx, func(tx catalog.Tx) error {
		g, r, err := d.standing(ctx, tx, id)
		if err != nil {
			return err
		}
		shown = placed(g, r)
		shown.Stage, shown.Hosts, shown.Paths, shown.Tags = r.Discovered.Stage, r.Discovered.Hosts, r.Discovered.Paths, r.Discovered.Tags
		shown.Upstream = r.Discovered.Upstream
		for _, s := range ingest.Explain(g, r.Discovered, r.Described, r.Override) {
			shown.Layers = append(shown.Layers, api.PlacementStep{
				What: cmp.Or(string(s.Axis), addressed), Value: s.Value, Layer: string(s.Layer), Rule: s.Rule, Source: s.Source, Refused: s.Refused,
			})
		}
		shown.Override = &api.Override{Placement: named(r.Override.Placement), BaseURL: r.Override.BaseURL}
		shown.CanOverride = access.MayAdministerGateway(d.caller, g.Division)
		held, err := tx.Keys().Held(ctx, g.ID)
		for _, h := range held {
			if h.Deployment == r.Deployment.ID {
				shown.Held++
			}
		}
		return err
	})
	return shown, err
}

func (d *desk) OverrideDeployment(ctx context.Context, id string, o api.Override) (api.PlacedDeployment, error) {
	n := catalog.Override{Placement: axes(o.Placement), BaseURL: o.BaseURL}
	if len(n.Placement) == 0 {
		n.Placement = nil
	}
	err := d.catalog.View(ctx, func(tx catalog.Tx) error {
		g, r, err := d.standing(ctx, tx, id)
		if err != nil {
			return err
		}
		if !access.MayAdministerGateway(d.caller, g.Division) {
			return fmt.Errorf("your role may look at gateway %s but not do this: %w", g.ID, portal.ErrDenied)
		}
		was, is := r.Override.Placement[portal.AxisDivision], n.Placement[portal.AxisDivision]
		for _, division := range []string{was, is} {
			if was != is && division != "" && !access.MayPlaceIn(d.caller, g.Division, portal.Division(division)) {
				return fmt.Errorf("to place a deployment of gateway %s in division %s, or take it out, is for a platform administrator: %w", g.ID, division, portal.ErrDenied)
			}
		}
		return nil
	})
	if err != nil {
		return api.PlacedDeployment{}, err
	}
	if err := d.Ingest.Override(ctx, string(d.caller.Person), portal.DeploymentID(id), n); err != nil {
		return api.PlacedDeployment{}, err
	}
	return d.Deployment(ctx, id)
}
