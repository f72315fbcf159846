package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	fastjson "github.com/segmentio/encoding/json"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
	"concierge/portal/correlate"
	"concierge/portal/store"
)

// places writes n rows of width placeholders.
func places(n, width int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(", (")
		for k := range width {
			if k > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "$%d", i*width+k+1)
		}
		b.WriteByte(')')
	}
	return strings.TrimPrefix(b.String(), ", ")
}

func (s catalogStore) AddSketches(ctx context.Context, all []catalog.Sketched) error {
	return doing(add(ctx, s.tx, "sketches", []string{"deployment", "format", "sum", "sketch"}, all, sketchArgs), "saving sketches")
}

func (s catalogStore) PutSketches(ctx context.Context, all []catalog.Sketched) error {
	for some := range slices.Chunk(all, s.tx.q.AtOnce()) {
		var values []any
		for _, k := range some {
			args, err := sketchArgs(k)
			if err != nil {
				return fmt.Errorf("saving sketches: %w", err)
			}
			values = append(values, args...)
		}
		err := s.tx.exec(ctx, `INSERT INTO sketches (deployment, format, sum, sketch) VALUES `+places(len(some), 4)+`
			ON CONFLICT (deployment) DO UPDATE SET format = excluded.format, sum = excluded.sum, sketch = excluded.sketch
			WHERE sketches.format <> excluded.format OR sketches.sum <> excluded.sum`, values...)
		if err != nil {
			return fmt.Errorf("saving sketches: %w", err)
		}
	}
	return nil
}

// sketchArgs are the values of a row of sketches.
func sketchArgs(k catalog.Sketched) ([]any, error) {
	sketch, err := json.Marshal(k.Sketch)
	return []any{string(k.Deployment), int64(correlate.Format), k.Sketch.Sum(), string(sketch)}, err
}

func (s catalogStore) Unsketched(ctx context.Context) ([]portal.DeploymentID, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (id portal.DeploymentID, err error) { return id, r.Scan(&id) },
		`SELECT id FROM deployments WHERE removed = 0 AND NOT EXISTS (SELECT 1 FROM sketches WHERE deployment = deployments.id AND format = $1)
		ORDER BY id`, correlate.Format)
	return all, doing(err, "looking for deployments without a sketch")
}

// memberTables are sketches with where their deployments are.
const memberTables = ` FROM deployments d JOIN sketches s ON s.deployment = d.id JOIN apis a ON a.id = d.api`

func (s catalogStore) Members(ctx context.Context, each func(correlate.Member)) (version int64, err error) {
	if version, _, err = s.tx.newest(ctx, 0); err != nil {
		return 0, doing(err, "reading the version")
	}
	_, err = rows(ctx, s.tx, func(r scanner) (none struct{}, err error) {
		m, err := scanMember(r)
		if err == nil {
			each(m)
		}
		return none, err
	}, `SELECT d.id, d.api, a.division, s.sum, s.sketch`+memberTables+` WHERE s.format = $1`, correlate.Format)
	return version, doing(err, "loading all sketches")
}

func scanMember(r scanner) (m correlate.Member, err error) {
	var sketch []byte
	if err := r.Scan(&m.ID, &m.Entry, &m.Division, &m.Sum, &sketch); err != nil {
		return m, err
	}
	return m, fastjson.Unmarshal(sketch, &m.Sketch)
}

