package caddy

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"concierge/connectors"
	"concierge/connectors/caddy/caddytest"
	"concierge/portal"
)

type fatal interface{ Fatal(...any) }

func encode(t fatal, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// open opens a connector whose calls go through a transport.
func open(t *testing.T, g *caddytest.Gateway, through http.RoundTripper) connectors.Issuer {
	t.Helper()
	cfg := g.Config(caddytest.FullRights)
	cfg.Client = &http.Client{Transport: through}
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c.(connectors.Issuer)
}

// issue makes a key for the API payments.
func issue(t *testing.T, c connectors.Issuer) (connectors.Mark, connectors.Issued) {
	t.Helper()
	mark := connectors.Mark{Credential: portal.CredentialID(portal.NewID("crd")), Subscription: "sub_1", Application: "app_1"}
	issued, err := c.Issue(t.Context(), connectors.IssueRequest{
		Mark: mark, Deployment: connectors.Key{RemoteID: caddytest.Payments, Exposure: caddytest.Server}, Plan: planID,
		Label: "Acme {env.HOME}",
	})
	if err != nil {
		t.Fatal(err)
	}
	return mark, issued
}

// fresh makes a connection for every call. Caddy starts to close the connections of its old configuration before it
// answers a change, and one that is still open may be answered from the old one: that is the delay that Probe declares.
var fresh = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// call asks for a path of payments with a key, and returns status and body.
func call(t *testing.T, g *caddytest.Gateway, issued connectors.Issued) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.Public+"/payments/2", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range issued.Parts {
		req.Header.Set(p.Name, p.Prefix+p.Value.Reveal())
	}
	resp, err := fresh.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestUpstreamNeverSeesTheKey(t *testing.T) {
	g := caddytest.Start(t)
	_, issued := issue(t, open(t, g, http.DefaultTransport))
	status, body := call(t, g, issued)
	if status != http.StatusOK || !strings.Contains(body, `"authorization":""`) {
		t.Errorf("%d %s", status, body)
	}
	if config := encode(t, g.Routes(t)); strings.Contains(config, issued.Parts[0].Value.Reveal()) || strings.Contains(config, "{env") {
		t.Errorf("the configuration holds the key, or a placeholder from a label")
	}
}

// TestKeysOutliveARestart shows what the README asks of operators: caddy run --resume.
func TestKeysOutliveARestart(t *testing.T) {
	g := caddytest.Start(t)
	c := open(t, g, http.DefaultTransport)
	mark, issued := issue(t, c)
	gone, revoked := issue(t, c)
	if _, err := c.Revoke(t.Context(), gone, connectors.Handle{}); err != nil {
		t.Fatal(err)
	}
	g.Restart(t)
	if status, _ := call(t, g, issued); status != http.StatusOK {
		t.Errorf("after a restart the key gets %d", status)
	}
	if status, _ := call(t, g, revoked); status != http.StatusUnauthorized {
		t.Errorf("after a restart the revoked key gets %d", status)
	}
	if _, err := c.Find(t.Context(), mark); err != nil {
		t.Error(err)
	}
}

// TestRevokeEndsDoubles: Caddy takes an @id twice, and DELETE /id/… removes one of them.
func TestRevokeEndsDoubles(t *testing.T) {
	g := caddytest.Start(t)
	c := open(t, g, http.DefaultTransport)
	mark, issued := issue(t, c)
	list := "/id/" + caddytest.Payments + "/handle/0/routes"
	for range 2 {
		for _, r := range g.Routes(t) {
			if r["@id"] == caddytest.Payments {
				key := r["handle"].([]any)[0].(map[string]any)["routes"].([]any)[0]
				g.Put(t, list+"/0", key)
			}
		}
	}
	if _, err := c.Revoke(t.Context(), mark, issued.Handle); err != nil {
		t.Fatal(err)
	}
	if status, _ := call(t, g, issued); status != http.StatusUnauthorized {
		t.Errorf("the key gets %d", status)
	}
}

// meddler lets somebody else change the configuration before each write goes out.
type meddler struct {
	meddle func()
	mu     sync.Mutex
	times  int // left
}

func (m *meddler) RoundTrip(req *http.Request) (*http.Response, error) {
	m.mu.Lock()
	if req.Method != http.MethodGet && m.times > 0 {
		m.times--
		m.meddle()
	}
	m.mu.Unlock()
	return http.DefaultTransport.RoundTrip(req)
}

// TestWritesNoticeOthers: between look and write somebody inserts a route in front, so that every index is another's.
func TestWritesNoticeOthers(t *testing.T) {
	g := caddytest.Start(t)
	m := &meddler{meddle: func() {
		g.Put(t, "/id/"+caddytest.Payments+"/handle/0/routes/0", caddytest.Route{"handle": []any{map[string]any{"handler": "vars", "a": "b"}}})
	}}
	c := open(t, g, m)
	m.times = 3
	mark, issued := issue(t, c)
	if status, _ := call(t, g, issued); status != http.StatusOK || m.times != 0 {
		t.Errorf("the key gets %d, %d changes are left", status, m.times)
	}
	m.times = 3
	if _, err := c.Revoke(t.Context(), mark, issued.Handle); err != nil {
		t.Fatal(err)
	}
	if status, _ := call(t, g, issued); status != http.StatusUnauthorized || m.times != 0 {
		t.Errorf("the revoked key gets %d, %d changes are left", status, m.times)
	}
	if n := strings.Count(encode(t, g.Routes(t)), `"a":"b"`); n != 6 {
		t.Errorf("of 6 routes of somebody else %d are left", n)
	}

	m.times = 1000
	_, err := c.Issue(t.Context(), connectors.IssueRequest{
		Mark: connectors.Mark{Credential: "crd_busy"}, Plan: planID,
		Deployment: connectors.Key{RemoteID: caddytest.Payments, Exposure: caddytest.Server},
	})
	if !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("on a configuration that never rests: %v", err)
	}
}

func TestIssueLeavesAnotherOnesIDAlone(t *testing.T) {
	g := caddytest.Start(t)
	g.AddKey(t, caddytest.Orders, markPrefix+"crd_taken")
	before := encode(t, g.Routes(t))
	_, err := open(t, g, http.DefaultTransport).Issue(t.Context(), connectors.IssueRequest{
		Mark: connectors.Mark{Credential: "crd_taken"}, Plan: planID,
		Deployment: connectors.Key{RemoteID: caddytest.Payments, Exposure: caddytest.Server},
	})
	if !errors.Is(err, portal.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if after := encode(t, g.Routes(t)); after != before {
		t.Errorf("the configuration changed:\n%s\n%s", before, after)
	}
}
