// Package search finds APIs by words, in an index that follows the catalog: what each entry is found by is kept in the
// database, and every process has it in memory, where words are looked up.
//
// The index only proposes. For each audience it holds what that audience may read, an entry by its id; what is shown, in
// what order, and every number come from the routing table as it is for the consumer at that moment. So nothing that
// somebody may not see is in results, counts, suggestions or corrections, however old the index is.
//
// Whatever is searched is folded and cut into tokens here, in Go, and no engine's search takes part: every engine finds the
// same, in the same time, and words are found while the database is away.
package search

import (
	"context"
	"time"

	"concierge/portal"
	"concierge/portal/routing"
	"concierge/portal/store"
)

// Row is what audiences that read the same find an entry by.
type Row struct {
	Tokens     []string // sorted, each once; see tokens.go
	Operations []string // such as "POST /v1/refunds", as written; one of them is shown with what it has found
}

// Term is a token, or with Prefix all that begin with it.
type Term struct {
	Token  string
	Prefix bool
}

// Expression matches rows that hold, of each group, one term at least. Neither it nor a group is empty.
type Expression [][]Term

// Operation is a method of a path, as a document or a gateway names it.
type Operation struct{ Method, Path, ID string }

// Progress says how far the index has followed the catalog.
type Progress struct {
	Revision  int64        // of this row; whoever changes the index changes it
	Signature string       // what the index is made for: its format, audiences and environments
	Version   int64        // of the change log: what changed up to it is in the index
	Building  bool         // the whole catalog is gone through, by id
	Position  portal.APIID // up to which it has been
	Ready     bool         // the index has been whole since its format changed
	Touched   time.Time
}

// Match is a row that an expression has found.
type Match struct {
	API portal.APIID
	Row int64
}

// Place is where a row stands in the order in which they were written, which is that of Row: whoever writes has changed
// Progress first, so one comes after the other. The zero Place is before all.
type Place struct {
	Revision int64 // of Progress, with which it was written
	Row      int64
}

// Indexed is a row as it is kept. All rows of an entry have one revision; in place of none it has one without tokens.
type Indexed struct {
	Place  Place
	API    portal.APIID
	Tokens string // separated by spaces
}

// Store keeps the index within one transaction.
type Store interface {
	// Progress is the zero Progress in a new database.
	Progress(ctx context.Context) (Progress, error)
	// SetProgress replaces the one with that revision, by one with the next; portal.ErrConflict where somebody was faster.
	SetProgress(ctx context.Context, was int64, p Progress) error

	// Fingerprints says what is in the index of some entries; Between, of all after one up to another, without end where
	// that is empty. Entries that are not in the index are left out.
	Fingerprints(ctx context.Context, ids []portal.APIID) (map[portal.APIID]string, error)
	Between(ctx context.Context, after, until portal.APIID) (map[portal.APIID]string, error)
	// Put replaces an entry's rows, with the revision that Progress gets in this transaction; without rows it takes the entry
	// out.
	Put(ctx context.Context, id portal.APIID, revision int64, fingerprint string, rows []Row) error

	// Since returns some rows after a place, in order, at most so many. What replaces an entry's rows, or takes it out, comes
	// later than they.
	Since(ctx context.Context, after Place, limit int) ([]Indexed, error)
	// Operations returns those of rows; rows that are no longer there, and those without any, are left out.
	Operations(ctx context.Context, rows []int64) (map[int64][]string, error)

	// Described returns the operations of documents, by their hash; Routed those that gateways told of deployments.
	Described(ctx context.Context, documents []string) (map[string][]Operation, error)
	Routed(ctx context.Context, deployments []portal.DeploymentID) (map[portal.DeploymentID][]Operation, error)
}

// Tx is the part of a transaction that the index needs.
type Tx interface{ Search() Store }

// DB is the database of the index and of the catalog that it follows.
type DB interface {
	InTx(ctx context.Context, fn func(Tx) error) error
	View(ctx context.Context, fn func(Tx) error) error
	Listen(ctx context.Context, topic string) <-chan struct{}
	Changes(ctx context.Context, after int64) (changes []store.Change, newest int64, complete bool, err error)
}

// Tables is where the newest routing table is; routing.Live is one.
type Tables interface {
	Table() *routing.Table
	Ready() bool
	Refresh(ctx context.Context) error
}

// On makes a DB of a database.
func On(db store.DB) DB { return database{store.Narrow[Tx](db), db} }

type database struct {
	store.Narrowed[Tx]
	db store.DB
}

func (d database) Changes(ctx context.Context, after int64) ([]store.Change, int64, bool, error) {
	return d.db.Changes(ctx, after)
}
