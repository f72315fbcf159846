package client

import (
	"context"

	"concierge/portal/api"
)

// Difference implements api.Differences.
func (c *Client) Difference(ctx context.Context, q api.DifferenceQuery) (api.Difference, error) {
	return get[api.Difference](ctx, c, values(
		"from_version", q.From.Version, "from_environment", q.From.Environment, "from_deployment", q.From.Deployment,
		"to_version", q.To.Version, "to_environment", q.To.Environment, "to_deployment", q.To.Deployment), "apis", q.API, "difference")
}
