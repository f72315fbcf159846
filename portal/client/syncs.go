package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// PlanSync implements api.Syncs.
func (c *Client) PlanSync(ctx context.Context, gateway string) (api.Run, error) {
	return send[api.Run](ctx, c, http.MethodPost, api.SyncRequest{Plan: true}, "gateways", gateway, "sync")
}

// ApplyRun implements api.Syncs.
func (c *Client) ApplyRun(ctx context.Context, gateway, run string) (api.Run, error) {
	return send[api.Run](ctx, c, http.MethodPost, nil, "gateways", gateway, "runs", run, "apply")
}

// DiscardRun implements api.Syncs.
func (c *Client) DiscardRun(ctx context.Context, gateway, run string) (api.Run, error) {
	return send[api.Run](ctx, c, http.MethodPost, nil, "gateways", gateway, "runs", run, "discard")
}
