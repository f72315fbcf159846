//go:build crashpoints && unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/audit"
	"concierge/portal/people"
	"concierge/portal/store"
)

const (
	// settledWithin is enough for a lease to end and a gateway to settle, with the durations of these tests, on a busy
	// machine.
	settledWithin = 30 * time.Second
	tokenVariable = "CONCIERGE_TEST_GATEWAY_TOKEN"
)

// mortal is a portal that dies and is started again, over a gateway that lives on in the test's process.
type mortal struct {
	t       testing.TB
	program string
	config  string // its file
	gateway *gateway.Gateway
	token   string // of a person who is both consumer and administrator
	*process
	client
}

// newMortal prepares a database with one synced gateway and one person. Nothing runs yet. between, where it is not nil,
// stands between the portal and the gateway's admin side.
func newMortal(t testing.TB, program string, between func(http.Handler) http.Handler) *mortal {
	t.Helper()
	g, _ := paymentsGateway(t)
	address := g.AdminURL()
	if between != nil {
		admin, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		front := httptest.NewServer(between(httputil.NewSingleHostReverseProxy(admin)))
		t.Cleanup(front.Close)
		address = front.URL
	}
	m := &mortal{t: t, program: program, config: filepath.Join(t.TempDir(), "concierge.yaml"), gateway: g}
	database := testDatabase(t, filepath.Join(filepath.Dir(m.config), "data", "concierge.db"))
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
database: %s
keys: {call_timeout: 1s, reconcile: 500ms}
approval: [{approval: automatic}]
gateways:
  - id: sample
    kind: sample
    address: %s
    division: ops
    placement: {audience: internal, environment: production}
    allow_private: [127.0.0.0/8]
    secrets: {token: {env: %s}}
`, database, address, tokenVariable)
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig([]byte(text), filepath.Dir(m.config))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), c, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := s.people.Seed(t.Context(), people.Seed{
		Organisation: staff, Name: "Ada Lindt", Email: "ada@alpenglow.example", Password: portal.NewSecret(portal.NewID("pass")),
		Roles: []access.Role{access.PlatformAdministrator, access.Developer},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	m.token = token.Reveal()
	m.start("")
	m.sync()
	return m
}

var serving = regexp.MustCompile(`msg=serving address=(\S+)`)

// start starts the program, which dies at the point, if there is one.
func (m *mortal) start(point string) {
	m.t.Helper()
	m.process = start(m.t, []string{"CONCIERGE_CRASH=" + point, tokenVariable + "=" + m.gateway.AdminToken().Reveal()}, m.program, "serve", "--config", m.config)
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if found := serving.FindStringSubmatch(m.log.String()); found != nil {
			m.client = client{m.t, "http://" + found[1], m.token}
			return
		}
		if time.Since(began) > 20*time.Second {
			m.t.Fatalf("it does not serve:\n%s", &m.log)
		}
	}
}

// restart ends the program in good order and starts it again.
func (m *mortal) restart(point string) {
	m.t.Helper()
	m.end(m.t)
	m.start(point)
}

// dies sends a request that the program does not survive.
func (m *mortal) dies(method, path string, body any) {
	m.t.Helper()
	if a, err := m.try(method, "/api/v1"+path, body); err == nil && a.status != http.StatusAccepted {
		m.t.Fatalf("%s %s was answered: %d %s", method, path, a.status, a.body)
	}
	m.killed()
}

// killed waits for the program's end, which has to be violent.
func (m *mortal) killed() {
	m.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { _ = m.Process.Signal(syscall.SIGABRT) })
	err := m.Wait()
	late.Stop()
	if status, ok := m.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		m.t.Fatalf("it was not killed: %v\n%s", err, &m.log)
	}
}

func (m *mortal) sync() api.Run {
	m.t.Helper()
	run := m.ended(ask[api.Run](m.client, http.MethodPost, "/gateways/sample/sync", nil, http.StatusAccepted).ID)
	for began := time.Now(); len(m.apis()) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 5*time.Second {
			m.t.Fatalf("nothing is published after %+v", run)
		}
	}
	return run
}

// runs are those of the gateway, newest first.
func (m *mortal) runs() []api.Run {
	m.t.Helper()
	return get[api.Page[api.Run]](m.client, "/gateways/sample/runs").Items
}

// ended waits for the end of a run: on PostgreSQL the lease of one that was killed has to be over first.
func (m *mortal) ended(id string) api.Run {
	m.t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		run := get[api.Run](m.client, "/gateways/sample/runs/"+id)
		if run.Ended != nil {
			return run
		}
		if time.Since(began) > 2*settledWithin {
			m.t.Fatalf("the sync does not end: %+v", run)
		}
	}
}

// keysOnGateway lists by their marks what the gateway holds.
func (m *mortal) keysOnGateway() (marked []string) {
	m.t.Helper()
	opened, err := sample.Open(sampletest.Config(m.gateway, m.gateway.AdminToken()))
	if err != nil {
		m.t.Fatal(err)
	}
	issuer, ok := connectors.As[connectors.Issuer](opened)
	if !ok {
		m.t.Fatal("the sample gateway issues no keys")
	}
	found, next, err := issuer.List(m.t.Context(), "", 100)
	if err != nil || next != "" {
		m.t.Fatalf("listing keys: %v, next %q", err, next)
	}
	for _, f := range found {
		marked = append(marked, string(f.Mark.Credential))
	}
	if n := m.gateway.Live(""); n != len(marked) {
		m.t.Fatalf("the gateway has %d keys, %d of them with our mark", n, len(marked))
	}
	return marked
}

func (m *mortal) credentials() []api.Credential {
	m.t.Helper()
	return get[api.Page[api.Credential]](m.client, "/credentials").Items
}

// becomes waits until a credential is in a state.
func (m *mortal) becomes(id, state string) api.Credential {
	m.t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		cred := get[api.Credential](m.client, "/credentials/"+id)
		if cred.State == state {
			return cred
		}
		if time.Since(began) > settledWithin {
			m.t.Fatalf("credential %s is %s, not %s: %s\n%s", id, cred.State, state, cred.Note, &m.log)
		}
	}
}

// claimsAgain holds that the subscription gets a working key, and that the gateway has the keys that the portal says and
// no other.
func (m *mortal) claimsAgain(subscription string) {
	m.t.Helper()
	key := m.claim(subscription)
	within(m.t, workingWithin, "with the new key", func() int { return use(m.t, key.BaseURL, key.Parts) }, works)
	var live []string
	for _, c := range m.credentials() {
		if c.State == "active" || c.State == "retiring" {
			live = append(live, c.ID)
		}
	}
	slices.Sort(live)
	if held := m.keysOnGateway(); !slices.Equal(held, live) {
		m.t.Errorf("the gateway holds %v, the portal knows %v", held, live)
	}
}

// audited ends the program and holds that each credential's record tells these actions, oldest first.
func (m *mortal) audited(id string, want ...string) {
	m.t.Helper()
	m.end(m.t)
	db, err := openDatabase(m.t.Context(), testDatabase(m.t, filepath.Join(filepath.Dir(m.config), "data", "concierge.db")), slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var events []audit.Event
	err = db.View(m.t.Context(), func(tx store.Tx) (err error) {
		events, err = tx.Audit().Events(m.t.Context(), id, 100)
		return err
	})
	if err != nil {
		m.t.Fatal(err)
	}
	var told []string
	for _, e := range slices.Backward(events) {
		told = append(told, e.Action)
	}
	if !slices.Equal(told, want) {
		m.t.Errorf("the record of %s tells %v, want %v", id, told, want)
	}
}

var payments = endpoint{"payments", "1", "production"}

// TestKilled kills the program at every crash point and starts it again: what was begun is found and finished, no key is
// left that the portal does not know, and everything works as before. Run it with go test -tags crashpoints -run Killed.
func TestKilled(t *testing.T) {
	program := program(t, "crashpoints")
	parallel := func(name string, test func(*testing.T)) { // most of their time is waiting
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}

	for point, after := range map[string]struct {
		onGateway int    // keys, after the kill
		state     string // of the credential, in the end
		audit     []string
	}{
		"keys.issue.intended": {0, "failed", []string{"credential.issue.intent", "credential.issue.failed"}},
		"keys.issue.answered": {1, "revoked", []string{
			"credential.issue.intent", "credential.issue.found", "credential.revoke.intent", "credential.revoke.done",
		}},
		// The key is recorded and its consumer was never answered: it is in the list, and can be revoked there.
		"keys.issue.recorded": {1, "active", []string{
			"credential.issue.intent", "credential.issue.done", "credential.revoke.intent", "credential.revoke.done",
		}},
	} {
		parallel("claim at "+point, func(t *testing.T) {
			m := newMortal(t, program, nil)
			sub := m.subscribe(payments)
			m.restart(point)
			m.dies(http.MethodPost, "/subscriptions/"+sub.ID+"/credentials", nil)
			if held := m.keysOnGateway(); len(held) != after.onGateway {
				t.Fatalf("the kill left %v on the gateway", held)
			}

			m.start("")
			all := m.credentials()
			if len(all) != 1 {
				t.Fatalf("the claim left %+v", all)
			}
			lost := m.becomes(all[0].ID, after.state)
			if after.state == "active" {
				problem := ask[api.Problem](m.client, http.MethodPost, "/subscriptions/"+sub.ID+"/credentials", nil, http.StatusConflict)
				if problem.Conflict != lost.ID {
					t.Errorf("what is in the way is not named: %+v", problem)
				}
				m.revoke(lost.ID)
			}
			if held := m.keysOnGateway(); len(held) > 0 {
				t.Errorf("the gateway still has %v", held)
			}
			m.claimsAgain(sub.ID)
			m.audited(lost.ID, after.audit...)
		})

		parallel("rotation at "+point, func(t *testing.T) {
			m := newMortal(t, program, nil)
			sub := m.subscribe(payments)
			first := m.claim(sub.ID)
			m.restart(point)
			m.dies(http.MethodPost, "/credentials/"+first.ID+"/rotate", nil)

			m.start("")
			all := m.credentials()
			if len(all) != 2 {
				t.Fatalf("the rotation left %+v", all)
			}
			for _, c := range all {
				if c.ID != first.ID {
					m.becomes(c.ID, after.state)
				}
			}
			if status := use(t, first.BaseURL, first.Parts); status != http.StatusOK {
				t.Errorf("the first key after the kill: %d", status)
			}
			if after.state != "active" {
				second := ask[api.ClaimBody](m.client, http.MethodPost, "/credentials/"+first.ID+"/rotate", nil, http.StatusCreated)
				within(t, workingWithin, "with the second key", func() int { return use(t, second.BaseURL, second.Parts) }, works)
			}
			if held := m.keysOnGateway(); len(held) != 2 {
				t.Errorf("the gateway has %v", held)
			}
		})
	}

	for _, point := range []string{"keys.revoke.intended", "keys.revoke.answered", "keys.revoke.recorded"} {
		parallel("revoke at "+point, func(t *testing.T) {
			m := newMortal(t, program, nil)
			sub := m.subscribe(payments)
			key := m.claim(sub.ID)
			m.restart(point)
			m.dies(http.MethodDelete, "/credentials/"+key.ID, nil)
			if status := use(t, key.BaseURL, key.Parts); works(status) != (point == "keys.revoke.intended") {
				t.Errorf("after the kill the key is answered %d", status)
			}

			m.start("") // nobody asks again
			m.becomes(key.ID, "revoked")
			if status := use(t, key.BaseURL, key.Parts); !refused(status) {
				t.Errorf("the revoked key: %d", status)
			}
			m.claimsAgain(sub.ID)
			m.audited(key.ID, "credential.issue.intent", "credential.issue.done", "credential.revoke.intent", "credential.revoke.done")
		})
	}

	parallel("a key that comes late", func(t *testing.T) {
		slow := &slowGateway{}
		m := newMortal(t, program, slow.between)
		sub := m.subscribe(payments)
		arrived := slow.hold()
		go func() { _, _ = m.client.try(http.MethodPost, "/api/v1/subscriptions/"+sub.ID+"/credentials", nil) }()
		<-arrived
		if err := m.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		m.killed()

		m.start("")
		all := m.credentials()
		if len(all) != 1 {
			t.Fatalf("the claim left %+v", all)
		}
		m.becomes(all[0].ID, "failed")
		if held := m.keysOnGateway(); len(held) > 0 {
			t.Fatalf("the key did not come late: %v", held)
		}
		slow.letGo(t)
		m.becomes(all[0].ID, "revoked")
		if held := m.keysOnGateway(); len(held) > 0 {
			t.Errorf("the late key is still there: %v", held)
		}
		m.claimsAgain(sub.ID)
		m.audited(all[0].ID, "credential.issue.intent", "credential.issue.failed", "credential.revoke.intent", "credential.revoke.done")
	})

	for point, want := range map[string]struct {
		applied bool
		state   string // of the killed run
	}{
		"ingest.discovered": {false, "failed"}, "ingest.before-commit": {false, "failed"}, "ingest.after-commit": {true, "applied"},
	} {
		parallel("sync at "+point, func(t *testing.T) {
			m := newMortal(t, program, nil)
			before := m.published()
			if err := m.gateway.Add(gateway.API{Name: "payments", Version: "1.0.0", Summary: "Now with receipts"}, gateway.API{Name: "billing", Version: "1.0.0"}); err != nil {
				t.Fatal(err)
			}
			after := map[string]string{"payments": "Now with receipts", "orders": "", "billing": ""}
			m.restart(point)
			m.dies(http.MethodPost, "/gateways/sample/sync", nil)

			m.start("")
			expected := before
			if want.applied {
				expected = after
			}
			if now := m.published(); fmt.Sprint(now) != fmt.Sprint(expected) {
				t.Errorf("published after the kill: %v, want %v", now, expected)
			}
			if killed := m.ended(m.runs()[0].ID); killed.State != want.state {
				t.Errorf("the killed run: %+v", killed)
			}
			if run := m.sync(); run.State != "applied" && !want.applied || run.State != "unchanged" && want.applied {
				t.Errorf("the next run: %+v", run)
			}
			for began := time.Now(); fmt.Sprint(m.published()) != fmt.Sprint(after); time.Sleep(10 * time.Millisecond) {
				if time.Since(began) > 5*time.Second {
					t.Fatalf("published in the end: %v, want %v", m.published(), after)
				}
			}
		})
	}
}

// published is the catalog: the summary of each API.
func (m *mortal) published() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	for _, a := range m.apis() {
		all[a.ID] = a.Summary
	}
	return all
}

// slowGateway stands in front of an admin side and can hold back the next request that makes a key.
type slowGateway struct {
	mu      sync.Mutex
	next    http.Handler
	arrived chan struct{} // not nil while a request is to be held
	held    *http.Request
	body    []byte
}

func (s *slowGateway) between(next http.Handler) http.Handler {
	s.next = next
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		arrived := s.arrived
		if r.Method != http.MethodPut || arrived == nil {
			s.mu.Unlock()
			next.ServeHTTP(w, r)
			return
		}
		s.arrived = nil
		s.held = r
		s.body, _ = io.ReadAll(r.Body)
		s.mu.Unlock()
		close(arrived)
		<-r.Context().Done() // whoever asked is gone
		panic(http.ErrAbortHandler)
	})
}

// hold keeps the next request back; the channel is closed when it has arrived.
func (s *slowGateway) hold() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived = make(chan struct{})
	return s.arrived
}

// letGo hands the held request on, long after its sender has given up.
func (s *slowGateway) letGo(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.held.Clone(t.Context())
	r.Body = io.NopCloser(bytes.NewReader(s.body))
	w := httptest.NewRecorder()
	s.next.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Fatalf("the late request: %d %s", w.Code, w.Body)
	}
}
