// Package gateway is a complete API gateway of our own, for tests and for the demo: an admin side over HTTP that hands
// out keys, and a data plane that enforces them. It promises what a good gateway does: a key opens one API at one
// stage, its secret is shown once and kept as a hash, and every list is paged. Whatever goes wrong with gateways can be
// switched on while it runs (Faults).
//
// It is not a product: one process, loopback only, no TLS.
package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal"
)

// Product is what the gateway calls itself.
const Product = "Concierge Sample Gateway 1.0"

// Options configure a Gateway. The zero value is an empty gateway that listens on free loopback ports.
type Options struct {
	Name string // for people
	// AdminAddress and PublicAddress to listen on; empty: "127.0.0.1:0".
	AdminAddress, PublicAddress string
	// AdminToken may do everything, ReadToken may read. Zero: made by New.
	AdminToken, ReadToken portal.Secret
	APIs                  []API
	// PageSize is the most items of one page of a list. 0: 100.
	PageSize int
	// MaxKeys is how many live credentials one subscription may have. 0: no limit.
	MaxKeys int
	// NamesAsIDs makes the ids of APIs their names, so that a rename is another API.
	NamesAsIDs bool
	// CallerKeys makes the gateway take keys from whoever creates a credential instead of making them.
	CallerKeys bool
	// Changes makes the gateway keep a log of what is published, for those who don't want to list everything again.
	Changes bool
	// State is a file that keeps the credentials, hashed, over restarts. Empty: they end with the process.
	State string
	// Faults to start with.
	Faults Faults
	Now    func() time.Time // nil: time.Now
}

// API is something that the gateway serves, at every one of its stages.
type API struct {
	Name string // unique; lower-case letters, digits and dashes
	ID   string // opaque and for good; empty: derived from the name it was first added with
	// Path is where it is served, such as "/payments/v2", below the stage. Empty: "/" and the name.
	Path string
	// Stages are the exposures: the API is served at "/{stage}{path}" for each. Empty: once, at its path.
	Stages []string

	Title       string // empty: the name
	Summary     string
	Description string
	Version     string
	Lifecycle   portal.Lifecycle
	Sunset      time.Time
	Tags        []string
	Owner       string
	Entry       string // explicit id of the catalog's entry that it belongs to
	Words       map[portal.Axis]string
	Inactive    bool   // listed, but not served
	Backend     string // what the admin side says about where the API is

	// Authentication: zero means a key in the header X-API-Key. Types apiKey and none are served.
	Authentication portal.Authentication
	Plans          []Plan // empty: one, with 100 requests per second
	// Approval lets a new credential wait until somebody approves it on the gateway.
	Approval bool
	// SharedKeys: a credential that is made here opens every API of the gateway, not this one alone.
	SharedKeys bool

	Document []byte // OpenAPI, or empty
	// Upstream serves what the gateway lets through, with the path below the API's own and without the key; the header
	// StageHeader says which stage was called. Nil: an answer that says what was called.
	Upstream http.Handler
}

// StageHeader tells an upstream the stage that was called.
const StageHeader = "X-Gateway-Stage"

// Plan is a rate that a credential is bound to.
type Plan struct {
	ID        string
	Title     string
	PerSecond int // requests; 0: 100
	Approval  portal.Approval
}

