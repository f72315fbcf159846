package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFromProxy: what is said of a request is believed of proxies only, and of a list of addresses only what a proxy of
// ours has written.
func TestFromProxy(t *testing.T) {
	const id, trace = "balancer-0000-1", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tc := range map[string]struct {
		from, forwarded, given string
		wantFrom, wantID       string
		believed               bool
	}{
		"nobody's word":             {"203.0.113.9:1", "198.51.100.1", id, "203.0.113.9:1", "", false},
		"a proxy's word":            {"10.0.0.1:1", "198.51.100.1", id, "198.51.100.1:0", id, true},
		"a proxy by IPv6":           {"[fd00::1]:1", "2001:db8::5", id, "[2001:db8::5]:0", id, true},
		"what the client wrote":     {"10.0.0.1:1", "127.0.0.1, 198.51.100.1", id, "198.51.100.1:0", id, true},
		"two proxies":               {"10.0.0.1:1", "198.51.100.1, 10.0.0.2", id, "198.51.100.1:0", id, true},
		"only proxies":              {"10.0.0.1:1", "10.0.0.3, 10.0.0.2", id, "10.0.0.3:0", id, true},
		"no address":                {"10.0.0.1:1", "198.51.100.1, unknown", id, "10.0.0.1:1", id, true},
		"nothing said":              {"10.0.0.1:1", "", "", "10.0.0.1:1", "", true},
		"an id that is none":        {"10.0.0.1:1", "198.51.100.1", "a\nlevel=ERROR msg=forged", "198.51.100.1:0", "", true},
		"an id that is too long":    {"10.0.0.1:1", "198.51.100.1", strings.Repeat("a", 65), "198.51.100.1:0", "", true},
		"an address that is mapped": {"[::ffff:10.0.0.1]:1", "198.51.100.1", id, "198.51.100.1:0", id, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tc.from
			r.Header.Set("Traceparent", trace)
			if tc.forwarded != "" {
				r.Header.Set("X-Forwarded-For", tc.forwarded)
			}
			if tc.given != "" {
				r.Header.Set("X-Request-Id", tc.given)
			}
			s := &site{Options: Options{Proxies: proxies}}
			if got := s.fromProxy(r); got != tc.wantID {
				t.Errorf("the id is %q, want %q", got, tc.wantID)
			}
			if r.RemoteAddr != tc.wantFrom {
				t.Errorf("it came from %s, want %s", r.RemoteAddr, tc.wantFrom)
			}
			if believed := r.Header.Get("Traceparent") != ""; believed != tc.believed {
				t.Errorf("the trace is believed: %v", believed)
			}
		})
	}
}

// TestWellFormed: an id that is taken over cannot end a log line, a header or an attribute.
func TestWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		if wellFormed(id) && (len(id) < 8 || len(id) > 64 || strings.ContainsAny(id, " \t\r\n\"'=<>&;:/\\%,") || id != strings.ToValidUTF8(id, "")) {
			t.Fatalf("%q is taken over", id)
		}
	})
}
