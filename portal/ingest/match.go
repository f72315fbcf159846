package ingest

import (
	"path"
	"slices"
	"strings"

	"concierge/connectors"
	"concierge/portal/catalog"
)

// holding says whether a rule's match holds for a deployment.
type holding int

const (
	never  holding = iota
	partly         // for some of its hosts or paths only
	always
)

func holds(m catalog.Match, d connectors.Deployment) holding {
	if m.Stage != "" && !same(m.Stage, d.Stage) || m.Name != "" && !same(m.Name, d.Title) {
		return never
	}
	if m.Tag != "" && !slices.ContainsFunc(d.Tags, func(tag string) bool { return same(m.Tag, tag) }) {
		return never
	}
	return min(share(m.Host, d.Hosts, same), share(m.Path, d.Paths, below))
}

// share says for how many of the values a pattern holds.
func share(pattern string, values []string, holds func(pattern, value string) bool) holding {
	if pattern == "" {
		return always
	}
	n := 0
	for _, v := range values {
		if holds(pattern, v) {
			n++
		}
	}
	switch n {
	case 0:
		return never
	case len(values):
		return always
	}
	return partly
}

func same(pattern, value string) bool {
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(value))
	return err == nil && ok
}

// below reports whether the first segments of a path match those of the pattern.
func below(pattern, value string) bool {
	want, have := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(strings.Trim(value, "/"), "/")
	if want[0] == "" { // the pattern "/": every path
		return true
	}
	if len(have) < len(want) {
		return false
	}
	for i := range want {
		if ok, err := path.Match(want[i], have[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
