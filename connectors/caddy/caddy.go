// Package caddy connects to Caddy 2 through its admin API.
//
// Caddy knows neither APIs nor keys, only routes. A reverse proxy is a deployment. A key is a route of its own, whose
// @id is our mark, in front of a route that refuses every caller: one list of routes that the operator lays out for each
// API, so that a key can open nothing else. The route holds a bcrypt hash, never the key. README.md shows the layout and
// the traps, with how each was seen.
package caddy

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

	// settle: a change shows as soon as it is accepted. One whose caller gave up may wait for those before it, of which
	// each took 0.4 s with 1,000 keys (2.6.2, 2026-11-22).
	settle = 10 * time.Second
	// propagation: the admin side answers once the new configuration serves; only requests under way go on with the old
	// one. 500 keys were issued, called, revoked and called again, and every call was answered as it should be (the same).
	propagation = 100 * time.Millisecond
)

// Kind describes Caddy for the entry points.
var Kind = connectors.Kind{
	Name: "caddy", Title: "Caddy", Address: "http://127.0.0.1:2019", Settings: settings(), Open: Open,
	// Caddy knows no limit; each change makes it load its whole configuration anew.
	Budget: connectors.Budget{PerSecond: 50, Burst: 100, Parallel: 8},
}

func settings() []connectors.Setting {
	return append([]connectors.Setting{{
		Name: publicURL, Title: "Public address",
		Help: "Where consumers reach Caddy, such as https://api.example.com. The host of a route replaces its host. " +
			"Routes with a host on port 443 need none.",
	}}, adminapi.Settings()...)
}

// Connector is one Caddy.
type Connector struct {
	api    *adminapi.Client
	public *url.URL // nil: unknown
	// writing holds a token while this process changes the configuration. Others are held off by ETags.
	writing chan struct{}
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
	c := &Connector{api: api, writing: make(chan struct{}, 1)}
	if text := cfg.Settings[publicURL]; text != "" {
		if c.public, err = parsePublic(text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Probe asks whether the admin side is Caddy's, and whether we may write there.
func (c *Connector) Probe(ctx context.Context) (connectors.Capabilities, error) {
	if _, _, err := c.config(ctx); err != nil {
		return connectors.Capabilities{}, fmt.Errorf("probing: %w", err)
	}
	mayIssue, err := c.mayWrite(ctx)
	if err != nil {
		return connectors.Capabilities{}, fmt.Errorf("probing: %w", err)
	}
	return connectors.Capabilities{
		Product:     "Caddy 2", // the admin API does not tell its version
		Discovery:   connectors.DiscoverSnapshot,
		Identity:    connectors.Names,
		Issue:       mayIssue,
		KeyValue:    connectors.CallerMay,
		Scope:       connectors.ScopeRoute,
		ListCost:    "the whole configuration is read for each page",
		Settle:      settle,
		Propagation: propagation,
	}, nil
}

// mayWrite deletes what nobody has: 404 from Caddy itself, a refusal from whatever guards it.
func (c *Connector) mayWrite(ctx context.Context) (connectors.Ability, error) {
	_, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodDelete, Path: []string{"id", markPrefix + "probe"}, Accept: []int{http.StatusNotFound},
	})
	switch {
	case err == nil:
		return connectors.Ability{Able: true}, nil
	case errors.Is(err, portal.ErrDenied):
		return connectors.Ability{Reason: "the admin credentials may only read"}, nil
	}
	return connectors.Ability{}, err
}

// Discover reads the whole configuration: Caddy tells of no changes.
func (c *Connector) Discover(ctx context.Context, _ connectors.Cursor) (connectors.Snapshot, error) {
	cfg, _, err := c.config(ctx)
	if err != nil {
		return connectors.Snapshot{}, fmt.Errorf("discovering: %w", err)
	}
	snap := connectors.Snapshot{Complete: true, Warnings: cfg.warnings}
	for _, a := range cfg.apis {
		snap.Deployments = append(snap.Deployments, a.deployment(c.public))
	}
	return snap, nil
}

// OpenDocument finds none: Caddy keeps no API descriptions.
func (c *Connector) OpenDocument(context.Context, connectors.DocumentRef) (io.ReadCloser, error) {
	return nil, fmt.Errorf("caddy keeps no documents: %w", portal.ErrNotFound)
}

// config reads the configuration with its ETag. Caddy sends one as a trailer, so after the body; an answer without it
// is not Caddy's, or came through a proxy that drops trailers, and nothing could be changed safely.
func (c *Connector) config(ctx context.Context) (config, string, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{Method: http.MethodGet, Path: []string{"config"}, Slash: true})
	if err != nil {
		return config{}, "", err
	}
	etag := answer.Header.Get("Etag")
	if etag == "" {
		return config{}, "", fmt.Errorf("%w: the answer has no ETag: it is not Caddy's, or a proxy on the way drops trailers", portal.ErrInvalid)
	}
	cfg, err := parseConfig(answer.Body)
	return cfg, etag, err
}
