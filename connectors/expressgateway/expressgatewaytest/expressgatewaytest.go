// Package expressgatewaytest starts a real Express Gateway on loopback for tests, with an upstream that answers and with
// APIs to issue keys for. build/gateways/install.sh installs it.
package expressgatewaytest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// Names of the APIs that a new gateway has.
const (
	Payments = "payments" // /payments/2, its keys are confined
	Orders   = "orders"   // /orders/1, its keys are confined
	Reports  = "reports"  // its keys would open Orders too
	Status   = "status"   // takes no keys
)

// Values of the header Authorization that the guard of the admin side takes.
const (
	FullRights = "Bearer full-rights-in-tests"
	ReadRights = "Bearer read-rights-in-tests"
)

const (
	readyWithin  = 60 * time.Second // a shared machine was seen to take 6 s
	reloadWithin = 30 * time.Second // the gateway watches its file and waits 2 s for writing to end
)

// Gateway is one running Express Gateway.
type Gateway struct {
	Admin  string // address of its admin side, which asks for nothing
	Public string // address of its data plane
	// Guarded is its admin side behind a proxy that asks for FullRights or ReadRights.
	Guarded string

	folder string
	mu     sync.Mutex
	config config
}

// config is gateway.config.yml, as much of it as tests change.
type config struct {
	HTTP             map[string]any            `json:"http"`
	Admin            map[string]any            `json:"admin"`
	APIEndpoints     map[string]map[string]any `json:"apiEndpoints"`
	ServiceEndpoints map[string]map[string]any `json:"serviceEndpoints"`
	Policies         []string                  `json:"policies"`
	Pipelines        map[string]map[string]any `json:"pipelines"`
}

// Start starts a gateway that ends with the test. Where Express Gateway or node is not installed the test is skipped,
// or fails when CONCIERGE_REQUIRE_GATEWAYS is 1.
func Start(t testing.TB) *Gateway {
	t.Helper()
	module := installed(t)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "consumer": r.Header.Get("Eg-Consumer-Id")})
	}))
	t.Cleanup(upstream.Close)
	g := &Gateway{folder: t.TempDir(), config: seed(upstream.URL)}
	g.write(t, "system.config.yml", map[string]any{
		"db":                 map[string]any{"redis": map[string]any{"emulate": true, "namespace": "EG"}},
		"crypto":             map[string]any{"cipherKey": "in-tests", "algorithm": "aes256", "saltRounds": 10},
		"session":            map[string]any{"secret": "in-tests", "resave": false, "saveUninitialized": false},
		"accessTokens":       map[string]any{"timeToExpiry": 7200000},
		"refreshTokens":      map[string]any{"timeToExpiry": 7200000},
		"authorizationCodes": map[string]any{"timeToExpiry": 300000},
	})
	g.write(t, "gateway.config.yml", g.config)
	if err := os.CopyFS(filepath.Join(g.folder, "models"), os.DirFS(filepath.Join(module, "lib", "config", "models"))); err != nil {
		t.Fatalf("copying the models of Express Gateway: %v", err)
	}
	g.run(t, module)
	admin, err := url.Parse(g.Admin)
	if err != nil {
		t.Fatal(err)
	}
	guard := httptest.NewServer(guarded(httputil.NewSingleHostReverseProxy(admin)))
	t.Cleanup(guard.Close)
	g.Guarded = guard.URL
	return g
}

// Config opens the connector on the guarded admin side.
func (g *Gateway) Config(rights string) connectors.Config {
	return connectors.Config{
		ID: "eg", Address: g.Guarded,
		Settings: map[string]string{"public_url": g.Public, "admin_header": "Authorization"},
		Secrets:  map[string]portal.Secret{"admin_header_value": portal.NewSecret(rights)},
	}
}

// Endpoint is an API endpoint to add, with a pipeline of its own that has key-auth and proxy.
type Endpoint struct {
	Name   string
	Path   string // is served with everything below it
	Scopes []string
}

// Add publishes more APIs until the test ends, and returns once the gateway serves them.
func (g *Gateway) Add(t TB, endpoints ...Endpoint) {
	t.Helper()
	g.change(t, endpoints[0].Path, http.StatusUnauthorized, func(c config) {
		for _, e := range endpoints {
			c.add(e)
		}
	})
	t.Cleanup(func() {
		g.change(t, endpoints[0].Path, http.StatusNotFound, func(c config) {
			for _, e := range endpoints {
				delete(c.APIEndpoints, e.Name)
				delete(c.Pipelines, e.Name)
			}
		})
	})
}

// change edits the gateway's file, which it watches, and waits until it answers at path as it then should.
func (g *Gateway) change(t TB, path string, want int, edit func(config)) {
	t.Helper()
	g.mu.Lock()
	edit(g.config)
	g.write(t, "gateway.config.yml", g.config)
	g.mu.Unlock()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(g.Public + path)
		if err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == want {
			return
		}
		if time.Since(start) > reloadWithin {
			t.Fatalf("%s after the configuration changed GET %s is %d, not %d", reloadWithin, path, resp.StatusCode, want)
		}
	}
}

