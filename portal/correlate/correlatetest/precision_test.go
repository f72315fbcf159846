package correlatetest

import (
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

func TestPrecisionAndRecall(t *testing.T) {
	dir := os.Getenv("CONCIERGE_SPECS")
	if dir == "" {
		dir = "testdata/specs"
	}
	specs, unread, err := Load(dir)
	if err != nil || len(specs) == 0 {
		t.Fatalf("%d specs, %v", len(specs), err)
	}
	t.Logf("%d descriptions, %d unread", len(specs), unread)
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
