package web

import (
	"errors"
	"net/http"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// Kinds that only the pages know.
var (
	errSignIn      = errors.New("nobody is signed in")
	errCrossOrigin = &api.Problem{Type: "/problems/cross-origin", Status: http.StatusForbidden}
	errTooLarge    = &api.Problem{Type: "/problems/too-large", Status: http.StatusRequestEntityTooLarge}
)

// outcomes is the one table from a kind of error to the words for it. The kinds, their statuses and what may be told of
// an error's own words are those of the HTTP API.
var outcomes = map[string]struct{ title, text string }{
	"/problems/not-found":         {"error.not_found", "error.not_found_text"},
	"/problems/no-endpoint":       {"error.not_found", "error.not_found_text"},
	"/problems/denied":            {"error.denied", "error.denied_text"},
	"/problems/invalid":           {"error.invalid", "error.invalid_text"},
	"/problems/conflict":          {"error.conflict", "error.conflict_text"},
	"/problems/unsupported":       {"error.unsupported", "error.unsupported_text"},
	"/problems/gateway":           {"error.gateway", "error.gateway_text"},
	"/problems/unavailable":       {"error.unavailable", "error.unavailable_text"},
	"/problems/too-many-requests": {"error.too_many", "error.too_many_text"},
	"/problems/cross-origin":      {"error.cross_origin", "error.cross_origin_text"},
	"/problems/too-large":         {"error.too_large", "error.too_large_text"},
	"/problems/internal":          {"error.internal", "error.internal_text"},
}

// failure says what a person sees of an error; unknown means that it is of no kind: they see the request's id, and the log
// has it whole. Looking at what one may not is always "not found", whoever says so: a refusal would tell that it exists.
func (v *visit) failure(err error) (f ui.Failure, unknown bool) {
	problem, known := api.ProblemOf(err)
	if safe(v.r.Method) && problem.Status == http.StatusForbidden && errors.Is(err, portal.ErrDenied) {
		problem, _ = api.ProblemOf(portal.ErrNotFound)
	}
	words, ok := outcomes[problem.Type]
	if !ok {
		words, known = outcomes["/problems/internal"], false
	}
	f = ui.Failure{Status: problem.Status, Title: v.text.T(words.title), Text: v.text.T(words.text), Detail: v.told(problem), Home: true, InTheWay: inTheWay(err)}
	if !known {
		f.Detail = nil
	}
	if !known || f.Status >= http.StatusInternalServerError { // of the others the page says all that there is to know
		f.RequestID = RequestID(v.ctx())
	}
	return f, !known
}

// words are what an error says to the person; empty where its words are not for them.
func (v *visit) words(err error) string {
	problem, known := api.ProblemOf(err)
	if !known {
		return ""
	}
	return strings.Join(each(v.told(problem), func(s ui.Said) string { return s.Text }), " ")
}

// detail is a problem's own words without the name of its kind, which a wrapped error ends with.
func detail(p api.Problem) string {
	switch p.Type {
	case "/problems/invalid", "/problems/conflict", "/problems/unsupported":
	default:
		return ""
	}
	for _, kind := range []error{portal.ErrInvalid, portal.ErrConflict, portal.ErrUnsupported} {
		if rest, ok := strings.CutSuffix(p.Detail, kind.Error()); ok {
			return strings.TrimSuffix(rest, ": ")
		}
	}
	return p.Detail
}

// inTheWay is the page of the thing that a conflict names; empty where it names none.
func inTheWay(err error) string {
	var conflict *portal.ConflictError
	if !errors.As(err, &conflict) {
		return ""
	}
	switch conflict.Kind {
	case "credential":
		return ui.Below(ui.KeysPath, conflict.ID)
	case "subscription":
		return ui.Below(ui.SubscriptionsPath, conflict.ID)
	}
	return ""
}
