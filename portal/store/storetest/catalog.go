package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/document"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var catalogRules = []Rule{
	{"GatewaysAreKept", "a registration comes back as it was; a new one leaves its capabilities", one(gatewaysAreKept)},
	{"RegistrationsHoldNoSecrets", "sealed secrets have a column of their own", one(registrationsHoldNoSecrets)},
	{"RecordsAreKept", "a record comes back as it was, with the same fingerprint, and a gateway has one per key", one(recordsAreKept)},
	{"PublishedRecords", "the published ones of a gateway, page by page", one(published)},
	{"UnclassifiedRecords", "the published ones of a gateway without audience or environment, by id", one(unclassified)},
	{"RecordsChangeByFingerprint", "a change on top of another one is a conflict", one(changeRecordComparesTheFingerprint)},
	{"EntriesAreLoaded", "an entry comes with its slugs and its published deployments", one(loadEntry)},
	{"SlugsAndExplicitIDsAreUnique", "a slug is given once, an explicit id once in a division", one(slugsAndExplicitIdsAreUnique)},
	{"Documents", "a published document is written once and stays, one without a deployment is swept", one(documents)},
	{"PackedDocuments", "a document is kept compressed, packed before or not; one from before is read, a damaged one is an error", one(packedDocuments)},
	{"Runs", "one run at a time; the newest are kept, and the last good one", one(runs)},
	{"LongestKeysFit", "ids of the greatest length that is taken over fit into every index, however random they are", one(longestKeys)},
	{"RunsThatChangedSomethingAreKeptLonger", "beside the newest runs those are kept that changed something last, with their plans, which go with them", one(keptPlans)},
	{"RunsKeepTheirOrder", "the run that was started last is the last one, also where the clock went back; one that only planned is none", one(runsInOrder)},
	{"WaitingRunsAreDiscarded", "a person says no to a waiting run once, and to no other", one(discarded)},
	{"RunsAreNotedWhileTheyRun", "how far a run is, and its lease, is what was noted last; once it has ended nothing is noted", one(runsAreNoted)},
}

// inCatalog runs fn in one transaction and fails the test on its error.
func inCatalog(t T, db DB, fn func(ctx context.Context, s catalog.Store) error) {
	t.Helper()
	if err := tryCatalog(t, db, fn); err != nil {
		t.Fatal(err)
	}
}

func tryCatalog(t T, db DB, fn func(ctx context.Context, s catalog.Store) error) error {
	t.Helper()
	return store.Narrow[catalog.Tx](db).InTx(t.Context(), func(tx catalog.Tx) error { return fn(t.Context(), tx.Catalog()) })
}

func testGateway(id portal.GatewayID) catalog.Gateway {
	return catalog.Gateway{
		ID: id, Title: "Kong EU", Kind: "kong", Address: "https://kong.example:8001", Settings: map[string]string{"workspace": "default"},
		Secrets: []byte("sealed"), Division: "retail", Site: portal.SiteLocal,
		Defaults: map[portal.Axis]string{portal.AxisAudience: "partner"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{"partner"}},
		Rules:    []catalog.Rule{{Match: catalog.Match{Path: "/test"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}}},
		Trust:    []portal.Axis{portal.AxisAudience}, AllowPrivate: []string{"10.0.0.0/8"}, Every: time.Minute,
		Source: catalog.FromAPI, Created: noon, Changed: noon,
	}
}

func testRecord(g portal.GatewayID, api portal.APIID, n int) catalog.Record {
	r := catalog.Record{
		Deployment: portal.Deployment{
			ID: portal.DeploymentID(fmt.Sprintf("dep_%s_%d", g, n)), Gateway: g, RemoteID: fmt.Sprintf("svc-%d", n), Exposure: "prod", API: api,
			Title: "Payments", Version: "2.1.0", Line: "2", Lifecycle: portal.Active, Sunset: noon, Tags: []string{"money"},
			BaseURL: "https://api.example/payments", Plans: []portal.Plan{{ID: "default", Limits: []string{"10 per second"}}}, Active: true,
			Placement: portal.Placement{portal.AxisAudience: {Value: "partner", Layer: portal.LayerGateway}, portal.AxisEnvironment: {Value: "test", Layer: portal.LayerRule}},
		},
		Discovered: connectors.Deployment{Key: connectors.Key{RemoteID: fmt.Sprintf("svc-%d", n), Exposure: "prod"}, Title: "Payments",
			Document: connectors.DocumentRef{ID: "d", Revision: "7"}, Words: map[portal.Axis]string{portal.AxisRegion: "eu"}},
		Described: catalog.Described{Title: "Payments API", Words: map[string]string{"audience": "partner"}},
		Revision:  "7", Override: catalog.Override{Placement: map[portal.Axis]string{portal.AxisRegion: "us"}},
		Created: noon, Changed: noon,
	}
	r.Fingerprint = r.Hash()
	return r
}

