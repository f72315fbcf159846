package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// Plan is what has to change so that the catalog says what a gateway says. It is data: Steps says it in words.
type Plan struct {
	Gateway portal.GatewayID
	Add     []catalog.Record // without ids, which are given when they are applied
	Change  []Change
	Back    []Change // removed before, and there again: the same deployments
	Rename  []Change // another name for the same deployment, which the gateway knows by name only
	Remove  []catalog.Record
	// Offer are renames that are likely and not certain: they are in Remove and Add until a person says so.
	Offer     []Change
	Unchanged int
	Warnings  []string // in words for an administrator
}

// Change is one deployment before and after.
type Change struct{ Before, After catalog.Record }

// Reclassified reports whether it is exposed to another audience, or stands in another environment, than before.
func (c Change) Reclassified() bool {
	before, after := c.Before.Deployment.Placement, c.After.Deployment.Placement
	return before.Audience() != after.Audience() || before.Environment() != after.Environment()
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return len(p.Add)+len(p.Change)+len(p.Back)+len(p.Rename)+len(p.Remove) == 0
}

// Compare plans the way from the current records of a gateway to what was found, which is everything that it publishes.
// It is pure, and a plan of what is applied already is empty. Deployments are the same where gateway, remote id and
// exposure are.
func Compare(g catalog.Gateway, c connectors.Capabilities, current []catalog.Record, found []Found) Plan {
	p, _ := compare(g, c, current, found)
	return p
}

// compare is Compare, and tells what comes of each that was found.
func compare(g catalog.Gateway, c connectors.Capabilities, current []catalog.Record, found []Found) (Plan, map[connectors.Key]outcome) {
	p := Plan{Gateway: g.ID}
	byKey := make(map[connectors.Key]catalog.Record, len(current))
	for _, r := range current {
		byKey[r.Key()] = r
	}
	present := make(map[connectors.Key]bool, len(found))
	var fresh, again []Found // again: under a name that another one had before
	for _, f := range found {
		present[f.Key] = true
		if r, known := byKey[f.Key]; !known {
			fresh = append(fresh, f)
		} else if !r.Live() {
			again = append(again, f)
		}
	}
	var gone []catalog.Record
	for _, r := range current {
		if r.Live() && !present[r.Key()] {
			gone = append(gone, r)
		}
	}
	renamed := p.renames(g, gone, fresh, again, c.Identity == connectors.Names)
	// before is what there was of a deployment: a record under its key, or under the one that it was renamed from.
	before := func(k connectors.Key) (r catalog.Record, moved bool) {
		if r, moved = renamed[k]; moved {
			return r, true
		}
		return byKey[k], false
	}
	after, warnings := make([]catalog.Record, len(found)), make([][]string, len(found))
	each(len(found), func(i int) {
		was, _ := before(found[i].Key)
		after[i], warnings[i] = publish(g, c, found[i], was.Override)
	})
	outcomes := make(map[connectors.Key]outcome, len(found))
	p.Add = slices.Grow(p.Add, len(fresh)-len(renamed))
	old := map[portal.DeploymentID]bool{}
	for i, f := range found {
		p.Warnings = append(p.Warnings, warnings[i]...)
		outcomes[f.Key] = outcome{fingerprint: after[i].Fingerprint, warnings: warnings[i]}
		was, moved := before(f.Key)
		switch change := changeOf(was, after[i]); {
		case moved:
			old[was.Deployment.ID] = true
			p.Rename = append(p.Rename, change)
		case was.Deployment.ID == "":
			p.Add = append(p.Add, after[i])
		case !was.Live():
			p.Back = append(p.Back, change)
		case change.After.Fingerprint == was.Fingerprint:
			p.Unchanged++
		default:
			p.Change = append(p.Change, change)
		}
	}
	for _, r := range gone {
		if !old[r.Deployment.ID] {
			p.Remove = append(p.Remove, r)
		}
	}
	p.sort()
	return p, outcomes
}

// changeOf makes what is published now the record that there was.
func changeOf(before, after catalog.Record) Change {
	after.Deployment.ID, after.Deployment.API, after.Created, after.Changed = before.Deployment.ID, before.Deployment.API, before.Created, before.Changed
	return Change{before, after}
}

