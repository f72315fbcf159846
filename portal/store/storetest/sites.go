package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"concierge/portal"
	"concierge/portal/site"
	"concierge/portal/store"
)

var siteRules = []Rule{
	{"CallsComeBackAsTheyWere", "a call comes back as it was added, and its id is given once", one(callsComeBack)},
	{"QueuedCalls", "of one site, while their deadline has not come: the urgent first, then the oldest", one(queuedCalls)},
	{"CallsChangeFromWhatTheyWere", "a call that has passed to somebody else is a conflict, and one of many takes it", one(callsChange)},
	{"CallsAreDropped", "by id, by who took them, and by deadline; with their answers, and no others", one(callsDropped)},
	{"AnswersComeInParts", "each part of an answer is the last that was put, and a part put again ends the answer there", one(answersInParts)},
	{"WorkersAreKept", "a worker comes back as it was and is found by its secret; its site and its secret never change", one(workersAreKept)},
	{"EnrolmentsServeOnce", "one of many uses an enrolment, and one that is used or revoked stays so", one(enrolmentsServeOnce)},
	{"EnrolmentsAreListed", "those that can still be used, the newest first", one(enrolmentsAreListed)},
}

// trySites runs fn in a transaction of its own and returns its error: what fails leaves nothing.
func trySites(t T, db DB, fn func(ctx context.Context, s site.Store) error) error {
	t.Helper()
	return store.Narrow[site.Tx](db).InTx(t.Context(), func(tx site.Tx) error { return fn(t.Context(), tx.Sites()) })
}

func inSites(t T, db DB, fn func(ctx context.Context, s site.Store) error) {
	t.Helper()
	if err := trySites(t, db, fn); err != nil {
		t.Fatal(err)
	}
}

// queued is a call of the site "south" that was made n seconds after the first one.
func queued(n int) site.Call {
	return site.Call{
		ID: id("call", n), Site: "south", Gateway: "g", Operation: "Issue", Request: []byte{0, 255}, ReplyKey: []byte{1},
		Created: born.Add(time.Duration(n) * time.Second), Deadline: born.Add(time.Hour), State: site.Queued,
	}
}

// taken is a call as a worker holds it.
func taken(c site.Call, worker, lease string) site.Call {
	c.State, c.Worker, c.Lease, c.LeaseEnds = site.Taken, worker, lease, born.Add(time.Minute)
	return c
}

func addCalls(t T, db DB, calls ...site.Call) {
	t.Helper()
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		var errs []error
		for _, c := range calls {
			errs = append(errs, s.AddCall(ctx, c))
		}
		return errors.Join(errs...)
	})
}

// calls returns the ids of those calls that are there.
func calls(t T, db DB, ids ...string) string {
	t.Helper()
	var found []string
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		found = nil
		for _, id := range ids {
			_, err := s.Call(ctx, id)
			switch {
			case err == nil:
				found = append(found, id)
			case !errors.Is(err, portal.ErrNotFound):
				return err
			}
		}
		return nil
	})
	return fmt.Sprint(found)
}

func callsComeBack(t T, db DB) {
	waits, held := queued(1), taken(queued(2), "wrk_1", "mine")
	held.Urgent, held.Parts = true, 3
	addCalls(t, db, waits, held)
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for _, want := range []site.Call{waits, held} {
			got, err := s.Call(ctx, want.ID)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", want.ID, err, diff)
			}
		}
		if _, err := s.Call(ctx, "none"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("an unknown call: %v", err)
		}
		return nil
	})
	conflicts(t, trySites(t, db, func(ctx context.Context, s site.Store) error { return s.AddCall(ctx, queued(1)) }), "an id that is taken")
}

