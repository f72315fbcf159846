package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal"
	"concierge/portal/routing"
	"concierge/portal/store"
)

const (
	atOnce    = 50                     // entries of one transaction: writers wait for some hundredths of a second
	lookEvery = 5 * time.Second        // without a word of a change
	lookPause = 100 * time.Millisecond // between two looks that changes cause, at least
	// longPause is the longest between them. While an estate is set up, each entry changes many times: what takes long is done
	// seldom, lookRest times as long after the last time as that took, or when nothing has changed for quiet.
	longPause = time.Minute
	lookRest  = 30
	quiet     = 3 * time.Second
	losePause = 200 * time.Millisecond // at most, of who finds that another replica was faster

	// savedEvery is how many entries a walk passes that need no writing until it notes where it is.
	savedEvery = 5000
	// keptBehind is how many changes that are none of the catalog may be ahead of what is noted.
	keptBehind = 10_000
	// abandoned is when an index that another configuration is made for, and that does not move, is taken over.
	abandoned = time.Minute
)

// Index is the index and what is needed to ask it. It is safe for concurrent use.
type Index struct {
	db        DB
	tables    Tables
	log       *slog.Logger
	signature string
	now       func() time.Time

	ready   atomic.Bool
	version atomic.Int64
	memory  memory

	following sync.Mutex // held by whoever brings it up to date, for the two below
	claimed   bool
	seen      int64 // nothing up to this change concerns the index
}

// New returns the index of a database. Run keeps it up to date; until it has been whole once, searches look at titles,
// names and tags only, and say so.
func New(db DB, tables Tables, config routing.Config, log *slog.Logger) *Index {
	b, err := json.Marshal(config)
	if err != nil {
		panic(fmt.Sprintf("search: a configuration is not JSON: %v", err)) // text alone: cannot happen
	}
	return &Index{db: db, tables: tables, log: log, signature: format + " " + string(b), now: time.Now}
}

// Ready reports whether the index has been whole, and is in memory.
func (x *Index) Ready() bool { return x.ready.Load() }

// Version is the newest change of the database up to which the index has been brought, and can be asked.
func (x *Index) Version() int64 { return x.version.Load() }

// Run follows the catalog until ctx ends. Any number of replicas may do so on one database: what one has done the others
// find done. A failure is logged once, until things work again.
func (x *Index) Run(ctx context.Context) {
	store.Follower{
		CatchUp: x.CatchUp, Idle: lookEvery, Rest: lookRest, Least: lookPause, Most: longPause, Quiet: quiet,
		Failed: func(ctx context.Context, err error) {
			x.log.ErrorContext(ctx, "the search index cannot follow the catalog; it goes on as it is", "error", err)
		},
		Recovered: func(ctx context.Context) { x.log.InfoContext(ctx, "the search index follows the catalog again") },
	}.Run(ctx, x.db.Listen(ctx, store.TopicChanges))
}

// CatchUp brings everything into the index that was committed before the call.
func (x *Index) CatchUp(ctx context.Context) error {
	x.following.Lock()
	defer x.following.Unlock()
	if !x.Ready() { // what was kept can be asked while it is brought up to date
		if err := x.look(ctx); err != nil {
			return err
		}
	}
	for {
		if err := x.tables.Refresh(ctx); err != nil {
			return err
		}
		more, err := x.step(ctx)
		switch {
		case errors.Is(err, portal.ErrConflict): // another replica is at it
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(rand.N(losePause)):
			}
		case err != nil:
			return fmt.Errorf("search index: %w", err)
		case !more:
			if err := x.look(ctx); err != nil {
				return err
			}
			x.version.Store(x.seen)
			return nil
		}
	}
}

