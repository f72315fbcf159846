package ingest

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"concierge/connectors"
	"concierge/portal"
	"concierge/portal/catalog"
)

// shared is a gateway for partners and colleagues that tells environments apart by path.
func shared() catalog.Gateway {
	return catalog.Gateway{
		ID: "shared", Division: "retail",
		Defaults: map[portal.Axis]string{portal.AxisAudience: "internal", portal.AxisRegion: "eu"},
		Bounds:   portal.Bounds{Audiences: []portal.Audience{"internal", "partner"}, Environments: []portal.Environment{"test", "production"}},
		Rules: []catalog.Rule{
			{Match: catalog.Match{Path: "/test"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "test"}},
			{Match: catalog.Match{Path: "/prod"}, Set: map[portal.Axis]string{portal.AxisEnvironment: "production"}},
			{Match: catalog.Match{Tag: "exposure:*"}, Set: map[portal.Axis]string{portal.AxisAudience: "partner"}},
		},
	}
}

func TestPlace(t *testing.T) {
	type words = map[portal.Axis]string
	for name, tc := range map[string]struct {
		change   func(*catalog.Gateway)
		d        connectors.Deployment
		doc      catalog.Described
		override words
		want     string // audience/environment
		layers   string
		warning  string
	}{
		"defaults alone leave the environment unknown": {d: connectors.Deployment{Paths: []string{"/orders"}}, want: "internal/", layers: "gateway/"},
		"a rule by path":             {d: connectors.Deployment{Paths: []string{"/test/orders"}}, want: "internal/test", layers: "gateway/rule"},
		"a prefix is whole segments": {d: connectors.Deployment{Paths: []string{"/testing/orders"}}, want: "internal/", layers: "gateway/"},
		"a rule by tag":              {d: connectors.Deployment{Paths: []string{"/prod/orders"}, Tags: []string{"Exposure:Partners"}}, want: "partner/production", layers: "rule/rule"},
		"paths of two environments":  {d: connectors.Deployment{Paths: []string{"/prod/orders", "/test/orders"}}, want: "internal/", layers: "gateway/", warning: "only some of its addresses"},
		"words within the bounds":    {d: connectors.Deployment{Paths: []string{"/prod/x"}, Words: words{portal.AxisAudience: "partner"}}, want: "partner/production", layers: "words/rule"},
		"words outside the bounds":   {d: connectors.Deployment{Paths: []string{"/prod/x"}, Words: words{portal.AxisAudience: "public"}}, want: "/production", layers: "/rule", warning: `audience "public", from the gateway's own words, is outside`},
		"trusted words outside the bounds": {
			change: func(g *catalog.Gateway) { g.Trust = []portal.Axis{portal.AxisAudience} },
			d:      connectors.Deployment{Paths: []string{"/prod/x"}, Words: words{portal.AxisAudience: "public"}}, want: "public/production", layers: "words/rule",
		},
		"words of the document":             {d: connectors.Deployment{Paths: []string{"/prod/x"}}, doc: catalog.Described{Words: map[string]string{"audience": "partner"}}, want: "partner/production", layers: "words/rule"},
		"gateway and document contradict":   {d: connectors.Deployment{Paths: []string{"/prod/x"}, Words: words{portal.AxisAudience: "partner"}}, doc: catalog.Described{Words: map[string]string{"audience": "internal"}}, want: "/production", layers: "/rule", warning: `the document "internal"`},
		"a document that could not be read": {d: connectors.Deployment{Paths: []string{"/prod/x"}}, doc: catalog.Described{Unread: "too large"}, want: "/", layers: "/", warning: "could not be read"},
		"a document that could not be read, and bounds that leave no choice": {
			change: func(g *catalog.Gateway) {
				g.Bounds = portal.Bounds{Audiences: []portal.Audience{"internal"}, Environments: []portal.Environment{"production"}}
			},
			d: connectors.Deployment{Paths: []string{"/prod/x"}}, doc: catalog.Described{Unread: "too large"}, want: "internal/production", layers: "gateway/rule",
		},
		"an override wins":            {d: connectors.Deployment{Paths: []string{"/test/x"}, Words: words{portal.AxisAudience: "public"}}, override: words{portal.AxisAudience: "partner"}, want: "partner/test", layers: "override/rule", warning: "outside"},
		"an override has bounds too":  {d: connectors.Deployment{Paths: []string{"/test/x"}}, override: words{portal.AxisAudience: "public"}, want: "/test", layers: "/rule", warning: "outside"},
		"no bounds: the default only": {change: func(g *catalog.Gateway) { g.Bounds = portal.Bounds{} }, d: connectors.Deployment{Paths: []string{"/test/x"}, Words: words{portal.AxisAudience: "partner"}}, want: "/", layers: "/", warning: "outside"},
		"a default outside the bounds": {
			change: func(g *catalog.Gateway) { g.Bounds.Audiences = []portal.Audience{"partner"} },
			d:      connectors.Deployment{Paths: []string{"/test/x"}}, want: "/test", layers: "/rule", warning: "from the gateway's defaults",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := shared()
			if tc.change != nil {
				tc.change(&g)
			}
			p, warnings := Place(g, tc.d, tc.doc, catalog.Override{Placement: tc.override})
			if got := string(p.Audience()) + "/" + string(p.Environment()); got != tc.want {
				t.Errorf("placed %s, want %s", got, tc.want)
			}
			if got := string(p[portal.AxisAudience].Layer) + "/" + string(p[portal.AxisEnvironment].Layer); got != tc.layers {
				t.Errorf("layers %s, want %s", got, tc.layers)
			}
			if all := strings.Join(warnings, "\n"); tc.warning == "" && all != "" || !strings.Contains(all, tc.warning) {
				t.Errorf("warnings %q, want %q", all, tc.warning)
			}
		})
	}
}