func testEntry(id portal.APIID, slug string) catalog.Entry {
	return catalog.Entry{ID: id, Slug: slug, Division: "retail", Title: "Payments", Created: noon}
}

func gatewaysAreKept(t T, db DB) {
	want := testGateway("kong-eu")
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		for _, id := range []portal.GatewayID{"a", "b", "kong-eu"} {
			if err := s.PutGateway(ctx, testGateway(id)); err != nil {
				return err
			}
		}
		return s.SetCapabilities(ctx, "kong-eu", connectors.Capabilities{Product: "Kong 3.9.3", Settle: time.Second})
	})
	want.Title, want.Changed = "Kong Europe", noon.Add(time.Hour)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.PutGateway(ctx, want) })
	want.Capabilities = &connectors.Capabilities{Product: "Kong 3.9.3", Settle: time.Second}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.Gateway(ctx, "kong-eu")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("gateway differs:\n%s", diff)
		}
		if err != nil {
			return err
		}
		page, err := s.Gateways(ctx, "a", 1)
		if len(page) != 1 || page[0].ID != "b" {
			t.Errorf("page after a: %v", page)
		}
		return err
	})
	err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		_, err := s.Gateway(ctx, "none")
		return err
	})
	if !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("unknown gateway: %v", err)
	}
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return s.SetCapabilities(ctx, "none", connectors.Capabilities{})
	}); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("capabilities of an unknown gateway: %v", err)
	}
}

// seeded has one gateway with one entry "payments" of one deployment.
func seeded(t T, db DB) catalog.Record {
	t.Helper()
	r := testRecord("kong-eu", "api_1", 1)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.PutGateway(ctx, testGateway("kong-eu")), s.AddEntry(ctx, testEntry("api_1", "payments")), s.AddRecord(ctx, r))
	})
	return r
}

func recordsAreKept(t T, db DB) {
	want := seeded(t, db)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.Record(ctx, want.Deployment.ID)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record differs:\n%s", diff)
		}
		if got.Hash() != want.Fingerprint {
			t.Error("the fingerprint of what comes back differs from that of what was put")
		}
		all, allErr := s.Records(ctx, "kong-eu")
		if diff := cmp.Diff([]catalog.Record{want}, all); diff != "" {
			t.Errorf("records differ:\n%s", diff)
		}
		some, someErr := s.RecordsWith(ctx, []portal.DeploymentID{want.Deployment.ID, "none"})
		if diff := cmp.Diff([]catalog.Record{want}, some); diff != "" || someErr != nil {
			t.Errorf("records by id differ: %v\n%s", someErr, diff)
		}
		kept, keptErr := s.Kept(ctx, "kong-eu")
		if diff := cmp.Diff([]catalog.Kept{{Key: want.Key(), ID: want.Deployment.ID, Fingerprint: want.Fingerprint, Live: true}}, kept); diff != "" || keptErr != nil {
			t.Errorf("records in short differ: %v\n%s", keptErr, diff)
		}
		return errors.Join(err, allErr)
	})

	again := testRecord("kong-eu", "api_1", 1)
	again.Deployment.ID = "dep_other"
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.AddRecord(ctx, again) }); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("a second record with the same key: %v", err)
	}
}

