// Package keychain keeps secrets in the operating system's keychain, and never waits for it longer than it was told to.
//
// The system's own interfaces take no context and wait for as long as a locked keychain asks for its password. A call
// that has been given up goes on in the background and may still take effect once the person unlocks the keychain:
// whoever writes must be content with that.
package keychain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zalando/go-keyring"

	"concierge/portal"
)

// DefaultTimeout is how long a call waits where Keychain does not say: long enough to answer a question for a
// fingerprint, short enough to be told before one gives up.
const DefaultTimeout = 15 * time.Second

// ErrLocked says that the keychain did not answer in time: most likely it waits to be unlocked.
var ErrLocked = errors.New("the keychain does not answer; unlock it and try again")

// ErrUnusable says that there is no keychain, or none that works; the system's own words follow it.
var ErrUnusable = errors.New("the keychain cannot be used")

// Keychain is the part of the system's keychain that belongs to one service. Its zero value has no service and must not
// be used. It is safe for concurrent use.
//
// Errors: portal.ErrNotFound for an item that is not there, ErrLocked, ErrUnusable, the context's own.
type Keychain struct {
	Service string
	Timeout time.Duration // of one call; 0 means DefaultTimeout
}

// Get returns an item.
func (k Keychain) Get(ctx context.Context, name string) (portal.Secret, error) {
	return wait(ctx, k, "reading "+name+" from the keychain", func() (portal.Secret, error) {
		value, err := keyring.Get(k.Service, name)
		return portal.NewSecret(value), err
	})
}

// Set writes an item, over one of that name.
func (k Keychain) Set(ctx context.Context, name string, value portal.Secret) error {
	_, err := wait(ctx, k, "writing "+name+" to the keychain", func() (struct{}, error) {
		return struct{}{}, keyring.Set(k.Service, name, value.Reveal())
	})
	return err
}

// Delete removes an item. An absent one is success.
func (k Keychain) Delete(ctx context.Context, name string) error {
	_, err := wait(ctx, k, "removing "+name+" from the keychain", func() (struct{}, error) {
		return struct{}{}, keyring.Delete(k.Service, name)
	})
	if errors.Is(err, portal.ErrNotFound) {
		return nil
	}
	return err
}

func wait[T any](ctx context.Context, k Keychain, doing string, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	limit := k.Timeout
	if limit == 0 {
		limit = DefaultTimeout
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	answered := make(chan answer, 1)
	go func() {
		value, err := call()
		answered <- answer{value, err}
	}()
	var none T
	select {
	case a := <-answered:
		switch {
		case errors.Is(a.err, keyring.ErrNotFound):
			return none, fmt.Errorf("%s: %w", doing, portal.ErrNotFound)
		case a.err != nil:
			return none, fmt.Errorf("%s: %w: %w", doing, ErrUnusable, a.err)
		}
		return a.value, nil
	case <-late.C:
		return none, fmt.Errorf("%s: %w", doing, ErrLocked)
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", doing, ctx.Err())
	}
}
