package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"html"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors/sample/gateway"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/people"
	"concierge/portal/web"
)

// twoGateways are a sound one and one that is about to have trouble, with two APIs each on pages of one.
func twoGateways(t *testing.T) (troubled *gateway.Gateway, all []ingest.Registration) {
	t.Helper()
	placed := map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisEnvironment: "production"}
	for _, id := range []string{"sound", "troubled"} {
		g, r := registeredSample(t, gateway.Options{PageSize: 1, APIs: []gateway.API{{Name: id + "-one", Version: "1"}, {Name: id + "-two", Version: "1"}}},
			catalog.Gateway{ID: portal.GatewayID(id), Title: id, Defaults: placed})
		troubled, all = g, append(all, r)
	}
	return troubled, all
}

func administrator(t *testing.T, s *server) somebody {
	t.Helper()
	return s.enter(t, "Ada", "ada@alpenglow.example", people.NewOrganisation{Name: "Alpenglow", Audience: portal.Internal}, access.PlatformAdministrator, access.Developer)
}

// TestTroubledGateway: whatever a gateway answers, its sync says what is wrong in clear words, what was known of it stays,
// and the other gateway is read as before.
func TestTroubledGateway(t *testing.T) {
	for name, tc := range map[string]struct {
		trouble func(g *gateway.Gateway)
		words   []string // each has to be in what the page of the gateway says
	}{
		"unreachable": {func(g *gateway.Gateway) { _ = g.Close() }, []string{"connect"}},
		"cuts":        {func(g *gateway.Gateway) { g.SetFaults(gateway.Faults{Down: true}) }, []string{"unavailable"}},
		"half a page": {func(g *gateway.Gateway) { g.SetFaults(gateway.Faults{Half: gateway.HalfCut}) }, []string{"unavailable"}},
		"half a list": {func(g *gateway.Gateway) { g.SetFaults(gateway.Faults{Half: gateway.HalfPage}) }, []string{"after 1"}},
		"rubbish":     {func(g *gateway.Gateway) { g.SetFaults(gateway.Faults{Rubbish: true}) }, []string{"no JSON"}},
		"busy":        {func(g *gateway.Gateway) { g.SetFaults(gateway.Faults{RetryAfter: time.Minute}) }, []string{"429"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			troubled, all := twoGateways(t)
			s := openPortal(t, t.TempDir(), all...)
			ada := administrator(t, s)
			before := s.must(t, ada, "GET", "/api/v1/apis", nil)["items"].([]any)
			if len(before) != 4 {
				t.Fatalf("%d APIs, want 4", len(before))
			}
			tc.trouble(troubled)
			s.checkTrouble(t, ada, len(before), tc.words)
		})
	}
}

func TestWrongAdminCredentials(t *testing.T) {
	_, all := twoGateways(t)
	dir := t.TempDir()
	c, err := parseConfig(nil, dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), c, all, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		s.syncNow(t, g.ID)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	const wrong = "not-the-token"
	all[1].Credentials = map[string]portal.Secret{"token": portal.NewSecret(wrong)}
	var logged safeBuffer
	if s, err = open(t.Context(), c, all, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.checkTrouble(t, administrator(t, s), 4, []string{"denied"})
	if strings.Contains(logged.String(), wrong) {
		t.Errorf("the log tells the credentials:\n%s", &logged)
	}
}

// safeBuffer is a log that several write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (s *server) checkTrouble(t *testing.T, ada somebody, apis int, words []string) {
	t.Helper()
	run := s.syncNow(t, "troubled")
	if run.State.Good() || run.Error == "" {
		t.Errorf("the sync of the troubled gateway %s: %q", run.State, run.Error)
	}
	for _, word := range words {
		if !strings.Contains(run.Error, word) {
			t.Errorf("the sync says %q, and nothing of %q", run.Error, word)
		}
	}
	page := s.ask(ada, web.SurfacePage, "GET", "/gateways/troubled", "")
	if page.status != http.StatusOK || !strings.Contains(page.body, html.EscapeString(run.Error)) {
		t.Errorf("the page of the gateway: %s", page)
	}
	g := s.must(t, ada, "GET", "/api/v1/gateways/troubled", nil)
	if g["deployments"] != float64(2) || g["last_good"] == nil {
		t.Errorf("after the trouble the gateway has %v deployments, last read well at %v", g["deployments"], g["last_good"])
	}
	if run := s.syncNow(t, "sound"); !run.State.Good() {
		t.Errorf("the other gateway: %s, %s", run.State, run.Error)
	}
	if after := s.must(t, ada, "GET", "/api/v1/apis", nil)["items"].([]any); len(after) != apis {
		t.Errorf("%d APIs are left of %d", len(after), apis)
	}
}

