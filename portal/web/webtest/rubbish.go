package webtest

import (
	"fmt"
	"strings"

	"concierge/portal/api"
)

// Rubbish are names as gateways and documents do hold them: none, endless, of other scripts and directions, with markup.
// What carries the attribute data-injected must never become an element.
var Rubbish = []string{
	"",
	" ",
	strings.Repeat("Long", 80),
	strings.Repeat("a very long name ", 20),
	"واجهة المدفوعات للشركاء",
	"付款與退款介面",
	"💳🧾 💶",
	`<b data-injected>bold</b> & <script data-injected>alert(1)</script>`,
	`"quoted" 'names' {{.Title}} %s %d`,
	"turned \u202earound",
}

// Spoil makes rubbish of everything in the world that others name: titles, summaries, tags, owners, gateways, applications,
// plans, reasons. What makes addresses stays.
func (w *World) Spoil() *World {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	spoil := func(names ...*string) {
		for _, name := range names {
			*name = Rubbish[n%len(Rubbish)]
			n++
		}
	}
	written := func(names ...*string) { // by people, whom the portal asks for another name where it is blank
		for _, name := range names {
			for spoil(name); strings.TrimSpace(*name) == ""; spoil(name) {
			}
		}
	}
	tags := make([]string, 200)
	for i := range tags {
		tags[i] = fmt.Sprintf("%s %d", Rubbish[i%len(Rubbish)], i)
	}
	reasons := make([]api.ReviewReason, 500)
	for i := range reasons {
		reasons[i] = api.ReviewReason{Code: "same-title", Args: []string{Rubbish[i%len(Rubbish)]}, Text: Rubbish[i%len(Rubbish)]}
	}
	entry := func(d *api.EntryDeployment) {
		spoil(&d.Title, &d.Gateway, &d.RemoteID, &d.Version, &d.Owner, &d.Upstream)
		d.Reasons = reasons
	}
	for i := range w.deployments {
		d := &w.deployments[i]
		spoil(&d.Title, &d.Summary, &d.Owner, &d.gateway, &d.region)
		d.Tags = tags
		d.operations = 300
		for j := range d.Plans {
			spoil(&d.Plans[j].Title)
			d.Plans[j].Limits = Rubbish
		}
	}
	for i := range w.reviews {
		r := &w.reviews[i]
		spoil(&r.One.Title, &r.NewName, &r.DecidedBy)
		entry(&r.One.Deployment)
		if r.Other != nil {
			spoil(&r.Other.Title)
			entry(&r.Other.Deployment)
		}
		for j := range 1000 {
			r.Operations = append(r.Operations, api.ComparedOperation{Method: "GET", One: j%3 != 1, Other: j%3 != 0})
			spoil(&r.Operations[len(r.Operations)-1].Path)
		}
		r.Reasons, r.Missing = reasons, Rubbish[2:4]
	}
	for i := range w.compositions {
		c := &w.compositions[i]
		spoil(&c.Title)
		for j := range c.Deployments {
			entry(&c.Deployments[j])
		}
	}
	for i := range w.gateways {
		spoil(&w.gateways[i].Title, &w.gateways[i].Address)
	}
	for i := range w.placed {
		p := &w.placed[i]
		spoil(&p.Title, &p.RemoteID)
		p.Warnings = tags
	}
	for i := range w.documents {
		spoil(&w.documents[i].Title, &w.documents[i].Gateway, &w.documents[i].Unread, &w.documents[i].Version)
	}
	for i := range w.applications {
		written(&w.applications[i].Name)
	}
	for i := range w.subscriptions {
		s := &w.subscriptions[i]
		spoil(&s.Title, &s.Plan, &s.Reason)
		written(&s.ApplicationName, &s.Organisation)
	}
	for i := range w.credentials {
		c := &w.credentials[i]
		spoil(&c.Title, &c.Gateway, &c.Note)
		written(&c.ApplicationName)
	}
	for i := range w.runs {
		r := &w.runs[i]
		spoil(&r.Error)
		r.Warnings = tags
		if r.Plan != nil {
			plan := *r.Plan
			for range 500 {
				step := api.SyncStep{Kind: "remove", Audience: "partner", Environment: "test"}
				spoil(&step.Title, &step.RemoteID)
				plan.Steps = append(plan.Steps, step)
			}
			r.Plan = &plan
		}
	}
	for i := range w.organisations {
		written(&w.organisations[i].Name)
	}
	return w
}
