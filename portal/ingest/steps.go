package ingest

import (
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/catalog"
)

// Steps says what the plan does, as people read it.
func (p Plan) Steps() catalog.Plan {
	var all []catalog.Step
	add := func(kind catalog.StepKind, was *catalog.Record, r catalog.Record) {
		d := r.Deployment
		s := catalog.Step{
			Kind: kind, Title: text(d.Title, shownText), RemoteID: d.RemoteID, Exposure: d.Exposure,
			Audience: d.Placement.Audience(), Environment: d.Placement.Environment(), BaseURL: text(d.BaseURL, shownText),
		}
		if was != nil {
			s.Fields = differing(was.Deployment, d)
			if was.Deployment.RemoteID != d.RemoteID {
				s.Was = was.Deployment.RemoteID
			}
		}
		all = append(all, s)
	}
	for _, r := range p.Remove {
		add(catalog.StepRemove, nil, r)
	}
	changes := func(kind catalog.StepKind, changes []Change, reclassified bool) {
		for _, c := range changes {
			if c.Reclassified() == reclassified {
				add(kind, &c.Before, c.After)
			}
		}
	}
	for _, changed := range [][]Change{p.Change, p.Back, p.Rename} {
		changes(catalog.StepReclassify, changed, true)
	}
	changes(catalog.StepRename, p.Rename, false)
	for _, c := range p.Offer {
		after := c.After
		after.Deployment.Title = after.Discovered.Title
		add(catalog.StepOffer, nil, after)
		all[len(all)-1].Was = c.Before.Deployment.RemoteID
	}
	changes(catalog.StepChange, p.Change, false)
	changes(catalog.StepBack, p.Back, false)
	for _, r := range p.Add {
		add(catalog.StepAdd, nil, r)
	}
	kept := min(len(all), catalog.MaxSteps)
	return catalog.Plan{Steps: all[:kept:kept], More: len(all) - kept}
}

// shownText is how much of a value a step shows, in bytes.
const shownText = 200

// differing lists what is published otherwise. Long texts are named without their values.
func differing(was, is portal.Deployment) (all []catalog.Field) {
	differ := func(name, before, after string, layer portal.Layer) {
		if before == after {
			return
		}
		if len(before) > shownText || len(after) > shownText {
			before, after = "", ""
		}
		all = append(all, catalog.Field{Name: name, Was: before, Is: after, Layer: layer})
	}
	for _, axis := range portal.Axes {
		differ(string(axis), was.Placement.Get(axis), is.Placement.Get(axis), is.Placement[axis].Layer)
	}
	plain := func(name, before, after string) { differ(name, before, after, "") }
	plain("title", was.Title, is.Title)
	plain("summary", was.Summary, is.Summary)
	plain("description", was.Description, is.Description)
	plain("version", was.Version, is.Version)
	plain("line", was.Line, is.Line)
	plain("lifecycle", string(was.Lifecycle), string(is.Lifecycle))
	plain("sunset", dayOf(was.Sunset), dayOf(is.Sunset))
	plain("tags", strings.Join(was.Tags, ", "), strings.Join(is.Tags, ", "))
	plain("owner", was.Owner, is.Owner)
	plain("base_url", was.BaseURL, is.BaseURL)
	plain("authentication", authentication(was.Authentication), authentication(is.Authentication))
	plain("plans", titles(was.Plans), titles(is.Plans))
	if was.Document != is.Document { // a hash says nothing to people
		all = append(all, catalog.Field{Name: "document"})
	}
	plain("issue_refused", was.IssueRefused, is.IssueRefused)
	plain("active", served(was.Active), served(is.Active))
	if len(all) == 0 { // of what the gateway tells, something that is not published
		all = append(all, catalog.Field{Name: "details"})
	}
	return all
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

func served(active bool) string {
	if active {
		return "yes"
	}
	return "no"
}

func authentication(a portal.Authentication) string {
	return strings.Join(slices.DeleteFunc([]string{a.Type, a.In, a.Name}, func(s string) bool { return s == "" }), " ")
}

func titles(plans []portal.Plan) string {
	var all []string
	for _, p := range plans {
		all = append(all, p.Title+" ("+string(p.Approval)+")")
	}
	return strings.Join(all, ", ")
}
