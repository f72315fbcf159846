package ingest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/told"
)

// Found is one deployment as a sync found it: what the gateway tells and what its document says.
type Found struct {
	connectors.Deployment
	Described catalog.Described
	Revision  string // of the document that was opened
	Document  string // its hash; empty: none
}

// publish works out the record of a deployment; the rest of its identity is the caller's to give. It is pure.
func publish(g catalog.Gateway, c connectors.Capabilities, f Found, o catalog.Override) (catalog.Record, []string) {
	f = f.given(o.Document)
	placement, warnings := Place(g, f.Deployment, f.Described, o)
	if f.Described.Unread != "" {
		warnings = append(warnings, name(f.Deployment)+": "+told.Warning(told.NotTakenOver, f.Described.Unread))
	}
	address, why := Address(g, f.Deployment, o)
	if address == "" {
		warnings = append(warnings, name(f.Deployment)+": "+told.Warning(told.NoAddress, why))
	}
	version := cmp.Or(f.Version, f.Described.Version)
	d := portal.Deployment{
		Gateway: g.ID, RemoteID: f.RemoteID, Exposure: f.Exposure,
		Title:       cmp.Or(f.Title, f.Described.Title, f.RemoteID),
		Summary:     cmp.Or(f.Summary, f.Described.Summary),
		Description: cmp.Or(f.Description, f.Described.Description),
		Version:     version,
		Line:        text(Line(f.Described.Words["line"], pathOf(address, f.Paths), version), maxLine),
		Tags:        slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(f.Tags), f.Described.Tags...)))),
		Owner:       f.Owner,
		BaseURL:     address, Authentication: f.Authentication, Plans: plans(f.Plans), Document: f.Document, Kind: f.Described.Kind,
		Placement:    placement,
		Try:          cmp.Or(f.Described.Try, plainGet(f.Operations)),
		IssueRefused: issueRefused(g, c, f.Deployment, why),
		Active:       f.Active && address != "",
	}
	warnings = append(warnings, live(&d, f.Deployment, f.Described)...)
	r := catalog.Record{Deployment: d, Discovered: f.Deployment, Described: f.Described, Revision: f.Revision, Override: o}
	r.Fingerprint = r.Hash()
	return r, warnings
}

// plainGet is the path of the first GET without parameters in it.
func plainGet(operations []connectors.Operation) string {
	for _, o := range operations {
		if o.Method == http.MethodGet && !strings.ContainsAny(o.Path, "{*") {
			return o.Path
		}
	}
	return ""
}

func pathOf(address string, paths []string) string {
	if u, err := url.Parse(address); err == nil && address != "" {
		return u.Path
	}
	if len(paths) > 0 {
		return paths[0]
	}
	return ""
}

// plans gives every deployment one at least. Where the gateway does not say how a plan is granted, a person decides.
func plans(all []portal.Plan) []portal.Plan {
	if len(all) == 0 {
		all = []portal.Plan{{ID: "default", Title: "Default"}}
	}
	all = slices.Clone(all)
	for i := range all {
		all[i].Approval = cmp.Or(all[i].Approval, portal.Required)
	}
	return all
}

// issueRefused says why no key can be issued, in words; empty where one can.
func issueRefused(g catalog.Gateway, c connectors.Capabilities, d connectors.Deployment, noAddress string) string {
	unknown := told.NoteKeysUnsaid.With().Error()
	switch {
	case noAddress != "":
		return noAddress
	case !c.Issue.Able:
		return cmp.Or(c.Issue.Reason, unknown)
	case !d.Issue.Able && (len(d.Reach) == 0 || !g.AcceptReach):
		return cmp.Or(d.Issue.Reason, unknown)
	}
	return ""
}

// What a gateway may say of one deployment.
const (
	maxID          = 1000 // bytes
	maxText        = 1000
	maxLine        = 100
	maxDescription = 64 << 10
	maxList        = 1000 // elements
	maxPlans       = 100
	maxRoutes      = 20_000
)

func tidy(d connectors.Deployment) connectors.Deployment {
	for _, s := range []*string{&d.Title, &d.Summary, &d.Version, &d.Owner, &d.API, &d.Stage, &d.Public, &d.PublicReason, &d.Issue.Reason} {
		*s = text(*s, maxText)
	}
	d.Description = text(d.Description, maxDescription)
	d.Upstream = text(upstream(d.Upstream), maxText)
	d.Document.ID = cmp.Or(d.Document.ID, d.Document.URL)
	d.Sunset = d.Sunset.UTC()
	d.Tags, d.Hosts, d.Reach = firm(d.Tags), firm(d.Hosts), firm(d.Reach)
	d.Paths = texts(d.Paths)
	words := make(map[portal.Axis]string, len(d.Words))
	for _, axis := range portal.Axes {
		if v := text(strings.TrimSpace(d.Words[axis]), maxText); v != "" {
			words[axis] = v
		}
	}
	d.Words = words
	auth := &d.Authentication
	for _, s := range []*string{&auth.Type, &auth.In, &auth.Name, &auth.Prefix} {
		*s = text(*s, maxText)
	}
	d.Plans = tidyPlans(d.Plans)
	d.Operations = slices.Clone(d.Operations[:min(len(d.Operations), maxRoutes)])
	for i := range d.Operations {
		o := &d.Operations[i]
		o.Method, o.Path = text(o.Method, maxText), text(o.Path, maxText)
	}
	slices.SortFunc(d.Operations, func(a, b connectors.Operation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return d
}

// tidyPlans leaves out plans whose id cannot be handed back to the gateway as it is.
func tidyPlans(all []portal.Plan) []portal.Plan {
	var usables []portal.Plan
	for _, p := range all {
		if len(usables) == maxPlans {
			break
		}
		if p.ID == "" || usable(p.ID) {
			p.Title, p.Limits = text(p.Title, maxText), texts(p.Limits)
			usables = append(usables, p)
		}
	}
	return usables
}

// upstream is a back end's address without what it may say of accounts or keys.
func upstream(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" { // host and port, or a name
		address, _, _ = strings.Cut(address, "?")
		return address[strings.LastIndexByte(address, '@')+1:]
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// firm sorts a list whose order means nothing.
func firm(all []string) []string {
	all = texts(all)
	slices.Sort(all)
	return slices.Compact(all)
}

func texts(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(all), maxList))
	for _, s := range all[:min(len(all), maxList)] {
		out = append(out, text(s, maxText))
	}
	return out
}

// text drops what is not UTF-8, control characters but line breaks and tabs, and characters that show the text after them
// in another order than it has; it cuts to a number of bytes.
func text(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !plain(r) || reorders(r) {
			return -1
		}
		return r
	}, s)
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// plain reports whether a character is text, a line break or a tab.
func plain(r rune) bool {
	return r != utf8.RuneError && (!unicode.IsControl(r) || r == '\n' || r == '\t')
}

// reorders reports whether a character opens or ends a stretch of another direction of writing (Unicode Standard Annex 9,
// explicit formatting characters). What is open at the end of a title would turn around what a page says after it.
func reorders(r rune) bool {
	return '\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}
