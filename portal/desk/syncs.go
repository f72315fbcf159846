package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/catalog"
	"concierge/portal/ingest"
	"concierge/portal/people"
)

func (d *desk) PlanSync(ctx context.Context, gateway string) (api.Run, error) {
	return d.administer(ctx, gateway, func(id portal.GatewayID) (catalog.Run, error) {
		return d.Ingest.Plan(ctx, id, string(d.caller.Person))
	})
}

func (d *desk) ApplyRun(ctx context.Context, gateway, run string) (api.Run, error) {
	return d.administer(ctx, gateway, func(id portal.GatewayID) (catalog.Run, error) {
		return d.Ingest.Apply(ctx, id, portal.RunID(run), string(d.caller.Person))
	})
}

func (d *desk) DiscardRun(ctx context.Context, gateway, run string) (api.Run, error) {
	return d.administer(ctx, gateway, func(id portal.GatewayID) (catalog.Run, error) {
		return d.Ingest.Discard(ctx, id, portal.RunID(run), string(d.caller.Person))
	})
}

// administer does something for those who may change a gateway, and shows the run that came of it.
func (d *desk) administer(ctx context.Context, gateway string, do func(portal.GatewayID) (catalog.Run, error)) (api.Run, error) {
	g, err := d.visible(ctx, gateway, access.MayAdministerGateway)
	if err != nil {
		return api.Run{}, err
	}
	run, err := do(g.ID)
	if err != nil {
		return api.Run{}, err
	}
	shown, err := d.shownRuns(ctx, run)
	if err != nil {
		return api.Run{}, err
	}
	return shown[0], nil
}

// shownRuns are runs as people see them, with the names of those who had a hand in them.
func (d *desk) shownRuns(ctx context.Context, runs ...catalog.Run) ([]api.Run, error) {
	names := map[string]string{}
	for _, r := range runs {
		for _, actor := range []string{r.Actor, r.Decided} {
			if actor != "" && !strings.HasPrefix(actor, "system:") {
				names[actor] = ""
			}
		}
	}
	if len(names) > 0 {
		err := d.people.View(ctx, func(tx people.Tx) error {
			for id := range names {
				p, err := tx.People().Person(ctx, portal.PersonID(id))
				if err != nil && !errors.Is(err, portal.ErrNotFound) {
					return err
				}
				names[id] = p.Name
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("looking up who started a sync: %w", err)
		}
	}
	shown := make([]api.Run, len(runs))
	for i, r := range runs {
		shown[i] = api.Run{
			ID: string(r.ID), Gateway: string(r.Gateway), State: string(r.State), Dry: r.Dry, Phase: r.Phase, Done: r.Done, Total: r.Total,
			Trigger: "person", By: names[r.Actor], DecidedBy: names[r.Decided], Removing: len(r.Removing),
			Added: r.Added, Changed: r.Changed, Removed: r.Removed, Unchanged: r.Unchanged, Warnings: r.Warnings, Error: r.Error,
			Started: r.Started, Ended: timeOrNil(r.Ended),
		}
		switch {
		case r.Actor == ingest.ScheduleActor:
			shown[i].Trigger = "schedule"
		case r.Actor == ingest.WatchActor:
			shown[i].Trigger = "watch"
		case strings.HasPrefix(r.Actor, "system:"):
			shown[i].Trigger = "system"
		}
	}
	return shown, nil
}

func shownPlan(p catalog.Plan) *api.SyncPlan {
	shown := &api.SyncPlan{Steps: []api.SyncStep{}, More: p.More}
	for _, s := range p.Steps {
		step := api.SyncStep{
			Kind: string(s.Kind), Title: s.Title, RemoteID: s.RemoteID, Exposure: s.Exposure, Was: s.Was,
			Audience: string(s.Audience), Environment: string(s.Environment), BaseURL: s.BaseURL,
		}
		for _, f := range s.Fields {
			step.Fields = append(step.Fields, api.SyncField{Name: f.Name, Was: f.Was, Is: f.Is, Layer: string(f.Layer)})
		}
		shown.Steps = append(shown.Steps, step)
	}
	return shown
}

// traffic says how this process gets on with a gateway; nil where it has not called it.
func (d *desk) traffic(g catalog.Gateway) *api.Traffic {
	s, called := d.Service.Gateways.Pace(g.ID)
	if !called {
		return nil
	}
	t := &api.Traffic{Circuit: "closed", Failures: s.Failures, Why: s.Why, Waiting: s.Waiting, Watching: d.Ingest.Watching(g.ID)}
	if s.Open {
		t.Circuit, t.Since, t.Until = "open", timeOrNil(s.Since), timeOrNil(s.Until)
	}
	if s.Paused.After(time.Now()) {
		t.Paused = timeOrNil(s.Paused)
	}
	return t
}
