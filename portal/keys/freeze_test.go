package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/keys"
)

// freeze classifies the deployment of gateway north anew, as far as keys are concerned.
func (w *world) freeze(t *testing.T) {
	t.Helper()
	var n int
	err := w.keysDB().InTx(t.Context(), func(tx keys.Tx) (err error) {
		n, err = keys.Freeze(t.Context(), tx, "per_root", w.clock.now(), "north", map[portal.DeploymentID]string{"dep_north": "environment test → production", "dep_other": ""})
		return err
	})
	if err != nil || n != 1 {
		t.Fatalf("%d frozen, %v", n, err)
	}
}

func (w *world) subscription(t *testing.T, id portal.SubscriptionID) keys.Subscription {
	t.Helper()
	sub, err := w.Subscription(t.Context(), root, id)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func isConflict(err error, with string) bool {
	var conflict *portal.ConflictError
	return errors.As(err, &conflict) && strings.Contains(conflict.Err.Error(), with)
}

func TestNothingIsMadeUnderAFrozenSubscription(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	w.freeze(t)
	issued := w.gateways["north"].made()
	if _, err := w.Rotate(t.Context(), ann, got.Credential.ID, time.Hour); !isConflict(err, "frozen") || strings.Contains(err.Error(), "production") {
		t.Errorf("rotating: %v", err)
	}
	w.router.send("payments", deployment("south", "payments", portal.Test)) // no silent move
	if _, err := w.Claim(t.Context(), ann, sub.ID); !isConflict(err, "frozen") {
		t.Errorf("claiming: %v", err)
	}
	w.router.send("payments", deployment("south", "cards", portal.Production)) // nothing is left for the subscription
	if _, err := w.Claim(t.Context(), ann, sub.ID); !isConflict(err, "frozen") {
		t.Errorf("claiming with nothing to be sent to: %v", err)
	}
	w.sweep(t)
	if w.gateways["north"].made() != issued || !w.gateways["north"].works(secret(got)) || w.state(t, got.Credential.ID) != keys.Active {
		t.Error("its key is not as it was")
	}
	if now := w.subscription(t, sub.ID); now.Frozen.IsZero() || now.Deployment != "dep_north" || now.State != keys.Approved {
		t.Errorf("%+v", now)
	}
	w.router.send("payments", deployment("north", "payments", portal.Test))
	w.settle(t)
}

func TestThaw(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	w.freeze(t)
	first := w.subscription(t, sub.ID).Frozen
	w.freeze(t)
	if again := w.subscription(t, sub.ID).Frozen; !again.Equal(first) {
		t.Errorf("frozen since %v, then since %v", first, again)
	}
	for who, c := range map[string]access.Caller{"its own developer": ann, "another division": cardman} {
		if _, err := w.Thaw(t.Context(), c, sub.ID, ""); err == nil {
			t.Errorf("%s decided", who)
		}
	}
	for who, tc := range map[string]struct {
		caller access.Caller
		sees   int
	}{"the division": {paymaster, 1}, "the platform": {root, 1}, "the consumer": {ann, 1}, "another division": {cardman, 0}, "a stranger": {stranger, 0}} {
		if found, err := w.Frozen(t.Context(), tc.caller, keys.Page{Limit: 10}); err != nil || len(found) != tc.sees {
			t.Errorf("%s sees %v, %v", who, found, err)
		}
	}
	thawed, err := w.Thaw(t.Context(), paymaster, sub.ID, " it was test all along ")
	if err != nil || !thawed.Frozen.IsZero() || !w.subscription(t, sub.ID).Frozen.IsZero() {
		t.Fatalf("%+v, %v", thawed, err)
	}
	if _, err := w.Thaw(t.Context(), paymaster, sub.ID, ""); !isConflict(err, "not frozen") {
		t.Errorf("thawing again: %v", err)
	}
	if _, err := w.Rotate(t.Context(), ann, got.Credential.ID, time.Hour); err != nil {
		t.Errorf("rotating: %v", err)
	}
	if actions := w.actions(t, string(sub.ID)); !slices.Contains(actions, "subscription.freeze") || !slices.Contains(actions, "subscription.thaw") {
		t.Errorf("the audit says %v", actions)
	}
	w.settle(t)
}

func TestCancellingEndsTheFreezing(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	got := w.claimed(t, sub)
	w.freeze(t)
	if _, err := w.Cancel(t.Context(), paymaster, sub.ID); err != nil {
		t.Fatal(err)
	}
	w.settle(t)
	if now := w.subscription(t, sub.ID); now.State != keys.Cancelled || !now.Frozen.IsZero() || w.gateways["north"].works(secret(got)) {
		t.Errorf("%+v", now)
	}
}

// lateRouter answers as its router did before, once.
type lateRouter struct {
	keys.Router
	asked int
	then  func()
}

func (r *lateRouter) Decide(ctx context.Context, c portal.Consumer, api, version string, env portal.Environment) (keys.Decided, error) {
	d, err := r.Router.Decide(ctx, c, api, version, env)
	if r.asked++; r.asked == 1 {
		r.then()
	}
	return d, err
}

// A claim and a reclassification meet: the claim has been told its deployment, the other is committed, then the intent is
// recorded. The key must not be made: nothing would have frozen it.
func TestClaimMeetsReclassification(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	late := &lateRouter{Router: w.router, then: func() { w.router.send("payments", deployment("south", "payments", portal.Test)) }}
	s := keys.NewService(w.keysDB(), late, w.gateways, w.box, keys.Options{CallTimeout: callTimeout, Now: w.clock.now})
	if _, err := s.Claim(t.Context(), ann, sub.ID); !isConflict(err, "classified anew") {
		t.Errorf("got %v", err)
	}
	if n := w.gateways["north"].made(); n != 0 {
		t.Errorf("%d keys were made", n)
	}
	if ring := w.ring(t, sub.ID); len(ring) != 1 || ring[0].State != keys.Failed {
		t.Errorf("%+v", ring)
	}
	w.settle(t)
	w.claimed(t, sub)
}

// made counts the keys that a gateway was asked for.
func (g *gateway) made() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.plans)
}
