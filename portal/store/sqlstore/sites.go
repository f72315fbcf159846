package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"concierge/portal"
	"concierge/portal/site"
)

// Sites implements site.Tx.
func (tx *Tx) Sites() site.Store { return siteStore{tx} }

type siteStore struct{ tx *Tx }

var _ site.Tx = (*Tx)(nil)

const callColumns = `id, site, gateway, operation, urgent, request, reply_key, created, deadline, state, worker, lease, lease_ends, parts`

func scanCall(r scanner) (c site.Call, err error) {
	var created, deadline, ends int64
	err = r.Scan(&c.ID, &c.Site, &c.Gateway, &c.Operation, &c.Urgent, &c.Request, &c.ReplyKey, &created, &deadline, &c.State, &c.Worker, &c.Lease, &ends, &c.Parts)
	c.Created, c.Deadline, c.LeaseEnds = instant(created), instant(deadline), instant(ends)
	return c, err
}

func (s siteStore) AddCall(ctx context.Context, c site.Call) error {
	return doing(s.tx.exec(ctx, `INSERT INTO site_calls (`+callColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		c.ID, c.Site, c.Gateway, c.Operation, c.Urgent, c.Request, c.ReplyKey, micros(c.Created), micros(c.Deadline), c.State, c.Worker, c.Lease,
		micros(c.LeaseEnds), c.Parts), "adding call %s", c.ID)
}

func (s siteStore) Call(ctx context.Context, id string) (site.Call, error) {
	c, err := get(ctx, s.tx, scanCall, `SELECT `+callColumns+` FROM site_calls WHERE id = $1`, id)
	return c, doing(err, "call %s", id)
}

func (s siteStore) QueuedCalls(ctx context.Context, at portal.Site, now time.Time, limit int) ([]site.Call, error) {
	all, err := rows(ctx, s.tx, scanCall, `SELECT `+callColumns+` FROM site_calls WHERE state = 'queued' AND site = $1 AND deadline > $2
		ORDER BY CASE WHEN urgent THEN 0 ELSE 1 END, created, id LIMIT $3`, at, micros(now), limit)
	return all, doing(err, "calls of site %s", at)
}

func (s siteStore) UpdateCall(ctx context.Context, c, was site.Call) error {
	n, err := s.tx.affected(ctx, `UPDATE site_calls SET state = $1, worker = $2, lease = $3, lease_ends = $4, parts = $5
		WHERE id = $6 AND state = $7 AND lease = $8`, c.State, c.Worker, c.Lease, micros(c.LeaseEnds), c.Parts, c.ID, was.State, was.Lease)
	return met(n, err, "call %s has passed to somebody else", c.ID)
}

func (s siteStore) DropCall(ctx context.Context, id string) error {
	return doing(s.tx.exec(ctx, `DELETE FROM site_calls WHERE id = $1`, id), "dropping call %s", id)
}

func (s siteStore) DropCalls(ctx context.Context, worker string) error {
	return doing(s.tx.exec(ctx, `DELETE FROM site_calls WHERE state = 'taken' AND worker = $1`, worker), "dropping the calls of worker %s", worker)
}

func (s siteStore) DropCallsBefore(ctx context.Context, deadline time.Time) error {
	return doing(s.tx.exec(ctx, `DELETE FROM site_calls WHERE deadline < $1`, micros(deadline)), "dropping old calls")
}

func (s siteStore) Waiting(ctx context.Context, now time.Time) (map[portal.Site]int, error) {
	waiting := map[portal.Site]int{}
	_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
		var at portal.Site
		var n int
		err := r.Scan(&at, &n)
		waiting[at] = n
		return struct{}{}, err
	}, `SELECT site, count(*) FROM site_calls WHERE state = 'queued' AND deadline > $1 GROUP BY site`, micros(now))
	return waiting, doing(err, "counting calls")
}

func (s siteStore) PutPart(ctx context.Context, call string, number int, content []byte) error {
	if err := s.tx.exec(ctx, `DELETE FROM site_answers WHERE call = $1 AND number >= $2`, call, number); err != nil {
		return doing(err, "answer of call %s", call)
	}
	return doing(s.tx.exec(ctx, `INSERT INTO site_answers (call, number, content) VALUES ($1, $2, $3)`, call, number, content), "answer of call %s", call)
}

func (s siteStore) Part(ctx context.Context, call string, number int) (content []byte, err error) {
	err = s.tx.one(ctx, []any{&content}, `SELECT content FROM site_answers WHERE call = $1 AND number = $2`, call, number)
	return content, doing(err, "answer of call %s", call)
}

const workerColumns = `id, site, name, version, gateways, secret, enrolled, seen, polling, due, revoked, enrolment, reused`

