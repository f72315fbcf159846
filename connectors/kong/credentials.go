package kong

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// Names in a handle.
const (
	handleConsumer   = "consumer"
	handleCredential = "credential"
)

// maxTTL is the longest ttl that Kong takes, in seconds (3.9.3, testdata). A later end is left to the portal.
const maxTTL = 100_000_000

// Issue makes consumer, group membership and key, in this order, looking before each step; so the key exists only when all
// else does, and a repeated Issue finishes what an earlier one began. The key itself is written once: Kong's PUT would
// replace it. Kong shows keys again, so a repeated Issue returns the first one's secret.
func (c *Connector) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	if req.Value.IsZero() {
		return connectors.Issued{}, fmt.Errorf("%w: a key needs a value", portal.ErrInvalid)
	}
	if req.Plan != planID {
		return connectors.Issued{}, fmt.Errorf("%w: there is no plan %q", portal.ErrInvalid, req.Plan)
	}
	now := c.now()
	if !req.Expires.IsZero() && !req.Expires.After(now) {
		return connectors.Issued{}, fmt.Errorf("%w: the key would end before it begins", portal.ErrInvalid)
	}
	a, err := c.accessFor(ctx, req)
	if err != nil {
		return connectors.Issued{}, err
	}
	owner := consumerID(req.Mark.Subscription, req.Deployment.RemoteID)
	release, err := c.locks.hold(ctx, owner)
	if err != nil {
		return connectors.Issued{}, err
	}
	defer release()

	id := credentialID(req.Mark.Credential)
	switch existing, err := c.keyed(ctx, id); {
	case err == nil && !marks(existing.Tags, req.Mark):
		return connectors.Issued{}, fmt.Errorf("%w: the credential %s is there without our mark", portal.ErrDenied, id)
	case err == nil && existing.Consumer.id() != owner:
		return connectors.Issued{}, fmt.Errorf("%w: the credential %s was made for another deployment", portal.ErrConflict, id)
	case err == nil:
		return issued(existing, a.auth, now), nil
	case !errors.Is(err, portal.ErrNotFound):
		return connectors.Issued{}, fmt.Errorf("looking for the credential: %w", err)
	}
	if err := c.ensureConsumer(ctx, owner, req); err != nil {
		return connectors.Issued{}, err
	}
	if err := c.ensureMembership(ctx, owner, a, req.Mark); err != nil {
		return connectors.Issued{}, err
	}
	made, err := c.putKey(ctx, owner, id, req, now)
	if err != nil {
		if !errors.Is(err, portal.ErrUnavailable) { // refused for good: leave no empty consumer behind
			err = errors.Join(err, c.tidy(ctx, owner))
		}
		return connectors.Issued{}, fmt.Errorf("writing the credential: %w", err)
	}
	return issued(made, a.auth, now), nil
}

// accessFor reads the gateway's configuration and refuses what cannot be issued now. It is read each time: since the last
// snapshot another API may have become open to our keys.
func (c *Connector) accessFor(ctx context.Context, req connectors.IssueRequest) (access, error) {
	conf, err := c.configuration(ctx)
	if err != nil {
		return access{}, err
	}
	for _, s := range conf.services {
		if s.ID != req.Deployment.RemoteID {
			continue
		}
		for _, e := range conf.exposures(s) {
			if e.key() != req.Deployment {
				continue
			}
			a := conf.accessTo(e)
			switch {
			case a.impossible != "":
				return access{}, fmt.Errorf("%w: %s", portal.ErrUnsupported, a.impossible)
			case a.unconfined != "" && !req.AcceptReach:
				return access{}, fmt.Errorf("%w: %s", portal.ErrUnsupported, a.unconfined)
			}
			return a, nil
		}
	}
	return access{}, fmt.Errorf("%w: the gateway has no deployment %s at %s", portal.ErrNotFound, req.Deployment.RemoteID, req.Deployment.Exposure)
}

// ensureConsumer makes the gateway consumer unless it is there.
func (c *Connector) ensureConsumer(ctx context.Context, id string, req connectors.IssueRequest) error {
	switch existing, err := c.consumer(ctx, id); {
	case err == nil && !slices.Contains(existing.Tags, managed):
		return fmt.Errorf("%w: the consumer %s is there without our mark", portal.ErrDenied, id)
	case err == nil:
		return nil
	case !errors.Is(err, portal.ErrNotFound):
		return fmt.Errorf("looking for the consumer: %w", err)
	}
	tags := consumerTags(req.Mark)
	if req.Label != "" {
		tags = append(tags, labelTag(req.Label))
	}
	if err := c.admin.put(ctx, map[string]any{"username": "concierge-" + id, "tags": tags}, nil, "consumers", id); err != nil {
		return fmt.Errorf("writing the consumer: %w", err)
	}
	return nil
}

