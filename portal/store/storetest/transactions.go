package storetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/audit"
	"concierge/portal/people"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var transactionRules = []Rule{
	{"FailedTransactionLeavesNothing", "a function that returns an error has written, noted and told nothing", one(failedLeavesNothing)},
	{"PanicLeavesNothing", "a function that panics has written nothing, and the next one works", one(panicLeavesNothing)},
	{"StatementThatFailedEndsIt", "after a statement that failed nothing more is done and nothing is committed", one(failedStatementEndsIt)},
	{"ViewCannotWrite", "a view that writes gets an error, and nothing is written", one(viewCannotWrite)},
	{"ViewSeesOneState", "whatever is committed meanwhile, all reads of a view are of one state", one(viewSeesOneState)},
	{"WritersDoNotWaitForViews", "a view that takes its time stops nobody from committing", one(writersDoNotWait)},
	{"ViewsDoNotWaitForWriters", "during a transaction that writes, views see the state before it", one(viewsDoNotWait)},
	{"OwnWritesAreRead", "a transaction reads what it wrote", one(ownWritesAreRead)},
	{"NoLostUpdate", "of many who read, add one and write, none is lost", one(noLostUpdate)},
	{"NoWriteSkew", "two who each see another administrator and disable themselves do not both succeed", one(noWriteSkew)},
	{"NoPhantom", "a limit that no index holds is kept by all who count before they insert", one(noPhantom)},
	{"RunAgainIsAsIfOnce", "what a function sets is what its last run saw, and is committed once", one(runAgain)},
	{"ManyAtOnce", "hundreds of transactions from many goroutines all end, and all that ended well is there", one(manyAtOnce)},
	{"UniqueIsConflict", "what a unique index forbids is portal.ErrConflict, also inside the transaction", one(uniqueIsConflict)},
	{"OneOfManyInserts", "of many who add the same thing at once one succeeds, and the others get a conflict", one(oneOfManyInserts)},
	{"CancelledBefore", "with a context that has ended nothing begins, and its error is returned", one(cancelledBefore)},
	{"CancelledWhile", "a context that ends meanwhile ends the transaction with its error; nothing is left", one(cancelledWhile)},
	{"CancelledWhileWaiting", "who waits for another writer and is cancelled returns at once", one(cancelledWaiting)},
	{"UsableAfterCancelling", "after many cancelled transactions as many connections are usable as before", one(usableAfterCancelling)},
	{"NarrowedOffersWhatItSays", "store.Narrow gives out transactions of the interface, or an error", one(narrowed)},
}

func failedLeavesNothing(t T, db DB) {
	heard := db.Listen(t.Context(), "topic")
	drain(heard)
	err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		tx.Changed(store.ChangedAPI, "a")
		tx.Tell("topic")
		return errors.Join(note(ctx, tx, "e"), errNo)
	})
	if !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	if left := events(t, db); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if v, err := db.Version(t.Context()); v != 0 || err != nil {
		t.Errorf("version %d, %v", v, err)
	}
}

func panicLeavesNothing(t T, db DB) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not come through")
			}
		}()
		_ = try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			if err := note(ctx, tx, "e"); err != nil {
				t.Error(err)
			}
			panic("no")
		})
	}()
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "f") })
	if left := events(t, db); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

func failedStatementEndsIt(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "taken") })
	for name, answer := range map[string]error{"swallowed": nil, "replaced": errNo} {
		err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			if err := note(ctx, tx, "before"); err != nil {
				return err
			}
			conflicts(t, note(ctx, tx, "taken"), "the same id")
			conflicts(t, note(ctx, tx, "after"), "a statement after one that failed")
			return answer
		})
		conflicts(t, err, name)
		if answer != nil && !errors.Is(err, answer) {
			t.Errorf("%s: got %v; want %v in it", name, err, answer)
		}
	}
	if left := events(t, db); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

