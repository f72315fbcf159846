package connectortest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"concierge/connectors"
	"concierge/portal"
)

const (
	callTimeout = 30 * time.Second // of one call to the connector; far above what any should take
	pollEvery   = 20 * time.Millisecond
	// shortestSecret is the length from which a value is looked for: "admin" would be found in every path.
	shortestSecret = 8
)

// session is one run of one rule against one target: the opened connector, what it was given and what it let out.
type session struct {
	T
	target Target
	wire   *wire
	*conn  // the connector under test, with full rights

	mu      sync.Mutex
	secrets map[string]bool
	spoken  []string // errors and texts that came out of the connector
	log     lockedBuffer
	known   map[connectors.Key]connectors.Deployment
	probed  *connectors.Capabilities
}

// rule makes a Check out of a function on a session. What leaked is looked for when everything else is over.
func rule(f func(s *session)) func(t T, target Target) {
	return func(t T, target Target) {
		t.Helper()
		s := &session{T: t, target: target, secrets: map[string]bool{}}
		if s.target.Grace == 0 {
			s.target.Grace = time.Second
		}
		if s.target.ShortestLife == 0 {
			s.target.ShortestLife = 2 * time.Second
		}
		if s.target.DataPlane == nil {
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			s.target.DataPlane = &http.Client{Transport: transport, Timeout: 10 * time.Second}
		}
		s.wire = &wire{next: &http.Transport{}, credentials: map[string]bool{}}
		if c := target.Config.Client; c != nil && c.Transport != nil {
			s.wire.next = c.Transport
		}
		t.Cleanup(s.wire.CloseIdleConnections)
		t.Cleanup(s.checkLeaks)
		s.conn = s.open(target.Config)
		f(s)
	}
}

// open opens a connector behind the suite's client and logger.
func (s *session) open(cfg connectors.Config) *conn {
	s.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if cfg.Client != nil {
		client.Jar, client.Timeout = cfg.Client.Jar, cfg.Client.Timeout
	}
	client.Transport = s.wire
	cfg.Client = &client
	cfg.Log = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, secret := range cfg.Secrets {
		s.secret(secret)
	}
	c, err := s.target.Open(cfg)
	s.hear(err)
	if err != nil {
		s.Fatalf("opening the connector: %v", err)
	}
	return &conn{s: s, inner: c}
}

func (s *session) secret(v portal.Secret) {
	if text := v.Reveal(); len(text) >= shortestSecret {
		s.mu.Lock()
		s.secrets[text] = true
		s.mu.Unlock()
	}
}

func (s *session) secretsOf(parts []connectors.Part) {
	for _, p := range parts {
		if !p.Public {
			s.secret(p.Value)
		}
	}
}

// hear remembers what came out: an error's text, or another text that people get to see.
func (s *session) hear(said any) {
	if said == nil {
		return
	}
	s.mu.Lock()
	s.spoken = append(s.spoken, fmt.Sprintf("%+v", said))
	s.mu.Unlock()
}

// checkLeaks looks for every secret of this session in all that the connector said, logged or wrote into URLs.
func (s *session) checkLeaks() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wire.mu.Lock()
	defer s.wire.mu.Unlock()
	secrets := maps.Clone(s.secrets)
	for value := range s.wire.credentials {
		if len(value) >= shortestSecret {
			secrets[value] = true
		}
	}
	for place, text := range map[string]string{
		"an error or a result": strings.Join(s.spoken, "\n"),
		"the log":              s.log.String(),
		"a URL":                strings.Join(s.wire.urls, "\n"),
	} {
		for secret := range secrets {
			for _, form := range []string{
				secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(fmt.Sprintf("%q", secret), `"`),
				base64.StdEncoding.EncodeToString([]byte(secret)),
			} {
				if i := strings.Index(text, form); i >= 0 {
					s.Errorf("key material in %s: …%s[HERE]…", place, text[max(0, i-80):i])
					break
				}
			}
		}
	}
}

// conn is a connector under test. Its methods are those of the contract with a time-out, and listen for leaks.
type conn struct {
	s     *session
	inner connectors.Connector
}

func (c *conn) context() (context.Context, context.CancelFunc) {
	// Keys are also revoked in clean-ups, when the test's own context has ended.
	return context.WithTimeout(context.WithoutCancel(c.s.Context()), callTimeout)
}

func (c *conn) Probe() (connectors.Capabilities, error) {
	ctx, cancel := c.context()
	defer cancel()
	caps, err := c.inner.Probe(ctx)
	c.s.hear(err)
	c.s.hear(caps)
	return caps, err
}

func (c *conn) Discover() (connectors.Snapshot, error) { return c.DiscoverSince("") }

