package storetest

import (
	"context"
	"errors"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/keys"
	"concierge/portal/people"
	"concierge/portal/site"
	"concierge/portal/store"
	"concierge/portal/store/sqlstore"
)

var planRules = []Rule{
	{"HotPathsReadNoWholeTable", "what runs with every request, claim and sweep reads no table from end to end", hotPaths},
}

// hotPaths runs the calls, sees which statements they make, and asks the engine how it would go about each.
func hotPaths(t T, e Engine) {
	db, _ := e.Open(t)
	write(t, db, func(ctx context.Context, tx *sqlstore.Tx) error { // some rows, so that one index is not as good as another
		errs := []error{tx.Keys().AddApplication(ctx, application(1)), tx.Keys().AddSubscription(ctx, subscription(1, keys.Approved))}
		for n := range 200 {
			call := queued(n)
			if n%10 > 0 {
				call = taken(call, id("wrk", n), id("lease", n))
			}
			call.Site = portal.Site(id("site", n%20))
			errs = append(errs, tx.Keys().AddCredential(ctx, credentialOf(n, keys.Revoked)), tx.Keys().AddAct(ctx, act(n, keys.ActRevoke, time.Duration(n))), tx.Sites().AddCall(ctx, call))
		}
		for _, table := range []string{"acts", "site_calls"} {
			_, err := sqlstore.Statements(tx).Exec(ctx, "ANALYZE "+table)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	for name, call := range map[string]func(ctx context.Context, tx *sqlstore.Tx) error{
		"keys of a subscription": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Credentials(ctx, keys.CredentialFilter{Subscription: "sub_1"}, keys.Page{Limit: 20})
			return err
		},
		"keys of an organisation": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Credentials(ctx, keys.CredentialFilter{Organisation: "org_1"}, keys.Page{Limit: 20})
			return err
		},
		"applications": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Applications(ctx, "org_1", keys.Page{After: "app_1", Limit: 20})
			return err
		},
		"open subscription": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().OpenSubscription(ctx, "app_1", "api_1", "2", portal.Test)
			return err
		},
		"who uses an API": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Subscriptions(ctx, keys.SubscriptionFilter{API: "api_1"}, keys.Page{After: "sub_1", Limit: 20})
			return err
		},
		"who holds a deployment": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Subscriptions(ctx, keys.SubscriptionFilter{Deployment: "dep_1"}, keys.Page{After: "sub_1", Limit: 20})
			return err
		},
		"due acts": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().DueActs(ctx, "", noon, 10)
			return err
		},
		"ended keys": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().EndedCredentials(ctx, "", noon, 10)
			return err
		},
		"due acts of a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().DueActs(ctx, "north", noon, 10)
			return err
		},
		"ended keys of a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().EndedCredentials(ctx, "north", noon, 10)
			return err
		},
		"due next on a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().NextDue(ctx, "north")
			return err
		},
		"open act": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().OpenAct(ctx, "crd_1", keys.ActIssue)
			return err
		},
		"caller": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.People().Caller(ctx, "per_1", "org_1")
			return err
		},
		"caller's tokens": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.People().CallersOf(ctx, "per_1")
			return err
		},
		"caller by token": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.People().CallerByToken(ctx, people.Hash{1})
			return err
		},
		"session": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.People().Session(ctx, people.Hash{1})
			return err
		},
		"token used": func(ctx context.Context, tx *sqlstore.Tx) error {
			return tx.People().TokenUsed(ctx, people.Hash{1}, noon)
		},
		"account": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.People().Account(ctx, "a@example.com")
			return err
		},
		"entry": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Catalog().LoadEntry(ctx, "api_1")
			return err
		},
		"entry by slug": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Catalog().EntryBySlug(ctx, "slug")
			return err
		},
		"deployment": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Catalog().Record(ctx, "dep_1")
			return err
		},
		"deployments of a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Catalog().Published(ctx, "north", connectors.Key{}, 10)
			return err
		},
		"unclassified deployments of a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Catalog().Unclassified(ctx, "north", "", 10)
			return err
		},
		"how far the log of changes reaches": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, _, _, err := tx.Catalog().ChangedEntries(ctx, 0)
			return err
		},
		"documents that nothing points at": func(ctx context.Context, tx *sqlstore.Tx) error {
			return tx.Catalog().ForgetOrphans(ctx, []string{"x"}, noon)
		},
		"what is held on a gateway": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Keys().Held(ctx, "north")
			return err
		},
		"freezing": func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Keys().SetFrozen(ctx, "sub_1", noon, "x") },
		"events of a thing": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Audit().Events(ctx, "x", 10)
			return err
		},
		"attempts": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.People().Attempts(ctx, "place")), tx.People().PutAttempts(ctx, "place", people.Attempts{At: noon}))
		},
		"known places": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.People().SignedInFrom(ctx, "place")), tx.People().PutSignedInFrom(ctx, "place", noon))
		},
		"old attempts": func(ctx context.Context, tx *sqlstore.Tx) error {
			return tx.People().ForgetAttempts(ctx, noon, noon)
		},
		"link of a person": func(ctx context.Context, tx *sqlstore.Tx) error {
			return second(tx.People().LinkOf(ctx, "per_1"))
		},
		"how far a sync is": func(ctx context.Context, tx *sqlstore.Tx) error {
			return tx.Catalog().NoteRun(ctx, catalog.Run{ID: "run_1"})
		},
		"what others serve to a token": func(ctx context.Context, tx *sqlstore.Tx) error { // reading it reads all, by its promise
			return errors.Join(within(tx).PutRates(ctx, "a", []store.Rate{rate("a", 1, 1, 1)}), within(tx).DropRates(ctx, "a", 1))
		},
		"a request's key": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, _, err := within(tx).BeginRequest(ctx, request("k"), noon)
			return errors.Join(err, within(tx).EndRequest(ctx, request("k").RequestKey, "x"), within(tx).DropRequest(ctx, request("k")))
		},
		"what is laid over an entry": func(ctx context.Context, tx *sqlstore.Tx) error {
			return second(tx.Curation().Layer(ctx, "api_1"))
		},
		"texts of an entry": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.Curation().Published(ctx, "api_1")), second(tx.Curation().Newest(ctx, "api_1")))
		},
		"users of a deployment": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.Curation().Usage(ctx, "api_1", "1", "")), second(tx.Curation().Users(ctx, "api_1", "1", "dep_1", 10)))
		},
		"calls of a site": func(ctx context.Context, tx *sqlstore.Tx) error {
			return second(tx.Sites().QueuedCalls(ctx, "site_0000", noon, 10))
		},
		"a call": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.Sites().Call(ctx, "call_0001")), tx.Sites().UpdateCall(ctx, queued(1), queued(1)), tx.Sites().DropCall(ctx, "none"))
		},
		"a call's answer": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(tx.Sites().PutPart(ctx, "call_0001", 0, []byte("x")), second(tx.Sites().Part(ctx, "call_0001", 0)))
		},
		"calls of a worker": func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Sites().DropCalls(ctx, "wrk_1") },
		"old calls":         func(ctx context.Context, tx *sqlstore.Tx) error { return tx.Sites().DropCallsBefore(ctx, noon) },
		"worker by secret": func(ctx context.Context, tx *sqlstore.Tx) error {
			return second(tx.Sites().WorkerBySecret(ctx, site.Hash{1}))
		},
		"worker": func(ctx context.Context, tx *sqlstore.Tx) error {
			return errors.Join(second(tx.Sites().Worker(ctx, "wrk_1")), tx.Sites().UpdateWorker(ctx, site.Worker{ID: "wrk_1"}))
		},
		"enrolment by token": func(ctx context.Context, tx *sqlstore.Tx) error {
			return second(tx.Sites().EnrolmentByToken(ctx, site.Hash{1}))
		},
	} {
		err := try(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
			asked := &recorder{Querier: sqlstore.Statements(tx)}
			_ = call(ctx, sqlstore.On(asked)) // there is nothing to be found
			if len(asked.statements) == 0 {
				t.Errorf("%s: no statement", name)
			}
			for _, s := range asked.statements {
				tables, err := e.Scans(ctx, sqlstore.Statements(tx), s.query, s.args...)
				if err != nil {
					return err
				}
				if len(tables) > 0 {
					t.Errorf("%s: reads all of %v: %s", name, tables, s.query)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// within is a database that is one transaction, for calls that begin their own.
func within(tx *sqlstore.Tx) *sqlstore.DB { return sqlstore.New(&nested{q: sqlstore.Statements(tx)}) }

type nested struct {
	sqlstore.Engine
	q sqlstore.Querier
}

func (n *nested) Write(_ context.Context, fn func(sqlstore.Querier) ([]string, error)) error {
	_, err := fn(n.q)
	return err
}

// recorder notes the statements of a transaction.
type recorder struct {
	sqlstore.Querier
	statements []statement
}

type statement struct {
	query string
	args  []any
}

func (r *recorder) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r.statements = append(r.statements, statement{query, args})
	return r.Querier.Exec(ctx, query, args...)
}

func (r *recorder) Query(ctx context.Context, query string, args ...any) (sqlstore.Rows, error) {
	r.statements = append(r.statements, statement{query, args})
	return r.Querier.Query(ctx, query, args...)
}
