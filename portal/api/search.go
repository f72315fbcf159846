package api

import "context"

// Facets are the properties by which the catalog is narrowed, in the order in which people see them.
var Facets = []string{"environment", "lifecycle", "tag", "kind", "region", "division", "audience", "gateway"}

// Filter narrows the catalog: of each facet that is named, an API has one of the values. All but tags are properties of a
// deployment, and one deployment has them all.
type Filter map[string][]string

// APIsQuery asks for a page of the catalog. Q are words that all have to be there, mistyped ones put right where nothing has
// them, or a path such as "POST /refunds". Empty fields do not filter.
type APIsQuery struct {
	Paging
	Q      string
	Filter Filter
}

// APIList is a page of the catalog and what is to be said of the whole of it.
type APIList struct {
	Page[API]
	Total      int     `json:"total" doc:"APIs on all pages; 1000 at most where words were searched for"`
	More       bool    `json:"more" doc:"Whether there are more than total; counts are of those alone then"`
	Facets     []Facet `json:"facets" doc:"Values by which the list can be narrowed, with how many APIs each would leave"`
	DidYouMean string  `json:"did_you_mean,omitempty" doc:"Nothing has what was asked for: this was searched for instead"`
	Incomplete bool    `json:"incomplete,omitempty" doc:"The search index is not there yet: titles, names and tags alone were looked at"`
}

// Facet is a property and its values.
type Facet struct {
	Name   string       `json:"name" enum:"environment,lifecycle,tag,kind,region,division,audience,gateway"`
	Values []FacetValue `json:"values"`
	More   int          `json:"more,omitempty" doc:"Values that are left out, the rarest ones"`
}

// FacetValue is a value and how many APIs have it.
type FacetValue struct {
	Value    string `json:"value"`
	Count    int    `json:"count"`
	Selected bool   `json:"selected,omitempty"`
}

// Suggestion is what somebody may mean who has typed so far.
type Suggestion struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Search finds APIs.
type Search interface {
	// APIs lists the catalog by title, or what is found, the best first.
	APIs(ctx context.Context, q APIsQuery) (APIList, error)
	// SuggestAPIs lists at most ten APIs whose titles have words that begin with what was typed.
	SuggestAPIs(ctx context.Context, typed string) ([]Suggestion, error)
}