// step does a part of what there is to do, and says whether there may be more.
func (x *Index) step(ctx context.Context) (more bool, err error) {
	table := x.tables.Table()
	p, err := x.progress(ctx)
	if err != nil {
		return false, err
	}
	if p.Signature != x.signature {
		if x.claimed && x.now().Sub(p.Touched) < abandoned {
			return false, nil // a replica with another configuration was started later
		}
		return true, x.begin(ctx, p, table)
	}
	x.claimed = true
	if p.Building {
		return true, x.walk(ctx, p, table)
	}
	return x.follow(ctx, p, table)
}

func sameFormat(signature string) bool {
	return len(signature) > len(format) && signature[:len(format)+1] == format+" "
}

// begin starts to go through the whole catalog.
func (x *Index) begin(ctx context.Context, p Progress, table *routing.Table) error {
	next := Progress{Signature: x.signature, Version: table.Version(), Building: true, Ready: p.Ready && sameFormat(p.Signature)}
	err := x.save(ctx, p, next, nil)
	if err == nil {
		x.claimed = true
		x.log.InfoContext(ctx, "the search index is made anew", "table_version", table.Version(), "entries", len(table.IDs()), "searchable", next.Ready)
	}
	return err
}

// walk goes on through the catalog and notes how far it has come.
func (x *Index) walk(ctx context.Context, p Progress, table *routing.Table) error {
	ids := table.IDs()
	at, found := slices.BinarySearch(ids, p.Position)
	if found {
		at++
	}
	ids = ids[at:]
	began, passed := p.Position, 0
	for {
		part := ids[:min(atOnce, len(ids))]
		ids = ids[len(part):]
		until := portal.APIID("")
		if len(ids) > 0 {
			until = part[len(part)-1]
		}
		work, err := x.prepare(ctx, table, part, func(s Store) (map[portal.APIID]string, error) { return s.Between(ctx, began, until) })
		if err != nil {
			return err
		}
		began = until
		passed += len(part)
		next := p
		next.Position = until
		if len(ids) == 0 {
			next.Building, next.Ready, next.Position = false, true, ""
		} else if len(work) == 0 && passed < savedEvery {
			continue
		}
		if err := x.save(ctx, p, next, work); err != nil {
			return err
		}
		p, passed = next, 0
		p.Revision++
		if !next.Building {
			x.log.InfoContext(ctx, "the search index is complete", "table_version", p.Version)
			return nil
		}
		table = x.tables.Table() // what is newer need not be done twice
	}
}

// follow takes over what has changed since.
func (x *Index) follow(ctx context.Context, p Progress, table *routing.Table) (more bool, err error) {
	changes, newest, complete, err := x.db.Changes(ctx, max(p.Version, x.seen))
	if err != nil {
		return false, err
	}
	if !complete || newest < p.Version { // a gap
		x.seen = 0
		return true, x.begin(ctx, Progress{Revision: p.Revision, Signature: p.Signature, Ready: p.Ready}, table)
	}
	upTo := min(newest, table.Version())
	ids := x.concerned(table, changes)
	for len(ids) > 0 {
		part := ids[:min(atOnce, len(ids))]
		ids = ids[len(part):]
		work, err := x.prepare(ctx, table, part, func(s Store) (map[portal.APIID]string, error) { return s.Fingerprints(ctx, part) })
		if err != nil {
			return false, err
		}
		next := p
		if len(ids) == 0 {
			next.Version = max(p.Version, upTo)
		}
		if len(work) == 0 {
			continue
		}
		if err := x.save(ctx, p, next, work); err != nil {
			return false, err
		}
		p = next
		p.Revision++
		table = x.tables.Table() // the one before would be kept until the end; what is newer is found as it should be later
	}
	x.seen = max(x.seen, upTo)
	if upTo-p.Version > keptBehind {
		next := p
		next.Version = upTo
		return false, x.save(ctx, p, next, nil)
	}
	return false, nil
}

