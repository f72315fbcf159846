package connectortest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/connectortest"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
	"concierge/portal"
)

type full interface {
	connectors.Connector
	connectors.Issuer
	connectors.Suspender
	connectors.Watcher
}

// hooked is a connector some of whose calls are broken. A hook that is nil calls the sound connector.
type hooked struct {
	full
	probe    func(context.Context) (connectors.Capabilities, error)
	discover func(context.Context) (connectors.Snapshot, error)
	open     func(context.Context, connectors.DocumentRef) (io.ReadCloser, error)
	issue    func(context.Context, connectors.IssueRequest) (connectors.Issued, error)
	status   func(context.Context, connectors.Mark) (connectors.Issued, error)
	find     func(context.Context, connectors.Mark) (connectors.Found, error)
	revoke   func(context.Context, connectors.Mark, connectors.Handle) (connectors.Revoked, error)
	list     func(context.Context, connectors.Cursor, int) ([]connectors.Found, connectors.Cursor, error)
	suspend  func(context.Context, connectors.Mark) error
	watch    func(context.Context) error
}

func (h *hooked) Probe(ctx context.Context) (connectors.Capabilities, error) {
	if h.probe != nil {
		return h.probe(ctx)
	}
	return h.full.Probe(ctx)
}

func (h *hooked) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	if h.discover != nil {
		return h.discover(ctx)
	}
	return h.full.Discover(ctx, since)
}

func (h *hooked) Watch(ctx context.Context, since connectors.Cursor, changed func(connectors.Cursor)) error {
	if h.watch != nil {
		return h.watch(ctx)
	}
	return h.full.Watch(ctx, since, changed)
}

func (h *hooked) OpenDocument(ctx context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	if h.open != nil {
		return h.open(ctx, ref)
	}
	return h.full.OpenDocument(ctx, ref)
}

func (h *hooked) Issue(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
	if h.issue != nil {
		return h.issue(ctx, req)
	}
	return h.full.Issue(ctx, req)
}

func (h *hooked) Status(ctx context.Context, mark connectors.Mark, handle connectors.Handle) (connectors.Issued, error) {
	if h.status != nil {
		return h.status(ctx, mark)
	}
	return h.full.Status(ctx, mark, handle)
}

func (h *hooked) Find(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
	if h.find != nil {
		return h.find(ctx, mark)
	}
	return h.full.Find(ctx, mark)
}

func (h *hooked) Revoke(ctx context.Context, mark connectors.Mark, handle connectors.Handle) (connectors.Revoked, error) {
	if h.revoke != nil {
		return h.revoke(ctx, mark, handle)
	}
	return h.full.Revoke(ctx, mark, handle)
}

func (h *hooked) List(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	if h.list != nil {
		return h.list(ctx, after, limit)
	}
	return h.full.List(ctx, after, limit)
}

func (h *hooked) Suspend(ctx context.Context, mark connectors.Mark, handle connectors.Handle) error {
	if h.suspend != nil {
		return h.suspend(ctx, mark)
	}
	return h.full.Suspend(ctx, mark, handle)
}

// mistake breaks the connector that it is given, whose configuration and gateway it may use.
type mistake func(h *hooked, cfg connectors.Config, g *gateway.Gateway)

// discovering changes every snapshot.
func discovering(change func(*connectors.Snapshot)) mistake {
	return func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.discover = func(ctx context.Context) (connectors.Snapshot, error) {
			snap, err := h.full.Discover(ctx, "")
			if err == nil {
				change(&snap)
			}
			return snap, err
		}
	}
}

// blurring changes the errors of Discover.
func blurring(change func(error) error) mistake {
	return func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.discover = func(ctx context.Context) (connectors.Snapshot, error) {
			snap, err := h.full.Discover(ctx, "")
			if err != nil {
				err = change(err)
			}
			return snap, err
		}
	}
}

// swallowing makes an empty gateway of an error of a kind.
func swallowing(kind error) mistake {
	return blurring(func(err error) error {
		if errors.Is(err, kind) {
			return nil
		}
		return err
	})
}

