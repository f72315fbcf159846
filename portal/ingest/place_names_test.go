package ingest

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

var usual = EnvironmentNames([]portal.Environment{"development", "test", "simulation", "production"}, nil)

func TestDetect(t *testing.T) {
	const doubt = "?"
	stage := func(s string) connectors.Deployment { return connectors.Deployment{Stage: s} }
	hosts := func(all ...string) connectors.Deployment { return connectors.Deployment{Hosts: all} }
	paths := func(all ...string) connectors.Deployment { return connectors.Deployment{Paths: all} }
	title := func(s string) connectors.Deployment { return connectors.Deployment{Title: s} }
	for name, tc := range map[string]struct {
		d    connectors.Deployment
		want portal.Environment // "?": doubt; empty: nothing is found
	}{
		"a stage":                      {stage("Prod"), "production"},
		"a stage with a number":        {stage("qa2"), "test"},
		"a stage of two words":         {stage("Pre Prod"), doubt},
		"a stage by its beginning":     {stage("dev-eu-west-1"), "development"},
		"a stage that says nothing":    {stage("default"), ""},
		"a host label":                 {hosts("payments.dev.example.com"), "development"},
		"a label's end":                {hosts("payments-uat.example.com:8443"), "test"},
		"a label's beginning":          {hosts("sbx-api.example.com"), "simulation"},
		"a bare name":                  {hosts("orders-tst"), "test"},
		"a wildcard":                   {hosts("*.sandbox.example.com"), "simulation"},
		"a top-level domain":           {hosts("payments.dev"), ""},
		"another top-level domain":     {hosts("gateway.test."), ""},
		"an address":                   {hosts("10.0.0.1", "[fe80::1]:80"), ""},
		"a word that begins alike":     {hosts("developer.example.com", "contest.example.com"), ""},
		"an ordinary word is a name":   {hosts("production-line.example.com"), "production"},
		"a path segment":               {paths("/eu/test/orders"), "test"},
		"a segment's end":              {paths("/orders-dev/v1"), "development"},
		"a segment with a version":     {paths("/orders-dev-v2"), "development"},
		"a segment's beginning is not": {paths("/test-results"), ""},
		"part of a word":               {paths("/latest/produce"), ""},
		"patterns":                     {paths(`~/(test|dev)/\d+`, "/*"), ""},
		"a title's end":                {title("payments-dev"), "development"},
		"a title in brackets":          {title("Payments API (UAT)"), "test"},
		"a title of two words":         {title("Payments - Pre Prod"), doubt},
		"a title of plain words":       {title("Load Test"), ""},
		"a title that is one word":     {title("Sandbox"), ""},
		"the public address":           {connectors.Deployment{Public: "https://gw.example.com/sim/orders"}, "simulation"},
		"a rubbish address":            {connectors.Deployment{Public: "http://%zz/dev"}, ""},
		"names that agree":             {connectors.Deployment{Stage: "qa", Hosts: []string{"test.example.com"}, Paths: []string{"/uat/x"}}, "test"},
		"names that contradict":        {connectors.Deployment{Stage: "prod", Paths: []string{"/test/orders"}}, doubt},
		"one name that contradicts":    {hosts("dev-prod.example.com"), doubt},
		"staging is not configured":    {hosts("staging.example.com"), doubt},
		"before production is not":     {paths("/orders-pre-prod"), doubt},
		"pre.prod in a title":          {title("orders.pre.prod"), doubt},
		"not production":               {hosts("nonprod.example.com"), doubt},
		"not production, in two words": {stage("non-production"), doubt},
		"like production":              {stage("prod-like"), doubt},
		"a copy of production":         {hosts("mirror-prod.example.com"), doubt},
	} {
		t.Run(name, func(t *testing.T) {
			got, found := detect(usual, tc.d)
			switch {
			case tc.want == doubt && (got.doubt == "" || got.environment != ""), tc.want != doubt && (got.doubt != "" || got.environment != tc.want), found != (tc.want != ""):
				t.Errorf("got %+v, found %v; want %q", got, found, tc.want)
			}
		})
	}
}

