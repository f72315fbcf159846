package api

import (
	"context"
	"time"
)

// EndOfLife says that something is deprecated or retired. Every field may be absent.
type EndOfLife struct {
	Deprecation *time.Time `json:"deprecation,omitempty" doc:"Since when it is deprecated or retired; also as header (RFC 9745)"`
	Sunset      *time.Time `json:"sunset,omitempty" doc:"When it is expected to be gone; also as header (RFC 8594)"`
	Successor   *Successor `json:"successor,omitempty" doc:"What takes its place, where that is for the caller"`
}

// Successor is what takes the place of a version.
type Successor struct {
	API     string `json:"api"`
	Title   string `json:"title"`
	Version string `json:"version,omitempty" doc:"Empty: the newest"`
}

// VersionLifecycle is where one version of an API stands, for those who may decide it.
type VersionLifecycle struct {
	API         string                `json:"api"`
	Title       string                `json:"title"`
	Version     string                `json:"version"`
	Decision    *LifecycleDecision    `json:"decision,omitempty" doc:"What a person decided about the version"`
	Deployments []DeploymentLifecycle `json:"deployments"`
	Usage       Usage                 `json:"usage"`
	Users       []APIUser             `json:"users" doc:"Who still uses it: at most 200"`
}

// DeploymentLifecycle is where one deployment stands, and who says so: document, gateway or override (a person). An empty
// layer is the default.
type DeploymentLifecycle struct {
	ID             string             `json:"id"`
	Gateway        string             `json:"gateway"`
	Environment    string             `json:"environment"`
	Audience       string             `json:"audience"`
	BaseURL        string             `json:"base_url"`
	Lifecycle      string             `json:"lifecycle"`
	LifecycleLayer string             `json:"lifecycle_layer,omitempty"`
	Deprecation    *time.Time         `json:"deprecation,omitempty"`
	Sunset         *time.Time         `json:"sunset,omitempty"`
	SunsetLayer    string             `json:"sunset_layer,omitempty"`
	Successor      string             `json:"successor,omitempty"`
	SuccessorLayer string             `json:"successor_layer,omitempty"`
	Decision       *LifecycleDecision `json:"decision,omitempty" doc:"What a person decided about this deployment alone"`
}

// LifecycleDecision is what a person decided.
type LifecycleDecision struct {
	Lifecycle   string     `json:"lifecycle"`
	Deprecation *time.Time `json:"deprecation,omitempty"`
	Sunset      *time.Time `json:"sunset,omitempty"`
	Successor   string     `json:"successor,omitempty"`
	Note        string     `json:"note,omitempty"`
	By          string     `json:"by"`
	At          time.Time  `json:"at"`
}

// Usage counts who has a subscription that is neither rejected nor cancelled.
type Usage struct {
	Subscriptions int `json:"subscriptions"`
	Applications  int `json:"applications"`
	Organisations int `json:"organisations"`
}

// APIUser is one subscription, for the owners of its API.
type APIUser struct {
	Subscription    string     `json:"subscription"`
	Organisation    string     `json:"organisation"`
	Application     string     `json:"application"`
	ApplicationName string     `json:"application_name"`
	Environment     string     `json:"environment"`
	State           string     `json:"state"`
	LastAct         *time.Time `json:"last_act,omitempty" doc:"When its newest key was made, or a revocation took hold"`
}

// NewLifecycle asks for a decision. An empty lifecycle takes it back: document and gateway count again.
type NewLifecycle struct {
	Lifecycle   string     `json:"lifecycle" enum:",preview,active,deprecated,retired" doc:"Empty: take the decision back"`
	Deployment  string     `json:"deployment,omitempty" doc:"Empty: the whole version"`
	Deprecation *time.Time `json:"deprecation,omitempty" doc:"Absent: now"`
	Sunset      *time.Time `json:"sunset,omitempty"`
	Successor   string     `json:"successor,omitempty" maxLength:"200" doc:"An API, an API and its version such as payments/3, or /3 for a version of the same API"`
	Note        string     `json:"note,omitempty" maxLength:"500" doc:"For those who decide after you"`
}

// NoVersion stands in addresses for the version of an API that states none.
const NoVersion = "-"

// Leaving is something that an application of the caller's holds a key for and that is deprecated or retired.
type Leaving struct {
	Application     string `json:"application"`
	ApplicationName string `json:"application_name"`
	API             string `json:"api"`
	Title           string `json:"title"`
	Version         string `json:"version"`
	Environment     string `json:"environment"`
	Lifecycle       string `json:"lifecycle"`
	EndOfLife
}

// Lifecycles says what is on its way out. All but Leaving is for those who may curate the API; for anyone else it is
// ErrNotFound.
type Lifecycles interface {
	// Leaving lists what the caller's applications have to leave, the first sunset first.
	Leaving(ctx context.Context) ([]Leaving, error)
	// VersionLifecycle: version is a line, or NoVersion.
	VersionLifecycle(ctx context.Context, id, version string) (VersionLifecycle, error)
	SetVersionLifecycle(ctx context.Context, id, version string, n NewLifecycle) (VersionLifecycle, error)
}
