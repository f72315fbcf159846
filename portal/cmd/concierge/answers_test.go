package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/routing"
	"concierge/portal/store"
)

// question is what a consumer may ask of routing.
type question struct {
	consumer portal.Consumer
	request  routing.Request
}

// sentTo is where somebody is sent to, and whether because of a key that they hold.
type sentTo struct {
	deployment portal.DeploymentID
	bound      bool
}

// estateWalk is a company whose gateways publish more and more of what looks alike.
type estateWalk struct {
	*server
	t         *testing.T
	random    *rand.Rand
	gateways  map[portal.GatewayID]*gateway.Gateway
	published map[portal.GatewayID][]gateway.API
	people    []access.Caller // consumers, one of each audience
	admin     access.Caller
	names     map[string]bool // slugs and ids that an API ever had
	apps      []portal.Consumer
	count     int
	log       []string
}

var estateDocuments = []string{
	`{"openapi":"3.0.3","info":{"title":"Card Payments","version":"1"},"paths":{"/payments":{"get":{},"post":{}},"/payments/{id}":{"get":{},"delete":{}},"/refunds":{"post":{}},"/mandates/{id}/debits":{"post":{}}}}`,
	`{"openapi":"3.0.3","info":{"title":"Stock Ledger","version":"1"},"paths":{"/stock":{"get":{}},"/stock/{sku}":{"get":{},"put":{}},"/movements":{"post":{}},"/shelves/{shelf}/audits":{"get":{}}}}`,
	``,
}

func newWalk(t *testing.T, seed uint64) *estateWalk {
	e := &estateWalk{t: t, random: rand.New(rand.NewPCG(seed, 1)), gateways: map[portal.GatewayID]*gateway.Gateway{}, published: map[portal.GatewayID][]gateway.API{}, names: map[string]bool{}}
	var all []ingest.Registration
	for i, id := range []portal.GatewayID{"cards-a", "cards-b", "loans"} {
		division := map[bool]string{true: "loans", false: "cards"}[i == 2]
		g, at := registeredSample(t, gateway.Options{NamesAsIDs: i == 1}, catalog.Gateway{
			ID: id, Title: string(id), Division: portal.Division(division),
			Defaults: map[portal.Axis]string{portal.AxisAudience: "public", portal.AxisEnvironment: "test", portal.AxisDivision: division},
			Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Partner, portal.Public}, Environments: []portal.Environment{portal.Test, portal.Production}},
		})
		e.gateways[id], all = g, append(all, at)
	}
	e.server = openPortal(t, t.TempDir(), all...)
	caller := func(email string, o people.NewOrganisation, roles ...access.Role) access.Caller {
		c, _, err := e.server.people.Seed(t.Context(), people.Seed{Organisation: o, Name: email, Email: email, Password: portal.NewSecret(portal.NewID("pw")), Roles: roles})
		must(t, err)
		return c
	}
	e.admin = caller("root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}, access.PlatformAdministrator)
	for audience, division := range map[portal.Audience]portal.Division{portal.Internal: "cards", portal.Partner: "", portal.Public: ""} {
		e.people = append(e.people, caller(string(audience)+"@example.com", people.NewOrganisation{Name: string(audience), Audience: audience, Division: division}, access.Developer))
	}
	slices.SortFunc(e.people, func(a, b access.Caller) int { return cmp.Compare(a.Audience, b.Audience) })
	must(t, e.live.Refresh(t.Context()))
	return e
}

func pick[T any](e *estateWalk, all ...T) T { return all[e.random.IntN(len(all))] }

// answers are all that anybody is told: where each consumer, with each of their applications and without, is sent to.
func (e *estateWalk) answers() map[question]sentTo {
	must(e.t, e.live.Refresh(e.t.Context()))
	table := e.live.Table()
	for _, d := range e.deployments() {
		e.names[string(d.API)] = true
		if entry, ok := table.Entry(d.API); ok {
			e.names[entry.Slug] = true
		}
	}
	consumers := slices.Clone(e.apps)
	for _, p := range e.people {
		consumers = append(consumers, p.Consumer(""))
	}
	all := map[question]sentTo{}
	for name := range e.names {
		for _, c := range consumers {
			for _, version := range []string{"", "1", "2"} {
				for _, env := range []portal.Environment{portal.Test, portal.Production} {
					q := question{c, routing.Request{API: name, Version: version, Environment: env}}
					if res, err := table.Resolve(c, q.request); err == nil {
						all[q] = sentTo{res.Deployment.ID, res.Bound()}
					}
				}
			}
		}
	}
	return all
}

