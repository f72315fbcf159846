package people

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"concierge/portal"
	"concierge/portal/told"
)

// passwordParams: 19 MiB, 2 passes, 1 lane, which the OWASP Password Storage Cheat Sheet names as the least for
// argon2id (cheatsheetseries.owasp.org, as of 2026). Changing them rehashes each password when its owner signs in.
var passwordParams = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Bounds of a password. Length is in characters, so that passphrases in any script count alike.
const (
	MinPasswordLength = 12
	MaxPasswordBytes  = 1024
)

// CheckPassword says whether a new password will do for an account. Errors: portal.ErrInvalid, in words for people.
func CheckPassword(password portal.Secret, email string) error {
	p := password.Reveal()
	if len(p) > MaxPasswordBytes {
		return told.PasswordLong.As(portal.ErrInvalid, MaxPasswordBytes)
	}
	if !utf8.ValidString(p) {
		return told.PasswordText.As(portal.ErrInvalid)
	}
	if utf8.RuneCountInString(norm.NFC.String(p)) < MinPasswordLength {
		return told.PasswordShort.As(portal.ErrInvalid, MinPasswordLength)
	}
	lower := strings.ToLower(p)
	local, _, _ := strings.Cut(email, "@")
	if lower == email || strings.Trim(lower, "0123456789!.-_ ") == local {
		return told.PasswordEmail.As(portal.ErrInvalid)
	}
	if common(lower) {
		return told.PasswordCommon.As(portal.ErrInvalid)
	}
	return nil
}

// commonStems are what long passwords are most often padded from.
var commonStems = []string{
	"", "password", "passwort", "motdepasse", "letmein", "welcome", "bienvenue", "changeme", "administrator", "admin",
	"qwerty", "qwertz", "azerty", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "iloveyou", "correcthorsebatterystaple",
	"concierge", "secret", "default", "abcdefghijkl", "abcdefghijklmnopqrstuvwxyz", "football", "superman", "trustno",
}

// common reports whether a password in lower case is a common stem, once or repeated, padded with digits and signs, or
// one character over and over.
func common(lower string) bool {
	core := strings.Trim(lower, "0123456789!?.,-_*#@$ ")
	for _, stem := range commonStems {
		if core == stem || (stem != "" && strings.ReplaceAll(core, stem, "") == "") {
			return true
		}
	}
	first, _ := utf8.DecodeRuneInString(lower)
	return strings.Trim(lower, string(first)) == ""
}

const hashWait = 10 * time.Second // for a free slot

// hasher computes password hashes, a few at a time: each takes 19 MiB and a core.
type hasher struct {
	params argon2id.Params
	slots  chan struct{}
	dummy  portal.Secret // compared where there is no account, so that the time taken does not tell
}

func newHasher(p argon2id.Params) (*hasher, error) {
	h := &hasher{params: p, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	unknown, _ := newRandom()
	var err error
	h.dummy, err = h.hash(context.Background(), unknown)
	return h, err
}

// slot waits for its turn; call the function that it returns when done.
func (h *hasher) slot(ctx context.Context) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("checking a password: %w: %w", portal.ErrUnavailable, err)
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("checking a password: %w: too many at once", portal.ErrUnavailable)
	}
}

func (h *hasher) hash(ctx context.Context, password portal.Secret) (portal.Secret, error) {
	done, err := h.slot(ctx)
	if err != nil {
		return portal.Secret{}, err
	}
	defer done()
	// Accented letters have two spellings in Unicode; which one is typed depends on the keyboard.
	encoded, err := argon2id.CreateHash(norm.NFC.String(password.Reveal()), &h.params)
	if err != nil {
		return portal.Secret{}, fmt.Errorf("hashing a password: %w", err)
	}
	return portal.NewSecret(encoded), nil
}

// compare reports whether the password is the hashed one, and whether the hash was made with other parameters than
// today's. A zero hash costs as much time and never matches.
func (h *hasher) compare(ctx context.Context, password, hash portal.Secret) (match, outdated bool, err error) {
	if len(password.Reveal()) > MaxPasswordBytes {
		return false, false, nil
	}
	done, err := h.slot(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	against := hash
	if hash.IsZero() {
		against = h.dummy
	}
	match, params, err := argon2id.CheckHash(norm.NFC.String(password.Reveal()), against.Reveal())
	if err != nil {
		return false, false, fmt.Errorf("comparing a password with its hash: %w", err)
	}
	return match && !hash.IsZero(), *params != h.params, nil
}
