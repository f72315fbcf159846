// Package sampletest seeds the sample gateway as a target of the conformance suite, for the tests of the suite itself
// and of whatever wraps a connector.
package sampletest

import (
	"fmt"
	"net/http"
	"time"

	"concierge/connectors"
	"concierge/connectors/connectortest"
	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/portal"
)

const document = `{"openapi":"3.1.0","info":{"title":"Payments","version":"2.1.0","description":"Pay and be paid, in one call and in every currency that there is."},"paths":{"/payments":{"get":{"responses":{"200":{"description":"all payments"}}}}}}`

// Start returns a gateway that is closed with the test.
func Start(t connectortest.T, opts gateway.Options) *gateway.Gateway {
	t.Helper()
	g, err := gateway.New(opts)
	if err != nil {
		t.Fatalf("making a gateway: %v", err)
	}
	if err := g.Start(); err != nil {
		t.Fatalf("starting a gateway: %v", err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// Config opens a connector on a started gateway.
func Config(g *gateway.Gateway, token portal.Secret) connectors.Config {
	return connectors.Config{
		ID: "sample", Address: g.AdminURL(), Secrets: map[string]portal.Secret{"token": token}, Client: &http.Client{},
	}
}

// Target starts a gateway with APIs of every style of authentication, one of them at two stages. Those of opts are
// replaced.
func Target(t connectortest.T, opts gateway.Options) (connectortest.Target, *gateway.Gateway) {
	t.Helper()
	opts.APIs = []gateway.API{
		{
			Name: "payments", Path: "/payments/v2", Stages: []string{"test", "prod"}, Title: "Payments", Version: "2.1.0",
			Tags: []string{"money", "domain:payments"}, Owner: "payments-team", Document: []byte(document),
			Words: map[portal.Axis]string{portal.AxisRegion: "eu"},
		},
		{
			Name: "orders", Authentication: portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "apiKey "},
			Plans: []gateway.Plan{{ID: "silver", Title: "Silver"}, {ID: "gold", Title: "Gold", PerSecond: 1000}},
		},
		{Name: "weather", Authentication: portal.Authentication{Type: "apiKey", In: "query", Name: "key"}},
		{Name: "status", Authentication: portal.Authentication{Type: "none"}},
		{Name: "loans", Approval: true},
	}
	g := Start(t, opts)
	api := func(name, stage, path string) connectortest.API {
		return connectortest.API{Key: connectors.Key{RemoteID: g.ID(name), Exposure: stage}, URL: g.PublicURL() + path}
	}
	names := map[string]string{} // of the many, by id
	readOnly, pending := Config(g, g.ReadToken()), api("loans", "", "/loans/all")
	return connectortest.Target{
		Open: sample.Open, Config: Config(g, g.AdminToken()), ReadOnly: &readOnly,
		APIs: []connectortest.API{
			api("payments", "prod", "/prod/payments/v2/payments"), api("payments", "test", "/test/payments/v2/payments"),
			api("orders", "", "/orders"), api("weather", "", "/weather/today?city=Bern"),
		},
		Pending: &pending,
		Advance: func(t connectortest.T) {
			if err := g.ApproveAll(); err != nil {
				t.Errorf("approving: %v", err)
			}
		},
		Unconfined: func(t connectortest.T) (connectortest.API, string) {
			add(t, g, gateway.API{Name: "legacy", SharedKeys: true})
			return api("legacy", "", "/legacy"), "shared_keys"
		},
		Many: func(t connectortest.T) []connectors.Key {
			var keys []connectors.Key
			for n := range 120 {
				name := fmt.Sprintf("many-%d", n)
				add(t, g, gateway.API{Name: name})
				names[g.ID(name)] = name
				keys = append(keys, connectors.Key{RemoteID: g.ID(name)})
			}
			return keys
		},
		Withdraw: func(t connectortest.T, key connectors.Key) {
			if err := g.Remove(names[key.RemoteID]); err != nil {
				t.Fatalf("withdrawing an API: %v", err)
			}
		},
		Foreign: func(t connectortest.T, at connectortest.API, mark connectors.Mark) connectortest.Foreign {
			key, err := g.MakeByHand(string(mark.Credential), at.Key.RemoteID, at.Key.Exposure)
			if err != nil {
				t.Fatalf("making a credential by hand: %v", err)
			}
			return connectortest.Foreign{
				Parts:  []connectors.Part{{In: "header", Name: "X-API-Key", Value: key}},
				Handle: connectors.Handle{Open: map[string]string{"id": string(mark.Credential)}},
			}
		},
		ShortestLife: 400 * time.Millisecond,
	}, g
}

func add(t connectortest.T, g *gateway.Gateway, api gateway.API) {
	t.Helper()
	if err := g.Add(api); err != nil {
		t.Fatalf("adding API %s: %v", api.Name, err)
	}
}
