// Package sample connects the gateway of its sub-folder: our own, for tests and for the demo. It is also the connector
// to copy when one is written for another gateway; what is particular to this gateway is in client.go, the rest is
// what every connector does.
//
// A deployment is one API at one stage; the exposure key is the stage. A credential's id on the gateway is our
// credential id, and the label "credential" says that we made it.
package sample

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/connectors/sample/gateway"
	"concierge/portal"
)

// Kind is the sample gateway for the entry points' map.
var Kind = connectors.Kind{
	Name:    "sample",
	Title:   "Sample gateway",
	Address: "http://127.0.0.1:9001",
	Settings: []connectors.Setting{{
		Name: "token", Title: "Admin token", Required: true, Secret: true,
		Help: "The token with full rights; the read-only one lets APIs be discovered, but no keys be issued.",
	}},
	Budget: connectors.Budget{PerSecond: 2000, Burst: 2000, Parallel: 32},
	Open:   Open,
}

// Labels that our credentials carry on the gateway.
const (
	labelCredential   = "credential"
	labelSubscription = "subscription"
	labelApplication  = "application"
)

// noConfinement is what a refusal names: the gateway's setting that is on.
const noConfinement = "shared_keys"

// errForeign is a credential in our place that does not carry our mark.
var errForeign = fmt.Errorf("the credential there was not made by the portal for this mark: %w", portal.ErrDenied)

type connector struct {
	client client
}

var (
	_ connectors.Issuer    = (*connector)(nil)
	_ connectors.Suspender = (*connector)(nil)
	_ connectors.Watcher   = (*connector)(nil)
)

// Open checks the configuration and makes no call. Errors: ErrInvalid, naming every problem.
func Open(cfg connectors.Config) (connectors.Connector, error) {
	var problems []error
	base, err := url.Parse(cfg.Address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		problems = append(problems, errors.New("the address must look like http://host:port"))
	}
	for name := range cfg.Settings {
		problems = append(problems, fmt.Errorf("there is no setting %q", name))
	}
	for name := range cfg.Secrets {
		if name != "token" {
			problems = append(problems, fmt.Errorf("there is no secret setting %q", name))
		}
	}
	if cfg.Secrets["token"].IsZero() {
		problems = append(problems, errors.New("the setting token is missing"))
	}
	if cfg.Client == nil {
		problems = append(problems, errors.New("there is no HTTP client"))
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %w", portal.ErrInvalid, errors.Join(problems...))
	}
	return &connector{client{base: base.JoinPath("v1"), token: cfg.Secrets["token"], http: cfg.Client}}, nil
}

func (c *connector) Probe(ctx context.Context) (connectors.Capabilities, error) {
	about, err := c.about(ctx)
	if err != nil {
		return connectors.Capabilities{}, fmt.Errorf("asking the gateway what it is: %w", err)
	}
	caps := connectors.Capabilities{
		Product: about.Product, Discovery: connectors.DiscoverSnapshot, Identity: connectors.OpaqueIDs,
		Documents: about.Documents, Issue: connectors.Ability{Able: true},
		KeyValue: connectors.GatewayOnly, Scope: connectors.ScopeNative, MaxKeys: about.MaxKeys,
		Expiry: true, Suspend: true,
		Propagation: time.Duration(about.PropagationMS) * time.Millisecond,
	}
	if about.Rights != "full" {
		caps.Issue = connectors.Ability{Reason: "the admin token may only read; keys need the one with full rights"}
	}
	if about.NamesAsIDs {
		caps.Identity = connectors.Names
	}
	if about.Changes {
		caps.Discovery = connectors.DiscoverWatch
	}
	if about.CallerKeys {
		caps.KeyValue = connectors.CallerMust
	}
	return caps, nil
}

func (c *connector) about(ctx context.Context) (gateway.About, error) {
	var about gateway.About
	if err := c.client.get(ctx, &about, nil, "about"); err != nil {
		return about, err
	}
	if about.Product == "" {
		return about, fmt.Errorf("the answer names no product: %w", portal.ErrInvalid)
	}
	return about, nil
}