func (e *estateWalk) deployments() (all []portal.Deployment) {
	must(e.t, store.Narrow[catalog.Tx](e.db).View(e.t.Context(), func(tx catalog.Tx) error {
		all = nil
		for id := range e.gateways {
			records, err := tx.Catalog().Records(e.t.Context(), id)
			if err != nil {
				return err
			}
			for _, r := range records {
				if r.Live() {
					all = append(all, r.Deployment)
				}
			}
		}
		return nil
	}))
	slices.SortFunc(all, func(a, b portal.Deployment) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// step does something at random; automatic says that no person decided it, so nobody may notice it who has an answer.
func (e *estateWalk) step() (what string, automatic bool) {
	ctx := e.t.Context()
	ids := []portal.GatewayID{"cards-a", "cards-b", "loans"}
	switch e.random.IntN(9) {
	case 0, 1, 2, 3:
		id, what := pick(e, ids...), pick(e, 0, 1, 2)
		e.count++
		a := gateway.API{
			Name: fmt.Sprint("api-", e.count), Title: pick(e, "Card Payments", "Stock Ledger", "Payments v2"), Version: pick(e, "1.0.0", "2.0.0", ""), Entry: pick(e, "", "", "card-payments", "stock-ledger"),
			Document: []byte(estateDocuments[what]), Words: map[portal.Axis]string{portal.AxisAudience: pick(e, "internal", "partner", "public", ""), portal.AxisEnvironment: pick(e, "test", "production", "")},
		}
		e.published[id] = append(e.published[id], a)
		must(e.t, e.gateways[id].Add(a))
		run := e.syncNow(e.t, id)
		return fmt.Sprintf("%s publishes %+v: %s", id, struct{ Name, Title, Version, Entry, Words any }{a.Name, a.Title, a.Version, a.Entry, a.Words}, run.State), true
	case 4:
		const id = "cards-b" // which knows its things by name
		if len(e.published[id]) == 0 {
			return "", true
		}
		i := e.random.IntN(len(e.published[id]))
		a := e.published[id][i]
		must(e.t, e.gateways[id].Remove(a.Name))
		e.count++
		a.Path = "/" + a.Name
		if was := e.published[id][i].Path; was != "" {
			a.Path = was
		}
		a.Name = fmt.Sprint("api-", e.count)
		must(e.t, e.gateways[id].Add(a))
		e.published[id][i] = a
		run := e.syncNow(e.t, id)
		return fmt.Sprintf("%s renames one to %s: %+v", id, a.Name, run.State), run.Added == 0 && run.Removed == 0
	case 5:
		var held []question
		for q := range e.answers() {
			if q.consumer.Application == "" && q.request.Version != "" {
				held = append(held, q)
			}
		}
		if len(held) == 0 {
			return "", true
		}
		slices.SortFunc(held, func(a, b question) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		q := pick(e, held...)
		who := e.people[slices.IndexFunc(e.people, func(c access.Caller) bool { return c.Person == q.consumer.Person })]
		app, err := e.keys.CreateApplication(ctx, who, "one")
		must(e.t, err)
		sub, err := e.keys.Subscribe(ctx, who, keys.SubscribeRequest{Application: app.ID, API: q.request.API, Version: q.request.Version, Environment: q.request.Environment})
		must(e.t, err)
		if sub.State == keys.Requested {
			_, err = e.keys.Decide(ctx, e.admin, sub.ID, true, "")
			must(e.t, err)
		}
		_, err = e.keys.Claim(ctx, who, sub.ID)
		must(e.t, err)
		e.apps = append(e.apps, who.Consumer(app.ID))
		return fmt.Sprintf("%s holds a key for %+v", who.Person, q.request), true
	case 6, 7:
		open, err := e.ingest.Reviews(ctx, e.admin, catalog.ReviewFilter{State: catalog.ReviewOpen}, "", 0)
		must(e.t, err)
		if len(open) == 0 {
			return "", true
		}
		q := pick(e, open...)
		if e.random.IntN(4) == 0 {
			_, err = e.ingest.Reject(ctx, e.admin, q.ID)
		} else {
			_, err = e.ingest.Accept(ctx, e.admin, q.ID)
		}
		return fmt.Sprintf("review %s %s: %v", q.Kind, q.ID, err), false
	default:
		all := e.deployments()
		if len(all) == 0 {
			return "", true
		}
		d := pick(e, all...)
		if found, err := e.ingest.Composition(ctx, e.admin, string(d.API)); err == nil && len(found.Acts) > 0 && e.random.IntN(2) == 0 {
			_, err := e.ingest.Undo(ctx, e.admin, string(d.API), found.Acts[0].ID)
			return fmt.Sprintf("undo %s %s: %v", found.Acts[0].Kind, found.Acts[0].ID, err), false
		}
		_, err := e.ingest.Split(ctx, e.admin, string(d.API), []portal.DeploymentID{d.ID})
		return fmt.Sprintf("split %s off %s: %v", d.ID, d.API, err), false
	}
}

// TestNobodyIsSentElsewhere walks through the life of estates whose gateways publish what looks alike, for every audience
// and environment. What is joined automatically changes no answer that somebody had, with a key or without; and whoever holds
// a key is sent to its deployment whatever people join, split and take back, under the name of the API that it is in then.
func TestNobodyIsSentElsewhere(t *testing.T) {
	const walks, steps = 5, 40
	for seed := range uint64(walks) {
		t.Run(fmt.Sprint("walk ", seed), func(t *testing.T) {
			e := newWalk(t, seed)
			before := e.answers()
			for range steps {
				what, automatic := e.step()
				if what == "" {
					continue
				}
				e.log = append(e.log, what)
				after := e.answers()
				in := map[portal.DeploymentID]portal.APIID{}
				for _, d := range e.deployments() {
					in[d.ID] = d.API
				}
				for q, was := range before {
					if !automatic && !was.bound {
						continue
					}
					is := after[q]
					if !automatic { // what a person moves goes on under its own name
						q.request.API = string(in[was.deployment])
						is = after[q]
					}
					if is.deployment != was.deployment {
						t.Fatalf("%s\n%+v asks for %+v, was sent to %s, and is sent to %q", strings.Join(e.log, "\n"), q.consumer, q.request, was.deployment, is.deployment)
					}
				}
				before = after
			}
			joined := 0
			for _, d := range e.deployments() {
				if !d.Since.IsZero() {
					joined++
				}
			}
			t.Logf("%d deployments, %d joined and not confirmed, %d applications, %d answers", len(e.deployments()), joined, len(e.apps), len(before))
		})
	}
}
