package webtest

import (
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

const (
	day  = 24 * time.Hour
	hour = time.Hour
)

func at(ago time.Duration) time.Time { return Epoch.Add(-ago) }

func before(ago time.Duration) *time.Time {
	t := at(ago)
	return &t
}

var (
	header = portal.Authentication{Type: "apiKey", In: "header", Name: "X-Api-Key"}
	bearer = portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "apiKey "}
	inURL  = portal.Authentication{Type: "apiKey", In: "query", Name: "apikey"}
	open   = portal.Authentication{Type: "none"}

	standard = portal.Plan{ID: "standard", Title: "Standard", Limits: []string{"100 requests per second"}, Approval: portal.Automatic}
	bulk     = portal.Plan{ID: "bulk", Title: "Bulk", Limits: []string{"2,000 requests per second", "No daily limit"}, Approval: portal.Required}
	checked  = portal.Plan{ID: "standard", Title: "Standard", Limits: []string{"100 requests per second"}, Approval: portal.Required}
)

const payments = `<p>Take payments, refund them, and follow them until they are settled.</p>
<h2>Before you go live</h2>
<ul><li>Send an <code>Idempotency-Key</code> with every <code>POST</code>.</li><li>Answer our webhooks within ten seconds.</li><li>Amounts are in the currency’s smallest unit.</li></ul>
<pre><code>POST /payments
{"amount": 4200, "currency": "EUR", "reference": "order-1881"}</code></pre>`

const itineraries = `type Query {
  "One journey, by its number"
  itinerary(id: ID!): Itinerary
  itineraries(traveller: ID!, first: Int = 20): [Itinerary!]!
  legs(itinerary: ID!): [Leg!]! @deprecated(reason: "they are part of the itinerary")
}
type Mutation { "Moves a leg to another day" rebook(leg: ID!, day: String!): Itinerary }
type Subscription { "Whatever changes on the way" changed(itinerary: ID!): Itinerary }
type Itinerary { id: ID! legs: [Leg!]! }
type Leg { id: ID! carrier: String! }
`

// expose publishes an API version at one gateway in some environments. The address has {environment} where it differs.
func (w *World) expose(slug, title, summary, line string, audience portal.Audience, gateway, region, address string, environments string, change func(*deployment)) {
	for _, e := range strings.Fields(environments) {
		d := deployment{audience: string(audience), environment: e, region: region, gateway: gateway}
		d.API, d.Title, d.Summary, d.Line, d.Lifecycle = portal.APIID(slug), title, summary, line, portal.Active
		d.BaseURL = strings.ReplaceAll(address, "{environment}", e)
		d.Authentication, d.Plans, d.Owner = header, []portal.Plan{standard}, "Meridian Europe"
		if e == "production" {
			d.Plans = []portal.Plan{checked, bulk}
		}
		if change != nil {
			change(&d)
		}
		w.deployments = append(w.deployments, d)
	}
}

func tagged(tags ...string) func(*deployment) {
	return func(d *deployment) { d.Tags = tags }
}

func (w *World) fill() {
	w.fillPeople()
	w.fillCatalog()
	w.fillKeys()
	w.fillGateways()
	w.fillJobs()
	w.fillSites()
	w.fillCuration()
	w.fillDocuments()
	w.fillReviews()
	w.fillPlacement()
}

