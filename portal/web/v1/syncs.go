package v1

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// Part names a run of a gateway. As Paging, it is exported for huma.
type Part struct {
	Thing
	Run string `path:"run"`
}

type oncePart struct {
	Part
	Once
}

type syncIn struct {
	OnceThing
	Body *api.SyncRequest
}

func (s *server) syncs() {
	post[syncIn, api.Run]{
		path: "/gateways/{id}/sync", id: "sync", summary: "Read the gateway now, or work out what that would do; answers the run, which goes on", status: http.StatusAccepted,
		key: func(in *syncIn) string { return in.Key }, body: func(in *syncIn) any { return orZero(in.Body) },
		do: func(ctx context.Context, d api.Desk, in *syncIn) (api.Run, error) {
			if orZero(in.Body).Plan {
				return d.PlanSync(ctx, in.ID)
			}
			return d.Sync(ctx, in.ID)
		},
		of: func(r api.Run) string { return r.ID },
		again: func(ctx context.Context, d api.Desk, in *syncIn, id string) (api.Run, error) {
			return d.Run(ctx, in.ID, id)
		},
	}.register(s)
	type runsIn struct {
		Thing
		Paging
	}
	read(s, "/gateways/{id}/runs", "runs", "The syncs of a gateway, newest first", func(ctx context.Context, d api.Desk, in *runsIn) (api.Page[api.Run], error) {
		return d.Runs(ctx, in.ID, in.paging())
	})
	read(s, "/gateways/{id}/runs/{run}", "run", "One sync, with what it did or would do", func(ctx context.Context, d api.Desk, in *Part) (api.Run, error) {
		return d.Run(ctx, in.ID, in.Run)
	})
	for verb, summary := range map[string]string{
		"apply":   "Sync again, and let that remove what a waiting sync wanted to remove, but no more",
		"discard": "Say no to what a waiting sync wanted to remove",
	} {
		do, status := func(ctx context.Context, d api.Desk, in *oncePart) (api.Run, error) {
			return d.ApplyRun(ctx, in.ID, in.Run)
		}, http.StatusAccepted
		if verb == "discard" {
			do, status = func(ctx context.Context, d api.Desk, in *oncePart) (api.Run, error) {
				return d.DiscardRun(ctx, in.ID, in.Run)
			}, http.StatusOK
		}
		post[oncePart, api.Run]{
			path: "/gateways/{id}/runs/{run}/" + verb, id: verb + "-run", summary: summary, status: status,
			key: func(in *oncePart) string { return in.Key }, body: func(*oncePart) any { return nil },
			do: do, of: func(r api.Run) string { return r.ID },
			again: func(ctx context.Context, d api.Desk, in *oncePart, id string) (api.Run, error) {
				return d.Run(ctx, in.ID, id)
			},
		}.register(s)
	}
}
