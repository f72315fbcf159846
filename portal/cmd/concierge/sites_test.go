package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/caddy"
	"concierge/connectors/caddy/caddytest"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/site"
	"concierge/portal/store"
)

// backWithin is how long tests give to what a worker that comes back does by itself, on a busy machine.
const backWithin = 30 * time.Second

// plant is a site: a real Caddy whose admin side the portal does not reach, and the workers beside it.
type plant struct {
	t       *testing.T
	program string
	place   caddytest.Place
	caddy   *caddytest.Gateway
	config  string // of the workers
	ca      string
	front   string // the portal's address over TLS, as workers reach it
	portal  atomic.Pointer[url.URL]
}

// newPlant builds the site. Workers find the portal at front, wherever it runs at the time.
func newPlant(t *testing.T, program string) *plant {
	t.Helper()
	p := &plant{t: t, program: program}
	var apart bool
	if p.place, apart = elsewhere(t); apart {
		t.Logf("the plant is the network namespace %s", p.place.Command[3])
	} else {
		t.Log("no network namespace here: the plant is an address that the portal refuses to call")
	}
	p.caddy = caddytest.StartIn(t, p.place)
	if apart {
		if resp, err := http.Get(p.caddy.Admin); err == nil {
			_ = resp.Body.Close()
			t.Fatal("the admin side is reached from here, so nothing is shown")
		}
	}
	folder := t.TempDir()
	p.config, p.ca = filepath.Join(folder, "worker.yaml"), filepath.Join(folder, "ca.pem")
	text := fmt.Sprintf("gateways:\n  - {id: floor, kind: caddy, address: %q, settings: {public_url: %q}, allow_private: [127.0.0.0/8]}\n", p.caddy.Admin, p.caddy.Public)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	here := p.place.Here
	if here == "" {
		here = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(here, "0"))
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(p.portal.Load()) },
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	})
	_ = front.Listener.Close()
	front.Listener = l
	front.TLS = &tls.Config{Certificates: []tls.Certificate{p.certificate(here)}}
	front.StartTLS()
	t.Cleanup(front.Close)
	p.front = front.URL
	return p
}

