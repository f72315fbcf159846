package access

import (
	"fmt"
	"slices"
	"testing"

	"concierge/portal"
)

var audiences = []portal.Audience{portal.Internal, portal.Partner, portal.Public}

// decisions asks everything of a caller about things of their own organisation and division, and of others'.
var decisions = map[string]func(Caller) bool{
	"use own applications":        func(c Caller) bool { return MayUseApplications(c, c.Organisation) },
	"use others' applications":    func(c Caller) bool { return MayUseApplications(c, "org_other") },
	"change own applications":     func(c Caller) bool { return MayChangeApplications(c, c.Organisation) },
	"change others' applications": func(c Caller) bool { return MayChangeApplications(c, "org_other") },
	"decide own request":          func(c Caller) bool { return MayDecide(c, c.Division, c.Person) },
	"decide in own division":      func(c Caller) bool { return MayDecide(c, c.Division, "per_other") },
	"decide in another division":  func(c Caller) bool { return MayDecide(c, "other", "per_other") },
	"decide where none owns":      func(c Caller) bool { return MayDecide(c, "", "per_other") },
	"govern own division":         func(c Caller) bool { return MayGovern(c, c.Division) },
	"govern another division":     func(c Caller) bool { return MayGovern(c, "other") },
	"see own division's gateway":  func(c Caller) bool { return MaySeeGateway(c, c.Division) },
	"see another's gateway":       func(c Caller) bool { return MaySeeGateway(c, "other") },
	"sync own division's gateway": func(c Caller) bool { return MayAdministerGateway(c, c.Division) },
	"sync another's gateway":      func(c Caller) bool { return MayAdministerGateway(c, "other") },
	"sync a gateway of nobody":    func(c Caller) bool { return MayAdministerGateway(c, "") },
	"register gateways":           MayRegisterGateways,
	"operate":                     MayOperate,
	"see people":                  MaySeePeople,
	"manage people":               MayManagePeople,
}

// inside is what a role may do for an internal organisation that belongs to a division; of the rest, nothing.
var inside = map[Role][]string{
	PlatformAdministrator: {
		"use own applications", "change own applications",
		"decide in own division", "decide in another division", "decide where none owns", "govern own division", "govern another division",
		"see own division's gateway", "see another's gateway", "sync own division's gateway", "sync another's gateway", "sync a gateway of nobody",
		"register gateways", "operate", "see people", "manage people",
	},
	Auditor:               {"see own division's gateway", "see another's gateway", "see people"},
	DivisionAdministrator: {"decide in own division", "govern own division", "see own division's gateway", "sync own division's gateway"},
	APIOwner:              {"decide in own division", "govern own division"},
	OrganisationAdmin:     {"use own applications", "change own applications"},
	Developer:             {"use own applications", "change own applications"},
	Viewer:                {"use own applications"},
}

func TestEveryRoleAudienceAndDecision(t *testing.T) {
	for _, role := range Roles {
		may, ok := inside[role]
		if !ok {
			t.Errorf("role %s is not in the table", role)
		}
		for _, audience := range audiences {
			// A partner's caller carries a division here on purpose: it must not count.
			c := Caller{Person: "per_1", Organisation: "org_1", Audience: audience, Division: "payments", Roles: []Role{role}}
			for name, decide := range decisions {
				want := slices.Contains(may, name) && (audience == portal.Internal || !role.Company())
				if got := decide(c); got != want {
					t.Errorf("%s of an organisation that is %s, %s: %v, want %v", role, audience, name, got, want)
				}
			}
		}
	}
	for role, names := range inside {
		for _, name := range names {
			if decisions[name] == nil {
				t.Errorf("%s: there is no decision %q", role, name)
			}
		}
	}
}

func TestNobodyMayDoAnything(t *testing.T) {
	for _, c := range []Caller{{}, {Audience: portal.Internal}, {Person: "per_1", Organisation: "org_1", Audience: portal.Internal, Division: "payments"}} {
		for name, decide := range decisions {
			if decide(c) {
				t.Errorf("a caller without roles (%+v) may %s", c, name)
			}
		}
	}
}

