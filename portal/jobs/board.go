package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"concierge/portal"
	"concierge/portal/told"
)

// State says how a job stands.
type State string

// The states of a job. Available ones start within a second; retrying ones failed and wait for their next try.
const (
	Scheduled State = "scheduled"
	Available State = "available"
	Running   State = "running"
	Retrying  State = "retrying"
	Completed State = "completed"
	Cancelled State = "cancelled"
	Failed    State = "failed" // given up
)

// Status is a job as an administrator sees it.
type Status struct {
	ID       string
	Kind     string
	Subject  string
	State    State
	Attempt  int    // 1 for the first since it went well last
	Error    string // why it failed last, without secrets; empty once it went well
	Created  time.Time
	Due      time.Time // when it runs next, or ran
	Ended    time.Time // zero: it has not
	Periodic bool
}

// Filter narrows a list. Empty fields do not.
type Filter struct {
	Kind  string
	State State
}

// maxPage is the most that is listed at once.
const maxPage = 200

// Jobs lists up to limit jobs that come after what an earlier page returned as next: those that wait or run first, by when
// they are due, then those that have ended, the newest first. next is empty on the last page. portal.ErrInvalid where
// after is not from here.
func (r *Runner) Jobs(ctx context.Context, f Filter, after string, limit int) (found []Status, next string, err error) {
	limit = min(max(limit, 1), maxPage)
	at, err := parsePlace(after)
	if err != nil {
		return nil, "", err
	}
	for at.part < len(parts) {
		rows, end, err := r.list(ctx, f, &at, limit-len(found))
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			if s := r.status(row); f.State == "" || s.State == f.State {
				found = append(found, s)
			}
		}
		if end {
			at = place{part: at.part + 1}
			continue
		}
		if len(found) == limit {
			next, err := at.text()
			if err != nil {
				return nil, "", fmt.Errorf("listing jobs: %w", err)
			}
			more, err := r.more(ctx, f, at)
			if err != nil || !more {
				next = ""
			}
			return found, next, err
		}
	}
	return found, "", nil
}

// more reports whether anything comes after a place.
func (r *Runner) more(ctx context.Context, f Filter, at place) (bool, error) {
	for ; at.part < len(parts); at = (place{part: at.part + 1}) {
		rows, _, err := r.list(ctx, f, &at, 1)
		if err != nil || len(rows) > 0 {
			return len(rows) > 0, err
		}
	}
	return false, nil
}

// list reads up to limit rows from a place on, and moves it behind them; end says that its part has no more.
func (r *Runner) list(ctx context.Context, f Filter, at *place, limit int) (rows []*rivertype.JobRow, end bool, err error) {
	p := parts[at.part]
	states := slices.DeleteFunc(slices.Clone(p.states), func(s rivertype.JobState) bool { return !mayBe(s, f.State) })
	if len(states) == 0 {
		return nil, true, nil
	}
	params := river.NewJobListParams().States(states...).OrderBy(p.by, p.order).First(limit)
	if f.Kind != "" {
		params = params.Kinds(f.Kind)
	}
	if at.cursor != nil {
		params = params.After(at.cursor)
	}
	res, err := r.client.JobList(ctx, params)
	if err != nil {
		return nil, false, fmt.Errorf("listing jobs: %w", r.engine.known(ctx, err))
	}
	at.cursor = res.LastCursor
	return res.Jobs, len(res.Jobs) < limit, nil
}

// parts are the two lists that follow each other.
var parts = []struct {
	states []rivertype.JobState
	by     river.JobListOrderByField
	order  river.SortOrder
}{
	{unfinished, river.JobListOrderByScheduledAt, river.SortOrderAsc},
	{ended, river.JobListOrderByFinalizedAt, river.SortOrderDesc},
}

// place is where a page ended.
type place struct {
	part   int
	cursor *river.JobListCursor // nil: at the beginning of the part
}

