package webtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

func (d *desk) Applications(_ context.Context, p api.Paging) (api.Page[api.Application], error) {
	w, me, leave := d.enter()
	defer leave()
	return page(w.mine(me), p)
}

func (d *desk) Application(_ context.Context, id string) (api.Application, error) {
	w, me, leave := d.enter()
	defer leave()
	for _, a := range w.mine(me) {
		if a.ID == id {
			return a, nil
		}
	}
	return api.Application{}, missing("application", id)
}

func (w *World) mine(p *person) []api.Application {
	var found []api.Application
	for _, a := range w.applications {
		if a.Organisation == p.Organisation {
			found = append(found, a)
		}
	}
	return found
}

func (w *World) isMine(p *person, application string) bool {
	return slices.ContainsFunc(w.mine(p), func(a api.Application) bool { return a.ID == application })
}

func (d *desk) CreateApplication(_ context.Context, n api.NewApplication) (api.Application, error) {
	w, p, leave := d.enter()
	defer leave()
	if slices.ContainsFunc(w.mine(p), func(a api.Application) bool { return a.Name == n.Name }) {
		return api.Application{}, fmt.Errorf("there is an application named %q already: %w", n.Name, portal.ErrConflict)
	}
	a := api.Application{ID: w.next("app"), Name: n.Name, Organisation: p.Organisation, Created: w.now()}
	w.applications = append(w.applications, a)
	return a, nil
}

func decides(p *person) bool {
	return p.is("platform-administrator", "division-administrator", "api-owner")
}

func (w *World) decidable(p *person, s api.Subscription) bool {
	return decides(p) && (s.State == "requested" || s.Frozen != nil) && s.Organisation != p.Organisation
}

func (d *desk) Subscriptions(_ context.Context, q api.SubscriptionsQuery) (api.Page[api.Subscription], error) {
	w, p, leave := d.enter()
	defer leave()
	var found []api.Subscription
	for _, s := range w.subscriptions {
		s.CanDecide = w.decidable(p, s)
		wanted := w.isMine(p, s.Application)
		if q.Frozen {
			wanted = s.Frozen != nil && (wanted || decides(p))
		} else if q.ToDecide {
			wanted = s.CanDecide && s.State == "requested"
		}
		if wanted && (q.Application == "" || q.Application == s.Application) && (q.State == "" || q.State == s.State) {
			found = append(found, s)
		}
	}
	return page(found, q.Paging)
}

func (w *World) findSubscription(p *person, id string) (*api.Subscription, error) {
	for i := range w.subscriptions {
		s := &w.subscriptions[i]
		if s.ID == id && (w.isMine(p, s.Application) || decides(p)) {
			return s, nil
		}
	}
	return nil, missing("subscription", id)
}

func (d *desk) Subscription(_ context.Context, id string) (api.Subscription, error) {
	w, p, leave := d.enter()
	defer leave()
	s, err := w.findSubscription(p, id)
	if err != nil {
		return api.Subscription{}, err
	}
	found := *s
	found.CanDecide = w.decidable(p, found)
	return found, nil
}

func (d *desk) Subscribe(_ context.Context, n api.NewSubscription) (api.Subscription, error) {
	w, p, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.applications, func(a api.Application) bool { return a.ID == n.Application })
	if i < 0 || !w.isMine(p, n.Application) {
		return api.Subscription{}, missing("application", n.Application)
	}
	found, _, err := w.resolve(p, api.ResolveQuery{API: n.API, Version: n.Version, Environment: n.Environment})
	if err != nil {
		return api.Subscription{}, err
	}
	if found.IssueRefused != "" {
		return api.Subscription{}, fmt.Errorf("%s: %w", found.IssueRefused, portal.ErrUnsupported)
	}
	plan := found.Plans[0]
	if n.Plan != "" {
		j := slices.IndexFunc(found.Plans, func(p portal.Plan) bool { return p.ID == n.Plan })
		if j < 0 {
			return api.Subscription{}, fmt.Errorf("there is no plan %q: %w", n.Plan, portal.ErrInvalid)
		}
		plan = found.Plans[j]
	}
	for _, s := range w.subscriptions {
		if s.Application == n.Application && s.API == n.API && s.Version == found.Line && s.Environment == n.Environment &&
			(s.State == "requested" || s.State == "approved") {
			return api.Subscription{}, &portal.ConflictError{Kind: "subscription", ID: s.ID, Err: errors.New("the application has it already")}
		}
	}
	s := api.Subscription{
		ID: w.next("sub"), Application: n.Application, ApplicationName: w.applications[i].Name, Organisation: p.Organisation,
		API: n.API, Title: found.Title, Version: found.Line, Environment: n.Environment, Plan: plan.Title,
		State: "approved", RequestedBy: p.Name, Created: w.now(),
	}
	if plan.Approval == portal.Required {
		s.State = "requested"
	}
	w.subscriptions = append(w.subscriptions, s)
	return s, nil
}

func (d *desk) Cancel(_ context.Context, id string) (api.Subscription, error) {
	w, p, leave := d.enter()
	defer leave()
	s, err := w.findSubscription(p, id)
	if err != nil {
		return api.Subscription{}, err
	}
	s.State = "cancelled"
	for i := range w.credentials {
		if slices.Contains(w.credentials[i].Subscriptions, id) && w.credentials[i].State != "revoked" {
			w.revoked(&w.credentials[i])
		}
	}
	return *s, nil
}

func (d *desk) Approve(_ context.Context, id, reason string) (api.Subscription, error) {
	return d.decide(id, "approved", reason)
}

