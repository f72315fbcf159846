package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal"
)

const maxBody = 64 << 10 // of an admin request

// AdminHandler is the admin side. Every request needs "Authorization: Bearer TOKEN".
//
//	GET    /v1/about                      what this is and what the token may do
//	GET    /v1/apis?cursor=&limit=        APIs, by id
//	GET    /v1/apis/{id}                  one
//	GET    /v1/apis/{id}/document         its document
//	GET    /v1/changes?after=&wait_ms=    what was published or withdrawn since; waits for something to happen
//	GET    /v1/credentials?label=&cursor=&limit=
//	PUT    /v1/credentials/{id}           creates; 409 where the id is taken; the only answer with the key
//	GET    /v1/credentials/{id}
//	POST   /v1/credentials/{id}/disable, /enable, /approve
//	DELETE /v1/credentials/{id}
//	GET, PUT /v1/faults
func (g *Gateway) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/about", g.about)
	mux.HandleFunc("GET /v1/apis", g.listAPIs)
	mux.HandleFunc("GET /v1/apis/{id}", g.getAPI)
	mux.HandleFunc("GET /v1/apis/{id}/document", g.getDocument)
	mux.HandleFunc("GET /v1/changes", g.listChanges)
	mux.HandleFunc("GET /v1/credentials", g.listCredentials)
	mux.HandleFunc("PUT /v1/credentials/{id}", g.putCredential)
	mux.HandleFunc("GET /v1/credentials/{id}", func(w http.ResponseWriter, r *http.Request) {
		c, err := g.get(r.PathValue("id"))
		g.answer(w, http.StatusOK, credentialView(c), err)
	})
	mux.HandleFunc("DELETE /v1/credentials/{id}", func(w http.ResponseWriter, r *http.Request) {
		if err := g.remove(r.PathValue("id")); err != nil {
			g.answer(w, 0, nil, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for verb, change := range map[string]func(*credential){
		"disable": func(c *credential) { c.Disabled = true },
		"enable":  func(c *credential) { c.Disabled = false },
		"approve": func(c *credential) { c.Pending = false },
	} {
		mux.HandleFunc("POST /v1/credentials/{id}/"+verb, func(w http.ResponseWriter, r *http.Request) {
			c, err := g.update(r.PathValue("id"), change)
			g.answer(w, http.StatusOK, credentialView(c), err)
		})
	}
	outer := http.NewServeMux()
	outer.Handle("/", g.faulty(g.authorised(mux)))
	outer.Handle("/v1/faults", g.authorised(http.HandlerFunc(g.serveFaults)))
	return outer
}

func (g *Gateway) authorised(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		full, read := same(token, g.opts.AdminToken), same(token, g.opts.ReadToken)
		switch {
		case !full && !read:
			w.Header().Set("WWW-Authenticate", "Bearer")
			problem(w, http.StatusUnauthorized, "no-token", "The admin side needs a valid token.")
		case !full && r.Method != http.MethodGet:
			problem(w, http.StatusForbidden, "read-only", "This token may only read.")
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// same compares in constant time, also of the length.
func same(token string, want portal.Secret) bool {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(want.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// About is what the gateway says of itself.
type About struct {
	Product       string `json:"product"`
	Name          string `json:"name"`
	Rights        string `json:"rights"` // full or read
	PublicURL     string `json:"public_url"`
	Documents     bool   `json:"documents"`
	NamesAsIDs    bool   `json:"names_as_ids"`
	CallerKeys    bool   `json:"caller_keys"`
	Changes       bool   `json:"changes"` // it keeps a log of them
	MaxKeys       int    `json:"max_keys"`
	PropagationMS int64  `json:"propagation_ms"`
}

func (g *Gateway) about(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a := About{
		Product: Product, Name: g.opts.Name, Rights: "read", PublicURL: g.PublicURL(),
		NamesAsIDs: g.opts.NamesAsIDs, CallerKeys: g.opts.CallerKeys, Changes: g.opts.Changes, MaxKeys: g.opts.MaxKeys,
		PropagationMS: g.Faults().Propagation.Milliseconds(),
	}
	if same(token, g.opts.AdminToken) {
		a.Rights = "full"
	}
	g.mu.Lock()
	for _, api := range g.apis {
		a.Documents = a.Documents || len(api.Document) > 0
	}
	g.mu.Unlock()
	reply(w, http.StatusOK, a)
}

// APIView is an API as the admin side shows it.
type APIView struct {
	ID          string                 `json:"id"`
	Name        string                 `json:"name"`
	Title       string                 `json:"title"`
	Summary     string                 `json:"summary,omitempty"`
	Description string                 `json:"description,omitempty"`
	Version     string                 `json:"version,omitempty"`
	Lifecycle   portal.Lifecycle       `json:"lifecycle,omitempty"`
	Sunset      time.Time              `json:"sunset,omitzero"`
	Tags        []string               `json:"tags,omitempty"`
	Owner       string                 `json:"owner,omitempty"`
	Entry       string                 `json:"entry,omitempty"`
	Words       map[portal.Axis]string `json:"words,omitempty"`
	Active      bool                   `json:"active"`
	Backend     string                 `json:"backend,omitempty"`

	Authentication portal.Authentication `json:"authentication"`
	Plans          []PlanView            `json:"plans"`
	SharedKeys     bool                  `json:"shared_keys"`
	// Opens are the titles of the other APIs that a key of this one opens.
	Opens []string `json:"opens,omitempty"`
	// DocumentHash is the SHA-256 of its document, empty where there is none.
	DocumentHash string         `json:"document_hash,omitempty"`
	Exposures    []ExposureView `json:"exposures"`
}

// PlanView is a plan as the admin side shows it.
type PlanView struct {
	ID        string          `json:"id"`
	Title     string          `json:"title"`
	PerSecond int             `json:"per_second"`
	Approval  portal.Approval `json:"approval"`
}

// ExposureView is a stage and the path of the API there.
type ExposureView struct {
	Stage string `json:"stage"`
	Path  string `json:"path"`
}

// view shows an API. The caller holds mu.
func (g *Gateway) view(a *API) APIView {
	v := APIView{
		ID: a.ID, Name: a.Name, Title: a.Title, Summary: a.Summary, Description: a.Description, Version: a.Version,
		Lifecycle: a.Lifecycle, Sunset: a.Sunset, Tags: a.Tags, Owner: a.Owner, Entry: a.Entry, Words: a.Words,
		Active: !a.Inactive, Backend: a.Backend, Authentication: a.Authentication, SharedKeys: a.SharedKeys,
	}
	if a.SharedKeys {
		for _, id := range slices.Sorted(maps.Keys(g.apis)) {
			if other := g.apis[id]; id != a.ID && !slices.Contains(v.Opens, other.Title) {
				v.Opens = append(v.Opens, other.Title)
			}
		}
	}
	if len(a.Document) > 0 {
		sum := sha256.Sum256(a.Document)
		v.DocumentHash = hex.EncodeToString(sum[:])
	}
	for _, p := range a.Plans {
		v.Plans = append(v.Plans, PlanView(p))
	}
	for _, stage := range a.Stages {
		v.Exposures = append(v.Exposures, ExposureView{stage, a.base(stage)})
	}
	return v
}

func (g *Gateway) listAPIs(w http.ResponseWriter, r *http.Request) {
	after, limit, ok := g.paging(w, r)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	page, next := []APIView{}, ""
	for _, id := range slices.Sorted(maps.Keys(g.apis)) {
		if id <= after {
			continue
		}
		if len(page) == limit {
			next = page[limit-1].ID
			break
		}
		page = append(page, g.view(g.apis[id]))
	}
	reply(w, http.StatusOK, Page[APIView]{page, next})
}

func (g *Gateway) getAPI(w http.ResponseWriter, r *http.Request) {
	if api, ok := g.api(w, r); ok {
		g.mu.Lock()
		v := g.view(api)
		g.mu.Unlock()
		reply(w, http.StatusOK, v)
	}
}

func (g *Gateway) getDocument(w http.ResponseWriter, r *http.Request) {
	api, ok := g.api(w, r)
	if !ok {
		return
	}
	if len(api.Document) == 0 {
		problem(w, http.StatusNotFound, "not-found", "The API has no document.")
		return
	}
	w.Header().Set("Content-Type", http.DetectContentType(api.Document))
	_, _ = w.Write(api.Document)
}

// api returns the API that a request names, or answers. What is published of it never changes in place.
func (g *Gateway) api(w http.ResponseWriter, r *http.Request) (*API, bool) {
	g.mu.Lock()
	api, ok := g.apis[r.PathValue("id")]
	g.mu.Unlock()
	if !ok {
		problem(w, http.StatusNotFound, "not-found", "There is no such API.")
	}
	return api, ok
}

// Page is one page of a list; an empty Next ends it.
type Page[Item any] struct {
	Items []Item `json:"items"`
	Next  string `json:"next"`
}

// paging reads cursor and limit of a list.
func (g *Gateway) paging(w http.ResponseWriter, r *http.Request) (after string, limit int, ok bool) {
	query := r.URL.Query()
	limit = g.opts.PageSize
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			problem(w, http.StatusBadRequest, "invalid", "limit is a number of at least 1.")
			return "", 0, false
		}
		limit = min(n, limit)
	}
	return query.Get("cursor"), limit, true
}

// CredentialView is a credential as the admin side shows it. Key is there once, in the answer that made it.
type CredentialView struct {
	ID       string            `json:"id"`
	API      string            `json:"api"`
	Stage    string            `json:"stage"`
	Plan     string            `json:"plan"`
	Label    string            `json:"label"`
	Labels   map[string]string `json:"labels"`
	Created  time.Time         `json:"created"`
	Expires  time.Time         `json:"expires,omitzero"`
	Disabled bool              `json:"disabled"`
	Pending  bool              `json:"pending"`
	Key      string            `json:"key,omitempty"`
}

func credentialView(c credential) CredentialView {
	return CredentialView{
		ID: c.ID, API: c.API, Stage: c.Stage, Plan: c.Plan, Label: c.Label, Labels: c.Labels,
		Created: c.Created, Expires: c.Expires, Disabled: c.Disabled, Pending: c.Pending,
	}
}

func (g *Gateway) listCredentials(w http.ResponseWriter, r *http.Request) {
	after, limit, ok := g.paging(w, r)
	if !ok {
		return
	}
	found, next := g.list(r.URL.Query().Get("label"), after, limit)
	page := Page[CredentialView]{Items: []CredentialView{}, Next: next}
	for _, c := range found {
		page.Items = append(page.Items, credentialView(c))
	}
	reply(w, http.StatusOK, page)
}

// CredentialRequest is the body that makes a credential. Key is for gateways that take one.
type CredentialRequest struct {
	API     string            `json:"api"`
	Stage   string            `json:"stage"`
	Plan    string            `json:"plan"`
	Label   string            `json:"label"`
	Labels  map[string]string `json:"labels"`
	Expires time.Time         `json:"expires,omitzero"`
	Key     string            `json:"key,omitempty"`
}

func (g *Gateway) putCredential(w http.ResponseWriter, r *http.Request) {
	var req CredentialRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&req); err != nil {
		problem(w, http.StatusBadRequest, "invalid", "This is no credential.")
		return
	}
	made, key, err := g.create(credential{
		ID: r.PathValue("id"), API: req.API, Stage: req.Stage, Plan: req.Plan,
		Label: req.Label, Labels: req.Labels, Expires: req.Expires,
	}, req.Key)
	view := credentialView(made)
	view.Key = key
	g.answer(w, http.StatusCreated, view, err)
}

// answer replies with v, or says what err is.
func (g *Gateway) answer(w http.ResponseWriter, status int, v any, err error) {
	for kind, status := range map[error]int{
		portal.ErrNotFound: http.StatusNotFound,
		portal.ErrInvalid:  http.StatusUnprocessableEntity,
		portal.ErrConflict: http.StatusConflict,
	} {
		if errors.Is(err, kind) {
			problem(w, status, strings.ReplaceAll(kind.Error(), " ", "-"), strings.TrimSuffix(err.Error(), ": "+kind.Error()))
			return
		}
	}
	if err != nil {
		problem(w, http.StatusInternalServerError, "broken", "The change could not be saved.")
		return
	}
	reply(w, status, v)
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// seconds writes a duration as Retry-After wants it, rounded up.
func seconds(d time.Duration) string { return fmt.Sprint(int((d + time.Second - 1) / time.Second)) }
