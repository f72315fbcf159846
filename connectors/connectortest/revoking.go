package connectortest

import (
	"fmt"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

var revokingRules = []Rule{
	{
		Name:    "RevokeRefuses",
		Promise: "A revoked key is refused within the declared delay and is no longer found.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, issued := s.issue(api)
			s.works(api, issued.Parts, "the key")
			revoked, err := s.Revoke(mark, issued.Handle)
			if err != nil {
				s.Fatalf("Revoke: %v", err)
			}
			s.changed()
			if revoked.Absent {
				if _, err := s.Find(mark); err == nil {
					s.Errorf("Revoke says that the credential is absent, and Find finds it")
				}
			}
			s.isRefused(api, issued.Parts, "a revoked key")
			s.gone(mark)
			if n := count(s.all(100), mark); n != 0 {
				s.Errorf("List still returns it")
			}
		}),
	},
	{
		Name:    "RevokeOneLeavesTheOther",
		Promise: "Revoking one credential of a subscription leaves the other one working.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, first := s.issue(api)
			other := mark
			other.Credential = newMark().Credential
			if s.capabilities().MaxKeys == 1 {
				other = newMark() // there is one per subscription: take another subscription's
			}
			second := s.issueAs(s.request(api, other))
			s.works(api, first.Parts, "the first key")
			s.works(api, second.Parts, "the second key")
			if _, err := s.Revoke(mark, first.Handle); err != nil {
				s.Fatalf("Revoke: %v", err)
			}
			s.changed()
			s.isRefused(api, first.Parts, "the revoked key")
			if status := s.call(api.URL, second.Parts); status != 200 {
				s.Errorf("the other key gets %d", status)
			}
			s.present(other)
		}),
	},
	{
		Name:    "RevokeTwiceSucceeds",
		Promise: "Revoke of a credential that was revoked is success.",
		Check: rule(func(s *session) {
			mark, issued := s.issue(s.api(0))
			for n := range 3 {
				if _, err := s.Revoke(mark, issued.Handle); err != nil {
					s.Fatalf("Revoke, time %d: %v", n+1, err)
				}
			}
			s.gone(mark)
		}),
	},
	{
		Name:    "RevokeAbsentSucceeds",
		Promise: "Revoke of a credential that never was is success, and confirms its absence.",
		Check: rule(func(s *session) {
			revoked, err := s.Revoke(newMark(), connectors.Handle{})
			if err != nil || !revoked.Absent {
				s.Errorf("Revoke of an unknown mark: %+v, error %v; want absent", revoked, err)
			}
		}),
	},
	{
		Name:    "RevokeByMarkOnly",
		Promise: "Revoke finds the credential by its mark when the handle was lost.",
		Check: rule(func(s *session) {
			api := s.api(0)
			if s.capabilities().RevokeNeedsSecret {
				s.Skipf("not applicable: this gateway needs the secret to revoke")
			}
			mark, issued := s.issue(api)
			s.works(api, issued.Parts, "the key")
			if _, err := s.Revoke(mark, connectors.Handle{}); err != nil {
				s.Fatalf("Revoke without a handle: %v", err)
			}
			s.changed()
			s.isRefused(api, issued.Parts, "the revoked key")
			s.gone(mark)
		}),
	},
	{
		Name:    "RevokeForeignIsDenied",
		Promise: "A credential that does not carry the mark is never touched: Revoke is ErrDenied, Find does not find it, Issue does not take it over.",
		Check: rule(func(s *session) {
			s.issuer()
			s.need(s.target.Foreign != nil, "Foreign")
			api, mark := s.api(0), newMark()
			foreign := s.target.Foreign(s, api, mark)
			s.secretsOf(foreign.Parts)
			s.works(api, foreign.Parts, "the key made by hand")
			_, err := s.Revoke(mark, foreign.Handle)
			s.is(err, portal.ErrDenied, "Revoke with a handle that leads to it")
			if suspender, ok := connectors.As[connectors.Suspender](s.inner); ok {
				ctx, cancel := s.context()
				defer cancel()
				s.is(suspender.Suspend(ctx, mark, foreign.Handle), portal.ErrDenied, "Suspend with a handle that leads to it")
			}
			_, err = s.Find(mark)
			s.is(err, portal.ErrNotFound, "Find")
			// By mark alone it is either not found, which is success, or found and not ours.
			if _, err := s.Revoke(mark, connectors.Handle{}); err != nil {
				s.is(err, portal.ErrDenied, "Revoke by mark")
			}
			issued, err := s.Issue(s.request(api, mark))
			if err == nil {
				s.Cleanup(func() { _, _ = s.Revoke(mark, issued.Handle) })
				if secretOf(issued.Parts) == secretOf(foreign.Parts) {
					s.Errorf("Issue returned the key made by hand as ours")
				}
			}
			time.Sleep(s.capabilities().Propagation)
			if status := s.call(api.URL, foreign.Parts); status != 200 {
				s.Errorf("the key made by hand now gets %d", status)
			}
		}),
	},
	{
		Name:    "IssueAfterRevokeRevivesNothing",
		Promise: "Issue with the mark of a revoked credential makes a new key or refuses; the old key stays refused.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, old := s.issue(api)
			s.works(api, old.Parts, "the key")
			if _, err := s.Revoke(mark, old.Handle); err != nil {
				s.Fatalf("Revoke: %v", err)
			}
			s.changed()
			s.isRefused(api, old.Parts, "the revoked key")
			s.gone(mark)
			issued, err := s.Issue(s.request(api, mark))
			if err != nil {
				s.is(err, portal.ErrConflict, "Issue with the mark of a revoked credential")
			} else {
				if issued = s.finish(mark, issued); !hasSecret(issued.Parts) || secretOf(issued.Parts) == secretOf(old.Parts) {
					s.Errorf("Issue succeeds without a new secret")
				}
				s.works(api, issued.Parts, "the new key")
			}
			time.Sleep(s.capabilities().Propagation)
			if status := s.call(api.URL, old.Parts); !refused(status) {
				s.Errorf("the old key gets %d", status)
			}
		}),
	},
}

