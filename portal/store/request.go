package store

import (
	"context"
	"time"
)

// RequestKey names a request that must not be carried out twice.
type RequestKey struct {
	Caller string // a person's id
	Method string
	Path   string
	Key    string // the caller's Idempotency-Key
}

// Request is what is known of it.
type Request struct {
	RequestKey
	Body    string    // keyed hash of the body
	Acted   bool      // its first writing transaction was committed
	Result  string    // id of what came of it; empty while it runs
	Created time.Time // of this record; records are kept for a day
	Lease   time.Time // until when somebody may be working on it
}

// Requests keeps them.
type Requests interface {
	// BeginRequest adds the record. Where one with that key exists it is returned, with began false; one whose lease
	// has ended without having acted is begun anew.
	BeginRequest(ctx context.Context, r Request, now time.Time) (found Request, began bool, err error)
	// EndRequest saves what came of it.
	EndRequest(ctx context.Context, k RequestKey, result string) error
	// DropRequest forgets one that came to nothing, as BeginRequest was given it; not one that was begun anew since.
	DropRequest(ctx context.Context, r Request) error
	// DropRequestsBefore forgets the old ones.
	DropRequestsBefore(ctx context.Context, t time.Time) error
}

type requestContextKey struct{}

// WithRequest makes every writing transaction of ctx mark the request as acted, in the same commit.
func WithRequest(ctx context.Context, k RequestKey) context.Context {
	return context.WithValue(ctx, requestContextKey{}, k)
}

// RequestOf returns the request of ctx.
func RequestOf(ctx context.Context) (RequestKey, bool) {
	k, ok := ctx.Value(requestContextKey{}).(RequestKey)
	return k, ok
}
