package caddy

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/crypto/bcrypt"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/portal"
)

const (
	// markPrefix begins the @id of every route that we make.
	markPrefix = "concierge-"
	// handleID is the open part of a handle.
	handleID = "id"
	// attempts is how often a change is tried again when somebody else's comes between look and write.
	attempts = 10
	// listedPage is how many credentials List returns when nobody says.
	listedPage = 500
	// labelRunes is how much of a label is written into the configuration.
	labelRunes = 80
)

// Issue puts a route that lets the key by in front of the API's refusing route.
func (c *Connector) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	issued, err := c.issue(ctx, req)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("issuing %s: %w", req.Mark.Credential, err)
	}
	return issued, nil
}

func (c *Connector) issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	id, err := routeID(req.Mark)
	if err != nil {
		return connectors.Issued{}, err
	}
	value := req.Value.Reveal()
	if value == "" {
		value = rand.Text()
	}
	made, err := newRoute(req, id, value)
	if err != nil {
		return connectors.Issued{}, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return connectors.Issued{}, err
	}
	defer unlock()
	for range attempts {
		cfg, etag, err := c.config(ctx)
		if err != nil {
			return connectors.Issued{}, err
		}
		if slices.ContainsFunc(cfg.keys, func(k key) bool { return k.mark.Credential == req.Mark.Credential }) {
			return connectors.Issued{Progress: connectors.Done, Handle: handle(id)}, nil
		}
		if cfg.mentions(id) { // Caddy takes an @id twice
			return connectors.Issued{}, fmt.Errorf("%w: something of somebody else has the @id %s", portal.ErrConflict, id)
		}
		list, err := cfg.listFor(req)
		if err != nil {
			return connectors.Issued{}, err
		}
		made["group"] = list.group
		// PUT inserts before what is there. The ETag is that of the whole configuration: all that was looked at still holds.
		answer, err := c.api.Do(ctx, adminapi.Request{
			Method: http.MethodPut, Path: slices.Concat([]string{"config"}, list.path, []string{strconv.Itoa(list.refuser)}),
			Header: http.Header{"If-Match": {etag}}, Body: made, Secret: true, Accept: []int{http.StatusPreconditionFailed},
		})
		if err != nil {
			return connectors.Issued{}, err
		}
		if answer.Status != http.StatusPreconditionFailed {
			return connectors.Issued{Progress: connectors.Done, Handle: handle(id), Parts: []connectors.Part{{
				In: sent.In, Name: sent.Name, Prefix: sent.Prefix, Value: portal.NewSecret(encoded(username(id), value)),
			}}}, nil
		}
	}
	return connectors.Issued{}, errBusy
}

// errBusy is for a configuration that others keep changing.
var errBusy = fmt.Errorf("%w: the configuration changed during each of %d attempts", portal.ErrUnavailable, attempts)

// listFor finds the key list of the API, and refuses where its key would not be confined.
func (c config) listFor(req connectors.IssueRequest) (*keyList, error) {
	i := slices.IndexFunc(c.apis, func(a *api) bool { return a.key == req.Deployment })
	if i < 0 {
		return nil, fmt.Errorf("the route %s of server %s: %w", req.Deployment.RemoteID, req.Deployment.Exposure, portal.ErrNotFound)
	}
	if req.Plan != planID {
		return nil, fmt.Errorf("the plan %q: %w", req.Plan, portal.ErrNotFound)
	}
	if a := c.apis[i]; a.refusal == "" || req.AcceptReach && !a.hopeless {
		return a.list, nil
	}
	return nil, fmt.Errorf("%w: %s: %s", portal.ErrUnsupported, c.apis[i].title, c.apis[i].refusal)
}

// newRoute makes the route of a key, without its group. Only requests with this username reach its authentication, so a
// wrong secret is refused there and no other key's hash is compared.
//
// The secret has 128 random bits or more, so the cheapest hash is as good as a dear one, and is computed for every call.
func newRoute(req connectors.IssueRequest, id, value string) (map[string]any, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(value), bcrypt.MinCost)
	if err != nil { // not quoted: it is about the value
		return nil, fmt.Errorf("%w: the value has more than the 72 bytes that bcrypt takes", portal.ErrInvalid)
	}
	user := username(id)
	return map[string]any{
		"@id":   id,
		"match": []any{map[string]any{"header": map[string]any{"Authorization": []string{"Basic " + encoded(user, "") + "*"}}}},
		"handle": []any{
			map[string]any{"handler": "authentication", "providers": map[string]any{"http_basic": map[string]any{
				"accounts": []any{map[string]any{"username": user, "password": string(hash)}},
				"hash":     map[string]any{"algorithm": "bcrypt"},
			}}},
			// Inert, but for a proxy that passes them on: {http.vars.concierge_application}.
			map[string]any{
				"handler":                "vars",
				"concierge_credential":   req.Mark.Credential,
				"concierge_subscription": req.Mark.Subscription,
				"concierge_application":  req.Mark.Application,
				"concierge_label":        label(req.Label),
				"concierge_created":      time.Now().UTC().Format(time.RFC3339),
			},
			// The upstream has no business with the key.
			map[string]any{"handler": "headers", "request": map[string]any{"delete": []string{"Authorization"}}},
		},
	}, nil
}

// username is the @id, lengthened so that with its colon it has a multiple of three bytes: its base 64 then begins that
// of every user:secret, and of nothing else.
func username(id string) string {
	return id + strings.Repeat(".", (3-(len(id)+1)%3)%3)
}

// encoded is what Basic authentication sends (RFC 7617).
func encoded(user, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + secret))
}

