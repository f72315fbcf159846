package curation

import (
	"cmp"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
)

// Lay returns the deployments of an entry with what persons decided about their lifecycles laid over what document and
// gateway say. Of several decisions the nearest wins: that about the deployment, that about its line in this entry, then the
// newest about a line in another entry where the deployment was when it was made. What is given stays as it is.
func (l Layer) Lay(api portal.APIID, deployments []portal.Deployment) []portal.Deployment {
	if len(l.Decisions) == 0 {
		return deployments
	}
	laid := slices.Clone(deployments)
	for i := range laid {
		if d, ok := l.decision(api, &laid[i]); ok {
			d.apply(&laid[i])
		}
	}
	return laid
}

// decision is the one that counts for a deployment of an entry.
func (l Layer) decision(api portal.APIID, d *portal.Deployment) (Decision, bool) {
	near := func(c Decision) int {
		switch {
		case c.Deployment == d.ID:
			return 3
		case c.Deployment != "" || c.Line != d.Line:
			return 0
		case c.API == api:
			return 2
		case slices.Contains(l.Covers, Cover{Deployment: d.ID, API: c.API, Line: c.Line}):
			return 1
		}
		return 0
	}
	if len(l.Decisions) == 0 {
		return Decision{}, false
	}
	best := slices.MaxFunc(l.Decisions, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(near(a), near(b)), a.At.Compare(b.At), cmp.Compare(a.API, b.API))
	})
	return best, near(best) > 0
}

// apply lays a decision over a deployment. What it does not say stays as the gateway or the document has it, as long as the
// version is on its way out.
func (d Decision) apply(to *portal.Deployment) {
	to.Lifecycle, to.SaidBy.Lifecycle = d.Lifecycle, portal.LayerOverride
	if !d.Lifecycle.Ending() {
		to.Deprecated, to.Sunset, to.Successor = time.Time{}, time.Time{}, ""
		to.SaidBy.Sunset, to.SaidBy.Successor = "", ""
		return
	}
	to.Deprecated = d.Since
	if !d.Sunset.IsZero() {
		to.Sunset, to.SaidBy.Sunset = d.Sunset, portal.LayerOverride
	}
	if d.Successor != "" {
		to.Successor, to.SaidBy.Successor = d.Successor, portal.LayerOverride
	}
}

// ByEntry splits what is laid over all entries into what is laid over each of these, so that Lay looks at little.
func (l Layer) ByEntry(entries []catalog.Entry) map[portal.APIID]Layer {
	entryOf := map[portal.DeploymentID]portal.APIID{}
	split := make(map[portal.APIID]Layer, len(entries))
	for _, e := range entries {
		split[e.ID] = Layer{Texts: l.Texts, Teams: l.Teams}
		if len(l.Decisions) == 0 {
			continue
		}
		for _, d := range e.Deployments {
			entryOf[d.ID] = e.ID
		}
	}
	type line struct {
		api  portal.APIID
		line string
	}
	covering := map[line][]portal.APIID{}
	for _, c := range l.Covers {
		entry, ok := entryOf[c.Deployment]
		if !ok {
			continue
		}
		at := split[entry]
		at.Covers = append(at.Covers, c)
		split[entry] = at
		if key := (line{c.API, c.Line}); !slices.Contains(covering[key], entry) {
			covering[key] = append(covering[key], entry)
		}
	}
	for _, d := range l.Decisions {
		about := []portal.APIID{entryOf[d.Deployment]}
		if d.Deployment == "" {
			about = append(covering[line{d.API, d.Line}], d.API)
		}
		slices.Sort(about)
		for _, entry := range slices.Compact(about) {
			if at, ok := split[entry]; ok {
				at.Decisions = append(at.Decisions, d)
				split[entry] = at
			}
		}
	}
	return split
}
