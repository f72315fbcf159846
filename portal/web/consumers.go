package web

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"concierge/portal/api"
	"concierge/portal/web/ui"
)

const consumersLimit = 50

// consumerStates are what the list of who uses an API can be narrowed to.
var consumerStates = []string{api.StateOpen, "requested", "approved", "suspended", "rejected", "cancelled"}

// stillUsing is where the owners of an API see who still uses a version.
func stillUsing(id, version string) string {
	return ui.With(ui.Below(ui.APIsPath, id, string(tabConsumers)), "version", version, "state", api.StateOpen)
}

// consumersOf is what the address of the list asks for.
func (v *visit) consumersOf(id string, p api.Paging) api.ConsumersQuery {
	return api.ConsumersQuery{Paging: p, API: id, Version: v.query("version"), State: v.query("state"), Environment: v.query("environment")}
}

// consumers lists who uses an API, for those who decide about it and for its own team.
func (s *site) consumers(v *visit) error {
	id := v.r.PathValue("api")
	q := v.consumersOf(id, v.paging(consumersLimit))
	found, err := v.desk.Consumers(v.ctx(), q)
	if err != nil {
		return err
	}
	path := ui.Below(ui.APIsPath, id, string(tabConsumers))
	page := ui.Consumers{
		Filtered: q.State+q.Environment+q.Version != "", Clear: path,
		Export: ui.With(ui.Below(path, "list"), "version", q.Version, "state", q.State, "environment", q.Environment),
	}
	var place ui.Page
	var versions []string
	switch a, err := v.desk.API(v.ctx(), id); {
	case err == nil:
		page.APIHead, place = v.apiHead(a, tabConsumers, "", ""), v.inAPI(a.ID, a.Title, "tabs.consumers")
		for _, l := range a.Versions {
			versions = append(versions, cmp.Or(l.Version, api.NoVersion))
		}
	case absent(err): // its owners may not see it as consumers
		t, err := v.desk.Texts(v.ctx(), id, 0, "")
		if err != nil {
			return err
		}
		page.APIHead = ui.APIHead{Title: t.Title}
		place = v.in(ui.APIsPath, v.text.T("tabs.consumers")+" · "+t.Title, v.crumb("nav.apis", ui.APIsPath))
	default:
		return err
	}
	with := func(version, state, environment string) string {
		return ui.With(path, "version", version, "state", state, "environment", environment)
	}
	page.States = []ui.Link{{Text: v.text.T("consumers.all"), Href: with(q.Version, "", q.Environment), Current: q.State == ""}}
	for _, name := range consumerStates {
		page.States = append(page.States, ui.Link{Text: v.consumerState(name), Href: with(q.Version, name, q.Environment), Current: q.State == name})
	}
	page.Environments = []ui.Link{{Text: v.text.T("catalog.all"), Href: with(q.Version, q.State, ""), Current: q.Environment == ""}}
	names, err := v.desk.Environments(v.ctx())
	if err != nil {
		return err
	}
	for _, name := range offered(names, q.Environment) {
		page.Environments = append(page.Environments, ui.Link{Text: v.text.Environment(name), Href: with(q.Version, q.State, name), Current: q.Environment == name})
	}
	page.Versions = []ui.Link{{Text: v.text.T("consumers.all_versions"), Href: with("", q.State, q.Environment), Current: q.Version == ""}}
	for _, name := range offered(versions, q.Version) {
		page.Versions = append(page.Versions, ui.Link{Text: v.versionName(name), Href: with(name, q.State, q.Environment), Current: q.Version == name})
	}
	page.Items = each(found.Items, v.consumerRow)
	page.First, page.Next = v.pages(found.Next)
	return v.render(ui.ConsumersPage(place, page))
}

// offered are the choices of a filter, with the chosen one where it is none of them.
func offered(names []string, chosen string) []string {
	if chosen == "" || slices.Contains(names, chosen) {
		return names
	}
	return append(slices.Clone(names), chosen)
}

func (v *visit) consumerState(name string) string {
	if name == api.StateOpen {
		return v.text.T("consumers.open")
	}
	return v.text.SubscriptionState(name)
}

func (v *visit) versionName(line string) string {
	if line == api.NoVersion {
		return v.text.T("consumers.no_version")
	}
	return line
}

func (v *visit) consumerRow(c api.Consumed) ui.ConsumerRow {
	row := ui.ConsumerRow{Subscription: subscription(c.Subscription), Governed: c.Governed, Keys: v.keys(c.Keys), Working: c.Working, LastAct: c.LastAct}
	if c.Contact != nil {
		row.ContactName, row.Email = c.Contact.Name, c.Contact.Email
	}
	return row
}

// mostExported is how many consumers one file holds.
const mostExported = 10_000

// consumersList hands the list out as a file for a spreadsheet: comma-separated, in UTF-8 with its mark, its first line the
// names of the columns in English, which programs may rely on. Times are RFC 3339.
func (s *site) consumersList(v *visit) error {
	id := v.r.PathValue("api")
	lines := [][]string{{"organisation", "application", "contact", "email", "api", "version", "environment", "plan", "state", "since", "working_keys", "newest_key"}}
	cursor, more := "", true
	for more {
		found, err := v.desk.Consumers(v.ctx(), v.consumersOf(id, api.Paging{Limit: 200, Cursor: cursor}))
		if err != nil {
			return err
		}
		for _, c := range found.Items {
			row, newest := v.consumerRow(c), ""
			if row.LastAct != nil {
				newest = row.LastAct.Format(time.RFC3339)
			}
			lines = append(lines, each([]string{
				row.Organisation, row.Application, row.ContactName, row.Email, row.API, row.Version, row.Environment, row.Plan, row.State,
				row.Created.Format(time.RFC3339), strconv.Itoa(row.Working), newest,
			}, inSpreadsheet))
		}
		cursor = found.Next
		more = cursor != "" && len(lines) <= mostExported
	}
	if cursor != "" {
		lines = append(lines, []string{v.text.T("consumers.export_more", "Count", v.text.Number(mostExported))})
	}
	var file bytes.Buffer
	file.WriteString("\ufeff")
	w := csv.NewWriter(&file)
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("writing the list of consumers: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fileName(id, "consumers", v.query("version"), "csv")))
	_, _ = v.w.Write(file.Bytes()) // the reader is gone: nobody is left to tell
	return nil
}

// inSpreadsheet keeps a text from being taken for a formula: names come from people of other companies.
func inSpreadsheet(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// maxEndpoints is how many endpoints the page of an API asks for.
const maxEndpoints = 40

// endpoints lists everywhere that the person is sent to.
func (s *site) endpoints(v *visit) error {
	a, err := v.desk.API(v.ctx(), v.r.PathValue("api"))
	if err != nil {
		return err
	}
	page := ui.Endpoints{APIHead: v.apiHead(a, tabEndpoints, "", "")}
	sides := sidesOf(a)
	if n := len(sides); n > maxEndpoints {
		sides, page.More = sides[:maxEndpoints], n-maxEndpoints
	}
	for _, at := range sides {
		d, err := v.desk.Resolve(v.ctx(), api.ResolveQuery{API: a.ID, Version: at.version, Environment: at.environment})
		if err != nil {
			return err
		}
		page.Items = append(page.Items, ui.EndpointRow{
			Endpoint: v.endpoint(d), Sunset: d.Sunset, Href: ui.With(ui.Below(ui.APIsPath, a.ID), "environment", at.environment, "version", at.version),
		})
	}
	return v.render(ui.EndpointsPage(v.inAPI(a.ID, a.Title, "tabs.endpoints"), page))
}
