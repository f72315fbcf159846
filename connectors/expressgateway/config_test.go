package expressgateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
)

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDeployments(t *testing.T) {
	cfg, err := parseConfig(recorded(t, "api-endpoints"), recorded(t, "pipelines"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := parsePublic("https://api.example.com:8443")
	if err != nil {
		t.Fatal(err)
	}
	got := map[connectors.Key]connectors.Deployment{}
	for _, a := range cfg.apis {
		got[a.key] = a.deployment(public)
	}

	header := portal.Authentication{Type: "apiKey", In: "header", Name: "Authorization", Prefix: "apiKey "}
	none := portal.Authentication{Type: "none"}
	for key, want := range map[connectors.Key]struct {
		auth    portal.Authentication
		public  string
		refusal string // a piece of it
		reach   []string
	}{
		// Every other endpoint's key opens the one without scopes, so none can be confined while it is there.
		{RemoteID: "payments"}: {header, "https://api.example.com:8443/payments/2", "open unscoped", []string{"unscoped"}},
		{RemoteID: "orders"}:   {header, "https://orders.example.com:8443/v1/orders", "open unscoped", []string{"unscoped"}},
		{RemoteID: "reports"}:  {header, "https://api.example.com:8443/reports", "open orders, unscoped", []string{"orders", "unscoped"}},
		{RemoteID: "unscoped"}: {header, "https://api.example.com:8443/unscoped", "set scopes", nil},
		{RemoteID: "keyless"}:  {none, "https://api.example.com:8443/keyless", "no key-auth", nil},
		{RemoteID: "query"}: {portal.Authentication{Type: "apiKey", In: "query", Name: "key"},
			"https://api.example.com:8443/query", "open unscoped", []string{"unscoped"}},
		{RemoteID: "custom"}: {portal.Authentication{Type: "apiKey", In: "header", Name: "X-Api-Key", Prefix: "Key "},
			"https://api.example.com:8443/custom", "open unscoped", []string{"unscoped"}},
		{RemoteID: "bare"}: {portal.Authentication{Type: "apiKey", In: "header", Name: "X-Api-Key"},
			"https://api.example.com:8443/bare", "open unscoped", []string{"unscoped"}},
		{RemoteID: "passing"}:     {header, "https://api.example.com:8443/passing", "passThrough", nil},
		{RemoteID: "conditional"}: {header, "https://api.example.com:8443/conditional", "condition", nil},
		{RemoteID: "late"}:        {header, "https://api.example.com:8443/late", "after proxy", nil},
		{RemoteID: "tokens"}: {portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Bearer "},
			"https://api.example.com:8443/tokens", "no key-auth", nil},
		{RemoteID: "both"}:   {header, "https://api.example.com:8443/both", "basic-auth", nil},
		{RemoteID: "twice"}:  {header, "https://api.example.com:8443/twice", "several pipelines", nil},
		{RemoteID: "orphan"}: {none, "https://api.example.com:8443/orphan", "no pipeline", nil},
		{RemoteID: "many", Exposure: "a.example.com /many/*"}: {header, "https://a.example.com:8443/many",
			"open unscoped", []string{"unscoped"}},
		{RemoteID: "many", Exposure: `~^b[0-9]*\.example\.com$ /many/*`}: {header, "", "open unscoped", []string{"unscoped"}},
		{RemoteID: "many", Exposure: `* ~^/m[0-9]+$`}:                    {header, "", "open unscoped", []string{"unscoped"}},
	} {
		d, ok := got[key]
		if !ok {
			t.Errorf("%+v is missing", key)
			continue
		}
		delete(got, key)
		if d.Authentication != want.auth || d.Public != want.public || (d.Public == "") == (d.PublicReason == "") {
			t.Errorf("%+v: %+v at %q (%s); want %+v at %q", key, d.Authentication, d.Public, d.PublicReason, want.auth, want.public)
		}
		if d.Issue.Able || !strings.Contains(d.Issue.Reason, want.refusal) || !slices.Equal(d.Reach, want.reach) {
			t.Errorf("%+v: issue %+v, reach %q; want refused with %q, reach %q", key, d.Issue, d.Reach, want.refusal, want.reach)
		}
		if d.Active != (key.RemoteID != "orphan") {
			t.Errorf("%+v: active is %t", key, d.Active)
		}
		if key.RemoteID == "payments" && !reflect.DeepEqual(d.Plans[0].Limits, []string{"100 requests per 1m0s"}) {
			t.Errorf("the limits are %q", d.Plans[0].Limits)
		}
	}
	for key := range got {
		t.Errorf("%+v was not expected", key)
	}
}

func TestConfinedOnceScoped(t *testing.T) {
	endpoints := strings.Replace(string(recorded(t, "api-endpoints")), `"paths": "/unscoped*"`, `"paths": "/unscoped*", "scopes": "own"`, 1)
	cfg, err := parseConfig([]byte(endpoints), recorded(t, "pipelines"))
	if err != nil {
		t.Fatal(err)
	}
	var able []string
	for _, a := range cfg.apis {
		if a.refusal == "" && !slices.Contains(able, a.key.RemoteID) {
			able = append(able, a.key.RemoteID)
		}
	}
	// Not reports, whose keys open orders; orders itself is refused nothing by that.
	if want := []string{"bare", "custom", "many", "orders", "payments", "query", "unscoped"}; !slices.Equal(able, want) {
		t.Errorf("keys can be confined to %q; want %q", able, want)
	}
}

func TestParseConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoints, pipelines string
		apis, warnings       int
		err                  error
	}{
		"a gateway without a configuration": {"", "", 0, 0, nil},
		"null":                              {"null", "null", 0, 0, nil},
		"pipelines of nothing":              {`{}`, `{"p":{"apiEndpoints":["a"]}}`, 0, 0, portal.ErrInvalid},
		"no list":                           {`7`, `{}`, 0, 0, portal.ErrInvalid},
		"half":                              {`{"a":{"host":`, `{}`, 0, 0, portal.ErrInvalid},
		"a wrong type":                      {`{"a":{"scopes":[1]}}`, `{}`, 0, 0, portal.ErrInvalid},
		"a policy without a name":           {`{"a":{}}`, `{"p":{"apiEndpoints":["a"],"policies":[{}]}}`, 0, 0, portal.ErrInvalid},
		"the same pattern twice":            {`{"a":[{"paths":"/x"},{"paths":["/x"]}]}`, `{}`, 1, 1, nil},
		"one name for both":                 {`{"a":{"path":"/x"}}`, `{"p":{"apiEndpoint":"a","policies":[{"key-auth":null}]}}`, 1, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := parseConfig([]byte(tc.endpoints), []byte(tc.pipelines))
			if !errors.Is(err, tc.err) || len(cfg.apis) != tc.apis || len(cfg.warnings) != tc.warnings {
				t.Errorf("got %d APIs, warnings %q, error %v", len(cfg.apis), cfg.warnings, err)
			}
		})
	}
}

