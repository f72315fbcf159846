package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/go-cmp/cmp"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/keys"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var joiningRules = []Rule{
	{"HandOver", "an entry without records that was handed over answers by its slugs and its id, and can be taken back", one(handOver)},
	{"MoveTakesSubscriptionsAlong", "a record goes to another entry with its subscriptions, but for one that its application has there", one(moveTakesSubscriptionsAlong)},
	{"TakeOver", "one deployment takes over the subscriptions and credentials of another", one(takeOver)},
	{"NamedAreTold", "an entry says which of its deployments asked for its slug", one(namedAreTold)},
	{"Sketches", "the newest sketches are loaded, those of an entry too, and deployments without one are listed; what changed is told by the log", one(sketches)},
	{"ManyEntries", "entries are added and looked up many at a time", one(manyEntries)},
	{"Reviews", "two are asked about once; the list is by score, of a division what concerns it", one(reviews)},
	{"Decisions", "the last word of a person on two deployments counts, whichever way round one asks", one(decisions)},
	{"EntryActs", "what was done to an entry is listed, and undone once", one(entryActs)},
}

func handOver(t T, db DB) {
	seeded(t, db)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.SetExplicit(ctx, "api_1", "pay-id"), s.AddEntry(ctx, testEntry("api_2", "pay")),
			s.Move(ctx, "dep_kong-eu_1", "api_2", catalog.Joining{}), s.HandOver(ctx, "api_1", "api_2"))
	})
	later := testEntry("api_3", "later")
	later.Explicit = "pay-id"
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		if err := s.AddEntry(ctx, later); err != nil {
			return err
		}
		return errNo
	}); !errors.Is(err, errNo) {
		t.Errorf("an entry that was handed over keeps its explicit id: %v", err)
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		for _, name := range []string{"payments", "api_1", "pay"} {
			e, err := s.EntryBySlug(ctx, name)
			if err != nil || e.ID != "api_2" || e.Slug != "pay" || len(e.Aliases) != 2 {
				t.Errorf("%s leads to %+v, %v", name, e, err)
			}
		}
		old, err := s.LoadEntry(ctx, "api_1")
		if old.Joined != "api_2" || len(old.Deployments) != 0 {
			t.Errorf("old entry: %+v", old)
		}
		return err
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.TakeBack(ctx, "api_1", []string{"payments"}, "pay-id")
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		e, err := s.EntryBySlug(ctx, "payments")
		if e.ID != "api_1" || e.Slug != "payments" || e.Joined != "" || e.Explicit != "pay-id" {
			t.Errorf("taken back: %+v", e)
		}
		if _, err := s.EntryBySlug(ctx, "api_1"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("its id is still an alias: %v", err)
		}
		found, err2 := s.EntryByExplicit(ctx, "retail", "pay-id")
		if found.ID != "api_1" {
			t.Errorf("named: %+v", found)
		}
		if _, err := s.EntryByExplicit(ctx, "wholesale", "pay-id"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("of another division: %v", err)
		}
		return errors.Join(err, err2)
	})
}

// subscribed adds an application's subscription to a deployment.
func subscribed(ctx context.Context, tx *sqlstore.Tx, n int, api portal.APIID, d portal.DeploymentID) error {
	s := subscription(n, keys.Approved)
	s.API, s.Deployment = api, d
	return tx.Keys().AddSubscription(ctx, s)
}

