package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/outbound"
	"concierge/portal/told"
)

// Sealer encrypts what is kept; table, row and column are where it belongs, and it opens nowhere else.
type Sealer interface {
	Seal(table, row, column string, plaintext []byte) ([]byte, error)
	Unseal(table, row, column string, sealed []byte) ([]byte, error)
}

// Gateways is the registry: which gateways there are, and an open connector for each. It is safe for concurrent use.
type Gateways struct {
	db    catalog.DB
	kinds map[string]connectors.Kind
	seal  Sealer
	log   *slog.Logger
	now   func() time.Time
	sites Sites // nil: there are none
	names map[string]portal.Environment

	mu   sync.Mutex
	open map[portal.GatewayID]opened
}

// Sites reaches gateways whose admin side is elsewhere. *site.Service does.
type Sites interface {
	Connector(site portal.Site, gateway portal.GatewayID) connectors.Connector
}

// Through says how gateways of other sites are reached. Call it before anything else.
func (r *Gateways) Through(sites Sites) { r.sites = sites }

// Detect says what the usual names of environments stand for; see EnvironmentNames. Call it before anything else.
func (r *Gateways) Detect(names map[string]portal.Environment) { r.names = names }

// opened is a connector and the registration that it was opened for.
type opened struct {
	Opened
	changed time.Time
}

// Opened is an open connector with what it reaches its gateway by.
type Opened struct {
	Connector connectors.Connector
	Client    *http.Client
	Pace      *outbound.Pace
}

// NewGateways makes a registry of gateways of the kinds given, by their names.
func NewGateways(db catalog.DB, kinds map[string]connectors.Kind, seal Sealer, log *slog.Logger) *Gateways {
	return &Gateways{db: db, kinds: kinds, seal: seal, log: log, now: time.Now, names: EnvironmentNames(nil, nil), open: map[portal.GatewayID]opened{}}
}

// Gateway returns a registration; portal.ErrNotFound where there is none.
func (r *Gateways) Gateway(ctx context.Context, id portal.GatewayID) (g catalog.Gateway, err error) {
	err = r.db.View(ctx, func(tx catalog.Tx) error {
		g, err = tx.Catalog().Gateway(ctx, id)
		return err
	})
	return g, err
}

