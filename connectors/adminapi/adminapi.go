// Package adminapi calls the admin side of a gateway for a connector: every answer's size is limited, every failure is a
// kind of package portal, redirects are refused, and no secret that it was given gets into an error.
package adminapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"concierge/connectors"
	"concierge/portal"
)

const (
	// MaxAnswerBytes is what one answer may have; a longer one is ErrInvalid.
	MaxAnswerBytes = 64 << 20
	// wordsBytes is how much of the gateway's own words an error quotes.
	wordsBytes = 200
	// retryAfter stands in where a gateway asks for patience and does not say how much.
	retryAfter = 5 * time.Second
)

// Names of the settings that say how to pass whatever guards the admin side.
const (
	User        = "admin_user"
	Password    = "admin_password"
	Header      = "admin_header"
	HeaderValue = "admin_header_value"
	PlainHTTP   = "allow_plain_http"
)

// Settings are those of a gateway whose admin side knows no credentials itself and stands behind a proxy that does:
// Basic authentication, or one header. All may be empty.
func Settings() []connectors.Setting {
	return []connectors.Setting{
		{Name: User, Title: "User", Help: "Of the proxy in front of the admin side, where it asks for Basic authentication."},
		{Name: Password, Title: "Password", Help: "Belongs to the user.", Secret: true},
		{Name: Header, Title: "Header", Help: "That the proxy in front of the admin side asks for, such as Authorization."},
		{Name: HeaderValue, Title: "Value of the header", Help: "Whole, such as Bearer and the token.", Secret: true},
		{Name: PlainHTTP, Title: "Allow plain HTTP", Default: "false",
			Help: "true lets the admin address be http:// on a host other than this machine. Keys then cross the network in clear."},
	}
}

// Client calls one admin side. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	http    *http.Client
	name    string // of the header that carries the admin credential; empty: none
	value   portal.Secret
	secrets []portal.Secret // what no error may quote
}

// New makes a client from the address and the Settings of a configuration. ErrInvalid names every problem at once.
func New(cfg connectors.Config) (*Client, error) {
	c := &Client{}
	var problems []error
	base, err := url.Parse(cfg.Address)
	switch {
	case err != nil:
		problems = append(problems, errors.New("the address is not a URL"))
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		problems = append(problems, errors.New("the address needs http:// or https:// and a host"))
	case base.Scheme == "http" && !loopback(base.Hostname()) && cfg.Settings[PlainHTTP] != "true":
		problems = append(problems, fmt.Errorf("the address is not https: set %s to true where the network is trusted", PlainHTTP))
	case base.User != nil:
		problems = append(problems, fmt.Errorf("the address holds a credential: use %s and %s", User, Password))
	case base.RawQuery != "" || base.Fragment != "":
		problems = append(problems, errors.New("the address has a query or a fragment"))
	}
	c.base = base
	if plain := cfg.Settings[PlainHTTP]; plain != "" && plain != "true" && plain != "false" {
		problems = append(problems, fmt.Errorf("%s is neither true nor false", PlainHTTP))
	}
	user, password := cfg.Settings[User], cfg.Secrets[Password]
	header, value := cfg.Settings[Header], cfg.Secrets[HeaderValue]
	switch {
	case (user == "") != password.IsZero():
		problems = append(problems, fmt.Errorf("%s and %s belong together", User, Password))
	case (header == "") != value.IsZero():
		problems = append(problems, fmt.Errorf("%s and %s belong together", Header, HeaderValue))
	case user != "" && header != "":
		problems = append(problems, fmt.Errorf("%s and %s exclude each other", User, Header))
	case strings.Contains(user, ":"):
		problems = append(problems, fmt.Errorf("%s contains a colon", User))
	case header != "" && (!httpguts.ValidHeaderFieldName(header) || !httpguts.ValidHeaderFieldValue(value.Reveal())):
		problems = append(problems, fmt.Errorf("%s and %s do not make an HTTP header", Header, HeaderValue))
	case user != "":
		encoded := base64.StdEncoding.EncodeToString([]byte(user + ":" + password.Reveal()))
		c.name, c.value = "Authorization", portal.NewSecret("Basic "+encoded)
		c.secrets = []portal.Secret{password, portal.NewSecret(encoded)}
	case header != "":
		c.name, c.value = header, value
		c.secrets = []portal.Secret{value}
		if _, token, ok := strings.Cut(value.Reveal(), " "); ok {
			c.secrets = append(c.secrets, portal.NewSecret(token))
		}
	}
	if cfg.Client == nil {
		problems = append(problems, errors.New("there is no HTTP client"))
	} else {
		client := *cfg.Client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		c.http = &client
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %w", portal.ErrInvalid, errors.Join(problems...))
	}
	return c, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// CheckSettings returns ErrInvalid for settings and secrets that known does not name, and for required ones that miss.
func CheckSettings(cfg connectors.Config, known []connectors.Setting) error {
	var problems []error
	for name := range cfg.Settings {
		if !slices.ContainsFunc(known, func(s connectors.Setting) bool { return s.Name == name && !s.Secret }) {
			problems = append(problems, fmt.Errorf("there is no setting %q", name))
		}
	}
	for name := range cfg.Secrets {
		if !slices.ContainsFunc(known, func(s connectors.Setting) bool { return s.Name == name && s.Secret }) {
			problems = append(problems, fmt.Errorf("there is no secret setting %q", name))
		}
	}
	for _, s := range known {
		if s.Required && cfg.Settings[s.Name] == "" && cfg.Secrets[s.Name].IsZero() {
			problems = append(problems, fmt.Errorf("the setting %s is missing", s.Name))
		}
	}
	if len(problems) > 0 {
		slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return fmt.Errorf("%w: %w", portal.ErrInvalid, errors.Join(problems...))
	}
	return nil
}

// Request is one call.
type Request struct {
	Method string
	Path   []string // segments below the client's address, not escaped
	Slash  bool     // the path ends in a slash
	Query  url.Values
	Header http.Header
	Body   any  // sent as JSON; nil: none
	Secret bool // Body holds key material: what the gateway says about it is not quoted
	// Accept lists statuses outside 2xx that are answers to the caller, not errors.
	Accept []int
}

// Answer is what the gateway said.
type Answer struct {
	Status int
	Body   []byte
	// Header holds the trailers too: some servers send an ETag there.
	Header http.Header
}

// Do sends the request and reads the answer to its end. Errors: the context's own; ErrUnavailable (no connection, a
// broken answer, 5xx), a RetryAfterError (429), ErrDenied (401, 403, 405, 407), ErrNotFound (404), ErrConflict (409,
// 412), ErrInvalid (everything else, and an answer that is too long).
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	answer, err := c.do(ctx, r)
	if err == nil {
		return answer, nil
	}
	return Answer{}, fmt.Errorf("%s %s: %w", r.Method, r.path(), err)
}