func moveTakesSubscriptionsAlong(t T, db DB) {
	r := seeded(t, db)
	other := testRecord("kong-eu", "api_2", 2)
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		another := application(2)
		another.ID = "app_2"
		second := subscription(3, keys.Approved)
		second.Application, second.API, second.Deployment = another.ID, "api_1", r.Deployment.ID
		return errors.Join(tx.Catalog().AddEntry(ctx, testEntry("api_2", "pay")), tx.Catalog().AddRecord(ctx, other),
			tx.Keys().AddApplication(ctx, application(1)), tx.Keys().AddApplication(ctx, another),
			subscribed(ctx, tx, 1, "api_1", r.Deployment.ID), subscribed(ctx, tx, 2, "api_2", other.Deployment.ID), tx.Keys().AddSubscription(ctx, second))
	})
	why := catalog.Joining{Since: noon, At: noon, Actor: "per_1", Score: 0.9, Reasons: []correlate.Reason{{Code: correlate.SameTitle, Args: []string{"payments"}}}}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		if err := s.Move(ctx, r.Deployment.ID, "api_2", why); err != nil {
			return err
		}
		got, err := s.Record(ctx, r.Deployment.ID)
		if got.Deployment.API != "api_2" || !got.Deployment.Since.Equal(noon) {
			t.Errorf("it is in %s since %s", got.Deployment.API, got.Deployment.Since)
		}
		if diff := cmp.Diff(why, got.Joining); diff != "" {
			t.Errorf("why it is there differs:\n%s", diff)
		}
		n, countErr := s.Subscribed(ctx, "api_2")
		if n != 2 {
			t.Errorf("%d subscriptions to the entry; want 2", n)
		}
		return errors.Join(err, countErr)
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		for id, want := range map[portal.SubscriptionID]portal.APIID{"sub_1": "api_1", "sub_2": "api_2", "sub_3": "api_2"} {
			got, err := tx.Keys().Subscription(ctx, id)
			if err != nil || got.API != want {
				t.Errorf("subscription %s is to %s, %v; want %s", id, got.API, err, want)
			}
		}
		return nil
	})
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.Move(ctx, "none", "api_2", why) }); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("unknown deployment: %v", err)
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		if err := s.SetJoining(ctx, r.Deployment.ID, catalog.Joining{At: noon, Actor: "per_2"}); err != nil {
			return err
		}
		got, err := s.LoadEntry(ctx, "api_2")
		for _, d := range got.Deployments {
			if !d.Since.IsZero() {
				t.Errorf("%s is not settled", d.ID)
			}
		}
		return err
	})
}

func takeOver(t T, db DB) {
	r := seeded(t, db)
	next := testRecord("kong-eu", "api_1", 2)
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		c := credentialOf(1, keys.Active)
		c.Deployment = r.Deployment.ID
		return errors.Join(tx.Catalog().AddRecord(ctx, next), tx.Keys().AddApplication(ctx, application(1)),
			subscribed(ctx, tx, 1, "api_1", r.Deployment.ID), tx.Keys().AddCredential(ctx, c))
	})
	key := connectors.Key{RemoteID: "svc-9", Exposure: "prod"}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.TakeOver(ctx, r.Deployment.ID, next.Deployment.ID, key)
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		sub, err := tx.Keys().Subscription(ctx, "sub_1")
		held, heldErr := tx.Keys().Credentials(ctx, keys.CredentialFilter{Subscription: "sub_1"}, keys.Page{Limit: 9})
		if sub.Deployment != next.Deployment.ID || len(held) != 1 || held[0].Deployment != next.Deployment.ID || held[0].Key != key {
			t.Errorf("%+v, %+v", sub, held)
		}
		return errors.Join(err, heldErr)
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.GiveBack(ctx, "sub_1", r.Deployment.ID, r.Key())
	})
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		sub, err := tx.Keys().Subscriptions(ctx, keys.SubscriptionFilter{Deployment: r.Deployment.ID}, keys.Page{Limit: 9})
		gone, goneErr := tx.Keys().Subscriptions(ctx, keys.SubscriptionFilter{Deployment: next.Deployment.ID}, keys.Page{Limit: 9})
		held, heldErr := tx.Keys().Credentials(ctx, keys.CredentialFilter{Subscription: "sub_1"}, keys.Page{Limit: 9})
		if len(sub) != 1 || len(gone) != 0 || len(held) != 1 || held[0].Deployment != r.Deployment.ID || held[0].Key != r.Key() {
			t.Errorf("given back: %+v, %+v, %+v", sub, gone, held)
		}
		return errors.Join(err, goneErr, heldErr)
	})
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.GiveBack(ctx, "sub_none", r.Deployment.ID, r.Key())
	}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}

func namedAreTold(t T, db DB) {
	seeded(t, db)
	named := testRecord("kong-eu", "api_1", 2)
	named.Discovered.API = " Payments "
	named.Fingerprint = named.Hash()
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.AddRecord(ctx, named) })
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.LoadEntry(ctx, "api_1")
		if diff := cmp.Diff([]portal.DeploymentID{named.Deployment.ID}, got.Named); diff != "" {
			t.Errorf("named:\n%s", diff)
		}
		byKey, keyErr := s.RecordByKey(ctx, "kong-eu", named.Key())
		if byKey.Deployment.ID != named.Deployment.ID || byKey.Explicit() != "Payments" {
			t.Errorf("by its key: %+v", byKey)
		}
		return errors.Join(err, keyErr)
	})
}

