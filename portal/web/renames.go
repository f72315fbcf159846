package web

import (
	"errors"
	"net/http"
	"slices"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// mostRenames is how many renames one form accepts; what there is more is offered again afterwards.
const mostRenames = 200

// openRenames are the new names that wait for a yes on a gateway, or on all. Only those are here that leave no choice: one new
// name for one old one. The others, counted in several, need an answer each.
func (v *visit) openRenames(gateway string) (clear []api.Review, several int, err error) {
	p, err := v.desk.Reviews(v.ctx(), api.ReviewsQuery{Paging: api.Paging{Limit: mostRenames}, Kind: "rename", Gateway: gateway})
	if err != nil {
		return nil, 0, err
	}
	type name struct{ gateway, now string }
	old, now := map[string]int{}, map[name]int{}
	of := func(r api.Review) name { return name{r.One.Deployment.Gateway, r.NewName} }
	for _, r := range p.Items {
		old[r.One.Deployment.ID]++
		now[of(r)]++
	}
	for _, r := range p.Items {
		if old[r.One.Deployment.ID] > 1 || now[of(r)] > 1 {
			several++
			continue
		}
		clear = append(clear, r)
	}
	return clear, several, nil
}

func (s *site) renames(v *visit) error { return v.renderRenames(http.StatusOK, ui.Form{}) }

func (v *visit) renderRenames(status int, form ui.Form) error {
	gateway := v.query("gateway")
	found, several, err := v.openRenames(gateway)
	if err != nil {
		return err
	}
	page := ui.Renames{Form: form, Items: each(found, v.review), Several: several, Gateway: gateway}
	return v.renderAs(status, ui.RenamesPage(v.in(ui.ReviewsPath, v.text.T("renames.title"), v.crumb("nav.reviews", ui.ReviewsPath)), page))
}

// acceptRenames accepts those that are chosen, each for itself: one that somebody answered meanwhile stops no other.
func (s *site) acceptRenames(v *visit) error {
	chosen := v.r.PostForm["review"]
	if len(chosen) == 0 {
		return v.renderRenames(http.StatusUnprocessableEntity, ui.Form{Problem: ui.Say(v.text.T("renames.choose"))})
	}
	found, _, err := v.openRenames(v.query("gateway"))
	if err != nil {
		return err
	}
	left := len(chosen)
	for _, r := range found {
		if !slices.Contains(chosen, r.ID) {
			continue
		}
		switch _, err := v.desk.AcceptReview(v.ctx(), r.ID); {
		case err == nil:
			left--
		case !errors.Is(err, portal.ErrConflict) && !errors.Is(err, portal.ErrNotFound):
			return err
		}
	}
	if left > 0 {
		return v.renderRenames(http.StatusConflict, ui.Form{Problem: ui.Say(v.text.N("renames.left", left))})
	}
	return v.done(ui.ReviewsPath, "renames-accepted")
}
