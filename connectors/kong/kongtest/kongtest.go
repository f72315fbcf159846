// Package kongtest is a faithful fake of Kong Gateway 3.9.3 (OSS) for tests: an Admin API and a data plane that
// enforces the key-auth and acl plugins, both on loopback.
//
// It answers as the real product did in the recorded exchanges of ../testdata, which a test replays against it. What
// those exchanges do not show is taken from the source of Kong 3.9 where a comment says so, and is otherwise left out:
// an unknown path is Kong's own 404. Entities have the fields that the recordings have; of the plugins only key-auth
// and acl do anything, others can be configured and listed.
package kongtest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Mode is how a node keeps its configuration.
type Mode int

// Traditional nodes have a database and a proxy of their own, control planes have a database and data planes, and
// DB-less nodes refuse every write with 405.
const (
	Traditional Mode = iota
	ControlPlane
	DBless
)

// Options configure a Gateway. The zero value is a traditional node without access control, as Kong OSS comes.
type Options struct {
	Mode Mode
	// AdminKey, when set, is the credential that admin requests need in the header AdminHeader: Kong OSS has no
	// access control, so it stands for the Admin API served through a key-auth route of its own. ReadOnlyKey does for GET
	// only; the 403 that refuses the rest is modelled on the Enterprise edition and was not recorded.
	AdminHeader, AdminKey, ReadOnlyKey string
	// Upstream serves every service, whatever its host and port. It gets the request as Kong forwards it. Nil: Echo.
	Upstream http.Handler
	// Propagation is how long the data plane goes on with the configuration from before a write.
	Propagation time.Duration
	// UpdateFrequency is reported at the root as db_update_frequency; 0: 5 s.
	UpdateFrequency time.Duration
	// RouterFlavor is reported at the root; empty: traditional_compatible. Matching does not depend on it.
	RouterFlavor string

	Now    func() time.Time // nil: time.Now
	NewID  func() string    // makes ids that the client did not choose; nil: random UUIDs
	NewKey func() string    // makes keys that the client did not choose; nil: 32 random letters and digits
}

// Fault is what goes wrong with the next matching admin requests.
type Fault struct {
	Method string // empty: any
	Path   string // a part of the path; empty: any
	Times  int    // how many requests it hits; 0: all until mended

	Delay  time.Duration // before anything else
	Lose   bool          // act, then close the connection instead of answering
	Status int           // answer with this instead of acting; 429 comes with Retry-After: 1
	Body   string        // of that answer; empty: {"message":"An unexpected error occurred"}
}

// Gateway is one running fake. It is safe for concurrent use.
type Gateway struct {
	AdminURL string // such as http://127.0.0.1:34567
	ProxyURL string

	opts         Options
	admin, proxy *httptest.Server

	mu      sync.Mutex
	tables  tables
	history []version // for a data plane that lags behind; oldest first
	faults  []*Fault
}

// version is the configuration before the write that happened at until.
type version struct {
	tables tables
	until  time.Time
}

// New starts a gateway. Close it.
func New(opts Options) *Gateway {
	if opts.Upstream == nil {
		opts.Upstream = http.HandlerFunc(Echo)
	}
	if opts.RouterFlavor == "" {
		opts.RouterFlavor = "traditional_compatible"
	}
	if opts.UpdateFrequency == 0 {
		opts.UpdateFrequency = 5 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.NewID == nil {
		opts.NewID = uuid.NewString
	}
	if opts.NewKey == nil {
		opts.NewKey = randomKey
	}
	g := &Gateway{opts: opts, tables: tables{}}
	g.admin = serve(g.serveAdmin)
	g.proxy = serve(g.serveProxy)
	g.AdminURL, g.ProxyURL = g.admin.URL, g.proxy.URL
	return g
}

// serve starts a loopback server that keeps its complaints about dropped connections to itself.
func serve(h http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	return s
}

// Close stops both sides.
func (g *Gateway) Close() {
	g.admin.Close()
	g.proxy.Close()
}

// Break makes the admin side misbehave until mend is called. Of several faults that match, the oldest applies.
func (g *Gateway) Break(f Fault) (mend func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fault := &f
	g.faults = append(g.faults, fault)
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.faults = slices.DeleteFunc(g.faults, func(other *Fault) bool { return other == fault })
	}
}

// fault returns what goes wrong with r, and counts it.
func (g *Gateway) fault(r *http.Request) Fault {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, f := range g.faults {
		if f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		hit := *f
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				g.faults = slices.Delete(g.faults, i, i+1)
			}
		}
		return hit
	}
	return Fault{}
}

// Seed stores an entity as it is, under the collection's path segment such as "services" or "key-auths", in every
// mode. Fields that are left out get Kong's defaults. It returns the id, and panics on an entity that Kong would refuse:
// a mistake in the test that seeds.
func (g *Gateway) Seed(collection string, fields map[string]any) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := kinds[collection]
	if k == nil {
		panic("kongtest: no collection " + collection)
	}
	body := jsonValues(fields)
	id, _ := body["id"].(string)
	if id == "" {
		id = g.opts.NewID()
	}
	stamps := map[string]any{}
	for _, name := range []string{"id", "created_at", "updated_at"} {
		if v, ok := body[name]; ok && name != "id" {
			stamps[name] = v
		}
		delete(body, name)
	}
	r, err := g.build(k, id, body, nil)
	if err != nil {
		panic("kongtest: seeding " + collection + ": " + err.message)
	}
	maps.Copy(r.fields, stamps)
	g.write(func(t tables) { t.put(k, r) })
	return id
}

// jsonValues turns Go values into those that JSON decodes to.
func jsonValues(fields map[string]any) map[string]any {
	var out map[string]any
	raw, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		panic("kongtest: " + err.Error())
	}
	return out
}

// write applies a change, keeping the configuration before it for as long as the data plane may still use it. The
// caller holds g.mu.
func (g *Gateway) write(change func(tables)) {
	if g.opts.Propagation > 0 {
		now := g.opts.Now()
		old := slices.IndexFunc(g.history, func(v version) bool { return now.Sub(v.until) < g.opts.Propagation })
		if old < 0 {
			old = len(g.history)
		}
		g.history = append(slices.Clone(g.history[old:]), version{g.tables.clone(), now})
	}
	change(g.tables)
}

// seenByProxy returns the configuration that the data plane works with now. The caller holds g.mu.
func (g *Gateway) seenByProxy() tables {
	now := g.opts.Now()
	for _, v := range g.history {
		if now.Sub(v.until) < g.opts.Propagation {
			return v.tables
		}
	}
	return g.tables
}

// randomKey returns 32 letters and digits, as long as the keys that Kong makes.
func randomKey() string { return (rand.Text() + rand.Text())[:32] }
