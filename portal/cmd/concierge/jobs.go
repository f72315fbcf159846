package main

import (
	"context"
	"time"

	"concierge/portal"
	"concierge/portal/ingest"
	"concierge/portal/jobs"
	"concierge/portal/keys"
)

// The kinds of job that have no package of their own.
const (
	jobForgetPeople   = "forget-people"
	jobForgetRequests = "forget-requests"
)

// work says who does which job.
func (s *server) work(r *jobs.Runner) {
	// upkeep is a job that has no subject and nothing to come back for but its next period.
	upkeep := func(do func(context.Context) error) jobs.Handler {
		return func(ctx context.Context, _ string) (time.Time, error) { return time.Time{}, do(ctx) }
	}
	r.Handle(keys.JobSweep, jobs.Options{Every: keys.SweepEvery}, upkeep(s.keys.Sweep))
	r.Handle(keys.JobActs, jobs.Options{Timeout: keys.ActTimeout}, func(ctx context.Context, gateway string) (time.Time, error) {
		return s.keys.Act(ctx, portal.GatewayID(gateway))
	})
	r.Handle(keys.JobReconcile, jobs.Options{Every: s.keys.ReconcileEvery(), Timeout: keys.ActTimeout}, func(ctx context.Context, gateway string) (time.Time, error) {
		if gateway == "" {
			return time.Time{}, s.keys.ReconcileAll(ctx)
		}
		return time.Time{}, s.keys.Reconcile(ctx, portal.GatewayID(gateway))
	})
	r.Handle(ingest.JobSchedule, jobs.Options{Every: ingest.ScheduleEvery}, upkeep(s.ingest.Schedule))
	r.Handle(ingest.JobForget, jobs.Options{Every: ingest.ForgetEvery}, upkeep(s.ingest.Forget))
	r.Handle(ingest.JobSync, jobs.Options{Timeout: ingest.DefaultTimeout + time.Minute}, func(ctx context.Context, gateway string) (time.Time, error) {
		return s.ingest.Scheduled(ctx, portal.GatewayID(gateway))
	})
	r.Handle(ingest.JobWatch, jobs.Options{Timeout: ingest.WatchFor + time.Minute}, func(ctx context.Context, gateway string) (time.Time, error) {
		return s.ingest.Watch(ctx, portal.GatewayID(gateway))
	})
	r.Handle(jobForgetPeople, jobs.Options{Every: 10 * time.Minute}, upkeep(s.people.Expire))
	r.Handle(jobForgetRequests, jobs.Options{Every: time.Hour}, upkeep(func(ctx context.Context) error {
		const keep = 24 * time.Hour
		return s.db.DropRequestsBefore(ctx, time.Now().Add(-keep))
	}))
}
