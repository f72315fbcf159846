package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

// How much of a document a page shows. The document has it all.
const (
	referencePage  = 25   // operations
	maxSchemaDepth = 4    // properties within properties
	maxPageFields  = 2000 // parameters and properties, over the whole page
	maxShownFacts  = 8    // values of an enum among them
)

// reference shows what an API's document says about its operations, some at a time.
func (s *site) reference(v *visit) error {
	a, err := v.desk.API(v.ctx(), v.r.PathValue("api"))
	if err != nil {
		return err
	}
	environment, version, q, application := v.query("environment"), v.query("version"), v.query("q"), v.query("application")
	spec := func() (api.Document, error) {
		return v.desk.Spec(v.ctx(), api.SpecQuery{API: a.ID, Version: version, Environment: environment, Format: "json", Application: application})
	}
	d, err := spec()
	var none *portal.NoEndpointError
	if errors.As(err, &none) && version == "" {
		if environments := environmentsOf(a, ""); environment == "" && len(environments) > 0 {
			environment = environments[len(environments)-1]
		}
		if version = onlyByName(a, environment); version != "" {
			d, err = spec()
		}
	}
	nowhere, withheld := errors.As(err, &none), errors.Is(err, portal.ErrUnsupported)
	if err != nil && !nowhere && !withheld {
		return err
	}
	path := ui.Below(ui.APIsPath, a.ID, string(tabReference))
	page := ui.Reference{
		APIHead: v.apiHead(a, tabReference, environment, version), Path: path, Environment: environment, Version: version, Query: q, Application: application,
		JSON:  ui.With(ui.Below(ui.APIsPath, a.ID, "document"), "environment", environment, "version", version, "application", application, "format", "json"),
		Clear: ui.With(path, "environment", environment, "version", version, "application", application),
	}
	for _, at := range sidesOf(a) {
		page.Environments = append(page.Environments, ui.Link{
			Text: v.sideName(at), Href: ui.With(path, "environment", at.environment, "version", at.version, "q", q),
			Current: at.environment == environment && (version == "" || at.version == version),
		})
	}
	if nowhere || withheld {
		page.Nowhere, page.Withheld, page.JSON = nowhere, withheld, ""
		status := http.StatusOK
		if nowhere {
			status = http.StatusNotFound
		}
		return v.renderAs(status, ui.ReferencePage(v.inAPI(a.ID, a.Title, "tabs.reference"), page))
	}
	doc, err := readSpecification(d.Content)
	if err != nil {
		v.plainReference(&page, d.Content)
		return v.render(ui.ReferencePage(v.inAPI(a.ID, a.Title, "tabs.reference"), page))
	}
	all := doc.operations()
	page.Total = len(all)
	all = slices.DeleteFunc(all, func(o specOperation) bool { return !o.matches(q) })
	page.Found = len(all)
	if from, to := v.turn(&page, referencePage); to > from {
		page.Groups = v.referenceGroups(doc, all[from:to])
	}
	return v.render(ui.ReferencePage(v.inAPI(a.ID, a.Title, "tabs.reference"), page))
}

// specification is an OpenAPI document of any version, as served, read for people: what is not as it should be is left out.
type specification map[string]any

func readSpecification(content []byte) (specification, error) {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if doc["openapi"] == nil && doc["swagger"] == nil {
		return nil, fmt.Errorf("it is not OpenAPI")
	}
	return doc, nil
}

// resolve follows references inside the document, at most a few in a row. The name is that of the last one.
func (s specification) resolve(v any) (fields map[string]any, name string) {
	fields = object(v)
	for range 8 {
		pointer, local := strings.CutPrefix(text(fields, "$ref"), "#/")
		if !local {
			return fields, name
		}
		at := any(map[string]any(s))
		for part := range strings.SplitSeq(pointer, "/") {
			name = pointerPart.Replace(part)
			at = object(at)[name]
		}
		fields = object(at)
	}
	return nil, name
}

var pointerPart = strings.NewReplacer("~1", "/", "~0", "~")

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func items(v any) []any {
	l, _ := v.([]any)
	return l
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func isTrue(m map[string]any, key string) bool {
	b, _ := m[key].(bool)
	return b
}

// scalar is a value as people read it, empty for what is no scalar.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number, bool:
		return fmt.Sprint(v)
	}
	return ""
}

// specOperation is one operation with the path that it stands below.
type specOperation struct {
	method, path, tag string
	item, fields      map[string]any
}

