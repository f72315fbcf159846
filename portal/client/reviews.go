package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// Reviews implements api.Reviews.
func (c *Client) Reviews(ctx context.Context, q api.ReviewsQuery) (api.ReviewList, error) {
	return get[api.ReviewList](ctx, c, paged(q.Paging, "state", q.State, "kind", q.Kind, "gateway", q.Gateway, "division", q.Division, "after", q.After), "reviews")
}

// Review implements api.Reviews.
func (c *Client) Review(ctx context.Context, id string) (api.Review, error) {
	return get[api.Review](ctx, c, nil, "reviews", id)
}

// AcceptReview implements api.Reviews.
func (c *Client) AcceptReview(ctx context.Context, id string) (api.Review, error) {
	return send[api.Review](ctx, c, http.MethodPost, nil, "reviews", id, "accept")
}

// RejectReview implements api.Reviews.
func (c *Client) RejectReview(ctx context.Context, id string) (api.Review, error) {
	return send[api.Review](ctx, c, http.MethodPost, nil, "reviews", id, "reject")
}

// ReopenReview implements api.Reviews.
func (c *Client) ReopenReview(ctx context.Context, id string) (api.Review, error) {
	return send[api.Review](ctx, c, http.MethodPost, nil, "reviews", id, "reopen")
}

// Composition implements api.Reviews.
func (c *Client) Composition(ctx context.Context, name string) (api.Composition, error) {
	return get[api.Composition](ctx, c, nil, "apis", name, "composition")
}

// SplitAPI implements api.Reviews.
func (c *Client) SplitAPI(ctx context.Context, name string, chosen api.Chosen) (api.Composition, error) {
	return send[api.Composition](ctx, c, http.MethodPost, chosen, "apis", name, "split")
}

// JoinAPI implements api.Reviews.
func (c *Client) JoinAPI(ctx context.Context, name string, t api.Target) (api.Composition, error) {
	return send[api.Composition](ctx, c, http.MethodPost, t, "apis", name, "join")
}

// ConfirmAPI implements api.Reviews.
func (c *Client) ConfirmAPI(ctx context.Context, name string, chosen api.Chosen) (api.Composition, error) {
	return send[api.Composition](ctx, c, http.MethodPost, chosen, "apis", name, "confirm")
}

// UndoEntryAct implements api.Reviews.
func (c *Client) UndoEntryAct(ctx context.Context, name, act string) (api.Composition, error) {
	return send[api.Composition](ctx, c, http.MethodPost, nil, "apis", name, "acts", act, "undo")
}
