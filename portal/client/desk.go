package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// values makes a query of names and values in turn, without the empty ones.
func values(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

func paged(p api.Paging, pairs ...string) url.Values {
	q := values(append(pairs, "cursor", p.Cursor)...)
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

// Me implements api.Catalog.
func (c *Client) Me(ctx context.Context) (api.Me, error) { return get[api.Me](ctx, c, nil, "me") }

// Environments implements api.Catalog.
func (c *Client) Environments(ctx context.Context) ([]string, error) {
	p, err := get[api.Page[string]](ctx, c, nil, "environments")
	return p.Items, err
}

// API implements api.Catalog.
func (c *Client) API(ctx context.Context, id string) (api.API, error) {
	return get[api.API](ctx, c, nil, "apis", id)
}

// Spec implements api.Catalog.
func (c *Client) Spec(ctx context.Context, q api.SpecQuery) (api.Document, error) {
	r := request{
		method: http.MethodGet, path: []string{"apis", q.API, "spec"}, query: values("version", q.Version, "environment", q.Environment, "application", q.Application),
		accept: "application/json",
	}
	if q.Format == "yaml" {
		r.accept = "application/yaml"
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return api.Document{}, err
	}
	return api.Document{Content: a.body, ContentType: a.header.Get("Content-Type"), ETag: a.header.Get("ETag")}, nil
}

// Resolve implements api.Catalog.
func (c *Client) Resolve(ctx context.Context, q api.ResolveQuery) (api.Decision, error) {
	return get[api.Decision](ctx, c, values(
		"api", q.API, "version", q.Version, "environment", q.Environment, "region", q.Region, "application", q.Application), "resolve")
}

// Applications implements api.Keys.
func (c *Client) Applications(ctx context.Context, p api.Paging) (api.Page[api.Application], error) {
	return get[api.Page[api.Application]](ctx, c, paged(p), "applications")
}

// Application implements api.Keys.
func (c *Client) Application(ctx context.Context, id string) (api.Application, error) {
	return get[api.Application](ctx, c, nil, "applications", id)
}

// CreateApplication implements api.Keys.
func (c *Client) CreateApplication(ctx context.Context, n api.NewApplication) (api.Application, error) {
	return send[api.Application](ctx, c, http.MethodPost, n, "applications")
}

// Subscriptions implements api.Keys.
func (c *Client) Subscriptions(ctx context.Context, q api.SubscriptionsQuery) (api.Page[api.Subscription], error) {
	query := paged(q.Paging, "application", q.Application, "state", q.State)
	if q.ToDecide {
		query.Set("to_decide", "true")
	}
	if q.Frozen {
		query.Set("frozen", "true")
	}
	return get[api.Page[api.Subscription]](ctx, c, query, "subscriptions")
}

// Subscription implements api.Keys.
func (c *Client) Subscription(ctx context.Context, id string) (api.Subscription, error) {
	return get[api.Subscription](ctx, c, nil, "subscriptions", id)
}

// Subscribe implements api.Keys.
func (c *Client) Subscribe(ctx context.Context, n api.NewSubscription) (api.Subscription, error) {
	return send[api.Subscription](ctx, c, http.MethodPost, n, "subscriptions")
}

// Cancel implements api.Keys.
func (c *Client) Cancel(ctx context.Context, id string) (api.Subscription, error) {
	return send[api.Subscription](ctx, c, http.MethodDelete, nil, "subscriptions", id)
}

type reason struct {
	Reason string `json:"reason,omitempty"`
}

// Approve implements api.Keys.
func (c *Client) Approve(ctx context.Context, id, why string) (api.Subscription, error) {
	return send[api.Subscription](ctx, c, http.MethodPost, reason{why}, "subscriptions", id, "approve")
}

// Reject implements api.Keys.
func (c *Client) Reject(ctx context.Context, id, why string) (api.Subscription, error) {
	return send[api.Subscription](ctx, c, http.MethodPost, reason{why}, "subscriptions", id, "reject")
}

// Claim implements api.Keys. Where the connection failed after the portal had made the key, the answer is active but not
// Ready and its Note says how to replace it: nobody has seen that secret.
func (c *Client) Claim(ctx context.Context, subscription string) (api.Claim, error) {
	b, err := send[api.ClaimBody](ctx, c, http.MethodPost, nil, "subscriptions", subscription, "credentials")
	return b.Claim(), err
}

// Credentials implements api.Keys.
func (c *Client) Credentials(ctx context.Context, q api.CredentialsQuery) (api.Page[api.Credential], error) {
	return get[api.Page[api.Credential]](ctx, c,
		paged(q.Paging, "application", q.Application, "subscription", q.Subscription, "state", q.State), "credentials")
}

// Credential implements api.Keys.
func (c *Client) Credential(ctx context.Context, id string) (api.Credential, error) {
	return get[api.Credential](ctx, c, nil, "credentials", id)
}

// Rotate implements api.Keys. A lost answer is told as by Claim.
func (c *Client) Rotate(ctx context.Context, id string, overlap time.Duration) (api.Claim, error) {
	body := struct {
		Overlap string `json:"overlap"`
	}{overlap.String()}
	b, err := send[api.ClaimBody](ctx, c, http.MethodPost, body, "credentials", id, "rotate")
	return b.Claim(), err
}

// Revoke implements api.Keys.
func (c *Client) Revoke(ctx context.Context, id string) (api.Credential, error) {
	return send[api.Credential](ctx, c, http.MethodDelete, nil, "credentials", id)
}

// GatewayKinds implements api.Gateways.
func (c *Client) GatewayKinds(ctx context.Context) ([]api.GatewayKind, error) {
	p, err := get[api.Page[api.GatewayKind]](ctx, c, nil, "gateway-kinds")
	return p.Items, err
}

// Gateways implements api.Gateways.
func (c *Client) Gateways(ctx context.Context, p api.Paging) (api.Page[api.Gateway], error) {
	return get[api.Page[api.Gateway]](ctx, c, paged(p), "gateways")
}

// Gateway implements api.Gateways.
func (c *Client) Gateway(ctx context.Context, id string) (api.Gateway, error) {
	return get[api.Gateway](ctx, c, nil, "gateways", id)
}

// CreateGateway implements api.Gateways.
func (c *Client) CreateGateway(ctx context.Context, n api.NewGateway) (api.Gateway, error) {
	return send[api.Gateway](ctx, c, http.MethodPost, n, "gateways")
}

// Sync implements api.Gateways.
func (c *Client) Sync(ctx context.Context, gateway string) (api.Run, error) {
	return send[api.Run](ctx, c, http.MethodPost, nil, "gateways", gateway, "sync")
}

// Runs implements api.Gateways.
func (c *Client) Runs(ctx context.Context, gateway string, p api.Paging) (api.Page[api.Run], error) {
	return get[api.Page[api.Run]](ctx, c, paged(p), "gateways", gateway, "runs")
}

// Run implements api.Gateways.
func (c *Client) Run(ctx context.Context, gateway, id string) (api.Run, error) {
	return get[api.Run](ctx, c, nil, "gateways", gateway, "runs", id)
}

// Jobs implements api.Jobs.
func (c *Client) Jobs(ctx context.Context, q api.JobsQuery) (api.Page[api.Job], error) {
	return get[api.Page[api.Job]](ctx, c, paged(q.Paging, "kind", q.Kind, "state", q.State), "jobs")
}

// Job implements api.Jobs.
func (c *Client) Job(ctx context.Context, id string) (api.Job, error) {
	return get[api.Job](ctx, c, nil, "jobs", id)
}

// RunJob implements api.Jobs.
func (c *Client) RunJob(ctx context.Context, id string) (api.Job, error) {
	return send[api.Job](ctx, c, http.MethodPost, nil, "jobs", id, "run")
}

// Sites implements api.Sites.
func (c *Client) Sites(ctx context.Context) ([]api.Site, error) {
	p, err := get[api.Page[api.Site]](ctx, c, nil, "sites")
	return p.Items, err
}

// Site implements api.Sites.
func (c *Client) Site(ctx context.Context, name string) (api.Site, error) {
	return get[api.Site](ctx, c, nil, "sites", name)
}

// CreateEnrolment implements api.Sites. The token is empty where the connection failed after the portal had made it: revoke
// the enrolment and make another.
func (c *Client) CreateEnrolment(ctx context.Context, site string) (api.CreatedEnrolment, error) {
	b, err := send[api.CreatedEnrolmentBody](ctx, c, http.MethodPost, nil, "sites", site, "enrolments")
	return api.CreatedEnrolment{Enrolment: b.Enrolment, Token: portal.NewSecret(b.Token)}, err
}

// RevokeEnrolment implements api.Sites.
func (c *Client) RevokeEnrolment(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"enrolments", id}})
	return err
}