func sketches(t T, db DB) {
	seeded(t, db)
	sketch := func(title string) correlate.Sketch { return correlate.New(correlate.Deployment{Title: title}) }
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		missing, err := s.Unsketched(ctx)
		if len(missing) != 1 || missing[0] != "dep_kong-eu_1" {
			t.Errorf("without a sketch: %v", missing)
		}
		return errors.Join(err, s.PutSketches(ctx, []catalog.Sketched{{Deployment: "dep_kong-eu_1", Sketch: sketch("Payments")}}))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.PutSketches(ctx, []catalog.Sketched{{Deployment: "dep_kong-eu_1", Sketch: sketch("Orders")}})
	})
	loaded := func(ctx context.Context, s catalog.Store) (all []correlate.Member, version int64, err error) {
		version, err = s.Members(ctx, func(m correlate.Member) { all = append(all, m) })
		return all, version, err
	}
	var version int64
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		all, at, err := loaded(ctx, s)
		missing, missingErr := s.Unsketched(ctx)
		if len(all) != 1 || all[0].Entry != "api_1" || all[0].Division != "retail" || all[0].Sum == 0 || len(missing) != 0 {
			t.Fatalf("all %+v; without a sketch %v", all, missing)
		}
		if diff := cmp.Diff(sketch("Orders").Titles, all[0].Sketch.Titles); diff != "" {
			t.Error(diff)
		}
		for _, knows := range []bool{true, false} {
			want := all[0]
			found, err := s.MembersOf(ctx, []portal.APIID{"api_1", "api_none"}, func(id string, sum int64) bool { return knows && id == want.ID && sum == want.Sum })
			if knows {
				want.Sketch = correlate.Sketch{}
			}
			if err != nil || len(found) != 1 || !reflect.DeepEqual(found[0], want) {
				t.Errorf("of its entry, known %t: %+v, %v", knows, found, err)
			}
		}
		version = at
		return errors.Join(err, missingErr)
	})
	for range 2 {
		write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			tx.Changed(store.ChangedAPI, "api_1")
			tx.Changed(store.ChangedAPI, "api_1")
			tx.Changed(store.ChangedGateway, "kong-eu")
			return nil
		})
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		changed, newest, complete, err := s.ChangedEntries(ctx, version)
		if !complete || newest <= version || len(changed) != 1 || changed["api_1"] != 2 {
			t.Errorf("changed since %d: %v, up to %d, complete %t", version, changed, newest, complete)
		}
		none, newest, complete, noneErr := s.ChangedEntries(ctx, newest)
		if len(none) > 0 || !complete {
			t.Errorf("changed since %d: %v, complete %t", newest, none, complete)
		}
		_, _, complete, laterErr := s.ChangedEntries(ctx, newest+1)
		if complete {
			t.Error("a version that is not there yet has a complete log")
		}
		_, at, loadErr := loaded(ctx, s)
		if at != newest {
			t.Errorf("loaded as of %d; want %d", at, newest)
		}
		return errors.Join(err, noneErr, laterErr, loadErr)
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { // more than one statement takes
		var many []catalog.Sketched
		var records []catalog.Record
		for n := range 450 {
			r := testRecord("kong-eu", "api_1", 100+n)
			records = append(records, r)
			many = append(many, catalog.Sketched{Deployment: r.Deployment.ID, Sketch: sketch("Warehouse Stock Ledger")})
		}
		if err := errors.Join(s.AddRecords(ctx, records), s.AddSketches(ctx, many)); err != nil {
			return err
		}
		found, err := s.MembersOf(ctx, []portal.APIID{"api_1"}, func(string, int64) bool { return false })
		if len(found) != 451 {
			t.Errorf("%d members of the entry", len(found))
		}
		return err
	})
}

// manyRows are more than any engine adds by one statement.
const manyRows = 1100

func manyEntries(t T, db DB) {
	seeded(t, db)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		var entries []catalog.Entry
		var ids []portal.APIID
		var slugs []string
		for n := range manyRows {
			e := testEntry(portal.APIID(fmt.Sprint("api_many_", n)), fmt.Sprint("many-", n))
			entries, ids, slugs = append(entries, e), append(ids, e.ID), append(slugs, e.Slug, fmt.Sprint("free-", n))
		}
		if err := s.AddEntries(ctx, entries); err != nil {
			return err
		}
		heads, err := s.Heads(ctx, append(ids, "api_none"))
		taken, takenErr := s.Taken(ctx, slugs)
		if len(heads) != manyRows || len(taken) != manyRows {
			t.Errorf("%d heads, %d slugs that are taken; want %d", len(heads), len(taken), manyRows)
		}
		one, oneErr := s.Heads(ctx, ids[7:8])
		want := catalog.Head{Entry: entries[7]}
		want.Slug = ""
		if diff := cmp.Diff([]catalog.Head{want}, one); diff != "" {
			t.Errorf("head:\n%s", diff)
		}
		return errors.Join(err, takenErr, oneErr)
	})
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.AddEntries(ctx, []catalog.Entry{testEntry("api_x", "x"), testEntry("api_y", "payments")})
	}); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("entries of which one has a slug that is taken: %v", err)
	}
	var broken []catalog.Entry // the last of them
	for n := range manyRows {
		broken = append(broken, testEntry(portal.APIID(fmt.Sprint("api_broken_", n)), fmt.Sprint("broken-", n)))
	}
	broken[manyRows-1].Title = "a\x00b"
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.AddEntries(ctx, broken)
	}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("entries of which one has a title that cannot be kept: %v", err)
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		found, err := s.LoadEntries(ctx, []portal.APIID{"api_x", "api_broken_0", broken[manyRows-1].ID})
		if len(found) > 0 {
			t.Errorf("of what came to nothing there is %+v", found)
		}
		return err
	})
}