func TestEnvironmentNames(t *testing.T) {
	for name, tc := range map[string]struct {
		configured []portal.Environment
		own        map[string]portal.Environment
		want       map[string]portal.Environment // "-": no name
	}{
		"the defaults": {
			[]portal.Environment{"development", "test", "simulation", "production"}, nil,
			map[string]portal.Environment{"dev": "development", "qa": "test", "uat": "test", "sbx": "simulation", "prd": "production", "staging": "", "preprod": "", "orders": "-"},
		},
		"an environment for every name": {
			[]portal.Environment{"Dev", "qa", "uat", "int", "pre-production", "prod"}, nil,
			map[string]portal.Environment{"development": "Dev", "qa": "qa", "test": "qa", "acceptance": "uat", "integration": "int", "preprod": "pre-production", "staging": "pre-production", "live": "prod", "sim": ""},
		},
		"an environment of the company's own": {
			[]portal.Environment{"lab", "production"}, nil,
			map[string]portal.Environment{"lab": "lab", "dev": ""},
		},
		"an administrator's table": {
			[]portal.Environment{"development", "test", "simulation", "production"}, map[string]portal.Environment{"Staging": "simulation", "pre-prod": "simulation", "live": "", "rc": "test"},
			map[string]portal.Environment{"staging": "simulation", "preprod": "simulation", "live": "-", "rc": "test", "prod": "production"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := EnvironmentNames(tc.configured, tc.own)
			for n, want := range tc.want {
				if got, ok := table[n]; ok != (want != "-") || ok && got != want {
					t.Errorf("%s stands for %q, %v; want %q", n, got, ok, want)
				}
			}
		})
	}
	problems := CheckEnvironmentNames([]portal.Environment{"test"}, map[string]portal.Environment{"staging": "simulation", " -": "test", "live": "", "rc": "test"})
	if len(problems) != 2 || !strings.Contains(problems[1], `staging: there is no environment "simulation"`) {
		t.Errorf("%q", problems)
	}
}

func TestPlaceByNames(t *testing.T) {
	detecting := func(d string, bounds ...portal.Environment) catalog.Gateway {
		return catalog.Gateway{ID: "g", Detect: usual, Bounds: portal.Bounds{Environments: bounds}, Defaults: map[portal.Axis]string{portal.AxisEnvironment: d}}
	}
	for name, tc := range map[string]struct {
		g       catalog.Gateway
		d       connectors.Deployment
		o       map[portal.Axis]string
		want    portal.Placed
		warning string
	}{
		"within the bounds":                          {g: detecting("production", "development", "production"), d: connectors.Deployment{Paths: []string{"/dev/x"}}, want: portal.Placed{Value: "development", Layer: portal.LayerDetected}},
		"a default alone is the bound":               {g: detecting("production"), d: connectors.Deployment{Paths: []string{"/dev/x"}}, warning: "outside the gateway's bounds"},
		"nothing found leaves the default":           {g: detecting("production", "development", "production"), d: connectors.Deployment{Paths: []string{"/x"}}, want: portal.Placed{Value: "production", Layer: portal.LayerGateway}},
		"only some addresses":                        {g: detecting("production", "development", "production"), d: connectors.Deployment{Paths: []string{"/dev/x", "/x"}}, warning: "only some of its addresses"},
		"only some addresses, and what is so anyway": {g: detecting("production", "production"), d: connectors.Deployment{Paths: []string{"/prod/x", "/x"}}, want: portal.Placed{Value: "production", Layer: portal.LayerDetected}},
		"a name of no configured environment":        {g: detecting("production", "production"), d: connectors.Deployment{Paths: []string{"/staging/x"}}, warning: "not configured; only administrators see it"},
		"an override ends a doubt":                   {g: detecting("production", "production"), d: connectors.Deployment{Paths: []string{"/staging/x"}}, o: map[portal.Axis]string{portal.AxisEnvironment: "production"}, want: portal.Placed{Value: "production", Layer: portal.LayerOverride}, warning: "not configured"},
	} {
		t.Run(name, func(t *testing.T) {
			p, warnings := Place(tc.g, tc.d, catalog.Described{}, catalog.Override{Placement: tc.o})
			if p[portal.AxisEnvironment] != tc.want || !strings.Contains(strings.Join(warnings, ""), tc.warning) || (tc.warning == "") != (len(warnings) == 0) {
				t.Errorf("placed %+v, %q", p[portal.AxisEnvironment], warnings)
			}
		})
	}
	g := detecting("production", "development", "test", "production")
	g.Rules = []catalog.Rule{{Match: catalog.Match{Path: "/dev"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}}}
	if p, _ := Place(g, connectors.Deployment{Paths: []string{"/dev/x"}}, catalog.Described{}, catalog.Override{}); p[portal.AxisEnvironment] != (portal.Placed{Value: "test", Layer: portal.LayerRule}) {
		t.Errorf("a rule is later than the names: %v", p)
	}
	g.Detect, g.Rules = nil, nil
	if p, _ := Place(g, connectors.Deployment{Paths: []string{"/dev/x"}}, catalog.Described{}, catalog.Override{}); p.Environment() != "production" {
		t.Errorf("switched off, names say %v", p)
	}
}

