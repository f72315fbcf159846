package expressgateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/connectors/adminapi"
	"concierge/portal"
)

const (
	credentialType = "key-auth"
	// markPrefix begins every id and name that we choose.
	markPrefix = "concierge-"
	// handleKey is the open part of a handle.
	handleKey = "keyId"
	// wholeTable is the count asked of the list of users. The gateway hands it to Redis SCAN and takes a page without
	// users for the end of the list, so a smaller one loses users among other keys: with 200,000 of those, two users
	// were not listed with count 65536 (1.16.11, Redis 7.0.15, 2026-11-22).
	wholeTable = 1 << 30
	// listedPage is how many credentials List returns when nobody says.
	listedPage = 100
	// nameRunes is how much of a label becomes the user's last name.
	nameRunes = 80
)

// credential is a key-auth credential. The gateway stores every field that it is given; ours are concierge_*.
type credential struct {
	KeyID     string   `json:"keyId"`
	KeySecret string   `json:"keySecret,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`

	Credential   portal.CredentialID   `json:"concierge_credential"`
	Subscription portal.SubscriptionID `json:"concierge_subscription,omitempty"`
	Application  portal.ApplicationID  `json:"concierge_application,omitempty"`
	// How callers send the key to the API that it was made for, so that a repeated Issue needs no configuration.
	In     string `json:"concierge_in,omitempty"`
	Name   string `json:"concierge_name,omitempty"`
	Prefix string `json:"concierge_prefix,omitempty"`
}

// stored is a credential as the gateway answers it.
type stored struct {
	credential
	IsActive  bool   `json:"isActive"`
	CreatedAt string `json:"createdAt"`
}

// user is the gateway's consumer: one for each subscription.
type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	IsActive bool   `json:"isActive"`
}

// Issue creates a key-auth credential whose keyId is our mark, for a user of its own for each subscription.
func (c *Connector) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	issued, err := c.issue(ctx, req)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("issuing %s: %w", req.Mark.Credential, err)
	}
	return issued, nil
}

func (c *Connector) issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	keyID, err := keyID(req.Mark)
	if err != nil {
		return connectors.Issued{}, err
	}
	if strings.ContainsAny(req.Value.Reveal(), ": ") {
		return connectors.Issued{}, fmt.Errorf("%w: the gateway splits keys at colons and spaces, and the value has one", portal.ErrInvalid)
	}
	// A POST over a keyId that exists is not refused: it replaces the secret, and a deactivated credential works again.
	// So nobody else may issue this mark between the look and the POST.
	unlock, err := c.locks.lock(ctx, keyID)
	if err != nil {
		return connectors.Issued{}, err
	}
	defer unlock()
	switch there, found, err := c.lookUp(ctx, keyID); {
	case err != nil:
		return connectors.Issued{}, err
	case found && there.Credential != req.Mark.Credential:
		return connectors.Issued{}, fmt.Errorf("%w: a credential of somebody else has the keyId %s", portal.ErrConflict, keyID)
	case found && !there.IsActive:
		return connectors.Issued{}, fmt.Errorf("%w: the credential %s was revoked; another needs a mark of its own", portal.ErrConflict, keyID)
	case found:
		return there.issued(), nil
	}
	a, err := c.issuable(ctx, req)
	if err != nil {
		return connectors.Issued{}, err
	}
	if err := c.ensureScopes(ctx, a.endpoint.Scopes); err != nil {
		return connectors.Issued{}, err
	}
	consumer, err := c.ensureUser(ctx, req)
	if err != nil {
		return connectors.Issued{}, err
	}
	sent := a.guard.key.sent()
	return c.create(ctx, consumer.ID, credential{
		KeyID: keyID, KeySecret: req.Value.Reveal(), Scopes: a.endpoint.Scopes,
		Credential: req.Mark.Credential, Subscription: req.Mark.Subscription, Application: req.Mark.Application,
		In: sent.In, Name: sent.Name, Prefix: sent.Prefix,
	})
}

