package webtest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

// fillReviews asks three questions: two deployments that may be one API, a pair across divisions, and a rename.
func (w *World) fillReviews() {
	side := func(slug, title, division, id, gateway, environment, address string) api.ReviewSide {
		return api.ReviewSide{API: slug, Title: title, Division: division, Subscriptions: len(slug) % 7, Deployment: api.EntryDeployment{
			ID: id, Title: title, Gateway: gateway, RemoteID: "svc-" + id, Version: "2.1.0", Environment: environment, Audience: "partner", Division: division,
			BaseURL: address, Owner: "Team " + division, Upstream: "http://payments.svc.cluster.local:8080", Published: true, Score: 1, Reasons: []api.ReviewReason{},
		}}
	}
	reason := func(code, text string, args ...string) api.ReviewReason {
		return api.ReviewReason{Code: code, Args: args, Text: text}
	}
	one := side("payments", "Payments", "europe", "dep_a", "Partner Edge", "production", "https://partners.meridian.example/payments/v2")
	other := side("card-payments", "Card payments", "americas", "dep_b", "Kong Dallas", "production", "https://api.meridian-us.example/payments")
	again := side("bookings-europe", "Bookings (new)", "europe", "dep_c", "Classic Paris", "test", "https://classic.meridian.example/bookings")
	moved := side("manifests", "Manifests", "europe", "dep_e", "Classic Paris", "production", "https://classic.meridian.example/manifests")
	w.reviews = []api.Review{
		{ID: "rev_pay", Kind: "join", State: "open", Score: 0.91, One: one, Other: &other, Missing: []string{"europe", "americas"}, Opened: at(2 * day),
			Reasons: []api.ReviewReason{reason("same-operations", "same operations: 3 in common, of 4 and 4", "3", "4", "4"), reason("similar-title", "similar titles: Card payments and Payments", "Card payments", "Payments"), reason("other-division", "they belong to different divisions")},
			Operations: []api.ComparedOperation{
				{Method: "GET", Path: "/payments", One: true, Other: true}, {Method: "POST", Path: "/payments", One: true, Other: true},
				{Method: "GET", Path: "/payments/{id}", One: true, Other: true}, {Method: "POST", Path: "/payments/{id}/refunds", One: true}, {Method: "GET", Path: "/settlements", Other: true},
			}},
		{ID: "rev_name", Kind: "rename", State: "open", Score: 0.86, One: again, NewName: "bookings-v4", Missing: []string{}, Opened: at(hour),
			Reasons: []api.ReviewReason{reason("same-title", "same title: Bookings", "Bookings")}},
		{ID: "rev_name2", Kind: "rename", State: "open", Score: 0.84, One: moved, NewName: "5f0d6a4e-manifests", Missing: []string{}, Opened: at(hour),
			Reasons: []api.ReviewReason{reason("same-operations", "same operations: 6 in common, of 6 and 6", "6", "6", "6")}},
		{ID: "rev_renamed", Kind: "rename", State: "accepted", Score: 0.82, One: moved, NewName: "manifests-v2", Missing: []string{}, CanUndo: true, Opened: at(6 * day),
			Decided: before(5 * day), DecidedBy: "Claire Fontaine", Reasons: []api.ReviewReason{reason("same-path", "same base path: /manifests", "/manifests")}},
		{ID: "rev_no", Kind: "join", State: "rejected", Score: 0.55, One: one, Other: &again, Missing: []string{}, CanUndo: true, Opened: at(9 * day), Decided: before(8 * day), DecidedBy: "Claire Fontaine",
			Reasons: []api.ReviewReason{reason("few-operations", "hardly any operation in common: 1, of 4 and 9", "1", "4", "9")}},
	}
	later := one.Deployment
	later.ID, later.Gateway, later.Since, later.Score, later.BaseURL = "dep_d", "Classic Paris", before(5*day), 0.97, "https://classic.meridian.example/payments"
	later.Reasons = []api.ReviewReason{reason("same-title", "same title: Payments", "Payments"), reason("same-path", "same base path: /payments", "/payments")}
	w.compositions = []api.Composition{{
		API: "payments", Title: "Payments", Division: "europe", Aliases: []string{"pay"}, Deployments: []api.EntryDeployment{one.Deployment, later},
		Acts: []api.EntryAct{{ID: "eac_1", Kind: "join", Deployments: 1, By: "Claire Fontaine", At: at(5 * day)}},
	}}
}

// governs reports whether the person may answer for a division.
func (p *person) governs(division string) bool {
	return p.is("platform-administrator") || p.is("division-administrator") && division == "europe"
}

func (p *person) concerns(v api.Review) bool {
	return p.governs(v.One.Division) || v.Other != nil && p.governs(v.Other.Division)
}