func (p place) text() (string, error) {
	b, err := p.cursor.MarshalText()
	return strconv.Itoa(p.part) + "." + string(b), err
}

func parsePlace(text string) (place, error) {
	if text == "" {
		return place{}, nil
	}
	part, cursor, _ := strings.Cut(text, ".")
	n, err := strconv.Atoi(part)
	p := place{n, &river.JobListCursor{}}
	if err == nil {
		err = p.cursor.UnmarshalText([]byte(cursor))
	}
	if err != nil || n < 0 || n >= len(parts) {
		return place{}, fmt.Errorf("there is no such page of jobs; start from the first: %w", portal.ErrInvalid)
	}
	return p, nil
}

// Job returns one; portal.ErrNotFound where there is none, or not any more.
func (r *Runner) Job(ctx context.Context, id string) (Status, error) {
	row, err := r.row(ctx, id)
	if err != nil {
		return Status{}, err
	}
	return r.status(row), nil
}

// RunNow lets a job that waits, or was given up, run at once, on whichever process is first. portal.ErrConflict where it is
// running or done, or another of its kind and subject waits.
func (r *Runner) RunNow(ctx context.Context, id string) (Status, error) {
	row, err := r.row(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if row.State == rivertype.JobStateCompleted {
		return Status{}, told.JobDone.As(portal.ErrConflict, id)
	}
	if row.State != rivertype.JobStateRunning {
		if row, err = r.client.JobRetry(ctx, row.ID); err != nil {
			err = r.engine.known(ctx, err)
			if errors.Is(err, portal.ErrConflict) {
				return Status{}, told.JobOther.As(portal.ErrConflict)
			}
			return Status{}, fmt.Errorf("running job %s: %w", id, err)
		}
	}
	if row.State == rivertype.JobStateRunning {
		return Status{}, told.JobRunning.As(portal.ErrConflict, id)
	}
	return r.status(row), nil
}

func (r *Runner) row(ctx context.Context, id string) (*rivertype.JobRow, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("job %q: %w", id, portal.ErrNotFound)
	}
	row, err := r.client.JobGet(ctx, n)
	if errors.Is(err, river.ErrNotFound) {
		return nil, fmt.Errorf("job %s: %w", id, portal.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, r.engine.known(ctx, err))
	}
	return row, nil
}

func (r *Runner) status(row *rivertype.JobRow) Status {
	var a args
	_ = json.Unmarshal(row.EncodedArgs, &a) // what is not ours has no subject
	last := outcomeOf(row)
	s := Status{
		ID: strconv.FormatInt(row.ID, 10), Kind: row.Kind, Subject: a.Subject, State: State(row.State), Attempt: last.Failures + 1, Error: last.Error,
		Created: row.CreatedAt.UTC(), Due: row.ScheduledAt.UTC(), Periodic: a.Subject == "" && r.kinds[row.Kind].Every > 0,
	}
	if row.FinalizedAt != nil {
		s.Ended = row.FinalizedAt.UTC()
	}
	switch row.State {
	case rivertype.JobStateDiscarded:
		s.State = Failed
	case rivertype.JobStateRetryable:
		s.State = Retrying
	case rivertype.JobStateAvailable, rivertype.JobStateScheduled, rivertype.JobStatePending:
		switch {
		case !s.Due.After(time.Now()):
			s.State = Available
		case last.Failures > 0:
			s.State = Retrying
		default:
			s.State = Scheduled
		}
	}
	return s
}

// mayBe reports whether a row in one of River's states can be in one of ours; an empty one of ours is any.
func mayBe(row rivertype.JobState, s State) bool {
	switch s {
	case "":
		return true
	case Failed:
		return row == rivertype.JobStateDiscarded
	case Scheduled, Available, Retrying:
		return row == rivertype.JobStateAvailable || row == rivertype.JobStateScheduled || row == rivertype.JobStateRetryable || row == rivertype.JobStatePending
	}
	return string(row) == string(s)
}
