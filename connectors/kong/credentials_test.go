package kong

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/kong/kongtest"
	"concierge/portal"
)

// gateway is a fake with one API that keys can be confined to, and a connector to it.
type gateway struct {
	*kongtest.Gateway
	*Connector
	t     *testing.T
	order connectors.Key
}

func start(t *testing.T, opts kongtest.Options) gateway {
	t.Helper()
	g := kongtest.New(opts)
	t.Cleanup(g.Close)
	id := g.Seed("services", map[string]any{"name": "orders", "host": "upstream"})
	g.Seed("routes", map[string]any{"paths": []string{"/orders"}, "service": map[string]any{"id": id}})
	g.Seed("plugins", map[string]any{"name": "key-auth", "service": map[string]any{"id": id}})
	g.Seed("plugins", map[string]any{"name": "acl", "service": map[string]any{"id": id}, "config": map[string]any{"allow": []string{"api-orders"}}})
	c, err := Open(connectors.Config{ID: "kong", Address: g.AdminURL, Settings: map[string]string{settingPublicURL: g.ProxyURL}, Client: http.DefaultClient})
	if err != nil {
		t.Fatal(err)
	}
	return gateway{g, c, t, connectors.Key{RemoteID: id, Exposure: "/orders"}}
}

func (g gateway) request(n int) connectors.IssueRequest {
	return connectors.IssueRequest{
		Mark: connectors.Mark{Credential: portal.CredentialID(fmt.Sprintf("crd_%d", n)), Subscription: "sub_1", Application: "app_1"},
		Plan: planID, Deployment: g.order, Label: "Shop, Ltd/EU", Value: portal.NewSecret(fmt.Sprintf("value-of-key-%d", n)),
	}
}

func (g gateway) issue(req connectors.IssueRequest) connectors.Issued {
	g.t.Helper()
	issued, err := g.Issue(context.Background(), req)
	if err != nil {
		g.t.Fatal(err)
	}
	return issued
}

