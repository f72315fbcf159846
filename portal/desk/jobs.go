package desk

import (
	"context"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/audit"
	"concierge/portal/jobs"
	"concierge/portal/store"
)

// JobBoard knows the portal's jobs. It does not ask who wants to know: the desk has asked. *jobs.Runner is one.
type JobBoard interface {
	// Jobs lists up to limit jobs in the order of api.Jobs, from where an earlier list ended.
	Jobs(ctx context.Context, f jobs.Filter, after string, limit int) (found []jobs.Status, next string, err error)
	Job(ctx context.Context, id string) (jobs.Status, error)
	RunNow(ctx context.Context, id string) (jobs.Status, error)
}

// operates answers whoever may not see the portal's own work as if what they name did not exist. there says whether this
// portal has it at all.
func (d *desk) operates(what string, there bool) error {
	switch {
	case !access.MayOperate(d.caller):
		return fmt.Errorf("%s: %w", what, portal.ErrNotFound)
	case !there:
		return fmt.Errorf("%s: this portal was started without them: %w", what, portal.ErrUnsupported)
	}
	return nil
}

func (d *desk) Jobs(ctx context.Context, q api.JobsQuery) (page api.Page[api.Job], err error) {
	if err := d.operates("jobs", d.Parts.Jobs != nil); err != nil {
		return page, err
	}
	after, err := openCursor[string](d, "jobs", q.Cursor)
	if err != nil {
		return page, err
	}
	found, next, err := d.Parts.Jobs.Jobs(ctx, jobs.Filter{Kind: q.Kind, State: jobs.State(q.State)}, after, limit(q.Limit))
	if err != nil {
		return page, err
	}
	page.Items = make([]api.Job, len(found))
	for i, j := range found {
		page.Items[i] = shownJob(j)
	}
	page.Next, err = sealCursor(d, "jobs", next)
	return page, err
}

func shownJob(j jobs.Status) api.Job {
	return api.Job{
		ID: j.ID, Kind: j.Kind, Subject: j.Subject, State: string(j.State), Attempt: j.Attempt, Error: j.Error,
		Created: j.Created, Due: j.Due, Ended: timeOrNil(j.Ended), Periodic: j.Periodic,
	}
}

func (d *desk) Job(ctx context.Context, id string) (api.Job, error) {
	if err := d.operates("jobs", d.Parts.Jobs != nil); err != nil {
		return api.Job{}, err
	}
	j, err := d.Parts.Jobs.Job(ctx, id)
	if err != nil {
		return api.Job{}, err
	}
	return shownJob(j), nil
}

// RunJob is recorded before the job is told to run: it may be at work before anything could be recorded afterwards.
func (d *desk) RunJob(ctx context.Context, id string) (api.Job, error) {
	j, err := d.Job(ctx, id)
	if err != nil {
		return api.Job{}, err
	}
	err = d.DB.InTx(ctx, func(tx store.Tx) error {
		return tx.Audit().Append(ctx, audit.Event{
			At: d.Now(), Actor: string(d.caller.Person), Action: "job.run", Target: j.ID, Detail: map[string]string{"kind": j.Kind, "subject": j.Subject},
		})
	})
	if err != nil {
		return api.Job{}, fmt.Errorf("running job %s: %w", id, err)
	}
	told, err := d.Parts.Jobs.RunNow(ctx, id)
	if err != nil {
		return api.Job{}, err
	}
	return shownJob(told), nil
}
