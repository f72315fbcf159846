// Package window decides what the desktop window shows: the pages of the connected portal, or the page that asks for one.
//
// All HTML is rendered here, in the application's own process, from data of HTTP API v1. What a portal sends is text to
// it, and is escaped or made harmless like any other.
package window

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a-h/templ"

	"concierge/app/connection"
	"concierge/app/keychain"
	"concierge/frontend"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/document"
	"concierge/portal/web"
	"concierge/portal/web/ui"
)

// Cookies of package web with what the person prefers. The window only reads them.
const (
	languageCookie = "concierge_language"
	themeCookie    = "concierge_theme"
)

// meTimeout bounds how long a page waits to learn whom the token is for.
const meTimeout = 15 * time.Second

// Window is the handler of all that the window asks for. Make it with New; it is safe for concurrent use.
type Window struct {
	keeper *connection.Keeper
	desk   func(*connection.Portal) api.Desk
	log    *slog.Logger
	always http.Handler // what is there without a portal: assets and preferences
	own    http.Handler // the page that asks for one

	language atomic.Value // string, of the last page

	mu    sync.Mutex
	shown *connection.Portal
	pages http.Handler
}

// New returns a window on what keeper connects to. desk makes the service that the pages ask out of a portal.
func New(keeper *connection.Keeper, desk func(*connection.Portal) api.Desk, log *slog.Logger) (*Window, error) {
	w := &Window{keeper: keeper, desk: desk, log: log}
	w.language.Store(ui.Languages[0])
	var err error
	w.always, err = w.site("", func(context.Context) (api.Desk, error) {
		return nil, fmt.Errorf("no portal is connected: %w", portal.ErrUnavailable)
	})
	if err != nil {
		return nil, err
	}
	own := http.NewServeMux()
	own.HandleFunc("GET "+ui.ConnectPath, w.ask)
	own.HandleFunc("POST "+ui.ConnectPath, w.connect)
	own.HandleFunc("POST "+ui.ConnectPath+"/forget", w.forget)
	w.own = http.NewCrossOriginProtection().Handler(own)
	return w, nil
}

func (w *Window) site(address string, desk func(context.Context) (api.Desk, error)) (http.Handler, error) {
	return web.New(web.Options{
		Desk: func(ctx context.Context, _ portal.PersonID, _ portal.OrganisationID) (api.Desk, error) {
			return desk(ctx)
		},
		Markdown: document.Markdown, BaseURL: address, Desktop: true, Log: w.log,
	})
}

// Text returns the messages in the language of the last page.
func (w *Window) Text() ui.Text { return ui.TextIn(w.language.Load().(string)) }

func (w *Window) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, frontend.Prefix) {
		w.always.ServeHTTP(rw, r)
		return
	}
	w.noteLanguage(r)
	switch {
	case path == ui.PreferencesPath:
		w.always.ServeHTTP(rw, r)
	case path == ui.ConnectPath || strings.HasPrefix(path, ui.ConnectPath+"/"):
		w.own.ServeHTTP(rw, r)
	default:
		w.show(rw, r)
	}
}

func (w *Window) noteLanguage(r *http.Request) {
	w.language.Store(ui.ChooseLanguage(preference(r, languageCookie), r.Header.Get("Accept-Language")))
}

func preference(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// show answers with a page of the portal, or says why there is none.
func (w *Window) show(rw http.ResponseWriter, r *http.Request) {
	p, err := w.keeper.Current(r.Context())
	if errors.Is(err, portal.ErrNotFound) {
		http.Redirect(rw, r, ui.ConnectPath, http.StatusSeeOther)
		return
	}
	if err != nil {
		w.obstacle(rw, r, ui.Connect{}, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), meTimeout)
	defer cancel()
	me, err := connection.Me(ctx, p.Desk)
	if err != nil {
		w.obstacle(rw, r, ui.Connect{Address: p.Address}, err)
		return
	}
	pages, err := w.pagesOf(p)
	if err != nil {
		w.obstacle(rw, r, ui.Connect{Address: p.Address}, err)
		return
	}
	pages.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), meKey{}, me)))
}

// pagesOf returns the pages of a portal, made once for it.
func (w *Window) pagesOf(p *connection.Portal) (http.Handler, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown == p {
		return w.pages, nil
	}
	desk := known{w.desk(p)}
	pages, err := w.site(p.Address, func(context.Context) (api.Desk, error) { return desk, nil })
	if err != nil {
		return nil, err
	}
	w.shown, w.pages = p, pages
	return pages, nil
}