// RevokeWorker implements api.Sites.
func (c *Client) RevokeWorker(ctx context.Context, id string) (api.Worker, error) {
	return send[api.Worker](ctx, c, http.MethodDelete, nil, "workers", id)
}

// Organisations implements api.People.
func (c *Client) Organisations(ctx context.Context, p api.Paging) (api.Page[api.Organisation], error) {
	return get[api.Page[api.Organisation]](ctx, c, paged(p), "organisations")
}

// Organisation implements api.People.
func (c *Client) Organisation(ctx context.Context, id string) (api.Organisation, error) {
	return get[api.Organisation](ctx, c, nil, "organisations", id)
}

// CreateOrganisation implements api.People.
func (c *Client) CreateOrganisation(ctx context.Context, n api.NewOrganisation) (api.Organisation, error) {
	return send[api.Organisation](ctx, c, http.MethodPost, n, "organisations")
}

// SetOrganisationDisabled implements api.People.
func (c *Client) SetOrganisationDisabled(ctx context.Context, id string, disabled bool) (api.Organisation, error) {
	body := struct {
		Disabled bool `json:"disabled"`
	}{disabled}
	return send[api.Organisation](ctx, c, http.MethodPatch, body, "organisations", id)
}

// People implements api.People.
func (c *Client) People(ctx context.Context, p api.Paging) (api.Page[api.Person], error) {
	return get[api.Page[api.Person]](ctx, c, paged(p), "people")
}

