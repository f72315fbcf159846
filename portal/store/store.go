// Package store says what every database of Concierge offers: transactions that hand out each package's own store, and
// a log of what changed. The engines are the folders below; all SQL lives there.
//
// Rules for every engine: ids are text, times are whole microseconds UTC, exclusion rests on unique indexes and
// conditional updates and never on there being one writer. No gateway is called inside a transaction.
package store

import (
	"context"
	"fmt"
	"time"

	"concierge/portal/audit"
)

// Tx is one transaction. It is not safe for concurrent use and ends with the function that it is given to.
type Tx interface {
	Audit() audit.Store
	// Changed notes that what the routing table is compiled from has changed; see DB.Changes.
	Changed(kind ChangeKind, id string)
	// Enqueue asks for a job, which is there if and only if this transaction is committed. Where one of its kind and
	// subject has not ended, that one serves, at the earlier of the two times.
	Enqueue(ctx context.Context, j Job) error
	// Turn lets one transaction after another of those that ask for it pass from here to its commit, over all replicas: each
	// sees what those before it have done, and none gets in another's way. It comes before anything else in a transaction, and
	// waits for as long as ctx does.
	Turn(ctx context.Context) error
	// Singly says that every statement of the transaction holds by itself: none rests on what another one read, so that it does
	// not matter what others do in between. They are not in its way then, nor it in theirs. It comes before anything else.
	Singly(ctx context.Context) error
	// Tell wakes who listens to a topic, on every replica, once this transaction is committed.
	Tell(topic string)
}

// DB is a database. It is safe for concurrent use.
type DB interface {
	// InTx runs fn in one transaction that may write, and commits when fn returns nil. It is as if no other transaction
	// ran at the same time; where one got in the way fn is run again, so it sets what it returns and never adds to it.
	// Errors: portal.ErrUnavailable when the database is busy, full or gone, portal.ErrConflict where a unique index forbids.
	InTx(ctx context.Context, fn func(Tx) error) error
	// View runs fn in one transaction that reads one consistent state.
	View(ctx context.Context, fn func(Tx) error) error

	// Version returns the number of the newest change.
	Version(ctx context.Context) (int64, error)
	// Changes returns what changed after a version, each thing once, and the newest number. complete is false when
	// the log no longer reaches back that far: load everything then.
	Changes(ctx context.Context, after int64) (changes []Change, newest int64, complete bool, err error)
	// Listen returns a channel that receives after commits that told the topic, of every process on this database, and
	// whenever some may have been missed. It is a hint: nothing may be lost where one does not come.
	Listen(ctx context.Context, topic string) <-chan struct{}

	Close() error
}

// TopicChanges is told by every transaction that noted a change.
const TopicChanges = "changes"

// ChangeKind says what sort of thing changed.
type ChangeKind string

// What the routing table is compiled from.
const (
	ChangedAPI         ChangeKind = "api"         // a catalog entry: portal.APIID
	ChangedPerson      ChangeKind = "person"      // memberships, roles, tokens: portal.PersonID
	ChangedApplication ChangeKind = "application" // its owner or its bindings: portal.ApplicationID
	ChangedGateway     ChangeKind = "gateway"     // portal.GatewayID
)

// Change is one thing that changed.
type Change struct {
	Kind ChangeKind
	ID   string
}

// Job is work that outlives whoever asks for it; see package jobs. What there is to do is read from the store when it runs.
type Job struct {
	Kind    string
	Subject string    // the id of what it is done to; empty where the kind says it all
	After   time.Time // not before; zero: at once
}

// Narrow gives a package the transactions that it declares for itself: T is an interface that every Tx satisfies.
func Narrow[T any](db DB) Narrowed[T] { return Narrowed[T]{db} }

// Narrowed is a DB whose transactions are seen as T.
type Narrowed[T any] struct{ db DB }

// InTx is DB.InTx.
func (n Narrowed[T]) InTx(ctx context.Context, fn func(T) error) error {
	return n.db.InTx(ctx, narrow(fn))
}

// View is DB.View.
func (n Narrowed[T]) View(ctx context.Context, fn func(T) error) error {
	return n.db.View(ctx, narrow(fn))
}

// Listen is DB.Listen.
func (n Narrowed[T]) Listen(ctx context.Context, topic string) <-chan struct{} {
	return n.db.Listen(ctx, topic)
}

func narrow[T any](fn func(T) error) func(Tx) error {
	return func(tx Tx) error {
		t, ok := tx.(T)
		if !ok {
			return fmt.Errorf("%T does not offer %T", tx, t) // a fault of the wiring, seen by its first test
		}
		return fn(t)
	}
}

// Settings are the few values that belong to the installation as a whole.
type Settings interface {
	// Setting is portal.ErrNotFound where none has that name.
	Setting(ctx context.Context, name string) ([]byte, error)
	PutSetting(ctx context.Context, name string, value []byte) error
	// AddSetting keeps the value where none has that name yet. It returns the one that is kept: of several who add one at
	// once, all get the first.
	AddSetting(ctx context.Context, name string, value []byte) (kept []byte, err error)
}

// Pool is a pool of connections to a database.
type Pool struct {
	Name             string
	InUse, Idle, Max int
	Waits            int64 // times that somebody had to wait for a connection
}

// Examination is what can be said of a database without changing it.
type Examination struct {
	Server         string // with its version
	Tables, Newest int64  // versions of the tables: those that are there, and those that this program makes
	Settings       map[string][]byte

	// Of a server.
	Encoding       string
	MaxConnections int
	Latency        time.Duration // of one question
	Clock          time.Duration // how much the server's is ahead of ours
}
