package site_test

import (
	"testing"

	"concierge/connectors"
	"concierge/connectors/connectortest"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
	"concierge/portal"
	"concierge/portal/site"
)

// TestConformance runs the suite of connectors on gateways that only a worker reaches: every call goes through the
// database, over HTTP to a worker, and its answer back encrypted.
func TestConformance(t *testing.T) {
	for name, opts := range map[string]gateway.Options{
		"plain": {}, "a log of changes, keys made by the caller": {Changes: true, CallerKeys: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of its time is waiting
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				w := newWorld(t)
				w.register(plant, "sample")
				target, _ := sampletest.Target(t, opts)
				inside := target.Open
				target.Open = func(cfg connectors.Config) (connectors.Connector, error) {
					c, err := inside(cfg)
					if err != nil {
						return nil, err
					}
					// One gateway each time that the suite opens one: with other rights, or other wires.
					id := portal.GatewayID(portal.NewID("gw")[3:])
					w.register(plant, id)
					r := w.join(plant, t.TempDir(), map[portal.GatewayID]connectors.Connector{id: c})
					if cfg.Log != nil {
						r.Log = cfg.Log
					}
					w.start(r)
					w.served(id, site.Connected)
					return w.service.Connector(plant, id), nil
				}
				target.Waivers = map[string]string{"NoGoroutineLeft": "each time that the suite opens a connector a worker starts, which lives as long as the test"}
				return target
			})
		})
	}
}
