package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// ChangeGateway implements api.GatewayChanges.
func (c *Client) ChangeGateway(ctx context.Context, id string, n api.NewGateway) (api.Gateway, error) {
	return send[api.Gateway](ctx, c, http.MethodPut, n, "gateways", id)
}
