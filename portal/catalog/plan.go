package catalog

import "concierge/portal"

// Plan is what a sync does, or would do, as people read it: the steps that weigh most come first.
type Plan struct {
	Steps []Step
	More  int // steps that are not kept
}

// MaxSteps is how many steps of a plan are kept.
const MaxSteps = 500

// StepKind says what is done to a deployment.
type StepKind string

// The kinds, in their order.
const (
	StepRemove     StepKind = "remove"     // the gateway does not tell it any more
	StepReclassify StepKind = "reclassify" // another audience or environment than before
	StepRename     StepKind = "rename"     // another name on the gateway for the same
	StepOffer      StepKind = "offer"      // perhaps a rename: a person can say so; until then it is a removal and an addition
	StepChange     StepKind = "change"
	StepBack       StepKind = "back" // removed before, and there again
	StepAdd        StepKind = "add"
)

// Step is what is done to one deployment. Audience and environment are those that it has afterwards, of one that is removed
// those that it had; empty: unknown, so that administrators alone see it.
type Step struct {
	Kind        StepKind           `json:"kind"`
	Title       string             `json:"title"`
	RemoteID    string             `json:"remote_id"`
	Exposure    string             `json:"exposure,omitempty"`
	Was         string             `json:"was,omitempty"` // the remote id before a rename
	Audience    portal.Audience    `json:"audience,omitempty"`
	Environment portal.Environment `json:"environment,omitempty"`
	BaseURL     string             `json:"base_url,omitempty"`
	Fields      []Field            `json:"fields,omitempty"` // what differs
}

// Field is one thing that a step changes. Was and Is are empty where the values are too long to show.
type Field struct {
	Name  string       `json:"name"` // such as title, or an axis
	Was   string       `json:"was,omitempty"`
	Is    string       `json:"is,omitempty"`
	Layer portal.Layer `json:"layer,omitempty"` // of an axis: what says so
}
