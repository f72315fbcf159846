// Package keys is the life of a key: application → subscription → claim → rotation → revocation.
//
// A right is granted first; the key is made when its consumer claims it, and its secret appears in that one answer.
// Every change on a gateway is an Act that is recorded before the call and after it, each time in one transaction with
// the state and its audit event, and never with a call inside. An act has a lease: whoever holds it may save its result,
// by compare-and-set; whoever loses it shows no secret. A job takes acts whose lease has ended, looks for their mark on the
// gateway and revokes what nobody saw. So no crash leaves a working key that is unknown, two keys for one claim, or an
// act without audit.
package keys

import (
	"context"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/store"
)

// Application is what will call an API. It belongs to an organisation.
type Application struct {
	ID           portal.ApplicationID
	Organisation portal.OrganisationID
	Name         string
	CreatedBy    portal.PersonID
	Created      time.Time
}

// SubscriptionState says whether the right to have a credential is held.
type SubscriptionState string

// A subscription's states. Rejected and cancelled are final.
const (
	Requested SubscriptionState = "requested"
	Approved  SubscriptionState = "approved"
	Rejected  SubscriptionState = "rejected"
	Suspended SubscriptionState = "suspended"
	Cancelled SubscriptionState = "cancelled"
)

// Subscription is the right of an application to have a credential for one line of an API in one environment. An
// application holds at most one that is neither rejected nor cancelled, by unique index.
type Subscription struct {
	ID           portal.SubscriptionID
	Application  portal.ApplicationID
	Organisation portal.OrganisationID
	API          portal.APIID
	Line         string
	Environment  portal.Environment
	Plan         string
	State        SubscriptionState
	Deployment   portal.DeploymentID // the one that was requested, then approved
	Division     portal.Division     // its owner, who decides
	RequestedBy  portal.PersonID
	DecidedBy    string // a person's id, or "system:automatic"
	Reason       string // of the decision, in words
	Created      time.Time
	Decided      time.Time

	// Frozen is since when nothing new is made under it, because the deployment of its keys was classified anew; zero: it is
	// not frozen. See Freeze. FrozenBecause says from what to what, in words for whoever decides.
	Frozen        time.Time
	FrozenBecause string
}

// CredentialState says where a credential stands.
type CredentialState string

// A credential's states. A subscription has at most one pending, one active and one retiring, by unique index. Failed
// means that no key came to be.
const (
	Pending  CredentialState = "pending"
	Active   CredentialState = "active"
	Retiring CredentialState = "retiring" // works until Ends; another one has taken over
	Revoking CredentialState = "revoking" // the gateway has not confirmed yet
	Revoked  CredentialState = "revoked"
	Failed   CredentialState = "failed"
)

// Live reports whether the credential works, as far as the portal knows.
func (s CredentialState) Live() bool { return s == Active || s == Retiring }

// Final reports whether nothing follows.
func (s CredentialState) Final() bool { return s == Revoked || s == Failed }

// Credential is a key on one gateway. Its secret is not in here, and nowhere else.
type Credential struct {
	ID           portal.CredentialID
	Subscription portal.SubscriptionID
	Application  portal.ApplicationID
	Organisation portal.OrganisationID
	Gateway      portal.GatewayID
	Deployment   portal.DeploymentID
	Key          connectors.Key // of the deployment on its gateway
	State        CredentialState
	Handle       map[string]string // the open part of the gateway's handle
	Sealed       []byte            // its sealed part, encrypted
	Fingerprint  string            // of the secret
	Created      time.Time
	Expires      time.Time // zero: never
	Ends         time.Time // of a retiring one
	Replaces     portal.CredentialID
	Effective    time.Time // since when the revocation holds
	EffectiveBy  string    // "admin", "drill" or "call"
	Note         string    // what it waits for, or why it failed, in words for people
}

// Mark is what the gateway's object carries.
func (c Credential) Mark() connectors.Mark {
	return connectors.Mark{Credential: c.ID, Subscription: c.Subscription, Application: c.Application}
}

// ActKind says what an act changes on the gateway.
type ActKind string

// The kinds of act.
const (
	ActIssue  ActKind = "issue"
	ActRevoke ActKind = "revoke"
)

// ActState says whether an act is over.
type ActState string

// An act is open until its outcome is known.
const (
	ActOpen   ActState = "open"
	ActDone   ActState = "done"
	ActFailed ActState = "failed" // nothing came of it on the gateway
)

// Phase says what an open act waits for.
type Phase string

// The phases of an open act.
const (
	PhaseCalling     Phase = "calling"     // somebody holds the lease, or died holding it
	PhaseWaiting     Phase = "waiting"     // the gateway has to act; the next claim asks again
	PhaseSettling    Phase = "settling"    // not found on the gateway, which may yet show it
	PhasePropagating Phase = "propagating" // gone from the admin side; the data plane may lag
	PhaseRetrying    Phase = "retrying"    // the gateway could not be asked
	PhaseUnsent      Phase = "unsent"      // nobody is at the gateway's site: the next claim sends it
)

// Act is one recorded intention to change something on a gateway. There is one open act of a kind for a credential, by
// unique index.
type Act struct {
	ID         portal.ActID
	Kind       ActKind
	Credential portal.CredentialID
	Gateway    portal.GatewayID
	State      ActState
	Phase      Phase
	Lease      string    // whoever holds it may save the result; new with every holder and every postponement
	Due        time.Time // when the lease ends, or the next attempt is due
	Attempts   int
	Error      string // of the last attempt, without secrets
	Created    time.Time
	Ended      time.Time
}

