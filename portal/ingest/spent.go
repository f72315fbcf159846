package ingest

import (
	"sync/atomic"
	"time"
)

// Spent says into what the time of all syncs of a process went, added up. What waits for a gateway is not in it. Documents are
// read by several at a time; from Follow on, one sync is at it after the other.
type Spent struct {
	Describe time.Duration // reading and packing documents
	Plan     time.Duration
	Follow   time.Duration // taking over what others have done to what is compared
	Sketch   time.Duration
	Near     time.Duration // finding what may be alike
	Compare  time.Duration // judging it, and joining
	Write    time.Duration // of what was placed
	Commit   time.Duration
}

// Correlation is the part of it that says which deployments are one API, the writing of that and of the deployments included.
func (s Spent) Correlation() time.Duration { return s.Follow + s.Sketch + s.Near + s.Compare + s.Write }

// stopwatch adds up.
type stopwatch struct {
	describe, plan, follow, sketch, near, compare, write, commit atomic.Int64
}

// add counts the time since a moment, but for what was counted elsewhere.
func add(to *atomic.Int64, began time.Time, but time.Duration) {
	to.Add(int64(time.Since(began) - but))
}

// Spent says what all syncs spent until now.
func (s *Service) Spent() Spent {
	of := func(n *atomic.Int64) time.Duration { return time.Duration(n.Load()) }
	w := &s.watch
	return Spent{of(&w.describe), of(&w.plan), of(&w.follow), of(&w.sketch), of(&w.near), of(&w.compare), of(&w.write), of(&w.commit)}
}
