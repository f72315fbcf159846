package main

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/people"
	"concierge/portal/store/postgres/postgrestest"
	"concierge/portal/web"
)

// front stands between a portal and the admin side of a gateway, and can answer in its place.
type front struct {
	instead atomic.Pointer[http.HandlerFunc] // nil: the gateway answers
	gateway http.Handler
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := f.instead.Load(); h != nil && r.URL.Path == "/v1/apis" {
		(*h)(w, r)
		return
	}
	f.gateway.ServeHTTP(w, r)
}

// TestHostileGateway: whatever a gateway that has turned against the portal sends as its list, its sync ends with a reason, what was
// known of it stays, and the other gateway is read as before.
func TestHostileGateway(t *testing.T) {
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	item := func(id, more string) string {
		return fmt.Sprintf(`{"id":"%s","name":"x","title":"X","active":true,"authentication":{"type":"none"},"exposures":[{"path":"/x"}]%s}`, id, more)
	}
	list := func(items ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
		}
	}
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for name, tc := range map[string]struct {
		list  http.HandlerFunc
		words []string
	}{
		"a body without end": {func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; _, err = w.Write(spaces) {
			}
		}, []string{"larger than"}},
		"pages without end": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"items":[],"next":"%sx"}`, r.URL.Query().Get("cursor"))
			for range 60 {
				_, _ = w.Write(spaces)
			}
		}, []string{"larger than", "together"}},
		"one API twice":      {list(item("a", ""), item("a", "")), []string{"holds a twice"}},
		"ids of 10 kB":       {list(item(strings.Repeat("x", 10_000), ""), item(strings.Repeat("y", 10_000), "")), []string{"without an id that is text"}},
		"control characters": {list(item(`a\u0000b`, ""), item(`c\u001b[2J`, ""), item("d", "")), []string{"without an id that is text"}},
		"a number for text":  {list(item("a", `,"summary":7`)), []string{"no JSON of the expected shape"}},
		"deep nesting":       {list(strings.Repeat("[", 1<<20)), []string{"no JSON of the expected shape"}},
		"a redirect":         {http.RedirectHandler(other.URL+"/v1/apis", http.StatusTemporaryRedirect).ServeHTTP, []string{"307"}},
		"no list":            {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) }, []string{"holds no list"}},
		"everything is gone": {list(), nil}, // which may be true: a person is asked
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			troubled, all := twoGateways(t)
			admin, err := url.Parse(troubled.AdminURL())
			must(t, err)
			f := &front{gateway: httputil.NewSingleHostReverseProxy(admin)}
			server := httptest.NewServer(f)
			t.Cleanup(server.Close)
			all[1].Address = server.URL
			s := openPortal(t, t.TempDir(), all...)
			ada := administrator(t, s)
			f.instead.Store(&tc.list)
			if tc.words != nil {
				s.checkTrouble(t, ada, 4, tc.words)
				return
			}
			run := s.syncNow(t, "troubled")
			if run.State != catalog.Waiting || run.Removed != 2 {
				t.Errorf("an empty list: %+v", run)
			}
			if left := s.must(t, ada, "GET", "/api/v1/apis", nil)["items"].([]any); len(left) != 4 {
				t.Errorf("%d APIs are left", len(left))
			}
			page := s.ask(ada, web.SurfacePage, "GET", "/gateways/troubled/runs/"+string(run.ID), "")
			if page.status != http.StatusOK || !strings.Contains(page.body, "troubled-one") || !strings.Contains(page.body, "/apply") {
				t.Errorf("the page does not ask about it: %s", page)
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.Load(); n != 0 {
			t.Errorf("%d requests followed a redirect", n)
		}
	})
}

// TestVanished: where a third of what a gateway published is gone, nobody loses anything before a person says so.
func TestVanished(t *testing.T) {
	const published = 20
	var apis []gateway.API
	for n := range published {
		apis = append(apis, gateway.API{Name: fmt.Sprint("api-", n), Title: fmt.Sprint("Word", n), Version: "1.0.0"})
	}
	g, at := registeredSample(t, gateway.Options{APIs: apis}, catalog.Gateway{ID: "edge", Title: "Edge",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "production"}})
	s := openPortal(t, t.TempDir(), at)
	ada := administrator(t, s)
	count := func() int {
		return len(s.must(t, ada, "GET", "/api/v1/apis?limit=100", nil)["items"].([]any))
	}
	for n := range 6 { // 30 %: it is not more than the share
		must(t, g.Remove(fmt.Sprint("api-", n)))
	}
	if run := s.syncNow(t, "edge"); run.State != catalog.Applied || count() != published-6 {
		t.Errorf("30 %% gone: %+v, %d are left", run, count())
	}
	for n := range 5 { // of 14
		must(t, g.Remove(fmt.Sprint("api-", 6+n)))
	}
	run := s.syncNow(t, "edge")
	if run.State != catalog.Waiting || len(run.Removing) != 5 || count() != 14 {
		t.Fatalf("36 %% gone: %+v, %d are left", run, count())
	}
	page := s.ask(ada, web.SurfacePage, "GET", "/gateways/edge", "")
	if page.status != http.StatusOK || !strings.Contains(page.body, html.EscapeString("/gateways/edge/runs/"+string(run.ID))) {
		t.Errorf("the gateway's page says nothing of what waits: %s", page)
	}
	s.must(t, ada, "POST", "/api/v1/gateways/edge/runs/"+string(run.ID)+"/apply", nil)
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		must(t, s.live.Refresh(t.Context()))
		if count() == 9 {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("after a person's yes %d are left", count())
		}
	}
}

// TestReplicasSyncOneGateway: several replicas that are asked at once to read one gateway read it once, and all tell of that
// one run.
func TestReplicasSyncOneGateway(t *testing.T) {
	const apis = 50
	g, at := paymentsGateway(t)
	for n := range apis {
		must(t, g.Add(gateway.API{Name: fmt.Sprint("api-", n), Title: fmt.Sprint("Word", n), Version: "1.0.0"}))
	}
	all := startReplicas(t, 3, postgrestest.New(t), at)
	all.replicas[0].sync(t, "sample") // the one that the registration asks for may run meanwhile
	admin := all.replicas[0].person(t, "ada@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}, access.PlatformAdministrator)
	for n := range 5 {
		for k := range apis {
			must(t, g.Add(gateway.API{Name: fmt.Sprint("api-", k), Title: fmt.Sprint("Word", k), Version: "1.0.0", Summary: fmt.Sprint("Round ", n)}))
		}
		g.SetFaults(gateway.Faults{Delay: 20 * time.Millisecond})
		var group sync.WaitGroup
		told := make([]string, len(all.replicas))
		for i, r := range all.replicas {
			group.Go(func() {
				a, err := client{t, r.url, admin.token}.try(http.MethodPost, "/api/v1/gateways/sample/sync", nil)
				if err != nil || a.status != http.StatusAccepted {
					t.Errorf("replica %d: %d %s, %v", i, a.status, a.body, err)
					return
				}
				told[i] = read[api.Run](t, a, "sync", http.StatusAccepted).ID
			})
		}
		group.Wait()
		ended := map[string]string{}
		for i, id := range told {
			run, err := all.replicas[i].ingest.Wait(t.Context(), "sample", portal.RunID(id))
			must(t, err)
			ended[id] = string(run.State)
		}
		g.SetFaults(gateway.Faults{})
		applied := 0
		for _, state := range ended {
			switch catalog.RunState(state) {
			case catalog.Applied:
				applied++
			case catalog.Unchanged:
			default:
				t.Errorf("a run is %s", state)
			}
		}
		if applied != 1 {
			t.Errorf("round %d: %v", n, ended)
		}
		records := 0
		runs, err := all.replicas[0].ingest.Runs(t.Context(), "sample", "", 100)
		must(t, err)
		for _, run := range runs {
			if run.State == catalog.Running {
				records++
			}
		}
		if records > 0 {
			t.Errorf("%d runs are left running", records)
		}
	}
	if st, err := all.replicas[2].ingest.Standing(t.Context(), "sample"); err != nil || st.Deployments != apis+2 {
		t.Errorf("%+v, %v", st, err)
	}
}
