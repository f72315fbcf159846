// Package audit holds the immutable record of who did what. Events are rows written in the transaction of the act that
// they tell of; nothing changes or removes one.
package audit

import (
	"context"
	"time"

	"concierge/portal"
)

// Event says that somebody did something. It never holds a secret.
type Event struct {
	ID           string // given by Append when empty
	At           time.Time
	Actor        string // a person's id, or "system:sweeper" and the like
	Action       string // noun.verb, such as "credential.issue.intent"
	Target       string // id of what it was done to
	Organisation portal.OrganisationID
	Gateway      portal.GatewayID
	Detail       map[string]string
}

// Store appends events within the caller's transaction.
type Store interface {
	Append(ctx context.Context, e Event) error
	// Events returns the newest events about a target, or about everything where it is empty.
	Events(ctx context.Context, target string, limit int) ([]Event, error)
}
