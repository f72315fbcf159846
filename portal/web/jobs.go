package web

import (
	"slices"

	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// jobStates are in the order in which a job may go through them.
var jobStates = []string{"scheduled", "available", "running", "retrying", "failed", "completed", "cancelled"}

func (s *site) jobs(v *visit) error {
	state, kind := v.query("state"), v.query("kind")
	p, err := v.desk.Jobs(v.ctx(), api.JobsQuery{Paging: v.paging(listLimit), Kind: kind, State: state})
	if err != nil {
		return err
	}
	l := ui.Jobs{Items: each(p.Items, job), State: state, Kind: kind, States: v.states(ui.JobsPath, state, jobStates, v.text.JobState, "kind", kind)}
	if state != "" || kind != "" {
		l.Clear = ui.JobsPath
	}
	l.Kinds = []ui.Option{{Text: v.text.T("filter.all")}}
	for _, k := range kindsOf(p.Items, kind) {
		l.Kinds = append(l.Kinds, ui.Option{Value: k, Text: k})
	}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.JobsPage(v.in(ui.JobsPath, v.text.T("nav.jobs")), l))
}

// kindsOf are the kinds to choose from: those that the pages know, those that are listed, and the chosen one.
func kindsOf(jobs []api.Job, chosen string) []string {
	kinds := ui.JobKinds()
	for _, j := range jobs {
		kinds = append(kinds, j.Kind)
	}
	if chosen != "" {
		kinds = append(kinds, chosen)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func (s *site) job(v *visit) error {
	j, err := v.desk.Job(v.ctx(), v.r.PathValue("job"))
	if err != nil {
		return err
	}
	shown := job(j)
	p := v.in(ui.JobsPath, shown.Name(), v.crumb("nav.jobs", ui.JobsPath))
	if shown.UnderWay() {
		p.Refresh = 3
	}
	return v.render(ui.JobPageView(p, shown))
}

func (s *site) runJob(v *visit) error {
	j, err := v.desk.RunJob(v.ctx(), v.r.PathValue("job"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.JobsPath, j.ID), "job-runs")
}
