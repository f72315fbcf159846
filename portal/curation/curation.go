// Package curation keeps what people decide about an API beside what gateways tell: its owners' texts, where a version
// stands in its life, and which team it belongs to.
//
// It promises:
//   - no sync writes any of it: texts belong to the catalog's entry, decisions to a line of it or to a deployment, and both
//     are there again when what they are about comes back;
//   - every save of texts is a revision, nothing is overwritten: of two who start from the same one the second is told;
//   - a decision about a line goes with the deployments that it was made about when they are moved to another entry;
//   - every change is one transaction with its audit event and a note for the routing table;
//   - access is asked first, and a no is answered like a thing that does not exist.
//
// What of it somebody sees is decided where it is shown: routing.Curate.
package curation

import (
	"context"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
	"concierge/portal/people"
	"concierge/portal/store"
)

// KeptRevisions is how many revisions of an API's texts are kept, beside the published one.
const KeptRevisions = 200

// Revision is an API's texts as somebody saved them. Those of one API are numbered from 1.
type Revision struct {
	API       portal.APIID
	Number    int64
	Published bool // false: a draft, which only owners see
	Texts     []portal.AudienceText
	Guides    []portal.Guide // in their order
	Author    portal.PersonID
	At        time.Time
}

// Scope is what a decision is about: a line of an API, or, with API and Line empty, one deployment.
type Scope struct {
	API        portal.APIID
	Line       string
	Deployment portal.DeploymentID
}

// Decision is what a person decided about a lifecycle. It wins over what document and gateway say.
type Decision struct {
	Scope
	Lifecycle portal.Lifecycle
	Since     time.Time // of a deprecation: when it began
	Sunset    time.Time // zero: what the gateway or the document says
	Successor string    // the same; see portal.ParseSuccessor
	Note      string    // for those who use it
	Actor     portal.PersonID
	At        time.Time
}

// Cover says that a deployment was of a line when the line's lifecycle was decided.
type Cover struct {
	Deployment portal.DeploymentID
	API        portal.APIID
	Line       string
}

// Layer is all that routing needs of an API, or of all.
type Layer struct {
	Texts     map[portal.APIID]Revision // published; guides without bodies
	Teams     map[portal.APIID]portal.TeamID
	Decisions []Decision
	Covers    []Cover
}

// User is an application with a subscription that is neither rejected nor cancelled.
type User struct {
	Subscription     portal.SubscriptionID
	Organisation     portal.OrganisationID
	OrganisationName string
	Application      portal.ApplicationID
	ApplicationName  string
	Deployment       portal.DeploymentID
	Line             string
	Environment      portal.Environment
	State            string
	LastAct          time.Time // when its newest key was made, or a revocation took hold; zero: it never had one
}

// Usage counts the users of something.
type Usage struct{ Subscriptions, Applications, Organisations int }

// Store keeps it within one transaction. What is not there is portal.ErrNotFound.
type Store interface {
	// Newest is the newest revision, draft or published.
	Newest(ctx context.Context, api portal.APIID) (Revision, error)
	// Published is the newest published one.
	Published(ctx context.Context, api portal.APIID) (Revision, error)
	Revision(ctx context.Context, api portal.APIID, number int64) (Revision, error)
	// History lists revisions without texts and guides, the newest first, before a number; 0: from the newest.
	History(ctx context.Context, api portal.APIID, before int64, limit int) ([]Revision, error)
	// AddRevision is portal.ErrConflict where the number is taken. It drops the oldest of many.
	AddRevision(ctx context.Context, r Revision) error

	// SetTeam gives an API to a team; empty takes it away.
	SetTeam(ctx context.Context, api portal.APIID, team portal.TeamID) error
	Team(ctx context.Context, api portal.APIID) (portal.TeamID, error)
	// TeamAPIs lists what a team owns, by id.
	TeamAPIs(ctx context.Context, team portal.TeamID) ([]portal.APIID, error)

	// Decide puts a decision in the place of the one with its scope; the deployments are those that it covers.
	Decide(ctx context.Context, d Decision, covers []portal.DeploymentID) error
	// Undecide takes it away.
	Undecide(ctx context.Context, s Scope) error

	// Layer returns what is laid over one entry and its published deployments; empty: over all.
	Layer(ctx context.Context, api portal.APIID) (Layer, error)

	// Users lists who uses the deployments of an entry, by name of organisation and application, and how many they are. An
	// empty line or deployment does not narrow.
	Users(ctx context.Context, api portal.APIID, line string, deployment portal.DeploymentID, limit int) ([]User, error)
	Usage(ctx context.Context, api portal.APIID, line string, deployment portal.DeploymentID) (Usage, error)
	// JoinedInto lists the entries that were joined to an entry and have published texts.
	JoinedInto(ctx context.Context, api portal.APIID) ([]portal.APIID, error)
}

// Tx is a transaction as this package needs it.
type Tx interface {
	Curation() Store
	Catalog() catalog.Store
	People() people.Store
	Audit() audit.Store
	Changed(kind store.ChangeKind, id string)
}

// DB gives transactions; see store.DB.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}