func reviews(t T, db DB) {
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		errs := []error{s.PutGateway(ctx, testGateway("kong-eu"))}
		for n, division := range []portal.Division{"retail", "retail", "wholesale"} {
			e := testEntry(portal.APIID(fmt.Sprint("api_", n)), fmt.Sprint("slug-", n))
			e.Division = division
			errs = append(errs, s.AddEntry(ctx, e), s.AddRecord(ctx, testRecord("kong-eu", e.ID, n)))
		}
		return errors.Join(errs...)
	})
	review := func(id string, a, b int, score float64) catalog.Review {
		return catalog.Review{ID: id, Kind: catalog.ReviewJoin, A: portal.DeploymentID(fmt.Sprint("dep_kong-eu_", a)), B: portal.DeploymentID(fmt.Sprint("dep_kong-eu_", b)),
			Score: score, Reasons: []correlate.Reason{{Code: correlate.SameTitle, Args: []string{"é"}}}, State: catalog.ReviewOpen, Opened: noon}
	}
	rename := catalog.Review{ID: "rev_3", Kind: catalog.ReviewRename, A: "dep_kong-eu_0", Gateway: "kong-eu", Key: connectors.Key{RemoteID: "new", Exposure: "prod"}, Score: 0.6, State: catalog.ReviewOpen, Opened: noon}
	for _, add := range []struct {
		catalog.Review
		added bool
	}{{review("rev_1", 0, 1, 0.7), true}, {review("rev_2", 1, 2, 0.8), true}, {review("rev_x", 0, 1, 0.9), false}, {rename, true}, {rename, false}} {
		inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			added, err := s.AddReview(ctx, add.Review)
			if added != add.added {
				t.Errorf("%s added: %v", add.ID, added)
			}
			return err
		})
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		retail, wholesale, none := portal.Division("retail"), portal.Division("wholesale"), portal.Division("none")
		var errs []error
		for _, tc := range []struct {
			catalog.ReviewFilter
			after string
			limit int
			want  []string
		}{
			{catalog.ReviewFilter{}, "", 0, []string{"rev_2", "rev_1", "rev_3"}}, {catalog.ReviewFilter{}, "rev_2", 1, []string{"rev_1"}},
			{catalog.ReviewFilter{Within: &retail}, "", 0, []string{"rev_2", "rev_1", "rev_3"}}, {catalog.ReviewFilter{Within: &wholesale}, "", 0, []string{"rev_2"}},
			{catalog.ReviewFilter{Within: &none}, "", 0, nil}, {catalog.ReviewFilter{Division: wholesale}, "", 0, []string{"rev_2"}},
			{catalog.ReviewFilter{Within: &none, Division: wholesale}, "", 0, nil}, {catalog.ReviewFilter{Gateway: "kong-eu"}, "", 0, []string{"rev_2", "rev_1", "rev_3"}},
			{catalog.ReviewFilter{Gateway: "another"}, "", 0, nil}, {catalog.ReviewFilter{Kind: catalog.ReviewRename, Within: &retail}, "", 0, []string{"rev_3"}},
		} {
			tc.State = catalog.ReviewOpen
			found, err := s.Reviews(ctx, tc.ReviewFilter, tc.after, tc.limit)
			var ids []string
			for _, v := range found {
				ids = append(ids, v.ID)
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("%+v:\n%s", tc, diff)
			}
			if tc.after == "" {
				n, countErr := s.CountReviews(ctx, tc.ReviewFilter)
				if n != len(tc.want) {
					t.Errorf("counted %d of %v", n, tc.want)
				}
				err = errors.Join(err, countErr)
			}
			errs = append(errs, err)
		}
		got, err := s.Review(ctx, "rev_3")
		if diff := cmp.Diff(rename, got); diff != "" {
			t.Error(diff)
		}
		otherName, otherWay := rename, review("rev_x", 1, 0, 0.9)
		otherName.Key.Exposure = "test"
		for _, tc := range []struct {
			catalog.Review
			want string
		}{{rename, "rev_3"}, {otherName, ""}, {otherWay, "rev_1"}, {review("rev_x", 1, 2, 0.1), "rev_2"}, {review("rev_x", 0, 2, 0.9), ""}} {
			same, err := s.SameReview(ctx, tc.Review)
			if same.ID != tc.want || (err != nil) != (tc.want == "") || err != nil && !errors.Is(err, portal.ErrNotFound) {
				t.Errorf("asked before as %+v: %q, %v", tc.Review, same.ID, err)
			}
		}
		for _, tc := range []struct {
			entries []portal.APIID
			want    map[[2]portal.APIID]bool
		}{
			{[]portal.APIID{"api_0", "api_1"}, map[[2]portal.APIID]bool{{"api_0", "api_1"}: true, {"api_1", "api_2"}: true}},
			{[]portal.APIID{"api_2", "api_none"}, map[[2]portal.APIID]bool{}},
			{nil, map[[2]portal.APIID]bool{}},
		} {
			asked, err := s.Asked(ctx, tc.entries)
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Errorf("asked about %v:\n%s", tc.entries, diff)
			}
			errs = append(errs, err)
		}
		return errors.Join(append(errs, err)...)
	})
	decided := review("rev_1", 0, 1, 0.7)
	decided.State, decided.Agreed, decided.DecidedBy, decided.Decided = catalog.ReviewRejected, []portal.Division{"retail"}, "per_1", noon.Add(time.Hour)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.UpdateReview(ctx, decided, catalog.ReviewOpen)
	})
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.UpdateReview(ctx, decided, catalog.ReviewOpen)
	}); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("decided twice: %v", err)
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.Review(ctx, "rev_1")
		if diff := cmp.Diff(decided, got); diff != "" {
			t.Error(diff)
		}
		if _, err := s.Review(ctx, "none"); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		return err
	})
}

