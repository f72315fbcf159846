package kong

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concierge/connectors/adminapi"
	"concierge/portal"
)

// pageSize is the most that Kong gives at once (Kong 3.9, kong/db/strategies).
const pageSize = 1000

// admin calls the Admin API.
type admin struct{ *adminapi.Client }

// call sends one request and decodes the answer; into may be nil. The refusals that Kong explains are told in our own
// words: its own quote values of the request, the key included.
func (a admin) call(ctx context.Context, r adminapi.Request, into any) error {
	r.Accept = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusConflict}
	answer, err := a.Do(ctx, r)
	switch {
	case err != nil:
		return err
	case answer.Status/100 != 2:
		return refused(answer)
	case into == nil:
		return nil
	}
	return adminapi.Decode(answer.Body, into)
}

func (a admin) get(ctx context.Context, into any, path ...string) error {
	return a.call(ctx, adminapi.Request{Method: http.MethodGet, Path: path}, into)
}

func (a admin) put(ctx context.Context, body, into any, path ...string) error {
	return a.call(ctx, adminapi.Request{Method: http.MethodPut, Path: path, Body: body, Secret: true}, into)
}

// delete succeeds where nothing is there.
func (a admin) delete(ctx context.Context, path ...string) error {
	err := a.call(ctx, adminapi.Request{Method: http.MethodDelete, Path: path}, nil)
	if errors.Is(err, portal.ErrNotFound) {
		return nil
	}
	return err
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

// refused turns an explained refusal into one of our kinds.
func refused(answer adminapi.Answer) error {
	var body struct {
		Code            int
		Fields, Options map[string]json.RawMessage
	}
	_ = json.Unmarshal(answer.Body, &body) // a body of another shape explains nothing
	r := &refusal{status: answer.Status, code: body.Code, kind: portal.ErrInvalid}
	switch answer.Status {
	case http.StatusNotFound:
		r.kind = portal.ErrNotFound
	case http.StatusMethodNotAllowed:
		r.kind = portal.ErrUnsupported
	case http.StatusConflict:
		r.kind = portal.ErrConflict
	}
	for _, m := range []map[string]json.RawMessage{body.Fields, body.Options} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if slices.Contains(fieldsWeSend, name) {
				r.fields = append(r.fields, name)
			}
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

// onePage reads the page of a collection that starts at the query's offset.
func onePage[T any](ctx context.Context, a admin, query url.Values, path ...string) (page[T], error) {
	var p page[T]
	err := a.call(ctx, adminapi.Request{Method: http.MethodGet, Path: path, Query: query}, &p)
	if err == nil && p.Data == nil {
		err = fmt.Errorf("%w: the gateway's answer is not a list", portal.ErrInvalid)
	}
	return p, err
}

// all reads a collection to its end. It is whole, or an error.
func all[T any](ctx context.Context, a admin, query url.Values, path ...string) ([]T, error) {
	asked := url.Values{"size": {strconv.Itoa(pageSize)}}
	maps.Copy(asked, query)
	var found []T
	seen := map[string]bool{}
	for {
		p, err := onePage[T](ctx, a, asked, path...)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", path[len(path)-1], err)
		}
		found = append(found, *p.Data...)
		if p.Offset == "" {
			return found, nil
		}
		if seen[p.Offset] {
			return nil, fmt.Errorf("listing %s: %w: the gateway's pages go round in a circle", path[len(path)-1], portal.ErrInvalid)
		}
		seen[p.Offset] = true
		asked.Set("offset", p.Offset)
	}
}
