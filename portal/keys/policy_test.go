package keys_test

import (
	"testing"

	"concierge/portal"
	"concierge/portal/keys"
)

func TestPolicy(t *testing.T) {
	const yes, wait = portal.Automatic, portal.Required
	rules := keys.Policy{
		{API: "payments-*", Environment: portal.Production, Approval: yes},
		{API: "payments-*", Approval: wait},
		{API: "loans", Approval: yes},
		{API: "[", Approval: yes}, // no pattern: matches nothing
		{Environment: portal.Development, Approval: wait},
	}
	for name, tc := range map[string]struct {
		policy keys.Policy
		slug   string
		env    portal.Environment
		plan   portal.Approval
		want   portal.Approval
	}{
		"test grants by itself":                 {nil, "orders", portal.Test, yes, yes},
		"production waits":                      {nil, "orders", portal.Production, yes, wait},
		"a plan that waits waits":               {nil, "orders", portal.Test, wait, wait},
		"the first rule that matches":           {rules, "payments-eu", portal.Production, yes, yes},
		"a rule of another environment":         {rules, "payments-eu", portal.Test, yes, wait},
		"a rule without environment":            {rules, "loans", portal.Production, yes, yes},
		"a rule loosens a plan":                 {rules, "loans", portal.Test, wait, yes},
		"a rule without API":                    {rules, "orders", portal.Development, yes, wait},
		"no rule: production":                   {rules, "orders", portal.Production, yes, wait},
		"no rule: test":                         {rules, "orders", portal.Test, yes, yes},
		"a pattern matches the whole slug":      {rules, "old-payments-eu", portal.Test, yes, yes},
		"what is no pattern matches nothing":    {rules, "[", portal.Production, yes, wait},
		"an API whose environment is not known": {nil, "orders", "", yes, wait},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment("north", "payments", tc.env)
			if got := tc.policy.Approval(tc.slug, d, portal.Plan{Approval: tc.plan}); got != tc.want {
				t.Errorf("got %s; want %s", got, tc.want)
			}
		})
	}
}
