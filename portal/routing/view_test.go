package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concierge/portal"

	"pgregory.net/rapid"
)

func names(items []EntryView) string {
	var list []string
	for _, v := range items {
		list = append(list, v.Name)
	}
	return strings.Join(list, " ")
}

func within(environment string) Filter { return Filter{FacetEnvironment: {environment}} }

func tagged(tags ...string) func(*portal.Deployment) {
	return func(d *portal.Deployment) { d.Tags = tags }
}

func TestAPIs(t *testing.T) {
	catalog := table(
		entryOf("payments", deployment("a", "partner production 1", titled("Payments"), tagged("Finance"))),
		entryOf("card-payments", deployment("b", "partner test 1", titled("Card payments"), func(d *portal.Deployment) { d.Summary = "For Zürich & more" })),
		entryOf("pay-later", deployment("c", "public production 1", titled("Pay later"), tagged("finance", "credit line"))),
		entryOf("orders", deployment("d", "internal production 1", titled("Orders and payments"))),
		entryOf("ete", deployment("e", "partner production 1", titled("Été"))),
	)
	for name, tc := range map[string]struct {
		audience portal.Audience
		query    Query
		want     string
	}{
		"all, by title":             {"partner", Query{}, "card-payments ete pay-later payments"},
		"another audience":          {"public", Query{}, "pay-later"},
		"an unknown audience":       {"odd", Query{}, ""},
		"no audience":               {"", Query{}, ""},
		"title prefix first":        {"partner", Query{Q: "pay"}, "pay-later payments card-payments"},
		"without case":              {"partner", Query{Q: " PAYMENTS "}, "payments card-payments"},
		"without accents":           {"partner", Query{Q: "ete"}, "ete"},
		"with accents":              {"partner", Query{Q: "ÉTE"}, "ete"},
		"summaries are the index's": {"partner", Query{Q: "zürich"}, ""},
		"every word":                {"partner", Query{Q: "payments card"}, "card-payments"},
		"a word that nothing has":   {"partner", Query{Q: "payments zebra"}, ""},
		"by tag as a word":          {"partner", Query{Q: "credit"}, "pay-later"},
		"by name":                   {"partner", Query{Q: "card-pay"}, "card-payments"},
		"a tag":                     {"partner", Query{Filter: Filter{FacetTag: {"finance"}}}, "pay-later payments"},
		"a whole tag only":          {"partner", Query{Filter: Filter{FacetTag: {"credit"}}}, ""},
		"an environment":            {"partner", Query{Filter: within("test")}, "card-payments"},
		"an unknown environment":    {"partner", Query{Filter: within("odd")}, ""},
		"an environment and a word": {"partner", Query{Filter: within("production"), Q: "payments"}, "payments"},
		"no words":                  {"partner", Query{Q: " \t"}, "card-payments ete pay-later payments"},
	} {
		t.Run(name, func(t *testing.T) {
			l := catalog.APIs(as(tc.audience), tc.query)
			if names(l.Items) != tc.want || l.Next != (Cursor{}) || l.Total != len(l.Items) || l.More {
				t.Errorf("got %q, next %v, %d in all; want %q", names(l.Items), l.Next, l.Total, tc.want)
			}
		})
	}
}

func TestPages(t *testing.T) {
	catalog := Build(large(500))
	for _, q := range []Query{{}, {Q: "smart"}, {Q: "of"}, {Q: "smart payments"}, {Q: "zebra"}} {
		all, q := []EntryView(nil), q
		q.Limit = maxLimit
		for {
			l := catalog.APIs(as(portal.Internal), q)
			items, next := l.Items, l.Next
			all = append(all, items...)
			if next == (Cursor{}) {
				break
			}
			q.After = next
		}
		for _, limit := range []int{1, 7, 0, 1000} {
			q.Limit, q.After = limit, Cursor{}
			var paged []EntryView
			for {
				l := catalog.APIs(as(portal.Internal), q)
				items, next := l.Items, l.Next
				if most := min(limit, maxLimit); limit > 0 && len(items) > most || limit == 0 && len(items) > defaultLimit {
					t.Fatalf("%+v: %d items", q, len(items))
				}
				paged = append(paged, items...)
				if next == (Cursor{}) {
					break
				}
				q.After = next
			}
			if names(paged) != names(all) {
				t.Errorf("%q by %d: %d items, %d in all", q.Q, limit, len(paged), len(all))
			}
		}
	}
}

// A page begins after the cursor also when the entry that it names is gone.
func TestCursorOutlivesItsEntry(t *testing.T) {
	catalog := table(
		entryOf("a", deployment("a", "public production 1", titled("A"))), entryOf("b", deployment("b", "public production 1", titled("B"))),
		entryOf("c", deployment("c", "public production 1", titled("C"))),
	)
	next := catalog.APIs(as(portal.Public), Query{Limit: 2}).Next
	catalog = catalog.With(Delta{APIs: map[portal.APIID]*Entry{"api_b": nil}})
	if l := catalog.APIs(as(portal.Public), Query{Limit: 2, After: next}); names(l.Items) != "c" {
		t.Errorf("got %q", names(l.Items))
	}
}

func lines(v EntryView) string {
	all := make([]string, len(v.Versions))
	for i, line := range v.Versions {
		all[i] = fmt.Sprint("{", line.Line, " ", line.Lifecycle, " ", line.Environments, "}")
	}
	return "[" + strings.Join(all, " ") + "]"
}