// revoking replaces Revoke.
func revoking(revoke func(h *hooked, ctx context.Context, mark connectors.Mark, handle connectors.Handle) error) mistake {
	return func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.revoke = func(ctx context.Context, mark connectors.Mark, handle connectors.Handle) (connectors.Revoked, error) {
			return connectors.Revoked{Absent: true}, revoke(h, ctx, mark, handle)
		}
	}
}

// issuing replaces Issue.
func issuing(issue func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error)) mistake {
	return func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
			return issue(h, ctx, req)
		}
	}
}

// sameSubscription revokes the keys of a subscription, but for one.
func sameSubscription(h *hooked, ctx context.Context, mark connectors.Mark, but portal.CredentialID) error {
	all, _, err := h.full.List(ctx, "", 100)
	for _, f := range all {
		if f.Mark.Subscription == mark.Subscription && f.Mark.Credential != but {
			_, revokeErr := h.full.Revoke(ctx, f.Mark, f.Handle)
			err = errors.Join(err, revokeErr)
		}
	}
	return err
}

// mistakes has one for every rule: what somebody may well get wrong, and what the rule is there to find.
var mistakes = map[string]mistake{
	"ProbeNamesProduct": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.probe = func(ctx context.Context) (connectors.Capabilities, error) {
			caps, err := h.full.Probe(ctx)
			caps.Product = ""
			return caps, err
		}
	},
	"DiscoverIsComplete": discovering(func(s *connectors.Snapshot) { s.Deployments = s.Deployments[:1] }),
	"DiscoverTwiceIsEqual": discovering(func(s *connectors.Snapshot) {
		s.Deployments[0].Summary = rand.Text()
	}),
	"KeysAreStableAndUnique": discovering(func(s *connectors.Snapshot) {
		for i := range s.Deployments {
			s.Deployments[i].Exposure = "" // two stages of one API are one now
		}
	}),
	"DeploymentsAreWellFormed": discovering(func(s *connectors.Snapshot) { s.Deployments[0].Plans = nil }),
	"DocumentsOpen": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.open = func(context.Context, connectors.DocumentRef) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(rand.Text())), nil
		}
	},
	"DiscoverCarriesNoDocumentBytes": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.discover = func(ctx context.Context) (connectors.Snapshot, error) {
			snap, err := h.full.Discover(ctx, "")
			for i, d := range snap.Deployments {
				if r, err := h.full.OpenDocument(ctx, d.Document); err == nil {
					text, _ := io.ReadAll(r)
					_ = r.Close()
					snap.Deployments[i].Description = string(text)
				}
			}
			return snap, err
		}
	},
	"PagesToTheEnd": discovering(func(s *connectors.Snapshot) {
		s.Deployments = s.Deployments[:min(100, len(s.Deployments))]
	}),
	"ChangesAddUp": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		var last connectors.Cursor
		h.discover = func(ctx context.Context) (connectors.Snapshot, error) { // keeps state of its own, and follows that
			snap, err := h.full.Discover(ctx, last)
			last = snap.Cursor
			return snap, err
		}
	},
	"WatchTellsOfChanges": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.watch = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
	},
	"ReadOnlyDiscovers": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.probe = func(ctx context.Context) (connectors.Capabilities, error) {
			caps, err := h.full.Probe(ctx)
			caps.Issue = connectors.Ability{Able: true}
			return caps, err
		}
	},
	"UnreachableIsUnavailable": blurring(func(err error) error { return fmt.Errorf("something is wrong: %v", err) }),
	"TooManyRequestsSaysWhen": blurring(func(err error) error {
		return fmt.Errorf("%w: %v", portal.ErrUnavailable, err)
	}),
	"WrongCredentialsAreDenied": blurring(func(err error) error {
		return fmt.Errorf("%w: %v", portal.ErrUnavailable, err)
	}),
	"RefusalIsDenied":      blurring(func(err error) error { return fmt.Errorf("%w: %v", portal.ErrNotFound, err) }),
	"RubbishIsInvalid":     swallowing(portal.ErrInvalid),
	"EmptyObjectIsInvalid": swallowing(portal.ErrInvalid),
	"HalfListIsAnError":    swallowing(portal.ErrUnavailable),
	"CancelStopsPromptly": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.find = func(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return h.full.Find(ctx, mark)
		}
	},
	"ComplaintsAreRedacted": func(h *hooked, cfg connectors.Config, _ *gateway.Gateway) {
		h.probe = func(ctx context.Context) (connectors.Capabilities, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Address, nil)
			if err != nil {
				return connectors.Capabilities{}, err
			}
			req.Header.Set("Authorization", "Bearer "+cfg.Secrets["token"].Reveal())
			resp, err := cfg.Client.Do(req)
			if err != nil {
				return connectors.Capabilities{}, err
			}
			defer func() { _ = resp.Body.Close() }()
			if text, _ := io.ReadAll(resp.Body); resp.StatusCode == 409 {
				return connectors.Capabilities{}, fmt.Errorf("the gateway says %s", text)
			}
			return h.full.Probe(ctx)
		}
	},
	"NoGoroutineLeft": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.probe = func(ctx context.Context) (connectors.Capabilities, error) {
			go time.Sleep(5 * time.Second)
			return h.full.Probe(ctx)
		}
	},

	"IssueWorks": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		issued, err := h.full.Issue(ctx, req)
		for i := range issued.Parts {
			issued.Parts[i].Value = req.Value // what was asked for, not what the gateway made
		}
		return issued, err
	}),
	"KeyIsRefusedElsewhere": func(h *hooked, _ connectors.Config, g *gateway.Gateway) {
		id := g.ID("loans-shared")
		if id == "" {
			_ = g.Add(gateway.API{Name: "loans-shared", SharedKeys: true})
			id = g.ID("loans-shared")
		}
		h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
			issued := connectors.Issued{}
			snap, err := h.full.Discover(ctx, "")
			if err != nil {
				return issued, err
			}
			auth := snap.Deployments[slices.IndexFunc(snap.Deployments, func(d connectors.Deployment) bool {
				return d.Key == req.Deployment
			})].Authentication
			req.Deployment, req.Plan, req.AcceptReach = connectors.Key{RemoteID: id}, "standard", true
			issued, err = h.full.Issue(ctx, req)
			for i := range issued.Parts {
				issued.Parts[i].In, issued.Parts[i].Name, issued.Parts[i].Prefix = auth.In, auth.Name, auth.Prefix
			}
			return issued, err
		}
	},
	"UnconfinedIsUnsupported": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		req.AcceptReach = true
		return h.full.Issue(ctx, req)
	}),
	"UnknownDeploymentIsRefused": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		req.Plan = "standard"
		return h.full.Issue(ctx, req)
	}),
	"IssueTwiceIsOneKey": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		if _, err := h.full.Revoke(ctx, req.Mark, connectors.Handle{}); err != nil {
			return connectors.Issued{}, err
		}
		return h.full.Issue(ctx, req)
	}),
	"SecondKeyBesideTheFirst": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		if err := sameSubscription(h, ctx, req.Mark, req.Mark.Credential); err != nil {
			return connectors.Issued{}, err
		}
		return h.full.Issue(ctx, req)
	}),
	"ConcurrentIssueIsOneKey": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		var acting sync.Mutex
		h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
			if _, err := h.full.Find(ctx, req.Mark); err == nil {
				return h.full.Issue(ctx, req)
			}
			time.Sleep(50 * time.Millisecond) // everybody has looked and nobody has acted
			acting.Lock()
			defer acting.Unlock()
			if _, err := h.full.Revoke(ctx, req.Mark, connectors.Handle{}); err != nil {
				return connectors.Issued{}, err
			}
			return h.full.Issue(ctx, req)
		}
	},
	"PendingIsPolledToDone": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		issued, err := h.full.Issue(ctx, req)
		issued.Progress = connectors.Done
		return issued, err
	}),
	"StatusOfDoneIsDone": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.status = func(context.Context, connectors.Mark) (connectors.Issued, error) {
			return connectors.Issued{Progress: connectors.Pending}, nil
		}
	},
	"ExpiryIsKept": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		expires := req.Expires
		req.Expires = time.Time{}
		issued, err := h.full.Issue(ctx, req)
		issued.Expires = expires
		return issued, err
	}),
	"SuspendAndResume": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.suspend = func(context.Context, connectors.Mark) error { return nil }
	},

	"RevokeRefuses": revoking(func(*hooked, context.Context, connectors.Mark, connectors.Handle) error { return nil }),
	"RevokeOneLeavesTheOther": revoking(func(h *hooked, ctx context.Context, mark connectors.Mark, _ connectors.Handle) error {
		return sameSubscription(h, ctx, mark, "")
	}),
	"RevokeTwiceSucceeds":  revoking(notFoundTwice),
	"RevokeAbsentSucceeds": revoking(notFoundTwice),
	"RevokeByMarkOnly": revoking(func(h *hooked, ctx context.Context, mark connectors.Mark, handle connectors.Handle) error {
		if handle.IsZero() {
			return nil
		}
		_, err := h.full.Revoke(ctx, mark, handle)
		return err
	}),
	"RevokeForeignIsDenied": func(h *hooked, cfg connectors.Config, _ *gateway.Gateway) {
		h.revoke = func(ctx context.Context, mark connectors.Mark, _ connectors.Handle) (connectors.Revoked, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodDelete, cfg.Address+"/v1/credentials/"+string(mark.Credential), nil)
			if err != nil {
				return connectors.Revoked{}, err
			}
			req.Header.Set("Authorization", "Bearer "+cfg.Secrets["token"].Reveal())
			resp, err := cfg.Client.Do(req)
			if err != nil {
				return connectors.Revoked{}, err
			}
			return connectors.Revoked{Absent: true}, resp.Body.Close()
		}
	},
	"IssueAfterRevokeRevivesNothing": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.revoke = func(ctx context.Context, mark connectors.Mark, handle connectors.Handle) (connectors.Revoked, error) {
			err := h.full.Suspend(ctx, mark, handle)
			if errors.Is(err, portal.ErrNotFound) {
				err = nil
			}
			return connectors.Revoked{Absent: true}, err
		}
		h.find = func(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
			found, err := h.full.Find(ctx, mark)
			if err == nil && found.Disabled {
				err = portal.ErrNotFound
			}
			return found, err
		}
		h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
			if found, err := h.full.Find(ctx, req.Mark); err == nil && found.Disabled {
				if err := h.full.Resume(ctx, req.Mark, found.Handle); err != nil {
					return connectors.Issued{}, err
				}
			}
			return h.full.Issue(ctx, req)
		}
	},

	"FindByMark": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.find = func(ctx context.Context, _ connectors.Mark) (connectors.Found, error) {
			all, _, err := h.full.List(ctx, "", 100) // the first one will do
			if err != nil || len(all) == 0 {
				return connectors.Found{}, errors.Join(err, portal.ErrNotFound)
			}
			return all[0], nil
		}
	},
	"FindUnknownIsNotFound": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.find = func(_ context.Context, mark connectors.Mark) (connectors.Found, error) {
			return connectors.Found{Mark: mark}, nil
		}
	},
	"ListPagesToTheEnd": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.list = func(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
			page, _, err := h.full.List(ctx, after, limit)
			return page, "", err
		}
	},
	"ListShowsOnlyOurs": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		h.list = func(ctx context.Context, after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
			page, next, err := h.full.List(ctx, after, limit)
			return append(page, connectors.Found{Progress: connectors.Done}), next, err
		}
	},
	"ListCarriesNoSecrets": issuing(func(h *hooked, ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
		issued, err := h.full.Issue(ctx, req)
		if err == nil {
			issued.Handle.Open["key"] = issued.Parts[0].Value.Reveal()
		}
		return issued, err
	}),

	"LostAnswerIsFoundByMark": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		var answered sync.Map
		h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
			issued, err := h.full.Issue(ctx, req)
			if err == nil {
				answered.Store(req.Mark, true)
			}
			return issued, err
		}
		h.find = func(ctx context.Context, mark connectors.Mark) (connectors.Found, error) {
			if _, ok := answered.Load(mark); !ok {
				return connectors.Found{}, portal.ErrNotFound
			}
			return h.full.Find(ctx, mark)
		}
	},
	"LostRevokeIsRepeatable": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
		var tried sync.Map
		h.revoke = func(ctx context.Context, mark connectors.Mark, handle connectors.Handle) (connectors.Revoked, error) {
			if _, again := tried.LoadOrStore(mark, true); again {
				return connectors.Revoked{Absent: true}, nil
			}
			return h.full.Revoke(ctx, mark, handle)
		}
	},
}

