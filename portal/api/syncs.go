package api

import (
	"context"
	"time"
)

// SyncRequest says what kind of sync is wanted.
type SyncRequest struct {
	Plan bool `json:"plan,omitempty" doc:"Only work out what a sync would do; nothing is changed"`
}

// SyncPlan is what a sync did, or would do.
type SyncPlan struct {
	Steps []SyncStep `json:"steps" doc:"What weighs most comes first"`
	More  int        `json:"more" doc:"Steps that are not listed"`
}

// SyncStep is what is done to one deployment. Of one that is removed, audience and environment are those that it had.
type SyncStep struct {
	Kind        string      `json:"kind" enum:"remove,reclassify,rename,offer,change,back,add" doc:"offer: perhaps a rename, until then a removal and an addition; back: removed before and there again"`
	Title       string      `json:"title"`
	RemoteID    string      `json:"remote_id" doc:"The gateway's own id"`
	Exposure    string      `json:"exposure,omitempty"`
	Was         string      `json:"was,omitempty" doc:"The gateway's id before a rename"`
	Audience    string      `json:"audience" doc:"Empty: unknown, so that administrators alone see it"`
	Environment string      `json:"environment" doc:"Empty: unknown, as for audience"`
	BaseURL     string      `json:"base_url,omitempty"`
	Fields      []SyncField `json:"fields,omitempty" doc:"What differs"`
}

// SyncField is one thing that a step changes. Values that are too long to show are left out.
type SyncField struct {
	Name  string `json:"name"`
	Was   string `json:"was,omitempty"`
	Is    string `json:"is,omitempty"`
	Layer string `json:"layer,omitempty" doc:"Of a placement: what says so"`
}

// Budget bounds the calls on a gateway's admin side, by each process of the portal. Zero: as suits its kind.
type Budget struct {
	PerSecond float64 `json:"per_second,omitempty" minimum:"0" maximum:"100000"`
	Burst     int     `json:"burst,omitempty" minimum:"0" maximum:"100000" doc:"Calls at once after a quiet time"`
	Parallel  int     `json:"parallel,omitempty" minimum:"0" maximum:"1000" doc:"Calls under way at a time"`
}

// Traffic is how the process that answers gets on with a gateway's admin side. Each replica has its own.
type Traffic struct {
	Circuit  string     `json:"circuit" enum:"closed,open" doc:"open: it failed again and again and is left alone but for a probe now and then"`
	Since    *time.Time `json:"since,omitempty" doc:"Since when it is open"`
	Until    *time.Time `json:"until,omitempty" doc:"When it is probed next at the latest"`
	Failures int        `json:"failures" doc:"In a row"`
	Why      string     `json:"why,omitempty" doc:"Why the last call failed"`
	Paused   *time.Time `json:"paused,omitempty" doc:"Until when the gateway asked for no calls"`
	Waiting  int        `json:"waiting" doc:"Calls that wait for their turn"`
	Watching bool       `json:"watching" doc:"This process hears of changes as they happen"`
}

// Syncs is for administrators of the gateway; for anyone else all of it is ErrNotFound.
type Syncs interface {
	// PlanSync starts to work out what a sync would do, or returns the run that does. It ends in the state planned.
	// ErrConflict while a sync is running.
	PlanSync(ctx context.Context, gateway string) (Run, error)
	// ApplyRun starts a sync that may remove what a waiting run wanted to remove, and no more. ErrConflict where the run
	// does not wait any more.
	ApplyRun(ctx context.Context, gateway, run string) (Run, error)
	// DiscardRun says no to a waiting run. ErrConflict as ApplyRun.
	DiscardRun(ctx context.Context, gateway, run string) (Run, error)
}
