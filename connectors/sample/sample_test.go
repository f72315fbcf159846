package sample_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/connectors/connectortest"
	"concierge/connectors/sample"
	"concierge/connectors/sample/gateway"
	"concierge/connectors/sample/sampletest"
	"concierge/portal"
)

// TestConformance runs the suite against the gateway in every mode that changes what it can do. No rule is waived.
func TestConformance(t *testing.T) {
	for name, opts := range map[string]gateway.Options{
		"plain":                   {},
		"names as ids":            {NamesAsIDs: true},
		"one key a subscription":  {MaxKeys: 1},
		"keys made by the caller": {CallerKeys: true},
		"slow propagation":        {Faults: gateway.Faults{Propagation: 40 * time.Millisecond}},
		"small pages":             {PageSize: 3},
		"a log of changes":        {Changes: true},
	} {
		t.Run(name, func(t *testing.T) {
			connectortest.Run(t, func(t *testing.T) connectortest.Target {
				target, _ := sampletest.Target(t, opts)
				return target
			})
		})
	}
}

// TestFaults switches on what can go wrong with the gateway itself and wants the kind of error that the portal acts on.
func TestFaults(t *testing.T) {
	many := make([]gateway.API, 0, 30)
	for _, letter := range "abcdefghijklmnopqrstuvwxyz" {
		many = append(many, gateway.API{Name: "api-" + string(letter)})
	}
	g := sampletest.Start(t, gateway.Options{APIs: many, PageSize: 10})
	c, err := sample.Open(sampletest.Config(g, g.AdminToken()))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		faults gateway.Faults
		want   error
	}{
		"down":                 {gateway.Faults{Down: true}, portal.ErrUnavailable},
		"too many requests":    {gateway.Faults{RetryAfter: 1500 * time.Millisecond}, portal.ErrUnavailable},
		"rubbish":              {gateway.Faults{Rubbish: true}, portal.ErrInvalid},
		"cut in the middle":    {gateway.Faults{Half: gateway.HalfCut}, portal.ErrUnavailable},
		"the second page lost": {gateway.Faults{Half: gateway.HalfPage}, portal.ErrUnavailable},
		"none":                 {gateway.Faults{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g.SetFaults(tc.faults)
			snap, err := c.Discover(t.Context(), "")
			if !errors.Is(err, tc.want) {
				t.Errorf("got error %v; want %v", err, tc.want)
			}
			var after *portal.RetryAfterError
			if tc.faults.RetryAfter > 0 && (!errors.As(err, &after) || after.After != 2*time.Second) {
				t.Errorf("got error %v; want a RetryAfterError of 2s, rounded up", err)
			}
			if want := len(many); err == nil && len(snap.Deployments) != want || err != nil && len(snap.Deployments) != 0 {
				t.Errorf("got %d deployments, error %v", len(snap.Deployments), err)
			}
		})
	}
}

// TestLostAnswer is the gateway's own: the act is done, the connection cut, the key found by its mark.
func TestLostAnswer(t *testing.T) {
	g := sampletest.Start(t, gateway.Options{APIs: []gateway.API{{Name: "orders"}}, Faults: gateway.Faults{LoseAnswers: 1}})
	c, err := sample.Open(sampletest.Config(g, g.AdminToken()))
	if err != nil {
		t.Fatal(err)
	}
	issuer, _ := connectors.As[connectors.Issuer](c)
	mark := connectors.Mark{Credential: "crd_lost", Subscription: "sub_1", Application: "app_1"}
	_, err = issuer.Issue(t.Context(), connectors.IssueRequest{
		Mark: mark, Deployment: connectors.Key{RemoteID: g.ID("orders")}, Plan: "standard",
	})
	if !errors.Is(err, portal.ErrUnavailable) {
		t.Fatalf("Issue: got error %v; want %v", err, portal.ErrUnavailable)
	}
	found, err := issuer.Find(t.Context(), mark)
	if err != nil || found.Mark != mark {
		t.Errorf("Find: got %+v, %v; want the mark", found, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	sound := connectors.Config{
		Address: "http://127.0.0.1:1", Client: http.DefaultClient,
		Secrets: map[string]portal.Secret{"token": portal.NewSecret("t0ken-for-tests")},
	}
	for name, tc := range map[string]struct {
		change func(*connectors.Config)
		want   []string // all named in one error
	}{
		"nothing":                     {func(*connectors.Config) {}, nil},
		"no address and no token":     {func(c *connectors.Config) { c.Address, c.Secrets = "", nil }, []string{"address", "token is missing"}},
		"an address without a scheme": {func(c *connectors.Config) { c.Address = "gateway:9001" }, []string{"address"}},
		"a password in the address":   {func(c *connectors.Config) { c.Address = "http://u:hunter22@g" }, []string{"address"}},
		"unknown settings": {
			func(c *connectors.Config) { c.Settings = map[string]string{"tokn": "x", "size": "3"} }, []string{`"tokn"`, `"size"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound
			tc.change(&cfg)
			_, err := sample.Open(cfg)
			if (err != nil) != (tc.want != nil) || err != nil && !errors.Is(err, portal.ErrInvalid) {
				t.Fatalf("got error %v", err)
			}
			for _, word := range tc.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("the error %q does not name %s", err, word)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the error %q quotes a password", err)
			}
		})
	}
}

// FuzzDiscover answers with whatever there is: Discover errs with a kind that the portal knows or returns deployments
// that have keys.
func FuzzDiscover(f *testing.F) {
	f.Add(200, `{"product":"x","items":[{"id":"1","title":"t","exposures":[{"stage":"","path":"/p"}]}],"next":""}`)
	f.Add(200, `{"product":"x","items":[{}],"next":"1"}`)
	f.Add(200, `{"product":"x","items":null}`)
	f.Add(200, `[]`)
	f.Add(429, `{"detail":"slow down"}`)
	f.Add(302, ``)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 100 || status > 999 {
			return
		}
		c, err := sample.Open(connectors.Config{
			Address: "http://gateway.example", Secrets: map[string]portal.Secret{"token": portal.NewSecret("t0ken-for-tests")},
			Client: &http.Client{Transport: answers{status, body}},
		})
		if err != nil {
			t.Fatal(err)
		}
		snap, err := c.Discover(t.Context(), "")
		if err != nil {
			for _, kind := range []error{portal.ErrInvalid, portal.ErrUnavailable, portal.ErrDenied, portal.ErrNotFound, portal.ErrConflict} {
				if errors.Is(err, kind) {
					return
				}
			}
			t.Errorf("the error %v is of no kind", err)
		}
		for _, d := range snap.Deployments {
			if d.RemoteID == "" {
				t.Errorf("a deployment without an id: %+v", d)
			}
		}
	})
}

type answers struct {
	status int
	body   string
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(a.body)), Request: req}, nil
}
