// Package seal keeps secrets at rest: values in the database are sealed with a master key that lies in a file outside it.
//
// Sealing is AES-256-GCM by Tink (github.com/tink-crypto/tink-go). A sealed value is bound to the table, row and column that
// it was sealed for and opens nowhere else. Fingerprints tell whether two secrets are equal without saying what they are; they stay
// the same when the sealing key is rotated.
//
// The master key is a cleartext keyset, as Tink calls it: it protects a database and its backups from whoever does not have the file, not from whoever
// can read the portal's files. Keep a copy apart from the database's backups: without it the sealed values are lost.
package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"

	"concierge/portal"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Box seals and opens values. It prints and logs as "[redacted]", is immutable and safe for concurrent use. Make it by Open
// or Load.
type Box struct {
	path   string // of the key file, for messages
	aead   tink.AEAD
	derive prf.PRF // HKDF-SHA-256 under the second key of the file
}

// newBox makes the primitives of a key file's two keysets.
func newBox(path string, keys keyFile) (*Box, error) {
	sealing, err := aead.New(keys.sealing)
	if err != nil {
		return nil, fmt.Errorf("sealing keys: %w", err)
	}
	set, err := prf.NewPRFSet(keys.fingerprints)
	if err != nil {
		return nil, fmt.Errorf("fingerprint keys: %w", err)
	}
	return &Box{path: path, aead: sealing, derive: set.PRFs[set.PrimaryID]}, nil
}

// Seal encrypts a value for one place in the database. Two seals of one value differ.
func (b *Box) Seal(table, row, column string, plaintext []byte) ([]byte, error) {
	sealed, err := b.aead.Encrypt(plaintext, place(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", table, column, err)
	}
	return sealed, nil
}

// Unseal decrypts a value that Seal made for the same place. Otherwise, and where it was changed, the error is
// portal.ErrInvalid and shows nothing of it.
func (b *Box) Unseal(table, row, column string, sealed []byte) ([]byte, error) {
	plaintext, err := b.aead.Decrypt(sealed, place(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s of row %q: %w: it was changed, or sealed for another place or with another key file than %s",
			table, column, row, portal.ErrInvalid, b.path)
	}
	return plaintext, nil
}

// place encodes where a value belongs. Lengths keep ("ab","c") and ("a","bc") apart; the number of parts is fixed.
func place(parts ...string) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}

// Fingerprint returns 64 hexadecimal digits that are the same for the same purpose and data under one key file, also after Rotate, and
// say nothing about the data: HMAC-SHA-256 under a key that is derived for the purpose.
func (b *Box) Fingerprint(purpose string, data []byte) string {
	key, err := b.derive.ComputePRF(place("fingerprint", purpose), sha256.Size)
	if err != nil {
		panic("seal: HKDF of 32 bytes: " + err.Error()) // only lengths over 8,160 bytes fail
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return hex.EncodeToString(mac.Sum(nil))
}

const canary = "canary"

// Canary returns a sealed value for the database to keep, so that Verify finds a wrong key file at start.
func (b *Box) Canary() ([]byte, error) {
	return b.Seal(canary, canary, canary, []byte(b.Fingerprint(canary, nil)))
}

// Verify reports whether the database that keeps this canary was sealed with the Box's key file. The error is
// portal.ErrInvalid and says what to do.
func (b *Box) Verify(kept []byte) error {
	plaintext, err := b.Unseal(canary, canary, canary, kept)
	if err != nil || string(plaintext) != b.Fingerprint(canary, nil) {
		return fmt.Errorf("key file %s: %w: this database was sealed with another key file; restore the one that belongs to it to %s, or name it in the configuration",
			b.path, portal.ErrInvalid, b.path)
	}
	return nil
}

func (b *Box) String() string             { return portal.Redacted }
func (b *Box) GoString() string           { return portal.Redacted }
func (b *Box) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(portal.Redacted)) }
func (b *Box) LogValue() slog.Value       { return slog.StringValue(portal.Redacted) }
