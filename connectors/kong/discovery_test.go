package kong

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"concierge/connectors"
	"concierge/portal"

	"github.com/google/go-cmp/cmp"
)

// read assembles a configuration from three lists as Kong prints them.
func read(t testing.TB, services, routes, plugins string) *configuration {
	t.Helper()
	var (
		s []service
		r []route
		p []plugin
	)
	for raw, into := range map[string]any{services: &s, routes: &r, plugins: &p} {
		if raw == "" {
			continue
		}
		if err := json.Unmarshal([]byte(raw), into); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	conf, err := assemble(s, r, p)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// published returns all deployments of a configuration.
func published(t testing.TB, conf *configuration, public string) []connectors.Deployment {
	t.Helper()
	var base *url.URL
	if public != "" {
		var err error
		if base, err = parseAddress(public); err != nil {
			t.Fatal(err)
		}
	}
	var all []connectors.Deployment
	for _, s := range conf.services {
		for _, e := range conf.exposures(s) {
			d, err := conf.deployment(e, base)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, d)
		}
	}
	return all
}

const (
	orders = `[{"id":"s1","name":"orders","enabled":true}]`
	web    = `"protocols":["http","https"],"service":{"id":"s1"}`
)

// TestAddresses: which exposures a service has, and where callers reach them.
func TestAddresses(t *testing.T) {
	for name, tc := range map[string]struct {
		routes, public string
		want           []string // exposure, address, or ! and a part of the reason
	}{
		"one stripped path": {
			`[{"id":"r","paths":["/orders"],"strip_path":true,` + web + `}]`, "https://api.example.com",
			[]string{"/orders https://api.example.com/orders"}},
		"one path of the API's own": {
			`[{"id":"r","paths":["/v1/orders/"],"strip_path":false,` + web + `}]`, "https://api.example.com",
			[]string{"/ https://api.example.com/v1/orders"}},
		"paths of the API's own have one address": {
			`[{"id":"r","paths":["/v1/orders","/v1/invoices"],"strip_path":false,` + web + `},{"id":"q","paths":["/v1/orders"],"methods":["POST"],"strip_path":false,` + web + `}]`,
			"https://api.example.com", []string{"/ https://api.example.com/v1"}},
		"a common beginning ends at a slash": {
			`[{"id":"r","paths":["/order","/orders"],"strip_path":false,` + web + `}]`, "https://api.example.com",
			[]string{"/ https://api.example.com"}},
		"stripped paths are addresses of their own": {
			`[{"id":"r","paths":["/new","/old/"],"strip_path":true,` + web + `}]`, "https://api.example.com",
			[]string{"/new https://api.example.com/new", "/old https://api.example.com/old"}},
		"hosts are addresses of their own, without wildcards": {
			`[{"id":"r","hosts":["b.example.com","*.example.com","a.example.com"],"paths":["/x"],"strip_path":true,` + web + `}]`, "",
			[]string{"a.example.com/x https://a.example.com/x", "b.example.com/x https://b.example.com/x"}},
		"a host takes scheme and port of the public address": {
			`[{"id":"r","hosts":["a.example.com"],` + web + `}]`, "http://127.0.0.1:8000/gateway",
			[]string{"a.example.com/ http://a.example.com:8000"}},
		"without HTTPS": {
			`[{"id":"r","hosts":["a.example.com"],"protocols":["http"],"service":{"id":"s1"}}]`, "",
			[]string{"a.example.com/ http://a.example.com"}},
		"the public address may have a path": {
			`[{"id":"r","paths":["/x"],"strip_path":true,` + web + `}]`, "https://cdn.example.com/gateway/",
			[]string{"/x https://cdn.example.com/gateway/x"}},
		"a certificate's name stands for a host": {
			`[{"id":"r","snis":["tls.example.com"],"protocols":["https"],"service":{"id":"s1"}}]`, "",
			[]string{"tls.example.com/ https://tls.example.com"}},
		"the stripped root": {
			`[{"id":"r","paths":["/"],"strip_path":true,` + web + `}]`, "https://api.example.com", []string{"/ https://api.example.com"}},
		"only a wildcard": {
			`[{"id":"r","hosts":["*.example.com"],` + web + `}]`, "https://api.example.com", []string{"*.example.com/ !wildcard"}},
		"no host and no public address": {
			`[{"id":"r","paths":["/x"],"strip_path":true,` + web + `}]`, "", []string{"/x !public_url"}},
		"a regular expression": {
			`[{"id":"r","paths":["~/items/(?<id>\\d+)$"],"strip_path":true,` + web + `}]`, "https://api.example.com", []string{"/ !regular expression"}},
		"an expression": {
			`[{"id":"r","expression":"http.path == \"/x\"",` + web + `}]`, "https://api.example.com", []string{"/ !expression"}},
		"a header that callers must send": {
			`[{"id":"r","paths":["/x"],"headers":{"x-version":["v1"]},"strip_path":true,` + web + `}]`, "https://api.example.com", []string{"/x !x-version"}},
		"HTTPS only below an HTTP address": {
			`[{"id":"r","paths":["/x"],"strip_path":true,"protocols":["https"],"service":{"id":"s1"}}]`, "http://api.example.com", []string{"/x !do not take http,"}},
		"no HTTP": {
			`[{"id":"r","paths":["/x"],"protocols":["grpc"],"service":{"id":"s1"}}]`, "https://api.example.com", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range published(t, read(t, orders, tc.routes, ""), tc.public) {
				if d.RemoteID != "s1" || d.Title != "orders" || !d.Active {
					t.Errorf("%+v", d)
				}
				line := d.Exposure + " " + d.Public
				if d.Public == "" {
					line = d.Exposure + " !" + d.PublicReason
				}
				got = append(got, line)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("got %q; want %q", got, tc.want)
			}
			for i, want := range tc.want {
				exposure, reason, refused := strings.Cut(want, " !")
				if refused && !(strings.HasPrefix(got[i], exposure+" !") && strings.Contains(got[i], reason)) || !refused && got[i] != want {
					t.Errorf("got %q; want %q", got[i], want)
				}
			}
		})
	}
}