// operations lists them by tag in the document's order, then by path and method.
func (s specification) operations() []specOperation {
	var all []specOperation
	paths := object(s["paths"])
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := s.resolve(paths[path])
		for _, method := range methods {
			fields := object(item[method])
			if fields == nil {
				continue
			}
			op := specOperation{method: strings.ToUpper(method), path: path, item: item, fields: fields}
			if tags := items(fields["tags"]); len(tags) > 0 {
				op.tag = scalar(tags[0])
			}
			all = append(all, op)
		}
	}
	order := map[string]int{}
	for i, tag := range items(s["tags"]) {
		order[text(object(tag), "name")] = i - len(items(s["tags"]))
	}
	slices.SortStableFunc(all, func(a, b specOperation) int {
		if a.tag == b.tag {
			return 0
		}
		if d := order[a.tag] - order[b.tag]; d != 0 {
			return d
		}
		if a.tag == "" || b.tag == "" { // those without come last
			return strings.Compare(b.tag, a.tag)
		}
		return strings.Compare(a.tag, b.tag)
	})
	return all
}

// matches reports whether every word of a filter occurs in what names the operation.
func (o specOperation) matches(q string) bool {
	return mentions(q, o.method, o.path, o.tag, text(o.fields, "summary"), text(o.fields, "operationId"))
}

// referenceReader makes what a page shows of a document, and stops where that is enough.
type referenceReader struct {
	specification
	markdown func(string) string
	left     int // fields that may still be shown
}

func (v *visit) referenceGroups(doc specification, shown []specOperation) []ui.ReferenceGroup {
	r := &referenceReader{doc, v.site.Markdown, maxPageFields}
	told := map[string]string{}
	for _, tag := range items(doc["tags"]) {
		told[text(object(tag), "name")] = text(object(tag), "description")
	}
	var groups []ui.ReferenceGroup
	for i, op := range shown {
		if len(groups) == 0 || groups[len(groups)-1].Name != op.tag {
			groups = append(groups, ui.ReferenceGroup{ID: "tag-" + strconv.Itoa(len(groups)), Name: op.tag, Markdown: r.said(told[op.tag])})
		}
		g := &groups[len(groups)-1]
		o := r.operation(op)
		o.ID, o.Open = "operation-"+strconv.Itoa(i), len(shown) == 1
		g.Items = append(g.Items, o)
	}
	return groups
}

// said renders a text of the document, which is not trusted.
func (r *referenceReader) said(markdown string) string {
	if markdown == "" {
		return ""
	}
	return r.markdown(markdown)
}

func (r *referenceReader) operation(op specOperation) ui.ReferenceOperation {
	shown := ui.ReferenceOperation{
		Method: op.method, Path: op.path, Summary: text(op.fields, "summary"), Deprecated: isTrue(op.fields, "deprecated"), Markdown: r.said(text(op.fields, "description")),
	}
	for _, p := range slices.Concat(items(op.item["parameters"]), items(op.fields["parameters"])) {
		fields, _ := r.resolve(p)
		in := text(fields, "in")
		switch {
		case fields == nil:
		case in == "body": // of 2.0
			shown.Body = &ui.ReferenceBody{Required: isTrue(fields, "required"), Markdown: r.said(text(fields, "description")), Content: []ui.ReferenceContent{{Type: "application/json", Fields: r.inside(fields["schema"])}}}
		default:
			schema := fields["schema"]
			if schema == nil { // 2.0, where a parameter is its own schema
				own := maps.Clone(fields)
				for _, of := range []string{"description", "required"} {
					delete(own, of)
				}
				schema = own
			}
			f := r.field(text(fields, "name"), schema, maxSchemaDepth-1, nil)
			f.In, f.Required = in, isTrue(fields, "required")
			if said := text(fields, "description"); said != "" {
				f.Markdown = r.said(said)
			}
			i := slices.IndexFunc(shown.Parameters, func(o ui.ReferenceField) bool { return o.Name == f.Name && o.In == f.In })
			if i >= 0 { // the operation's own outdoes its path's
				shown.Parameters[i] = f
			} else {
				shown.Parameters = append(shown.Parameters, f)
			}
		}
	}
	if body, _ := r.resolve(op.fields["requestBody"]); body != nil {
		shown.Body = &ui.ReferenceBody{Required: isTrue(body, "required"), Markdown: r.said(text(body, "description")), Content: r.content(body)}
	}
	responses := object(op.fields["responses"])
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		response, _ := r.resolve(responses[status])
		if response == nil {
			continue
		}
		b := ui.ReferenceBody{Status: status, Markdown: r.said(text(response, "description")), Content: r.content(response)}
		if schema := response["schema"]; schema != nil { // of 2.0
			b.Content = []ui.ReferenceContent{{Type: "application/json", Fields: r.inside(schema)}}
		}
		shown.Responses = append(shown.Responses, b)
	}
	return shown
}

