package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/outbound"
	"concierge/portal/told"
)

// fetcher is the client for documents that a gateway's objects point to. It reaches public addresses and those that an
// administrator lists, sends no credentials and follows no redirect. The error is portal.ErrInvalid for a malformed network.
func fetcher(g catalog.Gateway) (*http.Client, error) {
	policy := outbound.Policy{Setting: fmt.Sprintf("documents.allow of gateway %s", g.ID)}
	for _, s := range g.Documents.Allow {
		network, err := outbound.ParseNetwork(s)
		if err != nil {
			return nil, fmt.Errorf("gateway %s: documents: %w", g.ID, err)
		}
		policy.Allow = append(policy.Allow, network)
	}
	client, err := outbound.NewClient(policy, outbound.Options{Timeout: documentTimeout})
	if err != nil {
		return nil, fmt.Errorf("gateway %s: documents: %w", g.ID, err)
	}
	return client, nil
}

// fetch opens a document that is not in the gateway. Whoever may change an object there chooses the address, so nothing is fetched
// before an administrator of the portal has allowed it.
func fetch(ctx context.Context, g catalog.Gateway, client *http.Client, address string) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("%s: %w", told.Warning(told.FetchNowhere), portal.ErrInvalid)
	}
	if !g.Documents.Fetch {
		return nil, fmt.Errorf("%s: %w", told.Warning(told.FetchForbidden, u.Host), portal.ErrDenied)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetching it from %s: %w", u.Host, portal.ErrInvalid)
	}
	resp, err := outbound.Do(client, req)
	if err != nil {
		return nil, fmt.Errorf("fetching it from %s: %w", u.Host, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	kind := portal.ErrUnavailable
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		kind = portal.ErrNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = portal.ErrDenied
	}
	_ = resp.Body.Close()
	return nil, fmt.Errorf("%s: %w", told.Warning(told.FetchRefused, u.Host, resp.Status), kind)
}
