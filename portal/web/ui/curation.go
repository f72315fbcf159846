package ui

import "time"

// The addresses of what owners do; those about an API are below its own.
const (
	TeamsPath   = "/teams"
	NewTeamPath = "/add-team"
)

// Curated is what the owners of an API say about it.
type Curated struct {
	Contact Contact
	Guides  []Link
	Edit    string // address of the owners' pages; empty: the person is none
}

// Contact is whom to ask. Chat may be an address.
type Contact struct {
	Name, Email, URL, Chat string
	ChatHref               string
}

// IsZero reports whether nobody is known.
func (c Contact) IsZero() bool { return c == Contact{} }

// GuidePage is one guide.
type GuidePage struct {
	Title, Markdown string // HTML made harmless by document.Markdown
	Others          []Link
}

// EditTexts is the owners' page of texts.
type EditTexts struct {
	Form
	Title      string
	Action     string // where it is sent
	Back       string
	History    string
	Revision   string // that the form is based on
	Published  bool
	By         string
	At         *time.Time
	Loaded     string // of an old revision: what is shown, in words
	Parts      []EditPart
	Guides     []EditGuide
	Audiences  []Option
	Other      *Saved // what somebody else has saved meanwhile
	Preview    *Preview
	Team       string // id
	Teams      []Option
	AssignPath string // empty: not for the person
}

// EditPart is the form of one audience. Its fields are in EditTexts.Form, by name and audience.
type EditPart struct {
	Audience string
	Filled   bool // something is written there
}

// EditGuide is one guide in the form. Its fields are in EditTexts.Form, by name and number.
type EditGuide struct {
	Number string
	New    bool
}

// Saved is what somebody else has saved.
type Saved struct {
	By    string
	At    *time.Time
	Parts []Preview
}

// Preview is what one audience reads.
type Preview struct {
	Audience, Summary string
	Contact           Contact
	Tags              []string
	Links             []Link
	Guides            []GuidePage
}

// TextsHistory lists revisions.
type TextsHistory struct {
	Title string
	Back  string
	Items []TextsRevision
}

// TextsRevision is one save.
type TextsRevision struct {
	Number             string
	Published, Current bool
	Joined             bool // of an API that was joined to this one
	By                 string
	At                 time.Time
	Href               string // the editor, filled with it
}

// Teams is the page that lists teams.
type Teams struct {
	Items  []Team
	CanAdd bool
}

// Team is some of an organisation's people.
type Team struct {
	ID, Name, Organisation string
	Size                   int
	Members                []TeamMember
	Others                 []Option
	CanManage              bool
	Form                   // its name
}

// TeamMember is somebody in a team.
type TeamMember struct{ ID, Name, Email string }

// NewTeam is the form for a team.
type NewTeam struct {
	Form
	Organisations []Option // empty: the person's own
}

// Ending says that a version is on its way out.
type Ending struct {
	Lifecycle, Version string
	Since, Sunset      *time.Time
	Successor          Link   // zero: none is known
	Users              string // address of the list of who still uses it, for its owners
}

// Leaving is something in use that is on its way out.
type Leaving struct {
	Link
	Version, Environment, Application string
	ApplicationHref                   string
	Ending
}

// LifecyclePage is where one version stands, for its owners.
type LifecyclePage struct {
	Form
	Title, Version, Action, Back string
	AllUsers                     string // address of the whole list of who still uses it
	Versions                     []Link
	Decision                     *LifecycleDecision
	Deployments                  []LifecycleRow
	States                       []Option
	Subscriptions                int
	Applications, Organisations  int
	Users                        []LifecycleUser
	Scopes                       []Option // the whole version, or one deployment
}

// LifecycleDecision is what a person decided.
type LifecycleDecision struct {
	Lifecycle, Successor, Note, By string
	Sunset                         *time.Time
	At                             time.Time
}

// LifecycleRow is one deployment and who says what of it.
type LifecycleRow struct {
	ID, Gateway, Environment, Audience  string
	Lifecycle, LifecycleLayer           string
	Sunset                              *time.Time
	SunsetLayer, Successor, SuccessorBy string
	Decided                             bool // a person decided about it alone
}

// LifecycleUser is one subscription.
type LifecycleUser struct {
	Organisation, Application, Environment, State string
	LastAct                                       *time.Time
}

// ConfirmLifecycle is the question before a version is deprecated or retired.
type ConfirmLifecycle struct {
	Confirm
	Fields []Option // what was chosen: name and value
}

var lifecycleLayerKeys = map[string]string{
	"": "lifecycle.layer.none", "document": "lifecycle.layer.document", "gateway": "lifecycle.layer.gateway", "override": "lifecycle.layer.override",
}

// endingKeys and the like are the words of what is on its way out.
var (
	endingKeys     = map[string]string{"deprecated": "ending.deprecated", "retired": "ending.retired"}
	endingTextKeys = map[string]string{"deprecated": "ending.deprecated_text", "retired": "ending.retired_text"}
)

var lifecycleTones = map[string]string{"preview": tonePlum, "active": toneGood, "deprecated": toneWarn, "retired": toneBad}

// Lifecycle names where a version stands.
func (t Text) Lifecycle(state string) string { return t.named(lifecycleKeys, state) }

// chosenVersion is the version that a page of an API shows; empty: none in particular.
func chosenVersion(a APIPage) string {
	if a.Endpoint != nil {
		return a.Endpoint.Version
	}
	return ""
}
