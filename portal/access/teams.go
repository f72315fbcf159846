package access

import (
	"slices"

	"concierge/portal"
)

// Owner is who answers for an API: the division whose catalog entry it is, and the team that it was given to, if any.
type Owner struct {
	Division portal.Division
	Team     portal.TeamID
}

// MayCurate: edit an API's texts and lifecycle, and see who uses it. These are the people who govern the division's APIs,
// and the members of the API's own team. A team counts in an internal organisation only, as company roles do.
func MayCurate(c Caller, o Owner) bool {
	return MayGovern(c, o.Division) || o.Team != "" && c.Audience == portal.Internal && slices.Contains(c.Teams, o.Team)
}

// MaySeeConsumers: see who uses the deployments that a division has of an API: those who govern them, and of the division
// that owns the API whoever may curate it. A team owns nothing of what another division joined to its API.
func MaySeeConsumers(c Caller, o Owner, of portal.Division) bool {
	return MayGovern(c, of) || of == o.Division && MayCurate(c, o)
}

// MayAssign: give an API to a team, or take it away. Governing its APIs is not enough: it is for administrators.
func MayAssign(c Caller, owner portal.Division) bool { return MayAdministerGateway(c, owner) }

// MaySeeTeams: list the teams of an organisation and their members. Everybody sees those of their own.
func MaySeeTeams(c Caller, in portal.OrganisationID) bool {
	return MaySeePeople(c) || c.Organisation == in
}

// MayManageTeams: make teams in an organisation, and say who is in them. The administrators of a company's own organisation
// decide what its people may do, as a team may own APIs.
func MayManageTeams(c Caller, in portal.OrganisationID) bool {
	return c.Has(PlatformAdministrator) || c.Organisation == in && c.Division != "" && c.Has(DivisionAdministrator)
}
