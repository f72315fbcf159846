package bindings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"concierge/app/connection"
	"concierge/app/keychain"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

const key = "k3y-materi'al"

// gateway is a desk that makes keys. It answers that it is not ready for as often as waits says.
type gateway struct {
	api.Desk
	mu      sync.Mutex
	waits   int
	claims  int
	overlap time.Duration
	parts   []api.Part
	err     error
	revoked string
}

func (g *gateway) Claim(_ context.Context, subscription string) (api.Claim, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.claims++
	if g.err != nil {
		return api.Claim{}, g.err
	}
	c := api.Claim{Credential: api.Credential{ID: "crd_1", Subscriptions: []string{subscription}}}
	if g.claims <= g.waits {
		return c, nil
	}
	c.Ready, c.Parts, c.BaseURL, c.Try = true, g.parts, "https://gw.example/orders", "/list"
	return c, nil
}

func (g *gateway) Rotate(ctx context.Context, credential string, overlap time.Duration) (api.Claim, error) {
	g.overlap = overlap
	return g.Claim(ctx, credential)
}

func (g *gateway) Revoke(_ context.Context, id string) (api.Credential, error) {
	g.revoked = id
	return api.Credential{ID: id, State: "revoking"}, g.err
}

type clipboard struct {
	mu   sync.Mutex
	text string
}

func (c *clipboard) SetText(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = text
	return nil
}

func (c *clipboard) Text() (string, error) { return c.has(), nil }

func (c *clipboard) has() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text
}

type portals struct{ portal *connection.Portal }

func (p portals) Current(context.Context) (*connection.Portal, error) {
	if p.portal == nil {
		return nil, portal.ErrNotFound
	}
	return p.portal, nil
}

type world struct {
	*Keys
	gateway   *gateway
	clipboard *clipboard
	chain     keychain.Keychain
	log       *bytes.Buffer
}

func newWorld(t *testing.T) world {
	t.Helper()
	keyring.MockInit()
	t.Cleanup(keyring.MockInit)
	g := &gateway{parts: []api.Part{{In: "header", Name: "X-API-Key", Value: portal.NewSecret(key)}}}
	w := world{gateway: g, clipboard: &clipboard{}, log: &bytes.Buffer{}, chain: keychain.Keychain{Service: "Concierge https://apis.example"}}
	w.Keys = &Keys{
		Portals:   portals{&connection.Portal{Address: "https://apis.example", Desk: g, Keys: w.chain}},
		Clipboard: w.clipboard, Text: func() ui.Text { return ui.TextIn("en") }, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	return w
}

func (w world) kept(t *testing.T, name string) held {
	t.Helper()
	s, err := w.chain.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	h, err := decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// discreet fails where what a page or a log gets names the key.
func (w world) discreet(t *testing.T, o Outcome, err error) {
	t.Helper()
	page, marshalErr := json.Marshal(o)
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	if err != nil {
		page = append(page, err.Error()...)
	}
	if strings.Contains(string(page), "materi") || strings.Contains(w.log.String(), "materi") {
		t.Errorf("the key is told: %s\n%s", page, w.log)
	}
}

func TestClaim(t *testing.T) {
	w := newWorld(t)
	o, err := w.Claim(t.Context(), "sub_1")
	if err != nil || o.State != "done" || o.Credential != "crd_1" || o.Message == "" {
		t.Fatalf("got %+v, %v", o, err)
	}
	w.discreet(t, o, err)
	if h := w.kept(t, "crd_1"); h.Parts[0].Value != key || h.BaseURL != "https://gw.example/orders" {
		t.Errorf("kept %+v", h)
	}
	if _, err := w.chain.Get(t.Context(), probe); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("the probe is still there: %v", err)
	}
}

func TestClaimWaitsForTheGateway(t *testing.T) {
	for name, tc := range map[string]struct {
		waits int
		want  string
	}{"a little": {3, "done"}, "too long": {1000, "pending"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.gateway.waits = tc.waits
				start := time.Now()
				o, err := w.Claim(t.Context(), "sub_1")
				if err != nil || o.State != tc.want || time.Since(start) > patience+interval {
					t.Errorf("got %+v, %v after %v", o, err, time.Since(start))
				}
			})
		})
	}
}

func TestRotate(t *testing.T) {
	for overlap, want := range map[string]time.Duration{"": api.DefaultOverlap, "1h0m0s": time.Hour, "0s": 0} {
		w := newWorld(t)
		o, err := w.Rotate(t.Context(), "crd_0", overlap)
		if err != nil || o.State != "done" || w.gateway.overlap != want {
			t.Errorf("%q: %+v, %v, overlap %v", overlap, o, err, w.gateway.overlap)
		}
		w.discreet(t, o, err)
		if w.kept(t, "crd_1").Parts[0].Value != key {
			t.Error("the new key is not in the keychain")
		}
	}
	for _, overlap := range []string{"soon", "-1h"} {
		w := newWorld(t)
		if _, err := w.Rotate(t.Context(), "crd_0", overlap); err == nil || w.gateway.claims != 0 {
			t.Errorf("overlap %q: %v", overlap, err)
		}
	}
}

// TestNoKeyIsMadeForALockedKeychain: a key can be had only once.
func TestNoKeyIsMadeForALockedKeychain(t *testing.T) {
	w := newWorld(t)
	keyring.MockInitWithError(errors.New("no bus"))
	o, err := w.Claim(t.Context(), "sub_1")
	if err == nil || w.gateway.claims != 0 {
		t.Errorf("got %+v, %v after %d claims", o, err, w.gateway.claims)
	}
}

