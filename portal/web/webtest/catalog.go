package webtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/api"
)

// deployment is one endpoint of the world.
type deployment struct {
	portal.Deployment
	audience    string
	environment string
	region      string
	gateway     string
	schema      string // GraphQL, in place of the world's OpenAPI document
	operations  int    // that its document has beyond those of the world's
}

var order = []string{"development", "test", "simulation", "production"}

// mayUse says to which audiences a deployment may be exposed for somebody, their own first.
var mayUse = map[string][]string{
	"internal": {"internal", "public"}, "partner": {"partner", "public"}, "public": {"public"},
}

// visible are the deployments that a person may see.
func (w *World) visible(p *person) []deployment {
	allowed := mayUse[w.organisation(p.OrganisationID).Audience]
	var found []deployment
	for _, d := range w.deployments {
		if slices.Contains(allowed, d.audience) {
			found = append(found, d)
		}
	}
	return found
}

func entry(ds []deployment) api.API {
	first := ds[len(ds)-1]
	a := api.API{
		ID: string(first.API), Title: first.Title, Summary: first.Summary, Tags: first.Tags, Owner: first.Owner,
		Description: first.Description,
		Links:       []api.Link{{Rel: "Support", Href: "https://support.meridian.example/" + string(first.API)}},
	}
	for _, d := range ds {
		i := slices.IndexFunc(a.Versions, func(v api.Version) bool { return v.Version == d.Line })
		if i < 0 {
			a.Versions = append(a.Versions, api.Version{Version: d.Line, Lifecycle: string(d.Lifecycle)})
			i = len(a.Versions) - 1
		}
		if d.Lifecycle != portal.Retired && !slices.Contains(a.Versions[i].Environments, d.environment) {
			a.Versions[i].Environments = append(a.Versions[i].Environments, d.environment)
		}
	}
	slices.SortFunc(a.Versions, func(x, y api.Version) int { return strings.Compare(y.Version, x.Version) })
	for i := range a.Versions {
		slices.SortFunc(a.Versions[i].Environments, func(x, y string) int { return slices.Index(order, x) - slices.Index(order, y) })
	}
	return a
}

func (w *World) entries(p *person) []api.API {
	grouped := map[portal.APIID][]deployment{}
	var ids []portal.APIID
	for _, d := range w.visible(p) {
		if grouped[d.API] == nil {
			ids = append(ids, d.API)
		}
		grouped[d.API] = append(grouped[d.API], d)
	}
	found := make([]api.API, 0, len(ids))
	for _, id := range ids {
		found = append(found, entry(grouped[id]))
	}
	slices.SortFunc(found, func(a, b api.API) int { return strings.Compare(a.Title, b.Title) })
	return found
}

func (d *desk) Me(context.Context) (api.Me, error) {
	w, p, leave := d.enter()
	defer leave()
	return api.Me{
		ID: p.ID, Name: p.Name, Email: p.Email, Organisation: p.Organisation, OrganisationID: p.OrganisationID,
		Audience: w.organisation(p.OrganisationID).Audience, Roles: p.Roles,
	}, nil
}

func (d *desk) Environments(context.Context) ([]string, error) {
	w, p, leave := d.enter()
	defer leave()
	var found []string
	for _, e := range order {
		if slices.ContainsFunc(w.visible(p), func(d deployment) bool { return d.environment == e }) {
			found = append(found, e)
		}
	}
	return found, nil
}

func (d *desk) API(_ context.Context, id string) (api.API, error) {
	w, p, leave := d.enter()
	defer leave()
	for _, a := range w.entries(p) {
		if a.ID == id {
			w.curate(p, &a)
			a.Governed = governs(p)
			return a, nil
		}
	}
	return api.API{}, missing("api", id)
}

func (d *desk) Resolve(_ context.Context, q api.ResolveQuery) (api.Decision, error) {
	w, p, leave := d.enter()
	defer leave()
	found, why, err := w.resolve(p, q)
	if err != nil {
		return api.Decision{}, err
	}
	decision := api.Decision{
		API: string(found.API), Title: found.Title, Version: found.Line, Environment: found.environment, BaseURL: found.BaseURL,
		Gateway: found.gateway, Region: found.region, Authentication: found.Authentication, Plans: found.Plans,
		Lifecycle: string(found.Lifecycle), Kind: found.Kind, KeysRefused: found.IssueRefused, Why: why, Expires: w.now().Add(time.Minute),
	}
	decision.EndOfLife = w.ending(&found)
	return decision, nil
}

// Stand says where all versions of an API stand.
func (w *World) Stand(id portal.APIID, l portal.Lifecycle) *World {
	for i := range w.deployments {
		if w.deployments[i].API == id {
			w.deployments[i].Lifecycle = l
		}
	}
	return w
}

func (w *World) resolve(p *person, q api.ResolveQuery) (deployment, []api.Reason, error) {
	audience := w.organisation(p.OrganisationID).Audience
	var candidates []deployment
	seen := false
	var elsewhere []portal.Environment
	for _, d := range w.visible(p) {
		if string(d.API) != q.API {
			continue
		}
		seen = true
		if d.Lifecycle == portal.Retired {
			continue
		}
		if d.environment != q.Environment {
			if !slices.Contains(elsewhere, portal.Environment(d.environment)) {
				elsewhere = append(elsewhere, portal.Environment(d.environment))
			}
			continue
		}
		if q.Version == "" && d.Lifecycle == portal.Active || q.Version == d.Line {
			candidates = append(candidates, d)
		}
	}
	if !seen {
		return deployment{}, nil, missing("api", q.API)
	}
	if len(candidates) == 0 {
		return deployment{}, nil, &portal.NoEndpointError{API: q.API, Environments: elsewhere}
	}
	slices.SortStableFunc(candidates, func(a, b deployment) int {
		if c := strings.Compare(b.Line, a.Line); c != 0 {
			return c
		}
		return slices.Index(mayUse[audience], a.audience) - slices.Index(mayUse[audience], b.audience)
	})
	best := candidates[0]
	args := map[string]string{
		"api": best.Title, "environment": best.environment, "audience": best.audience, "version": best.Line, "region": best.region, "gateway": best.gateway,
	}
	code := map[bool]string{true: "audience_own", false: "audience_also"}[best.audience == audience]
	version := map[bool]string{true: "version_asked", false: "version_newest"}[q.Version != ""]
	steps := []string{"visible", "environment", code, version, "newcomer"}
	if best.region != "" {
		steps = append(steps, "region_same")
	}
	steps = append(steps, "generation_current", "only_one")
	var why []api.Reason
	for _, s := range steps {
		why = append(why, api.Reason{Step: s, Code: s, Text: s, Args: args})
	}
	return best, why, nil
}

func (d *desk) Spec(_ context.Context, q api.SpecQuery) (api.Document, error) {
	w, p, leave := d.enter()
	defer leave()
	found, _, err := w.resolve(p, api.ResolveQuery{API: q.API, Version: q.Version, Environment: q.Environment})
	if err != nil {
		return api.Document{}, err
	}
	if found.schema != "" {
		return api.Document{Content: []byte(found.schema), ContentType: "application/graphql", ETag: `"g"`}, nil
	}
	if q.Format == "yaml" {
		return api.Document{
			Content:     fmt.Appendf(nil, "openapi: 3.1.0\ninfo:\n  title: %q\n  version: %q\n", found.Title, found.Line),
			ContentType: "application/yaml", ETag: `"y"`,
		}, nil
	}
	return api.Document{
		Content: described(found), ContentType: "application/json", ETag: `"j"`,
	}, nil
}