// issuable finds the API in the configuration as it is now, and refuses where its key would not be confined.
func (c *Connector) issuable(ctx context.Context, req connectors.IssueRequest) (api, error) {
	cfg, err := c.config(ctx)
	if err != nil {
		return api{}, err
	}
	i := slices.IndexFunc(cfg.apis, func(a api) bool { return a.key == req.Deployment })
	if i < 0 {
		return api{}, fmt.Errorf("the API endpoint %s %s: %w", req.Deployment.RemoteID, req.Deployment.Exposure, portal.ErrNotFound)
	}
	if req.Plan != planID {
		return api{}, fmt.Errorf("the plan %q: %w", req.Plan, portal.ErrNotFound)
	}
	if a := cfg.apis[i]; a.refusal == "" || req.AcceptReach && !a.hopeless {
		return a, nil
	}
	return api{}, fmt.Errorf("%w: %s: %s", portal.ErrUnsupported, req.Deployment.RemoteID, cfg.apis[i].refusal)
}

// scopes lists the scopes that the gateway knows.
func (c *Connector) scopes(ctx context.Context) ([]string, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{Method: http.MethodGet, Path: []string{"scopes"}})
	if err != nil {
		return nil, err
	}
	var known map[string][]string
	if err := adminapi.Decode(answer.Body, &known); err != nil {
		return nil, err
	}
	scopes, ok := known["scopes"] // null where there are none yet
	if !ok {
		return nil, fmt.Errorf("%w: the admin side is not that of an Express Gateway: it lists no scopes", portal.ErrInvalid)
	}
	return scopes, nil
}

// ensureScopes makes those known that the gateway does not know yet: it gives no credential an unknown scope.
func (c *Connector) ensureScopes(ctx context.Context, wanted []string) error {
	if len(wanted) == 0 {
		return nil
	}
	known, err := c.scopes(ctx)
	if err != nil {
		return err
	}
	for _, scope := range wanted {
		if slices.Contains(known, scope) {
			continue
		}
		_, err := c.api.Do(ctx, adminapi.Request{
			Method: http.MethodPost, Path: []string{"scopes"}, Body: map[string][]string{"scopes": {scope}},
			Accept: []int{http.StatusConflict}, // somebody else was first
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ensureUser returns the subscription's user. Should two be created at once under one name, the gateway goes on
// answering with one of them; two apps of one name it could no longer find by it, which is why users are our consumers.
func (c *Connector) ensureUser(ctx context.Context, req connectors.IssueRequest) (user, error) {
	name := markPrefix + cmp.Or(string(req.Mark.Subscription), string(req.Mark.Credential))
	u, found, err := c.user(ctx, name)
	if err == nil && !found {
		_, err = c.api.Do(ctx, adminapi.Request{
			Method: http.MethodPost, Path: []string{"users"},
			Body:   map[string]string{"username": name, "firstname": "Concierge", "lastname": label(req.Label, name)},
			Accept: []int{http.StatusConflict},
		})
		if err == nil {
			u, found, err = c.user(ctx, name)
		}
	}
	switch {
	case err != nil:
		return user{}, err
	case !found:
		return user{}, fmt.Errorf("%w: the user %s was created and is not there", portal.ErrUnavailable, name)
	case !u.IsActive:
		return user{}, fmt.Errorf("%w: the user %s is deactivated on the gateway, so no key of it works: activate it", portal.ErrConflict, name)
	}
	return u, nil
}

func (c *Connector) user(ctx context.Context, name string) (u user, found bool, err error) {
	answer, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodGet, Path: []string{"users", name}, Accept: []int{http.StatusNotFound},
	})
	if err != nil || answer.Status == http.StatusNotFound {
		return user{}, false, err
	}
	if err := adminapi.Decode(answer.Body, &u); err != nil {
		return user{}, false, err
	}
	if u.Username != name || u.ID == "" {
		return user{}, false, fmt.Errorf("%w: the gateway answers with another user than %s", portal.ErrInvalid, name)
	}
	return u, true, nil
}

// create posts the credential. The caller knows that there is none with its keyId.
func (c *Connector) create(ctx context.Context, consumer string, want credential) (connectors.Issued, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodPost, Path: []string{"credentials"}, Secret: true,
		Body: map[string]any{"consumerId": consumer, "type": credentialType, "credential": want},
	})
	if err != nil {
		return connectors.Issued{}, err
	}
	var made stored
	if err := adminapi.Decode(answer.Body, &made); err != nil {
		return connectors.Issued{}, err
	}
	if made.KeyID != want.KeyID || made.KeySecret == "" || want.KeySecret != "" && made.KeySecret != want.KeySecret || !made.IsActive {
		return connectors.Issued{}, fmt.Errorf("%w: the gateway answers with another credential than was asked for", portal.ErrInvalid)
	}
	return made.issued(), nil
}

