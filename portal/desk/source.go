package desk

import (
	"context"
	"errors"
	"slices"

	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/curation"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/store"
)

// Source feeds the routing table from the stores. Version and Changes are the database's.
func Source(db store.DB) routing.Source { return source{db} }

type source struct{ store.DB }

// Notify implements routing.Source.
func (s source) Notify(ctx context.Context) <-chan struct{} { return s.Listen(ctx, store.TopicChanges) }

// tx is what the table is compiled from.
type tx interface {
	Catalog() catalog.Store
	Keys() keys.Store
	People() people.Store
	Curation() curation.Store
}

// Load implements routing.Source.
func (s source) Load(ctx context.Context) (in routing.Input, err error) {
	// The version is read first: what is committed in between is loaded now and once more with its change.
	if in.Version, err = s.Version(ctx); err != nil {
		return in, err
	}
	err = store.Narrow[tx](s.DB).View(ctx, func(t tx) error {
		entries, err := t.Catalog().LoadAll(ctx)
		if err != nil {
			return err
		}
		if in.APIs, err = laid(ctx, t, entries); err != nil {
			return err
		}
		gateways, err := t.Catalog().Gateways(ctx, "", 0)
		if err != nil {
			return err
		}
		for _, g := range gateways {
			in.Gateways = append(in.Gateways, routing.Gateway{ID: g.ID, Admin: host(g.Address), Fleet: g.Fleet})
		}
		callers, err := t.People().Callers(ctx)
		if err != nil {
			return err
		}
		byPerson := map[portal.PersonID][]routing.Token{}
		for _, c := range callers {
			byPerson[c.Caller.Person] = append(byPerson[c.Caller.Person], token(c))
		}
		for id, tokens := range byPerson {
			in.People = append(in.People, routing.Person{ID: id, Tokens: tokens})
		}
		in.Applications, err = applications(ctx, t)
		return err
	})
	return in, err
}

// applications are those that hold a live credential: the others have nothing that routing needs.
func applications(ctx context.Context, t tx) ([]routing.Application, error) {
	bindings, err := t.Keys().Bindings(ctx, "")
	if err != nil {
		return nil, err
	}
	var all []routing.Application
	for _, b := range bindings { // grouped by application
		if n := len(all); n == 0 || all[n-1].ID != b.Application {
			app, err := t.Keys().Application(ctx, b.Application)
			if err != nil {
				return nil, err
			}
			all = append(all, routing.Application{ID: app.ID, Organisation: app.Organisation})
		}
		last := &all[len(all)-1]
		last.Bindings = append(last.Bindings, binding(b))
	}
	return all, nil
}

func binding(b keys.Binding) routing.Binding {
	return routing.Binding{API: b.API, Line: b.Line, Environment: b.Environment, Deployment: b.Deployment}
}

func token(c people.TokenCaller) routing.Token {
	return routing.Token{Hash: c.Hash, Expires: c.Expires, Caller: c.Caller}
}

// manyEntries is from how many on it is cheaper to read what is laid over all entries: few are curated.
const manyEntries = 20

// laid are entries with what persons decided and wrote laid over them.
func laid(ctx context.Context, t tx, entries []catalog.Entry) ([]routing.Entry, error) {
	layers := map[portal.APIID]curation.Layer{}
	if len(entries) < manyEntries {
		for _, e := range entries {
			layer, err := t.Curation().Layer(ctx, e.ID)
			if err != nil {
				return nil, err
			}
			layers[e.ID] = layer
		}
	} else {
		all, err := t.Curation().Layer(ctx, "")
		if err != nil {
			return nil, err
		}
		layers = all.ByEntry(entries)
	}
	found := make([]routing.Entry, len(entries))
	for i, e := range entries {
		l := layers[e.ID]
		texts := l.Texts[e.ID]
		found[i] = routing.Entry{
			ID: e.ID, Slug: e.Slug, Aliases: e.Aliases, Owner: e.Division, Named: e.Named, Deployments: l.Lay(e.ID, e.Deployments),
			Texts: texts.Texts, Guides: texts.Guides, Team: l.Teams[e.ID],
		}
	}
	return found, nil
}

