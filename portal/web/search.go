package web

import (
	"slices"

	"concierge/portal/api"
)

// facets are what the address narrows the catalog by.
func (v *visit) facets() api.Filter {
	f := api.Filter{}
	for _, name := range api.Facets {
		for _, value := range v.r.URL.Query()[name] {
			if value != "" && !slices.Contains(f[name], value) {
				f[name] = append(f[name], value)
			}
		}
	}
	return f
}