func notFoundTwice(h *hooked, ctx context.Context, mark connectors.Mark, handle connectors.Handle) error {
	if _, err := h.full.Find(ctx, mark); err != nil {
		return err
	}
	_, err := h.full.Revoke(ctx, mark, handle)
	return err
}

// breakIt returns a target whose connector makes the mistake.
func breakIt(t *testing.T, m mistake) connectortest.Target {
	target, g := sampletest.Target(t, gateway.Options{Changes: true})
	target.Grace = 50 * time.Millisecond // it waits in vain
	sound := target.Open
	target.Open = func(cfg connectors.Config) (connectors.Connector, error) {
		c, err := sound(cfg)
		if err != nil {
			return nil, err
		}
		h := &hooked{full: c.(full)}
		m(h, cfg, g)
		return h, nil
	}
	return target
}

// TestEveryRuleCanFail makes, for each rule, the mistake that it is there to find; and no mistake, where it passes.
func TestEveryRuleCanFail(t *testing.T) {
	for _, rule := range connectortest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			if rule.Promise == "" {
				t.Error("the rule promises nothing")
			}
			m, ok := mistakes[rule.Name]
			if !ok {
				t.Fatal("no mistake is known that this rule finds")
			}
			result := connectortest.Check(t.Context(), rule, breakIt(t, m))
			if result.Outcome != connectortest.Failed {
				t.Errorf("a connector that breaks the rule %s it: %q", result.Outcome, result.Messages)
			}
			t.Logf("%q", result.Messages)
			target, _ := sampletest.Target(t, gateway.Options{Changes: true})
			if result := connectortest.Check(t.Context(), rule, target); result.Outcome != connectortest.Passed {
				t.Errorf("a sound connector %s it: %q", result.Outcome, result.Messages)
			}
		})
	}
	if len(mistakes) != len(connectortest.Rules()) {
		t.Errorf("%d mistakes for %d rules", len(mistakes), len(connectortest.Rules()))
	}
}

