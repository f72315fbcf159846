package correlate

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSketchIsTheSameAfterJSON(t *testing.T) {
	s := New(Deployment{Title: "Payments", Shape: NewShape([]Operation{{"GET", "/a/payments"}, {"POST", "/a/refunds/{id}"}})})
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Sketch
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back, cmp.AllowUnexported(Shape{})); diff != "" {
		t.Error(diff)
	}
}

func TestPlaceJoinsByTitleWithinADivision(t *testing.T) {
	var known Memory
	known.Put(Member{ID: "k", Entry: "e", Division: "d", Sketch: New(Deployment{Title: "Tradeworks Payments"})})
	got, err := Place([]Member{
		{ID: "b", Division: "d", Sketch: New(Deployment{Title: "tradeworks payments"})},
		{ID: "a", Division: "other", Sketch: New(Deployment{Title: "tradeworks payments"})},
	}, &known, func(a, b string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Joins) != 2 || len(got.Reviews) != 1 || got.Joins[1].Entry != "e" {
		t.Errorf("got %+v", got)
	}
}
