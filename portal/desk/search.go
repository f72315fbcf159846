package desk

import (
	"context"
	"errors"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/document"
	"concierge/portal/routing"
	"concierge/portal/search"
)

const suggestions = 10

func (d *desk) APIs(ctx context.Context, q api.APIsQuery) (api.APIList, error) {
	after, err := openCursor[routing.Cursor](d, "apis", q.Cursor)
	if err != nil {
		return api.APIList{}, err
	}
	asked := routing.Query{Q: q.Q, Filter: routing.Filter{}, After: after, Limit: limit(q.Limit)}
	for name, values := range q.Filter {
		asked.Filter[routing.Facet(name)] = values
	}
	found, err := d.find(ctx, asked)
	if err != nil {
		return api.APIList{}, err
	}
	list := api.APIList{
		Page: api.Page[api.API]{Items: make([]api.API, len(found.Items))}, Total: found.Total, More: found.More,
		Facets: facets(found.Facets), DidYouMean: found.Corrected, Incomplete: found.Incomplete,
	}
	for i, v := range found.Items {
		list.Items[i] = d.summary(found.Table, v)
		list.Items[i].Operation = d.operation(found, v)
	}
	list.Next, err = sealCursor(d, "apis", found.Next)
	return list, err
}

// find lists the catalog. What is not in this process's table may have come in a moment ago, so the newest one is asked
// before an empty list is given.
func (d *desk) find(ctx context.Context, q routing.Query) (search.Result, error) {
	if strings.TrimSpace(q.Q) != "" {
		r, err := d.Search.Find(ctx, d.consumer(), q)
		if errors.Is(err, portal.ErrUnavailable) { // titles are found without the database
			r = search.Result{Table: d.Live.Table(), Incomplete: true}
			r.Listing, err = r.Table.APIs(d.consumer(), q), nil
		}
		return r, err
	}
	listing, table, err := routing.Find(ctx, d.Live, func(t *routing.Table) (routing.Listing, error) {
		l := t.APIs(d.consumer(), q)
		if len(l.Items) == 0 {
			return l, portal.ErrNotFound
		}
		return l, nil
	})
	if errors.Is(err, portal.ErrNotFound) {
		err = nil
	}
	return search.Result{Listing: listing, Table: table}, err
}

// operation is what an item was found by, unless the caller may not read it.
func (d *desk) operation(found search.Result, v routing.EntryView) string {
	op := found.Operations[v.ID]
	if op == "" {
		return ""
	}
	if allowed, hidden := d.hosts(found.Table, v.ID); document.Text(op, allowed, hidden) != op {
		return ""
	}
	return op
}

func facets(counted []routing.FacetCounts) []api.Facet {
	all := make([]api.Facet, 0, len(counted))
	for _, c := range counted {
		f := api.Facet{Name: string(c.Facet), More: c.More, Values: make([]api.FacetValue, len(c.Values))}
		for i, v := range c.Values {
			f.Values[i] = api.FacetValue{Value: v.Value, Count: v.Count, Selected: v.Selected}
		}
		all = append(all, f)
	}
	return all
}

func (d *desk) SuggestAPIs(_ context.Context, typed string) ([]api.Suggestion, error) {
	found := d.Search.Suggest(d.consumer(), typed, suggestions)
	list := make([]api.Suggestion, len(found))
	for i, v := range found {
		list[i] = api.Suggestion{ID: v.Name, Title: v.Title}
	}
	return list, nil
}
