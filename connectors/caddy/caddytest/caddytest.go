// Package caddytest starts a real Caddy on loopback for tests, with an upstream that answers and with APIs to issue keys
// for. Its configuration is the layout that the README of package caddy asks of operators. build/gateways/install.sh
// installs it.
package caddytest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"syscall"
)

// Server is the name of the HTTP server, which is the exposure of every API.
const Server = "api"

// Names of the APIs that a new gateway has.
const (
	Payments = "payments" // /payments/2, its keys are confined
	Orders   = "orders"   // /orders/1, its keys are confined
	Reports  = "reports"  // /reports/1, asks for no key
)

// Values of the header Authorization that the guard of the admin side takes.
const (
	FullRights = "Bearer full-rights-in-tests"
	ReadRights = "Bearer read-rights-in-tests"
)

const (
	readyWithin = 30 * time.Second // it takes half a second on an idle machine
	startTries  = 3                // a free port may be taken by somebody else before Caddy takes it
)

// Gateway is one running Caddy.
type Gateway struct {
	Admin  string // address of its admin side, which asks for nothing
	Public string // address of its data plane
	// Guarded is its admin side behind a proxy that asks for FullRights or ReadRights.
	Guarded string

	binary   string
	folder   string
	upstream string // host and port
	place    Place
	stop     func()
}

// Place is where a gateway runs. The zero value is this machine's loopback.
type Place struct {
	Command []string     // goes before the gateway's own command, such as ip netns exec NAME
	Address string       // of the data plane; its admin side is on loopback, wherever that is
	Here    string       // address of this machine, as the gateway reaches it
	Admin   *http.Client // reaches the admin side
}

// Route is one route of a configuration.
type Route = map[string]any

// Start starts a gateway that ends with the test. Where Caddy is not installed the test is skipped, or fails when
// CONCIERGE_REQUIRE_GATEWAYS is 1.
func Start(t testing.TB) *Gateway {
	t.Helper()
	g := StartIn(t, Place{})
	admin, err := url.Parse(g.Admin)
	if err != nil {
		t.Fatal(err)
	}
	// Caddy answers 403 to a Host that is not its own, which Rewrite sends and Director would not. It opens its admin side anew
	// with every configuration, and so cuts connections that are kept: the guard keeps none.
	guard := httptest.NewServer(guarded(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(admin) },
		Transport: &http.Transport{DisableKeepAlives: true},
	}))
	t.Cleanup(guard.Close)
	g.Guarded = guard.URL
	return g
}

// StartIn starts a gateway somewhere else, as Start does, without a guard before its admin side.
func StartIn(t testing.TB, place Place) *Gateway {
	t.Helper()
	const loopback = "127.0.0.1"
	place.Address, place.Here = cmp.Or(place.Address, loopback), cmp.Or(place.Here, loopback)
	if place.Admin == nil {
		place.Admin = http.DefaultClient
	}
	l, err := net.Listen("tcp", net.JoinHostPort(place.Here, "0"))
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "authorization": r.Header.Get("Authorization")})
	}))
	_ = upstream.Listener.Close()
	upstream.Listener = l
	upstream.Start()
	t.Cleanup(upstream.Close)
	g := &Gateway{binary: installed(t), folder: t.TempDir(), upstream: l.Addr().String(), place: place}
	for range startTries {
		var adminPort, publicPort int
		if adminPort, publicPort, err = freePorts(); err != nil {
			break
		}
		admin, public := net.JoinHostPort(loopback, strconv.Itoa(adminPort)), net.JoinHostPort(place.Address, strconv.Itoa(publicPort))
		g.Admin, g.Public = "http://"+admin, "http://"+public
		file := filepath.Join(g.folder, "caddy.json")
		if err = os.WriteFile(file, encode(t, g.config(admin, public)), 0o600); err != nil {
			break
		}
		if err = g.run("run", "--config", file); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("starting Caddy: %v", err)
	}
	t.Cleanup(func() { g.stop() })
	return g
}

// Restart ends the process and starts it again with what it saved by itself.
func (g *Gateway) Restart(t testing.TB) {
	t.Helper()
	g.stop()
	if err := g.run("run", "--resume"); err != nil {
		t.Fatalf("starting Caddy again: %v", err)
	}
}

// Config opens the connector on the guarded admin side.
func (g *Gateway) Config(rights string) connectors.Config {
	return connectors.Config{
		ID: "caddy", Address: g.Guarded,
		Settings: map[string]string{"public_url": g.Public, "admin_header": "Authorization"},
		Secrets:  map[string]portal.Secret{"admin_header_value": portal.NewSecret(rights)},
	}
}

// TB is what changes to a running gateway need of a test.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Keyed is the route of an API whose keys are confined to it.
func (g *Gateway) Keyed(name, path string) Route {
	return Route{
		"@id": name, "match": at(path),
		"handle": []any{map[string]any{"handler": "subroute", "routes": []any{
			Refusal(name + "-keys"),
			Route{"handle": []any{g.proxy()}},
		}}},
	}
}