func changeRecordComparesTheFingerprint(t T, db DB) {
	r := seeded(t, db)
	next := r
	next.Deployment.Title = "Payments two"
	next.Fingerprint = next.Hash()
	next.Deployment.API = "api_elsewhere"
	change := func(next catalog.Record) error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			api, err := s.ChangeRecord(ctx, next, r.Fingerprint)
			if err == nil && api != "api_1" {
				t.Errorf("changed in entry %s", api)
			}
			return err
		})
	}
	if err := change(next); err != nil {
		t.Fatal(err)
	}
	err := change(r)
	if !errors.Is(err, portal.ErrConflict) {
		t.Errorf("a change on top of another one: %v", err)
	}
}

func loadEntry(t T, db DB) {
	r := seeded(t, db)
	removed := testRecord("kong-eu", "api_1", 2)
	removed.Removed = noon
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.AddRecord(ctx, removed), s.AddEntry(ctx, testEntry("api_empty", "empty")))
	})
	want := testEntry("api_1", "payments")
	want.Deployments = []portal.Deployment{r.Deployment}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.LoadEntry(ctx, "api_1")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("entry differs:\n%s", diff)
		}
		all, allErr := s.LoadAll(ctx)
		if diff := cmp.Diff([]catalog.Entry{want}, all); diff != "" {
			t.Errorf("all entries differ:\n%s", diff)
		}
		some, someErr := s.LoadEntries(ctx, []portal.APIID{"api_1", "none", "api_empty"})
		slices.SortFunc(some, func(a, b catalog.Entry) int { return strings.Compare(string(a.ID), string(b.ID)) })
		if diff := cmp.Diff([]catalog.Entry{want, testEntry("api_empty", "empty")}, some); diff != "" {
			t.Errorf("some entries differ:\n%s", diff)
		}
		return errors.Join(err, allErr, someErr)
	})
	err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		_, err := s.LoadEntry(ctx, "none")
		return err
	})
	if !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("unknown entry: %v", err)
	}
}

func slugsAndExplicitIdsAreUnique(t T, db DB) {
	seeded(t, db)
	add := func(e catalog.Entry) error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.AddEntry(ctx, e) })
	}
	if err := add(testEntry("api_2", "payments")); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("same slug: %v", err)
	}
	named := testEntry("api_3", "pay")
	named.Explicit = "pay"
	if err := add(named); err != nil {
		t.Fatal(err)
	}
	named.ID, named.Slug = "api_4", "pay-too"
	if err := add(named); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("same explicit id in one division: %v", err)
	}
	named.Division = "wholesale"
	if err := add(named); err != nil {
		t.Errorf("same explicit id in another division: %v", err)
	}
}

