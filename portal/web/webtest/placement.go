package webtest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

func (w *World) fillPlacement() {
	w.rules = map[string]api.RulesDraft{
		"classic-paris": {Detect: true, Rules: []api.PlacementRule{
			{Match: api.RuleMatch{Path: "/recette"}, Set: map[string]string{"environment": "test"}},
			{Match: api.RuleMatch{Tag: "dmz"}, Set: map[string]string{"audience": "internal", "hosting": "aws"}, Public: "https://esb.meridian.example"},
		}},
		"core-frankfurt": {Rules: []api.PlacementRule{{Match: api.RuleMatch{Stage: "prod*"}, Set: map[string]string{"environment": "production"}}}},
	}
	add := func(id, gateway, title, remote, address, stage string, paths []string, placement map[string]api.PlacedValue, layers ...api.PlacementStep) *api.PlacedDeployment {
		d := api.PlacedDeployment{
			ID: id, Gateway: gateway, Title: title, Version: "2.1.0", RemoteID: remote, BaseURL: address, Placement: placement, Warnings: []string{},
			Stage: stage, Hosts: []string{"esb.paris.meridian.internal"}, Paths: paths, Tags: []string{}, Layers: layers, Override: &api.Override{Placement: map[string]string{}}, CanOverride: true,
		}
		d.Unclassified = placement["audience"].Value == "" || placement["environment"].Value == ""
		for _, s := range layers {
			if s.Refused != "" {
				d.Warnings = append(d.Warnings, s.Refused)
			}
		}
		w.placed = append(w.placed, d)
		return &w.placed[len(w.placed)-1]
	}
	own := api.PlacedValue{Value: "internal", Layer: "gateway"}
	fromGateway := []api.PlacementStep{
		{What: "audience", Value: "internal", Layer: "gateway"}, {What: "hosting", Value: "on-premises", Layer: "gateway"},
		{What: "region", Value: "eu", Layer: "gateway"}, {What: "generation", Value: "legacy", Layer: "gateway"},
	}
	layers := func(more ...api.PlacementStep) []api.PlacementStep { return append(slices.Clone(fromGateway), more...) }
	add("dep_tariffs", "classic-paris", "Tariffs", "tariffs-v2", "http://esb.paris.meridian.internal/prod/tariffs", "", []string{"/prod/tariffs"},
		map[string]api.PlacedValue{"audience": own, "environment": {Value: "production", Layer: "detected"}, "hosting": {Value: "on-premises", Layer: "gateway"}, "region": {Value: "eu", Layer: "gateway"}, "generation": {Value: "legacy", Layer: "gateway"}},
		layers(api.PlacementStep{What: "environment", Value: "production", Layer: "detected", Source: "path /prod/tariffs"},
			api.PlacementStep{What: "address", Value: "http://esb.paris.meridian.internal/prod/tariffs", Layer: "gateway"})...).Held = 2
	over := add("dep_customs", "classic-paris", "Customs declarations", "customs", "https://esb.meridian.example/customs", "", []string{"/recette/customs"},
		map[string]api.PlacedValue{"audience": own, "environment": {Value: "production", Layer: "override"}, "hosting": {Value: "aws", Layer: "rule"}},
		layers(api.PlacementStep{What: "environment", Layer: "detected", Refused: `"preprod", in its host preprod.paris.meridian.internal, is the usual name of an environment that is not configured`},
			api.PlacementStep{What: "environment", Value: "test", Layer: "rule", Rule: 1}, api.PlacementStep{What: "hosting", Value: "aws", Layer: "rule", Rule: 2},
			api.PlacementStep{What: "environment", Value: "production", Layer: "override"},
			api.PlacementStep{What: "address", Value: "https://esb.meridian.example/customs", Layer: "rule", Rule: 2})...)
	over.Override.Placement["environment"], over.Overridden = "production", true
	add("dep_berths", "core-frankfurt", "Berth planning", "berths", "", "canary", []string{"/berths"}, map[string]api.PlacedValue{"audience": own},
		api.PlacementStep{What: "audience", Value: "internal", Layer: "gateway"},
		api.PlacementStep{What: "address", Layer: "rule", Rule: 1, Refused: `the rule for path /berths gives no address: its path "/berths/[0-9]+" is a pattern`})
	add("dep_pilots", "core-frankfurt", "Pilot rota (staging)", "pilots-stg", "https://core.meridian.internal/pilots", "stg", []string{"/pilots"}, map[string]api.PlacedValue{"audience": own},
		api.PlacementStep{What: "audience", Value: "internal", Layer: "gateway"},
		api.PlacementStep{What: "environment", Layer: "detected", Source: "stage stg", Refused: `"stg", in its stage stg, is the usual name of an environment that is not configured`})
	add("dep_cranes", "core-frankfurt", "Crane telemetry", "cranes", "https://core.meridian.internal/cranes", "prod", []string{"/cranes"}, map[string]api.PlacedValue{"environment": {Value: "production", Layer: "rule"}},
		api.PlacementStep{What: "environment", Value: "production", Layer: "rule", Rule: 1},
		api.PlacementStep{What: "audience", Layer: "words", Refused: `audience "public", from the gateway's own words, is outside the gateway's bounds`})
	for i := range w.subscriptions {
		if s := &w.subscriptions[i]; s.ID == "sub_7" {
			s.Frozen = &api.Frozen{Since: at(3 * hour), Reason: "environment production → test"}
		}
	}
}

