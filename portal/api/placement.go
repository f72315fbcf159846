package api

import (
	"context"
	"time"
)

// GatewayRules are what places a gateway's deployments beside its registration.
type GatewayRules struct {
	Gateway string `json:"gateway"`
	RulesDraft
	CanChange bool `json:"can_change" doc:"Whether the caller may change them; those of a gateway from the configuration file are changed there"`
}

// RulesDraft is what rules are to be.
type RulesDraft struct {
	Detect bool            `json:"detect,omitempty" doc:"Read environments from the usual names in stages, hosts, paths and titles, before the rules"`
	Rules  []PlacementRule `json:"rules" doc:"In order: a later one wins"`
}

// PlacementRule places the deployments that it matches.
type PlacementRule struct {
	Match  RuleMatch         `json:"match"`
	Set    map[string]string `json:"set,omitempty" doc:"Values by axis"`
	Public string            `json:"public,omitempty" doc:"Base of the address that consumers use, before the deployment's own path"`
}

// RuleMatch says which deployments a rule is about: patterns in which * stands for any characters but a slash. All that
// are given must hold; without any it is about all.
type RuleMatch struct {
	Stage string `json:"stage,omitempty" maxLength:"500"`
	Host  string `json:"host,omitempty" maxLength:"500" doc:"For every host of the deployment"`
	Path  string `json:"path,omitempty" maxLength:"500" doc:"A prefix in whole segments, for every path of the deployment"`
	Tag   string `json:"tag,omitempty" maxLength:"500" doc:"One of its tags"`
	Name  string `json:"name,omitempty" maxLength:"500" doc:"Its title"`
}

// RulesChange saves rules as they were previewed.
type RulesChange struct {
	RulesDraft
	Preview string `json:"preview" minLength:"1" doc:"preview of the answer to the preview of these very rules"`
}

// RulesPreview is what rules would do to what the gateway published last. Nothing has been changed.
type RulesPreview struct {
	Preview      string            `json:"preview" doc:"Give it with the rules to save them: they are saved if they would still do this"`
	Changed      int               `json:"changed"`
	Unchanged    int               `json:"unchanged"`
	Unclassified int               `json:"unclassified" doc:"Of the changed ones, those that only administrators would see"`
	Frozen       int               `json:"frozen" doc:"Subscriptions that would be frozen, since they hold keys of what is classified anew"`
	Changes      []PlacementChange `json:"changes" doc:"The first 200"`
	Warnings     []string          `json:"warnings" doc:"The first 200"`
}

// PlacementChange is one deployment that would change.
type PlacementChange struct {
	Deployment   string        `json:"deployment"`
	Title        string        `json:"title"`
	RemoteID     string        `json:"remote_id"`
	Exposure     string        `json:"exposure,omitempty"`
	Values       []ValueChange `json:"values"`
	Unclassified bool          `json:"unclassified"`
	Frozen       int           `json:"frozen"`
}

// ValueChange is one value before and after; empty is unknown.
type ValueChange struct {
	What   string `json:"what" doc:"An axis, or address"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// PlacedDeployment is where a deployment stands, for its gateway's administrators.
type PlacedDeployment struct {
	ID           string                 `json:"id"`
	Gateway      string                 `json:"gateway"`
	Title        string                 `json:"title"`
	Version      string                 `json:"version,omitempty"`
	RemoteID     string                 `json:"remote_id"`
	Exposure     string                 `json:"exposure,omitempty"`
	BaseURL      string                 `json:"base_url,omitempty" doc:"Empty: it has none"`
	Placement    map[string]PlacedValue `json:"placement" doc:"By axis; one that is absent is unknown"`
	Unclassified bool                   `json:"unclassified" doc:"Audience or environment is unknown: only administrators see it"`
	Warnings     []string               `json:"warnings" doc:"Why values were not taken over"`
	Overridden   bool                   `json:"overridden"`

	// The rest comes with a single one.
	Stage       string          `json:"stage,omitempty"`
	Hosts       []string        `json:"hosts,omitempty"`
	Paths       []string        `json:"paths,omitempty"`
	Tags        []string        `json:"tags,omitempty"`
	Upstream    string          `json:"upstream,omitempty" doc:"The back end, as the gateway tells it"`
	Layers      []PlacementStep `json:"layers,omitempty" doc:"What each layer said, in order; the last that counts about an axis wins"`
	Override    *Override       `json:"override,omitempty"`
	Held        int             `json:"held,omitempty" doc:"Subscriptions with keys there, which another audience or environment freezes"`
	CanOverride bool            `json:"can_override,omitempty"`
}

// PlacedValue is a value and the layer that it comes from.
type PlacedValue struct {
	Value string `json:"value"`
	Layer string `json:"layer" enum:"gateway,detected,rule,words,override"`
}

// PlacementStep is one layer's say.
type PlacementStep struct {
	What    string `json:"what" doc:"An axis, or address"`
	Value   string `json:"value,omitempty" doc:"Empty: it does not count, or takes the value before away"`
	Layer   string `json:"layer" enum:"gateway,detected,rule,words,override"`
	Rule    int    `json:"rule,omitempty" doc:"Which of the gateway's rules, from 1"`
	Source  string `json:"source,omitempty" doc:"Where it was read"`
	Refused string `json:"refused,omitempty" doc:"Why it does not count"`
}

// Override is what a person decides about one deployment; it outdoes everything and survives every sync.
type Override struct {
	Placement map[string]string `json:"placement,omitempty" doc:"Values by axis"`
	BaseURL   string            `json:"base_url,omitempty" maxLength:"2000" doc:"The whole address that consumers use"`
}

// IsZero reports whether nothing is decided.
func (o Override) IsZero() bool { return len(o.Placement) == 0 && o.BaseURL == "" }

// Frozen says since when nothing new is made under a subscription.
type Frozen struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason" doc:"To those who decide: from what to what its endpoint was classified anew"`
}

// DeploymentsQuery narrows deployments. Without a gateway those of all that the caller may see.
type DeploymentsQuery struct {
	Paging
	Gateway      string
	Unclassified bool // only those
}

// Placement is for the administrators of gateways; for anyone else all of it is ErrNotFound, but for Thaw: that is for who
// decides about the subscription.
type Placement interface {
	GatewayRules(ctx context.Context, gateway string) (GatewayRules, error)
	PreviewRules(ctx context.Context, gateway string, d RulesDraft) (RulesPreview, error)
	// SetRules: ErrConflict where they were not previewed, or would do something else by now, or where the gateway is from the
	// configuration file.
	SetRules(ctx context.Context, gateway string, c RulesChange) (GatewayRules, error)
	Deployments(ctx context.Context, q DeploymentsQuery) (Page[PlacedDeployment], error)
	Deployment(ctx context.Context, id string) (PlacedDeployment, error)
	// OverrideDeployment replaces what was decided; the zero Override takes it back.
	OverrideDeployment(ctx context.Context, id string, o Override) (PlacedDeployment, error)
	// Thaw lets a frozen subscription go on with the keys that it has; Cancel is the other decision.
	Thaw(ctx context.Context, subscription, reason string) (Subscription, error)
}
