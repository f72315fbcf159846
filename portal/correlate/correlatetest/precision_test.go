package correlatetest

import (
	"cmp"
	"fmt"
	"os"
	"testing"

	"concierge/portal/correlate"
)

func place(tb testing.TB, estate []Deployment) correlate.Result {
	tb.Helper()
	members := make([]correlate.Member, len(estate))
	for i, d := range estate {
		members[i] = d.Member()
	}
	r, err := correlate.Place(members, &correlate.Memory{}, func(a, b string) bool { return false })
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// specs are those of the folder CONCIERGE_SPECS, or the ones that come with the package.
func specs(tb testing.TB) []Spec {
	tb.Helper()
	specs, unread, err := Load(cmp.Or(os.Getenv("CONCIERGE_SPECS"), "testdata/specs"))
	if err != nil || len(specs) == 0 {
		tb.Fatalf("%d descriptions, %v", len(specs), err)
	}
	tb.Logf("%d descriptions, %d unread", len(specs), unread)
	return specs
}

func TestPrecisionAndRecall(t *testing.T) {
	specs := specs(t)
	for _, part := range []string{"tuned on", "held out", "both"} {
		some := specs
		if part != "both" {
			some = Half(specs, part == "held out")
		}
		for seed := range uint64(3) {
			f := Measure(Generate(some, seed), place(t, Generate(some, seed)))
			t.Logf("%s, seed %d: %s", part, seed, f)
			if os.Getenv("SHOW") == fmt.Sprint(part, seed) {
				for _, w := range f.Wrong {
					t.Log("WRONG ", w)
				}
				for _, w := range f.Missed {
					t.Log("MISSED ", w)
				}
				for _, w := range f.Doubted {
					t.Log("DOUBTED ", w)
				}
				for _, w := range f.Asked {
					t.Log("ASKED ", w)
				}
			}
		}
	}
}
