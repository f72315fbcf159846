// Package api holds the shapes of HTTP API v1 and the service behind them.
//
// The shapes are what clients rely on: fields may be added, never renamed. Desk is what pages and HTTP handlers ask;
// portal/desk answers from the stores, portal/client over HTTP. Whoever holds a Desk acts as one caller: access is
// decided behind it, and what the caller may not see answers portal.ErrNotFound.
package api

import (
	"context"
	"time"

	"concierge/portal"
)

// DefaultOverlap is how long both keys of a rotation work where the consumer does not say.
const DefaultOverlap = 24 * time.Hour

// InvitationPath is where an invited person sets a password; the one-time token follows it.
const InvitationPath = "/invitation/"

// Page is one page of a list. Next is empty on the last one; it is opaque and bound to the caller.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next" doc:"Cursor of the next page; empty on the last"`
}

// Paging asks for a page. Limit 0 means 50; the most is 200.
type Paging struct {
	Limit  int
	Cursor string
}

// Me says who the caller is.
type Me struct {
	ID             string   `json:"id"`
	Name           string   `json:"name"`
	Email          string   `json:"email"`
	Organisation   string   `json:"organisation" doc:"Name of the organisation that the caller acts for"`
	OrganisationID string   `json:"organisation_id"`
	Audience       string   `json:"audience"`
	Roles          []string `json:"roles"`
}

// API is one entry of the catalog as the caller sees it.
type API struct {
	ID          string    `json:"id" doc:"Stable slug"`
	Title       string    `json:"title"`
	Summary     string    `json:"summary"`
	Tags        []string  `json:"tags"`
	Versions    []Version `json:"versions"`
	Description string    `json:"description,omitempty" doc:"Markdown; only on a single API"`
	Owner       string    `json:"owner,omitempty"`
	Operation   string    `json:"operation,omitempty" doc:"The operation by which it was found; only in a list"`
	Links       []Link    `json:"links,omitempty"`

	Contact   *portal.Contact `json:"contact,omitempty" doc:"Whom to ask; only on a single API"`
	Guides    []GuideHead     `json:"guides,omitempty" doc:"The owners' guides; only on a single API"`
	CanCurate bool            `json:"can_curate,omitempty" doc:"Whether the caller may edit its texts and lifecycle; only on a single API"`
	Governed  bool            `json:"governed,omitempty" doc:"The caller decides about some of it and may see who uses it; only on a single API"`
}

// Version is one line of an API. Environments are those that resolve for the caller, in their configured order.
type Version struct {
	Version      string   `json:"version"`
	Lifecycle    string   `json:"lifecycle"`
	Environments []string `json:"environments"`
	EndOfLife
}

// Link points somewhere that the caller may go.
type Link struct {
	Rel   string `json:"rel"`
	Href  string `json:"href"`
	Title string `json:"title,omitempty"`
}

// ResolveQuery asks for the caller's endpoint. Version and region may be empty. With Application the answer honours its
// binding.
type ResolveQuery struct {
	API         string
	Version     string
	Environment string
	Region      string
	Application string
}

// Decision is the one deployment that the caller is sent to, and why.
type Decision struct {
	API            string                `json:"api"`
	Title          string                `json:"title"`
	Version        string                `json:"version"`
	Environment    string                `json:"environment"`
	BaseURL        string                `json:"base_url"`
	Gateway        string                `json:"gateway"`
	Region         string                `json:"region,omitempty"`
	Authentication portal.Authentication `json:"authentication"`
	Plans          []portal.Plan         `json:"plans"`
	Lifecycle      string                `json:"lifecycle"`
	Kind           string                `json:"kind,omitempty" doc:"Of its document, such as openapi, asyncapi, graphql, grpc or wsdl; absent where there is none but what its routes tell"`
	EndOfLife
	Try         string    `json:"try,omitempty" doc:"Path below base_url of a GET that needs no parameters"`
	KeysRefused string    `json:"keys_refused,omitempty" doc:"Why no key can be had here; empty where one can"`
	Why         []Reason  `json:"why"`
	Expires     time.Time `json:"expires" doc:"When to ask again"`
}

// Reason is one step of a decision. Text is English; Code and Args let a client say it in another language.
type Reason struct {
	Step string            `json:"step"`
	Text string            `json:"text"`
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
}

