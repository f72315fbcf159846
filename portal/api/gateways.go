package api

import "context"

// GatewayTerms is the part of a registration that says how far a gateway is trusted and what may be fetched for it.
type GatewayTerms struct {
	// Site is from where its admin side is reached.
	Site  string   `json:"site,omitempty" maxLength:"63" doc:"From where its admin side is reached; local, the portal itself, where it is absent. A gateway of another site has its secrets, settings and budget in the configuration of the worker there"`
	Trust []string `json:"trust,omitempty" doc:"Axes on which its own words may leave the bounds"`
	// AcceptReach accepts keys that open other APIs of the gateway too.
	AcceptReach    bool     `json:"accept_reach,omitempty" doc:"Make keys also where they open other APIs of the gateway"`
	FetchDocuments bool     `json:"fetch_documents,omitempty" doc:"Fetch descriptions from where its objects point to"`
	FetchPrivate   []string `json:"fetch_private,omitempty" doc:"Private networks that descriptions may be fetched from, such as 10.1.0.0/16"`
}

// GatewayChanges are for those who may register gateways; for anyone else ErrNotFound.
type GatewayChanges interface {
	// ChangeGateway replaces a registration, but for its rules. Without Secrets it keeps those that it has; ErrInvalid where
	// they have to be given again, since its kind or an address changes. ErrConflict: it comes from the configuration file.
	ChangeGateway(ctx context.Context, id string, n NewGateway) (Gateway, error)
}