func (g gateway) call(key string) int {
	g.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, g.ProxyURL+"/orders", nil)
	req.Header.Set("apikey", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// list returns what the Admin API lists, as the connector's own client reads it.
func list[T any](g gateway, path ...string) []T {
	g.t.Helper()
	found, err := all[T](context.Background(), g.admin, nil, path...)
	if err != nil {
		g.t.Fatal(err)
	}
	return found
}

// TestTakenKeyIsAConflictWithoutTheKey: somebody already has a key with this value. Kong's 409 quotes it.
func TestTakenKeyIsAConflictWithoutTheKey(t *testing.T) {
	g := start(t, kongtest.Options{})
	byHand := g.Seed("consumers", map[string]any{"username": "by-hand"})
	g.Seed("key-auths", map[string]any{"key": "value-of-key-1", "consumer": map[string]any{"id": byHand}})
	_, err := g.Issue(t.Context(), g.request(1))
	if !errors.Is(err, portal.ErrConflict) || strings.Contains(err.Error(), "value-of-key-1") {
		t.Errorf("got %v; want a conflict that does not quote the key", err)
	}
	if !strings.Contains(err.Error(), "unique constraint violation (key)") {
		t.Errorf("%v does not say what is taken", err)
	}
	if left := list[consumer](g, "consumers"); len(left) != 1 {
		t.Errorf("a refused Issue left consumers behind: %+v", left)
	}
}

// TestNodesThatRefuseWrites: discovery works there, and says that nothing can be issued.
func TestNodesThatRefuseWrites(t *testing.T) {
	g := start(t, kongtest.Options{Mode: kongtest.DBless})
	can, err := g.Probe(t.Context())
	if err != nil || can.Issue.Able || !strings.Contains(can.Issue.Reason, "database=off") {
		t.Errorf("Probe: %+v %v", can.Issue, err)
	}
	snap, err := g.Discover(t.Context(), "")
	if err != nil || len(snap.Deployments) != 1 || snap.Deployments[0].Issue.Able || !strings.Contains(snap.Deployments[0].Issue.Reason, "database=off") {
		t.Errorf("Discover: %+v %v", snap, err)
	}
	if _, err := g.Issue(t.Context(), g.request(1)); !errors.Is(err, portal.ErrUnsupported) {
		t.Errorf("Issue: %v", err)
	}
	if revoked, err := g.Revoke(t.Context(), connectors.Mark{Credential: "crd_1"}, connectors.Handle{}); err != nil || !revoked.Absent {
		t.Errorf("Revoke of what is not there: %+v %v", revoked, err)
	}
}

func TestProbeTellsModes(t *testing.T) {
	for name, tc := range map[string]struct {
		version, role string
		expiry        bool
	}{
		"traditional":            {"3.4.0", "traditional", true},
		"control plane":          {"3.9.3", "control_plane", true},
		"control plane with ttl": {"3.5.0", "control_plane", true},
		"control plane, 3.4":     {"3.4.2", "control_plane", false},
		"enterprise version":     {"3.10.0.1-enterprise-edition", "control_plane", true},
	} {
		n := node{Version: tc.version}
		n.Configuration.Role = tc.role
		if n.endsKeys() != tc.expiry {
			t.Errorf("%s: expiry %t", name, n.endsKeys())
		}
		if n.propagation() != 6*time.Second {
			t.Errorf("%s: propagation %s", name, n.propagation())
		}
	}
}

// TestWhatIsWritten: the objects on the gateway and their marks.
func TestWhatIsWritten(t *testing.T) {
	g := start(t, kongtest.Options{})
	req := g.request(1)
	req.Expires = time.Now().Add(time.Hour)
	issued := g.issue(req)
	owner := consumerID("sub_1", g.order.RemoteID)
	if got := issued.Handle.Open; got[handleConsumer] != owner || got[handleCredential] != credentialID("crd_1") || len(got) != 2 {
		t.Errorf("handle %v", got)
	}
	if late := issued.Expires.Sub(req.Expires).Abs(); late > 2*time.Second {
		t.Errorf("it ends at %s; %s was asked for", issued.Expires, req.Expires)
	}
	consumers := list[consumer](g, "consumers")
	want := []string{"concierge:managed", "concierge-subscription:sub_1", "concierge-application:app_1", "concierge-label:Shop  Ltd EU"}
	if len(consumers) != 1 || consumers[0].ID != owner || !slices.Equal(consumers[0].Tags, want) {
		t.Errorf("consumers %+v", consumers)
	}
	members := list[membership](g, "acls")
	if len(members) != 1 || members[0].Group != "api-orders" || !slices.Equal(members[0].Tags, []string{managed}) {
		t.Errorf("memberships %+v", members)
	}
	keys := list[credential](g, "key-auths")
	want = []string{"concierge:managed", "concierge-subscription:sub_1", "concierge-application:app_1", "concierge-credential:crd_1"}
	if len(keys) != 1 || !slices.Equal(keys[0].Tags, want) || keys[0].TTL == nil || *keys[0].TTL < 3590 {
		t.Errorf("credentials %+v", keys)
	}
	if got := issued.Parts; len(got) != 1 || got[0].In != "header" || got[0].Name != "apikey" || got[0].Value.Reveal() != "value-of-key-1" {
		t.Errorf("parts %+v", got)
	}
}

// TestRepeatedIssueTouchesNothing: Kong would reset created_at, and take another key for the old one.
func TestRepeatedIssueTouchesNothing(t *testing.T) {
	g := start(t, kongtest.Options{})
	first := g.issue(g.request(1))
	before := list[credential](g, "key-auths")
	g.Break(kongtest.Fault{Method: http.MethodPut, Status: http.StatusInternalServerError})
	again := g.request(1)
	again.Value = portal.NewSecret("another-value")
	second := g.issue(again)
	if second.Parts[0].Value.Reveal() != first.Parts[0].Value.Reveal() {
		t.Error("the repeated Issue returned another secret")
	}
	if after := list[credential](g, "key-auths"); len(after) != 1 || after[0].CreatedAt != before[0].CreatedAt {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if status := g.call("another-value"); status != http.StatusUnauthorized {
		t.Errorf("the second value gets %d", status)
	}
}

func TestIssueRefusesWhatMakesNoSense(t *testing.T) {
	g := start(t, kongtest.Options{})
	for name, tc := range map[string]struct {
		change func(*connectors.IssueRequest)
		want   error
	}{
		"no value":           {func(r *connectors.IssueRequest) { r.Value = portal.Secret{} }, portal.ErrInvalid},
		"an end in the past": {func(r *connectors.IssueRequest) { r.Expires = time.Now().Add(-time.Second) }, portal.ErrInvalid},
		"an unknown plan":    {func(r *connectors.IssueRequest) { r.Plan = "gold" }, portal.ErrInvalid},
		"another exposure":   {func(r *connectors.IssueRequest) { r.Deployment.Exposure = "/" }, portal.ErrNotFound},
	} {
		req := g.request(1)
		tc.change(&req)
		if _, err := g.Issue(t.Context(), req); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v; want %v", name, err, tc.want)
		}
	}
	if left := list[consumer](g, "consumers"); len(left) != 0 {
		t.Errorf("something was made: %+v", left)
	}
}

// TestFarEndIsThePortals: Kong takes no ttl beyond three years; a shorter one would end the key too early.
func TestFarEndIsThePortals(t *testing.T) {
	g := start(t, kongtest.Options{})
	req := g.request(1)
	req.Expires = time.Now().AddDate(5, 0, 0)
	if issued := g.issue(req); !issued.Expires.IsZero() {
		t.Errorf("the gateway ends it at %s", issued.Expires)
	}
}

// TestMarkOfAnotherDeployment: a mark is for one deployment. Kong would move the credential.
func TestMarkOfAnotherDeployment(t *testing.T) {
	g := start(t, kongtest.Options{})
	g.issue(g.request(1))
	id := g.Seed("services", map[string]any{"name": "billing", "host": "upstream"})
	g.Seed("routes", map[string]any{"paths": []string{"/billing"}, "service": map[string]any{"id": id}})
	g.Seed("plugins", map[string]any{"name": "key-auth", "service": map[string]any{"id": id}})
	g.Seed("plugins", map[string]any{"name": "acl", "service": map[string]any{"id": id}, "config": map[string]any{"allow": []string{"api-billing"}}})
	req := g.request(1)
	req.Deployment = connectors.Key{RemoteID: id, Exposure: "/billing"}
	if _, err := g.Issue(t.Context(), req); !errors.Is(err, portal.ErrConflict) {
		t.Errorf("got %v; want a conflict", err)
	}
	req.Mark.Credential = "crd_2" // a key of the same subscription after a move
	req.Value = portal.NewSecret("value-of-key-2")
	moved := g.issue(req)
	if moved.Handle.Open[handleConsumer] == consumerID("sub_1", g.order.RemoteID) {
		t.Error("keys of two services share a consumer")
	}
	if status := g.call("value-of-key-2"); status != http.StatusForbidden {
		t.Errorf("the key of the second service gets %d at the first", status)
	}
}

// TestGroupsFollowTheConfiguration: when an API changes its group, the next key leaves the old one; a group that somebody gave
// by hand stays.
func TestGroupsFollowTheConfiguration(t *testing.T) {
	g := start(t, kongtest.Options{})
	g.issue(g.request(1))
	owner := consumerID("sub_1", g.order.RemoteID)
	g.Seed("acls", map[string]any{"group": "by-hand", "consumer": map[string]any{"id": owner}})
	plugins := list[plugin](g, "plugins")
	i := slices.IndexFunc(plugins, func(p plugin) bool { return p.Name == "acl" })
	g.Seed("plugins", map[string]any{"id": plugins[i].ID, "name": "acl", "service": map[string]any{"id": g.order.RemoteID},
		"config": map[string]any{"allow": []string{"orders-2"}}})
	g.issue(g.request(2))
	var groups []string
	for _, m := range list[membership](g, "acls") {
		groups = append(groups, m.Group)
	}
	slices.Sort(groups)
	if !slices.Equal(groups, []string{"by-hand", "orders-2"}) {
		t.Errorf("the consumer is in %q", groups)
	}
}

// TestRevokeRemovesTheEmptyConsumer: with its last credential, whether it was ours to know or not.
func TestRevokeRemovesTheEmptyConsumer(t *testing.T) {
	ctx := context.Background()
	g := start(t, kongtest.Options{})
	mark := g.request(1).Mark
	g.issue(g.request(1))
	g.issue(g.request(2))
	consumers := func() int { return len(list[consumer](g, "consumers")) }
	revoke := func(mark connectors.Mark, h connectors.Handle) error {
		_, err := g.Revoke(ctx, mark, h)
		return err
	}
	if err := revoke(mark, connectors.Handle{}); err != nil || consumers() != 1 {
		t.Errorf("with another key: %v, %d consumers", err, consumers())
	}
	mark = g.request(2).Mark
	mend := g.Break(kongtest.Fault{Method: http.MethodDelete, Path: "/key-auth/", Times: 1, Lose: true})
	if err := revoke(mark, connectors.Handle{}); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("with a lost answer: %v", err)
	}
	mend()
	if err := revoke(mark, connectors.Handle{}); err != nil || consumers() != 0 {
		t.Errorf("repeated, by mark: %v, %d consumers", err, consumers())
	}

	issued := g.issue(g.request(3))
	owner := issued.Handle.Open[handleConsumer]
	g.Seed("key-auths", map[string]any{"key": "made-by-hand", "consumer": map[string]any{"id": owner}})
	if err := revoke(g.request(3).Mark, issued.Handle); err != nil || consumers() != 1 {
		t.Errorf("with a key made by hand: %v, %d consumers", err, consumers())
	}
	if status := g.call("made-by-hand"); status != http.StatusOK {
		t.Errorf("the key made by hand gets %d", status)
	}
}

