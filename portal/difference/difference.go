// Package difference says what differs between two API descriptions, for those who call the API: what breaks their calls,
// what does not, and what is words only.
//
// It is given descriptions as they are served to one caller, so a report tells nothing that the caller could not have read
// in them. Where an API is served (servers, host, basePath) is left out: that differs between any two deployments.
//
// OpenAPI 3 is compared by the rules of github.com/oasdiff/oasdiff; 2.0 is converted to 3.0 first. What those rules cannot
// read, or what would take too long, is compared by its operations alone, and the report says so and why. No reference out
// of a description is followed: there is no file and no network. Compare is pure and does not panic; a Comparer bounds the
// time and the number of comparisons, and remembers their reports.
package difference

import (
	"bytes"
	"cmp"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// Level says what a change means for those who call the API.
type Level string

// The levels, in the order of a report.
const (
	Breaking      Level = "breaking"
	Compatible    Level = "compatible"
	Documentation Level = "documentation" // words and examples only
)

// Levels lists them in order.
var Levels = []Level{Breaking, Compatible, Documentation}

// Change is one thing that differs.
type Change struct {
	Level Level
	// Possible marks a breaking change that breaks only callers who rely on what changed, such as a value that a response
	// did not have before.
	Possible bool
	// Method and Path name the operation as the side has it that has it; both are empty for what concerns all of them, Method
	// alone for a whole path.
	Method, Path string
	// Schema is set in their place where a schema has changed that operations share: Uses names some of them, UsesMore
	// counts the others.
	Schema   string
	Uses     []Operation
	UsesMore int
	Code     string // stable, for programs: a rule of oasdiff, or one of ours
	Text     string // English, with names from the descriptions between backticks: escape it
}

// Codes of our own changes; all others are rules of oasdiff.
const (
	CodeOperationRemoved = "operation-removed"
	CodeOperationAdded   = "operation-added"
	CodeTexts            = "texts-changed"
	CodeOther            = "other-changed" // no rule knows it, such as a schema that no call uses
)

const goneText = "the operation is gone"

// Basis says what was compared.
type Basis string

// Everything the descriptions say, or nothing but which operations there are.
const (
	Documents  Basis = "documents"
	Operations Basis = "operations"
)

// Reason says why only operations were compared.
type Reason string

// The reasons.
const (
	Synthesised Reason = "synthesised" // one of them was made from routes and says nothing else
	OtherKind   Reason = "kind"        // they are not OpenAPI
	TooLarge    Reason = "too-large"
	TooSlow     Reason = "too-slow"
	Unreadable  Reason = "unreadable" // the rules cannot read one of them
)

// Report is what differs. Changes are in the order of their level, path, method, code and text.
type Report struct {
	Same    bool // nothing differs but the address
	Basis   Basis
	Reason  Reason // empty with Documents
	Changes []Change
	More    int           // changes that are left out for their number, the least important
	Counts  map[Level]int // of all changes

	// Failure is why the rules gave up, for the log: it may quote the descriptions. Only with Unreadable.
	Failure error
}

// Document is one side of a comparison.
type Document struct {
	Content []byte // as served, in JSON where it is OpenAPI
	// Operations are compared where Content cannot be. Of OpenAPI they are read from Content.
	Operations []Operation
}

// Operation is one thing that an API does.
type Operation struct {
	Method string // upper case
	Path   string // template; names of parameters do not count
}

// Limits bound what one comparison may cost. A zero field means its default.
type Limits struct {
	MaxBytes      int // of one description; default 16 MiB, room for GitHub's
	MaxNodes      int // values in one description; default 400,000
	MaxDepth      int // default 120
	MaxDefinition int // parts that others can refer to; default 20,000. It bounds the rules' stack
	// MaxPairs bounds the work that grows with the square of a list: the sum of the squares of all lists' lengths. Default
	// 50 million.
	MaxPairs   int
	MaxChanges int // in a report; default 1,000
}

func (l Limits) withDefaults() Limits {
	l.MaxBytes = cmp.Or(l.MaxBytes, 16<<20)
	l.MaxNodes = cmp.Or(l.MaxNodes, 400_000)
	l.MaxDepth = cmp.Or(l.MaxDepth, 120)
	l.MaxDefinition = cmp.Or(l.MaxDefinition, 20_000)
	l.MaxPairs = cmp.Or(l.MaxPairs, 50_000_000)
	l.MaxChanges = cmp.Or(l.MaxChanges, 1000)
	return l
}

// Compare says what a caller of from meets who is sent to to.
func Compare(from, to Document, limits Limits) Report {
	p := prepare(from, to, limits)
	if p.short != "" || p.same {
		return p.shallow(p.short)
	}
	return p.deep()
}

// prepared are two descriptions, read as far as their operations.
type prepared struct {
	from, to *side
	limits   Limits
	aligned  *aligner
	same     bool
	short    Reason // why operations are all that can be compared
}

func prepare(from, to Document, limits Limits) prepared {
	limits = limits.withDefaults()
	p := prepared{limits: limits}
	if bytes.Equal(from.Content, to.Content) && slices.Equal(from.Operations, to.Operations) {
		p.same, p.from, p.to = true, &side{}, &side{}
		return p
	}
	p.from, p.to = read(from, limits), read(to, limits)
	p.short = cmp.Or(p.from.short, p.to.short)
	switch {
	case p.short != "":
	case p.from.tree.equal(p.to.tree):
		p.same = true
	default:
		var one, other tree
		if one, other, p.aligned, p.short = align(p.from.tree, p.to.tree); p.short == "" && foresee(one, other) {
			p.short = TooSlow
		}
		p.from.aligned, p.to.aligned = one, other
	}
	return p
}

// shallow compares by operations.
func (p prepared) shallow(why Reason) Report {
	r := Report{Same: p.same, Basis: Operations, Reason: why, Counts: map[Level]int{}}
	if p.same {
		r.Basis, r.Reason = Documents, ""
		return r
	}
	var found []Change
	for _, op := range p.from.operations {
		if !p.to.has(op) {
			found = append(found, Change{Level: Breaking, Method: op.Method, Path: op.Path, Code: CodeOperationRemoved, Text: goneText})
		}
	}
	for _, op := range p.to.operations {
		if !p.from.has(op) {
			found = append(found, Change{Level: Compatible, Method: op.Method, Path: op.Path, Code: CodeOperationAdded, Text: "the operation is new"})
		}
	}
	r.take(found, p.limits.MaxChanges)
	return r
}

// deep compares by the rules, and by operations where they fail.
func (p prepared) deep() Report {
	found, err := p.rules()
	if err != nil {
		r := p.shallow(Unreadable)
		r.Failure = err
		return r
	}
	found = append(found, texts(p.from.tree, p.to.tree)...)
	if len(found) == 0 {
		found = []Change{{Level: Compatible, Code: CodeOther, Text: "something differs that changes no call, such as a schema that no operation uses or the name of a parameter in a path"}}
	}
	r := Report{Basis: Documents, Counts: map[Level]int{}}
	r.take(found, p.limits.MaxChanges)
	return r
}

// rules asks oasdiff. What it does with a broken description is its own affair: a panic is an error.
func (p prepared) rules() (found []Change, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("comparing two API descriptions panicked: %v\n%s", panicked, debug.Stack())
		}
	}()
	return check(p.from.aligned, p.to.aligned, p.aligned)
}

// take sorts changes, drops repeated ones and keeps as many as fit.
func (r *Report) take(found []Change, most int) {
	slices.SortFunc(found, func(a, b Change) int {
		return cmp.Or(
			slices.Index(Levels, a.Level)-slices.Index(Levels, b.Level), strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method),
			strings.Compare(a.Schema, b.Schema), strings.Compare(a.Code, b.Code), strings.Compare(a.Text, b.Text))
	})
	found = slices.CompactFunc(found, func(a, b Change) bool {
		return a.Level == b.Level && a.Path == b.Path && a.Method == b.Method && a.Schema == b.Schema && a.Code == b.Code && a.Text == b.Text
	})
	for _, c := range found {
		r.Counts[c.Level]++
	}
	if len(found) > most {
		found, r.More = found[:most:most], len(found)-most
	}
	r.Changes = found
}
