package ui

import (
	"cmp"
	"strings"
	"time"
)

// Page is what the layout needs to know.
type Page struct {
	Title   string
	Here    string // what the way to the page ends with; empty: its title
	Section string // path of the navigation entry that is current
	Crumbs  []Link
	Nav     []NavGroup
	Me      Me
	Path    string // where the language and theme switches return to
	Theme   string // light, dark or empty: as the system says
	Flash   string // what has just been done
	// Searches says that the page has a search field of its own, instead of the one above every page.
	Searches bool
	Refresh  int // seconds after which a browser without JavaScript asks again; 0: never
}

func (p Page) here() string { return cmp.Or(p.Here, p.Title) }

// Me is who is signed in. The zero value is nobody.
type Me struct {
	Name, Email, Organisation, Audience string
	Roles                               []string
	SignOut                             bool // false where the session is not the page's to end, as in the desktop window
}

// Link leads somewhere.
type Link struct {
	Text, Href string
	Current    bool
}

// NavGroup is one part of the navigation.
type NavGroup struct {
	Title string
	Links []NavLink
}

// NavLink is one entry of the navigation.
type NavLink struct {
	Text, Icon, Href string
}

// Form is what a person wrote into a form and what was wrong with it.
type Form struct {
	Values  map[string]string
	Errors  map[string]string // by field
	Problem []Said            // with the whole of it
}

// Value returns what was written into a field.
func (f Form) Value(name string) string { return f.Values[name] }

// Option is one choice of a field.
type Option struct {
	Value, Text string
}

// APICard is one API in a list.
type APICard struct {
	Title, Summary, Href string
	Operation            string // by which it was found; empty where it was not by one
	Tags                 []Link
	Lines                []Line
}

// Line is one version of an API and where it can be had.
type Line struct {
	Version, Lifecycle string
	Environments       []string
}

// Catalog is the page that lists APIs.
type Catalog struct {
	Query       string
	Instead     string // what was searched for, where nothing has the query; empty where that was searched for
	Incomplete  bool   // titles, names and tags alone were looked at
	Total       int
	More        bool // there are more than Total
	Facets      []Facet
	Chosen      []Link // what the list is narrowed by; each leads to the list without it
	Items       []APICard
	First, Next string // addresses of pages; empty where there is none
	Clear       string // address without any filter; empty where none is set
}

// Facet is a property by which the catalog is narrowed.
type Facet struct {
	Name, Title string
	Open        bool
	Values      []FacetValue
	Rest        []FacetValue // seldom ones, shown when asked for
	More        int          // values that are not listed
}

// FacetValue is one box to tick.
type FacetValue struct {
	ID, Value, Text, Count string
	Checked                bool
}

// APIPage is one API.
type APIPage struct {
	APIHead
	Markdown     string // HTML made harmless by document.Markdown
	Links        []Link
	Versions     []VersionTab
	Environments []Link
	Environment  string
	Endpoint     *Endpoint // nil: none for this person here
	Elsewhere    []Link    // environments that have one
	Retired      string    // the version that has none as it takes nobody new
	JSON, YAML   string    // addresses of the document; YAML is empty where there is one form of it alone
	DocumentKind string    // such as OpenAPI
	Operations   string    // address of the list of operations
	Reference    string    // address of all that the document says of them
	Differs      *Differs  // nil: not known to differ from production
	Keys         []Key     // that the person holds here
	GetKey       GetKey
	Curated      Curated
	Ending       *Ending // nil: it is not on its way out
}

// VersionTab is one version to choose.
type VersionTab struct {
	Link
	Lifecycle string
}

// Endpoint is where the person is sent.
type Endpoint struct {
	BaseURL, Gateway, Region, Version, Environment string
	Lifecycle                                      string
	Authentication                                 Authentication
	Curl                                           string
	Refused                                        Said // why no key can be had; empty where one can
	Why                                            []string
	Application                                    string // whose answer this is; empty: a newcomer's
	Applications                                   []Option
	Reset                                          string // path of the page, for the choice of application
}

// Authentication says how to prove who is calling. Example is what to send, with a placeholder.
type Authentication struct {
	Type, In, Name, Example string
}

// Plan is a way to use an API.
type Plan struct {
	ID, Title     string
	Limits        []string
	NeedsApproval bool
}

// GetKey is the form that asks for access.
type GetKey struct {
	Form
	API, Version, Environment string
	Plans                     []Plan
	Applications              []Option
	Able                      bool // false: only somebody else in the organisation may
}

// NewApplicationChoice is the value of the application field that means one that is not there yet.
const NewApplicationChoice = "new"

// Operation is one thing that an API can do.
type Operation struct {
	Method, Path, Summary string
	Deprecated            bool
}

// Operations is the list of what an API can do.
type Operations struct {
	Items    []Operation
	More     int  // how many more its document has
	Withheld bool // the document cannot be handed out to this person
}

