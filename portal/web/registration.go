package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/web/ui"
)

func (s *site) newGateway(v *visit) error {
	return v.renderRegistration(http.StatusOK, v.query("kind"), "", ui.Form{Values: map[string]string{}, Errors: map[string]string{}})
}

func (s *site) editGateway(v *visit) error {
	g, err := v.desk.Gateway(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	if g.Registered == nil {
		return portal.ErrNotFound
	}
	if g.Source != "api" {
		return v.done(ui.Below(ui.GatewaysPath, g.ID), "")
	}
	return v.renderRegistration(http.StatusOK, g.Kind, g.ID, ui.Form{Values: registrationFields(*g.Registered), Errors: map[string]string{}})
}

// registrationFields are the fields of the form as a gateway has them.
func registrationFields(n api.NewGateway) map[string]string {
	number := func(n float64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatFloat(n, 'g', -1, 64)
	}
	box := map[bool]string{true: "yes"}
	values := map[string]string{
		"id": n.ID, "title": n.Title, "address": n.Address, "site": n.Site, "fleet": n.Fleet, "every": n.Every,
		"detect": box[n.Detect], "accept_reach": box[n.AcceptReach], "fetch_documents": box[n.FetchDocuments],
		"allow_private": strings.Join(n.AllowPrivate, " "), "fetch_private": strings.Join(n.FetchPrivate, " "), "trust": strings.Join(n.Trust, " "),
		"per_second": number(n.Budget.PerSecond), "burst": number(float64(n.Budget.Burst)), "parallel": number(float64(n.Budget.Parallel)),
	}
	if n.Division != n.Placement[string(portal.AxisDivision)] { // whose it is and where its deployments belong are two things here
		values["division"] = n.Division
	}
	for axis, value := range n.Placement {
		values["placement."+axis] = value
	}
	for name, value := range n.Settings {
		values["setting."+name] = value
	}
	if n.Bounds != nil {
		values["audiences"] = strings.Join(each(n.Bounds.Audiences, func(a portal.Audience) string { return string(a) }), " ")
		values["environments"] = strings.Join(each(n.Bounds.Environments, func(e portal.Environment) string { return string(e) }), " ")
	}
	return values
}

// renderRegistration shows the form for a gateway of a kind; changed is the one whose registration changes, empty: a new one.
func (v *visit) renderRegistration(status int, chosen, changed string, form ui.Form) error {
	kinds, err := v.desk.GatewayKinds(v.ctx())
	if err != nil {
		return err
	}
	environments, err := v.desk.Environments(v.ctx())
	if err != nil {
		return err
	}
	page := ui.NewGateway{
		Form: form, Changes: changed, Kinds: []ui.Option{{Text: v.text.T("new_gateway.choose")}},
		Axes:      each(portal.Axes, func(a portal.Axis) string { return string(a) }),
		Audiences: audiences(), Environments: withDefaults(environments),
	}
	for _, k := range kinds {
		page.Kinds = append(page.Kinds, ui.Option{Value: k.Name, Text: k.Title})
		if k.Name == chosen {
			page.Kind = ui.GatewayKind{Name: k.Name, Title: k.Title, Address: k.Address, Settings: each(k.Settings, func(g api.GatewaySetting) ui.GatewaySetting {
				return v.text.Setting(k.Name, ui.GatewaySetting{Name: g.Name, Title: g.Title, Help: g.Help, Default: g.Default, Required: g.Required, Secret: g.Secret})
			})}
		}
	}
	if changed == "" {
		return v.renderAs(status, ui.NewGatewayPage(v.in(ui.GatewaysPath, v.text.T("gateways.add"), v.crumb("nav.gateways", ui.GatewaysPath)), page))
	}
	p := v.in(ui.GatewaysPath, v.text.T("change_gateway.title", "Name", cmp.Or(form.Value("title"), changed)), v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: changed, Href: ui.Below(ui.GatewaysPath, changed)})
	return v.renderAs(status, ui.NewGatewayPage(p, page))
}

