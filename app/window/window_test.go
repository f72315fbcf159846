package window

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/zalando/go-keyring"

	"concierge/app/connection"
	"concierge/app/deskhttp"
	"concierge/app/keychain"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
	"concierge/portal/web/webtest"
)

const token = "cgp_t0ken"

// desk is the test world as the partner, whose token may stop working.
type desk struct {
	api.Desk
	me *error
}

func (d desk) Me(ctx context.Context) (api.Me, error) {
	if *d.me != nil {
		return api.Me{}, *d.me
	}
	return d.Desk.Me(ctx)
}

type world struct {
	http.Handler
	me  error
	log bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keyring.MockInit()
	t.Cleanup(keyring.MockInit)
	w := &world{}
	inside, err := webtest.New(webtest.Fixed).Desk(t.Context(), webtest.Partner, "")
	if err != nil {
		t.Fatal(err)
	}
	keeper := connection.New(func(address string, given portal.Secret) (api.Desk, error) {
		if !strings.HasPrefix(address, "https://") {
			return nil, portal.ErrInvalid
		}
		if given.Reveal() != token {
			refused := error(&api.Problem{Type: "/problems/unauthorized", Status: http.StatusUnauthorized})
			return desk{inside, &refused}, nil
		}
		return desk{inside, &w.me}, nil
	})
	pages, err := New(keeper, func(p *connection.Portal) api.Desk { return p.Desk }, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w.Handler = deskhttp.New(pages, deskhttp.Options{})
	return w
}

func (w *world) ask(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Host = deskhttp.Hosts[0]
	r.Header.Set("HX-Request", "true") // follows redirects in place
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	return rec
}

func (w *world) connect(address, token string) *httptest.ResponseRecorder {
	return w.ask("POST", ui.ConnectPath, url.Values{"address": {address}, "token": {token}})
}

func shows(t *testing.T, rec *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	if rec.Code != status || !strings.Contains(rec.Body.String(), text) {
		t.Errorf("got %d without %q:\n%.3000s", rec.Code, text, rec.Body)
	}
	if strings.Contains(rec.Body.String(), token) {
		t.Error("the token is in the page")
	}
	if rec.Header().Get("Content-Security-Policy") == "" {
		t.Error("no policy")
	}
}

func TestFromFirstStartToForgetting(t *testing.T) {
	w := newWorld(t)
	en := ui.TextIn("en")
	shows(t, w.ask("GET", "/keys", nil), 200, en.T("connect.title"))
	shows(t, w.connect("http://apis.example.com", token), 422, `value="http://apis.example.com"`)
	shows(t, w.connect("https://apis.example.com", "cgp_other"), 422, "does not accept the token")
	shows(t, w.connect("https://apis.example.com", token), 200, "Ana")
	shows(t, w.ask("GET", "/keys", nil), 200, en.T("nav.keys"))
	shows(t, w.ask("GET", ui.ConnectPath, nil), 200, "https://apis.example.com")
	shows(t, w.ask("POST", ui.ConnectPath+"/forget", nil), 200, en.T("connect.title"))
	shows(t, w.ask("GET", "/keys", nil), 200, en.T("connect.title"))
}

// TestObstacles: what keeps the portal from being shown is shown in its place, and the way on.
func TestObstacles(t *testing.T) {
	en := ui.TextIn("en")
	for name, tc := range map[string]struct {
		me     error
		ring   error
		status int
		want   string
	}{
		"the token was revoked": {me: &api.Problem{Status: http.StatusUnauthorized}, status: 401, want: `id="token"`},
		"nobody answers":        {me: portal.ErrUnavailable, status: 503, want: en.T("connect.unreachable")},
		"not a portal":          {me: errors.New("what is this"), status: 503, want: "not a portal"},
		"no keychain":           {ring: errors.New("no bus"), status: 503, want: en.T("connect.keychain")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.ring != nil {
				keyring.MockInitWithError(tc.ring)
			} else {
				shows(t, w.connect("https://apis.example.com", token), 200, "Ana")
			}
			w.me = tc.me
			shows(t, w.ask("GET", "/", nil), tc.status, tc.want)
			if tc.ring != nil {
				keyring.MockInit()
			}
			w.me = nil
			rec := w.ask("GET", "/", nil) // the obstacle is gone
			shows(t, rec, 200, "<h1")
		})
	}
	if title, _, known := words(en, "", keychain.ErrLocked); title != "Unlock your keyring" || !known {
		t.Errorf("a locked keychain is told as %q", title)
	}
}

func TestPreferencesWithoutAPortal(t *testing.T) {
	w := newWorld(t)
	w.ask("POST", ui.PreferencesPath, url.Values{"language": {"fr"}, "next": {ui.ConnectPath}})
	w.ask("POST", ui.PreferencesPath, url.Values{"theme": {"dark"}, "next": {ui.ConnectPath}})
	rec := w.ask("GET", ui.ConnectPath, nil)
	shows(t, rec, 200, ui.TextIn("fr").T("connect.title"))
	shows(t, rec, 200, `data-theme="dark"`)
}

func TestOtherSitesCannotConnect(t *testing.T) {
	w := newWorld(t)
	r := httptest.NewRequest("POST", ui.ConnectPath, nil)
	r.Host = deskhttp.Hosts[0]
	r.Header.Set("Origin", "https://evil.example")
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if rec.Code != http.StatusForbidden {
		t.Errorf("status %d", rec.Code)
	}
}

// TestNoFilesInForms: a file in a form ends the process on Linux and is empty on macOS, so no page of the window has one.
// The one template that has one for browsers leaves it out here, which the tests of package web hold.
func TestNoFilesInForms(t *testing.T) {
	templates, err := filepath.Glob("../../portal/web/ui/*.templ")
	if err != nil || len(templates) == 0 {
		t.Fatalf("%d templates, %v", len(templates), err)
	}
	for _, name := range templates {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if guard := []byte("if d.CanChange && !desktop(ctx) {"); filepath.Base(name) == "documents.templ" && bytes.Contains(content, guard) {
			content, _, _ = bytes.Cut(content, guard) // what follows is for browsers
		}
		for _, fatal := range []string{`type="file"`, `"file",`, "multipart"} {
			if bytes.Contains(content, []byte(fatal)) {
				t.Errorf("%s has %s", name, fatal)
			}
		}
	}
	w := newWorld(t)
	shows(t, w.connect("https://apis.example.com", token), 200, "Ana")
	for _, path := range []string{"/", "/apis", "/apis/payments", "/keys", "/applications", "/subscriptions", "/account", ui.ConnectPath} {
		doc, err := goquery.NewDocumentFromReader(w.ask("GET", path, nil).Body)
		if err != nil {
			t.Fatal(err)
		}
		if doc.Find("script[src='/wails/ipc.js']").Length() != 1 || doc.Find("script[src='/wails/runtime.js']").Length() != 1 {
			t.Errorf("%s cannot call bound methods", path)
		}
		if doc.Find("input[type=file], form[enctype]").Length() > 0 {
			t.Errorf("%s has a file", path)
		}
	}
}
