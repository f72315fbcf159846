package client_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/client"
)

func TestNew(t *testing.T) {
	for address, want := range map[string]string{ // what the error says; empty: none
		"https://apis.example.com":                "",
		" https://apis.example.com:8443/ ":        "",
		"http://127.0.0.1:8080":                   "",
		"http://[::1]:8080":                       "",
		"http://localhost:8080":                   "",
		"http://apis.example.com":                 "use https://apis.example.com",
		"http://10.0.0.5":                         "use https://10.0.0.5",
		"http://127.0.0.1.example.com":            "use https",
		"http://localhost.example.com":            "use https",
		"ftp://apis.example.com":                  "starts with https://",
		"apis.example.com":                        "write it as https://",
		"https://:443":                            "write it as https://",
		"":                                        "write it as https://",
		"https://apis.example.com/apis":           "scheme and host only",
		"https://apis.example.com?token=s":        "scheme and host only",
		"https://ana:hunter2@apis.example.co":     "scheme and host only",
		"https://ana:hunter2@apis.example.co\x00": "write it as https://",
	} {
		_, err := client.New(address, portal.NewSecret(token), client.Options{})
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", address, err)
		case want != "" && (!errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %q", address, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error says the password: %v", err)
		}
	}
	for _, bad := range []string{"", "two words", "line\nbreak", "zwölf"} {
		_, err := client.New("https://apis.example.com", portal.NewSecret(bad), client.Options{})
		if !errors.Is(err, portal.ErrInvalid) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	if _, err := client.New("https://apis.example.com", portal.NewSecret(token), client.Options{RootCAs: []byte("rubbish")}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("rubbish certificates: %v", err)
	}
}

// serve answers with h and counts the calls.
func serve(t *testing.T, h http.HandlerFunc) (address string, calls *atomic.Int32) {
	t.Helper()
	calls = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestAnswersThatAreNoneOfAPortal(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   error
		calls  int32
	}{
		"a web page": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("<html>" + token + "</html>"))
		}, nil, 1},
		"a text for a time": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"created": "5318008"}`))
		}, nil, 1},
		"a page that says no": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, portal.ErrInvalid, 1},
		"a broken proxy":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, portal.ErrUnavailable, 1},
		"a problem that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("[]"))
		}, portal.ErrUnavailable, 1},
		"too much": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"name": "` + strings.Repeat("x", 2000) + `"}`))
		}, portal.ErrUnavailable, 1},
		"half an answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte(`{"name":`))
		}, portal.ErrUnavailable, 3},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, portal.ErrUnavailable, 3},
		"not now": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, portal.ErrUnavailable, 3},
		"not for long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, portal.ErrUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, calls := serve(t, tc.answer)
			_, err := open(t, address, client.Options{MaxBodyBytes: 1000}).Application(t.Context(), "app_1")
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "5318008")) {
				t.Errorf("the error says too much: %v", err)
			}
			if calls.Load() != tc.calls {
				t.Errorf("asked %d times, want %d", calls.Load(), tc.calls)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere, visits := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, status := range []int{301, 302, 303, 307, 308} {
		address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+"/", status) })
		c := open(t, address, client.Options{})
		if _, err := c.Me(t.Context()); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("GET, %d: %v", status, err)
		}
		if _, err := c.Claim(t.Context(), "sub_1"); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("POST, %d: %v", status, err)
		}
	}
	if visits.Load() != 0 {
		t.Errorf("%d calls went elsewhere", visits.Load())
	}
}

func TestTimeIsBounded(t *testing.T) {
	address, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := open(t, address, client.Options{Timeout: 50 * time.Millisecond})
	began := time.Now()
	if _, err := c.Me(t.Context()); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("a portal that never answers: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	c = open(t, address, client.Options{})
	if _, err := c.Me(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := open(t, server.URL, client.Options{}).Resolve(t.Context(), api.ResolveQuery{API: "payments", Environment: "test"})
	if !errors.Is(err, portal.ErrUnavailable) || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "payments") {
		t.Errorf("got %v", err)
	}
}

// Every POST has a key of its own, which its repetitions share; nothing else has one.
func TestIdempotencyKeys(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("{}"))
	})
	c := open(t, address, client.Options{})
	for _, do := range []func() error{
		func() error { _, err := c.CreateApplication(t.Context(), api.NewApplication{Name: "shop"}); return err },
		func() error { _, err := c.Rotate(t.Context(), "cre_1", time.Hour); return err },
		func() error { _, err := c.Revoke(t.Context(), "cre_1"); return err },
		func() error { _, err := c.Me(t.Context()); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 5 || keys[0] == "" || keys[0] != keys[1] || keys[2] == "" || keys[2] == keys[1] || keys[3] != "" || keys[4] != "" {
		t.Errorf("keys %q", keys)
	}
}

func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"name": "Ana"}`)) }))
	defer server.Close()
	if _, err := open(t, server.URL, client.Options{}).Me(t.Context()); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("a certificate that nobody signed: %v", err)
	}
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	me, err := open(t, server.URL, client.Options{RootCAs: roots}).Me(t.Context())
	if err != nil || me.Name != "Ana" {
		t.Errorf("a certificate that was named: %+v, %v", me, err)
	}
}

func TestInvitationLinks(t *testing.T) {
	for link, want := range map[string]string{
		`"url": "https://apis.example.com/invitation/abc"`: "abc",
		`"expires": "2026-01-01T00:00:00Z"`:                "", // a repeated request
	} {
		address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{" + link + "}")) })
		i, err := open(t, address, client.Options{}).Reinvite(t.Context(), "per_1")
		if err != nil || i.Token.Reveal() != want {
			t.Errorf("%s: %q, %v", link, i.Token.Reveal(), err)
		}
	}
	address, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"url": "https://elsewhere.example/t0k3n"}`))
	})
	if _, err := open(t, address, client.Options{}).Reinvite(t.Context(), "per_1"); err == nil || strings.Contains(err.Error(), "t0k3n") {
		t.Errorf("another link: %v", err)
	}
}