func rule(t *testing.T, name string) connectortest.Rule {
	t.Helper()
	rules := connectortest.Rules()
	i := slices.IndexFunc(rules, func(r connectortest.Rule) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no rule %s", name)
	}
	return rules[i]
}

// TestEveryRuleFindsLeaks lets key material out in ways that no rule looks for by itself.
func TestEveryRuleFindsLeaks(t *testing.T) {
	for where, m := range map[string]mistake{
		"the log": func(h *hooked, cfg connectors.Config, _ *gateway.Gateway) {
			h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
				issued, err := h.full.Issue(ctx, req)
				cfg.Log.Debug("issued", "key", issued.Parts[0].Value.Reveal())
				return issued, err
			}
		},
		"a URL": func(h *hooked, cfg connectors.Config, _ *gateway.Gateway) {
			h.probe = func(ctx context.Context) (connectors.Capabilities, error) {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Address+"/?token="+cfg.Secrets["token"].Reveal(), nil)
				if err != nil {
					return connectors.Capabilities{}, err
				}
				if resp, err := cfg.Client.Do(req); err == nil {
					_ = resp.Body.Close()
				}
				return h.full.Probe(ctx)
			}
		},
		"an error or a result": func(h *hooked, _ connectors.Config, _ *gateway.Gateway) {
			var issuedBefore atomic.Value
			h.issue = func(ctx context.Context, req connectors.IssueRequest) (connectors.Issued, error) {
				issued, err := h.full.Issue(ctx, req)
				issuedBefore.Store(issued.Parts[0].Value)
				return issued, err
			}
			h.find = func(context.Context, connectors.Mark) (connectors.Found, error) {
				key, _ := issuedBefore.Load().(portal.Secret)
				return connectors.Found{}, fmt.Errorf("no credential with the key %s: %w", key.Reveal(), portal.ErrNotFound)
			}
		},
	} {
		t.Run(where, func(t *testing.T) {
			result := connectortest.Check(t.Context(), rule(t, "RevokeRefuses"), breakIt(t, m))
			if !slices.ContainsFunc(result.Messages, func(s string) bool { return strings.Contains(s, "key material in "+where) }) {
				t.Errorf("%s with %q; want the leak to be found", result.Outcome, result.Messages)
			}
		})
	}
}