// lookUp reads one credential; the gateway answers null for none. With its Redis away it answers 500 or not at all, never
// null (1.16.11, 2026-11-22).
func (c *Connector) lookUp(ctx context.Context, keyID string) (s stored, found bool, err error) {
	answer, err := c.api.Do(ctx, adminapi.Request{Method: http.MethodGet, Path: []string{"credentials", credentialType, keyID}})
	if err != nil {
		return stored{}, false, err
	}
	var there *stored
	if err := adminapi.Decode(answer.Body, &there); err != nil {
		return stored{}, false, err
	}
	if there == nil {
		return stored{}, false, nil
	}
	if there.KeyID != keyID {
		return stored{}, false, fmt.Errorf("%w: the gateway answers with another credential than %s", portal.ErrInvalid, keyID)
	}
	return *there, true, nil
}

// ours looks the credential of a mark up. A deactivated one is not there.
func (c *Connector) ours(ctx context.Context, mark connectors.Mark) (stored, error) {
	keyID, err := keyID(mark)
	if err != nil {
		return stored{}, err
	}
	s, found, err := c.lookUp(ctx, keyID)
	if err != nil {
		return stored{}, err
	}
	if !found || s.Credential != mark.Credential || !s.IsActive {
		return stored{}, fmt.Errorf("the credential %s: %w", keyID, portal.ErrNotFound)
	}
	return s, nil
}

// Status is done, as soon as there is something to ask about.
func (c *Connector) Status(ctx context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Issued, error) {
	s, err := c.ours(ctx, mark)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("asking for %s: %w", mark.Credential, err)
	}
	return connectors.Issued{Progress: connectors.Done, Handle: s.handle()}, nil
}

// Find looks the mark up.
func (c *Connector) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	s, err := c.ours(ctx, mark)
	if err != nil {
		return connectors.Found{}, fmt.Errorf("finding %s: %w", mark.Credential, err)
	}
	return s.found(), nil
}

// Revoke deactivates the credential.
func (c *Connector) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	if err := c.revoke(ctx, mark, h); err != nil {
		return connectors.Revoked{}, fmt.Errorf("revoking %s: %w", mark.Credential, err)
	}
	return connectors.Revoked{Absent: true}, nil
}

func (c *Connector) revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	keyID, err := keyID(mark)
	if err != nil {
		return err
	}
	if other, ok := h.Open[handleKey]; ok && other != keyID {
		return fmt.Errorf("%w: the handle leads to the credential %q, which does not carry the mark", portal.ErrDenied, other)
	}
	unlock, err := c.locks.lock(ctx, keyID)
	if err != nil {
		return err
	}
	defer unlock()
	s, found, err := c.lookUp(ctx, keyID)
	switch {
	case err != nil:
		return err
	case !found:
		return nil
	case s.Credential != mark.Credential:
		return fmt.Errorf("%w: the credential %s does not carry the mark", portal.ErrDenied, keyID)
	case !s.IsActive:
		return nil
	}
	_, err = c.api.Do(ctx, adminapi.Request{
		Method: http.MethodPut, Path: []string{"credentials", credentialType, keyID, "status"}, Body: map[string]bool{"status": false},
	})
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return err
	}
	switch s, found, err = c.lookUp(ctx, keyID); {
	case err != nil:
		return err
	case found && s.IsActive:
		return fmt.Errorf("%w: the gateway deactivated the credential and says that it is active", portal.ErrUnavailable)
	}
	return nil
}

// List reads all users, and the credentials of as many of ours as the page holds. The gateway's own list of credentials
// is of no use: it ends after one page of users.
func (c *Connector) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	found, next, err := c.list(ctx, string(after), limit)
	if err != nil {
		return nil, "", fmt.Errorf("listing: %w", err)
	}
	return found, connectors.Cursor(next), nil
}

func (c *Connector) list(ctx context.Context, after string, limit int) (found []connectors.Found, next string, err error) {
	if limit <= 0 {
		limit = listedPage
	}
	users, err := c.users(ctx)
	if err != nil {
		return nil, "", err
	}
	for i, u := range users {
		if u.ID <= after {
			continue
		}
		active, err := c.credentials(ctx, u)
		if err != nil {
			return nil, "", err
		}
		found = append(found, active...)
		if len(found) >= limit && i < len(users)-1 {
			return found, u.ID, nil
		}
	}
	return found, "", nil
}

