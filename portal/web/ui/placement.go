package ui

import (
	"context"
	"time"
)

// RulesPage is where the rules of a gateway are written and tried.
type RulesPage struct {
	Form
	Gateway, Title                string
	FromConfiguration, CanChange  bool
	Detect                        bool
	Rules                         []RuleForm // the last one is empty
	Audiences, Environments, Axes []string
	Preview                       *RulesPreview // nil: not looked at yet
}

// RuleForm is one rule. Its fields are in the page's Form, below Prefix.
type RuleForm struct {
	Prefix  string
	Number  int    // 0: a new one
	Summary string // in words; empty: a new one
	Open    bool
	Begun   string // what a new one is begun for
}

func (r RuleForm) field(name string) string { return r.Prefix + name }

// RulesPreview is what rules would do.
type RulesPreview struct {
	Digest                                   string
	Changed, Unchanged, Unclassified, Frozen int
	Changes                                  []PlacementChange
	Warnings                                 []Said
	Configuration                            string // the draft as the configuration file has it
}

// PlacementChange is one deployment that would change.
type PlacementChange struct {
	Title, RemoteID, Href string
	Values                []ValueChange
	Unclassified          bool
	Frozen                int
}

// ValueChange is one value before and after; empty is unknown.
type ValueChange struct {
	What, Before, After string
}

// PlacedDeployment is where a deployment stands.
type PlacedDeployment struct {
	ID, Gateway, Title, Version, RemoteID, Exposure, BaseURL string
	Audience, Environment                                    string
	AudienceLayer, EnvironmentLayer                          string // in words
	Unclassified, Overridden                                 bool
	Warnings                                                 []Said
}

// Deployments is a list of them.
type Deployments struct {
	Items       []PlacedDeployment
	Gateway     string // whose they are; empty: of all
	First, Next string
}

// DeploymentPage is one of them, with what each layer says.
type DeploymentPage struct {
	PlacedDeployment
	Form
	Facts                         []Fact
	Layers                        []LayerLine
	CanOverride                   bool
	Held                          int // subscriptions with keys there
	Confirm                       bool
	Audiences, Environments, Axes []string
}

// LayerLine is one layer's say.
type LayerLine struct {
	What, Value, Layer, Source string
	Refused                    Said
	Counts                     bool // it is what holds
}

// FrozenSubscription is one that waits for a decision.
type FrozenSubscription struct {
	Subscription
	Since   time.Time
	Because Said
}

// FrozenSubscriptions is the page that lists them.
type FrozenSubscriptions struct {
	Items       []FrozenSubscription
	First, Next string
}

// orUnknown is a value, or the word for none.
func orUnknown(ctx context.Context, value string) string {
	if value == "" {
		return T(ctx, "placement.unknown")
	}
	return value
}
