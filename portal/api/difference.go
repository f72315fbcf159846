package api

import "context"

// DifferenceQuery asks what a caller of one side meets who is sent to the other.
type DifferenceQuery struct {
	API      string
	From, To SideQuery
}

// SideQuery names one side: what the caller is sent to for a version and an environment, or, for whoever governs it, one
// deployment by its id. An empty version is the newest one fit for newcomers.
type SideQuery struct {
	Version     string
	Environment string
	Deployment  string
}

// Difference says what differs between two deployments' documents, as the caller gets to read them. Where they are served is
// left out.
type Difference struct {
	API           string         `json:"api"`
	Title         string         `json:"title"`
	From          DifferenceSide `json:"from"`
	To            DifferenceSide `json:"to"`
	Same          bool           `json:"same" doc:"Nothing differs but the address"`
	Basis         string         `json:"basis" enum:"documents,operations" doc:"What was compared: everything, or only which operations there are"`
	Reason        string         `json:"reason,omitempty" enum:"synthesised,kind,too-large,too-slow,unreadable" doc:"Why only operations were compared"`
	Breaking      int            `json:"breaking" doc:"How many changes break calls"`
	Compatible    int            `json:"compatible"`
	Documentation int            `json:"documentation" doc:"How many change words and examples only"`
	Changes       []Change       `json:"changes" doc:"By level, path and method"`
	More          int            `json:"more,omitempty" doc:"Changes that are left out for their number"`
	Subscriptions []Touched      `json:"subscriptions" doc:"Those to either side that the caller may see: their own, and those of APIs that they govern"`
	MoreTouched   bool           `json:"more_subscriptions,omitempty" doc:"There are more of them"`
}

// DifferenceSide is one side of a comparison.
type DifferenceSide struct {
	Version     string `json:"version"`
	Environment string `json:"environment"`
	Gateway     string `json:"gateway"`
	Deployment  string `json:"deployment,omitempty" doc:"For whoever governs it"`
	Synthesised bool   `json:"synthesised,omitempty" doc:"Its document was made from routes"`
}

// Change is one thing that differs.
type Change struct {
	Level    string         `json:"level" enum:"breaking,compatible,documentation"`
	Possible bool           `json:"possible,omitempty" doc:"Breaks only callers who rely on what changed"`
	Method   string         `json:"method,omitempty"`
	Path     string         `json:"path,omitempty"`
	Schema   string         `json:"schema,omitempty" doc:"In place of method and path: a schema that operations share"`
	Uses     []OperationRef `json:"uses,omitempty" doc:"Some of the operations that use the schema"`
	UsesMore int            `json:"uses_more,omitempty" doc:"How many more use it"`
	Code     string         `json:"code"`
	Text     string         `json:"text" doc:"English; names between backticks"`
}

// OperationRef names an operation.
type OperationRef struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Touched is a subscription to one side of a comparison.
type Touched struct {
	Side            string `json:"side" enum:"from,to"`
	ID              string `json:"id"`
	Application     string `json:"application"`
	ApplicationName string `json:"application_name"`
	Organisation    string `json:"organisation"`
	State           string `json:"state"`
}

// Differences compares documents.
type Differences interface {
	// Difference: portal.ErrNotFound where either side is not for the caller, as Spec; portal.ErrUnavailable in a
	// portal.RetryAfterError while the comparison takes longer than ctx or the portal allows: it goes on, so ask again.
	Difference(ctx context.Context, q DifferenceQuery) (Difference, error)
}
