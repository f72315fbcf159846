package api

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/told"
)

// Problem is an error as HTTP API v1 tells it (RFC 9457). Type is stable; Detail is for people.
type Problem struct {
	Type         string          `json:"type" doc:"Stable reference to the kind of problem" example:"/problems/not-found"`
	Title        string          `json:"title"`
	Status       int             `json:"status"`
	Detail       string          `json:"detail,omitempty"`
	RequestID    string          `json:"request_id,omitempty" doc:"Name it when you ask for help"`
	Environments []string        `json:"environments,omitempty" doc:"With no-endpoint: where the caller has an endpoint"`
	Retired      bool            `json:"retired,omitempty" doc:"With no-endpoint: what fits is retired and takes nobody new"`
	Conflict     string          `json:"conflict,omitempty" doc:"With conflict: the id of the thing in the way"`
	Reason       string          `json:"reason,omitempty" doc:"Stable name of what the detail says, where it has one"`
	Values       []string        `json:"values,omitempty" doc:"The values in that sentence, in order"`
	Reasons      []ProblemReason `json:"reasons,omitempty" doc:"With several things wrong: each of them, in order"`
	Errors       []FieldProblem  `json:"errors,omitempty" doc:"With invalid: what is wrong where"`

	retryAfter time.Duration
}

// ProblemReason is one of several things that are wrong.
type ProblemReason struct {
	Reason string   `json:"reason,omitempty" doc:"Stable name of what the detail says, where it has one"`
	Values []string `json:"values,omitempty" doc:"The values in that sentence, in order"`
	Rule   int      `json:"rule,omitempty" doc:"Which of a gateway's placement rules it is about, from 1"`
	Detail string   `json:"detail"`
}

// FieldProblem says what is wrong with one part of a request.
type FieldProblem struct {
	Location string `json:"location" example:"body.name"`
	Message  string `json:"message"`
}

// problems is the table of what each kind of error looks like outside. The first that matches counts.
var problems = []struct {
	kind   error
	slug   string
	title  string
	status int
}{
	{portal.ErrNotFound, "not-found", "There is no such thing, or it is not for you", http.StatusNotFound},
	{portal.ErrInvalid, "invalid", "The request is not right", http.StatusUnprocessableEntity},
	{portal.ErrConflict, "conflict", "Something is in the way", http.StatusConflict},
	{portal.ErrUnsupported, "unsupported", "The gateway cannot do this", http.StatusUnprocessableEntity},
	{portal.ErrDenied, "denied", "You may not do this", http.StatusForbidden},
	{portal.ErrUnavailable, "unavailable", "Not now; try again", http.StatusServiceUnavailable},
}

// ProblemOf turns an error into what the caller may know of it. known is false for an error of no kind: log it whole and
// show nothing but the request's id.
//
// What a gateway does or refuses is not the caller's fault, whatever the kind, and its words may name what the caller may
// not see: they are for the log and the administrators.
func ProblemOf(err error) (p Problem, known bool) {
	var given *Problem
	if errors.As(err, &given) {
		return *given, true
	}
	var gateway *portal.GatewayError
	switch {
	case errors.As(err, &gateway) && errors.Is(err, portal.ErrUnsupported):
		p = problem("unsupported", "The gateway cannot do this", http.StatusUnprocessableEntity)
		p.Detail = fmt.Sprintf("gateway %s cannot do this as it is configured; its administrators can see why", gateway.Gateway)
		return p, true
	case gateway != nil:
		p = problem("gateway", "The gateway did not do it", http.StatusServiceUnavailable)
		p.Detail = fmt.Sprintf("gateway %s could not do this just now; nothing of it is left, so try again", gateway.Gateway)
		p.retryAfter = retryAfter(err)
		return p, true
	}
	var none *portal.NoEndpointError
	if errors.As(err, &none) {
		p = problem("no-endpoint", "There is no endpoint for you", http.StatusNotFound)
		p.Detail, p.Retired = none.Error(), none.Retired
		p.Environments = []string{}
		for _, e := range none.Environments {
			p.Environments = append(p.Environments, string(e))
		}
		return p, true
	}
	for _, k := range problems {
		if !errors.Is(err, k.kind) {
			continue
		}
		p = problem(k.slug, k.title, k.status)
		var conflict *portal.ConflictError
		switch {
		case errors.As(err, &conflict):
			p.Detail, p.Conflict = conflict.Err.Error(), conflict.ID
		case k.kind != portal.ErrNotFound && k.kind != portal.ErrUnavailable:
			p.Detail = strings.TrimSuffix(err.Error(), ": "+k.kind.Error()) // the title says the kind
		}
		if why, ok := errors.AsType[*told.Error](err); ok && p.Detail != "" {
			p.Reason, p.Values = string(why.Sentence), why.Values
		}
		if p.Detail != "" {
			p.Reasons = reasons(err)
		}
		p.retryAfter = retryAfter(err)
		return p, true
	}
	return problem("internal", "Something went wrong", http.StatusInternalServerError), false
}