type meKey struct{}

// known does not ask twice, for one page, whom the token is for.
type known struct{ api.Desk }

func (d known) Me(ctx context.Context) (api.Me, error) {
	if me, ok := ctx.Value(meKey{}).(api.Me); ok {
		return me, nil
	}
	return d.Desk.Me(ctx)
}

func (w *Window) ask(rw http.ResponseWriter, r *http.Request) {
	c := ui.Connect{}
	p, err := w.keeper.Current(r.Context())
	switch {
	case err == nil:
		c.Address = p.Address
	case !errors.Is(err, portal.ErrNotFound):
		w.obstacle(rw, r, c, err)
		return
	}
	w.render(rw, r, http.StatusOK, c)
}

func (w *Window) connect(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, 64<<10)
	address := strings.TrimSpace(r.PostFormValue("address"))
	token := portal.NewSecret(strings.TrimSpace(r.PostFormValue("token")))
	err := w.keeper.Connect(r.Context(), address, token)
	if err == nil {
		http.Redirect(rw, r, ui.HomePath, http.StatusSeeOther)
		return
	}
	t := w.Text()
	title, text, known := words(t, address, err)
	if !known {
		w.log.ErrorContext(r.Context(), "portal not connected", "error", err)
	}
	problem := title
	if text != "" {
		problem += ". " + text
	}
	w.render(rw, r, http.StatusUnprocessableEntity, ui.Connect{Form: ui.Form{
		Values: map[string]string{"address": address}, Problem: ui.Say(problem),
	}})
}

func (w *Window) forget(rw http.ResponseWriter, r *http.Request) {
	if err := w.keeper.Forget(r.Context()); err != nil {
		w.obstacle(rw, r, ui.Connect{}, err)
		return
	}
	http.Redirect(rw, r, ui.ConnectPath, http.StatusSeeOther)
}

// obstacle says what keeps the window from showing the portal. A token that is not accepted is asked for again.
func (w *Window) obstacle(rw http.ResponseWriter, r *http.Request, c ui.Connect, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	title, text, known := words(w.Text(), c.Address, err)
	if !known {
		w.log.ErrorContext(r.Context(), "portal not shown", "error", err)
	}
	status := http.StatusServiceUnavailable
	if errors.Is(err, connection.ErrTokenRefused) {
		status = http.StatusUnauthorized
		c.Form = ui.Form{Values: map[string]string{"address": c.Address}, Problem: ui.Say(title)}
		c.Address = ""
	} else {
		c.Title, c.Text = title, text
	}
	w.render(rw, r, status, c)
}

// words is the table from what stands between the window and its portal to what the person is told; known is false for
// what they cannot do anything about.
func words(t ui.Text, address string, err error) (title, text string, known bool) {
	switch {
	case errors.Is(err, keychain.ErrLocked):
		return t.T("connect.locked"), t.T("connect.locked_text"), true
	case errors.Is(err, connection.ErrTokenRefused):
		return t.T("connect.refused"), "", true
	case errors.Is(err, portal.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded):
		return t.T("connect.unreachable"), t.T("connect.unreachable_text", "Address", address), true
	case errors.Is(err, keychain.ErrUnusable):
		return t.T("connect.keychain"), t.T("connect.keychain_text"), false
	}
	var problem *api.Problem
	switch {
	case errors.As(err, &problem):
		return problem.Error(), "", true
	case errors.Is(err, portal.ErrInvalid):
		return err.Error(), "", true
	}
	return t.T("connect.wrong_answer"), "", false
}

func (w *Window) render(rw http.ResponseWriter, r *http.Request, status int, c ui.Connect) {
	t := w.Text()
	title := t.T("connect.title")
	if c.Title != "" {
		title = c.Title
	}
	p := ui.Page{Title: title, Path: ui.ConnectPath}
	if theme := preference(r, themeCookie); theme == "light" || theme == "dark" {
		p.Theme = theme
	}
	ctx := ui.WithSetting(r.Context(), t, true)
	rw.Header().Set("Cache-Control", "no-store")
	templ.Handler(ui.ConnectPage(p, c), templ.WithStatus(status)).ServeHTTP(rw, r.WithContext(ctx))
}
