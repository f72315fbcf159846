package deskhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// window asks as the asset server does: no server in between, a bare path, a length of -1, no cookie ever sent.
func window(h http.Handler, method, path, body string, header http.Header) *httptest.ResponseRecorder {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, path, content)
	r.Host, r.RemoteAddr, r.ContentLength = Hosts[0], "192.0.2.1:1234", -1
	for k, v := range header {
		r.Header[k] = v
	}
	if host := header.Get("Host"); host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func pages() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<h1>home</h1>") })
	m.HandleFunc("GET /nothing", func(http.ResponseWriter, *http.Request) {})
	m.HandleFunc("GET /headers-only", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Seen", "yes") })
	m.HandleFunc("GET /flush", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, "b")
	})
	m.HandleFunc("GET /length", func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 || r.Body != http.NoBody {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	m.HandleFunc("GET /deadline", func(w http.ResponseWriter, r *http.Request) {
		if _, ok := r.Context().Deadline(); !ok {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	m.HandleFunc("GET /own-policy", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
	})
	m.HandleFunc("GET /teapot", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	})
	m.HandleFunc("GET /enter", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "ana", Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/who?x=1&y=<2>", http.StatusSeeOther)
	})
	m.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("who")
		if err != nil {
			c = &http.Cookie{}
		}
		_, _ = io.WriteString(w, "who="+c.Value+" "+r.URL.RawQuery)
	})
	m.HandleFunc("GET /leave", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "who", Path: "/", MaxAge: -1})
	})
	m.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/who?got="+r.FormValue("a"), http.StatusSeeOther)
	})
	m.HandleFunc("POST /again", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/form", http.StatusTemporaryRedirect)
	})
	m.HandleFunc("GET /circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })
	m.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://docs.example/a?b=1", http.StatusFound)
	})
	m.HandleFunc("GET /program", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "file://host/etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	m.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="a.json"`)
		w.Header().Set("Content-Length", "2")
		_, _ = io.WriteString(w, "{")
		_, _ = io.WriteString(w, "}")
	})
	m.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("ouch") })
	m.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return m
}

// TestTraps is one row for every way in which the asset server is not an HTTP server.
func TestTraps(t *testing.T) {
	htmx := http.Header{"Hx-Request": {"true"}}
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	htmxForm := http.Header{"Hx-Request": {"true"}, "Content-Type": {"application/x-www-form-urlencoded"}}
	for name, tc := range map[string]struct {
		method, path, body string
		header             http.Header
		status             int
		contains           string
	}{
		"a page":                            {"GET", "/", "", nil, 200, "<h1>home</h1>"},
		"nothing written is 200":            {"GET", "/nothing", "", nil, 200, ""},
		"only headers written is 200":       {"GET", "/headers-only", "", nil, 200, ""},
		"flushing is harmless":              {"GET", "/flush", "", nil, 200, "ab"},
		"a GET has length 0":                {"GET", "/length", "", nil, 200, ""},
		"a request has an end":              {"GET", "/deadline", "", nil, 200, ""},
		"the first final status counts":     {"GET", "/teapot", "", nil, 418, ""},
		"a redirect becomes a refresh":      {"GET", "/enter", "", nil, 200, `content="0;url=/who?x=1&amp;y=&lt;2&gt;"`},
		"htmx is taken there":               {"GET", "/enter", "", htmx, 200, "who=ana x=1&y=<2>"},
		"a form's redirect":                 {"POST", "/form", "a=b", form, 200, `url=/who?got=b"`},
		"a form's redirect for htmx":        {"POST", "/form", "a=b", htmxForm, 200, "got=b"},
		"a form is not sent twice":          {"POST", "/again", "a=b", form, 502, ""},
		"a form is not sent twice for htmx": {"POST", "/again", "a=b", htmxForm, 502, ""},
		"a circle ends":                     {"GET", "/circle", "", htmx, 508, ""},
		"another site opens in the browser": {"GET", "/elsewhere", "", nil, 204, ""},
		"nothing but http opens":            {"GET", "/program", "", nil, 502, ""},
		"a file is saved":                   {"GET", "/file", "", nil, 204, ""},
		"files in forms":                    {"POST", "/form", "--x--", http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, 415, ""},
		"a page of another host":            {"GET", "/", "", http.Header{"Host": {"evil.example"}}, 421, ""},
		"a port of the development server":  {"GET", "/", "", http.Header{"Host": {"localhost:34115"}}, 421, ""},
		"windows":                           {"GET", "/", "", http.Header{"Host": {"wails.localhost"}}, 200, "home"},
		"a slash too many":                  {"GET", "/who/", "", nil, 200, `url=/who"`},
		"slashes that name another host":    {"GET", "//evil.example/", "", nil, 200, `url=/evil.example"`},
		"a panic":                           {"GET", "/panic", "", nil, 500, ""},
		"a handler that gives up":           {"GET", "/abort", "", nil, 200, ""},
		"not found":                         {"GET", "/missing", "", nil, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := New(pages(), Options{
				OpenURL: func(string) {},
				Save:    func(context.Context, string, []byte) error { return nil },
			})
			w := window(a, tc.method, tc.path, tc.body, tc.header)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.contains) {
				t.Errorf("got %d %q; want %d with %q", w.Code, w.Body, tc.status, tc.contains)
			}
		})
	}
}

