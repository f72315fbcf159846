package storetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"concierge/portal/store/sqlstore"
)

// seed is a row as it was kept when the tables had a version.
type seed struct {
	version int64
	table   string
	columns string
	values  []any
}

// seeds has a row of every table. A new table adds one; those of released versions stay as they are.
var seeds = []seed{
	{1, "settings", "name, value", []any{"s", []byte{0, 1}}},
	{1, "changes", "kind, id", []any{"api", "api_1"}},
	{1, "events", "id, at, actor, action, target, organisation, gateway, detail", []any{"evt_1", 1, "per_1", "key.issued", "crd_1", "org_1", "g", `{"k":"é"}`}},
	{2, "gateways", "id, source, config, secrets, capabilities, created, changed", []any{"g", "api", `{}`, []byte{2}, "", 1, 2}},
	{2, "apis", "id, division, explicit, title, joined, created", []any{"api_1", "d", "", "Payments", "", 1}},
	{2, "api_slugs", "slug, api, alias", []any{"payments", "api_1", false}},
	{2, "documents", "hash, content, description, stored", []any{"h", []byte("{}"), "{}", 1}},
	{2, "deployments", "id, gateway, remote, exposure, api, title, classified, document, fingerprint, published, origin, created, changed, removed",
		[]any{"dep_1", "g", "r", "e", "api_1", "Payments", true, "h", "f", "{}", "{}", 1, 2, 0}},
	{2, "runs", "id, gateway, state, report, started, probed, ended", []any{"run_1", "g", "applied", "{}", 1, 2, 3}},
	{3, "organisations", "id, name, name_key, audience, division, region, disabled, created", []any{"org_1", "Acme", "acme", "partner", "", "", false, 1}},
	{3, "people", "id, name, name_key, email, password, disabled, created, seen", []any{"per_1", "Ann", "ann", "ann@example.com", "x", false, 1, 2}},
	{3, "memberships", "person, organisation, roles, created", []any{"per_1", "org_1", `["developer"]`, 1}},
	{3, "links", "hash, person, expires", []any{[]byte{3}, "per_1", 1}},
	{3, "tokens", "hash, id, person, organisation, name, hint, created, used, expires", []any{[]byte{4}, "tok_1", "per_1", "org_1", "ci", "cnc_", 1, 2, 3}},
	{3, "sessions", "hash, person, organisation, data, created, seen", []any{[]byte{5}, "per_1", "org_1", []byte{6}, 1, 2}},
	{4, "applications", "id, organisation, name, created_by, created", []any{"app_1", "org_1", "shop", "per_1", 1}},
	{4, "subscriptions", "id, application, organisation, api, line, environment, plan, state, deployment, division, requested_by, decided_by, reason, created, decided",
		[]any{"sub_1", "app_1", "org_1", "api_1", "1", "test", "p", "approved", "dep_1", "d", "per_1", "", "", 1, 2}},
	{4, "credentials", "id, subscription, application, organisation, gateway, deployment, remote_id, exposure, state, handle, sealed, fingerprint, created, expires, ends, replaces, effective, effective_by, note",
		[]any{"crd_1", "sub_1", "app_1", "org_1", "g", "dep_1", "r", "e", "active", "{}", []byte{7}, "ff", 1, 0, 0, "", 0, "", ""}},
	{4, "acts", "id, kind, credential, gateway, state, phase, lease, due, attempts, error, created, ended", []any{"act_1", "issue", "crd_1", "g", "open", "calling", "l", 1, 2, "", 3, 0}},
	{5, "requests", "caller, method, path, key, body, acted, result, created, lease", []any{"per_1", "POST", "/x", "k", "h", true, "sub_1", 1, 2}},
	{6, "river_job", "kind, args", []any{"sweep", "{}"}},
	{6, "river_queue", "name", []any{"default"}},
	{6, "river_notification", "topic, payload", []any{"insert", "{}"}},
	{7, "sign_in_attempts", "place, at, ends", []any{"p", 1, 2}},
	{7, "sign_in_places", "place, at", []any{"p", 1}},
	{7, "token_rates", "token, replica, calls, round", []any{[]byte{8}, "a", 10, 1}},
	{8, "site_calls", "id, site, gateway, operation, urgent, request, reply_key, created, deadline, state, worker, lease, lease_ends, parts",
		[]any{"call_1", "south", "g", "Issue", true, []byte{9}, []byte{10}, 1, 2, "taken", "wrk_1", "l", 3, 1}},
	{8, "site_answers", "call, number, content", []any{"call_1", 0, []byte{11}}},
	{8, "site_workers", "id, site, name, version, gateways, secret, enrolled, seen, polling, due, revoked, enrolment, reused",
		[]any{"wrk_1", "south", "one", "1.0", `["g"]`, []byte{12}, 1, 2, "p", 3, 0, "enr_1", 0}},
	{8, "site_enrolments", "id, site, token, created, expires, revoked, worker", []any{"enr_1", "south", []byte{13}, 1, 2, 0, "wrk_1"}},
	{9, "reviews", "id, kind, a, b, gateway, remote, exposure, score, reasons, state, agreed, opened, decided_by, decided",
		[]any{"rev_1", "join", "dep_1", "dep_1", "", "", "", 700, `[]`, "open", `["d"]`, 1, "", 0}},
	{9, "decisions", "a, b, verdict, actor, at", []any{"dep_1", "dep_1", "apart", "per_1", 1}},
	{9, "entry_acts", "id, kind, origin, target, detail, at, undone", []any{"eac_1", "split", "api_1", "api_1", `{}`, 1, 0}},
	{12, "plans", "run, steps", []any{"run_1", `{"Steps":[]}`}},
	{13, "search_rows", "id, api, fingerprint", []any{1, "api_1", "f"}},
	{13, "search_operations", "row, operations", []any{1, "POST /refunds"}},
	{13, "search_terms", "id, term", []any{1, "refunds"}},
	{13, "search_progress", "one, revision, signature, version, building, position, ready, touched", []any{1, 2, "s", 3, true, "api_1", false, 4}},
	{14, "teams", "id, organisation, name, name_key, created", []any{"team_1", "org_1", "Cards", "cards", 1}},
	{14, "team_members", "team, person", []any{"team_1", "per_1"}},
	{14, "api_teams", "api, team", []any{"api_1", "team_1"}},
	{14, "api_texts", "api, revision, published, content, bodies, author, at", []any{"api_1", 1, true, `{"Texts":[]}`, `{"gde_1":"é"}`, "per_1", 1}},
	{14, "lifecycles", "api, line, deployment, state, sunset, since, successor, note, actor, at",
		[]any{"api_1", "1", "", "deprecated", 2, 1, "api_2/3", "why", "per_1", 1}},
	{14, "lifecycle_covers", "deployment, api, line", []any{"dep_1", "api_1", "1"}},
	{17, "search_tokens", "id, api, revision, fingerprint, tokens, operations", []any{1, "api_1", 2, "f", []byte{14}, "POST /refunds"}},
	{16, "sketches", "deployment, format, sum, sketch", []any{"dep_1", 1, -2, `{}`}},
}