func (w *World) fillPeople() {
	w.organisations = []api.Organisation{
		{ID: "org_meridian", Name: "Meridian Platform", Audience: "internal", Division: "platform", Region: "eu", People: 1, Created: at(400 * day)},
		{ID: "org_europe", Name: "Meridian Europe", Audience: "internal", Division: "europe", Region: "eu", People: 2, Created: at(380 * day)},
		{ID: "org_northwind", Name: "Northwind Travel", Audience: "partner", Region: "eu", People: 2, Created: at(120 * day)},
		{ID: "org_atelier", Name: "Atelier Roux", Audience: "partner", Region: "eu", People: 1, Created: at(2 * day)},
		{ID: "org_harbour", Name: "Harbour Logistics", Audience: "partner", Region: "us", Disabled: true, Created: at(300 * day)},
	}
	add := func(id, name, email, organisation, state string, seen *time.Time, roles ...string) {
		p := &person{password: Password, Person: api.Person{
			ID: id, Name: name, Email: email, OrganisationID: organisation, Organisation: w.organisation(organisation).Name,
			Roles: roles, State: state, LastSeen: seen, Created: at(100 * day),
		}}
		w.people = append(w.people, p)
	}
	add(string(Administrator), "Sam Okafor", "sam@meridian.example", "org_meridian", "active", before(hour), "platform-administrator")
	add(string(Division), "Claire Fontaine", "claire@meridian.example", "org_europe", "active", before(3*hour), "division-administrator", "admin")
	add(string(Developer), "Jonas Weber", "jonas@meridian.example", "org_europe", "active", before(20*time.Minute), "developer")
	add(string(Partner), "Ana Duarte", "ana@northwind.example", "org_northwind", "active", before(2*day), "admin", "developer")
	add("per_tom", "Tom Lindqvist", "tom@northwind.example", "org_northwind", "invited", nil, "viewer")
	add(string(Newcomer), "Léa Roux", "lea@atelier-roux.example", "org_atelier", "active", before(time.Minute), "developer")
	add("per_old", "Marc Ibarra", "marc@harbour.example", "org_harbour", "disabled", before(90*day), "developer")
	w.invitations[Invitation] = "per_tom"
	w.tokens[string(Partner)] = []api.Token{
		{ID: "tok_ci", Name: "Build server", Hint: "cgp_4tWq", Created: at(40 * day), LastUsed: before(2 * hour), Expires: before(-50 * day)},
		{ID: "tok_laptop", Name: "Laptop", Hint: "cgp_9sKx", Created: at(3 * day), Expires: before(-27 * day)},
	}
}