func (s catalogStore) MembersOf(ctx context.Context, apis []portal.APIID, known func(id string, sum int64) bool) ([]correlate.Member, error) {
	var all []correlate.Member
	missing := map[string]int{} // where they are in all
	for some := range slices.Chunk(apis, asked) {
		list, args := anyOf(some)
		found, err := rows(ctx, s.tx, func(r scanner) (m correlate.Member, err error) {
			return m, r.Scan(&m.ID, &m.Entry, &m.Division, &m.Sum)
		}, `SELECT d.id, d.api, a.division, s.sum`+memberTables+` WHERE d.api IN `+list+` AND s.format = `+strconv.Itoa(correlate.Format), args...)
		if err != nil {
			return nil, fmt.Errorf("sketches of entries: %w", err)
		}
		for _, m := range found {
			if !known(m.ID, m.Sum) {
				missing[m.ID] = len(all)
			}
			all = append(all, m)
		}
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(missing)), asked) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (none struct{}, err error) {
			var id string
			var sketch []byte
			if err := r.Scan(&id, &sketch); err != nil {
				return none, err
			}
			return none, fastjson.Unmarshal(sketch, &all[missing[id]].Sketch)
		}, `SELECT deployment, sketch FROM sketches WHERE deployment IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("sketches of deployments: %w", err)
		}
	}
	return all, nil
}

func (s catalogStore) ChangedEntries(ctx context.Context, after int64) (times map[portal.APIID]int, newest int64, complete bool, err error) {
	newest, complete, err = s.tx.newest(ctx, after)
	if err != nil || !complete || newest == after {
		return nil, newest, complete, doing(err, "reading the change log")
	}
	times = map[portal.APIID]int{}
	_, err = rows(ctx, s.tx, func(r scanner) (none struct{}, err error) {
		var id portal.APIID
		var n int
		err = r.Scan(&id, &n)
		times[id] = n
		return none, err
	}, `SELECT id, count(*) FROM changes WHERE seq > $1 AND kind = $2 GROUP BY id`, after, string(store.ChangedAPI))
	return times, newest, complete, doing(err, "reading the change log")
}

// why is a Joining as it is kept; scanWhy its reverse.
func why(j catalog.Joining) (string, error) {
	if j.At.IsZero() {
		return "", nil
	}
	b, err := json.Marshal(j)
	return string(b), err
}

func scanWhy(text string, since int64) (j catalog.Joining, err error) {
	if text != "" {
		err = json.Unmarshal([]byte(text), &j)
	}
	j.Since = instant(since)
	return j, err
}

func (s catalogStore) Move(ctx context.Context, id portal.DeploymentID, to portal.APIID, j catalog.Joining) error {
	text, err := why(j)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrNotFound, `UPDATE deployments SET api = $1, since = $2, why = $3 WHERE id = $4`, string(to), micros(j.Since), text, string(id))
	}
	if err == nil {
		err = s.follow(ctx, id, to)
	}
	return doing(err, "moving deployment %s to catalog entry %s", id, to)
}

// follow puts the subscriptions of a deployment where it is. One that its application holds there already stays: it is
// found by the id of the entry that it is of, which goes on answering.
func (s catalogStore) follow(ctx context.Context, id portal.DeploymentID, to portal.APIID) error {
	subscriptions, err := rows(ctx, s.tx, func(r scanner) (row [2]string, err error) { return row, r.Scan(&row[0], &row[1]) },
		`SELECT id, application FROM subscriptions WHERE deployment = $1 AND api <> $2 ORDER BY created, id`, string(id), string(to))
	if err != nil {
		return err
	}
	for _, row := range subscriptions {
		err := s.tx.exec(ctx, `UPDATE subscriptions SET api = $1 WHERE id = $2 AND (state IN ('rejected', 'cancelled') OR NOT EXISTS (
			SELECT 1 FROM subscriptions AS held WHERE held.application = subscriptions.application AND held.api = $1 AND held.line = subscriptions.line
				AND held.environment = subscriptions.environment AND held.state IN ('requested', 'approved', 'suspended')))`, string(to), row[0])
		if err != nil {
			return err
		}
		s.tx.Changed(store.ChangedApplication, row[1])
	}
	return nil
}

func (s catalogStore) SetJoining(ctx context.Context, id portal.DeploymentID, j catalog.Joining) error {
	text, err := why(j)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrNotFound, `UPDATE deployments SET since = $1, why = $2 WHERE id = $3`, micros(j.Since), text, string(id))
	}
	return doing(err, "saying why deployment %s is where it is", id)
}

func (s catalogStore) TakeOver(ctx context.Context, from, to portal.DeploymentID, key connectors.Key) error {
	var api portal.APIID
	err := s.tx.one(ctx, []any{&api}, `SELECT api FROM deployments WHERE id = $1`, string(to))
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE credentials SET deployment = $1 WHERE deployment = $2`, string(to), string(from))
	}
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE credentials SET remote_id = $1, exposure = $2 WHERE deployment = $3`, key.RemoteID, key.Exposure, string(to))
	}
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE subscriptions SET deployment = $1 WHERE deployment = $2`, string(to), string(from))
	}
	if err == nil {
		err = s.follow(ctx, to, api)
	}
	var apps []string
	if err == nil {
		apps, err = rows(ctx, s.tx, func(r scanner) (app string, err error) { return app, r.Scan(&app) },
			`SELECT DISTINCT application FROM credentials WHERE deployment = $1 ORDER BY application`, string(to))
	}
	for _, app := range apps {
		s.tx.Changed(store.ChangedApplication, app)
	}
	return doing(err, "giving the keys of deployment %s to %s", from, to)
}

