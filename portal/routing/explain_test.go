package routing

import (
	"fmt"
	"strings"
	"testing"

	"concierge/portal"
)

func TestExplain(t *testing.T) {
	catalog := Build(Input{
		Config: testConfig,
		APIs: []Entry{entryOf("payments",
			deployment("a", "internal production 2", region("eu"), division("cards"), func(d *portal.Deployment) { d.Gateway = "high" }),
			deployment("b", "internal production 2", region("eu"), division("cards"), func(d *portal.Deployment) { d.Gateway = "high" }),
			deployment("c", "internal production 2", region("eu"), division("cards")),
			deployment("d", "internal production 2", region("eu")),
			deployment("e", "internal production 2", region("eu"), old),
			deployment("f", "internal production 2", region("us")),
			deployment("g", "public test 1"),
		)},
		Gateways:     []Gateway{{ID: "high", Priority: 1}},
		Applications: []Application{{ID: "app", Organisation: "org", Bindings: []Binding{{API: "api_payments", Line: "2", Environment: "production", Deployment: "f"}}}},
	})
	c := portal.Consumer{Organisation: "org", Audience: portal.Internal, Region: "eu", Division: "cards"}
	for name, tc := range map[string]struct {
		application portal.ApplicationID
		request     Request
		want        []string
	}{
		"newcomer": {"", Request{Environment: "production"}, []string{
			"visible/visible map[api:payments] You may see payments.",
			"environment/environment map[environment:production] You asked for production: no endpoint of another environment is considered.",
			"audience/audience_own map[audience:internal] It is made for your audience, internal.",
			"version/version_newest map[version:2] Version 2 is the newest of those that are neither deprecated nor a preview.",
			"binding/newcomer map[] No application was named: this is the answer for a newcomer.",
			"order/region_same map[region:eu] It is preferred for its region, eu.",
			"order/generation_current map[] It is preferred as the current generation to a legacy one.",
			"order/division_same map[division:cards] It is preferred for its division, cards.",
			"order/priority map[gateway:high] It is preferred for the priority of its gateway, high.",
			"order/tie map[] Others fit as well as this one: the order of their ids decided.",
		}},
		"public": {"other", Request{Environment: "test", Version: "1"}, []string{
			"visible/visible map[api:payments] You may see payments.",
			"environment/environment map[environment:test] You asked for test: no endpoint of another environment is considered.",
			"audience/audience_also map[audience:public] It is exposed to public, which you may use as well.",
			"version/version_asked map[version:1] You asked for version 1.",
			"binding/newcomer map[application:other] Application other holds no key to go by: this is the answer for a newcomer.",
			"order/only_one map[] It is the only one that fits.",
		}},
		"bound": {"app", Request{Environment: "production"}, []string{
			"visible/visible map[api:payments] You may see payments.",
			"environment/environment map[environment:production] You asked for production: no endpoint of another environment is considered.",
			"audience/audience_own map[audience:internal] It is made for your audience, internal.",
			"binding/binding map[application:app] Application app holds a key there and stays until it is moved.",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.Application, tc.request.API = tc.application, "payments"
			_, why, err := catalog.Explain(c, tc.request)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range why {
				got = append(got, fmt.Sprintf("%s/%s %v %s", r.Step, r.Code, r.Args, r.Text))
			}
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestExplainFull(t *testing.T) {
	deployments := []portal.Deployment{
		deployment("a", "partner production 2", region("eu")), deployment("b", "partner production 2", region("eu")),
		deployment("c", "partner production 2", region("us")), deployment("d", "partner production 1"),
		deployment("e", "public production 2"), deployment("f", "internal production 2"),
		deployment("g", "partner test 2"), deployment("h", "partner production 3", stage(portal.Preview)),
		deployment("i", "partner production 2", inactive), deployment("j", "partner odd 2"),
		deployment("k", "partner production 2", stage(portal.Deprecated), region("eu")),
		deployment("l", "partner production 2", region("eu"), old),
	}
	hidden := entryOf("hidden", deployment("z", "internal production 1"))
	catalog := Build(Input{Config: testConfig, APIs: []Entry{entryOf("payments", deployments...), hidden}, Applications: []Application{
		{ID: "bound", Organisation: "org", Bindings: []Binding{{API: "api_payments", Line: "1", Environment: "production", Deployment: "d"}}},
		{ID: "stranded", Organisation: "org", Bindings: []Binding{{API: "api_hidden", Line: "1", Environment: "production", Deployment: "z"}}},
	}})
	c := portal.Consumer{Organisation: "org", Audience: portal.Partner, Region: "eu"}
	account := func(r Request) string {
		r.Environment = portal.Production
		full := catalog.ExplainFull(c, r)
		var list []string
		for _, considered := range full.Candidates {
			list = append(list, string(considered.Deployment.ID)+":"+considered.Removed)
		}
		return strings.Join(list, " ")
	}
	const rest = "f:audience g:environment "
	if got, want := account(Request{API: "payments"}), "a: b:tie c:region_same d:version e:audience_own "+rest+
		"h:lifecycle i:inactive j:unclassified k:lifecycle l:generation_current"; got != want {
		t.Errorf("newest: got\n%s, want\n%s", got, want)
	}
	if got, want := account(Request{API: "payments", Version: "2"}), "a: b:tie c:region_same d:version e:audience_own "+rest+
		"h:version i:inactive j:unclassified k:lifecycle l:generation_current"; got != want {
		t.Errorf("by version: got\n%s, want\n%s", got, want)
	}
	c.Application = "bound"
	if got, want := account(Request{API: "payments"}), "a:binding b:binding c:binding d: e:binding "+rest+
		"h:binding i:inactive j:unclassified k:binding l:binding"; got != want {
		t.Errorf("bound: got\n%s, want\n%s", got, want)
	}
	c.Application = "stranded"
	full := catalog.ExplainFull(c, Request{API: "hidden", Environment: portal.Production})
	if full.Err != portal.ErrNotFound || full.Entry != "api_hidden" || full.Owner != "owner" || len(full.Candidates) != 1 ||
		full.Candidates[0].Removed != RemovedAudience || len(full.Stranded) != 1 {
		t.Errorf("hidden: got %+v", full)
	}
	if full := catalog.ExplainFull(c, Request{API: "missing"}); full.Err != portal.ErrNotFound || full.Candidates != nil {
		t.Errorf("missing: got %+v", full)
	}
}
