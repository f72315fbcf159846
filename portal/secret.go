package portal

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

// Redacted is what a Secret prints.
const Redacted = "[redacted]"

// Secret holds key material. It prints, logs and marshals as "[redacted]" and refuses to be unmarshalled, so that key
// material enters and leaves only through NewSecret and Reveal. The zero value holds nothing.
//
// The closure matters: fmt ignores String on a value held in an unexported field and would print the fields of a
// plain struct.
type Secret struct{ reveal func() string }

// NewSecret wraps s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return s }}
}

// Reveal returns the key material. Call it only where the bytes leave for the gateway, the consumer or the sealer.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether nothing is held.
func (s Secret) IsZero() bool { return s.reveal == nil }

func (s Secret) String() string               { return Redacted }
func (s Secret) GoString() string             { return Redacted }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(Redacted)) }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(Redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(Redacted) }

// UnmarshalText refuses: a Secret is made by NewSecret, where the code says that it is one.
func (s *Secret) UnmarshalText([]byte) error {
	return fmt.Errorf("a secret is not read from text: %w", ErrUnsupported)
}