func (s catalogStore) GiveBack(ctx context.Context, id portal.SubscriptionID, to portal.DeploymentID, key connectors.Key) error {
	var app string
	err := s.tx.one(ctx, []any{&app}, `SELECT application FROM subscriptions WHERE id = $1`, string(id))
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE subscriptions SET deployment = $1 WHERE id = $2`, string(to), string(id))
	}
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE credentials SET deployment = $1, remote_id = $2, exposure = $3 WHERE subscription = $4`, string(to), key.RemoteID, key.Exposure, string(id))
	}
	if err == nil {
		s.tx.Changed(store.ChangedApplication, app)
	}
	return doing(err, "giving subscription %s to deployment %s", id, to)
}

func (s catalogStore) RecordsOf(ctx context.Context, api portal.APIID) ([]catalog.Record, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
		`SELECT `+recordColumns+` FROM deployments WHERE api = $1 ORDER BY id`, string(api))
	return all, doing(err, "deployments of catalog entry %s", api)
}

func (s catalogStore) RecordByKey(ctx context.Context, gateway portal.GatewayID, key connectors.Key) (catalog.Record, error) {
	r, err := get(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
		`SELECT `+recordColumns+` FROM deployments WHERE gateway = $1 AND remote = $2 AND exposure = $3`, string(gateway), key.RemoteID, key.Exposure)
	return r, doing(err, "deployment %s of gateway %s", key.RemoteID, gateway)
}

func (s catalogStore) EntryByExplicit(ctx context.Context, division portal.Division, explicit string) (e catalog.Entry, err error) {
	var id portal.APIID
	err = s.tx.one(ctx, []any{&id}, `SELECT id FROM apis WHERE division = $1 AND explicit = $2 AND explicit <> ''`, string(division), explicit)
	if err == nil {
		e, err = s.entry(ctx, id)
	}
	return e, doing(err, "catalog entry named %q by division %q", explicit, division)
}

func (s catalogStore) Subscribed(ctx context.Context, api portal.APIID) (n int, err error) {
	err = s.tx.one(ctx, []any{&n}, `SELECT count(*) FROM subscriptions WHERE api = $1 AND state IN ('requested', 'approved', 'suspended')`, string(api))
	return n, doing(err, "counting subscriptions to catalog entry %s", api)
}

func (s catalogStore) HandOver(ctx context.Context, from, to portal.APIID) error {
	for _, step := range []string{
		`UPDATE api_slugs SET api = $2, alias = TRUE WHERE api = $1`,
		`INSERT INTO api_slugs (slug, api, alias) VALUES ($1, $2, TRUE)`,
		`UPDATE apis SET joined = $2, explicit = '' WHERE id = $1`,
	} {
		if err := s.tx.exec(ctx, step, string(from), string(to)); err != nil {
			return fmt.Errorf("handing catalog entry %s over to %s: %w", from, to, err)
		}
	}
	return nil
}