// TestGuards: how callers authenticate, and whether a key can be confined. There is a second API, billing, with a group
// of its own.
func TestGuards(t *testing.T) {
	const (
		routes = `[{"id":"r","paths":["/orders"],"strip_path":true,` + web + `},{"id":"b","paths":["/billing"],"protocols":["http"],"service":{"id":"s2"}}]`
		keys   = `{"id":"k","name":"key-auth","enabled":true,"service":{"id":"s1"},"config":{"key_names":["apikey"],"key_in_header":true,"key_in_query":true}}`
		group  = `{"id":"a","name":"acl","enabled":true,"service":{"id":"s1"},"config":{"allow":["api-orders"]}}`
		second = `{"id":"k2","name":"key-auth","enabled":true,"service":{"id":"s2"},"config":{}},{"id":"a2","name":"acl","enabled":true,"service":{"id":"s2"},"config":{"allow":["api-billing","staff"]}}`
		billng = `{"id":"s2","name":"billing","enabled":true}`
	)
	apikey := portal.Authentication{Type: "apiKey", In: "header", Name: "apikey"}
	for name, tc := range map[string]struct {
		services, plugins string
		auth              portal.Authentication
		reason            string // of the refusal, a part; empty: able
		reach             []string
		group             string
	}{
		"confined by a group": {plugins: keys + "," + group + "," + second, auth: apikey, group: "api-orders"},
		"no plugin":           {plugins: second, auth: portal.Authentication{Type: "none"}, reason: "no key-auth plugin is enabled on orders"},
		"disabled plugin": {plugins: strings.Replace(keys, "true", "false", 1) + "," + group + "," + second,
			auth: portal.Authentication{Type: "none"}, reason: "no key-auth"},
		"no acl":        {plugins: keys + "," + second, auth: apikey, reason: "config.allow"},
		"acl with deny": {plugins: keys + `,{"id":"a","name":"acl","enabled":true,"service":{"id":"s1"},"config":{"deny":["x"]}},` + second, auth: apikey, reason: "config.allow"},
		"acl disabled":  {plugins: keys + "," + strings.Replace(group, "true", "false", 1) + "," + second, auth: apikey, reason: "config.allow"},
		"another API lets in every key": {
			plugins: keys + "," + group + `,{"id":"k2","name":"key-auth","enabled":true,"service":{"id":"s2"},"config":{}}`,
			auth:    apikey, reason: "would also open billing", reach: []string{"billing"}, group: "api-orders"},
		"another API shares the group": {
			plugins: keys + `,{"id":"a","name":"acl","enabled":true,"service":{"id":"s1"},"config":{"allow":["staff"]}},` + second,
			auth:    apikey, reason: "would also open billing", reach: []string{"billing"}, group: "staff"},
		"of several groups the one of its own is taken": {
			plugins: keys + `,{"id":"a","name":"acl","enabled":true,"service":{"id":"s1"},"config":{"allow":["staff","api-orders"]}},` + second,
			auth:    apikey, group: "api-orders"},
		"a disabled API is opened by nobody": {
			services: `[{"id":"s1","name":"orders"},{"id":"s2","name":"billing","enabled":false}]`,
			plugins:  keys + "," + group + `,{"id":"k2","name":"key-auth","enabled":true,"service":{"id":"s2"},"config":{}}`,
			auth:     apikey, group: "api-orders"},
		"global key-auth": {
			plugins: `{"id":"g","name":"key-auth","enabled":true,"config":{"key_names":["X-Key"]}},` + group + "," + second,
			auth:    portal.Authentication{Type: "apiKey", In: "header", Name: "X-Key"}, group: "api-orders"},
		"the route's plugin wins": {
			plugins: keys + `,{"id":"kr","name":"key-auth","enabled":true,"route":{"id":"r"},"config":{"key_names":["k"],"key_in_header":false}},` + group + "," + second,
			auth:    portal.Authentication{Type: "apiKey", In: "query", Name: "k"}, group: "api-orders"},
		"a consumer's plugin is nobody else's": {
			plugins: keys + `,{"id":"kc","name":"acl","enabled":true,"consumer":{"id":"c"},"config":{"allow":["x"]}},` + group + "," + second,
			auth:    apikey, group: "api-orders"},
		"anonymous": {
			plugins: `{"id":"k","name":"key-auth","enabled":true,"service":{"id":"s1"},"config":{"key_names":["apikey"],"anonymous":"guest"}},` + group + "," + second,
			auth:    apikey, reason: "config.anonymous"},
		"a second kind of credential": {
			plugins: keys + `,{"id":"j","name":"jwt","enabled":true,"service":{"id":"s1"},"config":{}},` + group + "," + second,
			auth:    apikey, reason: "jwt"},
		"another kind of credential": {
			plugins: `{"id":"j","name":"jwt","enabled":true,"service":{"id":"s1"},"config":{}},` + second,
			auth:    portal.Authentication{Type: "http", In: "header", Name: "Authorization", Prefix: "Bearer "}, reason: "no key-auth"},
		"keys in bodies only": {
			plugins: `{"id":"k","name":"key-auth","enabled":true,"service":{"id":"s1"},"config":{"key_names":["apikey"],"key_in_header":false,"key_in_query":false,"key_in_body":true}},` + group + "," + second,
			auth:    apikey, reason: "key_in_body"},
	} {
		t.Run(name, func(t *testing.T) {
			services := tc.services
			if services == "" {
				services = strings.TrimSuffix(orders, "]") + "," + billng + "]"
			}
			conf := read(t, services, routes, "["+tc.plugins+"]")
			d := published(t, conf, "https://api.example.com")[0]
			if d.Authentication != tc.auth {
				t.Errorf("callers authenticate by %+v; want %+v", d.Authentication, tc.auth)
			}
			if d.Issue.Able != (tc.reason == "") || !strings.Contains(d.Issue.Reason, tc.reason) {
				t.Errorf("issue: %+v; want the reason %q", d.Issue, tc.reason)
			}
			if diff := cmp.Diff(tc.reach, d.Reach); diff != "" {
				t.Errorf("reach: %s", diff)
			}
			if a := conf.accessTo(conf.exposures(conf.services[0])[0]); a.group != tc.group {
				t.Errorf("the key's consumer joins %q; want %q", a.group, tc.group)
			}
		})
	}
}

