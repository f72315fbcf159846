// Package bindings does what a page of the desktop window cannot: it takes keys from the portal to the keychain, and
// from there to the clipboard.
//
// No method returns key material and no error names it. What a method says is for the person, in their language; what
// went wrong in other words is logged.
package bindings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"concierge/app/connection"
	"concierge/app/keychain"
	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web"
	"concierge/portal/web/ui"
)

const (
	// clipboardLife is how long a key stays on the clipboard.
	clipboardLife = time.Minute
	// patience is how long a claim waits for a gateway that has to act first, asking every interval.
	patience = 20 * time.Second
	interval = time.Second
	// probe is an item that is written and removed to see that the keychain takes one, before a key is made that can
	// be had only once.
	probe = "probe"
)

// Clipboard is the system's.
type Clipboard interface {
	SetText(text string) error
	Text() (string, error)
}

// Portals returns the portal that the window shows. *connection.Keeper is one.
type Portals interface {
	Current(ctx context.Context) (*connection.Portal, error)
}

// Outcome is what a page learns of what was done.
type Outcome struct {
	State      string `json:"state"` // "done", or "pending" where the gateway has to act first: ask again
	Message    string `json:"message"`
	Credential string `json:"credential"` // its id, where there is one
}

// Keys are the bound methods' work. It is safe for concurrent use.
type Keys struct {
	Portals   Portals
	Clipboard Clipboard
	Text      func() ui.Text // in the language of the window
	Log       *slog.Logger

	mu      sync.Mutex
	unsaved map[string]held // keys that the keychain did not take, until the application ends
	clear   *time.Timer
}

// Claim makes the key of a subscription and puts it into the keychain.
func (k *Keys) Claim(ctx context.Context, subscription string) (Outcome, error) {
	o, err := k.take(ctx, "desktop.claimed", func(d api.Desk) (api.Claim, error) { return d.Claim(ctx, subscription) })
	return o, k.tell("claim", err)
}

// Rotate makes a second key beside the credential's and puts it into the keychain. overlap is a Go duration; empty means
// api.DefaultOverlap.
func (k *Keys) Rotate(ctx context.Context, credential, overlap string) (Outcome, error) {
	both := api.DefaultOverlap
	if overlap != "" {
		var err error
		if both, err = time.ParseDuration(overlap); err != nil || both < 0 {
			return Outcome{}, k.tell("rotate", fmt.Errorf("an overlap of %q: %w", overlap, portal.ErrInvalid))
		}
	}
	o, err := k.take(ctx, "desktop.rotated", func(d api.Desk) (api.Claim, error) { return d.Rotate(ctx, credential, both) })
	return o, k.tell("rotate", err)
}

// take makes a key and keeps it.
func (k *Keys) take(ctx context.Context, done string, make func(api.Desk) (api.Claim, error)) (Outcome, error) {
	p, err := k.Portals.Current(ctx)
	if err != nil {
		return Outcome{}, err
	}
	if err := p.Keys.Set(ctx, probe, portal.NewSecret(probe)); err != nil {
		return Outcome{}, err
	}
	if err := p.Keys.Delete(ctx, probe); err != nil {
		return Outcome{}, err
	}
	claim, err := ready(ctx, func() (api.Claim, error) { return make(p.Desk) })
	if err != nil {
		return Outcome{}, err
	}
	if !claim.Ready {
		message := claim.Note
		if message == "" {
			message = k.Text().T("desktop.pending")
		}
		return Outcome{State: "pending", Message: message, Credential: claim.ID}, nil
	}
	h := hold(claim)
	if err := p.Keys.Set(context.WithoutCancel(ctx), claim.ID, h.encode()); err != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.unsaved == nil {
			k.unsaved = map[string]held{}
		}
		k.unsaved[claim.ID] = h
		k.Log.Error("key not in the keychain", "credential", claim.ID, "error", err)
		return Outcome{State: "done", Message: k.Text().T("desktop.unsaved"), Credential: claim.ID}, nil
	}
	return Outcome{State: "done", Message: k.Text().T(done), Credential: claim.ID}, nil
}

// ready asks until the gateway has acted or patience is at its end.
func ready(ctx context.Context, ask func() (api.Claim, error)) (api.Claim, error) {
	end := time.Now().Add(patience)
	for {
		claim, err := ask()
		if err != nil || claim.Ready || !time.Now().Before(end) {
			return claim, err
		}
		select {
		case <-ctx.Done():
			return api.Claim{}, ctx.Err()
		case <-time.After(interval):
		}
	}
}

// CopyKey copies a key from the keychain to the clipboard, for a minute.
func (k *Keys) CopyKey(ctx context.Context, credential string) (Outcome, error) {
	o, err := k.copy(ctx, credential, held.secret)
	return o, k.tell("copy", err)
}

// CopyCurl copies a command that calls the API with the key, for a minute.
func (k *Keys) CopyCurl(ctx context.Context, credential string) (Outcome, error) {
	o, err := k.copy(ctx, credential, held.curl)
	return o, k.tell("copy", err)
}

func (k *Keys) copy(ctx context.Context, credential string, text func(held) (portal.Secret, error)) (Outcome, error) {
	p, err := k.Portals.Current(ctx)
	if err != nil {
		return Outcome{}, err
	}
	h, err := k.find(ctx, p, credential)
	if err != nil {
		return Outcome{}, err
	}
	secret, err := text(h)
	if err != nil {
		return Outcome{}, err
	}
	if err := k.Clipboard.SetText(secret.Reveal()); err != nil {
		return Outcome{}, fmt.Errorf("writing to the clipboard: %w", err)
	}
	k.clearLater(secret)
	return Outcome{State: "done", Message: k.Text().T("desktop.copied"), Credential: credential}, nil
}

