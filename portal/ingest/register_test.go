package ingest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

func (d *desk) gateway(id portal.GatewayID) catalog.Gateway {
	d.t.Helper()
	g, err := d.gateways.Gateway(context.Background(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return g
}

func TestRegisterSaysEverythingThatIsWrong(t *testing.T) {
	d := newDesk(t, Options{})
	bad := Registration{Gateway: catalog.Gateway{
		ID: "Not A Name", Kind: "fake", Address: "https://root:hunter2@kong.example?key=hunter3", Every: time.Second,
		Defaults: map[portal.Axis]string{portal.AxisAudience: "public", "colour": "red"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{"partner"}},
		Rules: []catalog.Rule{
			{Match: catalog.Match{Path: "/["}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}, Public: "ftp://x"},
			{Match: catalog.Match{Tag: "x"}},
		},
		Trust: []portal.Axis{"size"},
	}}
	_, err := d.gateways.Register(t.Context(), "per_1", bad)
	if !errors.Is(err, portal.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		"lower-case letters", "its address holds a user or a query", "the least is 10s", `audience "public" is outside the bounds ["partner"]`,
		`no axis "colour"`, `path "/[" is not a pattern`, `environment "test" is outside the bounds []`, `"ftp://x" does not start with`,
		"rule 2 does nothing", `trust: there is no axis "size"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("a password is shown: %v", err)
	}

	for name, change := range map[string]func(*Registration){
		"unknown kind":            func(n *Registration) { n.Kind = "nonsense" },
		"what the kind refuses":   func(n *Registration) { n.Address = "fake://nowhere" },
		"a private network wrong": func(n *Registration) { n.AllowPrivate = []string{"10.0.0.0/99"} },
	} {
		n := registration("kong")
		d.fakes[n.Address] = &fake{}
		change(&n)
		if _, err := d.gateways.Register(t.Context(), "per_1", n); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if all, err := d.gateways.all(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("refused, yet registered: %v %v", all, err)
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong")
	var conflict *portal.ConflictError
	if _, err := d.gateways.Register(t.Context(), "per_1", registration("kong")); !errors.As(err, &conflict) || conflict.ID != "kong" {
		t.Errorf("registered twice: %v", err)
	}
	err := d.gateways.Configure(t.Context(), []Registration{registration("kong")})
	if !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "rename it in the one") {
		t.Errorf("in both sources: %v", err)
	}
}

func TestConfigure(t *testing.T) {
	d := newDesk(t, Options{})
	for _, id := range []portal.GatewayID{"a", "b"} {
		d.fakes["fake://"+string(id)] = &fake{able: able(), deployments: []connectors.Deployment{deployment("pay-"+string(id), "Payments "+string(id))}}
	}
	configure := func(ids ...portal.GatewayID) {
		t.Helper()
		var all []Registration
		for _, id := range ids {
			all = append(all, registration(id))
		}
		if err := d.gateways.Configure(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	configure("a", "b")
	d.sync("b")
	before := d.dump()
	configure("a", "b")
	if after := d.dump(); after != before {
		t.Errorf("the same configuration wrote:\n%s\n%s", before, after)
	}

	configure("a")
	if !d.gateway("b").Paused || d.gateway("a").Paused {
		t.Error("what vanished is to be paused, and nothing else")
	}
	if len(d.entries()) != 1 {
		t.Error("its deployments are gone")
	}
	if _, err := d.service.Sync(t.Context(), "b", "per_1"); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("a paused gateway is synced: %v", err)
	}
	configure("a", "b")
	if d.gateway("b").Paused {
		t.Error("back in the configuration and still paused")
	}

	if _, err := d.gateways.Change(t.Context(), "per_1", registration("a")); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("changed elsewhere than in the configuration: %v", err)
	}
	bad := registration("b")
	bad.Kind = "nonsense"
	err := d.gateways.Configure(t.Context(), []Registration{registration("a"), registration("a"), bad})
	if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "twice") || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("not every problem at once: %v", err)
	}
	if d.gateway("b").Kind != "fake" {
		t.Error("a refused configuration was taken over")
	}
}

func TestCredentials(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong")
	reveal := func(address string) string {
		t.Helper()
		if _, err := d.gateways.Connector(t.Context(), "kong"); err != nil {
			t.Fatal(err)
		}
		return d.configs[address].Secrets["token"].Reveal()
	}
	if got := reveal("fake://kong"); got != "admin-canary" {
		t.Errorf("opened with %q", got)
	}
	if !strings.HasPrefix(string(d.gateway("kong").Secrets), "gateways/kong/secrets\n") {
		t.Errorf("sealed %q", d.gateway("kong").Secrets)
	}

	n := registration("kong")
	n.Title, n.Credentials = "Kong Europe", nil
	if _, err := d.gateways.Change(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	if got := reveal("fake://kong"); got != "admin-canary" {
		t.Errorf("after a change of the title opened with %q", got)
	}
	d.fakes["fake://elsewhere"] = &fake{able: able()}
	for name, change := range map[string]func(*Registration){
		"address": func(n *Registration) { n.Address = "fake://elsewhere" },
		"setting": func(n *Registration) { n.Settings = map[string]string{"token_url": "https://evil.example"} },
	} {
		moved := n
		change(&moved)
		if _, err := d.gateways.Change(t.Context(), "per_1", moved); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "give its credentials again") {
			t.Errorf("another %s: %v", name, err)
		}
	}
	n.Address, n.Credentials = "fake://elsewhere", map[string]portal.Secret{"token": portal.NewSecret("fresh")}
	if _, err := d.gateways.Change(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	if got := reveal("fake://elsewhere"); got != "fresh" {
		t.Errorf("with new credentials opened with %q", got)
	}
	err := d.db.View(t.Context(), func(tx catalog.Tx) error {
		events, err := tx.Audit().Events(t.Context(), "", 100)
		for _, e := range events {
			for _, v := range e.Detail {
				if strings.Contains(v, "canary") || strings.Contains(v, "fresh") {
					t.Errorf("audit shows a credential: %+v", e)
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNarrowedBoundsHoldAtOnce(t *testing.T) {
	d := newDesk(t, Options{})
	f := d.register("kong", deployment("pay", "Payments"))
	f.deployments[0].Words = map[portal.Axis]string{portal.AxisAudience: "internal"}
	d.sync("kong")
	f.set(func(f *fake) { f.probe = portal.ErrUnavailable }) // nobody has to be asked
	n := registration("kong")
	n.Bounds.Audiences = []portal.Audience{"partner"}
	if _, err := d.gateways.Change(t.Context(), "per_1", n); err != nil {
		t.Fatal(err)
	}
	if p := d.entries()["payments"].Deployments[0].Placement; p.Audience() != "" {
		t.Errorf("still %v", p)
	}
	if st, err := d.service.Standing(t.Context(), "kong"); err != nil || st.Unclassified != 1 {
		t.Errorf("%+v %v", st, err)
	}
}

func TestTheKeySide(t *testing.T) {
	d := newDesk(t, Options{})
	d.register("kong")
	if _, err := d.gateways.Capabilities(t.Context(), "kong"); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("never probed: %v", err)
	}
	d.sync("kong")
	if c, err := d.gateways.Capabilities(t.Context(), "kong"); err != nil || c.Product != "Fake 1" {
		t.Errorf("%+v %v", c, err)
	}
	if _, _, err := d.gateways.Issuer(t.Context(), "kong"); !errors.Is(err, portal.ErrUnsupported) {
		t.Errorf("a connector without keys: %v", err)
	}
	if ids, err := d.gateways.Issuing(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("%v %v", ids, err)
	}
	if _, err := d.gateways.Connector(t.Context(), "none"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("an unknown gateway: %v", err)
	}
	far := registration("far")
	far.Site = "factory"
	if _, err := d.gateways.Register(t.Context(), "per_1", far); !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), "the worker there") {
		t.Errorf("with credentials that belong to its worker: %v", err)
	}
	far.Credentials, far.Settings, far.AllowPrivate = nil, nil, nil
	if _, err := d.gateways.Register(t.Context(), "per_1", far); err != nil {
		t.Fatal(err)
	}
	if _, err := d.gateways.Connector(t.Context(), "far"); !errors.Is(err, portal.ErrUnsupported) {
		t.Errorf("on another site: %v", err)
	}
}