func (c *connector) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	about, err := c.about(ctx)
	if err != nil {
		return connectors.Snapshot{}, fmt.Errorf("asking the gateway for its address: %w", err)
	}
	snap := connectors.Snapshot{Complete: true}
	var apis []gateway.APIView
	if about.Changes {
		changes, err := c.changes(ctx, since, 0)
		if err != nil {
			return connectors.Snapshot{}, err
		}
		snap.Cursor = connectors.Cursor(changes.Cursor)
		if snap.Complete = since == "" || changes.Reset; !snap.Complete {
			if apis, err = c.changed(ctx, changes); err != nil {
				return connectors.Snapshot{}, err
			}
			for _, gone := range changes.Gone {
				snap.Removed = append(snap.Removed, connectors.Key{RemoteID: gone.API, Exposure: gone.Stage})
			}
		}
	}
	if snap.Complete { // after the cursor was taken: what happens meanwhile is told again
		if apis, err = c.apis(ctx); err != nil {
			return connectors.Snapshot{}, err
		}
	}
	for _, api := range apis {
		if api.ID == "" {
			return connectors.Snapshot{}, fmt.Errorf("reading APIs: one has no id: %w", portal.ErrInvalid)
		}
		for _, exposure := range api.Exposures {
			snap.Deployments = append(snap.Deployments, deployment(about.PublicURL, api, exposure))
		}
	}
	return snap, nil
}

// apis reads the whole list.
func (c *connector) apis(ctx context.Context) ([]gateway.APIView, error) {
	var apis []gateway.APIView
	for cursor := ""; ; {
		page, next, err := list[gateway.APIView](ctx, c.client, url.Values{"cursor": {cursor}}, "apis")
		if err != nil {
			return nil, fmt.Errorf("listing APIs, after %d: %w", len(apis), err)
		}
		if apis = append(apis, page...); next == "" {
			return apis, nil
		}
		if next == cursor {
			return nil, fmt.Errorf("listing APIs: the same page comes again: %w", portal.ErrInvalid)
		}
		cursor = next
	}
}

// changes asks what happened after a cursor, and waits for something to happen, at most as long as said.
func (c *connector) changes(ctx context.Context, since connectors.Cursor, wait time.Duration) (gateway.ChangesView, error) {
	var v gateway.ChangesView
	query := url.Values{"after": {string(since)}, "wait_ms": {fmt.Sprint(wait.Milliseconds())}}
	if err := c.client.get(ctx, &v, query, "changes"); err != nil {
		return v, fmt.Errorf("asking for changes: %w", err)
	}
	if v.Cursor == "" || v.APIs == nil || v.Gone == nil {
		return v, fmt.Errorf("asking for changes: the answer holds none: %w", portal.ErrInvalid)
	}
	return v, nil
}

// changed reads the APIs that changed. One that has gone meanwhile is told by the next changes.
func (c *connector) changed(ctx context.Context, changes gateway.ChangesView) ([]gateway.APIView, error) {
	var apis []gateway.APIView
	for _, id := range changes.APIs {
		var api gateway.APIView
		err := c.client.get(ctx, &api, nil, "apis", id)
		if errors.Is(err, portal.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading API %s: %w", id, err)
		}
		apis = append(apis, api)
	}
	return apis, nil
}

// watchFor is how long one request for changes stays open: shorter than any sensible time-out of the client.
const watchFor = 10 * time.Second

func (c *connector) Watch(ctx context.Context, since connectors.Cursor, changed func(connectors.Cursor)) error {
	for {
		changes, err := c.changes(ctx, since, watchFor)
		if err != nil {
			return err
		}
		since = connectors.Cursor(changes.Cursor)
		if changes.Reset || len(changes.APIs) > 0 || len(changes.Gone) > 0 {
			changed(since)
		}
	}
}

