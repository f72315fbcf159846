package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage there may be, in percent of what lives: as much again in a small process, which is what Go allows, and no
// more than a room of some bytes in a larger one, whose table would have as much again beside it that nobody needs. Collecting
// costs the more the more lives: leastGarbage is for the largest.
const (
	mostGarbage, leastGarbage = 100, 25
	garbageRoom               = 160 << 20
	// serverRoom is garbageRoom where a server has the database: what SQLite keeps of its file is in the process.
	serverRoom = 256 << 20
)

// collect has garbage collected more often while much lives, until ctx ends. GOGC in the environment is left as it is, and so
// is GOMEMLIMIT.
func collect(ctx context.Context, room uint64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer debug.SetGCPercent(debug.SetGCPercent(mostGarbage))
	percent := mostGarbage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if next := garbage(living(), room); next != percent {
			percent = next
			debug.SetGCPercent(percent)
		}
	}
}

// loadingRoom is how much garbage a start may make before any is collected, in bytes.
const loadingRoom = 384 << 20

// loading runs what fills an empty process: most of what it allocates stays, and looking for garbage again and again while the
// heap grows would take a quarter of its time. The room is never touched, so it takes no memory itself.
func loading(load func() error) error {
	room := make([]byte, loadingRoom)
	defer runtime.KeepAlive(room)
	return load()
}

// garbage is how much of it there may be beside what lives, in percent: in steps of five, since each change stops the process
// for a moment.
func garbage(live, room uint64) int {
	percent := int(room*100/max(live, room)) / 5 * 5
	return max(percent, leastGarbage)
}

// living is how many bytes were in use when garbage was collected last.
func living() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
