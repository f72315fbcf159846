package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

// longestText is what a description may have; a document that hides in a snapshot is longer.
const longestText = 16 << 10

var readingRules = []Rule{
	{
		Name: "ProbeNamesProduct", Safe: true,
		Promise: "Probe names the product and states every capability, with a reason for what the gateway cannot do.",
		Check: rule(func(s *session) {
			caps := s.capabilities()
			if strings.TrimSpace(caps.Product) == "" {
				s.Errorf("Product is empty")
			}
			oneOf(s, "Discovery", caps.Discovery, connectors.DiscoverSnapshot, connectors.DiscoverSince, connectors.DiscoverWatch)
			oneOf(s, "Identity", caps.Identity, connectors.OpaqueIDs, connectors.Names)
			if _, able := connectors.As[connectors.Watcher](s.inner); caps.Discovery == connectors.DiscoverWatch && !able {
				s.Errorf("Discovery is %q, but the connector is no Watcher", caps.Discovery)
			}
			if !caps.Issue.Able {
				if caps.Issue.Reason == "" {
					s.Errorf("Issue is not able, without a reason")
				}
				return
			}
			oneOf(s, "KeyValue", caps.KeyValue, connectors.CallerMust, connectors.CallerMay, connectors.GatewayOnly, connectors.Derived)
			oneOf(s, "Scope", caps.Scope, connectors.ScopeNative, connectors.ScopeGroup, connectors.ScopePolicy,
				connectors.ScopeRoute, connectors.ScopeNone)
			if caps.MaxKeys < 0 || caps.Settle < 0 || caps.Propagation < 0 {
				s.Errorf("a limit or a delay is negative: %+v", caps)
			}
			if caps.Pipeline && caps.Propagation != 0 {
				s.Errorf("Pipeline and a Propagation of %s: nobody can state a pipeline's delay", caps.Propagation)
			}
			s.issuer()
		}),
	},
	{
		Name: "DiscoverIsComplete", Safe: true,
		Promise: "Discover without a cursor returns a complete snapshot that holds every deployment of the gateway.",
		Check: rule(func(s *session) {
			snap, err := s.Discover()
			if err != nil {
				s.Fatalf("Discover: %v", err)
			}
			if !snap.Complete {
				s.Errorf("a snapshot without a cursor is not complete")
			}
			if len(snap.Removed) > 0 {
				s.Errorf("a complete snapshot lists %d removals", len(snap.Removed))
			}
			for _, api := range s.target.APIs {
				if !slices.ContainsFunc(snap.Deployments, func(d connectors.Deployment) bool { return d.Key == api.Key }) {
					s.Errorf("the deployment %+v is missing", api.Key)
				}
			}
		}),
	},
	{
		Name: "DiscoverTwiceIsEqual", Safe: true,
		Promise: "Discovering an unchanged gateway again, also with a new connector, gives an equal answer.",
		Check: rule(func(s *session) {
			first := s.discover(s.conn)
			sameDeployments(s, first, s.discover(s.conn), "the same connector")
			sameDeployments(s, first, s.discover(s.open(s.target.Config)), "a new connector")
		}),
	},
	{
		Name: "KeysAreStableAndUnique", Safe: true,
		Promise: "There is one deployment per exposure, and its key is the same for every connector.",
		Check: rule(func(s *session) {
			keys := func(c *conn) map[connectors.Key]int {
				snap, err := c.Discover()
				if err != nil {
					s.Fatalf("Discover: %v", err)
				}
				seen := map[connectors.Key]int{}
				for _, d := range snap.Deployments {
					if d.RemoteID == "" {
						s.Errorf("the deployment %q has no RemoteID", d.Title)
					}
					if seen[d.Key]++; seen[d.Key] == 2 {
						s.Errorf("the key %+v is used more than once", d.Key)
					}
				}
				return seen
			}
			if first, second := keys(s.conn), keys(s.open(s.target.Config)); !reflect.DeepEqual(first, second) {
				s.Errorf("a new connector sees other keys: %v, then %v", first, second)
			}
		}),
	},
	{
		Name: "DeploymentsAreWellFormed", Safe: true,
		Promise: "Every deployment has a title, a way to authenticate, at least one plan, an address or the reason why none is known.",
		Check: rule(func(s *session) {
			byKey := s.discover(s.conn)
			if len(byKey) == 0 {
				s.Logf("the gateway publishes nothing")
			}
			for key, d := range byKey {
				for _, fault := range faultsOf(d) {
					s.Errorf("%+v: %s", key, fault)
				}
			}
			for _, api := range s.target.APIs {
				if d, ok := byKey[api.Key]; ok && d.Public != "" && !below(api.URL, d.Public) {
					s.Errorf("%+v: it says that its address is %s, which %s is not below", api.Key, d.Public, api.URL)
				}
			}
		}),
	},
	{
		Name: "DocumentsOpen", Safe: true,
		Promise: "Every document opens, twice with the same bytes where its revision did not change; an unknown one is not found.",
		Check: rule(func(s *session) {
			const most = 20 // documents of somebody's gateway that are opened
			opened := 0
			for _, d := range sorted(s.discover(s.conn)) {
				if d.Document.ID == "" || opened == most {
					continue
				}
				opened++
				first, err := s.Document(d.Document)
				if err != nil {
					s.Errorf("OpenDocument of %+v: %v", d.Key, err)
					continue
				}
				if len(first) == 0 {
					s.Errorf("the document of %+v is empty", d.Key)
				}
				second, err := s.Document(d.Document)
				if err != nil || !bytes.Equal(first, second) {
					s.Errorf("the document of %+v, opened again: %d bytes, then %d, error %v", d.Key, len(first), len(second), err)
				}
			}
			if able := s.capabilities().Documents; able != (opened > 0) {
				s.Errorf("Documents is %t, and %d deployments have one", able, opened)
			}
			if opened > 0 {
				_, err := s.Document(connectors.DocumentRef{ID: "no-such-document"})
				s.is(err, portal.ErrNotFound, "OpenDocument of an unknown reference")
			}
		}),
	},
	{
		Name: "DiscoverCarriesNoDocumentBytes", Safe: true,
		Promise: "A snapshot holds metadata and references, never documents.",
		Check: rule(func(s *session) {
			const piece = 120 // bytes from the middle of a document, enough to be its own
			byKey := s.discover(s.conn)
			for key, d := range byKey {
				text := fmt.Sprintf("%+v", d)
				if len(d.Document.ID) > 1<<10 || len(d.Document.Revision) > 1<<10 || len(d.Description) > longestText {
					s.Errorf("%+v: a reference of %d and %d bytes, a description of %d: too long to be metadata",
						key, len(d.Document.ID), len(d.Document.Revision), len(d.Description))
				}
				if d.Document.ID == "" || len(byKey) > 50 {
					continue
				}
				document, err := s.Document(d.Document)
				if err != nil {
					s.Errorf("OpenDocument of %+v: %v", key, err)
				}
				if middle := max(0, len(document)/2-piece/2); len(document) >= piece &&
					strings.Contains(text, string(document[middle:middle+piece])) {
					s.Errorf("%+v carries bytes of its document", key)
				}
			}
		}),
	},
	{
		Name:    "PagesToTheEnd",
		Promise: "A gateway with more APIs than one page holds is read to its end, each once.",
		Check: rule(func(s *session) {
			s.need(s.target.Many != nil, "Many")
			want := s.target.Many(s)
			got := map[connectors.Key]int{}
			snap, err := s.Discover()
			if err != nil {
				s.Fatalf("Discover: %v", err)
			}
			for _, d := range snap.Deployments {
				got[d.Key]++
			}
			missing, twice := 0, 0
			for _, key := range want {
				switch got[key] {
				case 0:
					missing++
				case 1:
				default:
					twice++
				}
			}
			if missing > 0 || twice > 0 {
				s.Errorf("of %d APIs %d are missing and %d are there more than once", len(want), missing, twice)
			}
		}),
	},
	{
		Name:    "ChangesAddUp",
		Promise: "Where Discover takes a cursor, a snapshot and the changes since add up to the snapshot of now.",
		Check: rule(func(s *session) {
			if s.capabilities().Discovery == connectors.DiscoverSnapshot {
				s.Skipf("not applicable: every discovery is a whole snapshot")
			}
			s.need(s.target.Many != nil && s.target.Withdraw != nil, "Many and Withdraw")
			first, err := s.Discover()
			if err != nil {
				s.Fatalf("Discover: %v", err)
			}
			if first.Cursor == "" {
				s.Fatalf("the snapshot has no cursor")
			}
			known, cursor := s.discover(s.conn), first.Cursor
			catchUp := func(what string) {
				snap, err := s.DiscoverSince(cursor)
				if err != nil {
					s.Fatalf("Discover after %s: %v", what, err)
				}
				if snap.Complete {
					clear(known)
				}
				for _, key := range snap.Removed {
					delete(known, key)
				}
				for _, d := range snap.Deployments {
					known[d.Key] = d
				}
				cursor = snap.Cursor
				sameDeployments(s, s.discover(s.conn), known, "whoever follows the changes, after "+what+",")
			}
			catchUp("nothing")
			many := s.target.Many(s)
			catchUp("many were added")
			s.target.Withdraw(s, many[0])
			catchUp("one was withdrawn")
			cursor = "no-cursor-of-this-gateway"
			catchUp("the cursor was lost")
		}),
	},
	{
		Name:    "WatchTellsOfChanges",
		Promise: "Where the gateway can be watched, a change is told soon, also one from before Watch was called, until the context ends.",
		Check: rule(func(s *session) {
			if s.capabilities().Discovery != connectors.DiscoverWatch {
				s.Skipf("not applicable: this gateway cannot be watched")
			}
			s.need(s.target.Many != nil && s.target.Withdraw != nil, "Many and Withdraw")
			watcher, _ := connectors.As[connectors.Watcher](s.inner)
			snap, err := s.Discover()
			if err != nil {
				s.Fatalf("Discover: %v", err)
			}
			many := s.target.Many(s)
			told, ended := make(chan connectors.Cursor), make(chan error, 1)
			ctx, cancel := context.WithCancel(s.Context())
			defer cancel()
			go func() {
				ended <- watcher.Watch(ctx, snap.Cursor, func(at connectors.Cursor) {
					select {
					case told <- at:
					case <-ctx.Done():
					}
				})
			}()
			soon := s.capabilities().Settle + s.target.Grace
			hear := func(what string) {
				select {
				case <-told:
				case err := <-ended:
					s.Fatalf("Watch ended with %v", err)
				case <-time.After(soon):
					s.Fatalf("Watch did not tell within %s that %s", soon, what)
				}
			}
			hear("many were added before it was called")
			for quiet := false; !quiet; { // it may tell of one change several times
				select {
				case <-told:
				case <-time.After(5 * pollEvery):
					quiet = true
				}
			}
			s.target.Withdraw(s, many[0])
			hear("one was withdrawn")
			cancel()
			select {
			case err := <-ended:
				s.hear(err)
			case <-time.After(prompt):
				s.Errorf("Watch did not return within %s of its context's end", prompt)
			}
		}),
	},
	{
		Name:    "ReadOnlyDiscovers",
		Promise: "Read-only admin rights suffice to probe and discover the same; Probe then says that nothing can be issued, and Issue refuses.",
		Check: rule(func(s *session) {
			s.need(s.target.ReadOnly != nil, "ReadOnly")
			reader := s.open(*s.target.ReadOnly)
			sameDeployments(s, s.discover(s.conn), s.discover(reader), "a connector that may only read")
			caps, err := reader.Probe()
			if err != nil {
				s.Fatalf("Probe: %v", err)
			}
			if caps.Issue.Able || caps.Issue.Reason == "" {
				s.Errorf("Issue is %+v; want unable, with the reason", caps.Issue)
			}
			api := s.api(0)
			mark := newMark()
			s.cleanUp(mark)
			_, err = reader.Issue(s.request(api, mark))
			if !errors.Is(err, portal.ErrDenied) && !errors.Is(err, portal.ErrUnsupported) {
				s.Errorf("Issue: got error %v; want one that is %q or %q", err, portal.ErrDenied, portal.ErrUnsupported)
			}
			s.gone(mark)
		}),
	},
}