// TestAKeyIsNotLost: the keychain was there before the claim and is gone after it.
func TestAKeyIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.Portals.(portals).portal.Desk = locking{w.gateway}
	o, err := w.Claim(t.Context(), "sub_1")
	if err != nil || o.Message != ui.TextIn("en").T("desktop.unsaved") {
		t.Fatalf("got %+v, %v", o, err)
	}
	w.discreet(t, o, err)
	if o, err := w.CopyKey(t.Context(), "crd_1"); err != nil || w.clipboard.has() != key {
		t.Errorf("got %+v, %v", o, err)
	}
	keyring.MockInit() // unlocked
	if _, err := w.CopyKey(t.Context(), "crd_1"); err != nil {
		t.Fatal(err)
	}
	if w.kept(t, "crd_1").Parts[0].Value != key || len(w.unsaved) != 0 {
		t.Error("the key did not find its way into the keychain")
	}
}

type locking struct{ api.Desk }

func (l locking) Claim(ctx context.Context, s string) (api.Claim, error) {
	keyring.MockInitWithError(errors.New("locked"))
	return l.Desk.Claim(ctx, s)
}

func TestCopy(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Claim(t.Context(), "sub_1"); err != nil {
		t.Fatal(err)
	}
	o, err := w.CopyKey(t.Context(), "crd_1")
	if err != nil || w.clipboard.has() != key {
		t.Errorf("clipboard %q, %v", w.clipboard.has(), err)
	}
	w.discreet(t, o, err)
	o, err = w.CopyCurl(t.Context(), "crd_1")
	if want := `curl -H 'X-API-Key: k3y-materi'\''al' 'https://gw.example/orders/list'`; err != nil || w.clipboard.has() != want {
		t.Errorf("clipboard %q, %v; want %q", w.clipboard.has(), err, want)
	}
	w.discreet(t, o, err)
	if _, err := w.CopyKey(t.Context(), "crd_9"); err == nil || err.Error() != ui.TextIn("en").T("desktop.not_here") {
		t.Errorf("a key that is not here: %v", err)
	}
}

func TestCopyOfSeveralParts(t *testing.T) {
	w := newWorld(t)
	w.gateway.parts = []api.Part{
		{In: "header", Name: "Client", Value: portal.NewSecret("id"), Public: true},
		{In: "header", Name: "A", Value: portal.NewSecret("one")}, {In: "query", Name: "b", Value: portal.NewSecret("two")},
	}
	if _, err := w.Claim(t.Context(), "sub_1"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CopyKey(t.Context(), "crd_1"); err == nil || w.clipboard.has() != "" {
		t.Errorf("copied %q, %v", w.clipboard.has(), err)
	}
	if _, err := w.CopyCurl(t.Context(), "crd_1"); err != nil || !strings.Contains(w.clipboard.has(), "?b=two") {
		t.Errorf("copied %q, %v", w.clipboard.has(), err)
	}
}

func TestTheClipboardIsEmptied(t *testing.T) {
	for name, tc := range map[string]struct {
		then string // copied by somebody else
		want string
	}{"unchanged": {"", ""}, "changed": {"a shopping list", "a shopping list"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if _, err := w.Claim(t.Context(), "sub_1"); err != nil {
					t.Fatal(err)
				}
				if _, err := w.CopyKey(t.Context(), "crd_1"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(clipboardLife - time.Second)
				synctest.Wait()
				if w.clipboard.has() != key {
					t.Fatalf("emptied too early")
				}
				if tc.then != "" {
					_ = w.clipboard.SetText(tc.then)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if w.clipboard.has() != tc.want {
					t.Errorf("clipboard %q, want %q", w.clipboard.has(), tc.want)
				}
			})
		})
	}
}

func TestForgetAndRevoke(t *testing.T) {
	for name, drop := range map[string]func(world) error{
		"forget": func(w world) error { _, err := w.ForgetKey(t.Context(), "crd_1"); return err },
		"revoke": func(w world) error {
			_, err := w.Revoked(w.Portals.(portals).portal).Revoke(t.Context(), "crd_1")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.Claim(t.Context(), "sub_1"); err != nil {
				t.Fatal(err)
			}
			if err := drop(w); err != nil {
				t.Fatal(err)
			}
			if _, err := w.chain.Get(t.Context(), "crd_1"); !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("it is still there: %v", err)
			}
			if revoked := w.gateway.revoked != ""; revoked != (name == "revoke") {
				t.Errorf("revoked %q", w.gateway.revoked)
			}
		})
	}
	w := newWorld(t)
	if _, err := w.Claim(t.Context(), "sub_1"); err != nil {
		t.Fatal(err)
	}
	w.gateway.err = portal.ErrUnavailable
	if _, err := w.Revoked(w.Portals.(portals).portal).Revoke(t.Context(), "crd_1"); !errors.Is(err, portal.ErrUnavailable) {
		t.Error(err)
	}
	w.kept(t, "crd_1") // a key that was not revoked stays
}

// TestErrors: each says what to do, and what nobody can do anything about goes to the log.
func TestErrors(t *testing.T) {
	text := ui.TextIn("en")
	for name, tc := range map[string]struct {
		err    error
		want   string
		logged bool
	}{
		"locked":     {keychain.ErrLocked, text.T("desktop.locked"), false},
		"unusable":   {keychain.ErrUnusable, text.T("connect.keychain"), true},
		"a conflict": {&portal.ConflictError{Kind: "credential", ID: "crd_1", Err: errors.New("there is a key already")}, "there is a key already", false},
		"elsewhere":  {errors.New("at /home/ana: ouch"), text.T("desktop.failed"), true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.gateway.err = tc.err
			if _, err := w.Claim(t.Context(), "sub_1"); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if logged := w.log.Len() > 0; logged != tc.logged {
				t.Errorf("logged %q", w.log)
			}
		})
	}
}
