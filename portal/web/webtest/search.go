package webtest

import (
	"context"
	"slices"
	"strings"

	"concierge/portal/api"
)

// mistyped is what the world puts right.
var mistyped = map[string]string{"paymnts": "payments", "ordrs": "orders"}

// valuesOf are the values of an API by the facets that the world knows.
func valuesOf(a api.API) map[string][]string {
	all := map[string][]string{"tag": slices.Clone(a.Tags)}
	for _, v := range a.Versions {
		all["lifecycle"] = append(all["lifecycle"], v.Lifecycle)
		all["environment"] = append(all["environment"], v.Environments...)
	}
	return all
}

func (d *desk) APIs(_ context.Context, q api.APIsQuery) (api.APIList, error) {
	w, p, leave := d.enter()
	defer leave()
	var list api.APIList
	all := w.entries(p)
	named := func(words string) []api.API {
		return slices.DeleteFunc(slices.Clone(all), func(a api.API) bool {
			text := strings.ToLower(a.Title + " " + a.Summary + " " + strings.Join(a.Tags, " "))
			return !strings.Contains(text, strings.ToLower(words))
		})
	}
	found := named(q.Q)
	if meant := mistyped[q.Q]; len(found) == 0 && meant != "" {
		found, list.DidYouMean = named(meant), meant
	}
	passes := func(a api.API, but string) bool {
		values := valuesOf(a)
		for facet, asked := range q.Filter {
			if facet != but && len(asked) > 0 && !slices.ContainsFunc(asked, func(v string) bool { return slices.Contains(values[facet], v) }) {
				return false
			}
		}
		return true
	}
	for _, name := range api.Facets {
		f := api.Facet{Name: name}
		count := func(value string, by int) {
			i := slices.IndexFunc(f.Values, func(v api.FacetValue) bool { return v.Value == value })
			if i < 0 {
				i, f.Values = len(f.Values), append(f.Values, api.FacetValue{Value: value, Selected: slices.Contains(q.Filter[name], value)})
			}
			f.Values[i].Count += by
		}
		for _, a := range found {
			if values := valuesOf(a)[name]; passes(a, name) {
				slices.Sort(values)
				for _, value := range slices.Compact(values) {
					count(value, 1)
				}
			}
		}
		for _, value := range q.Filter[name] {
			count(value, 0)
		}
		slices.SortFunc(f.Values, func(a, b api.FacetValue) int {
			if name == "environment" {
				return slices.Index(order, a.Value) - slices.Index(order, b.Value)
			}
			return strings.Compare(a.Value, b.Value)
		})
		if len(f.Values) > 0 {
			list.Facets = append(list.Facets, f)
		}
	}
	found = slices.DeleteFunc(found, func(a api.API) bool { return !passes(a, "") })
	list.Total = len(found)
	for i := range found {
		found[i].Description = ""
	}
	var err error
	list.Page, err = page(found, q.Paging)
	return list, err
}

func (d *desk) SuggestAPIs(_ context.Context, typed string) ([]api.Suggestion, error) {
	w, p, leave := d.enter()
	defer leave()
	var found []api.Suggestion
	for _, a := range w.entries(p) {
		if typed != "" && strings.Contains(strings.ToLower(a.Title), strings.ToLower(typed)) {
			found = append(found, api.Suggestion{ID: a.ID, Title: a.Title})
		}
	}
	return found, nil
}