func (w *World) gatewayRules(g *api.Gateway) api.GatewayRules {
	r := api.GatewayRules{Gateway: g.ID, RulesDraft: w.rules[g.ID], CanChange: g.Source == "api"}
	if r.Rules == nil {
		r.Rules = []api.PlacementRule{}
	}
	return r
}

func (d *desk) GatewayRules(_ context.Context, gateway string) (api.GatewayRules, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, gateway)
	if err != nil {
		return api.GatewayRules{}, err
	}
	return w.gatewayRules(g), nil
}

// previewRules knows as much of placement as its pages need: rules by path, with one freezing.
func (w *World) previewRules(g *api.Gateway, draft api.RulesDraft) (api.RulesPreview, error) {
	p := api.RulesPreview{Preview: fmt.Sprintf("%x", fmt.Sprint(draft)), Changes: []api.PlacementChange{}, Warnings: []string{}}
	for i, r := range draft.Rules {
		for what, pattern := range map[string]string{"path": r.Match.Path, "host": r.Match.Host} {
			if _, err := path.Match(pattern, ""); err != nil {
				return p, errors.Join(fmt.Errorf("gateway %s: %w", g.ID, &told.InRule{Rule: i + 1, Err: told.RulePattern.As(portal.ErrInvalid, what, pattern)}))
			}
		}
	}
	for _, d := range w.placed {
		if d.Gateway != g.ID {
			continue
		}
		c := api.PlacementChange{Deployment: d.ID, Title: d.Title, RemoteID: d.RemoteID, Values: []api.ValueChange{}}
		for _, r := range draft.Rules {
			for axis, v := range r.Set {
				if r.Match.Path != "" && strings.HasPrefix(d.Paths[0], r.Match.Path) && d.Placement[axis].Value != v && d.Placement[axis].Layer != "override" {
					c.Values = append(c.Values, api.ValueChange{What: axis, Before: d.Placement[axis].Value, After: v})
				}
			}
		}
		if len(c.Values) == 0 {
			p.Unchanged++
			continue
		}
		c.Frozen, c.Unclassified = d.Held, d.Unclassified
		p.Changed++
		p.Frozen += c.Frozen
		if c.Unclassified {
			p.Unclassified++
		}
		p.Changes = append(p.Changes, c)
	}
	return p, nil
}