// ensureMembership puts the consumer into the group that opens the API, and out of those of ours that no longer do: a group
// may have been given to another API since.
func (c *Connector) ensureMembership(ctx context.Context, owner string, a access, mark connectors.Mark) error {
	current, err := all[membership](ctx, c.admin, nil, "consumers", owner, "acls")
	if err != nil {
		return err
	}
	member := a.group == ""
	for _, m := range current {
		switch {
		case m.Group == a.group:
			member = true
		case slices.Contains(m.Tags, managed) && !slices.Contains(a.allow, m.Group):
			if err := c.admin.delete(ctx, "consumers", owner, "acls", m.ID); err != nil {
				return fmt.Errorf("leaving a group: %w", err)
			}
		}
	}
	if member {
		return nil
	}
	body := map[string]any{"group": a.group, "tags": []string{managed}}
	if err := c.admin.put(ctx, body, nil, "consumers", owner, "acls", membershipID(owner, a.group)); err != nil {
		return fmt.Errorf("joining the group: %w", err)
	}
	return nil
}

// putKey writes the credential. The body is always whole: without key Kong makes up a new one, without ttl it clears the end.
func (c *Connector) putKey(ctx context.Context, owner, id string, req connectors.IssueRequest, now time.Time) (keyed, error) {
	body := map[string]any{"key": req.Value.Reveal(), "tags": credentialTags(req.Mark)}
	if !req.Expires.IsZero() {
		if ttl := math.Ceil(req.Expires.Sub(now).Seconds()); ttl <= maxTTL {
			body["ttl"] = int(ttl)
		}
	}
	var made keyed
	if err := c.admin.put(ctx, body, &made, "consumers", owner, "key-auth", id); err != nil {
		return keyed{}, err
	}
	if made.ID != id || made.Key != req.Value.Reveal() {
		return keyed{}, fmt.Errorf("%w: the gateway stored another key than ours", portal.ErrInvalid)
	}
	return made, nil
}

// issued describes a credential that exists.
func issued(k keyed, auth portal.Authentication, now time.Time) connectors.Issued {
	return connectors.Issued{
		Progress: connectors.Done,
		Handle:   k.handle(),
		Parts:    []connectors.Part{{In: auth.In, Name: auth.Name, Prefix: auth.Prefix, Value: portal.NewSecret(k.Key)}},
		Expires:  k.expires(now),
	}
}

func (c credential) handle() connectors.Handle {
	return connectors.Handle{Open: map[string]string{handleConsumer: c.Consumer.id(), handleCredential: c.ID}}
}

// expires is when the gateway ends the credential: a fresh ttl of N reads N-1. Zero: never.
func (c credential) expires(now time.Time) time.Time {
	if c.TTL == nil {
		return time.Time{}
	}
	return now.Add(time.Duration(*c.TTL+1) * time.Second).UTC()
}

func (c credential) found(mark connectors.Mark) connectors.Found {
	return connectors.Found{Mark: mark, Handle: c.handle(), Progress: connectors.Done, Created: time.Unix(c.CreatedAt, 0).UTC()}
}

// marks reports whether tags carry the mark of one credential.
func marks(tags []string, mark connectors.Mark) bool {
	m, ok := markOf(tags)
	return ok && m.Credential == mark.Credential
}

// Status finds the credential; Kong has it at once, so it is done or not there. Errors: portal.ErrNotFound.
func (c *Connector) Status(ctx context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Issued, error) {
	found, err := c.marked(ctx, mark)
	if err != nil {
		return connectors.Issued{}, err
	}
	return connectors.Issued{Progress: connectors.Done, Handle: found.handle(), Expires: found.expires(c.now())}, nil
}

// Find looks under the id that the mark stands for, so it costs one request.
func (c *Connector) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	found, err := c.marked(ctx, mark)
	if err != nil {
		return connectors.Found{}, err
	}
	m, _ := markOf(found.Tags)
	return found.found(m), nil
}

// marked returns the credential with the mark. One without it is somebody else's: portal.ErrNotFound.
func (c *Connector) marked(ctx context.Context, mark connectors.Mark) (credential, error) {
	found, err := c.credential(ctx, credentialID(mark.Credential))
	if err == nil && !marks(found.Tags, mark) {
		err = fmt.Errorf("%w: what is there does not carry our mark", portal.ErrNotFound)
	}
	if err != nil {
		return credential{}, fmt.Errorf("looking for credential %s: %w", mark.Credential, err)
	}
	return found, nil
}

