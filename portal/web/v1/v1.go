// Package v1 serves HTTP API v1: it reads a request, asks the caller's api.Desk and writes the answer. Access is decided
// behind the Desk. The OpenAPI document at /openapi.json is made from the same types.
package v1

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/store"
	"concierge/portal/web"
)

// Options of the API. All fields are needed but State, Now and Limits.
type Options struct {
	// Caller returns who holds a token. Errors: portal.ErrDenied for one that is unknown, ended or revoked, another where
	// that cannot be said. It is on the path of every call.
	Caller func(ctx context.Context, token string, now time.Time) (access.Caller, error)
	Desk   func(c access.Caller) api.Desk
	// State is another value, by ==, whenever Caller may return somebody else or a Desk may resolve otherwise, but for the
	// passing of time. Answers are kept as long as it stays. Nil: no answer is kept.
	State func() any
	// Requests keeps idempotency keys.
	Requests store.Requests
	// Fingerprint tells two bodies apart without keeping anything of them: a keyed hash.
	Fingerprint func(purpose string, data []byte) string
	// PublicURL is the portal's own address, without a trailing slash.
	PublicURL string
	Log       *slog.Logger
	Now       func() time.Time
	// Limits are of the calls of one token. Nil: the default ones, of this process alone.
	Limits *Limits
}

const (
	prefix       = "/api/v1"
	maxBodyBytes = 256 << 10 // huma tells a larger one as 413; the reader in guard is for what huma does not read
	bearer       = "bearer"
)

type server struct {
	Options
	api     huma.API
	answers answers
}

// Register adds the API's routes.
func Register(r *web.Router, o Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limits == nil {
		o.Limits = NewLimits(0, 0, nil, o.Log)
	}
	s := &server{Options: o}
	useProblems()
	config := huma.DefaultConfig("Concierge", "1")
	config.Info.Description = "One catalog of the APIs of all gateways, the one endpoint that is yours, and its keys."
	config.Servers = []*huma.Server{{URL: o.PublicURL}}
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema links in the answers
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", Description: "A personal or service token."},
	}
	config.Security = []map[string][]string{{bearer: {}}}
	s.api = humago.New(&mux{s: s, router: r.Classified(classify)}, config)
	s.operations()
	s.raw(r)
	document, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		panic("v1: the API's own document: " + err.Error()) // a fault of the types, seen by every test
	}
	// What is not there is told as everything else is: as a problem, and to nobody without a token.
	r.Handle(web.Route{Pattern: "/api/", Surface: web.SurfaceAPI, Access: web.AccessSignedIn},
		s.guard(func(w http.ResponseWriter, r *http.Request) { s.fail(w, r, portal.ErrNotFound) }))
	r.Handle(web.Route{Method: http.MethodGet, Pattern: "/openapi.json", Surface: web.SurfaceAPI, Access: web.AccessAnonymous},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "public, max-age=300")
			_, _ = w.Write(document)
		}))
}

// classify says who an operation of the API is for.
func classify(method, path string) web.Route {
	route := web.Route{Surface: web.SurfaceAPI, Access: web.AccessSignedIn, Mutates: method != http.MethodGet}
	for _, admin := range []string{"/gateways", "/gateway-kinds", "/deployments", "/jobs", "/sites", "/enrolments", "/workers", "/organisations", "/people"} {
		if strings.HasPrefix(path, prefix+admin) {
			route.Access = web.AccessAdministrator
		}
	}
	if strings.HasSuffix(path, "/consumers") {
		route.Access = web.AccessAdministrator
	}
	return route
}

// mux puts what every call goes through in front of the operations.
type mux struct {
	s      *server
	router *web.Classified
}

func (m *mux) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	m.router.HandleFunc(pattern, m.s.guard(h))
}

func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.router.ServeHTTP(w, r) }

type call struct {
	desk   api.Desk
	caller access.Caller
	path   string
}

type callKey struct{}

func callOf(ctx context.Context) call {
	c, _ := ctx.Value(callKey{}).(call)
	return c
}

// guard lets in who holds a token and stays within its limits.
func (s *server) guard(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := s.admit(w, r); ok {
			h(w, s.as(caller, w, r))
		}
	}
}

// admit says who calls. It answers everyone else, and who calls too often.
func (s *server) admit(w http.ResponseWriter, r *http.Request) (caller access.Caller, ok bool) {
	header, now := w.Header(), s.Now()
	header["Vary"] = vary
	header["Cache-Control"] = private
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	err := portal.ErrDenied
	if ok {
		caller, err = s.Caller(r.Context(), token, now)
	}
	switch {
	case errors.Is(err, portal.ErrDenied):
		s.fail(w, r, &api.Problem{Type: "/problems/unauthorized", Title: "A token is needed", Status: http.StatusUnauthorized,
			Detail: "send Authorization: Bearer TOKEN with a token that is valid; make one on your account page"})
		return caller, false
	case err != nil:
		s.fail(w, r, err)
		return caller, false
	}
	if wait := s.Limits.wait(sha256.Sum256([]byte(token)), now); wait > 0 {
		s.fail(w, r, api.TooManyRequests(wait))
		return caller, false
	}
	return caller, true
}

// as is the request as operations get it: of a known caller, with a body that has an end.
func (s *server) as(caller access.Caller, w http.ResponseWriter, r *http.Request) *http.Request {
	ctx := context.WithValue(r.Context(), callKey{}, call{desk: s.Desk(caller), caller: caller, path: r.URL.Path})
	r = r.WithContext(ctx)
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit(r))
	return r
}

var (
	vary    = []string{"Authorization, Accept"}
	private = []string{"private"}
)

// problem turns an error into what the caller may know, and logs what nobody may.
func (s *server) problem(ctx context.Context, err error) *api.Problem {
	p, known := api.ProblemOf(err)
	p.RequestID = web.RequestID(ctx)
	switch {
	case errors.Is(err, context.Canceled): // the caller has left
	case !known:
		s.Log.ErrorContext(ctx, "request failed", "error", err)
	case p.Status >= http.StatusInternalServerError:
		s.Log.WarnContext(ctx, "request could not be served", "error", err)
	default:
		s.Log.DebugContext(ctx, "request refused", "error", err)
	}
	return &p
}

// fail writes an error as a problem.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// useProblems makes huma tell its own findings (a missing field, a wrong type) as problems of ours.
var useProblems = sync.OnceFunc(func() {
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := found(status, msg, errs)
		p.RequestID = web.RequestID(ctx.Context())
		return p
	}
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return found(status, msg, errs) }
})

func found(status int, msg string, errs []error) *api.Problem {
	p := &api.Problem{Type: "/problems/invalid", Title: "The request is not right", Status: status, Detail: msg}
	switch {
	case status == http.StatusNotFound:
		p.Type, p.Title = "/problems/not-found", "There is no such thing, or it is not for you"
	case status == http.StatusNotAcceptable:
		p.Type, p.Title = "/problems/not-acceptable", "There is no such representation"
	case status >= http.StatusInternalServerError:
		p.Type, p.Title, p.Detail = "/problems/internal", "Something went wrong", ""
	}
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			p.Errors = append(p.Errors, api.FieldProblem{Location: d.ErrorDetail().Location, Message: d.ErrorDetail().Message})
		}
	}
	return p
}
