package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/keys"
)

// Keys implements keys.Tx.
func (tx *Tx) Keys() keys.Store { return keyStore{tx} }

type keyStore struct{ tx *Tx }

var _ keys.Tx = (*Tx)(nil)

const applicationColumns = `id, organisation, name, created_by, created`

func scanApplication(r scanner) (a keys.Application, err error) {
	var created int64
	err = r.Scan(&a.ID, &a.Organisation, &a.Name, &a.CreatedBy, &created)
	a.Created = instant(created)
	return a, err
}

func (s keyStore) AddApplication(ctx context.Context, a keys.Application) error {
	return doing(s.tx.exec(ctx, `INSERT INTO applications (`+applicationColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		a.ID, a.Organisation, a.Name, a.CreatedBy, micros(a.Created)), "adding application %s", a.ID)
}

func (s keyStore) Application(ctx context.Context, id portal.ApplicationID) (keys.Application, error) {
	a, err := get(ctx, s.tx, scanApplication, `SELECT `+applicationColumns+` FROM applications WHERE id = $1`, id)
	return a, doing(err, "application %s", id)
}

func (s keyStore) Applications(ctx context.Context, owner portal.OrganisationID, p keys.Page) ([]keys.Application, error) {
	q := newest("applications", applicationColumns, p)
	q.where("organisation", string(owner))
	return list(ctx, s.tx, scanApplication, q)
}

const subscriptionColumns = `id, application, organisation, api, line, environment, plan, state, deployment, division, requested_by, decided_by, reason, created, decided, frozen, frozen_because`

func scanSubscription(r scanner) (s keys.Subscription, err error) {
	var created, decided, frozen int64
	err = r.Scan(&s.ID, &s.Application, &s.Organisation, &s.API, &s.Line, &s.Environment, &s.Plan, &s.State, &s.Deployment,
		&s.Division, &s.RequestedBy, &s.DecidedBy, &s.Reason, &created, &decided, &frozen, &s.FrozenBecause)
	s.Created, s.Decided, s.Frozen = instant(created), instant(decided), instant(frozen)
	return s, err
}

func (s keyStore) AddSubscription(ctx context.Context, u keys.Subscription) error {
	return doing(s.tx.exec(ctx, `INSERT INTO subscriptions (`+subscriptionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		u.ID, u.Application, u.Organisation, u.API, u.Line, u.Environment, u.Plan, u.State, u.Deployment, u.Division,
		u.RequestedBy, u.DecidedBy, u.Reason, micros(u.Created), micros(u.Decided),
		micros(u.Frozen), u.FrozenBecause), "adding subscription %s", u.ID)
}