func TestNoDivisionIsNobodys(t *testing.T) {
	for _, role := range []Role{DivisionAdministrator, APIOwner} {
		c := Caller{Person: "per_1", Organisation: "org_1", Audience: portal.Internal, Roles: []Role{role}}
		if MayGovern(c, "") || MayAdministerGateway(c, "") || MayDecide(c, "", "per_2") {
			t.Errorf("a %s without a division governs what has no owner", role)
		}
	}
}

func TestRolesAddUp(t *testing.T) {
	both := Caller{Person: "per_1", Organisation: "org_1", Audience: portal.Internal, Division: "payments", Roles: []Role{Viewer, APIOwner}}
	for name, decide := range decisions {
		want := slices.Contains(inside[Viewer], name) || slices.Contains(inside[APIOwner], name)
		if got := decide(both); got != want {
			t.Errorf("viewer and API owner, %s: %v, want %v", name, got, want)
		}
	}
}

func TestMayBeHeldIn(t *testing.T) {
	for _, role := range Roles {
		for _, audience := range audiences {
			want := audience == portal.Internal || slices.Contains([]Role{OrganisationAdmin, Developer, Viewer}, role)
			if got := role.MayBeHeldIn(audience); got != want {
				t.Errorf("%s in an organisation that is %s: %v, want %v", role, audience, got, want)
			}
		}
	}
}

func TestConsumerIsTheCaller(t *testing.T) {
	c := Caller{Person: "per_1", Organisation: "org_1", Audience: portal.Partner, Region: "eu", Roles: []Role{Developer}}
	want := portal.Consumer{Person: "per_1", Organisation: "org_1", Audience: portal.Partner, Region: "eu", Application: "app_1"}
	if got := c.Consumer("app_1"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAudiencesRank(t *testing.T) {
	for _, tc := range []struct {
		consumer, exposed portal.Audience
		rank              int
		ok                bool
	}{
		{portal.Internal, portal.Internal, 0, true},
		{portal.Internal, portal.Public, 1, true},
		{portal.Internal, portal.Partner, -1, false},
		{portal.Partner, portal.Partner, 0, true},
		{portal.Partner, portal.Public, 1, true},
		{portal.Partner, portal.Internal, -1, false},
		{portal.Public, portal.Public, 0, true},
		{portal.Public, portal.Internal, -1, false},
		{portal.Public, portal.Partner, -1, false},
		{"", "", -1, false},
		{"unheard-of", portal.Public, -1, false},
		{portal.Internal, "", -1, false},
	} {
		t.Run(fmt.Sprintf("%s to %s", tc.consumer, tc.exposed), func(t *testing.T) {
			if rank, ok := DefaultAudiences.Rank(tc.consumer, tc.exposed); ok != tc.ok || rank != tc.rank {
				t.Errorf("got %d, %v; want %d, %v", rank, ok, tc.rank, tc.ok)
			}
		})
	}
}

func TestWhoSeesConsumers(t *testing.T) {
	owner := Owner{Division: "cards", Team: "team_pay"}
	member := Caller{Audience: portal.Internal, Division: "cards", Teams: []portal.TeamID{"team_pay"}, Roles: []Role{Developer}}
	partner := member
	partner.Audience = portal.Partner
	for name, tc := range map[string]struct {
		who         Caller
		cards, bank bool // of deployments of these divisions
	}{
		"a member of its team":         {member, true, false},
		"a partner in a team":          {partner, false, false},
		"a member of another team":     {Caller{Audience: portal.Internal, Division: "cards", Teams: []portal.TeamID{"team_x"}}, false, false},
		"who governs its division":     {Caller{Audience: portal.Internal, Division: "cards", Roles: []Role{APIOwner}}, true, false},
		"who governs the other":        {Caller{Audience: portal.Internal, Division: "bank", Roles: []Role{DivisionAdministrator}}, false, true},
		"a member who governs another": {Caller{Audience: portal.Internal, Division: "bank", Teams: member.Teams, Roles: []Role{APIOwner}}, true, true},
		"a platform administrator":     {Caller{Audience: portal.Internal, Roles: []Role{PlatformAdministrator}}, true, true},
	} {
		if cards, bank := MaySeeConsumers(tc.who, owner, "cards"), MaySeeConsumers(tc.who, owner, "bank"); cards != tc.cards || bank != tc.bank {
			t.Errorf("%s: its own division's %t, another's %t", name, cards, bank)
		}
	}
}