func documents(t T, db DB) {
	r := seeded(t, db)
	doc := catalog.Document{Hash: "h1", Content: []byte("{}"), Description: document.Description{Kind: document.OpenAPI, Title: "Payments", Operations: []document.Operation{{Method: "GET", Path: "/"}}}, Stored: noon}
	orphan := catalog.Document{Hash: "h2", Content: []byte("[]"), Stored: noon}
	next := r
	next.Deployment.Document = "h1"
	next.Fingerprint = next.Hash()
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		err := errors.Join(s.PutDocument(ctx, doc), s.PutDocument(ctx, orphan))
		_, changeErr := s.ChangeRecord(ctx, next, r.Fingerprint)
		return errors.Join(err, changeErr)
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		later := doc
		later.Stored = noon.Add(time.Hour)
		if err := s.PutDocument(ctx, later); err != nil {
			return err
		}
		got, err := s.Document(ctx, "h1")
		if diff := cmp.Diff(doc, got); diff != "" {
			t.Errorf("a published document was written again, or differs:\n%s", diff)
		}
		return err
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { // many at once, one of them twice
		later, third := doc, catalog.Document{Hash: "h0", Content: []byte("true"), Stored: noon.Add(time.Hour)}
		later.Stored = noon.Add(time.Hour)
		if err := s.PutDocuments(ctx, []catalog.Document{later, third, orphan, third}); err != nil {
			return err
		}
		got, err := s.Document(ctx, "h1")
		if diff := cmp.Diff(doc, got); diff != "" {
			t.Errorf("a published document was written again with others, or differs:\n%s", diff)
		}
		young, youngErr := s.Orphans(ctx, noon.Add(time.Minute), 10)
		all, allErr := s.Orphans(ctx, noon.Add(2*time.Hour), 10)
		if slices.Sort(all); !slices.Equal(young, []string{"h2"}) || !slices.Equal(all, []string{"h0", "h2"}) {
			t.Errorf("orphans %q, an hour later %q", young, all)
		}
		return errors.Join(err, youngErr, allErr, s.PutDocuments(ctx, nil), s.ForgetOrphans(ctx, []string{"h0"}, noon.Add(2*time.Hour)))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		early, err := s.Orphans(ctx, noon, 10)
		all, allErr := s.Orphans(ctx, noon.Add(time.Minute), 10)
		none, noneErr := s.Orphans(ctx, noon.Add(time.Minute), 0)
		if !slices.Equal(all, []string{"h2"}) || len(early)+len(none) > 0 {
			t.Errorf("orphans %q, before they were stored %q, none of them %q", all, early, none)
		}
		return errors.Join(err, allErr, noneErr, s.ForgetOrphans(ctx, []string{"h2"}, noon), stays(ctx, s, "h2"),
			s.ForgetOrphans(ctx, []string{"h1", "h2"}, noon.Add(time.Minute)))
	})
	err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		if _, err := s.Document(ctx, "h1"); err != nil {
			t.Errorf("a published document was swept: %v", err)
		}
		_, err := s.Document(ctx, "h2")
		return err
	})
	if !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("an orphan stayed: %v", err)
	}
	dangling := testRecord("kong-eu", "api_1", 3)
	dangling.Deployment.Document = "gone"
	if err := tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.AddRecord(ctx, dangling) }); err == nil {
		t.Error("a deployment points at a document that is not there")
	}
}

func stays(ctx context.Context, s catalog.Store, hash string) error {
	_, err := s.Document(ctx, hash)
	return err
}

func packedDocuments(t T, db DB) {
	text := []byte(strings.Repeat(`{"summary":"Get a thing"}`, 1000))
	doc := catalog.Document{Hash: "raw", Content: text, Description: document.Description{Kind: document.OpenAPI, Title: "Things"}, Stored: noon}
	ahead := doc
	ahead.Hash = "ahead"
	ahead, err := ahead.Pack()
	if err != nil || ahead.Content != nil {
		t.Fatalf("%v, %d bytes of content", err, len(ahead.Content))
	}
	nothing := catalog.Document{Hash: "nothing", Stored: noon}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		return errors.Join(s.PutDocument(ctx, doc), s.PutDocument(ctx, ahead), s.PutDocument(ctx, nothing))
	})
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		q := sqlstore.Statements(tx)
		for _, row := range []struct {
			hash, encoding string
			content        []byte
			size           int
		}{
			{"older", "", text, 0},
			{"torn", "zstd", ahead.Packed.Bytes[:len(ahead.Packed.Bytes)/2], len(text)},
			{"short", "zstd", ahead.Packed.Bytes, 1 << 30},
			{"newer", "brotli", text, len(text)},
		} {
			_, err := q.Exec(ctx, `INSERT INTO documents (hash, content, encoding, size, description, stored) VALUES ($1, $2, $3, $4, $5, $6)`,
				row.hash, row.content, row.encoding, row.size, `{"Title":"Things"}`, noon.UnixMicro())
			if err != nil {
				return err
			}
		}
		return scan(ctx, q, func(r sqlstore.Rows) error {
			var content []byte
			if err := r.Scan(&content); err != nil {
				return err
			}
			if len(content) > len(text)/10 {
				t.Errorf("%d bytes are kept as %d", len(text), len(content))
			}
			return nil
		}, `SELECT content FROM documents WHERE hash IN ('raw', 'ahead')`)
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		for _, hash := range []string{"raw", "ahead", "older"} {
			got, err := s.Document(ctx, hash)
			want := doc
			want.Hash = hash
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", hash, err, diff)
			}
		}
		if got, err := s.Document(ctx, "nothing"); len(got.Content) != 0 || err != nil {
			t.Errorf("an empty document: %v, %v", got, err)
		}
		for _, hash := range []string{"torn", "short", "newer"} {
			if got, err := s.Document(ctx, hash); err == nil {
				t.Errorf("%s was read: %d bytes", hash, len(got.Content))
			}
		}
		return nil
	})
}

