// Package catalog holds what is published and where it came from: the registered gateways, their deployments with the
// facts that the gateway told, the entries that deployments are joined to, their documents, and the runs that brought
// them in.
//
// It decides nothing about what a gateway publishes: ingest works that out and writes it here, routing reads it. Nothing
// that a gateway stops publishing is forgotten: its record stays, marked removed, so that the same object coming back is
// the same deployment with the same overrides and keys.
package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/document"
	"concierge/portal/keys"
	"concierge/portal/store"
	"concierge/portal/told"
)

// Source says who may change a gateway's registration.
type Source string

// A gateway from the configuration file is read-only elsewhere.
const (
	FromConfiguration Source = "configuration"
	FromAPI           Source = "api"
)

// Gateway is one registered gateway.
type Gateway struct {
	ID       portal.GatewayID
	Title    string
	Kind     string // of the connector
	Address  string // of the admin side
	Settings map[string]string
	Secrets  []byte // sealed, opaque here; empty: none
	Division portal.Division
	Site     portal.Site

	Defaults map[portal.Axis]string // the first layer of every placement
	Bounds   portal.Bounds
	// Detect says which environment a usual name stands for that the gateway's things are called by; the empty environment is
	// one that is not configured. Nil: names say nothing. ingest.Gateways fills it, see EnvironmentNames there.
	Detect map[string]portal.Environment
	Rules  []Rule
	// Trust lists the axes on which the gateway's own words may leave the bounds, and on which they may name the division.
	Trust []portal.Axis
	// Fleet names the gateways that stand behind one public address; empty: it is in none. See routing.Gateway.
	Fleet string
	// AllowPrivate lists prefixes such as "10.1.0.0/16" of private addresses that its admin side may have.
	AllowPrivate []string
	// Documents says whether descriptions may be fetched from where the gateway's objects point to.
	Documents Fetching
	// AcceptReach: an administrator has accepted that keys of this gateway open other APIs too.
	AcceptReach bool
	// Every is the time between two syncs; 0: the default.
	Every time.Duration
	// Budget bounds the calls on its admin side; what is zero is its kind's.
	Budget connectors.Budget

	Source  Source
	Paused  bool // no sync, no acts; its deployments stay
	Created time.Time
	Changed time.Time // of the registration

	// Capabilities are those of the last probe that differed from the one before; nil: never probed. Only
	// Store.SetCapabilities writes them.
	Capabilities *connectors.Capabilities
}

// Fetching says what the portal may fetch for a gateway. The zero value: nothing.
type Fetching struct {
	Fetch bool
	// Allow lists prefixes such as "10.1.0.0/16" of private addresses that may be fetched from.
	Allow []string `json:",omitempty"`
}

// Rule places the deployments that it matches. All rules of a gateway are tried in order; a later one wins.
type Rule struct {
	Match Match
	Set   map[portal.Axis]string
	// Public is the address that consumers use in place of scheme, host and port; its path goes before the deployment's
	// own. Empty leaves the address alone.
	Public string
}

// Match says which deployments a rule is about. Each field is empty (any) or a pattern of path.Match, compared without
// regard to case except for Path; * does not cross a slash. All fields that are set must hold.
type Match struct {
	Stage string
	// Host must hold for every host of the deployment.
	Host string
	// Path is a prefix in whole segments: "/test" and "/*/test" hold for "/test/orders" and "/eu/test/orders", and not
	// for "/testing". It must hold for every path of the deployment.
	Path string
	Tag  string // one of them
	Name string // the title
}

// Check says which pattern is malformed; the error wraps portal.ErrInvalid.
func (m Match) Check() error {
	for _, f := range m.fields() {
		parts := []string{f.pattern}
		if f.name == "path" {
			parts = strings.Split(f.pattern, "/") // each segment is matched alone
		}
		for _, part := range parts {
			if _, err := path.Match(part, ""); err != nil {
				return fmt.Errorf("%w: %w: %w", told.RulePattern.With(f.name, f.pattern), err, portal.ErrInvalid)
			}
		}
	}
	return nil
}

// String says in words what is matched.
func (m Match) String() string {
	var all []string
	for _, f := range m.fields() {
		if f.pattern != "" {
			all = append(all, f.name+" "+f.pattern)
		}
	}
	if len(all) == 0 {
		return "everything"
	}
	return strings.Join(all, ", ")
}

type matchField struct{ name, pattern string }

