package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"runtime/debug"
	"strings"

	"concierge/portal/web/ui"
)

// policy is the Content-Security-Policy of every page: nothing from elsewhere, no inline script or style, no eval.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// maxFormBytes bounds what a form may send. The largest of ours has a reason of 500 letters.
const maxFormBytes = 64 << 10

// Values that every answer shares.
var noSniff, sameOrigin = []string{"nosniff"}, []string{"same-origin"}

type requestIDKey struct{}

// RequestID returns the id that was given to a request, for logs and for people who report an error.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// outermost gives every request an id and every answer the headers that never hurt, and keeps a panic from showing
// anything.
func (s *site) outermost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.ToLower(rand.Text()[:12])
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		h := w.Header()
		h["X-Request-Id"] = []string{id}
		h["X-Content-Type-Options"], h["Referrer-Policy"] = noSniff, sameOrigin
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.ErrorContext(r.Context(), "handler panicked", "request_id", id, "panic", p, "stack", string(debug.Stack()))
				http.Error(w, ui.TextIn(ui.ChooseLanguage("", r.Header.Get("Accept-Language"))).T("error.internal")+" ("+id+")", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// pageHeaders are for pages: they show what belongs to one person and are kept nowhere.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Vary", "Cookie, Accept-Language")
}
