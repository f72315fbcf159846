package v1

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal/api"
)

// endingHeaders say that what an answer is about is on its way out: Deprecation (RFC 9745), Sunset (RFC 8594), and links
// to what is to be known about it and what takes its place.
func (s *server) endingHeaders(id, version string, e api.EndOfLife) http.Header {
	h := http.Header{}
	if e.Sunset != nil {
		h.Set("Sunset", e.Sunset.UTC().Format(http.TimeFormat))
	}
	if e.Deprecation != nil {
		h.Set("Deprecation", fmt.Sprintf("@%d", e.Deprecation.Unix()))
	}
	if len(h) == 0 && e.Successor == nil {
		return nil
	}
	page := s.PublicURL + "/apis/" + url.PathEscape(id)
	if version != "" {
		page += "?" + url.Values{"version": {version}}.Encode()
	}
	links := []string{}
	if e.Deprecation != nil {
		links = append(links, fmt.Sprintf(`<%s>; rel="deprecation"; type="text/html"`, page))
	}
	if e.Sunset != nil {
		links = append(links, fmt.Sprintf(`<%s>; rel="sunset"; type="text/html"`, page))
	}
	if to := e.Successor; to != nil {
		about := s.PublicURL + prefix + "/apis/" + url.PathEscape(to.API)
		if to.Version != "" {
			about += "/spec?" + url.Values{"version": {to.Version}}.Encode()
		}
		links = append(links, fmt.Sprintf(`<%s>; rel="successor-version"`, about))
	}
	h.Set("Link", strings.Join(links, ", "))
	return h
}

// wholeEnding is that of an API as a whole: nothing, unless all its versions are on their way out; then the last word
// counts, and the newest version's successor.
func wholeEnding(a api.API) (e api.EndOfLife) {
	for _, v := range a.Versions {
		if v.Lifecycle != "deprecated" && v.Lifecycle != "retired" || v.Deprecation == nil {
			return api.EndOfLife{}
		}
		if e.Deprecation == nil || v.Deprecation.After(*e.Deprecation) {
			e.Deprecation = v.Deprecation
		}
	}
	for _, v := range a.Versions {
		if v.Sunset == nil {
			e.Sunset = nil
			break
		}
		if e.Sunset == nil || v.Sunset.After(*e.Sunset) {
			e.Sunset = v.Sunset
		}
	}
	if len(a.Versions) > 0 {
		e.Successor = a.Versions[0].Successor
	}
	return e
}

type apiOut struct {
	Deprecation string `header:"Deprecation"`
	Sunset      string `header:"Sunset"`
	Link        string `header:"Link"`
	Body        api.API
}

type (
	// VersionThing is a version of an API.
	VersionThing struct {
		Thing
		Version string `path:"version" doc:"A line, or - where the API states no version"`
	}
	lifecycleIn struct {
		VersionThing
		Body api.NewLifecycle
	}
)

func (s *server) lifecycles() {
	huma.Register(s.api, huma.Operation{OperationID: "api", Method: http.MethodGet, Path: prefix + "/apis/{id}", Summary: "One API"},
		func(ctx context.Context, in *Thing) (*apiOut, error) {
			a, err := callOf(ctx).desk.API(ctx, in.ID)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			h := s.endingHeaders(a.ID, "", wholeEnding(a))
			return &apiOut{Deprecation: h.Get("Deprecation"), Sunset: h.Get("Sunset"), Link: h.Get("Link"), Body: a}, nil
		})
	read(s, "/leaving", "leaving", "What my applications hold keys for that is deprecated or retired, the first sunset first",
		func(ctx context.Context, d api.Desk, _ *struct{}) (api.Page[api.Leaving], error) {
			items, err := d.Leaving(ctx)
			return api.Page[api.Leaving]{Items: items}, err
		})
	read(s, "/apis/{id}/versions/{version}/lifecycle", "version-lifecycle", "Where a version stands, who says so and who uses it; for those who own the API",
		func(ctx context.Context, d api.Desk, in *VersionThing) (api.VersionLifecycle, error) {
			return d.VersionLifecycle(ctx, in.ID, in.Version)
		})
	change(s, http.MethodPut, "/apis/{id}/versions/{version}/lifecycle", "set-version-lifecycle", "Decide where a version, or one deployment of it, stands; for those who own the API",
		func(ctx context.Context, d api.Desk, in *lifecycleIn) (api.VersionLifecycle, error) {
			return d.SetVersionLifecycle(ctx, in.ID, in.Version, in.Body)
		})
}
