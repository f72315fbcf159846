package api

import (
	"context"
	"time"
)

// Team is some of an organisation's people. A team of an internal organisation may own APIs.
type Team struct {
	ID             string       `json:"id"`
	Name           string       `json:"name"`
	Organisation   string       `json:"organisation"`
	OrganisationID string       `json:"organisation_id"`
	Size           int          `json:"size"`
	Members        []TeamMember `json:"members,omitempty" doc:"Only on a single team"`
	Others         []TeamMember `json:"others,omitempty" doc:"Only on a single team, for those who may manage it: people of its organisation who are not in it"`
	CanManage      bool         `json:"can_manage"`
	Owns           int          `json:"owns,omitempty" doc:"How many APIs; only on a single team, for those who may manage it"`
	Created        time.Time    `json:"created"`
}

// TeamMember is somebody in a team.
type TeamMember struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// NewTeam asks for a team. An empty organisation means the caller's.
type NewTeam struct {
	Name         string `json:"name" minLength:"1" maxLength:"100"`
	Organisation string `json:"organisation,omitempty" doc:"Its id"`
}

// TeamChange changes a team.
type TeamChange struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
}

// Teams are those of the caller's organisation; who may see all people sees all.
type Teams interface {
	Teams(ctx context.Context) ([]Team, error)
	Team(ctx context.Context, id string) (Team, error)
	CreateTeam(ctx context.Context, n NewTeam) (Team, error)
	// RenameTeam: ErrConflict where the name is taken.
	RenameTeam(ctx context.Context, id string, c TeamChange) (Team, error)
	// DeleteTeam gives what the team owns back to its division.
	DeleteTeam(ctx context.Context, id string) error
	// SetTeamMember is repeatable.
	SetTeamMember(ctx context.Context, team, person string, member bool) (Team, error)
}