// renames pairs what is gone with what is fresh. A pair whose routes and document are both the same, on no other
// deployment of either side, and whose placement would not let anybody else see it, is the same deployment, if the gateway
// knows its things by name. A pair that agrees in one of them is offered, and so is every pair of a gateway whose ids are
// opaque: it may have been restored from a backup under new ones. So is a pair of what is gone and what has been removed
// before and is there again, since a gateway may give a name back.
func (p *Plan) renames(g catalog.Gateway, gone []catalog.Record, fresh, again []Found, names bool) map[connectors.Key]catalog.Record {
	sure := map[connectors.Key]catalog.Record{}
	if len(gone) == 0 {
		return sure
	}
	back := make(map[connectors.Key]bool, len(again))
	for _, f := range again {
		back[f.Key] = true
	}
	offered := map[[2]string]bool{}
	pair := func(sign func(connectors.Deployment, string) string, certain bool) {
		olds, news := map[string][]catalog.Record{}, map[string][]Found{}
		for _, r := range gone {
			if s := sign(r.Discovered, r.Deployment.Document); s != "" {
				olds[s] = append(olds[s], r)
			}
		}
		for _, f := range slices.Concat(fresh, again) {
			if s := sign(f.Deployment, f.Document); s != "" {
				news[s] = append(news[s], f)
			}
		}
		for s, before := range olds {
			if len(before) != 1 || len(news[s]) != 1 {
				continue
			}
			r, f := before[0], news[s][0]
			if _, done := sure[f.Key]; done {
				continue
			}
			placement, _ := Place(g, f.Deployment, f.Described, r.Override)
			after := catalog.Record{Deployment: portal.Deployment{Placement: placement, RemoteID: f.RemoteID, Exposure: f.Exposure}, Discovered: f.Deployment}
			after.Deployment.Title, after.Deployment.Document, after.Described = cmp.Or(f.Title, f.Described.Title, f.RemoteID), f.Document, f.Described
			change := Change{r, after}
			if certain && !back[f.Key] && !change.Reclassified() {
				sure[f.Key] = r
			} else if id := [2]string{string(r.Deployment.ID), f.RemoteID + "\n" + f.Exposure}; !offered[id] {
				offered[id] = true
				p.Offer = append(p.Offer, change)
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s may be %s under a new name; it is treated as a new deployment", name(f.Deployment), name(r.Discovered)))
			}
		}
	}
	pair(func(d connectors.Deployment, doc string) string {
		if r := routes(d); r != "" {
			return r + "\n" + doc
		}
		return ""
	}, names)
	pair(func(d connectors.Deployment, _ string) string { return routes(d) }, false)
	pair(func(_ connectors.Deployment, doc string) string { return doc }, false)
	return sure
}

// routes says by which hosts and paths a deployment is reached; empty: it does not say.
func routes(d connectors.Deployment) string {
	if len(d.Hosts) == 0 && len(d.Paths) == 0 {
		return ""
	}
	return fmt.Sprintf("%q %q %q %q", d.Stage, d.Hosts, d.Paths, d.Public)
}

// sort makes the plan independent of the order in which the gateway answers.
func (p *Plan) sort() {
	byKey := func(a, b catalog.Record) int {
		return cmp.Or(cmp.Compare(a.Deployment.RemoteID, b.Deployment.RemoteID), cmp.Compare(a.Deployment.Exposure, b.Deployment.Exposure))
	}
	slices.SortFunc(p.Add, byKey)
	slices.SortFunc(p.Remove, byKey)
	for _, changes := range [][]Change{p.Change, p.Back, p.Rename, p.Offer} {
		slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(byKey(a.After, b.After), byKey(a.Before, b.Before)) })
	}
	slices.Sort(p.Warnings)
}

// Removals limit what a sync may remove by itself. The zero value means the defaults.
type Removals struct {
	// Share of the published deployments; default 0.3. Above it a person has to say yes.
	Share float64
	// Free is how many may go in any case; default 4, so that small gateways need nobody.
	Free int
}

// Wait reports whether a plan has to wait for a person: it removes more than the share and more than the free number, or
// leaves nothing.
func (r Removals) Wait(p Plan) bool {
	stay := len(p.Rename) + len(p.Change) + p.Unchanged
	if len(p.Remove) > 0 && stay+len(p.Add)+len(p.Back) == 0 {
		return true
	}
	live := stay + len(p.Remove)
	return len(p.Remove) > cmp.Or(r.Free, 4) && float64(len(p.Remove)) > cmp.Or(r.Share, 0.3)*float64(live)
}

// foundBefore is what was found when the records were written.
func foundBefore(current []catalog.Record) []Found {
	var all []Found
	for _, r := range current {
		if r.Live() {
			all = append(all, Found{r.Discovered, r.Described, r.Revision, r.Deployment.Document})
		}
	}
	return all
}
