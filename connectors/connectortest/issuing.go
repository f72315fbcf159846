package connectortest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

var issuingRules = []Rule{
	{
		Name:    "IssueWorks",
		Promise: "An issued key opens its API within the declared delay, as the deployment says keys are sent; no key and a wrong key are refused.",
		Check: rule(func(s *session) {
			api := s.api(0)
			if status := s.call(api.URL, nil); !refused(status) {
				s.Errorf("without a key the data plane answers %d", status)
			}
			_, issued := s.issue(api)
			if !hasSecret(issued.Parts) {
				s.Fatalf("Issue returned no secret")
			}
			if issued.Handle.IsZero() {
				s.Errorf("Issue returned no handle")
			}
			s.works(api, issued.Parts, "the key")
			if status := s.call(api.URL, forged(issued.Parts)); !refused(status) {
				s.Errorf("with a wrong key the data plane answers %d", status)
			}
			if status := s.call(api.URL, nil); !refused(status) {
				s.Errorf("without a key, once there is one, the data plane answers %d", status)
			}
			auth := s.deployment(api.Key).Authentication
			if auth.Type == "apiKey" && !slices.ContainsFunc(issued.Parts, func(p connectors.Part) bool {
				return !p.Public && p.In == auth.In && strings.EqualFold(p.Name, auth.Name) && p.Prefix == auth.Prefix
			}) {
				s.Errorf("the key is sent as %+v, the deployment says %+v", issued.Parts, auth)
			}
		}),
	},
	{
		Name:    "KeyIsRefusedElsewhere",
		Promise: "A key opens the API that it was issued for and no other one of its gateway.",
		Check: rule(func(s *session) {
			for n := range s.target.APIs {
				api := s.api(n)
				if !s.deployment(api.Key).Issue.Able {
					s.Errorf("%+v: Discover says that no key can be issued: %s", api.Key, s.deployment(api.Key).Issue.Reason)
					continue
				}
				_, issued := s.issue(api)
				s.works(api, issued.Parts, "the key")
				for _, other := range s.target.APIs {
					if other.Key == api.Key {
						continue
					}
					if status := s.call(other.URL, issued.Parts); !refused(status) {
						s.Errorf("%+v answers %d to a key of %+v", other.Key, status, api.Key)
					}
				}
			}
		}),
	},
	{
		Name:    "UnconfinedIsUnsupported",
		Promise: "Where a key could open other APIs, discovery says so and Issue refuses, naming the setting; it issues once the reach was accepted.",
		Check: rule(func(s *session) {
			s.issuer()
			s.need(s.target.Unconfined != nil, "Unconfined")
			api, setting := s.target.Unconfined(s)
			d := s.deployment(api.Key)
			if d.Issue.Able || !strings.Contains(d.Issue.Reason, setting) {
				s.Errorf("Discover says %+v; want unable, with a reason that names %q", d.Issue, setting)
			}
			if len(d.Reach) == 0 {
				s.Errorf("Discover names no API that such a key would open")
			}
			req := s.request(api, newMark())
			s.cleanUp(req.Mark)
			_, err := s.Issue(req)
			s.is(err, portal.ErrUnsupported, "Issue")
			if err != nil && !strings.Contains(err.Error(), setting) {
				s.Errorf("the refusal %q does not name %q", err, setting)
			}
			s.gone(req.Mark)
			req.AcceptReach = true
			issued := s.issueAs(req)
			s.works(api, issued.Parts, "the key with accepted reach")
		}),
	},
	{
		Name:    "UnknownDeploymentIsRefused",
		Promise: "Issue for a deployment or a plan that the gateway does not have is an error and makes nothing.",
		Check: rule(func(s *session) {
			req := s.request(s.api(0), newMark())
			req.Deployment.RemoteID = "no-such-api"
			s.cleanUp(req.Mark)
			if _, err := s.Issue(req); err == nil {
				s.Errorf("Issue for an unknown API succeeded")
			}
			s.gone(req.Mark)
			req = s.request(s.api(0), newMark())
			req.Plan = "no-such-plan"
			s.cleanUp(req.Mark)
			if _, err := s.Issue(req); err == nil {
				s.Errorf("Issue for an unknown plan succeeded")
			}
			s.gone(req.Mark)
		}),
	},
	{
		Name:    "IssueTwiceIsOneKey",
		Promise: "Issue with a mark that is there already makes no second credential and leaves the first unchanged.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, first := s.issue(api)
			s.works(api, first.Parts, "the key")
			again := s.request(api, mark) // with another value
			second, err := s.Issue(again)
			if err != nil {
				s.Fatalf("Issue, repeated: %v", err)
			}
			if second.Progress != connectors.Done {
				s.Errorf("Issue, repeated, says %q", second.Progress)
			}
			if hasSecret(second.Parts) && secretOf(second.Parts) != secretOf(first.Parts) {
				s.Errorf("Issue, repeated, returned another secret")
			}
			s.changed()
			time.Sleep(s.capabilities().Propagation)
			if status := s.call(api.URL, first.Parts); status != 200 {
				s.Errorf("after a repeated Issue the first key gets %d", status)
			}
			if status := s.call(api.URL, with(first.Parts, again.Value)); !refused(status) {
				s.Errorf("the value of the repeated Issue gets %d", status)
			}
			if n := count(s.all(100), mark); n != 1 {
				s.Errorf("%d credentials carry the mark", n)
			}
		}),
	},
	{
		Name:    "SecondKeyBesideTheFirst",
		Promise: "A second credential of one subscription works beside the first; with MaxKeys 1 it is ErrConflict and the first goes on.",
		Check: rule(func(s *session) {
			api := s.api(0)
			mark, first := s.issue(api)
			s.works(api, first.Parts, "the first key")
			other := mark
			other.Credential = newMark().Credential
			if s.capabilities().MaxKeys == 1 {
				s.cleanUp(other)
				_, err := s.Issue(s.request(api, other))
				s.is(err, portal.ErrConflict, "Issue of a second credential")
				s.gone(other)
			} else {
				second := s.issueAs(s.request(api, other))
				if secretOf(second.Parts) == secretOf(first.Parts) {
					s.Errorf("both credentials have the same secret")
				}
				s.works(api, second.Parts, "the second key")
			}
			s.works(api, first.Parts, "the first key, beside the second,")
		}),
	},
	{
		Name:    "ConcurrentIssueIsOneKey",
		Promise: "Issue called several times at once with one mark makes one credential; whoever gets a secret gets the one that works.",
		Check: rule(func(s *session) {
			for range 3 { // a race is not lost every time
				s.issueAtOnce(s.api(0), 5)
			}
		}),
	},
	{
		Name:    "PendingIsPolledToDone",
		Promise: "A credential that waits is Pending with a handle and a note, does not work, is found, and becomes Done.",
		Check: rule(func(s *session) {
			s.issuer()
			s.need(s.target.Pending != nil && s.target.Advance != nil, "Pending and Advance")
			api, mark := *s.target.Pending, newMark()
			s.cleanUp(mark)
			issued, err := s.Issue(s.request(api, mark))
			if err != nil {
				s.Fatalf("Issue: %v", err)
			}
			if issued.Progress != connectors.Pending || issued.Handle.IsZero() || issued.Note == "" {
				s.Fatalf("Issue says %q with handle %v and note %q; want pending, with both", issued.Progress, issued.Handle.Open, issued.Note)
			}
			status, err := s.Status(mark, issued.Handle)
			if err != nil || status.Progress != connectors.Pending {
				s.Errorf("Status says %q, error %v; want pending", status.Progress, err)
			}
			if found := s.present(mark); found.Progress != connectors.Pending {
				s.Errorf("Find says %q; want pending", found.Progress)
			}
			if hasSecret(issued.Parts) {
				if status := s.call(api.URL, issued.Parts); !refused(status) {
					s.Errorf("while it is pending the key gets %d", status)
				}
			}
			issued = s.finish(mark, issued)
			s.works(api, issued.Parts, "the key that was pending")
		}),
	},
	{
		Name:    "StatusOfDoneIsDone",
		Promise: "Status of a credential that is done says so, also without a handle, and shows no secret that is shown once.",
		Check: rule(func(s *session) {
			mark, issued := s.issue(s.api(0))
			for _, h := range []connectors.Handle{issued.Handle, {}} {
				status, err := s.Status(mark, h)
				if err != nil {
					s.Fatalf("Status: %v", err)
				}
				if status.Progress != connectors.Done {
					s.Errorf("Status says %q", status.Progress)
				}
				if hasSecret(status.Parts) && !s.capabilities().ReadBack {
					s.Errorf("Status shows the secret of a gateway that shows secrets once")
				}
			}
			_, err := s.Status(newMark(), connectors.Handle{})
			s.is(err, portal.ErrNotFound, "Status of an unknown mark")
		}),
	},
	{
		Name:    "ExpiryIsKept",
		Promise: "Where the gateway ends credentials, it refuses a key once its time is over; else Issue never claims an end.",
		Check: rule(func(s *session) {
			req := s.request(s.api(0), newMark())
			if !s.capabilities().Expiry {
				req.Expires = time.Now().Add(time.Hour)
				if issued := s.issueAs(req); !issued.Expires.IsZero() {
					s.Errorf("the gateway has no expiry, but Issue says that the key ends at %s", issued.Expires)
				}
				return
			}
			req.Expires = time.Now().Add(s.target.ShortestLife).UTC()
			issued := s.issueAs(req)
			if issued.Expires.Sub(req.Expires).Abs() > s.target.ShortestLife/2 {
				s.Errorf("the key ends at %s; %s was asked for", issued.Expires, req.Expires)
			}
			if time.Until(issued.Expires) > s.target.ShortestLife/2 { // else this machine is too slow to look
				s.works(s.api(0), issued.Parts, "the key, before its end,")
			}
			time.Sleep(time.Until(issued.Expires))
			s.isRefused(s.api(0), issued.Parts, "the key, once its time is over,")
		}),
	},
	{
		Name:    "SuspendAndResume",
		Promise: "A suspended key is refused, found as disabled, and the same key works again once resumed; both calls repeat.",
		Check: rule(func(s *session) {
			s.suspender()
			api := s.api(0)
			mark, issued := s.issue(api)
			s.works(api, issued.Parts, "the key")
			for range 2 {
				if err := s.Suspend(mark, issued.Handle); err != nil {
					s.Fatalf("Suspend: %v", err)
				}
			}
			s.changed()
			s.isRefused(api, issued.Parts, "a suspended key")
			if found := s.present(mark); !found.Disabled {
				s.Errorf("Find does not say that the credential is disabled")
			}
			for range 2 {
				if err := s.Resume(mark, connectors.Handle{}); err != nil {
					s.Fatalf("Resume, by mark: %v", err)
				}
			}
			s.changed()
			s.works(api, issued.Parts, "a resumed key")
			s.is(s.Suspend(newMark(), connectors.Handle{}), portal.ErrNotFound, "Suspend of an unknown mark")
			s.is(s.Resume(newMark(), connectors.Handle{}), portal.ErrNotFound, "Resume of an unknown mark")
		}),
	},
}

