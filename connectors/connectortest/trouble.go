package connectortest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"go.uber.org/goleak"

	"concierge/connectors"
	"concierge/portal"
)

// prompt is how soon a call must return once its context has ended.
const prompt = time.Second

var troubleRules = []Rule{
	{
		Name: "UnreachableIsUnavailable", Safe: true,
		Promise: "Every call to a gateway that cannot be reached, or that answers 5xx, is ErrUnavailable.",
		Check: rule(func(s *session) {
			s.everyCallIs(portal.ErrUnavailable, "the connection is refused", unreachable)
			for _, status := range []int{500, 502, 503, 504} {
				s.everyCallIs(portal.ErrUnavailable, "the gateway answers 5xx", says(status, "<h1>Oops</h1>"))
			}
		}),
	},
	{
		Name: "TooManyRequestsSaysWhen", Safe: true,
		Promise: "A 429 is a RetryAfterError with the time that the gateway asks for.",
		Check: rule(func(s *session) {
			for _, call := range s.calls() {
				var err error
				s.wire.during(always(says(429, `{"message":"slow down"}`, "Retry-After", "7")), func() {
					err = call.do(context.Background())
				})
				s.hear(err)
				var after *portal.RetryAfterError
				if !errors.As(err, &after) || after.After != 7*time.Second {
					s.Errorf("%s: got error %v; want a RetryAfterError of 7s", call.name, err)
				}
			}
		}),
	},
	{
		Name:    "WrongCredentialsAreDenied",
		Promise: "Admin credentials that the gateway refuses give ErrDenied.",
		Check: rule(func(s *session) {
			cfg := s.target.Config
			if s.target.Denied != nil {
				cfg = *s.target.Denied
			} else {
				s.need(len(cfg.Secrets) > 0, "Denied, nor a secret to replace")
				cfg.Secrets = map[string]portal.Secret{}
				for name := range s.target.Config.Secrets {
					cfg.Secrets[name] = portal.NewSecret("not-the-secret-of-this-gateway")
				}
			}
			denied := s.open(cfg)
			_, err := denied.Probe()
			s.is(err, portal.ErrDenied, "Probe")
			snap, err := denied.Discover()
			s.is(err, portal.ErrDenied, "Discover")
			if len(snap.Deployments) > 0 {
				s.Errorf("Discover returned %d deployments with its error", len(snap.Deployments))
			}
		}),
	},
	{
		Name: "RefusalIsDenied", Safe: true,
		Promise: "A gateway that answers 401 or 403 gives ErrDenied from every call.",
		Check: rule(func(s *session) {
			for _, status := range []int{401, 403} {
				s.everyCallIs(portal.ErrDenied, "the gateway answers 401 or 403", says(status, `{"message":"no"}`))
			}
		}),
	},
	{
		Name: "RubbishIsInvalid", Safe: true,
		Promise: "An answer that makes no sense is ErrInvalid, never an empty gateway; a redirect is not followed.",
		Check: rule(func(s *session) {
			for what, f := range map[string]fault{
				"a page of HTML":       says(200, "<!doctype html><title>Sign in</title>"),
				"a wrong type":         says(200, `7`),
				"another wrong type":   says(200, `"rubbish"`),
				"half a document":      says(200, `{"data":[{"id":`),
				"an empty answer":      says(200, ""),
				"a redirect elsewhere": says(302, "", "Location", "http://127.0.0.1:1/elsewhere"),
			} {
				var snap connectors.Snapshot
				var err error
				s.wire.during(always(f), func() { snap, err = s.Discover() })
				s.is(err, portal.ErrInvalid, "Discover, answered with "+what)
				if len(snap.Deployments) > 0 {
					s.Errorf("Discover, answered with %s, returned %d deployments", what, len(snap.Deployments))
				}
			}
		}),
	},
	{
		Name: "EmptyObjectIsInvalid", Safe: true,
		Promise: "An answer without a list is not an empty list: {} or null in the place of any answer never shortens a snapshot.",
		Check: rule(func(s *session) {
			for _, body := range []string{`{}`, `null`} {
				var err error
				s.wire.during(always(says(200, body)), func() { _, err = s.Discover() })
				s.is(err, portal.ErrInvalid, "Discover, answered with "+body)
				s.neverLess(map[string]fault{body: says(200, body)})
			}
		}),
	},
	{
		Name:    "HalfListIsAnError",
		Promise: "Whichever answer is cut, lost or refused while discovering, Discover fails or is as complete as ever.",
		Check: rule(func(s *session) {
			if s.target.Many != nil {
				s.target.Many(s)
			}
			s.neverLess(map[string]fault{
				"cut": cutBody, "lost": loseAnswer, "a 500": says(500, ""), "a 429": says(429, ""), "rubbish": says(200, "<p>"),
			})
		}),
	},
	{
		Name: "CancelStopsPromptly", Safe: true,
		Promise: "Every call returns its context's error soon after the context ends, also in the middle of an answer.",
		Check: rule(func(s *session) {
			calls := s.calls()
			for what, f := range map[string]func(reached func()) fault{"before an answer": hang, "in the middle of an answer": hangBody} {
				for _, call := range calls {
					s.cancelled(call, what, f)
				}
			}
		}),
	},
	{
		Name:    "ComplaintsAreRedacted",
		Promise: "A gateway that quotes the request in its complaint gets no key material into errors, results or logs.",
		Check: rule(func(s *session) {
			s.deploymentsIfAny()
			for _, status := range []int{400, 401, 403, 404, 409, 422, 500} {
				for _, call := range s.calls() {
					s.wire.during(always(echoes(status)), func() { s.hear(call.do(context.Background())) })
				}
			}
			// The look-ups succeed and only the act is complained about: the error of a connector that looks first.
			if _, ok := connectors.As[connectors.Issuer](s.inner); !ok {
				return
			}
			api := s.api(0)
			n := s.wire.during(nil, func() { s.issue(api) })
			for k := range n {
				mark := newMark()
				s.cleanUp(mark)
				s.wire.during(at(k+1, echoes(409)), func() { _, _ = s.Issue(s.request(api, mark)) })
			}
		}),
	},
	{
		Name:    "NoGoroutineLeft",
		Promise: "A connector that is no longer used leaves no goroutine behind.",
		Check: rule(func(s *session) {
			before := goleak.IgnoreCurrent()
			c := s.open(s.target.Config)
			_, _ = c.Probe()
			_, _ = c.Discover()
			s.wire.during(always(cutBody), func() { _, _ = c.Discover() })
			if _, ok := connectors.As[connectors.Issuer](c.inner); ok {
				_, _ = c.Find(newMark())
				_, _, _ = c.List("", 10)
				_, _ = c.Revoke(newMark(), connectors.Handle{})
			}
			s.wire.CloseIdleConnections()
			if err := goleak.Find(before); err != nil {
				s.Errorf("goroutines are left: %v", err)
			}
		}),
	},
}

