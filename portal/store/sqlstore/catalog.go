package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// KeptRuns is how many runs of a gateway are kept, KeptApplied how many of those that changed something: they are fewer,
// and what they changed is asked for later.
const (
	KeptRuns    = 200
	KeptApplied = 50
)

// Catalog implements catalog.Tx.
func (tx *Tx) Catalog() catalog.Store { return catalogStore{tx} }

type catalogStore struct{ tx *Tx }

const gatewayColumns = `config, secrets, capabilities, created, changed`

func scanGateway(scan func(...any) error) (g catalog.Gateway, err error) {
	var config, capabilities string
	var created, changed int64
	if err := scan(&config, &g.Secrets, &capabilities, &created, &changed); err != nil {
		return g, err
	}
	secrets := g.Secrets
	if err := json.Unmarshal([]byte(config), &g); err != nil {
		return g, err
	}
	g.Secrets, g.Created, g.Changed = secrets, instant(created), instant(changed)
	if capabilities != "" {
		err = json.Unmarshal([]byte(capabilities), &g.Capabilities)
	}
	return g, err
}

func (s catalogStore) Gateway(ctx context.Context, id portal.GatewayID) (catalog.Gateway, error) {
	g, err := scanGateway(func(dest ...any) error {
		return s.tx.one(ctx, dest, `SELECT `+gatewayColumns+` FROM gateways WHERE id = $1`, string(id))
	})
	if err != nil {
		return g, fmt.Errorf("gateway %s: %w", id, err)
	}
	return g, nil
}

func (s catalogStore) Gateways(ctx context.Context, after portal.GatewayID, limit int) ([]catalog.Gateway, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (catalog.Gateway, error) { return scanGateway(r.Scan) },
		`SELECT `+gatewayColumns+` FROM gateways WHERE id > $1 ORDER BY id LIMIT $2`, string(after), noLimit(limit))
	if err != nil {
		return nil, fmt.Errorf("listing gateways: %w", err)
	}
	return all, nil
}

func noLimit(limit int) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return int64(limit)
}

func (s catalogStore) PutGateway(ctx context.Context, g catalog.Gateway) error {
	config := g
	config.Secrets, config.Capabilities, config.Created, config.Changed = nil, nil, time.Time{}, time.Time{}
	b, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("gateway %s: %w", g.ID, err)
	}
	secrets := g.Secrets
	if secrets == nil {
		secrets = []byte{}
	}
	err = s.tx.exec(ctx, `INSERT INTO gateways (id, source, config, secrets, capabilities, created, changed) VALUES ($1, $2, $3, $4, '', $5, $6)
		ON CONFLICT (id) DO UPDATE SET source = excluded.source, config = excluded.config, secrets = excluded.secrets, changed = excluded.changed`,
		string(g.ID), string(g.Source), string(b), secrets, micros(g.Created), micros(g.Changed))
	if err != nil {
		return fmt.Errorf("saving gateway %s: %w", g.ID, err)
	}
	return nil
}

func (s catalogStore) SetCapabilities(ctx context.Context, id portal.GatewayID, c connectors.Capabilities) error {
	b, err := json.Marshal(c)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrNotFound, `UPDATE gateways SET capabilities = $1 WHERE id = $2`, string(b), string(id))
	}
	if err != nil {
		return fmt.Errorf("capabilities of gateway %s: %w", id, err)
	}
	return nil
}

// mustMeetOne runs a conditional update; otherwise is the error where it met nothing.
func (s catalogStore) mustMeetOne(ctx context.Context, otherwise error, query string, args ...any) error {
	n, err := s.tx.affected(ctx, query, args...)
	if err == nil && n == 0 {
		return otherwise
	}
	return err
}