// SpecQuery asks for the document as served: the decided deployment's own, with the one endpoint in it.
type SpecQuery struct {
	API         string
	Version     string
	Environment string
	Format      string // json or yaml
	// Application asks for the document of the endpoint that it is bound to, which may be one that is retired.
	Application string
}

// Document is an API description as served.
type Document struct {
	Content     []byte
	ContentType string
	ETag        string

	// What is on its way out. Over HTTP it is told in the headers of the answer, and only there.
	API     string
	Version string
	EndOfLife
}

// Application is what will call an API.
type Application struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Organisation string    `json:"organisation"`
	Created      time.Time `json:"created"`
}

// NewApplication asks for an application.
type NewApplication struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
}

// Subscription is the right of an application to have a credential.
type Subscription struct {
	ID              string    `json:"id"`
	Application     string    `json:"application"`
	ApplicationName string    `json:"application_name"`
	Organisation    string    `json:"organisation"`
	API             string    `json:"api"`
	Title           string    `json:"title"`
	Version         string    `json:"version"`
	Environment     string    `json:"environment"`
	Plan            string    `json:"plan"`
	State           string    `json:"state" enum:"requested,approved,rejected,suspended,cancelled"`
	Reason          string    `json:"reason,omitempty" doc:"In the words of whoever decided"`
	RequestedBy     string    `json:"requested_by"`
	DecidedBy       string    `json:"decided_by,omitempty"`
	Created         time.Time `json:"created"`
	CanDecide       bool      `json:"can_decide" doc:"Whether the caller may approve or reject it or, where it is frozen, thaw it"`
	Frozen          *Frozen   `json:"frozen,omitempty" doc:"Its endpoint was classified anew: nothing new is made under it until a person decides"`
}

// NewSubscription asks for a subscription. An empty plan means the default one.
type NewSubscription struct {
	Application string `json:"application" minLength:"1"`
	API         string `json:"api" minLength:"1"`
	Version     string `json:"version,omitempty"`
	Environment string `json:"environment" minLength:"1"`
	Plan        string `json:"plan,omitempty"`
}

// SubscriptionsQuery filters subscriptions. ToDecide lists those that wait for the caller's decision instead of those
// of the caller's applications.
type SubscriptionsQuery struct {
	Paging
	Application string
	State       string
	ToDecide    bool
	Frozen      bool // those that are frozen: that the caller may decide about or, where there are none such, of their organisation
}

// Credential is a key that exists on one gateway. It never carries a secret.
type Credential struct {
	ID              string     `json:"id"`
	State           string     `json:"state" enum:"pending,active,retiring,revoking,revoked,failed"`
	Gateway         string     `json:"gateway"`
	Subscriptions   []string   `json:"subscriptions"`
	Application     string     `json:"application"`
	ApplicationName string     `json:"application_name"`
	API             string     `json:"api"`
	Title           string     `json:"title"`
	Version         string     `json:"version"`
	Environment     string     `json:"environment"`
	Fingerprint     string     `json:"fingerprint"`
	Created         time.Time  `json:"created"`
	Expires         *time.Time `json:"expires"`
	Ends            *time.Time `json:"ends,omitempty" doc:"When a retiring credential is revoked"`
	Replaces        string     `json:"replaces,omitempty" doc:"The credential that this one takes over from"`
	Effective       *Effective `json:"effective"`
	Note            string     `json:"note,omitempty" doc:"What a pending or revoking credential waits for"`
	SingleKey       bool       `json:"single_key,omitempty" doc:"The gateway holds one key at a time: rotating ends this one at once"`
}

// Effective says since when a revocation is known to hold, and by what.
type Effective struct {
	By string    `json:"by" enum:"admin,drill,call"`
	At time.Time `json:"at"`
}

// Claim is the one answer that carries a new credential's secret. In Go it is a portal.Secret; only the HTTP handler
// and the client write and read its bytes.
type Claim struct {
	Credential
	Ready          bool // false: the gateway or its site has to act first; the same call returns the secret once ready
	Parts          []Part
	Authentication portal.Authentication
	BaseURL        string
	Try            string // as in Decision
}

// Part is one value that the caller of an API sends.
type Part struct {
	In     string
	Name   string
	Prefix string
	Value  portal.Secret
	Public bool
}