func viewCannotWrite(t T, db DB) {
	err := db.View(t.Context(), func(tx store.Tx) error { return note(t.Context(), tx, "e") })
	if err == nil {
		t.Error("a view wrote")
	}
	if left := events(t, db); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// setting is a whole number in the table of settings, 0 where there is none.
func setting(ctx context.Context, tx store.Tx, name string) (n int, err error) {
	err = scan(ctx, sqlstore.Statements(tx), func(r sqlstore.Rows) error {
		var value []byte
		if err := r.Scan(&value); err != nil {
			return err
		}
		n, err = strconv.Atoi(string(value))
		return err
	}, `SELECT value FROM settings WHERE name = $1`, name)
	return n, err
}

func put(ctx context.Context, tx store.Tx, name string, n int) error {
	_, err := sqlstore.Statements(tx).Exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
		name, []byte(strconv.Itoa(n)))
	return err
}

// viewSeesOneState moves an amount between two rows while views add them up.
func viewSeesOneState(t T, db DB) {
	const sum, moves = 1000, 100
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return errors.Join(put(ctx, tx, "a", sum), put(ctx, tx, "b", 0))
	})
	var done atomic.Bool
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for !done.Load() {
				err := db.View(t.Context(), func(tx store.Tx) error {
					a, err1 := setting(t.Context(), tx, "a")
					time.Sleep(time.Millisecond)
					b, err2 := setting(t.Context(), tx, "b")
					again, err3 := setting(t.Context(), tx, "a")
					if a+b != sum || a != again {
						t.Errorf("a view saw %d and %d, then %d", a, b, again)
					}
					return errors.Join(err1, err2, err3)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := 1; n <= moves; n++ {
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(put(ctx, tx, "a", sum-n), put(ctx, tx, "b", n))
		})
	}
	done.Store(true)
	all.Wait()
}

func writersDoNotWait(t T, db DB) {
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		before, err := tx.Audit().Events(ctx, "", 10)
		if err != nil {
			return err
		}
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "e") })
		after, err := tx.Audit().Events(ctx, "", 10)
		if len(before) != 0 || len(after) != 0 {
			t.Errorf("a view saw %v, then %v", before, after)
		}
		return err
	})
	if left := events(t, db); len(left) != 1 {
		t.Errorf("committed during a view: %v", left)
	}
}

func ownWritesAreRead(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		if err := note(ctx, tx, "e"); err != nil {
			return err
		}
		own, err := tx.Audit().Events(ctx, "", 10)
		if len(own) != 1 {
			t.Errorf("a transaction does not see its own event: %v", own)
		}
		return err
	})
}

func viewsDoNotWait(t T, db DB) {
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		err := note(ctx, tx, "e")
		if others := events(t, db); len(others) != 0 {
			t.Errorf("others see what is not committed: %v", others)
		}
		return err
	})
}

func noLostUpdate(t T, db DB) {
	const writers, times = 8, 10
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range times {
				eventually(t, func() error {
					return try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
						n, err := setting(ctx, tx, "n")
						if err != nil {
							return err
						}
						return put(ctx, tx, "n", n+1)
					})
				})
			}
		})
	}
	all.Wait()
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		n, err := setting(ctx, tx, "n")
		if n != writers*times {
			t.Errorf("counted to %d; want %d", n, writers*times)
		}
		return err
	})
}

// eventually tries again what was busy; the caller of a store may have to.
func eventually(t T, do func() error) {
	t.Helper()
	for began := time.Now(); ; {
		err := do()
		if err == nil {
			return
		}
		if !errors.Is(err, portal.ErrUnavailable) || time.Since(began) > patience {
			t.Error(err)
			return
		}
	}
}