// Gateway is one running gateway. It is safe for concurrent use.
type Gateway struct {
	opts Options
	now  func() time.Time

	servers   []*http.Server
	adminURL  string
	publicURL atomic.Pointer[string]

	mu          sync.Mutex
	apis        map[string]*API // by id
	credentials map[string]*credential
	faults      Faults
	changes     changeLog
	sequence    uint64 // of published tables, so that a late timer publishes nothing old
	timers      map[*time.Timer]bool
	closed      bool

	live atomic.Pointer[table] // what the data plane acts on
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// New makes a gateway. Errors: ErrInvalid for options that contradict themselves, every problem at once; or its state
// cannot be read.
func New(opts Options) (*Gateway, error) {
	if opts.PageSize == 0 {
		opts.PageSize = 100
	}
	if opts.AdminToken.IsZero() {
		opts.AdminToken = portal.NewSecret("sga_" + rand.Text())
	}
	if opts.ReadToken.IsZero() {
		opts.ReadToken = portal.NewSecret("sgr_" + rand.Text())
	}
	g := &Gateway{
		opts: opts, now: opts.Now, faults: opts.Faults,
		apis: map[string]*API{}, credentials: map[string]*credential{}, timers: map[*time.Timer]bool{},
		changes: newChangeLog(),
	}
	if g.now == nil {
		g.now = time.Now
	}
	if err := g.load(); err != nil {
		return nil, err
	}
	if err := g.Add(opts.APIs...); err != nil {
		return nil, err
	}
	return g, nil
}

// Start listens and serves until Close. The admin side and the data plane have a port each.
func (g *Gateway) Start() error {
	admin, err := listen(g.opts.AdminAddress)
	if err != nil {
		return fmt.Errorf("listening for the admin side: %w", err)
	}
	public, err := listen(g.opts.PublicAddress)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for the data plane: %w", err), admin.Close())
	}
	g.adminURL = "http://" + admin.Addr().String()
	publicURL := "http://" + public.Addr().String()
	g.publicURL.Store(&publicURL)
	for listener, handler := range map[net.Listener]http.Handler{admin: g.AdminHandler(), public: g.PublicHandler()} {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		g.servers = append(g.servers, server)
		go func() { _ = server.Serve(listener) }() // ends with Close
	}
	return nil
}

func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	return net.Listen("tcp", address)
}

// Close stops listening and cuts every connection. The state file, if any, is as the last change left it.
func (g *Gateway) Close() error {
	g.mu.Lock()
	g.closed = true
	for timer := range g.timers {
		timer.Stop()
	}
	clear(g.timers)
	g.mu.Unlock()
	var err error
	for _, server := range g.servers {
		err = errors.Join(err, server.Close())
	}
	return err
}

// AdminURL is the address of the admin side once started.
func (g *Gateway) AdminURL() string { return g.adminURL }

// PublicURL is the address of the data plane once started.
func (g *Gateway) PublicURL() string {
	if url := g.publicURL.Load(); url != nil {
		return *url
	}
	return ""
}

// AdminToken returns the token that may do everything.
func (g *Gateway) AdminToken() portal.Secret { return g.opts.AdminToken }

// ReadToken returns the token that may read.
func (g *Gateway) ReadToken() portal.Secret { return g.opts.ReadToken }

// Add publishes APIs; one with a known id is replaced. ErrInvalid: nothing was added, every problem is named.
func (g *Gateway) Add(apis ...API) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := maps.Clone(g.apis)
	var problems []error
	for _, api := range apis {
		a, err := g.complete(api)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		next[a.ID] = &a
	}
	problems = append(problems, overlaps(next)...)
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", portal.ErrInvalid, errors.Join(problems...))
	}
	g.note(next)
	g.apis = next
	g.publish()
	return nil
}