// Secret returns the value of the one secret part, zero where there are none or several.
func (c Claim) Secret() portal.Secret {
	var found portal.Secret
	for _, p := range c.Parts {
		if p.Public {
			continue
		}
		if !found.IsZero() {
			return portal.Secret{}
		}
		found = p.Value
	}
	return found
}

// CredentialsQuery filters credentials.
type CredentialsQuery struct {
	Paging
	Application  string
	Subscription string
	State        string
}

// Gateway is one registered gateway, for its administrators.
type Gateway struct {
	ID           string            `json:"id"`
	Title        string            `json:"title"`
	Kind         string            `json:"kind"`
	Address      string            `json:"address"`
	Division     string            `json:"division"`
	Site         string            `json:"site"`
	SiteState    string            `json:"site_state,omitempty" enum:"connected,gone" doc:"Whether a worker of its site is there; empty for the local site"`
	SiteSeen     *time.Time        `json:"site_seen,omitempty" doc:"Where none is there: when one was last heard of; absent where none ever was"`
	Source       string            `json:"source" enum:"configuration,api"`
	Paused       bool              `json:"paused"`
	Placement    map[string]string `json:"placement" doc:"Defaults for its deployments, by axis"`
	Bounds       portal.Bounds     `json:"bounds"`
	Fleet        string            `json:"fleet,omitempty" doc:"Gateways of one fleet stand behind one public address"`
	Settings     map[string]string `json:"settings"`
	Capabilities *Capabilities     `json:"capabilities,omitempty" doc:"As last probed"`
	Deployments  int               `json:"deployments"`
	Unclassified int               `json:"unclassified"`
	LastGood     *time.Time        `json:"last_good,omitempty" doc:"End of the last sync that was applied"`
	LastRun      *Run              `json:"last_run,omitempty"`
	Every        string            `json:"every" doc:"Between two syncs, such as 5m0s"`
	NextSync     *time.Time        `json:"next_sync,omitempty" doc:"When the next sync is due, give or take a tenth; absent while one runs or it is paused"`
	Budget       Budget            `json:"budget" doc:"What holds for calls on its admin side; of a gateway of another site its worker's configuration says it"`
	Traffic      *Traffic          `json:"traffic,omitempty" doc:"Absent where the process that answers has not called it"`
	// Registered is how it was registered, for those who may change that; it comes with a single one.
	Registered *NewGateway `json:"registered,omitempty" doc:"How it was registered, without its secrets; for those who may change that"`
}

// Capabilities is what a gateway can do, as a person reads it.
type Capabilities struct {
	Product            string    `json:"product"`
	Discovery          string    `json:"discovery"`
	Documents          bool      `json:"documents"`
	Issue              bool      `json:"issue"`
	IssueReason        string    `json:"issue_reason,omitempty"`
	Scope              string    `json:"scope"`
	MaxKeys            int       `json:"max_keys"`
	Expiry             bool      `json:"expiry"`
	Suspend            bool      `json:"suspend"`
	ReadBack           bool      `json:"read_back"`
	PropagationSeconds float64   `json:"propagation_seconds"`
	Pipeline           bool      `json:"pipeline"`
	Probed             time.Time `json:"probed"`
}

// Run is one sync of one gateway.
type Run struct {
	ID        string     `json:"id"`
	Gateway   string     `json:"gateway"`
	State     string     `json:"state" enum:"running,applied,unchanged,waiting,failed,discarded,planned" doc:"planned: it only worked out what a sync would do"`
	Dry       bool       `json:"dry,omitempty" doc:"It only works out what a sync would do"`
	Trigger   string     `json:"trigger" enum:"person,schedule,watch,system" doc:"What started it"`
	By        string     `json:"by,omitempty" doc:"Name of the person who started it"`
	DecidedBy string     `json:"decided_by,omitempty" doc:"Name of the person who discarded it"`
	Removing  int        `json:"removing,omitempty" doc:"Removals that a person has to say yes to"`
	Phase     string     `json:"phase,omitempty" enum:"probe,discover,documents,plan,apply"`
	Done      int        `json:"done"`
	Total     int        `json:"total"`
	Added     int        `json:"added"`
	Changed   int        `json:"changed"`
	Removed   int        `json:"removed"`
	Unchanged int        `json:"unchanged"`
	Warnings  []string   `json:"warnings,omitempty"`
	Error     string     `json:"error,omitempty" doc:"In the gateway's words, without secrets"`
	Started   time.Time  `json:"started"`
	Ended     *time.Time `json:"ended,omitempty"`
	Plan      *SyncPlan  `json:"plan,omitempty" doc:"What it did or would do; only on a single run"`
}