// Key is one credential; never its secret.
type Key struct {
	ID, Title, API, Version, Environment, State string
	Application, ApplicationID, Gateway         string
	Fingerprint, Replaces, Subscription         string
	Note                                        Said
	Created                                     time.Time
	Expires, Ends, Effective                    *time.Time
	EffectiveBy                                 string
}

// Live reports whether the gateway accepts the key, as far as is known.
func (k Key) Live() bool { return k.State == "active" || k.State == "retiring" }

// Keys is the page that lists credentials.
type Keys struct {
	Leaving     []Leaving // what is on its way out
	Items       []Key
	States      []Link
	First, Next string
}

// KeyPage is one credential.
type KeyPage struct {
	Key
	Curl      string
	CanRotate bool
	Frozen    bool // its subscription is
}

// Rotate is the question before a key is replaced.
type Rotate struct {
	Key
	Overlaps []Option
	Chosen   string
	Single   bool // the gateway holds one key: the old one ends at once
}

// Revealed is the one showing of a secret.
type Revealed struct {
	Title, Version, Environment string
	BaseURL                     string
	Parts                       []RevealedPart
	Curl                        string
	Key                         string // id of the credential
	Replaced                    *time.Time
	Replaces                    string
}

// RevealedPart is one value to send.
type RevealedPart struct {
	In, Name, Prefix, Value string
	Public                  bool
}

// Subscription is the right of an application to have a key.
type Subscription struct {
	ID, Title, API, Version, Environment, Plan string
	Application, ApplicationID, Organisation   string
	State, Reason, RequestedBy, DecidedBy      string
	Created                                    time.Time
	CanDecide                                  bool
	Frozen                                     bool // nothing new is made under it until somebody decides
}

// Subscriptions is the page that lists them.
type Subscriptions struct {
	Items       []Subscription
	States      []Link
	First, Next string
}

// SubscriptionPage is one subscription and its keys.
type SubscriptionPage struct {
	Subscription
	Keys  []Key
	Claim bool   // a key can be claimed now
	Held  string // id of the live key that stands in the way of a claim
}

// Waiting says that a claim is on its way: a gateway or its site has to act first.
type Waiting struct {
	Action  string // where the same request goes again
	Overlap string // of a rotation, as it was chosen
	Note    Said
	Asked   int    // how often it has been asked for
	Again   int    // seconds after which the page asks again by itself
	Back    string // address of where to take the key later
}

// Application is what calls APIs.
type Application struct {
	ID, Name, Organisation string
	Created                time.Time
}

// Applications is the page that lists them.
type Applications struct {
	Items       []Application
	First, Next string
	CanAdd      bool
}

// ApplicationPage is one application.
type ApplicationPage struct {
	Application
	Leaving       []Leaving // what it has to leave
	Subscriptions []Subscription
	Keys          []Key
}

// Home is the first page.
type Home struct {
	Leaving                 []Leaving // what the person uses and has to leave
	Name                    string
	Keys, Applications      string // how many; "50+" where there are more than one page
	Waiting, ToDecide       string
	Frozen                  string // subscriptions to decide about, or of the person's own; empty: none
	Decides                 bool
	Reviews                 string         // how many wait; empty where that is not for the reader
	Ready                   []Subscription // approved, without a key yet
	Ending                  []Key
	Operator                bool
	Unclassified            int
	Gateways                int
	Troubled                []Gateway
	Jobs                    string // how many fail; empty where that is not for the reader
	JobsHref                string // address of their list
	Workers                 string // how many are gone; empty also where there are no sites but the portal's own
	Environments            []string
	HasKeys, HasApplication bool
}

// Gateway is one registered gateway.
type Gateway struct {
	ID, Title, Kind, Address, Division, Site, Source string
	Paused                                           bool
	Placement                                        []Fact
	Audiences, Environments                          []string
	Settings                                         []Fact
	Abilities                                        []AbilityLine
	Product                                          string
	Probed                                           *time.Time
	Deployments, Unclassified                        int
	// Gone says that no worker of its site is there; SiteSeen is when one last was, nil if never.
	Gone     bool
	SiteSeen *time.Time
	SiteHref string // address of the site's page; empty where it is not for the reader
	Away     bool   // it is reached from another site
	// Every is the time between two syncs, NextSync when the next one is due; nil while one runs.
	Every     string
	NextSync  *time.Time
	Discovery string // snapshot, since or watch; empty where it has not been asked yet
	Budget    BudgetView
	Traffic   *Traffic // nil where this process has not called it
	LastGood  *time.Time
	LastRun   *Run
}

// Fact is a name and a value.
type Fact struct {
	Name, Value string
}

// AbilityLine is one thing that a gateway can or cannot do, in words.
type AbilityLine struct {
	Able bool
	Text string
}

// Run is one sync.
type Run struct {
	ID, State, Phase, Error            string
	Dry                                bool // it only works out what a sync would do
	Done, Total                        int
	Added, Changed, Removed, Unchanged int
	Removing                           int    // removals that wait for a person
	Trigger, By, DecidedBy             string // what started it, who did, who said no
	Warnings                           []Said
	Started                            time.Time
	Ended                              *time.Time
}

