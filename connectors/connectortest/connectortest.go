// Package connectortest is the conformance suite of package connectors: a list of named rules, each a promise that the
// portal relies on, checked from outside against a gateway that has been seeded.
//
// The suite opens the connector itself, with a client and a logger of its own. So it can lose, cut, delay and forge the
// gateway's answers without the gateway's help, against a real product as well as against a fake, and it sees every
// URL, log line and error. A rule that cannot hold for a gateway is waived by name, with the reason.
//
// The rules are data: Run drives all of them in a test, Check drives one anywhere else. Those marked Safe only read, a
// few times, and need nothing but an open connector, so that they can be run against somebody's own gateway.
package connectortest

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concierge/connectors"
)

// Target is a gateway that runs, holds APIs, and is the suite's to change. Rules never assume to be alone on it: where
// starting one is expensive, the function given to Run may return the same one each time.
//
// A rule that needs a part which is missing fails and says so: provide the part, or waive the rule.
type Target struct {
	// Open is the constructor under test, usually Kind.Open.
	Open func(connectors.Config) (connectors.Connector, error)
	// Config has full admin rights. Client may be nil; its Transport, where there is one, is used below the suite's
	// own. Log is replaced.
	Config connectors.Config
	// ReadOnly has admin rights that suffice for reading only.
	ReadOnly *connectors.Config
	// Denied has admin credentials that the gateway refuses. Nil: Config with every secret replaced by a wrong one.
	Denied *connectors.Config

	// APIs are two or more deployments that keys can be issued for, each confined to its own.
	APIs []API
	// Unconfined changes the gateway, until the rule ends, so that it has an API whose keys cannot be confined, and
	// returns that API with the name of the missing setting, which the refusal must contain.
	Unconfined func(t T) (api API, setting string)
	// Pending is an API whose credentials wait for somebody; Advance lets them have what they wait for.
	Pending *API
	// Advance does, on the gateway, what a pending credential or (with Capabilities.Pipeline) any change waits for.
	Advance func(t T)
	// Many adds more APIs than the connector reads in one page and returns their keys. Several rules call it: on a
	// gateway that is shared it may add them once and return the same.
	Many func(t T) []connectors.Key
	// Withdraw takes away one of those that Many added, which it adds again when it is called the next time. Only gateways whose discovery is more than a snapshot need it.
	Withdraw func(t T, key connectors.Key)
	// Foreign makes a credential for api by hand, as like mark as the gateway allows without carrying it.
	Foreign func(t T, api API, mark connectors.Mark) Foreign

	// DataPlane calls the APIs. Nil: a plain client.
	DataPlane *http.Client
	// Grace is added to every delay that the connector declares, for the machine's own slowness. 0: one second.
	Grace time.Duration
	// ShortestLife is the shortest time after which the gateway can end a credential, where it can. 0: two seconds.
	ShortestLife time.Duration
	// Waivers maps the name of a rule that cannot hold to the reason.
	Waivers map[string]string
}

// API is a deployment that the suite calls through the data plane.
type API struct {
	Key connectors.Key
	// URL answers 200 to a GET with a key, and 401 or 403 without one.
	URL string
}

// Foreign is a credential that somebody made by hand.
type Foreign struct {
	Parts  []connectors.Part // open the API
	Handle connectors.Handle // would lead the connector to it
}

// T is what a rule needs of *testing.T.
type T interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Rule is one promise of the contract.
type Rule struct {
	Name    string
	Promise string // in one line
	Safe    bool   // only reads, a few times
	Check   func(t T, target Target)
}

// Rules returns all rules in the order in which they are run.
func Rules() []Rule {
	return slices.Concat(readingRules, troubleRules, issuingRules, revokingRules, listingRules, lossRules)
}

// Run checks every rule as a subtest of its own. open is called for each and returns a target that is seeded; it
// registers the clean-up on its t.
func Run(t *testing.T, open func(t *testing.T) Target) {
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			target := open(t)
			if err := checkWaivers(target.Waivers); err != nil {
				t.Fatal(err)
			}
			if reason, waived := target.Waivers[rule.Name]; waived {
				t.Skipf("waived: %s", reason)
			}
			rule.Check(t, target)
		})
	}
}

func checkWaivers(waivers map[string]string) error {
	for name, reason := range waivers {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name }) {
			return fmt.Errorf("a waiver names the rule %q, which does not exist", name)
		}
		if strings.TrimSpace(reason) == "" {
			return fmt.Errorf("the waiver of %s gives no reason", name)
		}
	}
	return nil
}

// Outcome of a rule.
type Outcome string

// A rule that is skipped does not apply, or is waived.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Result is what Check found.
type Result struct {
	Rule     Rule
	Outcome  Outcome
	Messages []string // why it failed or was skipped, in order
	Elapsed  time.Duration
}

// Check runs one rule outside a test. ctx ends it early.
func Check(ctx context.Context, rule Rule, target Target) Result {
	start := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	r := &recorder{ctx: ctx, outcome: Passed}
	if err := checkWaivers(target.Waivers); err != nil {
		r.Errorf("%v", err)
	} else if reason, waived := target.Waivers[rule.Name]; waived {
		r.outcome, r.messages = Skipped, []string{"waived: " + reason}
	} else {
		r.goexit(func() { rule.Check(r, target) })
	}
	cancel() // as package testing does: before the clean-up
	for len(r.cleanups) > 0 {
		last := len(r.cleanups) - 1
		clean := r.cleanups[last]
		r.cleanups = r.cleanups[:last]
		r.goexit(clean)
	}
	return Result{Rule: rule, Outcome: r.outcome, Messages: r.messages, Elapsed: time.Since(start)}
}

// recorder is a T that remembers.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	outcome  Outcome
	messages []string
	cleanups []func()
}

// goexit runs f to its end or to its call of Fatalf or Skipf.
func (r *recorder) goexit(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (r *recorder) note(o Outcome, format string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.outcome != Failed {
		r.outcome = o
	}
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}

func (r *recorder) Helper()                           {}
func (r *recorder) Context() context.Context          { return r.ctx }
func (r *recorder) Logf(string, ...any)               {}
func (r *recorder) Errorf(format string, args ...any) { r.note(Failed, format, args) }
func (r *recorder) Fatalf(format string, args ...any) {
	r.note(Failed, format, args)
	runtime.Goexit()
}
func (r *recorder) Skipf(format string, args ...any) {
	r.note(Skipped, format, args)
	runtime.Goexit()
}
func (r *recorder) Cleanup(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleanups = append(r.cleanups, f)
}