// LoadChanged implements routing.Source.
func (s source) LoadChanged(ctx context.Context, changes []store.Change) (d routing.Delta, err error) {
	d = routing.Delta{
		APIs: map[portal.APIID]*routing.Entry{}, Gateways: map[portal.GatewayID]*routing.Gateway{},
		Applications: map[portal.ApplicationID]*routing.Application{}, People: map[portal.PersonID]*routing.Person{},
	}
	var apis []portal.APIID
	for _, c := range changes {
		if c.Kind == store.ChangedAPI {
			apis = append(apis, portal.APIID(c.ID))
		}
	}
	err = store.Narrow[tx](s.DB).View(ctx, func(t tx) error {
		if err := changedAPIs(ctx, t, &d, apis); err != nil {
			return err
		}
		for _, c := range changes {
			if err := change(ctx, t, &d, c); err != nil {
				return err
			}
		}
		return nil
	})
	return d, err
}

// changedAPIs loads entries; those that have gone, or have no deployment left, are nil.
func changedAPIs(ctx context.Context, t tx, d *routing.Delta, ids []portal.APIID) error {
	for _, id := range ids {
		d.APIs[id] = nil
	}
	found, err := t.Catalog().LoadEntries(ctx, ids)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(e catalog.Entry) bool { return len(e.Deployments) == 0 })
	entries, err := laid(ctx, t, found)
	for i := range entries {
		d.APIs[entries[i].ID] = &entries[i]
	}
	return err
}

func change(ctx context.Context, t tx, d *routing.Delta, c store.Change) error {
	switch c.Kind {
	case store.ChangedGateway:
		id := portal.GatewayID(c.ID)
		switch g, err := t.Catalog().Gateway(ctx, id); {
		case errors.Is(err, portal.ErrNotFound):
			d.Gateways[id] = nil
		case err != nil:
			return err
		default:
			d.Gateways[id] = &routing.Gateway{ID: id, Admin: host(g.Address), Fleet: g.Fleet}
		}
	case store.ChangedPerson:
		callers, err := t.People().CallersOf(ctx, portal.PersonID(c.ID))
		if err != nil {
			return err
		}
		var p *routing.Person
		for _, caller := range callers {
			if p == nil {
				p = &routing.Person{ID: portal.PersonID(c.ID)}
			}
			p.Tokens = append(p.Tokens, token(caller))
		}
		d.People[portal.PersonID(c.ID)] = p
	case store.ChangedApplication:
		id := portal.ApplicationID(c.ID)
		bindings, err := t.Keys().Bindings(ctx, id)
		if err != nil {
			return err
		}
		d.Applications[id] = nil
		if len(bindings) == 0 {
			return nil
		}
		app, err := t.Keys().Application(ctx, id)
		if err != nil {
			return err
		}
		a := &routing.Application{ID: id, Organisation: app.Organisation}
		for _, b := range bindings {
			a.Bindings = append(a.Bindings, binding(b))
		}
		d.Applications[id] = a
	}
	return nil
}

// Router lets keys ask the routing table. What it decides about is a change, so it asks the newest one: portal.ErrUnavailable
// where the store cannot say which that is.
func Router(live *routing.Live) keys.Router { return router{live} }

type router struct{ live *routing.Live }

func (r router) Decide(ctx context.Context, c portal.Consumer, api, version string, env portal.Environment) (keys.Decided, error) {
	if err := r.live.Refresh(ctx); err != nil {
		return keys.Decided{}, err
	}
	result, err := r.live.Table().Resolve(c, routing.Request{API: api, Version: version, Environment: env})
	if err != nil {
		return keys.Decided{}, err
	}
	return keys.Decided{Slug: result.Name, Deployment: result.Deployment}, nil
}
