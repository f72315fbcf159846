package webtest

import (
	"context"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web"
)

// Options are what web.New needs to serve the world's pages. Its descriptions are harmless HTML already.
func (w *World) Options() web.Options {
	return web.Options{
		Desk: w.Desk, Accounts: w, Sessions: w, Markdown: func(s string) string { return s }, BaseURL: "https://apis.meridian.example",
	}
}

// DesktopOptions are those for the desktop window of one person.
func (w *World) DesktopOptions(person portal.PersonID) web.Options {
	return web.Options{
		Desk: func(ctx context.Context, _ portal.PersonID, _ portal.OrganisationID) (api.Desk, error) {
			return w.Desk(ctx, person, "")
		},
		Markdown: func(s string) string { return s }, BaseURL: "https://apis.meridian.example", Desktop: true,
	}
}

// Emails of everybody who can sign in.
func (w *World) Emails() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []string
	for _, p := range w.people {
		if p.State == "active" {
			found = append(found, p.Email)
		}
	}
	return found
}