func noWriteSkew(t T, db DB) {
	for round := range 10 {
		var meet, all sync.WaitGroup
		ids := []portal.PersonID{portal.PersonID(id("per_a", round)), portal.PersonID(id("per_b", round))}
		in := portal.OrganisationID(id("org", round))
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			errs := []error{tx.People().AddOrganisation(ctx, people.Organisation{ID: in, Name: string(in), Audience: portal.Internal})}
			for _, person := range ids {
				errs = append(errs, tx.People().AddPerson(ctx, people.Person{ID: person, Name: string(person), Email: string(person)}),
					tx.People().SetRoles(ctx, person, in, []access.Role{access.PlatformAdministrator}, born))
				_, err := tx.People().SetPassword(ctx, person, "x", hashOf)
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		})
		meet.Add(len(ids))
		for _, person := range ids {
			met := sync.OnceFunc(func() { meet.Done() })
			all.Go(func() {
				defer met()
				err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
					n, err := tx.People().Administrators(ctx)
					if err != nil || n < 2 {
						return errors.Join(err, errNo)
					}
					met()
					waitBriefly(&meet) // both have counted, where the engine lets them
					_, err = tx.People().SetDisabled(ctx, person, true)
					return err
				})
				if err != nil && !errors.Is(err, errNo) && !errors.Is(err, portal.ErrUnavailable) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			n, err := tx.People().Administrators(ctx)
			if n == 0 {
				t.Errorf("round %d: no administrator is left", round)
			}
			return err
		})
		// The next round begins with two again.
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			for _, person := range ids {
				if _, err := tx.People().SetDisabled(ctx, person, true); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// waitBriefly waits for a meeting that some engines, where one writer waits for another, do not let take place.
func waitBriefly(meet *sync.WaitGroup) {
	met := make(chan struct{})
	go func() { meet.Wait(); close(met) }()
	select {
	case <-met:
	case <-time.After(20 * time.Millisecond):
	}
}

func noPhantom(t T, db DB) {
	const limit, writers = 3, 12
	var all sync.WaitGroup
	for n := range writers {
		all.Go(func() {
			eventually(t, func() error {
				err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
					found, err := tx.Audit().Events(ctx, "limited", 100)
					if err != nil || len(found) >= limit {
						return errors.Join(err, errNo)
					}
					return tx.Audit().Append(ctx, audit.Event{ID: id("evt", n), Target: "limited"})
				})
				if errors.Is(err, errNo) {
					return nil
				}
				return err
			})
		})
	}
	all.Wait()
	if all := events(t, db); len(all) != limit {
		t.Errorf("%d rows; want %d", len(all), limit)
	}
}

func runAgain(t T, db DB) {
	const writers = 8
	seen := make([]int, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			eventually(t, func() error {
				return try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
					n, err := setting(ctx, tx, "n")
					if err != nil {
						return err
					}
					seen[w] = n
					return errors.Join(put(ctx, tx, "n", n+1), note(ctx, tx, id("evt", n)))
				})
			})
		})
	}
	all.Wait()
	distinct := map[int]bool{}
	for _, n := range seen {
		distinct[n] = true
	}
	if len(distinct) != writers || len(events(t, db)) != writers {
		t.Errorf("%d transactions saw %v and left %d events", writers, seen, len(events(t, db)))
	}
}

func manyAtOnce(t T, db DB) {
	const goroutines, each = 40, 10
	var all sync.WaitGroup
	var written atomic.Int64
	for g := range goroutines {
		all.Go(func() {
			for n := range each {
				eventually(t, func() error {
					err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
						if err := note(ctx, tx, id("evt", g*each+n)); err != nil {
							return err
						}
						if n%3 == 2 {
							return errNo
						}
						tx.Changed(store.ChangedAPI, id("api", g))
						return nil
					})
					if errors.Is(err, errNo) {
						return nil
					}
					if err == nil {
						written.Add(1)
					}
					return err
				})
				if err := db.View(t.Context(), func(tx store.Tx) error {
					_, err := tx.Audit().Events(t.Context(), "x", 1)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := len(events(t, db)); int64(got) != written.Load() {
		t.Errorf("%d events; %d were committed", got, written.Load())
	}
}

func uniqueIsConflict(t T, db DB) {
	add := func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "same") }
	write(t, db, add)
	conflicts(t, try(t, db, add), "the same id")
	_ = try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		conflicts(t, add(ctx, tx), "inside the transaction")
		return errNo
	})
}

