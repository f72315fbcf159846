package catalog

import (
	"cmp"
	"context"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/correlate"
)

// Joining says why a deployment is in its entry, and since when routing counts it there.
type Joining struct {
	// Since is that of portal.Deployment: zero where the join is settled.
	Since   time.Time          `json:"-"`
	At      time.Time          `json:"at"`
	Actor   string             `json:"actor"` // who joined them: "system:…" or a person's id
	Score   float64            `json:"score"` // of the weakest link to the others; 1 where it came alone
	Reasons []correlate.Reason `json:"reasons,omitempty"`
}

// Sketched is a deployment's sketch, by which it is compared with others.
type Sketched struct {
	Deployment portal.DeploymentID
	Sketch     correlate.Sketch
}

// ReviewKind says what a person is asked.
type ReviewKind string

// Are the entries of two deployments one API? Is what a gateway publishes now the deployment that it published before?
const (
	ReviewJoin   ReviewKind = "join"
	ReviewRename ReviewKind = "rename"
)

// ReviewState says what the person answered.
type ReviewState string

// A review that was answered is never asked again.
const (
	ReviewOpen     ReviewState = "open"
	ReviewAccepted ReviewState = "accepted"
	ReviewRejected ReviewState = "rejected"
)

// Review is a question for a person. There is one for two deployments, or for a deployment and a key, by unique index.
type Review struct {
	ID      string
	Kind    ReviewKind
	A       portal.DeploymentID // of two that may be joined the lower id; of a rename the one that has gone
	B       portal.DeploymentID // of a join
	Gateway portal.GatewayID    // of a rename
	Key     connectors.Key      // of a rename: of what may be A
	Score   float64
	Reasons []correlate.Reason
	State   ReviewState
	// Agreed are the owner divisions that have said yes: a join across two needs both.
	Agreed    []portal.Division
	Opened    time.Time
	DecidedBy string // a person's id
	Decided   time.Time
}

// ReviewFilter says which reviews are meant: those of a state for which everything else that is set holds.
type ReviewFilter struct {
	State    ReviewState
	Kind     ReviewKind       // empty: of any
	Within   *portal.Division // they concern an entry of it; nil: of any
	Division portal.Division  // that as well; empty: of any
	Gateway  portal.GatewayID // one of the deployments is of it; empty: of any
}

// Verdict is what a person decided about two deployments, whatever they tell and wherever they go.
type Verdict string

// What is together is not taken apart by a sync; what is apart is not joined by one.
const (
	Together Verdict = "together"
	Apart    Verdict = "apart"
)

// Decision is a person's word on two deployments. The newer one counts.
type Decision struct {
	A, B    portal.DeploymentID // A before B
	Verdict Verdict
	Actor   string
	At      time.Time
}

// Decided is a decision as one of the two sees it.
type Decided struct {
	Other   portal.DeploymentID
	Entry   portal.APIID // of the other
	Verdict Verdict
}

// EntryActKind says what a person did to an entry.
type EntryActKind string

// Two entries became one; deployments got an entry of their own.
const (
	EntryJoined EntryActKind = "join"
	EntrySplit  EntryActKind = "split"

	// EntryRenamed: what a gateway published under another name became the deployment that it was. See Renamed.
	EntryRenamed EntryActKind = "rename"
)

// EntryAct is what a person did to entries, with what undoing it takes.
type EntryAct struct {
	ID      string
	Kind    EntryActKind
	From    portal.APIID // where the deployments were
	To      portal.APIID // where they are
	Moved   []Moved
	Slugs   []string // that went with them; the first is the one that pages showed
	Named   string   // the explicit id that From had
	Review  string   // that was accepted; empty: none asked
	Renamed *Renamed // of a rename
	Actor   string
	At      time.Time
	Undone  time.Time // zero: it holds
}

// Renamed is what undoing a rename takes.
type Renamed struct {
	Deployment portal.DeploymentID     // that has the new name
	Was        connectors.Deployment   // what its gateway told of it last under its old name
	Taken      []portal.SubscriptionID // that belonged to what the new name was until then
}

// Moved is a deployment that went to another entry, as it was before.
type Moved struct {
	Deployment portal.DeploymentID
	Since      time.Time
	Why        Joining
}

