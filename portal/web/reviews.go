package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// reviewStates are in the order in which people look at them.
var reviewStates = []string{"open", "accepted", "rejected"}

func (s *site) reviews(v *visit) error {
	state := v.query("state")
	if state == "" {
		state = "open"
	}
	gateway, division := v.query("gateway"), v.query("division")
	p, err := v.desk.Reviews(v.ctx(), api.ReviewsQuery{Paging: v.paging(listLimit), State: state, Gateway: gateway, Division: division})
	if err != nil {
		return err
	}
	l := ui.Reviews{
		Items: each(p.Items, v.review), Open: state == "open", State: state, Filtered: gateway != "" || division != "",
		Form: ui.Form{Values: map[string]string{"gateway": gateway, "division": division}},
	}
	for i := range l.Items {
		l.Items[i].Href = ui.With(ui.Below(ui.ReviewsPath, l.Items[i].ID), "gateway", gateway, "division", division)
	}
	if l.Gateways, l.Divisions, err = v.reviewFilters(gateway, division); err != nil {
		return err
	}
	for _, name := range reviewStates {
		l.States = append(l.States, ui.Link{Text: v.text.ReviewState(name), Href: ui.With(ui.ReviewsPath, "state", name, "gateway", gateway, "division", division), Current: name == state})
	}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.ReviewsPage(v.in(ui.ReviewsPath, v.text.T("nav.reviews")), l))
}

// reviewFilters are what the list can be narrowed by: the gateways that the person sees, and the divisions that own them.
func (v *visit) reviewFilters(gateway, division string) (gateways, divisions []ui.Option, err error) {
	p, err := v.desk.Gateways(v.ctx(), api.Paging{Limit: 200})
	if err != nil && !absent(err) {
		return nil, nil, err
	}
	gateways = []ui.Option{{Text: v.text.T("reviews.any_gateway")}}
	owners := []string{division}
	for _, g := range p.Items {
		gateways = append(gateways, ui.Option{Value: g.ID, Text: titled(g.Title, g.ID)})
		owners = append(owners, g.Division)
	}
	if gateway != "" && !slices.ContainsFunc(gateways, func(o ui.Option) bool { return o.Value == gateway }) {
		gateways = append(gateways, ui.Option{Value: gateway, Text: gateway})
	}
	slices.Sort(owners)
	divisions = []ui.Option{{Text: v.text.T("reviews.any_division")}}
	for _, d := range slices.Compact(owners) {
		if d != "" {
			divisions = append(divisions, ui.Option{Value: d, Text: d})
		}
	}
	return gateways, divisions, nil
}

func (v *visit) review(r api.Review) ui.Review {
	shown := ui.Review{
		ID: r.ID, Rename: r.Kind == "rename", State: r.State, Score: v.text.Percent(r.Score), Reasons: v.reasons(r.Reasons),
		One: v.side(r.One), NewName: r.NewName, Missing: r.Missing, CanUndo: r.CanUndo, Opened: r.Opened, Decided: r.Decided, DecidedBy: r.DecidedBy,
		Across: r.Other != nil && r.Other.Division != r.One.Division,
	}
	shown.Href = ui.Below(ui.ReviewsPath, r.ID)
	shown.Answers = r.One.Subscriptions
	if r.Other != nil {
		other := v.side(*r.Other)
		shown.Other = &other
		shown.Compare = changesAddress(shown.One.API, apiSide{deployment: shown.One.Deployment.ID}, apiSide{deployment: other.Deployment.ID})
		if other.API != shown.One.API {
			shown.Answers += r.Other.Subscriptions
		}
	}
	for _, o := range r.Operations {
		shown.Operations = append(shown.Operations, ui.ComparedOperation{Method: o.Method, Path: o.Path, One: o.One, Other: o.Other})
	}
	return shown
}