func oneOf[V ~string](s *session, field string, got V, allowed ...V) {
	s.Helper()
	if !slices.Contains(allowed, got) {
		s.Errorf("%s is %q; want one of %q", field, got, allowed)
	}
}

// faultsOf says what is wrong with a deployment in itself.
func faultsOf(d connectors.Deployment) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if strings.TrimSpace(d.Title) == "" {
		fault("it has no title")
	}
	if !slices.Contains([]string{"apiKey", "http", "oauth2", "openIdConnect", "mutualTLS", "none"}, d.Authentication.Type) {
		fault("Authentication.Type is %q, which is none of OpenAPI's words", d.Authentication.Type)
	}
	if a := d.Authentication; a.Type == "apiKey" && (a.Name == "" || a.In != "header" && a.In != "query") {
		fault("an API key in %q named %q: want a header or a query parameter with a name", a.In, a.Name)
	}
	if len(d.Plans) == 0 {
		fault("it has no plan")
	}
	plans := map[string]bool{}
	for _, p := range d.Plans {
		if p.ID == "" || p.Title == "" || plans[p.ID] {
			fault("the plan %+v has no id of its own or no title", p)
		}
		if p.Approval != portal.Automatic && p.Approval != portal.Required {
			fault("the plan %s has the approval %q", p.ID, p.Approval)
		}
		plans[p.ID] = true
	}
	switch u, err := url.Parse(d.Public); {
	case d.Public == "":
		if d.PublicReason == "" {
			fault("it has no address, without a reason")
		}
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil:
		fault("its address %q is not an absolute URL that a client can use", d.Public)
	case strings.HasSuffix(d.Public, "/"):
		fault("its address %q ends in a slash", d.Public)
	}
	if !slices.Contains([]portal.Lifecycle{"", portal.Preview, portal.Active, portal.Deprecated, portal.Retired}, d.Lifecycle) {
		fault("Lifecycle is %q", d.Lifecycle)
	}
	for axis := range d.Words {
		if !slices.Contains(portal.Axes, axis) {
			fault("it has a word about %q, which is no axis", axis)
		}
	}
	if d.Issue.Able && len(d.Reach) > 0 {
		fault("keys can be issued, and reach %q", d.Reach)
	}
	if !d.Issue.Able && d.Issue.Reason == "" {
		fault("no key can be issued, without a reason")
	}
	return faults
}

// below reports whether address is base or continues it.
func below(address, base string) bool {
	rest, ok := strings.CutPrefix(address, base)
	return ok && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

func sorted(byKey map[connectors.Key]connectors.Deployment) []connectors.Deployment {
	var all []connectors.Deployment
	for _, d := range byKey {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b connectors.Deployment) int {
		return strings.Compare(a.RemoteID+"\x00"+a.Exposure, b.RemoteID+"\x00"+b.Exposure)
	})
	return all
}

func sameDeployments(s *session, want, got map[connectors.Key]connectors.Deployment, whose string) {
	s.Helper()
	for _, d := range sorted(want) {
		if other, ok := got[d.Key]; !ok {
			s.Errorf("%s does not see %+v", whose, d.Key)
		} else if !reflect.DeepEqual(d, other) {
			s.Errorf("%s sees %+v differently:\n%+v\n%+v", whose, d.Key, d, other)
		}
	}
	if len(got) > len(want) {
		s.Errorf("%s sees %d deployments instead of %d", whose, len(got), len(want))
	}
}