func (s catalogStore) Standing(ctx context.Context, id portal.GatewayID) (st catalog.Standing, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("standing of gateway %s: %w", id, err)
		}
	}()
	err = s.tx.one(ctx, []any{&st.Deployments, &st.Unclassified},
		`SELECT count(*), count(*) FILTER (WHERE NOT classified) FROM deployments WHERE gateway = $1 AND removed = 0`, string(id))
	if err != nil {
		return st, err
	}
	var probed int64
	if err := s.tx.one(ctx, []any{&probed}, `SELECT coalesce(max(probed), 0) FROM runs WHERE gateway = $1`, string(id)); err != nil {
		return st, err
	}
	st.Probed = instant(probed)
	if st.LastRun, err = s.last(ctx, id, "state <> 'planned'"); err != nil {
		return st, err
	}
	st.LastGood, err = s.LastGood(ctx, id)
	return st, err
}

func (s catalogStore) LastGood(ctx context.Context, id portal.GatewayID) (*catalog.Run, error) {
	return s.last(ctx, id, "state IN ('applied', 'unchanged')")
}

// last returns the last run of a gateway for which a condition holds, nil for none.
func (s catalogStore) last(ctx context.Context, id portal.GatewayID, where string) (*catalog.Run, error) {
	found, err := s.runs(ctx, `SELECT report FROM runs WHERE gateway = $1 AND `+where+` ORDER BY started DESC, id DESC LIMIT 1`, string(id))
	if err != nil || len(found) == 0 {
		return nil, doing(err, "last sync of gateway %s", id)
	}
	return &found[0], nil
}

// origin is what a deployment's row keeps beside what is published.
type origin struct {
	Discovered connectors.Deployment `json:",omitzero"`
	Described  catalog.Described     `json:",omitzero"`
	Revision   string                `json:",omitzero"`
	Override   catalog.Override      `json:",omitzero"`
}

const recordColumns = `id, api, fingerprint, published, origin, created, changed, removed, since, why`

func scanRecord(scan func(...any) error) (r catalog.Record, err error) {
	var id, api, published, from, because string
	var created, changed, removed, since int64
	if err := scan(&id, &api, &r.Fingerprint, &published, &from, &created, &changed, &removed, &since, &because); err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(published), &r.Deployment); err != nil {
		return r, err
	}
	var o origin
	if err := json.Unmarshal([]byte(from), &o); err != nil {
		return r, err
	}
	r.Deployment.ID, r.Deployment.API = portal.DeploymentID(id), portal.APIID(api)
	r.Discovered, r.Described, r.Revision, r.Override = o.Discovered, o.Described, o.Revision, o.Override
	r.Created, r.Changed, r.Removed = instant(created), instant(changed), instant(removed)
	r.Joining, err = scanWhy(because, since)
	r.Deployment.Since = r.Joining.Since
	return r, err
}

func (s catalogStore) Records(ctx context.Context, gateway portal.GatewayID) ([]catalog.Record, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
		`SELECT `+recordColumns+` FROM deployments WHERE gateway = $1 ORDER BY remote, exposure`, string(gateway))
	if err != nil {
		return nil, fmt.Errorf("deployments of gateway %s: %w", gateway, err)
	}
	return all, nil
}

func (s catalogStore) Record(ctx context.Context, id portal.DeploymentID) (catalog.Record, error) {
	r, err := scanRecord(func(dest ...any) error {
		return s.tx.one(ctx, dest, `SELECT `+recordColumns+` FROM deployments WHERE id = $1`, string(id))
	})
	if err != nil {
		return r, fmt.Errorf("deployment %s: %w", id, err)
	}
	return r, nil
}

