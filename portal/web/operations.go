package web

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/document"
	"concierge/portal/web/ui"
)

// mostOperations is how many operations a page lists; the document has them all.
const mostOperations = 200

// operations lists what an API can do, whatever its document is written in.
func (s *site) operations(v *visit) error {
	id := v.r.PathValue("api")
	a, err := v.desk.API(v.ctx(), id)
	if err != nil {
		return err
	}
	var o ui.Operations
	d, err := v.desk.Spec(v.ctx(), api.SpecQuery{
		API: id, Version: v.query("version"), Environment: v.query("environment"), Format: "json", Application: v.query("application"),
	})
	switch {
	case errors.Is(err, portal.ErrUnsupported):
		o.Withheld = true
	case err != nil:
		return err
	default:
		o.Items, _ = operationsIn(d.Content)
	}
	if n := len(o.Items); n > mostOperations {
		o.Items, o.More = o.Items[:mostOperations], n-mostOperations
	}
	p := v.in(ui.APIsPath, v.text.T("api.operations"), v.crumb("nav.apis", ui.APIsPath),
		ui.Link{Text: titled(a.Title, a.ID), Href: ui.With(ui.Below(ui.APIsPath, id), "environment", v.query("environment"), "version", v.query("version"))})
	return v.render(ui.OperationsPage(p, o))
}

// methods of OpenAPI, in the order in which people read them.
var methods = []string{"get", "query", "post", "put", "patch", "delete", "head", "options", "trace"}

// operationsIn reads the operations of a document of any kind: those of OpenAPI sorted by path and method, of the others in
// the document's order. A document that cannot be read has none.
func operationsIn(content []byte) ([]ui.Operation, document.Kind) {
	d, err := document.Describe(content, document.Limits{})
	if err != nil {
		return nil, ""
	}
	found := each(d.Operations, func(o document.Operation) ui.Operation {
		shown := ui.Operation{Method: o.Method, Path: o.Path, Summary: o.Summary, Deprecated: o.Deprecated}
		if shown.Summary == "" && d.Kind != document.GRPC && !strings.HasSuffix(o.Path, o.ID) { // else it says the path again
			shown.Summary = o.ID
		}
		return shown
	})
	if d.Kind == document.OpenAPI {
		slices.SortStableFunc(found, func(a, b ui.Operation) int {
			if c := strings.Compare(a.Path, b.Path); c != 0 {
				return c
			}
			return slices.Index(methods, strings.ToLower(a.Method)) - slices.Index(methods, strings.ToLower(b.Method))
		})
	}
	return found, d.Kind
}

// documentKind names what a document is written in; what is made from routes is OpenAPI.
func documentKind(kind string) string {
	if kind == "" || kind == string(document.OpenAPI) {
		return "OpenAPI"
	}
	return kinds[kind]
}

// writtenAsYAML reports whether a document of the kind can be had as JSON and as YAML; what has none is written in OpenAPI.
func writtenAsYAML(kind string) bool {
	return kind == "" || kind == string(document.OpenAPI) || kind == string(document.AsyncAPI)
}

// plainReference fills the reference of a document that is not OpenAPI: its operations by name. What they take and give back
// is in the document alone.
func (v *visit) plainReference(page *ui.Reference, content []byte) {
	all, kind := operationsIn(content)
	if kind == "" {
		page.Unread = true
		return
	}
	page.Kind, page.Total = kinds[string(kind)], len(all)
	all = slices.DeleteFunc(all, func(o ui.Operation) bool { return !mentions(page.Query, o.Method, o.Path, o.Summary) })
	page.Found = len(all)
	from, to := v.turn(page, mostOperations)
	page.Operations = all[from:to]
}

// turn fills where a page of a reference stands among those of its length, and returns which of what was found it shows.
func (v *visit) turn(page *ui.Reference, length int) (from, to int) {
	at, _ := strconv.Atoi(v.query("page"))
	at = max(min(at, (page.Found+length-1)/length), 1)
	turned := func(to int) string {
		return ui.With(page.Path, "environment", page.Environment, "version", page.Version, "application", page.Application, "q", page.Query, "page", strconv.Itoa(to))
	}
	if at > 1 {
		page.Previous = turned(at - 1)
	}
	if at*length < page.Found {
		page.Next = turned(at + 1)
	}
	return (at - 1) * length, min(at*length, page.Found)
}

// mentions reports whether every word of a filter occurs in what names something.
func mentions(q string, names ...string) bool {
	named := strings.ToLower(strings.Join(names, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(q)) {
		if !strings.Contains(named, word) {
			return false
		}
	}
	return true
}
