package ingest

import (
	"slices"
	"testing"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// FuzzPlace: whatever patterns rules have, and whatever a gateway, its documents and its names say, a deployment's audience and
// environment are within the gateway's bounds or unknown.
func FuzzPlace(f *testing.F) {
	f.Add("test", "*.example.com", "/*/test", "tag-*", "Pay*", "partner", "test", "test", "a.example.com", "/eu/test/orders", "Payments", "public", "production")
	f.Add("[", "\\", "/", "", "[a-", "public", "qa", "-", ":80", "", "\xff", "internal", "")
	f.Fuzz(func(t *testing.T, stageLike, hostLike, pathLike, tagLike, nameLike, audience, environment, stage, host, path, title, ownAudience, ownEnvironment string) {
		bounds := portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Partner}, Environments: []portal.Environment{portal.Test}}
		g := catalog.Gateway{ID: "kong", Division: "retail", Bounds: bounds, Detect: map[string]portal.Environment{"dev": portal.Development, "test": portal.Test, "prod": portal.Production},
			Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "test"},
			Rules: []catalog.Rule{{
				Match: catalog.Match{Stage: stageLike, Host: hostLike, Path: pathLike, Tag: tagLike, Name: nameLike},
				Set:   map[portal.Axis]string{portal.AxisAudience: audience, portal.AxisEnvironment: environment}, Public: host,
			}},
		}
		_ = g.Rules[0].Match.Check() // one that is malformed holds nowhere
		d := connectors.Deployment{Key: connectors.Key{RemoteID: "d"}, Title: title, Stage: stage, Hosts: []string{host}, Paths: []string{path}, Tags: []string{title}, Public: "https://" + host + path,
			Words: map[portal.Axis]string{portal.AxisAudience: ownAudience, portal.AxisEnvironment: ownEnvironment}, Active: true}
		d = tidy(d)
		p, _ := Place(g, d, catalog.Described{Words: map[string]string{"audience": ownAudience, "environment": ownEnvironment}}, catalog.Override{})
		if a := p.Audience(); a != "" && !slices.Contains(bounds.Audiences, a) {
			t.Errorf("it is for %q", a)
		}
		if e := p.Environment(); e != "" && !slices.Contains(bounds.Environments, e) {
			t.Errorf("it is in %q", e)
		}
		address, why := Address(g, d, catalog.Override{})
		if address == "" == (why == "") {
			t.Errorf("address %q, because %q", address, why)
		}
		if address != "" {
			if err := CheckAddress(address); err != nil {
				t.Errorf("address %q: %v", address, err)
			}
		}
	})
}
