//go:build !crashpoints

// Package crash marks the instants at which a test kills the process, to prove that a start afterwards finds everything
// in order. Without the build tag crashpoints, Point does nothing and the compiler removes it.
//
// With the tag, CONCIERGE_CRASH=name kills the process (SIGKILL: nothing is flushed, closed or deferred) when it first
// passes Point(name), and CONCIERGE_CRASH=name:3 the third time.
package crash

// Point is an instant at which the process may die.
func Point(string) {}