// users returns ours, by id.
func (c *Connector) users(ctx context.Context) ([]user, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodGet, Path: []string{"users"}, Query: url.Values{"count": {strconv.Itoa(wholeTable)}},
	})
	if err != nil {
		return nil, err
	}
	var page struct {
		Users   []user `json:"users"`
		NextKey int    `json:"nextKey"`
	}
	if err := adminapi.Decode(answer.Body, &page); err != nil {
		return nil, err
	}
	if page.Users == nil || page.NextKey != 0 {
		return nil, fmt.Errorf("%w: the gateway answers with a part of its users, or none", portal.ErrInvalid)
	}
	ours := slices.DeleteFunc(page.Users, func(u user) bool { return !strings.HasPrefix(u.Username, markPrefix) })
	slices.SortFunc(ours, func(a, b user) int { return strings.Compare(a.ID, b.ID) })
	// SCAN may return an element twice (redis.io, SCAN guarantees).
	return slices.CompactFunc(ours, func(a, b user) bool { return a.ID == b.ID }), nil
}

// credentials returns a user's credentials that are ours and active.
func (c *Connector) credentials(ctx context.Context, u user) ([]connectors.Found, error) {
	answer, err := c.api.Do(ctx, adminapi.Request{
		Method: http.MethodGet, Path: []string{"credentials", u.ID}, Accept: []int{http.StatusNotFound},
	})
	if err != nil || answer.Status == http.StatusNotFound {
		return nil, err // somebody removed the user meanwhile
	}
	var of struct {
		Credentials []stored `json:"credentials"`
	}
	if err := adminapi.Decode(answer.Body, &of); err != nil {
		return nil, err
	}
	var found []connectors.Found
	for _, s := range of.Credentials {
		if s.IsActive && s.Credential != "" && s.KeyID == markPrefix+string(s.Credential) {
			found = append(found, s.found())
		}
	}
	return found, nil
}

func (s stored) handle() connectors.Handle {
	return connectors.Handle{Open: map[string]string{handleKey: s.KeyID}}
}

func (s stored) found() connectors.Found {
	return connectors.Found{
		Mark:     connectors.Mark{Credential: s.Credential, Subscription: s.Subscription, Application: s.Application},
		Handle:   s.handle(),
		Progress: connectors.Done,
		Created:  created(s.CreatedAt),
	}
}

// issued shows the key: the gateway does so at any time.
func (s stored) issued() connectors.Issued {
	return connectors.Issued{
		Progress: connectors.Done,
		Handle:   s.handle(),
		Parts: []connectors.Part{{
			In: s.In, Name: s.Name, Prefix: s.Prefix, Value: portal.NewSecret(s.KeyID + ":" + s.KeySecret),
		}},
	}
}

// created reads what JavaScript's Date writes, "Sun Nov 22 2026 22:23:17 GMT+0000 (Coordinated Universal Time)"; zero
// where it is something else.
func created(text string) time.Time {
	text, _, _ = strings.Cut(text, " (")
	at, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// markable are the ids that a keyId can hold: the gateway splits keys at colons and spaces, and the id is part of a URL.
var markable = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// keyID is the mark on the gateway.
func keyID(mark connectors.Mark) (string, error) {
	if !markable.MatchString(string(mark.Credential)) {
		return "", fmt.Errorf("%w: the credential's id %q cannot be a keyId", portal.ErrInvalid, mark.Credential)
	}
	return markPrefix + string(mark.Credential), nil
}

// label is the last name of a user, which the gateway wants.
func label(text, otherwise string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > nameRunes {
		text = string(runes[:nameRunes])
	}
	return cmp.Or(text, otherwise)
}

// stripes are locks for many names. Two names may share one.
type stripes []chan struct{}

func newStripes() stripes {
	s := make(stripes, 64)
	for i := range s {
		s[i] = make(chan struct{}, 1)
	}
	return s
}

// lock waits for its turn or the context's end.
func (s stripes) lock(ctx context.Context, name string) (unlock func(), err error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	turn := s[h.Sum32()%uint32(len(s))]
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