func TestExplain(t *testing.T) {
	g := shared()
	g.Detect = usual
	g.Rules = append(g.Rules, catalog.Rule{Match: catalog.Match{Path: "/test"}, Public: "https://api.example"})
	d := connectors.Deployment{Paths: []string{"/test/orders"}, Public: "http://10.0.0.1/test/orders", Words: map[portal.Axis]string{portal.AxisAudience: "public"}}
	doc := catalog.Described{Words: map[string]string{"region": "us"}}
	var got []string
	for _, s := range Explain(g, d, doc, catalog.Override{Placement: map[portal.Axis]string{portal.AxisAudience: "partner"}, BaseURL: "https://cdn.example/o"}) {
		text := strings.Join([]string{string(s.Axis), s.Value, string(s.Layer), s.Source}, " ")
		if s.Rule > 0 {
			text += " #" + string(rune('0'+s.Rule))
		}
		if s.Refused != "" {
			text += " refused"
		}
		got = append(got, text)
	}
	want := []string{
		"division retail gateway ", "audience internal gateway ", "region eu gateway ", "environment test detected path /test/orders",
		"environment test rule  #1", "audience  words  refused", "region us words document", "audience partner override ",
		" http://10.0.0.1/test/orders gateway ", " https://api.example/test/orders rule  #4", " https://cdn.example/o override ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Explain tells what Place does: its last step about an axis is the value there.
func TestExplainIsPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, d, doc, o := genGateway(t), genDiscovered(t), genDescribed(t), catalog.Override{Placement: genAxes("override ", t)}
		placement, _ := Place(g, d, doc, o)
		last := map[portal.Axis]Step{}
		for _, s := range Explain(g, d, doc, o) {
			if s.Axis != "" && (s.Axis != portal.AxisDivision || s.Refused == "") {
				last[s.Axis] = s
			}
		}
		for _, axis := range portal.Axes {
			if p := placement[axis]; p.Value != last[axis].Value || p.Value != "" && p.Layer != last[axis].Layer {
				t.Fatalf("%s is %+v; the last step is %+v", axis, p, last[axis])
			}
		}
	})
}

// FuzzDetect: whatever a gateway calls its things, the environment is one of the table's, and case makes no difference.
func FuzzDetect(f *testing.F) {
	f.Add("dev", "payments.dev.example.com", "/test/x", "Payments (UAT)")
	f.Add("pre-prod", "[::1]:80", "~/(a|b)", "a-b-dev-v2")
	f.Add("", ".", "//", "-")
	f.Add("É", "xn--test.example", "/%2e/live", "п-test")
	f.Fuzz(func(t *testing.T, stage, host, path, title string) {
		d := connectors.Deployment{Stage: stage, Hosts: []string{host}, Paths: []string{path}, Title: title, Public: host + path}
		got, found := detect(usual, d)
		if got.environment != "" && !slices.Contains([]portal.Environment{"development", "test", "simulation", "production"}, got.environment) {
			t.Fatalf("%+v", got)
		}
		if got.environment != "" && (!found || got.doubt != "" || got.source == "") {
			t.Fatalf("%+v, found %v", got, found)
		}
		g := catalog.Gateway{ID: "g", Detect: usual, Bounds: portal.Bounds{Environments: []portal.Environment{"test"}}}
		if p, warnings := Place(g, d, catalog.Described{}, catalog.Override{}); p.Environment() != "" && p.Environment() != "test" || found && p.Environment() == "" && len(warnings) == 0 {
			t.Fatalf("placed %v, %q", p, warnings)
		}
	})
}
