package desk

import (
	"context"
	"fmt"
	"slices"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
)

// answersFor finds an API for a caller who governs or owns some of it: as they know it as a consumer or, where their audience
// does not see it, by its own name.
func (d *desk) answersFor(ctx context.Context, name string) (routing.Entry, access.Owner, error) {
	entry, _, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.Entry, error) {
		entry, ok := t.Named(name)
		if v, err := t.API(d.consumer(), name); err == nil {
			entry, ok = t.Entry(v.ID)
		}
		if !ok || !d.governs(t, entry.ID) && !access.MayCurate(d.caller, access.Owner{Division: entry.Owner, Team: entry.Team}) {
			return routing.Entry{}, fmt.Errorf("consumers of %s: %w", name, portal.ErrNotFound)
		}
		return entry, nil
	})
	return entry, access.Owner{Division: entry.Owner, Team: entry.Team}, err
}

func (d *desk) Consumers(ctx context.Context, q api.ConsumersQuery) (page api.Page[api.Consumed], err error) {
	entry, owner, err := d.answersFor(ctx, q.API)
	if err != nil {
		return page, err
	}
	f := keys.SubscriptionFilter{API: entry.ID, Environment: portal.Environment(q.Environment)}
	if q.Version != "" {
		line := lineOf(q.Version)
		f.Line = &line
	}
	if q.State == api.StateOpen {
		f.Open = true
	} else {
		f.State = keys.SubscriptionState(q.State)
	}
	for i := range entry.Deployments {
		if to := &entry.Deployments[i]; !d.mayKnow(to) {
			f.Except = append(f.Except, to.ID)
		}
	}
	return list(d, "consumers "+string(entry.ID), q.Paging,
		func(p keys.Page) ([]keys.Consumer, error) { return d.Keys.Consumers(ctx, d.caller, owner, f, p) },
		func(c keys.Consumer) string { return string(c.ID) },
		func(found []keys.Consumer) ([]api.Consumed, error) { return d.consumed(ctx, entry, found) })
}

func (d *desk) consumed(ctx context.Context, entry routing.Entry, found []keys.Consumer) ([]api.Consumed, error) {
	subs := make([]keys.Subscription, len(found))
	for i, c := range found {
		subs[i] = c.Subscription
	}
	shown, err := d.subscriptions(ctx, subs)
	if err != nil {
		return nil, err
	}
	contacts, err := d.contacts(ctx, found)
	if err != nil {
		return nil, err
	}
	slug, title := d.titleOf(d.Live.Table(), entry)
	items := make([]api.Consumed, len(found))
	for i, c := range found {
		s := shown[i]
		items[i] = api.Consumed{Subscription: s, Contact: contacts[i], Keys: []api.Credential{}, Governed: access.MayGovern(d.caller, c.Division)}
		if !items[i].Governed {
			items[i].Subscription = api.Subscription{
				ID: s.ID, Application: s.Application, ApplicationName: s.ApplicationName, Organisation: s.Organisation, API: slug, Title: title,
				Version: s.Version, Environment: s.Environment, Plan: s.Plan, State: s.State, Created: s.Created,
			}
		}
		for j, held := range c.Credentials {
			if j == 0 {
				items[i].LastAct = timeOrNil(held.Created)
			}
			if held.State.Live() {
				items[i].Working++
			}
			if !items[i].Governed {
				continue
			}
			k, err := d.credential(ctx, held)
			if err != nil {
				return nil, err
			}
			items[i].Keys = append(items[i].Keys, k)
		}
	}
	return items, nil
}

// contacts names one person of each consumer: who made the application, else who asked, else an administrator of their
// organisation. Those count who can sign in and belong to the organisation.
func (d *desk) contacts(ctx context.Context, found []keys.Consumer) ([]*api.ConsumerContact, error) {
	var named []*api.ConsumerContact
	err := d.people.View(ctx, func(tx people.Tx) error {
		named = make([]*api.ConsumerContact, len(found))
		known := map[portal.PersonID]people.Person{}
		person := func(id portal.PersonID) (people.Person, error) {
			if p, ok := known[id]; ok {
				return p, nil
			}
			p, err := tx.People().Person(ctx, id)
			known[id] = p
			return p, err
		}
		members := map[portal.OrganisationID][]portal.PersonID{}
		for i, c := range found {
			for _, id := range []portal.PersonID{c.MadeBy, c.RequestedBy} {
				if id == "" {
					continue
				}
				p, err := person(id)
				if err != nil {
					return err
				}
				if named[i] = contactIn(p, c.Organisation, ""); named[i] != nil {
					break
				}
			}
			if named[i] != nil {
				continue
			}
			if _, ok := members[c.Organisation]; !ok {
				all, err := tx.People().Members(ctx, c.Organisation)
				if err != nil {
					return err
				}
				members[c.Organisation] = all
			}
			for _, id := range members[c.Organisation] {
				p, err := person(id)
				if err != nil {
					return err
				}
				if named[i] = contactIn(p, c.Organisation, access.OrganisationAdmin); named[i] != nil {
					break
				}
			}
		}
		return nil
	})
	return named, err
}

// contactIn is a person as a contact of an organisation, where they are one of its active people and, unless it is empty, hold
// a role there; else nil.
func contactIn(p people.Person, in portal.OrganisationID, role access.Role) *api.ConsumerContact {
	belongs := slices.ContainsFunc(p.Memberships, func(m people.Membership) bool {
		return m.Organisation.ID == in && (role == "" || slices.Contains(m.Roles, role))
	})
	if p.State != people.Active || !belongs {
		return nil
	}
	return &api.ConsumerContact{Name: p.Name, Email: p.Email}
}
