package routing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
)

// Explain is Resolve, with the reasons in words. They name only what the consumer may see.
func (t *Table) Explain(c portal.Consumer, r Request) (Result, []api.Reason, error) {
	res, _, err := t.walk(&c, &r)
	if err != nil {
		return res, nil, err
	}
	return res, res.reasons(&c, &r), nil
}

// reasons puts the codes of an answer into words. All that they name is the request's, the consumer's or the chosen
// deployment's own.
func (res *Result) reasons(c *portal.Consumer, r *Request) []api.Reason {
	var list []api.Reason
	for code := range res.Codes.All() {
		list = append(list, res.reason(code, c, r))
	}
	return list
}

func (res *Result) reason(code Code, c *portal.Consumer, r *Request) api.Reason {
	d := res.Deployment
	say := func(step, key, value, text string) api.Reason {
		reason := api.Reason{Step: step, Code: code.String(), Text: text}
		if value != "" {
			reason.Args = map[string]string{key: value}
			reason.Text = fmt.Sprintf(text, value)
		}
		return reason
	}
	switch code {
	case CodeVisible:
		return say("visible", "api", res.Name, "You may see %s.")
	case CodeEnvironment:
		return say("environment", "environment", string(r.Environment), "You asked for %s: no endpoint of another environment is considered.")
	case CodeAudienceOwn:
		return say("audience", "audience", string(d.Placement.Audience()), "It is made for your audience, %s.")
	case CodeAudienceAlso:
		return say("audience", "audience", string(d.Placement.Audience()), "It is exposed to %s, which you may use as well.")
	case CodeVersionAsked:
		return say("version", "version", r.Version, "You asked for version %s.")
	case CodeVersionNewest:
		if d.Line == "" {
			return say("version", "", "", "It states no version, and nothing that does is fit for newcomers.")
		}
		if res.Codes.Has(CodeSettled) {
			return say("version", "version", d.Line, "Version %s is the newest of what was here first that is neither deprecated nor a preview.")
		}
		return say("version", "version", d.Line, "Version %s is the newest of those that are neither deprecated nor a preview.")
	case CodeBinding:
		return say("binding", "application", string(c.Application), "Application %s holds a key there and stays until it is moved.")
	case CodeNewcomer:
		if c.Application == "" {
			return say("binding", "", "", "No application was named: this is the answer for a newcomer.")
		}
		return say("binding", "application", string(c.Application), "Application %s holds no key to go by: this is the answer for a newcomer.")
	case CodeSettled:
		return say("settled", "", "", "Others were found to be of this API later and come after it until its owner confirms them.")
	case CodeRegionSame:
		return say("order", "region", string(d.Placement.Region()), "It is preferred for its region, %s.")
	case CodeGenerationCurrent:
		return say("order", "", "", "It is preferred as the current generation to a legacy one.")
	case CodeDivisionSame:
		return say("order", "division", string(d.Placement.Division()), "It is preferred for its division, %s.")
	case CodePriority:
		return say("order", "gateway", string(d.Gateway), "It is preferred for the priority of its gateway, %s.")
	case CodeOnlyOne:
		return say("order", "", "", "It is the only one that fits.")
	default:
		return say("order", "", "", "Others fit as well as this one: the order of their ids decided.")
	}
}

// Account is a decision as an administrator reads it. It names what the consumer may not see.
type Account struct {
	Result     Result
	Err        error        // as Resolve
	Why        []api.Reason // as Explain
	Candidates []Considered // every deployment of the API, by id; none where the API does not exist
	Stranded   []Binding    // the application's bindings to this API that are not followed
	Entry      portal.APIID // the API, also where the consumer may not see it
	Owner      portal.Division
}

// Considered is one deployment and what became of it.
type Considered struct {
	Deployment *portal.Deployment
	Removed    string // what removed it: one of the Removed constants; empty for the one chosen
	Text       string // the same in words
}

// What removes a deployment from a decision, in the order of the steps. Among equals it is the code of the reason for
// which another one was preferred: "region_same" and so on, "tie" for a higher id.
const (
	RemovedUnclassified = "unclassified"
	RemovedEnvironment  = "environment"
	RemovedAudience     = "audience"
	RemovedInactive     = "inactive"
	RemovedBinding      = "binding"
	RemovedSettled      = "settled"
	RemovedVersion      = "version"
	RemovedRetired      = "retired"
	RemovedLifecycle    = "lifecycle"
	RemovedLadder       = "audience_own"
	RemovedFleet        = "fleet"
)

