package desk

import (
	"context"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/told"
)

func (d *desk) CreateGateway(ctx context.Context, n api.NewGateway) (api.Gateway, error) {
	if !access.MayRegisterGateways(d.caller) {
		return api.Gateway{}, hidden(n.ID)
	}
	r, err := registration(n)
	if err != nil {
		return api.Gateway{}, err
	}
	g, err := d.Service.Gateways.Register(ctx, string(d.caller.Person), r)
	if err != nil {
		return api.Gateway{}, err
	}
	if _, err := d.Ingest.Sync(ctx, g.ID, string(d.caller.Person)); err != nil {
		return api.Gateway{}, err
	}
	return d.Gateway(ctx, n.ID)
}

func (d *desk) ChangeGateway(ctx context.Context, id string, n api.NewGateway) (api.Gateway, error) {
	if !access.MayRegisterGateways(d.caller) {
		return api.Gateway{}, hidden(id)
	}
	old, err := d.Service.Gateways.Gateway(ctx, portal.GatewayID(id))
	if err != nil {
		return api.Gateway{}, err
	}
	if n.ID != id {
		return api.Gateway{}, told.GatewayRenamed.As(portal.ErrInvalid, id)
	}
	r, err := registration(n)
	if err != nil {
		return api.Gateway{}, err
	}
	r.Rules, r.Paused = old.Rules, old.Paused
	if _, err := d.Service.Gateways.Change(ctx, string(d.caller.Person), r); err != nil {
		return api.Gateway{}, err
	}
	return d.Gateway(ctx, id)
}

// registration is what somebody wrote about a gateway.
func registration(n api.NewGateway) (ingest.Registration, error) {
	r := ingest.Registration{
		Gateway: catalog.Gateway{
			ID: portal.GatewayID(n.ID), Title: strings.TrimSpace(n.Title), Kind: n.Kind, Address: n.Address, Settings: n.Settings, Site: portal.Site(n.Site),
			Division: portal.Division(n.Division), Defaults: map[portal.Axis]string{}, Fleet: strings.TrimSpace(n.Fleet), AllowPrivate: n.AllowPrivate,
			Budget: connectors.Budget(n.Budget), AcceptReach: n.AcceptReach, Documents: catalog.Fetching{Fetch: n.FetchDocuments, Allow: n.FetchPrivate},
		},
		Credentials: map[string]portal.Secret{},
	}
	for axis, v := range n.Placement {
		r.Defaults[portal.Axis(axis)] = v
	}
	if n.Division != "" && r.Defaults[portal.AxisDivision] == "" {
		r.Defaults[portal.AxisDivision] = n.Division
	}
	if n.Detect {
		r.Detect = map[string]portal.Environment{} // the registry has the names
	}
	if n.Bounds != nil {
		r.Bounds = *n.Bounds
	}
	for _, axis := range n.Trust {
		r.Trust = append(r.Trust, portal.Axis(axis))
	}
	if n.Every != "" {
		every, err := time.ParseDuration(n.Every)
		if err != nil {
			return r, told.EveryWrong.As(portal.ErrInvalid)
		}
		r.Every = every
	}
	for name, v := range n.Secrets {
		r.Credentials[name] = portal.NewSecret(v)
	}
	return r, nil
}

// registered is the registration of a gateway without its secrets.
func registered(g catalog.Gateway) *api.NewGateway {
	bounds := g.Bounds
	n := api.NewGateway{
		ID: string(g.ID), Title: g.Title, Kind: g.Kind, Address: g.Address, Division: string(g.Division), Placement: map[string]string{}, Bounds: &bounds,
		Settings: g.Settings, Detect: g.Detect != nil, Fleet: g.Fleet, AllowPrivate: g.AllowPrivate, Budget: api.Budget(g.Budget),
		GatewayTerms: api.GatewayTerms{
			Site: string(g.Site), Trust: texts(g.Trust), AcceptReach: g.AcceptReach, FetchDocuments: g.Documents.Fetch, FetchPrivate: g.Documents.Allow,
		},
	}
	if g.Every != 0 {
		n.Every = g.Every.String()
	}
	for axis, v := range g.Defaults {
		n.Placement[string(axis)] = v
	}
	return &n
}