// Revoke deletes the credential, then its consumer if that was its last one. An answer that was lost is no matter: what is
// gone is success, and the consumer is looked for again.
func (c *Connector) Revoke(ctx context.Context, mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	ids, owners := []string{credentialID(mark.Credential)}, map[string]bool{}
	for name, id := range h.Open {
		switch {
		case !isID(id):
			return connectors.Revoked{}, fmt.Errorf("%w: the handle names no %s of this gateway", portal.ErrInvalid, name)
		case name == handleConsumer:
			owners[id] = true
		case name == handleCredential && id != ids[0]:
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		found, err := c.credential(ctx, id)
		switch {
		case errors.Is(err, portal.ErrNotFound):
			continue
		case err != nil:
			return connectors.Revoked{}, fmt.Errorf("looking for the credential: %w", err)
		case !marks(found.Tags, mark):
			return connectors.Revoked{}, fmt.Errorf("%w: the credential %s is there without our mark", portal.ErrDenied, id)
		}
		owner := found.Consumer.id()
		owners[owner] = true
		if err := c.admin.delete(ctx, "consumers", owner, "key-auth", found.ID); err != nil {
			return connectors.Revoked{}, fmt.Errorf("deleting the credential: %w", err)
		}
	}
	if len(owners) == 0 && mark.Subscription != "" {
		left, err := all[consumer](ctx, c.admin, url.Values{"tags": {managed + "," + subscriptionTag(mark.Subscription)}}, "consumers")
		if err != nil {
			return connectors.Revoked{}, fmt.Errorf("looking for an empty consumer: %w", err)
		}
		for _, o := range left {
			owners[o.ID] = true
		}
	}
	for owner := range owners {
		if err := c.tidyAlone(ctx, owner); err != nil {
			return connectors.Revoked{}, fmt.Errorf("the credential is deleted; removing its consumer: %w", err)
		}
	}
	return connectors.Revoked{Absent: true}, nil
}

// tidyAlone tidies while no key is made for the consumer.
func (c *Connector) tidyAlone(ctx context.Context, owner string) error {
	release, err := c.locks.hold(ctx, owner)
	if err != nil {
		return err
	}
	defer release()
	return c.tidy(ctx, owner)
}

// otherCredentials are the collections of credentials that a consumer may hold beside ours, made by hand.
var otherCredentials = []string{"key-auth", "basic-auth", "hmac-auth", "jwt", "oauth2"}

// tidy removes a consumer of ours that holds no credential: deleting it would delete those too.
func (c *Connector) tidy(ctx context.Context, owner string) error {
	o, err := c.consumer(ctx, owner)
	if errors.Is(err, portal.ErrNotFound) {
		return nil
	}
	if err != nil || !slices.Contains(o.Tags, managed) {
		return err
	}
	for _, kind := range otherCredentials {
		held, err := onePage[reference](ctx, c.admin, url.Values{"size": {"1"}}, "consumers", o.ID, kind)
		switch {
		case errors.Is(err, portal.ErrNotFound): // this plugin is not installed
		case err != nil:
			return err
		case len(*held.Data) > 0:
			return nil
		}
	}
	return c.admin.delete(ctx, "consumers", o.ID)
}

// List returns the credentials with our mark, as Kong pages them: by id. A page may be empty and not the last one.
func (c *Connector) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	if limit <= 0 {
		limit = 100
	}
	query := url.Values{"tags": {managed}, "size": {strconv.Itoa(min(limit, pageSize))}}
	if after != "" {
		query.Set("offset", string(after))
	}
	p, err := onePage[credential](ctx, c.admin, query, "key-auths")
	if err != nil {
		return nil, "", fmt.Errorf("listing credentials: %w", err)
	}
	var found []connectors.Found
	for _, k := range *p.Data {
		if mark, ok := markOf(k.Tags); ok {
			found = append(found, k.found(mark))
		}
	}
	return found, connectors.Cursor(p.Offset), nil
}

func (c *Connector) consumer(ctx context.Context, id string) (o consumer, err error) {
	err = c.entity(ctx, &o, "consumers", id)
	return o, err
}

func (c *Connector) credential(ctx context.Context, id string) (k credential, err error) {
	err = c.entity(ctx, &k, "key-auths", id)
	return k, err
}

func (c *Connector) keyed(ctx context.Context, id string) (k keyed, err error) {
	err = c.entity(ctx, &k, "key-auths", id)
	return k, err
}

// entity reads one entity. Errors: portal.ErrInvalid where what comes back is none.
func (c *Connector) entity(ctx context.Context, into interface{ valid() bool }, path ...string) error {
	if err := c.admin.get(ctx, into, path...); err != nil {
		return err
	}
	if !into.valid() {
		return fmt.Errorf("%w: what the gateway returned has no ids", portal.ErrInvalid)
	}
	return nil
}
