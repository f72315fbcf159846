package desk

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/keys"
)

func marshal(v any) ([]byte, error)   { return json.Marshal(v) }
func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }

// list serves a page: one more item than asked for tells whether there is another page.
func list[T, A any](d *desk, name string, p api.Paging, fetch func(keys.Page) ([]T, error), id func(T) string, show func([]T) ([]A, error)) (page api.Page[A], err error) {
	after, err := openCursor[string](d, name, p.Cursor)
	if err != nil {
		return page, err
	}
	n := limit(p.Limit)
	found, err := fetch(keys.Page{After: after, Limit: n + 1})
	if err != nil {
		return page, err
	}
	if len(found) > n {
		found = found[:n]
		if page.Next, err = sealCursor(d, name, id(found[n-1])); err != nil {
			return page, err
		}
	}
	if page.Items, err = show(found); page.Items == nil {
		page.Items = []A{}
	}
	return page, err
}

func (d *desk) Applications(ctx context.Context, p api.Paging) (api.Page[api.Application], error) {
	return list(d, "applications", p,
		func(k keys.Page) ([]keys.Application, error) { return d.Keys.Applications(ctx, d.caller, k) },
		func(a keys.Application) string { return string(a.ID) },
		func(found []keys.Application) (items []api.Application, err error) {
			for _, a := range found {
				items = append(items, d.application(a))
			}
			return items, nil
		})
}

func (d *desk) application(a keys.Application) api.Application {
	return api.Application{ID: string(a.ID), Name: a.Name, Organisation: d.caller.OrganisationName, Created: a.Created}
}

func (d *desk) Application(ctx context.Context, id string) (api.Application, error) {
	a, err := d.Keys.Application(ctx, d.caller, portal.ApplicationID(id))
	if err != nil {
		return api.Application{}, err
	}
	return d.application(a), nil
}

func (d *desk) CreateApplication(ctx context.Context, n api.NewApplication) (api.Application, error) {
	a, err := d.Keys.CreateApplication(ctx, d.caller, n.Name)
	if err != nil {
		return api.Application{}, err
	}
	return d.application(a), nil
}

func (d *desk) Subscriptions(ctx context.Context, q api.SubscriptionsQuery) (api.Page[api.Subscription], error) {
	name := "subscriptions"
	switch {
	case q.Frozen:
		name = "frozen"
	case q.ToDecide:
		name = "to-decide"
	}
	return list(d, name, q.Paging,
		func(k keys.Page) ([]keys.Subscription, error) {
			switch {
			case q.Frozen:
				return d.Keys.Frozen(ctx, d.caller, k)
			case q.ToDecide:
				return d.Keys.ToDecide(ctx, d.caller, k)
			}
			return d.Keys.Subscriptions(ctx, d.caller, portal.ApplicationID(q.Application), keys.SubscriptionState(q.State), k)
		},
		func(s keys.Subscription) string { return string(s.ID) },
		func(found []keys.Subscription) ([]api.Subscription, error) { return d.subscriptions(ctx, found) })
}

func (d *desk) subscriptions(ctx context.Context, found []keys.Subscription) ([]api.Subscription, error) {
	w, err := d.who(ctx, found)
	if err != nil {
		return nil, err
	}
	if err := d.knows(ctx, found); err != nil {
		return nil, err
	}
	names := map[portal.ApplicationID]string{}
	items := make([]api.Subscription, len(found))
	for i, s := range found {
		if _, ok := names[s.Application]; !ok {
			if names[s.Application], err = d.Keys.ApplicationName(ctx, s.Application); err != nil {
				return nil, err
			}
		}
		items[i] = api.Subscription{
			ID: string(s.ID), Application: string(s.Application), ApplicationName: names[s.Application], Organisation: w.organisations[s.Organisation],
			Version: s.Line, Environment: string(s.Environment), Plan: s.Plan, State: string(s.State), Reason: s.Reason,
			RequestedBy: w.people[s.RequestedBy], DecidedBy: d.decider(w, s), Created: s.Created,
			CanDecide: (s.State == keys.Requested || !s.Frozen.IsZero()) && access.MayDecide(d.caller, s.Division, s.RequestedBy),
			Frozen:    d.frozen(s),
		}
		items[i].API, items[i].Title = d.named(s)
	}
	return items, nil
}

// decider names who decided, to the company's own people: a partner learns what was decided and why, not by whom.
func (d *desk) decider(w who, s keys.Subscription) string {
	if d.caller.Audience != portal.Internal {
		return ""
	}
	return w.people[portal.PersonID(s.DecidedBy)]
}

// knows makes the table catch up once where it has never heard of a subscription's API.
func (d *desk) knows(ctx context.Context, subs []keys.Subscription) error {
	table := d.Live.Table()
	if !slices.ContainsFunc(subs, func(s keys.Subscription) bool { _, ok := table.Entry(s.API); return !ok }) {
		return nil
	}
	_, err := d.Live.Newest(ctx)
	return err
}

// named says what the caller calls an API: what they may see of it, or, for whoever governs it, its own name. An API that
// is gone for the caller keeps its id.
func (d *desk) named(s keys.Subscription) (slug, title string) {
	table := d.Live.Table()
	if v, err := table.API(d.consumer(), string(s.API)); err == nil {
		return v.Name, v.Title
	}
	if access.MayGovern(d.caller, s.Division) {
		if e, ok := table.Entry(s.API); ok && len(e.Deployments) > 0 {
			return e.Slug, e.Deployments[0].Title
		}
	}
	return string(s.API), string(s.API)
}

