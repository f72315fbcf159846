// Package connectors is the contract between the portal and an API gateway.
//
// A connector translates. It holds no policy, keeps no state that the gateway does not have, and never decides who may
// see what. Its vendor's words stay inside it; outside, only the nouns of package portal appear. To add one: copy
// connectors/sample, pass connectortest, write its README, and name it in the entry points' map.
//
// Errors wrap the kinds of package portal: ErrUnavailable (retry later; RetryAfterError where the gateway says when),
// ErrDenied (the gateway refuses our admin credentials, or a key is not ours), ErrUnsupported (this gateway cannot, or
// a setting is missing: the message names it), ErrInvalid (its answer makes no sense, or our settings don't),
// ErrNotFound, ErrConflict. No error, log line or URL holds key material, not even when the gateway echoes it.
package connectors

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"concierge/portal"
)

// A Connector reads one gateway; read-only admin rights are enough. It is safe for concurrent use, and every call
// returns promptly when its context ends.
type Connector interface {
	// Probe asks the gateway what it is and what it can do with the credentials that we hold. The answer may change
	// with the gateway's version and configuration, so nothing in it is a constant of the connector.
	Probe(ctx context.Context) (Capabilities, error)

	// Discover returns what the gateway publishes. With an empty cursor, or from a gateway whose Discovery mode is
	// DiscoverSnapshot, the snapshot is complete: all deployments, or an error; never a part. With a cursor that an
	// earlier snapshot carried it may be a change since then (Complete false, with Removed).
	Discover(ctx context.Context, since Cursor) (Snapshot, error)

	// OpenDocument streams the document behind a reference of the last snapshot. ErrNotFound when it is gone.
	OpenDocument(ctx context.Context, ref DocumentRef) (io.ReadCloser, error)
}

// An Issuer also manages credentials. Gateways that have none do not implement it; whether one is able to at this
// moment is for Capabilities.Issue and Deployment.Issue to say.
//
// Every call is idempotent: the Mark is the portal's idempotency key, and the connector turns it into the gateway's own
// (client-chosen id, tag, label, name).
type Issuer interface {
	// Issue creates the credential that carries req.Mark. When one with that mark is there already it is returned
	// unchanged, without its secret where the gateway shows secrets once. Where the credential could reach other APIs
	// of the gateway, Issue refuses with ErrUnsupported and names the missing setting, unless req.AcceptReach is set.
	// After any error the outcome is unknown to the caller, who asks Find.
	Issue(ctx context.Context, req IssueRequest) (Issued, error)

	// Status polls a credential that Issue left pending. It never returns a secret that the gateway shows once.
	Status(ctx context.Context, mark Mark, h Handle) (Issued, error)

	// Find looks for the credential that carries the mark. ErrNotFound: none that works exists, as far as the gateway
	// knows now (Capabilities.Settle says how long an accepted call may take to show).
	Find(ctx context.Context, mark Mark) (Found, error)

	// Revoke makes the credential unusable. One that is absent is success. h may be zero: it is found by its mark then.
	// One that is there without our mark is ErrDenied and stays untouched.
	Revoke(ctx context.Context, mark Mark, h Handle) (Revoked, error)

	// List returns one page of the credentials that carry the portal's mark, never with secrets; an empty next cursor
	// ends it. limit is a wish.
	List(ctx context.Context, after Cursor, limit int) (found []Found, next Cursor, err error)
}

// A Suspender can disable a credential and enable it again. Ask for it with As.
type Suspender interface {
	Suspend(ctx context.Context, mark Mark, h Handle) error
	Resume(ctx context.Context, mark Mark, h Handle) error
}

// A Watcher tells of changes as they happen. Ask for it with As.
type Watcher interface {
	// Watch calls changed whenever something that Discover returns may have changed, until ctx ends. It may call too
	// often, never too rarely while it returns no error.
	Watch(ctx context.Context, since Cursor, changed func(Cursor)) error
}

// An Unwrapper is a wrapper around a connector (for limits, metrics, tests).
type Unwrapper interface{ Unwrap() Connector }

// As finds an ability of c, also behind wrappers: the outermost implementation wins.
func As[Ability any](c Connector) (Ability, bool) {
	for c != nil {
		if a, ok := c.(Ability); ok {
			return a, true
		}
		w, ok := c.(Unwrapper)
		if !ok {
			break
		}
		c = w.Unwrap()
	}
	var none Ability
	return none, false
}

// Cursor is a place in a list or in time that only the connector understands.
type Cursor string

// Config is what a connector is opened with. The portal owns the client: it carries the outbound rules, the time-outs,
// the request budget and the body limits of this gateway. A connector makes no other connection.
type Config struct {
	ID       portal.GatewayID
	Address  string                   // of the admin side, as the administrator wrote it
	Settings map[string]string        // by Setting.Name; unknown and missing ones are for Open to refuse
	Secrets  map[string]portal.Secret // settings that are secret
	Client   *http.Client
	Log      *slog.Logger // already carries the gateway's id
}

