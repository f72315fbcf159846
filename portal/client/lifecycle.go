package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// VersionLifecycle implements api.Lifecycles.
func (c *Client) VersionLifecycle(ctx context.Context, id, version string) (api.VersionLifecycle, error) {
	return get[api.VersionLifecycle](ctx, c, nil, "apis", id, "versions", version, "lifecycle")
}

// SetVersionLifecycle implements api.Lifecycles.
func (c *Client) SetVersionLifecycle(ctx context.Context, id, version string, n api.NewLifecycle) (api.VersionLifecycle, error) {
	return send[api.VersionLifecycle](ctx, c, http.MethodPut, n, "apis", id, "versions", version, "lifecycle")
}

// Leaving implements api.Lifecycles.
func (c *Client) Leaving(ctx context.Context) ([]api.Leaving, error) {
	p, err := get[api.Page[api.Leaving]](ctx, c, nil, "leaving")
	return p.Items, err
}