func runs(t T, db DB) {
	r := seeded(t, db)
	run := func(n int, state catalog.RunState) catalog.Run {
		at := noon.Add(time.Duration(n) * time.Minute)
		return catalog.Run{ID: portal.RunID(fmt.Sprintf("run_%03d", n)), Gateway: "kong-eu", Actor: "per_1", State: state, Started: at, Probed: at, Ended: at,
			Warnings: []string{"w"}, Removing: []connectors.Key{{RemoteID: "x"}}, Cursor: "c"}
	}
	start := func(r catalog.Run) error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.StartRun(ctx, r) })
	}
	end := func(r catalog.Run) error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.EndRun(ctx, r) })
	}
	if err := start(run(0, catalog.Running)); err != nil {
		t.Fatal(err)
	}
	if err := start(run(1, catalog.Running)); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("two at once: %v", err)
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		open, err := s.OpenRuns(ctx)
		if len(open) != 1 || open[0].ID != "run_000" {
			t.Errorf("open: %v", open)
		}
		one, oneErr := s.OpenRun(ctx, "kong-eu")
		if one == nil || one.ID != "run_000" {
			t.Errorf("the open one: %v", one)
		}
		none, noneErr := s.OpenRun(ctx, "another")
		if none != nil {
			t.Errorf("an open one of a gateway that has none: %v", none)
		}
		return errors.Join(err, oneErr, noneErr)
	})
	good := run(0, catalog.Applied)
	if err := end(good); err != nil {
		t.Fatal(err)
	}
	if err := end(good); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("ended twice: %v", err)
	}
	for n := 1; n <= sqlstore.KeptRuns+1; n++ {
		if err := errors.Join(start(run(n, catalog.Running)), end(run(n, catalog.Failed))); err != nil {
			t.Fatal(err)
		}
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		st, err := s.Standing(ctx, "kong-eu")
		last := run(sqlstore.KeptRuns+1, catalog.Failed)
		want := catalog.Standing{Deployments: 1, Probed: last.Probed, LastRun: &last, LastGood: &good}
		if diff := cmp.Diff(want, st); diff != "" {
			t.Errorf("standing differs:\n%s", diff)
		}
		var n int
		for before := portal.RunID(""); ; {
			page, err := s.Runs(ctx, "kong-eu", before, 70)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			if before != "" && page[0].ID >= before {
				t.Errorf("page after %s starts with %s", before, page[0].ID)
			}
			n, before = n+len(page), page[len(page)-1].ID
		}
		if n != sqlstore.KeptRuns+1 { // the last good one beside the newest
			t.Errorf("%d runs are kept", n)
		}
		_, runErr := s.Run(ctx, "other", "run_000")
		if !errors.Is(runErr, portal.ErrNotFound) {
			t.Errorf("run of another gateway: %v", runErr)
		}
		return err
	})

	unclassified := r
	unclassified.Deployment.Placement = portal.Placement{}
	unclassified.Fingerprint = unclassified.Hash()
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		if _, err := s.ChangeRecord(ctx, unclassified, r.Fingerprint); err != nil {
			return err
		}
		st, err := s.Standing(ctx, "kong-eu")
		if st.Deployments != 1 || st.Unclassified != 1 {
			t.Errorf("%d deployments, %d unclassified", st.Deployments, st.Unclassified)
		}
		return err
	})
}

func longestKeys(t T, db DB) {
	r := seeded(t, db)
	const longest = 1000 // bytes; see ingest
	random := func() string {
		b := make([]byte, longest)
		for i := range b {
			b[i] = byte('!' + rand.IntN('~'-'!')) // nothing that an engine could compress
		}
		return string(b)
	}
	r.Deployment.ID, r.Deployment.RemoteID, r.Deployment.Exposure = "dep_long", random(), random()
	r.Discovered.Key = r.Key()
	r.Fingerprint = r.Hash()
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.AddRecord(ctx, r) })
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.Record(ctx, r.Deployment.ID)
		if got.Key() != r.Key() {
			t.Error("its key comes back otherwise")
		}
		return err
	})
}