// NewGateway registers a gateway.
type NewGateway struct {
	ID        string            `json:"id" pattern:"^[a-z0-9][a-z0-9-]{0,62}$"`
	Title     string            `json:"title,omitempty" maxLength:"100"`
	Kind      string            `json:"kind"`
	Address   string            `json:"address"`
	Division  string            `json:"division,omitempty"`
	Placement map[string]string `json:"placement,omitempty"`
	Bounds    *portal.Bounds    `json:"bounds,omitempty"`
	Settings  map[string]string `json:"settings,omitempty"`
	Secrets   map[string]string `json:"secrets,omitempty" doc:"Write-only; sealed at rest"`
	Detect    bool              `json:"detect,omitempty" doc:"Read environments from the usual names in stages, hosts, paths and titles"`
	Fleet     string            `json:"fleet,omitempty" maxLength:"63" doc:"A name that gateways share which stand behind one public address and take the same keys there"`
	// AllowPrivate lists the private networks that its admin side may be in.
	AllowPrivate []string `json:"allow_private,omitempty" doc:"Private networks that its admin side may be in, such as 10.1.0.0/16"`
	Every        string   `json:"every,omitempty" doc:"Between two syncs, such as 5m; the portal's default where it is absent"`
	Budget       Budget   `json:"budget,omitzero"`
	GatewayTerms
}

// GatewayKind is a sort of gateway that can be registered.
type GatewayKind struct {
	Name     string           `json:"name"`
	Title    string           `json:"title"`
	Address  string           `json:"address" doc:"An example"`
	Settings []GatewaySetting `json:"settings"`
}

// GatewaySetting is one thing that an administrator tells about a gateway.
type GatewaySetting struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Help     string `json:"help"`
	Required bool   `json:"required"`
	Secret   bool   `json:"secret"`
	Default  string `json:"default,omitempty"`
}

// Organisation is a company or division whose members share an audience.
type Organisation struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Audience string    `json:"audience"`
	Division string    `json:"division,omitempty"`
	Region   string    `json:"region,omitempty"`
	Disabled bool      `json:"disabled"`
	People   int       `json:"people"`
	Created  time.Time `json:"created"`
}

// NewOrganisation asks for an organisation.
type NewOrganisation struct {
	Name     string `json:"name" minLength:"1" maxLength:"100"`
	Audience string `json:"audience"`
	Division string `json:"division,omitempty"`
	Region   string `json:"region,omitempty"`
}

// Person is somebody who can sign in.
type Person struct {
	ID             string     `json:"id"`
	Name           string     `json:"name"`
	Email          string     `json:"email"`
	Organisation   string     `json:"organisation"`
	OrganisationID string     `json:"organisation_id"`
	Roles          []string   `json:"roles"`
	State          string     `json:"state" enum:"invited,active,disabled"`
	LastSeen       *time.Time `json:"last_seen,omitempty"`
	Created        time.Time  `json:"created"`
}

// NewPerson invites somebody.
type NewPerson struct {
	Name         string   `json:"name" minLength:"1" maxLength:"100"`
	Email        string   `json:"email" format:"email"`
	Organisation string   `json:"organisation" doc:"Its id"`
	Roles        []string `json:"roles,omitempty"`
}

// Invitation is the one answer that carries the link with which the person sets a password.
type Invitation struct {
	Person  Person        `json:"person"`
	Token   portal.Secret `json:"-"`
	Expires time.Time     `json:"expires"`
}

// PersonChange changes what is not nil.
type PersonChange struct {
	Disabled *bool     `json:"disabled,omitempty"`
	Roles    *[]string `json:"roles,omitempty"`
}