func (s catalogStore) RecordsWith(ctx context.Context, ids []portal.DeploymentID) ([]catalog.Record, error) {
	var all []catalog.Record
	for some := range slices.Chunk(ids, asked) {
		list, args := anyOf(some)
		found, err := rows(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
			`SELECT `+recordColumns+` FROM deployments WHERE id IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("deployments: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s catalogStore) Kept(ctx context.Context, gateway portal.GatewayID) ([]catalog.Kept, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (k catalog.Kept, err error) {
		return k, r.Scan(&k.ID, &k.RemoteID, &k.Exposure, &k.Fingerprint, &k.Live)
	}, `SELECT id, remote, exposure, fingerprint, removed = 0 FROM deployments WHERE gateway = $1 ORDER BY remote, exposure`, string(gateway))
	return all, doing(err, "deployments of gateway %s", gateway)
}

func (s catalogStore) Published(ctx context.Context, gateway portal.GatewayID, after connectors.Key, limit int) ([]catalog.Record, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
		`SELECT `+recordColumns+` FROM deployments WHERE gateway = $1 AND (remote, exposure) > ($2, $3) AND removed = 0 ORDER BY remote, exposure LIMIT $4`,
		string(gateway), after.RemoteID, after.Exposure, noLimit(limit))
	return all, doing(err, "deployments of gateway %s", gateway)
}

func (s catalogStore) Unclassified(ctx context.Context, gateway portal.GatewayID, after portal.DeploymentID, limit int) ([]catalog.Record, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (catalog.Record, error) { return scanRecord(r.Scan) },
		`SELECT `+recordColumns+` FROM deployments WHERE gateway = $1 AND id > $2 AND removed = 0 AND NOT classified ORDER BY id LIMIT $3`,
		string(gateway), string(after), noLimit(limit))
	return all, doing(err, "unclassified deployments of gateway %s", gateway)
}

// recordArgs are the values of a row but its id, gateway and entry.
func recordArgs(r catalog.Record) ([]any, error) {
	d := r.Deployment
	published, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	from, err := json.Marshal(origin{r.Discovered, r.Described, r.Revision, r.Override})
	if err != nil {
		return nil, err
	}
	return []any{d.RemoteID, d.Exposure, d.Title, d.Placement.Classified(), orNull(d.Document),
		r.Fingerprint, string(published), string(from), micros(r.Created), micros(r.Changed), micros(r.Removed), r.Explicit()}, nil
}

func (s catalogStore) AddRecord(ctx context.Context, r catalog.Record) error {
	return s.AddRecords(ctx, []catalog.Record{r})
}

func (s catalogStore) AddRecords(ctx context.Context, all []catalog.Record) error {
	if len(all) == 0 {
		return nil
	}
	err := add(ctx, s.tx, "deployments", addedColumns, all, addedArgs)
	return doing(err, "adding deployments of gateway %s", all[0].Deployment.Gateway)
}

var addedColumns = strings.Split("id gateway api since why remote exposure title classified document fingerprint published origin created changed removed named", " ")

// addedArgs are the values of a row that is added.
func addedArgs(r catalog.Record) ([]any, error) {
	args, err := recordArgs(r)
	because, whyErr := why(r.Joining)
	if err = errors.Join(err, whyErr); err != nil {
		return nil, err
	}
	return append([]any{string(r.Deployment.ID), string(r.Deployment.Gateway), string(r.Deployment.API), micros(r.Joining.Since), because}, args...), nil
}

func (s catalogStore) ChangeRecord(ctx context.Context, r catalog.Record, was string) (api portal.APIID, err error) {
	args, err := recordArgs(r)
	if err == nil {
		err = s.tx.one(ctx, []any{&api}, `UPDATE deployments SET remote = $3, exposure = $4, title = $5, classified = $6, document = $7,
			fingerprint = $8, published = $9, origin = $10, created = $11, changed = $12, removed = $13, named = $14 WHERE id = $1 AND fingerprint = $2 RETURNING api`,
			append([]any{string(r.Deployment.ID), was}, args...)...)
	}
	if errors.Is(err, portal.ErrNotFound) {
		err = portal.ErrConflict
	}
	if err != nil {
		return "", fmt.Errorf("changing deployment %s: %w", r.Deployment.ID, err)
	}
	return api, nil
}

const entryColumns = `id, division, explicit, title, joined, created`

func (s catalogStore) entries(ctx context.Context, where string, args ...any) ([]catalog.Entry, error) {
	return rows(ctx, s.tx, func(r scanner) (e catalog.Entry, err error) {
		var created int64
		err = r.Scan(&e.ID, &e.Division, &e.Explicit, &e.Title, &e.Joined, &created)
		e.Created = instant(created)
		return e, err
	}, `SELECT `+entryColumns+` FROM apis `+where, args...)
}

type slugRow struct {
	slug  string
	api   portal.APIID
	alias bool
}

func (s catalogStore) slugs(ctx context.Context, where string, args ...any) ([]slugRow, error) {
	return rows(ctx, s.tx, func(r scanner) (row slugRow, err error) { return row, r.Scan(&row.slug, &row.api, &row.alias) },
		`SELECT slug, api, alias FROM api_slugs `+where+``, args...)
}

// deploymentRow is a published deployment as it is stored.
type deploymentRow struct {
	id, api, published string
	since              int64
	named              string // the explicit id by which it names its entry
}

func scanDeployment(r scanner) (row deploymentRow, err error) {
	return row, r.Scan(&row.id, &row.api, &row.published, &row.since, &row.named)
}

const publishedDeployments = `SELECT id, api, published, since, named FROM deployments WHERE +removed = 0`

// eachDeployment calls each for every published deployment, with the explicit id by which it names its entry, in no order. Some are read while others are decoded: a portal
// is not ready before all are.
func (s catalogStore) eachDeployment(ctx context.Context, each func(d portal.Deployment, named string), where string, args ...any) error {
	const batch = 256
	var mu sync.Mutex
	var work errgroup.Group
	work.SetLimit(runtime.GOMAXPROCS(0))
	var read []deploymentRow
	parts := newShared()
	decode := func(read []deploymentRow) {
		work.Go(func() error {
			decoded := make([]portal.Deployment, len(read))
			for i, row := range read {
				var err error
				if decoded[i], err = row.decode(parts); err != nil {
					return fmt.Errorf("deployment %s: %w", row.id, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i, d := range decoded {
				each(d, read[i].named)
			}
			return nil
		})
	}
	_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
		row, err := scanDeployment(r)
		if read = append(read, row); len(read) == batch {
			decode(read)
			read = nil
		}
		return struct{}{}, err
	}, publishedDeployments+where, args...)
	decode(read)
	return errors.Join(err, work.Wait())
}

// entry returns one entry with its slugs.
func (s catalogStore) entry(ctx context.Context, id portal.APIID) (catalog.Entry, error) {
	found, err := s.entries(ctx, `WHERE id = $1`, string(id))
	if err != nil {
		return catalog.Entry{}, err
	}
	if len(found) == 0 {
		return catalog.Entry{}, portal.ErrNotFound
	}
	slugs, err := s.slugs(ctx, `WHERE api = $1`, string(id))
	for _, row := range slugs {
		addSlug(&found[0], row)
	}
	return found[0], err
}

func addSlug(e *catalog.Entry, row slugRow) {
	if row.alias {
		at, _ := slices.BinarySearch(e.Aliases, row.slug)
		e.Aliases = slices.Insert(e.Aliases, at, row.slug)
	} else {
		e.Slug = row.slug
	}
}

func (s catalogStore) LoadEntry(ctx context.Context, id portal.APIID) (catalog.Entry, error) {
	found, err := s.LoadEntries(ctx, []portal.APIID{id})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("catalog entry %s: %w", id, portal.ErrNotFound)
	}
	if err != nil {
		return catalog.Entry{}, err
	}
	return found[0], nil
}

// asked is how many entries one statement asks for.
const asked = 200

func (s catalogStore) LoadEntries(ctx context.Context, ids []portal.APIID) ([]catalog.Entry, error) {
	var all []catalog.Entry
	for some := range slices.Chunk(ids, asked) {
		list, args := anyOf(some)
		found, err := s.load(ctx, `WHERE id IN `+list+` ORDER BY id`, `WHERE api IN `+list, ` AND api IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("loading catalog entries: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// anyOf is a list of parameters, as IN takes it.
func anyOf[T ~string | ~int64](values []T) (list string, args []any) {
	var b strings.Builder
	for i, v := range values {
		b.WriteString(", $" + strconv.Itoa(i+1))
		args = append(args, v)
	}
	return "(" + strings.TrimPrefix(b.String(), ", ") + ")", args
}

func (s catalogStore) LoadAll(ctx context.Context) ([]catalog.Entry, error) {
	all, err := s.load(ctx, `WHERE id IN (SELECT api FROM deployments WHERE removed = 0) ORDER BY id`, "", "")
	if err != nil {
		return nil, fmt.Errorf("loading the catalog: %w", err)
	}
	return all, nil
}

// load reads entries with their slugs and published deployments, each by a condition of its own.
func (s catalogStore) load(ctx context.Context, entries, slugs, deployments string, args ...any) ([]catalog.Entry, error) {
	all, err := s.entries(ctx, entries, args...)
	if err != nil {
		return nil, err
	}
	byID := make(map[portal.APIID]*catalog.Entry, len(all))
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	_, err = rows(ctx, s.tx, func(r scanner) (none struct{}, err error) { // so that no entry has room for more than it has
		var api portal.APIID
		var n int
		err = r.Scan(&api, &n)
		if e := byID[api]; e != nil {
			e.Deployments = make([]portal.Deployment, 0, n)
		}
		return none, err
	}, `SELECT api, count(*) FROM deployments WHERE removed = 0`+deployments+` GROUP BY api`, args...)
	if err != nil {
		return nil, err
	}
	named, err := s.slugs(ctx, slugs, args...)
	if err != nil {
		return nil, err
	}
	for _, row := range named {
		if e := byID[row.api]; e != nil {
			addSlug(e, row)
		}
	}
	err = s.eachDeployment(ctx, func(d portal.Deployment, named string) {
		e := byID[d.API]
		d.API = e.ID // one text for all
		e.Deployments = append(e.Deployments, d)
		if named != "" && catalog.Slug(named) == e.Slug {
			e.Named = append(e.Named, d.ID)
		}
	}, deployments, args...)
	if err != nil {
		return nil, err
	}
	for i := range all {
		slices.SortFunc(all[i].Deployments, func(a, b portal.Deployment) int { return strings.Compare(string(a.ID), string(b.ID)) })
		slices.Sort(all[i].Named)
	}
	return all, nil
}

func (s catalogStore) EntryBySlug(ctx context.Context, slug string) (catalog.Entry, error) {
	var id portal.APIID
	err := s.tx.one(ctx, []any{&id}, `SELECT api FROM api_slugs WHERE slug = $1`, slug)
	var e catalog.Entry
	if err == nil {
		e, err = s.entry(ctx, id)
	}
	if err != nil {
		return catalog.Entry{}, fmt.Errorf("catalog entry %q: %w", slug, err)
	}
	return e, nil
}

func (s catalogStore) Heads(ctx context.Context, ids []portal.APIID) ([]catalog.Head, error) {
	var all []catalog.Head
	for some := range slices.Chunk(ids, asked) {
		list, args := anyOf(some)
		found, err := rows(ctx, s.tx, func(r scanner) (h catalog.Head, err error) {
			var created int64
			err = r.Scan(&h.ID, &h.Division, &h.Explicit, &h.Title, &h.Joined, &created, &h.Subscribed)
			h.Created = instant(created)
			return h, err
		}, `SELECT `+entryColumns+`, (SELECT count(*) FROM subscriptions WHERE api = apis.id AND state IN ('requested', 'approved', 'suspended'))
			FROM apis WHERE id IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("heads of catalog entries: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s catalogStore) Curated(ctx context.Context, api portal.APIID) (is bool, err error) {
	err = s.tx.one(ctx, []any{&is}, `SELECT EXISTS (SELECT 1 FROM api_texts WHERE api = $1) OR EXISTS (SELECT 1 FROM api_teams WHERE api = $1)`, string(api))
	return is, doing(err, "looking for what people wrote about catalog entry %s", api)
}

func (s catalogStore) Taken(ctx context.Context, slugs []string) ([]string, error) {
	var all []string
	for some := range slices.Chunk(slugs, asked) {
		list, args := anyOf(some)
		found, err := rows(ctx, s.tx, func(r scanner) (slug string, err error) { return slug, r.Scan(&slug) },
			`SELECT slug FROM api_slugs WHERE slug IN `+list, args...)
		if err != nil {
			return nil, fmt.Errorf("looking for slugs: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s catalogStore) AddEntry(ctx context.Context, e catalog.Entry) error {
	return doing(s.addEntries(ctx, []catalog.Entry{e}), "adding catalog entry %q", e.Slug)
}

func (s catalogStore) AddEntries(ctx context.Context, all []catalog.Entry) error {
	return doing(s.addEntries(ctx, all), "adding catalog entries")
}

func (s catalogStore) addEntries(ctx context.Context, all []catalog.Entry) error {
	err := add(ctx, s.tx, "apis", []string{"id", "division", "explicit", "title", "created", "joined"}, all, func(e catalog.Entry) ([]any, error) {
		return []any{string(e.ID), string(e.Division), e.Explicit, e.Title, micros(e.Created), ""}, nil
	})
	if err != nil {
		return err
	}
	return add(ctx, s.tx, "api_slugs", []string{"slug", "api", "alias"}, all, func(e catalog.Entry) ([]any, error) {
		return []any{e.Slug, string(e.ID), false}, nil
	})
}

func (s catalogStore) SetExplicit(ctx context.Context, id portal.APIID, explicit string) error {
	err := s.mustMeetOne(ctx, portal.ErrNotFound, `UPDATE apis SET explicit = $1 WHERE id = $2`, explicit, string(id))
	if err != nil {
		return fmt.Errorf("naming catalog entry %s: %w", id, err)
	}
	return nil
}

func (s catalogStore) runs(ctx context.Context, query string, args ...any) ([]catalog.Run, error) {
	return rows(ctx, s.tx, func(r scanner) (run catalog.Run, err error) {
		var report string
		if err := r.Scan(&report); err != nil {
			return run, err
		}
		return run, json.Unmarshal([]byte(report), &run)
	}, query, args...)
}

func (s catalogStore) StartRun(ctx context.Context, r catalog.Run) error {
	report, err := json.Marshal(r)
	if err == nil {
		// The order of a gateway's runs is that in which they were started, also where the clock went back in between.
		err = s.tx.exec(ctx, `INSERT INTO runs (id, gateway, state, report, started, probed, ended)
			SELECT $1, $2, $3, $4, CASE WHEN newest < CAST($5 AS BIGINT) THEN CAST($5 AS BIGINT) ELSE newest + 1 END,
				CAST($6 AS BIGINT), CAST($7 AS BIGINT)
			FROM (SELECT coalesce(max(started), 0) AS newest FROM runs WHERE gateway = $2) AS before`,
			string(r.ID), string(r.Gateway), string(r.State), string(report), micros(r.Started), micros(r.Probed), micros(r.Ended))
	}
	if err != nil {
		return fmt.Errorf("starting a sync of gateway %s: %w", r.Gateway, err)
	}
	return nil
}

func (s catalogStore) NoteRun(ctx context.Context, r catalog.Run) error {
	report, err := json.Marshal(r)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrConflict, `UPDATE runs SET report = $1, probed = $2 WHERE id = $3 AND state = 'running'`, string(report), micros(r.Probed), string(r.ID))
	}
	return doing(err, "noting how far sync %s is", r.ID)
}

func (s catalogStore) EndRun(ctx context.Context, r catalog.Run) error {
	report, err := json.Marshal(r)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrConflict, `UPDATE runs SET state = $1, report = $2, probed = $3, ended = $4 WHERE id = $5 AND state = 'running'`,
			string(r.State), string(report), micros(r.Probed), micros(r.Ended), string(r.ID))
	}
	if err == nil {
		err = s.tx.exec(ctx, `DELETE FROM runs WHERE gateway = $1 AND started < (SELECT started FROM runs WHERE gateway = $1 ORDER BY started DESC LIMIT 1 OFFSET $2)
			AND id <> coalesce((SELECT id FROM runs WHERE gateway = $1 AND state IN ('applied', 'unchanged') ORDER BY started DESC, id DESC LIMIT 1), '')
			AND NOT (state = 'applied' AND started >= coalesce((SELECT started FROM runs WHERE gateway = $1 AND state = 'applied' ORDER BY started DESC LIMIT 1 OFFSET $3), 0))`,
			string(r.Gateway), KeptRuns-1, KeptApplied-1)
	}
	if err != nil {
		return fmt.Errorf("ending sync %s: %w", r.ID, err)
	}
	return nil
}

func (s catalogStore) DiscardRun(ctx context.Context, r catalog.Run) error {
	report, err := json.Marshal(r)
	if err == nil {
		err = s.mustMeetOne(ctx, portal.ErrConflict, `UPDATE runs SET state = $1, report = $2 WHERE id = $3 AND state = 'waiting'`,
			string(r.State), string(report), string(r.ID))
	}
	return doing(err, "discarding the plan of sync %s", r.ID)
}

func (s catalogStore) PutPlan(ctx context.Context, run portal.RunID, p catalog.Plan) error {
	steps, err := json.Marshal(p)
	if err == nil {
		err = s.tx.exec(ctx, `INSERT INTO plans (run, steps) VALUES ($1, $2)`, string(run), string(steps))
	}
	return doing(err, "keeping the plan of sync %s", run)
}

func (s catalogStore) Plan(ctx context.Context, run portal.RunID) (p catalog.Plan, err error) {
	var steps string
	err = s.tx.one(ctx, []any{&steps}, `SELECT steps FROM plans WHERE run = $1`, string(run))
	if errors.Is(err, portal.ErrNotFound) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(steps), &p)
	}
	return p, doing(err, "plan of sync %s", run)
}

func (s catalogStore) Run(ctx context.Context, gateway portal.GatewayID, id portal.RunID) (catalog.Run, error) {
	found, err := s.runs(ctx, `SELECT report FROM runs WHERE gateway = $1 AND id = $2`, string(gateway), string(id))
	if err == nil && len(found) == 0 {
		err = portal.ErrNotFound
	}
	if err != nil {
		return catalog.Run{}, fmt.Errorf("sync %s of gateway %s: %w", id, gateway, err)
	}
	return found[0], nil
}

func (s catalogStore) Runs(ctx context.Context, gateway portal.GatewayID, before portal.RunID, limit int) ([]catalog.Run, error) {
	all, err := s.runs(ctx, `SELECT report FROM runs WHERE gateway = $1
		AND ($2 = '' OR (started, id) < (SELECT started, id FROM runs WHERE gateway = $1 AND id = $2))
		ORDER BY started DESC, id DESC LIMIT $3`, string(gateway), string(before), noLimit(limit))
	if err != nil {
		return nil, fmt.Errorf("syncs of gateway %s: %w", gateway, err)
	}
	return all, nil
}

func (s catalogStore) OpenRun(ctx context.Context, gateway portal.GatewayID) (*catalog.Run, error) {
	return s.last(ctx, gateway, "state = 'running'")
}

func (s catalogStore) OpenRuns(ctx context.Context) ([]catalog.Run, error) {
	all, err := s.runs(ctx, `SELECT report FROM runs WHERE state = 'running'`)
	if err != nil {
		return nil, fmt.Errorf("open syncs: %w", err)
	}
	return all, nil
}
