package sqlstore

import (
	"context"

	"concierge/portal/store"
)

var _ store.Settings = (*DB)(nil)

// Setting implements store.Settings.
func (db *DB) Setting(ctx context.Context, name string) (value []byte, err error) {
	err = db.View(ctx, func(t store.Tx) error {
		return t.(*Tx).one(ctx, []any{&value}, `SELECT value FROM settings WHERE name = $1`, name)
	})
	return value, doing(err, "setting %s", name)
}

// PutSetting implements store.Settings.
func (db *DB) PutSetting(ctx context.Context, name string, value []byte) error {
	return db.InTx(ctx, func(t store.Tx) error {
		return doing(t.(*Tx).exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value), "setting %s", name)
	})
}

// AddSetting implements store.Settings.
func (db *DB) AddSetting(ctx context.Context, name string, value []byte) (kept []byte, err error) {
	err = db.InTx(ctx, func(t store.Tx) error {
		tx := t.(*Tx)
		if err := tx.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, value); err != nil {
			return err
		}
		return tx.one(ctx, []any{&kept}, `SELECT value FROM settings WHERE name = $1`, name)
	})
	return kept, doing(err, "setting %s", name)
}