// deployment translates one exposure of an API.
func deployment(public string, api gateway.APIView, at gateway.ExposureView) connectors.Deployment {
	d := connectors.Deployment{
		Key:   connectors.Key{RemoteID: api.ID, Exposure: at.Stage},
		Title: api.Title, Summary: api.Summary, Description: api.Description, Version: api.Version,
		Lifecycle: api.Lifecycle, Sunset: api.Sunset, Tags: api.Tags, Owner: api.Owner, API: api.Entry,
		Stage: at.Stage, Paths: []string{at.Path},
		Authentication: api.Authentication, Words: api.Words, Active: api.Active, Upstream: api.Backend,
		Issue: connectors.Ability{Able: true}, Reach: api.Opens,
	}
	if base, err := url.Parse(public); err == nil && base.Host != "" {
		d.Public, d.Hosts = public+at.Path, []string{base.Host}
	} else {
		d.PublicReason = "the gateway does not listen yet, so it has no public address"
	}
	for _, p := range api.Plans {
		d.Plans = append(d.Plans, portal.Plan{
			ID: p.ID, Title: p.Title, Approval: p.Approval,
			Limits: []string{fmt.Sprintf("%d requests per second", p.PerSecond)},
		})
	}
	if api.DocumentHash != "" {
		d.Document = connectors.DocumentRef{ID: api.ID, Revision: api.DocumentHash}
	}
	if err := issuable(api); err != nil {
		d.Issue = connectors.Ability{Reason: err.Error()}
	}
	return d
}

// issuable says why no key that an API alone accepts can be made for it, or nil.
func issuable(api gateway.APIView) error {
	switch {
	case api.Authentication.Type == "none":
		return errors.New("the API takes no key")
	case api.SharedKeys:
		return errors.New("the setting " + noConfinement + " is on: a key would open every API of this gateway")
	}
	return nil
}

func (c *connector) OpenDocument(ctx context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	resp, err := c.client.send(ctx, http.MethodGet, nil, nil, "apis", ref.ID, "document")
	if err != nil {
		return nil, fmt.Errorf("opening the document of API %s: %w", ref.ID, err)
	}
	return resp.Body, nil
}

func (c *connector) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	issued, err := c.issue(ctx, req)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("issuing credential %s: %w", req.Mark.Credential, err)
	}
	return issued, nil
}

func (c *connector) issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	var api gateway.APIView
	if err := c.client.get(ctx, &api, nil, "apis", req.Deployment.RemoteID); err != nil {
		return connectors.Issued{}, err
	}
	if err := issuable(api); err != nil && !(api.SharedKeys && req.AcceptReach) {
		return connectors.Issued{}, fmt.Errorf("%w: %w", err, portal.ErrUnsupported)
	}
	about, err := c.about(ctx)
	if err != nil {
		return connectors.Issued{}, err
	}
	body := gateway.CredentialRequest{
		API: req.Deployment.RemoteID, Stage: req.Deployment.Exposure, Plan: req.Plan, Label: req.Label,
		Labels: map[string]string{
			labelCredential:   string(req.Mark.Credential),
			labelSubscription: string(req.Mark.Subscription),
			labelApplication:  string(req.Mark.Application),
		},
		Expires: req.Expires,
	}
	secrets := []portal.Secret{req.Value}
	if about.CallerKeys {
		body.Key = req.Value.Reveal()
	}
	var made gateway.CredentialView
	err = c.client.call(ctx, http.MethodPut, body, &made, secrets, "credentials", string(req.Mark.Credential))
	if errors.Is(err, portal.ErrConflict) {
		// The gateway never makes a second one over an id: what is there is the one of this mark, or in the way.
		there, findErr := c.ours(ctx, req.Mark, connectors.Handle{})
		if findErr == nil {
			return c.issued(there, api.Authentication), nil
		}
		if errors.Is(findErr, portal.ErrNotFound) || errors.Is(findErr, errForeign) {
			return connectors.Issued{}, err
		}
		return connectors.Issued{}, findErr
	}
	if err != nil {
		return connectors.Issued{}, err
	}
	if made.ID != string(req.Mark.Credential) || made.Key == "" {
		return connectors.Issued{}, fmt.Errorf("the answer is another credential or has no key: %w", portal.ErrInvalid)
	}
	return c.issued(made, api.Authentication), nil
}

