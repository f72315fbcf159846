package store

import "context"

// Rate is what one replica serves to one API token.
type Rate struct {
	Token   [32]byte // the token's hash
	Replica string
	Calls   int64 // per second
	Round   int64 // counts up while the replica goes on
}

// Rates is how replicas tell each other of tokens that use much of their limit.
type Rates interface {
	// PutRates replaces all that a replica has told.
	PutRates(ctx context.Context, replica string, rates []Rate) error
	// RatesBut returns what all other replicas have told.
	RatesBut(ctx context.Context, replica string) ([]Rate, error)
	// DropRates forgets what a replica told in a round.
	DropRates(ctx context.Context, replica string, round int64) error
}