// Kind is one sort of gateway, for the entry points' map from name to constructor.
type Kind struct {
	Name     string // as its vendor writes it, in lower case: "kong"
	Title    string // for people: "Kong Gateway"
	Address  string // an example of an admin address
	Settings []Setting
	// Budget is what its admin side can take; fields that are zero are DefaultBudget's.
	Budget Budget
	// Open checks the configuration (ErrInvalid, every problem at once) and makes no call.
	Open func(Config) (Connector, error)
}

// Budget bounds the calls on a gateway's admin side. The portal's client keeps to it, acts on keys first; a connector
// needs no pauses of its own.
type Budget struct {
	PerSecond float64 `json:"per_second,omitempty" yaml:"per_second"`
	Burst     int     `json:"burst,omitempty" yaml:"burst"`       // calls at once after a quiet time
	Parallel  int     `json:"parallel,omitempty" yaml:"parallel"` // calls under way at a time
}

// DefaultBudget is for gateways of which nothing is known.
var DefaultBudget = Budget{PerSecond: 10, Burst: 20, Parallel: 4}

// Or fills what is zero from another.
func (b Budget) Or(other Budget) Budget {
	return Budget{cmp.Or(b.PerSecond, other.PerSecond), cmp.Or(b.Burst, other.Burst), cmp.Or(b.Parallel, other.Parallel)}
}

// Setting is one thing that an administrator tells a connector.
type Setting struct {
	Name     string // lower_case
	Title    string
	Help     string
	Required bool
	Secret   bool
	Default  string
}

// Capabilities of one gateway as it is now.
type Capabilities struct {
	Product   string // with its version, as the gateway says
	Discovery DiscoveryMode
	Identity  Identity
	Documents bool // it keeps API descriptions

	Issue Ability // false also when our admin credentials may only read

	KeyValue KeyValue
	Scope    Scope
	// MaxKeys is how many live credentials one subscription can have; 0: no limit. 1 means that rotation has no overlap.
	MaxKeys int
	Expiry  bool // the gateway ends a credential itself
	Suspend bool
	// ReadBack: whoever may read the admin side can read the secrets again.
	ReadBack bool
	// RevokeNeedsSecret: the handle's sealed part holds what Revoke needs.
	RevokeNeedsSecret bool
	ListCost          string // empty: pages only; else what listing all marks costs, in words

	// Settle is how long after an accepted call its effect may stay hidden from Find.
	Settle time.Duration
	// Propagation is how long after an accepted call the data plane may still act on the old state; 0 with Pipeline.
	Propagation time.Duration
	// Pipeline: changes go live with somebody's deployment, at a time nobody can state.
	Pipeline bool
}

// Ability is something that a gateway or a deployment can do, or the reason why not, naming what is missing.
type Ability struct {
	Able   bool
	Reason string
}

// DiscoveryMode says how changes are found.
type DiscoveryMode string

// A snapshot is read whole each time; since takes a cursor; watch also tells.
const (
	DiscoverSnapshot DiscoveryMode = "snapshot"
	DiscoverSince    DiscoveryMode = "since"
	DiscoverWatch    DiscoveryMode = "watch"
)

// Identity says what a RemoteID is.
type Identity string

// A rename keeps an opaque id; of names it is a remove and an add in one plan.
const (
	OpaqueIDs Identity = "opaque"
	Names     Identity = "names"
)

// KeyValue says who makes the key's value. The secret that a consumer sees is always the one that Issue returns.
type KeyValue string

// Who makes the value.
const (
	CallerMust  KeyValue = "caller-must"
	CallerMay   KeyValue = "caller-may"
	GatewayOnly KeyValue = "gateway-only"
	Derived     KeyValue = "derived" // the gateway makes another value out of ours
)

// Scope says by what the gateway confines a credential to one API.
type Scope string

// How a credential is confined.
const (
	ScopeNative Scope = "native" // the credential belongs to an API or a plan of it
	ScopeGroup  Scope = "group"
	ScopePolicy Scope = "policy"
	ScopeRoute  Scope = "route" // the credential is a route of its own
	ScopeNone   Scope = "none"
)

// MaxSnapshotBytes is what the answers may hold together that one Discover reads: some kilobytes for each deployment of the
// largest gateway. Whoever calls it gives it a context that ends there.
const MaxSnapshotBytes = 512 << 20

// Snapshot is what a gateway publishes: metadata only, never document bytes.
type Snapshot struct {
	Complete    bool
	Deployments []Deployment
	Removed     []Key // with Complete false
	Cursor      Cursor
	Warnings    []string // what was left out and why, in words for an administrator
}

// Key identifies a deployment within its gateway, for good.
type Key struct {
	RemoteID string // the gateway's own object id
	Exposure string // its stage, workspace, listener or address pattern; empty where there is one
}

