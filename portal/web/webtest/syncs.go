package webtest

import (
	"context"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// fillPlans says of some runs what they did or would do.
func (w *World) fillPlans() {
	gone := func(title, id string) api.SyncStep {
		return api.SyncStep{Kind: "remove", Title: title, RemoteID: id, Audience: "internal", Environment: "production", BaseURL: "https://api.core.meridian.internal/" + id}
	}
	waiting := &api.SyncPlan{Steps: []api.SyncStep{gone("Loans", "svc-loans"), gone("Rates", "svc-rates"), gone("Vault", "svc-vault")}, More: 38}
	applied := &api.SyncPlan{Steps: []api.SyncStep{
		{Kind: "reclassify", Title: "Orders", RemoteID: "svc-orders", Exposure: "edge", Audience: "partner", Environment: "simulation", BaseURL: "https://partner.meridian.example/sim/orders",
			Fields: []api.SyncField{{Name: "environment", Was: "production", Is: "simulation", Layer: "rule"}, {Name: "base_url", Was: "https://partner.meridian.example/orders", Is: "https://partner.meridian.example/sim/orders"}}},
		{Kind: "rename", Title: "Bookings", RemoteID: "bookings-v4", Was: "bookings", Audience: "partner", Environment: "production", Fields: []api.SyncField{{Name: "title", Was: "Booking", Is: "Bookings"}}},
		{Kind: "offer", Title: "Fleet", RemoteID: "fleet-2", Was: "fleet", Audience: "partner", Environment: "test"},
		{Kind: "change", Title: "Payments", RemoteID: "svc-payments", Audience: "partner", Environment: "production",
			Fields: []api.SyncField{{Name: "description"}, {Name: "document"}, {Name: "plans", Was: "Silver (automatic)", Is: "Silver (automatic), Gold (required)"}}},
		{Kind: "back", Title: "Branches", RemoteID: "svc-branches", Audience: "public", Environment: "production"},
		{Kind: "add", Title: "Refunds", RemoteID: "svc-refunds", BaseURL: "https://partner.meridian.example/refunds"},
	}}
	for i := range w.runs {
		switch r := &w.runs[i]; {
		case r.State == "waiting":
			r.ID, r.Plan, r.Removing = "run_waiting", waiting, r.Removed
		case r.State == "applied" && r.Gateway == "partner-edge":
			r.ID, r.Plan, r.Trigger, r.By = "run_applied", applied, "person", "Alice Martin"
		case r.State == "failed":
			r.ID = "run_failed"
		}
	}
	old := func(id, gateway, state string, ago time.Duration, plan *api.SyncPlan) *api.Run {
		w.runs = append(w.runs, api.Run{
			ID: id, Gateway: gateway, State: state, Dry: state == "planned", Trigger: "person", By: "Alice Martin",
			Started: at(ago), Ended: before(ago - 2*time.Second), Unchanged: 28, Plan: plan,
		})
		return &w.runs[len(w.runs)-1]
	}
	planned := old("run_planned", "classic-paris", "planned", 40*hour, waiting)
	planned.Removing, planned.Removed = 41, 41
	old("run_empty", "partner-edge", "planned", 2*hour, &api.SyncPlan{Steps: []api.SyncStep{}})
	no := old("run_discarded", "core-frankfurt", "discarded", 3*day, waiting)
	no.Trigger, no.By, no.DecidedBy, no.Removed = "schedule", "", "Alice Martin", 41
	for i := range w.runs {
		if w.runs[i].Trigger == "" {
			w.runs[i].Trigger = "schedule"
		}
	}
	for i := range w.gateways {
		g := &w.gateways[i]
		g.Every, g.Budget = "5m0s", api.Budget{PerSecond: 200, Burst: 400, Parallel: 16}
		switch g.ID {
		case "partner-edge":
			g.NextSync, g.Traffic = before(-time.Minute), &api.Traffic{Circuit: "closed", Watching: true}
			g.Capabilities = &api.Capabilities{}
			*g.Capabilities = *w.gateways[1].Capabilities
			g.Capabilities.Discovery = "watch"
		case "classic-paris":
			g.NextSync = before(-20 * time.Minute)
		case "public-edge":
			g.Traffic = &api.Traffic{Circuit: "open", Since: before(19 * time.Minute), Until: before(-time.Minute), Failures: 9, Why: "it answered 502", Waiting: 2}
		}
	}
}

func (d *desk) PlanSync(_ context.Context, id string) (api.Run, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, id)
	if err != nil {
		return api.Run{}, err
	}
	now := w.now()
	r := api.Run{
		ID: w.next("run"), Gateway: g.ID, State: "planned", Dry: true, Trigger: "person", By: p.Name, Started: now, Ended: &now, Unchanged: g.Deployments,
		Plan: &api.SyncPlan{Steps: []api.SyncStep{}},
	}
	w.runs = append([]api.Run{r}, w.runs...)
	return r, nil
}

func (d *desk) ApplyRun(_ context.Context, gateway, id string) (api.Run, error) {
	return d.settle(gateway, id, func(w *World, _ *person, r *api.Run) api.Run {
		return api.Run{ID: w.next("run"), Gateway: gateway, State: "running", Phase: "documents", Done: 12, Total: 64, Trigger: "person", Started: w.now()}
	})
}

func (d *desk) DiscardRun(_ context.Context, gateway, id string) (api.Run, error) {
	return d.settle(gateway, id, func(_ *World, p *person, r *api.Run) api.Run {
		r.State, r.DecidedBy = "discarded", p.Name
		return *r
	})
}

func (d *desk) settle(gateway, id string, do func(*World, *person, *api.Run) api.Run) (api.Run, error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.findGateway(p, gateway); err != nil {
		return api.Run{}, err
	}
	for i := range w.runs {
		r := &w.runs[i]
		if r.ID != id || r.Gateway != gateway {
			continue
		}
		if r.State != "waiting" {
			return api.Run{}, fmt.Errorf("sync %s does not wait: %w", id, portal.ErrConflict)
		}
		came := do(w, p, r)
		if came.ID != id {
			w.runs = append([]api.Run{came}, w.runs...)
		}
		return came, nil
	}
	return api.Run{}, missing("run", id)
}
