package correlate

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Reason is one thing that speaks for, or against, two deployments being one API. Pages translate its Code.
type Reason struct {
	Code string   `json:"code"`
	Args []string `json:"args,omitempty"`
}

// The codes, and the meaning of their arguments.
const (
	SameID         = "same-id"         // the id
	OtherID        = "other-id"        // the ids
	SameTitle      = "same-title"      // what the titles have in common
	SimilarTitle   = "similar-title"   // the titles
	OtherTitle     = "other-title"     // the titles
	SameOperations = "same-operations" // shared, of the one, of the other
	SomeOperations = "some-operations" // shared, of the one, of the other
	FewOperations  = "few-operations"  // shared, of the one, of the other
	SamePath       = "same-path"       // the path
	NamedAlike     = "named-alike"     // what base path, back end or title of both call it
	OtherNames     = "other-names"     // none
	SameUpstream   = "same-upstream"   // the host
	OtherUpstream  = "other-upstream"  // the hosts
	SameOwner      = "same-owner"      // the owner
	OtherOwner     = "other-owner"     // the owners
	NamedApart     = "named-apart"     // what names the one, and the other
	OtherDivision  = "other-division"  // none
	SeveralFit     = "several-fit"     // none
)

// english has the text of every code; $1 to $3 stand for the arguments.
var english = map[string]string{
	SameID:         "both name the id $1",
	OtherID:        "they name different ids, $1 and $2",
	SameTitle:      "same title: $1",
	SimilarTitle:   "similar titles: $1 and $2",
	OtherTitle:     "different titles: $1 and $2",
	SameOperations: "same operations: $1 in common, of $2 and $3",
	SomeOperations: "part of the operations: $1 in common, of $2 and $3",
	FewOperations:  "hardly any operation in common: $1, of $2 and $3",
	SamePath:       "same base path: $1",
	NamedAlike:     "base path, back end or title of both say: $1",
	OtherNames:     "neither title nor base path nor back end is called alike",
	SameUpstream:   "same back end: $1",
	OtherUpstream:  "different back ends: $1 and $2",
	SameOwner:      "same owner: $1",
	OtherOwner:     "different owners: $1 and $2",
	NamedApart:     "many have an API like this, and what else names them says $1 and $2",
	OtherDivision:  "they belong to different divisions",
	SeveralFit:     "several entries fit",
}

// Codes are all codes that there are, in no order.
func Codes() []string { return slices.Collect(maps.Keys(english)) }

// String is the reason in English.
func (r Reason) String() string {
	var args []string
	for i, arg := range r.Args {
		args = append(args, "$"+strconv.Itoa(i+1), arg)
	}
	return strings.NewReplacer(args...).Replace(english[r.Code])
}