func TestWaivers(t *testing.T) {
	for name, tc := range map[string]struct {
		waivers map[string]string
		want    connectortest.Outcome
	}{
		"a reason skips the rule":    {map[string]string{"PagesToTheEnd": "it has one page"}, connectortest.Skipped},
		"no reason fails":            {map[string]string{"PagesToTheEnd": " "}, connectortest.Failed},
		"an unknown rule fails":      {map[string]string{"PagesToTheMoon": "it is far"}, connectortest.Failed},
		"another rule's is not used": {map[string]string{"FindByMark": "it has no marks"}, connectortest.Passed},
	} {
		t.Run(name, func(t *testing.T) {
			target, _ := sampletest.Target(t, gateway.Options{})
			target.Waivers = tc.waivers
			result := connectortest.Check(t.Context(), rule(t, "PagesToTheEnd"), target)
			if result.Outcome != tc.want || tc.want != connectortest.Passed && len(result.Messages) == 0 {
				t.Errorf("%s with %q; want %s", result.Outcome, result.Messages, tc.want)
			}
		})
	}
}

// TestMissingPartsFail proves that a rule is never passed over in silence.
func TestMissingPartsFail(t *testing.T) {
	bare := func(t *testing.T) connectortest.Target {
		target, _ := sampletest.Target(t, gateway.Options{})
		return connectortest.Target{Open: target.Open, Config: target.Config}
	}
	for _, name := range []string{
		"PagesToTheEnd", "ReadOnlyDiscovers", "IssueWorks", "UnconfinedIsUnsupported", "PendingIsPolledToDone", "RevokeForeignIsDenied",
	} {
		if result := connectortest.Check(t.Context(), rule(t, name), bare(t)); result.Outcome != connectortest.Failed {
			t.Errorf("%s without what it needs: %s with %q", name, result.Outcome, result.Messages)
		}
	}
	// The safe part needs a connector and nothing else, and changes nothing.
	target, g := sampletest.Target(t, gateway.Options{})
	target = connectortest.Target{Open: target.Open, Config: target.Config}
	target.Config.Client = &http.Client{Transport: readsOnly{t}}
	for _, rule := range connectortest.Rules() {
		if !rule.Safe {
			continue
		}
		if result := connectortest.Check(t.Context(), rule, target); result.Outcome != connectortest.Passed {
			t.Errorf("%s on a bare target: %s with %q", rule.Name, result.Outcome, result.Messages)
		}
	}
	if n := g.Live(""); n != 0 {
		t.Errorf("the safe rules left %d credentials", n)
	}
}

