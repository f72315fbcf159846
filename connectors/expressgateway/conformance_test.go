package expressgateway

import (
	"fmt"
	"testing"

	"concierge/connectors"
	"concierge/connectors/connectortest"
	"concierge/connectors/expressgateway/expressgatewaytest"
	"concierge/portal"
)

// TestConformance runs the suite against a real Express Gateway 1.16.11: one for all rules, as starting one is slow.
func TestConformance(t *testing.T) {
	g := expressgatewaytest.Start(t)
	readOnly := g.Config(expressgatewaytest.ReadRights)
	api := func(name, path string) connectortest.API {
		return connectortest.API{Key: connectors.Key{RemoteID: name}, URL: g.Public + path}
	}
	connectortest.Run(t, func(*testing.T) connectortest.Target {
		return connectortest.Target{
			Open:     Open,
			Config:   g.Config(expressgatewaytest.FullRights),
			ReadOnly: &readOnly,
			APIs: []connectortest.API{
				api(expressgatewaytest.Payments, "/payments/2/health"), api(expressgatewaytest.Orders, "/orders/1"),
			},
			Unconfined: func(t connectortest.T) (connectortest.API, string) {
				// Both accept every key of the gateway.
				g.Add(t, expressgatewaytest.Endpoint{Name: "open-a", Path: "/open-a"},
					expressgatewaytest.Endpoint{Name: "open-b", Path: "/open-b"})
				return api("open-a", "/open-a/1"), "scopes"
			},
			Many: func(t connectortest.T) []connectors.Key {
				var keys []connectors.Key
				var endpoints []expressgatewaytest.Endpoint
				for n := range 120 {
					name := fmt.Sprintf("many-%03d", n)
					endpoints = append(endpoints, expressgatewaytest.Endpoint{Name: name, Path: "/" + name, Scopes: []string{name}})
					keys = append(keys, connectors.Key{RemoteID: name})
				}
				g.Add(t, endpoints...)
				return keys
			},
			Foreign: func(t connectortest.T, api connectortest.API, mark connectors.Mark) connectortest.Foreign {
				id, err := keyID(mark)
				if err != nil {
					t.Fatalf("%v", err)
				}
				g.AddScope(t, api.Key.RemoteID)
				return connectortest.Foreign{
					Parts: []connectors.Part{{
						In: "header", Name: "Authorization", Prefix: "apiKey ",
						Value: portal.NewSecret(g.AddKey(t, id, api.Key.RemoteID)),
					}},
					Handle: connectors.Handle{Open: map[string]string{handleKey: id}},
				}
			},
			Waivers: map[string]string{
				"PendingIsPolledToDone": "a key of Express Gateway waits for nobody: it works as soon as the admin side has answered",
			},
		}
	})
}
