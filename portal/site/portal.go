package site

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/outbound"
)

// Portal is the portal as its workers reach it. It is safe for concurrent use.
type Portal struct {
	server string
	client *http.Client
}

// NewPortal checks the address of a portal. Plain http is for this machine only, unless insecure: secrets travel on it.
// roots is PEM with the only certificates that may sign the portal's; empty: the system's. Errors: portal.ErrInvalid.
func NewPortal(server string, roots []byte, insecure bool) (*Portal, error) {
	invalid := func(text string) (*Portal, error) {
		return nil, fmt.Errorf("server: %s: %w", text, portal.ErrInvalid)
	}
	u, err := url.Parse(strings.TrimRight(server, "/"))
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "":
		return invalid("write the address of the portal, such as https://apis.example.com")
	case u.Scheme == "http" && !insecure && !loopback(u.Hostname()):
		return invalid("secrets of gateways travel to the portal, so use https; --insecure allows http where you know why")
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(roots) > 0 {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(roots) {
			return invalid("there is no PEM certificate in the file of --ca")
		}
	}
	return &Portal{server: u.String(), client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
			ResponseHeaderTimeout: pollFor + 15*time.Second, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 90 * time.Second,
		},
	}}, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// maxOrders bounds what the portal says at once.
const maxOrders = 32 << 20

// post sends a request and reads the answer into said. Errors: portal.ErrDenied for 401, ErrConflict, ErrInvalid, else
// ErrUnavailable.
func (p *Portal) post(ctx context.Context, secret portal.Secret, path string, body, said any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing to the portal: %w", err)
	}
	return p.send(ctx, secret, path, "application/json", content, said)
}

func (p *Portal) send(ctx context.Context, secret portal.Secret, path, kind string, content []byte, said any) error {
	ctx, cancel := context.WithTimeout(ctx, pollFor+30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.server+path, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("the portal: %w", err)
	}
	req.Header.Set("Content-Type", kind)
	if !secret.IsZero() {
		req.Header.Set("Authorization", "Bearer "+secret.Reveal())
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return fmt.Errorf("the portal: %w: %w", portal.ErrUnavailable, outbound.Clean(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxOrders+1))
	if err != nil || len(answer) > maxOrders {
		return fmt.Errorf("the portal's answer broke off or is too large: %w", portal.ErrUnavailable)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, answer)
	}
	if json.Unmarshal(answer, said) != nil { // it may hold secrets
		return fmt.Errorf("the portal's answer is not what a portal says: %w", portal.ErrUnavailable)
	}
	return nil
}

func refusal(status int, answer []byte) error {
	var problem struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(answer, &problem) // a proxy's page says nothing
	kind := portal.ErrUnavailable
	switch status {
	case http.StatusUnauthorized:
		kind = portal.ErrDenied
	case http.StatusConflict:
		kind = portal.ErrConflict
	case http.StatusBadRequest:
		kind = portal.ErrInvalid
	case http.StatusRequestEntityTooLarge:
		kind = errTooLarge
	}
	return fmt.Errorf("the portal says %d %s: %w", status, clean(problem.Error), kind)
}
