package sqlstore

import (
	"context"
	"errors"
	"time"

	"concierge/portal"
	"concierge/portal/store"
)

var _ store.Requests = (*DB)(nil)

const requestColumns = `caller, method, path, key, body, acted, result, created, lease`

func scanRequest(s scanner) (r store.Request, err error) {
	var created, lease int64
	err = s.Scan(&r.Caller, &r.Method, &r.Path, &r.Key, &r.Body, &r.Acted, &r.Result, &created, &lease)
	r.Created, r.Lease = instant(created), instant(lease)
	return r, err
}

// BeginRequest implements store.Requests.
func (db *DB) BeginRequest(ctx context.Context, r store.Request, now time.Time) (found store.Request, began bool, err error) {
	err = db.InTx(ctx, func(t store.Tx) error {
		tx := t.(*Tx)
		began = false
		found, err = get(ctx, tx, scanRequest, `SELECT `+requestColumns+` FROM requests WHERE caller = $1 AND method = $2 AND path = $3 AND key = $4`,
			r.Caller, r.Method, r.Path, r.Key)
		switch {
		case err == nil && (found.Acted || found.Result != "" || found.Body != r.Body || now.Before(found.Lease)):
			return nil
		case err == nil:
			began = true
			return tx.exec(ctx, `UPDATE requests SET lease = $1 WHERE caller = $2 AND method = $3 AND path = $4 AND key = $5`,
				micros(r.Lease), r.Caller, r.Method, r.Path, r.Key)
		case !errors.Is(err, portal.ErrNotFound):
			return err
		}
		found, began = r, true
		return tx.exec(ctx, `INSERT INTO requests (`+requestColumns+`) VALUES ($1, $2, $3, $4, $5, FALSE, '', $6, $7)`,
			r.Caller, r.Method, r.Path, r.Key, r.Body, micros(now), micros(r.Lease))
	})
	return found, began, doing(err, "beginning a request")
}

// EndRequest implements store.Requests.
func (db *DB) EndRequest(ctx context.Context, k store.RequestKey, result string) error {
	return db.InTx(ctx, func(t store.Tx) error {
		return doing(t.(*Tx).exec(ctx, `UPDATE requests SET acted = TRUE, result = $1 WHERE caller = $2 AND method = $3 AND path = $4 AND key = $5`,
			result, k.Caller, k.Method, k.Path, k.Key), "ending a request")
	})
}

// DropRequest implements store.Requests.
func (db *DB) DropRequest(ctx context.Context, r store.Request) error {
	return db.InTx(ctx, func(t store.Tx) error {
		return doing(t.(*Tx).exec(ctx, `DELETE FROM requests WHERE caller = $1 AND method = $2 AND path = $3 AND key = $4 AND lease = $5`,
			r.Caller, r.Method, r.Path, r.Key, micros(r.Lease)), "dropping a request")
	})
}

// DropRequestsBefore implements store.Requests.
func (db *DB) DropRequestsBefore(ctx context.Context, t time.Time) error {
	return db.InTx(ctx, func(s store.Tx) error {
		return doing(s.(*Tx).exec(ctx, `DELETE FROM requests WHERE created < $1`, micros(t)), "dropping old requests")
	})
}

// noteRequest marks the request that a transaction belongs to as acted.
func (tx *Tx) noteRequest(ctx context.Context) error {
	k, ok := store.RequestOf(ctx)
	if !ok {
		return nil
	}
	return doing(tx.exec(ctx, `UPDATE requests SET acted = TRUE WHERE caller = $1 AND method = $2 AND path = $3 AND key = $4 AND NOT acted`,
		k.Caller, k.Method, k.Path, k.Key), "noting the request")
}