func (s catalogStore) TakeBack(ctx context.Context, id portal.APIID, slugs []string, explicit string) error {
	err := s.tx.exec(ctx, `DELETE FROM api_slugs WHERE slug = $1`, string(id))
	for i, slug := range slugs {
		if err == nil {
			err = s.mustMeetOne(ctx, portal.ErrNotFound, `UPDATE api_slugs SET api = $1, alias = $2 WHERE slug = $3 AND alias`, string(id), i > 0, slug)
		}
	}
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE apis SET joined = '', explicit = CASE WHEN EXISTS (
			SELECT 1 FROM apis AS other WHERE other.division = apis.division AND other.explicit = $1) THEN '' ELSE $1 END WHERE id = $2`, explicit, string(id))
	}
	return doing(err, "taking catalog entry %s back", id)
}

const reviewColumns = `id, kind, a, b, gateway, remote, exposure, score, reasons, state, agreed, opened, decided_by, decided`

func scanReview(r scanner) (v catalog.Review, err error) {
	var b *string
	var score, opened, decided int64
	var reasons, agreed string
	err = r.Scan(&v.ID, &v.Kind, &v.A, &b, &v.Gateway, &v.Key.RemoteID, &v.Key.Exposure, &score, &reasons, &v.State, &agreed, &opened, &v.DecidedBy, &decided)
	if err != nil {
		return v, err
	}
	if b != nil {
		v.B = portal.DeploymentID(*b)
	}
	v.Score, v.Opened, v.Decided = float64(score)/1000, instant(opened), instant(decided)
	return v, errors.Join(json.Unmarshal([]byte(reasons), &v.Reasons), json.Unmarshal([]byte(agreed), &v.Agreed))
}

func (s catalogStore) AddReview(ctx context.Context, v catalog.Review) (added bool, err error) {
	n, err := s.addReviews(ctx, []catalog.Review{v})
	return n > 0, doing(err, "adding a review of %s", v.A)
}

func (s catalogStore) AddReviews(ctx context.Context, all []catalog.Review) error {
	for some := range slices.Chunk(all, s.tx.q.AtOnce()) {
		if _, err := s.addReviews(ctx, some); err != nil {
			return fmt.Errorf("adding reviews: %w", err)
		}
	}
	return nil
}

func (s catalogStore) addReviews(ctx context.Context, all []catalog.Review) (added int64, err error) {
	var args []any
	for _, v := range all {
		reasons, err := json.Marshal(v.Reasons)
		if err != nil {
			return 0, err
		}
		agreed, err := json.Marshal(v.Agreed)
		if err != nil {
			return 0, err
		}
		args = append(args, v.ID, string(v.Kind), string(v.A), orNull(string(v.B)), string(v.Gateway), v.Key.RemoteID, v.Key.Exposure, int64(math.Round(v.Score*1000)),
			string(reasons), string(v.State), string(agreed), micros(v.Opened), v.DecidedBy, micros(v.Decided))
	}
	return s.tx.affected(ctx, `INSERT INTO reviews (`+reviewColumns+`) VALUES `+places(len(all), 14)+` ON CONFLICT DO NOTHING`, args...)
}

func (s catalogStore) Review(ctx context.Context, id string) (catalog.Review, error) {
	v, err := get(ctx, s.tx, scanReview, `SELECT `+reviewColumns+` FROM reviews WHERE id = $1`, id)
	return v, doing(err, "review %s", id)
}

func (s catalogStore) SameReview(ctx context.Context, v catalog.Review) (catalog.Review, error) {
	where, args := `a = $1 AND remote = $2 AND exposure = $3 AND kind = 'rename'`, []any{string(v.A), v.Key.RemoteID, v.Key.Exposure}
	if v.Kind == catalog.ReviewJoin {
		const entries = `(SELECT api FROM deployments WHERE id IN ($1, $2))`
		where, args = `a IN (SELECT id FROM deployments WHERE api IN `+entries+`) AND b IN (SELECT id FROM deployments WHERE api IN `+entries+`)
			AND (SELECT api FROM deployments WHERE id = a) <> (SELECT api FROM deployments WHERE id = b) AND kind = 'join'`, []any{string(v.A), string(v.B)}
	}
	same, err := get(ctx, s.tx, scanReview, `SELECT `+reviewColumns+` FROM reviews WHERE `+where+` ORDER BY state = 'open' DESC, opened DESC, id LIMIT 1`, args...)
	return same, doing(err, "review of %s", v.A)
}

func (s catalogStore) UpdateReview(ctx context.Context, v catalog.Review, from catalog.ReviewState) error {
	agreed, err := json.Marshal(v.Agreed)
	if err != nil {
		return err
	}
	n, err := s.tx.affected(ctx, `UPDATE reviews SET state = $1, agreed = $2, decided_by = $3, decided = $4 WHERE id = $5 AND state = $6`,
		string(v.State), string(agreed), v.DecidedBy, micros(v.Decided), v.ID, string(from))
	return met(n, err, "review %s is no longer %s", v.ID, from)
}

// reviewed is the condition of a filter with its arguments. The deployments of a review are looked up one by one, so that no
// other table is read from end to end.
func reviewed(f catalog.ReviewFilter) (where string, args []any) {
	where, args = `r.state = $1`, []any{string(f.State)}
	concerns := func(d portal.Division) {
		args = append(args, string(d))
		where += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM deployments d JOIN apis e ON e.id = d.api WHERE d.id IN (r.a, r.b) AND e.division = $%d)`, len(args))
	}
	if f.Kind != "" {
		args = append(args, string(f.Kind))
		where += fmt.Sprintf(` AND r.kind = $%d`, len(args))
	}
	if f.Within != nil {
		concerns(*f.Within)
	}
	if f.Division != "" {
		concerns(f.Division)
	}
	if f.Gateway != "" {
		args = append(args, string(f.Gateway))
		where += fmt.Sprintf(` AND EXISTS (SELECT 1 FROM deployments d WHERE d.id IN (r.a, r.b) AND d.gateway = $%d)`, len(args))
	}
	return where, args
}

