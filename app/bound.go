package app

import (
	"context"

	"concierge/app/bindings"
)

// Bindings are the methods that pages of the window call as window.go.app.Bindings. Each says in the person's language
// what was done, or fails with what kept it from being done; none answers with a key.
type Bindings struct {
	keys    *bindings.Keys
	context func() context.Context
}

// Claim makes the key of a subscription and puts it into the keychain.
func (b *Bindings) Claim(subscription string) (bindings.Outcome, error) {
	return b.keys.Claim(b.context(), subscription)
}

// Rotate makes a second key beside a credential's and puts it into the keychain.
func (b *Bindings) Rotate(credential, overlap string) (bindings.Outcome, error) {
	return b.keys.Rotate(b.context(), credential, overlap)
}

// CopyKey copies a key from the keychain to the clipboard, for a minute.
func (b *Bindings) CopyKey(credential string) (bindings.Outcome, error) {
	return b.keys.CopyKey(b.context(), credential)
}

// CopyCurl copies a command that calls the API with the key, for a minute.
func (b *Bindings) CopyCurl(credential string) (bindings.Outcome, error) {
	return b.keys.CopyCurl(b.context(), credential)
}

// ForgetKey removes a key from the keychain.
func (b *Bindings) ForgetKey(credential string) (bindings.Outcome, error) {
	return b.keys.ForgetKey(b.context(), credential)
}
