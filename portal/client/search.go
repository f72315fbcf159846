package client

import (
	"context"

	"concierge/portal/api"
)

// APIs implements api.Search.
func (c *Client) APIs(ctx context.Context, q api.APIsQuery) (api.APIList, error) {
	query := paged(q.Paging, "q", q.Q)
	for _, facet := range api.Facets {
		for _, value := range q.Filter[facet] {
			query.Add(facet, value)
		}
	}
	return get[api.APIList](ctx, c, query, "apis")
}

// SuggestAPIs implements api.Search.
func (c *Client) SuggestAPIs(ctx context.Context, typed string) ([]api.Suggestion, error) {
	p, err := get[api.Page[api.Suggestion]](ctx, c, values("q", typed), "apis", "suggest")
	return p.Items, err
}