func keptPlans(t T, db DB) {
	seeded(t, db)
	plan := func(n int) catalog.Plan {
		return catalog.Plan{More: n, Steps: []catalog.Step{{
			Kind: catalog.StepReclassify, Title: "é", RemoteID: "r", Was: "q", Audience: "partner", Fields: []catalog.Field{{Name: "audience", Is: "partner", Layer: portal.LayerGateway}},
		}}}
	}
	id := func(n int) portal.RunID { return portal.RunID(fmt.Sprintf("run_%03d", n)) }
	const applied = sqlstore.KeptApplied + 10
	for n := range applied + sqlstore.KeptRuns + 5 {
		inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			run := catalog.Run{ID: id(n), Gateway: "kong-eu", State: catalog.Running, Started: noon.Add(time.Duration(n) * time.Minute)}
			if err := s.StartRun(ctx, run); err != nil {
				return err
			}
			run.State = catalog.Unchanged
			if n < applied {
				run.State = catalog.Applied
				if err := s.PutPlan(ctx, run.ID, plan(n)); err != nil {
					return err
				}
			}
			return s.EndRun(ctx, run)
		})
	}
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		all, err := s.Runs(ctx, "kong-eu", "", 0)
		if len(all) != sqlstore.KeptRuns+sqlstore.KeptApplied || all[len(all)-1].ID != id(10) {
			t.Errorf("%d runs are kept, the oldest is %s", len(all), all[len(all)-1].ID)
		}
		for n, want := range map[int]catalog.Plan{9: {}, 10: plan(10), applied - 1: plan(applied - 1), applied: {}} {
			got, planErr := s.Plan(ctx, id(n))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("plan of run %d:\n%s", n, diff)
			}
			err = errors.Join(err, planErr)
		}
		return err
	})
}

func runsInOrder(t T, db DB) {
	seeded(t, db)
	do := func(id portal.RunID, started time.Time, state catalog.RunState) {
		inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			run := catalog.Run{ID: id, Gateway: "kong-eu", State: catalog.Running, Started: started}
			if err := s.StartRun(ctx, run); err != nil {
				return err
			}
			run.State, run.Ended = state, started.Add(time.Second)
			return s.EndRun(ctx, run)
		})
	}
	do("run_1", noon.Add(48*time.Hour), catalog.Applied) // the clock was wrong
	do("run_2", noon, catalog.Failed)
	do("run_3", noon.Add(time.Minute), catalog.Unchanged)
	do("run_4", noon.Add(2*time.Minute), catalog.Planned)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		all, err := s.Runs(ctx, "kong-eu", "", 10)
		var order []portal.RunID
		for _, r := range all {
			order = append(order, r.ID)
		}
		if want := []portal.RunID{"run_4", "run_3", "run_2", "run_1"}; !slices.Equal(order, want) {
			t.Errorf("the newest first: %v, want %v", order, want)
		}
		st, standingErr := s.Standing(ctx, "kong-eu")
		if st.LastRun == nil || st.LastRun.ID != "run_3" || st.LastGood == nil || st.LastGood.ID != "run_3" || !st.LastGood.Started.Equal(noon.Add(time.Minute)) {
			t.Errorf("%+v", st)
		}
		return errors.Join(err, standingErr)
	})
}

func discarded(t T, db DB) {
	seeded(t, db)
	run := catalog.Run{ID: "run_1", Gateway: "kong-eu", State: catalog.Running, Started: noon}
	discard := func() error {
		no := run
		no.State, no.Decided = catalog.Discarded, "per_1"
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.DiscardRun(ctx, no) })
	}
	conflicts(t, discard(), "one that is not there")
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.StartRun(ctx, run) })
	conflicts(t, discard(), "one that is running")
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		waiting := run
		waiting.State = catalog.Waiting
		return s.EndRun(ctx, waiting)
	})
	if err := discard(); err != nil {
		t.Fatal(err)
	}
	conflicts(t, discard(), "one that was discarded")
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		got, err := s.Run(ctx, "kong-eu", "run_1")
		if got.State != catalog.Discarded || got.Decided != "per_1" {
			t.Errorf("%+v", got)
		}
		return err
	})
}

