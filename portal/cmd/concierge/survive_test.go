package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/store/storetest"
	"concierge/portal/web"
)

// decided is a portal in which a person has joined, split, overridden, written and ended something, with applications that
// hold keys for all of it.
type decided struct {
	*server
	t          *testing.T // the one that runs; all closes the portals
	all        *testing.T
	config     config
	file       string // of the configuration
	registered []ingest.Registration
	gateways   map[string]*gateway.Gateway
	published  map[string][]gateway.API
	admin, dev somebody
	names      []string             // of APIs, old ones included
	apps       map[string]string    // application by API
	keys       map[string]keyInHand // by application
}

type keyInHand struct {
	id, address, name, secret string
}

// volatile is what an answer says of its own time.
var volatile = regexp.MustCompile(`"(expires|used|seen|request_id|hint|last_run|last_good|version_of_table|age)":("[^"]*"|[0-9]+),?`)

func decide(t *testing.T) *decided {
	c, file := installed(t)
	c.Approval = []approvalConfig{{Approval: portal.Automatic}}
	c.Keys.Reconcile = time.Hour // a key of an API that was deleted on its gateway is reconciled, and that is another test
	w := &decided{t: t, all: t, config: c, file: file, gateways: map[string]*gateway.Gateway{}, apps: map[string]string{}, keys: map[string]keyInHand{}}
	w.published = map[string][]gateway.API{
		"north": {
			{Name: "payments", Title: "Card Payments", Version: "1.0.0", Entry: "payments"}, {Name: "invoices", Title: "Invoices", Version: "1.0.0"}, {Name: "orders", Title: "Orders", Version: "1.0.0"},
			{Name: "rates", Title: "Rates", Version: "1.0.0"}, {Name: "loans", Title: "Loans", Version: "1.0.0"}, {Name: "parcels", Title: "Parcels", Version: "1.0.0"},
		},
		"south": {{Name: "payments", Title: "Card Payments", Version: "1.0.0", Entry: "payments"}, {Name: "billing-papers", Title: "Billing Papers", Version: "1.0.0"}, {Name: "anchor", Title: "Anchor", Version: "1.0.0"}},
	}
	for _, id := range []string{"north", "south"} {
		g, at := registeredSample(t, gateway.Options{APIs: w.published[id]}, catalog.Gateway{
			ID: portal.GatewayID(id), Title: id, Division: "cards",
			Defaults: map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisEnvironment: "test", portal.AxisDivision: "cards"},
			Bounds:   portal.Bounds{Audiences: []portal.Audience{portal.Internal, portal.Partner}, Environments: []portal.Environment{portal.Test}},
		})
		w.gateways[id], w.registered = g, append(w.registered, at)
	}
	w.open()
	w.admin = w.enter(t, "Root", "root@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal, Division: "cards"}, access.PlatformAdministrator)
	w.dev = w.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)
	w.sync()

	for _, name := range []string{"payments", "invoices", "billing-papers", "rates", "loans", "parcels"} {
		w.hold(name)
	}
	w.names = []string{"payments", "invoices", "billing-papers", "orders", "rates", "loans", "parcels", "anchor"}
	deployment := func(api, gateway string) string {
		for _, d := range w.must(t, w.admin, "GET", "/api/v1/apis/"+api+"/composition", nil)["deployments"].([]any) {
			if d := d.(map[string]any); d["gateway"] == gateway {
				return d["id"].(string)
			}
		}
		t.Fatalf("%s is not on %s", api, gateway)
		return ""
	}
	w.must(t, w.admin, "POST", "/api/v1/apis/billing-papers/join", map[string]any{"into": "invoices"})
	split := w.must(t, w.admin, "POST", "/api/v1/apis/payments/split", map[string]any{"deployments": []string{deployment("payments", "south")}})
	w.names = append(w.names, split["api"].(string))
	w.must(t, w.admin, "PUT", "/api/v1/deployments/"+deployment("orders", "north")+"/override", map[string]any{"placement": map[string]string{"region": "eu"}, "base_url": strings.Replace(w.gateways["north"].PublicURL(), "127.0.0.1", "localhost", 1) + "/orders"})
	w.must(t, w.admin, "PUT", "/api/v1/apis/rates/texts", map[string]any{
		"revision": 0, "publish": true, "texts": []any{map[string]any{"audience": "partner", "summary": "What a currency costs today", "tags": []string{"money"}}},
		"guides": []any{map[string]string{"title": "Start", "audience": "partner", "body": "Ask **nicely**."}},
	})
	w.must(t, w.admin, "PUT", "/api/v1/apis/loans/versions/1/lifecycle", map[string]any{"lifecycle": "deprecated", "sunset": "2099-01-31T00:00:00Z", "successor": "rates", "note": "rates know better"})
	if err := w.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.hold(split["api"].(string))
	w.hold("orders")
	return w
}