func scanWorker(r scanner) (w site.Worker, err error) {
	var enrolled, seen, due, revoked, reused int64
	var gateways string
	var secret []byte
	err = r.Scan(&w.ID, &w.Site, &w.Name, &w.Version, &gateways, &secret, &enrolled, &seen, &w.Polling, &due, &revoked, &w.Enrolment, &reused)
	if err != nil {
		return w, err
	}
	copy(w.Secret[:], secret)
	w.Enrolled, w.Seen, w.Due, w.Revoked, w.Reused = instant(enrolled), instant(seen), instant(due), instant(revoked), instant(reused)
	return w, json.Unmarshal([]byte(gateways), &w.Gateways)
}

func gatewayList(w site.Worker) (string, error) {
	b, err := json.Marshal(append([]portal.GatewayID{}, w.Gateways...))
	if err != nil {
		return "", fmt.Errorf("gateways of worker %s: %w", w.ID, err)
	}
	return string(b), nil
}

func (s siteStore) AddWorker(ctx context.Context, w site.Worker) error {
	gateways, err := gatewayList(w)
	if err != nil {
		return err
	}
	return doing(s.tx.exec(ctx, `INSERT INTO site_workers (`+workerColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		w.ID, w.Site, w.Name, w.Version, gateways, w.Secret[:], micros(w.Enrolled), micros(w.Seen), w.Polling, micros(w.Due), micros(w.Revoked), w.Enrolment,
		micros(w.Reused)), "adding worker %s", w.ID)
}

func (s siteStore) Worker(ctx context.Context, id string) (site.Worker, error) {
	w, err := get(ctx, s.tx, scanWorker, `SELECT `+workerColumns+` FROM site_workers WHERE id = $1`, id)
	return w, doing(err, "worker %s", id)
}

func (s siteStore) WorkerBySecret(ctx context.Context, secret site.Hash) (site.Worker, error) {
	w, err := get(ctx, s.tx, scanWorker, `SELECT `+workerColumns+` FROM site_workers WHERE secret = $1`, secret[:])
	return w, doing(err, "worker")
}

func (s siteStore) Workers(ctx context.Context) ([]site.Worker, error) {
	all, err := rows(ctx, s.tx, scanWorker, `SELECT `+workerColumns+` FROM site_workers ORDER BY enrolled DESC, id DESC`)
	return all, doing(err, "listing workers")
}

func (s siteStore) UpdateWorker(ctx context.Context, w site.Worker) error {
	gateways, err := gatewayList(w)
	if err != nil {
		return err
	}
	n, err := s.tx.affected(ctx, `UPDATE site_workers SET name = $1, version = $2, gateways = $3, seen = $4, polling = $5, due = $6, revoked = $7, reused = $8 WHERE id = $9`,
		w.Name, w.Version, gateways, micros(w.Seen), w.Polling, micros(w.Due), micros(w.Revoked), micros(w.Reused), w.ID)
	return met(n, err, "worker %s is not there", w.ID)
}

const enrolmentColumns = `id, site, token, created, expires, revoked, worker`

func scanEnrolment(r scanner) (e site.Enrolment, err error) {
	var created, expires, revoked int64
	var token []byte
	err = r.Scan(&e.ID, &e.Site, &token, &created, &expires, &revoked, &e.Worker)
	copy(e.Token[:], token)
	e.Created, e.Expires, e.Revoked = instant(created), instant(expires), instant(revoked)
	return e, err
}

func (s siteStore) AddEnrolment(ctx context.Context, e site.Enrolment) error {
	return doing(s.tx.exec(ctx, `INSERT INTO site_enrolments (`+enrolmentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		e.ID, e.Site, e.Token[:], micros(e.Created), micros(e.Expires), micros(e.Revoked), e.Worker), "adding enrolment %s", e.ID)
}

func (s siteStore) Enrolment(ctx context.Context, id string) (site.Enrolment, error) {
	e, err := get(ctx, s.tx, scanEnrolment, `SELECT `+enrolmentColumns+` FROM site_enrolments WHERE id = $1`, id)
	return e, doing(err, "enrolment %s", id)
}

func (s siteStore) EnrolmentByToken(ctx context.Context, token site.Hash) (site.Enrolment, error) {
	e, err := get(ctx, s.tx, scanEnrolment, `SELECT `+enrolmentColumns+` FROM site_enrolments WHERE token = $1`, token[:])
	return e, doing(err, "enrolment")
}

func (s siteStore) Enrolments(ctx context.Context, now time.Time) ([]site.Enrolment, error) {
	all, err := rows(ctx, s.tx, scanEnrolment, `SELECT `+enrolmentColumns+` FROM site_enrolments
		WHERE worker = '' AND revoked = 0 AND expires > $1 ORDER BY created DESC, id DESC`, micros(now))
	return all, doing(err, "listing enrolments")
}

func (s siteStore) UpdateEnrolment(ctx context.Context, e site.Enrolment) error {
	n, err := s.tx.affected(ctx, `UPDATE site_enrolments SET worker = $1, revoked = $2 WHERE id = $3 AND worker = '' AND revoked = 0`,
		e.Worker, micros(e.Revoked), e.ID)
	return met(n, err, "enrolment %s was used or revoked", e.ID)
}
