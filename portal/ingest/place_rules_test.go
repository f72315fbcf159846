package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/keys"
)

var testToProduction = []portal.Environment{"test", "production"}

// placed registers a gateway for test and production, and reads it.
func (d *desk) placed(id portal.GatewayID, deployments ...connectors.Deployment) *fake {
	d.t.Helper()
	d.gateways.Detect(EnvironmentNames(testToProduction, nil))
	address := "fake://" + string(id)
	f := &fake{able: able(), deployments: deployments, documents: map[string]string{}}
	d.fakes[address] = f
	n := registration(id)
	n.Bounds.Environments = testToProduction
	if _, err := d.gateways.Register(context.Background(), "per_admin", n); err != nil {
		d.t.Fatal(err)
	}
	d.sync(id)
	return f
}

// hold gives an application a live key on a deployment, as keys would record it.
func (d *desk) hold(sub portal.SubscriptionID, dep portal.Deployment) { d.holdSince(sub, dep, noon) }

func (d *desk) holdSince(sub portal.SubscriptionID, dep portal.Deployment, at time.Time) {
	d.t.Helper()
	ctx, app := d.t.Context(), portal.ApplicationID("app_"+string(sub))
	err := d.db.InTx(ctx, func(tx catalog.Tx) error {
		k := tx.Keys()
		return errors.Join(
			k.AddApplication(ctx, keys.Application{ID: app, Organisation: "org_1", Name: "shop", Created: at}),
			k.AddSubscription(ctx, keys.Subscription{ID: sub, Application: app, Organisation: "org_1", API: dep.API, Line: dep.Line,
				Environment: dep.Placement.Environment(), State: keys.Approved, Deployment: dep.ID, Created: at}),
			k.AddCredential(ctx, keys.Credential{ID: portal.CredentialID("crd_" + string(sub)), Subscription: sub, Application: app, Organisation: "org_1",
				Gateway: dep.Gateway, Deployment: dep.ID, State: keys.Active, Created: at}),
		)
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) subscription(id portal.SubscriptionID) (sub keys.Subscription) {
	d.t.Helper()
	if err := d.db.View(d.t.Context(), func(tx catalog.Tx) (err error) {
		sub, err = tx.Keys().Subscription(d.t.Context(), id)
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return sub
}

// thaw is a person's decision.
func (d *desk) thaw(id portal.SubscriptionID) {
	d.t.Helper()
	if err := d.db.InTx(d.t.Context(), func(tx catalog.Tx) error { return tx.Keys().SetFrozen(d.t.Context(), id, time.Time{}, "") }); err != nil {
		d.t.Fatal(err)
	}
}

// set previews rules and saves them.
func (d *desk) set(id portal.GatewayID, n Rules) (Preview, error) {
	d.t.Helper()
	p, err := d.gateways.Preview(d.t.Context(), id, n)
	if err != nil {
		d.t.Fatal(err)
	}
	return p, d.gateways.SetRules(d.t.Context(), "per_1", id, n, p.Digest)
}

func (d *desk) deployed(remote string) portal.Deployment {
	d.t.Helper()
	for _, e := range d.entries() {
		for _, dep := range e.Deployments {
			if dep.RemoteID == remote {
				return dep
			}
		}
	}
	d.t.Fatalf("no deployment %s", remote)
	return portal.Deployment{}
}

func toTest(path string) catalog.Rule {
	return catalog.Rule{Match: catalog.Match{Path: path}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}}
}

func TestRulesAreSavedAsPreviewed(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.placed("kong", deployment("pay", "Payments"), deployment("ord", "Orders"), deployment("ref", "Refunds"))
	d.hold("sub_1", d.deployed("pay"))
	before := d.dump()
	n := Rules{Rules: []catalog.Rule{toTest("/pay"), {Match: catalog.Match{Name: "Orders"}, Public: "https://api.example/v1"}}}
	p, err := d.gateways.Preview(t.Context(), "kong", n)
	if err != nil || len(p.Changes) != 2 || p.Unchanged != 1 || len(p.Unclassified) != 0 {
		t.Fatalf("%+v %v", p, err)
	}
	pay := d.deployed("pay").ID
	if p.Changes[0].After.Deployment.BaseURL != "https://api.example/v1/ord" || p.Changes[1].After.Deployment.Placement.Environment() != "test" || p.Frozen[pay] != 1 || len(p.Frozen) != 1 {
		t.Errorf("%+v", p)
	}
	if d.dump() != before {
		t.Error("a preview wrote something")
	}
	for name, digest := range map[string]string{"none": "", "another": "x"} {
		if err := d.gateways.SetRules(t.Context(), "per_1", "kong", n, digest); !errors.Is(err, portal.ErrConflict) {
			t.Errorf("saved with the digest of %s: %v", name, err)
		}
	}
	// What they would do has changed since they were looked at.
	f.set(func(f *fake) { f.deployments = append(f.deployments, deployment("pay/2", "Pay more")) })
	d.sync("kong")
	if err := d.gateways.SetRules(t.Context(), "per_1", "kong", n, p.Digest); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "look at the preview") {
		t.Errorf("saved something else than was looked at: %v", err)
	}
	if _, err := d.set("kong", n); err != nil {
		t.Fatal(err)
	}
	if dep := d.deployed("pay"); dep.Placement[portal.AxisEnvironment] != (portal.Placed{Value: "test", Layer: portal.LayerRule}) || d.deployed("ord").BaseURL != "https://api.example/v1/ord" {
		t.Errorf("%+v", dep)
	}
	if sub := d.subscription("sub_1"); sub.Frozen.IsZero() || sub.FrozenBecause != "environment production → test" {
		t.Errorf("%+v", sub)
	}
	var rules []audit.Event
	if err := d.db.View(t.Context(), func(tx catalog.Tx) error {
		events, err := tx.Audit().Events(t.Context(), "kong", 10)
		rules = slices.DeleteFunc(events, func(e audit.Event) bool { return e.Action != "gateway.rules" })
		return err
	}); err != nil || len(rules) != 1 || rules[0].Actor != "per_1" || rules[0].Detail["frozen"] != "1" ||
		rules[0].Detail["rules"] != "1. path /pay: environment test; 2. name Orders: address https://api.example/v1" {
		t.Errorf("%+v %v", rules, err)
	}
	saved := d.dump()
	if _, err := d.set("kong", n); err != nil || d.dump() != saved {
		t.Errorf("the same rules again wrote something: %v", err)
	}
	d.sync("kong")
	if got := d.deployed("pay").Placement.Environment(); got != "test" {
		t.Errorf("after a sync: %s", got)
	}
}

func TestRulesThatAreWrong(t *testing.T) {
	d := newDesk(t, Options{})
	d.placed("kong", deployment("pay", "Payments"))
	n := Rules{Rules: []catalog.Rule{{Match: catalog.Match{Host: "["}, Set: map[portal.Axis]string{portal.AxisAudience: "public", "size": "xl"}}, {}}}
	_, err := d.gateways.Preview(t.Context(), "kong", n)
	if !errors.Is(err, portal.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{`rule 1: host "[" is not a pattern`, `audience "public" is outside the bounds`, `no axis "size"`, "rule 2 does nothing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	n = Rules{Rules: []catalog.Rule{{Match: catalog.Match{Path: "/[a/b]"}, Set: map[portal.Axis]string{portal.AxisAudience: "internal"}}}}
	if _, err := d.gateways.Preview(t.Context(), "kong", n); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), `path "/[a/b]" is not a pattern`) {
		t.Errorf("a path that matches none: %v", err)
	}
	if _, err := d.gateways.Preview(t.Context(), "none", Rules{}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("no gateway: %v", err)
	}
}

func TestRulesOfTheConfigurationStay(t *testing.T) {
	d := newDesk(t, Options{})
	d.fakes["fake://kong"] = &fake{able: able(), deployments: []connectors.Deployment{deployment("pay", "Payments")}}
	if err := d.gateways.Configure(t.Context(), []Registration{registration("kong")}); err != nil {
		t.Fatal(err)
	}
	d.sync("kong")
	p, err := d.set("kong", Rules{Rules: []catalog.Rule{{Public: "https://api.example"}}})
	if !errors.Is(err, portal.ErrConflict) || len(p.Changes) != 1 {
		t.Errorf("%+v %v", p, err)
	}
}

// What the names of environments stand for is configuration: it holds at the next start, for every gateway that is read so.
func TestNamesAreFollowed(t *testing.T) {
	d := newDesk(t, Options{})
	d.placed("kong", deployment("pay-rc", "Payments"))
	if p, err := d.set("kong", Rules{Detect: true}); err != nil || len(p.Changes) != 0 {
		t.Fatalf("%+v %v", p, err)
	}
	d.gateways.Detect(EnvironmentNames(testToProduction, map[string]portal.Environment{"rc": "test"}))
	if err := d.gateways.Configure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := d.deployed("pay-rc").Placement[portal.AxisEnvironment]; got != (portal.Placed{Value: "test", Layer: portal.LayerDetected}) {
		t.Errorf("%+v", got)
	}
	before := d.dump()
	if err := d.gateways.Configure(t.Context(), nil); err != nil || d.dump() != before {
		t.Errorf("the same names wrote something: %v", err)
	}
}

// Whatever classifies a deployment anew freezes who holds keys there: a sync, an override, rules, a change of the
// registration; and only those.
func TestReclassifyingFreezes(t *testing.T) {
	for name, change := range map[string]func(d *desk, f *fake){
		"a sync": func(d *desk, f *fake) {
			f.set(func(f *fake) { f.deployments[0].Words = map[portal.Axis]string{portal.AxisEnvironment: "test"} })
			d.sync("kong")
		},
		"a document that cannot be read": func(d *desk, f *fake) {
			f.set(func(f *fake) {
				f.deployments[0].Document = connectors.DocumentRef{ID: "bad", Revision: "1"}
				f.documents["bad"] = "rubbish"
			})
			d.sync("kong")
		},
		"an override": func(d *desk, _ *fake) {
			if err := d.service.Override(d.t.Context(), "per_1", d.deployed("pay").ID, catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "internal"}}); err != nil {
				d.t.Fatal(err)
			}
		},
		"rules": func(d *desk, _ *fake) {
			if _, err := d.set("kong", Rules{Rules: []catalog.Rule{toTest("/pay")}}); err != nil {
				d.t.Fatal(err)
			}
		},
		"the registration": func(d *desk, _ *fake) {
			n := registration("kong")
			n.Rules = []catalog.Rule{toTest("/pay")}
			n.Bounds.Environments = testToProduction
			if _, err := d.gateways.Change(d.t.Context(), "per_1", n); err != nil {
				d.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, Options{})
			f := d.placed("kong", deployment("pay", "Payments"), deployment("ord", "Orders"))
			d.hold("sub_pay", d.deployed("pay"))
			d.hold("sub_ord", d.deployed("ord"))
			change(d, f)
			frozen := d.subscription("sub_pay")
			if frozen.Frozen.IsZero() || frozen.FrozenBecause == "" || frozen.State != keys.Approved {
				t.Errorf("not frozen: %+v", frozen)
			}
			if sub := d.subscription("sub_ord"); !sub.Frozen.IsZero() {
				t.Errorf("frozen without a reason: %+v", sub)
			}
			var events []audit.Event
			if err := d.db.View(t.Context(), func(tx catalog.Tx) (err error) {
				events, err = tx.Audit().Events(t.Context(), "sub_pay", 10)
				return err
			}); err != nil || len(events) != 1 || events[0].Action != "subscription.freeze" || events[0].Organisation != "org_1" {
				t.Errorf("%+v %v", events, err)
			}
		})
	}
}

