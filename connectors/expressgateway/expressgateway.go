// Package expressgateway connects to Express Gateway 1.16, an API gateway of Node.js with an admin API.
//
// Its key credentials take a caller's keyId, which is our mark, and a caller's keySecret. A key is confined to an API by
// scopes: the gateway accepts it at every API endpoint whose scopes it has all of, so at every one without scopes.
// Revoking deactivates, as the admin API cannot delete; what is deactivated counts as absent and is never issued again.
// README.md has the operator's side and the traps, with how each was seen.
package expressgateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/portal"
)

const (
	publicURL = "public_url"

	// settle is how long a call that was given up may still take effect: with its Redis away the gateway holds commands
	// back and goes on trying; 9.6 s and 12.5 s were measured until it gave up (1.16.11, Redis 7.0.15, 2026-11-22).
	settle = 20 * time.Second
	// propagation: every request to the data plane reads the credential (lib/services/auth.js), so there is no delay
	// but that of a request already under way.
	propagation = 100 * time.Millisecond
)

// Kind describes Express Gateway for the entry points.
var Kind = connectors.Kind{
	Name: "expressgateway", Title: "Express Gateway", Address: "http://127.0.0.1:9876", Settings: settings(), Open: Open,
	// One Node process that also serves the APIs; it knows no limit.
	Budget: connectors.Budget{PerSecond: 100, Burst: 100, Parallel: 8},
}

func settings() []connectors.Setting {
	return append([]connectors.Setting{{
		Name: publicURL, Title: "Public address",
		Help: "Where consumers reach the gateway, such as https://api.example.com. An API endpoint’s own host replaces its host.",
	}}, adminapi.Settings()...)
}

// Connector is one Express Gateway.
type Connector struct {
	api    *adminapi.Client
	public *url.URL // nil: unknown
	locks  stripes
}

var _ connectors.Issuer = (*Connector)(nil)

// Open checks the configuration and makes no call.
func Open(cfg connectors.Config) (connectors.Connector, error) {
	if err := adminapi.CheckSettings(cfg, settings()); err != nil {
		return nil, err
	}
	api, err := adminapi.New(cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{api: api, locks: newStripes()}
	if text := cfg.Settings[publicURL]; text != "" {
		if c.public, err = parsePublic(text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Probe asks whether the admin side is that of an Express Gateway, and whether we may write there.
func (c *Connector) Probe(ctx context.Context) (connectors.Capabilities, error) {
	if err := c.prove(ctx); err != nil {
		return connectors.Capabilities{}, fmt.Errorf("probing: %w", err)
	}
	mayIssue, err := c.mayWrite(ctx)
	if err != nil {
		return connectors.Capabilities{}, fmt.Errorf("probing: %w", err)
	}
	return connectors.Capabilities{
		Product:     "Express Gateway", // the admin API does not tell its version
		Discovery:   connectors.DiscoverSnapshot,
		Identity:    connectors.Names,
		Issue:       mayIssue,
		KeyValue:    connectors.CallerMay,
		Scope:       connectors.ScopeGroup,
		ReadBack:    true,
		ListCost:    "for each page one pass over all keys of the gateway's Redis, and one call for each subscription",
		Settle:      settle,
		Propagation: propagation,
	}, nil
}

// prove fails unless the admin side answers like an Express Gateway's: an empty object could be anyone's.
func (c *Connector) prove(ctx context.Context) error {
	_, err := c.scopes(ctx)
	return err
}

// mayWrite deactivates a credential that nobody has: 404 from the gateway itself, a refusal from whatever guards it.
func (c *Connector) mayWrite(ctx context.Context) (connectors.Ability, error) {
	_, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodPut, Path: []string{"credentials", credentialType, markPrefix + "probe", "status"},
		Body: map[string]bool{"status": false}, Accept: []int{http.StatusNotFound},
	})
	switch {
	case err == nil:
		return connectors.Ability{Able: true}, nil
	case errors.Is(err, portal.ErrDenied):
		return connectors.Ability{Reason: "the admin credentials may only read"}, nil
	}
	return connectors.Ability{}, err
}

// Discover reads the whole configuration: Express Gateway tells of no changes.
func (c *Connector) Discover(ctx context.Context, _ connectors.Cursor) (connectors.Snapshot, error) {
	cfg, err := c.config(ctx)
	if err != nil {
		return connectors.Snapshot{}, fmt.Errorf("discovering: %w", err)
	}
	snap := connectors.Snapshot{Complete: true, Warnings: cfg.warnings}
	for _, a := range cfg.apis {
		snap.Deployments = append(snap.Deployments, a.deployment(c.public))
	}
	return snap, nil
}

// OpenDocument finds none: Express Gateway keeps no API descriptions.
func (c *Connector) OpenDocument(context.Context, connectors.DocumentRef) (io.ReadCloser, error) {
	return nil, fmt.Errorf("express gateway keeps no documents: %w", portal.ErrNotFound)
}
