package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/ingest"
	"concierge/portal/people"
	v1 "concierge/portal/web/v1"
)

const (
	// workingWithin and refusedWithin are what consumers are promised of the gateways in these tests.
	workingWithin = 2 * time.Second
	refusedWithin = 2 * time.Second
	// callTimeout bounds one call of a test.
	callTimeout = 30 * time.Second
)

// client calls a portal over HTTP API v1 as one person does; without a token, as nobody.
type client struct {
	t     testing.TB
	url   string
	token string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// calls neither follows redirects nor asks a proxy.
var calls = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 4},
	Timeout:       callTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// try sends a request; headers are names and values in turn.
func (c client) try(method, path string, body any, headers ...string) (answer, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.url+path, content)
	if err != nil {
		return answer{}, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := calls.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b}, err
}

func (c client) send(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// ask sends a request to the API that has to be answered with one of the wanted statuses, and reads the answer as a T.
func ask[T any](c client, method, path string, body any, want ...int) (t T) {
	c.t.Helper()
	a := c.send(method, "/api/v1"+path, body)
	return read[T](c.t, a, method+" "+path, want...)
}

func read[T any](t testing.TB, a answer, what string, want ...int) (into T) {
	t.Helper()
	ok := false
	for _, w := range want {
		ok = ok || a.status == w
	}
	if !ok {
		t.Fatalf("%s: %d, want %v: %s", what, a.status, want, a.body)
	}
	if err := json.Unmarshal(a.body, &into); err != nil {
		t.Fatalf("%s: %v: %s", what, err, a.body)
	}
	return into
}

func get[T any](c client, path string) T {
	c.t.Helper()
	return ask[T](c, http.MethodGet, path, nil, http.StatusOK)
}

func post[T any](c client, path string, body any) T {
	c.t.Helper()
	return ask[T](c, http.MethodPost, path, body, http.StatusCreated)
}

func (c client) apis() []api.API {
	c.t.Helper()
	return get[api.Page[api.API]](c, "/apis?limit=200").Items
}

// endpoint is an API in one version and environment.
type endpoint struct{ api, version, environment string }

func (e endpoint) query() string {
	return url.Values{"api": {e.api}, "version": {e.version}, "environment": {e.environment}}.Encode()
}

// endpoints are all that a person's catalog lists.
func (c client) endpoints() (all []endpoint) {
	c.t.Helper()
	for _, a := range c.apis() {
		for _, v := range a.Versions {
			for _, e := range v.Environments {
				all = append(all, endpoint{a.ID, v.Version, e})
			}
		}
	}
	return all
}

func (c client) resolve(e endpoint) api.Decision {
	c.t.Helper()
	return get[api.Decision](c, "/resolve?"+e.query())
}

// subscribe makes an application and asks for the right to a key.
func (c client) subscribe(e endpoint) api.Subscription {
	c.t.Helper()
	app := post[api.Application](c, "/applications", api.NewApplication{Name: "test of " + e.api})
	return post[api.Subscription](c, "/subscriptions", api.NewSubscription{
		Application: app.ID, API: e.api, Version: e.version, Environment: e.environment,
	})
}

func (c client) claim(subscription string) api.ClaimBody {
	c.t.Helper()
	claimed := post[api.ClaimBody](c, "/subscriptions/"+subscription+"/credentials", nil)
	if len(claimed.Parts) == 0 || claimed.Secret == "" {
		c.t.Fatalf("a claim without a secret: %s %s", claimed.State, claimed.Note)
	}
	return claimed
}

// revoke revokes a key, and again until the portal says that it holds.
func (c client) revoke(id string) api.Credential {
	c.t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		cred := ask[api.Credential](c, http.MethodDelete, "/credentials/"+id, nil, http.StatusOK, http.StatusAccepted)
		if cred.State == "revoked" {
			if cred.Effective == nil || cred.Effective.By != "admin" {
				c.t.Errorf("revoked without saying since when: %+v", cred)
			}
			return cred
		}
		if time.Since(start) > 20*time.Second {
			c.t.Fatalf("credential %s is still %s: %s", id, cred.State, cred.Note)
		}
	}
}