// ActCount is how many acts of a kind are open in a phase.
type ActCount struct {
	Kind   ActKind
	Phase  Phase
	Open   int
	Oldest time.Time // when the oldest was made
}

// Binding ties an application to the deployment where it holds a live credential.
type Binding struct {
	Application portal.ApplicationID
	API         portal.APIID
	Line        string
	Environment portal.Environment
	Deployment  portal.DeploymentID
}

// Page asks for a page of a list, newest first: what comes after the id After.
type Page struct {
	After string
	Limit int
}

// SubscriptionFilter narrows a list. Empty fields do not.
type SubscriptionFilter struct {
	Organisation portal.OrganisationID
	Application  portal.ApplicationID
	API          portal.APIID
	Line         *string // nil does not narrow, empty does
	Environment  portal.Environment
	Deployment   portal.DeploymentID
	State        SubscriptionState
	Open         bool                  // those that are neither rejected nor cancelled
	Division     *portal.Division      // nil does not narrow, empty does
	Divisions    []portal.Division     // those of any of these; nil does not narrow, empty finds none
	Except       []portal.DeploymentID // not those to one of these
	Frozen       bool                  // those that are frozen
}

// Held is a subscription with a key that works on a deployment, or may come to.
type Held struct {
	Subscription portal.SubscriptionID
	Deployment   portal.DeploymentID
}

// CredentialFilter narrows a list. Empty fields do not.
type CredentialFilter struct {
	Organisation portal.OrganisationID
	Application  portal.ApplicationID
	Subscription portal.SubscriptionID
	Gateway      portal.GatewayID
	State        CredentialState
	Open         bool // those that are not final
}

// Store keeps the key ring. Look-ups of what is absent are portal.ErrNotFound; updates that meet another state than
// expected are portal.ErrConflict, as are rows that a unique index forbids.
type Store interface {
	AddApplication(ctx context.Context, a Application) error
	Application(ctx context.Context, id portal.ApplicationID) (Application, error)
	// Applications of an organisation, newest first; of all where it is empty.
	Applications(ctx context.Context, owner portal.OrganisationID, p Page) ([]Application, error)

	AddSubscription(ctx context.Context, s Subscription) error
	Subscription(ctx context.Context, id portal.SubscriptionID) (Subscription, error)
	// OpenSubscription is the one that is neither rejected nor cancelled.
	OpenSubscription(ctx context.Context, app portal.ApplicationID, api portal.APIID, line string, env portal.Environment) (Subscription, error)
	// UpdateSubscription saves state, plan, deployment, division and decision where the state is still from.
	UpdateSubscription(ctx context.Context, s Subscription, from SubscriptionState) error
	Subscriptions(ctx context.Context, f SubscriptionFilter, p Page) ([]Subscription, error)
	// SetFrozen saves since when a subscription is frozen and why; zero: it is not.
	SetFrozen(ctx context.Context, id portal.SubscriptionID, since time.Time, because string) error
	// Held lists the subscriptions with a pending, active or retiring key on a gateway, each once for a deployment.
	Held(ctx context.Context, gateway portal.GatewayID) ([]Held, error)

	AddCredential(ctx context.Context, c Credential) error
	Credential(ctx context.Context, id portal.CredentialID) (Credential, error)
	// UpdateCredential saves what changes in a credential's life where the state is still from.
	UpdateCredential(ctx context.Context, c Credential, from CredentialState) error
	Credentials(ctx context.Context, f CredentialFilter, p Page) ([]Credential, error)
	// EndedCredentials are live ones whose Ends or Expires has come, of a gateway or, where it is empty, of all: of each the
	// oldest, up to limit.
	EndedCredentials(ctx context.Context, gateway portal.GatewayID, now time.Time, limit int) ([]Credential, error)

	AddAct(ctx context.Context, a Act) error
	Act(ctx context.Context, id portal.ActID) (Act, error)
	OpenAct(ctx context.Context, c portal.CredentialID, kind ActKind) (Act, error)
	// UpdateAct saves a where it is still open under the given lease.
	UpdateAct(ctx context.Context, a Act, lease string) error
	// CountOpenActs counts the open ones by kind and phase.
	CountOpenActs(ctx context.Context) ([]ActCount, error)
	// HurryActs makes open acts of a gateway due that wait because it could not be asked.
	HurryActs(ctx context.Context, gateway portal.GatewayID, now time.Time) error
	// DueActs are open ones whose Due has come, of a gateway or, where it is empty, of all: of each up to limit, its
	// revocations first, then the oldest.
	DueActs(ctx context.Context, gateway portal.GatewayID, now time.Time, limit int) ([]Act, error)
	// NextDue is when the next open act of a gateway is due, or a live credential of it ends; zero where there is none.
	NextDue(ctx context.Context, gateway portal.GatewayID) (time.Time, error)

	// Bindings of an application, or of all where it is empty.
	Bindings(ctx context.Context, app portal.ApplicationID) ([]Binding, error)
}

// Tx is what one transaction of this package reaches.
type Tx interface {
	Keys() Store
	Audit() audit.Store
	Changed(kind store.ChangeKind, id string)
	Enqueue(ctx context.Context, j store.Job) error
}

// DB runs transactions. See store.DB.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}