func runsAreNoted(t T, db DB) {
	seeded(t, db)
	run := catalog.Run{ID: "run_1", Gateway: "kong-eu", State: catalog.Running, Started: noon, Lease: noon.Add(time.Minute)}
	note := func(r catalog.Run) error {
		return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.NoteRun(ctx, r) })
	}
	kept := func(want catalog.Run, open ...catalog.Run) {
		t.Helper()
		inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
			got, err := s.Run(ctx, "kong-eu", "run_1")
			found, openErr := s.OpenRuns(ctx)
			if !cmp.Equal(want, got) || !cmp.Equal(open, found) {
				t.Errorf("the run:\n%s\nopen ones:\n%s", cmp.Diff(want, got), cmp.Diff(open, found))
			}
			return errors.Join(err, openErr)
		})
	}
	conflicts(t, note(run), "one that was not started")
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.StartRun(ctx, run) })
	kept(run, run)
	far := run
	far.Phase, far.Done, far.Total, far.Probed, far.Lease = "documents", 3, 9, noon.Add(time.Second), noon.Add(time.Hour)
	if err := note(far); err != nil {
		t.Fatal(err)
	}
	kept(far, far)

	// Its end wins over whoever notes it at the same time.
	ended := far
	ended.State, ended.Added, ended.Ended, ended.Lease = catalog.Applied, 9, noon.Add(time.Minute), time.Time{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			eventually(t, func() error {
				if err := note(far); !errors.Is(err, portal.ErrConflict) {
					return err
				}
				return nil
			})
		})
	}
	all.Go(func() {
		eventually(t, func() error {
			return tryCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.EndRun(ctx, ended) })
		})
	})
	all.Wait()
	kept(ended)
	conflicts(t, note(far), "one that has ended")
	kept(ended)
}

func registrationsHoldNoSecrets(t T, db DB) {
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error { return s.PutGateway(ctx, testGateway("g")) })
	view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
		return scan(ctx, sqlstore.Statements(tx), func(r sqlstore.Rows) error {
			var config string
			err := r.Scan(&config)
			if strings.Contains(config, "c2VhbGVk") || strings.Contains(config, "sealed") {
				t.Errorf("config holds the secrets: %s", config)
			}
			return err
		}, `SELECT config FROM gateways`)
	})
}

func unclassified(t T, db DB) {
	seeded(t, db)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		err := s.PutGateway(ctx, testGateway("other"))
		for n := 2; n < 6; n++ {
			r := testRecord("kong-eu", "api_1", n)
			delete(r.Deployment.Placement, []portal.Axis{portal.AxisAudience, portal.AxisEnvironment}[n%2])
			if n == 5 {
				r.Removed = noon
			}
			err = errors.Join(err, s.AddRecord(ctx, r))
		}
		r := testRecord("other", "api_1", 9)
		r.Deployment.Placement = nil
		return errors.Join(err, s.AddRecord(ctx, r))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		var got []string
		after := portal.DeploymentID("")
		for {
			page, err := s.Unclassified(ctx, "kong-eu", after, 2)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				after = r.Deployment.ID
				got = append(got, string(after))
			}
		}
		if want := "dep_kong-eu_2 dep_kong-eu_3 dep_kong-eu_4"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
		return nil
	})
}

func published(t T, db DB) {
	seeded(t, db)
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		err := s.PutGateway(ctx, testGateway("other"))
		for n := 2; n < 6; n++ {
			r := testRecord("kong-eu", "api_1", n)
			if n == 4 {
				r.Removed = noon
			}
			err = errors.Join(err, s.AddRecord(ctx, r))
		}
		return errors.Join(err, s.AddRecord(ctx, testRecord("other", "api_1", 9)))
	})
	inCatalog(t, db, func(ctx context.Context, s catalog.Store) error {
		var got []string
		var after connectors.Key
		for {
			page, err := s.Published(ctx, "kong-eu", after, 2)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				after = r.Key()
				got = append(got, after.RemoteID)
			}
		}
		if want := "svc-1 svc-2 svc-3 svc-5"; strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
		return nil
	})
}