// Connector returns the open connector of a gateway. Errors: portal.ErrNotFound; portal.ErrInvalid where the kind does not
// take its configuration, or is not known here; portal.ErrUnsupported where it is of another site and none can be reached.
func (r *Gateways) Connector(ctx context.Context, id portal.GatewayID) (connectors.Connector, error) {
	g, err := r.Gateway(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.connector(g)
}

// Capabilities returns what the gateway could do when it was probed last. portal.ErrUnavailable where it never was.
func (r *Gateways) Capabilities(ctx context.Context, id portal.GatewayID) (connectors.Capabilities, error) {
	g, err := r.Gateway(ctx, id)
	if err != nil {
		return connectors.Capabilities{}, err
	}
	if g.Capabilities == nil {
		return connectors.Capabilities{}, fmt.Errorf("gateway %s has not answered yet: %w", id, portal.ErrUnavailable)
	}
	return *g.Capabilities, nil
}

// Issuer returns the key side of a gateway, and its capabilities as last probed. portal.ErrUnsupported where it has none.
func (r *Gateways) Issuer(ctx context.Context, id portal.GatewayID) (connectors.Issuer, connectors.Capabilities, error) {
	g, err := r.Gateway(ctx, id)
	if err != nil {
		return nil, connectors.Capabilities{}, err
	}
	c, err := r.connector(g)
	if err != nil {
		return nil, connectors.Capabilities{}, err
	}
	issuer, ok := connectors.As[connectors.Issuer](c)
	if !ok {
		return nil, connectors.Capabilities{}, fmt.Errorf("gateway %s has no keys: %w", id, portal.ErrUnsupported)
	}
	if g.Capabilities == nil {
		return nil, connectors.Capabilities{}, fmt.Errorf("gateway %s has not answered yet: %w", id, portal.ErrUnavailable)
	}
	return issuer, *g.Capabilities, nil
}

// AcceptsReach reports whether an administrator has accepted that keys of the gateway open other APIs too.
func (r *Gateways) AcceptsReach(ctx context.Context, id portal.GatewayID) (bool, error) {
	g, err := r.Gateway(ctx, id)
	return g.AcceptReach, err
}

// Issuing lists the gateways that have keys and have answered, those that are paused left out.
func (r *Gateways) Issuing(ctx context.Context) ([]portal.GatewayID, error) {
	all, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	var ids []portal.GatewayID
	for _, g := range all {
		if g.Paused || g.Capabilities == nil {
			continue
		}
		c, err := r.connector(g)
		if err != nil {
			r.log.WarnContext(ctx, "gateway cannot be opened", "gateway", g.ID, "error", err)
			continue
		}
		if _, ok := connectors.As[connectors.Issuer](c); ok {
			ids = append(ids, g.ID)
		}
	}
	return ids, nil
}

func (r *Gateways) all(ctx context.Context) (all []catalog.Gateway, err error) {
	err = r.db.View(ctx, func(tx catalog.Tx) error {
		all, err = tx.Catalog().Gateways(ctx, "", 0)
		return err
	})
	return all, err
}

// connector opens a gateway, or returns what is open if the registration has not changed since.
func (r *Gateways) connector(g catalog.Gateway) (connectors.Connector, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	had, ok := r.open[g.ID]
	if ok && had.changed.Equal(g.Changed) {
		return had.Connector, nil
	}
	if g.Site != portal.SiteLocal {
		if r.sites == nil {
			return nil, fmt.Errorf("gateway %s is reached from site %q, and this process reaches no other site: %w", g.ID, g.Site, portal.ErrUnsupported)
		}
		return r.sites.Connector(g.Site, g.ID), nil
	}
	credentials, err := r.credentials(g)
	if err != nil {
		return nil, err
	}
	now, err := r.try(g, credentials)
	if err != nil {
		return nil, err
	}
	if ok {
		had.Client.CloseIdleConnections()
	}
	r.open[g.ID] = opened{now, g.Changed}
	return now.Connector, nil
}

// try opens a connector; it makes no call.
func (r *Gateways) try(g catalog.Gateway, credentials map[string]portal.Secret) (Opened, error) {
	return Open(r.kinds, g, credentials, r.log)
}

// Open opens the connector of a gateway under its outbound policy, which AllowPrivate widens, and its request budget; it
// makes no call. The client is the connector's own. portal.ErrInvalid where the kind is not known, or does not take what is
// given.
func Open(kinds map[string]connectors.Kind, g catalog.Gateway, credentials map[string]portal.Secret, log *slog.Logger) (Opened, error) {
	kind, ok := kinds[g.Kind]
	if !ok {
		return Opened{}, fmt.Errorf("gateway %s: %w", g.ID, told.NoKind.As(portal.ErrInvalid, g.Kind))
	}
	policy := outbound.Policy{Setting: fmt.Sprintf("allow_private of gateway %s", g.ID)}
	for _, s := range g.AllowPrivate {
		network, err := outbound.ParseNetwork(s)
		if err != nil {
			return Opened{}, fmt.Errorf("gateway %s: %w", g.ID, err)
		}
		policy.Allow = append(policy.Allow, network)
	}
	pace := outbound.NewPace(outbound.Limits(budget(kind, g)))
	client, err := outbound.NewClient(policy, outbound.Options{Pace: pace})
	if err != nil {
		return Opened{}, fmt.Errorf("gateway %s: %w", g.ID, err)
	}
	c, err := kind.Open(connectors.Config{
		ID: g.ID, Address: g.Address, Settings: g.Settings, Secrets: credentials, Client: client, Log: log.With("gateway", g.ID),
	})
	if err != nil {
		return Opened{}, fmt.Errorf("gateway %s: %w", g.ID, err)
	}
	return Opened{c, client, pace}, nil
}

// budget is what a gateway's admin side may be asked: what is registered, else what is known of its kind.
func budget(kind connectors.Kind, g catalog.Gateway) connectors.Budget {
	return g.Budget.Or(kind.Budget).Or(connectors.DefaultBudget)
}

// Budget returns the request budget of a gateway as it holds, in each process.
func (r *Gateways) Budget(g catalog.Gateway) connectors.Budget { return budget(r.kinds[g.Kind], g) }

// Paces says how this process gets on with the gateways that it has called.
func (r *Gateways) Paces() map[portal.GatewayID]outbound.PaceState {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[portal.GatewayID]outbound.PaceState, len(r.open))
	for id, at := range r.open {
		all[id] = at.Pace.State()
	}
	return all
}

// Pace says how this process gets on with a gateway's admin side; false where it has made no call since its registration
// changed, or where the gateway is of another site.
func (r *Gateways) Pace(id portal.GatewayID) (outbound.PaceState, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.open[id]; ok {
		return at.Pace.State(), true
	}
	return outbound.PaceState{}, false
}

const (
	secretsTable  = "gateways"
	secretsColumn = "secrets"
)

// credentials opens the sealed admin credentials of a gateway.
func (r *Gateways) credentials(g catalog.Gateway) (map[string]portal.Secret, error) {
	if len(g.Secrets) == 0 {
		return nil, nil
	}
	plain, err := r.seal.Unseal(secretsTable, string(g.ID), secretsColumn, g.Secrets)
	if err != nil {
		return nil, fmt.Errorf("credentials of gateway %s: %w", g.ID, err)
	}
	var values map[string]string
	if json.Unmarshal(plain, &values) != nil { // its error could quote what it read
		return nil, fmt.Errorf("credentials of gateway %s: %w", g.ID, errors.New("what is sealed is not JSON"))
	}
	credentials := make(map[string]portal.Secret, len(values))
	for k, v := range values {
		credentials[k] = portal.NewSecret(v)
	}
	return credentials, nil
}

func (r *Gateways) sealed(id portal.GatewayID, credentials map[string]portal.Secret) ([]byte, error) {
	values := map[string]string{}
	for k, v := range credentials {
		if !v.IsZero() {
			values[k] = v.Reveal()
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("credentials of gateway %s: %w", id, err)
	}
	b, err := r.seal.Seal(secretsTable, string(id), secretsColumn, plain)
	if err != nil {
		return nil, fmt.Errorf("sealing the credentials of gateway %s: %w", id, err)
	}
	return b, nil
}