func (v *visit) side(s api.ReviewSide) ui.ReviewSide {
	shown := ui.ReviewSide{API: s.API, Title: titled(s.Title, s.API), Division: s.Division, Deployment: v.entryDeployment(s.Deployment), Subscriptions: s.Subscriptions}
	if u, err := url.Parse(s.Deployment.BaseURL); err == nil {
		shown.Host, shown.BasePath = u.Host, u.Path
	}
	return shown
}

func (v *visit) reasons(all []api.ReviewReason) []ui.Said {
	return each(all, func(r api.ReviewReason) ui.Said { return v.text.JoinReason(r.Code, r.Args, r.Text) })
}

func (v *visit) entryDeployment(d api.EntryDeployment) ui.EntryDeployment {
	return ui.EntryDeployment{
		ID: d.ID, Title: titled(d.Title, d.RemoteID), Gateway: d.Gateway, RemoteID: d.RemoteID, Version: d.Version, Environment: d.Environment, Audience: d.Audience,
		Division: d.Division, BaseURL: d.BaseURL, Owner: d.Owner, Upstream: d.Upstream, Published: d.Published, Since: d.Since, JoinedBy: d.JoinedBy, Reasons: v.reasons(d.Reasons),
	}
}

// oneReview loads the review that a page is about.
func (v *visit) oneReview() (ui.Review, error) {
	r, err := v.desk.Review(v.ctx(), v.r.PathValue("review"))
	return v.review(r), err
}

func (s *site) review(v *visit) error {
	r, err := v.oneReview()
	if err != nil {
		return err
	}
	gateway, division := v.query("gateway"), v.query("division")
	next, err := v.desk.Reviews(v.ctx(), api.ReviewsQuery{Paging: api.Paging{Limit: 1}, After: r.ID, Gateway: gateway, Division: division})
	if err != nil {
		return err
	}
	if len(next.Items) > 0 {
		r.Skip = ui.With(ui.Below(ui.ReviewsPath, next.Items[0].ID), "gateway", gateway, "division", division)
	}
	return v.render(ui.ReviewPage(v.in(ui.ReviewsPath, r.Name(v.text), v.crumb("nav.reviews", ui.ReviewsPath)), r))
}

func (s *site) askAccept(v *visit) error {
	r, err := v.oneReview()
	if err != nil {
		return err
	}
	c := ui.Confirm{
		Title: v.text.T("accept_review.title"), Text: v.text.T("accept_review.text", "One", r.One.Title, "Other", r.OtherTitle()),
		Points: []string{v.text.N("review.answers", r.Answers), v.text.T("accept_review.point_names"), v.text.T("accept_review.point_keys"), v.text.T("accept_review.point_routing"), v.text.T("accept_review.point_back")},
		Action: ui.Below(ui.ReviewsPath, r.ID, "accept"), Button: v.text.T("review.accept"), Back: ui.Below(ui.ReviewsPath, r.ID),
	}
	if r.Rename {
		c.Text = v.text.T("accept_rename.text", "One", r.One.Deployment.RemoteID, "Other", r.NewName)
		c.Points = []string{v.text.T("accept_rename.point_follows"), v.text.T("accept_rename.point_gone")}
	}
	if r.Across {
		c.Points = append(c.Points, v.text.T("accept_review.point_across"))
	}
	return v.confirm(ui.ReviewsPath, c)
}

func (s *site) askRefuse(v *visit) error {
	r, err := v.oneReview()
	if err != nil {
		return err
	}
	return v.confirm(ui.ReviewsPath, ui.Confirm{
		Title: v.text.T("reject_review.title"), Text: v.text.T("reject_review.text", "One", r.One.Title, "Other", r.OtherTitle()),
		Points: []string{v.text.T("reject_review.point"), v.text.T("reject_review.point_back")}, Action: ui.Below(ui.ReviewsPath, r.ID, "reject"), Button: v.text.T("review.reject"), Back: ui.Below(ui.ReviewsPath, r.ID),
	})
}

