package people

import (
	"context"
	"net/netip"
	"testing"

	"github.com/alexedwards/argon2id"
)

// RealParams are the parameters of the product; every other test uses cheap ones.
var RealParams = passwordParams

func TestMain(m *testing.M) {
	passwordParams = argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	m.Run()
}

// HashWith makes the service use other parameters from now on.
func (s *Service) HashWith(p argon2id.Params) error {
	h, err := newHasher(p)
	s.hasher = h
	return err
}

// Attempt is one attempt to sign in; call succeeded when it was right.
func (s *Service) Attempt(ctx context.Context, account string, from netip.Addr) (succeeded func(context.Context) error, err error) {
	return s.throttle.attempt(ctx, s.time(), account, from)
}

// MostGuesses is how many attempts on one account pass at once.
var MostGuesses = perAccount.burst