func (w *World) fillCatalog() {
	const all = "development test simulation production"
	card := tagged("payments", "money")
	described := func(d *deployment) { card(d); d.Description = payments }
	old := func(d *deployment) {
		described(d)
		d.Lifecycle, d.Sunset, d.gateway = portal.Deprecated, at(-120*day), "Classic Paris"
	}
	w.expose("payments", "Payments", "Take card and account payments, refund them, and follow them until they are settled.", "1", portal.Partner, "Partner Edge", "eu", "https://partners.meridian.example/{environment}/payments/v1", "test production", old)
	w.expose("payments", "Payments", "Take card and account payments, refund them, and follow them until they are settled.", "2", portal.Partner, "Partner Edge", "eu", "https://partners.meridian.example/{environment}/payments/v2", "test simulation production", described)
	w.expose("payments", "Payments", "Take card and account payments, refund them, and follow them until they are settled.", "2", portal.Internal, "Core Frankfurt", "eu", "https://payments.{environment}.core.meridian.internal/v2", all, func(d *deployment) { described(d); d.Authentication = bearer })
	w.expose("payments", "Payments", "Take card and account payments, refund them, and follow them until they are settled.", "3", portal.Internal, "Mesh Frankfurt", "eu", "https://payments-v3.{environment}.mesh.meridian.internal", "development test", func(d *deployment) { described(d); d.Lifecycle = portal.Preview })
	w.expose("exchange-rates", "Exchange rates", "Mid-market rates for 164 currencies, every minute, with ten years of history.", "1", portal.Public, "Public Edge", "", "https://api.meridian.example/rates/v1", "production", func(d *deployment) {
		tagged("money", "open data")(d)
		d.Authentication, d.Plans = inURL, []portal.Plan{standard}
	})
	w.expose("branches", "Branches and opening hours", "Where to find us, and when. Nobody needs a key for it.", "1", portal.Public, "Public Edge", "", "https://api.meridian.example/branches", "production", func(d *deployment) {
		tagged("open data")(d)
		d.Authentication, d.Plans = open, []portal.Plan{{ID: "open", Title: "Open"}}
		d.IssueRefused = "No key is needed: this API is open to everybody."
	})
	w.expose("bookings", "Bookings", "Hold, confirm and change travel bookings across all carriers that Meridian works with.", "4", portal.Partner, "Partner Edge", "eu", "https://partners.meridian.example/{environment}/bookings/v4", "test simulation production", tagged("travel"))
	w.expose("bookings", "Bookings", "Hold, confirm and change travel bookings across all carriers that Meridian works with.", "4", portal.Internal, "Core Frankfurt", "eu", "https://bookings.{environment}.core.meridian.internal", all, tagged("travel"))
	w.expose("loyalty", "Loyalty points", "Balances, earning and spending of points, with a statement for each member.", "2", portal.Partner, "Partner Edge", "eu", "https://partners.meridian.example/{environment}/loyalty", "test production", tagged("customers"))
	w.expose("ledger", "General ledger", "Double-entry bookings of the whole group. Read by finance, written by very few.", "1", portal.Internal, "Core Frankfurt", "eu", "https://ledger.{environment}.core.meridian.internal", all, tagged("money", "finance"))
	w.expose("customer-profiles", "Customer profiles", "Who a customer is, how to reach them, and what they have agreed to.", "3", portal.Internal, "Core Frankfurt", "eu", "https://profiles.{environment}.core.meridian.internal", all, tagged("customers", "personal data"))
	w.expose("fraud-scores", "Fraud scores", "A score and its reasons for a payment, in under thirty milliseconds.", "2", portal.Internal, "Mesh Frankfurt", "eu", "https://fraud.{environment}.mesh.meridian.internal", "test production", tagged("payments", "risk"))
	w.expose("itineraries", "Itineraries", "Who travels when, with which carrier, as one graph.", "1", portal.Internal, "Mesh Frankfurt", "eu", "https://graph.{environment}.mesh.meridian.internal", "test production", func(d *deployment) {
		tagged("travel")(d)
		d.Kind, d.schema = "graphql", itineraries
	})
	w.expose("documents", "Document archive", "Twenty years of statements and contracts, from the archive in Paris.", "2019-04", portal.Internal, "Classic Paris", "eu", "https://archive.meridian.internal/{environment}/documents", "test production", func(d *deployment) {
		tagged("legacy")(d)
		d.IssueRefused = "The route “documents” has no ACL plugin, so a key would open every API of this gateway. Its administrator can add one."
	})
	w.expose("notifications", "Notifications", "Send a message once, by whichever channel the customer prefers.", "1", portal.Internal, "Mesh Frankfurt", "eu", "https://notify.{environment}.mesh.meridian.internal", "development test production", tagged("customers"))
	w.expose("shipments", "Shipment tracking", "Where a parcel is, and when it will arrive.", "1", portal.Partner, "Partner Edge", "eu", "https://partners.meridian.example/{environment}/shipments", "test production", tagged("logistics"))
}