func queuedCalls(t T, db DB) {
	urgent, urgentLater, other, late, soon := queued(5), queued(6), queued(0), queued(0), queued(4)
	urgent.Urgent, urgentLater.Urgent = true, true
	other.ID, other.Site, other.Urgent = "call_other", "west", true
	late.ID, late.Deadline = "call_late", noon // before all of this
	twin := queued(3)
	twin.ID = "call_twin" // made in the same instant
	soon.Deadline = born.Add(time.Minute)
	held := taken(queued(7), "wrk_1", "mine")
	answered := queued(8)
	answered.State = site.Answered
	addCalls(t, db, twin, urgentLater, queued(3), soon, other, late, held, answered, urgent, queued(1))
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for _, tc := range []struct {
			at    portal.Site
			now   time.Time
			limit int
			want  string
		}{
			{"south", born, 100, "[call_0005 call_0006 call_0001 call_0003 call_twin call_0004]"},
			{"south", born, 3, "[call_0005 call_0006 call_0001]"},
			{"south", soon.Deadline.Add(-time.Microsecond), 100, "[call_0005 call_0006 call_0001 call_0003 call_twin call_0004]"},
			{"south", soon.Deadline, 100, "[call_0005 call_0006 call_0001 call_0003 call_twin]"},
			{"south", born.Add(time.Hour), 100, "[]"},
			{"west", born, 100, "[call_other]"},
			{"east", born, 100, "[]"},
		} {
			found, err := s.QueuedCalls(ctx, tc.at, tc.now, tc.limit)
			got := []string{}
			for _, c := range found {
				got = append(got, c.ID)
			}
			if err != nil || fmt.Sprint(got) != tc.want {
				t.Errorf("%s at %s, %d: %v, %v; want %s", tc.at, tc.now, tc.limit, got, err, tc.want)
			}
		}
		for now, want := range map[time.Time]map[portal.Site]int{
			born: {"south": 6, "west": 1}, soon.Deadline: {"south": 5, "west": 1}, born.Add(time.Hour): {},
		} {
			got, err := s.Waiting(ctx, now)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("waiting at %s: %v\n%s", now, err, diff)
			}
		}
		return nil
	})
}

func callsChange(t T, db DB) {
	was := queued(1)
	addCalls(t, db, was, queued(2))
	update := func(c, was site.Call) error {
		return trySites(t, db, func(ctx context.Context, s site.Store) error { return s.UpdateCall(ctx, c, was) })
	}
	var took atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			eventually(t, func() error {
				err := update(taken(was, id("wrk", n), id("lease", n)), was)
				if err == nil {
					took.Add(1)
				}
				if errors.Is(err, portal.ErrConflict) {
					return nil
				}
				return err
			})
		})
	}
	all.Wait()
	if took.Load() != 1 {
		t.Errorf("%d took one call", took.Load())
	}
	var held site.Call
	inSites(t, db, func(ctx context.Context, s site.Store) (err error) {
		held, err = s.Call(ctx, was.ID)
		return err
	})
	if want := taken(was, held.Worker, "lease"+held.Worker[len("wrk"):]); !cmp.Equal(want, held) {
		t.Errorf("taken by halves:\n%s", cmp.Diff(want, held))
	}

	stolen := held
	stolen.Lease = "another"
	conflicts(t, update(held, stolen), "under another lease")
	answered := held
	answered.State, answered.Parts = site.Answered, 2
	if err := update(answered, held); err != nil {
		t.Fatal(err)
	}
	conflicts(t, update(held, held), "in another state")
	conflicts(t, update(queued(3), queued(3)), "a call that is not there")

	// What its caller asked for stays.
	other := answered
	other.Site, other.Gateway, other.Operation, other.Urgent, other.Request, other.ReplyKey = "west", "h", "Revoke", true, []byte("x"), []byte("y")
	other.Created, other.Deadline = noon, noon
	if err := update(other, answered); err != nil {
		t.Fatal(err)
	}
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for _, want := range []site.Call{answered, queued(2)} {
			got, err := s.Call(ctx, want.ID)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", want.ID, err, diff)
			}
		}
		return nil
	})
}

func callsDropped(t T, db DB) {
	old, edge := queued(5), queued(6)
	old.Deadline, edge.Deadline = noon.Add(-time.Microsecond), noon
	answered := queued(7)
	answered.State, answered.Worker = site.Answered, "wrk_1"
	addCalls(t, db, queued(1), taken(queued(2), "wrk_1", "a"), taken(queued(3), "wrk_1", "b"), taken(queued(4), "wrk_2", "c"), old, edge, answered)
	all := []string{"call_0001", "call_0002", "call_0003", "call_0004", "call_0005", "call_0006", "call_0007"}
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		var errs []error
		for _, id := range all {
			errs = append(errs, s.PutPart(ctx, id, 0, []byte(id)))
		}
		return errors.Join(errs...)
	})
	for _, step := range []struct {
		name string
		drop func(ctx context.Context, s site.Store) error
		want string
	}{
		{"by id", func(ctx context.Context, s site.Store) error { return s.DropCall(ctx, "call_0001") }, fmt.Sprint(all[1:])},
		{"by id again", func(ctx context.Context, s site.Store) error { return s.DropCall(ctx, "call_0001") }, fmt.Sprint(all[1:])},
		{"of a worker", func(ctx context.Context, s site.Store) error { return s.DropCalls(ctx, "wrk_1") }, fmt.Sprint(all[3:])},
		{"of nobody", func(ctx context.Context, s site.Store) error { return s.DropCalls(ctx, "") }, fmt.Sprint(all[3:])},
		{"by deadline", func(ctx context.Context, s site.Store) error { return s.DropCallsBefore(ctx, noon) }, "[call_0004 call_0006 call_0007]"},
	} {
		inSites(t, db, step.drop)
		if got := calls(t, db, all...); got != step.want {
			t.Errorf("%s: %s are left; want %s", step.name, got, step.want)
		}
	}
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for id, there := range map[string]bool{"call_0001": false, "call_0002": false, "call_0004": true, "call_0005": false, "call_0006": true} {
			_, err := s.Part(ctx, id, 0)
			if errors.Is(err, portal.ErrNotFound) == there || there && err != nil {
				t.Errorf("answer of %s: %v", id, err)
			}
		}
		return nil
	})
}

