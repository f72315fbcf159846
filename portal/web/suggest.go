package web

import (
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// suggest answers what is typed into a search field with a list for frontend/src/ts/suggest.ts, and nothing else: it is
// asked at every pause in typing. Without a script nobody asks, and the form is sent.
func (s *site) suggest(v *visit) error {
	found, err := v.desk.SuggestAPIs(v.ctx(), v.query("q"))
	if err != nil {
		return err
	}
	return v.render(ui.Suggestions(each(found, func(a api.Suggestion) ui.Link {
		return ui.Link{Text: titled(a.Title, a.ID), Href: ui.Below(ui.APIsPath, a.ID)}
	})))
}
