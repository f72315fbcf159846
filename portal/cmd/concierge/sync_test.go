package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// syncing is a portal whose runs go through the states given.
type syncing struct {
	api.Syncs
	states []api.Run
	dry    bool
	err    error
}

func (s *syncing) Sync(context.Context, string) (api.Run, error) { return s.states[0], s.err }
func (s *syncing) PlanSync(context.Context, string) (api.Run, error) {
	s.dry = true
	return s.states[0], s.err
}
func (s *syncing) Run(context.Context, string, string) (api.Run, error) {
	if len(s.states) > 1 {
		s.states = s.states[1:]
	}
	return s.states[0], nil
}

func TestSyncSaysHowItEnded(t *testing.T) {
	end := func(state string, change func(*api.Run)) api.Run {
		ended := time.Now()
		r := api.Run{ID: "run_1", State: state, Ended: &ended, Plan: &api.SyncPlan{}}
		if change != nil {
			change(&r)
		}
		return r
	}
	steps := func(r *api.Run) {
		r.Plan = &api.SyncPlan{More: 7, Steps: []api.SyncStep{
			{Kind: "remove", Title: "Bad\x1b[2J", RemoteID: "a", Audience: "partner", Environment: "test"},
			{Kind: "rename", Title: "New", RemoteID: "c", Was: "b", Exposure: "e", Fields: []api.SyncField{{Name: "audience", Was: "", Is: "partner", Layer: "rule"}}},
		}}
	}
	dry := func(r *api.Run) { r.Dry = true }
	for name, tc := range map[string]struct {
		last   api.Run
		plan   bool
		status int // 1: any other error
		says   string
	}{
		"unchanged":         {end("unchanged", nil), false, 0, "unchanged: 0 added"},
		"applied":           {end("applied", steps), false, 0, "and 7 more"},
		"failed":            {end("failed", func(r *api.Run) { r.Error = "connection refused" }), false, 1, "failed"},
		"waits":             {end("waiting", func(r *api.Run) { r.Removing = 9 }), false, exitWaits, "waiting"},
		"nothing to do":     {end("planned", dry), true, 0, "planned"},
		"would change":      {end("planned", func(r *api.Run) { dry(r); steps(r) }), true, exitChanges, `- remove     "Bad\x1b[2J" [a] partner/test` + "\n~ rename     New [c e] ?/? (was b)\n" + `               audience: "" -> "partner" (rule)`},
		"would wait":        {end("planned", func(r *api.Run) { dry(r); steps(r); r.Removing = 5 }), true, exitWaits, "remove"},
		"cannot be planned": {end("planned", func(r *api.Run) { dry(r); r.Error = "denied" }), true, 1, "planned"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &syncing{states: []api.Run{{ID: "run_1", State: "running", Phase: "probe"}, {ID: "run_1", State: "running", Phase: "documents", Done: 3, Total: 9}, tc.last, tc.last}}
			var out, progress bytes.Buffer
			err := runSync(t.Context(), s, "kong", tc.plan, false, &out, &progress)
			status := 0
			if own, ok := errors.AsType[*exit](err); ok {
				status = own.status
			} else if err != nil {
				status = 1
			}
			if status != tc.status || !strings.Contains(out.String(), tc.says) || s.dry != tc.plan {
				t.Errorf("status %d (%v), printed\n%s", status, err, &out)
			}
			if progress.String() != "probe\ndocuments 3/9\n" {
				t.Errorf("progress %q", &progress)
			}
		})
	}
	if err := runSync(t.Context(), &syncing{states: []api.Run{{}}, err: portal.ErrNotFound}, "kong", false, false, &bytes.Buffer{}, &bytes.Buffer{}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("a gateway that is not there: %v", err)
	}
}
