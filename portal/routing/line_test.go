package routing

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCompareLines(t *testing.T) {
	for name, ascending := range map[string][]string{
		"numbers":   {"1", "2", "9", "10", "100000000000000000000000"},
		"dotted":    {"1", "1.0.1", "1.2", "1.9", "1.10", "2"},
		"v":         {"v1", "v2", "v10"},
		"mixed v":   {"1", "v2", "3"},
		"semver":    {"1.0.0-alpha", "1.0.0-beta", "1.0.0-rc1", "1.0.0-rc10", "1.0.0", "1.0.1-beta", "1.0.1"},
		"dates":     {"2024-12-31", "2025-01-31", "2025-02-01", "2025-10-01"},
		"compact":   {"2024-12-31", "20250131", "2025-02-01", "20251001"},
		"previews":  {"2025-01-01", "2025-02-01-preview", "2025-02-01", "2025-03-01-preview"},
		"kinds":     {"", "alpha", "beta", "vintage", "1", "2", "2025-01-01"},
		"others":    {"Release-9", "release-10", "release-10b"},
		"same size": {"2", "2.0", "v2"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, a := range ascending {
				for k, b := range ascending {
					if got, want := sign(compareLines(a, b)), sign(i-k); got != want {
						t.Errorf("compareLines(%q, %q) = %d, want %d", a, b, got, want)
					}
				}
			}
		})
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestLinesAreInTotalOrder(t *testing.T) {
	line := rapid.OneOf(rapid.StringMatching(`v?[0-3]{0,9}([.\-_][0-2a]{1,3}){0,2}(-?[ab0]{0,2})`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := line.Draw(t, "a"), line.Draw(t, "b"), line.Draw(t, "c")
		if compareLines(a, b) != -compareLines(b, a) {
			t.Fatal("depends on the side")
		}
		if (compareLines(a, b) == 0) != (a == b) {
			t.Fatal("different lines are equal")
		}
		sorted := []string{a, b, c}
		slices.SortFunc(sorted, compareLines)
		if compareLines(sorted[0], sorted[2]) > 0 {
			t.Fatalf("not transitive: %q", sorted)
		}
	})
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Zürich", "ÉTÉ", "straße", "a\x00b", "  two\twords\n", "\xff\xfe", "ﬁ", "İ", "\xf3˛"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if once := fold(s); fold(once) != once {
			t.Errorf("fold(%q) = %q, folded again %q", s, once, fold(once))
		}
	})
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Zürich Orders": "zurich orders", "ÉTÉ": "ete", "Straße": "strasse", " a \n\tb\x00c ": "a b c", "Ærø": "ærø", "ﬁnance": "finance",
	} {
		if got := fold(in); got != want {
			t.Errorf("fold(%q) = %q, want %q", in, got, want)
		}
	}
}
