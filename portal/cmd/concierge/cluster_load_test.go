//go:build cluster && linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	v1 "concierge/portal/web/v1"
)

// crowd is the clients of a cluster, and what they were told.
type crowd struct {
	t     *testing.T
	to    *cluster
	views map[portal.Audience]*view
	think time.Duration // the longest pause between two steps of a client
	stop  chan struct{} // closed: nobody begins anything new

	mu       sync.Mutex
	counts   map[string]int
	troubles []trouble
	wrong    []string        // answers that may never be
	keys     map[string]*key // by the credential's id
}

// key is one whose secret a client saw.
type key struct {
	subscription, address string
	parts                 []api.PartBody
	revoked               bool // by its client, and answered
}

// view is what one audience sees of the catalog. Nothing of it changes during the test.
type view struct {
	list   []byte
	routes map[endpoint]route
}

// route is where an endpoint leads.
type route struct {
	decision api.Decision
	address  string // below it, a GET that answers 200
}

// trouble is a request that was not served.
type trouble struct {
	from, to   time.Time
	method     string
	what       string
	status     int // 0: no answer
	proxy      bool
	retryAfter bool
	problem    bool // the body says what it is
	text       string
}

// newCrowd looks at the catalog with the eyes of each audience, and checks what it sees against the company's rules.
func newCrowd(c *cluster) *crowd {
	c.t.Helper()
	w := &crowd{t: c.t, to: c, views: map[portal.Audience]*view{}, think: 1500 * time.Millisecond, stop: make(chan struct{}), counts: map[string]int{}, keys: map[string]*key{}}
	for audience, members := range c.people {
		as := client{c.t, c.url, members[0].tokens[0]}
		v := &view{list: as.send(http.MethodGet, listPath, nil).body, routes: map[endpoint]route{}}
		for _, e := range as.endpoints() {
			d := as.resolve(e)
			own, environment := placed(d)
			if environment != e.environment || own != audience && own != portal.Public {
				c.t.Fatalf("%s is sent to %s of %s, which is %s in %s", audience, d.BaseURL, d.Gateway, own, environment)
			}
			_, path := as.document(e)
			v.routes[e] = route{withoutTime(d), d.BaseURL + path}
		}
		if len(v.routes) == 0 {
			c.t.Fatalf("%s sees nothing", audience)
		}
		w.views[audience] = v
	}
	return w
}

const listPath = "/api/v1/apis?limit=200"

// placed says whom an endpoint of the demo's company is for, from the names of its gateways and of their paths alone.
func placed(d api.Decision) (portal.Audience, string) {
	u, err := url.Parse(d.BaseURL)
	if err != nil {
		return "", ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case strings.HasSuffix(d.Gateway, "-lab"):
		audience := portal.Internal
		if rest, ok := strings.CutPrefix(first, "partner"); ok {
			audience, first = portal.Partner, rest
		}
		return audience, map[string]string{"dev": "development", "test": "test", "sim": "simulation"}[first]
	case first == "open":
		return portal.Public, "production"
	case strings.HasSuffix(d.Gateway, "-edge"):
		return portal.Partner, "production"
	}
	return portal.Internal, "production"
}

// withoutTime is what stays the same of a decision as time passes.
func withoutTime(d api.Decision) api.Decision {
	d.Expires = time.Time{}
	return d
}

func (w *crowd) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts[what]++
}

