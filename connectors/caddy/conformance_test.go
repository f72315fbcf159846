package caddy

import (
	"fmt"
	"testing"

	"concierge/connectors"
	"concierge/connectors/caddy/caddytest"
	"concierge/connectors/connectortest"
	"concierge/portal"
)

// TestConformance runs the suite against a real Caddy 2.6.2, one for all rules.
func TestConformance(t *testing.T) {
	g := caddytest.Start(t)
	readOnly := g.Config(caddytest.ReadRights)
	key := func(id string) connectors.Key { return connectors.Key{RemoteID: id, Exposure: caddytest.Server} }
	connectortest.Run(t, func(*testing.T) connectortest.Target {
		return connectortest.Target{
			Open:     Open,
			Config:   g.Config(caddytest.FullRights),
			ReadOnly: &readOnly,
			APIs: []connectortest.API{
				{Key: key(caddytest.Payments), URL: g.Public + "/payments/2/health"},
				{Key: key(caddytest.Orders), URL: g.Public + "/orders/1"},
			},
			Unconfined: func(t connectortest.T) (connectortest.API, string) {
				// Two APIs behind one refusing route.
				g.Add(t, caddytest.Route{
					"@id":   "shared",
					"match": []any{map[string]any{"path": []string{"/shared/*"}}},
					"handle": []any{map[string]any{"handler": "subroute", "routes": []any{
						caddytest.Refusal("shared-keys"), g.Open("shared-a", "/shared/a"), g.Open("shared-b", "/shared/b"),
					}}},
				})
				return connectortest.API{Key: key("shared-a"), URL: g.Public + "/shared/a"}, "group"
			},
			Many: func(t connectortest.T) []connectors.Key {
				var keys []connectors.Key
				var routes []caddytest.Route
				for n := range 120 {
					name := fmt.Sprintf("many-%03d", n)
					routes, keys = append(routes, g.Keyed(name, "/"+name)), append(keys, key(name))
				}
				g.Add(t, routes...)
				return keys
			},
			Foreign: func(t connectortest.T, api connectortest.API, mark connectors.Mark) connectortest.Foreign {
				id, err := routeID(mark)
				if err != nil {
					t.Fatalf("%v", err)
				}
				value := g.AddKey(t, api.Key.RemoteID, id)
				return connectortest.Foreign{
					Parts:  []connectors.Part{{In: "header", Name: "X-Api-Key", Value: portal.NewSecret(value)}},
					Handle: handle(id),
				}
			},
			Waivers: map[string]string{
				"PendingIsPolledToDone": "a key of Caddy waits for nobody: it works as soon as the admin side has answered",
			},
		}
	})
}