func (s *site) askReopen(v *visit) error {
	r, err := v.oneReview()
	if err != nil {
		return err
	}
	c := ui.Confirm{
		Title: v.text.T("reopen_review.title"), Text: v.text.T("reopen_review.text"), Points: []string{v.text.T("reopen_review.point")}, Danger: true,
		Action: ui.Below(ui.ReviewsPath, r.ID, "reopen"), Button: v.text.T("review.reopen"), Back: ui.Below(ui.ReviewsPath, r.ID),
	}
	if r.Rename && r.State == "accepted" {
		c.Text = v.text.T("reopen_rename.text", "One", r.One.Deployment.RemoteID, "Other", r.NewName)
		c.Points = []string{v.text.T("reopen_rename.point_old"), v.text.T("reopen_rename.point_new"), v.text.T("reopen_rename.point_between")}
	}
	return v.confirm(ui.ReviewsPath, c)
}

func (s *site) acceptReview(v *visit) error {
	r, err := v.desk.AcceptReview(v.ctx(), v.r.PathValue("review"))
	if err != nil {
		return err
	}
	if r.State == "open" {
		return v.done(ui.Below(ui.ReviewsPath, r.ID), "review-agreed")
	}
	return v.done(ui.Below(ui.ReviewsPath, r.ID), "review-accepted")
}

func (s *site) rejectReview(v *visit) error {
	r, err := v.desk.RejectReview(v.ctx(), v.r.PathValue("review"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.ReviewsPath, r.ID), "review-rejected")
}

func (s *site) reopenReview(v *visit) error {
	r, err := v.desk.ReopenReview(v.ctx(), v.r.PathValue("review"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.ReviewsPath, r.ID), "review-reopened")
}

func compositionPath(name string) string { return ui.Below(ui.APIsPath, name, "composition") }

func (v *visit) composition() (api.Composition, error) {
	return v.desk.Composition(v.ctx(), v.r.PathValue("api"))
}

func (s *site) composition(v *visit) error {
	c, err := v.composition()
	if err != nil {
		return err
	}
	return v.renderComposition(http.StatusOK, c, ui.Form{})
}

func (v *visit) renderComposition(status int, c api.Composition, form ui.Form) error {
	head := ui.APIHead{Title: titled(c.Title, c.API)}
	switch a, err := v.desk.API(v.ctx(), c.API); {
	case err == nil:
		head = v.apiHead(a, tabComposition, "", "")
	case !absent(err): // none of it has an audience yet
		return err
	}
	shown := ui.Composition{APIHead: head, Form: form, API: c.API, Division: c.Division, Aliases: c.Aliases, Deployments: each(c.Deployments, v.entryDeployment), Path: compositionPath(c.API), Operates: v.operates()}
	for _, d := range shown.Deployments {
		shown.Unsettled = shown.Unsettled || d.Since != nil
	}
	for _, a := range c.Acts {
		shown.Acts = append(shown.Acts, ui.EntryAct{ID: a.ID, Split: a.Kind == "split", Deployments: a.Deployments, By: a.By, At: a.At, Undone: a.Undone,
			Undo: ui.Below(ui.APIsPath, c.API, "acts", a.ID, "undo")})
	}
	p := v.in(ui.APIsPath, v.text.T("composition.title", "Title", c.Title), v.crumb("nav.apis", ui.APIsPath), ui.Link{Text: titled(c.Title, c.API), Href: ui.Below(ui.APIsPath, c.API)})
	return v.renderAs(status, ui.CompositionPage(p, shown))
}

// chosen are the deployments that a form names.
func chosen(of url.Values) api.Chosen { return api.Chosen{Deployments: of["deployment"]} }

// noneChosen says so on the page where a form names no deployment.
func (v *visit) noneChosen() (none bool, err error) {
	if len(v.r.Form["deployment"]) > 0 {
		return false, nil
	}
	c, err := v.composition()
	if err != nil {
		return true, err
	}
	return true, v.renderComposition(http.StatusUnprocessableEntity, c, ui.Form{Problem: ui.Say(v.text.T("composition.choose"))})
}