// never notes an answer that may never be.
func (w *crowd) never(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// consumer is one client.
type consumer struct {
	*crowd
	member
	token  string
	view   *view
	serial string
	made   int
}

// consumers gives each a token of their own.
func (w *crowd) consumers() (all []*consumer) {
	for audience, members := range w.to.people {
		for _, m := range members {
			for _, token := range m.tokens {
				all = append(all, &consumer{crowd: w, member: m, token: token, view: w.views[audience], serial: portal.NewID("c")})
			}
		}
	}
	return all
}

// pause is what people do between two clicks.
func (w *crowd) pause() { time.Sleep(time.Duration(rand.Int64N(int64(w.think) + 1))) }

func (w *crowd) over() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// send sends one request, once. An answer that is no answer is noted.
func (c *consumer) send(method, path, what string, body any, headers ...string) answer {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		content = struct{ io.Reader }{bytes.NewReader(b)} // so that the transport does not repeat it by itself
	}
	req, err := http.NewRequest(method, c.to.url+path, content)
	if err != nil {
		panic(err)
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
	tr := trouble{from: time.Now(), method: method, what: what}
	resp, err := c.to.http.Do(req)
	var a answer
	if err == nil {
		a = answer{status: resp.StatusCode, header: resp.Header}
		a.body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
	}
	tr.to = time.Now()
	if err != nil {
		a = answer{}
		tr.text = err.Error()
	}
	if err != nil || a.status >= 500 || a.status == http.StatusTooManyRequests {
		tr.status = a.status
		if err == nil {
			tr.proxy, tr.retryAfter = a.header.Get("Via") == "haproxy", a.header.Get("Retry-After") != ""
			tr.problem = strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") || strings.HasPrefix(a.header.Get("Content-Type"), "text/html")
			tr.text = string(a.body[:min(len(a.body), 300)])
		}
		c.mu.Lock()
		c.troubles = append(c.troubles, tr)
		c.mu.Unlock()
	}
	c.count("requests: " + what)
	return a
}

// persistence is how long a client repeats a request: longer than an answer that was lost reserves its Idempotency-Key.
const persistence = 100 * time.Second

// ask repeats a request until it is answered. A POST carries the same Idempotency-Key each time.
func (c *consumer) ask(method, path, what string, body any) answer {
	var headers []string
	if method == http.MethodPost {
		headers = []string{"Idempotency-Key", portal.NewID("key")}
	}
	for began, again := time.Now(), false; ; again = true {
		a := c.send(method, path, what, body, headers...)
		wait, patient := 200*time.Millisecond, a.status == 0 || a.status >= 500 || a.status == http.StatusTooManyRequests
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
			wait, patient = min(time.Duration(seconds)*time.Second, 2*time.Second), true
			if a.status == http.StatusConflict {
				c.count("told to wait for the first request of that key")
			}
		}
		switch {
		case !patient:
			if again {
				c.count("answered after a repetition: " + what)
			}
			return a
		case time.Since(began) > persistence:
			c.never("%s: no answer within %s: %d %s", what, persistence, a.status, a.body)
			return a
		}
		time.Sleep(wait)
	}
}

// read takes the answer to a request apart. ok is false where it is another one than wanted.
func answered[T any](c *consumer, a answer, what string, want ...int) (t T, ok bool) {
	if !slices.Contains(want, a.status) {
		c.never("%s, as %s: %d, want %v: %s", what, c.audience, a.status, want, a.body)
		return t, false
	}
	t, err := unmarshal[T](a.body)
	if err != nil {
		c.never("%s: %v", what, err)
		return t, false
	}
	return t, true
}

// looks checks who one is, the list, and one endpoint of anybody.
func (c *consumer) looks() {
	if me, ok := answered[api.Me](c, c.ask(http.MethodGet, "/api/v1/me", "me", nil), "me", http.StatusOK); ok && (me.Audience != string(c.audience) || me.Organisation != c.organisation) {
		c.never("%s of %s is told to be %s of %s", c.audience, c.organisation, me.Audience, me.Organisation)
	}
	c.pause()
	if a := c.ask(http.MethodGet, listPath, "list", nil); a.status != http.StatusOK || !bytes.Equal(a.body, c.view.list) {
		c.never("%s is shown another list: %d %s", c.audience, a.status, a.body)
	}
	c.pause()
	c.resolves(c.anyone())
	c.pause()
}

// anyone is an endpoint that some audience has.
func (c *consumer) anyone() endpoint {
	var all []endpoint
	for _, v := range c.views {
		for e := range v.routes {
			all = append(all, e)
		}
	}
	return all[rand.IntN(len(all))]
}

// resolves checks an answer against what the audience had before anything happened.
func (c *consumer) resolves(e endpoint) {
	a := c.ask(http.MethodGet, "/api/v1/resolve?"+e.query(), "resolve", nil)
	want, mine := c.view.routes[e]
	if !mine {
		if a.status != http.StatusNotFound {
			c.never("%s may not see %v and is told %d %s", c.audience, e, a.status, a.body)
		}
		c.count("endpoints of others refused")
		return
	}
	d, ok := answered[api.Decision](c, a, "resolve", http.StatusOK)
	if got, _ := json.Marshal(withoutTime(d)); ok {
		if expected, _ := json.Marshal(want.decision); !bytes.Equal(got, expected) {
			c.never("%s is sent elsewhere for %v: %s, want %s", c.audience, e, got, expected)
		}
	}
	c.count("endpoints as before")
}

