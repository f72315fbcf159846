package client

import (
	"context"
	"net/http"
	"strconv"

	"concierge/portal/api"
)

// Guide implements api.Curation.
func (c *Client) Guide(ctx context.Context, id, guide string) (api.GuidePage, error) {
	return get[api.GuidePage](ctx, c, nil, "apis", id, "guides", guide)
}

// Texts implements api.Curation.
func (c *Client) Texts(ctx context.Context, id string, revision int64, from string) (api.Texts, error) {
	q := values("from", from)
	if revision != 0 {
		q.Set("revision", strconv.FormatInt(revision, 10))
	}
	return get[api.Texts](ctx, c, q, "apis", id, "texts")
}

// SaveTexts implements api.Curation.
func (c *Client) SaveTexts(ctx context.Context, id string, n api.NewTexts) (api.Texts, error) {
	return send[api.Texts](ctx, c, http.MethodPut, n, "apis", id, "texts")
}

type previewBody struct {
	Audience string `json:"audience"`
	api.NewTexts
}

// PreviewTexts implements api.Curation.
func (c *Client) PreviewTexts(ctx context.Context, id, audience string, n api.NewTexts) (api.Curated, error) {
	return send[api.Curated](ctx, c, http.MethodPost, previewBody{audience, n}, "apis", id, "texts", "preview")
}

// TextsHistory implements api.Curation.
func (c *Client) TextsHistory(ctx context.Context, id string) ([]api.TextsRevision, error) {
	p, err := get[api.Page[api.TextsRevision]](ctx, c, nil, "apis", id, "texts", "history")
	return p.Items, err
}

// AssignTeam implements api.Curation.
func (c *Client) AssignTeam(ctx context.Context, id, team string) (api.Texts, error) {
	return send[api.Texts](ctx, c, http.MethodPut, api.TeamChoice{Team: team}, "apis", id, "team")
}