func (m Match) fields() []matchField {
	return []matchField{{"stage", m.Stage}, {"host", m.Host}, {"path", m.Path}, {"tag", m.Tag}, {"name", m.Name}}
}

// Standing is what an administrator sees of a gateway at a glance. Runs that only planned do not count.
type Standing struct {
	Deployments  int       // published
	Unclassified int       // of them: audience or environment unknown, seen by administrators only
	Probed       time.Time // zero: never
	LastGood     *Run      // the last that was applied or found nothing to do
	LastRun      *Run
}

// Override is what a person decided about one deployment. It survives every sync, and a rename.
type Override struct {
	Placement map[portal.Axis]string `json:"placement,omitempty"`
	BaseURL   string                 `json:"base_url,omitempty"`
	// Document, where it is set, takes the place of the gateway's own or, from the API's owners, stands in where it has none.
	Document *Uploaded `json:"document,omitempty"`
}

// Uploaded is a document that a person gave a deployment.
type Uploaded struct {
	Hash      string          `json:"hash"`
	Described Described       `json:"described"`
	By        portal.PersonID `json:"by"`
	At        time.Time       `json:"at"`
	// Owners says that who owns the API gave it, not who administers the gateway: it is for reading alone, and only as long
	// as the gateway has none that can be read.
	Owners bool `json:"owners,omitzero"`
	// Kept is what the gateway's own document said of audience and environment, by axis, when this took its place: it holds where
	// this says nothing of it.
	Kept map[string]string `json:"kept,omitempty"`
}

// IsZero reports whether nothing is decided.
func (o Override) IsZero() bool { return len(o.Placement) == 0 && o.BaseURL == "" && o.Document == nil }

// Described is what ingest takes over from a deployment's document.
type Described struct {
	Title, Summary, Description, Version string            `json:",omitzero"`
	Kind                                 string            `json:",omitempty"` // a document.Kind; empty in what was read before kinds were
	Tags                                 []string          `json:",omitzero"`
	Try                                  string            `json:",omitzero"` // path of a GET that needs no parameters; empty: none
	API                                  string            `json:",omitzero"` // explicit id of the entry
	Words                                map[string]string `json:",omitzero"` // x-concierge-* without the prefix
	// Shape is its operations, condensed, as correlate.Shape writes itself. Empty: there are none.
	Shape   string   `json:",omitempty"`
	Servers []string `json:",omitempty"` // base URLs that it names, some of them
	// Unread says why the document that the gateway points at could not be taken over, in words; what is here is then
	// from the last one that could, if any.
	Unread string `json:",omitzero"`
	// StandIn says that all but Unread is of a document that the API's owners gave, see Uploaded.Owners: the gateway has none.
	StandIn bool `json:",omitzero"`
}

// Record is one deployment and where it came from.
type Record struct {
	Deployment portal.Deployment     // as published; its API is the entry that it is joined to
	Discovered connectors.Deployment // as the gateway told it
	Described  Described
	Revision   string // of the document that was opened last; compare with Discovered.Document.Revision
	Override   Override
	Joining    Joining // written by AddRecord, Move and SetJoining alone

	Fingerprint string // of everything above but the ids and Joining; see Hash
	Created     time.Time
	Changed     time.Time
	Removed     time.Time // zero: published
}

// Key is the record's identity within its gateway.
func (r Record) Key() connectors.Key {
	return connectors.Key{RemoteID: r.Deployment.RemoteID, Exposure: r.Deployment.Exposure}
}

// Live reports whether the gateway still publishes it.
func (r Record) Live() bool { return r.Removed.IsZero() }

// Kept is what a sync asks of a record that may have stayed the same.
type Kept struct {
	connectors.Key
	ID          portal.DeploymentID
	Fingerprint string
	Live        bool // it is not removed
}