func TestOwnWordsDoNotChooseTheOwner(t *testing.T) {
	g := shared()
	d := connectors.Deployment{Words: map[portal.Axis]string{portal.AxisDivision: "wholesale"}}
	if p, warnings := Place(g, d, catalog.Described{}, catalog.Override{}); p.Division() != "retail" || len(warnings) != 1 {
		t.Errorf("untrusted: %v %q", p.Division(), warnings)
	}
	g.Trust = []portal.Axis{portal.AxisDivision}
	if p, _ := Place(g, d, catalog.Described{}, catalog.Override{}); p.Division() != "wholesale" {
		t.Errorf("trusted: %v", p.Division())
	}
}

// values of an axis, some of them in anybody's bounds.
func genValue(axis portal.Axis) *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "a", "b", "c", string(axis)})
}

func genAxes(name string, t *rapid.T) map[portal.Axis]string {
	all := map[portal.Axis]string{}
	for _, axis := range portal.Axes {
		if v := genValue(axis).Draw(t, name+string(axis)); v != "" {
			all[axis] = v
		}
	}
	return all
}

func genGateway(t *rapid.T) catalog.Gateway {
	g := catalog.Gateway{ID: "g", Defaults: genAxes("default ", t)}
	for _, v := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, "bound audience "+v) {
			g.Bounds.Audiences = append(g.Bounds.Audiences, portal.Audience(v))
		}
		if rapid.Bool().Draw(t, "bound environment "+v) {
			g.Bounds.Environments = append(g.Bounds.Environments, portal.Environment(v))
		}
	}
	if rapid.Bool().Draw(t, "detect") {
		g.Detect = map[string]portal.Environment{"test": "a", "prod": "b", "x": "", "v": "d"} // d is in nobody's bounds
	}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		g.Rules = append(g.Rules, catalog.Rule{
			Match: catalog.Match{Path: rapid.SampledFrom([]string{"", "/test", "/*/v1", "/prod"}).Draw(t, "path"), Tag: rapid.SampledFrom([]string{"", "x"}).Draw(t, "tag")},
			Set:   genAxes("rule ", t),
		})
	}
	return g
}

func genDiscovered(t *rapid.T) connectors.Deployment {
	return connectors.Deployment{
		Key:   connectors.Key{RemoteID: "r"},
		Paths: rapid.SliceOfN(rapid.SampledFrom([]string{"/test/a", "/prod/a", "/x/v1/a"}), 0, 3).Draw(t, "paths"),
		Tags:  rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y"}), 0, 2).Draw(t, "tags"),
		Words: genAxes("word ", t),
	}
}

func genDescribed(t *rapid.T) catalog.Described {
	doc := catalog.Described{Words: map[string]string{}, Unread: rapid.SampledFrom([]string{"", "", "too large"}).Draw(t, "unread")}
	for axis, v := range genAxes("document ", t) {
		doc.Words[string(axis)] = v
	}
	return doc
}

func TestAPlacementNeverLeavesTheBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, d, doc := genGateway(t), genDiscovered(t), genDescribed(t)
		p, warnings := Place(g, d, doc, catalog.Override{Placement: genAxes("override ", t)})
		for _, axis := range failClosed {
			if v := p.Get(axis); v != "" && !slices.Contains(bounds(g, axis), v) {
				t.Fatalf("%s %q is outside %v", axis, v, bounds(g, axis))
			}
			if p.Get(axis) == "" && g.Defaults[axis] != "" && len(warnings) == 0 {
				t.Fatalf("%s was taken away without a word", axis)
			}
		}
	})
}

func TestTheLaterLayerWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, d := genGateway(t), genDiscovered(t)
		o := catalog.Override{Placement: genAxes("override ", t)}
		p, _ := Place(g, d, catalog.Described{}, o)
		for _, axis := range portal.Axes {
			v := o.Placement[axis]
			if v != "" && within(g, axis, v) && p[axis] != (portal.Placed{Value: v, Layer: portal.LayerOverride}) {
				t.Fatalf("override %s=%s gave %v", axis, v, p[axis])
			}
			if w := d.Words[axis]; v == "" && w != "" && within(g, axis, w) && axis != portal.AxisDivision && p[axis] != (portal.Placed{Value: w, Layer: portal.LayerWords}) {
				t.Fatalf("word %s=%s gave %v", axis, w, p[axis])
			}
		}
	})
}

func TestOrderOfWhatHasNoOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, d, doc := genGateway(t), genDiscovered(t), genDescribed(t)
		// Rules about different axes do not meet, so their order says nothing.
		for i := range g.Rules {
			maps.DeleteFunc(g.Rules[i].Set, func(a portal.Axis, _ string) bool { return slices.Index(portal.Axes, a)%len(g.Rules) != i })
		}
		want, _ := Place(g, d, doc, catalog.Override{})
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(g.Rules), func(i, j int) { g.Rules[i], g.Rules[j] = g.Rules[j], g.Rules[i] })
		r.Shuffle(len(d.Paths), func(i, j int) { d.Paths[i], d.Paths[j] = d.Paths[j], d.Paths[i] })
		r.Shuffle(len(d.Tags), func(i, j int) { d.Tags[i], d.Tags[j] = d.Tags[j], d.Tags[i] })
		got, _ := Place(g, d, doc, catalog.Override{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAddress(t *testing.T) {
	moved := catalog.Gateway{Rules: []catalog.Rule{{Public: "https://api.example/eu"}, {Match: catalog.Match{Path: "/old"}, Public: "https://old.example/"}}}
	for name, tc := range map[string]struct {
		g        catalog.Gateway
		d        connectors.Deployment
		override string
		want     string
		reason   string
	}{
		"as the gateway says":      {d: connectors.Deployment{Public: "https://gw.example/orders/"}, want: "https://gw.example/orders"},
		"nobody says":              {d: connectors.Deployment{}, reason: "placement rule"},
		"the gateway says why not": {d: connectors.Deployment{PublicReason: "set proxy_url"}, reason: "set proxy_url"},
		"a rule keeps the path":    {g: moved, d: connectors.Deployment{Public: "http://10.0.0.1:8000/orders"}, want: "https://api.example/eu/orders"},
		"a rule and a bare path":   {g: moved, d: connectors.Deployment{Paths: []string{"/orders"}}, want: "https://api.example/eu/orders"},
		"the last rule wins":       {g: moved, d: connectors.Deployment{Paths: []string{"/old/orders"}}, want: "https://old.example/old/orders"},
		"a pattern is no address":  {g: moved, d: connectors.Deployment{Paths: []string{"/orders/[0-9]+"}}, reason: "is a pattern"},
		"an override":              {g: moved, d: connectors.Deployment{Public: "https://gw.example/orders"}, override: "https://cdn.example/o", want: "https://cdn.example/o"},
		"a script":                 {d: connectors.Deployment{Public: "javascript:alert(1)"}, reason: "does not start with"},
		"a password":               {d: connectors.Deployment{Public: "https://u:p@gw.example"}, reason: "holds a user"},
	} {
		t.Run(name, func(t *testing.T) {
			got, reason := Address(tc.g, tc.d, catalog.Override{BaseURL: tc.override})
			if got != tc.want || !strings.Contains(reason, tc.reason) || (got == "") != (reason != "") {
				t.Errorf("got %q, %q", got, reason)
			}
			if strings.Contains(reason, "u:p") {
				t.Error("the reason shows a password")
			}
		})
	}
}

func TestLine(t *testing.T) {
	for _, tc := range []struct{ explicit, path, version, want string }{
		{"", "", "2.1.0", "2"},
		{"", "", "v2", "2"},
		{"", "", "2", "2"},
		{"", "", "0.9.1", "0"},
		{"", "", "1.0-SNAPSHOT", "1"},
		{"", "", "3.0.0+build.5", "3"},
		{"", "/payments/v3/x", "2.1.0", "3"},
		{"", "/payments/v03", "", "3"},
		{"", "/payments/v2.1", "", "2"},
		{"", "/v1/payments/v2", "", "1"},
		{"", "/victory", "2.1.0", "2"},
		{"2027", "/payments/v3", "2.1.0", "2027"},
		{"", "", "2026-11-22", "2026-11-22"},
		{"", "", "2026-11-22-preview", "2026-11-22-preview"},
		{"", "", "20261122", "20261122"},
		{"", "", "2026.1", "2026"},
		{"", "", "beta", "beta"},
		{"", "", "1_0", "1_0"},
		{"", "", "", "1"},
	} {
		if got := Line(tc.explicit, tc.path, tc.version); got != tc.want {
			t.Errorf("Line(%q, %q, %q) = %q, want %q", tc.explicit, tc.path, tc.version, got, tc.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("", "/payments/v2", "2.1.0")
	f.Add("2027", "", "")
	f.Add("", "/v", "2026-11-22")
	f.Add(" ", "///", "v")
	f.Fuzz(func(t *testing.T, explicit, path, version string) {
		line := Line(explicit, path, version)
		if line == "" || line != strings.TrimSpace(line) {
			t.Fatalf("line %q", line)
		}
		if again := Line(line, path, version); again != line {
			t.Fatalf("%q, said explicitly, is %q", line, again)
		}
	})
}
