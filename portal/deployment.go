package portal

import "time"

// Authentication says how callers of a deployment prove who they are, in OpenAPI's words.
type Authentication struct {
	Type   string `json:"type"`             // apiKey, http, oauth2, openIdConnect, mutualTLS or none
	In     string `json:"in,omitempty"`     // header or query
	Name   string `json:"name,omitempty"`   // of the header or query parameter
	Prefix string `json:"prefix,omitempty"` // written before the secret, with its trailing space
}

// Plan is a way to use a deployment that the gateway offers. Every deployment has at least one.
type Plan struct {
	ID       string   `json:"id"` // unique within the deployment
	Title    string   `json:"title"`
	Limits   []string `json:"limits"`   // in words, such as "100 requests per second"
	Approval Approval `json:"approval"` // how a subscription to it is granted
}

// Approval says how a subscription is granted.
type Approval string

// Automatic grants at once; Required waits for an approver.
const (
	Automatic Approval = "automatic"
	Required  Approval = "required"
)

// Lifecycle of a version at one deployment.
type Lifecycle string

// A preview is chosen by name only; a deprecated version is not the newest one for newcomers; a retired one lets no
// newcomer in, not even by name.
const (
	Preview    Lifecycle = "preview"
	Active     Lifecycle = "active"
	Deprecated Lifecycle = "deprecated"
	Retired    Lifecycle = "retired"
)

// Lifecycles lists them in the order in which a version passes through them.
var Lifecycles = []Lifecycle{Preview, Active, Deprecated, Retired}

// Ending reports whether it is on its way out: whoever uses it has to leave.
func (l Lifecycle) Ending() bool { return l == Deprecated || l == Retired }

// LifecycleLayers says where the values of a lifecycle come from: LayerDocument, LayerGateway or LayerOverride, the later
// winning. Empty: nobody said, it is the default.
type LifecycleLayers struct {
	Lifecycle Layer `json:",omitzero"`
	Sunset    Layer `json:",omitzero"`
	Successor Layer `json:",omitzero"`
}

// Deployment is one API version at one exposure of one gateway, as the catalog publishes it.
type Deployment struct {
	ID       DeploymentID `json:",omitzero"`
	Gateway  GatewayID    `json:",omitzero"`
	RemoteID string       `json:",omitzero"` // the gateway's own object id
	Exposure string       `json:",omitzero"` // the gateway's own stage, listener or address pattern; never our placement

	API APIID `json:",omitzero"` // the entry that it is joined to
	// Since is when it was joined automatically to an entry that somebody may have had an answer from: routing prefers to it
	// whatever was there before, until a person confirms the join. Zero: settled. The catalog keeps it beside what is
	// published.
	Since   time.Time `json:"-"`
	Title   string    `json:",omitzero"` // as the gateway or its document says
	Summary string    `json:",omitzero"`
	// Description is markdown from outside: render it through document.Markdown only.
	Description string    `json:",omitzero"`
	Version     string    `json:",omitzero"` // as stated, such as "2.1.0"
	Line        string    `json:",omitzero"` // what a constraint matches, such as "2"
	Lifecycle   Lifecycle `json:",omitzero"`
	Sunset      time.Time `json:",omitzero"` // zero: none announced
	// Deprecated is since when it is deprecated or retired: as somebody said, else when the portal learned of it.
	Deprecated time.Time `json:",omitzero"`
	// Successor names what takes its place, in the words of ParseSuccessor; empty: nothing is known to.
	Successor string          `json:",omitempty"`
	SaidBy    LifecycleLayers `json:",omitzero"`
	Tags      []string        `json:",omitzero"`
	Owner     string          `json:",omitzero"`

	BaseURL        string         `json:",omitzero"` // the address that consumers use, without a trailing slash
	Authentication Authentication `json:",omitzero"`
	Plans          []Plan         `json:",omitzero"`
	Document       string         `json:",omitzero"`  // hash of its document in the catalog; empty: none, a synthesised one is served
	Kind           string         `json:",omitempty"` // of its document, such as "openapi" or "graphql"; empty: none
	Try            string         `json:",omitzero"`  // path below BaseURL of a GET that needs no parameters; empty: none is known

	Placement Placement `json:",omitzero"`
	// Issue is the reason why no key can be issued here, in words for people; empty where one can.
	IssueRefused string `json:",omitzero"`
	Active       bool   `json:",omitzero"` // false: the gateway lists it but does not serve it
}

// Consumer is whoever asks: a person, through one organisation, optionally for one of its applications.
type Consumer struct {
	Person       PersonID
	Organisation OrganisationID
	Audience     Audience // comes from the organisation, never from the person's claim
	Division     Division // empty for outsiders
	Region       Region
	Application  ApplicationID // empty: the answer is that for a newcomer
}
