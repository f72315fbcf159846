package v1

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"concierge/portal/api"
	"concierge/portal/web"
)

// raw registers what is answered with validators or in other media types. The operations are in the document like the
// others.
func (s *server) raw(r *web.Router) {
	s.handle(r, prefix+"/resolve", s.resolve, huma.Operation{
		OperationID: "resolve", Summary: "My endpoint, and why",
		Parameters: query("api", "version", "environment", "region", "application"),
		Responses:  s.responses("application/json", s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Decision](), true, "Decision")),
	})
	s.handle(r, prefix+"/apis/{id}/spec", s.guard(s.spec), huma.Operation{
		OperationID: "spec", Summary: "The document of my endpoint, with that endpoint in it; YAML for Accept: application/yaml",
		Parameters: append(query("version", "environment", "application"), &huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}),
		Responses:  s.responses("application/json", &huma.Schema{Type: huma.TypeObject, Description: "An OpenAPI document"}),
	})
	s.originals(r)
	s.handle(r, "/.well-known/api-catalog", s.guard(s.linkset), huma.Operation{
		OperationID: "api-catalog", Summary: "A link set of the APIs that are for me (RFC 9727)",
		Responses: s.responses(linksetType, &huma.Schema{Type: huma.TypeObject, Description: "A link set (RFC 9264)"}),
	})
}

func (s *server) handle(r *web.Router, path string, h http.HandlerFunc, op huma.Operation) {
	op.Method, op.Path = http.MethodGet, path
	s.api.OpenAPI().AddOperation(&op)
	route := classify(http.MethodGet, path)
	route.Method, route.Pattern = http.MethodGet, path
	r.Handle(route, h)
}

func query(names ...string) []*huma.Param {
	params := make([]*huma.Param, len(names))
	for i, n := range names {
		params[i] = &huma.Param{Name: n, In: "query", Required: n == "api" || n == "environment", Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return params
}

func (s *server) responses(mediaType string, schema *huma.Schema) map[string]*huma.Response {
	problem := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[api.Problem](), true, "Problem")
	return map[string]*huma.Response{
		"200":     {Description: "OK", Content: map[string]*huma.MediaType{mediaType: {Schema: schema}}},
		"304":     {Description: "Unchanged since the ETag that was sent"},
		"default": {Description: "A problem", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
	}
}

// resolve answers from what is kept where it can: it is the call that every start of every client makes.
func (s *server) resolve(w http.ResponseWriter, r *http.Request) {
	var state any
	if s.State != nil {
		state = s.State() // first: whatever is found out below is at least as new
	}
	caller, ok := s.admit(w, r)
	if !ok {
		return
	}
	key := answerKey{caller.Person, caller.Organisation, r.URL.RawQuery}
	if a, ok := s.answers.get(state, key, s.Now()); ok {
		a.write(w, r)
		return
	}
	r = s.as(caller, w, r)
	q := r.URL.Query()
	d, err := callOf(r.Context()).desk.Resolve(r.Context(), api.ResolveQuery{
		API: q.Get("api"), Version: q.Get("version"), Environment: q.Get("environment"), Region: q.Get("region"), Application: q.Get("application"),
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	body, err := json.Marshal(d)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a := newAnswer(body, "application/json", hashed(body))
	a.more = s.endingHeaders(d.API, d.Version, d.EndOfLife)
	if !q.Has("application") { // whether it is the caller's is looked up each time
		s.answers.put(state, key, a, d.Expires)
	}
	a.write(w, r)
}

func (s *server) spec(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	format := "json"
	if a := r.Header.Get("Accept"); strings.Contains(a, "yaml") && !strings.Contains(a, "json") {
		format = "yaml"
	}
	d, err := callOf(r.Context()).desk.Spec(r.Context(), api.SpecQuery{
		API: r.PathValue("id"), Version: q.Get("version"), Environment: q.Get("environment"), Format: format,
		Application: q.Get("application"),
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a := newAnswer(d.Content, d.ContentType, d.ETag)
	a.more = s.endingHeaders(d.API, d.Version, d.EndOfLife)
	a.write(w, r)
}

const linksetType = `application/linkset+json`

type linkset struct {
	Linkset []link `json:"linkset"`
}

// link is a context of a link set: what it is about and where its parts are.
type link struct {
	Anchor      string   `json:"anchor"`
	Item        []target `json:"item,omitempty"`
	ServiceDesc []target `json:"service-desc,omitempty"`
	ServiceDoc  []target `json:"service-doc,omitempty"`
}

type target struct {
	Href  string `json:"href"`
	Type  string `json:"type,omitempty"`
	Title string `json:"title,omitempty"`
}

// linkset lists every API that the caller may see, and for each environment the document of the caller's endpoint.
func (s *server) linkset(w http.ResponseWriter, r *http.Request) {
	all := link{Anchor: s.PublicURL + "/.well-known/api-catalog"}
	set := linkset{}
	q := api.APIsQuery{Paging: api.Paging{Limit: 200}}
	for {
		page, err := callOf(r.Context()).desk.APIs(r.Context(), q)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		for _, a := range page.Items {
			about := s.PublicURL + prefix + "/apis/" + url.PathEscape(a.ID)
			all.Item = append(all.Item, target{Href: about, Title: a.Title})
			l := link{Anchor: about, ServiceDoc: []target{{Href: s.PublicURL + "/apis/" + url.PathEscape(a.ID), Type: "text/html", Title: a.Title}}}
			for _, v := range a.Versions {
				for _, e := range v.Environments {
					at := url.Values{"version": {v.Version}, "environment": {e}}
					l.ServiceDesc = append(l.ServiceDesc, target{Href: about + "/spec?" + at.Encode(), Type: "application/json", Title: a.Title + " " + v.Version + ", " + e})
				}
			}
			set.Linkset = append(set.Linkset, l)
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
	}
	set.Linkset = append([]link{all}, set.Linkset...)
	body, err := json.Marshal(set)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	newAnswer(body, linksetType, hashed(body)).write(w, r)
}
