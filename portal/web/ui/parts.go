package ui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"concierge/frontend"

	"github.com/a-h/templ"
)

// Tones colour badges and notices.
const (
	toneGood = "good"
	toneWarn = "warn"
	toneBad  = "bad"
	toneInfo = "info"
	tonePlum = "plum"
	toneMark = "accent"
)

// How many of a long list are seen before the others are asked for; fewer where the page has many such lists.
const (
	shownFirst = 10
	shownInRow = 3
)

// tone of a state, of an environment or of an audience; what is not listed is neutral.
var (
	environmentTones = map[string]string{"development": tonePlum, "test": toneInfo, "simulation": toneWarn, "production": toneGood}
	audienceTones    = map[string]string{"internal": toneMark, "partner": tonePlum, "public": toneInfo}
	stateTones       = map[string]string{
		"active": toneGood, "retiring": toneWarn, "pending": toneInfo, "revoking": toneWarn, "failed": toneBad,
		"requested": toneInfo, "approved": toneGood, "rejected": toneBad, "suspended": toneWarn,
		"scheduled": toneInfo, "available": toneInfo, "retrying": toneWarn, "completed": toneGood,
		"connected": toneGood, "gone": toneBad,
		"running": toneInfo, "applied": toneGood, "unchanged": toneGood, "waiting": toneWarn, "planned": toneInfo, "invited": toneInfo,
	}
	methodTones = map[string]string{"GET": toneInfo, "POST": toneGood, "PUT": toneWarn, "PATCH": toneWarn, "DELETE": toneBad}
)

var (
	keyStateKeys = map[string]string{
		"pending": "key.state.pending", "active": "key.state.active", "retiring": "key.state.retiring",
		"revoking": "key.state.revoking", "revoked": "key.state.revoked", "failed": "key.state.failed",
	}
	subscriptionStateKeys = map[string]string{
		"requested": "subscription.state.requested", "approved": "subscription.state.approved",
		"rejected": "subscription.state.rejected", "suspended": "subscription.state.suspended",
		"cancelled": "subscription.state.cancelled",
	}
	runStateKeys = map[string]string{
		"running": "run.state.running", "applied": "run.state.applied", "unchanged": "run.state.unchanged",
		"waiting": "run.state.waiting", "failed": "run.state.failed", "discarded": "run.state.discarded", "planned": "run.state.planned",
	}
	jobStateKeys = map[string]string{
		"scheduled": "job.state.scheduled", "available": "job.state.available", "running": "job.state.running", "retrying": "job.state.retrying",
		"completed": "job.state.completed", "cancelled": "job.state.cancelled", "failed": "job.state.failed",
	}
	// jobKindKeys say what a kind of job does. A kind that is not here is shown by its name alone.
	jobKindKeys = map[string]string{
		"sync": "job.kind.sync", "schedule": "job.kind.schedule", "watch": "job.kind.watch", "acts": "job.kind.acts", "sweep": "job.kind.sweep", "reconcile": "job.kind.reconcile",
		"forget-people": "job.kind.forget_people", "forget-requests": "job.kind.forget_requests",
	}
	workerStateKeys = map[string]string{
		"connected": "worker.state.connected", "gone": "worker.state.gone", "revoked": "worker.state.revoked",
	}
	personStateKeys = map[string]string{
		"invited": "person.state.invited", "active": "person.state.active", "disabled": "person.state.disabled",
	}
	lifecycleKeys = map[string]string{
		"preview": "lifecycle.preview", "active": "lifecycle.active", "deprecated": "lifecycle.deprecated", "retired": "lifecycle.retired",
	}
	effectiveByKeys = map[string]string{"admin": "key.effective.admin", "drill": "key.effective.drill", "call": "key.effective.call"}
)

// KeyState names the state of a key.
func (t Text) KeyState(state string) string { return t.named(keyStateKeys, state) }

// SubscriptionState names the state of a subscription.
func (t Text) SubscriptionState(state string) string { return t.named(subscriptionStateKeys, state) }

// JobState names the state of a job.
func (t Text) JobState(state string) string { return t.named(jobStateKeys, state) }

// JobKind says what a kind of job does; empty where these pages do not know it.
func (t Text) JobKind(kind string) string {
	if key, ok := jobKindKeys[kind]; ok {
		return t.T(key)
	}
	return ""
}

// JobKinds are those that the pages can explain.
func JobKinds() []string { return slices.Sorted(maps.Keys(jobKindKeys)) }

func icon(name string) templ.Component {
	drawing, ok := frontend.Icon(name)
	if !ok {
		panic(fmt.Sprintf("ui: icon %q is not in frontend/icons.mjs", name))
	}
	return templ.Raw(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + drawing + `</svg>`)
}

// initials of a name, at most two.
func initials(name string) string {
	var b strings.Builder
	words := strings.Fields(name)
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	for _, w := range words {
		r, _ := utf8.DecodeRuneInString(w)
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// written is a time for those without a script, in UTC and saying so.
func written(ctx context.Context, t time.Time, format string) string {
	if format == formatDay {
		return t.UTC().Format("2006-01-02")
	}
	return t.UTC().Format("2006-01-02 15:04") + " UTC"
}

// How the script writes a time.
const (
	formatDay      = "day"
	formatMoment   = "moment"
	formatRelative = "relative"
)

// firstChoice reports whether an option is chosen: by its value, or the first one where none is.
func firstChoice(chosen, value string, index int) bool {
	return chosen == value || chosen == "" && index == 0
}

func ariaCurrent(current bool) templ.Attributes {
	if !current {
		return nil
	}
	return templ.Attributes{"aria-current": "true"}
}

// describes links a field with its hint and its error.
func describes(f Form, name, hint string) templ.Attributes {
	var ids []string
	if hint != "" {
		ids = append(ids, name+"-hint")
	}
	attrs := templ.Attributes{}
	if f.Errors[name] != "" {
		ids = append(ids, name+"-error")
		attrs["aria-invalid"] = "true"
	}
	if len(ids) > 0 {
		attrs["aria-describedby"] = strings.Join(ids, " ")
	}
	return attrs
}
