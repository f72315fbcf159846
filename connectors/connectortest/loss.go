package connectortest

import (
	"errors"

	"concierge/connectors"
	"concierge/portal"
)

var lossRules = []Rule{
	{
		Name:    "LostAnswerIsFoundByMark",
		Promise: "Whichever request or answer of an Issue is lost, what was made is found by its mark, Issue can be repeated, and Revoke leaves nothing.",
		Check: rule(func(s *session) {
			api := s.api(0)
			n := s.wire.during(nil, func() { s.issue(api) })
			if n == 0 {
				s.Fatalf("Issue sends nothing through the client that it was given")
			}
			found := false
			for k := 1; k <= n; k++ {
				for what, f := range map[string]fault{"answer": loseAnswer, "request": loseRequest} {
					if s.lostWhileIssuing(api, k, what, f) {
						found = true
					}
				}
			}
			if !found {
				s.Errorf("of %d lost answers none left a credential that Find knows: nothing was tried", n)
			}
		}),
	},
	{
		Name:    "LostRevokeIsRepeatable",
		Promise: "Whichever request or answer of a Revoke is lost, repeating it ends with the key refused and its mark unknown.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, issued := s.issue(api)
			n := s.wire.during(nil, func() { _, _ = s.Revoke(mark, issued.Handle) })
			for k := 1; k <= n; k++ {
				for what, f := range map[string]fault{"answer": loseAnswer, "request": loseRequest} {
					mark, issued := s.issue(api)
					s.works(api, issued.Parts, "the key")
					var err error
					s.wire.during(at(k, f), func() { _, err = s.Revoke(mark, issued.Handle) })
					if err != nil {
						s.is(err, portal.ErrUnavailable, "Revoke, with a lost "+what)
					}
					if _, err := s.Revoke(mark, issued.Handle); err != nil {
						s.Fatalf("%s %d of %d of Revoke was lost; repeated: %v", what, k, n, err)
					}
					s.changed()
					s.isRefused(api, issued.Parts, "the revoked key")
					s.gone(mark)
				}
			}
		}),
	},
}

// lostWhileIssuing issues with the kth exchange spoilt, checks that the portal can find out and recover, and reports
// whether Find knew a credential whose Issue had failed.
func (s *session) lostWhileIssuing(api API, k int, what string, f fault) (found bool) {
	s.Helper()
	mark := newMark()
	s.cleanUp(mark)
	req := s.request(api, mark)
	var issued connectors.Issued
	var err error
	s.wire.during(at(k, f), func() { issued, err = s.Issue(req) })
	if err == nil { // it recovered by itself
		issued = s.finish(mark, issued)
		if hasSecret(issued.Parts) {
			s.works(api, issued.Parts, "the key")
		}
		s.present(mark)
	} else {
		s.is(err, portal.ErrUnavailable, "Issue, with a lost "+what)
		_, err = s.Find(mark)
		switch {
		case err == nil:
			found = true
		case !errors.Is(err, portal.ErrNotFound):
			s.Errorf("%s %d of Issue was lost; Find: %v", what, k, err)
		}
	}
	// The portal asks again with the same mark and a value of its own.
	again, err := s.Issue(s.request(api, mark))
	if err != nil {
		s.Errorf("%s %d of Issue was lost; Issue, repeated: %v", what, k, err)
		return found
	}
	again = s.finish(mark, again)
	if !found && issued.Progress == "" && !hasSecret(again.Parts) {
		s.Errorf("%s %d of Issue was lost; Find knew nothing, but Issue, repeated, returns no secret", what, k)
	}
	if hasSecret(again.Parts) {
		s.works(api, again.Parts, "the key of the repeated Issue")
	}
	s.present(mark)
	if n := count(s.all(100), mark); n != 1 {
		s.Errorf("%s %d of Issue was lost and Issue repeated: %d credentials carry the mark", what, k, n)
	}
	if _, err := s.Revoke(mark, connectors.Handle{}); err != nil {
		s.Errorf("%s %d of Issue was lost; Revoke by mark: %v", what, k, err)
	}
	s.changed()
	if hasSecret(again.Parts) {
		s.isRefused(api, again.Parts, "the revoked key")
		s.isRefused(api, with(again.Parts, req.Value), "the value of the lost Issue")
	}
	s.gone(mark)
	return found
}
