package client

import (
	"context"

	"concierge/portal/api"
)

// Consumers implements api.Consumers.
func (c *Client) Consumers(ctx context.Context, q api.ConsumersQuery) (api.Page[api.Consumed], error) {
	return get[api.Page[api.Consumed]](ctx, c, paged(q.Paging, "version", q.Version, "environment", q.Environment, "state", q.State), "apis", q.API, "consumers")
}