func (c *conn) DiscoverSince(since connectors.Cursor) (connectors.Snapshot, error) {
	ctx, cancel := c.context()
	defer cancel()
	snap, err := c.inner.Discover(ctx, since)
	c.s.hear(err)
	c.s.hear(snap)
	return snap, err
}

// Document reads a document to its end.
func (c *conn) Document(ref connectors.DocumentRef) ([]byte, error) {
	ctx, cancel := c.context()
	defer cancel()
	r, err := c.inner.OpenDocument(ctx, ref)
	c.s.hear(err)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	c.s.hear(err)
	return text, errors.Join(err, r.Close())
}

// issuer returns the ability to issue, and skips the rule for a connector that says it has none.
func (c *conn) issuer() connectors.Issuer {
	c.s.Helper()
	issuer, ok := connectors.As[connectors.Issuer](c.inner)
	if ok {
		return issuer
	}
	caps, err := c.Probe()
	if err != nil {
		c.s.Fatalf("Probe: %v", err)
	}
	if caps.Issue.Able {
		c.s.Fatalf("Probe says that credentials can be issued, but the connector is no Issuer")
	}
	c.s.Skipf("not applicable: it issues no credentials (%s)", caps.Issue.Reason)
	return nil
}

func (c *conn) Issue(req connectors.IssueRequest) (connectors.Issued, error) {
	ctx, cancel := c.context()
	defer cancel()
	c.s.secret(req.Value)
	issued, err := c.issuer().Issue(ctx, req)
	c.s.hear(err)
	c.s.secretsOf(issued.Parts)
	c.hearHandle(issued.Handle)
	c.s.hear(issued.Note)
	return issued, err
}

func (c *conn) hearHandle(h connectors.Handle) {
	c.s.hear(h.Open)
	for _, sealed := range h.Sealed {
		c.s.secret(sealed)
	}
}

func (c *conn) Status(mark connectors.Mark, h connectors.Handle) (connectors.Issued, error) {
	ctx, cancel := c.context()
	defer cancel()
	issued, err := c.issuer().Status(ctx, mark, h)
	c.s.hear(err)
	c.s.secretsOf(issued.Parts)
	c.hearHandle(issued.Handle)
	return issued, err
}

func (c *conn) Find(mark connectors.Mark) (connectors.Found, error) {
	ctx, cancel := c.context()
	defer cancel()
	found, err := c.issuer().Find(ctx, mark)
	c.s.hear(err)
	c.hearHandle(found.Handle)
	return found, err
}

func (c *conn) Revoke(mark connectors.Mark, h connectors.Handle) (connectors.Revoked, error) {
	ctx, cancel := c.context()
	defer cancel()
	revoked, err := c.issuer().Revoke(ctx, mark, h)
	c.s.hear(err)
	return revoked, err
}

func (c *conn) List(after connectors.Cursor, limit int) ([]connectors.Found, connectors.Cursor, error) {
	ctx, cancel := c.context()
	defer cancel()
	found, next, err := c.issuer().List(ctx, after, limit)
	c.s.hear(err)
	for _, f := range found {
		c.hearHandle(f.Handle)
	}
	return found, next, err
}

func (c *conn) Suspend(mark connectors.Mark, h connectors.Handle) error {
	ctx, cancel := c.context()
	defer cancel()
	err := c.suspender().Suspend(ctx, mark, h)
	c.s.hear(err)
	return err
}

func (c *conn) Resume(mark connectors.Mark, h connectors.Handle) error {
	ctx, cancel := c.context()
	defer cancel()
	err := c.suspender().Resume(ctx, mark, h)
	c.s.hear(err)
	return err
}

// suspender returns the ability to suspend, and skips the rule for a gateway that says it has none.
func (c *conn) suspender() connectors.Suspender {
	c.s.Helper()
	c.issuer()
	suspender, ok := connectors.As[connectors.Suspender](c.inner)
	if able := c.s.capabilities().Suspend; able && !ok {
		c.s.Fatalf("Probe says that credentials can be suspended, but the connector is no Suspender")
	} else if !able || !ok {
		c.s.Skipf("not applicable: credentials cannot be suspended here")
	}
	return suspender
}

// capabilities probes once.
func (s *session) capabilities() connectors.Capabilities {
	s.Helper()
	s.mu.Lock()
	probed := s.probed
	s.mu.Unlock()
	if probed == nil {
		caps, err := s.Probe()
		if err != nil {
			s.Fatalf("Probe: %v", err)
		}
		probed = &caps
		s.mu.Lock()
		s.probed = probed
		s.mu.Unlock()
	}
	return *probed
}

