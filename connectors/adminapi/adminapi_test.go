package adminapi

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

const secret = "token-that-nobody-may-see"

// serve returns a client of a server that answers with h.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := New(connectors.Config{
		Address: server.URL + "/admin/", Client: server.Client(),
		Settings: map[string]string{Header: "Authorization"},
		Secrets:  map[string]portal.Secret{HeaderValue: portal.NewSecret("Bearer " + secret)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDoSends(t *testing.T) {
	var got *http.Request
	var body []byte
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Trailer", "Etag")
		_, _ = io.WriteString(w, `{}`)
		w.Header().Set("Etag", `"1"`)
	})
	answer, err := c.Do(t.Context(), Request{
		Method: http.MethodPut, Path: []string{"a b", "c/d"}, Slash: true, Body: map[string]int{"n": 1},
		Header: http.Header{"If-Match": {`"0"`}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.URL.EscapedPath() != "/admin/a%20b/c%2Fd/" || string(body) != `{"n":1}` || got.Header.Get("If-Match") != `"0"` ||
		got.Header.Get("Authorization") != "Bearer "+secret || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the request was %s %s with %v", got.URL.EscapedPath(), body, got.Header)
	}
	if answer.Header.Get("Etag") != `"1"` {
		t.Errorf("the trailer is lost: %v", answer.Header)
	}
}

func TestDoKinds(t *testing.T) {
	for status, kind := range map[int]error{
		302: portal.ErrInvalid, 400: portal.ErrInvalid, 401: portal.ErrDenied, 403: portal.ErrDenied, 404: portal.ErrNotFound,
		405: portal.ErrDenied, 409: portal.ErrConflict, 412: portal.ErrConflict, 422: portal.ErrInvalid,
		429: portal.ErrUnavailable, 500: portal.ErrUnavailable, 503: portal.ErrUnavailable,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "because of the\nweather")
		})
		_, err := c.Do(t.Context(), Request{Method: http.MethodGet, Path: []string{"x"}})
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), "because of the weather") {
			t.Errorf("%d: got %v; want one that is %q, in the gateway's words", status, err, kind)
		}
		if _, err := c.Do(t.Context(), Request{Method: http.MethodGet, Accept: []int{status}}); err != nil {
			t.Errorf("%d, accepted: %v", status, err)
		}
	}
}

func TestDoContext(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	late, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Do(late, Request{Method: http.MethodGet}); !errors.Is(err, portal.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(over, Request{Method: http.MethodGet}); !errors.Is(err, context.Canceled) || errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("after cancel: %v", err)
	}
}

func TestDoLimitsAnswers(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range MaxAnswerBytes/len(block) + 1 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if _, err := c.Do(t.Context(), Request{Method: http.MethodGet}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestErrorsQuoteNoSecret(t *testing.T) {
	for name, said := range map[string]string{
		"the header":       "I do not know Bearer " + secret,
		"the token":        "I do not know " + secret,
		"in base 64":       base64.StdEncoding.EncodeToString([]byte(secret)),
		"beyond the quote": strings.Repeat("x", wordsBytes-5) + secret,
		"markup":           "<h1>" + secret + "</h1>",
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, said, http.StatusBadRequest) })
		_, err := c.Do(t.Context(), Request{Method: http.MethodGet})
		if err == nil || strings.Contains(err.Error(), secret[:5]) || strings.Contains(err.Error(), said[:20]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.Copy(w, r.Body)
	})
	_, err := c.Do(t.Context(), Request{Method: http.MethodPost, Body: "the-new-key", Secret: true})
	if err == nil || strings.Contains(err.Error(), "the-new-key") {
		t.Errorf("a body with a key: %v", err)
	}
}

func TestPatience(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "0": 0, "": retryAfter, "soon": retryAfter, "-1": retryAfter, "Mon, 01 Jan 2001 00:00:00 GMT": 0,
	} {
		if got := patience(header); got != want {
			t.Errorf("%q: %s; want %s", header, got, want)
		}
	}
}

func TestNew(t *testing.T) {
	type settings = map[string]string
	type secrets = map[string]portal.Secret
	for name, tc := range map[string]struct {
		address  string
		settings settings
		secrets  secrets
		problems []string
	}{
		"loopback":                  {"http://127.0.0.1:9876", nil, nil, nil},
		"https":                     {"https://admin.example.com/eg", nil, nil, nil},
		"http, allowed":             {"http://admin.example.com", settings{PlainHTTP: "true"}, nil, nil},
		"http":                      {"http://admin.example.com", nil, nil, []string{PlainHTTP}},
		"http, perhaps":             {"https://admin.example.com", settings{PlainHTTP: "yes"}, nil, []string{"neither true nor false"}},
		"not a URL":                 {"https://a b", nil, nil, []string{"not a URL"}},
		"a credential in it":        {"https://a:b@admin.example.com", nil, nil, []string{"holds a credential"}},
		"no host":                   {"https://", settings{User: "a"}, nil, []string{"a host", "belong together"}},
		"a header without a value":  {"https://a.example.com", settings{Header: "X-Key"}, nil, []string{"belong together"}},
		"a value without a header":  {"https://a.example.com", nil, secrets{HeaderValue: portal.NewSecret("v")}, []string{"belong together"}},
		"a value with a line break": {"https://a.example.com", settings{Header: "X"}, secrets{HeaderValue: portal.NewSecret("v\nx")}, []string{"HTTP header"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(connectors.Config{Address: tc.address, Settings: tc.settings, Secrets: tc.secrets, Client: http.DefaultClient})
			if (err != nil) != (len(tc.problems) > 0) || err != nil && !errors.Is(err, portal.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			for _, p := range tc.problems {
				if !strings.Contains(err.Error(), p) {
					t.Errorf("%v does not say %q", err, p)
				}
			}
		})
	}
}

func TestBasicAuthentication(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "desk" || password != secret {
			http.Error(w, "no", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	c, err := New(connectors.Config{
		Address: server.URL, Client: server.Client(),
		Settings: map[string]string{User: "desk"}, Secrets: map[string]portal.Secret{Password: portal.NewSecret(secret)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), Request{Method: http.MethodGet}); err != nil {
		t.Error(err)
	}
}

func TestCheckSettings(t *testing.T) {
	known := []connectors.Setting{{Name: "zone", Required: true}, {Name: "key", Secret: true}}
	err := CheckSettings(connectors.Config{
		Settings: map[string]string{"key": "in clear"}, Secrets: map[string]portal.Secret{"other": portal.NewSecret("x")},
	}, known)
	for _, want := range []string{`no setting "key"`, `no secret setting "other"`, "zone is missing"} {
		if !errors.Is(err, portal.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := CheckSettings(connectors.Config{Settings: map[string]string{"zone": "eu"}}, known); err != nil {
		t.Error(err)
	}
}