func decisions(t T, db DB) {
	r := seeded(t, db)
	other := testRecord("kong-eu", "api_1", 2)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.AddRecord(ctx, other), s.Decide(ctx, []catalog.Decision{{A: other.Deployment.ID, B: r.Deployment.ID, Verdict: catalog.Together, Actor: "per_1", At: noon}}))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.Decide(ctx, []catalog.Decision{{A: r.Deployment.ID, B: other.Deployment.ID, Verdict: catalog.Apart, Actor: "per_2", At: noon}})
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		var errs []error
		for _, pair := range [][2]portal.DeploymentID{{r.Deployment.ID, other.Deployment.ID}, {other.Deployment.ID, r.Deployment.ID}} {
			got, err := s.Decisions(ctx, pair[0])
			if diff := cmp.Diff([]catalog.Decided{{Other: pair[1], Entry: "api_1", Verdict: catalog.Apart}}, got); diff != "" {
				t.Error(diff)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

func entryActs(t T, db DB) {
	seeded(t, db)
	act := catalog.EntryAct{ID: "eac_1", Kind: catalog.EntryJoined, From: "api_1", To: "api_2", Slugs: []string{"payments"}, Named: "x", Review: "rev_1", Actor: "per_1", At: noon,
		Renamed: &catalog.Renamed{Deployment: "dep_1", Was: connectors.Deployment{Key: connectors.Key{RemoteID: "old"}, Title: "Old"}, Taken: []portal.SubscriptionID{"sub_1"}},
		Moved:   []catalog.Moved{{Deployment: "dep_kong-eu_1", Since: noon, Why: catalog.Joining{At: noon, Actor: "system:correlation", Score: 1}}}}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.AddEntry(ctx, testEntry("api_2", "pay")), s.AddEntryAct(ctx, act))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.EntryAct(ctx, "eac_1")
		if diff := cmp.Diff(act, got); diff != "" {
			t.Error(diff)
		}
		for _, api := range []portal.APIID{"api_1", "api_2"} {
			if all, err := s.EntryActs(ctx, api); err != nil || len(all) != 1 {
				t.Errorf("of %s: %v, %v", api, all, err)
			}
		}
		return err
	})
	undo := func() error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.UndoEntryAct(ctx, "eac_1", noon) })
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if err := undo(); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("undone twice: %v", err)
	}
}