func answersInParts(t T, db DB) {
	addCalls(t, db, queued(1), queued(2))
	answer := func() (got string) {
		inSites(t, db, func(ctx context.Context, s site.Store) error {
			got = ""
			for n := range 5 {
				part, err := s.Part(ctx, "call_0001", n)
				if err != nil && !errors.Is(err, portal.ErrNotFound) {
					return err
				}
				if err == nil {
					got += fmt.Sprintf("%d:%s ", n, part)
				}
			}
			return nil
		})
		return got
	}
	put := func(call string, number int, content string) {
		t.Helper()
		inSites(t, db, func(ctx context.Context, s site.Store) error { return s.PutPart(ctx, call, number, []byte(content)) })
	}
	for n, content := range []string{"a", "b", "c", "\x00\xff"} {
		put("call_0001", n, content)
		put("call_0002", n, "other")
	}
	if got := answer(); got != "0:a 1:b 2:c 3:\x00\xff " {
		t.Errorf("got %q", got)
	}
	put("call_0001", 1, "B")
	if got := answer(); got != "0:a 1:B " {
		t.Errorf("after the second part was put again: %q", got)
	}
	put("call_0001", 0, "A")
	if got := answer(); got != "0:A " {
		t.Errorf("after the first part was put again: %q", got)
	}
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		got, err := s.Part(ctx, "call_0002", 3)
		if string(got) != "other" {
			t.Errorf("the answer of another call: %q", got)
		}
		return err
	})
	if err := trySites(t, db, func(ctx context.Context, s site.Store) error { return s.PutPart(ctx, "none", 0, []byte("x")) }); err == nil {
		t.Error("an answer to a call that is not there")
	}
}

func workersAreKept(t T, db DB) {
	first := site.Worker{
		ID: "wrk_1", Site: "south", Name: "one", Version: "1.0", Gateways: []portal.GatewayID{"g", "h"}, Secret: site.Hash{1}, Enrolled: born,
		Seen: born, Polling: "p", Due: born.Add(time.Minute), Enrolment: "enr_1",
	}
	second := site.Worker{ID: "wrk_2", Site: "west", Gateways: []portal.GatewayID{}, Secret: site.Hash{2}, Enrolled: born.Add(time.Second)}
	add := func(w site.Worker) error {
		return trySites(t, db, func(ctx context.Context, s site.Store) error { return s.AddWorker(ctx, w) })
	}
	if err := errors.Join(add(first), add(second)); err != nil {
		t.Fatal(err)
	}
	for what, w := range map[string]site.Worker{"an id that is taken": {ID: "wrk_1", Secret: site.Hash{3}}, "a secret that is taken": {ID: "wrk_3", Secret: site.Hash{1}}} {
		conflicts(t, add(w), what)
	}

	changed := site.Worker{
		ID: "wrk_1", Site: "east", Name: "uno", Version: "1.1", Gateways: []portal.GatewayID{"i"}, Secret: site.Hash{9}, Enrolled: noon,
		Seen: born.Add(time.Microsecond), Polling: "q", Due: born.Add(time.Hour), Revoked: born.Add(time.Minute), Enrolment: "enr_9", Reused: born.Add(time.Second),
	}
	inSites(t, db, func(ctx context.Context, s site.Store) error { return s.UpdateWorker(ctx, changed) })
	changed.Site, changed.Secret, changed.Enrolled, changed.Enrolment = first.Site, first.Secret, first.Enrolled, first.Enrolment
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for _, want := range []site.Worker{changed, second} {
			byID, err := s.Worker(ctx, want.ID)
			bySecret, err2 := s.WorkerBySecret(ctx, want.Secret)
			if err := errors.Join(err, err2); err != nil || !cmp.Equal(want, byID) || !cmp.Equal(want, bySecret) {
				t.Errorf("%s: %v\n%s\n%s", want.ID, err, cmp.Diff(want, byID), cmp.Diff(want, bySecret))
			}
		}
		all, err := s.Workers(ctx)
		if diff := cmp.Diff([]site.Worker{second, changed}, all); diff != "" {
			t.Errorf("all workers:\n%s", diff)
		}
		_, byID := s.Worker(ctx, "none")
		_, bySecret := s.WorkerBySecret(ctx, site.Hash{9})
		if !errors.Is(byID, portal.ErrNotFound) || !errors.Is(bySecret, portal.ErrNotFound) {
			t.Errorf("an unknown worker: %v, %v", byID, bySecret)
		}
		return err
	})
	if err := trySites(t, db, func(ctx context.Context, s site.Store) error { return s.UpdateWorker(ctx, site.Worker{ID: "none"}) }); err == nil {
		t.Error("a worker that is not there is changed")
	}
}