func (r Request) path() string {
	var p strings.Builder
	for _, segment := range r.Path {
		p.WriteString("/" + url.PathEscape(segment))
	}
	if r.Slash {
		p.WriteByte('/')
	}
	return p.String()
}

func (c *Client) do(ctx context.Context, r Request) (Answer, error) {
	var body io.Reader
	if r.Body != nil {
		text, err := json.Marshal(r.Body)
		if err != nil {
			return Answer{}, fmt.Errorf("encoding the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	address := strings.TrimSuffix(c.base.String(), "/") + r.path()
	if len(r.Query) > 0 {
		address += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, address, body)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: making the request", portal.ErrInvalid)
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.name != "" {
		req.Header.Set(c.name, c.value.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswerBytes+1))
	if err != nil {
		return Answer{}, unreachable(ctx, err)
	}
	if len(text) > MaxAnswerBytes {
		return Answer{}, fmt.Errorf("%w: the answer has more than %d bytes", portal.ErrInvalid, MaxAnswerBytes)
	}
	if resp.StatusCode/100 != 2 && !slices.Contains(r.Accept, resp.StatusCode) {
		return Answer{}, c.refusal(resp, text, r.Secret)
	}
	for name, values := range resp.Trailer {
		resp.Header[name] = values
	}
	return Answer{Status: resp.StatusCode, Body: text, Header: resp.Header}, nil
}

// unreachable is the error for a call that brought no whole answer. The cause is not quoted by its *url.Error, which
// repeats the URL.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", portal.ErrUnavailable, ctx.Err())
		}
		return ctx.Err()
	}
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	return fmt.Errorf("%w: %w", portal.ErrUnavailable, err)
}

// refusal turns a status into an error with the gateway's words.
func (c *Client) refusal(resp *http.Response, body []byte, secret bool) error {
	kind := portal.ErrInvalid
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusMethodNotAllowed, status == http.StatusProxyAuthRequired:
		kind = portal.ErrDenied
	case status == http.StatusNotFound:
		kind = portal.ErrNotFound
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		kind = portal.ErrConflict
	case status == http.StatusTooManyRequests, status >= 500:
		kind = portal.ErrUnavailable
	}
	err := fmt.Errorf("%w: the gateway answers %d", kind, resp.StatusCode)
	if words := c.words(body); words != "" && !secret {
		err = fmt.Errorf("%w: %q", err, words)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		return &portal.RetryAfterError{After: patience(resp.Header.Get("Retry-After")), Err: err}
	}
	return err
}

// patience reads a Retry-After header: seconds or a date (RFC 9110, section 10.2.3).
func patience(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 && seconds <= 24*60*60 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return retryAfter
}

// words returns the beginning of what the gateway said, on one line; nothing where it is markup or quotes a secret.
func (c *Client) words(body []byte) string {
	text := string(body)
	for _, s := range c.secrets {
		plain := s.Reveal()
		for _, form := range []string{
			plain, url.QueryEscape(plain), url.PathEscape(plain), strings.Trim(strconv.Quote(plain), `"`),
			base64.StdEncoding.EncodeToString([]byte(plain)),
		} {
			if strings.Contains(text, form) {
				return ""
			}
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if strings.HasPrefix(text, "<") {
		return ""
	}
	if len(text) > wordsBytes {
		text = strings.ToValidUTF8(text[:wordsBytes], "") + "…"
	}
	return text
}

// Decode reads an answer's JSON; ErrInvalid where it is none of the shape of into.
func Decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: the answer is not what this gateway says: %s", portal.ErrInvalid, shape(err))
	}
	return nil
}

// shape says what is wrong with JSON without quoting any of it, as it may hold keys.
func shape(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return "wrong type of " + wrongType.Field
	}
	return "not JSON"
}