// Gateways is the page that lists them.
type Gateways struct {
	Items       []Gateway
	First, Next string
	CanAdd      bool
}

// GatewayPage is one gateway and its history.
type GatewayPage struct {
	Gateway
	Runs        []Run
	First, Next string
	CanChange   bool
	CanSync     bool
}

// NewGateway is the form that registers one.
type NewGateway struct {
	Form
	Changes      string // the gateway whose registration changes; empty: a new one
	Kinds        []Option
	Kind         GatewayKind // the chosen one; its zero value means that none is chosen
	Axes         []string
	Audiences    []string
	Environments []string
}

// GatewayKind is a sort of gateway.
type GatewayKind struct {
	Name, Title, Address string
	Settings             []GatewaySetting
}

// GatewaySetting is one thing to tell about a gateway.
type GatewaySetting struct {
	Name, Title, Help, Default string
	Required, Secret           bool
}

// Job is one piece of work that the portal does by itself.
type Job struct {
	ID, Kind, Subject, State, Error string
	SubjectHref                     string // address of what it is done to; empty where that has no page
	Attempt                         int
	Created, Due                    time.Time
	Ended                           *time.Time
	Periodic, CanRun                bool
}

// Name is its kind and what it is done to.
func (j Job) Name() string { return strings.TrimSpace(j.Kind + " " + j.Subject) }

// UnderWay reports whether it runs, or is about to.
func (j Job) UnderWay() bool { return j.State == "running" || j.State == "available" }

// Jobs is the page that lists them.
type Jobs struct {
	Items       []Job
	States      []Link
	Kinds       []Option
	State, Kind string // as chosen
	Clear       string // address without any filter; empty where none is set
	First, Next string
}

// Site is a place from which gateways are reached.
type Site struct {
	Name            string
	Local           bool
	Gateways        []string
	Workers         []Worker
	Enrolments      []Enrolment
	Connected, Gone int        // workers
	Seen            *time.Time // when the last of those that are gone was seen
	Waiting         int        // calls
}

// Sites is the page that lists them.
type Sites struct {
	Items     []Site
	OnlyLocal bool
}

// Worker is a process that acts on the gateways of a site.
type Worker struct {
	ID, Name, Version, State string
	Gateways                 []string
	Enrolled, LastSeen       time.Time
	Reused                   *time.Time // when somebody else tried its token; nil: nobody did
}

// Enrolment lets one worker join a site.
type Enrolment struct {
	ID               string
	Created, Expires time.Time
}

// NewWorker is the form that makes an enrolment.
type NewWorker struct {
	Form
	Sites []string
}

// Enrolled shows an enrolment's token once. Variable is where the worker finds it.
type Enrolled struct {
	Site, Token, Command, Variable string
	Expires                        time.Time
}

// Organisation is a company or division.
type Organisation struct {
	ID, Name, Audience, Division, Region string
	Disabled                             bool
	People                               int
	Created                              time.Time
}

// Organisations is the page that lists them.
type Organisations struct {
	Items       []Organisation
	First, Next string
	CanChange   bool
}

// NewOrganisation is the form that adds one.
type NewOrganisation struct {
	Form
	Audiences []string
}

// Person is somebody who can sign in.
type Person struct {
	ID, Name, Email, Organisation, State string
	Roles                                []string
	LastSeen                             *time.Time
	Self                                 bool
}

// People is the page that lists them.
type People struct {
	Items       []Person
	First, Next string
	CanChange   bool
}

// NewPerson is the form that invites somebody.
type NewPerson struct {
	Form
	Organisations []Option
	Roles         []string
}

// Invited shows an invitation's link once.
type Invited struct {
	Person  Person
	Address string
	Expires time.Time
}

// Roles is the form that changes what a person may do.
type Roles struct {
	Person Person
	All    []string
}

// Account is what belongs to the person alone.
type Account struct {
	Form
	Tokens []Token
	Days   []Option
}

// Token is a personal API token.
type Token struct {
	ID, Name, Hint    string
	Created           time.Time
	LastUsed, Expires *time.Time
}

// CreatedToken shows a token once.
type CreatedToken struct {
	Token
	Value   string
	Example string
}

// Confirm asks before something that cannot be undone.
type Confirm struct {
	Title, Text string
	Points      []string // what will happen
	Action      string   // where the form goes
	Button      string
	Danger      bool
	Back        string
	Reason      bool // asks for a reason
	ReasonLabel string
	Form
}

// SignIn is the form of the door.
type SignIn struct {
	Form
	Next string
}

// Invitation is the form that makes an account out of an invitation.
type Invitation struct {
	Form
	Action, Email, Organisation string
	First                       bool // the first administrator, who also says who they are
	MinPassword                 int
}

// Failure is what a person sees of an error.
type Failure struct {
	Status      int
	Title, Text string
	Detail      []Said // in the words of whoever refused; none where those are not for this person
	RequestID   string // where somebody has to look into it
	Home        bool
	InTheWay    string // address of the thing that a conflict is with
}
