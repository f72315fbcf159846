package sample_test

import (
	"testing"
	"time"

	"concierge/connectors/connectortest"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
)

// TestConformance runs the suite against the gateway in every mode that changes what it can do. No rule is waived.
func TestConformance(t *testing.T) {
	for name, opts := range map[string]gateway.Options{
		"plain":                   {},
		"names as ids":            {NamesAsIDs: true},
		"one key a subscription":  {MaxKeys: 1},
		"keys made by the caller": {CallerKeys: true},
		"slow propagation":        {Faults: gateway.Faults{Propagation: 40 * time.Millisecond}},
		"small pages":             {PageSize: 3},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				target, _ := sampletest.Target(t, opts)
				return target
			})
		})
	}
}
