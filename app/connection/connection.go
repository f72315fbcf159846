// Package connection knows which portal the desktop shows, and as whom.
//
// Address and token are one item of the keychain and are kept nowhere else: not in a file, not in a page. There is one
// portal at a time.
package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"concierge/app/keychain"
	"concierge/portal"
	"concierge/portal/api"
)

const (
	service = "Concierge"
	item    = "portal"
)

// ErrTokenRefused says that the portal does not know the token, or not any more.
var ErrTokenRefused = errors.New("the portal does not accept the token")

// Portal is the one that the window shows.
type Portal struct {
	Address string // scheme and host
	Desk    api.Desk
	Keys    keychain.Keychain // where the keys of its gateways are kept, by credential
}

// Keeper keeps the connection. It is safe for concurrent use.
type Keeper struct {
	chain keychain.Keychain
	open  func(address string, token portal.Secret) (api.Desk, error)

	mu      sync.Mutex
	current *Portal
}

// New returns a keeper that has not looked into the keychain yet. open makes a desk for a portal without asking it.
func New(open func(address string, token portal.Secret) (api.Desk, error)) *Keeper {
	return &Keeper{chain: keychain.Keychain{Service: service}, open: open}
}

// Current returns the portal, from the keychain where it was not asked before. portal.ErrNotFound: there is none, so ask
// the person; otherwise errors as keychain.Keychain.
func (k *Keeper) Current(ctx context.Context) (*Portal, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil {
		return k.current, nil
	}
	kept, err := k.chain.Get(ctx, item)
	if err != nil {
		return nil, err
	}
	address, token, err := decode(kept)
	if err != nil {
		return nil, err
	}
	desk, err := k.open(address, token)
	if err != nil {
		return nil, fmt.Errorf("opening the portal of the keychain: %w", err)
	}
	k.current = newPortal(address, desk)
	return k.current, nil
}

// Connect shows a portal from now on, after it has said whom the token is for. Nothing changes on an error:
// portal.ErrInvalid for an address or a token that cannot be right, ErrTokenRefused, portal.ErrUnavailable, or as
// keychain.Keychain.
func (k *Keeper) Connect(ctx context.Context, address string, token portal.Secret) error {
	address = strings.TrimRight(strings.TrimSpace(address), "/")
	desk, err := k.open(address, token)
	if err != nil {
		return err
	}
	if _, err := Me(ctx, desk); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.chain.Set(ctx, item, encode(address, token)); err != nil {
		return err
	}
	k.current = newPortal(address, desk)
	return nil
}

// Forget removes address and token from the keychain. The keys of gateways stay there: they cannot be had again.
func (k *Keeper) Forget(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.chain.Delete(ctx, item); err != nil {
		return err
	}
	k.current = nil
	return nil
}

// Me asks a portal whom its token is for. ErrTokenRefused where it is for nobody.
func Me(ctx context.Context, desk api.Desk) (api.Me, error) {
	me, err := desk.Me(ctx)
	var problem *api.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusUnauthorized || errors.Is(err, portal.ErrDenied) {
		return me, fmt.Errorf("%w: %w", ErrTokenRefused, err)
	}
	return me, err
}

func newPortal(address string, desk api.Desk) *Portal {
	return &Portal{Address: address, Desk: desk, Keys: keychain.Keychain{Service: service + " " + address}}
}

type entry struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

func encode(address string, token portal.Secret) portal.Secret {
	content, err := json.Marshal(entry{Address: address, Token: token.Reveal()})
	if err != nil {
		panic("connection: two strings as JSON: " + err.Error()) // strings always marshal
	}
	return portal.NewSecret(string(content))
}

func decode(kept portal.Secret) (address string, token portal.Secret, err error) {
	var e entry
	if json.Unmarshal([]byte(kept.Reveal()), &e) != nil || e.Address == "" { // its error would quote the content
		return "", portal.Secret{}, fmt.Errorf("the keychain's item %s of %s is not one of ours: %w", item, service, portal.ErrNotFound)
	}
	return e.Address, portal.NewSecret(e.Token), nil
}
