package v1

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

func (s *server) placement() {
	type rulesIn struct {
		OnceThing // repeating it changes nothing either way
		Body      api.RulesDraft
	}
	type rulesChangeIn struct {
		Thing
		Body api.RulesChange
	}
	read(s, "/gateways/{id}/rules", "rules", "What places a gateway's deployments", func(ctx context.Context, d api.Desk, in *Thing) (api.GatewayRules, error) {
		return d.GatewayRules(ctx, in.ID)
	})
	change(s, http.MethodPost, "/gateways/{id}/rules/preview", "preview-rules", "What rules would do to the gateway's deployments; changes nothing", func(ctx context.Context, d api.Desk, in *rulesIn) (api.RulesPreview, error) {
		return d.PreviewRules(ctx, in.ID, in.Body)
	})
	change(s, http.MethodPut, "/gateways/{id}/rules", "set-rules", "Replace a gateway's rules, as they were previewed", func(ctx context.Context, d api.Desk, in *rulesChangeIn) (api.GatewayRules, error) {
		return d.SetRules(ctx, in.ID, in.Body)
	})

	type deploymentsIn struct {
		Paging
		Gateway      string `query:"gateway" doc:"Those of one gateway"`
		Unclassified bool   `query:"unclassified" doc:"Those that only administrators see"`
	}
	read(s, "/deployments", "deployments", "The deployments of the gateways that I administer, and where they stand", func(ctx context.Context, d api.Desk, in *deploymentsIn) (api.Page[api.PlacedDeployment], error) {
		return d.Deployments(ctx, api.DeploymentsQuery{Paging: in.paging(), Gateway: in.Gateway, Unclassified: in.Unclassified})
	})
	read(s, "/deployments/{id}", "deployment", "One deployment, and what each layer says of it", func(ctx context.Context, d api.Desk, in *Thing) (api.PlacedDeployment, error) {
		return d.Deployment(ctx, in.ID)
	})
	read(s, "/deployments/{id}/override", "override", "What a person decided about a deployment", func(ctx context.Context, d api.Desk, in *Thing) (api.Override, error) {
		found, err := d.Deployment(ctx, in.ID)
		return orZero(found.Override), err
	})
	type overrideIn struct {
		Thing
		Body api.Override
	}
	change(s, http.MethodPut, "/deployments/{id}/override", "set-override", "Decide where a deployment stands; this outdoes everything and survives every sync", func(ctx context.Context, d api.Desk, in *overrideIn) (api.PlacedDeployment, error) {
		return d.OverrideDeployment(ctx, in.ID, in.Body)
	})
	change(s, http.MethodDelete, "/deployments/{id}/override", "clear-override", "Take back what was decided about a deployment", func(ctx context.Context, d api.Desk, in *Thing) (api.PlacedDeployment, error) {
		return d.OverrideDeployment(ctx, in.ID, api.Override{})
	})
	s.decision("thaw", "Let a frozen subscription go on with the keys that it has", func(ctx context.Context, d api.Desk, id, reason string) (api.Subscription, error) {
		return d.Thaw(ctx, id, reason)
	})
}
