package expressgateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"concierge/connectors"
	"concierge/connectors/expressgateway/expressgatewaytest"
	"concierge/portal"
)

// answering opens a connector on an admin side that answers by method and path, each time with the next of a list and
// then with the last one. What it is not told it answers with 404. Requests are noted.
func answering(t *testing.T, answers map[string][]string) (c *Connector, requests *[]string) {
	t.Helper()
	requests = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		*requests = append(*requests, what)
		said := answers[what]
		if len(said) == 0 {
			http.NotFound(w, r)
			return
		}
		if len(said) > 1 {
			answers[what] = said[1:]
		}
		_, _ = io.WriteString(w, said[0])
	}))
	t.Cleanup(server.Close)
	opened, err := Open(connectors.Config{Address: server.URL, Client: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	return opened.(*Connector), requests
}

func TestListRefusesPartsOfUsers(t *testing.T) {
	for name, answer := range map[string]string{
		"more to come": `{"users":[{"id":"1","username":"concierge-sub_1","isActive":true}],"nextKey":17}`,
		"no list":      `{"nextKey":0}`,
		"null":         `null`,
	} {
		c, _ := answering(t, map[string][]string{"GET /users": {answer}, "GET /credentials/1": {`{"credentials":[]}`}})
		if _, _, err := c.List(t.Context(), "", 10); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListLeavesOut(t *testing.T) {
	const ours = `{"keyId":"concierge-crd_%d","isActive":%t,"concierge_credential":"crd_%d","keySecret":"s"}`
	c, requests := answering(t, map[string][]string{
		// SCAN may say a thing twice.
		"GET /users": {`{"users":[{"id":"b","username":"concierge-sub_1"},{"id":"a","username":"alice"},{"id":"b","username":"concierge-sub_1"}],"nextKey":0}`},
		"GET /credentials/b": {`{"credentials":[` + strings.Join([]string{
			fmt.Sprintf(ours, 1, true, 1),
			fmt.Sprintf(ours, 2, false, 2),                                    // revoked
			fmt.Sprintf(ours, 3, true, 4),                                     // carries another one's mark
			`{"keyId":"concierge-crd_5","isActive":true}`,                     // made by hand
			`{"type":"basic-auth","id":"b","isActive":true,"password":"$2a"}`, // of another type
		}, ",") + `]}`},
	})
	found, next, err := c.List(t.Context(), "", 10)
	if err != nil || next != "" || len(found) != 1 || found[0].Mark.Credential != "crd_1" {
		t.Errorf("got %+v, next %q, error %v", found, next, err)
	}
	if len(*requests) != 2 {
		t.Errorf("it asked %q", *requests)
	}
}

// TestDiscoverReadsWhatBelongsTogether: the gateway takes a new configuration between two answers.
func TestDiscoverReadsWhatBelongsTogether(t *testing.T) {
	const before, after = `{}`, `{"p":{"apiEndpoints":["a"],"policies":[{"key-auth":null},{"proxy":null}]}}`
	c, _ := answering(t, map[string][]string{
		"GET /pipelines":     {before, after},
		"GET /api-endpoints": {`{}`, `{"a":{"paths":"/a","scopes":["a"]}}`},
	})
	snap, err := c.Discover(t.Context(), "")
	if err != nil || len(snap.Deployments) != 1 || !snap.Deployments[0].Active || !snap.Deployments[0].Issue.Able {
		t.Errorf("got %+v, error %v", snap.Deployments, err)
	}

	c, _ = answering(t, map[string][]string{
		"GET /pipelines": {`{}`, `{"a":{}}`, `{"b":{}}`, `{"c":{}}`, `{"d":{}}`}, "GET /api-endpoints": {`{"a":{}}`},
	})
	if _, err := c.Discover(t.Context(), ""); !errors.Is(err, portal.ErrUnavailable) {
		t.Errorf("a configuration that never rests: %v", err)
	}
}

func TestAnswersAboutSomethingElse(t *testing.T) {
	c, _ := answering(t, map[string][]string{
		"GET /credentials/key-auth/concierge-crd_1": {`{"keyId":"concierge-crd_2","isActive":true,"concierge_credential":"crd_1"}`},
	})
	if _, err := c.Find(t.Context(), connectors.Mark{Credential: "crd_1"}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("Find: %v", err)
	}
	if _, err := c.Revoke(t.Context(), connectors.Mark{Credential: "crd_1"}, connectors.Handle{}); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("Revoke: %v", err)
	}
}

func TestIssueRefusesWhatTheGatewayWouldSplit(t *testing.T) {
	c, requests := answering(t, nil)
	for name, req := range map[string]connectors.IssueRequest{
		"a mark with a colon":  {Mark: connectors.Mark{Credential: "a:b"}},
		"a mark with a slash":  {Mark: connectors.Mark{Credential: "../users"}},
		"no mark":              {},
		"a value with a colon": {Mark: connectors.Mark{Credential: "a"}, Value: portal.NewSecret("a:b")},
		"a value with a space": {Mark: connectors.Mark{Credential: "a"}, Value: portal.NewSecret("a b")},
	} {
		if _, err := c.Issue(t.Context(), req); !errors.Is(err, portal.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(*requests) > 0 {
		t.Errorf("it asked %q", *requests)
	}
}

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"Acme\n orders": "Acme orders", "": "otherwise", strings.Repeat("é", 200): strings.Repeat("é", nameRunes),
	} {
		if got := label(text, "otherwise"); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// TestRealUsers: one user for each subscription, told apart by the gateway to the upstream; a deactivated one is no
// ground for a key.
func TestRealUsers(t *testing.T) {
	g := expressgatewaytest.Start(t)
	cfg := g.Config(expressgatewaytest.FullRights)
	cfg.Client = http.DefaultClient
	opened, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := opened.(*Connector)
	issue := func(credential, subscription string) (connectors.Issued, error) {
		return c.Issue(t.Context(), connectors.IssueRequest{
			Mark:       connectors.Mark{Credential: portal.CredentialID(credential), Subscription: portal.SubscriptionID(subscription)},
			Deployment: connectors.Key{RemoteID: expressgatewaytest.Orders}, Plan: planID, Value: portal.NewSecret("value-" + credential),
		})
	}
	consumer := func(issued connectors.Issued) string {
		req, err := http.NewRequest(http.MethodGet, g.Public+"/orders/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "apiKey "+issued.Parts[0].Value.Reveal())
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d %v", resp.StatusCode, err)
		}
		return string(text)
	}
	var seen []string
	for _, of := range [][2]string{{"crd_1", "sub_1"}, {"crd_2", "sub_1"}, {"crd_3", "sub_2"}} {
		issued, err := issue(of[0], of[1])
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, consumer(issued))
	}
	if seen[0] != seen[1] || seen[0] == seen[2] {
		t.Errorf("the upstream was told of %q", seen)
	}
	req, err := http.NewRequest(http.MethodPut, g.Admin+"/users/concierge-sub_1/status", strings.NewReader(`{"status":false}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if _, err := issue("crd_4", "sub_1"); !errors.Is(err, portal.ErrConflict) || !strings.Contains(err.Error(), "activate it") {
		t.Errorf("for a deactivated user: %v", err)
	}
}
