package routing

import (
	"cmp"
	"iter"
	"math/bits"

	"concierge/portal"
)

// Request asks for an endpoint.
type Request struct {
	API         string // slug, alias or id
	Version     string // a line, matched exactly; empty: the newest one fit for newcomers
	Environment portal.Environment
	Region      portal.Region // empty: the consumer's own
}

// Result is the answer to a request.
type Result struct {
	// Deployment is where the consumer is sent. It is shared: change nothing in it.
	Deployment *portal.Deployment
	API        portal.APIID
	Name       string // of the API, as this consumer knows it
	Codes      Codes  // why, step by step
	Table      int64  // version of the table that answered
	// Stranded: the application has a binding here whose deployment the consumer may no longer use. It is not followed.
	Stranded bool
}

// Bound reports whether the answer follows from a binding.
func (r Result) Bound() bool { return r.Codes.Has(CodeBinding) }

// Ambiguous reports whether only the order of ids decided.
func (r Result) Ambiguous() bool { return r.Codes.Has(CodeTie) }

// Code names one reason.
type Code uint8

// The reasons, in the order in which they are given.
const (
	CodeVisible           Code = iota // the consumer may see the API
	CodeEnvironment                   // only the asked environment counts
	CodeAudienceOwn                   // exposed to the consumer's own audience
	CodeAudienceAlso                  // exposed to another audience that theirs may use
	CodeVersionAsked                  // the version was named
	CodeVersionNewest                 // the newest version fit for newcomers
	CodeBinding                       // the application holds a credential there
	CodeNewcomer                      // it holds none, or none was named
	CodeSettled                       // others were joined automatically after it
	CodeOnlyOne                       // nothing else was left
	CodeRegionSame                    // preferred to others for its region
	CodeGenerationCurrent             // preferred to legacy ones
	CodeDivisionSame                  // preferred to others for its division
	CodePriority                      // preferred to others for its gateway's priority
	CodeTie                           // others are as good; the lowest id was taken
	codeCount
)

var codeNames = [codeCount]string{
	"visible", "environment", "audience_own", "audience_also", "version_asked", "version_newest", "binding", "newcomer",
	"settled", "only_one", "region_same", "generation_current", "division_same", "priority", "tie",
}

// String returns the code as it is written in answers.
func (c Code) String() string { return codeNames[c] }

// Codes is a set of reasons, without memory of its own.
type Codes uint16

// Has reports whether a reason is among them.
func (c Codes) Has(code Code) bool { return c&(1<<code) != 0 }

// All lists the reasons in the order in which they are given.
func (c Codes) All() iter.Seq[Code] {
	return func(yield func(Code) bool) {
		for code := CodeVisible; code < codeCount; code++ {
			if c.Has(code) && !yield(code) {
				return
			}
		}
	}
}

// Resolve decides where a consumer is sent. It allocates nothing.
//
// Errors: portal.ErrNotFound for an API that does not exist or that the consumer may not see, without a difference;
// *portal.NoEndpointError, shared with other answers, for one that they see but that has no endpoint for the request.
func (t *Table) Resolve(c portal.Consumer, r Request) (Result, error) {
	res, _, err := t.walk(&c, &r)
	return res, err
}

// walk takes the steps of a decision. It also returns the equals among which the last step decided.
func (t *Table) walk(c *portal.Consumer, r *Request) (res Result, equals []candidate, err error) {
	res.Table = t.version

	// Step 1: what the consumer may not see does not exist.
	found := t.find(c.Audience, r.API)
	v := found.view
	if v == nil {
		return res, nil, portal.ErrNotFound
	}
	res.API, res.Name = v.id, v.name
	res.Codes |= 1 << CodeVisible

	// Step 2: that environment only. Step 3 has been compiled in: the cell holds what the audience may use.
	environment := t.axes.environment(r.Environment)
	if environment < 0 {
		return res, nil, v.none
	}
	cell := cellOf(found.candidates, environment)
	res.Codes |= 1 << CodeEnvironment

	// Step 5, rules, will go before the binding: deny and require take candidates out of the cell for step 6 too.

	// Step 6: a binding outdoes the ladder, the newest version and all that follows.
	bound, stranded := t.bound(c, r, v.id, cell)
	res.Stranded = stranded
	if bound != nil {
		res.decide(r, bound, CodeBinding)
		return res, nil, nil
	}

	// Steps 3 and 4: the first that qualifies is of the best audience, of the asked or newest version; its equals follow.
	// What was joined automatically comes after what was there before.
	equals, later := qualified(cell, r.Version)
	if len(equals) == 0 {
		return res, nil, v.nothing(cell, r.Version)
	}

	// Step 7, health, will take what is down out of the equals, as long as one is left.

	best, decided := prefer(equals, c, r)
	res.decide(r, best, CodeNewcomer)
	res.Codes |= decided | later
	return res, equals, nil
}

// find returns what an audience sees of the first entry of that name that they may see.
func (t *Table) find(audience portal.Audience, name string) sight {
	number := t.axes.audience(audience)
	if number < 0 {
		return sight{}
	}
	return t.classes[number].names.get(name)
}

