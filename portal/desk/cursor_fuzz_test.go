package desk

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"concierge/portal"
)

// open takes anything for sealed, so that what is behind the seal is read.
type open struct{}

func (open) Seal(_, _, _ string, plaintext []byte) ([]byte, error) { return plaintext, nil }
func (open) Unseal(_, _, _ string, sealed []byte) ([]byte, error)  { return sealed, nil }

// FuzzCursor: a cursor that is none is refused with words, whatever it holds, and one that was given out leads to its place.
func FuzzCursor(f *testing.F) {
	f.Add("WyJhIiwiYiJd", "a", "b")
	f.Add("!", "", "\xff")
	f.Fuzz(func(t *testing.T, cursor, remote, exposure string) {
		d := &desk{Service: &Service{Parts: Parts{Sealer: open{}}}}
		for _, c := range []string{cursor, base64.RawURLEncoding.EncodeToString([]byte(cursor))} {
			if _, err := openCursor[[2]string](d, "list", c); err != nil && !errors.Is(err, portal.ErrInvalid) {
				t.Error(err)
			}
			if _, err := openCursor[int64](d, "list", c); err != nil && !errors.Is(err, portal.ErrInvalid) {
				t.Error(err)
			}
		}
		place := [2]string{strings.ToValidUTF8(remote, ""), strings.ToValidUTF8(exposure, "")} // as ids are kept
		sealed, err := sealCursor(d, "list", place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := openCursor[[2]string](d, "list", sealed); err != nil || got != place {
			t.Errorf("%q is %q, %v", place, got, err)
		}
	})
}