// Open is the route of an API that asks for no key.
func (g *Gateway) Open(name, path string) Route {
	return Route{"@id": name, "match": at(path), "handle": []any{g.proxy()}}
}

// Refusal is the route that refuses everyone whom no route of its group let by before.
func Refusal(group string) Route {
	return Route{"group": group, "handle": []any{map[string]any{"handler": "static_response", "status_code": 401}}}
}

// Add publishes more routes until the test ends.
func (g *Gateway) Add(t TB, added ...Route) {
	t.Helper()
	g.change(t, func(routes []Route) []Route { return append(routes, added...) })
	t.Cleanup(func() {
		g.change(t, func(routes []Route) []Route {
			return slices.DeleteFunc(routes, func(r Route) bool {
				return slices.ContainsFunc(added, func(a Route) bool { return a["@id"] == r["@id"] })
			})
		})
	})
}

// AddKey puts a route made by hand, with an @id, in front of the refusing route of a keyed API. It lets by who sends the
// returned value as X-Api-Key.
func (g *Gateway) AddKey(t TB, api, id string) string {
	t.Helper()
	value := "made-by-hand-" + id
	g.call(t, http.MethodPut, "/id/"+api+"/handle/0/routes/0", Route{
		"@id": id, "group": api + "-keys",
		"match":  []any{map[string]any{"header": map[string]any{"X-Api-Key": []string{value}}}},
		"handle": []any{map[string]any{"handler": "vars", "made_by": "hand"}},
	}, nil)
	t.Cleanup(func() { g.call(t, http.MethodDelete, "/id/"+id, nil, nil) })
	return value
}

// Routes returns the routes of the server as they are.
func (g *Gateway) Routes(t TB) []Route {
	t.Helper()
	var routes []Route
	g.call(t, http.MethodGet, routesPath, nil, &routes)
	return routes
}

// Put makes any change to the admin side with PUT, which inserts.
func (g *Gateway) Put(t TB, path string, body any) {
	t.Helper()
	g.call(t, http.MethodPut, path, body, nil)
}

const routesPath = "/config/apps/http/servers/" + Server + "/routes"

func (g *Gateway) change(t TB, edit func([]Route) []Route) {
	t.Helper()
	g.call(t, http.MethodPatch, routesPath, edit(g.Routes(t)), nil)
}

func (g *Gateway) call(t TB, method, path string, body, into any) {
	t.Helper()
	var resp *http.Response
	for left := 10; ; left-- {
		req, err := http.NewRequest(method, g.Admin+path, bytes.NewReader(encode(t, body)))
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err = g.place.Admin.Do(req)
		if err == nil {
			break
		}
		// Caddy opens its admin side anew with every configuration, and drops whoever has just come to the one before. What
		// may be done twice is asked again.
		if method == http.MethodPut || !errors.Is(err, syscall.ECONNRESET) || left == 0 {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, text, err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

func encode(t TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encoding: %v", err)
	}
	return text
}

func (g *Gateway) config(admin, public string) map[string]any {
	return map[string]any{
		"admin": map[string]any{"listen": admin},
		"apps": map[string]any{"http": map[string]any{"servers": map[string]any{Server: map[string]any{
			"listen": []string{public}, "automatic_https": map[string]any{"disable": true},
			"routes": []Route{
				g.Keyed(Payments, "/payments/2"), g.Keyed(Orders, "/orders/1"), g.Open(Reports, "/reports/1"),
			},
		}}}},
	}
}

func at(path string) []any {
	return []any{map[string]any{"path": []string{path, path + "/*"}}}
}

func (g *Gateway) proxy() map[string]any {
	return map[string]any{"handler": "reverse_proxy", "upstreams": []any{map[string]any{"dial": g.upstream}}}
}

// run starts the process and waits until it serves.
func (g *Gateway) run(args ...string) error {
	var log bytes.Buffer
	args = slices.Concat(g.place.Command, []string{g.binary}, args)
	cmd := exec.Command(args[0], args[1:]...)
	// What Caddy saves by itself goes into the test's folder.
	cmd.Env = append(os.Environ(), "HOME="+g.folder, "XDG_CONFIG_HOME="+g.folder, "XDG_DATA_HOME="+g.folder)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	g.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(g.Public + "/")
		if err == nil {
			_ = resp.Body.Close()
			return nil
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("it ended: %w\n%s", err, log.String())
		default:
		}
		if time.Since(start) > readyWithin {
			g.stop()
			return fmt.Errorf("it does not serve after %s: %w\n%s", readyWithin, err, log.String())
		}
	}
}

func freePorts() (admin, public int, err error) {
	var ports []int
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports[0], ports[1], nil
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

// installed returns the program, or ends the test.
func installed(t testing.TB) string {
	t.Helper()
	required := os.Getenv("CONCIERGE_REQUIRE_GATEWAYS") == "1"
	if testing.Short() && !required {
		t.Skip("a real gateway is not for -short")
	}
	binary, err := exec.LookPath("caddy")
	if err == nil {
		return binary
	}
	reason := fmt.Sprintf("Caddy is not installed (run build/gateways/install.sh): %v", err)
	if required {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}
