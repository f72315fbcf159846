package sqlite

import (
	"fmt"
	"strings"
	"testing"
)

// TestUnnamed checks that only parameters which stand in order lose their numbers.
func TestUnnamed(t *testing.T) {
	numbered := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("$%d", i+1))
		}
		return "INSERT INTO things VALUES (" + strings.Join(all, ", ") + ")"
	}
	const n = 40
	swapped := strings.Replace(strings.Replace(strings.Replace(numbered(n), "$7,", "$x,", 1), "$8,", "$7,", 1), "$x,", "$8,", 1)
	for _, c := range []struct {
		name, query, want string
		n                 int
	}{
		{"in order", numbered(n), "INSERT INTO things VALUES (" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")", n},
		{"few", numbered(3), numbered(3), 3},
		{"one twice", numbered(n) + " RETURNING $40", numbered(n) + " RETURNING $40", n},
		{"out of order", swapped, swapped, n},
		{"more arguments than parameters", numbered(n), numbered(n), n + 1},
		{"fewer arguments than parameters", numbered(n), numbered(n), n - 1},
		{"a longer number", strings.Replace(numbered(n), "$1,", "$11,", 1), strings.Replace(numbered(n), "$1,", "$11,", 1), n},
	} {
		if got := unnamed(c.query, c.n); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
