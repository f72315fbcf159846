package v1

import (
	"context"

	"concierge/portal/api"
)

// differences registers what compares documents.
func (s *server) differences() {
	type differenceIn struct {
		Thing
		FromVersion     string `query:"from_version"`
		FromEnvironment string `query:"from_environment"`
		FromDeployment  string `query:"from_deployment" doc:"In place of version and environment, for whoever governs it"`
		ToVersion       string `query:"to_version"`
		ToEnvironment   string `query:"to_environment"`
		ToDeployment    string `query:"to_deployment" doc:"In place of version and environment, for whoever governs it"`
	}
	read(s, "/apis/{id}/difference", "difference", "What differs between two documents of an API, as I may read them; 503 with Retry-After while it is being worked out", func(ctx context.Context, d api.Desk, in *differenceIn) (api.Difference, error) {
		return d.Difference(ctx, api.DifferenceQuery{
			API:  in.ID,
			From: api.SideQuery{Version: in.FromVersion, Environment: in.FromEnvironment, Deployment: in.FromDeployment},
			To:   api.SideQuery{Version: in.ToVersion, Environment: in.ToEnvironment, Deployment: in.ToDeployment},
		})
	})
}