// call is one method of the contract with arguments that the gateway does not know.
type call struct {
	name string
	do   func(ctx context.Context) error
}

// calls returns every call that the connector has.
func (s *session) calls() []call {
	ref := connectors.DocumentRef{ID: "no-such-document"}
	documents := false
	for _, d := range s.deploymentsIfAny() {
		if d.Document.ID != "" {
			ref, documents = d.Document, true
			break
		}
	}
	calls := []call{
		{"Probe", func(ctx context.Context) error { _, err := s.inner.Probe(ctx); return err }},
		{"Discover", func(ctx context.Context) error { _, err := s.inner.Discover(ctx, ""); return err }},
	}
	if documents {
		calls = append(calls, call{"OpenDocument", func(ctx context.Context) error {
			r, err := s.inner.OpenDocument(ctx, ref)
			if err != nil {
				return err
			}
			_, err = readAll(r)
			return err
		}})
	}
	if s.capabilities().Discovery == connectors.DiscoverWatch {
		watcher, _ := connectors.As[connectors.Watcher](s.inner)
		calls = append(calls, call{"Watch", func(ctx context.Context) error {
			return watcher.Watch(ctx, "somewhere", func(connectors.Cursor) {})
		}})
	}
	issuer, ok := connectors.As[connectors.Issuer](s.inner)
	if !ok {
		return calls
	}
	req := connectors.IssueRequest{Mark: newMark(), Deployment: connectors.Key{RemoteID: "none"}, Plan: "none", Value: freshValue()}
	if len(s.target.APIs) > 0 {
		req = s.request(s.target.APIs[0], newMark())
	}
	s.secret(req.Value)
	calls = append(calls,
		call{"Issue", func(ctx context.Context) error { _, err := issuer.Issue(ctx, req); return err }},
		call{"Status", func(ctx context.Context) error {
			_, err := issuer.Status(ctx, newMark(), connectors.Handle{})
			return err
		}},
		call{"Find", func(ctx context.Context) error { _, err := issuer.Find(ctx, newMark()); return err }},
		call{"Revoke", func(ctx context.Context) error {
			_, err := issuer.Revoke(ctx, newMark(), connectors.Handle{})
			return err
		}},
		call{"List", func(ctx context.Context) error { _, _, err := issuer.List(ctx, "", 10); return err }},
	)
	if suspender, ok := connectors.As[connectors.Suspender](s.inner); ok {
		calls = append(calls,
			call{"Suspend", func(ctx context.Context) error { return suspender.Suspend(ctx, newMark(), connectors.Handle{}) }},
			call{"Resume", func(ctx context.Context) error { return suspender.Resume(ctx, newMark(), connectors.Handle{}) }},
		)
	}
	return calls
}