// Status is done, as soon as there is something to ask about.
func (c *Connector) Status(ctx context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Issued, error) {
	found, err := c.find(ctx, mark)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("asking for %s: %w", mark.Credential, err)
	}
	return connectors.Issued{Progress: connectors.Done, Handle: found.Handle}, nil
}

// Find looks the mark up.
func (c *Connector) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	found, err := c.find(ctx, mark)
	if err != nil {
		return connectors.Found{}, fmt.Errorf("finding %s: %w", mark.Credential, err)
	}
	return found, nil
}

func (c *Connector) find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	id, err := routeID(mark)
	if err != nil {
		return connectors.Found{}, err
	}
	there, err := c.lookUp(ctx, id)
	switch {
	case err != nil:
		return connectors.Found{}, err
	case !there.ours:
		return connectors.Found{}, fmt.Errorf("the route %s: %w", id, portal.ErrNotFound)
	}
	return there.key.found(), nil
}

// object is what has an @id.
type object struct {
	key  key
	ours bool
	etag string // names the place of the object, and what is there
}

// lookUp reads what has an @id. ErrNotFound when nothing has.
func (c *Connector) lookUp(ctx context.Context, id string) (object, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{Method: http.MethodGet, Path: []string{"id", id}})
	if err != nil {
		return object{}, err
	}
	there := object{etag: answer.Header.Get("Etag")}
	if there.etag == "" || !json.Valid(answer.Body) {
		return object{}, fmt.Errorf("%w: the answer has no ETag or is not JSON: it is not Caddy's", portal.ErrInvalid)
	}
	var r route
	if json.Unmarshal(answer.Body, &r) == nil { // else it is no route, so not ours
		there.key, there.ours = r.key()
	}
	return there, nil
}

// Revoke deletes the route, and its doubles where there are any: Caddy takes an @id twice and finds one of them.
func (c *Connector) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	if err := c.revoke(ctx, mark, h); err != nil {
		return connectors.Revoked{}, fmt.Errorf("revoking %s: %w", mark.Credential, err)
	}
	return connectors.Revoked{Absent: true}, nil
}

func (c *Connector) revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	id, err := routeID(mark)
	if err != nil {
		return err
	}
	if other, ok := h.Open[handleID]; ok && other != id {
		return fmt.Errorf("%w: the handle leads to %q, which does not carry the mark", portal.ErrDenied, other)
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for range attempts {
		there, err := c.lookUp(ctx, id)
		switch {
		case errors.Is(err, portal.ErrNotFound):
			return nil
		case err != nil:
			return err
		case !there.ours:
			return fmt.Errorf("%w: what has the @id %s is not a route that we made", portal.ErrDenied, id)
		}
		_, err = c.api.Do(ctx, adminapi.Request{
			Method: http.MethodDelete, Path: []string{"id", id}, Header: http.Header{"If-Match": {there.etag}},
			Accept: []int{http.StatusPreconditionFailed, http.StatusNotFound},
		})
		if err != nil {
			return err
		}
	}
	return errBusy
}

// List reads the configuration and returns the credentials that follow a cursor, by id.
func (c *Connector) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	cfg, _, err := c.config(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("listing: %w", err)
	}
	byID := func(a, b key) int { return strings.Compare(string(a.mark.Credential), string(b.mark.Credential)) }
	slices.SortStableFunc(cfg.keys, byID)
	if limit <= 0 {
		limit = listedPage
	}
	var found []connectors.Found
	for _, k := range slices.CompactFunc(cfg.keys, func(a, b key) bool { return byID(a, b) == 0 }) {
		if id := connectors.Cursor(k.mark.Credential); id <= after {
			continue
		}
		if len(found) == limit {
			return found, connectors.Cursor(found[limit-1].Mark.Credential), nil
		}
		found = append(found, k.found())
	}
	return found, "", nil
}

func (k key) found() connectors.Found {
	created, err := time.Parse(time.RFC3339, k.created)
	if err != nil {
		created = time.Time{}
	}
	return connectors.Found{
		Mark: k.mark, Handle: handle(markPrefix + string(k.mark.Credential)), Progress: connectors.Done, Created: created,
	}
}

func (v variables) mark() connectors.Mark {
	return connectors.Mark{
		Credential:   portal.CredentialID(v.Credential),
		Subscription: portal.SubscriptionID(v.Subscription),
		Application:  portal.ApplicationID(v.Application),
	}
}

func handle(id string) connectors.Handle {
	return connectors.Handle{Open: map[string]string{handleID: id}}
}

// markable are the ids that need no escaping in a URL, in JSON or in Basic authentication.
var markable = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// routeID is the mark in the configuration.
func routeID(mark connectors.Mark) (string, error) {
	for _, id := range []string{string(mark.Credential), string(mark.Subscription), string(mark.Application)} {
		// Values of variables are evaluated for each request: braces would be placeholders.
		if strings.ContainsAny(id, "{}") {
			return "", fmt.Errorf("%w: the id %q has braces", portal.ErrInvalid, id)
		}
	}
	if !markable.MatchString(string(mark.Credential)) {
		return "", fmt.Errorf("%w: the credential's id %q cannot be an @id", portal.ErrInvalid, mark.Credential)
	}
	return markPrefix + string(mark.Credential), nil
}

// label is a note for people who read the configuration. Caddy evaluates placeholders in it, so braces go.
func label(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '{' || r == '}' || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > labelRunes {
		text = string(runes[:labelRunes])
	}
	return text
}

// lock waits for its turn to change the configuration, or the context's end.
func (c *Connector) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case c.writing <- struct{}{}:
		return func() { <-c.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
