package ui

import "time"

// RunPage is one sync of a gateway: how it went, and what it did or would do.
type RunPage struct {
	Run
	Gateway, GatewayTitle string
	CanDecide             bool // it waits, and the reader may say yes or no
	CanPlan               bool
	Plan                  *Planned // nil while it is running
}

// Planned is what a sync did or would do.
type Planned struct {
	Groups []StepGroup
	More   int
}

// StepGroup are the steps of one kind.
type StepGroup struct {
	Kind  string // remove, reclassify, rename, offer, change, back or add
	Steps []Step
}

// Step is what is done to one deployment.
type Step struct {
	Title, RemoteID, Exposure, Was, Audience, Environment, BaseURL string
	Fields                                                         []StepField
}

// StepField is one thing that a step changes; without values they are too long to show. Why says, of a placement, what
// decides it.
type StepField struct{ Name, Was, Is, Why string }

// Traffic is how this process gets on with a gateway.
type Traffic struct {
	Open         bool
	Since, Until *time.Time
	Failures     int
	Why          string
	Paused       *time.Time
	Waiting      int
	Watching     bool
}

// BudgetView is what holds for calls on a gateway's admin side.
type BudgetView struct {
	PerSecond, Burst, Parallel string
}

var (
	phaseKeys = map[string]string{
		"probe": "phase.probe", "discover": "phase.discover", "documents": "phase.documents", "plan": "phase.plan", "apply": "phase.apply",
	}
	triggerKeys = map[string]string{
		"person": "run.trigger.person", "schedule": "run.trigger.schedule", "watch": "run.trigger.watch", "system": "run.trigger.system",
	}
	stepKeys = map[string]string{
		"remove": "step.remove", "reclassify": "step.reclassify", "rename": "step.rename", "offer": "step.offer", "change": "step.change",
		"back": "step.back", "add": "step.add",
	}
	stepTextKeys = map[string]string{
		"remove": "step.remove_text", "reclassify": "step.reclassify_text", "rename": "step.rename_text", "offer": "step.offer_text",
		"back": "step.back_text",
	}
	stepTones = map[string]string{
		"remove": toneBad, "reclassify": toneWarn, "rename": toneInfo, "offer": toneWarn, "change": toneInfo, "back": toneGood, "add": toneGood,
	}
	stepFieldKeys = map[string]string{
		"title": "step.field.title", "summary": "step.field.summary", "description": "step.field.description", "version": "step.field.version",
		"line": "step.field.line", "lifecycle": "step.field.lifecycle", "sunset": "step.field.sunset", "tags": "step.field.tags",
		"owner": "step.field.owner", "base_url": "step.field.base_url", "authentication": "step.field.authentication",
		"plans": "step.field.plans", "document": "step.field.document", "issue_refused": "step.field.issue_refused",
		"active": "step.field.active", "details": "step.field.details",
	}
	servedKeys = map[string]string{"yes": "step.active.yes", "no": "step.active.no"}
	layerKeys  = map[string]string{
		"gateway": "step.layer.gateway", "detected": "step.layer.detected", "rule": "step.layer.rule", "words": "step.layer.words", "override": "step.layer.override",
	}
)

// Phase names what a running sync does.
func (t Text) Phase(phase string) string { return t.named(phaseKeys, phase) }

// Trigger says what started a sync.
func (t Text) Trigger(trigger string) string { return t.named(triggerKeys, trigger) }

// StepKinds are those of a plan, in their order.
func StepKinds() []string {
	return []string{"remove", "reclassify", "rename", "offer", "change", "back", "add"}
}

// emptyAs shows something where there is nothing.
func emptyAs(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// StepField names what a step changes.
func (t Text) StepField(name string) string {
	if key, ok := stepFieldKeys[name]; ok {
		return t.T(key)
	}
	return t.Axis(name)
}

// Served says whether a gateway serves what it lists.
func (t Text) Served(yes string) string { return t.named(servedKeys, yes) }

// Layer names what decides a placement; empty where these pages do not know it.
func (t Text) Layer(layer string) string {
	if key, ok := layerKeys[layer]; ok {
		return t.T(key)
	}
	return ""
}