// issueAtOnce lets callers issue with one mark at the same time, each with a value of its own.
func (s *session) issueAtOnce(api API, callers int) {
	s.Helper()
	mark := newMark()
	s.cleanUp(mark)
	requests := make([]connectors.IssueRequest, callers)
	for i := range requests {
		requests[i] = s.request(api, mark)
	}
	answers, errs := make([]connectors.Issued, callers), make([]error, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() { answers[i], errs[i] = s.Issue(requests[i]) })
	}
	wg.Wait()
	var winner connectors.Issued
	for i, err := range errs {
		switch {
		case err != nil:
			if !errors.Is(err, portal.ErrConflict) && !errors.Is(err, portal.ErrUnavailable) {
				s.Errorf("caller %d: got error %v; want one that is %q or %q", i, err, portal.ErrConflict, portal.ErrUnavailable)
			}
		case !hasSecret(answers[i].Parts):
		case !hasSecret(winner.Parts):
			winner = answers[i]
		case secretOf(winner.Parts) != secretOf(answers[i].Parts):
			s.Errorf("two callers got different secrets")
		}
	}
	if !hasSecret(winner.Parts) {
		s.Fatalf("no caller got a secret; errors: %v", errs)
	}
	winner = s.finish(mark, winner)
	s.works(api, winner.Parts, "the one key")
	for _, req := range requests {
		if forgedParts := with(winner.Parts, req.Value); secretOf(forgedParts) != secretOf(winner.Parts) &&
			!refused(s.call(api.URL, forgedParts)) {
			s.Errorf("the value of another caller opens the API too")
		}
	}
	if n := count(s.all(100), mark); n != 1 {
		s.Errorf("%d credentials carry the mark", n)
	}
}

func readAll(r io.ReadCloser) ([]byte, error) {
	text, err := io.ReadAll(r)
	return text, errors.Join(err, r.Close())
}