// Deployment is one exposure of one API version as the gateway tells it. Empty means that the gateway does not say.
type Deployment struct {
	Key
	Title       string           `json:",omitzero"`
	Summary     string           `json:",omitzero"`
	Description string           `json:",omitzero"` // markdown, untrusted
	Version     string           `json:",omitzero"`
	Lifecycle   portal.Lifecycle `json:",omitzero"`
	Sunset      time.Time        `json:",omitzero"`
	Tags        []string         `json:",omitzero"` // labels are written key:value
	Owner       string           `json:",omitzero"`
	API         string           `json:",omitzero"` // explicit id of the entry that it says it belongs to

	Stage  string   `json:",omitzero"` // the gateway's own stage or workspace, for placement rules
	Hosts  []string `json:",omitzero"`
	Paths  []string `json:",omitzero"`
	Public string   `json:",omitzero"` // absolute address that consumers use; empty: not derivable, PublicReason says why
	// PublicReason names the setting that would make the address known.
	PublicReason string `json:",omitzero"`
	// Upstream is the back end, a URL or host and port; empty: the gateway does not tell. It says which deployments are one API,
	// and only administrators see it.
	Upstream string `json:",omitzero"`

	Authentication portal.Authentication  `json:",omitzero"`
	Plans          []portal.Plan          `json:",omitzero"`
	Operations     []Operation            `json:",omitzero"` // for a synthesised document, where the gateway keeps none
	Document       DocumentRef            `json:",omitzero"`
	Words          map[portal.Axis]string `json:",omitzero"` // the gateway's own words about placement
	Active         bool                   `json:",omitzero"`

	Issue Ability `json:",omitzero"` // whether a key that this API alone accepts can be made here, now
	// Reach lists the titles of other APIs that a key made here would open, where Issue is refused for that reason.
	Reach []string `json:",omitzero"`
}

// Operation is a method and a path template below the deployment's address.
type Operation struct{ Method, Path string }

// DocumentRef points at a document in the gateway. An unchanged Revision means unchanged bytes.
type DocumentRef struct {
	ID       string `json:",omitzero"` // empty: there is none
	Revision string `json:",omitzero"` // revision, hash or time; empty: unknown, the portal opens it each time
	// URL, where it is set, is where the gateway's object says that the document is: http or https, without a user. The portal fetches it,
	// without credentials, where an administrator has allowed that for the gateway; OpenDocument is not called.
	URL string `json:",omitempty"`
}

// Mark is what the portal writes on every credential that it makes, in the form the gateway allows.
type Mark struct {
	Credential   portal.CredentialID
	Subscription portal.SubscriptionID
	Application  portal.ApplicationID
}

// IssueRequest asks for one credential.
type IssueRequest struct {
	Mark       Mark
	Deployment Key
	Plan       string    // one of the deployment's
	Label      string    // for people who look at the gateway: application and organisation
	Expires    time.Time // zero: never. Passed on only where Capabilities.Expiry
	// Value is a fresh random value for gateways that take one; see Capabilities.KeyValue.
	Value portal.Secret
	// AcceptReach: an administrator has accepted that keys of this gateway open other APIs too.
	AcceptReach bool
}

// Handle is what the connector needs to find a credential again: opaque to the portal, never the key itself. Sealed
// values are encrypted at rest.
type Handle struct {
	Open   map[string]string
	Sealed map[string]portal.Secret
}

// IsZero reports whether nothing is held.
func (h Handle) IsZero() bool { return len(h.Open) == 0 && len(h.Sealed) == 0 }

// Progress of a credential on its gateway.
type Progress string

// Where an issue stands. A failure is an error.
const (
	Done    Progress = "done"
	Pending Progress = "pending" // the gateway, its approval or a deployment has to act first: poll Status
)

// Issued is the outcome of Issue or Status.
type Issued struct {
	Progress Progress
	Handle   Handle
	Parts    []Part // how to send the credential; empty where the gateway showed it once before
	Expires  time.Time
	Note     string // what a pending credential waits for, in words
}

// Part is one value that a caller sends. Value is empty for a secret that is not shown again.
type Part struct {
	In     string // header or query
	Name   string
	Prefix string
	Value  portal.Secret
	Public bool // an identifier, not a secret
}

// Found is a credential of ours on the gateway.
type Found struct {
	Mark     Mark // what can be read back; Credential always
	Handle   Handle
	Progress Progress
	Created  time.Time
	Disabled bool // suspended
}

// Revoked says what is known after Revoke.
type Revoked struct {
	// Absent: the admin side confirms that the credential is gone. False: accepted, ask Find.
	Absent bool
}

// AwayError says that whoever acts on this gateway is away. It is portal.ErrUnavailable.
type AwayError struct {
	Site portal.Site
	// Taken: somebody took the call and has not answered, so its outcome is unknown, as after any error. False: the call
	// has not left, and will not: nothing came of it.
	Taken bool
}

func (e *AwayError) Error() string {
	if e.Taken {
		return fmt.Sprintf("the worker of site %s took this and did not answer", e.Site)
	}
	return fmt.Sprintf("no worker of site %s is there for this gateway, or it has no time: start it with concierge worker", e.Site)
}

// Is makes it portal.ErrUnavailable.
func (e *AwayError) Is(target error) bool { return target == portal.ErrUnavailable }
