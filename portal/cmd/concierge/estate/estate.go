// Package estate is the company of the demo: Alpenglow Logistics, with two divisions in two regions, and everything for
// which a company has several gateways. External and internal traffic apart, on site and in clouds, divisions and regions
// of their own, an old generation beside the new one, environments in the path of one shared gateway, and a mesh. The
// gateways are sample gateways on loopback; what they let through is answered from the examples in the APIs' documents.
// Something is left to decide: an API that two divisions publish, and a stage that nobody has classified.
package estate

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"path/filepath"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/people"
)

//go:embed documents/*.yaml
var documents embed.FS

// Estate is the running gateways and how they are registered.
type Estate struct {
	Gateways []Gateway
}

// Gateway is a running sample gateway and its registration. Its admin token is the secret "token".
type Gateway struct {
	Registration catalog.Gateway
	Token        portal.Secret

	running *gateway.Gateway
}

// The divisions and regions of the company.
const (
	freight = "freight"
	parcel  = "parcel"
	eu      = "eu-central"
	us      = "us-east"
)

type plan struct {
	id, title, division, region, hosting, generation, architecture string
	audience                                                       portal.Audience
	environment                                                    portal.Environment
	rules                                                          []catalog.Rule
	bounds                                                         portal.Bounds
	apis                                                           []served
}

// served is an API on one gateway.
type served struct {
	document string
	name     string // on the gateway; empty: that of the document
	path     string
	stages   []string
	change   func(*gateway.API)
}

// lab tells environments and audiences apart by the first segment of the path.
var lab = map[string]struct {
	environment portal.Environment
	audience    portal.Audience
}{
	"dev":         {portal.Development, portal.Internal},
	"test":        {portal.Test, portal.Internal},
	"sim":         {portal.Simulation, portal.Internal},
	"partnertest": {portal.Test, portal.Partner},
	"partnersim":  {portal.Simulation, portal.Partner},
}

func plans() []plan {
	all := []string{"dev", "test", "sim", "partnertest", "partnersim"}
	inside := []string{"dev", "test", "sim"}
	bearer := func(a *gateway.API) {
		a.Authentication = portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "Bearer "}
	}
	public := func(a *gateway.API) {
		a.Words = map[portal.Axis]string{portal.AxisAudience: string(portal.Public)}
	}
	legacy := func(a *gateway.API) {
		a.Lifecycle = portal.Deprecated
		a.Authentication = portal.Authentication{Type: "apiKey", In: "query", Name: "apikey"}
	}
	var labRules []catalog.Rule
	for _, stage := range all {
		labRules = append(labRules, catalog.Rule{
			Match: catalog.Match{Path: "/" + stage},
			Set: map[portal.Axis]string{
				portal.AxisEnvironment: string(lab[stage].environment), portal.AxisAudience: string(lab[stage].audience),
			},
		})
	}
	return []plan{
		{
			id: "freight-edge", title: "Freight edge (DMZ)", division: freight, region: eu, hosting: "aws", generation: "current", architecture: "cluster",
			audience: portal.Partner, environment: portal.Production,
			bounds: portal.Bounds{Audiences: []portal.Audience{portal.Partner, portal.Public}, Environments: []portal.Environment{portal.Production}},
			apis: []served{
				{document: "shipments-2", path: "/shipments/v2", change: bearer},
				{document: "tracking-1", path: "/tracking/v1", change: bearer},
				{document: "customs-declarations-1", path: "/customs/v1", change: bearer},
			},
		},
		{
			id: "freight-core", title: "Freight core", division: freight, region: eu, hosting: "on-premises", generation: "current", architecture: "cluster",
			audience: portal.Internal, environment: portal.Production,
			apis: []served{
				{document: "shipments-2", path: "/svc/shipments/v2"},
				{document: "tracking-1", path: "/svc/tracking/v1"},
				{document: "customs-declarations-1", path: "/svc/customs/v1"},
				{document: "yard-operations-1", path: "/svc/yard/v1"},
				{document: "crew-rostering-1", path: "/svc/crew/v1"},
			},
		},
		{
			id: "freight-legacy", title: "Freight mainframe gateway", division: freight, region: eu, hosting: "on-premises", generation: "legacy", architecture: "monolith",
			audience: portal.Internal, environment: portal.Production,
			apis: []served{{document: "shipments-1", path: "/cgi/ship", change: legacy}},
		},
		{
			id: "freight-lab", title: "Freight lab (all stages)", division: freight, region: eu, hosting: "azure", generation: "current", architecture: "cluster",
			rules: labRules,
			bounds: portal.Bounds{
				Audiences:    []portal.Audience{portal.Internal, portal.Partner},
				Environments: []portal.Environment{portal.Development, portal.Test, portal.Simulation},
			},
			apis: []served{
				{document: "shipments-2", path: "/shipments/v2", stages: all},
				{document: "tracking-1-next", name: "tracking-1", path: "/tracking/v1", stages: all},
				{document: "customs-declarations-1", path: "/customs/v1", stages: all},
				// Nobody has told yet what the stage "training" is.
				{document: "yard-operations-1", path: "/yard/v1", stages: []string{"dev", "test", "sim", "training"}},
			},
		},
		{
			id: "parcel-edge", title: "Parcel edge", division: parcel, region: us, hosting: "google", generation: "current", architecture: "cluster",
			audience: portal.Partner, environment: portal.Production,
			bounds: portal.Bounds{Audiences: []portal.Audience{portal.Partner, portal.Public}, Environments: []portal.Environment{portal.Production}},
			apis: []served{
				{document: "rates-3", path: "/rates/v3"},
				{document: "labels-1", path: "/labels/v1"},
				{document: "service-points-1", path: "/open/points/v1", change: public},
			},
		},
		{
			id: "parcel-mesh", title: "Parcel mesh", division: parcel, region: us, hosting: "google", generation: "current", architecture: "mesh",
			audience: portal.Internal, environment: portal.Production,
			apis: []served{
				{document: "rates-3", path: "/mesh/rates/v3"},
				{document: "labels-1", path: "/mesh/labels/v1"},
				{document: "pickup-slots-1", path: "/mesh/pickup/v1"},
				{document: "parcel-tracking-1", path: "/mesh/tracking/v1"}, // is it the Tracking of Freight?
			},
		},
		{
			id: "parcel-lab", title: "Parcel lab", division: parcel, region: us, hosting: "google", generation: "current", architecture: "cluster",
			rules: labRules,
			bounds: portal.Bounds{
				Audiences:    []portal.Audience{portal.Internal, portal.Partner},
				Environments: []portal.Environment{portal.Development, portal.Test, portal.Simulation},
			},
			apis: []served{
				{document: "rates-3", path: "/parcel/rates/v3", stages: all},
				{document: "labels-1", path: "/parcel/labels/v1", stages: all},
				{document: "pickup-slots-1", path: "/parcel/pickup/v1", stages: inside},
			},
		},
	}
}

