// Package deskhttp makes an ordinary http.Handler work in the desktop window.
//
// The window asks through Wails' asset server, which is not an HTTP server: it follows no redirect, keeps no cookie,
// answers 501 for a handler that writes nothing, cannot flush, sends a length of -1 with every GET, never cancels a
// request and dies of a file in a form (seen with Wails 2.16.0 and WebKitGTK 2.50.6 in November 2026). Adapter stands
// in between. It promises that pages notice nothing of that; that cookies stay in Go, where no script can read them;
// that only the window's own host is answered; and that every answer has a Content-Security-Policy.
package deskhttp

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// policy is for what brings none of its own.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const (
	maxHops = 10
	// maxAge bounds a request: the window never says that nobody waits any more.
	maxAge = 2 * time.Minute
	// maxFile bounds what is handed to Save.
	maxFile = 64 << 20
)

// Hosts are the names under which Wails serves the window: wails://wails on Linux and macOS, http://wails.localhost on
// Windows. Any other is somebody else's page that found a port of the development server.
var Hosts = []string{"wails", "wails.localhost"}

// Options are what an Adapter needs from the application. A nil function means that there is no such thing.
type Options struct {
	// OpenURL shows an address of elsewhere in the person's browser.
	OpenURL func(address string)
	// Save asks where to put a file that a page offers, and puts it there. Not to save it is no error.
	Save func(ctx context.Context, name string, content []byte) error
	Log  *slog.Logger // nil discards
}

// Adapter is the handler to give to the asset server. It is safe for concurrent use.
type Adapter struct {
	Options
	pages http.Handler
	jar   http.CookieJar
}

// New adapts pages.
func New(pages http.Handler, o Options) *Adapter {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic("deskhttp: a cookie jar without options: " + err.Error()) // it has no way to fail
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Adapter{Options: o, pages: pages, jar: jar}
}

// home is where cookies belong. The asset server leaves scheme and host out of a request's URL.
func home(path string) *url.URL { return &url.URL{Scheme: "http", Host: Hosts[0], Path: path} }

func (a *Adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		// There is no server around the asset server's handler: a panic would end the application.
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			a.Log.Error("page panicked", "path", r.URL.Path, "panic", fmt.Sprint(p))
			http.Error(w, "something went wrong", http.StatusInternalServerError)
		}
	}()
	if refused := refuse(r); refused != 0 {
		http.Error(w, http.StatusText(refused), refused)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxAge)
	defer cancel()
	r = r.Clone(ctx)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		r.Body, r.ContentLength = http.NoBody, 0
		// The asset server shows a page of its own where an address that ends with a slash is not found.
		if trimmed := strings.Trim(r.URL.Path, "/"); trimmed != "" && strings.HasSuffix(r.URL.Path, "/") {
			to := url.URL{Path: "/" + trimmed, RawQuery: r.URL.RawQuery}
			refresh(w, to.RequestURI())
			return
		}
	}
	for range maxHops {
		got := a.ask(w, r)
		if got.location == nil {
			return
		}
		if r = a.follow(w, r, got); r == nil {
			return
		}
	}
	http.Error(w, "the pages send in a circle", http.StatusLoopDetected)
}

// refuse returns the status for a request that must not reach the pages, 0 for any other.
func refuse(r *http.Request) int {
	if !slices.Contains(Hosts, r.Host) {
		return http.StatusMisdirectedRequest
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); strings.HasPrefix(kind, "multipart/") {
		return http.StatusUnsupportedMediaType // a file in one kills the window on Linux and is empty on macOS
	}
	return 0
}

// ask has the pages answer r.
func (a *Adapter) ask(w http.ResponseWriter, r *http.Request) *answer {
	r.Header.Del("Cookie")
	for _, c := range a.jar.Cookies(home(r.URL.Path)) {
		r.AddCookie(c)
	}
	got := &answer{to: w, header: http.Header{}, request: r, adapter: a}
	a.pages.ServeHTTP(got, r)
	got.finish()
	return got
}

// follow says how to go where an answer sends: with the request to make next, or nil where the window was told.
func (a *Adapter) follow(w http.ResponseWriter, r *http.Request, got *answer) *http.Request {
	to := got.location
	if to.Host != "" && !slices.Contains(Hosts, to.Host) {
		if a.OpenURL == nil || to.Scheme != "https" && to.Scheme != "http" {
			http.Error(w, "the page leads out of the window", http.StatusBadGateway)
			return nil
		}
		a.OpenURL(to.String())
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	repeats := got.status == http.StatusTemporaryRedirect || got.status == http.StatusPermanentRedirect
	if repeats && r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "what was sent cannot be sent again", http.StatusBadGateway)
		return nil
	}
	if r.Header.Get("HX-Request") == "" {
		refresh(w, to.RequestURI()) // the window goes there itself, so that its address and history are right
		return nil
	}
	next := r.Clone(r.Context())
	if r.Method != http.MethodHead {
		next.Method = http.MethodGet
	}
	next.Body, next.ContentLength = http.NoBody, 0
	next.Header.Del("Content-Type")
	next.Header.Del("Content-Length")
	next.URL = &url.URL{Path: to.Path, RawPath: to.RawPath, RawQuery: to.RawQuery}
	next.RequestURI = next.URL.RequestURI()
	return next
}

// refresh has the window go to an address of its own.
func refresh(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=%s"><title>…</title></head></html>`,
		html.EscapeString(to))
}

// answer is what the pages write to. Until they have written a status, nothing of it has gone to the window: what the
// answer to a redirect said is not part of what it leads to.
type answer struct {
	to      http.ResponseWriter
	header  http.Header
	request *http.Request
	adapter *Adapter

	status   int
	location *url.URL // of a redirect, whose body nobody sees
	file     *file
}

type file struct {
	name    string
	content []byte
}

var errTooLarge = errors.New("the file is too large")

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status = status
	a.adapter.jar.SetCookies(home(a.request.URL.Path), (&http.Response{Header: a.header}).Cookies())
	a.header.Del("Set-Cookie")
	if status >= 300 && status < 400 && a.header.Get("Location") != "" {
		if to, err := a.request.URL.Parse(a.header.Get("Location")); err == nil {
			a.location = to
			return
		}
	}
	kind, parameters, _ := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	if kind == "attachment" && status == http.StatusOK && a.adapter.Save != nil {
		a.file = &file{name: parameters["filename"]}
		return
	}
	a.commit(status)
}

func (a *answer) commit(status int) {
	h := a.to.Header()
	maps.Copy(h, a.header)
	if h.Get("Content-Security-Policy") == "" {
		h.Set("Content-Security-Policy", policy)
	}
	a.to.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		if a.header.Get("Content-Type") == "" {
			a.header.Set("Content-Type", http.DetectContentType(b))
		}
		a.WriteHeader(http.StatusOK)
	}
	switch {
	case a.location != nil:
		return len(b), nil
	case a.file != nil:
		if len(a.file.content)+len(b) > maxFile {
			return 0, errTooLarge
		}
		a.file.content = append(a.file.content, b...)
		return len(b), nil
	}
	return a.to.Write(b)
}

// Flush does nothing: what is written goes to the window at once.
func (a *answer) Flush() {}

// finish ends an answer for which the handler has done all that it wanted.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.file == nil {
		return
	}
	status := http.StatusNoContent
	if err := a.adapter.Save(a.request.Context(), a.file.name, a.file.content); err != nil {
		a.adapter.Log.Error("file not saved", "bytes", len(a.file.content), "error", err)
		status = http.StatusInternalServerError
	}
	a.header = http.Header{"Content-Length": {strconv.Itoa(0)}}
	a.commit(status)
}
