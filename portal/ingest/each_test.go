package ingest

import (
	"sync/atomic"
	"testing"
)

func TestEachIsCalledOnce(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 1000} {
		calls := make([]atomic.Int32, n)
		each(n, func(i int) { calls[i].Add(1) })
		for i := range calls {
			if got := calls[i].Load(); got != 1 {
				t.Errorf("%d of %d: called %d times", i, n, got)
			}
		}
	}
}

func TestEachPanicsForItsCaller(t *testing.T) {
	defer func() {
		if r := recover(); r != "boom" {
			t.Errorf("recovered %v", r)
		}
	}()
	each(500, func(i int) {
		if i == 300 {
			panic("boom")
		}
	})
	t.Error("it went on")
}
