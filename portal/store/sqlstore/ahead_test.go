package sqlstore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestAhead(t *testing.T) {
	numbers := make([]int, 10*aheadAtOnce+1)
	for i := range numbers {
		numbers[i] = i
	}
	want := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprint(i))
		}
		return out
	}
	broken := errors.New("broken")
	row := func(bad int) func(int) ([]any, error) {
		return func(n int) ([]any, error) {
			if n == bad {
				return nil, broken
			}
			return []any{fmt.Sprint(n)}, nil
		}
	}
	for _, tc := range []struct {
		name            string
		of, bad, enough int // how many there are, which of them cannot be encoded, and how many are taken
		want            int
		err             error
	}{
		{"none", 0, -1, -1, 0, nil},
		{"one", 1, -1, -1, 1, nil},
		{"all in order", len(numbers), -1, -1, len(numbers), nil},
		{"an error after those before it", len(numbers), 100, -1, 100, broken},
		{"enough", len(numbers), -1, 50, 50, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			var err error
			for values, rowErr := range ahead(numbers[:tc.of], row(tc.bad)) {
				if err != nil {
					t.Error("it goes on after an error")
				}
				if err = rowErr; err == nil {
					got = append(got, values[0].(string))
				}
				if len(got) == tc.enough {
					break
				}
			}
			if !slices.Equal(got, want(tc.want)) || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}
