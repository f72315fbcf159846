package webtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"concierge/portal"
	"concierge/portal/api"
	"concierge/portal/told"
)

var kinds = []api.GatewayKind{
	{Name: "kong", Title: "Kong Gateway", Address: "https://kong-admin.example:8001", Settings: []api.GatewaySetting{
		{Name: "workspace", Title: "Workspace", Help: "Leave empty for the default one.", Default: "default"},
		{Name: "admin_token", Title: "Admin token", Help: "May read services and routes, and write consumers.", Required: true, Secret: true},
	}},
	{Name: "express", Title: "Express Gateway", Address: "http://eg.internal:9876", Settings: []api.GatewaySetting{}},
}

func (w *World) history(id string) []api.Run {
	var found []api.Run
	for _, r := range w.runs {
		if r.Gateway == id {
			found = append(found, r)
		}
	}
	return found
}

// governed are the gateways that a person runs: all of them, or those of their division.
func (w *World) governed(p *person) ([]*api.Gateway, error) {
	var found []*api.Gateway
	for i := range w.gateways {
		g := &w.gateways[i]
		if p.is("platform-administrator", "auditor") || p.is("division-administrator") && g.Division == w.organisation(p.OrganisationID).Division {
			found = append(found, g)
		}
	}
	if len(found) == 0 && !p.is("platform-administrator", "auditor", "division-administrator") {
		return nil, portal.ErrNotFound
	}
	return found, nil
}

func (w *World) seen(g api.Gateway) api.Gateway {
	for _, r := range w.history(g.ID) {
		if !r.Dry || r.State == "running" {
			g.LastRun = &r
			break
		}
	}
	return w.reached(g)
}

func (d *desk) GatewayKinds(context.Context) ([]api.GatewayKind, error) {
	w, p, leave := d.enter()
	defer leave()
	_, err := w.governed(p)
	return kinds, err
}

func (d *desk) Gateways(_ context.Context, q api.Paging) (api.Page[api.Gateway], error) {
	w, p, leave := d.enter()
	defer leave()
	gs, err := w.governed(p)
	if err != nil {
		return api.Page[api.Gateway]{}, err
	}
	var found []api.Gateway
	for _, g := range gs {
		found = append(found, w.seen(*g))
	}
	return page(found, q)
}

func (w *World) findGateway(p *person, id string) (*api.Gateway, error) {
	gs, err := w.governed(p)
	if err != nil {
		return nil, err
	}
	for _, g := range gs {
		if g.ID == id {
			return g, nil
		}
	}
	return nil, missing("gateway", id)
}

// Gateway of one that is being synced moves its run on, and ends it at the fourth time.
func (d *desk) Gateway(_ context.Context, id string) (api.Gateway, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, id)
	if err != nil {
		return api.Gateway{}, err
	}
	seen := w.seen(*g)
	for i := range w.runs {
		r := &w.runs[i]
		if r.Gateway != id || r.State != "running" {
			continue
		}
		if r.Done += 16; r.Done >= r.Total {
			ended := w.now()
			r.State, r.Phase, r.Done, r.Unchanged, r.Ended = "unchanged", "", r.Total, r.Total, &ended
			g.LastGood = &ended
		}
	}
	if p.is("platform-administrator") {
		seen.Registered = registered(*g)
	}
	return seen, nil
}

// registered is how a gateway was registered; one that nobody has changed here has no more than what is shown.
func registered(g api.Gateway) *api.NewGateway {
	if g.Registered != nil {
		return g.Registered
	}
	return &api.NewGateway{
		ID: g.ID, Title: g.Title, Kind: g.Kind, Address: g.Address, Division: g.Division, Placement: g.Placement, Bounds: &g.Bounds, Settings: g.Settings,
		Detect: true, Every: "5m0s", Budget: api.Budget{PerSecond: 2.5, Burst: 10, Parallel: 2}, AllowPrivate: []string{"10.1.0.0/16"},
		GatewayTerms: api.GatewayTerms{Site: g.Site, Trust: []string{"audience"}, FetchDocuments: true, FetchPrivate: []string{"10.2.0.0/16", "10.3.0.0/16"}},
	}
}

