package routing

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"concierge/portal"
	"concierge/portal/access"
)

var testConfig = Config{
	Environments: []portal.Environment{portal.Development, portal.Test, portal.Simulation, portal.Production},
	Audiences:    access.DefaultAudiences,
}

// deployment makes one from "audience environment line" and whatever the options say.
func deployment(id, place string, options ...func(*portal.Deployment)) portal.Deployment {
	f := strings.Fields(place)
	d := portal.Deployment{
		ID: portal.DeploymentID(id), Gateway: "gw-" + portal.GatewayID(id), Title: "Payments", Line: f[2], Version: f[2],
		Lifecycle: portal.Active, Active: true, BaseURL: "https://" + id + ".example/payments",
		Placement: portal.Placement{portal.AxisAudience: {Value: f[0]}, portal.AxisEnvironment: {Value: f[1]}},
	}
	for _, o := range options {
		o(&d)
	}
	return d
}

func on(a portal.Axis, value string) func(*portal.Deployment) {
	return func(d *portal.Deployment) { d.Placement[a] = portal.Placed{Value: value} }
}

func region(r string) func(*portal.Deployment)   { return on(portal.AxisRegion, r) }
func division(r string) func(*portal.Deployment) { return on(portal.AxisDivision, r) }
func old(d *portal.Deployment)                   { d.Placement[portal.AxisGeneration] = portal.Placed{Value: "legacy"} }
func inactive(d *portal.Deployment)              { d.Active = false }
func titled(s string) func(*portal.Deployment)   { return func(d *portal.Deployment) { d.Title = s } }
func stage(l portal.Lifecycle) func(*portal.Deployment) {
	return func(d *portal.Deployment) { d.Lifecycle = l }
}

func entryOf(slug string, ds ...portal.Deployment) Entry {
	e := Entry{ID: portal.APIID("api_" + slug), Slug: slug, Owner: "owner", Deployments: ds}
	for i := range e.Deployments {
		e.Deployments[i].API = e.ID
	}
	return e
}

func table(entries ...Entry) *Table {
	return Build(Input{Version: 1, Config: testConfig, APIs: entries})
}

func as(a portal.Audience) portal.Consumer { return portal.Consumer{Organisation: "org", Audience: a} }

// large makes a catalog of n entries with four deployments each: partner and internal, test and production, with twins
// in another region now and then.
func large(n int) Input {
	random := rand.New(rand.NewPCG(1, 2))
	nouns := strings.Fields("payments orders customers accounts invoices cards loans shipments claims policies quotes prices stock returns users meters tariffs tickets flights rooms")
	verbs := strings.Fields("Retail Wholesale Corporate Mobile Branch Digital Core Regional Group Partner Fast Secure Legacy Open Smart")
	in := Input{Version: 1, Config: testConfig}
	for g := range 100 {
		in.Gateways = append(in.Gateways, Gateway{ID: portal.GatewayID(fmt.Sprintf("gateway-%d", g)), Priority: int32(g % 5)})
	}
	audiences := []string{"internal", "partner", "internal", "public"}
	environments := []string{"test", "production", "production", "production"}
	for i := range n {
		noun, verb := nouns[random.IntN(len(nouns))], verbs[random.IntN(len(verbs))]
		e := Entry{ID: portal.APIID(fmt.Sprintf("api_%026d", i)), Slug: fmt.Sprintf("%s-%s-%d", strings.ToLower(verb), noun, i)}
		for k := range 4 {
			e.Deployments = append(e.Deployments, deployment(fmt.Sprintf("dep_%d_%d", i, k), audiences[k]+" "+environments[k]+" 2",
				titled(fmt.Sprintf("%s %s %d", verb, noun, i)), region([]string{"eu", "us"}[random.IntN(2)]),
				func(d *portal.Deployment) {
					d.API, d.Gateway = e.ID, portal.GatewayID(fmt.Sprintf("gateway-%d", random.IntN(100)))
					d.Summary = "Creates, reads and changes " + noun + " of " + verb + " customers, with their history and every limit that holds for them."
					d.Tags = []string{noun, "finance", verb}
				}))
		}
		in.APIs = append(in.APIs, e)
	}
	for i := range 1000 {
		api := random.IntN(n)
		in.Applications = append(in.Applications, Application{ID: portal.ApplicationID(fmt.Sprintf("app_%d", i)), Organisation: "org", Bindings: []Binding{
			{API: in.APIs[api].ID, Line: "2", Environment: portal.Production, Deployment: in.APIs[api].Deployments[1].ID},
		}})
	}
	return in
}