func (s *site) askSplit(v *visit) error {
	c, err := v.composition()
	if err != nil {
		return err
	}
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	if none, err := v.noneChosen(); none || err != nil {
		return err
	}
	query := url.Values{"deployment": v.r.Form["deployment"]}
	return v.confirm(ui.APIsPath, ui.Confirm{
		Title: v.text.T("split.title", "Title", c.Title), Text: v.text.N("split.text", len(v.r.Form["deployment"])),
		Points: []string{v.text.T("split.point_names"), v.text.T("split.point_keys"), v.text.T("split.point_remembered")},
		Action: ui.Below(ui.APIsPath, c.API, "split") + "?" + query.Encode(), Button: v.text.T("composition.split"), Danger: true, Back: compositionPath(c.API),
	})
}

func (s *site) split(v *visit) error {
	c, err := v.desk.SplitAPI(v.ctx(), v.r.PathValue("api"), chosen(v.r.URL.Query()))
	if err != nil {
		return err
	}
	return v.done(compositionPath(c.API), "api-split")
}

func (s *site) confirmJoins(v *visit) error {
	if none, err := v.noneChosen(); none || err != nil {
		return err
	}
	c, err := v.desk.ConfirmAPI(v.ctx(), v.r.PathValue("api"), chosen(v.r.PostForm))
	if err != nil {
		return err
	}
	return v.done(compositionPath(c.API), "api-confirmed")
}

func (s *site) askJoin(v *visit) error {
	c, err := v.composition()
	if err != nil {
		return err
	}
	into := v.query("into")
	if into == "" {
		return v.renderComposition(http.StatusUnprocessableEntity, c, ui.Form{Problem: ui.Say(v.text.T("composition.into_missing"))})
	}
	return v.confirm(ui.APIsPath, ui.Confirm{
		Title: v.text.T("join.title", "Title", c.Title, "Into", into), Text: v.text.T("join.text", "Into", into),
		Points: []string{v.text.T("accept_review.point_names"), v.text.T("accept_review.point_keys"), v.text.T("accept_review.point_routing")},
		Action: ui.With(ui.Below(ui.APIsPath, c.API, "join"), "into", into), Button: v.text.T("composition.join"), Danger: true, Back: compositionPath(c.API),
	})
}

func (s *site) join(v *visit) error {
	name := v.r.PathValue("api")
	joined, err := v.desk.JoinAPI(v.ctx(), name, api.Target{Into: v.query("into")})
	if asked, ok := errors.AsType[*portal.ConflictError](err); ok && asked.Kind == "review" {
		return v.done(ui.Below(ui.ReviewsPath, asked.ID), "review-agreed")
	}
	if err != nil {
		return err
	}
	return v.done(compositionPath(joined.API), "api-joined")
}

func (s *site) askUndo(v *visit) error {
	c, err := v.composition()
	if err != nil {
		return err
	}
	return v.confirm(ui.APIsPath, ui.Confirm{
		Title: v.text.T("undo.title"), Text: v.text.T("undo.text"), Points: []string{v.text.T("undo.point")}, Danger: true,
		Action: ui.Below(ui.APIsPath, c.API, "acts", v.r.PathValue("act"), "undo"), Button: v.text.T("composition.undo"), Back: compositionPath(c.API),
	})
}

func (s *site) undo(v *visit) error {
	c, err := v.desk.UndoEntryAct(v.ctx(), v.r.PathValue("api"), v.r.PathValue("act"))
	if err != nil {
		return err
	}
	return v.done(compositionPath(c.API), "api-undone")
}

// toReview counts the questions about what is one API, for those who answer them.
func toReview(v *visit, h *ui.Home) error {
	if !v.decides() {
		return nil
	}
	p, err := v.desk.Reviews(v.ctx(), api.ReviewsQuery{Paging: api.Paging{Limit: 1}})
	if absent(err) {
		return nil
	}
	h.Reviews = strconv.Itoa(p.Open)
	return err
}