func (d *desk) PreviewRules(_ context.Context, gateway string, draft api.RulesDraft) (api.RulesPreview, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, gateway)
	if err != nil {
		return api.RulesPreview{}, err
	}
	return w.previewRules(g, draft)
}

func (d *desk) SetRules(_ context.Context, gateway string, c api.RulesChange) (api.GatewayRules, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, gateway)
	if err != nil {
		return api.GatewayRules{}, err
	}
	if g.Source != "api" {
		return api.GatewayRules{}, told.RulesInFile.As(portal.ErrConflict, g.ID)
	}
	seen, err := w.previewRules(g, c.RulesDraft)
	if err != nil {
		return api.GatewayRules{}, err
	}
	if seen.Preview != c.Preview {
		return api.GatewayRules{}, told.RulesUnseen.As(portal.ErrConflict)
	}
	w.rules[g.ID] = c.RulesDraft
	return w.gatewayRules(g), nil
}

func (d *desk) Deployments(_ context.Context, q api.DeploymentsQuery) (api.Page[api.PlacedDeployment], error) {
	w, p, leave := d.enter()
	defer leave()
	gs, err := w.governed(p)
	if err != nil {
		return api.Page[api.PlacedDeployment]{}, err
	}
	if q.Gateway != "" {
		if _, err := w.findGateway(p, q.Gateway); err != nil {
			return api.Page[api.PlacedDeployment]{}, err
		}
	}
	var found []api.PlacedDeployment
	for _, g := range gs {
		for _, dep := range w.placed {
			if dep.Gateway == g.ID && (q.Gateway == "" || q.Gateway == g.ID) && (!q.Unclassified || dep.Unclassified) {
				found = append(found, dep)
			}
		}
	}
	return page(found, q.Paging)
}

func (w *World) findPlaced(p *person, id string) (*api.PlacedDeployment, error) {
	for i := range w.placed {
		if w.placed[i].ID != id {
			continue
		}
		if _, err := w.findGateway(p, w.placed[i].Gateway); err != nil {
			break
		}
		return &w.placed[i], nil
	}
	return nil, missing("deployment", id)
}

func (d *desk) Deployment(_ context.Context, id string) (api.PlacedDeployment, error) {
	w, p, leave := d.enter()
	defer leave()
	found, err := w.findPlaced(p, id)
	if err != nil {
		return api.PlacedDeployment{}, err
	}
	return *found, nil
}

func (d *desk) OverrideDeployment(_ context.Context, id string, o api.Override) (api.PlacedDeployment, error) {
	w, p, leave := d.enter()
	defer leave()
	found, err := w.findPlaced(p, id)
	if err != nil {
		return api.PlacedDeployment{}, err
	}
	if strings.HasPrefix(o.BaseURL, "javascript:") {
		return api.PlacedDeployment{}, told.AddressScheme.As(portal.ErrInvalid, o.BaseURL)
	}
	if o.Placement == nil {
		o.Placement = map[string]string{}
	}
	if !reflect.DeepEqual(o, *found.Override) {
		found.Override, found.Overridden = &o, !o.IsZero()
		for axis, v := range o.Placement {
			found.Placement[axis] = api.PlacedValue{Value: v, Layer: "override"}
		}
		found.Unclassified = found.Placement["audience"].Value == "" || found.Placement["environment"].Value == ""
	}
	return *found, nil
}

func (d *desk) Thaw(_ context.Context, id, _ string) (api.Subscription, error) {
	w, p, leave := d.enter()
	defer leave()
	s, err := w.findSubscription(p, id)
	switch {
	case err != nil:
		return api.Subscription{}, err
	case !decides(p):
		return api.Subscription{}, fmt.Errorf("somebody else who is responsible for this API has to decide: %w", portal.ErrDenied)
	case s.Frozen == nil:
		return api.Subscription{}, &portal.ConflictError{Kind: "subscription", ID: id, Err: told.NotFrozen.As(portal.ErrConflict)}
	}
	s.Frozen = nil
	return *s, nil
}
