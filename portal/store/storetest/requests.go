package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var requestRules = []Rule{
	{"RequestsBeginOnce", "of many with one key one begins, and the others are given its record", one(requestsBeginOnce)},
	{"RequestsComeBack", "a record comes back as it was, with its result once it has one", one(requestsComeBack)},
	{"RequestsThatActedAreNotBegunAnew", "one whose lease ended is begun anew only if it had not acted", one(requestsBegunAnew)},
	{"ActingIsNotedInTheCommit", "a transaction of a request marks it in its own commit, and one that fails does not", one(actingIsNoted)},
	{"RequestsAreForgotten", "a request that is dropped, or old, can be made again", one(requestsForgotten)},
	{"RequestsAreDroppedUnderTheirLease", "one that was begun anew, or is another's, is not dropped", one(requestsDroppedUnderTheirLease)},
}

func request(key string) store.Request {
	return store.Request{RequestKey: store.RequestKey{Caller: "per_1", Method: "POST", Path: "/x", Key: key}, Body: "hash", Created: noon, Lease: noon.Add(time.Minute)}
}

func begin(t T, db DB, r store.Request, now time.Time) (store.Request, bool) {
	t.Helper()
	found, began, err := db.BeginRequest(t.Context(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	return found, began
}

func requestsBeginOnce(t T, db DB) {
	var began atomic.Int64
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			eventually(t, func() error {
				found, first, err := db.BeginRequest(t.Context(), request("k"), noon)
				if first {
					began.Add(1)
				}
				if err == nil && found.RequestKey != request("k").RequestKey {
					t.Errorf("found %+v", found)
				}
				return err
			})
		})
	}
	all.Wait()
	if began.Load() != 1 {
		t.Errorf("%d began", began.Load())
	}
	for _, other := range []store.RequestKey{{Caller: "per_2", Method: "POST", Path: "/x", Key: "k"}, {Caller: "per_1", Method: "PUT", Path: "/x", Key: "k"}, {Caller: "per_1", Method: "POST", Path: "/y", Key: "k"}, {Caller: "per_1", Method: "POST", Path: "/x", Key: "K"}} {
		r := request("")
		r.RequestKey = other
		if _, first := begin(t, db, r, noon); !first {
			t.Errorf("%+v passed for another one", other)
		}
	}
}

func requestsComeBack(t T, db DB) {
	r := request("k")
	begin(t, db, r, noon)
	if got, first := begin(t, db, r, noon); first || got != r {
		t.Errorf("got %+v; want %+v", got, r)
	}
	if err := db.EndRequest(t.Context(), r.RequestKey, "sub_1"); err != nil {
		t.Fatal(err)
	}
	r.Acted, r.Result = true, "sub_1"
	if got, first := begin(t, db, request("k"), noon.Add(time.Hour)); first || got != r {
		t.Errorf("got %+v; want %+v", got, r)
	}
}

func requestsBegunAnew(t T, db DB) {
	late := noon.Add(time.Hour)
	again := request("k")
	again.Lease = late.Add(time.Minute)
	begin(t, db, request("k"), noon)
	if _, first := begin(t, db, again, late); !first {
		t.Error("one that never acted is not begun anew")
	}
	if _, first := begin(t, db, again, late); first {
		t.Error("begun anew twice at once")
	}
	other := again
	other.Body = "another"
	if _, first := begin(t, db, other, late.Add(time.Hour)); first {
		t.Error("another body took over its key")
	}
	write(t, withRequest{db, again.RequestKey}, func(ctx context.Context, tx *sqlstore.Tx) error { return note(ctx, tx, "e") })
	if got, first := begin(t, db, again, late.Add(time.Hour)); first || !got.Acted {
		t.Errorf("one that acted was begun anew: %+v", got)
	}
}

// withRequest runs transactions as those of a request.
type withRequest struct {
	DB
	key store.RequestKey
}

func (w withRequest) InTx(ctx context.Context, fn func(store.Tx) error) error {
	return w.DB.InTx(store.WithRequest(ctx, w.key), fn)
}

func actingIsNoted(t T, db DB) {
	begin(t, db, request("k"), noon)
	if err := try(t, withRequest{db, request("k").RequestKey}, func(ctx context.Context, tx *sqlstore.Tx) error { return errNo }); !errors.Is(err, errNo) {
		t.Fatal(err)
	}
	if got, _ := begin(t, db, request("k"), noon); got.Acted {
		t.Error("a transaction that failed is noted")
	}
	if err := db.InTx(store.WithRequest(t.Context(), request("k").RequestKey), func(tx store.Tx) error { return note(t.Context(), tx, "e") }); err != nil {
		t.Fatal(err)
	}
	if got, _ := begin(t, db, request("k"), noon); !got.Acted {
		t.Error("a transaction is not noted")
	}
}

func requestsForgotten(t T, db DB) {
	for _, key := range []string{"dropped", "old", "young"} {
		r := request(key)
		now := noon
		if key == "young" {
			now = noon.Add(time.Second)
		}
		begin(t, db, r, now)
	}
	if err := errors.Join(db.DropRequest(t.Context(), request("dropped")), db.DropRequestsBefore(t.Context(), noon.Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"dropped": true, "old": true, "young": false} {
		if _, first := begin(t, db, request(key), noon); first != want {
			t.Errorf("%s: begun again is %v", key, first)
		}
	}
}

func requestsDroppedUnderTheirLease(t T, db DB) {
	begin(t, db, request("k"), noon)
	anew := request("k")
	anew.Lease = anew.Lease.Add(time.Minute)
	begin(t, db, anew, anew.Lease)
	others := []store.Request{request("k"), anew, anew, anew, anew} // the first is the one that it was before
	others[1].Caller, others[2].Method, others[3].Path, others[4].Key = "per_2", "PUT", "/y", "K"
	for _, other := range others {
		if err := db.DropRequest(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, first := begin(t, db, anew, noon); first {
			t.Fatalf("dropped by %+v", other)
		}
	}
	if err := db.DropRequest(t.Context(), anew); err != nil {
		t.Fatal(err)
	}
	if _, first := begin(t, db, anew, noon); !first {
		t.Error("it is not dropped by who began it")
	}
}