// Hash returns the fingerprint of what the record says, its own id and its entry left out, and since when it is deprecated:
// two records with the same one need no write.
func (r Record) Hash() string {
	r.Deployment.ID, r.Deployment.API, r.Deployment.Deprecated = "", "", time.Time{}
	b, err := json.Marshal([]any{r.Deployment, r.Discovered, r.Described, r.Revision, r.Override})
	if err != nil {
		panic(fmt.Sprintf("catalog: a record is not JSON: %v", err)) // text, numbers and times only: cannot happen
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Entry is one API: what a person looks for.
type Entry struct {
	ID       portal.APIID
	Slug     string
	Aliases  []string        // older slugs that still answer, and ids of entries that it took over
	Division portal.Division // owner; automatic joins stay within it
	Explicit string          // the id by which deployments name it; empty: none did
	Title    string          // when it was made
	Joined   portal.APIID    // the entry that took over all its deployments and slugs; empty: none did
	Created  time.Time

	// Deployments are those published, unclassified ones among them; filled by LoadEntry and LoadAll.
	Deployments []portal.Deployment
	// Named are those of them whose gateway or document asked for the slug by their explicit id.
	Named []portal.DeploymentID
}

// Document is an API description as fetched.
type Document struct {
	Hash        string // sha-256 of Content in hexadecimal
	Content     []byte
	Description document.Description
	Stored      time.Time
	// Packed, where it is set, is content and description in the form in which they are kept; see Pack. A store gives
	// documents out unpacked.
	Packed Packed
}

// RunState says how a sync stands.
type RunState string

// A run waits when its plan removes so much that a person has to say yes.
const (
	Running   RunState = "running"
	Applied   RunState = "applied"
	Unchanged RunState = "unchanged"
	Waiting   RunState = "waiting"
	Failed    RunState = "failed"
	// Discarded: a person said no to a waiting plan.
	Discarded RunState = "discarded"
	// Planned: what a sync would do was worked out, or with an Error could not be; nothing was changed.
	Planned RunState = "planned"
)

// Good reports whether the catalog agreed with the gateway at the end of the run.
func (s RunState) Good() bool { return s == Applied || s == Unchanged }

// Run is one sync of one gateway.
type Run struct {
	ID      portal.RunID
	Gateway portal.GatewayID
	Actor   string // who started it: a person's id or "system:schedule"
	State   RunState
	Dry     bool // only to work out what a sync would do

	// Phase, Done and Total tell how far a running one is; Total is 0 while unknown.
	Phase       string
	Done, Total int

	Added, Changed, Removed, Unchanged int

	Warnings []string         // in words for an administrator
	Error    string           // in the gateway's words
	Removing []connectors.Key // of a run that waits, or whose plan would
	// LeftOut names what the gateway told under ids that cannot be used. Held are the deployments that it was silent about
	// since then: whether one of them was meant is not known, so they stay.
	LeftOut []string
	Held    []connectors.Key
	Decided string            // who said no to a waiting plan
	Cursor  connectors.Cursor // where the next one may go on, from gateways that tell changes

	Started, Probed, Ended time.Time // zero: not yet
	// Lease is until when whoever runs a running one is taken to be alive.
	Lease time.Time
	// Again is when the gateway asked to be asked again, at the earliest; zero where it did not.
	Again time.Time
}

// Head is an entry without its slugs and deployments.
type Head struct {
	Entry
	Subscribed int // subscriptions that are wanted or held
}

// Store keeps the catalog within one transaction. Methods that ask for one thing answer portal.ErrNotFound where there is
// none.
type Store interface {
	Gateway(ctx context.Context, id portal.GatewayID) (Gateway, error)
	// Gateways lists by id, after the one given. A limit of 0 means all.
	Gateways(ctx context.Context, after portal.GatewayID, limit int) ([]Gateway, error)
	// PutGateway adds or replaces a registration; its capabilities stay.
	PutGateway(ctx context.Context, g Gateway) error
	SetCapabilities(ctx context.Context, id portal.GatewayID, c connectors.Capabilities) error
	Standing(ctx context.Context, id portal.GatewayID) (Standing, error)
	// LastGood returns the last run whose plan was applied or empty, nil where there is none.
	LastGood(ctx context.Context, id portal.GatewayID) (*Run, error)

	// Records returns all records of a gateway, removed ones too, by remote id and exposure.
	Records(ctx context.Context, gateway portal.GatewayID) ([]Record, error)
	Record(ctx context.Context, id portal.DeploymentID) (Record, error)
	// RecordsWith returns those of the records that there are, in no order.
	RecordsWith(ctx context.Context, ids []portal.DeploymentID) ([]Record, error)
	// Kept is Records in short.
	Kept(ctx context.Context, gateway portal.GatewayID) ([]Kept, error)
	// AddRecord is portal.ErrConflict where the gateway has a record with that key. AddRecords adds many.
	AddRecord(ctx context.Context, r Record) error
	AddRecords(ctx context.Context, all []Record) error
	// ChangeRecord replaces the record with that id if its fingerprint is still was; otherwise portal.ErrConflict. The
	// entry that it is joined to stays, and is returned.
	ChangeRecord(ctx context.Context, r Record, was string) (portal.APIID, error)
	// Published returns the published records of a gateway by remote id and exposure, after the one given.
	Published(ctx context.Context, gateway portal.GatewayID, after connectors.Key, limit int) ([]Record, error)
	// Unclassified returns the published records of a gateway whose audience or environment is unknown, by id, after the
	// one given.
	Unclassified(ctx context.Context, gateway portal.GatewayID, after portal.DeploymentID, limit int) ([]Record, error)

	// LoadEntry returns an entry with its published deployments.
	LoadEntry(ctx context.Context, id portal.APIID) (Entry, error)
	// LoadEntries returns those of the entries that there are, in no order.
	LoadEntries(ctx context.Context, ids []portal.APIID) ([]Entry, error)
	// LoadAll returns every entry that has a published deployment.
	LoadAll(ctx context.Context) ([]Entry, error)
	// EntryBySlug finds the owner of a slug or alias, without its deployments.
	EntryBySlug(ctx context.Context, slug string) (Entry, error)
	// Heads returns those of the entries that there are, without their slugs and deployments, and how many subscriptions
	// each has that are wanted or held.
	Heads(ctx context.Context, ids []portal.APIID) ([]Head, error)
	// Curated reports whether people gave an entry texts or a team.
	Curated(ctx context.Context, api portal.APIID) (bool, error)
	// Taken returns those of some slugs that an entry answers to.
	Taken(ctx context.Context, slugs []string) ([]string, error)
	// AddEntry is portal.ErrConflict where its slug or, in its division, its explicit id is taken.
	// AddEntries adds many.
	AddEntry(ctx context.Context, e Entry) error
	AddEntries(ctx context.Context, all []Entry) error
	// SetExplicit gives an entry the id by which deployments name it.
	SetExplicit(ctx context.Context, id portal.APIID, explicit string) error

	Joins

	Document(ctx context.Context, hash string) (Document, error)
	// PutDocument writes nothing where a published document has that hash.
	PutDocument(ctx context.Context, d Document) error
	// PutDocuments is PutDocument for many at once.
	PutDocuments(ctx context.Context, all []Document) error
	// Orphans are the hashes of documents that no record points at and that were stored before the time given; at most so many.
	Orphans(ctx context.Context, before time.Time, limit int) ([]string, error)
	// ForgetOrphans forgets those of some documents that are orphans still.
	ForgetOrphans(ctx context.Context, hashes []string, before time.Time) error

	// StartRun is portal.ErrConflict while the gateway has a running one.
	StartRun(ctx context.Context, r Run) error
	// NoteRun records how far a running one is; portal.ErrConflict unless it is running.
	NoteRun(ctx context.Context, r Run) error
	// EndRun records how it ended, and drops the oldest of many; portal.ErrConflict unless it is running.
	EndRun(ctx context.Context, r Run) error
	// DiscardRun records that a person said no to a waiting one; portal.ErrConflict unless it waits.
	DiscardRun(ctx context.Context, r Run) error
	// PutPlan keeps what a run did or would do. It goes with its run.
	PutPlan(ctx context.Context, run portal.RunID, p Plan) error
	// Plan is the zero Plan where none was kept.
	Plan(ctx context.Context, run portal.RunID) (Plan, error)
	Run(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (Run, error)
	// Runs lists a gateway's runs, the newest first, from the one before the run given; empty: from the newest.
	Runs(ctx context.Context, gateway portal.GatewayID, before portal.RunID, limit int) ([]Run, error)
	// OpenRun returns the running one of a gateway, nil where there is none.
	OpenRun(ctx context.Context, gateway portal.GatewayID) (*Run, error)
	// OpenRuns lists the running ones of all gateways.
	OpenRuns(ctx context.Context) ([]Run, error)
}

// Tx is the part of a transaction that the catalog's writers need.
type Tx interface {
	Catalog() Store
	Keys() keys.Store // whose subscriptions are frozen with what is classified anew
	Audit() audit.Store
	Changed(kind store.ChangeKind, id string)
	Turn(ctx context.Context) error
	Singly(ctx context.Context) error
	Enqueue(ctx context.Context, j store.Job) error
}

// DB runs transactions; see store.DB. store.Narrow makes one.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
}
