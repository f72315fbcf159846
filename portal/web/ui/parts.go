package ui

import (
	"context"
	"fmt"
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

// tone of a state, of an environment or of an audience; what is not listed is neutral.
var (
	environmentTones = map[string]string{"development": tonePlum, "test": toneInfo, "simulation": toneWarn, "production": toneGood}
	audienceTones    = map[string]string{"internal": toneMark, "partner": tonePlum, "public": toneInfo}
	stateTones       = map[string]string{
		"active": toneGood, "retiring": toneWarn, "pending": toneInfo, "revoking": toneWarn, "failed": toneBad,
		"requested": toneInfo, "approved": toneGood, "rejected": toneBad, "suspended": toneWarn,
		"running": toneInfo, "applied": toneGood, "unchanged": toneGood, "waiting": toneWarn, "invited": toneInfo,
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
		"waiting": "run.state.waiting", "failed": "run.state.failed",
	}
	personStateKeys = map[string]string{
		"invited": "person.state.invited", "active": "person.state.active", "disabled": "person.state.disabled",
	}
	lifecycleKeys   = map[string]string{"preview": "lifecycle.preview", "deprecated": "lifecycle.deprecated"}
	effectiveByKeys = map[string]string{"admin": "key.effective.admin", "drill": "key.effective.drill", "call": "key.effective.call"}
)

// KeyState names the state of a key.
func (t Text) KeyState(state string) string { return t.named(keyStateKeys, state) }

// SubscriptionState names the state of a subscription.
func (t Text) SubscriptionState(state string) string { return t.named(subscriptionStateKeys, state) }

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