func (w *decided) open() {
	w.t.Helper()
	s, err := open(w.all.Context(), w.config, w.registered, slog.New(slog.DiscardHandler))
	must(w.t, err)
	w.server = s
	w.all.Cleanup(func() { _ = s.Close() }) // it may be closed already
}

// reopen opens another database as the one of the portal; sessions and tokens of before hold where they are in it.
func (w *decided) reopen(database string) {
	w.t.Helper()
	w.config.Database = database
	w.open()
}

// sync reads both gateways, and says yes to what waits for a person.
func (w *decided) sync() (states []catalog.RunState) {
	w.t.Helper()
	for _, id := range []portal.GatewayID{"north", "south"} {
		run := w.syncNow(w.t, id)
		if run.State == catalog.Waiting {
			applied, err := w.ingest.Apply(w.t.Context(), id, run.ID, "system:test")
			must(w.t, err)
			run, err = w.ingest.Wait(w.t.Context(), id, applied.ID)
			must(w.t, err)
			must(w.t, w.live.Refresh(w.t.Context()))
		}
		if !run.State.Good() {
			w.t.Fatalf("the sync of %s: %+v", id, run)
		}
		states = append(states, run.State)
	}
	return states
}

// hold makes an application with a key for an API.
func (w *decided) hold(api string) {
	w.t.Helper()
	app := w.must(w.t, w.dev, "POST", "/api/v1/applications", map[string]any{"name": "uses " + api})["id"].(string)
	sub := w.must(w.t, w.dev, "POST", "/api/v1/subscriptions", map[string]any{"application": app, "api": api, "environment": "test"})["id"].(string)
	key := w.must(w.t, w.dev, "POST", "/api/v1/subscriptions/"+sub+"/credentials", nil)
	part := key["parts"].([]any)[0].(map[string]any)
	w.apps[api] = app
	w.keys[app] = keyInHand{key["id"].(string), key["base_url"].(string), part["name"].(string), part["value"].(string)}
}

// state is all that consumers are told, and what people decided; with what is asked in front of each answer.
func (w *decided) state() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	note := func(who somebody, target string) {
		r := w.ask(who, web.SurfaceAPI, http.MethodGet, target, "")
		all[who.name+" "+target] = fmt.Sprint(r.status, " ", r.header.Get("Deprecation"), " ", r.header.Get("Sunset"), " ", volatile.ReplaceAllString(r.body, ""))
	}
	for _, name := range w.names {
		note(w.dev, "/api/v1/apis/"+name)
		note(w.dev, "/api/v1/apis/"+name+"/spec?environment=test")
		note(w.admin, "/api/v1/apis/"+name+"/composition")
		note(w.admin, "/api/v1/apis/"+name+"/texts")
		note(w.admin, "/api/v1/apis/"+name+"/versions/1/lifecycle")
		q := url.Values{"api": {name}, "version": {"1"}, "environment": {"test"}}
		note(w.dev, "/api/v1/resolve?"+q.Encode())
		q.Set("region", "eu")
		note(w.dev, "/api/v1/resolve?"+q.Encode())
		for _, app := range w.apps {
			q := url.Values{"api": {name}, "environment": {"test"}, "application": {app}}
			note(w.dev, "/api/v1/resolve?"+q.Encode())
		}
	}
	note(w.dev, "/api/v1/apis?limit=100")
	note(w.dev, "/api/v1/subscriptions?limit=100")
	note(w.dev, "/api/v1/credentials?limit=100")
	note(w.dev, "/api/v1/leaving")
	note(w.admin, "/api/v1/deployments?gateway=north&limit=100")
	note(w.admin, "/api/v1/deployments?gateway=south&limit=100")
	return all
}