// use calls an address with a credential, or with none.
func use(t testing.TB, address string, parts []api.PartBody) int {
	t.Helper()
	headers := []string{}
	query := url.Values{}
	for _, p := range parts {
		if p.In == "query" {
			query.Set(p.Name, p.Prefix+p.Value)
			continue
		}
		headers = append(headers, p.Name, p.Prefix+p.Value)
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return client{t: t, url: address}.send(http.MethodGet, "", nil, headers...).status
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// within calls until what came back is as it should be, and says how long that took.
func within(t testing.TB, limit time.Duration, what string, call func() int, good func(int) bool) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		status := call()
		switch took := time.Since(start); {
		case good(status):
			return took
		case took > limit:
			t.Fatalf("%s: %d after %s", what, status, took)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func works(status int) bool { return status == http.StatusOK }

// keyLife goes from the right to a key to a working key and back: claimed, used, refused at other addresses, rotated with
// overlap, revoked. address is one that the subscription's API answers with 200.
func (c client) keyLife(subscription, address string, others ...string) {
	t := c.t
	t.Helper()
	first := c.claim(subscription)
	if status := use(t, address, nil); !refused(status) {
		t.Errorf("without a key: %d", status)
	}
	wrong := []api.PartBody{first.Parts[0]}
	wrong[0].Value = "a-key-that-nobody-made"
	if status := use(t, address, wrong); !refused(status) {
		t.Errorf("with a wrong key: %d", status)
	}
	with := func(claimed api.ClaimBody) func() int { return func() int { return use(t, address, claimed.Parts) } }
	within(t, workingWithin, "with the key", with(first), works)
	for _, other := range others {
		if status := use(t, other, first.Parts); !refused(status) {
			t.Errorf("the key of another API at %s: %d", other, status)
		}
	}

	second := post[api.ClaimBody](c, "/credentials/"+first.ID+"/rotate", v1.RotationBody{Overlap: "1h"})
	if second.Secret == "" || second.Secret == first.Secret || second.Replaces != first.ID {
		t.Fatalf("the second key is not another one: %+v", second.Credential)
	}
	within(t, workingWithin, "with the second key", with(second), works)
	if status := use(t, address, first.Parts); status != http.StatusOK {
		t.Errorf("with the first key during the overlap: %d", status)
	}
	if old := get[api.Credential](c, "/credentials/"+first.ID); old.State != "retiring" || old.Ends == nil {
		t.Errorf("the first key has no end: %+v", old)
	}
	list := c.send(http.MethodGet, "/api/v1/credentials", nil)
	for _, claimed := range []api.ClaimBody{first, second} {
		if bytes.Contains(list.body, []byte(claimed.Secret)) {
			t.Error("the list shows a secret")
		}
		ask[api.Credential](c, http.MethodDelete, "/credentials/"+claimed.ID, nil, http.StatusOK, http.StatusAccepted)
		took := within(t, refusedWithin, "with a revoked key", with(claimed), refused)
		t.Logf("%s: refused %s after the revocation was answered", claimed.Gateway, took.Round(time.Microsecond))
		c.revoke(claimed.ID)
	}
}

// running is a portal that a test started in its own process.
type running struct {
	*server
	url string
}

// run starts a portal over the given gateways and ends it with the test.
func run(t testing.TB, gateways ...ingest.Registration) running {
	t.Helper()
	c, err := parseConfig(nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.Approval = []approvalConfig{{Approval: portal.Automatic}}
	return runWith(t, c, gateways...)
}

// runWith is run with a configuration; where it listens and what its database is are the test's.
func runWith(t testing.TB, c config, gateways ...ingest.Registration) running {
	t.Helper()
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.PublicURL = "http://" + l.Addr().String()
	c.Database = testDatabase(t, c.Database)
	s, err := open(t.Context(), c, gateways, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(errors.Join(err, l.Close()))
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-served, s.Close()); err != nil {
			t.Error(err)
		}
	})
	return running{s, c.PublicURL}
}

// person makes somebody who has a token.
func (r running) person(t testing.TB, email string, in people.NewOrganisation, roles ...access.Role) client {
	t.Helper()
	_, token, err := r.people.Seed(t.Context(), people.Seed{
		Organisation: in, Name: "Test Person", Email: email, Roles: roles, Password: portal.NewSecret(portal.NewID("pass")),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return client{t, r.url, token.Reveal()}
}

// sync reads a gateway and waits until consumers see what it publishes.
func (r running) sync(t testing.TB, id portal.GatewayID) {
	t.Helper()
	started, err := r.ingest.Sync(t.Context(), id, "system:test")
	if err != nil {
		t.Fatal(err)
	}
	ended, err := r.ingest.Wait(t.Context(), id, started.ID)
	if err != nil || !ended.State.Good() {
		t.Fatalf("the sync of %s: %+v, %v", id, ended, err)
	}
	if err := r.live.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var (
	partners = people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}
	staff    = people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}
)

// company is the demo, running in the test's process.
type company struct {
	url                                string
	partner, internal, division, admin client
}

func startDemo(t testing.TB) company {
	t.Helper()
	o := demoOptions{listen: "127.0.0.1:0", database: testDatabase(t, filepath.Join(t.TempDir(), "demo.db"))}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan demoReady, 1), make(chan error, 1)
	go func() {
		ended <- demo(ctx, o, slog.New(slog.DiscardHandler), func(r demoReady) error {
			ready <- r
			return nil
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case r := <-ready:
		return meet(t, r)
	case err := <-ended:
		ended <- err
		t.Fatalf("the demo ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the demo is not ready after 30 s")
	}
	return company{}
}

// meet finds the people of a demo by what they are, as its reader does.
func meet(t testing.TB, r demoReady) company {
	t.Helper()
	find := func(role string, audience portal.Audience) client {
		for _, p := range r.People {
			if p.Role == role && p.Audience == string(audience) {
				if p.Token == "" || p.Email == "" || p.Password == "" || p.Name == "" || p.Organisation == "" {
					t.Errorf("the demo does not tell all of %s", p.Name)
				}
				return client{t, r.URL, p.Token}
			}
		}
		t.Fatalf("the demo has no %s %s", audience, role)
		return client{}
	}
	return company{
		r.URL, find("developer", portal.Partner), find("developer", portal.Internal),
		find("division-administrator", portal.Internal), find("administrator", portal.Internal),
	}
}

// document reads where an API's document sends its reader, and a path of it that can be called as it is.
func (c client) document(e endpoint) (servers []string, path string) {
	c.t.Helper()
	a := c.send(http.MethodGet, "/api/v1/apis/"+e.api+"/spec?"+e.query(), nil, "Accept", "application/json")
	doc := read[struct {
		Servers []struct{ URL string }
		Paths   map[string]map[string]json.RawMessage
	}](c.t, a, "the document of "+e.api, http.StatusOK)
	for _, s := range doc.Servers {
		servers = append(servers, s.URL)
	}
	for p, operations := range doc.Paths {
		if _, reads := operations["get"]; reads && !strings.Contains(p, "{") {
			path = p
		}
	}
	if path == "" {
		c.t.Fatalf("the document of %s has no GET without parameters", e.api)
	}
	return servers, path
}

// TestWholePath walks the main path of the product as its consumers do: the same API and environment lead a partner and
// an internal developer to different endpoints, and each gets a key there that works until it is revoked.
func TestWholePath(t *testing.T) {
	demo := startDemo(t)

	t.Run("who", func(t *testing.T) {
		for audience, c := range map[portal.Audience]client{portal.Partner: demo.partner, portal.Internal: demo.internal} {
			if me := get[api.Me](c, "/me"); me.Audience != string(audience) {
				t.Errorf("the %s developer is told: %+v", audience, me)
			}
		}
		if a := (client{t: t, url: demo.url}).send(http.MethodGet, "/api/v1/me", nil); a.status != http.StatusUnauthorized {
			t.Errorf("nobody is answered %d", a.status)
		}
	})

	t.Run("each to their endpoint", func(t *testing.T) {
		shared, environments := 0, map[string]string{}
		for _, e := range demo.partner.endpoints() {
			theirs, ours := demo.partner.resolve(e), demo.internal.resolve(e)
			if theirs.Environment != e.environment || theirs.Version != e.version || len(theirs.Why) == 0 {
				t.Errorf("%v is answered with %+v", e, theirs)
			}
			if env, seen := environments[theirs.BaseURL]; seen && env != e.environment {
				t.Errorf("%s serves both %s and %s", theirs.BaseURL, env, e.environment)
			}
			environments[theirs.BaseURL] = e.environment
			if theirs.BaseURL != ours.BaseURL {
				shared++
			}
		}
		if shared == 0 {
			t.Error("no API sends the partner and the internal developer to different endpoints")
		}
		shipments := endpoint{"shipments", "2", "production"}
		production := demo.partner.resolve(shipments)
		if test := demo.partner.resolve(endpoint{"shipments", "2", "test"}); test.BaseURL == production.BaseURL {
			t.Error("test and production are the same endpoint")
		}
		if ours := demo.internal.resolve(shipments); ours.BaseURL == production.BaseURL || ours.Gateway == production.Gateway {
			t.Errorf("partner and internal developer share %s", ours.BaseURL)
		}
	})

	t.Run("validators", func(t *testing.T) {
		path := "/api/v1/resolve?" + endpoint{"shipments", "2", "production"}.query()
		first := demo.partner.send(http.MethodGet, path, nil)
		tag := first.header.Get("ETag")
		if again := demo.partner.send(http.MethodGet, path, nil, "If-None-Match", tag); again.status != http.StatusNotModified || len(again.body) > 0 {
			t.Errorf("the same answer again: %d %s", again.status, again.body)
		}
		if other := demo.internal.send(http.MethodGet, path, nil, "If-None-Match", tag); other.status != http.StatusOK {
			t.Errorf("somebody else's validator: %d", other.status)
		}
		if got := first.header.Get("Vary"); !strings.Contains(got, "Authorization") {
			t.Errorf("Vary: %q", got)
		}
	})

	for name, c := range map[string]client{"partner": demo.partner, "internal": demo.internal} {
		for _, environment := range []string{"test", "production"} {
			t.Run("key of the "+name+" in "+environment, func(t *testing.T) {
				c := client{t, c.url, c.token}
				e := endpoint{"shipments", "2", environment}
				decision := c.resolve(e)
				servers, path := c.document(e)
				if len(servers) != 1 || strings.TrimRight(servers[0], "/") != strings.TrimRight(decision.BaseURL, "/") {
					t.Errorf("the document says %v, the decision %s", servers, decision.BaseURL)
				}
				sub := c.subscribe(e)
				if sub.State != "approved" {
					t.Fatalf("the subscription is %s", sub.State)
				}
				other := c.resolve(endpoint{"tracking", "1", environment})
				if other.Gateway != decision.Gateway {
					t.Fatalf("tracking is on %s, shipments on %s", other.Gateway, decision.Gateway)
				}
				_, otherPath := c.document(endpoint{"tracking", "1", environment})
				c.keyLife(sub.ID, strings.TrimRight(decision.BaseURL, "/")+path, strings.TrimRight(other.BaseURL, "/")+otherPath)
			})
		}
	}

	t.Run("other people's keys are not there", func(t *testing.T) {
		sub := demo.partner.subscribe(endpoint{"shipments", "2", "test"})
		cred := demo.partner.claim(sub.ID)
		for _, path := range []string{"/credentials/" + cred.ID, "/subscriptions/" + sub.ID, "/applications/" + sub.Application} {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				if strings.HasPrefix(path, "/applications") && method == http.MethodDelete {
					continue
				}
				ask[api.Problem](demo.internal, method, path, nil, http.StatusNotFound)
			}
		}
		ask[api.Problem](demo.internal, http.MethodPost, "/credentials/"+cred.ID+"/rotate", v1.RotationBody{}, http.StatusNotFound)
		demo.partner.revoke(cred.ID)
	})
}

// TestDemoHasSomethingToDecide: each kind of thing that waits for an administrator is there to be looked at.
func TestDemoHasSomethingToDecide(t *testing.T) {
	demo := startDemo(t)
	open := get[api.ReviewList](demo.admin, "/reviews").Items
	if len(open) != 1 || open[0].Kind != "join" || open[0].Other == nil || len(open[0].Reasons) == 0 {
		t.Errorf("reviews: %+v", open)
	}
	unclassified := 0
	for _, g := range get[api.Page[api.Gateway]](demo.admin, "/gateways?limit=200").Items {
		unclassified += g.Unclassified
	}
	if unclassified != 1 {
		t.Errorf("%d unclassified deployments", unclassified)
	}
	d := get[api.Difference](demo.internal, "/apis/tracking/difference?from_environment=test&to_environment=production")
	if d.Same || d.Breaking == 0 || d.Compatible == 0 {
		t.Errorf("test and production: %+v", d)
	}
}

// instance is what differs between two answers that are otherwise the same.
var instance = regexp.MustCompile(`"request_id":"[^"]*"`)

// TestPartnerSeesNoTrace compares everything that the partner can read with what is not for them.
func TestPartnerSeesNoTrace(t *testing.T) {
	demo := startDemo(t)
	seenURLs, seenGateways, mine := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var bodies bytes.Buffer
	collect := func(path string) {
		bodies.Write(demo.partner.send(http.MethodGet, path, nil).body)
	}
	collect("/api/v1/apis?limit=200")
	collect("/.well-known/api-catalog")
	collect("/api/v1/environments")
	for _, e := range demo.partner.endpoints() {
		d := demo.partner.resolve(e)
		seenURLs[d.BaseURL], seenGateways[d.Gateway], mine[e.api] = true, true, true
		collect("/api/v1/apis/" + e.api)
		collect("/api/v1/apis/" + e.api + "/spec?" + e.query())
		collect("/api/v1/resolve?" + e.query())
		collect("/api/v1/resolve?" + endpoint{e.api, "no-such-version", e.environment}.query())
		collect("/api/v1/resolve?" + endpoint{e.api, "", "no-such-environment"}.query())
	}
	hidden := map[string]bool{}
	for _, e := range demo.internal.endpoints() {
		d := demo.internal.resolve(e)
		if !mine[e.api] {
			hidden[e.api] = true
			collect("/api/v1/resolve?" + e.query())
		}
		if !seenURLs[d.BaseURL] && regexp.MustCompile(regexp.QuoteMeta(d.BaseURL)+`($|[^\w-])`).Match(bodies.Bytes()) {
			t.Errorf("the partner reads of the address %s", d.BaseURL)
		}
		if !seenGateways[d.Gateway] && strings.Contains(bodies.String(), `"`+d.Gateway+`"`) {
			t.Errorf("the partner reads of the gateway %s", d.Gateway)
		}
	}
	if len(hidden) == 0 {
		t.Fatal("the demo hides no API from the partner")
	}
	for id := range hidden {
		for _, path := range []string{"/api/v1/apis/%s", "/api/v1/apis/%s/spec", "/api/v1/resolve?api=%s&environment=production"} {
			is, none := demo.partner.send(http.MethodGet, fmt.Sprintf(path, id), nil), demo.partner.send(http.MethodGet, fmt.Sprintf(path, "nothing"), nil)
			a := instance.ReplaceAllString(strings.ReplaceAll(string(is.body), id, "X"), "")
			b := instance.ReplaceAllString(strings.ReplaceAll(string(none.body), "nothing", "X"), "")
			if is.status != http.StatusNotFound || none.status != http.StatusNotFound || a != b {
				t.Errorf("hidden and missing differ: %d %s / %d %s", is.status, is.body, none.status, none.body)
			}
		}
	}
	problem := ask[api.Problem](demo.partner, http.MethodGet, "/gateways", nil, http.StatusNotFound)
	if !strings.HasSuffix(problem.Type, "/not-found") {
		t.Errorf("the partner's gateways: %+v", problem)
	}
	if n := len(get[api.Page[api.Gateway]](demo.admin, "/gateways?limit=200").Items); n < 6 {
		t.Errorf("the administrator sees %d gateways", n)
	}
}

// TestOutsideWorld looks at what is not the API's own: its document, the link set, and how errors are told.
func TestOutsideWorld(t *testing.T) {
	demo := startDemo(t)
	nobody := client{t: t, url: demo.url}
	document := read[struct{ OpenAPI string }](t, nobody.send(http.MethodGet, "/openapi.json", nil), "/openapi.json", http.StatusOK)
	if !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Errorf("the document is OpenAPI %s", document.OpenAPI)
	}
	links := demo.partner.send(http.MethodGet, "/.well-known/api-catalog", nil)
	if got := links.header.Get("Content-Type"); links.status != http.StatusOK || !strings.Contains(got, "application/linkset+json") {
		t.Errorf("the link set: %d %s", links.status, got)
	}
	none := demo.partner.send(http.MethodGet, "/api/v1/resolve?api=shipments&environment=nowhere", nil)
	problem := read[api.Problem](t, none, "an unknown environment", http.StatusNotFound)
	if got := none.header.Get("Content-Type"); !strings.HasPrefix(got, "application/problem+json") || !strings.HasSuffix(problem.Type, "/no-endpoint") || len(problem.Environments) == 0 {
		t.Errorf("an unknown environment: %s %+v", got, problem)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := nobody.send(http.MethodGet, path, nil); a.status != http.StatusOK {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestApproval asks for what waits for a person, and lets the right one decide.
func TestApproval(t *testing.T) {
	demo := startDemo(t)
	e := endpoint{"customs-declarations", "1", "production"}
	if plans := demo.partner.resolve(e).Plans; len(plans) == 0 || plans[0].Approval != portal.Required {
		t.Errorf("the partner is not told beforehand: %+v", plans)
	}
	decide := func(c client, id, verdict string, want int) {
		t.Helper()
		ask[json.RawMessage](c, http.MethodPost, "/subscriptions/"+id+"/"+verdict, map[string]string{"reason": "known to us"}, want)
	}
	waiting := demo.partner.subscribe(e)
	if waiting.State != "requested" {
		t.Fatalf("the request is %s", waiting.State)
	}
	ask[api.Problem](demo.partner, http.MethodPost, "/subscriptions/"+waiting.ID+"/credentials", nil, http.StatusConflict)
	decide(demo.partner, waiting.ID, "approve", http.StatusForbidden)
	decide(demo.internal, waiting.ID, "approve", http.StatusNotFound)
	decide(demo.admin, waiting.ID, "approve", http.StatusOK)
	d := demo.partner.resolve(e)
	_, path := demo.partner.document(e)
	demo.partner.keyLife(waiting.ID, strings.TrimRight(d.BaseURL, "/")+path)

	// Who asks does not decide, whatever else they may.
	own := demo.admin.subscribe(e)
	decide(demo.admin, own.ID, "approve", http.StatusForbidden)
	decide(demo.division, own.ID, "reject", http.StatusOK)
	if now := get[api.Subscription](demo.admin, "/subscriptions/"+own.ID); now.State != "rejected" || now.Reason != "known to us" {
		t.Errorf("the rejected request: %+v", now)
	}
	decide(demo.division, own.ID, "approve", http.StatusConflict)
}

// TestInvitation lets somebody in with a one-time link, and shuts them out again.
func TestInvitation(t *testing.T) {
	demo := startDemo(t)
	var brightmart string
	for _, o := range get[api.Page[api.Organisation]](demo.admin, "/organisations").Items {
		if o.Audience == string(portal.Partner) {
			brightmart = o.ID
		}
	}
	nora := api.NewPerson{Name: "Nora New", Email: "nora@brightmart.example", Organisation: brightmart, Roles: []string{string(access.Developer)}}
	ask[api.Problem](demo.partner, http.MethodPost, "/people", nora, http.StatusNotFound)
	invited := post[api.InvitationBody](demo.admin, "/people", nora)
	if !strings.HasPrefix(invited.URL, demo.url+api.InvitationPath) || invited.Person.State != "invited" {
		t.Fatalf("the invitation: %+v", invited.Person)
	}

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: callTimeout, Transport: calls.Transport, CheckRedirect: calls.CheckRedirect}
	visit := func(address string, form url.Values) (int, string) {
		t.Helper()
		var resp *http.Response
		if form == nil {
			resp, err = browser.Get(address)
		} else {
			resp, err = browser.PostForm(address, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if status, page := visit(invited.URL, nil); status != http.StatusOK || !strings.Contains(page, "Nora New") {
		t.Fatalf("the link shows %d", status)
	}
	form := url.Values{"name": {"Nora New"}, "password": {"a long walk along the quay"}}
	if status, _ := visit(invited.URL, form); status != http.StatusSeeOther {
		t.Fatalf("using the link: %d", status)
	}
	if status, page := visit(demo.url+"/", nil); status != http.StatusOK || !strings.Contains(page, "Nora New") {
		t.Errorf("the first page: %d", status)
	}
	if status, _ := visit(invited.URL, form); status != http.StatusNotFound {
		t.Errorf("the link a second time: %d", status)
	}
	ask[api.Person](demo.admin, http.MethodPatch, "/people/"+invited.Person.ID, map[string]bool{"disabled": true}, http.StatusOK)
	if status, page := visit(demo.url+"/", nil); status == http.StatusOK && strings.Contains(page, "Nora New") {
		t.Error("a disabled person is still signed in")
	}
}

// TestIdempotencyKey repeats requests as a client does that has lost an answer.
func TestIdempotencyKey(t *testing.T) {
	demo := startDemo(t)
	again := func(c client, path string, body any, want int) answer {
		t.Helper()
		a := c.send(http.MethodPost, "/api/v1"+path, body, "Idempotency-Key", "one")
		if a.status != want {
			t.Fatalf("POST %s: %d, want %d: %s", path, a.status, want, a.body)
		}
		return a
	}
	id := func(a answer) string { return read[struct{ ID string }](t, a, "an answer", a.status).ID }
	name := api.NewApplication{Name: "repeated"}
	app := id(again(demo.partner, "/applications", name, http.StatusCreated))
	if repeated := id(again(demo.partner, "/applications", name, http.StatusCreated)); repeated != app {
		t.Errorf("made twice: %s and %s", app, repeated)
	}
	again(demo.partner, "/applications", api.NewApplication{Name: "another"}, http.StatusUnprocessableEntity)
	if theirs := id(again(demo.internal, "/applications", name, http.StatusCreated)); theirs == app {
		t.Error("the key of one person answers another")
	}

	sub := id(again(demo.partner, "/subscriptions", api.NewSubscription{Application: app, API: "shipments", Version: "2", Environment: "test"}, http.StatusCreated))
	claim := "/subscriptions/" + sub + "/credentials"
	first := read[api.ClaimBody](t, again(demo.partner, claim, nil, http.StatusCreated), "a claim", http.StatusCreated)
	repeated := again(demo.partner, claim, nil, http.StatusCreated)
	if second := read[api.ClaimBody](t, repeated, "a repeated claim", http.StatusCreated); second.ID != first.ID || second.Note == "" || bytes.Contains(repeated.body, []byte(first.Secret)) {
		t.Errorf("the repeated claim: %+v", second.Credential)
	}
	if got := repeated.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a claim may be kept: %q", got)
	}
}

// paymentsGateway is a sample gateway with two APIs, for partners in production.
func paymentsGateway(t testing.TB) (*gateway.Gateway, ingest.Registration) {
	t.Helper()
	g := sampletest.Start(t, gateway.Options{APIs: []gateway.API{{Name: "payments", Version: "1.0.0"}, {Name: "orders", Version: "1.0.0"}}})
	return g, registration(sample.Kind, sampletest.Config(g, g.AdminToken()), portal.Partner)
}

// TestAnswersFollowTheCatalog asks the same question before and after what it is about has changed.
func TestAnswersFollowTheCatalog(t *testing.T) {
	g, registration := paymentsGateway(t)
	r := run(t, registration)
	r.sync(t, "sample")
	c, e := r.person(t, "petra@brightmart.example", partners, access.Developer), endpoint{"payments", "1", "production"}
	for range 2 {
		if d := c.resolve(e); d.Lifecycle == string(portal.Deprecated) {
			t.Fatalf("it is %s already", d.Lifecycle)
		}
	}
	if err := g.Add(gateway.API{Name: "payments", Version: "1.0.0", Lifecycle: portal.Deprecated}); err != nil {
		t.Fatal(err)
	}
	r.sync(t, "sample")
	if d := c.resolve(e); d.Lifecycle != string(portal.Deprecated) {
		t.Errorf("after the sync it is %s", d.Lifecycle)
	}
}

// TestTwoClaimsMakeOneKey lets two clients claim for one subscription at once, on a gateway that takes its time: one of
// them gets the key, the other is told which one is in the way.
func TestTwoClaimsMakeOneKey(t *testing.T) {
	g, registration := paymentsGateway(t)
	r := run(t, registration)
	r.sync(t, "sample")
	c := r.person(t, "petra@brightmart.example", partners, access.Developer)
	sub := c.subscribe(endpoint{"payments", "1", "production"})
	g.SetFaults(gateway.Faults{Delay: 200 * time.Millisecond})

	const clients = 4
	answers, begin := make([]answer, clients), make(chan struct{})
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() {
			<-begin
			var err error
			if answers[i], err = c.try(http.MethodPost, "/api/v1/subscriptions/"+sub.ID+"/credentials", nil); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	wait.Wait()
	var won api.ClaimBody
	for _, a := range answers {
		if a.status == http.StatusCreated {
			if won.ID != "" {
				t.Fatal("two claims were answered with a key")
			}
			won = read[api.ClaimBody](t, a, "a claim", http.StatusCreated)
		}
	}
	for _, a := range answers {
		if a.status == http.StatusCreated {
			continue
		}
		if problem := read[api.Problem](t, a, "a claim that came second", http.StatusConflict); problem.Conflict != won.ID {
			t.Errorf("%s is in the way, it says; the key is %s", cmp.Or(problem.Conflict, "nothing"), won.ID)
		}
	}
	if n := g.Live(""); n != 1 {
		t.Errorf("the gateway has %d keys", n)
	}
}

// program builds the command once and returns where it is.
func program(t testing.TB, tags ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("building the program is not for -short")
	}
	path := filepath.Join(t.TempDir(), "concierge")
	if out, err := exec.Command("go", "build", "-tags", strings.Join(tags, ","), "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return path
}

// process is a running program.
type process struct {
	*exec.Cmd
	lines chan string // of standard output; closed at its end
	log   transcript  // its standard error
}

// transcript is what a program has written so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// start runs a program, with variables beside those of the test, until the test ends.
func start(t testing.TB, variables []string, path string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(path, args...), lines: make(chan string, 100)}
	p.Env = append(os.Environ(), variables...)
	p.Stderr = &p.log
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if p.ProcessState == nil {
			_ = p.Process.Kill()
			_ = p.Wait()
		}
	})
	return p
}

// told reads the line that a demo prints when it is ready.
func (p *process) told(t testing.TB, limit time.Duration) (r demoReady) {
	t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			_ = p.Wait()
			t.Fatalf("the demo ended: %s", &p.log)
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
	case <-time.After(limit):
		t.Fatalf("the demo is not ready after %s", limit)
	}
	return r
}

// end asks the program to end, and returns what else it has printed.
func (p *process) end(t testing.TB) (rest []string) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(20*time.Second, func() { _ = p.Process.Kill() })
	defer kill.Stop()
	for line := range p.lines {
		rest = append(rest, line)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("the program ended badly: %v\n%s", err, &p.log)
	}
	return rest
}

// TestDemoProgram runs the built program as its reader does: one line, in time, and nothing left behind.
func TestDemoProgram(t *testing.T) {
	path, temp := program(t), t.TempDir()
	began := time.Now()
	p := start(t, []string{"TMPDIR=" + temp}, path, "demo", "--json", "--database", testDatabase(t, filepath.Join(t.TempDir(), "demo.db")))
	ready := p.told(t, 10*time.Second)
	t.Logf("ready in %s", time.Since(began).Round(time.Millisecond))
	if got := get[api.Me](meet(t, ready).partner, "/me"); got.Audience != string(portal.Partner) {
		t.Errorf("the partner is told: %+v", got)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
		t.Fatalf("while it runs it has %v, %v", left, err)
	}
	if rest := p.end(t); len(rest) > 0 {
		t.Errorf("it printed more than its line: %q", rest)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// TestDemoKeepsData ends the built program and starts it again on the same folder: a key from before still works, at the
// same address, and can be revoked.
func TestDemoKeepsData(t *testing.T) {
	path, temp, data := program(t), t.TempDir(), filepath.Join(t.TempDir(), "kept")
	e := endpoint{"shipments", "2", "production"}
	demo := []string{"demo", "--json", "--data", data, "--database", testDatabase(t, filepath.Join(data, "concierge.db"))}

	p := start(t, []string{"TMPDIR=" + temp}, path, demo...)
	partner := meet(t, p.told(t, 10*time.Second)).partner
	key := partner.claim(partner.subscribe(e).ID)
	_, doc := partner.document(e)
	address := strings.TrimRight(key.BaseURL, "/") + doc
	within(t, workingWithin, "with the key", func() int { return use(t, address, key.Parts) }, works)
	p.end(t)

	p = start(t, []string{"TMPDIR=" + temp}, path, demo...)
	again := meet(t, p.told(t, 10*time.Second)).partner
	if a, err := partner.try(http.MethodGet, "/api/v1/me", nil); err == nil && a.status != http.StatusUnauthorized {
		t.Errorf("the token of the time before: %d", a.status)
	}
	if d := again.resolve(e); d.BaseURL != key.BaseURL {
		t.Errorf("the endpoint was %s and is %s", key.BaseURL, d.BaseURL)
	}
	if status := use(t, address, key.Parts); status != http.StatusOK {
		t.Errorf("the key of the time before: %d", status)
	}
	again.revoke(key.ID)
	within(t, refusedWithin, "with the revoked key", func() int { return use(t, address, key.Parts) }, refused)
	p.end(t)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}
