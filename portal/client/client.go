// Package client asks a portal over HTTP API v1, as the holder of one token.
//
// A Client is an api.Desk: what works on the portal's own desk works on it, and errors arrive as the kind that they
// left as. It promises that the token goes to the named address only (https, or plain http that stays on this machine;
// redirects are not followed), that time and size of every answer are bounded, that a call which is repeated after a
// lost connection is carried out once, and that key material is a portal.Secret from the moment it is decoded. It keeps
// nothing: no cache, no cookies, no log.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/outbound"
)

// Options bound a Client. A zero field means its default.
type Options struct {
	Timeout      time.Duration // of one call with its repetitions; default 60 s
	MaxBodyBytes int64         // of one answer; default 32 MiB, room for the largest document that a portal keeps
	RootCAs      []byte        // PEM with the only certificates trusted to sign the portal's; empty means the system's
}

const (
	attempts      = 3
	firstPause    = 200 * time.Millisecond // before the second attempt; doubles
	maxRetryAfter = 5 * time.Second        // a portal that asks for more is left to the caller
	prefix        = "/api/v1"
)

// Client is a portal as one caller sees it. It is safe for concurrent use.
//
// Errors of its methods: *api.Problem for what the portal answers, which errors.Is and errors.As find to be the kinds
// and the richer errors of package portal; portal.ErrUnavailable where no answer came, or none within the limits, with
// portal.RetryAfterError where the portal says when to come back; the caller's context.Canceled.
type Client struct {
	base  string // scheme and host
	token portal.Secret
	http  *http.Client
	max   int64
	limit time.Duration
}

var _ api.Desk = (*Client)(nil)

// New returns a client of the portal at address, such as "https://apis.example.com". Plain http is for a portal on this
// machine only. The error is portal.ErrInvalid and says what to change.
func New(address string, token portal.Secret, o Options) (*Client, error) {
	base, policy, err := parse(address)
	if err != nil {
		return nil, fmt.Errorf("the portal's address: %w", err)
	}
	if token.IsZero() || strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("the token: %w: copy it whole, without spaces, from your account page", portal.ErrInvalid)
	}
	c := &Client{base: base, token: token, max: cmp.Or(o.MaxBodyBytes, 32<<20), limit: cmp.Or(o.Timeout, time.Minute)}
	c.http, err = outbound.NewClient(policy, outbound.Options{
		HeaderTimeout: c.limit, Timeout: c.limit, MaxBodyBytes: c.max, RootCAs: o.RootCAs,
	})
	return c, err
}

// Close lets go of connections that are kept alive. The client can still be used.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// anywhere is for a portal that the person named: it may well be on a private network.
var anywhere = []outbound.Network{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}, {Prefix: netip.MustParsePrefix("::/0")}}

func parse(address string) (base string, policy outbound.Policy, err error) {
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", policy, fmt.Errorf("%w: write it as https://apis.example.com", portal.ErrInvalid)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return "", policy, fmt.Errorf("%w: give scheme and host only, as in https://%s", portal.ErrInvalid, u.Host)
	}
	switch u.Scheme {
	case "https":
		return "https://" + u.Host, outbound.Policy{Allow: anywhere}, nil
	case "http":
		if !loopback(u.Hostname()) {
			return "", policy, fmt.Errorf("%w: the token would cross the network in clear; use https://%s", portal.ErrInvalid, u.Host)
		}
		// A name is checked again once it is resolved: one that leads elsewhere is refused before a byte is sent.
		return "http://" + u.Host, outbound.Policy{Allow: outbound.Loopback, Setting: "nothing: use https"}, nil
	}
	return "", policy, fmt.Errorf("%w: it starts with https://", portal.ErrInvalid)
}

func loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}

// request is one call. Repeating it is always safe: a POST carries a key under which the portal carries it out once, and
// every other method of the API says what shall be, not what to add.
type request struct {
	method string
	path   []string // segments under the API's prefix
	query  url.Values
	body   any // nil: none; bytes are sent as they are
	accept string
}