func (r *referenceReader) content(holder map[string]any) []ui.ReferenceContent {
	var all []ui.ReferenceContent
	content := object(holder["content"])
	for _, kind := range slices.Sorted(maps.Keys(content)) {
		all = append(all, ui.ReferenceContent{Type: kind, Fields: r.inside(object(content[kind])["schema"])})
	}
	return all
}

// inside shows a whole schema: the properties of an object, or the one thing that it is.
func (r *referenceReader) inside(schema any) []ui.ReferenceField {
	if schema == nil {
		return nil
	}
	f := r.field("", schema, 0, nil)
	if len(f.Fields) > 0 && strings.HasPrefix(f.Type, "object") && len(f.Facts) == 0 && f.Markdown == "" {
		return f.Fields
	}
	return []ui.ReferenceField{f}
}

// field shows a schema. above are the names of those that it is part of: none is shown within itself.
func (r *referenceReader) field(name string, v any, depth int, above []string) ui.ReferenceField {
	r.left--
	schema, ref := r.resolve(v)
	f := ui.ReferenceField{Name: name, Type: typeOf(schema)}
	if schema == nil {
		return f
	}
	if ref != "" {
		f.Type = strings.TrimSpace(f.Type + " " + ref)
	}
	f.Facts, f.Markdown = facts(schema), r.said(text(schema, "description"))
	if !r.nested(schema) {
		return f
	}
	if depth >= maxSchemaDepth || r.left <= 0 || ref != "" && slices.Contains(above, ref) {
		f.Cut = true
		return f
	}
	if ref != "" {
		above = append(slices.Clip(above), ref)
	}
	f.Fields = r.parts(schema, depth+1, above)
	return f
}

// nested reports whether there is anything in a schema to look at.
func (r *referenceReader) nested(schema map[string]any) bool {
	for _, key := range []string{"properties", "items", "allOf", "oneOf", "anyOf"} {
		if schema[key] != nil {
			return true
		}
	}
	return object(schema["additionalProperties"]) != nil
}

func (r *referenceReader) parts(schema map[string]any, depth int, above []string) []ui.ReferenceField {
	var all []ui.ReferenceField
	for _, part := range items(schema["allOf"]) { // what all of them say is said of one thing
		if f := r.field("", part, depth-1, above); len(f.Fields) > 0 {
			all = append(all, f.Fields...)
		} else if f.Cut {
			all = append(all, f)
		}
	}
	required := items(schema["required"])
	properties := object(schema["properties"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		f := r.field(name, properties[name], depth, above)
		f.Required = slices.ContainsFunc(required, func(v any) bool { return v == name })
		all = append(all, f)
	}
	for _, choice := range []string{"oneOf", "anyOf"} {
		for i, part := range items(schema[choice]) {
			all = append(all, r.field(choice+" "+strconv.Itoa(i+1), part, depth, above))
		}
	}
	if of := schema["items"]; of != nil {
		all = append(all, r.field("[ ]", of, depth, above))
	}
	if of := object(schema["additionalProperties"]); of != nil {
		all = append(all, r.field("{ }", of, depth, above))
	}
	return all
}

// typeOf names what a schema allows.
func typeOf(schema map[string]any) string {
	var types []string
	switch t := schema["type"].(type) {
	case string:
		types = []string{t}
	case []any:
		for _, one := range t {
			types = append(types, scalar(one))
		}
	}
	if len(types) == 0 && (schema["properties"] != nil || schema["allOf"] != nil) {
		types = []string{"object"}
	}
	if isTrue(schema, "nullable") {
		types = append(types, "null")
	}
	named := strings.Join(types, " | ")
	if format := text(schema, "format"); format != "" {
		named += " (" + format + ")"
	}
	return named
}

// facts are the bounds that a schema sets, in few words that are the same in every language.
func facts(schema map[string]any) []string {
	var all []string
	for _, fact := range []struct{ key, written string }{
		{"default", "= "}, {"const", "= "}, {"minimum", "≥ "}, {"exclusiveMinimum", "> "}, {"maximum", "≤ "}, {"exclusiveMaximum", "< "},
		{"minLength", "length ≥ "}, {"maxLength", "length ≤ "}, {"minItems", "items ≥ "}, {"maxItems", "items ≤ "}, {"pattern", "~ "},
	} {
		if value := scalar(schema[fact.key]); value != "" && value != "true" && value != "false" || fact.key == "default" && value != "" {
			all = append(all, fact.written+value)
		}
	}
	values := items(schema["enum"])
	for _, value := range values[:min(len(values), maxShownFacts)] {
		all = append(all, scalar(value))
	}
	if more := len(values) - maxShownFacts; more > 0 {
		all = append(all, "… +"+strconv.Itoa(more))
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}