// Start starts the gateways on free loopback ports. Where data is not empty, they keep their keys and ports there, so that
// a demo that is started again finds everything as it was.
func Start(data string) (*Estate, error) {
	e := &Estate{}
	for _, p := range plans() {
		g, err := start(p, data)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("sample gateway %s: %w", p.id, err), e.Close())
		}
		e.Gateways = append(e.Gateways, g)
	}
	return e, nil
}

func start(p plan, data string) (Gateway, error) {
	o := gateway.Options{Name: p.title}
	if data != "" {
		dir := filepath.Join(data, "gateways", p.id)
		saved, err := remember(dir)
		if err != nil {
			return Gateway{}, err
		}
		o.State, o.AdminAddress, o.PublicAddress = filepath.Join(dir, "credentials.json"), saved.Admin, saved.Public
	}
	for _, s := range p.apis {
		text, err := documents.ReadFile("documents/" + s.document + ".yaml")
		if err != nil {
			return Gateway{}, err
		}
		up, err := upstream(text)
		if err != nil {
			return Gateway{}, err
		}
		a := gateway.API{Name: cmp.Or(s.name, s.document), Path: s.path, Stages: s.stages, Document: text, Upstream: up}
		if err := describe(&a); err != nil {
			return Gateway{}, err
		}
		if s.change != nil {
			s.change(&a)
		}
		o.APIs = append(o.APIs, a)
	}
	running, err := gateway.New(o)
	if err != nil {
		return Gateway{}, err
	}
	if err := running.Start(); err != nil {
		return Gateway{}, err
	}
	defaults := map[portal.Axis]string{
		portal.AxisDivision: p.division, portal.AxisRegion: p.region, portal.AxisHosting: p.hosting,
		portal.AxisGeneration: p.generation, portal.AxisArchitecture: p.architecture,
	}
	if p.audience != "" {
		defaults[portal.AxisAudience], defaults[portal.AxisEnvironment] = string(p.audience), string(p.environment)
	}
	return Gateway{
		Registration: catalog.Gateway{
			ID: portal.GatewayID(p.id), Title: p.title, Kind: "sample", Address: running.AdminURL(), Division: portal.Division(p.division), Site: portal.SiteLocal,
			Defaults: defaults, Bounds: p.bounds, Rules: p.rules, AllowPrivate: []string{"127.0.0.0/8"}, Source: catalog.FromConfiguration,
		},
		Token: running.AdminToken(), running: running,
	}, nil
}

// Close stops the gateways.
func (e *Estate) Close() error {
	var errs []error
	for _, g := range e.Gateways {
		errs = append(errs, g.running.Close())
	}
	return errors.Join(errs...)
}

// Person is somebody who can sign in to the demo.
type Person struct {
	people.Seed
	Role string // as the demo tells it
	Try  string // what to look at first
}

// People are those who show what each sort of consumer gets.
func People() []Person {
	company := func(division portal.Division, region portal.Region, name string) people.NewOrganisation {
		return people.NewOrganisation{Name: name, Audience: portal.Internal, Division: division, Region: region}
	}
	person := func(name, email, role string, o people.NewOrganisation, roles []access.Role, try string) Person {
		return Person{Role: role, Try: try, Seed: people.Seed{Organisation: o, Name: name, Email: email, Roles: roles, Password: portal.NewSecret(portal.NewID("demo"))}}
	}
	return []Person{
		person("Petra Novak", "petra@brightmart.example", "developer",
			people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner, Region: eu}, []access.Role{access.OrganisationAdmin, access.Developer},
			"a partner: open Shipments, switch the environment, get a key"),
		person("Ivo Keller", "ivo@alpenglow.example", "developer",
			company(freight, eu, "Alpenglow Freight"), []access.Role{access.Developer},
			"an internal developer: the same API, another endpoint, and APIs that the partner cannot see"),
		person("Dana Roth", "dana@alpenglow.example", "division-administrator",
			company(freight, eu, "Alpenglow Freight"), []access.Role{access.DivisionAdministrator, access.Developer},
			"a division administrator: approvals and gateways of Freight"),
		person("Ada Lindt", "ada@alpenglow.example", "administrator",
			company("", eu, "Alpenglow Logistics"), []access.Role{access.PlatformAdministrator, access.Developer},
			"the administrator: what waits for a decision, all gateways, organisations and people"),
	}
}