// discover returns a snapshot by key.
func (s *session) discover(c *conn) map[connectors.Key]connectors.Deployment {
	s.Helper()
	snap, err := c.Discover()
	if err != nil {
		s.Fatalf("Discover: %v", err)
	}
	byKey := make(map[connectors.Key]connectors.Deployment, len(snap.Deployments))
	for _, d := range snap.Deployments {
		byKey[d.Key] = d
	}
	return byKey
}

// deployment returns what the gateway says about an API of the target.
func (s *session) deployment(key connectors.Key) connectors.Deployment {
	s.Helper()
	if _, ok := s.known[key]; !ok {
		s.known = s.discover(s.conn)
	}
	d, ok := s.known[key]
	if !ok {
		s.Fatalf("Discover does not return %+v, which the target says is there", key)
	}
	return d
}

// api returns the nth API that the target was seeded with.
func (s *session) api(n int) API {
	s.Helper()
	s.issuer()
	if len(s.target.APIs) < 2 {
		s.Fatalf("Target.APIs needs two APIs, or waive the rule")
	}
	return s.target.APIs[n]
}

func newMark() connectors.Mark {
	return connectors.Mark{
		Credential:   portal.CredentialID(portal.NewID("crd")),
		Subscription: portal.SubscriptionID(portal.NewID("sub")),
		Application:  portal.ApplicationID(portal.NewID("app")),
	}
}

// request asks for a credential as the portal does.
func (s *session) request(api API, mark connectors.Mark) connectors.IssueRequest {
	s.Helper()
	d := s.deployment(api.Key)
	if len(d.Plans) == 0 {
		s.Fatalf("the deployment %+v has no plan", d.Key)
	}
	return connectors.IssueRequest{
		Mark: mark, Deployment: d.Key, Plan: d.Plans[0].ID, Label: "Conformance suite", Value: freshValue(),
	}
}

func freshValue() portal.Secret { return portal.NewSecret("v" + portal.NewID("k")[2:]) }

// issue makes a credential with a mark of its own, which is revoked when the rule is over.
func (s *session) issue(api API) (connectors.Mark, connectors.Issued) {
	s.Helper()
	mark := newMark()
	return mark, s.issueAs(s.request(api, mark))
}

// issueAs makes a credential and waits, by Status, until it is done.
func (s *session) issueAs(req connectors.IssueRequest) connectors.Issued {
	s.Helper()
	s.cleanUp(req.Mark)
	issued, err := s.Issue(req)
	if err != nil {
		s.Fatalf("Issue: %v", err)
	}
	return s.finish(req.Mark, issued)
}

// cleanUp revokes what carries the mark when the rule is over.
func (s *session) cleanUp(mark connectors.Mark) {
	s.Cleanup(func() {
		if _, err := s.Revoke(mark, connectors.Handle{}); err != nil {
			s.Errorf("Revoke, to clean up: %v", err)
		}
	})
}

// finish brings a pending credential to its end and goes live with a pipeline's changes.
func (s *session) finish(mark connectors.Mark, issued connectors.Issued) connectors.Issued {
	s.Helper()
	caps := s.capabilities()
	if s.target.Advance != nil && (caps.Pipeline || issued.Progress == connectors.Pending) {
		s.target.Advance(s)
	}
	parts := issued.Parts
	s.within(caps.Settle, "Status says done", func() string {
		if issued.Progress == connectors.Done {
			return ""
		}
		var err error
		if issued, err = s.Status(mark, issued.Handle); err != nil {
			s.Fatalf("Status: %v", err)
		}
		return fmt.Sprintf("progress is %q: %s", issued.Progress, issued.Note)
	})
	if !hasSecret(issued.Parts) {
		issued.Parts = parts
	}
	return issued
}

// changed lets a change to credentials go live where the gateway needs a hand.
func (s *session) changed() {
	s.Helper()
	if s.target.Advance != nil && s.capabilities().Pipeline {
		s.target.Advance(s)
	}
}

func hasSecret(parts []connectors.Part) bool { return secretOf(parts) != "" }

// secretOf returns the secret values of parts in one text, for comparison.
func secretOf(parts []connectors.Part) string {
	var all []string
	for _, p := range parts {
		if !p.Public && !p.Value.IsZero() {
			all = append(all, p.Value.Reveal())
		}
	}
	return strings.Join(all, " ")
}

// forged returns parts with another value of the same length for each secret.
func forged(parts []connectors.Part) []connectors.Part {
	var other []connectors.Part
	for _, p := range parts {
		if text := p.Value.Reveal(); !p.Public && text != "" {
			last := byte('a')
			if text[len(text)-1] == last {
				last = 'b'
			}
			p.Value = portal.NewSecret(text[:len(text)-1] + string(last))
		}
		other = append(other, p)
	}
	return other
}

