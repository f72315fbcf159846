package document

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"concierge/portal"
)

// TestReasonsAreFoundAgain: the text of every refusal tells its own reason, and what it says.
func TestReasonsAreFoundAgain(t *testing.T) {
	reasons := Reasons.Sentences()
	if len(reasons) < 30 {
		t.Fatalf("only %d reasons", len(reasons))
	}
	for want, n := range reasons {
		values := []any{value("line 1: odd; it is empty"), value("/paths/~1a/1"), value("/paths/~1a/2")}[:n]
		slices.Reverse(values)
		var said []string
		for i := range values {
			said = append(said, fmt.Sprint(values[i]))
		}
		err := fmt.Errorf("deployment x: %w", invalid(want, values...))
		got, found, ok := ReasonIn(err.Error())
		if !ok || got != want || !slices.Equal(found, said) {
			t.Errorf("%s: found %s %q in %q", want, got, found, err)
		}
		if !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s is not ErrInvalid", want)
		}
	}
	for _, other := range []string{"", "it is empty; export it again from its source", "API description: invalid: it is odd"} {
		if r, _, ok := ReasonIn(other); ok {
			t.Errorf("%q is %s", other, r)
		}
	}
}

// value is said as it is, whatever the format says that it is.
type value string

func (v value) Error() string { return string(v) }

func (v value) Format(to fmt.State, _ rune) { _, _ = io.WriteString(to, string(v)) }
