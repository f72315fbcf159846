// Package access decides who may see or do what: pure functions over who asks and what is asked for. Pages and HTTP API
// alike ask it, on every path; a no is answered like a thing that does not exist.
package access

import (
	"slices"

	"concierge/portal"
)

// Role is what a person may do.
type Role string

// Company roles are held by people of an internal organisation; organisation roles by anybody in theirs.
const (
	PlatformAdministrator Role = "platform-administrator"
	Auditor               Role = "auditor"
	DivisionAdministrator Role = "division-administrator" // of the division of their organisation
	APIOwner              Role = "api-owner"              // of the APIs of their organisation's division

	OrganisationAdmin Role = "admin"
	Developer         Role = "developer"
	Viewer            Role = "viewer"
)

// Roles lists every role, company roles first.
var Roles = []Role{PlatformAdministrator, Auditor, DivisionAdministrator, APIOwner, OrganisationAdmin, Developer, Viewer}

// Company reports whether the role gives rights over the company's own things.
func (r Role) Company() bool {
	return slices.Contains([]Role{PlatformAdministrator, Auditor, DivisionAdministrator, APIOwner}, r)
}

// MayBeHeldIn reports whether people of an organisation with that audience may be given the role.
func (r Role) MayBeHeldIn(a portal.Audience) bool { return !r.Company() || a == portal.Internal }

// Caller is a person who acts for one organisation, by session or token.
type Caller struct {
	Person           portal.PersonID
	Name             string
	Email            string
	Organisation     portal.OrganisationID
	OrganisationName string
	Audience         portal.Audience // the organisation's
	Division         portal.Division // the organisation's
	Region           portal.Region   // the organisation's
	Roles            []Role
	Teams            []portal.TeamID // of the organisation that the caller is in
}

// Has reports whether the caller holds a role. A company role counts in an internal organisation only.
func (c Caller) Has(r Role) bool {
	return slices.Contains(c.Roles, r) && r.MayBeHeldIn(c.Audience)
}

// Consumer is the caller as routing sees it.
func (c Caller) Consumer(app portal.ApplicationID) portal.Consumer {
	return portal.Consumer{
		Person: c.Person, Organisation: c.Organisation, Audience: c.Audience,
		Division: c.Division, Region: c.Region, Application: app,
	}
}

// MayUseApplications: see and use the applications of an organisation.
func MayUseApplications(c Caller, owner portal.OrganisationID) bool {
	return c.Organisation == owner && (c.Has(OrganisationAdmin) || c.Has(Developer) || c.Has(Viewer) || c.Has(PlatformAdministrator))
}

// MayChangeApplications: create them, subscribe, claim, rotate and revoke.
func MayChangeApplications(c Caller, owner portal.OrganisationID) bool {
	return c.Organisation == owner && (c.Has(OrganisationAdmin) || c.Has(Developer) || c.Has(PlatformAdministrator))
}

// MayDecide: approve or reject a subscription to a deployment of a division. Nobody decides their own request.
func MayDecide(c Caller, owner portal.Division, requester portal.PersonID) bool {
	return c.Person != requester && MayGovern(c, owner)
}

// MayGovern: see and decide what belongs to a division's APIs.
func MayGovern(c Caller, owner portal.Division) bool {
	if c.Has(PlatformAdministrator) {
		return true
	}
	return owner != "" && c.Division == owner && (c.Has(DivisionAdministrator) || c.Has(APIOwner))
}

// MaySeeGateway: see a gateway's page.
func MaySeeGateway(c Caller, owner portal.Division) bool {
	return c.Has(Auditor) || MayAdministerGateway(c, owner)
}

// MayAdministerGateway: sync and change a gateway.
func MayAdministerGateway(c Caller, owner portal.Division) bool {
	return c.Has(PlatformAdministrator) || (owner != "" && c.Division == owner && c.Has(DivisionAdministrator))
}

// MayRegisterGateways: add a gateway, and widen bounds.
func MayRegisterGateways(c Caller) bool { return c.Has(PlatformAdministrator) }

// MayPlaceIn: say by rule or override that a deployment of an owner's gateway belongs to a division. To give one to another
// division, or take one from it, is for the platform; so are the bounds, which no rule and no override leaves.
func MayPlaceIn(c Caller, owner, division portal.Division) bool {
	return c.Has(PlatformAdministrator) || division == owner
}

// MayOperate: see and steer the portal's own work: its jobs, its sites and their workers.
func MayOperate(c Caller) bool { return c.Has(PlatformAdministrator) }

// MaySeePeople: list organisations and people.
func MaySeePeople(c Caller) bool { return c.Has(PlatformAdministrator) || c.Has(Auditor) }

// MayManagePeople: make organisations, invite, give roles, disable.
func MayManagePeople(c Caller) bool { return c.Has(PlatformAdministrator) }

// Audiences says which deployments' audiences an audience may use, the own first.
type Audiences map[portal.Audience][]portal.Audience

// DefaultAudiences is used where configuration says nothing.
var DefaultAudiences = Audiences{
	portal.Internal: {portal.Internal, portal.Public},
	portal.Partner:  {portal.Partner, portal.Public},
	portal.Public:   {portal.Public},
}

// Rank says how far an exposed audience is from the consumer's own: 0 is the own; ok is false where it is not allowed.
func (a Audiences) Rank(consumer, exposed portal.Audience) (rank int, ok bool) {
	rank = slices.Index(a[consumer], exposed)
	return rank, rank >= 0
}
