package outbound

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"concierge/portal"

	"golang.org/x/net/dns/dnsmessage"
)

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

var local = Policy{Allow: Loopback}

func newClient(t *testing.T, policy Policy, opts Options) *http.Client {
	t.Helper()
	client, err := NewClient(policy, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func get(t *testing.T, client *http.Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := Do(client, req)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { calls.Add(1); h(w, r) }))
	t.Cleanup(srv.Close)
	return srv, &calls
}

func TestRefusesLoopbackUnlessAllowed(t *testing.T) {
	srv, calls := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	_, err := get(t, newClient(t, Policy{Setting: "allow_private"}, Options{}), srv.URL)
	refused, ok := errors.AsType[*RefusedError](err)
	if !ok || !errors.Is(err, portal.ErrDenied) || errors.Is(err, portal.ErrUnavailable) || refused.Address.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Fatalf("got %v, want a refused address", err)
	}
	if calls.Load() != 0 {
		t.Error("the server was called")
	}

	port := netip.MustParseAddrPort(srv.Listener.Addr().String()).Port()
	other := Policy{Allow: []Network{{Prefix: netip.MustParsePrefix("127.0.0.1/32"), Port: port + 1}}}
	if _, err := get(t, newClient(t, other, Options{}), srv.URL); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("allowed at another port: %v", err)
	}
	resp, err := get(t, newClient(t, local, Options{}), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := ReadAll(resp, 5); string(body) != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// A name that first means an allowed address and then another one is refused at the second connection.
func TestRefusesRebinding(t *testing.T) {
	srv, calls := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	var asked atomic.Int32
	resolver := fakeDNS(t, func() [4]byte {
		if asked.Add(1) == 1 {
			return [4]byte{127, 0, 0, 2} // where nothing answers
		}
		return [4]byte{127, 0, 0, 1}
	})
	policy := Policy{Allow: []Network{{Prefix: netip.MustParsePrefix("127.0.0.2/32")}}, Setting: "allow_private"}
	client := newClient(t, policy, Options{Resolver: resolver, ConnectTimeout: time.Second})
	if _, err := get(t, client, "http://gateway.test:"+port); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("allowed address: %v", err)
	}
	_, err := get(t, client, "http://gateway.test:"+port)
	if refused, ok := errors.AsType[*RefusedError](err); !ok || refused.Host != "gateway.test" || !strings.Contains(err.Error(), "gateway.test (127.0.0.1:") {
		t.Errorf("rebound: %v", err)
	}
	if calls.Load() != 0 {
		t.Error("the server was called")
	}
	if _, err := get(t, newClient(t, local, Options{Resolver: resolver}), "http://gateway.test:"+port); err != nil || calls.Load() != 1 {
		t.Errorf("the same name where allowed: %v, %d calls", err, calls.Load())
	}
}

// fakeDNS answers every A question.
func fakeDNS(t *testing.T, answer func() [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body: &dnsmessage.AResource{A: answer()}}}
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestNeverFollowsRedirects(t *testing.T) {
	target, calls := serve(t, func(http.ResponseWriter, *http.Request) {})
	srv, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
	})
	resp, err := get(t, newClient(t, local, Options{}), srv.URL)
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || resp.Header.Get("Location") != target.URL || calls.Load() != 0 {
		t.Errorf("%v, %v, %d calls of the target", resp, err, calls.Load())
	}
}