// Joins is the part of Store that says which deployments are one API.
type Joins interface {
	// AddSketches keeps the first sketches of deployments; it costs less than PutSketches.
	AddSketches(ctx context.Context, all []Sketched) error
	// PutSketches keeps sketches in place of older ones.
	PutSketches(ctx context.Context, all []Sketched) error
	// Unsketched lists all published deployments that have no sketch of the present form, by id.
	Unsketched(context.Context) ([]portal.DeploymentID, error)
	// Members calls each for all that have a sketch of the present form, removed ones too, with the owner division of their
	// entry, in no order. version is that of the newest change, as of store.DB.
	Members(ctx context.Context, each func(correlate.Member)) (version int64, err error)
	// MembersOf returns those of entries. Where known says so, by the sum of its sketch, a member comes without it.
	MembersOf(ctx context.Context, apis []portal.APIID, known func(id string, sum int64) bool) ([]correlate.Member, error)
	// ChangedEntries is store.DB.Changes for entries alone, as this transaction sees them: of each by how many transactions it
	// was changed. What this one has changed itself is not among them.
	ChangedEntries(ctx context.Context, after int64) (times map[portal.APIID]int, newest int64, complete bool, err error)

	// Move puts a record into another entry and says why. Its subscriptions go with it, but for one that its application
	// holds there already, and whoever holds a key there is noted as changed.
	Move(ctx context.Context, id portal.DeploymentID, to portal.APIID, why Joining) error
	// SetJoining says anew why a record is in its entry.
	SetJoining(ctx context.Context, id portal.DeploymentID, why Joining) error
	// TakeOver gives the subscriptions and credentials of one deployment to another, which has the key.
	TakeOver(ctx context.Context, from, to portal.DeploymentID, key connectors.Key) error
	// GiveBack gives one subscription with its credentials to a deployment, which has the key. It stays of the entry that it
	// is of until that deployment is moved.
	GiveBack(ctx context.Context, id portal.SubscriptionID, to portal.DeploymentID, key connectors.Key) error
	// RecordsOf returns the records of an entry, removed ones too, by id.
	RecordsOf(ctx context.Context, api portal.APIID) ([]Record, error)
	// RecordByKey finds what a gateway publishes, or has published, under a key.
	RecordByKey(ctx context.Context, gateway portal.GatewayID, key connectors.Key) (Record, error)
	// EntryByExplicit finds the entry of a division that an explicit id names, without its deployments.
	EntryByExplicit(ctx context.Context, division portal.Division, explicit string) (Entry, error)
	// Subscribed counts the subscriptions to an entry that are neither rejected nor cancelled.
	Subscribed(ctx context.Context, api portal.APIID) (int, error)
	// HandOver gives an entry without records to another: its slugs become aliases there, and it is Joined.
	HandOver(ctx context.Context, from, to portal.APIID) error
	// TakeBack undoes HandOver for an entry: these slugs are its own again, the first is shown.
	TakeBack(ctx context.Context, id portal.APIID, slugs []string, explicit string) error

	// Apart returns all pairs that a person keeps apart, each once.
	Apart(ctx context.Context) ([][2]portal.DeploymentID, error)
	// AddReviews is AddReview for many.
	AddReviews(ctx context.Context, all []Review) error
	// Asked returns the pairs of entries about whose deployments, or former ones, it was asked whether they are one API, for
	// pairs of the entries given; each at least one way round.
	Asked(ctx context.Context, entries []portal.APIID) (map[[2]portal.APIID]bool, error)
	// AddReview writes nothing where there is one for the same two, whatever its state; added says whether it did.
	AddReview(ctx context.Context, r Review) (added bool, err error)
	Review(ctx context.Context, id string) (Review, error)
	// SameReview returns the one that asks the same: of a rename about that deployment and that key; of a join about the
	// entries that the two are in, of several an open one, else the newest. portal.ErrNotFound where it was never asked.
	SameReview(ctx context.Context, r Review) (Review, error)
	// UpdateReview saves state, agreement and decision; portal.ErrConflict where the state is no longer from.
	UpdateReview(ctx context.Context, r Review, from ReviewState) error
	// Reviews lists those that a filter is about, the highest score first, from the one after on.
	Reviews(ctx context.Context, f ReviewFilter, after string, limit int) ([]Review, error)
	CountReviews(ctx context.Context, f ReviewFilter) (int, error)

	Decide(ctx context.Context, all []Decision) error
	Decisions(ctx context.Context, id portal.DeploymentID) ([]Decided, error)

	AddEntryAct(ctx context.Context, a EntryAct) error
	EntryAct(ctx context.Context, id string) (EntryAct, error)
	// EntryActs lists those that touched an entry, the newest first.
	EntryActs(ctx context.Context, api portal.APIID) ([]EntryAct, error)
	// UndoEntryAct marks it; portal.ErrConflict where it is undone already.
	UndoEntryAct(ctx context.Context, id string, at time.Time) error
}

// Explicit is the id by which the deployment, or its document, names its entry; empty: it does not.
func (r Record) Explicit() string {
	return cmp.Or(strings.TrimSpace(r.Discovered.API), strings.TrimSpace(r.Described.API))
}