// TestRoutesOfOneAddressDiffer: a key must open every route of its address that asks for one.
func TestRoutesOfOneAddressDiffer(t *testing.T) {
	const routes = `[{"id":"r1","paths":["/x"],"methods":["GET"],"strip_path":true,` + web + `},{"id":"r2","paths":["/x"],"methods":["POST"],"strip_path":true,` + web + `}]`
	key := func(id, route, name string) string {
		return fmt.Sprintf(`{"id":%q,"name":"key-auth","enabled":true,"route":{"id":%q},"config":{"key_names":[%q]}}`, id, route, name)
	}
	groups := func(id, route, list string) string {
		return fmt.Sprintf(`{"id":%q,"name":"acl","enabled":true,"route":{"id":%q},"config":{"allow":[%s]}}`, id, route, list)
	}
	for name, tc := range map[string]struct{ plugins, reason string }{
		"an open route beside a guarded one": {key("k1", "r1", "k") + "," + groups("a1", "r1", `"a"`), ""},
		"one group in common":                {key("k1", "r1", "k") + "," + groups("a1", "r1", `"a","b"`) + "," + key("k2", "r2", "k") + "," + groups("a2", "r2", `"b"`), ""},
		"no group in common":                 {key("k1", "r1", "k") + "," + groups("a1", "r1", `"a"`) + "," + key("k2", "r2", "k") + "," + groups("a2", "r2", `"b"`), "no group in common"},
		"one without a group":                {key("k1", "r1", "k") + "," + groups("a1", "r1", `"a"`) + "," + key("k2", "r2", "k"), "config.allow"},
		"keys in different places":           {key("k1", "r1", "k") + "," + groups("a1", "r1", `"a"`) + "," + key("k2", "r2", "other") + "," + groups("a2", "r2", `"a"`), "different places"},
	} {
		t.Run(name, func(t *testing.T) {
			all := published(t, read(t, orders, routes, "["+tc.plugins+"]"), "https://api.example.com")
			if len(all) != 1 || all[0].Issue.Able != (tc.reason == "") || !strings.Contains(all[0].Issue.Reason, tc.reason) {
				t.Errorf("%+v; want the reason %q", all[0].Issue, tc.reason)
			}
			if want := []connectors.Operation{{Method: "GET", Path: "/"}, {Method: "POST", Path: "/"}}; cmp.Diff(want, all[0].Operations) != "" {
				t.Errorf("operations %+v", all[0].Operations)
			}
		})
	}
}