type readsOnly struct{ t *testing.T }

func (r readsOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		r.t.Errorf("a safe rule sends %s %s", req.Method, req.URL.Path)
	}
	return http.DefaultTransport.RoundTrip(req)
}

// TestDiscoveryOnly is a connector of a gateway that has no credentials: what is about keys does not apply.
func TestDiscoveryOnly(t *testing.T) {
	target, _ := sampletest.Target(t, gateway.Options{})
	sound := target.Open
	target.Open = func(cfg connectors.Config) (connectors.Connector, error) {
		c, err := sound(cfg)
		return reader{c}, err
	}
	for _, rule := range connectortest.Rules() {
		if result := connectortest.Check(t.Context(), rule, target); result.Outcome == connectortest.Failed {
			t.Errorf("%s: %q", rule.Name, result.Messages)
		}
	}
}

// reader hides the abilities of a connector.
type reader struct{ inner connectors.Connector }

func (r reader) Probe(ctx context.Context) (connectors.Capabilities, error) {
	caps, err := r.inner.Probe(ctx)
	caps.Issue, caps.Suspend = connectors.Ability{Reason: "this gateway has no credentials"}, false
	return caps, err
}

func (r reader) Discover(ctx context.Context, since connectors.Cursor) (connectors.Snapshot, error) {
	return r.inner.Discover(ctx, since)
}

func (r reader) OpenDocument(ctx context.Context, ref connectors.DocumentRef) (io.ReadCloser, error) {
	return r.inner.OpenDocument(ctx, ref)
}