// Token is a personal API token of the caller.
type Token struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Hint     string     `json:"hint" doc:"Its first characters"`
	Created  time.Time  `json:"created"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
}

// NewToken asks for a token. Days 0 means 90.
type NewToken struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
	Days int    `json:"days,omitempty" minimum:"0" maximum:"365"`
}

// CreatedToken is the one answer that carries the token.
type CreatedToken struct {
	Token
	Value portal.Secret
}

// Catalog is what there is and which endpoint is the caller's.
type Catalog interface {
	Me(ctx context.Context) (Me, error)
	// Environments lists those that the caller may meet, in order.
	Environments(ctx context.Context) ([]string, error)
	API(ctx context.Context, id string) (API, error)
	// Spec returns the document of the decided deployment. ErrNotFound as Resolve.
	Spec(ctx context.Context, q SpecQuery) (Document, error)
	// Resolve: portal.NoEndpointError where the API is visible but has no endpoint for the caller.
	Resolve(ctx context.Context, q ResolveQuery) (Decision, error)
}

// Keys is the caller's key ring.
type Keys interface {
	Applications(ctx context.Context, p Paging) (Page[Application], error)
	Application(ctx context.Context, id string) (Application, error)
	CreateApplication(ctx context.Context, n NewApplication) (Application, error)
	Subscriptions(ctx context.Context, q SubscriptionsQuery) (Page[Subscription], error)
	Subscription(ctx context.Context, id string) (Subscription, error)
	Subscribe(ctx context.Context, n NewSubscription) (Subscription, error)
	// Cancel ends the subscription and revokes its credentials.
	Cancel(ctx context.Context, id string) (Subscription, error)
	Approve(ctx context.Context, id, reason string) (Subscription, error)
	Reject(ctx context.Context, id, reason string) (Subscription, error)
	// Claim makes the credential; its secret appears in this one answer.
	Claim(ctx context.Context, subscription string) (Claim, error)
	Credentials(ctx context.Context, q CredentialsQuery) (Page[Credential], error)
	Credential(ctx context.Context, id string) (Credential, error)
	// Rotate makes a second credential; the first retires after the overlap.
	Rotate(ctx context.Context, id string, overlap time.Duration) (Claim, error)
	// Revoke: State revoking until the gateway confirms, then revoked. Repeatable.
	Revoke(ctx context.Context, id string) (Credential, error)
}

// Gateways is for their administrators; for anyone else all of it is ErrNotFound.
type Gateways interface {
	GatewayKinds(ctx context.Context) ([]GatewayKind, error)
	Gateways(ctx context.Context, p Paging) (Page[Gateway], error)
	Gateway(ctx context.Context, id string) (Gateway, error)
	CreateGateway(ctx context.Context, n NewGateway) (Gateway, error)
	GatewayChanges
	// Sync starts a run, or returns the one that is running.
	Sync(ctx context.Context, gateway string) (Run, error)
	Runs(ctx context.Context, gateway string, p Paging) (Page[Run], error)
	Run(ctx context.Context, gateway, id string) (Run, error)
}

// People is for administrators; tokens are everybody's own.
type People interface {
	Organisations(ctx context.Context, p Paging) (Page[Organisation], error)
	Organisation(ctx context.Context, id string) (Organisation, error)
	CreateOrganisation(ctx context.Context, n NewOrganisation) (Organisation, error)
	// SetOrganisationDisabled ends its people's sessions and tokens at once.
	SetOrganisationDisabled(ctx context.Context, id string, disabled bool) (Organisation, error)
	People(ctx context.Context, p Paging) (Page[Person], error)
	Person(ctx context.Context, id string) (Person, error)
	Invite(ctx context.Context, n NewPerson) (Invitation, error)
	// Reinvite makes a new link and voids the old one, for somebody invited or locked out.
	Reinvite(ctx context.Context, person string) (Invitation, error)
	ChangePerson(ctx context.Context, id string, c PersonChange) (Person, error)
	Tokens(ctx context.Context) ([]Token, error)
	Token(ctx context.Context, id string) (Token, error)
	CreateToken(ctx context.Context, n NewToken) (CreatedToken, error)
	RevokeToken(ctx context.Context, id string) error
}

// Desk is the whole service, as one caller.
type Desk interface {
	Catalog
	Search
	Keys
	Gateways
	Syncs
	Documents
	People
	Jobs
	Sites
	Lifecycles
	Curation
	Teams
	Differences
	Consumers
	Reviews
	Placement
}
