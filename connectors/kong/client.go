package kong

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
)

// maxBody bounds one answer of the Admin API, in bytes: a page of 1000 plugins with large configurations stays below.
const maxBody = 32 << 20

// pageSize is the most that Kong gives at once (Kong 3.9, kong/db/strategies).
const pageSize = 1000

// admin calls the Admin API.
type admin struct {
	base   *url.URL
	client *http.Client
	header string
	key    portal.Secret // zero: none is sent
}

// call sends one request. body and into may be nil. Errors are kinds of package portal, in our own words: what Kong says
// may quote the request, the key in it included.
func (a admin) call(ctx context.Context, method, path string, query url.Values, body, into any) error {
	u := *a.base
	u.Path += path
	u.RawQuery = query.Encode()
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a request: %w", err)
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), payload)
	if err != nil {
		return fmt.Errorf("%w: building a request", portal.ErrInvalid)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !a.key.IsZero() {
		req.Header.Set(a.header, a.key.Reveal())
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return unreachable(err)
	case len(raw) > maxBody:
		return fmt.Errorf("%w: the gateway's answer is longer than %d MiB", portal.ErrInvalid, maxBody>>20)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return refused(resp, raw)
	case into == nil:
		return nil
	}
	if json.Unmarshal(raw, into) != nil { // its error may quote the answer
		return fmt.Errorf("%w: the gateway's answer is not what its Admin API gives", portal.ErrInvalid)
	}
	return nil
}

// unreachable is a request that got no answer, or half of one.
func unreachable(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("%w: %w", portal.ErrUnavailable, err)
}

// Codes in the bodies of errors (Kong 3.9, kong/db/errors.lua; those seen are in testdata).
const codeNotFound = 6

var codes = map[int]string{
	2: "schema violation", 3: "primary key violation", 4: "foreign key violation", 5: "unique constraint violation", codeNotFound: "not found",
	7: "invalid offset", 8: "database error", 9: "invalid size", 11: "invalid options", 12: "operation unsupported",
	13: "foreign keys unresolved", 14: "invalid declarative configuration",
}

// refusal is an answer that is no success. It names fields that we sent, never values.
type refusal struct {
	status int
	code   int // of Kong's table; 0: none
	fields []string
	kind   error
}

func (r *refusal) Error() string {
	words := codes[r.code]
	if words == "" {
		words = strings.ToLower(http.StatusText(r.status))
	}
	if len(r.fields) > 0 {
		words += " (" + strings.Join(r.fields, ", ") + ")"
	}
	return fmt.Sprintf("%v: the gateway answered %d %s", r.kind, r.status, words)
}

func (r *refusal) Unwrap() error { return r.kind }

// fieldsWeSend may be named in errors.
var fieldsWeSend = []string{"consumer", "group", "id", "key", "tags", "ttl", "username"}

// refused turns an error answer into one of our kinds.
func refused(resp *http.Response, raw []byte) error {
	var body struct {
		Code            int
		Fields, Options map[string]json.RawMessage
	}
	_ = json.Unmarshal(raw, &body) // a body of another shape says nothing
	r := &refusal{status: resp.StatusCode, code: body.Code, kind: portal.ErrInvalid}
	for _, m := range []map[string]json.RawMessage{body.Fields, body.Options} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if slices.Contains(fieldsWeSend, name) {
				r.fields = append(r.fields, name)
			}
		}
	}
	switch s := resp.StatusCode; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		r.kind = portal.ErrDenied
	case s == http.StatusNotFound:
		r.kind = portal.ErrNotFound
	case s == http.StatusMethodNotAllowed:
		r.kind = portal.ErrUnsupported
	case s == http.StatusConflict:
		r.kind = portal.ErrConflict
	case s == http.StatusTooManyRequests, s >= 500:
		r.kind = portal.ErrUnavailable
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			return &portal.RetryAfterError{After: time.Duration(seconds) * time.Second, Err: r}
		}
	}
	return r
}

// page is one page of a collection. Only offset leads to the next one: the link in "next" loses size and tags in nested
// collections, and a page may be empty and still have a successor.
type page[T any] struct {
	Data   *[]T // nil: the answer is no list at all
	Offset string
}

// onePage reads the page of a collection that starts at offset.
func onePage[T any](ctx context.Context, a admin, path string, query url.Values) (page[T], error) {
	var p page[T]
	if err := a.call(ctx, http.MethodGet, path, query, nil, &p); err != nil {
		return p, err
	}
	if p.Data == nil {
		return p, fmt.Errorf("%w: the gateway's answer is not a list", portal.ErrInvalid)
	}
	return p, nil
}

// all reads a collection to its end. It is whole, or an error.
func all[T any](ctx context.Context, a admin, path string, tags ...string) ([]T, error) {
	query := url.Values{"size": {strconv.Itoa(pageSize)}}
	if len(tags) > 0 {
		query.Set("tags", strings.Join(tags, ","))
	}
	var found []T
	seen := map[string]bool{}
	for {
		p, err := onePage[T](ctx, a, path, query)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", path, err)
		}
		found = append(found, *p.Data...)
		if p.Offset == "" {
			return found, nil
		}
		if seen[p.Offset] {
			return nil, fmt.Errorf("listing %s: %w: the gateway's pages go round in a circle", path, portal.ErrInvalid)
		}
		seen[p.Offset] = true
		query.Set("offset", p.Offset)
	}
}
