package main

import (
	"log/slog"
	"net/http"
	"testing"

	"concierge/connectors"
)

// TestExampleConfiguration keeps the example of the README true: it is read without a problem, and each of its gateways'
// connectors takes its settings.
func TestExampleConfiguration(t *testing.T) {
	t.Setenv("KONG_ADMIN_TOKEN", "not a real one")
	c, err := readConfig("../../../build/concierge.example.yaml", kinds)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Gateways) == 0 {
		t.Fatal("the example has no gateway")
	}
	for _, g := range c.Gateways {
		registered, secrets, err := g.registration()
		if err != nil {
			t.Error(err)
			continue
		}
		_, err = kinds[g.Kind].Open(connectors.Config{
			ID: registered.ID, Address: registered.Address, Settings: registered.Settings, Secrets: secrets,
			Client: &http.Client{}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Errorf("gateway %s: %v", g.ID, err)
		}
	}
}