func TestIgnoresProxy(t *testing.T) {
	proxy, calls := serve(t, func(http.ResponseWriter, *http.Request) {})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	client := newClient(t, local, Options{Resolver: fakeDNS(t, func() [4]byte { return [4]byte{169, 254, 169, 254} })})
	if _, err := get(t, client, "http://metadata.test/"); !errors.Is(err, portal.ErrDenied) || calls.Load() != 0 {
		t.Errorf("%v, %d calls of the proxy", err, calls.Load())
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	url := "http://root:hunter2@" + free.Addr().String() + "/apis?apikey=hunter2#hunter2"
	for name, policy := range map[string]Policy{"unavailable": local, "denied": {}} {
		_, err := get(t, newClient(t, policy, Options{}), url)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "root") || !strings.Contains(err.Error(), "/apis") {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Is(err, portal.ErrUnavailable) != (name == "unavailable") || errors.Is(err, portal.ErrDenied) != (name == "denied") {
			t.Errorf("%s is the wrong kind: %v", name, err)
		}
	}
	if Clean(nil) != nil || !errors.Is(Clean(io.EOF), io.EOF) {
		t.Error("Clean changes other errors")
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	srv, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begins")
			w.(http.Flusher).Flush()
		}
		<-release
	})
	defer close(release)
	for name, opts := range map[string]Options{"header": {HeaderTimeout: 50 * time.Millisecond}, "whole call": {Timeout: 50 * time.Millisecond}} {
		if _, err := get(t, newClient(t, local, opts), srv.URL); !errors.Is(err, portal.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	resp, err := get(t, newClient(t, local, Options{Timeout: 200 * time.Millisecond}), srv.URL+"/body")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll(resp, 1000); !errors.Is(err, portal.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("body that never ends: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if _, err := Do(newClient(t, local, Options{}), req); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("the caller's deadline: %v", err)
	}
	cancelled, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	req, _ = http.NewRequestWithContext(cancelled, http.MethodGet, srv.URL, nil)
	if _, err := Do(newClient(t, local, Options{}), req); !errors.Is(err, context.Canceled) || errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("the caller's cancellation: %v", err)
	}
}

func TestBodyLimits(t *testing.T) {
	srv, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
		case "/header":
			w.Header().Set("X-Large", strings.Repeat("x", 1<<19))
		default:
			_, _ = w.Write(make([]byte, 1000))
		}
	})
	for name, tc := range map[string]struct {
		path string
		opts Options
		max  int64
		want int // -1: an error
	}{
		"fits":                   {"/", Options{}, 1000, 1000},
		"over the caller's":      {"/", Options{}, 999, -1},
		"fits the client's":      {"/", Options{MaxBodyBytes: 1000}, 1 << 20, 1000},
		"over the client's":      {"/", Options{MaxBodyBytes: 999}, 1 << 20, -1},
		"bomb":                   {"/gzip", Options{MaxBodyBytes: 1 << 19}, 1 << 30, -1},
		"fits once decompressed": {"/gzip", Options{}, 1 << 20, 1 << 20},
	} {
		resp, err := get(t, newClient(t, local, tc.opts), srv.URL+tc.path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := ReadAll(resp, tc.max)
		if tc.want < 0 && (!errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "larger than") || len(data) > 0) || tc.want >= 0 && (err != nil || len(data) != tc.want) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		if n, err := resp.Body.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("%s: reading on: %d, %v", name, n, err)
		}
	}
	if _, err := get(t, newClient(t, local, Options{}), srv.URL+"/header"); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("a huge header: %v", err)
	}
}

// A receiver that hands out page after page is read up to a limit.
func TestTogether(t *testing.T) {
	srv, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
	ctx, client := Together(t.Context(), 2500), newClient(t, local, Options{})
	read := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := Do(client, req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ReadAll(resp, 1<<20)
		return err
	}
	for n, want := range []bool{true, true, false, false} {
		if err := read(ctx); (err == nil) != want || err != nil && (!errors.Is(err, portal.ErrUnavailable) || !strings.Contains(err.Error(), "together")) {
			t.Errorf("answer %d: %v", n+1, err)
		}
	}
	if err := read(t.Context()); err != nil {
		t.Errorf("another caller's: %v", err)
	}
}

func TestTrailers(t *testing.T) {
	srv, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Etag")
		_, _ = io.WriteString(w, "{}")
		w.Header().Set("Etag", `"/config 1a2b"`)
	})
	resp, err := get(t, newClient(t, local, Options{}), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll(resp, 10); err != nil || resp.Trailer.Get("Etag") != `"/config 1a2b"` {
		t.Errorf("%v, trailer %q", err, resp.Trailer)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	old := httptest.NewUnstartedServer(nil)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})

	if _, err := get(t, newClient(t, local, Options{RootCAs: ca}), srv.URL); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
	if _, err := get(t, newClient(t, local, Options{}), srv.URL); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("without its certificate: %v", err)
	}
	if _, err := get(t, newClient(t, local, Options{RootCAs: ca}), old.URL); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("TLS 1.1: %v", err)
	}
	if _, err := NewClient(local, Options{RootCAs: []byte("-----BEGIN")}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("not PEM: %v", err)
	}
}