// TestStart: what stands in the way of a start is said with what to do about it.
func TestStart(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, c *config)
		want  []string
	}{
		"the key file is gone": {func(t *testing.T, c *config) { must(t, os.Remove(c.KeyFile)) }, []string{"concierge.key", "missing", "put it back", "key_file"}},
		"the key file is another one": {func(t *testing.T, c *config) {
			other := *c
			other.Database, other.KeyFile = filepath.Join(t.TempDir(), "other.db"), filepath.Join(t.TempDir(), "other.key")
			s, err := open(t.Context(), other, nil, slog.New(slog.DiscardHandler))
			must(t, err)
			must(t, s.Close())
			c.KeyFile = other.KeyFile
		}, []string{"other.key", "belongs to"}},
		"others may read the key file": {func(t *testing.T, c *config) { must(t, os.Chmod(c.KeyFile, 0o644)) }, []string{"concierge.key", "chmod 600"}},
		"the key file is cut short":    {func(t *testing.T, c *config) { must(t, os.Truncate(c.KeyFile, 10)) }, []string{"concierge.key", "restore it from your copy"}},
		"a newer program wrote the database": {func(t *testing.T, c *config) {
			db, err := sql.Open("sqlite", c.Database)
			must(t, err)
			_, err = db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)")
			must(t, err)
			must(t, db.Close())
		}, []string{"newer version", "start the newer program"}},
		"the database is rubbish": {func(t *testing.T, c *config) {
			must(t, os.WriteFile(c.Database, bytes.Repeat([]byte("rubbish "), 1000), 0o600))
		}, []string{"concierge.db", "restore it from a backup"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseConfig(nil, t.TempDir())
			must(t, err)
			s, err := open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
			must(t, err)
			must(t, s.Close())
			tc.spoil(t, &c)
			s, err = open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
			if err == nil {
				_ = s.Close()
				t.Fatal("it starts")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("nothing of %q in: %v", want, err)
				}
			}
		})
	}
}

// TestSecondServer: two portals never write one database file, and the first goes on.
func TestSecondServer(t *testing.T) {
	c, err := parseConfig(nil, t.TempDir())
	must(t, err)
	first, err := open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	must(t, err)
	defer first.Close()
	second, err := open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	if err == nil {
		_ = second.Close()
		t.Fatal("it starts")
	}
	for _, want := range []string{"concierge.db", "in use by another Concierge", "stop that one first", "--database"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing of %q in: %v", want, err)
		}
	}
	ada := administrator(t, first)
	first.must(t, ada, "POST", "/api/v1/applications", map[string]any{"name": "still here"})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	c, err := parseConfig(fmt.Appendf(nil, "listen: %s", l.Addr()), t.TempDir())
	must(t, err)
	err = serve(t.Context(), c, slog.New(slog.DiscardHandler), &safeBuffer{})
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.Database); err == nil {
		t.Error("a database was made for a portal that cannot be served")
	}
}

var firstLink = regexp.MustCompile(`http://\S+(/invitation/\S+)`)

