package api

import (
	"context"
	"time"
)

// ConsumersQuery asks for a page of the subscriptions to one API. Empty fields do not filter.
type ConsumersQuery struct {
	Paging
	API         string
	Version     string // a line, or NoVersion
	Environment string
	State       string // a subscription's state, or StateOpen
}

// StateOpen stands for every state but rejected and cancelled: who still uses something.
const StateOpen = "open"

// Consumed is a subscription as those see it who answer for its API. What people wrote when they asked and decided, and the
// keys, are for those only who decide about it; Contact is how to reach the consumer.
type Consumed struct {
	Subscription Subscription     `json:"subscription"`
	Contact      *ConsumerContact `json:"contact,omitempty" doc:"Who made the application, else who asked, else an administrator of their organisation; absent where none of them has an account any more"`
	Working      int              `json:"working_keys" doc:"How many keys work"`
	LastAct      *time.Time       `json:"last_act,omitempty" doc:"When the newest of the keys that have not ended was made"`
	Keys         []Credential     `json:"keys" doc:"Those that have not ended, the newest first; at most 10. Empty for whoever does not decide about the subscription"`
	Governed     bool             `json:"governed" doc:"I decide about it"`
}

// ConsumerContact is one person of a consumer's.
type ConsumerContact struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Consumers shows who uses an API.
type Consumers interface {
	// Consumers lists subscriptions to an API, the newest first: to those who govern some of its deployments, the
	// subscriptions to these; to members of the team that it belongs to, those to the deployments of its own division that
	// have an audience and an environment. For anyone else it is portal.ErrNotFound.
	Consumers(ctx context.Context, q ConsumersQuery) (Page[Consumed], error)
}
