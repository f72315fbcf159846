package v1

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal/api"
)

type (
	textsIn struct {
		Thing
		Revision int64  `query:"revision" minimum:"0" doc:"One of the past; 0: the newest"`
		From     string `query:"from" doc:"Id of an API that was joined to this one"`
	}
	newTextsIn struct {
		Thing
		Body api.NewTexts
	}
	previewIn struct {
		OnceThing
		Body PreviewBody
	}
	guideIn struct {
		Thing
		Guide string `path:"guide"`
	}
	teamIn struct {
		Thing
		Body api.TeamChoice
	}
	teamChangeIn struct {
		Thing
		Body api.TeamChange
	}
	memberIn struct {
		Thing
		Person string `path:"person"`
	}
)

// PreviewBody says which texts to show, and to whom.
type PreviewBody struct {
	Audience string `json:"audience"`
	api.NewTexts
}

func (s *server) curation() {
	read(s, "/apis/{id}/guides/{guide}", "guide", "One of the owners' guides", func(ctx context.Context, d api.Desk, in *guideIn) (api.GuidePage, error) {
		return d.Guide(ctx, in.ID, in.Guide)
	})
	read(s, "/apis/{id}/texts", "texts", "The owners' texts as they were saved last; for those who own the API", func(ctx context.Context, d api.Desk, in *textsIn) (api.Texts, error) {
		return d.Texts(ctx, in.ID, in.Revision, in.From)
	})
	change(s, http.MethodPut, "/apis/{id}/texts", "save-texts", "Save the owners' texts, as a draft or published; a conflict names the revision that is newer than yours", func(ctx context.Context, d api.Desk, in *newTextsIn) (api.Texts, error) {
		return d.SaveTexts(ctx, in.ID, in.Body)
	})
	post[previewIn, api.Curated]{
		path: "/apis/{id}/texts/preview", id: "preview-texts", summary: "What an audience would read; saves nothing", status: http.StatusOK,
		key: func(in *previewIn) string { return in.Key }, body: func(in *previewIn) any { return in.Body },
		do: func(ctx context.Context, d api.Desk, in *previewIn) (api.Curated, error) {
			return d.PreviewTexts(ctx, in.ID, in.Body.Audience, in.Body.NewTexts)
		},
		of: func(api.Curated) string { return "" }, // worked out anew each time
	}.register(s)
	read(s, "/apis/{id}/texts/history", "texts-history", "Who saved the owners' texts, and when", func(ctx context.Context, d api.Desk, in *Thing) (api.Page[api.TextsRevision], error) {
		items, err := d.TextsHistory(ctx, in.ID)
		return api.Page[api.TextsRevision]{Items: items}, err
	})
	change(s, http.MethodPut, "/apis/{id}/team", "assign-team", "Give an API to a team; for administrators of its division", func(ctx context.Context, d api.Desk, in *teamIn) (api.Texts, error) {
		return d.AssignTeam(ctx, in.ID, in.Body.Team)
	})

	read(s, "/teams", "teams", "The teams of my organisation", func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[api.Team], error) {
		items, err := d.Teams(ctx)
		return api.Page[api.Team]{Items: items}, err
	})
	read(s, "/teams/{id}", "team", "One team with its members", func(ctx context.Context, d api.Desk, in *Thing) (api.Team, error) { return d.Team(ctx, in.ID) })
	post[bodyIn[api.NewTeam], api.Team]{
		path: "/teams", id: "create-team", summary: "Make a team", status: http.StatusCreated, key: bodyKey[api.NewTeam], body: bodyOf[api.NewTeam],
		do: func(ctx context.Context, d api.Desk, in *bodyIn[api.NewTeam]) (api.Team, error) {
			return d.CreateTeam(ctx, in.Body)
		},
		of: func(t api.Team) string { return t.ID },
		again: func(ctx context.Context, d api.Desk, _ *bodyIn[api.NewTeam], id string) (api.Team, error) {
			return d.Team(ctx, id)
		},
	}.register(s)
	change(s, http.MethodPatch, "/teams/{id}", "rename-team", "Give a team another name", func(ctx context.Context, d api.Desk, in *teamChangeIn) (api.Team, error) {
		return d.RenameTeam(ctx, in.ID, in.Body)
	})
	huma.Register(s.api, huma.Operation{OperationID: "delete-team", Method: http.MethodDelete, Path: prefix + "/teams/{id}", Summary: "Remove a team; its APIs go back to their division", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, in *Thing) (*struct{}, error) {
			if err := callOf(ctx).desk.DeleteTeam(ctx, in.ID); err != nil {
				return nil, s.problem(ctx, err)
			}
			return nil, nil
		})
	change(s, http.MethodPut, "/teams/{id}/members/{person}", "add-team-member", "Put somebody into a team", func(ctx context.Context, d api.Desk, in *memberIn) (api.Team, error) {
		return d.SetTeamMember(ctx, in.ID, in.Person, true)
	})
	change(s, http.MethodDelete, "/teams/{id}/members/{person}", "remove-team-member", "Take somebody out of a team", func(ctx context.Context, d api.Desk, in *memberIn) (api.Team, error) {
		return d.SetTeamMember(ctx, in.ID, in.Person, false)
	})
}