func (w *World) fillKeys() {
	w.applications = []api.Application{
		{ID: "app_checkout", Name: "Northwind Checkout", Organisation: "Northwind Travel", Created: at(110 * day)},
		{ID: "app_mobile", Name: "Northwind Mobile", Organisation: "Northwind Travel", Created: at(30 * day)},
		{ID: "app_settle", Name: "Settlement job", Organisation: "Meridian Europe", Created: at(200 * day)},
		{ID: "app_console", Name: "Operations console", Organisation: "Meridian Platform", Created: at(60 * day)},
	}
	sub := func(id, application, slug, title, version, environment, plan, state string, ago time.Duration) {
		s := api.Subscription{
			ID: id, Application: application, API: slug, Title: title, Version: version, Environment: environment, Plan: plan, State: state,
			RequestedBy: "Ana Duarte", Created: at(ago),
		}
		for _, a := range w.applications {
			if a.ID == application {
				s.ApplicationName, s.Organisation = a.Name, a.Organisation
			}
		}
		switch s.Organisation {
		case "Meridian Europe":
			s.RequestedBy = "Jonas Weber"
		case "Meridian Platform":
			s.RequestedBy = "Sam Okafor"
		}
		if state != "requested" {
			s.DecidedBy = "Claire Fontaine"
		}
		if state == "rejected" {
			s.Reason = "Please try your integration in simulation first; we are glad to help."
		}
		w.subscriptions = append(w.subscriptions, s)
	}
	sub("sub_1", "app_checkout", "payments", "Payments", "2", "production", "Standard", "approved", 60*day)
	sub("sub_2", "app_checkout", "payments", "Payments", "2", "test", "Standard", "approved", 90*day)
	sub("sub_3", "app_mobile", "bookings", "Bookings", "4", "test", "Standard", "approved", 20*day)
	sub("sub_4", "app_mobile", "bookings", "Bookings", "4", "production", "Standard", "requested", 5*hour)
	sub("sub_5", "app_checkout", "loyalty", "Loyalty points", "2", "production", "Bulk", "rejected", 9*day)
	sub("sub_6", "app_mobile", "loyalty", "Loyalty points", "2", "test", "Standard", "approved", 2*hour)
	sub("sub_7", "app_settle", "payments", "Payments", "2", "production", "Standard", "approved", 150*day)
	sub("sub_8", "app_settle", "ledger", "General ledger", "1", "production", "Standard", "requested", 26*hour)
	sub("sub_9", "app_settle", "fraud-scores", "Fraud scores", "2", "test", "Standard", "approved", 4*hour)
	sub("sub_10", "app_checkout", "shipments", "Shipment tracking", "1", "test", "Standard", "cancelled", 70*day)

	issued := func(id, subscription, gateway, state, fingerprint string, ago time.Duration) *api.Credential {
		c := api.Credential{ID: id, State: state, Gateway: gateway, Subscriptions: []string{subscription}, Fingerprint: fingerprint, Created: at(ago)}
		for _, s := range w.subscriptions {
			if s.ID == subscription {
				c.Application, c.ApplicationName = s.Application, s.ApplicationName
				c.API, c.Title, c.Version, c.Environment = s.API, s.Title, s.Version, s.Environment
			}
		}
		w.credentials = append(w.credentials, c)
		return &w.credentials[len(w.credentials)-1]
	}
	issued("key_1", "sub_1", "Partner Edge", "active", "9f3a51c07be2d418", 12*day).Replaces = "key_2"
	issued("key_2", "sub_1", "Partner Edge", "retiring", "41c2e8807d1f93ab", 60*day).Ends = before(-9 * hour)
	issued("key_3", "sub_2", "Partner Edge", "active", "77ab12d94e05c3f6", 90*day).SingleKey = true
	issued("key_4", "sub_3", "Partner Edge", "active", "0c5fd1e2a97b4486", 20*day).Expires = before(-160 * day)
	gone := issued("key_5", "sub_10", "Partner Edge", "revoked", "e2907bb13ac84d5f", 70*day)
	gone.Effective = &api.Effective{By: "admin", At: at(50 * day)}
	issued("key_6", "sub_7", "Core Frankfurt", "active", "b81d6640f2c7195e", 150*day)
	issued("key_7", "sub_3", "Partner Edge", "failed", "30dd8a51b6c2ef07", 21*day).Note = "The gateway refused the key: its consumer limit is reached."
}

