package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// table is what the data plane acts on: made whole, never changed, swapped.
type table struct {
	sequence    uint64
	routes      map[string]route // by base path
	credentials map[[sha256.Size]byte]grant
}

// grant is a credential that works, as it was when the table was made.
type grant struct {
	credential
	shared bool // it opens every API
}

type route struct {
	api   *API
	stage string
}

// compile makes the table of the present state. The caller holds mu.
func (g *Gateway) compile(sequence uint64) *table {
	t := &table{
		sequence: sequence, routes: map[string]route{},
		credentials: make(map[[sha256.Size]byte]grant, len(g.credentials)),
	}
	for _, api := range g.apis {
		if api.Inactive {
			continue
		}
		for _, stage := range api.Stages {
			t.routes[api.base(stage)] = route{api, stage}
		}
	}
	for _, c := range g.credentials {
		api, ok := g.apis[c.API]
		if !ok || c.Disabled || c.Pending {
			continue
		}
		if c.limit == nil { // kept from an earlier run
			plan, _ := api.plan(c.Plan)
			c.limit = limiter(plan)
		}
		t.credentials[[sha256.Size]byte(c.Hash)] = grant{*c, api.SharedKeys}
	}
	return t
}

// find returns the API that serves a path, by its longest base that ends at a slash, and the path below it.
func (t *table) find(path string) (route, string, bool) {
	for end := len(path); end > 0; end = strings.LastIndexByte(path[:end], '/') {
		if r, ok := t.routes[path[:end]]; ok {
			below := path[end:]
			if below == "" {
				below = "/"
			}
			return r, below, true
		}
	}
	return route{}, "", false
}

// PublicHandler is the data plane.
func (g *Gateway) PublicHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := g.live.Load()
		found, below, ok := t.find(r.URL.Path)
		if !ok {
			problem(w, http.StatusNotFound, "no-api", "No API is served at this address.")
			return
		}
		forward := r.Clone(r.Context())
		if found.api.Authentication.Type != "none" && !g.admit(w, t, found, forward) {
			return
		}
		forward.URL.Path, forward.URL.RawPath = below, ""
		forward.Header.Set(StageHeader, found.stage)
		if found.api.Upstream != nil {
			found.api.Upstream.ServeHTTP(w, forward)
			return
		}
		found.echo(w, forward)
	})
}

// admit checks the key of a request and takes it out, or answers and returns false.
func (g *Gateway) admit(w http.ResponseWriter, t *table, to route, r *http.Request) bool {
	auth := to.api.Authentication
	key, ok := takeKey(r, auth.In, auth.Name, auth.Prefix)
	if !ok {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("ApiKey in=%q, name=%q", auth.In, auth.Name))
		problem(w, http.StatusUnauthorized, "no-key", "This API needs a key.")
		return false
	}
	// The look-up goes by a hash that nobody can aim at; the comparison takes the same time for every key.
	hash := sha256.Sum256([]byte(key))
	c, known := t.credentials[hash]
	if !known || subtle.ConstantTimeCompare(c.Hash, hash[:]) != 1 || c.expired(g.now()) {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("ApiKey in=%q, name=%q, error=\"invalid_key\"", auth.In, auth.Name))
		problem(w, http.StatusUnauthorized, "wrong-key", "This key is not valid.")
		return false
	}
	if !c.shared && (c.API != to.api.ID || c.Stage != to.stage) {
		problem(w, http.StatusForbidden, "other-api", "This key is for another API.")
		return false
	}
	if !c.limit.Allow() {
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusTooManyRequests, "too-many-requests", "The plan's limit is reached.")
		return false
	}
	return true
}

// takeKey removes the key from a request, so that no upstream sees it.
func takeKey(r *http.Request, in, name, prefix string) (string, bool) {
	var value string
	if in == "query" {
		query := r.URL.Query()
		value = query.Get(name)
		query.Del(name)
		r.URL.RawQuery = query.Encode()
	} else {
		value = r.Header.Get(name)
		r.Header.Del(name)
	}
	key, ok := strings.CutPrefix(value, prefix)
	return key, ok && key != ""
}

// echo answers where there is no upstream.
func (to route) echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"api": to.api.Title, "version": to.api.Version, "stage": to.stage,
		"method": r.Method, "path": (&url.URL{Path: r.URL.Path}).String(),
	})
}

// problem answers as RFC 9457 says.
func problem(w http.ResponseWriter, status int, kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "/problems/" + kind, "title": http.StatusText(status), "status": status, "detail": detail,
	})
}
