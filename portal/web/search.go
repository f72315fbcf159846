package web

import (
	"net/url"
	"slices"
	"strings"

	"concierge/portal/api"
	"concierge/portal/web/ui"
)

const (
	catalogLimit = 24
	facetLimit   = 8 // values that are shown at once; those that are chosen always are
)

// catalog is the list of APIs. What is searched for and what it is narrowed by is all in the address.
func (s *site) catalog(v *visit) error {
	q := api.APIsQuery{Paging: v.paging(catalogLimit), Q: v.query("q"), Filter: v.facets()}
	found, err := v.desk.APIs(v.ctx(), q)
	if err != nil {
		return err
	}
	c := ui.Catalog{
		Query: q.Q, Instead: found.DidYouMean, Incomplete: found.Incomplete, Total: found.Total, More: found.More,
		Items: each(found.Items, v.card),
	}
	for _, f := range found.Facets {
		if worthAsking(f, found.Total) {
			c.Facets = append(c.Facets, v.facet(f, found.More))
		}
	}
	for _, name := range api.Facets {
		for _, value := range q.Filter[name] {
			c.Chosen = append(c.Chosen, ui.Link{Text: v.facetText(name, value), Href: without(v.r.URL.Query(), name, value)})
		}
	}
	if q.Q != "" || len(q.Filter) > 0 {
		c.Clear = ui.APIsPath
	}
	c.First, c.Next = v.pages(found.Next)
	p := v.in(ui.APIsPath, v.text.T("catalog.title"))
	p.Searches = true
	return v.render(ui.CatalogPage(p, c))
}

var (
	facetTitles = map[string]string{
		"environment": "facet.environment", "lifecycle": "facet.lifecycle", "tag": "facet.tag", "kind": "facet.kind",
		"region": "facet.region", "division": "facet.division", "audience": "facet.audience", "gateway": "facet.gateway",
	}
	lifecycles = map[string]string{
		"preview": "facet.lifecycle_preview", "active": "facet.lifecycle_active",
		"deprecated": "facet.lifecycle_deprecated", "retired": "facet.lifecycle_retired",
	}
)

// kinds are how people call the kinds of documents, in every language.
var kinds = map[string]string{
	"openapi": "REST (OpenAPI)", "asyncapi": "AsyncAPI", "graphql": "GraphQL", "grpc": "gRPC", "wsdl": "SOAP (WSDL)",
}

// facets are what the address narrows the catalog by.
func (v *visit) facets() api.Filter {
	f, asked := api.Filter{}, v.r.URL.Query()
	for _, name := range api.Facets {
		for _, value := range asked[name] {
			if value != "" && !slices.Contains(f[name], value) {
				f[name] = append(f[name], value)
			}
		}
	}
	return f
}

// worthAsking reports whether a facet says anything: one value that all have does not.
func worthAsking(f api.Facet, total int) bool {
	return len(f.Values) > 1 || len(f.Values) == 1 && (f.Values[0].Selected || f.Values[0].Count != total)
}

func (v *visit) facet(counted api.Facet, more bool) ui.Facet {
	f := ui.Facet{
		Name: counted.Name, Title: v.text.T(facetTitles[counted.Name]), More: counted.More,
		Open: slices.Contains([]string{"environment", "lifecycle", "tag"}, counted.Name),
	}
	for i, value := range counted.Values {
		shown := ui.FacetValue{
			ID: "facet-" + url.QueryEscape(counted.Name+"-"+value.Value), Value: value.Value, Text: v.facetText(counted.Name, value.Value),
			Count: v.text.Number(value.Count), Checked: value.Selected,
		}
		if more && value.Count > 0 {
			shown.Count += "+"
		}
		f.Open = f.Open || value.Selected
		if i < facetLimit || value.Selected || len(counted.Values) == facetLimit+1 {
			f.Values = append(f.Values, shown)
		} else {
			f.Rest = append(f.Rest, shown)
		}
	}
	return f
}

// facetText is a value as people read it.
func (v *visit) facetText(facet, value string) string {
	switch facet {
	case "environment":
		return v.text.Environment(value)
	case "audience":
		return v.text.Audience(value)
	case "kind":
		if name, ok := kinds[value]; ok {
			return name
		}
	case "lifecycle":
		if key, ok := lifecycles[value]; ok {
			return v.text.T(key)
		}
	}
	return value
}

// without is the address of the catalog with one value less, from the first page on.
func without(asked url.Values, name, value string) string {
	asked[name] = slices.DeleteFunc(slices.Clone(asked[name]), func(v string) bool { return v == value })
	asked.Del("cursor")
	for n, values := range asked {
		if len(values) == 0 || strings.Join(values, "") == "" {
			asked.Del(n)
		}
	}
	if len(asked) == 0 {
		return ui.APIsPath
	}
	return ui.APIsPath + "?" + asked.Encode()
}