// complete fills in the defaults of an API.
func (g *Gateway) complete(a API) (API, error) {
	if !namePattern.MatchString(a.Name) {
		return a, fmt.Errorf("API name %q: use lower-case letters, digits and dashes", a.Name)
	}
	if g.opts.NamesAsIDs {
		a.ID = a.Name
	} else if a.ID == "" {
		sum := sha256.Sum256([]byte(a.Name))
		a.ID = hex.EncodeToString(sum[:8])
	}
	if a.Path == "" {
		a.Path = "/" + a.Name
	}
	if a.Title == "" {
		a.Title = a.Name
	}
	if a.Authentication.Type == "" {
		a.Authentication = portal.Authentication{Type: "apiKey", In: "header", Name: "X-API-Key"}
	}
	if len(a.Plans) == 0 {
		a.Plans = []Plan{{ID: "standard", Title: "Standard"}}
	}
	a.Plans = slices.Clone(a.Plans)
	for i := range a.Plans {
		if a.Plans[i].PerSecond == 0 {
			a.Plans[i].PerSecond = 100
		}
		if a.Plans[i].Approval == "" {
			a.Plans[i].Approval = portal.Automatic
		}
	}
	if len(a.Stages) == 0 {
		a.Stages = []string{""}
	}
	var problems []error
	if !strings.HasPrefix(a.Path, "/") || strings.HasSuffix(a.Path, "/") {
		problems = append(problems, fmt.Errorf("API %s: path %q must begin with a slash and not end in one", a.Name, a.Path))
	}
	if t := a.Authentication.Type; t != "apiKey" && t != "none" {
		problems = append(problems, fmt.Errorf("API %s: authentication %q is not served here", a.Name, t))
	}
	if in := a.Authentication.In; a.Authentication.Type == "apiKey" && (a.Authentication.Name == "" || in != "header" && in != "query") {
		problems = append(problems, fmt.Errorf("API %s: a key needs a name in a header or the query", a.Name))
	}
	for _, stage := range a.Stages {
		if stage != "" && !namePattern.MatchString(stage) {
			problems = append(problems, fmt.Errorf("API %s: stage %q: use lower-case letters, digits and dashes", a.Name, stage))
		}
	}
	return a, errors.Join(problems...)
}

// overlaps finds addresses and names that two APIs claim.
func overlaps(apis map[string]*API) []error {
	var problems []error
	owner := map[string]string{}
	for id, api := range apis {
		claims := []string{"name " + api.Name}
		for _, stage := range api.Stages {
			claims = append(claims, "address "+api.base(stage))
		}
		for _, claim := range claims {
			if other, taken := owner[claim]; taken {
				problems = append(problems, fmt.Errorf("two APIs, %s and %s, have the %s", apis[other].Name, api.Name, claim))
			}
			owner[claim] = id
		}
	}
	return problems
}

// base is the path of the API at a stage.
func (a *API) base(stage string) string {
	if stage == "" {
		return a.Path
	}
	return "/" + stage + a.Path
}

func (a *API) plan(id string) (Plan, bool) {
	i := slices.IndexFunc(a.Plans, func(p Plan) bool { return p.ID == id })
	if i < 0 {
		return Plan{}, false
	}
	return a.Plans[i], true
}

// Remove withdraws an API by name and deletes its credentials.
func (g *Gateway) Remove(name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, api := range g.apis {
		if api.Name != name {
			continue
		}
		next := maps.Clone(g.apis)
		delete(next, id)
		g.note(next)
		g.apis = next
		for key, c := range g.credentials {
			if c.API == id {
				delete(g.credentials, key)
			}
		}
		return g.changed()
	}
	return fmt.Errorf("API %s: %w", name, portal.ErrNotFound)
}

// ID returns the id of an API by name, empty where there is none.
func (g *Gateway) ID(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, api := range g.apis {
		if api.Name == name {
			return id
		}
	}
	return ""
}

// SetFaults makes the gateway misbehave, or behave, from now on.
func (g *Gateway) SetFaults(f Faults) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = f
}

// Faults returns what goes wrong now.
func (g *Gateway) Faults() Faults {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.faults
}

// publish hands the state to the data plane, after the propagation delay. The caller holds mu.
func (g *Gateway) publish() {
	g.sequence++
	next := g.compile(g.sequence)
	if g.faults.Propagation == 0 || g.live.Load() == nil {
		g.live.Store(next)
		return
	}
	if g.closed {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(g.faults.Propagation, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.timers, timer)
		if next.sequence > g.live.Load().sequence {
			g.live.Store(next)
		}
	})
	g.timers[timer] = true
}

// changed saves and publishes a change to credentials. The caller holds mu.
func (g *Gateway) changed() error {
	if err := g.save(); err != nil {
		return err
	}
	g.publish()
	return nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
