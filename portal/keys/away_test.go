package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/keys"
)

// isAway is a gateway whose worker is away. taken: it took the call, and what it did of it is what act does.
func isAway(taken, act bool) fault {
	return func(_ context.Context, do func() connectors.Issued) (connectors.Issued, error) {
		if act {
			do()
		}
		return connectors.Issued{}, &connectors.AwayError{Site: "plant", Taken: taken}
	}
}

var errAway = &connectors.AwayError{Site: "plant"}

// TestClaimThatNobodyTook waits, with nothing on the gateway, and the same claim sends it again once somebody is there.
func TestClaimThatNobodyTook(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	north := w.gateways["north"]
	north.fail(isAway(false, false), isAway(false, false))
	var first keys.Credential
	for range 2 {
		got, err := w.Claim(t.Context(), ann, sub.ID)
		if err != nil || got.Ready || got.Credential.State != keys.Pending || !strings.Contains(got.Credential.Note, "the worker of site plant") {
			t.Fatalf("got %+v, %v", got, err)
		}
		if first.ID != "" && got.Credential.ID != first.ID {
			t.Errorf("another credential: %s, %s", got.Credential.ID, first.ID)
		}
		first = got.Credential
		w.clock.advance(time.Hour)
		w.sweep(t) // has nothing to look for
		if state := w.state(t, first.ID); state != keys.Pending {
			t.Fatalf("after a sweep it is %s", state)
		}
	}
	got := w.claimed(t, sub)
	if got.Credential.ID != first.ID {
		t.Errorf("another credential: %s, %s", got.Credential.ID, first.ID)
	}
	if told := w.actions(t, string(first.ID)); !slices.Equal(told, []string{"credential.issue.intent", "credential.issue.done"}) {
		t.Errorf("the audit says %v", told)
	}
	w.settle(t)
}

// TestClaimThatNobodyTookEnds when it is revoked, or after a week in which nobody claimed it again.
func TestClaimThatNobodyTookEnds(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	unsent := func() portal.CredentialID {
		w.gateways["north"].fail(isAway(false, false))
		got, err := w.Claim(t.Context(), ann, sub.ID)
		if err != nil || got.Ready {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Credential.ID
	}
	id := unsent()
	if _, err := w.Revoke(t.Context(), ann, id); err != nil {
		t.Fatal(err)
	}
	if state := w.state(t, id); state != keys.Revoked {
		t.Errorf("revoked it is %s", state)
	}
	id = unsent()
	w.clock.advance(8 * 24 * time.Hour)
	w.sweep(t)
	if state := w.state(t, id); state != keys.Failed {
		t.Errorf("after a week it is %s", state)
	}
	w.claimed(t, sub)
	w.settle(t)
}

// TestClaimThatWasTakenAndNotAnswered is looked for by its mark once somebody is there: meanwhile its consumer is told to
// wait. A key that nobody saw is revoked; the claim starts again.
func TestClaimThatWasTakenAndNotAnswered(t *testing.T) {
	for name, acted := range map[string]bool{"and done": true, "and not done": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sub := w.subscribed(t)
			north := w.gateways["north"]
			north.fail(isAway(true, acted))
			north.find = []error{errAway, errAway}
			var id portal.CredentialID
			for range 3 {
				got, err := w.Claim(t.Context(), ann, sub.ID)
				if err != nil || got.Ready || got.Credential.State != keys.Pending || !strings.Contains(got.Credential.Note, "did not answer") {
					t.Fatalf("got %+v, %v", got, err)
				}
				if id != "" && id != got.Credential.ID {
					t.Errorf("another credential: %s, %s", id, got.Credential.ID)
				}
				id = got.Credential.ID
			}
			w.clock.advance(time.Minute)
			w.sweep(t) // still away
			if err := w.Hurry(t.Context(), []portal.GatewayID{"south"}); err != nil {
				t.Fatal(err)
			}
			w.sweep(t)
			if state := w.state(t, id); state != keys.Pending {
				t.Errorf("before its time it is %s", state)
			}
			if err := w.Hurry(t.Context(), []portal.GatewayID{"north"}); err != nil {
				t.Fatal(err)
			}
			w.sweep(t)
			w.clock.advance(10 * time.Second) // to settle
			w.sweep(t)
			want := keys.Failed
			if acted {
				want = keys.Revoked
			}
			if state := w.state(t, id); state != want {
				t.Errorf("in the end it is %s, not %s", state, want)
			}
			w.claimed(t, sub)
			w.settle(t)
		})
	}
}

// TestPendingKeyWhoseWorkerIsAway stays what it was: the gateway has it, and somebody has to approve it.
func TestPendingKeyWhoseWorkerIsAway(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(t)
	north := w.gateways["north"]
	north.slow = true
	pending, err := w.Claim(t.Context(), ann, sub.ID)
	if err != nil || pending.Ready {
		t.Fatalf("%+v, %v", pending, err)
	}
	north.fail(isAway(false, false))
	if got, err := w.Claim(t.Context(), ann, sub.ID); err != nil || got.Ready || got.Credential.ID != pending.Credential.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	w.clock.advance(time.Hour)
	w.sweep(t) // asks for its status
	north.approve()
	if got := w.claimed(t, sub); got.Credential.ID != pending.Credential.ID {
		t.Errorf("another credential: %+v", got)
	}
	w.settle(t)
}

// TestRevocationWhoseWorkerIsAway is not said to hold, and goes on as soon as it is back.
func TestRevocationWhoseWorkerIsAway(t *testing.T) {
	w := newWorld(t)
	got := w.claimed(t, w.subscribed(t))
	w.gateways["north"].revoke = []error{errAway, errAway}
	for range 2 {
		cred, err := w.Revoke(t.Context(), ann, got.Credential.ID)
		if err != nil || cred.State != keys.Revoking || !cred.Effective.IsZero() {
			t.Fatalf("%+v, %v", cred, err)
		}
	}
	w.sweep(t) // not due yet
	if state := w.state(t, got.Credential.ID); state != keys.Revoking {
		t.Errorf("it is %s", state)
	}
	if err := w.Hurry(t.Context(), []portal.GatewayID{"north"}); err != nil {
		t.Fatal(err)
	}
	w.sweep(t)
	if state := w.state(t, got.Credential.ID); state != keys.Revoked {
		t.Errorf("with its worker back it is %s", state)
	}
	if !errors.Is(errAway, portal.ErrUnavailable) {
		t.Error("an AwayError is not unavailable")
	}
	w.settle(t)
}
