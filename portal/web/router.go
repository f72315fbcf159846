// Package web serves the portal's pages and says, for every route of the whole portal, who may come there.
//
// A handler parses, asks one service of package api, builds a view model and renders a component of package ui. It
// decides nothing about access: whoever may not see a thing gets portal.ErrNotFound from the Desk, and the page for
// that is the page for a thing that does not exist. Pages work without JavaScript; htmx and a little TypeScript make
// them quicker.
package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Surface is what kind of thing a route answers with.
type Surface string

// The surfaces.
const (
	SurfacePage       Surface = "page"       // HTML for people, signed in by a session cookie
	SurfaceAPI        Surface = "api"        // HTTP API v1, signed in by a bearer token
	SurfaceAsset      Surface = "asset"      // built files, the same for everyone
	SurfaceOperations Surface = "operations" // health, readiness, metrics
	SurfaceWorker     Surface = "worker"     // the protocol of workers, which are no people; see package site
)

// Access is who a route is for. It says what a test must expect of it; the decision about what each caller gets stays
// behind api.Desk.
type Access string

// Who a route is for.
const (
	AccessAnonymous     Access = "anonymous"     // answers without knowing who asks
	AccessSignedIn      Access = "signed-in"     // answers whoever is signed in, each with what is theirs
	AccessAdministrator Access = "administrator" // answers some administrators; anyone else as if it did not exist
	AccessWorker        Access = "worker"        // answers a worker with what is its own; people, with any role, not at all
)

// Route is one route and its classification.
type Route struct {
	Method  string // empty: any method, only where nothing is changed
	Pattern string // as in http.ServeMux, without the method
	Surface Surface
	Access  Access
	Mutates bool // changes something; never with a safe method
}

// String returns the pattern as http.ServeMux writes it.
func (r Route) String() string { return strings.TrimSpace(r.Method + " " + r.Pattern) }

func (r Route) check() error {
	switch {
	case !strings.HasPrefix(r.Pattern, "/"):
		return fmt.Errorf("route %q: the pattern starts with a slash", r)
	case !slices.Contains([]Surface{SurfacePage, SurfaceAPI, SurfaceAsset, SurfaceOperations, SurfaceWorker}, r.Surface):
		return fmt.Errorf("route %q: unknown surface %q", r, r.Surface)
	case !slices.Contains([]Access{AccessAnonymous, AccessSignedIn, AccessAdministrator, AccessWorker}, r.Access):
		return fmt.Errorf("route %q: unknown access %q", r, r.Access)
	case r.Mutates && (r.Method == "" || safe(r.Method)):
		return fmt.Errorf("route %q: changes something with a safe method", r)
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Router is an http.ServeMux whose every route is classified: there is no way to register one otherwise. Tests
// enumerate Routes and cross them with every sort of caller. Register first, serve afterwards; serving is safe for
// concurrent use.
type Router struct {
	mux    *http.ServeMux
	mu     sync.Mutex
	routes []Route
}

// NewRouter returns a router without routes.
func NewRouter() *Router { return &Router{mux: http.NewServeMux()} }

// Handle registers h. It panics, as http.ServeMux does, where the route contradicts itself or an earlier one.
func (r *Router) Handle(route Route, h http.Handler) {
	if err := route.check(); err != nil {
		panic("web: " + err.Error())
	}
	r.mux.Handle(route.String(), h)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes = append(r.routes, route)
}

// Routes returns all routes, sorted by pattern and method.
func (r *Router) Routes() []Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	routes := slices.Clone(r.routes)
	slices.SortFunc(routes, func(a, b Route) int {
		return strings.Compare(a.Pattern+" "+a.Method, b.Pattern+" "+b.Method)
	})
	return routes
}

// Match returns the route that would answer the request; false where none does.
func (r *Router) Match(req *http.Request) (Route, bool) {
	_, pattern := r.mux.Handler(req)
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.routes, func(route Route) bool { return route.String() == pattern })
	if i < 0 {
		return Route{}, false
	}
	return r.routes[i], true
}

func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Classified lets a library that knows only patterns register routes: classify names each one's surface, access and
// effect, and Method and Pattern are filled in from the library's pattern. It satisfies humago.Mux.
func (r *Router) Classified(classify func(method, pattern string) Route) *Classified {
	return &Classified{router: r, classify: classify}
}

// Classified registers routes at a Router by asking a function for their classification.
type Classified struct {
	router   *Router
	classify func(method, pattern string) Route
}

// HandleFunc registers h under an http.ServeMux pattern such as "GET /api/v1/me".
func (c *Classified) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	method, path, found := strings.Cut(pattern, " ")
	if !found {
		method, path = "", pattern
	}
	route := c.classify(method, path)
	route.Method, route.Pattern = method, path
	c.router.Handle(route, http.HandlerFunc(h))
}

func (c *Classified) ServeHTTP(w http.ResponseWriter, req *http.Request) { c.router.ServeHTTP(w, req) }