// certificate makes one for an address, whose signer the workers are told to trust.
func (p *plant) certificate(address string) tls.Certificate {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// worker starts a worker's process, which is known by its data folder, or joins with a token.
func (p *plant) worker(data, token string, variables ...string) *process {
	p.t.Helper()
	args := slices.Concat(p.place.Command, []string{
		p.program, "worker", "--site", "plant", "--server", p.front, "--config", p.config, "--data", data, "--ca", p.ca, "--verbose",
	})
	return start(p.t, append(variables, enrolmentVariable+"="+token), args[0], args[1:]...)
}

// caddyConfig opens the gateway's connector.
func (p *plant) caddyConfig() connectors.Config {
	return connectors.Config{ID: "floor", Address: p.caddy.Admin, Settings: map[string]string{"public_url": p.caddy.Public}, Log: slog.New(slog.DiscardHandler)}
}

// admin reaches the gateway's admin side, as nobody but the plant does.
func (p *plant) admin() *http.Client {
	if p.place.Admin != nil {
		return p.place.Admin
	}
	return http.DefaultClient
}

// keys are the marks of the keys that Caddy has.
func (p *plant) keys() (marked []string) {
	p.t.Helper()
	cfg := p.caddyConfig()
	cfg.Client = p.admin()
	c, err := caddy.Open(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	issuer, ok := connectors.As[connectors.Issuer](c)
	if !ok {
		p.t.Fatal("Caddy issues no keys")
	}
	found, next, err := issuer.List(p.t.Context(), "", 1000)
	if err != nil || next != "" {
		p.t.Fatalf("listing keys: %v, next %q", err, next)
	}
	for _, f := range found {
		marked = append(marked, string(f.Mark.Credential))
	}
	slices.Sort(marked)
	return marked
}

// sited is a portal with the plant's gateway.
type sited struct {
	running
	*plant
}

// plantConfig is the portal's part of the plant: no address, no credentials.
const plantConfig = `
approval: [{approval: automatic}]
keys: {call_timeout: 3s, reconcile: 1s}
gateways:
  - {id: floor, kind: caddy, site: plant, division: ops, placement: {audience: internal, environment: production}}
`

func newSited(t *testing.T, p *plant) *sited {
	t.Helper()
	c, err := parseConfig([]byte(plantConfig), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(kinds); err != nil {
		t.Fatal(err)
	}
	var registrations []ingest.Registration
	for _, g := range c.Gateways {
		registered, secrets, err := g.registration()
		if err != nil {
			t.Fatal(err)
		}
		registrations = append(registrations, ingest.Registration{Gateway: registered, Credentials: secrets})
	}
	r := runWith(t, c, registrations...)
	at, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	p.portal.Store(at)
	return &sited{r, p}
}

func (s *sited) token() string {
	s.t.Helper()
	_, token, err := s.sites.CreateEnrolment(s.t.Context(), "per_root", "plant")
	if err != nil {
		s.t.Fatal(err)
	}
	return token.Reveal()
}

func (s *sited) eventually(what string, holds func() bool) {
	s.t.Helper()
	for began := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > backWithin {
			s.t.Fatalf("not after %s: %s", backWithin, what)
		}
	}
}

func (s *sited) connected(want int) []site.Worker {
	s.t.Helper()
	var all []site.Worker
	s.eventually(fmt.Sprintf("%d workers are there", want), func() bool {
		plant, err := s.sites.Site(s.t.Context(), "plant")
		if err != nil {
			s.t.Fatal(err)
		}
		all = slices.DeleteFunc(plant.Workers, func(w site.Worker) bool { return !w.Connected(s.sites.Now()) })
		return len(all) == want
	})
	return all
}

// subscribed waits until the plant's API is found, and asks for it.
func (s *sited) subscribed(c client, name string) api.Subscription {
	s.t.Helper()
	var found endpoint
	s.eventually(name+" is in the catalog", func() bool {
		for _, e := range c.endpoints() {
			if e.api == name {
				found = e
			}
		}
		return found.api != ""
	})
	return c.subscribe(found)
}

// live are the keys that the portal says work.
func live(c client) (ids []string) {
	c.t.Helper()
	for _, cred := range get[api.Page[api.Credential]](c, "/credentials?limit=200").Items {
		if cred.State == "active" || cred.State == "retiring" {
			ids = append(ids, cred.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// lastRun is how the last sync of the plant's gateway ended.
func (s *sited) lastRun() catalog.Run {
	s.t.Helper()
	runs, err := s.ingest.Runs(s.t.Context(), "floor", "", 1)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(runs) == 0 {
		return catalog.Run{}
	}
	return runs[0]
}

// TestSites goes the whole path on a real Caddy that the portal cannot reach, through workers that are processes of their
// own, kills them, starts them again, and lets a stranger come with a stolen token.
func TestSites(t *testing.T) {
	p := newPlant(t, program(t))
	s := newSited(t, p)
	who := s.person(t, "ivo@alpenglow.example", staff, access.Developer)
	first, token := t.TempDir(), s.token()

	t.Run("without a worker a sync fails and says why", func(t *testing.T) {
		s.eventually("a sync has failed", func() bool { return s.lastRun().State == catalog.Failed })
		if text := s.lastRun().Error; !strings.Contains(text, "no worker of site plant is there") {
			t.Errorf("it says %q", text)
		}
	})

	one := p.worker(first, token)
	s.connected(1)

	t.Run("the portal has no way to the gateway and no credential of it", func(t *testing.T) {
		err := s.db.View(t.Context(), func(tx store.Tx) error {
			g, err := tx.(catalog.Tx).Catalog().Gateway(t.Context(), "floor")
			if err == nil && (len(g.Secrets) > 0 || len(g.Settings) > 0 || g.Address != "") {
				t.Errorf("it keeps %+v", g)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c := p.caddyConfig()
		direct, err := ingest.Open(kinds, catalog.Gateway{ID: "floor", Kind: "caddy", Address: c.Address, Settings: c.Settings}, nil, s.log)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := direct.Connector.Probe(t.Context()); err == nil {
			t.Error("it reaches the admin side")
		}
	})

	t.Run("the whole path", func(t *testing.T) {
		s.eventually("the worker that came is followed by a sync", func() bool { return s.lastRun().State.Good() })
		walk(t, s.running, who, "floor", served{
			caddytest.Payments: p.caddy.Public + "/payments/2", caddytest.Orders: p.caddy.Public + "/orders/1",
		})
	})

	t.Run("a worker that is gone", func(t *testing.T) {
		held := s.subscribed(who, "payments")
		key := who.claim(held.ID)
		wanted := s.subscribed(who, "orders")
		if err := one.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = one.Wait()
		s.connected(0)

		waiting := ask[api.ClaimBody](who, http.MethodPost, "/subscriptions/"+wanted.ID+"/credentials", nil, http.StatusAccepted)
		if waiting.Secret != "" || waiting.State != "pending" || !strings.Contains(waiting.Note, "the worker of site plant") {
			t.Errorf("the claim is answered %+v", waiting)
		}
		revoking := ask[api.Credential](who, http.MethodDelete, "/credentials/"+key.ID, nil, http.StatusAccepted)
		if revoking.State != "revoking" || revoking.Effective != nil {
			t.Errorf("the revocation is answered %+v", revoking)
		}
		if status := use(t, key.BaseURL, key.Parts); !works(status) {
			t.Errorf("a key that cannot be revoked yet: %d", status)
		}
		if run, err := s.ingest.Sync(t.Context(), "floor", "system:test"); err != nil {
			t.Error(err)
		} else if run, err = s.ingest.Wait(t.Context(), "floor", run.ID); err != nil || run.State != catalog.Failed {
			t.Errorf("a sync: %+v, %v", run, err)
		}
		if e := s.subscribed(who, "payments"); e.ID == "" {
			t.Error("the catalog does not stay")
		}

		one = p.worker(first, "") // it is known by its folder
		s.connected(1)
		s.eventually("the revocation holds", func() bool { // nobody asks again
			return get[api.Credential](who, "/credentials/"+key.ID).State == "revoked"
		})
		if status := use(t, key.BaseURL, key.Parts); !refused(status) {
			t.Errorf("the revoked key: %d", status)
		}
		if keys := p.keys(); len(keys) > 0 {
			t.Errorf("something happened behind the consumer's back: %v", keys)
		}
		ready := who.claim(wanted.ID)
		if ready.ID != waiting.ID {
			t.Errorf("the claim that waited is another one: %s, %s", ready.ID, waiting.ID)
		}
		within(t, workingWithin, "with the key that was waited for", func() int { return use(t, ready.BaseURL, ready.Parts) }, works)
		who.revoke(ready.ID)
	})

	t.Run("a stolen token", func(t *testing.T) {
		thief := p.worker(t.TempDir(), token)
		if err := thief.Wait(); err == nil {
			t.Fatal("it works")
		}
		if text := thief.log.String(); !strings.Contains(text, "this enrolment token does not serve") || strings.Contains(text, token) {
			t.Errorf("it says:\n%s", text)
		}
		all := s.connected(1)
		if all[0].Reused.IsZero() {
			t.Errorf("nobody sees it: %+v", all[0])
		}
	})

	t.Run("two workers of one site", func(t *testing.T) {
		second := t.TempDir()
		two := p.worker(second, s.token())
		s.connected(2)
		var subs []string
		for range 12 {
			subs = append(subs, s.subscribed(who, "orders").ID)
		}
		secrets := sync.Map{}
		var claiming sync.WaitGroup
		for i, sub := range subs {
			claiming.Go(func() {
				if i == len(subs)/2 {
					_ = two.Process.Kill()
				}
				for began := time.Now(); time.Since(began) < backWithin; time.Sleep(200 * time.Millisecond) {
					a, err := who.try(http.MethodPost, "/api/v1/subscriptions/"+sub+"/credentials", nil)
					if err != nil {
						t.Error(err)
						return
					}
					switch a.status {
					case http.StatusCreated:
						claimed := read[api.ClaimBody](t, a, "a claim", http.StatusCreated)
						if _, twice := secrets.LoadOrStore(claimed.Secret, sub); twice {
							t.Error("two claims have one secret")
						}
						return
					case http.StatusAccepted, http.StatusServiceUnavailable, http.StatusConflict: // it is looked for, or cleared up
					default:
						t.Errorf("a claim: %d %s", a.status, a.body)
						return
					}
				}
				t.Errorf("subscription %s has no key", sub)
			})
		}
		claiming.Wait()
		_ = two.Wait()
		s.eventually("the gateway has the keys that the portal knows, and no other", func() bool { return slices.Equal(p.keys(), live(who)) })
		if n := len(live(who)); n != len(subs) {
			t.Errorf("%d keys for %d claims", n, len(subs))
		}
		for _, id := range live(who) {
			who.revoke(id)
		}
	})

	t.Run("a worker that is revoked", func(t *testing.T) {
		all := s.connected(1)
		if _, err := s.sites.RevokeWorker(t.Context(), "per_root", all[0].ID); err != nil {
			t.Fatal(err)
		}
		if err := one.Wait(); err == nil {
			t.Error("it ended as if nothing were")
		}
		if text := one.log.String(); !strings.Contains(text, "does not take this worker any more") {
			t.Errorf("it says:\n%s", text)
		}
		again := p.worker(first, "")
		if err := again.Wait(); err == nil {
			t.Error("it works again")
		}
	})
}