func (d *desk) subscription(ctx context.Context, s keys.Subscription, err error) (api.Subscription, error) {
	if err != nil {
		return api.Subscription{}, err
	}
	items, err := d.subscriptions(ctx, []keys.Subscription{s})
	if err != nil {
		return api.Subscription{}, err
	}
	return items[0], nil
}

func (d *desk) Subscription(ctx context.Context, id string) (api.Subscription, error) {
	s, err := d.Keys.Subscription(ctx, d.caller, portal.SubscriptionID(id))
	return d.subscription(ctx, s, err)
}

func (d *desk) Subscribe(ctx context.Context, n api.NewSubscription) (api.Subscription, error) {
	s, err := d.Keys.Subscribe(ctx, d.caller, keys.SubscribeRequest{
		Application: portal.ApplicationID(n.Application), API: n.API, Version: n.Version, Environment: portal.Environment(n.Environment), Plan: n.Plan,
	})
	return d.subscription(ctx, s, err)
}

func (d *desk) Cancel(ctx context.Context, id string) (api.Subscription, error) {
	s, err := d.Keys.Cancel(ctx, d.caller, portal.SubscriptionID(id))
	return d.subscription(ctx, s, err)
}

func (d *desk) Approve(ctx context.Context, id, reason string) (api.Subscription, error) {
	s, err := d.Keys.Decide(ctx, d.caller, portal.SubscriptionID(id), true, reason)
	return d.subscription(ctx, s, err)
}

func (d *desk) Reject(ctx context.Context, id, reason string) (api.Subscription, error) {
	s, err := d.Keys.Decide(ctx, d.caller, portal.SubscriptionID(id), false, reason)
	return d.subscription(ctx, s, err)
}

func (d *desk) Claim(ctx context.Context, subscription string) (api.Claim, error) {
	c, err := d.Keys.Claim(ctx, d.caller, portal.SubscriptionID(subscription))
	return d.claim(ctx, c, err)
}

func (d *desk) Rotate(ctx context.Context, id string, overlap time.Duration) (api.Claim, error) {
	c, err := d.Keys.Rotate(ctx, d.caller, portal.CredentialID(id), overlap)
	return d.claim(ctx, c, err)
}

func (d *desk) claim(ctx context.Context, c keys.Claimed, err error) (api.Claim, error) {
	if err != nil {
		return api.Claim{}, err
	}
	shown, err := d.credential(ctx, c.Credential)
	if err != nil {
		return api.Claim{}, err
	}
	claim := api.Claim{Credential: shown, Ready: c.Ready, Authentication: c.Deployment.Authentication, BaseURL: c.Deployment.BaseURL, Try: c.Deployment.Try}
	for _, p := range c.Parts {
		claim.Parts = append(claim.Parts, part(p))
	}
	return claim, nil
}

func part(p connectors.Part) api.Part {
	return api.Part{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: p.Value, Public: p.Public}
}

func (d *desk) Credentials(ctx context.Context, q api.CredentialsQuery) (api.Page[api.Credential], error) {
	return list(d, "credentials", q.Paging,
		func(k keys.Page) ([]keys.Credential, error) {
			return d.Keys.Credentials(ctx, d.caller, keys.CredentialFilter{
				Application: portal.ApplicationID(q.Application), Subscription: portal.SubscriptionID(q.Subscription), State: keys.CredentialState(q.State),
			}, k)
		},
		func(c keys.Credential) string { return string(c.ID) },
		func(found []keys.Credential) (items []api.Credential, err error) {
			for _, c := range found {
				shown, err := d.credential(ctx, c)
				if err != nil {
					return nil, err
				}
				items = append(items, shown)
			}
			return items, nil
		})
}

func (d *desk) Credential(ctx context.Context, id string) (api.Credential, error) {
	c, err := d.Keys.Credential(ctx, d.caller, portal.CredentialID(id))
	if err != nil {
		return api.Credential{}, err
	}
	return d.credential(ctx, c)
}

// shownFingerprint is how much of a fingerprint people compare.
const shownFingerprint = 16

func (d *desk) credential(ctx context.Context, c keys.Credential) (api.Credential, error) {
	app, sub, err := d.Keys.Details(ctx, c)
	if err != nil {
		return api.Credential{}, err
	}
	shown := api.Credential{
		ID: string(c.ID), State: string(c.State), Gateway: string(c.Gateway), Subscriptions: []string{string(c.Subscription)},
		Application: string(c.Application), ApplicationName: app.Name, Version: sub.Line, Environment: string(sub.Environment),
		Fingerprint: c.Fingerprint[:min(len(c.Fingerprint), shownFingerprint)], Created: c.Created,
		Expires: timeOrNil(c.Expires), Ends: timeOrNil(c.Ends), Replaces: string(c.Replaces), Note: c.Note,
	}
	shown.API, shown.Title = d.named(sub)
	// A gateway that has not answered says nothing about how many keys it holds.
	if able, err := d.Service.Gateways.Capabilities(ctx, c.Gateway); err == nil {
		shown.SingleKey = able.MaxKeys == 1
	}
	if !c.Effective.IsZero() {
		shown.Effective = &api.Effective{By: c.EffectiveBy, At: c.Effective}
	}
	return shown, nil
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (d *desk) Revoke(ctx context.Context, id string) (api.Credential, error) {
	c, err := d.Keys.Revoke(ctx, d.caller, portal.CredentialID(id))
	if err != nil {
		return api.Credential{}, err
	}
	return d.credential(ctx, c)
}
