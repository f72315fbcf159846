package storetest

import (
	"context"
	"errors"
	"slices"

	"concierge/portal"
	"concierge/portal/keys"
)

func subscriptionsByEndpoint(t T, db DB) {
	withSubscription(t, db) // sub_1 of api_1, line 2, test
	other := func(n int, state keys.SubscriptionState, change func(*keys.Subscription)) keys.Subscription {
		s := subscription(n, state)
		change(&s)
		return s
	}
	mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
		return errors.Join(
			k.AddSubscription(ctx, other(2, keys.Cancelled, func(*keys.Subscription) {})),
			k.AddSubscription(ctx, other(3, keys.Requested, func(s *keys.Subscription) { s.Line, s.Division, s.Deployment = "", "asia", "dep_hidden" })),
			k.AddSubscription(ctx, other(4, keys.Approved, func(s *keys.Subscription) { s.Environment, s.Division = portal.Production, "americas" })),
			k.AddSubscription(ctx, other(5, keys.Approved, func(s *keys.Subscription) { s.API = "api_2" })),
		)
	})
	two, none := "2", ""
	for name, tc := range map[string]struct {
		filter keys.SubscriptionFilter
		want   []portal.SubscriptionID
	}{
		"an API":         {keys.SubscriptionFilter{API: "api_1"}, []portal.SubscriptionID{"sub_4", "sub_3", "sub_2", "sub_1"}},
		"a line":         {keys.SubscriptionFilter{API: "api_1", Line: &two}, []portal.SubscriptionID{"sub_4", "sub_2", "sub_1"}},
		"no line":        {keys.SubscriptionFilter{API: "api_1", Line: &none}, []portal.SubscriptionID{"sub_3"}},
		"an environment": {keys.SubscriptionFilter{API: "api_1", Environment: portal.Production}, []portal.SubscriptionID{"sub_4"}},
		"open ones of an endpoint": {
			keys.SubscriptionFilter{API: "api_1", Line: &two, Environment: portal.Test, Open: true}, []portal.SubscriptionID{"sub_1"},
		},
		"divisions":             {keys.SubscriptionFilter{API: "api_1", Divisions: []portal.Division{"americas", "asia"}}, []portal.SubscriptionID{"sub_4", "sub_3"}},
		"no division at all":    {keys.SubscriptionFilter{API: "api_1", Divisions: []portal.Division{}}, nil},
		"all but some":          {keys.SubscriptionFilter{API: "api_1", Except: []portal.DeploymentID{"dep_hidden", "dep_none"}}, []portal.SubscriptionID{"sub_4", "sub_2", "sub_1"}},
		"all but some of those": {keys.SubscriptionFilter{Divisions: []portal.Division{"asia"}, Except: []portal.DeploymentID{"dep_hidden"}}, nil},
	} {
		var got []portal.SubscriptionID
		mustKeys(t, db, func(ctx context.Context, k keys.Store) error {
			found, err := k.Subscriptions(ctx, tc.filter, keys.Page{Limit: 10})
			got = nil
			for _, s := range found {
				got = append(got, s.ID)
			}
			return err
		})
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}