func TestEntryView(t *testing.T) {
	catalog := table(entryOf("payments",
		deployment("a", "partner production 1", titled("Payments, old"), stage(portal.Deprecated)),
		deployment("b", "partner production 2", titled("Payments")),
		deployment("c", "partner test 2", titled("Payments (test)")),
		deployment("d", "partner test 3", titled("Payments, soon"), stage(portal.Preview)),
		deployment("e", "internal production 4", titled("Payments, secret")),
		deployment("f", "partner simulation 2", titled("Payments, off"), inactive),
		deployment("g", "partner test 0.9", inactive),
		deployment("h", "public simulation 2", titled("Payments for all")),
		deployment("i", "partner production 5", titled("Payments, not yet"), inactive),
	))
	for _, name := range []string{"payments", "api_payments"} {
		v, err := catalog.API(as(portal.Partner), name)
		if err != nil {
			t.Fatal(err)
		}
		if v.Title != "Payments" || v.Name != "payments" || v.ID != "api_payments" {
			t.Errorf("got %+v", v)
		}
		want := "[{5 active []} {3 preview [test]} {2 active [test simulation production]} {1 deprecated [production]} {0.9 active []}]"
		if got := lines(v); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	v, err := catalog.API(as(portal.Internal), "payments")
	if err != nil || v.Title != "Payments, secret" || lines(v) != "[{4 active [production]} {2 active [simulation]}]" {
		t.Errorf("internal: got %+v, %v", v, err)
	}
	for audience, want := range map[portal.Audience]string{
		"internal": "[simulation production]", "partner": "[test simulation production]", "public": "[simulation]", "odd": "[]",
	} {
		if got := fmt.Sprint(catalog.Environments(as(audience))); got != want {
			t.Errorf("environments of %s: got %s, want %s", audience, got, want)
		}
	}
}

// Every environment that a version lists gives an endpoint, and no other one does.
func TestListedEnvironmentsResolve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		catalog, c := Build(drawInput(t)), drawConsumer(t)
		c.Application = ""
		items := catalog.APIs(c, Query{Limit: maxLimit}).Items
		met := map[portal.Environment]bool{}
		for _, v := range items {
			for _, version := range v.Versions {
				for _, environment := range catalog.axes.environments {
					if version.Line == "" {
						continue // asking for it is asking for the newest
					}
					_, err := catalog.Resolve(c, Request{API: string(v.ID), Version: version.Line, Environment: environment})
					if (err == nil) != slices.Contains(version.Environments, environment) {
						t.Fatalf("%+v in %s: %v", version, environment, err)
					}
				}
				for _, environment := range version.Environments {
					met[environment] = true
				}
			}
		}
		for _, environment := range catalog.axes.environments {
			if met[environment] != slices.Contains(catalog.Environments(c), environment) {
				t.Fatalf("%s: %v, but Environments are %v", environment, met, catalog.Environments(c))
			}
		}
	})
}

func TestSlugTold(t *testing.T) {
	for slug, title := range map[string]string{
		"drivers-licences": "Driver's licences", "lapi-dete": "L’API d’été", "strasse-2": "Straße 2", "ærø-订单": "ÆRØ (订单)",
	} {
		if !SlugTold(slug, []*portal.Deployment{{Title: title}}) {
			t.Errorf("%s is told by %q", slug, title)
		}
	}
	two := []*portal.Deployment{{Title: "Card"}, {Tags: []string{"payments"}}}
	if !SlugTold("card-payments", two) || SlugTold("card-payments-eu", two) || SlugTold("card", nil) {
		t.Error("words are not gathered from all deployments")
	}
}

func TestNameTellsNothingHidden(t *testing.T) {
	inner := deployment("a", "internal production 1", titled("Falcon payments"))
	outer := deployment("b", "partner production 1", titled("Payments"))
	e := entryOf("falcon-payments", inner, outer)
	for name, tc := range map[string]struct {
		named []portal.DeploymentID
		slug  string
		want  string
	}{
		"a word of a hidden title":         {nil, "falcon-payments", "api_falcon-payments"},
		"only words that are seen":         {nil, "payments", "payments"},
		"an explicit id of a visible one":  {[]portal.DeploymentID{"b"}, "falcon-payments", "falcon-payments"},
		"an explicit id of a hidden one":   {[]portal.DeploymentID{"a"}, "falcon-payments", "api_falcon-payments"},
		"part of a word is not the word":   {nil, "pay", "api_falcon-payments"},
		"no slug":                          {nil, "", "api_falcon-payments"},
		"a version":                        {nil, "payments-1", "payments-1"},
		"a word of the address":            {nil, "example-payments", "example-payments"},
		"without words there is no saying": {nil, "--", "api_falcon-payments"},
	} {
		t.Run(name, func(t *testing.T) {
			e := e
			e.Slug, e.Named = tc.slug, tc.named
			catalog := table(e)
			v, err := catalog.API(as(portal.Partner), "api_falcon-payments")
			if err != nil || v.Name != tc.want {
				t.Errorf("got %q, %v; want %q", v.Name, err, tc.want)
			}
			res, err := catalog.Resolve(as(portal.Partner), Request{API: v.Name, Environment: portal.Production})
			if err != nil || res.Deployment.ID != "b" || res.Name != tc.want {
				t.Errorf("resolving it: %+v, %v", res, err)
			}
		})
	}
}
