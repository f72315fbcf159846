package v1

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal"
	"concierge/portal/api"
)

func (s *server) jobs() {
	type jobsIn struct {
		Paging
		Kind  string `query:"kind" maxLength:"100"`
		State string `query:"state" enum:"scheduled,available,running,retrying,completed,cancelled,failed"`
	}
	read(s, "/jobs", "jobs", "What the portal does by itself: what waits or runs, then what has ended", func(ctx context.Context, d api.Desk, in *jobsIn) (api.Page[api.Job], error) {
		return d.Jobs(ctx, api.JobsQuery{Paging: in.paging(), Kind: in.Kind, State: in.State})
	})
	read(s, "/jobs/{id}", "job", "One job", func(ctx context.Context, d api.Desk, in *Thing) (api.Job, error) { return d.Job(ctx, in.ID) })
	post[OnceThing, api.Job]{
		path: "/jobs/{id}/run", id: "run-job", summary: "Let a job that waits, or has failed, run now", status: http.StatusAccepted,
		key: func(in *OnceThing) string { return in.Key }, body: func(*OnceThing) any { return nil },
		do: func(ctx context.Context, d api.Desk, in *OnceThing) (api.Job, error) { return d.RunJob(ctx, in.ID) },
		of: func(j api.Job) string { return j.ID },
		again: func(ctx context.Context, d api.Desk, _ *OnceThing, id string) (api.Job, error) {
			return d.Job(ctx, id)
		},
	}.register(s)
}

// Place names a site. As Paging, it is exported for huma.
type Place struct {
	Site string `path:"site" maxLength:"63"`
}

// OncePlace is a POST about a site.
type OncePlace struct {
	Place
	Once
}

func (s *server) sites() {
	read(s, "/sites", "sites", "The places from which gateways are reached", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[api.Site], error) {
		items, err := d.Sites(ctx)
		return api.Page[api.Site]{Items: items}, err
	})
	read(s, "/sites/{site}", "site", "One site", func(ctx context.Context, d api.Desk, in *Place) (api.Site, error) { return d.Site(ctx, in.Site) })
	post[OncePlace, api.CreatedEnrolmentBody]{
		path: "/sites/{site}/enrolments", id: "create-enrolment", summary: "Make a token with which one worker joins the site; it is in this one answer", status: http.StatusCreated,
		key: func(in *OncePlace) string { return in.Key }, body: func(*OncePlace) any { return nil },
		do: func(ctx context.Context, d api.Desk, in *OncePlace) (api.CreatedEnrolmentBody, error) {
			e, err := d.CreateEnrolment(ctx, in.Site)
			return api.CreatedEnrolmentBody{Enrolment: e.Enrolment, Token: e.Token.Reveal()}, err
		},
		of: func(b api.CreatedEnrolmentBody) string { return b.ID },
		again: func(ctx context.Context, d api.Desk, in *OncePlace, id string) (api.CreatedEnrolmentBody, error) {
			site, err := d.Site(ctx, in.Site)
			if err != nil {
				return api.CreatedEnrolmentBody{}, err
			}
			i := slices.IndexFunc(site.Enrolments, func(e api.Enrolment) bool { return e.ID == id })
			if i < 0 {
				return api.CreatedEnrolmentBody{}, &portal.ConflictError{ID: id, Err: errors.New("the enrolment that this request made has been used or has ended; make another with a new Idempotency-Key")}
			}
			return api.CreatedEnrolmentBody{Enrolment: site.Enrolments[i]}, nil
		},
	}.register(s)
	huma.Register(s.api, huma.Operation{OperationID: "revoke-enrolment", Method: http.MethodDelete, Path: prefix + "/enrolments/{id}", Summary: "Make an enrolment's token useless", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *Thing) (*struct{}, error) {
			if err := callOf(ctx).desk.RevokeEnrolment(ctx, in.ID); err != nil {
				return nil, s.problem(ctx, err)
			}
			return nil, nil
		})
	change(s, http.MethodDelete, "/workers/{id}", "revoke-worker", "End at once what a worker may do", func(ctx context.Context, d api.Desk, in *Thing) (api.Worker, error) {
		return d.RevokeWorker(ctx, in.ID)
	})
}
