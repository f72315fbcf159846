package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbageIsCollectedSoonerWhileMuchLives(t *testing.T) {
	for _, tc := range []struct {
		live uint64
		want int
	}{{0, mostGarbage}, {garbageRoom, mostGarbage}, {garbageRoom * 2, 50}, {garbageRoom * 3, 30}, {garbageRoom * 4, leastGarbage}, {1 << 40, leastGarbage}} {
		if got := garbage(tc.live, garbageRoom); got != tc.want {
			t.Errorf("%d bytes live: %d %%, want %d", tc.live, got, tc.want)
		}
	}
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(mostGarbage)
	defer debug.SetGCPercent(before)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { collect(ctx, garbageRoom); close(ended) }()
	much := make([]byte, 2*garbageRoom)
	runtime.GC()
	percent := func() int { // there is no way to look but to set
		p := debug.SetGCPercent(leastGarbage)
		debug.SetGCPercent(p)
		return p
	}
	for end := time.Now().Add(time.Minute); percent() >= 60; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("garbage is collected as in a small process")
		}
	}
	runtime.KeepAlive(much)
	cancel()
	<-ended
	if p := percent(); p != mostGarbage {
		t.Errorf("at its end the process collects at %d %%", p)
	}
}