// ExplainFull is Explain for administrators: every deployment of the API and what removed it.
func (t *Table) ExplainFull(c portal.Consumer, r Request) Account {
	res, equals, err := t.walk(&c, &r)
	a := Account{Result: res, Err: err}
	if err == nil {
		a.Why = res.reasons(&c, &r)
	}
	e := t.entries.get(res.API)
	if e == nil { // the consumer may not see it
		if e = t.names.get(r.API).entry; e == nil {
			return a
		}
	}
	a.Entry, a.Owner = e.ID, e.Entry.Owner
	for i := range e.Deployments {
		d := &e.Deployments[i]
		removed := t.removed(d, &c, &r, &res, equals)
		a.Candidates = append(a.Candidates, Considered{Deployment: d, Removed: removed, Text: removedTexts[removed]})
	}
	slices.SortFunc(a.Candidates, func(x, y Considered) int {
		return strings.Compare(string(x.Deployment.ID), string(y.Deployment.ID))
	})
	a.Stranded = t.strandedBindings(&c, &r, e)
	return a
}

// removed says what took a deployment out of a decision. equals are those among which step 8 decided.
func (t *Table) removed(d *portal.Deployment, c *portal.Consumer, r *Request, res *Result, equals []candidate) string {
	rank, allowed := t.axes.ladder.Rank(c.Audience, d.Placement.Audience())
	switch {
	case d == res.Deployment:
		return ""
	case !d.Placement.Classified() || t.axes.environment(d.Placement.Environment()) < 0:
		return RemovedUnclassified
	case d.Placement.Environment() != r.Environment:
		return RemovedEnvironment
	case !allowed || t.axes.audience(c.Audience) < 0:
		return RemovedAudience
	case !d.Active:
		return RemovedInactive
	case res.Bound():
		return RemovedBinding
	case r.Version != "" && d.Line != r.Version:
		return RemovedVersion
	case stageOf(d.Lifecycle) == retired:
		return RemovedRetired
	case r.Version == "" && stageOf(d.Lifecycle) > 0:
		return RemovedLifecycle
	}
	// It qualifies, so something was chosen: it is one of the equals or behind them.
	var best *candidate
	for i := range equals {
		if equals[i].deployment == res.Deployment {
			best = &equals[i]
		}
	}
	for i := range equals {
		if equals[i].deployment == d {
			return difference(best.meritFor(c, r), equals[i].meritFor(c, r)).String()
		}
	}
	switch {
	case !d.Since.Equal(best.deployment.Since):
		return RemovedSettled
	case rank != int(best.rank):
		return RemovedLadder
	case d.Line != best.deployment.Line:
		return RemovedVersion
	case stageOf(d.Lifecycle) != best.stage:
		return RemovedLifecycle
	default:
		return RemovedFleet
	}
}

var removedTexts = map[string]string{
	"":                             "Chosen.",
	RemovedUnclassified:            "Its audience or environment is unknown or not configured: no consumer sees it.",
	RemovedEnvironment:             "It belongs to another environment.",
	RemovedAudience:                "The consumer's audience may not use it.",
	RemovedInactive:                "Its gateway lists it but does not serve it.",
	RemovedBinding:                 "The application is bound to another one.",
	RemovedSettled:                 "It was joined automatically after the one chosen: it comes after that until a person confirms the join.",
	RemovedVersion:                 "It is of another version.",
	RemovedRetired:                 "It is retired: only applications that hold a key there still use it.",
	RemovedLifecycle:               "It is deprecated or a preview.",
	RemovedFleet:                   "Another one of its fleet, at the same address, stands for it.",
	RemovedLadder:                  "Another one is made for an audience nearer to the consumer's.",
	CodeRegionSame.String():        "Another one is in the preferred region.",
	CodeGenerationCurrent.String(): "It is legacy, and another one is current.",
	CodeDivisionSame.String():      "Another one is of the consumer's division.",
	CodePriority.String():          "Another one's gateway has a higher priority.",
	CodeTie.String():               "Ambiguous: it is as good as the one chosen, which has the lower id.",
}

// strandedBindings lists the bindings of the consumer's application to an entry that a request does not follow because
// their deployments are no candidates for the consumer any more.
func (t *Table) strandedBindings(c *portal.Consumer, r *Request, e *entry) []Binding {
	app := t.applications.get(c.Application)
	if app == nil || app.Organisation != c.Organisation {
		return nil
	}
	var cell []candidate
	if audience, environment := t.axes.audience(c.Audience), t.axes.environment(r.Environment); audience >= 0 && environment >= 0 {
		if v := e.views[audience]; v.visible() {
			cell = cellOf(v.candidates, environment)
		}
	}
	var list []Binding
	for i := range app.Bindings {
		b := &app.Bindings[i]
		if b.API == e.ID && b.applies(r) && holding(cell, b.Deployment, r.Version) == nil {
			list = append(list, *b)
		}
	}
	slices.SortFunc(list, func(x, y Binding) int {
		return cmp.Or(strings.Compare(string(x.Deployment), string(y.Deployment)), strings.Compare(x.Line, y.Line))
	})
	return list
}
