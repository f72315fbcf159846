package routing

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concierge/portal"
	"concierge/portal/access"
)

func codes(c Codes) string {
	var names []string
	for code := range c.All() {
		names = append(names, code.String())
	}
	return strings.Join(names, " ")
}

func TestResolve(t *testing.T) {
	const newcomer = "visible environment audience_own version_newest newcomer "
	for name, tc := range map[string]struct {
		deployments []portal.Deployment
		consumer    portal.Consumer // zero: partner
		request     Request         // the API and, if empty, production are filled in
		want        string          // id of the deployment; empty: no endpoint
		codes       string
	}{
		"the only one": {
			deployments: []portal.Deployment{deployment("a", "partner production 1")},
			want:        "a", codes: newcomer + "only_one",
		},
		"never another environment": {
			deployments: []portal.Deployment{deployment("a", "partner test 1")},
		},
		"an unknown environment": {
			deployments: []portal.Deployment{deployment("a", "partner production 1"), deployment("b", "partner odd 1")},
			request:     Request{Environment: "odd"},
		},
		"never an audience that may not be used": {
			deployments: []portal.Deployment{deployment("a", "internal production 1"), deployment("b", "partner test 1")},
		},
		"own audience before public": {
			deployments: []portal.Deployment{deployment("a", "public production 1"), deployment("b", "partner production 1")},
			want:        "b", codes: newcomer + "only_one",
		},
		"own audience before a newer version for another": {
			deployments: []portal.Deployment{deployment("a", "public production 2"), deployment("b", "partner production 1")},
			want:        "b", codes: newcomer + "only_one",
		},
		"public where the own audience has nothing": {
			deployments: []portal.Deployment{deployment("a", "public production 1"), deployment("b", "internal production 1")},
			want:        "a", codes: "visible environment audience_also version_newest newcomer only_one",
		},
		"public where the own audience has only a preview": {
			deployments: []portal.Deployment{deployment("a", "public production 1"), deployment("b", "partner production 2", stage(portal.Preview))},
			want:        "a", codes: "visible environment audience_also version_newest newcomer only_one",
		},
		"the newest by number": {
			deployments: []portal.Deployment{deployment("a", "partner production 9"), deployment("b", "partner production 10")},
			want:        "b", codes: newcomer + "only_one",
		},
		"neither deprecated nor preview is the newest": {
			deployments: []portal.Deployment{
				deployment("a", "partner production 1"), deployment("b", "partner production 2", stage(portal.Deprecated)),
				deployment("c", "partner production 3", stage(portal.Preview)),
			},
			want: "a", codes: newcomer + "only_one",
		},
		"only deprecated ones must be asked for": {
			deployments: []portal.Deployment{deployment("a", "partner production 1", stage(portal.Deprecated))},
		},
		"a deprecated one by its version": {
			deployments: []portal.Deployment{deployment("a", "partner production 1", stage(portal.Deprecated)), deployment("b", "partner production 2")},
			request:     Request{Version: "1"},
			want:        "a", codes: "visible environment audience_own version_asked newcomer only_one",
		},
		"a preview by its version": {
			deployments: []portal.Deployment{deployment("a", "partner production 3", stage(portal.Preview)), deployment("b", "partner production 2")},
			request:     Request{Version: "3"},
			want:        "a", codes: "visible environment audience_own version_asked newcomer only_one",
		},
		"a preview yields within its version": {
			deployments: []portal.Deployment{deployment("a", "partner production 2", stage(portal.Preview)), deployment("b", "partner production 2")},
			request:     Request{Version: "2"},
			want:        "b", codes: "visible environment audience_own version_asked newcomer only_one",
		},
		"a version is matched exactly": {
			deployments: []portal.Deployment{deployment("a", "partner production 2.1")},
			request:     Request{Version: "2"},
		},
		"a version that only another audience has": {
			deployments: []portal.Deployment{deployment("a", "partner production 1"), deployment("b", "public production 2")},
			request:     Request{Version: "2"},
			want:        "b", codes: "visible environment audience_also version_asked newcomer only_one",
		},
		"inactive ones are no candidates": {
			deployments: []portal.Deployment{deployment("a", "partner production 2", inactive), deployment("b", "partner production 1")},
			want:        "b", codes: newcomer + "only_one",
		},
		"the consumer's region": {
			deployments: []portal.Deployment{deployment("a", "partner production 1", region("us")), deployment("b", "partner production 1", region("eu"), old)},
			consumer:    portal.Consumer{Audience: portal.Partner, Region: "eu"},
			want:        "b", codes: newcomer + "region_same",
		},
		"the asked region before the consumer's": {
			deployments: []portal.Deployment{deployment("a", "partner production 1", region("us")), deployment("b", "partner production 1", region("eu"))},
			consumer:    portal.Consumer{Audience: portal.Partner, Region: "eu"}, request: Request{Region: "us"},
			want: "a", codes: newcomer + "region_same",
		},
		"a region that nobody has makes no difference": {
			deployments: []portal.Deployment{deployment("a", "partner production 1", region("us"), old), deployment("b", "partner production 1")},
			request:     Request{Region: "mars"},
			want:        "b", codes: newcomer + "generation_current",
		},
		"current before legacy before division": {
			deployments: []portal.Deployment{deployment("a", "internal production 1", division("cards"), old), deployment("b", "internal production 1")},
			consumer:    portal.Consumer{Audience: portal.Internal, Division: "cards"},
			want:        "b", codes: newcomer + "generation_current",
		},
		"division before priority": {
			deployments: []portal.Deployment{deployment("high", "internal production 1"), deployment("low", "internal production 1", division("cards"))},
			consumer:    portal.Consumer{Audience: portal.Internal, Division: "cards"},
			want:        "low", codes: newcomer + "division_same",
		},
		"every reason that made a difference": {
			deployments: []portal.Deployment{
				deployment("low", "internal production 1", region("eu"), division("cards")),
				deployment("high", "internal production 1", region("eu"), division("cards")),
				deployment("b", "internal production 1", region("eu")), deployment("c", "internal production 1", region("us")),
				deployment("d", "internal production 1", region("eu"), division("cards"), old),
				deployment("e", "internal production 1", region("eu"), division("cards"), func(d *portal.Deployment) { d.Gateway = "gw-high" }),
			},
			consumer: portal.Consumer{Audience: portal.Internal, Division: "cards", Region: "eu"},
			want:     "e", codes: newcomer + "region_same generation_current division_same priority tie",
		},
		"priority": {
			deployments: []portal.Deployment{deployment("a", "partner production 1"), deployment("high", "partner production 1"), deployment("low", "partner production 1")},
			want:        "high", codes: newcomer + "priority",
		},
		"no priority is 0": {
			deployments: []portal.Deployment{deployment("a", "partner production 1"), deployment("low", "partner production 1")},
			want:        "a", codes: newcomer + "priority",
		},
		"a tie goes to the lower id": {
			deployments: []portal.Deployment{deployment("b", "partner production 1"), deployment("a", "partner production 1")},
			want:        "a", codes: newcomer + "tie",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.consumer.Audience == "" {
				tc.consumer.Audience = portal.Partner
			}
			if tc.request.Environment == "" {
				tc.request.Environment = portal.Production
			}
			tc.request.API = "payments"
			table := Build(Input{
				Config: testConfig, APIs: []Entry{entryOf("payments", tc.deployments...)},
				Gateways: []Gateway{{ID: "gw-high", Priority: 3}, {ID: "gw-low", Priority: -3}},
			})
			res, err := table.Resolve(tc.consumer, tc.request)
			if tc.want == "" {
				var none *portal.NoEndpointError
				if !errors.As(err, &none) || res.Deployment != nil {
					t.Fatalf("got %v, %v; want no endpoint", res.Deployment, err)
				}
				return
			}
			if err != nil || string(res.Deployment.ID) != tc.want || codes(res.Codes) != tc.codes {
				t.Errorf("got %+v, %q, %v; want %s, %q", res.Deployment, codes(res.Codes), err, tc.want, tc.codes)
			}
		})
	}
}

