package v1

import (
	"context"
	"net/http"

	"concierge/portal/api"
)

// OnceAct is a POST about what was done to an API.
type OnceAct struct {
	Thing
	Act string `path:"act"`
	Once
}

// onceOf is a POST about one thing that says something.
type onceOf[T any] struct {
	Thing
	Once
	Body T
}

func (s *server) reviews() {
	type reviewsIn struct {
		Paging
		State    string `query:"state" enum:"open,accepted,rejected" doc:"Those that are open where it is absent"`
		Kind     string `query:"kind" enum:"join,rename" doc:"Those of one kind"`
		Gateway  string `query:"gateway" doc:"Those of which one deployment is published there"`
		Division string `query:"division" doc:"Those that concern an API that it owns"`
		After    string `query:"after" doc:"Id of a review: those that come after it; a cursor goes before it"`
	}
	read(s, "/reviews", "reviews", "What may be one API, or the same deployment under another name, and waits for a person", func(ctx context.Context, d api.Desk, in *reviewsIn) (api.ReviewList, error) {
		return d.Reviews(ctx, api.ReviewsQuery{Paging: in.paging(), State: in.State, Kind: in.Kind, Gateway: in.Gateway, Division: in.Division, After: in.After})
	})
	read(s, "/reviews/{id}", "review", "One review, with the operations of both documents", func(ctx context.Context, d api.Desk, in *Thing) (api.Review, error) {
		return d.Review(ctx, in.ID)
	})
	for _, answer := range []struct {
		name, summary string
		do            func(api.Desk, context.Context, string) (api.Review, error)
	}{
		{"accept", "Say yes; a join across two divisions stays open until both have said so", api.Desk.AcceptReview},
		{"reject", "Say no: the two stay apart from now on", api.Desk.RejectReview},
		{"reopen", "Take the answer back, with what came of it", api.Desk.ReopenReview},
	} {
		post[OnceThing, api.Review]{
			path: "/reviews/{id}/" + answer.name, id: answer.name + "-review", summary: answer.summary, status: http.StatusOK,
			key: func(in *OnceThing) string { return in.Key }, body: func(*OnceThing) any { return nil },
			do: func(ctx context.Context, d api.Desk, in *OnceThing) (api.Review, error) {
				return answer.do(d, ctx, in.ID)
			},
			of: func(v api.Review) string { return v.ID },
			again: func(ctx context.Context, d api.Desk, _ *OnceThing, id string) (api.Review, error) {
				return d.Review(ctx, id)
			},
		}.register(s)
	}
	read(s, "/apis/{id}/composition", "composition", "Which deployments are this API, and why; for those who govern it", func(ctx context.Context, d api.Desk, in *Thing) (api.Composition, error) {
		return d.Composition(ctx, in.ID)
	})
	compose(s, "/apis/{id}/split", "split-api", "Give some deployments an API of their own", func(ctx context.Context, d api.Desk, in *onceOf[api.Chosen]) (api.Composition, error) {
		return d.SplitAPI(ctx, in.ID, in.Body)
	})
	compose(s, "/apis/{id}/join", "join-api", "Make this API a part of another", func(ctx context.Context, d api.Desk, in *onceOf[api.Target]) (api.Composition, error) {
		return d.JoinAPI(ctx, in.ID, in.Body)
	})
	compose(s, "/apis/{id}/confirm", "confirm-api", "Settle automatic joins: routing counts them like all others from now on", func(ctx context.Context, d api.Desk, in *onceOf[api.Chosen]) (api.Composition, error) {
		return d.ConfirmAPI(ctx, in.ID, in.Body)
	})
	post[OnceAct, api.Composition]{
		path: "/apis/{id}/acts/{act}/undo", id: "undo-act", summary: "Take a join or a split back", status: http.StatusOK,
		key: func(in *OnceAct) string { return in.Key }, body: func(*OnceAct) any { return nil },
		do: func(ctx context.Context, d api.Desk, in *OnceAct) (api.Composition, error) {
			return d.UndoEntryAct(ctx, in.ID, in.Act)
		},
		of: func(c api.Composition) string { return c.API },
		again: func(ctx context.Context, d api.Desk, _ *OnceAct, id string) (api.Composition, error) {
			return d.Composition(ctx, id)
		},
	}.register(s)
}

// compose registers a POST that changes which deployments are an API.
func compose[T any](s *server, path, id, summary string, do func(context.Context, api.Desk, *onceOf[T]) (api.Composition, error)) {
	post[onceOf[T], api.Composition]{
		path: path, id: id, summary: summary, status: http.StatusOK,
		key: func(in *onceOf[T]) string { return in.Key }, body: func(in *onceOf[T]) any { return in.Body }, do: do,
		of: func(c api.Composition) string { return c.API },
		again: func(ctx context.Context, d api.Desk, _ *onceOf[T], name string) (api.Composition, error) {
			return d.Composition(ctx, name)
		},
	}.register(s)
}
