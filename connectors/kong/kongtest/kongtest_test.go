package kongtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"concierge/connectors/kong/kongtest"
)

// request sends one request and returns status and decoded body.
func request(t *testing.T, method, url, body string, headers ...string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var decoded map[string]any
	raw, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(raw, &decoded)
	return resp.StatusCode, decoded
}

// seedOrders publishes one API that needs a key and returns its consumer's id.
func seedOrders(g *kongtest.Gateway) string {
	g.Seed("services", map[string]any{"name": "orders", "host": "upstream"})
	g.Seed("routes", map[string]any{"paths": []string{"/orders"}, "service": map[string]any{"name": "orders"}})
	g.Seed("plugins", map[string]any{"name": "key-auth", "service": map[string]any{"name": "orders"}})
	return g.Seed("consumers", map[string]any{"username": "ann"})
}

func TestFaults(t *testing.T) {
	g := kongtest.New(kongtest.Options{})
	defer g.Close()
	seedOrders(g)

	g.Break(kongtest.Fault{Path: "/services", Status: http.StatusTooManyRequests, Times: 1})
	if status, _ := request(t, "GET", g.AdminURL+"/services", ""); status != http.StatusTooManyRequests {
		t.Errorf("status %d, want 429", status)
	}
	if status, _ := request(t, "GET", g.AdminURL+"/services", ""); status != http.StatusOK {
		t.Errorf("status %d after the fault was used up", status)
	}

	mend := g.Break(kongtest.Fault{Method: "PUT", Lose: true})
	req, _ := http.NewRequestWithContext(t.Context(), "PUT", g.AdminURL+"/consumers/ben", strings.NewReader("{}"))
	req.Header.Set("Content-Type", "application/json")
	if resp, err := http.DefaultClient.Do(req); !errors.Is(err, io.EOF) {
		t.Errorf("the answer was not lost: %v %v", resp, err)
	}
	mend()
	if status, _ := request(t, "GET", g.AdminURL+"/consumers/ben", ""); status != http.StatusOK {
		t.Errorf("the act behind the lost answer was not done: %d", status)
	}

	mend = g.Break(kongtest.Fault{Delay: time.Hour})
	ctx := t.Context()
	done := make(chan error, 1)
	go func() {
		client := &http.Client{Timeout: 50 * time.Millisecond}
		req, _ := http.NewRequestWithContext(ctx, "GET", g.AdminURL+"/", nil)
		_, err := client.Do(req)
		done <- err
	}()
	if err := <-done; err == nil {
		t.Error("no delay")
	}
	mend()
}

func TestDataPlaneLagsBehind(t *testing.T) {
	var seconds atomic.Int64
	seconds.Store(1_800_000_000)
	g := kongtest.New(kongtest.Options{Propagation: 5 * time.Second, Now: func() time.Time { return time.Unix(seconds.Load(), 0) }})
	defer g.Close()
	ann := seedOrders(g)
	seconds.Add(10)

	call := func() int {
		status, _ := request(t, "GET", g.ProxyURL+"/orders", "", "apikey", "k1")
		return status
	}
	request(t, "POST", g.AdminURL+"/consumers/"+ann+"/key-auth", `{"key":"k1"}`)
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("a new key at once: %d", got)
	}
	seconds.Add(3)
	request(t, "POST", g.AdminURL+"/consumers/"+ann+"/key-auth", `{"key":"k2"}`) // must not carry k1 along early
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("a new key after 3 s: %d", got)
	}
	seconds.Add(2)
	if got := call(); got != http.StatusOK {
		t.Errorf("a new key after 5 s: %d", got)
	}
	request(t, "DELETE", g.AdminURL+"/consumers/"+ann+"/key-auth/k1", "")
	if got := call(); got != http.StatusOK {
		t.Errorf("a revoked key at once: %d", got)
	}
	seconds.Add(5)
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("a revoked key after 5 s: %d", got)
	}
}

func TestAdminKey(t *testing.T) {
	g := kongtest.New(kongtest.Options{AdminHeader: "Apikey", AdminKey: "admin-secret"})
	defer g.Close()
	for key, want := range map[string]int{"": http.StatusUnauthorized, "wrong": http.StatusUnauthorized, "admin-secret": http.StatusOK} {
		var headers []string
		if key != "" {
			headers = []string{"Apikey", key}
		}
		if got, _ := request(t, "GET", g.AdminURL+"/", "", headers...); got != want {
			t.Errorf("admin key %q: %d, want %d", key, got, want)
		}
	}
}

func TestAnonymousConsumerMakesTheKeyOptional(t *testing.T) {
	g := kongtest.New(kongtest.Options{})
	defer g.Close()
	guest := g.Seed("consumers", map[string]any{"username": "guest"})
	g.Seed("services", map[string]any{"name": "open", "host": "upstream"})
	g.Seed("routes", map[string]any{"paths": []string{"/open"}, "service": map[string]any{"name": "open"}})
	g.Seed("plugins", map[string]any{"name": "key-auth", "service": map[string]any{"name": "open"}, "config": map[string]any{"anonymous": guest}})
	status, body := request(t, "GET", g.ProxyURL+"/open", "")
	headers, _ := body["headers"].(map[string]any)
	if status != http.StatusOK || headers["x-consumer-username"] != "guest" || headers["x-anonymous-consumer"] != "true" {
		t.Errorf("%d %v", status, body)
	}
}