// journey is the whole path once: application, subscription, key, calls, rotation, revocation.
func (c *consumer) journey() {
	c.looks()
	var own []endpoint
	for e, r := range c.view.routes {
		if r.decision.KeysRefused == "" {
			own = append(own, e)
		}
	}
	e := own[rand.IntN(len(own))]
	at := c.view.routes[e]
	c.made++
	app, ok := c.application(fmt.Sprintf("%s %d", c.serial, c.made))
	if !ok {
		return
	}
	c.pause()
	sub, ok := c.subscription(app, e)
	if !ok {
		return
	}
	c.pause()
	first, ok := c.claims(sub, at.address)
	if !ok {
		return
	}
	c.works(at.address, first.Parts)
	c.confined(at, first.Parts)
	c.pause()
	bound := c.ask(http.MethodGet, "/api/v1/resolve?"+e.query()+"&application="+app, "resolve, bound", nil)
	if d, ok := answered[api.Decision](c, bound, "resolve, bound", http.StatusOK); ok && d.BaseURL != at.decision.BaseURL {
		c.never("an application of %s is sent to %s, want %s", c.audience, d.BaseURL, at.decision.BaseURL)
	}
	c.pause()
	second, ok := c.rotates(first, sub, at.address)
	if !ok {
		return
	}
	c.works(at.address, second.Parts)
	c.pause()
	c.revokes(first)
	if rand.IntN(4) == 0 {
		c.count("journeys that keep their key")
		return
	}
	c.pause()
	c.revokes(second)
	c.count("journeys to the end")
}

// lost reports whether an answer says that the request was carried out and its answer is gone.
func lost(a answer) bool {
	p, err := unmarshal[api.Problem](a.body)
	return err == nil && a.status == http.StatusConflict && p.Conflict == ""
}

func (c *consumer) application(name string) (string, bool) {
	a := c.ask(http.MethodPost, "/api/v1/applications", "application", api.NewApplication{Name: name})
	if !lost(a) {
		app, ok := answered[api.Application](c, a, "application", http.StatusCreated)
		return app.ID, ok
	}
	c.count("answers lost, thing found: application")
	for cursor := ""; ; {
		list, ok := answered[api.Page[api.Application]](c, c.ask(http.MethodGet, "/api/v1/applications?limit=200&cursor="+url.QueryEscape(cursor), "applications", nil), "applications", http.StatusOK)
		if !ok {
			return "", false
		}
		for _, app := range list.Items {
			if app.Name == name {
				return app.ID, true
			}
		}
		if cursor = list.Next; cursor == "" {
			return c.application(name) // it was told to have been carried out
		}
	}
}

func (c *consumer) subscription(app string, e endpoint) (string, bool) {
	a := c.ask(http.MethodPost, "/api/v1/subscriptions", "subscription", api.NewSubscription{Application: app, API: e.api, Version: e.version, Environment: e.environment})
	if !lost(a) {
		if p, err := unmarshal[api.Problem](a.body); err == nil && a.status == http.StatusConflict {
			return p.Conflict, true // the one that we asked for after an answer was lost
		}
		sub, ok := answered[api.Subscription](c, a, "subscription", http.StatusCreated)
		if ok && sub.State != "approved" {
			c.never("a subscription is %s", sub.State)
		}
		return sub.ID, ok
	}
	c.count("answers lost, thing found: subscription")
	return c.subscription(app, e)
}

// claims gets a key and its secret. Where the secret was lost on its way, it revokes what there is and claims anew.
func (c *consumer) claims(sub, address string) (api.ClaimBody, bool) {
	return c.gets("claim", "/api/v1/subscriptions/"+sub+"/credentials", nil, sub, address)
}

// rotates gets a second key, or a new first one where its secret was lost.
func (c *consumer) rotates(old api.ClaimBody, sub, address string) (api.ClaimBody, bool) {
	return c.gets("rotate", "/api/v1/credentials/"+old.ID+"/rotate", v1.RotationBody{Overlap: "1h"}, sub, address)
}

func (c *consumer) gets(what, path string, body any, sub, address string) (api.ClaimBody, bool) {
	a := c.ask(http.MethodPost, path, what, body)
	for began := time.Now(); a.status == http.StatusAccepted && time.Since(began) < persistence; {
		time.Sleep(time.Second)
		a = c.ask(http.MethodPost, path, what, body)
	}
	if a.status == http.StatusCreated {
		claimed, ok := answered[api.ClaimBody](c, a, what, http.StatusCreated)
		if ok && claimed.Secret != "" {
			c.mu.Lock()
			c.keys[claimed.ID] = &key{subscription: sub, address: address, parts: claimed.Parts}
			c.mu.Unlock()
			return claimed, true
		}
		c.count("answers repeated without the secret: " + what)
	} else if a.status != http.StatusConflict {
		answered[api.ClaimBody](c, a, what, http.StatusCreated)
		return api.ClaimBody{}, false
	} else {
		c.count("answers lost, subscription cleared: " + what)
	}
	if !c.clears(sub) {
		return api.ClaimBody{}, false
	}
	return c.claims(sub, address)
}

