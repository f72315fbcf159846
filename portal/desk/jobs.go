package desk

import (
	"context"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
)

// JobBoard knows the portal's jobs. It does not ask who wants to know: the desk has asked. A job that is not there is
// portal.ErrNotFound.
type JobBoard interface {
	// Jobs lists them in the order of api.Jobs. The cursors are the board's own: the desk seals them.
	Jobs(ctx context.Context, q api.JobsQuery) (api.Page[api.Job], error)
	Job(ctx context.Context, id string) (api.Job, error)
	// RunJob is recorded as done by the actor. portal.ErrConflict where the job is running or has done its work.
	RunJob(ctx context.Context, actor, id string) (api.Job, error)
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
	const list = "jobs"
	if q.Cursor, err = openCursor[string](d, list, q.Cursor); err != nil {
		return page, err
	}
	q.Limit = limit(q.Limit)
	if page, err = d.Parts.Jobs.Jobs(ctx, q); err != nil {
		return page, err
	}
	if page.Items == nil {
		page.Items = []api.Job{}
	}
	page.Next, err = sealCursor(d, list, page.Next)
	return page, err
}

func (d *desk) Job(ctx context.Context, id string) (api.Job, error) {
	if err := d.operates("jobs", d.Parts.Jobs != nil); err != nil {
		return api.Job{}, err
	}
	return d.Parts.Jobs.Job(ctx, id)
}

func (d *desk) RunJob(ctx context.Context, id string) (api.Job, error) {
	if err := d.operates("jobs", d.Parts.Jobs != nil); err != nil {
		return api.Job{}, err
	}
	return d.Parts.Jobs.RunJob(ctx, string(d.caller.Person), id)
}