func TestCookiesStayInGo(t *testing.T) {
	a := New(pages(), Options{})
	w := window(a, "GET", "/enter", "", http.Header{"Cookie": {"who=mallory"}})
	if got := w.Header().Values("Set-Cookie"); got != nil {
		t.Errorf("the window was given %q with a redirect", got)
	}
	if got := window(New(pages(), Options{}), "GET", "/leave", "", nil).Header().Values("Set-Cookie"); got != nil {
		t.Errorf("the window was given %q with a page", got)
	}
	for _, r := range []struct{ path, want string }{{"/who", "who=ana"}, {"/leave", ""}, {"/who", "who= "}} {
		if got := window(a, "GET", r.path, "", http.Header{"Cookie": {"who=mallory"}}).Body.String(); !strings.HasPrefix(got, r.want) {
			t.Errorf("%s: %q, want %q", r.path, got, r.want)
		}
	}
}

func TestEveryAnswerHasAPolicy(t *testing.T) {
	a := New(pages(), Options{})
	for path, want := range map[string]string{"/": policy, "/enter": policy, "/who/": policy, "/missing": policy, "/own-policy": "default-src 'none'"} {
		if got := window(a, "GET", path, "", nil).Header().Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// TestARedirectLeavesNothing: headers of the hop are not those of the page.
func TestARedirectLeavesNothing(t *testing.T) {
	w := window(New(pages(), Options{}), "GET", "/enter", "", http.Header{"Hx-Request": {"true"}})
	if got := w.Header().Get("Location"); got != "" {
		t.Errorf("Location %q", got)
	}
}

func TestHandsOver(t *testing.T) {
	var opened, saved string
	a := New(pages(), Options{
		OpenURL: func(address string) { opened = address },
		Save: func(_ context.Context, name string, content []byte) error {
			saved = name + " " + string(content)
			return nil
		},
	})
	window(a, "GET", "/elsewhere", "", nil)
	window(a, "GET", "/program", "", nil)
	if opened != "https://docs.example/a?b=1" {
		t.Errorf("opened %q", opened)
	}
	if w := window(a, "GET", "/file", "", nil); saved != "a.json {}" || w.Body.Len() != 0 {
		t.Errorf("saved %q, answered %q", saved, w.Body)
	}
	a.Save = func(context.Context, string, []byte) error { return errors.New("no room") }
	if w := window(a, "GET", "/file", "", nil); w.Code != http.StatusInternalServerError {
		t.Errorf("a file that was not saved answers %d", w.Code)
	}
}
