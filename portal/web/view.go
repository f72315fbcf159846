package web

import (
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// From the shapes of the API to what pages show.

// titled is how people call an API: by its title or, where its documents have none that can be seen, by its short name.
func titled(title, name string) string {
	if strings.TrimSpace(title) == "" {
		return name
	}
	return title
}

func (v *visit) key(c api.Credential) ui.Key {
	k := ui.Key{
		ID: c.ID, Title: titled(c.Title, c.API), API: c.API, Version: c.Version, Environment: c.Environment, State: c.State,
		Application: c.ApplicationName, ApplicationID: c.Application, Gateway: c.Gateway,
		Fingerprint: c.Fingerprint, Note: v.note(c.Note), Replaces: c.Replaces,
		Created: c.Created, Expires: c.Expires, Ends: c.Ends,
	}
	if len(c.Subscriptions) > 0 {
		k.Subscription = c.Subscriptions[0]
	}
	if c.Effective != nil {
		k.Effective, k.EffectiveBy = &c.Effective.At, c.Effective.By
	}
	return k
}

func (v *visit) keys(cs []api.Credential) []ui.Key { return each(cs, v.key) }

func subscription(s api.Subscription) ui.Subscription {
	return ui.Subscription{
		ID: s.ID, Title: titled(s.Title, s.API), API: s.API, Version: s.Version, Environment: s.Environment, Plan: s.Plan,
		Application: s.ApplicationName, ApplicationID: s.Application, Organisation: s.Organisation,
		State: s.State, Reason: s.Reason, RequestedBy: s.RequestedBy, DecidedBy: s.DecidedBy,
		Created: s.Created, CanDecide: s.CanDecide, Frozen: s.Frozen != nil,
	}
}

func application(a api.Application) ui.Application {
	return ui.Application{ID: a.ID, Name: a.Name, Organisation: a.Organisation, Created: a.Created}
}

func organisation(o api.Organisation) ui.Organisation {
	return ui.Organisation{
		ID: o.ID, Name: o.Name, Audience: o.Audience, Division: o.Division, Region: o.Region,
		Disabled: o.Disabled, People: o.People, Created: o.Created,
	}
}

func (v *visit) person(p api.Person) ui.Person {
	return ui.Person{
		ID: p.ID, Name: p.Name, Email: p.Email, Organisation: p.Organisation, State: p.State,
		Roles: p.Roles, LastSeen: p.LastSeen, Self: p.ID == v.me.ID,
	}
}

func token(t api.Token) ui.Token {
	return ui.Token{ID: t.ID, Name: t.Name, Hint: t.Hint, Created: t.Created, LastUsed: t.LastUsed, Expires: t.Expires}
}

func job(j api.Job) ui.Job {
	shown := ui.Job{
		ID: j.ID, Kind: j.Kind, Subject: j.Subject, State: j.State, Error: j.Error, Attempt: j.Attempt,
		Created: j.Created, Due: j.Due, Ended: j.Ended, Periodic: j.Periodic,
		CanRun: slices.Contains([]string{"scheduled", "retrying", "failed"}, j.State),
	}
	if slices.Contains(aboutGateways, j.Kind) && j.Subject != "" {
		shown.SubjectHref = ui.Below(ui.GatewaysPath, j.Subject)
	}
	return shown
}

// aboutGateways are the kinds of job whose subject is a gateway.
var aboutGateways = []string{"sync", "acts", "reconcile"}

func siteView(s api.Site) ui.Site {
	shown := ui.Site{
		Name: s.Name, Local: s.Local, Gateways: s.Gateways, Waiting: s.Waiting,
		Workers: each(s.Workers, func(w api.Worker) ui.Worker {
			return ui.Worker{ID: w.ID, Name: w.Name, Version: w.Version, State: w.State, Gateways: w.Gateways, Enrolled: w.Enrolled, LastSeen: w.LastSeen, Reused: w.Reused}
		}),
		Enrolments: each(s.Enrolments, func(e api.Enrolment) ui.Enrolment {
			return ui.Enrolment{ID: e.ID, Created: e.Created, Expires: e.Expires}
		}),
	}
	for _, w := range s.Workers {
		switch w.State {
		case "connected":
			shown.Connected++
			continue
		case "gone":
			shown.Gone++
		}
		if shown.Seen == nil || w.LastSeen.After(*shown.Seen) {
			shown.Seen = &w.LastSeen
		}
	}
	return shown
}

func (v *visit) plan(p portal.Plan) ui.Plan {
	title := p.Title
	if title == "" {
		title = p.ID
	}
	return ui.Plan{ID: p.ID, Title: title, Limits: each(p.Limits, v.text.Limit), NeedsApproval: p.Approval == portal.Required}
}

func (v *visit) card(a api.API) ui.APICard {
	return ui.APICard{
		Title: titled(a.Title, a.ID), Summary: a.Summary, Operation: a.Operation, Href: ui.With(ui.Below(ui.APIsPath, a.ID), "environment", v.query("environment")),
		Tags: tags(a.Tags),
		Lines: each(a.Versions, func(l api.Version) ui.Line {
			return ui.Line{Version: l.Version, Lifecycle: l.Lifecycle, Environments: l.Environments}
		}),
	}
}

func tags(names []string) []ui.Link {
	return each(names, func(t string) ui.Link { return ui.Link{Text: t, Href: ui.With(ui.APIsPath, "tag", t)} })
}

func each[From, To any](from []From, f func(From) To) []To {
	to := make([]To, 0, len(from))
	for _, x := range from {
		to = append(to, f(x))
	}
	return to
}

// authentication says what to send, with a placeholder for the key.
func (v *visit) authentication(a portal.Authentication) ui.Authentication {
	shown := ui.Authentication{Type: a.Type, In: a.In, Name: a.Name}
	switch {
	case a.Name == "":
	case a.In == "query":
		shown.Example = "?" + a.Name + "=" + v.text.T("auth.your_key")
	default:
		shown.Example = a.Name + ": " + a.Prefix + v.text.T("auth.your_key")
	}
	return shown
}

// placeholder is the one part of an authentication, with a word where the key goes.
func (v *visit) placeholder(a portal.Authentication) []api.Part {
	if a.Name == "" {
		return nil
	}
	return []api.Part{{In: a.In, Name: a.Name, Prefix: a.Prefix, Value: portal.NewSecret(v.text.T("auth.your_key"))}}
}
