package sqlstore

import (
	"context"
	"time"

	"concierge/portal/people"
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