// reasons are the parts of an error that joins several; none where it joins none.
func reasons(err error) []ProblemReason {
	var all []ProblemReason
	for _, part := range joined(err) {
		r := ProblemReason{Detail: withoutKind(part.Error())}
		if why, ok := errors.AsType[*told.Error](part); ok {
			r.Reason, r.Values = string(why.Sentence), why.Values
		}
		if in, ok := errors.AsType[*told.InRule](part); ok {
			r.Rule = in.Rule
		}
		all = append(all, r)
	}
	return all
}

// joined are the errors that errors.Join made one of, wherever in err they are.
func joined(err error) []error {
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return joined(e.Unwrap())
	case interface{ Unwrap() []error }:
		var lines []string
		var flat []error
		for _, part := range e.Unwrap() {
			lines = append(lines, part.Error())
			if found := joined(part); found != nil {
				flat = append(flat, found...)
			} else {
				flat = append(flat, part)
			}
		}
		if strings.Join(lines, "\n") == err.Error() {
			return flat
		}
		for _, part := range e.Unwrap() {
			if found := joined(part); found != nil {
				return found
			}
		}
	}
	return nil
}

// withoutKind takes off the name of the kind that an error ends with.
func withoutKind(text string) string {
	for _, k := range problems {
		if rest, ok := strings.CutSuffix(text, ": "+k.kind.Error()); ok {
			return rest
		}
	}
	return text
}

func retryAfter(err error) time.Duration {
	var after *portal.RetryAfterError
	if errors.As(err, &after) {
		return after.After
	}
	return 0
}

func problem(slug, title string, status int) Problem {
	return Problem{Type: "/problems/" + slug, Title: title, Status: status}
}

func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	return p.Title
}

// Is lets a client test a problem for the kinds of package portal.
func (p *Problem) Is(target error) bool {
	switch p.Type {
	case "/problems/no-endpoint":
		return target == portal.ErrNotFound
	case "/problems/gateway", "/problems/too-many-requests":
		return target == portal.ErrUnavailable
	case "/problems/unauthorized":
		return target == portal.ErrDenied
	}
	for _, k := range problems {
		if k.kind == target {
			return p.Type == "/problems/"+k.slug
		}
	}
	return false
}

// As gives a client the richer errors of package portal back.
func (p *Problem) As(target any) bool {
	switch t := target.(type) {
	case **portal.NoEndpointError:
		if p.Type != "/problems/no-endpoint" {
			return false
		}
		*t = &portal.NoEndpointError{Retired: p.Retired}
		for _, e := range p.Environments {
			(*t).Environments = append((*t).Environments, portal.Environment(e))
		}
		return true
	case **portal.ConflictError:
		if p.Conflict == "" {
			return false
		}
		*t = &portal.ConflictError{ID: p.Conflict, Err: errors.New(p.Detail)}
		return true
	}
	return false
}

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems in JSON.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// soon is when to come back to what is unavailable and does not say for how long.
const soon = 2 * time.Second

// GetHeaders are the response headers that belong to the problem. Whatever is not available now says when to come back.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{"Cache-Control": {"no-store"}}
	after := p.retryAfter
	if after <= 0 && p.Status == http.StatusServiceUnavailable {
		after = soon
	}
	if after > 0 {
		h.Set("Retry-After", fmt.Sprint(int(math.Ceil(after.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="concierge"`)
	}
	return h
}

// TooManyRequests says when the next call is let in.
func TooManyRequests(wait time.Duration) *Problem {
	p := problem("too-many-requests", "Too many requests", http.StatusTooManyRequests)
	p.Detail, p.retryAfter = "wait as long as Retry-After says", wait
	return &p
}

// StillRunning says that the first request with an Idempotency-Key is at work.
func StillRunning(wait time.Duration) *Problem {
	p := problem("conflict", "Something is in the way", http.StatusConflict)
	p.Detail, p.retryAfter = "a request with this Idempotency-Key is still running", wait
	return &p
}
