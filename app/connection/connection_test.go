package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"concierge/portal"
	"concierge/portal/api"
)

// desk answers for one token only.
type desk struct {
	api.Desk
	token string
}

func (d desk) Me(context.Context) (api.Me, error) {
	switch d.token {
	case "good":
		return api.Me{Name: "Ana"}, nil
	case "unavailable":
		return api.Me{}, portal.ErrUnavailable
	}
	return api.Me{}, &api.Problem{Type: "/problems/unauthorized", Status: 401}
}

func open(address string, token portal.Secret) (api.Desk, error) {
	if !strings.HasPrefix(address, "https://") {
		return nil, fmt.Errorf("the address: %w", portal.ErrInvalid)
	}
	return desk{token: token.Reveal()}, nil
}

func TestConnect(t *testing.T) {
	for name, tc := range map[string]struct {
		address, token string
		want           error
	}{
		"right":               {" https://apis.example.com/ ", "good", nil},
		"an address in clear": {"http://apis.example.com", "good", portal.ErrInvalid},
		"a token of nobody":   {"https://apis.example.com", "bad", ErrTokenRefused},
		"nobody answers":      {"https://apis.example.com", "unavailable", portal.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			keyring.MockInit()
			k := New(open)
			if err := k.Connect(t.Context(), tc.address, portal.NewSecret(tc.token)); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			later := New(open) // the next start
			p, err := later.Current(t.Context())
			if tc.want != nil {
				if !errors.Is(err, portal.ErrNotFound) {
					t.Errorf("a portal was kept: %v, %v", p, err)
				}
				return
			}
			if err != nil || p.Address != "https://apis.example.com" || p.Desk.(desk).token != "good" {
				t.Errorf("got %+v, %v", p, err)
			}
			if p.Keys.Service == service || !strings.Contains(p.Keys.Service, p.Address) {
				t.Errorf("keys are kept in %q", p.Keys.Service)
			}
		})
	}
}

func TestAFailedConnectChangesNothing(t *testing.T) {
	keyring.MockInit()
	k := New(open)
	if err := k.Connect(t.Context(), "https://one.example", portal.NewSecret("good")); err != nil {
		t.Fatal(err)
	}
	if err := k.Connect(t.Context(), "https://two.example", portal.NewSecret("bad")); err == nil {
		t.Fatal("a bad token connects")
	}
	for _, k := range []*Keeper{k, New(open)} {
		if p, err := k.Current(t.Context()); err != nil || p.Address != "https://one.example" {
			t.Errorf("got %+v, %v", p, err)
		}
	}
}

func TestForget(t *testing.T) {
	keyring.MockInit()
	k := New(open)
	if err := k.Connect(t.Context(), "https://one.example", portal.NewSecret("good")); err != nil {
		t.Fatal(err)
	}
	p, err := k.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Keys.Set(t.Context(), "crd_1", portal.NewSecret("key")); err != nil {
		t.Fatal(err)
	}
	if err := k.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keeper{k, New(open)} {
		if _, err := k.Current(t.Context()); !errors.Is(err, portal.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	}
	if got, err := p.Keys.Get(t.Context(), "crd_1"); err != nil || got.Reveal() != "key" {
		t.Errorf("the key is gone: %v", err)
	}
}

func TestRubbishInTheKeychain(t *testing.T) {
	for _, content := range []string{"rubbish-s3cret", `{"token":"rubbish-s3cret"}`, `{"address":7,"token":"rubbish-s3cret"}`} {
		keyring.MockInit()
		if err := keyring.Set(service, item, content); err != nil {
			t.Fatal(err)
		}
		_, err := New(open).Current(t.Context())
		if !errors.Is(err, portal.ErrNotFound) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", content, err)
		}
	}
}
