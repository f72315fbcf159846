package client

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// Teams implements api.Teams.
func (c *Client) Teams(ctx context.Context) ([]api.Team, error) {
	p, err := get[api.Page[api.Team]](ctx, c, nil, "teams")
	return p.Items, err
}

// Team implements api.Teams.
func (c *Client) Team(ctx context.Context, id string) (api.Team, error) {
	return get[api.Team](ctx, c, nil, "teams", id)
}

// CreateTeam implements api.Teams.
func (c *Client) CreateTeam(ctx context.Context, n api.NewTeam) (api.Team, error) {
	return send[api.Team](ctx, c, http.MethodPost, n, "teams")
}

// SetTeamMember implements api.Teams.
func (c *Client) SetTeamMember(ctx context.Context, team, person string, member bool) (api.Team, error) {
	method := http.MethodPut
	if !member {
		method = http.MethodDelete
	}
	return send[api.Team](ctx, c, method, nil, "teams", team, "members", person)
}

// RenameTeam implements api.Teams.
func (c *Client) RenameTeam(ctx context.Context, id string, change api.TeamChange) (api.Team, error) {
	return send[api.Team](ctx, c, http.MethodPatch, change, "teams", id)
}

// DeleteTeam implements api.Teams.
func (c *Client) DeleteTeam(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"teams", id}})
	return err
}