func (d *desk) Reject(_ context.Context, id, reason string) (api.Subscription, error) {
	return d.decide(id, "rejected", reason)
}

func (d *desk) decide(id, state, reason string) (api.Subscription, error) {
	w, p, leave := d.enter()
	defer leave()
	s, err := w.findSubscription(p, id)
	if err != nil {
		return api.Subscription{}, err
	}
	if !w.decidable(p, *s) {
		return api.Subscription{}, fmt.Errorf("deciding: %w: %w", errNotYours, portal.ErrDenied)
	}
	s.State, s.Reason, s.DecidedBy = state, reason, p.Name
	return *s, nil
}

// Claim makes the key. On the mesh it takes two calls, as where a site has to act first.
func (d *desk) Claim(_ context.Context, id string) (api.Claim, error) {
	w, p, leave := d.enter()
	defer leave()
	s, err := w.findSubscription(p, id)
	if err != nil {
		return api.Claim{}, err
	}
	if s.State != "approved" {
		return api.Claim{}, fmt.Errorf("it is not approved: %w", portal.ErrConflict)
	}
	for _, c := range w.credentials {
		if slices.Contains(c.Subscriptions, id) && (c.State == "active" || c.State == "retiring") {
			return api.Claim{}, &portal.ConflictError{Kind: "credential", ID: c.ID, Err: told.HasKey.With()}
		}
	}
	return w.issue(p, *s, "")
}

func (w *World) issue(p *person, s api.Subscription, replaces string) (api.Claim, error) {
	found, _, err := w.resolve(p, api.ResolveQuery{API: s.API, Version: s.Version, Environment: s.Environment})
	if err != nil {
		return api.Claim{}, err
	}
	if found.gateway == "Mesh Frankfurt" && w.patience[s.ID] < 1 {
		w.patience[s.ID]++
		return api.Claim{Credential: api.Credential{Note: "The site Frankfurt acts next; this takes a few seconds."}}, nil
	}
	c := api.Credential{
		ID: w.next("key"), State: "active", Gateway: found.gateway, Subscriptions: []string{s.ID},
		Application: s.Application, ApplicationName: s.ApplicationName, API: s.API, Title: s.Title, Version: s.Version,
		Environment: s.Environment, Fingerprint: fmt.Sprintf("%016x", uint64(w.serial)*0x9e3779b97f4a7c15), Created: w.now(), Replaces: replaces,
	}
	w.credentials = append([]api.Credential{c}, w.credentials...)
	auth := found.Authentication
	return api.Claim{
		Credential: c, Ready: true, Authentication: auth, BaseURL: found.BaseURL,
		Parts: []api.Part{{In: auth.In, Name: auth.Name, Prefix: auth.Prefix, Value: portal.NewSecret("ck_live_" + c.ID + "_Zt9xQ2mVb7Rw")}},
	}, nil
}

func (d *desk) Credentials(_ context.Context, q api.CredentialsQuery) (api.Page[api.Credential], error) {
	w, p, leave := d.enter()
	defer leave()
	var found []api.Credential
	for _, c := range w.credentials {
		if w.isMine(p, c.Application) && (q.Application == "" || c.Application == q.Application) &&
			(q.State == "" || c.State == q.State) && (q.Subscription == "" || slices.Contains(c.Subscriptions, q.Subscription)) {
			found = append(found, c)
		}
	}
	return page(found, q.Paging)
}

func (w *World) findCredential(p *person, id string) (*api.Credential, error) {
	for i := range w.credentials {
		if c := &w.credentials[i]; c.ID == id && w.isMine(p, c.Application) {
			return c, nil
		}
	}
	return nil, missing("key", id)
}

// Credential of a key that is being revoked is asked for twice before the gateway has confirmed.
func (d *desk) Credential(_ context.Context, id string) (api.Credential, error) {
	w, p, leave := d.enter()
	defer leave()
	c, err := w.findCredential(p, id)
	if err != nil {
		return api.Credential{}, err
	}
	found := *c
	if c.State == "revoking" {
		if w.patience[id]++; w.patience[id] >= 2 {
			w.revoked(c)
		}
	}
	return found, nil
}

func (w *World) revoked(c *api.Credential) {
	c.State, c.Note, c.Ends = "revoked", "", nil
	c.Effective = &api.Effective{By: "admin", At: w.now()}
}

func (d *desk) Rotate(_ context.Context, id string, overlap time.Duration) (api.Claim, error) {
	w, p, leave := d.enter()
	defer leave()
	c, err := w.findCredential(p, id)
	if err != nil {
		return api.Claim{}, err
	}
	if c.State != "active" {
		return api.Claim{}, told.OnlyActiveRotates.As(portal.ErrConflict)
	}
	s, err := w.findSubscription(p, c.Subscriptions[0])
	if err != nil {
		return api.Claim{}, err
	}
	claim, err := w.issue(p, *s, id)
	if err != nil || !claim.Ready {
		return claim, err
	}
	c, err = w.findCredential(p, id) // issue may have moved it
	if err != nil {
		return api.Claim{}, err
	}
	ends := w.now().Add(overlap)
	c.State, c.Ends = "retiring", &ends
	return claim, nil
}

func (d *desk) Revoke(_ context.Context, id string) (api.Credential, error) {
	w, p, leave := d.enter()
	defer leave()
	c, err := w.findCredential(p, id)
	if err != nil {
		return api.Credential{}, err
	}
	if c.State != "revoked" {
		c.State, c.Ends = "revoking", nil
	}
	return *c, nil
}
