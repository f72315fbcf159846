package keys

import (
	"path"

	"concierge/portal"
)

// Policy says which subscriptions wait for an approver. The first rule that matches decides; where none does, the
// plan's own word counts, and production waits, as does an environment that is not known: it may be production.
type Policy []ApprovalRule

// ApprovalRule matches by API (a slug, * matches any run of characters) and environment; empty fields match all.
type ApprovalRule struct {
	API         string
	Environment portal.Environment
	Approval    portal.Approval
}

// Approval decides for one plan of a deployment of the API with the given slug. A plan that asks for approval on its
// gateway is never loosened by the default, only by a rule.
func (p Policy) Approval(slug string, d *portal.Deployment, plan portal.Plan) portal.Approval {
	for _, r := range p {
		if r.Environment != "" && r.Environment != d.Placement.Environment() {
			continue
		}
		if ok, err := path.Match(r.API, slug); r.API == "" || (err == nil && ok) {
			return r.Approval
		}
	}
	env := d.Placement.Environment()
	if plan.Approval == portal.Required || env == portal.Production || env == "" {
		return portal.Required
	}
	return portal.Automatic
}
