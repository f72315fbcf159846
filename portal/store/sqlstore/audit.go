package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"

	"concierge/portal"
	"concierge/portal/audit"
)

type auditStore struct{ tx *Tx }

func (s auditStore) Append(ctx context.Context, e audit.Event) error {
	if e.ID == "" {
		e.ID = portal.NewID("evt")
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return fmt.Errorf("audit event %s: %w", e.Action, err)
	}
	err = s.tx.exec(ctx, `INSERT INTO events (id, at, actor, action, target, organisation, gateway, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.ID, micros(e.At), e.Actor, e.Action, e.Target, string(e.Organisation), string(e.Gateway), string(detail))
	if err != nil {
		return fmt.Errorf("audit event %s: %w", e.Action, err)
	}
	return nil
}

func (s auditStore) Events(ctx context.Context, target string, limit int) ([]audit.Event, error) {
	q := `SELECT id, at, actor, action, target, organisation, gateway, detail FROM events `
	args := []any{limit}
	if target != "" {
		q += `WHERE target = $2 `
		args = append(args, target)
	}
	return rows(ctx, s.tx, func(r scanner) (e audit.Event, err error) {
		var at int64
		var detail string
		if err := r.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Target, &e.Organisation, &e.Gateway, &detail); err != nil {
			return e, err
		}
		e.At = instant(at)
		return e, json.Unmarshal([]byte(detail), &e.Detail)
	}, q+`ORDER BY at DESC, id LIMIT $1`, args...)
}
