// Package site lets acts and syncs of a gateway run where the gateway is. The portal's own process is the site "local";
// at any other one a worker runs, which holds the admin credentials of its gateways and dials out to the portal. The
// portal holds none of them.
//
// In the portal such a gateway is a Remote: a connector whose every call becomes a row, which a worker of that site takes
// under a lease and answers. What holds:
//
//   - A call is done by one worker, once. It is never given to another one after it was taken, unless the first hands it
//     back before it began. Who lost the lease, or comes after the deadline, is refused.
//   - An answer is encrypted by the worker to a key that only the waiting call has, in memory: no secret is in clear in
//     the database, or on another replica. If the caller is gone nobody can open it, and nobody ever will.
//   - A call that nobody took is taken back: nothing happens behind the caller's back (connectors.AwayError).
//   - A worker gets calls of its own site and of gateways that it holds, and what it answers counts for that call alone.
//   - Enrolment tokens serve once; they and the workers' secrets are kept as hashes, and end at once when revoked.
//
// The worker's side is Runner. The two speak JSON over HTTPS below Prefix; see protocol.go.
package site

import (
	"context"
	"crypto/sha256"
	"regexp"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/audit"
	"concierge/portal/catalog"
)

// CallState says where a call stands. An answered one is dropped once its answer is read, any other when its caller
// gives up: then it is not there any more.
type CallState string

// A call's states.
const (
	Queued   CallState = "queued"
	Taken    CallState = "taken"
	Answered CallState = "answered"
)

// Call is one call of a connector's method on its way to a worker.
type Call struct {
	ID        string
	Site      portal.Site
	Gateway   portal.GatewayID
	Operation string
	Urgent    bool   // goes first
	Request   []byte // sealed to the row: it may hold the sealed part of a handle
	ReplyKey  []byte // public half of the caller's one-time key
	Created   time.Time
	Deadline  time.Time // nobody begins it or answers it afterwards

	State     CallState
	Worker    string
	Lease     string // whoever holds it may answer
	LeaseEnds time.Time
	Parts     int // of the answer, as far as it came
}

// Hash is all that is kept of a token or secret: they have 130 random bits, so it needs no salt.
type Hash [sha256.Size]byte

// Worker is a process that has joined a site.
type Worker struct {
	ID        string
	Site      portal.Site
	Name      string // as it calls itself
	Version   string
	Gateways  []portal.GatewayID // that it holds credentials of, as it says
	Secret    Hash
	Enrolled  time.Time
	Seen      time.Time // when it asked for calls last
	Polling   string    // its last poll; empty once it went away
	Due       time.Time // when it is gone unless it polls again
	Revoked   time.Time // zero: it is not
	Enrolment string    // the id of the one that it used
	Reused    time.Time // when somebody else tried that enrolment again; zero: nobody did
}

// Connected reports whether the worker is there.
func (w Worker) Connected(now time.Time) bool {
	return w.Revoked.IsZero() && now.Before(w.Due)
}

// serves reports whether the worker can take a call of the gateway.
func (w Worker) serves(site portal.Site, gateway portal.GatewayID, now time.Time) bool {
	return w.Site == site && w.Connected(now) && slices.Contains(w.Gateways, gateway)
}

// Enrolment lets one worker join a site, once.
type Enrolment struct {
	ID      string
	Site    portal.Site
	Token   Hash
	Created time.Time
	Expires time.Time
	Revoked time.Time // zero: it is not
	Worker  string    // who used it; empty: nobody has
}

// usable reports whether a worker can still join with it.
func (e Enrolment) usable(now time.Time) bool {
	return e.Worker == "" && e.Revoked.IsZero() && now.Before(e.Expires)
}

// Store keeps calls, workers and enrolments. Look-ups of what is absent are portal.ErrNotFound.
type Store interface {
	AddCall(ctx context.Context, c Call) error
	Call(ctx context.Context, id string) (Call, error)
	// QueuedCalls of a site whose deadline has not come: the urgent ones first, then the oldest.
	QueuedCalls(ctx context.Context, site portal.Site, now time.Time, limit int) ([]Call, error)
	// UpdateCall saves state, worker, lease and how far the answer came, where state and lease are still as in was.
	// portal.ErrConflict where they are not.
	UpdateCall(ctx context.Context, c, was Call) error
	// DropCall removes a call and its answer. One that is not there is no error.
	DropCall(ctx context.Context, id string) error
	// DropCalls removes those of a worker that are taken.
	DropCalls(ctx context.Context, worker string) error
	// DropCallsBefore removes those whose deadline came before.
	DropCallsBefore(ctx context.Context, deadline time.Time) error
	// Waiting counts, by site, the queued calls whose deadline has not come.
	Waiting(ctx context.Context, now time.Time) (map[portal.Site]int, error)

	// PutPart writes one part of an answer, in the place of any that has its number or a later one.
	PutPart(ctx context.Context, call string, number int, content []byte) error
	Part(ctx context.Context, call string, number int) ([]byte, error)

	AddWorker(ctx context.Context, w Worker) error
	Worker(ctx context.Context, id string) (Worker, error)
	WorkerBySecret(ctx context.Context, secret Hash) (Worker, error)
	// Workers lists all, those that are revoked too, the newest first.
	Workers(ctx context.Context) ([]Worker, error)
	// UpdateWorker saves everything that may change in a worker's life.
	UpdateWorker(ctx context.Context, w Worker) error

	AddEnrolment(ctx context.Context, e Enrolment) error
	Enrolment(ctx context.Context, id string) (Enrolment, error)
	EnrolmentByToken(ctx context.Context, token Hash) (Enrolment, error)
	// Enrolments lists those that nobody has used or revoked and that expire after now, the newest first.
	Enrolments(ctx context.Context, now time.Time) ([]Enrolment, error)
	// UpdateEnrolment saves by whom it was used, or that it was revoked, where neither has happened yet;
	// portal.ErrConflict where it has.
	UpdateEnrolment(ctx context.Context, e Enrolment) error
}

// Tx is what one transaction of this package reaches.
type Tx interface {
	Sites() Store
	Catalog() catalog.Store
	Audit() audit.Store
	Tell(topic string)
}

// DB runs transactions. See store.DB.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
	Listen(ctx context.Context, topic string) <-chan struct{}
}

// Sealer encrypts what is kept. *seal.Box is one.
type Sealer interface {
	Seal(table, row, column string, plaintext []byte) ([]byte, error)
	Unseal(table, row, column string, sealed []byte) ([]byte, error)
}

var siteName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// ValidName reports whether a site can have the name: lower-case letters, digits and dashes, at most 63.
func ValidName(name portal.Site) bool { return siteName.MatchString(string(name)) }