// with returns parts that send value in the place of the one secret.
func with(parts []connectors.Part, value portal.Secret) []connectors.Part {
	var other []connectors.Part
	for _, p := range parts {
		if !p.Public {
			p.Value = value
		}
		other = append(other, p)
	}
	return other
}

// call sends one GET through the data plane and returns its status.
func (s *session) call(address string, parts []connectors.Part) int {
	s.Helper()
	ctx, cancel := s.context()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		s.Fatalf("Target: %v", err)
	}
	for _, p := range parts {
		switch p.In {
		case "header":
			req.Header.Set(p.Name, p.Prefix+p.Value.Reveal())
		case "query":
			q := req.URL.Query()
			q.Set(p.Name, p.Prefix+p.Value.Reveal())
			req.URL.RawQuery = q.Encode()
		default:
			s.Fatalf("Issue returned a part %q in %q; it is sent in a header or the query", p.Name, p.In)
		}
	}
	resp, err := s.target.DataPlane.Do(req)
	if err != nil {
		var inURL *url.Error // quotes the query, where keys may be
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		s.Fatalf("calling the data plane: %v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode
}

func refused(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// works waits until the API answers 200 to parts, at most as long as the gateway declares.
func (s *session) works(api API, parts []connectors.Part, what string) {
	s.Helper()
	s.within(s.capabilities().Propagation, what+" is accepted", func() string {
		if status := s.call(api.URL, parts); status != http.StatusOK {
			return fmt.Sprintf("the data plane answers %d", status)
		}
		return ""
	})
}

// isRefused waits until the API refuses parts, at most as long as the gateway declares.
func (s *session) isRefused(api API, parts []connectors.Part, what string) {
	s.Helper()
	s.within(s.capabilities().Propagation, what+" is refused", func() string {
		if status := s.call(api.URL, parts); !refused(status) {
			return fmt.Sprintf("the data plane answers %d", status)
		}
		return ""
	})
}

// gone waits until Find no longer knows the mark, at most as long as the gateway declares.
func (s *session) gone(mark connectors.Mark) {
	s.Helper()
	s.within(s.capabilities().Settle, "Find no longer knows the mark", func() string {
		found, err := s.Find(mark)
		switch {
		case err == nil:
			return fmt.Sprintf("it is found, %s", found.Progress)
		case !errors.Is(err, portal.ErrNotFound):
			s.Fatalf("Find: %v", err)
		}
		return ""
	})
}

// present waits until Find knows the mark, at most as long as the gateway declares.
func (s *session) present(mark connectors.Mark) connectors.Found {
	s.Helper()
	var found connectors.Found
	s.within(s.capabilities().Settle, "Find knows the mark", func() string {
		var err error
		found, err = s.Find(mark)
		switch {
		case errors.Is(err, portal.ErrNotFound):
			return "it is not found"
		case err != nil:
			s.Fatalf("Find: %v", err)
		}
		return ""
	})
	return found
}

// within waits until missing says nothing, at most delay and the target's grace.
func (s *session) within(delay time.Duration, what string, missing func() string) {
	s.Helper()
	limit := delay + s.target.Grace
	start := time.Now()
	for {
		late := time.Since(start) > limit // taken before the call: what begins in time counts
		reason := missing()
		if reason == "" {
			return
		}
		if late {
			s.Fatalf("waited for: %s; after %s (%s declared, %s grace) %s", what, limit, delay, s.target.Grace, reason)
		}
		time.Sleep(pollEvery)
	}
}

// all reads the list of credentials to its end.
func (s *session) all(limit int) []connectors.Found {
	s.Helper()
	var all []connectors.Found
	seen := map[connectors.Cursor]bool{}
	for after := connectors.Cursor(""); ; {
		page, next, err := s.List(after, limit)
		if err != nil {
			s.Fatalf("List after %d credentials: %v", len(all), err)
		}
		all = append(all, page...)
		if next == "" {
			return all
		}
		if seen[next] {
			s.Fatalf("List returned the cursor %q twice", next)
		}
		seen[next], after = true, next
	}
}

// count returns how many listed credentials carry the mark.
func count(all []connectors.Found, mark connectors.Mark) int {
	n := 0
	for _, f := range all {
		if f.Mark.Credential == mark.Credential {
			n++
		}
	}
	return n
}

// is fails unless err is of the kind.
func (s *session) is(err, kind error, what string) {
	s.Helper()
	if !errors.Is(err, kind) {
		s.Errorf("%s: got error %v; want one that is %q", what, err, kind)
	}
}

// need ends the rule when the target lacks a part.
func (s *session) need(has bool, part string) {
	s.Helper()
	if !has {
		s.Fatalf("the target has no %s: provide it, or waive the rule with the reason", part)
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
