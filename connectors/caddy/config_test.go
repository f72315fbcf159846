package caddy

import (
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
)

func recorded(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/layouts.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDeployments(t *testing.T) {
	cfg, err := parseConfig(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	public, err := parsePublic("https://gw.example.com:8443")
	if err != nil {
		t.Fatal(err)
	}
	got := map[connectors.Key]connectors.Deployment{}
	for _, a := range cfg.apis {
		got[a.key] = a.deployment(public)
	}
	if up := got[connectors.Key{RemoteID: "payments", Exposure: "api"}].Upstream; up != "127.0.0.1:28990" {
		t.Errorf("the back end of payments is %q", up)
	}
	const able = ""
	type want struct {
		public  string // below https://gw.example.com:8443, or whole
		refusal string // a piece of it
		keyed   bool
		reach   []string
	}
	for key, want := range map[connectors.Key]want{
		{RemoteID: "payments", Exposure: "api"}:                       {"/payments/2", able, true, nil},
		{RemoteID: "orders", Exposure: "api"}:                         {"/orders", able, true, nil},
		{RemoteID: "route /plain/*", Exposure: "api"}:                 {"/plain", "nothing asks for a key", false, nil},
		{RemoteID: "route /plain/* #2ec88f75", Exposure: "api"}:       {"/plain", "nothing asks for a key", false, nil},
		{RemoteID: "shared-a", Exposure: "api"}:                       {"/shared/a", "also open shared-b: give each", true, []string{"shared-b"}},
		{RemoteID: "shared-b", Exposure: "api"}:                       {"/shared/b", "also open shared-a: give each", true, []string{"shared-a"}},
		{RemoteID: "nested", Exposure: "api"}:                         {"/nested", "several refusing routes", false, nil},
		{RemoteID: "split", Exposure: "api"}:                          {"/split", "different refusing routes", false, nil},
		{RemoteID: "twin-a", Exposure: "api"}:                         {"/twin/a", `the group "twins"`, false, nil},
		{RemoteID: "twin-b", Exposure: "api"}:                         {"/twin/b", `the group "twins"`, false, nil},
		{RemoteID: "opened", Exposure: "api"}:                         {"/opened", "without a matcher", false, nil},
		{RemoteID: "early", Exposure: "api"}:                          {"/early", "nothing asks for a key", false, nil},
		{RemoteID: "ungrouped", Exposure: "api"}:                      {"/ungrouped", "nothing asks for a key", false, nil},
		{RemoteID: "7", Exposure: "api"}:                              {"none", able, true, nil},
		{RemoteID: "route api.example.com /api/*", Exposure: "site"}:  {"https://api.example.com:8443/api", "nothing asks", false, nil},
		{RemoteID: "route api.example.com /pets*", Exposure: "site"}:  {"https://api.example.com:8443/pets", "nothing asks", false, nil},
		{RemoteID: "route api.example.com /other*", Exposure: "site"}: {"https://api.example.com:8443/other", "nothing asks", false, nil},
		{RemoteID: "route *.wild.example.com", Exposure: "site"}:      {"none", "nothing asks", false, nil},
	} {
		d, ok := got[key]
		if !ok {
			t.Errorf("%+v is missing", key)
			continue
		}
		delete(got, key)
		address := want.public
		switch {
		case address == "none":
			address = ""
		case !strings.HasPrefix(address, "https:"):
			address = "https://gw.example.com:8443" + address
		}
		if d.Public != address || (d.Public == "") == (d.PublicReason == "") {
			t.Errorf("%+v is at %q (%s); want %q", key, d.Public, d.PublicReason, address)
		}
		if d.Issue.Able != (want.refusal == able) || !strings.Contains(d.Issue.Reason, want.refusal) || !slices.Equal(d.Reach, want.reach) {
			t.Errorf("%+v: issue %+v, reach %q; want %q, reach %q", key, d.Issue, d.Reach, want.refusal, want.reach)
		}
		if (d.Authentication == sent) != want.keyed {
			t.Errorf("%+v: callers authenticate with %+v", key, d.Authentication)
		}
	}
	for key := range got {
		t.Errorf("%+v was not expected", key)
	}
	for _, piece := range []string{"admin.config.persist", "payments is there more than once", "/plain/* is there more than once"} {
		if !slices.ContainsFunc(cfg.warnings, func(w string) bool { return strings.Contains(w, piece) }) {
			t.Errorf("no warning says %q: %q", piece, cfg.warnings)
		}
	}
}

// TestReadmeLayout holds the example that operators copy to what it promises.
func TestReadmeLayout(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```json\n")
	example, _, _ := strings.Cut(rest, "```")
	cfg, err := parseConfig([]byte(example))
	if err != nil || len(cfg.apis) != 1 {
		t.Fatalf("got %d APIs, error %v", len(cfg.apis), err)
	}
	d := cfg.apis[0].deployment(nil)
	if d.Title != "payments" || !d.Issue.Able || d.Public != "https://api.example.com/payments/2" {
		t.Errorf("got %+v", d)
	}
}

func TestKeysOfConfig(t *testing.T) {
	cfg, err := parseConfig(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	var ids []portal.CredentialID
	for _, k := range cfg.keys {
		ids = append(ids, k.mark.Credential)
		if k.mark.Subscription != "sub_1" || k.mark.Application != "app_1" || k.found().Created.IsZero() {
			t.Errorf("read back %+v, created %q", k.mark, k.created)
		}
	}
	// Not crd_by-hand, which is somebody else's in spite of its @id.
	if want := []portal.CredentialID{"crd_a", "crd_b"}; !slices.Equal(ids, want) {
		t.Errorf("found %q; want %q", ids, want)
	}
	list, err := cfg.listFor(connectors.IssueRequest{Deployment: connectors.Key{RemoteID: "orders", Exposure: "api"}, Plan: planID})
	if err != nil {
		t.Fatal(err)
	}
	if at := strings.Join(list.path, "/"); at != "apps/http/servers/api/routes/1/handle/1/routes" || list.refuser != 2 || list.group != "orders-keys" {
		t.Errorf("keys of orders go to %s before %d in group %s", at, list.refuser, list.group)
	}
}

func TestListFor(t *testing.T) {
	cfg, err := parseConfig(recorded(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id, plan string
		accept   bool
		err      error
	}{
		"confined":                         {"payments", planID, false, nil},
		"shared":                           {"shared-a", planID, false, portal.ErrUnsupported},
		"shared, accepted":                 {"shared-a", planID, true, nil},
		"no keys, which nobody can accept": {"route /plain/*", planID, true, portal.ErrUnsupported},
		"unknown":                          {"none", planID, true, portal.ErrNotFound},
		"unknown plan":                     {"payments", "gold", true, portal.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := cfg.listFor(connectors.IssueRequest{
				Deployment: connectors.Key{RemoteID: tc.id, Exposure: "api"}, Plan: tc.plan, AcceptReach: tc.accept,
			})
			if !errors.Is(err, tc.err) || (list == nil) != (tc.err != nil) {
				t.Errorf("got %v, error %v", list, err)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		apis int
		err  error
	}{
		"a Caddy without a configuration": {"null", 0, nil},
		"one without HTTP":                {`{"admin":{}}`, 0, nil},
		"no object":                       {`7`, 0, portal.ErrInvalid},
		"half":                            {`{"apps":{"http":`, 0, portal.ErrInvalid},
		"a wrong type":                    {`{"apps":{"http":{"servers":[]}}}`, 0, portal.ErrInvalid},
		"a wrong matcher":                 {server1(`{"match":[{"path":7}],"handle":[{"handler":"reverse_proxy"}]}`), 0, portal.ErrInvalid},
		"a wrong subroute":                {server1(`{"handle":[{"handler":"subroute","routes":7}]}`), 0, portal.ErrInvalid},
		"a handler that we do not know":   {server1(`{"handle":[{"handler":"other","routes":7},{"handler":"reverse_proxy"}]}`), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := parseConfig([]byte(tc.text))
			if !errors.Is(err, tc.err) || len(cfg.apis) != tc.apis {
				t.Errorf("got %d APIs, error %v", len(cfg.apis), err)
			}
		})
	}
}

func server1(route string) string {
	return `{"apps":{"http":{"servers":{"one":{"routes":[` + route + `]}}}}}`
}

func TestServerNameWithSlash(t *testing.T) {
	cfg, err := parseConfig([]byte(`{"apps":{"http":{"servers":{"a/b":{"routes":[
		{"group":"g","handle":[{"handler":"static_response","status_code":"401"}]},{"handle":[{"handler":"reverse_proxy"}]}]}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.apis) != 1 || !strings.Contains(cfg.apis[0].refusal, "slash") {
		t.Errorf("got %+v", cfg.apis)
	}
}

func TestAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		public       string
		api          api
		want, reason string
	}{
		"no setting":           {"", api{hosts: []string{"a.example.com"}, listen: []string{":8080"}}, "", "public_url"},
		"a host on port 443":   {"", api{hosts: []string{"a.example.com"}, listen: []string{":443"}, paths: []string{"/x/*"}}, "https://a.example.com/x", ""},
		"every path":           {"https://gw.example.com/", api{}, "https://gw.example.com", ""},
		"a host of its own":    {"https://gw.example.com", api{hosts: []string{"{env.H}", "a.example.com"}}, "https://a.example.com", ""},
		"a host that fits":     {"https://gw.example.com", api{hosts: []string{"*.example.com"}}, "https://gw.example.com", ""},
		"one that does not":    {"https://gw.example.com", api{hosts: []string{"*.example.org"}}, "", "*.example.org"},
		"one host of several":  {"https://gw.example.com", api{hosts: []string{"a.example.com", "GW.example.com"}}, "https://gw.example.com", ""},
		"a regular expression": {"https://gw.example.com", api{opaque: true}, "", "path_regexp"},
	} {
		t.Run(name, func(t *testing.T) {
			var public *url.URL
			if tc.public != "" {
				var err error
				if public, err = parsePublic(tc.public); err != nil {
					t.Fatal(err)
				}
			}
			got, reason := tc.api.address(public)
			if got != tc.want || (reason == "") != (tc.reason == "") || !strings.Contains(reason, tc.reason) {
				t.Errorf("got %q, reason %q", got, reason)
			}
		})
	}
}

func TestFixedPath(t *testing.T) {
	for want, patterns := range map[string][]string{
		"":        nil,
		"/pets":   {"/pets*"},
		"/pets/2": {"/pets/2", "/pets/2/*"},
		"/v1":     {"/v1/a*", "/v1/b*"},
		"/a":      {"/a/{env.B}/c"},
		"/x%20y":  {"/x y/*"},
	} {
		if got := fixedPath(patterns); got != want {
			t.Errorf("%q begin with %q; want %q", patterns, got, want)
		}
	}
	if got := fixedPath([]string{"*.php"}); got != "" {
		t.Errorf("got %q for a suffix", got)
	}
}

// TestUsernameSelects holds the matcher of a key's route to its promise: it selects this username, whatever the secret,
// and no other one.
func TestUsernameSelects(t *testing.T) {
	id := rapid.StringMatching(`[A-Za-z0-9_-]{1,40}`)
	rapid.Check(t, func(t *rapid.T) {
		mine, other := username(markPrefix+id.Draw(t, "mine")), username(markPrefix+id.Draw(t, "other"))
		prefix := encoded(mine, "")
		if strings.Contains(prefix, "=") {
			t.Fatalf("%q is padded", prefix)
		}
		secret := rapid.String().Draw(t, "secret")
		if !strings.HasPrefix(encoded(mine, secret), prefix) {
			t.Errorf("%s is not selected", mine)
		}
		if mine != other && strings.HasPrefix(encoded(other, secret), prefix) {
			t.Errorf("%s is selected for %s", other, mine)
		}
	})
}

func TestNewRouteKeepsNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[a-z0-9]{20,72}`).Draw(t, "value")
		made, err := newRoute(connectors.IssueRequest{Label: rapid.String().Draw(t, "label")}, "concierge-crd_x", value)
		if err != nil {
			t.Fatal(err)
		}
		text := encode(t, made)
		for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value)), encoded(username("concierge-crd_x"), value)} {
			if strings.Contains(text, form) {
				t.Errorf("the route holds %s", form)
			}
		}
	})
	if _, err := newRoute(connectors.IssueRequest{}, "x", strings.Repeat("a", 73)); !errors.Is(err, portal.ErrInvalid) {
		t.Errorf("a value that is too long: %v", err)
	}
}

func TestRouteID(t *testing.T) {
	for name, tc := range map[string]struct {
		mark connectors.Mark
		err  error
	}{
		"ours":          {connectors.Mark{Credential: "crd_a-1"}, nil},
		"empty":         {connectors.Mark{}, portal.ErrInvalid},
		"a slash":       {connectors.Mark{Credential: "a/b"}, portal.ErrInvalid},
		"a placeholder": {connectors.Mark{Credential: "a", Application: "{env.SECRET}"}, portal.ErrInvalid},
	} {
		if _, err := routeID(tc.mark); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := label("Acme {env.SECRET}\n" + strings.Repeat("é", 200)); strings.ContainsAny(got, "{}\n") || len([]rune(got)) != labelRunes {
		t.Errorf("the label is %q", got)
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(recorded(f))
	f.Add([]byte(`null`))
	f.Add([]byte(server1(`{"@id":1.5,"group":"g","handle":[{"handler":"error","status_code":403}]},{"handle":[{"handler":"reverse_proxy"}]}`)))
	public := &url.URL{Scheme: "https", Host: "gw.example.com"}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parseConfig(text)
		if err != nil {
			if !errors.Is(err, portal.ErrInvalid) {
				t.Fatalf("error %v is of no kind", err)
			}
			return
		}
		seen := map[connectors.Key]bool{}
		lists := map[*keyList]string{}
		for _, a := range cfg.apis {
			if seen[a.key] {
				t.Fatalf("%+v is there twice", a.key)
			}
			seen[a.key] = true
			d := a.deployment(public)
			if u, err := url.Parse(d.Public); err != nil || strings.HasSuffix(d.Public, "/") || d.Public != "" && u.Host == "" {
				t.Fatalf("%+v: the address is %q", a.key, d.Public)
			}
			if d.Issue.Able {
				if other, taken := lists[a.list]; taken {
					t.Fatalf("%s and %s share a list and are both able", a.title, other)
				}
				lists[a.list] = a.title
			}
		}
	})
}