type answer struct {
	header http.Header
	body   []byte
}

// call carries a request out and reads its answer into T.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var t T
	a, err := c.do(ctx, r)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(a.body, &t); err != nil {
		// The decoder's words quote what it could not read, and that may be a secret.
		return t, errors.New("the portal's answer is not what this version understands")
	}
	return t, nil
}

func get[T any](ctx context.Context, c *Client, query url.Values, path ...string) (T, error) {
	return call[T](ctx, c, request{method: http.MethodGet, path: path, query: query})
}

func send[T any](ctx context.Context, c *Client, method string, body any, path ...string) (T, error) {
	return call[T](ctx, c, request{method: method, path: path, body: body})
}

// do asks, and asks again where the connection failed or the portal says that it will be back soon.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	target := c.base + prefix
	for _, segment := range r.path {
		if segment == "" || segment == "." || segment == ".." {
			return answer{}, fmt.Errorf("nothing has the id %q: %w", segment, portal.ErrNotFound)
		}
		target += "/" + url.PathEscape(segment)
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	header := http.Header{"Authorization": {"Bearer " + c.token.Reveal()}, "Accept": {cmp.Or(r.accept, "application/json")}}
	if r.method == http.MethodPost {
		header.Set("Idempotency-Key", rand.Text())
	}
	var body []byte
	if file, ok := r.body.([]byte); ok {
		body = file
		header.Set("Content-Type", "application/octet-stream")
	} else if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return answer{}, fmt.Errorf("writing the request: %w", err)
		}
		header.Set("Content-Type", "application/json")
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	for n := 1; ; n++ {
		a, again, err := c.attempt(ctx, r.method, target, header, body)
		if !again || n == attempts {
			return a, err
		}
		pause := firstPause << (n - 1)
		if after, ok := errors.AsType[*portal.RetryAfterError](err); ok {
			pause = after.After
		}
		select {
		case <-ctx.Done():
			return a, err
		case <-time.After(pause):
		}
	}
}

// attempt asks once. again says whether the same request may do better soon.
func (c *Client) attempt(ctx context.Context, method, target string, header http.Header, body []byte) (a answer, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return a, false, fmt.Errorf("asking the portal: %w", outbound.Clean(err))
	}
	req.Header = header
	resp, err := outbound.Do(c.http, req)
	if err != nil {
		return a, errors.Is(err, portal.ErrUnavailable), fmt.Errorf("asking the portal: %w", err)
	}
	defer resp.Body.Close()
	a.header = resp.Header
	a.body, err = io.ReadAll(resp.Body)
	if err != nil {
		brokeOff := int64(len(a.body)) < c.max
		return answer{}, brokeOff && errors.Is(err, portal.ErrUnavailable), fmt.Errorf("reading the portal's answer: %w", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return a, false, nil
	}
	err = failure(resp.StatusCode, a)
	after, ok := errors.AsType[*portal.RetryAfterError](err)
	return answer{}, ok && after.After <= maxRetryAfter, err
}

// failure is the error that an answer tells.
func failure(status int, a answer) error {
	err := problem(status, a)
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
		return err
	}
	seconds, parseErr := strconv.ParseUint(a.header.Get("Retry-After"), 10, 31)
	if parseErr != nil {
		return err
	}
	return &portal.RetryAfterError{After: time.Duration(seconds) * time.Second, Err: err}
}

func problem(status int, a answer) error {
	if mediaType, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); mediaType == "application/problem+json" {
		var p api.Problem
		if json.Unmarshal(a.body, &p) == nil {
			p.Status = status
			return &p
		}
	}
	switch {
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: the portal's address leads elsewhere (status %d), and the token is not sent there; use the address that it leads to", portal.ErrInvalid, status)
	case status >= 500:
		return fmt.Errorf("%w: the portal, or something before it, answered with status %d", portal.ErrUnavailable, status)
	}
	return fmt.Errorf("%w: status %d, but not as a portal answers; is this the portal's own address?", portal.ErrInvalid, status)
}