func enrolment(n int) site.Enrolment {
	return site.Enrolment{ID: id("enr", n), Site: "south", Token: site.Hash{byte(n)}, Created: born.Add(time.Duration(n) * time.Second), Expires: born.Add(time.Hour)}
}

func addEnrolments(t T, db DB, all ...site.Enrolment) {
	t.Helper()
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		var errs []error
		for _, e := range all {
			errs = append(errs, s.AddEnrolment(ctx, e))
		}
		return errors.Join(errs...)
	})
}

func enrolmentsServeOnce(t T, db DB) {
	addEnrolments(t, db, enrolment(1), enrolment(2))
	twin := enrolment(1)
	twin.ID = "enr_twin"
	conflicts(t, trySites(t, db, func(ctx context.Context, s site.Store) error { return s.AddEnrolment(ctx, twin) }), "a token that is taken")
	update := func(e site.Enrolment) error {
		return trySites(t, db, func(ctx context.Context, s site.Store) error { return s.UpdateEnrolment(ctx, e) })
	}
	var used atomic.Int64
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			eventually(t, func() error {
				e := enrolment(1)
				e.Worker = id("wrk", n)
				err := update(e)
				if err == nil {
					used.Add(1)
				}
				if errors.Is(err, portal.ErrConflict) {
					return nil
				}
				return err
			})
		})
	}
	all.Wait()
	if used.Load() != 1 {
		t.Errorf("%d used one enrolment", used.Load())
	}
	revoked := enrolment(2)
	revoked.Revoked = born
	if err := update(revoked); err != nil {
		t.Fatal(err)
	}
	joins, revokes := enrolment(2), enrolment(1)
	joins.Worker, revokes.Revoked = "wrk_late", born
	conflicts(t, update(joins), "use of one that is revoked")
	conflicts(t, update(revokes), "revocation of one that is used")
	conflicts(t, update(enrolment(3)), "one that is not there")
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for _, want := range []site.Enrolment{enrolment(1), revoked} {
			byID, err := s.Enrolment(ctx, want.ID)
			byToken, err2 := s.EnrolmentByToken(ctx, want.Token)
			if want.ID == "enr_0001" {
				want.Worker = byID.Worker
			}
			if err := errors.Join(err, err2); err != nil || !cmp.Equal(want, byID) || !cmp.Equal(want, byToken) || (byID.Worker == "") != (want.ID == revoked.ID) {
				t.Errorf("%s: %v\n%s\n%s", want.ID, err, cmp.Diff(want, byID), cmp.Diff(want, byToken))
			}
		}
		_, byID := s.Enrolment(ctx, "none")
		_, byToken := s.EnrolmentByToken(ctx, site.Hash{99})
		if !errors.Is(byID, portal.ErrNotFound) || !errors.Is(byToken, portal.ErrNotFound) {
			t.Errorf("an unknown enrolment: %v, %v", byID, byToken)
		}
		return nil
	})
}

func enrolmentsAreListed(t T, db DB) {
	used, revoked, short := enrolment(3), enrolment(4), enrolment(5)
	used.Worker, revoked.Revoked, short.Expires = "wrk_1", born, born.Add(time.Minute)
	addEnrolments(t, db, enrolment(1), used, revoked, short, enrolment(2))
	inSites(t, db, func(ctx context.Context, s site.Store) error {
		for now, want := range map[time.Time][]site.Enrolment{
			short.Expires.Add(-time.Microsecond): {short, enrolment(2), enrolment(1)},
			short.Expires:                        {enrolment(2), enrolment(1)},
			born.Add(time.Hour):                  nil,
		} {
			got, err := s.Enrolments(ctx, now)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("at %s: %v\n%s", now, err, diff)
			}
		}
		return nil
	})
}
