package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// GatewayRules implements api.Placement.
func (c *Client) GatewayRules(ctx context.Context, gateway string) (api.GatewayRules, error) {
	return get[api.GatewayRules](ctx, c, nil, "gateways", gateway, "rules")
}

// PreviewRules implements api.Placement.
func (c *Client) PreviewRules(ctx context.Context, gateway string, d api.RulesDraft) (api.RulesPreview, error) {
	return send[api.RulesPreview](ctx, c, http.MethodPost, d, "gateways", gateway, "rules", "preview")
}

// SetRules implements api.Placement.
func (c *Client) SetRules(ctx context.Context, gateway string, change api.RulesChange) (api.GatewayRules, error) {
	return send[api.GatewayRules](ctx, c, http.MethodPut, change, "gateways", gateway, "rules")
}

// Deployments implements api.Placement.
func (c *Client) Deployments(ctx context.Context, q api.DeploymentsQuery) (api.Page[api.PlacedDeployment], error) {
	query := paged(q.Paging, "gateway", q.Gateway)
	if q.Unclassified {
		query.Set("unclassified", "true")
	}
	return get[api.Page[api.PlacedDeployment]](ctx, c, query, "deployments")
}

// Deployment implements api.Placement.
func (c *Client) Deployment(ctx context.Context, id string) (api.PlacedDeployment, error) {
	return get[api.PlacedDeployment](ctx, c, nil, "deployments", id)
}

// OverrideDeployment implements api.Placement.
func (c *Client) OverrideDeployment(ctx context.Context, id string, o api.Override) (api.PlacedDeployment, error) {
	return send[api.PlacedDeployment](ctx, c, http.MethodPut, o, "deployments", id, "override")
}

// Thaw implements api.Placement.
func (c *Client) Thaw(ctx context.Context, subscription, why string) (api.Subscription, error) {
	return send[api.Subscription](ctx, c, http.MethodPost, reason{why}, "subscriptions", subscription, "thaw")
}