// TestStrangeHandleIsRefused: Kong takes a text that is no UUID for a key.
func TestStrangeHandleIsRefused(t *testing.T) {
	g := start(t, kongtest.Options{})
	h := connectors.Handle{Open: map[string]string{handleCredential: "../consumers"}}
	if _, err := g.Revoke(t.Context(), g.request(1).Mark, h); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestConsumerOfSomebodyElse: one without our tag under the id that we would use is not taken over.
func TestConsumerOfSomebodyElse(t *testing.T) {
	g := start(t, kongtest.Options{})
	g.Seed("consumers", map[string]any{"id": consumerID("sub_1", g.order.RemoteID), "username": "theirs"})
	if _, err := g.Issue(t.Context(), g.request(1)); !errors.Is(err, portal.ErrDenied) {
		t.Errorf("got %v; want denied", err)
	}
}

func TestOpenChecksTheConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		config connectors.Config
		want   []string // parts of the problem; none: it opens
	}{
		"loopback":   {connectors.Config{Address: "http://127.0.0.1:8001", Client: http.DefaultClient}, nil},
		"https":      {connectors.Config{Address: "https://kong.internal:8444/workspace/", Client: http.DefaultClient}, nil},
		"plain http": {connectors.Config{Address: "http://kong.internal:8001", Client: http.DefaultClient}, []string{"https"}},
		"every problem at once": {connectors.Config{
			Address: "ftp://x", Settings: map[string]string{"public_url": "api.example.com?x", "colour": "red"},
		}, []string{"http", "public_url", "colour"}},
		"public address with a password": {connectors.Config{Address: "https://kong.internal", Client: http.DefaultClient,
			Settings: map[string]string{"public_url": "https://user:hunter22@api.example.com"}}, []string{"public_url"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Kind.Open(tc.config)
			if len(tc.want) == 0 {
				if err != nil || c == nil {
					t.Errorf("got %v, %v", c, err)
				}
				return
			}
			if !errors.Is(err, portal.ErrInvalid) || c != nil {
				t.Fatalf("got %v, %v", c, err)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %s", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%q holds the password", err)
			}
		})
	}
}