var listingRules = []Rule{
	{
		Name:    "FindByMark",
		Promise: "Find returns the credential that carries the mark, with a handle that Revoke takes, and not once it is revoked.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, issued := s.issue(api)
			s.issue(api) // another one, to be told apart
			found := s.present(mark)
			checkFound(s, found, mark)
			if found.Handle.IsZero() {
				s.Errorf("Find returned no handle")
			}
			if _, err := s.Revoke(mark, found.Handle); err != nil {
				s.Fatalf("Revoke with the handle of Find: %v", err)
			}
			s.changed()
			s.isRefused(api, issued.Parts, "the key revoked through Find")
			s.gone(mark)
		}),
	},
	{
		Name: "FindUnknownIsNotFound", Safe: true,
		Promise: "Find of a mark that was never used is ErrNotFound.",
		Check: rule(func(s *session) {
			s.issuer()
			_, err := s.Find(newMark())
			s.is(err, portal.ErrNotFound, "Find")
		}),
	},
	{
		Name:    "ListPagesToTheEnd",
		Promise: "List, in small pages and in large ones, returns every credential of ours once.",
		Check: rule(func(s *session) {
			var marks []connectors.Mark
			for n := range 4 {
				mark, _ := s.issue(s.api(n % 2))
				marks = append(marks, mark)
			}
			for _, mark := range marks {
				s.present(mark)
			}
			for _, limit := range []int{1, 2, 1000} {
				all := s.all(limit)
				for _, mark := range marks {
					if n := count(all, mark); n != 1 {
						s.Errorf("in pages of %d a credential is listed %d times", limit, n)
					}
				}
				for _, f := range all {
					for _, mark := range marks {
						if f.Mark.Credential == mark.Credential {
							checkFound(s, f, mark)
						}
					}
				}
			}
		}),
	},
	{
		Name:    "ListShowsOnlyOurs",
		Promise: "List leaves out credentials that somebody made by hand.",
		Check: rule(func(s *session) {
			s.issuer()
			s.need(s.target.Foreign != nil, "Foreign")
			likeOurs := newMark()
			foreign := s.target.Foreign(s, s.api(0), likeOurs)
			s.secretsOf(foreign.Parts)
			mark, _ := s.issue(s.api(0))
			s.present(mark)
			all := s.all(100)
			for _, f := range all {
				if f.Mark.Credential == "" || f.Mark.Credential == likeOurs.Credential {
					s.Errorf("List returns a credential that is not ours: %+v", f.Mark)
				}
			}
			if count(all, mark) != 1 {
				s.Errorf("List leaves out our own")
			}
		}),
	},
	{
		Name:    "ListCarriesNoSecrets",
		Promise: "Neither List nor Find nor an open handle holds key material; sealed parts exist only where Revoke needs them.",
		Check: rule(func(s *session) {
			mark, issued := s.issue(s.api(0))
			found := append(s.all(100), s.present(mark))
			secret := secretOf(issued.Parts)
			for _, h := range append(handles(found), issued.Handle) {
				if len(h.Sealed) > 0 && !s.capabilities().RevokeNeedsSecret {
					s.Errorf("a handle seals a secret that Revoke does not need")
				}
				for name, value := range h.Open {
					if value == secret {
						s.Errorf("the open part %q of a handle is the key itself", name)
					}
				}
			}
			s.hear(fmt.Sprintf("%+v", found)) // the search for leaks does the rest
		}),
	},
}

func handles(found []connectors.Found) []connectors.Handle {
	var hs []connectors.Handle
	for _, f := range found {
		hs = append(hs, f.Handle)
	}
	return hs
}

func checkFound(s *session, f connectors.Found, mark connectors.Mark) {
	s.Helper()
	if f.Mark.Credential != mark.Credential ||
		f.Mark.Subscription != "" && f.Mark.Subscription != mark.Subscription ||
		f.Mark.Application != "" && f.Mark.Application != mark.Application {
		s.Errorf("found the mark %+v; it was issued with %+v", f.Mark, mark)
	}
	if f.Progress != connectors.Done || f.Disabled {
		s.Errorf("found %q, disabled %t; want done", f.Progress, f.Disabled)
	}
}
