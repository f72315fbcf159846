package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"

	"concierge/portal/web/ui"
)

type requestIDKey struct{}

// RequestID returns the id that was given to a request, for logs and for people who report an error.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// LogHandler adds to every line of a request its id, and what more says of the request; more may be nil.
func LogHandler(next slog.Handler, more func(context.Context) []slog.Attr) slog.Handler {
	return logHandler{next, more}
}

type logHandler struct {
	slog.Handler
	more func(context.Context) []slog.Attr
}

func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	if h.more != nil {
		r.AddAttrs(h.more(ctx)...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.more}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.more}
}

// outermost gives every request an id and every answer the headers that never hurt.
func (s *site) outermost(next http.Handler) http.Handler {
	next = s.recovering(next)
	if s.Around != nil {
		next = s.Around(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := s.fromProxy(r)
		if id == "" {
			id = strings.ToLower(rand.Text()[:12])
		}
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		h := w.Header()
		h["X-Request-Id"] = []string{id}
		h["X-Content-Type-Options"], h["Referrer-Policy"] = noSniff, sameOrigin
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// recovering keeps a panic from showing anything.
func (s *site) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.ErrorContext(r.Context(), "handler panicked", "panic", p, "stack", string(debug.Stack()))
				http.Error(w, ui.TextIn(ui.ChooseLanguage("", r.Header.Get("Accept-Language"))).T("error.internal")+" ("+RequestID(r.Context())+")", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// fromProxy takes over what a trusted proxy says of a request, the client's address and the request's id, and takes away
// what anybody else says of it. The id is empty where there is none to take over.
func (s *site) fromProxy(r *http.Request) (id string) {
	if len(s.Proxies) == 0 || !s.trusted(from(r)) {
		for _, name := range proxyHeaders {
			delete(r.Header, name)
		}
		return ""
	}
	if address, ok := s.client(r.Header["X-Forwarded-For"]); ok {
		r.RemoteAddr = net.JoinHostPort(address.String(), "0")
	}
	if given := r.Header.Get("X-Request-Id"); wellFormed(given) {
		return given
	}
	return ""
}

// proxyHeaders are believed of proxies only. The last two name the trace that a request belongs to.
var proxyHeaders = []string{"X-Request-Id", "X-Forwarded-For", "Traceparent", "Tracestate"}

func (s *site) trusted(a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(s.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// client is the address that the outermost trusted proxy saw: the last in the list that is no proxy of ours. What stands
// before it is whatever the client wrote.
func (s *site) client(lists []string) (a netip.Addr, ok bool) {
	all := strings.Split(strings.Join(lists, ","), ",")
	for _, text := range slices.Backward(all) {
		next, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return a, ok
		}
		a, ok = next.Unmap(), true
		if !s.trusted(a) {
			return a, ok
		}
	}
	return a, ok
}

// wellFormed reports whether an id is one that may stand in logs and answers: 8 to 64 letters, digits, dashes, dots and
// underscores.
func wellFormed(id string) bool {
	return len(id) >= 8 && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}
