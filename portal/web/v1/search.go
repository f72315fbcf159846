package v1

import (
	"context"

	"concierge/portal/api"
)

func (s *server) search() {
	type apisIn struct {
		Paging
		Q           string   `query:"q" maxLength:"200" doc:"Words that all have to be there, or a path such as POST /refunds"`
		Environment []string `query:"environment,explode" maxItems:"50" doc:"One of them; so with those below. One deployment of the API has it all, but for tags"`
		Lifecycle   []string `query:"lifecycle,explode" maxItems:"50"`
		Tag         []string `query:"tag,explode" maxItems:"50"`
		Kind        []string `query:"kind,explode" maxItems:"50"`
		Region      []string `query:"region,explode" maxItems:"50"`
		Division    []string `query:"division,explode" maxItems:"50"`
		Audience    []string `query:"audience,explode" maxItems:"50"`
		Gateway     []string `query:"gateway,explode" maxItems:"50"`
	}
	read(s, "/apis", "apis", "The APIs that are for me, by title, or what is found, the best first", func(ctx context.Context, d api.Desk, in *apisIn) (api.APIList, error) {
		return d.APIs(ctx, api.APIsQuery{Paging: in.paging(), Q: in.Q, Filter: api.Filter{
			"environment": in.Environment, "lifecycle": in.Lifecycle, "tag": in.Tag, "kind": in.Kind,
			"region": in.Region, "division": in.Division, "audience": in.Audience, "gateway": in.Gateway,
		}})
	})
	type suggestIn struct {
		Q string `query:"q" maxLength:"200" doc:"As far as it has been typed"`
	}
	read(s, "/apis/suggest", "suggest-apis", "APIs whose titles have words that begin so", func(ctx context.Context, d api.Desk, in *suggestIn) (api.Page[api.Suggestion], error) {
		found, err := d.SuggestAPIs(ctx, in.Q)
		return api.Page[api.Suggestion]{Items: found}, err
	})
}