func (s catalogStore) Reviews(ctx context.Context, f catalog.ReviewFilter, after string, limit int) ([]catalog.Review, error) {
	where, args := reviewed(f)
	if after != "" {
		args = append(args, after)
		where += fmt.Sprintf(` AND (r.score, r.id) < (SELECT score, id FROM reviews WHERE id = $%d)`, len(args))
	}
	args = append(args, noLimit(limit))
	all, err := rows(ctx, s.tx, scanReview, `SELECT `+reviewColumns+` FROM reviews r WHERE `+where+fmt.Sprintf(` ORDER BY r.score DESC, r.id DESC LIMIT $%d`, len(args)), args...)
	return all, doing(err, "listing reviews")
}

func (s catalogStore) CountReviews(ctx context.Context, f catalog.ReviewFilter) (n int, err error) {
	where, args := reviewed(f)
	err = s.tx.one(ctx, []any{&n}, `SELECT count(*) FROM reviews r WHERE `+where, args...)
	return n, doing(err, "counting reviews")
}

func (s catalogStore) Asked(ctx context.Context, entries []portal.APIID) (map[[2]portal.APIID]bool, error) {
	all := map[[2]portal.APIID]bool{}
	for some := range slices.Chunk(entries, asked) {
		list, args := anyOf(some)
		_, err := rows(ctx, s.tx, func(r scanner) (none struct{}, err error) {
			var pair [2]portal.APIID
			err = r.Scan(&pair[0], &pair[1])
			all[pair] = true
			return none, err
		}, `SELECT one.api, other.api FROM deployments one JOIN reviews r ON r.a = one.id AND r.kind = 'join' JOIN deployments other ON other.id = r.b WHERE one.api IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("what was asked about entries: %w", err)
		}
	}
	return all, nil
}

func (s catalogStore) Apart(ctx context.Context) ([][2]portal.DeploymentID, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (pair [2]portal.DeploymentID, err error) { return pair, r.Scan(&pair[0], &pair[1]) },
		`SELECT a, b FROM decisions WHERE verdict = $1`, string(catalog.Apart))
	return all, doing(err, "what is kept apart")
}

func (s catalogStore) Decide(ctx context.Context, all []catalog.Decision) error {
	for some := range slices.Chunk(all, s.tx.q.AtOnce()) {
		var args []any
		for _, d := range some {
			args = append(args, string(min(d.A, d.B)), string(max(d.A, d.B)), string(d.Verdict), d.Actor, micros(d.At))
		}
		err := s.tx.exec(ctx, `INSERT INTO decisions (a, b, verdict, actor, at) VALUES `+places(len(some), 5)+`
			ON CONFLICT (a, b) DO UPDATE SET verdict = excluded.verdict, actor = excluded.actor, at = excluded.at`, args...)
		if err != nil {
			return fmt.Errorf("remembering what belongs together: %w", err)
		}
	}
	return nil
}

func (s catalogStore) Decisions(ctx context.Context, id portal.DeploymentID) ([]catalog.Decided, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (d catalog.Decided, err error) { return d, r.Scan(&d.Other, &d.Entry, &d.Verdict) },
		`SELECT o.id, o.api, x.verdict FROM (
			SELECT b AS other, verdict FROM decisions WHERE a = $1 UNION ALL SELECT a, verdict FROM decisions WHERE b = $1
		) AS x JOIN deployments o ON o.id = x.other ORDER BY o.id`, string(id))
	return all, doing(err, "what was decided about deployment %s", id)
}

// actDetail is what an entry act keeps beside its columns.
type actDetail struct {
	Moved  []catalog.Moved
	Slugs  []string
	Named  string
	Review string
	Actor  string

	Renamed *catalog.Renamed `json:",omitempty"`
}

func scanEntryAct(r scanner) (a catalog.EntryAct, err error) {
	var detail string
	var at, undone int64
	if err := r.Scan(&a.ID, &a.Kind, &a.From, &a.To, &detail, &at, &undone); err != nil {
		return a, err
	}
	var d actDetail
	err = json.Unmarshal([]byte(detail), &d)
	a.Moved, a.Slugs, a.Named, a.Review, a.Actor, a.Renamed = d.Moved, d.Slugs, d.Named, d.Review, d.Actor, d.Renamed
	a.At, a.Undone = instant(at), instant(undone)
	return a, err
}

const entryActColumns = `id, kind, origin, target, detail, at, undone`

func (s catalogStore) AddEntryAct(ctx context.Context, a catalog.EntryAct) error {
	detail, err := json.Marshal(actDetail{a.Moved, a.Slugs, a.Named, a.Review, a.Actor, a.Renamed})
	if err == nil {
		err = s.tx.exec(ctx, `INSERT INTO entry_acts (`+entryActColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			a.ID, string(a.Kind), string(a.From), string(a.To), string(detail), micros(a.At), micros(a.Undone))
	}
	return doing(err, "recording what was done to catalog entry %s", a.From)
}

func (s catalogStore) EntryAct(ctx context.Context, id string) (catalog.EntryAct, error) {
	a, err := get(ctx, s.tx, scanEntryAct, `SELECT `+entryActColumns+` FROM entry_acts WHERE id = $1`, id)
	return a, doing(err, "act %s on a catalog entry", id)
}

func (s catalogStore) EntryActs(ctx context.Context, api portal.APIID) ([]catalog.EntryAct, error) {
	all, err := rows(ctx, s.tx, scanEntryAct, `SELECT `+entryActColumns+` FROM (
			SELECT * FROM entry_acts WHERE origin = $1 UNION SELECT * FROM entry_acts WHERE target = $1
		) AS acts ORDER BY at DESC, id DESC`, string(api))
	return all, doing(err, "what was done to catalog entry %s", api)
}

func (s catalogStore) UndoEntryAct(ctx context.Context, id string, at time.Time) error {
	n, err := s.tx.affected(ctx, `UPDATE entry_acts SET undone = $1 WHERE id = $2 AND undone = 0`, micros(at), id)
	return met(n, err, "act %s is undone already", id)
}
