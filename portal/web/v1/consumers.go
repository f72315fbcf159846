package v1

import (
	"context"

	"concierge/portal/api"
)

// consumers registers what shows who uses an API.
func (s *server) consumers() {
	type consumersIn struct {
		Thing
		Paging
		Version     string `query:"version" doc:"A version; - for that of an API which states none"`
		Environment string `query:"environment"`
		State       string `query:"state" enum:"open,requested,approved,rejected,suspended,cancelled" doc:"open: neither rejected nor cancelled"`
	}
	read(s, "/apis/{id}/consumers", "consumers", "The subscriptions to an API that I govern, with their keys, or that my team owns", func(ctx context.Context, d api.Desk, in *consumersIn) (api.Page[api.Consumed], error) {
		return d.Consumers(ctx, api.ConsumersQuery{Paging: in.paging(), API: in.ID, Version: in.Version, Environment: in.Environment, State: in.State})
	})
}