// neverLess spoils one answer after the other in each way: Discover fails, or it is as complete as without.
func (s *session) neverLess(ways map[string]fault) {
	s.Helper()
	var whole map[connectors.Key]connectors.Deployment
	n := s.wire.during(nil, func() { whole = s.discover(s.conn) })
	for _, k := range spread(n) {
		for what, f := range ways {
			var snap connectors.Snapshot
			var err error
			s.wire.during(at(k, f), func() { snap, err = s.Discover() })
			if err != nil {
				if !errors.Is(err, portal.ErrUnavailable) && !errors.Is(err, portal.ErrInvalid) {
					s.Errorf("answer %d of %d is %s: got error %v; want one that is %q or %q",
						k, n, what, err, portal.ErrUnavailable, portal.ErrInvalid)
				}
				if len(snap.Deployments) > 0 {
					s.Errorf("answer %d of %d is %s: Discover returned a part with its error", k, n, what)
				}
				continue
			}
			got := map[connectors.Key]connectors.Deployment{}
			for _, d := range snap.Deployments {
				got[d.Key] = d
			}
			if !reflect.DeepEqual(whole, got) {
				s.Errorf("answer %d of %d is %s: Discover succeeds with %d of %d deployments, or other ones", k, n, what, len(got), len(whole))
			}
		}
	}
}

// cancelled makes a call to a gateway that hangs, cancels it there, and wants the context's error soon.
func (s *session) cancelled(call call, what string, hanging func(reached func()) fault) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	reached := make(chan struct{})
	var once sync.Once
	done := make(chan error, 1)
	s.wire.during(always(hanging(func() { once.Do(func() { close(reached) }) })), func() {
		go func() { done <- call.do(ctx) }()
		select {
		case err := <-done: // it may do without the rest of an answer
			s.hear(err)
			if s.wire.requested() == 0 || err != nil {
				s.Errorf("%s returned, with error %v, without waiting for a gateway that hangs %s", call.name, err, what)
			}
			return
		case <-reached:
		case <-time.After(callTimeout):
			s.Fatalf("%s neither asked the gateway nor returned within %s", call.name, callTimeout)
		}
		cancel()
		select {
		case err := <-done:
			s.hear(err)
			s.is(err, context.Canceled, call.name+", cancelled "+what)
		case <-time.After(prompt):
			s.Fatalf("%s, cancelled %s, did not return within %s", call.name, what, prompt)
		}
	})
}

// deploymentsIfAny discovers once.
func (s *session) deploymentsIfAny() map[connectors.Key]connectors.Deployment {
	s.Helper()
	if s.known == nil {
		s.known = s.discover(s.conn)
	}
	return s.known
}

// everyCallIs fails for each call that does not end in an error of the kind while the wire behaves like f.
func (s *session) everyCallIs(kind error, when string, f fault) {
	s.Helper()
	for _, call := range s.calls() {
		var err error
		s.wire.during(always(f), func() {
			ctx, cancel := s.context()
			defer cancel()
			err = call.do(ctx)
		})
		s.hear(err)
		s.is(err, kind, call.name+", when "+when)
	}
}

// spread returns at most twelve numbers from 1 to n, both ends among them.
func spread(n int) []int {
	const most = 12
	var ks []int
	for k := 1; k <= n; k++ {
		if n <= most || k == 1 || k == n || k*(most-1)/n != (k-1)*(most-1)/n {
			ks = append(ks, k)
		}
	}
	return ks
}
