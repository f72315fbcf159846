package ingest

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// each calls f with every number below n, on all processors. f must not depend on the order. A panic in it is one of the caller's.
func each(n int, f func(i int)) {
	const together = 64 // handed out at a time: less would cost more than it gains
	var next atomic.Int64
	var panicked atomic.Pointer[any]
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+together-1)/together) {
		group.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					panicked.Store(&r)
				}
			}()
			for {
				from := int(next.Add(together)) - together
				if from >= n {
					return
				}
				for i := from; i < min(from+together, n); i++ {
					f(i)
				}
			}
		})
	}
	group.Wait()
	if r := panicked.Load(); r != nil {
		panic(*r)
	}
}