func (d *desk) CreateGateway(_ context.Context, n api.NewGateway) (api.Gateway, error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.governed(p); err != nil {
		return api.Gateway{}, err
	}
	if slices.ContainsFunc(w.gateways, func(g api.Gateway) bool { return g.ID == n.ID }) {
		return api.Gateway{}, fmt.Errorf("there is a gateway named %q already: %w", n.ID, portal.ErrConflict)
	}
	g := api.Gateway{
		ID: n.ID, Title: n.Title, Kind: n.Kind, Address: n.Address, Division: n.Division, Site: string(portal.SiteLocal),
		Source: "api", Placement: n.Placement, Bounds: *n.Bounds, Settings: n.Settings,
	}
	w.gateways = append(w.gateways, g)
	return g, nil
}

func (d *desk) ChangeGateway(_ context.Context, id string, n api.NewGateway) (api.Gateway, error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.governed(p); err != nil {
		return api.Gateway{}, err
	}
	g, err := w.findGateway(p, id)
	if err != nil {
		return api.Gateway{}, err
	}
	if g.Address != n.Address && len(n.Secrets) == 0 {
		return api.Gateway{}, told.CredentialsAgain.As(portal.ErrInvalid)
	}
	g.Title, g.Address, g.Placement, g.Bounds, g.Settings, g.Fleet = n.Title, n.Address, n.Placement, *n.Bounds, n.Settings, n.Fleet
	g.Registered = &n
	return *g, nil
}

func (d *desk) Sync(_ context.Context, id string) (api.Run, error) {
	w, p, leave := d.enter()
	defer leave()
	g, err := w.findGateway(p, id)
	if err != nil {
		return api.Run{}, err
	}
	for _, r := range w.history(id) {
		if r.State == "running" {
			return r, nil
		}
	}
	r := api.Run{ID: w.next("run"), Gateway: g.ID, State: "running", Phase: "documents", Trigger: "person", By: p.Name, Done: 12, Total: 64, Started: w.now()}
	w.runs = append([]api.Run{r}, w.runs...)
	return r, nil
}

func (d *desk) Runs(_ context.Context, id string, q api.Paging) (api.Page[api.Run], error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.findGateway(p, id); err != nil {
		return api.Page[api.Run]{}, err
	}
	return page(w.history(id), q)
}

func (d *desk) Run(_ context.Context, gateway, id string) (api.Run, error) {
	w, p, leave := d.enter()
	defer leave()
	if _, err := w.findGateway(p, gateway); err != nil {
		return api.Run{}, err
	}
	for _, r := range w.history(gateway) {
		if r.ID == id {
			return r, nil
		}
	}
	return api.Run{}, missing("run", id)
}

func (d *desk) Organisations(_ context.Context, q api.Paging) (api.Page[api.Organisation], error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.is("platform-administrator", "auditor") {
		return api.Page[api.Organisation]{}, portal.ErrNotFound
	}
	return page(w.organisations, q)
}

func (d *desk) Organisation(_ context.Context, id string) (api.Organisation, error) {
	w, p, leave := d.enter()
	defer leave()
	if o := w.organisation(id); o.ID != "" && p.is("platform-administrator", "auditor") {
		return o, nil
	}
	return api.Organisation{}, missing("organisation", id)
}

func (d *desk) Person(_ context.Context, id string) (api.Person, error) {
	w, p, leave := d.enter()
	defer leave()
	if found := w.person(id); found != nil && p.is("platform-administrator", "auditor") {
		return found.Person, nil
	}
	return api.Person{}, missing("person", id)
}

func (d *desk) Token(_ context.Context, id string) (api.Token, error) {
	w, _, leave := d.enter()
	defer leave()
	for _, t := range w.tokens[d.id] {
		if t.ID == id {
			return t, nil
		}
	}
	return api.Token{}, missing("token", id)
}

func (d *desk) CreateOrganisation(_ context.Context, n api.NewOrganisation) (api.Organisation, error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.is("platform-administrator") {
		return api.Organisation{}, portal.ErrNotFound
	}
	if slices.ContainsFunc(w.organisations, func(o api.Organisation) bool { return o.Name == n.Name }) {
		return api.Organisation{}, fmt.Errorf("there is an organisation named %q already: %w", n.Name, portal.ErrConflict)
	}
	o := api.Organisation{ID: w.next("org"), Name: n.Name, Audience: n.Audience, Division: n.Division, Region: n.Region, Created: w.now()}
	w.organisations = append(w.organisations, o)
	return o, nil
}

