package document

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"concierge/portal"
)

// TestReasonsAreFoundAgain: the text of every refusal tells its own reason, and what it says.
func TestReasonsAreFoundAgain(t *testing.T) {
	if len(sayings) < 30 {
		t.Fatalf("only %d reasons", len(sayings))
	}
	for want, format := range sayings {
		var values []any
		var said []string
		for i, v := range verb.FindAllString(format, -1) {
			values = append(values, map[string]any{"%d": i + 7, "%s": fmt.Sprintf("/paths/~1a/%d", i), "%w": fmt.Errorf("line %d: odd; it is empty", i)}[v])
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
