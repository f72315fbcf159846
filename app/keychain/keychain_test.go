package keychain

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zalando/go-keyring"

	"concierge/portal"
)

func TestKeeps(t *testing.T) {
	keyring.MockInit()
	k, other := Keychain{Service: "one"}, Keychain{Service: "two"}
	if _, err := k.Get(t.Context(), "a"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("an item that is not there: %v", err)
	}
	if err := k.Delete(t.Context(), "a"); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	if err := k.Set(t.Context(), "a", portal.NewSecret("s3cret")); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Get(t.Context(), "a"); err != nil || got.Reveal() != "s3cret" {
		t.Errorf("got %q, %v", got.Reveal(), err)
	}
	if _, err := other.Get(t.Context(), "a"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("another service has it: %v", err)
	}
	if err := k.Delete(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := k.Get(t.Context(), "a"); !errors.Is(err, portal.ErrNotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestSystemErrorsStay(t *testing.T) {
	broken := errors.New("no bus")
	keyring.MockInitWithError(broken)
	t.Cleanup(keyring.MockInit)
	if _, err := (Keychain{Service: "one"}).Get(t.Context(), "a"); !errors.Is(err, broken) || !errors.Is(err, ErrUnusable) {
		t.Errorf("got %v", err)
	}
}

func TestGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		patience time.Duration // of the caller
		limit    time.Duration
		takes    time.Duration
		want     error
		after    time.Duration
	}{
		"locked":              {time.Hour, 0, 2 * time.Hour, ErrLocked, DefaultTimeout},
		"locked, own limit":   {time.Hour, time.Second, 2 * time.Hour, ErrLocked, time.Second},
		"the caller leaves":   {time.Second, 0, 2 * time.Hour, context.DeadlineExceeded, time.Second},
		"unlocked in between": {time.Hour, 0, 14 * time.Second, nil, 14 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tc.patience)
				defer cancel()
				start := time.Now()
				_, err := wait(ctx, Keychain{Timeout: tc.limit}, "waiting", func() (int, error) {
					time.Sleep(tc.takes)
					return 1, nil
				})
				defer time.Sleep(tc.takes) // what was given up goes on to its end
				if !errors.Is(err, tc.want) || time.Since(start) != tc.after {
					t.Errorf("%v after %v; want %v after %v", err, time.Since(start), tc.want, tc.after)
				}
			})
		})
	}
}
