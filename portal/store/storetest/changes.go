package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var changeRules = []Rule{
	{"ChangesAreToldSince", "Changes names what changed after a version, each thing once, and the newest number", one(changesSince)},
	{"ManyChangesInOneTransaction", "a transaction may note thousands of changes", one(manyChanges)},
	{"ChangesBecomeVisibleInOrder", "a reader that follows the log while many write misses none", changesInOrder},
	{"GapsAreTold", "where the log no longer reaches back that far, Changes says that it is not complete", one(gaps)},
	{"LogIsTrimmed", "old changes are dropped, and the newest hundred thousand stay", one(trimmed)},
	{"ListenersAreToldAfterCommit", "who listens is told once the commit can be seen, each topic its own", one(toldAfterCommit)},
	{"RolledBackTellsNobody", "what a failed transaction told is told to nobody", one(rolledBackTellsNobody)},
	{"ToldAcrossProcesses", "what one process tells and changes, another on the same database hears and sees", toldAcross},
	{"ListeningEnds", "a listener whose context has ended costs nothing and holds nobody up", one(listeningEnds)},
}

func change(t T, db DB, ids ...string) {
	t.Helper()
	write(t, db, func(_ context.Context, tx *sqlstore.Tx) error {
		for _, id := range ids {
			tx.Changed(store.ChangedAPI, id)
			tx.Changed(store.ChangedAPI, id)
		}
		return nil
	})
}

func since(t T, db DB, after int64) (ids map[string]bool, newest int64, complete bool) {
	t.Helper()
	changes, newest, complete, err := db.Changes(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	ids = map[string]bool{}
	for _, c := range changes {
		if ids[c.ID] {
			t.Errorf("%v is told twice", c)
		}
		ids[c.ID] = true
	}
	return ids, newest, complete
}

func changesSince(t T, db DB) {
	if got, newest, complete := since(t, db, 0); len(got) != 0 || newest != 0 || !complete {
		t.Errorf("nothing yet: %v %d %v", got, newest, complete)
	}
	change(t, db, "a")
	v1, err := db.Version(t.Context())
	if err != nil || v1 < 1 {
		t.Fatalf("version %d, %v", v1, err)
	}
	change(t, db, "b", "c")
	change(t, db, "b")
	got, newest, complete := since(t, db, v1)
	if fmt.Sprint(got) != "map[b:true c:true]" || !complete || newest <= v1 {
		t.Errorf("after %d: %v %d %v", v1, got, newest, complete)
	}
	if v, err := db.Version(t.Context()); v != newest || err != nil {
		t.Errorf("version %d, %v; want %d", v, err, newest)
	}
	if got, _, complete := since(t, db, newest); len(got) != 0 || !complete {
		t.Errorf("nothing new: %v %v", got, complete)
	}
	write(t, db, func(_ context.Context, tx *sqlstore.Tx) error {
		tx.Changed(store.ChangedGateway, "a")
		tx.Changed(store.ChangedPerson, "a")
		return nil
	})
	kinds, _, _, err := db.Changes(t.Context(), newest)
	if err != nil || len(kinds) != 2 {
		t.Errorf("two kinds with one id: %v, %v", kinds, err)
	}
}

func manyChanges(t T, db DB) {
	const n = 3001
	var ids []string
	for i := range n {
		ids = append(ids, id("api", i))
	}
	change(t, db, ids...)
	if got, newest, complete := since(t, db, 0); len(got) != n || newest != n || !complete {
		t.Errorf("%d changes, newest %d, complete %v", len(got), newest, complete)
	}
}

// changesInOrder: a number that becomes visible after a higher one was seen would never be read.
func changesInOrder(t T, e Engine) {
	const writers, each = 8, 20
	db, again := e.Open(t)
	dbs := []DB{db}
	if again != nil {
		dbs = append(dbs, again())
	}
	reader := dbs[len(dbs)-1]
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				name := id("api", w*each+n)
				eventually(t, func() error {
					return try(t, dbs[w%len(dbs)], func(ctx context.Context, tx *sqlstore.Tx) error {
						tx.Changed(store.ChangedAPI, name)
						if rand.N(2) == 0 {
							tx.Changed(store.ChangedAPI, name+"_too")
						}
						return put(ctx, tx, name, 1)
					})
				})
			}
		})
	}
	finished := make(chan struct{})
	go func() { all.Wait(); close(finished) }()
	defer all.Wait()
	seen := map[string]bool{}
	for after, last := int64(0), false; ; {
		select {
		case <-finished:
			last = true // and what it reads now is all
		default:
		}
		got, newest, complete := since(t, reader, after)
		if !complete || newest < after {
			t.Errorf("after %d: newest %d, complete %v", after, newest, complete)
			break
		}
		for id := range got {
			seen[id] = true
		}
		after = newest
		if last {
			break
		}
	}
	for n := range writers * each {
		if name := id("api", n); !seen[name] {
			t.Errorf("missed %s", name)
		}
	}
}