func (d *desk) SetOrganisationDisabled(_ context.Context, id string, disabled bool) (api.Organisation, error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.is("platform-administrator") {
		return api.Organisation{}, portal.ErrNotFound
	}
	for i := range w.organisations {
		if w.organisations[i].ID == id {
			w.organisations[i].Disabled = disabled
			return w.organisations[i], nil
		}
	}
	return api.Organisation{}, missing("organisation", id)
}

func (d *desk) People(_ context.Context, q api.Paging) (api.Page[api.Person], error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.is("platform-administrator", "auditor") {
		return api.Page[api.Person]{}, portal.ErrNotFound
	}
	var found []api.Person
	for _, p := range w.people {
		found = append(found, p.Person)
	}
	return page(found, q)
}

func (d *desk) Invite(_ context.Context, n api.NewPerson) (api.Invitation, error) {
	w, p, leave := d.enter()
	defer leave()
	if !p.is("platform-administrator") {
		return api.Invitation{}, portal.ErrNotFound
	}
	if slices.ContainsFunc(w.people, func(p *person) bool { return p.Email == n.Email }) {
		return api.Invitation{}, fmt.Errorf("somebody with %s is there already: %w", n.Email, portal.ErrConflict)
	}
	invited := &person{Person: api.Person{
		ID: w.next("per"), Name: n.Name, Email: n.Email, Organisation: w.organisation(n.Organisation).Name,
		OrganisationID: n.Organisation, Roles: n.Roles, State: "invited", Created: w.now(),
	}}
	w.people = append(w.people, invited)
	return w.link(invited), nil
}

func (w *World) link(p *person) api.Invitation {
	token := w.next("inv") + "-9f2c41d07be6"
	w.invitations[token] = p.ID
	return api.Invitation{Person: p.Person, Token: portal.NewSecret(token), Expires: w.now().Add(7 * 24 * time.Hour)}
}

func (d *desk) Reinvite(_ context.Context, id string) (api.Invitation, error) {
	w, p, leave := d.enter()
	defer leave()
	target := w.person(id)
	if !p.is("platform-administrator") || target == nil {
		return api.Invitation{}, missing("person", id)
	}
	return w.link(target), nil
}

func (d *desk) ChangePerson(_ context.Context, id string, c api.PersonChange) (api.Person, error) {
	w, p, leave := d.enter()
	defer leave()
	target := w.person(id)
	if !p.is("platform-administrator") || target == nil {
		return api.Person{}, missing("person", id)
	}
	if c.Disabled != nil {
		target.State = map[bool]string{true: "disabled", false: "active"}[*c.Disabled]
	}
	if c.Roles != nil {
		target.Roles = *c.Roles
	}
	return target.Person, nil
}

func (d *desk) Tokens(context.Context) ([]api.Token, error) {
	w, _, leave := d.enter()
	defer leave()
	return slices.Clone(w.tokens[d.id]), nil
}

func (d *desk) CreateToken(_ context.Context, n api.NewToken) (api.CreatedToken, error) {
	w, _, leave := d.enter()
	defer leave()
	expires := w.now().Add(time.Duration(n.Days) * 24 * time.Hour)
	t := api.Token{ID: w.next("tok"), Name: n.Name, Hint: "cpt_7Kq2", Created: w.now(), Expires: &expires}
	w.tokens[d.id] = append(w.tokens[d.id], t)
	return api.CreatedToken{Token: t, Value: portal.NewSecret("cpt_7Kq2xVnB4mWsRtYp8LdHcZfG")}, nil
}

func (d *desk) RevokeToken(_ context.Context, id string) error {
	w, _, leave := d.enter()
	defer leave()
	i := slices.IndexFunc(w.tokens[d.id], func(t api.Token) bool { return t.ID == id })
	if i < 0 {
		return missing("token", id)
	}
	w.tokens[d.id] = slices.Delete(w.tokens[d.id], i, i+1)
	return nil
}