// same holds that everybody is told what they were told.
func (w *decided) same(when string, before map[string]string) {
	w.t.Helper()
	after := w.state()
	for target, was := range before {
		if is := after[target]; is != was {
			w.t.Errorf("%s: %s\nwas %s\n is %s", when, target, was, is)
		}
	}
}

// works holds that every key opens what it opened.
func (w *decided) works(when string) {
	w.t.Helper()
	for app, key := range w.keys {
		req, err := http.NewRequest(http.MethodGet, key.address, nil)
		must(w.t, err)
		req.Header.Set(key.name, key.secret)
		within(w.t, workingWithin, when+": the key of "+app, func() int {
			resp, err := calls.Do(req)
			if err != nil {
				return 0
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}, works)
	}
}

// checked holds that the decisions show at all, so that being the same means something.
func (w *decided) checked(before map[string]string) {
	w.t.Helper()
	has := func(target string, words ...string) {
		w.t.Helper()
		for _, word := range words {
			if !strings.Contains(before[target], word) {
				w.t.Errorf("%s says nothing of %q: %s", target, word, before[target])
			}
		}
	}
	var invoices struct {
		Deployments []json.RawMessage
		Aliases     []string
	}
	_, body, _ := strings.Cut(before["Root /api/v1/apis/invoices/composition"], "{")
	if err := json.Unmarshal([]byte("{"+body), &invoices); err != nil || len(invoices.Deployments) != 2 || !slices.Contains(invoices.Aliases, "billing-papers") {
		w.t.Errorf("joined: %+v, %v", invoices, err)
	}
	split := w.names[len(w.names)-1]
	if split == "payments" || !strings.Contains(before["Root /api/v1/apis/"+split+"/composition"], `"south"`) || strings.Contains(before["Root /api/v1/apis/payments/composition"], `"gateway":"south"`) {
		w.t.Errorf("split: %s", before["Root /api/v1/apis/"+split+"/composition"])
	}
	has("Root /api/v1/deployments?gateway=north&limit=100", `"layer":"override"`, `"overridden":true`)
	has("Petra /api/v1/apis/rates", "What a currency costs today", "Start")
	has("Petra /api/v1/apis/loans", `"deprecated"`, "2099")
	has("Petra /api/v1/leaving", `"successor":{"api":"rates"`)
	has("Root /api/v1/apis/loans/versions/1/lifecycle", "rates know better")
	has("Petra /api/v1/resolve?"+url.Values{"api": {"loans"}, "version": {"1"}, "environment": {"test"}}.Encode(), "200 @", "2099")
	has("Petra /api/v1/resolve?"+url.Values{"api": {"orders"}, "version": {"1"}, "environment": {"test"}}.Encode(), "http://localhost:")
	for _, name := range w.names {
		has("Petra /api/v1/resolve?"+url.Values{"api": {name}, "version": {"1"}, "environment": {"test"}}.Encode(), "200 ", `"base_url"`)
	}
}

// TestDecisionsSurvive: what people decided, and what their consumers are told and hold, is the same after syncs, after
// everything was deleted on the gateways and made again, after a backup was restored, and after the portal was upgraded.
func TestDecisionsSurvive(t *testing.T) {
	w := decide(t)
	before := w.state()
	w.checked(before)
	w.works("at first")

	if states := w.sync(); slices.ContainsFunc(states, func(s catalog.RunState) bool { return s != catalog.Unchanged }) {
		t.Errorf("a sync with nothing new: %v", states)
	}
	w.same("a sync with nothing new", before)

	t.Run("changed on the gateway, and back", func(t *testing.T) {
		w := w.in(t)
		for id, apis := range w.published {
			for _, a := range apis {
				a.Summary, a.Tags = "New words", []string{"new"}
				must(t, w.gateways[id].Add(a))
			}
		}
		w.sync()
		for _, name := range []string{"rates", "orders"} {
			if told := w.state()["Petra /api/v1/apis/"+name]; strings.Contains(told, "New words") == (name == "rates") {
				t.Errorf("%s: %s", name, told)
			}
		}
		for id := range w.published {
			must(t, w.gateways[id].Add(w.published[id]...))
		}
		w.sync()
		w.same("changed and back", before)
		w.works("changed and back")
	})

	t.Run("backup and restore", func(t *testing.T) {
		w := w.in(t)
		file := filepath.Join(t.TempDir(), "backup")
		_, err := concierge(t, "backup", file, "--config", w.file, "--database", w.config.Database)
		must(t, err)
		// What is decided after the backup is gone with the restore.
		w.must(t, w.admin, "PUT", "/api/v1/apis/parcels/versions/1/lifecycle", map[string]any{"lifecycle": "retired", "sunset": "2098-01-31T00:00:00Z"})
		must(t, w.Close())
		_, err = concierge(t, "restore", file, "--config", w.file, "--database", w.config.Database, "--replace")
		must(t, err)
		w.open()
		w.same("restored", before)
		w.sync()
		w.same("restored and synced", before)
		w.works("restored")
	})

	// 14 is the first version that kept texts and lifecycles.
	for _, version := range []int64{14, 15, 16} {
		t.Run(fmt.Sprint("upgraded from version ", version, " of the tables"), func(t *testing.T) {
			w := w.in(t)
			must(t, w.Close())
			w.reopen(storetest.Earlier(w.all, w.config.Database, version))
			w.same("upgraded", before)
			w.sync()
			w.same("upgraded and synced", before)
			w.works("upgraded")
		})
	}

	t.Run("deleted on the gateway and made again", func(t *testing.T) {
		w := w.in(t)
		for id, apis := range w.published {
			for _, a := range apis {
				if a.Name != "anchor" {
					must(t, w.gateways[id].Remove(a.Name))
				}
			}
		}
		w.sync()
		for _, name := range w.names {
			r := w.ask(w.dev, web.SurfaceAPI, http.MethodGet, "/api/v1/apis/"+name, "")
			if want := map[bool]int{true: http.StatusOK, false: http.StatusNotFound}[name == "anchor"]; r.status != want {
				t.Errorf("%s is deleted: %s", name, r)
			}
		}
		for id := range w.published {
			must(t, w.gateways[id].Add(w.published[id]...))
		}
		w.sync()
		w.same("deleted and made again", before)
		// The gateway deleted the keys with its APIs. Under the same subscriptions there are new ones.
		for app, key := range w.keys {
			second := w.must(t, w.dev, "POST", "/api/v1/credentials/"+key.id+"/rotate", map[string]any{"overlap": "1h"})
			part := second["parts"].([]any)[0].(map[string]any)
			if second["base_url"] != key.address {
				t.Errorf("the second key of %s is for %s, the first was for %s", app, second["base_url"], key.address)
			}
			w.keys[app] = keyInHand{second["id"].(string), second["base_url"].(string), part["name"].(string), part["value"].(string)}
		}
		w.works("made again")
	})
}

// in is the same world in a subtest, whose portal it shares.
func (w *decided) in(t *testing.T) *decided {
	w.t = t
	return w
}