// clears revokes all that a subscription holds and waits until it is gone.
func (c *consumer) clears(sub string) bool {
	for began := time.Now(); ; time.Sleep(time.Second) {
		list, ok := answered[api.Page[api.Credential]](c, c.ask(http.MethodGet, "/api/v1/credentials?subscription="+sub, "credentials", nil), "credentials", http.StatusOK)
		if !ok {
			return false
		}
		open := 0
		for _, cred := range list.Items {
			switch cred.State {
			case "active", "retiring":
				c.revokes(api.ClaimBody{Credential: cred})
				open++
			case "pending":
				open++
			}
		}
		if open == 0 {
			return true
		}
		if time.Since(began) > persistence {
			c.never("subscription %s still holds %d keys", sub, open)
			return false
		}
	}
}

// works calls the gateway until the key opens it.
func (c *consumer) works(address string, parts []api.PartBody) {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status := c.call(address, parts)
		if status == http.StatusOK {
			c.count("calls with a key: let in")
			return
		}
		if time.Since(began) > workingWithin {
			c.never("a key is refused: %d", status)
			return
		}
	}
}

// confined calls another API of the same gateway with the key, which has to be refused.
func (c *consumer) confined(at route, parts []api.PartBody) {
	for _, v := range c.views {
		for _, other := range v.routes {
			if other.decision.Gateway != at.decision.Gateway || other.decision.BaseURL == at.decision.BaseURL {
				continue
			}
			if status := c.call(other.address, parts); !refused(status) {
				c.never("the key for %s opens %s: %d", at.decision.BaseURL, other.decision.BaseURL, status)
			}
			c.count("calls of another API with a key: refused")
			return
		}
	}
}

// revokes revokes a key until the portal says that it holds, then calls with it.
func (c *consumer) revokes(claimed api.ClaimBody) {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		cred, ok := answered[api.Credential](c, c.ask(http.MethodDelete, "/api/v1/credentials/"+claimed.ID, "revoke", nil), "revoke", http.StatusOK, http.StatusAccepted)
		if !ok {
			return
		}
		if cred.State == "revoked" {
			break
		}
		if time.Since(began) > persistence {
			c.never("credential %s is still %s", claimed.ID, cred.State)
			return
		}
	}
	c.mu.Lock()
	held := c.keys[claimed.ID]
	if held != nil {
		held.revoked = true
	}
	c.mu.Unlock()
	if held != nil {
		if status := c.call(held.address, held.parts); !refused(status) {
			c.never("a revoked key is answered with %d", status)
		}
		c.count("calls with a revoked key: refused")
	}
}

// call calls a gateway.
func (c *consumer) call(address string, parts []api.PartBody) int {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		panic(err)
	}
	query := req.URL.Query()
	for _, p := range parts {
		if p.In == "query" {
			query.Set(p.Name, p.Prefix+p.Value)
			continue
		}
		req.Header.Set(p.Name, p.Prefix+p.Value)
	}
	req.URL.RawQuery = query.Encode()
	resp, err := c.to.http.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// run lets everybody walk until the crowd is stopped, and waits until all have come to an end. Beside them, readers ask for
// endpoints all the time, and visitors look at pages.
func (w *crowd) run(journeys int) (wait func()) {
	var all sync.WaitGroup
	clients := w.consumers()
	for _, c := range clients {
		all.Go(func() {
			time.Sleep(time.Duration(rand.Int64N(int64(5 * w.think)))) // they do not come all at once
			for range journeys {
				if w.over() {
					return
				}
				c.journey()
			}
		})
	}
	for n := range 12 {
		c := *clients[n*len(clients)/12]
		all.Go(func() {
			for !w.over() {
				c.resolvesAlways()
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	for _, members := range w.to.people {
		v := consumer{crowd: w, member: members[0]}
		cookie := w.to.signIn(members[0])
		all.Go(func() {
			for !w.over() {
				if a := v.send(http.MethodGet, "/apis", "page", nil, "Cookie", cookie); a.status != http.StatusOK && a.status < 500 && a.status != 0 {
					v.never("the catalog's page: %d", a.status)
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	return all.Wait
}

// resolvesAlways asks once for an endpoint that is one's own, as whoever starts a program does.
func (c *consumer) resolvesAlways() {
	for e, want := range c.view.routes {
		a := c.send(http.MethodGet, "/api/v1/resolve?"+e.query(), "resolve, from the table", nil)
		if d, err := unmarshal[api.Decision](a.body); a.status == http.StatusOK && (err != nil || d.BaseURL != want.decision.BaseURL) {
			c.never("%s is sent to %s for %v, want %s", c.audience, d.BaseURL, e, want.decision.BaseURL)
		}
		return
	}
}