// concerned lists, in order, the entries that changes are about.
func (x *Index) concerned(table *routing.Table, changes []store.Change) []portal.APIID {
	var ids []portal.APIID
	gateways := map[portal.GatewayID]bool{}
	for _, c := range changes {
		switch c.Kind {
		case store.ChangedAPI:
			ids = append(ids, portal.APIID(c.ID))
		case store.ChangedGateway:
			gateways[portal.GatewayID(c.ID)] = true
		}
	}
	ids = append(ids, table.On(gateways)...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// put is an entry whose rows are to be replaced.
type put struct {
	id          portal.APIID
	fingerprint string
	rows        []Row
}

// prepare reads and works out which entries are not in the index as they should be: those given, and what else there is.
func (x *Index) prepare(ctx context.Context, table *routing.Table, ids []portal.APIID, indexed func(Store) (map[portal.APIID]string, error)) ([]put, error) {
	var documents []string
	var routed []portal.DeploymentID
	for _, id := range ids {
		entry, _ := table.Entry(id)
		for _, d := range entry.Deployments {
			if d.Document != "" {
				documents = append(documents, d.Document)
			} else {
				routed = append(routed, d.ID)
			}
		}
	}
	slices.Sort(documents)
	documents = slices.Compact(documents)
	var there map[portal.APIID]string
	var described map[string][]Operation
	var told map[portal.DeploymentID][]Operation
	err := x.db.View(ctx, func(tx Tx) (err error) {
		if there, err = indexed(tx.Search()); err != nil {
			return err
		}
		if described, err = tx.Search().Described(ctx, documents); err != nil {
			return err
		}
		told, err = tx.Search().Routed(ctx, routed)
		return err
	})
	if err != nil {
		return nil, err
	}
	made := make([]put, len(ids))
	workers := min(runtime.GOMAXPROCS(0), len(ids))
	var making sync.WaitGroup
	for w := range workers {
		making.Go(func() {
			for i := w; i < len(ids); i += workers {
				rows := rowsOf(table, ids[i], func(d *portal.Deployment) []Operation {
					if d.Document != "" {
						return described[d.Document]
					}
					return told[d.ID]
				})
				made[i] = put{id: ids[i], rows: rows}
				if len(rows) > 0 {
					made[i].fingerprint = fingerprint(rows)
				}
			}
		})
	}
	making.Wait()
	var work []put
	for _, p := range made {
		if there[p.id] != p.fingerprint {
			work = append(work, p)
		}
		delete(there, p.id)
	}
	for id := range there { // nobody sees it any more
		work = append(work, put{id: id})
	}
	return work, nil
}

// save writes work together with how far it brings the index.
func (x *Index) save(ctx context.Context, p, next Progress, work []put) error {
	next.Touched = x.now()
	return x.db.InTx(ctx, func(tx Tx) error {
		s := tx.Search()
		if err := s.SetProgress(ctx, p.Revision, next); err != nil {
			return err
		}
		for _, w := range work {
			if err := s.Put(ctx, w.id, p.Revision+1, w.fingerprint, w.rows); err != nil {
				return err
			}
		}
		return nil
	})
}

// progress reads how far the index has come.
func (x *Index) progress(ctx context.Context) (p Progress, err error) {
	err = x.db.View(ctx, func(tx Tx) (err error) {
		p, err = tx.Search().Progress(ctx)
		return err
	})
	return p, err
}

// learnedAtOnce is how many rows are read together: some megabytes.
const learnedAtOnce = 500

// look brings memory up to what is kept, whoever wrote it.
func (x *Index) look(ctx context.Context) error {
	p, err := x.progress(ctx) // first: what is whole now is in memory afterwards
	if err != nil {
		return fmt.Errorf("search index: %w", err)
	}
	for more := true; more; {
		var some []Indexed
		err := x.db.View(ctx, func(tx Tx) (err error) {
			some, err = tx.Search().Since(ctx, x.memory.upTo(), learnedAtOnce)
			return err
		})
		if err != nil {
			return fmt.Errorf("search index: %w", err)
		}
		x.memory.add(some)
		more = len(some) == learnedAtOnce
	}
	x.ready.Store(p.Ready && sameFormat(p.Signature))
	return nil
}
