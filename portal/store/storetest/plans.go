package storetest

import (
	"context"
	"errors"
	"time"

	"concierge/portal"
	"concierge/portal/keys"
	"concierge/portal/people"
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
			errs = append(errs, tx.Keys().AddCredential(ctx, credentialOf(n, keys.Revoked)), tx.Keys().AddAct(ctx, act(n, keys.ActRevoke, time.Duration(n))))
		}
		_, err := sqlstore.Statements(tx).Exec(ctx, "ANALYZE acts")
		return errors.Join(append(errs, err)...)
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
		"events of a thing": func(ctx context.Context, tx *sqlstore.Tx) error {
			_, err := tx.Audit().Events(ctx, "x", 10)
			return err
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