func gaps(t T, db DB) {
	change(t, db, "a")
	change(t, db, "b")
	change(t, db, "c")
	newest, err := db.Version(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		_, err := sqlstore.Statements(tx).Exec(ctx, `DELETE FROM changes WHERE seq < $1`, newest)
		return err
	})
	for after, want := range map[int64]bool{0: false, newest - 2: false, newest - 1: true, newest: true, newest + 1: false} {
		if _, _, complete := since(t, db, after); complete != want {
			t.Errorf("after %d of %d: complete %v", after, newest, complete)
		}
	}
}

func trimmed(t T, db DB) {
	const kept, atOnce = 100_000, 10_000
	ids := make([]string, atOnce)
	for n := range kept/atOnce + 2 {
		for i := range ids {
			ids[i] = id("api", n*atOnce+i)
		}
		change(t, db, ids...)
	}
	_, newest, complete := since(t, db, 0)
	if complete {
		t.Error("a log that was trimmed is complete from its beginning")
	}
	var rows int64
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return scan(ctx, sqlstore.Statements(tx), func(r sqlstore.Rows) error { return r.Scan(&rows) }, `SELECT count(*) FROM changes`)
	})
	if rows < kept || rows > kept+2*atOnce {
		t.Errorf("%d rows are kept", rows)
	}
	if _, _, complete := since(t, db, newest-kept+1); !complete {
		t.Error("the newest are not complete")
	}
}

func toldAfterCommit(t T, db DB) {
	changes, topic, other := db.Listen(t.Context(), store.TopicChanges), db.Listen(t.Context(), "topic"), db.Listen(t.Context(), "other")
	drain(other)
	for n := range 20 {
		drain(changes)
		drain(topic)
		before, err := db.Version(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		write(t, db, func(_ context.Context, tx *sqlstore.Tx) error {
			tx.Changed(store.ChangedAPI, id("api", n))
			tx.Tell("topic")
			return nil
		})
		told(t, changes, "changes")
		told(t, topic, "topic")
		if v, err := db.Version(t.Context()); err != nil || v != before+1 {
			t.Errorf("told, and yet the version is %d (%v) after %d", v, err, before)
		}
	}
	select {
	case <-other:
		t.Error("a topic that nobody told")
	default:
	}
}

func rolledBackTellsNobody(t T, db DB) {
	topic := db.Listen(t.Context(), "topic")
	marker := db.Listen(t.Context(), "marker")
	drain(topic)
	drain(marker)
	if err := try(t, db, func(_ context.Context, tx *sqlstore.Tx) error { tx.Tell("topic"); return errNo }); !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	write(t, db, func(_ context.Context, tx *sqlstore.Tx) error { tx.Tell("marker"); return nil })
	told(t, marker, "what was committed") // whatever was told before it has come by now
	select {
	case <-topic:
		t.Error("told what was rolled back")
	default:
	}
}

func toldAcross(t T, e Engine) {
	here, again := e.Open(t)
	if again == nil {
		t.Skip("one process has a database of this engine for itself")
	}
	there := again()
	heard := there.Listen(t.Context(), store.TopicChanges)
	for n := range 10 {
		drain(heard)
		change(t, here, id("api", n))
		for {
			told(t, heard, "what another process changed")
			if got, _, _ := since(t, there, int64(n)); got[id("api", n)] {
				break
			}
		}
	}
}

func listeningEnds(t T, db DB) {
	ctx, cancel := context.WithCancel(t.Context())
	var gone []<-chan struct{}
	for range 100 {
		gone = append(gone, db.Listen(ctx, "topic"))
	}
	cancel()
	stays := db.Listen(t.Context(), "topic")
	for range 3 { // nobody reads the channels that hold a word already
		write(t, db, func(_ context.Context, tx *sqlstore.Tx) error { tx.Tell("topic"); return nil })
	}
	told(t, stays, "topic")
	for began := time.Now(); time.Since(began) < patience; {
		for _, ch := range gone {
			drain(ch)
		}
		write(t, db, func(_ context.Context, tx *sqlstore.Tx) error { tx.Tell("topic"); return nil })
		told(t, stays, "topic")
		quiet := true
		for _, ch := range gone {
			quiet = quiet && len(ch) == 0
		}
		if quiet {
			return
		}
	}
	t.Error("who listens no more is told all the same")
}
