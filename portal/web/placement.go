package web

import (
	"cmp"
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

func (s *site) rules(v *visit) error {
	r, err := v.desk.GatewayRules(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	draft, begun := r.RulesDraft, ""
	if id := v.query("deployment"); id != "" {
		d, err := v.desk.Deployment(v.ctx(), id)
		if err != nil {
			return err
		}
		if d.Gateway != r.Gateway {
			return fmt.Errorf("deployment %s of gateway %s: %w", id, r.Gateway, portal.ErrNotFound)
		}
		draft.Rules, begun = append(slices.Clone(draft.Rules), api.PlacementRule{Match: matchOf(d)}), d.Title
	}
	return v.renderRules(http.StatusOK, r, draft, nil, ui.Form{}, begun)
}

// matchOf is what a rule about a deployment, and those like it, may match: where it has the name of an environment that is
// not configured, else its stage, its path or its title.
func matchOf(d api.PlacedDeployment) api.RuleMatch {
	for _, step := range d.Layers {
		if step.What != string(portal.AxisEnvironment) || step.Refused == "" {
			continue
		}
		switch where, value, _ := strings.Cut(step.Source, " "); where {
		case "stage":
			return api.RuleMatch{Stage: value}
		case "host":
			return api.RuleMatch{Host: value}
		case "path":
			return api.RuleMatch{Path: value}
		case "title":
			return api.RuleMatch{Name: value}
		}
	}
	switch {
	case d.Stage != "":
		return api.RuleMatch{Stage: d.Stage}
	case len(d.Paths) > 0:
		return api.RuleMatch{Path: d.Paths[0]}
	}
	return api.RuleMatch{Name: d.Title}
}

// setRules shows what the rules of the form would do or, where that has been looked at, saves them.
func (s *site) setRules(v *visit) error {
	r, err := v.desk.GatewayRules(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	draft := v.draft()
	var form ui.Form
	if v.field("do") == "save" {
		_, err := v.desk.SetRules(v.ctx(), r.Gateway, api.RulesChange{RulesDraft: draft, Preview: v.field("preview")})
		if err == nil {
			return v.done(ui.Below(ui.GatewaysPath, r.Gateway, "placement"), "rules-saved")
		}
		if !v.refused(&form, err) {
			return err
		}
	}
	p, err := v.desk.PreviewRules(v.ctx(), r.Gateway, draft)
	status := http.StatusOK
	switch {
	case v.refused(&form, err):
		return v.renderRules(http.StatusUnprocessableEntity, r, draft, nil, form, "")
	case err != nil:
		return err
	case form.Problem != nil:
		status = http.StatusConflict
	}
	return v.renderRules(status, r, draft, &p, form, "")
}

// matches are the fields of a rule's match, in the order of its words.
var matches = []struct {
	name  string
	field func(*api.RuleMatch) *string
}{
	{"path", func(m *api.RuleMatch) *string { return &m.Path }},
	{"host", func(m *api.RuleMatch) *string { return &m.Host }},
	{"stage", func(m *api.RuleMatch) *string { return &m.Stage }},
	{"tag", func(m *api.RuleMatch) *string { return &m.Tag }},
	{"name", func(m *api.RuleMatch) *string { return &m.Name }},
}

func rulePrefix(n int) string { return fmt.Sprintf("rule.%d.", n) }

// draft reads the rules of the form: in the order of their positions, without those that are dropped or empty.
func (v *visit) draft() api.RulesDraft {
	type positioned struct {
		api.PlacementRule
		at, field int
	}
	found := map[int]bool{}
	for name := range v.r.PostForm {
		if rest, ok := strings.CutPrefix(name, "rule."); ok {
			number, _, _ := strings.Cut(rest, ".")
			if n, err := strconv.Atoi(number); err == nil {
				found[n] = true
			}
		}
	}
	var all []positioned
	for _, n := range slices.Sorted(maps.Keys(found)) {
		prefix := rulePrefix(n)
		rule := positioned{field: n, at: n + 1}
		for _, m := range matches {
			*m.field(&rule.Match) = v.field(prefix + "match." + m.name)
		}
		rule.Set, rule.Public = v.fieldsNamed(prefix+"set."), v.field(prefix+"public")
		if at, err := strconv.Atoi(v.field(prefix + "position")); err == nil {
			rule.at = at
		}
		if v.field(prefix+"drop") == "" && (rule.Match != api.RuleMatch{} || len(rule.Set) > 0 || rule.Public != "") {
			all = append(all, rule)
		}
	}
	slices.SortStableFunc(all, func(a, b positioned) int {
		// One that was moved to another's place goes there, and that one makes room.
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(moved(b.at, b.field), moved(a.at, a.field)))
	})
	draft := api.RulesDraft{Detect: v.field("detect") != "", Rules: []api.PlacementRule{}}
	for _, r := range all {
		draft.Rules = append(draft.Rules, r.PlacementRule)
	}
	return draft
}

// moved is 1 where a rule was moved up to its position, -1 where down, so that it comes before or behind who is there.
func moved(at, field int) int { return cmp.Compare(field+1, at) }

// renderRules shows the rules of a draft. Where begun is not empty the last of them is a new one, about what begun names.
func (v *visit) renderRules(status int, r api.GatewayRules, draft api.RulesDraft, p *api.RulesPreview, form ui.Form, begun string) error {
	g, err := v.desk.Gateway(v.ctx(), r.Gateway)
	if err != nil {
		return err
	}
	page := ui.RulesPage{
		Form: form, Gateway: g.ID, Title: titled(g.Title, g.ID), FromConfiguration: g.Source == "configuration", CanChange: r.CanChange, Detect: draft.Detect,
		Axes: axisNames(),
	}
	page.Audiences, page.Environments = bounds(g)
	page.Values = map[string]string{}
	for i, rule := range draft.Rules {
		prefix := rulePrefix(i)
		page.Rules = append(page.Rules, ui.RuleForm{Prefix: prefix, Number: i + 1, Summary: v.ruleWords(rule)})
		for _, m := range matches {
			page.Values[prefix+"match."+m.name] = *m.field(&rule.Match)
		}
		for axis, value := range rule.Set {
			page.Values[prefix+"set."+axis] = value
		}
		page.Values[prefix+"public"], page.Values[prefix+"position"] = rule.Public, strconv.Itoa(i+1)
	}
	if begun == "" {
		page.Rules = append(page.Rules, ui.RuleForm{Prefix: rulePrefix(len(draft.Rules)), Open: p == nil})
	} else {
		last := &page.Rules[len(page.Rules)-1]
		*last = ui.RuleForm{Prefix: last.Prefix, Open: true, Begun: begun}
	}
	if p != nil {
		page.Preview = &ui.RulesPreview{Digest: p.Preview, Changed: p.Changed, Unchanged: p.Unchanged, Unclassified: p.Unclassified, Frozen: p.Frozen, Warnings: each(p.Warnings, v.warned), Configuration: inConfiguration(draft)}
		for _, c := range p.Changes {
			page.Preview.Changes = append(page.Preview.Changes, ui.PlacementChange{
				Title: titled(c.Title, c.Deployment), RemoteID: strings.TrimSpace(c.RemoteID + " " + c.Exposure), Href: ui.Below(ui.DeploymentsPath, c.Deployment), Unclassified: c.Unclassified, Frozen: c.Frozen,
				Values: each(c.Values, func(x api.ValueChange) ui.ValueChange {
					return ui.ValueChange{What: v.what(x.What), Before: v.placed(x.What, x.Before), After: v.placed(x.What, x.After)}
				}),
			})
		}
	}
	in := v.in(ui.GatewaysPath, v.text.T("placement.rules"), v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: page.Title, Href: ui.Below(ui.GatewaysPath, g.ID)})
	return v.renderAs(status, ui.RulesPageView(in, page))
}

// inConfiguration writes a draft as a gateway in the configuration file has it.
func inConfiguration(draft api.RulesDraft) string {
	var b strings.Builder
	if draft.Detect {
		b.WriteString("environments: detect\n")
	}
	if len(draft.Rules) == 0 {
		b.WriteString("rules: []\n")
		return b.String()
	}
	b.WriteString("rules:\n")
	for _, r := range draft.Rules {
		var match, set []string
		for _, m := range matches {
			if pattern := *m.field(&r.Match); pattern != "" {
				match = append(match, m.name+": "+strconv.Quote(pattern))
			}
		}
		for _, axis := range axisNames() {
			if value := r.Set[axis]; value != "" {
				set = append(set, axis+": "+strconv.Quote(value))
			}
		}
		fmt.Fprintf(&b, "  - {match: {%s}, set: {%s}", strings.Join(match, ", "), strings.Join(set, ", "))
		if r.Public != "" {
			fmt.Fprintf(&b, ", public: %q", r.Public)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func axisNames() []string {
	return each(portal.Axes, func(a portal.Axis) string { return string(a) })
}

// bounds are what a gateway's deployments can be placed in: its bounds or, where it has none, what its defaults say.
func bounds(g api.Gateway) (audiences, environments []string) {
	audiences = each(g.Bounds.Audiences, func(a portal.Audience) string { return string(a) })
	environments = each(g.Bounds.Environments, func(e portal.Environment) string { return string(e) })
	if v := g.Placement[string(portal.AxisAudience)]; len(audiences) == 0 && v != "" {
		audiences = []string{v}
	}
	if v := g.Placement[string(portal.AxisEnvironment)]; len(environments) == 0 && v != "" {
		environments = []string{v}
	}
	return audiences, environments
}

// ruleWords says a rule in a line.
func (v *visit) ruleWords(r api.PlacementRule) string {
	var when, then []string
	for _, m := range matches {
		if pattern := *m.field(&r.Match); pattern != "" {
			when = append(when, v.text.T("placement.match_"+m.name)+" "+pattern)
		}
	}
	if len(when) == 0 {
		when = []string{v.text.T("placement.match_all")}
	}
	for _, axis := range axisNames() {
		if value := r.Set[axis]; value != "" {
			then = append(then, v.what(axis)+" "+v.placed(axis, value))
		}
	}
	if r.Public != "" {
		then = append(then, v.what(addressed)+" "+r.Public)
	}
	return strings.Join(when, ", ") + " → " + strings.Join(then, ", ")
}

// addressed is what the API calls the consumers' address among the axes.
const addressed = "address"

// what names an axis, or the address.
func (v *visit) what(what string) string {
	if what == addressed {
		return v.text.T("placement.address")
	}
	return v.text.Axis(what)
}

// placed names a value of an axis.
func (v *visit) placed(what, value string) string {
	switch {
	case value == "":
		return ""
	case what == string(portal.AxisAudience):
		return v.text.Audience(value)
	case what == string(portal.AxisEnvironment):
		return v.text.Environment(value)
	}
	return value
}

var layerKeys = map[string]string{
	"gateway": "placement.layer_gateway", "detected": "placement.layer_detected", "rule": "placement.layer_rule",
	"words": "placement.layer_words", "override": "placement.layer_override",
}

func (v *visit) layer(layer string) string {
	if key, ok := layerKeys[layer]; ok {
		return v.text.T(key)
	}
	return layer
}

func (v *visit) placedDeployment(d api.PlacedDeployment) ui.PlacedDeployment {
	audience, environment := d.Placement[string(portal.AxisAudience)], d.Placement[string(portal.AxisEnvironment)]
	return ui.PlacedDeployment{
		ID: d.ID, Gateway: d.Gateway, Title: titled(d.Title, d.ID), Version: d.Version, RemoteID: d.RemoteID, Exposure: d.Exposure, BaseURL: d.BaseURL,
		Audience: audience.Value, Environment: environment.Value, AudienceLayer: v.layer(audience.Layer), EnvironmentLayer: v.layer(environment.Layer),
		Unclassified: d.Unclassified, Overridden: d.Overridden, Warnings: each(d.Warnings, v.warned),
	}
}

func (s *site) deployments(v *visit) error {
	g, err := v.desk.Gateway(v.ctx(), v.r.PathValue("gateway"))
	if err != nil {
		return err
	}
	found, err := v.desk.Deployments(v.ctx(), api.DeploymentsQuery{Paging: v.paging(listLimit), Gateway: g.ID})
	if err != nil {
		return err
	}
	l := ui.Deployments{Items: each(found.Items, v.placedDeployment), Gateway: g.ID}
	l.First, l.Next = v.pages(found.Next)
	in := v.in(ui.GatewaysPath, v.text.T("placement.deployments"), v.crumb("nav.gateways", ui.GatewaysPath), ui.Link{Text: titled(g.Title, g.ID), Href: ui.Below(ui.GatewaysPath, g.ID)})
	return v.render(ui.DeploymentsPage(in, l))
}

func (s *site) unclassified(v *visit) error {
	found, err := v.desk.Deployments(v.ctx(), api.DeploymentsQuery{Paging: v.paging(listLimit), Unclassified: true})
	if err != nil {
		return err
	}
	l := ui.Deployments{Items: each(found.Items, v.placedDeployment)}
	l.First, l.Next = v.pages(found.Next)
	return v.render(ui.UnclassifiedPage(v.in(ui.GatewaysPath, v.text.T("placement.unclassified"), v.crumb("nav.gateways", ui.GatewaysPath)), l))
}

func (s *site) deployment(v *visit) error {
	d, err := v.desk.Deployment(v.ctx(), v.r.PathValue("deployment"))
	if err != nil {
		return err
	}
	form := ui.Form{Values: map[string]string{"base_url": d.Override.BaseURL}}
	for axis, value := range d.Override.Placement {
		form.Values["set."+axis] = value
	}
	return v.renderDeployment(http.StatusOK, d, form)
}

func (v *visit) renderDeployment(status int, d api.PlacedDeployment, form ui.Form) error {
	g, err := v.desk.Gateway(v.ctx(), d.Gateway)
	if err != nil {
		return err
	}
	page := ui.DeploymentPage{PlacedDeployment: v.placedDeployment(d), Form: form, CanOverride: d.CanOverride, Held: d.Held, Axes: axisNames()}
	page.Audiences, page.Environments = bounds(g)
	for _, f := range []struct {
		key    string
		values []string
	}{
		{"placement.match_stage", nonEmpty(d.Stage)}, {"placement.match_host", d.Hosts}, {"placement.match_path", d.Paths}, {"placement.match_tag", d.Tags},
		{"placement.upstream", nonEmpty(d.Upstream)},
	} {
		if len(f.values) > 0 {
			page.Facts = append(page.Facts, ui.Fact{Name: v.text.T(f.key), Value: strings.Join(f.values, ", ")})
		}
	}
	page.Layers = v.layers(d)
	in := v.in(ui.GatewaysPath, titled(d.Title, d.ID), v.crumb("nav.gateways", ui.GatewaysPath),
		ui.Link{Text: titled(g.Title, g.ID), Href: ui.Below(ui.GatewaysPath, g.ID)}, v.crumb("placement.deployments", ui.Below(ui.GatewaysPath, g.ID, "deployments")))
	return v.renderAs(status, ui.DeploymentPageView(in, page))
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// layers lists what was said, axis by axis, and marks what holds: the last that gave the value.
func (v *visit) layers(d api.PlacedDeployment) (lines []ui.LayerLine) {
	for _, what := range append(axisNames(), addressed) {
		now := d.Placement[what].Value
		if what == addressed {
			now = d.BaseURL
		}
		holds := -1
		for _, s := range d.Layers {
			if s.What != what {
				continue
			}
			line := ui.LayerLine{What: v.what(what), Value: v.placed(what, s.Value), Layer: v.layer(s.Layer), Source: s.Source, Refused: v.warned(s.Refused)}
			if s.Rule > 0 {
				line.Layer = v.text.T("placement.rule", "Number", s.Rule)
			}
			if now != "" && s.Refused == "" && strings.TrimRight(s.Value, "/") == strings.TrimRight(now, "/") {
				holds = len(lines)
			}
			lines = append(lines, line)
		}
		if holds >= 0 {
			lines[holds].Counts = true
		}
	}
	return lines
}

// override saves what a person decides, or takes it back. Where keys are held it wants a word that what may follow is known.
func (s *site) override(v *visit) error {
	d, err := v.desk.Deployment(v.ctx(), v.r.PathValue("deployment"))
	if err != nil {
		return err
	}
	o, flash := api.Override{Placement: v.fieldsNamed("set."), BaseURL: v.field("base_url")}, "override-saved"
	if v.field("do") == "clear" {
		o, flash = api.Override{}, "override-cleared"
	}
	form := v.written("base_url")
	for axis, value := range v.fieldsNamed("set.") {
		form.Values["set."+axis] = value
	}
	if d.Held > 0 && v.field("confirm") == "" {
		for _, axis := range []portal.Axis{portal.AxisAudience, portal.AxisEnvironment} {
			if o.Placement[string(axis)] != d.Override.Placement[string(axis)] {
				form.Errors["confirm"] = v.text.T("placement.held_needed")
				return v.renderDeployment(http.StatusUnprocessableEntity, d, form)
			}
		}
	}
	if _, err = v.desk.OverrideDeployment(v.ctx(), d.ID, o); v.refused(&form, err) {
		return v.renderDeployment(http.StatusUnprocessableEntity, d, form)
	}
	if err != nil {
		return err
	}
	return v.done(ui.Below(ui.DeploymentsPath, d.ID), flash)
}

// frozen counts the subscriptions that wait for a decision because their endpoint was classified anew.
func frozen(v *visit, h *ui.Home) error {
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: api.Paging{Limit: homeLimit}, Frozen: true})
	if err == nil && len(p.Items) > 0 {
		h.Frozen = howMany(p)
	}
	return err
}

func (s *site) frozen(v *visit) error {
	p, err := v.desk.Subscriptions(v.ctx(), api.SubscriptionsQuery{Paging: v.paging(listLimit), Frozen: true})
	if err != nil {
		return err
	}
	var l ui.FrozenSubscriptions
	for _, i := range p.Items {
		if i.Frozen != nil {
			l.Items = append(l.Items, ui.FrozenSubscription{Subscription: subscription(i), Since: i.Frozen.Since, Because: v.frozenBecause(i)})
		}
	}
	l.First, l.Next = v.pages(p.Next)
	return v.render(ui.FrozenPage(v.in(ui.ApprovalsPath, v.text.T("frozen.title")), l))
}

// frozenBecause says from what to what the endpoint of a frozen subscription was classified, to who decides; nothing more than
// that it was to everybody else.
func (v *visit) frozenBecause(s api.Subscription) ui.Said {
	if !s.CanDecide {
		return ui.Said{Text: v.text.T("frozen.waits")}
	}
	moves := strings.Split(s.Frozen.Reason, ", ")
	for i, move := range moves {
		was, is, ok := strings.Cut(move, " → ")
		axis, was, named := strings.Cut(was, " ")
		if !ok || !named || !slices.Contains(portal.Axes, portal.Axis(axis)) {
			return ui.Said{Text: s.Frozen.Reason, English: true}
		}
		value := func(name string) string {
			switch {
			case name == "?":
				return v.text.T("step.unknown")
			case axis == string(portal.AxisEnvironment):
				return v.text.Environment(name)
			case axis == string(portal.AxisAudience):
				return v.text.Audience(name)
			}
			return name
		}
		moves[i] = v.text.Axis(axis) + " " + value(was) + " → " + value(is)
	}
	return ui.Said{Text: strings.Join(moves, ", ")}
}

func (s *site) askThaw(v *visit) error { return v.renderThaw(http.StatusOK, ui.Form{}) }

func (v *visit) renderThaw(status int, form ui.Form) error {
	sub, err := v.desk.Subscription(v.ctx(), v.r.PathValue("subscription"))
	if err != nil {
		return err
	}
	if sub.Frozen == nil || !sub.CanDecide {
		return portal.ErrNotFound
	}
	c := ui.Confirm{
		Title: v.text.T("frozen.keep_title", "Application", sub.ApplicationName), Text: v.text.T("frozen.keep_text", "Title", sub.Title, "Because", v.frozenBecause(sub).Text),
		Points: []string{v.text.T("frozen.keep_point_keys"), v.text.T("frozen.keep_point_environment", "Environment", v.text.Environment(sub.Environment))},
		Action: ui.Below(ui.FrozenPath, sub.ID, "thaw"), Button: v.text.T("frozen.keep"),
		Back: ui.FrozenPath, Reason: true, ReasonLabel: v.text.T("frozen.keep_reason"), Form: form,
	}
	return v.renderAs(status, ui.ConfirmPage(v.in(ui.ApprovalsPath, c.Title), c))
}

func (s *site) thaw(v *visit) error {
	form := v.written("reason")
	if !v.require(form, "reason") {
		return v.renderThaw(http.StatusUnprocessableEntity, form)
	}
	if _, err := v.desk.Thaw(v.ctx(), v.r.PathValue("subscription"), v.field("reason")); err != nil {
		return err
	}
	return v.done(ui.FrozenPath, "thawed")
}