// find returns a key of the keychain, or one that is still on its way there.
func (k *Keys) find(ctx context.Context, p *connection.Portal, credential string) (held, error) {
	k.mu.Lock()
	h, waiting := k.unsaved[credential]
	k.mu.Unlock()
	if waiting {
		if err := p.Keys.Set(ctx, credential, h.encode()); err == nil {
			k.mu.Lock()
			delete(k.unsaved, credential)
			k.mu.Unlock()
		}
		return h, nil
	}
	kept, err := p.Keys.Get(ctx, credential)
	if err != nil {
		if errors.Is(err, portal.ErrNotFound) {
			return held{}, errNotHere
		}
		return held{}, err
	}
	return decode(kept)
}

// clearLater empties the clipboard in a minute, unless it holds something else by then.
func (k *Keys) clearLater(secret portal.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.clear != nil {
		k.clear.Stop()
	}
	k.clear = time.AfterFunc(clipboardLife, func() {
		text, err := k.Clipboard.Text()
		if err == nil && text == secret.Reveal() {
			err = k.Clipboard.SetText("")
		}
		if err != nil {
			k.Log.Error("clipboard not emptied", "error", err)
		}
	})
}

// ForgetKey removes a key from the keychain. It goes on working on its gateway.
func (k *Keys) ForgetKey(ctx context.Context, credential string) (Outcome, error) {
	p, err := k.Portals.Current(ctx)
	if err == nil {
		err = k.drop(ctx, p, credential)
	}
	if err != nil {
		return Outcome{}, k.tell("forget", err)
	}
	return Outcome{State: "done", Message: k.Text().T("desktop.forgotten"), Credential: credential}, nil
}

func (k *Keys) drop(ctx context.Context, p *connection.Portal, credential string) error {
	k.mu.Lock()
	delete(k.unsaved, credential)
	k.mu.Unlock()
	return p.Keys.Delete(ctx, credential)
}

// Revoked returns the desk of a portal on which revoking a key also removes it from the keychain.
func (k *Keys) Revoked(p *connection.Portal) api.Desk { return &desk{Desk: p.Desk, keys: k, portal: p} }

type desk struct {
	api.Desk
	keys   *Keys
	portal *connection.Portal
}

func (d *desk) Revoke(ctx context.Context, id string) (api.Credential, error) {
	c, err := d.Desk.Revoke(ctx, id)
	if err != nil {
		return c, err
	}
	if err := d.keys.drop(ctx, d.portal, id); err != nil {
		d.keys.Log.Error("revoked key still in the keychain", "credential", id, "error", err) // harmless: it opens nothing
	}
	return c, nil
}

var (
	errNotHere = errors.New("the keychain of this computer does not have the key")
	errSeveral = errors.New("the key has several secret parts")
)

// tell turns an error into what the person is told, and logs what they are not.
func (k *Keys) tell(doing string, err error) error {
	if err == nil {
		return nil
	}
	text := k.Text()
	switch {
	case errors.Is(err, keychain.ErrLocked):
		return errors.New(text.T("desktop.locked"))
	case errors.Is(err, keychain.ErrUnusable):
		k.Log.Error("keychain unusable", "doing", doing, "error", err)
		return errors.New(text.T("connect.keychain"))
	case errors.Is(err, errNotHere):
		return errors.New(text.T("desktop.not_here"))
	case errors.Is(err, errSeveral):
		return errors.New(text.T("desktop.several"))
	}
	if problem, known := api.ProblemOf(err); known {
		if problem.Detail != "" {
			return errors.New(problem.Detail)
		}
		return errors.New(problem.Title)
	}
	k.Log.Error("bound method failed", "doing", doing, "error", err)
	return errors.New(text.T("desktop.failed"))
}

// held is a key as the keychain has it: all that a caller of the API sends, and where to.
type held struct {
	BaseURL string `json:"base_url"`
	Try     string `json:"try,omitempty"` // a path below it that can be called at once
	Parts   []part `json:"parts"`
}

type part struct {
	In     string `json:"in"`
	Name   string `json:"name"`
	Prefix string `json:"prefix,omitempty"`
	Value  string `json:"value"`
	Public bool   `json:"public,omitempty"`
}

func hold(c api.Claim) held {
	h := held{BaseURL: c.BaseURL, Try: c.Try}
	for _, p := range c.Parts {
		h.Parts = append(h.Parts, part{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: p.Value.Reveal(), Public: p.Public})
	}
	return h
}

func (h held) encode() portal.Secret {
	content, err := json.Marshal(h)
	if err != nil {
		panic("bindings: strings as JSON: " + err.Error()) // strings always marshal
	}
	return portal.NewSecret(string(content))
}

func decode(kept portal.Secret) (held, error) {
	var h held
	if json.Unmarshal([]byte(kept.Reveal()), &h) != nil || len(h.Parts) == 0 { // its error would quote the key
		return held{}, errNotHere
	}
	return h, nil
}

func (h held) parts() []api.Part {
	parts := make([]api.Part, len(h.Parts))
	for i, p := range h.Parts {
		parts[i] = api.Part{In: p.In, Name: p.Name, Prefix: p.Prefix, Value: portal.NewSecret(p.Value), Public: p.Public}
	}
	return parts
}

// secret is the one secret part.
func (h held) secret() (portal.Secret, error) {
	secret := api.Claim{Parts: h.parts()}.Secret()
	if secret.IsZero() {
		return secret, errSeveral
	}
	return secret, nil
}

func (h held) curl() (portal.Secret, error) {
	return portal.NewSecret(web.Curl(web.CallAddress(h.BaseURL, h.Try), h.parts())), nil
}
