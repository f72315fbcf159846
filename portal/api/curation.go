package api

import (
	"context"
	"time"

	"concierge/portal"
)

// Texts are what the owners of an API say about it, each marked for its audience.
type Texts struct {
	API       string                `json:"api"`
	Title     string                `json:"title"`
	Revision  int64                 `json:"revision" doc:"Number of these texts; 0: there are none yet"`
	Published bool                  `json:"published" doc:"False: a draft, which only owners see"`
	Texts     []portal.AudienceText `json:"texts" doc:"One for each audience"`
	Guides    []portal.Guide        `json:"guides" doc:"In their order"`
	By        string                `json:"by,omitempty"`
	At        *time.Time            `json:"at,omitempty"`
	Team      string                `json:"team,omitempty" doc:"Id of the team that owns the API"`
	CanAssign bool                  `json:"can_assign,omitempty" doc:"Whether the caller may give the API to a team"`
	Audiences []string              `json:"audiences" doc:"What texts can be marked for"`
}

// NewTexts asks for texts to be saved. Revision is the one that they are based on: where another one has been saved since,
// the answer is a conflict that names it.
type NewTexts struct {
	Revision int64                 `json:"revision" minimum:"0"`
	Publish  bool                  `json:"publish,omitempty" doc:"False: save as a draft"`
	Texts    []portal.AudienceText `json:"texts,omitempty"`
	Guides   []portal.Guide        `json:"guides,omitempty" doc:"One without an id is new"`
}

// TextsRevision is one save in the history of texts.
type TextsRevision struct {
	Revision  int64     `json:"revision"`
	Published bool      `json:"published"`
	Current   bool      `json:"current,omitempty" doc:"It is what consumers read"`
	From      string    `json:"from,omitempty" doc:"Id of an API that was joined to this one, whose texts these are; they do not count here"`
	By        string    `json:"by"`
	At        time.Time `json:"at"`
}

// Curated is what an audience reads of the owners' texts.
type Curated struct {
	Summary string            `json:"summary,omitempty"`
	Contact *portal.Contact   `json:"contact,omitempty"`
	Tags    []string          `json:"tags,omitempty"`
	Links   []portal.TextLink `json:"links,omitempty"`
	Guides  []portal.Guide    `json:"guides,omitempty"`
}

// GuideHead is a guide in a list.
type GuideHead struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// GuidePage is a page of the owners' own about an API.
type GuidePage struct {
	GuideHead
	Body string `json:"body" doc:"Markdown"`
}

// TeamChoice gives an API to a team.
type TeamChoice struct {
	Team string `json:"team" doc:"Its id; empty: take the API away from its team"`
}

// Curation is the owners' texts. All but Guide is for those who may curate the API; for anyone else it is ErrNotFound.
type Curation interface {
	Guide(ctx context.Context, id, guide string) (GuidePage, error)
	// Texts returns those saved last, or a revision of the past; with from, those of a joined API.
	Texts(ctx context.Context, id string, revision int64, from string) (Texts, error)
	SaveTexts(ctx context.Context, id string, n NewTexts) (Texts, error)
	// PreviewTexts shows texts, saved or not, as an audience would read them.
	PreviewTexts(ctx context.Context, id, audience string, n NewTexts) (Curated, error)
	// TextsHistory lists the newest 200 revisions, and what was joined.
	TextsHistory(ctx context.Context, id string) ([]TextsRevision, error)
	AssignTeam(ctx context.Context, id, team string) (Texts, error)
}