func (s keyStore) Subscription(ctx context.Context, id portal.SubscriptionID) (keys.Subscription, error) {
	u, err := get(ctx, s.tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM subscriptions WHERE id = $1`, id)
	return u, doing(err, "subscription %s", id)
}

func (s keyStore) OpenSubscription(ctx context.Context, app portal.ApplicationID, api portal.APIID, line string, env portal.Environment) (keys.Subscription, error) {
	u, err := get(ctx, s.tx, scanSubscription, `SELECT `+subscriptionColumns+` FROM subscriptions
		WHERE application = $1 AND api = $2 AND line = $3 AND environment = $4 AND state IN ('requested', 'approved', 'suspended')`, app, api, line, env)
	return u, doing(err, "open subscription of %s", app)
}

func (s keyStore) UpdateSubscription(ctx context.Context, u keys.Subscription, from keys.SubscriptionState) error {
	n, err := s.tx.affected(ctx, `UPDATE subscriptions SET state = $1, plan = $2, deployment = $3, division = $4, decided_by = $5, reason = $6, decided = $7
		WHERE id = $8 AND state = $9`, u.State, u.Plan, u.Deployment, u.Division, u.DecidedBy, u.Reason, micros(u.Decided), u.ID, from)
	return met(n, err, "subscription %s is no longer %s", u.ID, from)
}

func (s keyStore) Subscriptions(ctx context.Context, f keys.SubscriptionFilter, p keys.Page) ([]keys.Subscription, error) {
	q := newest("subscriptions", subscriptionColumns, p)
	q.where("organisation", string(f.Organisation))
	q.where("application", string(f.Application))
	q.where("api", string(f.API))
	if f.Line != nil {
		q.and("line", *f.Line)
	}
	q.where("environment", string(f.Environment))
	q.where("deployment", string(f.Deployment))
	q.where("state", string(f.State))
	if f.Open {
		q.conds = append(q.conds, "state IN ('requested', 'approved', 'suspended')")
	}
	if f.Division != nil {
		q.and("division", string(*f.Division))
	}
	if f.Divisions != nil {
		in(q, "division", "IN", f.Divisions)
	}
	if len(f.Except) > 0 {
		in(q, "deployment", "NOT IN", f.Except)
	}
	if f.Frozen {
		q.conds = append(q.conds, "frozen > 0")
	}
	return list(ctx, s.tx, scanSubscription, q)
}

func (s keyStore) SetFrozen(ctx context.Context, id portal.SubscriptionID, since time.Time, because string) error {
	n, err := s.tx.affected(ctx, `UPDATE subscriptions SET frozen = $1, frozen_because = $2 WHERE id = $3`, micros(since), because, id)
	if err == nil && n == 0 {
		err = portal.ErrNotFound
	}
	return doing(err, "freezing subscription %s", id)
}

func (s keyStore) Held(ctx context.Context, gateway portal.GatewayID) ([]keys.Held, error) {
	held, err := rows(ctx, s.tx, func(r scanner) (h keys.Held, err error) { return h, r.Scan(&h.Subscription, &h.Deployment) },
		`SELECT DISTINCT subscription, deployment FROM credentials WHERE gateway = $1 AND state IN ('pending', 'active', 'retiring') ORDER BY subscription, deployment`, gateway)
	return held, doing(err, "listing what is held on gateway %s", gateway)
}

const credentialColumns = `id, subscription, application, organisation, gateway, deployment, remote_id, exposure, state, handle, sealed, fingerprint, created, expires, ends, replaces, effective, effective_by, note`

func scanCredential(r scanner) (c keys.Credential, err error) {
	var created, expires, ends, effective int64
	var handle string
	err = r.Scan(&c.ID, &c.Subscription, &c.Application, &c.Organisation, &c.Gateway, &c.Deployment, &c.Key.RemoteID, &c.Key.Exposure,
		&c.State, &handle, &c.Sealed, &c.Fingerprint, &created, &expires, &ends, &c.Replaces, &effective, &c.EffectiveBy, &c.Note)
	if err != nil {
		return c, err
	}
	c.Created, c.Expires, c.Ends, c.Effective = instant(created), instant(expires), instant(ends), instant(effective)
	return c, json.Unmarshal([]byte(handle), &c.Handle)
}

func (s keyStore) AddCredential(ctx context.Context, c keys.Credential) error {
	handle, err := json.Marshal(c.Handle)
	if err != nil {
		return fmt.Errorf("handle of credential %s: %w", c.ID, err)
	}
	return doing(s.tx.exec(ctx, `INSERT INTO credentials (`+credentialColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		c.ID, c.Subscription, c.Application, c.Organisation, c.Gateway, c.Deployment, c.Key.RemoteID, c.Key.Exposure, c.State, string(handle), c.Sealed,
		c.Fingerprint, micros(c.Created), micros(c.Expires), micros(c.Ends), c.Replaces, micros(c.Effective), c.EffectiveBy, c.Note), "adding credential %s", c.ID)
}

func (s keyStore) Credential(ctx context.Context, id portal.CredentialID) (keys.Credential, error) {
	c, err := get(ctx, s.tx, scanCredential, `SELECT `+credentialColumns+` FROM credentials WHERE id = $1`, id)
	return c, doing(err, "credential %s", id)
}

func (s keyStore) UpdateCredential(ctx context.Context, c keys.Credential, from keys.CredentialState) error {
	handle, err := json.Marshal(c.Handle)
	if err != nil {
		return fmt.Errorf("handle of credential %s: %w", c.ID, err)
	}
	n, err := s.tx.affected(ctx, `UPDATE credentials SET state = $1, handle = $2, sealed = $3, fingerprint = $4, expires = $5, ends = $6, effective = $7,
		effective_by = $8, note = $9 WHERE id = $10 AND state = $11`, c.State, string(handle), c.Sealed, c.Fingerprint, micros(c.Expires), micros(c.Ends),
		micros(c.Effective), c.EffectiveBy, c.Note, c.ID, from)
	return met(n, err, "credential %s is no longer %s", c.ID, from)
}

func (s keyStore) Credentials(ctx context.Context, f keys.CredentialFilter, p keys.Page) ([]keys.Credential, error) {
	q := newest("credentials", credentialColumns, p)
	q.where("organisation", string(f.Organisation))
	q.where("application", string(f.Application))
	q.where("subscription", string(f.Subscription))
	q.where("gateway", string(f.Gateway))
	q.where("state", string(f.State))
	if f.Open {
		q.conds = append(q.conds, "state NOT IN ('revoked', 'failed')")
	}
	return list(ctx, s.tx, scanCredential, q)
}

const endedCredentials = `SELECT ` + credentialColumns + ` FROM (
		SELECT *, row_number() OVER (PARTITION BY gateway ORDER BY created, id) AS place FROM credentials
		WHERE ((state = 'retiring' AND ends > 0 AND ends <= $1) OR (state IN ('active', 'retiring') AND expires > 0 AND expires <= $1))
			AND ($3 = '' OR gateway = $3)
	) AS ended WHERE place <= $2 ORDER BY place, id`

func (s keyStore) EndedCredentials(ctx context.Context, gateway portal.GatewayID, now time.Time, limit int) ([]keys.Credential, error) {
	ended, err := rows(ctx, s.tx, func(r scanner) (keys.Credential, error) { return scanCredential(r) }, endedCredentials, micros(now), limit, gateway)
	return ended, doing(err, "listing ended credentials")
}

const actColumns = `id, kind, credential, gateway, state, phase, lease, due, attempts, error, created, ended`

func scanAct(r scanner) (a keys.Act, err error) {
	var due, created, ended int64
	err = r.Scan(&a.ID, &a.Kind, &a.Credential, &a.Gateway, &a.State, &a.Phase, &a.Lease, &due, &a.Attempts, &a.Error, &created, &ended)
	a.Due, a.Created, a.Ended = instant(due), instant(created), instant(ended)
	return a, err
}

func (s keyStore) AddAct(ctx context.Context, a keys.Act) error {
	return doing(s.tx.exec(ctx, `INSERT INTO acts (`+actColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		a.ID, a.Kind, a.Credential, a.Gateway, a.State, a.Phase, a.Lease, micros(a.Due), a.Attempts, a.Error, micros(a.Created), micros(a.Ended)), "adding act %s", a.ID)
}

func (s keyStore) Act(ctx context.Context, id portal.ActID) (keys.Act, error) {
	a, err := get(ctx, s.tx, scanAct, `SELECT `+actColumns+` FROM acts WHERE id = $1`, id)
	return a, doing(err, "act %s", id)
}

func (s keyStore) OpenAct(ctx context.Context, c portal.CredentialID, k keys.ActKind) (keys.Act, error) {
	a, err := get(ctx, s.tx, scanAct, `SELECT `+actColumns+` FROM acts WHERE credential = $1 AND kind = $2 AND state = 'open'`, c, k)
	return a, doing(err, "open %s of credential %s", k, c)
}

func (s keyStore) UpdateAct(ctx context.Context, a keys.Act, lease string) error {
	n, err := s.tx.affected(ctx, `UPDATE acts SET state = $1, phase = $2, lease = $3, due = $4, attempts = $5, error = $6, ended = $7
		WHERE id = $8 AND state = 'open' AND lease = $9`, a.State, a.Phase, a.Lease, micros(a.Due), a.Attempts, a.Error, micros(a.Ended), a.ID, lease)
	return met(n, err, "act %s has passed to somebody else", a.ID)
}

const dueActs = `SELECT ` + actColumns + ` FROM (
		SELECT *, row_number() OVER (PARTITION BY gateway ORDER BY CASE kind WHEN 'revoke' THEN 0 ELSE 1 END, due, id) AS place FROM acts
		WHERE state = 'open' AND due <= $1 AND ($3 = '' OR gateway = $3)
	) AS overdue WHERE place <= $2 ORDER BY place, id`

func (s keyStore) DueActs(ctx context.Context, gateway portal.GatewayID, now time.Time, limit int) ([]keys.Act, error) {
	due, err := rows(ctx, s.tx, func(r scanner) (keys.Act, error) { return scanAct(r) }, dueActs, micros(now), limit, gateway)
	return due, doing(err, "listing due acts")
}

func (s keyStore) HurryActs(ctx context.Context, gateway portal.GatewayID, now time.Time) error {
	return doing(s.tx.exec(ctx, `UPDATE acts SET due = $1 WHERE gateway = $2 AND state = 'open' AND phase = 'retrying' AND due > $1`, micros(now), gateway),
		"hurrying the acts of %s", gateway)
}

func (s keyStore) CountOpenActs(ctx context.Context) ([]keys.ActCount, error) {
	counts, err := rows(ctx, s.tx, func(r scanner) (c keys.ActCount, err error) {
		var oldest int64
		err = r.Scan(&c.Kind, &c.Phase, &c.Open, &oldest)
		c.Oldest = instant(oldest)
		return c, err
	}, `SELECT kind, phase, count(*), min(created) FROM acts WHERE state = 'open' GROUP BY kind, phase ORDER BY kind, phase`)
	return counts, doing(err, "counting open acts")
}

func (s keyStore) NextDue(ctx context.Context, gateway portal.GatewayID) (time.Time, error) {
	var next int64
	err := s.tx.one(ctx, []any{&next}, `SELECT coalesce(min(at), 0) FROM (
			SELECT min(due) AS at FROM acts WHERE state = 'open' AND gateway = $1
			UNION ALL SELECT min(ends) FROM credentials WHERE ends > 0 AND state = 'retiring' AND gateway = $1
			UNION ALL SELECT min(expires) FROM credentials WHERE expires > 0 AND state IN ('active', 'retiring') AND gateway = $1
		) AS next`, gateway)
	return instant(next), doing(err, "looking for what is due next on gateway %s", gateway)
}

func (s keyStore) Bindings(ctx context.Context, app portal.ApplicationID) ([]keys.Binding, error) {
	// Where a key retires, its successor's deployment is the binding: active sorts before retiring.
	bs, err := rows(ctx, s.tx, func(r scanner) (b keys.Binding, err error) {
		return b, r.Scan(&b.Application, &b.API, &b.Line, &b.Environment, &b.Deployment)
	}, `SELECT c.application, s.api, s.line, s.environment, c.deployment FROM credentials c JOIN subscriptions s ON s.id = c.subscription
		WHERE c.state IN ('active', 'retiring') AND ($1 = '' OR c.application = $1) ORDER BY c.application, s.api, s.line, s.environment, c.state`, app)
	if err != nil {
		return nil, fmt.Errorf("bindings: %w", err)
	}
	kept := bs[:0]
	for _, b := range bs {
		if n := len(kept); n > 0 && kept[n-1].Application == b.Application && kept[n-1].API == b.API && kept[n-1].Line == b.Line && kept[n-1].Environment == b.Environment {
			continue
		}
		kept = append(kept, b)
	}
	return kept, nil
}

// newest starts a query for a page of a table, newest first, that begins after the row of p.After.
func newest(table, columns string, p keys.Page) *pageQuery {
	q := &pageQuery{table: table, columns: columns, limit: p.Limit}
	if p.After != "" {
		q.args = append(q.args, p.After)
		q.conds = append(q.conds, fmt.Sprintf("(created, id) < (SELECT created, id FROM %s WHERE id = $1)", table))
	}
	return q
}

type pageQuery struct {
	table, columns string
	conds          []string
	args           []any
	limit          int
}

// where narrows unless the value is empty.
func (q *pageQuery) where(column, value string) {
	if value != "" {
		q.and(column, value)
	}
}

func (q *pageQuery) and(column, value string) {
	q.args = append(q.args, value)
	q.conds = append(q.conds, fmt.Sprintf("%s = $%d", column, len(q.args)))
}

// in narrows to values of a list, or, with NOT IN, to others. Nothing is IN an empty list.
func in[T ~string](q *pageQuery, column, op string, values []T) {
	places := make([]string, len(values))
	for i, v := range values {
		q.args = append(q.args, string(v))
		places[i] = fmt.Sprintf("$%d", len(q.args))
	}
	if len(places) == 0 {
		places = []string{"NULL"}
	}
	q.conds = append(q.conds, fmt.Sprintf("%s %s (%s)", column, op, strings.Join(places, ", ")))
}

func (q *pageQuery) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT %s FROM %s", q.columns, q.table)
	if len(q.conds) > 0 {
		b.WriteString(" WHERE " + strings.Join(q.conds, " AND "))
	}
	fmt.Fprintf(&b, " ORDER BY created DESC, id DESC LIMIT %d", q.limit)
	return b.String()
}

func list[T any](ctx context.Context, tx *Tx, scan func(scanner) (T, error), q *pageQuery) ([]T, error) {
	all, err := rows(ctx, tx, func(r scanner) (T, error) { return scan(r) }, q.text(), q.args...)
	return all, doing(err, "listing %s", q.table)
}
