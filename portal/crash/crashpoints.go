//go:build crashpoints

// Package crash marks the instants at which a test kills the process; see the file without the build tag.
package crash

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

var (
	chosen, number, _ = strings.Cut(os.Getenv("CONCIERGE_CRASH"), ":")
	passages          atomic.Int64
)

// Point kills the process when name is the chosen point and this is the chosen passage.
func Point(name string) {
	if name != chosen {
		return
	}
	nth := int64(1)
	if number != "" {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			panic("CONCIERGE_CRASH is name or name:passage, not " + chosen + ":" + number)
		}
		nth = n
	}
	if passages.Add(1) != nth {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the kill arrives
}