// issued translates a credential of the gateway.
func (c *connector) issued(v gateway.CredentialView, auth portal.Authentication) connectors.Issued {
	issued := connectors.Issued{Progress: connectors.Done, Handle: handle(v), Expires: v.Expires}
	if v.Pending {
		issued.Progress, issued.Note = connectors.Pending, "somebody has to approve the key on the gateway"
	}
	if auth.Type != "" {
		issued.Parts = []connectors.Part{{
			In: auth.In, Name: auth.Name, Prefix: auth.Prefix, Value: portal.NewSecret(v.Key),
		}}
	}
	return issued
}

func handle(v gateway.CredentialView) connectors.Handle {
	return connectors.Handle{Open: map[string]string{"id": v.ID}}
}

// ours returns the credential of a mark. ErrNotFound: there is none. errForeign: the one there does not carry the mark.
func (c *connector) ours(ctx context.Context, mark connectors.Mark, h connectors.Handle) (gateway.CredentialView, error) {
	id := h.Open["id"]
	if id == "" {
		id = string(mark.Credential)
	}
	var v gateway.CredentialView
	if err := c.client.get(ctx, &v, nil, "credentials", id); err != nil {
		return v, err
	}
	if v.ID != id {
		return v, fmt.Errorf("the answer is another credential: %w", portal.ErrInvalid)
	}
	if v.Labels[labelCredential] != string(mark.Credential) {
		return v, errForeign
	}
	return v, nil
}

func (c *connector) Status(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Issued, error) {
	v, err := c.ours(ctx, mark, h)
	if err != nil {
		return connectors.Issued{}, fmt.Errorf("asking for the status of credential %s: %w", mark.Credential, err)
	}
	return c.issued(v, portal.Authentication{}), nil
}

func (c *connector) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	v, err := c.ours(ctx, mark, connectors.Handle{})
	if errors.Is(err, errForeign) {
		err = fmt.Errorf("its id is taken by one that is not ours: %w", portal.ErrNotFound)
	}
	if err != nil {
		return connectors.Found{}, fmt.Errorf("finding credential %s: %w", mark.Credential, err)
	}
	return found(v), nil
}

func found(v gateway.CredentialView) connectors.Found {
	f := connectors.Found{
		Mark: connectors.Mark{
			Credential:   portal.CredentialID(v.Labels[labelCredential]),
			Subscription: portal.SubscriptionID(v.Labels[labelSubscription]),
			Application:  portal.ApplicationID(v.Labels[labelApplication]),
		},
		Handle: handle(v), Progress: connectors.Done, Created: v.Created, Disabled: v.Disabled,
	}
	if v.Pending {
		f.Progress = connectors.Pending
	}
	return f
}

func (c *connector) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	v, err := c.ours(ctx, mark, h)
	if err == nil {
		err = c.client.call(ctx, http.MethodDelete, nil, nil, nil, "credentials", v.ID)
	}
	if err != nil && !errors.Is(err, portal.ErrNotFound) {
		return connectors.Revoked{}, fmt.Errorf("revoking credential %s: %w", mark.Credential, err)
	}
	return connectors.Revoked{Absent: true}, nil // the admin side forgets it at once
}

func (c *connector) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	query := url.Values{"label": {labelCredential}, "cursor": {string(after)}}
	if limit > 0 {
		query.Set("limit", fmt.Sprint(limit))
	}
	page, next, err := list[gateway.CredentialView](ctx, c.client, query, "credentials")
	if err != nil {
		return nil, "", fmt.Errorf("listing credentials: %w", err)
	}
	var all []connectors.Found
	for _, v := range page {
		if strings.TrimSpace(v.Labels[labelCredential]) != "" {
			all = append(all, found(v))
		}
	}
	return all, connectors.Cursor(next), nil
}

func (c *connector) Suspend(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	return c.turn(ctx, mark, h, "disable")
}

func (c *connector) Resume(ctx context.Context, mark connectors.Mark, h connectors.Handle) error {
	return c.turn(ctx, mark, h, "enable")
}

func (c *connector) turn(ctx context.Context, mark connectors.Mark, h connectors.Handle, verb string) error {
	v, err := c.ours(ctx, mark, h)
	if err == nil {
		err = c.client.call(ctx, http.MethodPost, nil, nil, nil, "credentials", v.ID, verb)
	}
	if err != nil {
		return fmt.Errorf("changing credential %s, %s: %w", mark.Credential, verb, err)
	}
	return nil
}
