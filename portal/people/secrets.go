package people

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"concierge/portal"
)

// Hash is the SHA-256 of a secret with at least 160 random bits. It is all that is kept of one: so much randomness
// needs no salt and no slow hash.
type Hash [sha256.Size]byte

const randomBytes = 32

// newRandom returns 256 random bits as text that is safe in a URL and in a cookie, and their hash.
func newRandom() (portal.Secret, Hash) {
	var b [randomBytes]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand since Go 1.24
	return portal.NewSecret(base64.RawURLEncoding.EncodeToString(b[:])), sha256.Sum256(b[:])
}

// parseRandom reads what newRandom wrote, in its one spelling.
func parseRandom(text string) (Hash, bool) {
	var b [randomBytes]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(randomBytes) {
		return Hash{}, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(text))
	if err != nil || n != randomBytes {
		return Hash{}, false
	}
	return sha256.Sum256(b[:]), true
}