func TestBinding(t *testing.T) {
	const bound = "visible environment audience_own binding"
	const boundAsked = "visible environment audience_own version_asked binding"
	const newcomer = "visible environment audience_own version_newest newcomer only_one"
	deployments := []portal.Deployment{
		deployment("one", "partner production 1", stage(portal.Deprecated), old), deployment("two", "partner production 2"),
		deployment("public", "public production 2"), deployment("internal", "internal production 2"),
		deployment("test", "partner test 2"), deployment("off", "partner production 2", inactive),
	}
	b := func(line string, e portal.Environment, d portal.DeploymentID) Binding {
		return Binding{API: "api_payments", Line: line, Environment: e, Deployment: d}
	}
	for name, tc := range map[string]struct {
		bindings []Binding
		owner    portal.OrganisationID // empty: the consumer's
		version  string
		want     string
		codes    string
		stranded bool
	}{
		"stays on a deprecated, legacy deployment":  {[]Binding{b("1", "production", "one")}, "", "", "one", bound, false},
		"also when it asks for that version":        {[]Binding{b("1", "production", "one")}, "", "1", "one", boundAsked, false},
		"but not when it asks for another":          {[]Binding{b("1", "production", "one")}, "", "2", "two", "visible environment audience_own version_asked newcomer only_one", false},
		"stays on another audience's":               {[]Binding{b("2", "production", "public")}, "", "", "public", "visible environment audience_also binding", false},
		"the newest of several":                     {[]Binding{b("1", "production", "one"), b("2", "production", "two")}, "", "", "two", bound, false},
		"one of another environment does not count": {[]Binding{b("2", "test", "test")}, "", "", "two", newcomer, false},
		"a credential of another environment":       {[]Binding{b("1", "test", "one")}, "", "", "two", newcomer, false},
		"never to a forbidden audience":             {[]Binding{b("2", "production", "internal")}, "", "", "two", newcomer, true},
		"never to an inactive one":                  {[]Binding{b("2", "production", "off")}, "", "", "two", newcomer, true},
		"never to one that moved elsewhere":         {[]Binding{b("2", "production", "test")}, "", "", "two", newcomer, true},
		"never to a missing one":                    {[]Binding{b("2", "production", "gone")}, "", "", "two", newcomer, true},
		"of another organisation":                   {[]Binding{b("1", "production", "one")}, "others", "", "two", newcomer, false},
		"of a former entry":                         {[]Binding{{API: "api_joined", Line: "1", Environment: "production", Deployment: "one"}}, "", "", "one", bound, false},
		"of another API":                            {[]Binding{{API: "api_other", Line: "1", Environment: "production", Deployment: "gone"}}, "", "", "two", newcomer, false},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.owner == "" {
				tc.owner = "org"
			}
			table := Build(Input{
				Config: testConfig, APIs: []Entry{entryOf("payments", deployments...)},
				Applications: []Application{{ID: "app", Organisation: tc.owner, Bindings: tc.bindings}},
			})
			c := portal.Consumer{Organisation: "org", Audience: portal.Partner, Application: "app"}
			r := Request{API: "payments", Environment: portal.Production, Version: tc.version}
			res, err := table.Resolve(c, r)
			if err != nil || string(res.Deployment.ID) != tc.want || codes(res.Codes) != tc.codes || res.Stranded != tc.stranded {
				t.Errorf("got %+v, %q, stranded %v, %v; want %s, %q, %v", res.Deployment, codes(res.Codes), res.Stranded, err, tc.want, tc.codes, tc.stranded)
			}
			if full := table.ExplainFull(c, r); (len(full.Stranded) > 0) != tc.stranded {
				t.Errorf("an administrator reads %v", full.Stranded)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	table := table(
		entryOf("hidden", deployment("a", "internal production 1")),
		entryOf("unclassified", portal.Deployment{ID: "b", Active: true, Placement: portal.Placement{portal.AxisAudience: {Value: "partner"}}}),
		entryOf("odd", deployment("c", "odd production 1")),
		entryOf("payments", deployment("d", "partner test 1"), deployment("e", "internal production 1"), deployment("f", "public simulation 1")),
		entryOf("off", deployment("g", "partner production 1", inactive, titled("Off"))),
	)
	for _, r := range []Request{
		{API: "hidden", Environment: "production"}, {API: "unclassified", Environment: "production"}, {API: "odd", Environment: "production"},
		{API: "missing", Environment: "production"}, {API: "", Environment: "production"}, {API: "unclassified"},
	} {
		res, err := table.Resolve(as(portal.Partner), r)
		if err != portal.ErrNotFound || res != (Result{Table: 1}) {
			t.Errorf("%+v: got %+v, %v", r, res, err)
		}
		if _, err := table.API(as(portal.Partner), r.API); err != portal.ErrNotFound {
			t.Errorf("API %q: got %v", r.API, err)
		}
	}
	for _, audience := range []portal.Audience{"", "odd", "Partner"} {
		if _, err := table.Resolve(as(audience), Request{API: "payments", Environment: "test"}); err != portal.ErrNotFound {
			t.Errorf("audience %q: got %v", audience, err)
		}
	}
	for _, tc := range []struct {
		request Request
		want    []portal.Environment
	}{
		{Request{API: "payments", Environment: "production"}, []portal.Environment{"test", "simulation"}},
		{Request{API: "payments", Environment: "test", Version: "2"}, []portal.Environment{"test", "simulation"}},
		{Request{API: "payments"}, []portal.Environment{"test", "simulation"}},
		{Request{API: "off", Environment: "production"}, nil},
	} {
		_, err := table.Resolve(as(portal.Partner), tc.request)
		var none *portal.NoEndpointError
		if !errors.As(err, &none) || none.API != tc.request.API || !slices.Equal(none.Environments, tc.want) {
			t.Errorf("%+v: got %v, want those of %v", tc.request, err, tc.want)
		}
	}
}

func TestNames(t *testing.T) {
	payments := entryOf("payments", deployment("a", "partner production 1"))
	payments.Aliases = []string{"pay", "cards", "api_cards", "payments", ""}
	cards := entryOf("cards", deployment("b", "partner production 1", titled("Cards")))
	cards.Aliases = []string{"pay", "payments"}
	hidden := entryOf("a-hidden", deployment("c", "internal production 1"))
	hidden.Aliases = []string{"pay"}
	table := table(cards, hidden, payments)
	for name, want := range map[string]string{
		"payments": "a", "cards": "b", "api_payments": "a", "api_cards": "b", // a stronger kind of name wins
		"pay": "b", // the lower id among those that the consumer may see
	} {
		res, err := table.Resolve(as(portal.Partner), Request{API: name, Environment: portal.Production})
		if err != nil || string(res.Deployment.ID) != want {
			t.Errorf("%s: got %v, %v; want %s", name, res.Deployment, err, want)
		}
	}
	without := table.With(Delta{APIs: map[portal.APIID]*Entry{"api_cards": nil}})
	for _, name := range []string{"payments", "cards", "pay", "api_cards"} {
		res, err := without.Resolve(as(portal.Partner), Request{API: name, Environment: portal.Production})
		if err != nil || res.Deployment.ID != "a" {
			t.Errorf("%s without cards: got %v, %v", name, res.Deployment, err)
		}
	}
}

func TestPriorityChanges(t *testing.T) {
	e := entryOf("payments", deployment("a", "partner production 1"), deployment("b", "partner production 1"))
	catalog := Build(Input{Config: testConfig, APIs: []Entry{e}, Gateways: []Gateway{{ID: "gw-a", Priority: 1}}})
	check := func(want portal.DeploymentID) {
		t.Helper()
		res, err := catalog.Resolve(as(portal.Partner), Request{API: "payments", Environment: portal.Production})
		if err != nil || res.Deployment.ID != want {
			t.Errorf("got %v, %v; want %s", res.Deployment, err, want)
		}
	}
	check("a")
	catalog = catalog.With(Delta{Gateways: map[portal.GatewayID]*Gateway{"gw-b": {ID: "gw-b", Priority: 2}}})
	check("b")
	catalog = catalog.With(Delta{Gateways: map[portal.GatewayID]*Gateway{"gw-b": nil}})
	check("a")
	catalog = catalog.With(Delta{
		Gateways: map[portal.GatewayID]*Gateway{"gw-a": {ID: "gw-a", Priority: -1}},
		APIs:     map[portal.APIID]*Entry{e.ID: {ID: e.ID, Slug: e.Slug, Deployments: e.Deployments[:1]}},
	})
	check("a")
}

func TestResolveAllocatesNothing(t *testing.T) {
	in := large(100)
	in.People = []Person{{ID: "p", Tokens: []Token{{Hash: [32]byte{1}, Caller: access.Caller{Person: "p"}}}}}
	table := Build(in)
	found := portal.Consumer{Organisation: "org", Audience: portal.Partner, Region: "eu", Division: "d"}
	bound := found
	bound.Application = in.Applications[0].ID
	now := time.Now()
	for name, f := range map[string]func(){
		"found": func() { table.Resolve(found, Request{API: in.APIs[7].Slug, Environment: "production"}) },
		"bound": func() {
			table.Resolve(bound, Request{API: string(in.Applications[0].Bindings[0].API), Environment: "production"})
		},
		"not found":   func() { table.Resolve(found, Request{API: "missing", Environment: "production"}) },
		"no endpoint": func() { table.Resolve(found, Request{API: in.APIs[7].Slug, Environment: "development"}) },
		"token":       func() { table.CallerByToken([32]byte{1}, now) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestCallerByToken(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := func(n byte, expires time.Time, person portal.PersonID) Token {
		return Token{Hash: [32]byte{n}, Expires: expires, Caller: access.Caller{Person: person}}
	}
	table := Build(Input{Config: testConfig, People: []Person{
		{ID: "ann", Tokens: []Token{token(1, time.Time{}, "ann"), token(2, now.Add(time.Second), "ann")}},
		{ID: "bob", Tokens: []Token{token(3, now, "bob")}},
	}})
	check := func(table *Table, n byte, want portal.PersonID) {
		t.Helper()
		caller, ok := table.CallerByToken([32]byte{n}, now)
		if caller.Person != want || ok != (want != "") {
			t.Errorf("token %d: got %q, %v; want %q", n, caller.Person, ok, want)
		}
	}
	check(table, 1, "ann")
	check(table, 2, "ann")
	check(table, 3, "") // it expires at this very time
	check(table, 4, "")
	next := table.With(Delta{People: map[portal.PersonID]*Person{
		"ann": {ID: "ann", Tokens: []Token{token(2, time.Time{}, "ann")}}, "bob": nil, "eve": {ID: "eve", Tokens: []Token{token(4, time.Time{}, "eve")}},
	}})
	check(next, 1, "")
	check(next, 2, "ann")
	check(next, 3, "")
	check(next, 4, "eve")
	check(table, 1, "ann") // the old table stays as it was
}

// Gateways behind one address are one candidate: no tie, and the same answer whatever the order of ids; a binding stays.
func TestFleet(t *testing.T) {
	edge := func(d *portal.Deployment) { d.BaseURL = "https://edge.example/payments" }
	in := Input{Version: 1, Config: testConfig, APIs: []Entry{entryOf("payments",
		deployment("a", "partner production 1", edge, old), deployment("b", "partner production 1", edge), deployment("c", "partner production 1", edge),
		deployment("d", "partner production 1"), deployment("t", "partner test 1", edge), deployment("i", "internal production 1", edge),
	)}, Gateways: []Gateway{{ID: "gw-d", Priority: -1}}}
	for _, id := range []portal.GatewayID{"gw-a", "gw-b", "gw-c", "gw-t", "gw-i"} {
		in.Gateways = append(in.Gateways, Gateway{ID: id, Fleet: "edge"})
	}
	in.Applications = []Application{{ID: "app", Organisation: "org", Bindings: []Binding{{API: "api_payments", Line: "1", Environment: portal.Production, Deployment: "c"}}}}
	r := Request{API: "payments", Environment: portal.Production}
	table := Build(in)
	got, err := table.Resolve(as(portal.Partner), r)
	if err != nil || got.Deployment.ID != "b" || got.Ambiguous() {
		t.Errorf("newcomers: %+v, %v", got, err)
	}
	bound := as(portal.Partner)
	bound.Application = "app"
	if got, err := table.Resolve(bound, r); err != nil || got.Deployment.ID != "c" || !got.Bound() {
		t.Errorf("a bound application: %+v, %v", got, err)
	}
	removed := map[portal.DeploymentID]string{}
	for _, c := range table.ExplainFull(as(portal.Partner), r).Candidates {
		removed[c.Deployment.ID] = c.Removed
	}
	if removed["a"] != RemovedFleet || removed["c"] != RemovedFleet || removed["d"] != "priority" || removed["b"] != "" {
		t.Errorf("%v", removed)
	}
	if got, err := table.Resolve(as(portal.Internal), r); err != nil || got.Deployment.ID != "i" {
		t.Errorf("an audience has its own: %+v, %v", got, err)
	}
	apart := table.With(Delta{Version: 2, Gateways: map[portal.GatewayID]*Gateway{"gw-b": {ID: "gw-b"}, "gw-c": {ID: "gw-c"}}})
	if got, err := apart.Resolve(as(portal.Partner), r); err != nil || !got.Ambiguous() {
		t.Errorf("out of the fleet: %+v, %v", got, err)
	}
}
