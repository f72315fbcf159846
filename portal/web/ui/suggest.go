package ui

import (
	"context"

	"github.com/a-h/templ"
)

// SuggestPath answers what is typed into a search field. No API has this name: see portal.Reserved.
const SuggestPath = APIsPath + "/suggest"

// suggests makes a search field suggest APIs while somebody types, where there is a script.
func suggests(ctx context.Context) templ.Attributes {
	return templ.Attributes{"data-suggest": SuggestPath, "data-suggest-label": T(ctx, "suggest.label")}
}

// suggestionsSaid is what a screen reader says when the list has come.
func suggestionsSaid(ctx context.Context, n int) string {
	if n == 0 {
		return T(ctx, "suggest.none")
	}
	return N(ctx, "suggest.count", n)
}
