package ingest

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/catalog"
)

// The whole way over HTTP: the sample gateway, its connector, the outbound client, and every fault that it can play.
func TestSampleGateway(t *testing.T) {
	g, err := gateway.New(gateway.Options{Name: "EU", PageSize: 2, APIs: []gateway.API{
		{Name: "payments", Title: "Payments", Version: "2.1.0", Stages: []string{"test", "prod"}, Document: []byte(openAPI("Payments", ""))},
		{Name: "orders", Title: "Orders", Version: "1.0.0", Stages: []string{"prod"}},
		{Name: "hostile", Title: "Hostile", Stages: []string{"prod"}, Document: []byte("a: &a [*a]")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })

	d := newDesk(t, Options{})
	d.gateways = NewGateways(d.db, map[string]connectors.Kind{"sample": sample.Kind}, plainSealer{}, slog.New(slog.DiscardHandler))
	d.service = New(d.db, d.gateways, Options{Timeout: 5 * time.Second})
	n := Registration{Gateway: catalog.Gateway{
		ID: "eu", Kind: "sample", Address: g.AdminURL(), Division: "retail",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{"partner"}, Environments: []portal.Environment{"test", "production"}},
		Rules: []catalog.Rule{
			{Match: catalog.Match{Stage: "test"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}},
			{Match: catalog.Match{Path: "/prod"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "production"}},
		},
	}, Credentials: map[string]portal.Secret{"token": g.AdminToken()}}
	if _, err := d.gateways.Register(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	if run := d.sync("eu"); run.State != catalog.Failed || !strings.Contains(run.Error, "allow_private of gateway eu") {
		t.Errorf("a private address that nobody allowed was reached: %+v", run)
	}
	n.AllowPrivate = []string{"127.0.0.0/8"}
	if _, err := d.gateways.Change(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	run := d.sync("eu")
	if run.State != catalog.Applied || run.Added != 4 {
		t.Fatalf("%+v", run)
	}
	payments := d.entries()["payments"].Deployments
	if len(payments) != 2 {
		t.Fatalf("%+v", payments)
	}
	for _, p := range payments {
		want := map[string]portal.Environment{"test": "test", "prod": "production"}[p.Exposure]
		if p.Placement.Environment() != want || p.Document == "" || !p.Active || p.IssueRefused != "" || p.Line != "2" {
			t.Errorf("%+v", p)
		}
	}
	if h := d.entries()["hostile"].Deployments; len(h) != 1 || h[0].Document != "" {
		t.Errorf("%+v", h)
	}
	if issuer, c, err := d.gateways.Issuer(t.Context(), "eu"); err != nil || issuer == nil || !c.Issue.Able {
		t.Errorf("%+v %v", c, err)
	}

	before := d.dump()
	for name, f := range map[string]gateway.Faults{
		"down":            {Down: true},
		"too slow":        {Delay: time.Minute},
		"too many calls":  {RetryAfter: time.Hour},
		"cut list":        {Half: gateway.HalfCut},
		"half a list":     {Half: gateway.HalfPage},
		"rubbish":         {Rubbish: true},
		"its last answer": {},
	} {
		d.service.opts.Timeout = 500 * time.Millisecond
		g.SetFaults(f)
		clear(d.gateways.open) // as after a restart: what went wrong before does not count
		run := d.sync("eu")
		if want := name == "its last answer"; run.State.Good() != want || (run.Error == "") != want {
			t.Errorf("%s: %+v", name, run)
		}
		if strings.Contains(run.Error, g.AdminToken().Reveal()) {
			t.Errorf("%s: the error shows the token", name)
		}
		if d.dump() != before {
			t.Errorf("%s: something was written", name)
		}
	}
}
