package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/portal/people"
	"concierge/portal/store"
)

func (s peopleStore) Attempts(ctx context.Context, place string) (people.Attempts, error) {
	var at, ends int64
	if err := s.tx.one(ctx, []any{&at, &ends}, `SELECT at, ends FROM sign_in_attempts WHERE place = $1`, place); err != nil {
		return people.Attempts{}, err
	}
	return people.Attempts{At: instant(at), Debt: time.Duration(ends-at) * time.Microsecond}, nil
}

func (s peopleStore) PutAttempts(ctx context.Context, place string, a people.Attempts) error {
	at := micros(a.At)
	return s.tx.exec(ctx, `INSERT INTO sign_in_attempts (place, at, ends) VALUES ($1, $2, $3)
		ON CONFLICT (place) DO UPDATE SET at = excluded.at, ends = excluded.ends`, place, at, at+a.Debt.Microseconds())
}

func (s peopleStore) SignedInFrom(ctx context.Context, place string) (time.Time, error) {
	var at int64
	if err := s.tx.one(ctx, []any{&at}, `SELECT at FROM sign_in_places WHERE place = $1`, place); err != nil {
		return time.Time{}, err
	}
	return instant(at), nil
}

func (s peopleStore) PutSignedInFrom(ctx context.Context, place string, at time.Time) error {
	return s.tx.exec(ctx, `INSERT INTO sign_in_places (place, at) VALUES ($1, $2)
		ON CONFLICT (place) DO UPDATE SET at = excluded.at`, place, micros(at))
}

func (s peopleStore) ForgetAttempts(ctx context.Context, whole, known time.Time) error {
	if err := s.tx.exec(ctx, `DELETE FROM sign_in_attempts WHERE ends <= $1`, micros(whole)); err != nil {
		return err
	}
	return s.tx.exec(ctx, `DELETE FROM sign_in_places WHERE at <= $1`, micros(known))
}

var _ store.Rates = (*DB)(nil)

// ratesAtOnce is how many rows one statement writes.
const ratesAtOnce = 100

// PutRates implements store.Rates.
func (db *DB) PutRates(ctx context.Context, replica string, rates []store.Rate) error {
	return db.InTx(ctx, func(t store.Tx) error {
		tx := t.(*Tx)
		if err := tx.exec(ctx, `DELETE FROM token_rates WHERE replica = $1`, replica); err != nil {
			return doing(err, "telling rates")
		}
		for some := range slices.Chunk(rates, ratesAtOnce) {
			var values []string
			var args []any
			for _, r := range some {
				n := len(args)
				values = append(values, fmt.Sprintf("($%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4))
				args = append(args, r.Token[:], replica, r.Calls, r.Round)
			}
			err := tx.exec(ctx, `INSERT INTO token_rates (token, replica, calls, round) VALUES `+strings.Join(values, ", "), args...)
			if err != nil {
				return doing(err, "telling rates")
			}
		}
		return nil
	})
}

// RatesBut implements store.Rates.
func (db *DB) RatesBut(ctx context.Context, replica string) (found []store.Rate, err error) {
	err = db.View(ctx, func(t store.Tx) error {
		found, err = rows(ctx, t.(*Tx), func(s scanner) (r store.Rate, err error) {
			var token []byte
			err = s.Scan(&token, &r.Replica, &r.Calls, &r.Round)
			copy(r.Token[:], token)
			return r, err
		}, `SELECT token, replica, calls, round FROM token_rates WHERE replica <> $1`, replica)
		return err
	})
	return found, doing(err, "reading rates")
}

// DropRates implements store.Rates.
func (db *DB) DropRates(ctx context.Context, replica string, round int64) error {
	return db.InTx(ctx, func(t store.Tx) error {
		return doing(t.(*Tx).exec(ctx, `DELETE FROM token_rates WHERE replica = $1 AND round = $2`, replica, round), "dropping rates")
	})
}