// TestAbleMeansConfined compares what we promise with the gateway's own rule: a key is accepted where key-auth finds all
// scopes of the endpoint among the credential's (lib/services/auth.js, authorizeCredential, 1.16.11).
func TestAbleMeansConfined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		endpoints := map[string]any{}
		var names []string
		for i := range rapid.IntRange(1, 8).Draw(t, "endpoints") {
			name := fmt.Sprintf("api%d", i)
			names = append(names, name)
			endpoints[name] = map[string]any{
				"paths":  "/" + name,
				"scopes": rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID[string]).Draw(t, name),
			}
		}
		pipelines := map[string]any{"all": map[string]any{"apiEndpoints": names, "policies": []any{map[string]any{"key-auth": nil}}}}
		cfg, err := parseConfig(encode(t, endpoints), encode(t, pipelines))
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range cfg.apis {
			var opens []string
			for _, other := range cfg.apis {
				accepted := true
				for _, scope := range other.endpoint.Scopes {
					accepted = accepted && slices.Contains(a.endpoint.Scopes, scope)
				}
				if accepted && other.key != a.key {
					opens = append(opens, other.key.RemoteID)
				}
			}
			if able := a.refusal == ""; able != (len(opens) == 0 && len(a.endpoint.Scopes) > 0) {
				t.Errorf("%s with scopes %q: able is %t, and its key opens %q too", a.key.RemoteID, a.endpoint.Scopes, able, opens)
			}
		}
	})
}