// about reports whether a review is one that a filter asks for. Gateways are named by their titles here.
func about(v api.Review, q api.ReviewsQuery) bool {
	if q.Kind != "" && v.Kind != q.Kind {
		return false
	}
	sides := []api.ReviewSide{v.One}
	if v.Other != nil {
		sides = append(sides, *v.Other)
	}
	return slices.ContainsFunc(sides, func(s api.ReviewSide) bool {
		named := strings.ToLower(strings.ReplaceAll(s.Deployment.Gateway, " ", "-"))
		return (q.Division == "" || s.Division == q.Division) && (q.Gateway == "" || named == q.Gateway)
	})
}

func (d *desk) Reviews(_ context.Context, q api.ReviewsQuery) (list api.ReviewList, err error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.governs("europe") {
		return list, missing("reviews", "")
	}
	var found []api.Review
	for _, v := range w.reviews {
		if !p.concerns(v) {
			continue
		}
		if v.State == "open" {
			list.Open++
		}
		if v.State == cmp.Or(q.State, "open") && about(v, q) {
			v.Operations = nil
			found = append(found, v)
		}
	}
	if after := slices.IndexFunc(found, func(v api.Review) bool { return v.ID == q.After }); after >= 0 {
		found = found[after+1:]
	}
	list.Page, err = page(found, q.Paging)
	return list, err
}

// answer changes a review that concerns the person.
func (d *desk) answer(id string, change func(*api.Review) error) (api.Review, error) {
	w, p, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.reviews, func(v api.Review) bool { return v.ID == id })
	if i < 0 || !p.concerns(w.reviews[i]) {
		return api.Review{}, missing("review", id)
	}
	err := change(&w.reviews[i])
	return w.reviews[i], err
}

func (d *desk) Review(_ context.Context, id string) (api.Review, error) {
	return d.answer(id, func(*api.Review) error { return nil })
}

func answered(v *api.Review, state string) error {
	if v.State != "open" {
		return &portal.ConflictError{Kind: "review", ID: v.ID, Err: told.ReviewDecided.With(v.State)}
	}
	v.State, v.CanUndo = state, true
	return nil
}

func (d *desk) AcceptReview(_ context.Context, id string) (api.Review, error) {
	return d.answer(id, func(v *api.Review) error { return answered(v, "accepted") })
}

func (d *desk) RejectReview(_ context.Context, id string) (api.Review, error) {
	return d.answer(id, func(v *api.Review) error { return answered(v, "rejected") })
}

func (d *desk) ReopenReview(_ context.Context, id string) (api.Review, error) {
	return d.answer(id, func(v *api.Review) error {
		if v.State == "open" {
			return &portal.ConflictError{Kind: "review", ID: id, Err: told.ReviewOpen.With()}
		}
		v.State, v.CanUndo = "open", false
		return nil
	})
}

// composed changes an entry that the person governs.
func (d *desk) composed(name string, change func(*api.Composition) error) (api.Composition, error) {
	w, p, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.compositions, func(c api.Composition) bool { return c.API == name })
	if i < 0 || !p.governs(w.compositions[i].Division) {
		return api.Composition{}, missing("API", name)
	}
	err := change(&w.compositions[i])
	return w.compositions[i], err
}

func (d *desk) Composition(_ context.Context, name string) (api.Composition, error) {
	return d.composed(name, func(*api.Composition) error { return nil })
}

func (d *desk) SplitAPI(_ context.Context, name string, c api.Chosen) (api.Composition, error) {
	return d.composed(name, func(found *api.Composition) error {
		if len(c.Deployments) == 0 || len(c.Deployments) >= len(found.Deployments) {
			return told.ChooseSome.As(portal.ErrInvalid)
		}
		found.Deployments = slices.DeleteFunc(slices.Clone(found.Deployments), func(x api.EntryDeployment) bool { return slices.Contains(c.Deployments, x.ID) })
		return nil
	})
}

func (d *desk) JoinAPI(_ context.Context, name string, t api.Target) (api.Composition, error) {
	return d.composed(name, func(*api.Composition) error {
		if t.Into == "nothing" {
			return missing("API", t.Into)
		}
		return nil
	})
}

func (d *desk) ConfirmAPI(_ context.Context, name string, c api.Chosen) (api.Composition, error) {
	return d.composed(name, func(found *api.Composition) error {
		for i := range found.Deployments {
			if slices.Contains(c.Deployments, found.Deployments[i].ID) {
				found.Deployments[i].Since = nil
			}
		}
		return nil
	})
}

func (d *desk) UndoEntryAct(_ context.Context, name, act string) (api.Composition, error) {
	return d.composed(name, func(found *api.Composition) error {
		for i := range found.Acts {
			if found.Acts[i].ID == act {
				found.Acts[i].Undone = before(0)
				return nil
			}
		}
		return missing("act", act)
	})
}