// createGateway registers a gateway. Its secrets are never shown again, also not when the form is.
func (s *site) createGateway(v *visit) error { return v.register("") }

// changeGateway replaces a registration. A secret that is left empty stays as it is.
func (s *site) changeGateway(v *visit) error { return v.register(v.r.PathValue("gateway")) }

func (v *visit) register(changed string) error {
	form, kind := v.writtenGateway(), v.field("kind")
	n := v.registration(&form, kind)
	if changed != "" {
		n.ID = changed
	} else if n.ID == "" {
		form.Errors["id"] = v.text.T("form.required")
	}
	if n.Address == "" {
		form.Errors["address"] = v.text.T("form.required")
	}
	if len(form.Errors) > 0 {
		return v.renderRegistration(http.StatusUnprocessableEntity, kind, changed, form)
	}
	save, flash := v.desk.CreateGateway, "gateway-added"
	if changed != "" {
		save, flash = func(ctx context.Context, n api.NewGateway) (api.Gateway, error) {
			return v.desk.ChangeGateway(ctx, changed, n)
		}, "gateway-changed"
	}
	g, err := save(v.ctx(), n)
	if v.refused(&form, err) || errors.Is(err, portal.ErrUnavailable) {
		if form.Problem == nil {
			form.Problem = ui.Say(v.text.T("error.unavailable"))
		}
		return v.renderRegistration(http.StatusUnprocessableEntity, kind, changed, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.GatewaysPath, g.ID), flash)
}

// registration reads the form, and notes there which numbers are none.
func (v *visit) registration(form *ui.Form, kind string) api.NewGateway {
	n := api.NewGateway{
		ID: v.field("id"), Title: v.field("title"), Kind: kind, Address: v.field("address"), Division: cmp.Or(v.field("division"), v.field("placement.division")),
		Placement: v.fieldsNamed("placement."), Settings: v.fieldsNamed("setting."), Secrets: v.fieldsNamed("secret."),
		Bounds: &portal.Bounds{
			Audiences:    each(v.r.PostForm["audiences"], func(a string) portal.Audience { return portal.Audience(a) }),
			Environments: each(v.r.PostForm["environments"], func(e string) portal.Environment { return portal.Environment(e) }),
		},
		Detect: v.field("detect") != "", Fleet: v.field("fleet"), AllowPrivate: listed(v.field("allow_private")), Every: strings.ReplaceAll(v.field("every"), " ", ""),
		GatewayTerms: api.GatewayTerms{
			Site: v.field("site"), Trust: v.r.PostForm["trust"], AcceptReach: v.field("accept_reach") != "",
			FetchDocuments: v.field("fetch_documents") != "", FetchPrivate: listed(v.field("fetch_private")),
		},
	}
	number := func(name string) float64 {
		text := strings.ReplaceAll(v.field(name), ",", ".")
		if text == "" {
			return 0
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || value < 0 || value > 100_000 || name != "per_second" && value != float64(int(value)) {
			form.Errors[name] = v.text.T("new_gateway.number")
			return 0
		}
		return value
	}
	n.Budget = api.Budget{PerSecond: number("per_second"), Burst: int(number("burst")), Parallel: int(number("parallel"))}
	return n
}

// listed are the words of a field, with commas or spaces between them.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

func (v *visit) writtenGateway() ui.Form {
	names := []string{"id", "title", "address", "division", "audiences", "environments", "site", "fleet", "every", "detect", "accept_reach", "fetch_documents", "allow_private", "fetch_private", "trust", "per_second", "burst", "parallel"}
	for name := range v.r.PostForm {
		if strings.HasPrefix(name, "placement.") || strings.HasPrefix(name, "setting.") {
			names = append(names, name)
		}
	}
	return v.written(names...)
}
