package web

import (
	"strconv"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (v *visit) run(r api.Run) ui.Run {
	return ui.Run{
		ID: r.ID, State: r.State, Dry: r.Dry, Phase: r.Phase, Error: r.Error, Done: r.Done, Total: r.Total,
		Added: r.Added, Changed: r.Changed, Removed: r.Removed, Unchanged: r.Unchanged, Removing: r.Removing,
		Trigger: r.Trigger, By: r.By, DecidedBy: r.DecidedBy,
		Warnings: each(r.Warnings, v.warned), Started: r.Started, Ended: r.Ended,
	}
}

// planned says what a sync did or would do, by kind.
func (v *visit) planned(p *api.SyncPlan) *ui.Planned {
	if p == nil {
		return nil
	}
	shown := &ui.Planned{More: p.More}
	for _, kind := range ui.StepKinds() {
		g := ui.StepGroup{Kind: kind}
		for _, s := range p.Steps {
			if s.Kind == kind {
				g.Steps = append(g.Steps, v.step(s))
			}
		}
		if len(g.Steps) > 0 {
			shown.Groups = append(shown.Groups, g)
		}
	}
	return shown
}

func (v *visit) step(s api.SyncStep) ui.Step {
	shown := ui.Step{
		Title: s.Title, RemoteID: s.RemoteID, Exposure: s.Exposure, Was: s.Was, Audience: s.Audience, Environment: s.Environment, BaseURL: s.BaseURL,
	}
	for _, f := range s.Fields {
		was, is := f.Was, f.Is
		switch f.Name {
		case string(portal.AxisAudience):
			was, is = v.named(was, v.text.Audience), v.named(is, v.text.Audience)
		case string(portal.AxisEnvironment):
			was, is = v.named(was, v.text.Environment), v.named(is, v.text.Environment)
		case "active":
			was, is = v.text.Served(was), v.text.Served(is)
		}
		shown.Fields = append(shown.Fields, ui.StepField{Name: v.text.StepField(f.Name), Was: was, Is: is, Why: v.text.Layer(f.Layer)})
	}
	return shown
}

// named names a value, or says that there is none.
func (v *visit) named(value string, name func(string) string) string {
	if value == "" {
		return v.text.T("step.unknown")
	}
	return name(value)
}

func trafficView(t *api.Traffic) *ui.Traffic {
	if t == nil {
		return nil
	}
	return &ui.Traffic{
		Open: t.Circuit == "open", Since: t.Since, Until: t.Until, Failures: t.Failures, Why: t.Why, Paused: t.Paused, Waiting: t.Waiting, Watching: t.Watching,
	}
}

func (v *visit) budgetView(b api.Budget) ui.BudgetView {
	return ui.BudgetView{
		PerSecond: v.text.Decimal(b.PerSecond), Burst: v.text.Number(b.Burst), Parallel: v.text.Number(b.Parallel),
	}
}

// plainEvery writes a duration without what is zero in it: "5m", not "5m0s".
func plainEvery(text string) string {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return text
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + " h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	case d%time.Second == 0:
		return strconv.Itoa(int(d/time.Second)) + " s"
	}
	return d.String()
}

// administersGateways reports whether the reader may change those gateways that they see.
func (v *visit) administersGateways() bool {
	return v.is(access.PlatformAdministrator, access.DivisionAdministrator)
}

func (s *site) run(v *visit) error {
	g, err := v.desk.Gateway(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	r, err := v.desk.Run(v.ctx(), g.ID, v.r.PathValue("run"))
	if err != nil {
		return err
	}
	shown := v.gatewayView(g)
	page := ui.RunPage{
		Run: v.run(r), Gateway: g.ID, GatewayTitle: shown.Title,
		CanDecide: v.administersGateways() && r.State == "waiting", CanPlan: v.administersGateways() && !g.Paused,
	}
	page.Plan = v.planned(r.Plan)
	title := v.text.T("run.title", "Gateway", shown.Title)
	if r.Dry {
		title = v.text.T("run.plan_title", "Gateway", shown.Title)
	}
	p := v.in(ui.GatewaysPath, title, v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: shown.Title, Href: ui.Below(ui.GatewaysPath, g.ID)})
	if r.State == "running" {
		p.Refresh = 3
	}
	return v.render(ui.RunPageView(p, page))
}

func (s *site) planSync(v *visit) error {
	r, err := v.desk.PlanSync(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.GatewaysPath, r.Gateway, "runs", r.ID), "")
}

func (s *site) askApply(v *visit) error {
	return v.askAbout(func(r api.Run, back string) ui.Confirm {
		return ui.Confirm{
			Title: v.text.N("apply.title", r.Removing), Text: v.text.T("apply.text"),
			Points: []string{v.text.T("apply.point_keys"), v.text.T("apply.point_again")},
			Action: ui.Below(back, "apply"), Button: v.text.N("run.apply", r.Removing), Danger: true, Back: back,
		}
	})
}

func (s *site) askDiscard(v *visit) error {
	return v.askAbout(func(r api.Run, back string) ui.Confirm {
		return ui.Confirm{
			Title: v.text.T("discard.title"), Text: v.text.T("discard.text"), Points: []string{v.text.T("discard.point")},
			Action: ui.Below(back, "discard"), Button: v.text.T("run.discard"), Back: back,
		}
	})
}

// askAbout asks whether somebody really wants what is to become of a waiting run. One that does not wait is shown instead.
func (v *visit) askAbout(ask func(r api.Run, back string) ui.Confirm) error {
	r, err := v.desk.Run(v.ctx(), v.r.PathValue("gateway"), v.r.PathValue("run"))
	if err != nil {
		return err
	}
	back := ui.Below(ui.GatewaysPath, r.Gateway, "runs", r.ID)
	if r.State != "waiting" || !v.administersGateways() {
		return v.done(back, "")
	}
	return v.confirm(ui.GatewaysPath, ask(r, back))
}

func (s *site) applyRun(v *visit) error {
	r, err := v.desk.ApplyRun(v.ctx(), v.r.PathValue("gateway"), v.r.PathValue("run"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.GatewaysPath, r.Gateway, "runs", r.ID), "")
}

func (s *site) discardRun(v *visit) error {
	r, err := v.desk.DiscardRun(v.ctx(), v.r.PathValue("gateway"), v.r.PathValue("run"))
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.GatewaysPath, r.Gateway, "runs", r.ID), "")
}