// Other changes freeze nobody, and what is frozen twice keeps its time.
func TestFreezingIsForReclassifyingAlone(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.placed("kong", deployment("pay", "Payments"))
	d.hold("sub_1", d.deployed("pay"))
	f.set(func(f *fake) {
		f.deployments[0].Title, f.deployments[0].Words = "Payments II", map[portal.Axis]string{portal.AxisRegion: "eu"}
	})
	d.sync("kong")
	if sub := d.subscription("sub_1"); d.deployed("pay").Title != "Payments II" || !sub.Frozen.IsZero() {
		t.Fatalf("%+v", sub)
	}
	if _, err := d.set("kong", Rules{Rules: []catalog.Rule{toTest("/pay")}}); err != nil {
		t.Fatal(err)
	}
	first := d.subscription("sub_1")
	if _, err := d.set("kong", Rules{}); err != nil {
		t.Fatal(err)
	}
	if second := d.subscription("sub_1"); !second.Frozen.Equal(first.Frozen) || second.FrozenBecause != "environment test → production" {
		t.Errorf("first %+v, then %+v", first, second)
	}
	d.thaw("sub_1")
	d.sync("kong")
	if sub := d.subscription("sub_1"); !sub.Frozen.IsZero() {
		t.Errorf("an unchanged sync froze again: %+v", sub)
	}
}

