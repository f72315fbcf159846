package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
)

// longestComplaint is how many bytes of the gateway's own words an error quotes.
const longestComplaint = 300

// client speaks to the admin side and turns its answers into our kinds of error.
type client struct {
	base  *url.URL
	token portal.Secret
	http  *http.Client
}

// get reads one thing into v.
func (c client) get(ctx context.Context, v any, query url.Values, path ...string) error {
	resp, err := c.send(ctx, http.MethodGet, nil, query, path...)
	if err != nil {
		return err
	}
	return decode(resp, v)
}

// list reads one page.
func list[Item any](ctx context.Context, c client, query url.Values, path ...string) ([]Item, string, error) {
	var page gateway.Page[Item]
	if err := c.get(ctx, &page, query, path...); err != nil {
		return nil, "", err
	}
	if page.Items == nil { // an answer without a list is not an empty list
		return nil, "", fmt.Errorf("the answer holds no list: %w", portal.ErrInvalid)
	}
	return page.Items, page.Next, nil
}

// call changes something; body and v may be nil. secrets are those in body.
func (c client) call(ctx context.Context, method string, body, v any, secrets []portal.Secret, path ...string) error {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("writing the request: %w", err)
		}
		reader = bytes.NewReader(text)
	}
	resp, err := c.send(ctx, method, &payload{reader, secrets}, nil, path...)
	if err != nil {
		return err
	}
	if v == nil {
		return resp.Body.Close()
	}
	return decode(resp, v)
}

type payload struct {
	text    io.Reader
	secrets []portal.Secret
}

// send returns an answer in the 200s, whose body the caller closes, or an error of one of our kinds.
func (c client) send(ctx context.Context, method string, body *payload, query url.Values, path ...string) (*http.Response, error) {
	for i, part := range path {
		path[i] = url.PathEscape(part)
	}
	target := c.base.JoinPath(path...)
	target.RawQuery = query.Encode()
	secrets := []portal.Secret{c.token}
	var text io.Reader
	if body != nil {
		text, secrets = body.text, append(secrets, body.secrets...)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", portal.ErrInvalid, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	if text != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", portal.ErrUnavailable, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, failure(resp, secrets)
}

// decode reads a whole answer. A connection that ends early is ErrUnavailable, anything else that is wrong ErrInvalid.
func decode(resp *http.Response, v any) error {
	text, err := io.ReadAll(resp.Body)
	if _ = resp.Body.Close(); err != nil {
		return fmt.Errorf("%w: reading the answer: %w", portal.ErrUnavailable, err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		// The decoder's message may quote the answer, and that may hold a key.
		return fmt.Errorf("the answer is no JSON of the expected shape: %w", portal.ErrInvalid)
	}
	return nil
}

// failure says what a refusal means, in the gateway's words without any of the secrets.
func failure(resp *http.Response, secrets []portal.Secret) error {
	var complaint struct {
		Detail string `json:"detail"`
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = json.Unmarshal(text, &complaint)
	err := fmt.Errorf("%w: the gateway answers %d", kind(resp.StatusCode), resp.StatusCode)
	if words := clean(complaint.Detail, secrets); words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		if seconds, parseErr := strconv.Atoi(resp.Header.Get("Retry-After")); parseErr == nil && seconds >= 0 {
			return &portal.RetryAfterError{After: time.Duration(seconds) * time.Second, Err: err}
		}
	}
	return err
}

func kind(status int) error {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return portal.ErrDenied
	case status == http.StatusNotFound:
		return portal.ErrNotFound
	case status == http.StatusConflict:
		return portal.ErrConflict
	case status == http.StatusTooManyRequests || status >= 500:
		return portal.ErrUnavailable
	default:
		return portal.ErrInvalid
	}
}

// clean takes secrets out of a gateway's words and keeps them short.
func clean(words string, secrets []portal.Secret) string {
	for _, secret := range secrets {
		if !secret.IsZero() {
			words = strings.ReplaceAll(words, secret.Reveal(), portal.Redacted)
		}
	}
	if len(words) > longestComplaint {
		words = strings.ToValidUTF8(words[:longestComplaint], "") + "…"
	}
	return words
}
