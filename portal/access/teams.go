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