// TestFirstAdministrator: serve prints a link where nobody can sign in. It makes the first administrator once; later
// starts print none.
func TestFirstAdministrator(t *testing.T) {
	dir := t.TempDir()
	start := func() (told string, address string, stop func()) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		address = l.Addr().String()
		must(t, l.Close())
		c, err := parseConfig([]byte("listen: "+address), dir)
		must(t, err)
		c.Database = testDatabase(t, c.Database)
		ctx, cancel := context.WithCancel(t.Context())
		var out safeBuffer
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, c, slog.New(slog.DiscardHandler), &out) }()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if resp, err := http.Get("http://" + address + "/readyz"); err == nil {
				_ = resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					break
				}
			}
			if time.Now().After(deadline) {
				t.Fatal("the portal does not get ready")
			}
		}
		return out.String(), "http://" + address, func() {
			cancel()
			must(t, <-ended)
		}
	}
	told, address, stop := start()
	m := firstLink.FindStringSubmatch(told)
	if m == nil || !strings.Contains(told, "once") {
		t.Fatalf("serve tells %q", told)
	}
	link := address + m[1]
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	status := func(resp *http.Response, err error) int {
		must(t, err)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	form := url.Values{"name": {"Ada"}, "email": {"ada@alpenglow.example"}, "organisation": {"Alpenglow"}, "password": {"a long walk along the quay"}}
	if got := status(client.Get(link)); got != http.StatusOK {
		t.Errorf("the link shows %d", got)
	}
	weak := url.Values{"name": {"Ada"}, "email": {"ada@alpenglow.example"}, "organisation": {"Alpenglow"}, "password": {"short"}}
	if got := status(client.PostForm(link, weak)); got != http.StatusUnprocessableEntity {
		t.Errorf("a weak password: %d", got)
	}
	if got := status(client.PostForm(link, form)); got != http.StatusSeeOther {
		t.Fatalf("using the link: %d", got)
	}
	form.Set("email", "second@alpenglow.example")
	if got := status(client.PostForm(link, form)); got != http.StatusNotFound {
		t.Errorf("using the link again: %d", got)
	}
	if got := status(client.Get(link)); got != http.StatusNotFound {
		t.Errorf("looking at the link again: %d", got)
	}
	if got := status(client.PostForm(address+"/sign-in", url.Values{"email": {"ada@alpenglow.example"}, "password": form["password"]})); got != http.StatusSeeOther {
		t.Errorf("the administrator signs in: %d", got)
	}
	stop()
	told, _, stop = start()
	defer stop()
	if told != "" {
		t.Errorf("the second start tells %q", told)
	}
}

// TestDisabling ends sessions and tokens before the answer to whoever disabled somebody is there.
func TestDisabling(t *testing.T) {
	s := openPortal(t, t.TempDir())
	ada := administrator(t, s)
	for name, tc := range map[string]struct{ disable, enable func(petra somebody) }{
		"a person": {
			func(p somebody) {
				s.must(t, ada, "PATCH", "/api/v1/people/"+string(p.person), map[string]any{"disabled": true})
			},
			func(p somebody) {
				s.must(t, ada, "PATCH", "/api/v1/people/"+string(p.person), map[string]any{"disabled": false})
			},
		},
		"an organisation": {
			func(p somebody) {
				s.must(t, ada, "PATCH", "/api/v1/organisations/"+string(p.organisation), map[string]any{"disabled": true})
			},
			func(p somebody) {
				s.must(t, ada, "PATCH", "/api/v1/organisations/"+string(p.organisation), map[string]any{"disabled": false})
			},
		},
		"a person by page": {
			func(p somebody) {
				if r := s.ask(ada, web.SurfacePage, "POST", "/people/"+string(p.person)+"/disable", ""); r.status != http.StatusSeeOther {
					t.Fatal(r)
				}
			},
			func(p somebody) { s.ask(ada, web.SurfacePage, "POST", "/people/"+string(p.person)+"/enable", "") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			petra := s.enter(t, "Petra", "petra@brightmart.example", people.NewOrganisation{Name: "Brightmart", Audience: portal.Partner}, access.Developer)
			both := func() [2]int {
				return [2]int{
					s.ask(petra, web.SurfaceAPI, "GET", "/api/v1/me", "").status,
					s.ask(petra, web.SurfacePage, "GET", "/account", "").status,
				}
			}
			if got := both(); got != [2]int{http.StatusOK, http.StatusOK} {
				t.Fatalf("before: %v", got)
			}
			tc.disable(petra)
			if got := both(); got != [2]int{http.StatusUnauthorized, http.StatusSeeOther} {
				t.Errorf("disabled: token and session answer %v", got)
			}
			tc.enable(petra)
			if got := both(); got != [2]int{http.StatusUnauthorized, http.StatusSeeOther} {
				t.Errorf("enabled again: the old token and session answer %v", got)
			}
		})
	}
}
