package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage there may be, in percent of what lives: as much again in a small process, which is what Go allows, and less
// than half of that in one of more than largeHeap bytes: its table would have as much room again beside it that nobody needs.
const (
	smallGarbage, largeGarbage = 100, 45
	largeHeap                  = 256 << 20
)

// collect has garbage collected more often while much lives, until ctx ends. GOGC in the environment is left as it is, and so
// is GOMEMLIMIT.
func collect(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer debug.SetGCPercent(debug.SetGCPercent(smallGarbage))
	percent := smallGarbage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if next := garbage(living()); next != percent {
			percent = next
			debug.SetGCPercent(percent)
		}
	}
}

// loadingRoom is how much garbage a start may make before any is collected, in bytes.
const loadingRoom = 128 << 20

// loading runs what fills an empty process: most of what it allocates stays, and looking for garbage again and again while the
// heap grows would take a quarter of its time. The room is never touched, so it takes no memory itself.
func loading(load func() error) error {
	room := make([]byte, loadingRoom)
	defer runtime.KeepAlive(room)
	return load()
}

// garbage is how much of it there may be beside what lives, in percent.
func garbage(live uint64) int {
	if live > largeHeap {
		return largeGarbage
	}
	return smallGarbage
}

// living is how many bytes were in use when garbage was collected last.
func living() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