// TestTagsSpeak: the words of service and route, the route's winning.
func TestTagsSpeak(t *testing.T) {
	conf := read(t,
		`[{"id":"s1","name":"orders","enabled":false,"protocol":"http","host":"orders.svc","port":8080,"path":"/v1","tags":["version:v1","team:a","concierge-audience:internal","concierge-region:eu","concierge-title:Orders"]}]`,
		`[{"id":"r","paths":["/a/b","/a/c"],"methods":["POST"],"strip_path":false,"tags":["concierge-audience:partner","concierge-api:orders","concierge-lifecycle:deprecated","concierge-sunset:2027-03-01","concierge-owner:team-a"],`+web+`}]`,
		`[{"id":"l","name":"rate-limiting","enabled":true,"route":{"id":"r"},"config":{"minute":1000,"hour":null}}]`)
	want := connectors.Deployment{
		Key:   connectors.Key{RemoteID: "s1", Exposure: "/"},
		Title: "Orders", Version: "v1", API: "orders", Owner: "team-a", Lifecycle: portal.Deprecated,
		Sunset: time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC),
		Tags:   []string{"team:a", "version:v1"},
		Words:  map[portal.Axis]string{portal.AxisAudience: "partner", portal.AxisRegion: "eu"},
		Paths:  []string{"/a/b", "/a/c"},
		Public: "https://api.example.com/a", Upstream: "http://orders.svc:8080/v1",
		Plans: []portal.Plan{{ID: "default", Title: "Standard", Limits: []string{"1000 requests per minute"}, Approval: portal.Automatic}},

		Authentication: portal.Authentication{Type: "none"},
		Operations:     []connectors.Operation{{Method: "POST", Path: "/b"}, {Method: "POST", Path: "/c"}},
		Issue:          connectors.Ability{Reason: "no key-auth plugin is enabled on orders"},
	}
	if diff := cmp.Diff([]connectors.Deployment{want}, published(t, conf, "https://api.example.com")); diff != "" {
		t.Error(diff)
	}
}

// TestWarnings: what is left out is said.
func TestWarnings(t *testing.T) {
	conf := read(t, `[{"id":"s1","name":"orders"},{"id":"s2"},{"id":"s3"}]`,
		`[{"id":"r1","paths":["/x"],`+web+`},{"id":"r2","protocols":["http"]},{"id":"r3","protocols":["tcp"],"service":{"id":"s2"}},{"id":"r4","protocols":["http"],"service":{"id":"new"}}]`, "")
	want := []string{
		"2 services are left out: they have no HTTP route",
		"1 route is left out: it leads to no service",
		"1 route is left out: it takes no HTTP",
		"1 route is left out: its service was made while we read",
	}
	if diff := cmp.Diff(want, conf.warnings()); diff != "" {
		t.Error(diff)
	}
}

// TestReachIsBounded: thousands of APIs that any key opens are not all named.
func TestReachIsBounded(t *testing.T) {
	var services []service
	var routes []route
	for i := range 100 {
		id := fmt.Sprintf("s%03d", i)
		services = append(services, service{ID: id, Name: "api-" + id})
		routes = append(routes, route{ID: "r" + id, Service: &reference{id}, Protocols: []string{"http"}, Paths: []string{"/" + id}})
	}
	conf, err := assemble(services, routes, []plugin{{ID: "k", Name: "key-auth", Enabled: true, Config: json.RawMessage("{}")}})
	if err != nil {
		t.Fatal(err)
	}
	a := conf.accessTo(conf.exposures(services[7])[0])
	if len(a.reach) != mostReach+1 || a.reach[0] != "api-s000" || a.reach[mostReach] != "and others" {
		t.Errorf("reach %q", a.reach)
	}
}
