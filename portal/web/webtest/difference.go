package webtest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/difference"
)

// document describes every API of the world. In test it has what production will have later.
const document = `{
  "openapi": "3.1.0",
  "info": {"title": %q, "version": %q, "description": "Everything about items."},
  "servers": [{"url": %q}],
  "tags": [{"name": "Items", "description": "What is sold. See the [guide](https://support.meridian.example/guide)."}, {"name": "Operations"}],
  "paths": {
    "/status": {"get": {"tags": ["Operations"], "summary": "Whether the service is well", "responses": {"200": {"description": "It is well"}}}},
    "/items": {
      "get": {"tags": ["Items"], "summary": "List items", "description": "Newest first.", "parameters": [
        {"name": "limit", "in": "query", "description": "How many items; at most **200**", "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}},
        {"name": "state", "in": "query", "schema": {"$ref": "#/components/schemas/State"}}],
        "responses": {"200": {"description": "A page of items", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}}, "401": {"$ref": "#/components/responses/Denied"}}},
      "post": {"tags": ["Items"], "summary": "Create an item", "requestBody": {"required": true, "description": "What to create", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewItem"}}}},
        "responses": {"201": {"description": "Created", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}}
    },
    "/items/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
      "get": {"tags": ["Items"], "summary": "One item", "responses": {"200": {"description": "The item", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}}},
      "put": {"tags": ["Items"], "summary": "Replace an item", "responses": {"200": {"description": "Replaced"}}},
      "delete": {"summary": "Delete an item", "deprecated": true, "responses": {"204": {"description": "Deleted"}}}
    }
  },
  "components": {
    "responses": {"Denied": {"description": "No key, or the wrong one"}},
    "schemas": {
      "State": {"type": "string", "enum": ["open", "closed"]},
      "NewItem": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "maxLength": 80, "description": "What people call it"}, "price": {"type": ["integer", "null"], "description": "In the smallest unit"}}},
      "Item": {"allOf": [{"$ref": "#/components/schemas/NewItem"}, {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "state": {"$ref": "#/components/schemas/State"}, "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}]}
    }
  }
}
`

// described is the document of a deployment.
func described(d deployment) []byte {
	if d.schema != "" {
		return []byte(d.schema)
	}
	text := fmt.Sprintf(document, d.Title, d.Line, d.BaseURL)
	var more strings.Builder
	for i := range d.operations {
		fmt.Fprintf(&more, `"/%s/%s/%d": {"get": {"summary": "One of many", "responses": {"200": {"description": "It is well"}}}}, `, d.environment, strings.Repeat("segment", i%12), i)
	}
	text = strings.Replace(text, `"paths": {`, `"paths": {`+more.String(), 1)
	if d.environment == "test" {
		text = strings.NewReplacer(
			`"summary": "List items"`, `"summary": "List the items"`,
			`"required": ["name"]`, `"required": ["name", "price"]`,
			`"delete": {"summary"`, `"x-delete": {"summary"`,
			`"/status": {`, `"/health": {"get": {"summary": "The same, by its new name", "responses": {"200": {"description": "It is well"}}}}, "/status": {`,
		).Replace(text)
	}
	return []byte(text)
}

// governs reports whether a person decides about the world's APIs: they are all Europe's.
func governs(p *person) bool { return decides(p) }

func (d *desk) Difference(_ context.Context, q api.DifferenceQuery) (api.Difference, error) {
	w, p, leave := d.enter()
	defer leave()
	shown := api.Difference{API: q.API, Subscriptions: []api.Touched{}}
	var documents []difference.Document
	for i, side := range []api.SideQuery{q.From, q.To} {
		found, _, err := w.resolve(p, api.ResolveQuery{API: q.API, Version: side.Version, Environment: side.Environment})
		if err != nil {
			return api.Difference{}, missing("api", q.API)
		}
		shown.Title = found.Title
		*[]*api.DifferenceSide{&shown.From, &shown.To}[i] = api.DifferenceSide{Version: found.Line, Environment: found.environment, Gateway: found.gateway}
		documents = append(documents, difference.Document{Content: described(found)})
		for _, s := range w.subscriptions {
			if s.API == q.API && s.Version == found.Line && s.Environment == found.environment && (w.isMine(p, s.Application) || governs(p)) {
				shown.Subscriptions = append(shown.Subscriptions, api.Touched{
					Side: []string{"from", "to"}[i], ID: s.ID, Application: s.Application, ApplicationName: s.ApplicationName, Organisation: s.Organisation, State: s.State,
				})
			}
		}
	}
	r := difference.Compare(documents[0], documents[1], difference.Limits{})
	shown.Same, shown.Basis, shown.Reason, shown.More = r.Same, string(r.Basis), string(r.Reason), r.More
	shown.Breaking, shown.Compatible, shown.Documentation = r.Counts[difference.Breaking], r.Counts[difference.Compatible], r.Counts[difference.Documentation]
	for _, c := range r.Changes {
		change := api.Change{Level: string(c.Level), Possible: c.Possible, Method: c.Method, Path: c.Path, Schema: c.Schema, UsesMore: c.UsesMore, Code: c.Code, Text: c.Text}
		for _, op := range c.Uses {
			change.Uses = append(change.Uses, api.OperationRef(op))
		}
		shown.Changes = append(shown.Changes, change)
	}
	return shown, nil
}

func (d *desk) Consumers(_ context.Context, q api.ConsumersQuery) (api.Page[api.Consumed], error) {
	w, p, leave := d.enter()
	defer leave()
	owns := w.owned(p, q.API) == nil
	if !owns && (!governs(p) || !slices.ContainsFunc(w.visible(p), func(d deployment) bool { return d.API == portal.APIID(q.API) })) {
		return api.Page[api.Consumed]{}, missing("api", q.API)
	}
	var found []api.Consumed
	for _, s := range w.subscriptions {
		state := q.State == "" || s.State == q.State || q.State == api.StateOpen && s.State != "rejected" && s.State != "cancelled"
		if s.API != q.API || q.Environment != "" && s.Environment != q.Environment || q.Version != "" && s.Version != q.Version || !state {
			continue
		}
		c := api.Consumed{Subscription: s, Governed: governs(p)}
		if s.RequestedBy != "" {
			c.Contact = &api.ConsumerContact{Name: s.RequestedBy, Email: strings.ToLower(strings.Fields(s.RequestedBy)[0]) + "@northwind.example"}
		}
		for _, k := range w.credentials {
			if slices.Contains(k.Subscriptions, s.ID) && k.State != "revoked" && k.State != "failed" {
				if c.LastAct == nil {
					c.LastAct = &k.Created
				}
				if k.State == "active" || k.State == "retiring" {
					c.Working++
				}
				c.Keys = append(c.Keys, k)
			}
		}
		if !c.Governed {
			c.Keys = nil
		}
		found = append(found, c)
	}
	return page(found, q.Paging)
}