func (w *World) fillGateways() {
	capable := &api.Capabilities{
		Product: "Kong Gateway 3.9.3", Discovery: "snapshot", Issue: true, Scope: "group", MaxKeys: 2, Suspend: true, ReadBack: true,
		PropagationSeconds: 1.5, Documents: true, Probed: at(hour),
	}
	readOnly := &api.Capabilities{
		Product: "Classic ESB 7.1", Discovery: "since", IssueReason: "the route has no ACL plugin", Probed: at(26 * hour),
	}
	internal := portal.Bounds{Audiences: []portal.Audience{portal.Internal}, Environments: []portal.Environment{portal.Test, portal.Production}}
	partner := portal.Bounds{Audiences: []portal.Audience{portal.Partner, portal.Public}, Environments: []portal.Environment{portal.Test, portal.Simulation, portal.Production}}
	w.gateways = []api.Gateway{
		{ID: "partner-edge", Title: "Partner Edge", Kind: "kong", Address: "https://kong-admin.edge.meridian.example:8444", Division: "europe", Site: "local", Source: "configuration",
			Placement: map[string]string{"audience": "partner", "hosting": "aws", "region": "eu", "generation": "current", "division": "europe"}, Bounds: partner,
			Settings: map[string]string{"workspace": "partners"}, Capabilities: capable, Deployments: 64, LastGood: before(4 * time.Minute)},
		{ID: "core-frankfurt", Title: "Core Frankfurt", Kind: "kong", Address: "https://kong-admin.core.meridian.internal:8444", Division: "europe", Site: "frankfurt", Source: "configuration",
			Placement: map[string]string{"audience": "internal", "hosting": "on-premises", "region": "eu", "generation": "current"}, Bounds: internal,
			Capabilities: capable, Deployments: 212, Unclassified: 3, LastGood: before(9 * time.Minute)},
		{ID: "classic-paris", Title: "Classic Paris", Kind: "express", Address: "http://esb.paris.meridian.internal:9876", Division: "europe", Site: "paris", Source: "api",
			Placement: map[string]string{"audience": "internal", "hosting": "on-premises", "region": "eu", "generation": "legacy"}, Bounds: internal,
			Capabilities: readOnly, Deployments: 31, LastGood: before(27 * hour)},
		{ID: "public-edge", Title: "Public Edge", Kind: "kong", Address: "https://kong-admin.public.meridian.example:8444", Division: "platform", Site: "local", Source: "configuration", Paused: true,
			Placement: map[string]string{"audience": "public", "environment": "production"}, Bounds: portal.Bounds{Audiences: []portal.Audience{portal.Public}, Environments: []portal.Environment{portal.Production}},
			Deployments: 6, LastGood: before(3 * day)},
	}
	ran := func(gateway, state string, ago, took time.Duration, added, changed, removed, unchanged int) *api.Run {
		ended := at(ago - took)
		w.runs = append(w.runs, api.Run{
			ID: w.next("run"), Gateway: gateway, State: state, Started: at(ago), Ended: &ended,
			Added: added, Changed: changed, Removed: removed, Unchanged: unchanged,
		})
		return &w.runs[len(w.runs)-1]
	}
	ran("partner-edge", "unchanged", 4*time.Minute, 900*time.Millisecond, 0, 0, 0, 64)
	ran("partner-edge", "applied", 34*time.Minute, 2300*time.Millisecond, 1, 3, 0, 60)
	ran("partner-edge", "unchanged", 64*time.Minute, 800*time.Millisecond, 0, 0, 0, 63)
	ran("core-frankfurt", "waiting", 9*time.Minute, 4*time.Second, 0, 0, 41, 171)
	failed := ran("classic-paris", "failed", 20*time.Minute, 30*time.Second, 0, 0, 0, 0)
	failed.Error = "GET /apiEndpoints: 401 Unauthorized: the admin token expired on 2026-11-19"
	ran("classic-paris", "applied", 27*hour, 6*time.Second, 0, 2, 1, 28).Warnings = []string{"2 endpoints have no scopes, so keys cannot be confined there."}
	w.fillPlans()
}