// decide notes the deployment, and what steps 3, 4 and 6 have to say about it; how is CodeBinding or CodeNewcomer.
func (res *Result) decide(r *Request, c *candidate, how Code) {
	res.Deployment = c.deployment
	if c.rank == 0 {
		res.Codes |= 1 << CodeAudienceOwn
	} else {
		res.Codes |= 1 << CodeAudienceAlso
	}
	switch {
	case r.Version != "":
		res.Codes |= 1 << CodeVersionAsked
	case how != CodeBinding:
		res.Codes |= 1 << CodeVersionNewest
	}
	res.Codes |= 1 << how
}

// bound returns the candidate where the consumer's application holds a credential for the environment and, if one is
// asked for, the version. Of several the newest version wins, then the order of the cell. stranded reports a binding to
// this API, or this version of it, whose deployment is no candidate for the request any more.
//
// A binding is followed by its deployment and not by its API: entries are joined and split while credentials live on.
func (t *Table) bound(c *portal.Consumer, r *Request, api portal.APIID, cell []candidate) (best *candidate, stranded bool) {
	if c.Application == "" {
		return nil, false
	}
	app := t.applications.get(c.Application)
	if app == nil || app.Organisation != c.Organisation {
		return nil, false
	}
	for i := range app.Bindings {
		b := &app.Bindings[i]
		if !b.applies(r) {
			continue
		}
		at := holding(cell, b.Deployment, r.Version)
		switch {
		case at == nil:
			stranded = stranded || b.API == api
		case best == nil || at.newer(best):
			best = at
		}
	}
	return best, stranded
}

// applies reports whether a binding is for the environment and, if one is asked for, the version of a request.
func (b *Binding) applies(r *Request) bool {
	return b.Environment == r.Environment && (r.Version == "" || r.Version == b.Line)
}

// holding returns the candidate that is a certain deployment, of a version if one is given.
func holding(cell []candidate, id portal.DeploymentID, version string) *candidate {
	for i := range cell {
		if d := cell[i].deployment; d.ID == id && (version == "" || d.Line == version) {
			return &cell[i]
		}
	}
	return nil
}

// newer reports whether c goes before d among the deployments to which one application is bound.
func (c *candidate) newer(d *candidate) bool {
	return cmp.Or(cmp.Compare(c.joined, d.joined), cmp.Compare(c.line, d.line), c.compare(d)) < 0
}

// qualified returns the equals that are left after steps 3 and 4. later is CodeSettled where others qualify that were
// joined automatically after them.
func qualified(cell []candidate, version string) (equals []candidate, later Codes) {
	for first := range cell {
		c := &cell[first]
		if !c.qualifies(version) {
			continue
		}
		end := first + 1
		for end < len(cell) && cell[end].equal(c) {
			end++
		}
		for i := len(cell) - 1; i >= end && cell[i].joined > c.joined; i-- {
			if cell[i].qualifies(version) {
				later = 1 << CodeSettled
				break
			}
		}
		return cell[first:end], later
	}
	return nil, 0
}

// qualifies reports whether a candidate is of the version that is asked for or, where none is, fit for newcomers.
func (c *candidate) qualifies(version string) bool {
	if version == "" {
		return c.stage == 0
	}
	return c.stage != retired && c.deployment.Line == version
}

// nothing is the answer where nothing qualifies.
func (v *view) nothing(cell []candidate, version string) *portal.NoEndpointError {
	for i := range cell {
		if c := &cell[i]; c.stage == retired && (version == "" || c.deployment.Line == version) {
			return v.retired
		}
	}
	return v.none
}

// prefer takes step 8. decided are the reasons that made a difference.
func prefer(equals []candidate, c *portal.Consumer, r *Request) (best *candidate, decided Codes) {
	if len(equals) == 1 {
		return &equals[0], 1 << CodeOnlyOne
	}
	least := ^uint64(0)
	for i := range equals {
		if m := equals[i].meritFor(c, r); m < least {
			best, least = &equals[i], m
		}
	}
	for i := range equals {
		if other := &equals[i]; other != best {
			decided |= 1 << difference(least, other.meritFor(c, r))
		}
	}
	return best, decided
}

// meritFor is step 8 for one consumer; the smaller is better.
func (c *candidate) meritFor(who *portal.Consumer, r *Request) uint64 {
	m := c.merit
	region := r.Region
	if region == "" {
		region = who.Region
	}
	if region != "" && c.region != region {
		m |= otherRegion
	}
	if who.Division != "" && c.division != who.Division {
		m |= otherDivision
	}
	return m
}

// difference names what decides between two merits.
func difference(a, b uint64) Code {
	switch n := bits.Len64(a ^ b); {
	case n == 0:
		return CodeTie
	case n <= 32:
		return CodePriority
	case n == bits.Len64(otherDivision):
		return CodeDivisionSame
	case n == bits.Len64(legacy):
		return CodeGenerationCurrent
	default:
		return CodeRegionSame
	}
}
