package routing

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"concierge/portal"
)

// facetsOf are the values of a deployment, one of each facet; the tag's is left out.
func facetsOf(d *portal.Deployment) map[Facet]string {
	of := map[Facet]string{
		FacetAudience: string(d.Placement.Audience()), FacetDivision: string(d.Placement.Division()), FacetRegion: string(d.Placement.Region()),
		FacetLifecycle: string(d.Lifecycle), FacetKind: d.Kind, FacetGateway: string(d.Gateway),
	}
	if d.Active {
		of[FacetEnvironment] = string(d.Placement.Environment())
	}
	return of
}

// has says in plain code whether an entry has, in one deployment, what a filter asks for, and with value not empty that value.
func has(f Face, filter Filter, facet Facet, value string) bool {
	asked := func(f Facet) []string {
		return slices.DeleteFunc(slices.Clone(filter[f]), func(s string) bool { return s == "" })
	}
	tagged := func(any []string) bool {
		return slices.ContainsFunc(f.View.Tags, func(tag string) bool {
			return slices.ContainsFunc(any, func(s string) bool { return Fold(s) == Fold(tag) })
		})
	}
	if facet == FacetTag && !tagged([]string{value}) || facet != FacetTag && len(asked(FacetTag)) > 0 && !tagged(asked(FacetTag)) {
		return false
	}
	return slices.ContainsFunc(f.Deployments, func(d *portal.Deployment) bool {
		of := facetsOf(d)
		for _, other := range Facets {
			if other == FacetTag || other == facet {
				continue
			}
			if wanted := asked(other); len(wanted) > 0 && (of[other] == "" || !slices.Contains(wanted, of[other])) {
				return false
			}
		}
		return facet == FacetTag || facet == "" || of[facet] == value
	})
}

func TestFacetsAreThoseOfPlainCode(t *testing.T) {
	kinds := []string{"", "openapi", "graphql"}
	tags := []string{"orders", "Orders", "pay", "élan", "elan", ""}
	rapid.Check(t, func(t *rapid.T) {
		in, c := drawInput(t), drawConsumer(t)
		for i := range in.APIs {
			for k := range in.APIs[i].Deployments {
				d := &in.APIs[i].Deployments[k]
				d.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
				d.Tags = rapid.SliceOfN(rapid.SampledFrom(tags), 0, 3).Draw(t, "tags")
			}
		}
		table := Build(in)
		all := table.APIs(c, Query{})
		values := map[Facet][]string{FacetTag: {"orders", "pay", "elan"}}
		for _, f := range all.Facets {
			for _, v := range f.Values {
				values[f.Facet] = append(values[f.Facet], v.Value)
			}
		}
		filter := Filter{}
		for _, facet := range Facets {
			if some := append(values[facet], "none", ""); rapid.IntRange(0, 2).Draw(t, "narrowed") == 0 {
				filter[facet] = rapid.SliceOfN(rapid.SampledFrom(some), 0, 2).Draw(t, string(facet))
			}
		}
		if c.Division == "" {
			delete(filter, FacetDivision) // it is not told of any
		}
		var faces []Face
		for _, id := range table.IDs() {
			for _, f := range table.Faces(id) {
				if f.Audience == c.Audience {
					faces = append(faces, f)
				}
			}
		}
		count := func(facet Facet, value string) (n int) {
			for _, f := range faces {
				if has(f, filter, facet, value) {
					n++
				}
			}
			return n
		}
		l := table.APIs(c, Query{Filter: filter, Limit: 200})
		if want := count("", ""); l.Total != want || len(l.Items) != want {
			t.Fatalf("%v leaves %d in total and lists %d; want %d", filter, l.Total, len(l.Items), want)
		}
		counted := map[Facet]bool{}
		for _, f := range l.Facets {
			counted[f.Facet] = true
			if f.More != 0 {
				t.Fatalf("%+v", f)
			}
			for _, v := range f.Values {
				if want := count(f.Facet, v.Value); v.Count != want {
					t.Fatalf("%v: %s %q has %d; want %d", filter, f.Facet, v.Value, v.Count, want)
				}
			}
			for _, v := range values[f.Facet] { // nothing is missing
				there := slices.ContainsFunc(f.Values, func(w ValueCount) bool {
					return w.Value == v || f.Facet == FacetTag && Fold(w.Value) == Fold(v)
				})
				if !there && count(f.Facet, v) > 0 {
					t.Fatalf("%v: %s %q is not counted", filter, f.Facet, v)
				}
			}
		}
		for facet, some := range values {
			for _, v := range some {
				if !counted[facet] && count(facet, v) > 0 {
					t.Fatalf("%v: %s is not counted", filter, facet)
				}
			}
		}
	})
}

// Of many values the most frequent are listed, those asked for in any case, and the rest is counted.
func TestFacetOfManyValues(t *testing.T) {
	var in Input
	in.Config = Config{Environments: []portal.Environment{portal.Production}, Audiences: map[portal.Audience][]portal.Audience{"partner": {"partner"}}}
	for n := range 70 {
		for k := range 1 + n%3 {
			name := portal.APIID("api_" + string(rune('a'+n%26)) + string(rune('a'+n/26)) + string(rune('0'+k)))
			in.APIs = append(in.APIs, Entry{ID: name, Deployments: []portal.Deployment{{
				ID: portal.DeploymentID(name), Title: "x", Active: true, Tags: []string{"tag" + string(rune('a'+n%26)) + string(rune('a'+n/26))},
				Placement: portal.Placement{portal.AxisAudience: {Value: "partner"}, portal.AxisEnvironment: {Value: "production"}},
			}}})
		}
	}
	table := Build(in)
	for _, filter := range []Filter{nil, {FacetTag: {"TAGRC"}}} {
		l := table.APIs(portal.Consumer{Audience: "partner"}, Query{Filter: filter})
		i := slices.IndexFunc(l.Facets, func(f FacetCounts) bool { return f.Facet == FacetTag })
		f := l.Facets[i]
		want := mostValues + len(filter)
		if len(f.Values) != want || f.More != 70-want || f.Values[0].Count != 3 || !slices.IsSortedFunc(f.Values[:mostValues], moreFrequent) {
			t.Errorf("%v: %d values, %d more, %+v", filter, len(f.Values), f.More, f.Values)
		}
		if last := f.Values[len(f.Values)-1]; filter != nil && (last != ValueCount{Value: "tagrc", Count: 1, Selected: true}) {
			t.Errorf("the one asked for: %+v", last)
		}
	}
}