// Rules and overrides outlive syncs, a new name on the gateway, and a connector that tells other things in another order.
func TestPlacementOutlivesRenamesAndUpgrades(t *testing.T) {
	d := newDesk(t, Options{})
	c := able()
	c.Identity = connectors.Names
	f := d.placed("kong", deployment("pay", "Payments"), deployment("ord", "Orders"))
	f.set(func(f *fake) { f.able = c })
	d.sync("kong")
	id := d.deployed("pay").ID
	if err := d.service.Override(t.Context(), "per_1", id, catalog.Override{Placement: map[portal.Axis]string{portal.AxisRegion: "us", portal.AxisAudience: "internal"}, BaseURL: "https://cdn.example/pay"}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.set("kong", Rules{Rules: []catalog.Rule{toTest("/pay")}}); err != nil {
		t.Fatal(err)
	}
	check := func(remote string) {
		t.Helper()
		dep := d.deployed(remote)
		if dep.ID != id || dep.Placement[portal.AxisRegion] != (portal.Placed{Value: "us", Layer: portal.LayerOverride}) || dep.Placement.Audience() != "internal" ||
			dep.Placement[portal.AxisEnvironment] != (portal.Placed{Value: "test", Layer: portal.LayerRule}) || dep.BaseURL != "https://cdn.example/pay" {
			t.Errorf("%s: %+v", remote, dep)
		}
	}
	check("pay")
	renamed := deployment("pay", "Payments")
	renamed.RemoteID = "pay-renamed"
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{deployment("ord", "Orders"), renamed} })
	d.sync("kong")
	check("pay-renamed")
	upgraded := renamed
	upgraded.Summary, upgraded.Tags, upgraded.Hosts, upgraded.Stage, upgraded.Owner = "now told", []string{"z", "a"}, []string{"gw.example"}, "default", "team"
	f.set(func(f *fake) {
		f.able.Product = "Fake 2"
		f.deployments = []connectors.Deployment{upgraded, deployment("ord", "Orders")}
	})
	d.sync("kong")
	check("pay-renamed")
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{deployment("ord", "Orders")} })
	d.sync("kong")
	f.set(func(f *fake) { f.deployments = []connectors.Deployment{deployment("ord", "Orders"), upgraded} })
	d.sync("kong")
	check("pay-renamed")
}