// dropped are tables that a later version does without; what was in them is made anew.
var dropped = map[string]int64{"search_rows": 17, "search_operations": 17, "search_terms": 17}

// unseeded are the tables that have no seed: what is written by migrations, or by who is alive.
var unseeded = []string{"goose_db_version", "sqlite_sequence", "river_migration", "river_leader", "job_runners"}

// EarlierShapes brings a database of every earlier shape, with a row in each of its tables, up to date, and looks whether
// the rows are still there. fresh makes an empty database and returns what applies its migrations, and what opens it as
// the product does.
func EarlierShapes(t *testing.T, fresh func(t *testing.T) (raw *sql.DB, up *goose.Provider, open func() DB)) {
	_, up, _ := fresh(t)
	for _, source := range up.ListSources() {
		t.Run(fmt.Sprint(source.Version), func(t *testing.T) {
			raw, up, open := fresh(t)
			if _, err := up.UpTo(t.Context(), source.Version); err != nil {
				t.Fatal(err)
			}
			var kept []seed
			for _, s := range seeds {
				last, gone := dropped[s.table]
				if s.version > source.Version || gone && last <= source.Version {
					continue
				}
				if !gone {
					kept = append(kept, s)
				}
				places := make([]string, len(s.values))
				for i := range places {
					places[i] = fmt.Sprintf("$%d", i+1)
				}
				if _, err := raw.ExecContext(t.Context(), fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", s.table, s.columns, strings.Join(places, ", ")), s.values...); err != nil {
					t.Fatalf("%s: %v", s.table, err)
				}
			}
			if err := raw.Close(); err != nil {
				t.Fatal(err)
			}
			db := open()
			view(t, db, func(ctx context.Context, tx *sqlstore.Tx) error {
				for _, s := range kept {
					if err := s.check(ctx, t, sqlstore.Statements(tx)); err != nil {
						return err
					}
				}
				all, err := tables(ctx, db, sqlstore.Statements(tx))
				for _, table := range all {
					seeded := slices.ContainsFunc(seeds, func(s seed) bool { return s.table == table })
					if !seeded && !slices.Contains(unseeded, table) {
						t.Errorf("%s has no row in seeds: add one", table)
					}
				}
				return err
			})
			change(t, db, "new")
			if got, _, complete := since(t, db, 0); !got["api_1"] || !got["new"] || !complete {
				t.Errorf("the log of changes: %v", got)
			}
		})
	}
}

// check looks whether the one row of a table is still there.
func (s seed) check(ctx context.Context, t T, q sqlstore.Querier) error {
	found := 0
	err := scan(ctx, q, func(r sqlstore.Rows) error {
		found++
		got, into := make([]any, len(s.values)), make([]any, len(s.values))
		for i := range got {
			into[i] = &got[i]
		}
		if err := r.Scan(into...); err != nil {
			return err
		}
		for i := range got {
			if plain(got[i]) != plain(s.values[i]) {
				t.Errorf("%s (%s): value %d is %v; it was %v", s.table, s.columns, i+1, got[i], s.values[i])
			}
		}
		return nil
	}, "SELECT "+s.columns+" FROM "+s.table)
	if err != nil || found != 1 {
		t.Errorf("%s: %d rows, %v; want 1", s.table, found, err)
	}
	return err
}

// plain is a value as both engines would give it.
func plain(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case map[string]any: // JSON, as PostgreSQL gives it
		b, _ := json.Marshal(v)
		return string(b)
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(v)
}
