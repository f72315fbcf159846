package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/caddy"
	"concierge/connectors/caddy/caddytest"
	"concierge/connectors/expressgateway"
	"concierge/connectors/expressgateway/expressgatewaytest"
	"concierge/connectors/kong"
	"concierge/connectors/kong/kongtest"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
)

// registration puts a gateway into the hands of a portal as a configuration file does: where its admin side is, and where
// its deployments are placed.
func registration(kind connectors.Kind, c connectors.Config, audience portal.Audience) ingest.Registration {
	return ingest.Registration{
		Gateway: catalog.Gateway{
			ID: c.ID, Title: kind.Title, Kind: kind.Name, Address: c.Address, Settings: c.Settings, Site: portal.SiteLocal, Division: "ops",
			Defaults: map[portal.Axis]string{
				portal.AxisAudience: string(audience), portal.AxisEnvironment: string(portal.Production), portal.AxisDivision: "ops",
			},
			AllowPrivate: []string{"127.0.0.0/8"}, Source: catalog.FromConfiguration,
		},
		Credentials: c.Secrets,
	}
}

// served is what a gateway of these tests publishes: the address of each API that gives keys, by its name.
type served map[string]string

// walk goes the whole path on one gateway: what it publishes is found, and each API leads its consumers to its address
// and gives them keys that work there and nowhere else.
func walk(t *testing.T, r running, c client, gateway portal.GatewayID, apis served) {
	t.Helper()
	r.sync(t, gateway)
	found := map[string]endpoint{}
	for _, e := range c.endpoints() {
		if d := c.resolve(e); d.Gateway == string(gateway) {
			found[strings.TrimRight(d.BaseURL, "/")] = e
		}
	}
	for _, name := range slices.Sorted(maps.Keys(apis)) {
		t.Run(string(gateway)+" "+name, func(t *testing.T) {
			c := client{t, c.url, c.token}
			e, ok := found[apis[name]]
			if !ok {
				t.Fatalf("nobody is sent to %s, but to %v", apis[name], slices.Sorted(maps.Keys(found)))
			}
			if e.environment != string(portal.Production) {
				t.Errorf("it is placed in %s", e.environment)
			}
			var others []string
			for other, address := range apis {
				if other != name {
					others = append(others, address)
				}
			}
			sub := c.subscribe(e)
			if sub.State != "approved" {
				t.Fatalf("the subscription is %s", sub.State)
			}
			c.keyLife(sub.ID, apis[name], others...)

			// With every key gone, the right is still there.
			key := c.claim(sub.ID)
			within(t, workingWithin, "with a key claimed anew", func() int { return use(t, apis[name], key.Parts) }, works)
			c.revoke(key.ID)
			within(t, refusedWithin, "after its revocation", func() int { return use(t, apis[name], key.Parts) }, refused)
		})
	}
}

// TestRealGateways goes the whole path on a real Express Gateway and a real Caddy behind one portal: partners are sent to
// the one, staff to the other. build/gateways/install.sh installs them.
func TestRealGateways(t *testing.T) {
	eg, cd := expressgatewaytest.Start(t), caddytest.Start(t)
	r := run(t,
		registration(expressgateway.Kind, eg.Config(expressgatewaytest.FullRights), portal.Partner),
		registration(caddy.Kind, cd.Config(caddytest.FullRights), portal.Internal),
	)
	partner := r.person(t, "petra@brightmart.example", partners, access.Developer)
	internal := r.person(t, "ivo@alpenglow.example", staff, access.Developer)
	walk(t, r, partner, "eg", served{
		expressgatewaytest.Payments: eg.Public + "/payments/2", expressgatewaytest.Orders: eg.Public + "/orders/1",
	})
	walk(t, r, internal, "caddy", served{
		caddytest.Payments: cd.Public + "/payments/2", caddytest.Orders: cd.Public + "/orders/1",
	})

	// Both publish payments: it is one entry, with an endpoint for each audience.
	for _, e := range partner.endpoints() {
		if e.api != "payments" {
			continue
		}
		if theirs, ours := partner.resolve(e), internal.resolve(e); theirs.Gateway != "eg" || ours.Gateway != "caddy" {
			t.Errorf("partners are sent to %s, staff to %s", theirs.Gateway, ours.Gateway)
		}
		return
	}
	t.Error("partners do not see payments")
}

// TestKong goes the whole path on the double of Kong.
func TestKong(t *testing.T) {
	g := kongtest.New(kongtest.Options{AdminHeader: "X-Admin", AdminKey: "full-rights-in-tests", UpdateFrequency: time.Second})
	t.Cleanup(g.Close)
	apis := served{}
	for _, name := range []string{"orders", "billing"} {
		service := map[string]any{"id": g.Seed("services", map[string]any{"name": name, "host": "upstream"})}
		g.Seed("routes", map[string]any{"paths": []string{"/" + name}, "service": service})
		g.Seed("plugins", map[string]any{"name": "key-auth", "service": service})
		g.Seed("plugins", map[string]any{"name": "acl", "service": service, "config": map[string]any{"allow": []string{"api-" + name}}})
		apis[name] = g.ProxyURL + "/" + name
	}
	r := run(t, registration(kong.Kind, connectors.Config{
		ID: "kong", Address: g.AdminURL,
		Settings: map[string]string{"public_url": g.ProxyURL, "admin_header": "X-Admin"},
		Secrets:  map[string]portal.Secret{"admin_header_value": portal.NewSecret("full-rights-in-tests")},
	}, portal.Partner))
	walk(t, r, r.person(t, "petra@brightmart.example", partners, access.Developer), "kong", apis)
}