// Person implements api.People.
func (c *Client) Person(ctx context.Context, id string) (api.Person, error) {
	return get[api.Person](ctx, c, nil, "people", id)
}

// Invite implements api.People. The token is empty where the connection failed after the portal had made the link: Reinvite
// makes another.
func (c *Client) Invite(ctx context.Context, n api.NewPerson) (api.Invitation, error) {
	return c.invitation(ctx, n, "people")
}

// Reinvite implements api.People. A lost answer is told as by Invite.
func (c *Client) Reinvite(ctx context.Context, person string) (api.Invitation, error) {
	return c.invitation(ctx, nil, "people", person, "invitation")
}

func (c *Client) invitation(ctx context.Context, body any, path ...string) (api.Invitation, error) {
	b, err := send[api.InvitationBody](ctx, c, http.MethodPost, body, path...)
	if err != nil {
		return api.Invitation{}, err
	}
	_, token, found := strings.Cut(b.URL, api.InvitationPath)
	if b.URL != "" && !found {
		return api.Invitation{}, errors.New("the portal's invitation link is not what this version understands")
	}
	return api.Invitation{Person: b.Person, Token: portal.NewSecret(token), Expires: b.Expires}, nil
}

// ChangePerson implements api.People.
func (c *Client) ChangePerson(ctx context.Context, id string, n api.PersonChange) (api.Person, error) {
	return send[api.Person](ctx, c, http.MethodPatch, n, "people", id)
}

// Tokens implements api.People.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	p, err := get[api.Page[api.Token]](ctx, c, nil, "tokens")
	return p.Items, err
}

// Token implements api.People.
func (c *Client) Token(ctx context.Context, id string) (api.Token, error) {
	return get[api.Token](ctx, c, nil, "tokens", id)
}

// CreateToken implements api.People. The value is empty where the connection failed after the portal had made the token:
// revoke it and make another.
func (c *Client) CreateToken(ctx context.Context, n api.NewToken) (api.CreatedToken, error) {
	b, err := send[api.CreatedTokenBody](ctx, c, http.MethodPost, n, "tokens")
	return api.CreatedToken{Token: b.Token, Value: portal.NewSecret(b.Value)}, err
}

// RevokeToken implements api.People.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: []string{"tokens", id}})
	return err
}