// TB is what Add needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// AddKey makes a key-auth credential by hand and returns what its callers send in Authorization after "apiKey ".
func (g *Gateway) AddKey(t TB, keyID string, scopes ...string) string {
	t.Helper()
	username := "by-hand-" + keyID
	g.post(t, "/users", map[string]any{"username": username, "firstname": "By", "lastname": "Hand"})
	g.post(t, "/credentials", map[string]any{"consumerId": username, "type": "key-auth", "credential": map[string]any{
		"keyId": keyID, "keySecret": "made-by-hand-" + keyID, "scopes": scopes,
	}})
	return keyID + ":made-by-hand-" + keyID
}

// AddScope makes a scope known, as AddKey needs it.
func (g *Gateway) AddScope(t TB, scope string) {
	t.Helper()
	g.post(t, "/scopes", map[string]any{"scopes": []string{scope}})
}

func (g *Gateway) post(t TB, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	resp, err := http.Post(g.Admin+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusConflict {
		t.Fatalf("POST %s: %d %s", path, resp.StatusCode, answer)
	}
}

// seed is the configuration of a new gateway. YAML takes JSON, so the file is written as such. Port 0 is any free one.
func seed(upstream string) config {
	c := config{
		HTTP:             map[string]any{"port": 0, "hostname": "127.0.0.1"},
		Admin:            map[string]any{"port": 0, "host": "127.0.0.1"},
		APIEndpoints:     map[string]map[string]any{},
		ServiceEndpoints: map[string]map[string]any{"upstream": {"url": upstream}},
		Policies:         []string{"proxy", "key-auth"},
		Pipelines:        map[string]map[string]any{},
	}
	c.add(Endpoint{Name: Payments, Path: "/payments/2", Scopes: []string{"payments"}})
	c.add(Endpoint{Name: Orders, Path: "/orders/1", Scopes: []string{"orders"}})
	c.add(Endpoint{Name: Reports, Path: "/reports/1", Scopes: []string{"orders", "reports"}})
	c.add(Endpoint{Name: Status, Path: "/status"})
	c.Pipelines[Status]["policies"] = []any{proxy()}
	return c
}

func (c config) add(e Endpoint) {
	endpoint := map[string]any{"host": "*", "paths": []string{e.Path, e.Path + "/*"}}
	if len(e.Scopes) > 0 {
		endpoint["scopes"] = e.Scopes
	}
	c.APIEndpoints[e.Name] = endpoint
	c.Pipelines[e.Name] = map[string]any{
		"apiEndpoints": []string{e.Name},
		"policies":     []any{map[string]any{"key-auth": nil}, proxy()},
	}
}

func proxy() map[string]any {
	return map[string]any{"proxy": map[string]any{"action": map[string]any{"serviceEndpoint": "upstream"}}}
}

func (g *Gateway) write(t TB, name string, content any) {
	t.Helper()
	text, err := json.Marshal(content)
	if err == nil {
		err = os.WriteFile(filepath.Join(g.folder, name), text, 0o600)
	}
	if err != nil {
		t.Fatalf("writing %s: %v", name, err)
	}
}

// run starts the process, reads from its log where it listens, and ends it with the test.
func (g *Gateway) run(t testing.TB, module string) {
	t.Helper()
	cmd := exec.Command("node", "-e", "require(process.argv[1])().load(process.argv[2]).run()", module, g.folder)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=info", "NO_COLOR=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting node: %v", err)
	}
	log := make(chan string, 1)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range log { // until the pipe ends
		}
		_ = cmd.Wait()
	})
	go func() {
		defer close(log)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			log <- lines.Text()
		}
	}()
	g.Admin, g.Public = listening(t, log)
	go func() {
		for range log { // so that the process can go on writing
		}
	}()
}

var listens = regexp.MustCompile(`(admin|gateway) http server listening on (127\.0\.0\.1:\d+)`)

// listening returns the addresses that the log tells of.
func listening(t testing.TB, log <-chan string) (admin, public string) {
	t.Helper()
	timeout := time.After(readyWithin)
	var said []string
	for admin == "" || public == "" {
		select {
		case line, ok := <-log:
			if !ok {
				t.Fatalf("Express Gateway ended:\n%s", strings.Join(said, "\n"))
			}
			said = append(said, line)
			switch m := listens.FindStringSubmatch(line); {
			case m == nil:
			case m[1] == "admin":
				admin = "http://" + m[2]
			default:
				public = "http://" + m[2]
			}
		case <-timeout:
			t.Fatalf("Express Gateway does not listen after %s:\n%s", readyWithin, strings.Join(said, "\n"))
		}
	}
	return admin, public
}

// guarded asks for a credential, as a proxy in front of an admin side does.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch rights := r.Header.Get("Authorization"); {
		case rights == FullRights, rights == ReadRights && r.Method == http.MethodGet:
			next.ServeHTTP(w, r)
		case rights == ReadRights:
			http.Error(w, "these rights are for reading", http.StatusForbidden)
		default:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		}
	})
}

// installed returns the folder of the module, or ends the test.
func installed(t testing.TB) string {
	t.Helper()
	required := os.Getenv("CONCIERGE_REQUIRE_GATEWAYS") == "1"
	if testing.Short() && !required {
		t.Skip("a real gateway is not for -short")
	}
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	module := filepath.Join(root, ".cache", "gateways", "express-gateway", "node_modules", "express-gateway")
	_, err := os.Stat(filepath.Join(module, "package.json"))
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err == nil {
		return module
	}
	reason := fmt.Sprintf("Express Gateway is not installed (run build/gateways/install.sh): %v", err)
	if required {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}