func oneOfManyInserts(t T, db DB) {
	const writers = 10
	var won atomic.Int64
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			eventually(t, func() error {
				err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "one") })
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, portal.ErrConflict):
					return nil
				}
				return err
			})
		})
	}
	all.Wait()
	if won.Load() != 1 || len(events(t, db)) != 1 {
		t.Errorf("%d succeeded and %d rows are there", won.Load(), len(events(t, db)))
	}
}

func cancelledBefore(t T, db DB) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{ended, late} {
		fn := func(store.Tx) error { t.Error("it began"); return nil }
		for name, err := range map[string]error{"InTx": db.InTx(ctx, fn), "View": db.View(ctx, fn)} {
			if !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: got %v; want %v", name, err, ctx.Err())
			}
		}
	}
}

func cancelledWhile(t T, db DB) {
	for name, run := range map[string]func(context.Context, func(store.Tx) error) error{"InTx": db.InTx, "View": db.View} {
		for _, swallow := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			err := run(ctx, func(tx store.Tx) error {
				if name == "InTx" {
					if err := note(ctx, tx, "e"); err != nil {
						return err
					}
				}
				cancel()
				_, err := tx.Audit().Events(ctx, "", 10)
				if err == nil {
					t.Errorf("%s: a statement with a context that has ended", name)
				}
				if swallow {
					return nil
				}
				return err
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	}
	// Cancelled after its last statement: it is committed whole and says so, or not at all.
	ctx, cancel := context.WithCancel(t.Context())
	err := db.InTx(ctx, func(tx store.Tx) error {
		err := note(ctx, tx, "late")
		cancel()
		return err
	})
	left := events(t, db)
	if (err == nil) != (len(left) == 1) || len(left) > 1 || (err != nil && !errors.Is(err, context.Canceled)) {
		t.Errorf("got %v, and left %v", err, left)
	}
}

func cancelledWaiting(t T, db DB) {
	holding, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			err := put(ctx, tx, "held", 1)
			if err == nil {
				close(holding)
				<-release
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	<-holding
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := db.InTx(ctx, func(tx store.Tx) error { return put(ctx, tx, "held", 2) }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	close(release) // only now, so InTx has returned while the other still held it
	all.Wait()
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		n, err := setting(ctx, tx, "held")
		if n != 1 {
			t.Errorf("got %d", n)
		}
		return err
	})
}

func usableAfterCancelling(t T, db DB) {
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = db.InTx(ctx, func(tx store.Tx) error { cancel(); return note(ctx, tx, "e") }) })
		all.Go(func() {
			_ = db.View(ctx, func(tx store.Tx) error {
				_, err := tx.Audit().Events(ctx, "", 10)
				cancel()
				return err
			})
		})
		all.Wait()
		cancel()
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			eventually(t, func() error {
				return try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, id("evt", n)) })
			})
			_ = events(t, db)
		})
	}
	all.Wait()
}

func narrowed(t T, db DB) {
	type onlyAudit interface{ Audit() audit.Store }
	if err := store.Narrow[onlyAudit](db).InTx(t.Context(), func(tx onlyAudit) error {
		return tx.Audit().Append(t.Context(), audit.Event{})
	}); err != nil {
		t.Error(err)
	}
	type tooMuch interface{ NoSuchStore() }
	if err := store.Narrow[tooMuch](db).InTx(t.Context(), func(tooMuch) error { return nil }); err == nil {
		t.Error("a transaction that does not offer the interface was given out")
	}
}

// drain empties a channel of Listen, which may hold one word from its beginning.
func drain(ch <-chan struct{}) {
	select {
	case <-ch:
	default:
	}
}
