package api

import (
	"context"
	"time"
)

// Review is a question that a person has to answer: are two entries of the catalog one API, or is what a gateway publishes
// now what it published before under another name?
type Review struct {
	ID      string         `json:"id"`
	Kind    string         `json:"kind" enum:"join,rename"`
	State   string         `json:"state" enum:"open,accepted,rejected"`
	Score   float64        `json:"score" doc:"How likely the answer is yes, 0 to 1"`
	Reasons []ReviewReason `json:"reasons" doc:"What speaks for and against it, the weightiest first"`
	One     ReviewSide     `json:"one" doc:"Of a rename what was published before"`
	Other   *ReviewSide    `json:"other,omitempty" doc:"Of a rename what is published now; absent while its sync waits"`
	NewName string         `json:"new_name,omitempty" doc:"Of a rename: the gateway's id of what is published now"`
	Missing []string       `json:"missing" doc:"Divisions whose yes is still needed"`
	CanUndo bool           `json:"can_undo" doc:"Whether the answer can be taken back"`
	Opened  time.Time      `json:"opened"`
	Decided *time.Time     `json:"decided,omitempty"`
	// DecidedBy is the name of who answered last.
	DecidedBy  string              `json:"decided_by,omitempty"`
	Operations []ComparedOperation `json:"operations,omitempty" doc:"Of both documents, side by side; only on a single review"`
}

// ReviewReason is one thing that speaks for or against. Text is English; Code and Args let a client say it otherwise.
type ReviewReason struct {
	Code string   `json:"code"`
	Args []string `json:"args"`
	Text string   `json:"text"`
}

// ReviewSide is one of the two that a review is about.
type ReviewSide struct {
	API        string          `json:"api" doc:"Slug of its entry"`
	Title      string          `json:"title" doc:"Of its entry"`
	Division   string          `json:"division" doc:"Owner of its entry"`
	Deployment EntryDeployment `json:"deployment"`
	// Subscriptions counts those to the entry.
	Subscriptions int `json:"subscriptions" doc:"How many there are to its entry that are neither rejected nor cancelled; no answer moves them"`
}

// ComparedOperation is one method of one path, and which of two documents has it.
type ComparedOperation struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	One    bool   `json:"one"`
	Other  bool   `json:"other"`
}

// EntryDeployment is a deployment as those who govern its entry see it.
type EntryDeployment struct {
	ID          string         `json:"id"`
	Title       string         `json:"title"`
	Gateway     string         `json:"gateway"`
	RemoteID    string         `json:"remote_id" doc:"The gateway's own id of it"`
	Version     string         `json:"version"`
	Environment string         `json:"environment" doc:"Empty: not known"`
	Audience    string         `json:"audience" doc:"Empty: not known"`
	Division    string         `json:"division"`
	BaseURL     string         `json:"base_url"`
	Owner       string         `json:"owner,omitempty"`
	Upstream    string         `json:"upstream,omitempty" doc:"The back end, as the gateway tells it"`
	Published   bool           `json:"published"`
	Since       *time.Time     `json:"since,omitempty" doc:"It was joined automatically then and comes after what was there before, until it is confirmed"`
	JoinedBy    string         `json:"joined_by,omitempty" doc:"Empty: the portal, by itself"`
	Score       float64        `json:"score" doc:"Of the weakest link to the others"`
	Reasons     []ReviewReason `json:"reasons"`
}

// Composition says which deployments are one API, and why.
type Composition struct {
	API         string            `json:"api"`
	Title       string            `json:"title"`
	Division    string            `json:"division"`
	Aliases     []string          `json:"aliases" doc:"Older names that go on answering"`
	Deployments []EntryDeployment `json:"deployments"`
	Acts        []EntryAct        `json:"acts" doc:"What people did to it, the newest first"`
}

// EntryAct is what a person did to an entry.
type EntryAct struct {
	ID          string     `json:"id"`
	Kind        string     `json:"kind" enum:"join,split"`
	Deployments int        `json:"deployments" doc:"How many it moved"`
	By          string     `json:"by"`
	At          time.Time  `json:"at"`
	Undone      *time.Time `json:"undone,omitempty"`
}

// ReviewsQuery filters reviews; an empty state means the open ones. What is empty else counts all.
type ReviewsQuery struct {
	Paging
	State    string
	Kind     string // join or rename
	Gateway  string // id; one of the two is published there
	Division string // owner of an entry of one of the two
	After    string // id of a review: those that come after it. A cursor goes before it
}

// ReviewList is a page of reviews.
type ReviewList struct {
	Page[Review]
	Open int `json:"open" doc:"How many wait for an answer"`
}

// Chosen names deployments of an entry.
type Chosen struct {
	Deployments []string `json:"deployments" minItems:"1" maxItems:"1000"`
}

// Target names the entry that another one becomes a part of.
type Target struct {
	Into string `json:"into" minLength:"1" doc:"Slug of the API that takes it over"`
}

// Reviews is for those who govern a division's APIs, and concerns those alone; for anyone else all of it is ErrNotFound.
type Reviews interface {
	Reviews(ctx context.Context, q ReviewsQuery) (ReviewList, error)
	Review(ctx context.Context, id string) (Review, error)
	// AcceptReview says yes. A join across two divisions stays open until both have. ErrConflict where it is answered.
	AcceptReview(ctx context.Context, id string) (Review, error)
	RejectReview(ctx context.Context, id string) (Review, error)
	// ReopenReview takes an answer back, with what came of it.
	ReopenReview(ctx context.Context, id string) (Review, error)

	Composition(ctx context.Context, api string) (Composition, error)
	// SplitAPI gives some deployments an entry of their own, and returns that.
	SplitAPI(ctx context.Context, api string, c Chosen) (Composition, error)
	// JoinAPI makes an entry a part of another, and returns that. Where another division owns that, it is asked:
	// ErrConflict names the review.
	JoinAPI(ctx context.Context, api string, t Target) (Composition, error)
	// ConfirmAPI settles automatic joins.
	ConfirmAPI(ctx context.Context, api string, c Chosen) (Composition, error)
	// UndoEntryAct takes a join or a split back.
	UndoEntryAct(ctx context.Context, api, act string) (Composition, error)
}
