package ingest

import (
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// Words of a document about its lifecycle: x-concierge-lifecycle and so on. Times are days (2027-01-31) or RFC 3339.
const (
	wordLifecycle  = "lifecycle"  // preview, active, deprecated or retired
	wordDeprecated = "deprecated" // true, or since when
	wordSunset     = "sunset"     // when it ends
	wordSuccessor  = "successor"  // see portal.ParseSuccessor
)

// live works out where a deployment stands in its life: the document's words, then the gateway's, the later winning. What
// persons decided is laid over that where it is read (package curation). A version such as "2.0-beta" says nothing: what is
// called a beta is often in use for years, and a preview takes no newcomers.
func live(d *portal.Deployment, c connectors.Deployment, doc catalog.Described) (warnings []string) {
	warn := func(word string) {
		warnings = append(warnings, name(c)+": "+told.Warning(told.WordUnknown, word, doc.Words[word]))
	}
	d.Lifecycle = portal.Active
	if said := portal.Lifecycle(strings.ToLower(strings.TrimSpace(doc.Words[wordLifecycle]))); slices.Contains(portal.Lifecycles, said) {
		d.Lifecycle, d.SaidBy.Lifecycle = said, portal.LayerDocument
	} else if said != "" {
		warn(wordLifecycle)
	}
	switch said := strings.ToLower(strings.TrimSpace(doc.Words[wordDeprecated])); said {
	case "", "false":
	default:
		since, ok := day(said)
		if !ok && said != "true" {
			warn(wordDeprecated)
			break
		}
		d.Deprecated = since
		if d.SaidBy.Lifecycle == "" {
			d.Lifecycle, d.SaidBy.Lifecycle = portal.Deprecated, portal.LayerDocument
		}
	}
	if said := doc.Words[wordSunset]; strings.TrimSpace(said) != "" {
		if at, ok := day(said); ok {
			d.Sunset, d.SaidBy.Sunset = at, portal.LayerDocument
		} else {
			warn(wordSunset)
		}
	}
	if said := portal.ParseSuccessor(doc.Words[wordSuccessor]).String(); said != "" {
		d.Successor, d.SaidBy.Successor = said, portal.LayerDocument
	}
	if slices.Contains(portal.Lifecycles, c.Lifecycle) {
		d.Lifecycle, d.SaidBy.Lifecycle = c.Lifecycle, portal.LayerGateway
	}
	if !c.Sunset.IsZero() {
		d.Sunset, d.SaidBy.Sunset = c.Sunset.UTC(), portal.LayerGateway
	}
	if !d.Lifecycle.Ending() {
		d.Deprecated = time.Time{}
	}
	return warnings
}

func day(text string) (time.Time, bool) {
	text = strings.ToUpper(strings.TrimSpace(text))
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	return at.UTC().Truncate(time.Microsecond), err == nil && at.Year() > 1970
}

// since keeps when a deployment came to its end of life where nobody says so: the time at which the portal first learned
// of it. It is not part of a record's fingerprint.
func since(before, after *portal.Deployment, now time.Time) {
	if !after.Lifecycle.Ending() || !after.Deprecated.IsZero() {
		return
	}
	if before.Lifecycle.Ending() {
		after.Deprecated = before.Deprecated
	}
	if after.Deprecated.IsZero() {
		after.Deprecated = now.UTC()
	}
}