func encode(t rapid.TB, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestFixedPath(t *testing.T) {
	for want, patterns := range map[string][]string{
		"":              {"*"},
		"/pets":         {"/pets*"},
		"/pets/2":       {"/pets/2", "/pets/2/*"},
		"/v1":           {"/v1/a*", "/v1/b*"},
		"/users":        {"/users/:id"},
		"/reports":      {"/reports(/.*)?"},
		"/opt":          {"/opt/colou?r"},
		"/deep/er":      {"/deep/er/"},
		"/with%20space": {"/with space/*"},
	} {
		if got := fixedPath(patterns); got != want {
			t.Errorf("%q begin with %q; want %q", patterns, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		public       string
		endpoint     endpoint
		want, reason string
	}{
		"no setting":         {"", endpoint{}, "", "public_url"},
		"everything":         {"https://gw.example.com/", endpoint{}, "https://gw.example.com", ""},
		"below a path":       {"https://example.com/gw", endpoint{Paths: oneOrMany{"/a/*"}}, "https://example.com/gw/a", ""},
		"a host of its own":  {"https://gw.example.com", endpoint{Host: "a.example.com"}, "https://a.example.com", ""},
		"a host that fits":   {"https://gw.example.com", endpoint{Host: "*.example.com"}, "https://gw.example.com", ""},
		"one that does not":  {"https://gw.example.com", endpoint{Host: "*.example.org"}, "", "host *.example.org"},
		"a regex that fits":  {"https://gw.example.com", endpoint{HostRegex: `^gw\.`}, "https://gw.example.com", ""},
		"one that is broken": {"https://gw.example.com", endpoint{HostRegex: `(`}, "", "hostRegex"},
		"a path regex":       {"https://gw.example.com", endpoint{PathRegex: "^/a"}, "", "pathRegex"},
	} {
		t.Run(name, func(t *testing.T) {
			var public *url.URL
			if tc.public != "" {
				var err error
				if public, err = parsePublic(tc.public); err != nil {
					t.Fatal(err)
				}
			}
			got, reason := tc.endpoint.address(public)
			if got != tc.want || (reason == "") != (tc.reason == "") || !strings.Contains(reason, tc.reason) {
				t.Errorf("got %q, reason %q", got, reason)
			}
		})
	}
}

func TestCreated(t *testing.T) {
	want := time.Date(2026, 11, 22, 20, 23, 17, 0, time.UTC)
	if got := created("Sun Nov 22 2026 22:23:17 GMT+0200 (Eastern European Standard Time)"); !got.Equal(want) {
		t.Errorf("got %s", got)
	}
	if got := created("yesterday"); !got.IsZero() {
		t.Errorf("got %s for rubbish", got)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(recorded(f, "api-endpoints"), recorded(f, "pipelines"))
	f.Add([]byte(`{"a":[{"paths":"/x"},null]}`), []byte(`{"p":{"apiEndpoints":"a","policies":[{"key-auth":[{}]}]}}`))
	f.Add([]byte(``), []byte(`null`))
	public := &url.URL{Scheme: "https", Host: "gw.example.com"}
	f.Fuzz(func(t *testing.T, endpoints, pipelines []byte) {
		cfg, err := parseConfig(endpoints, pipelines)
		if err != nil {
			if !errors.Is(err, portal.ErrInvalid) {
				t.Fatalf("error %v is of no kind", err)
			}
			return
		}
		seen := map[connectors.Key]bool{}
		for _, a := range cfg.apis {
			if seen[a.key] {
				t.Fatalf("%+v is there twice", a.key)
			}
			seen[a.key] = true
			d := a.deployment(public)
			if d.Issue.Able && (a.guard.key == nil || len(a.endpoint.Scopes) == 0) {
				t.Fatalf("%+v: able without key-auth or scopes", a.key)
			}
			if u, err := url.Parse(d.Public); err != nil || strings.HasSuffix(d.Public, "/") || d.Public != "" && u.Host == "" {
				t.Fatalf("%+v: the address is %q", a.key, d.Public)
			}
		}
	})
}
