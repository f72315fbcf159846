package desk

import (
	"context"
	"fmt"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/api"
	"concierge/portal/people"
)

func (d *desk) peoplePaging(list string, p api.Paging) (people.Paging, error) {
	after, err := openCursor[string](d, list, p.Cursor)
	return people.Paging{Limit: limit(p.Limit), After: after}, err
}

func (d *desk) Organisations(ctx context.Context, p api.Paging) (page api.Page[api.Organisation], err error) {
	if !access.MaySeePeople(d.caller) {
		return page, fmt.Errorf("organisations: %w", portal.ErrNotFound)
	}
	paging, err := d.peoplePaging("organisations", p)
	if err != nil {
		return page, err
	}
	found, next, err := d.Service.People.ListOrganisations(ctx, d.caller, paging)
	if err != nil {
		return page, err
	}
	page.Items = []api.Organisation{}
	for _, o := range found {
		page.Items = append(page.Items, organisation(o))
	}
	page.Next, err = sealCursor(d, "organisations", next)
	return page, err
}

func organisation(o people.Organisation) api.Organisation {
	return api.Organisation{
		ID: string(o.ID), Name: o.Name, Audience: string(o.Audience), Division: string(o.Division), Region: string(o.Region),
		Disabled: o.Disabled, People: o.Members, Created: o.Created,
	}
}

func (d *desk) Organisation(ctx context.Context, id string) (api.Organisation, error) {
	if !access.MaySeePeople(d.caller) {
		return api.Organisation{}, fmt.Errorf("organisation %s: %w", id, portal.ErrNotFound)
	}
	var o people.Organisation
	err := d.people.View(ctx, func(tx people.Tx) (err error) {
		o, err = tx.People().Organisation(ctx, portal.OrganisationID(id))
		return err
	})
	if err != nil {
		return api.Organisation{}, err
	}
	return organisation(o), nil
}

func (d *desk) CreateOrganisation(ctx context.Context, n api.NewOrganisation) (api.Organisation, error) {
	o, err := d.Service.People.CreateOrganisation(ctx, d.caller, people.NewOrganisation{
		Name: n.Name, Audience: portal.Audience(n.Audience), Division: portal.Division(n.Division), Region: portal.Region(n.Region),
	})
	if err != nil {
		return api.Organisation{}, err
	}
	return organisation(o), nil
}

func (d *desk) SetOrganisationDisabled(ctx context.Context, id string, disabled bool) (api.Organisation, error) {
	o, err := d.Service.People.SetOrganisationDisabled(ctx, d.caller, portal.OrganisationID(id), disabled)
	if err != nil {
		return api.Organisation{}, err
	}
	return organisation(o), d.seen(ctx)
}

// seen waits until the table has what was just committed: who is disabled is out before the answer goes.
func (d *desk) seen(ctx context.Context) error { return d.Live.Refresh(ctx) }

func person(p people.Person) api.Person {
	shown := api.Person{ID: string(p.ID), Name: p.Name, Email: p.Email, State: string(p.State), LastSeen: timeOrNil(p.LastSeen), Created: p.Created, Roles: []string{}}
	if len(p.Memberships) > 0 { // the oldest
		m := p.Memberships[0]
		shown.Organisation, shown.OrganisationID, shown.Roles = m.Organisation.Name, string(m.Organisation.ID), texts(m.Roles)
	}
	return shown
}

func (d *desk) Person(ctx context.Context, id string) (api.Person, error) {
	p, err := d.Service.People.Person(ctx, d.caller, portal.PersonID(id))
	if err != nil {
		return api.Person{}, err
	}
	return person(p), nil
}

func (d *desk) People(ctx context.Context, p api.Paging) (page api.Page[api.Person], err error) {
	if !access.MaySeePeople(d.caller) {
		return page, fmt.Errorf("people: %w", portal.ErrNotFound)
	}
	paging, err := d.peoplePaging("people", p)
	if err != nil {
		return page, err
	}
	found, next, err := d.Service.People.ListPeople(ctx, d.caller, paging)
	if err != nil {
		return page, err
	}
	page.Items = []api.Person{}
	for _, p := range found {
		page.Items = append(page.Items, person(p))
	}
	page.Next, err = sealCursor(d, "people", next)
	return page, err
}

func roles(names []string) []access.Role {
	out := make([]access.Role, len(names))
	for i, n := range names {
		out[i] = access.Role(n)
	}
	return out
}

func (d *desk) Invite(ctx context.Context, n api.NewPerson) (api.Invitation, error) {
	inv, err := d.Service.People.Invite(ctx, d.caller, people.NewPerson{
		Name: n.Name, Email: n.Email, Organisation: portal.OrganisationID(n.Organisation), Roles: roles(n.Roles),
	})
	return invitation(inv, err)
}

func (d *desk) Reinvite(ctx context.Context, person string) (api.Invitation, error) {
	inv, err := d.Service.People.Reinvite(ctx, d.caller, portal.PersonID(person))
	return invitation(inv, err)
}

func invitation(inv people.Invitation, err error) (api.Invitation, error) {
	if err != nil {
		return api.Invitation{}, err
	}
	return api.Invitation{Person: person(inv.Person), Token: inv.Token, Expires: inv.Expires}, nil
}

func (d *desk) ChangePerson(ctx context.Context, id string, c api.PersonChange) (api.Person, error) {
	change := people.PersonChange{Disabled: c.Disabled}
	if c.Roles != nil {
		given := roles(*c.Roles)
		change.Roles = &given
	}
	p, err := d.Service.People.ChangePerson(ctx, d.caller, portal.PersonID(id), change)
	if err != nil {
		return api.Person{}, err
	}
	return person(p), d.seen(ctx)
}

func shownToken(t people.Token) api.Token {
	return api.Token{ID: t.ID, Name: t.Name, Hint: t.Hint, Created: t.Created, LastUsed: timeOrNil(t.LastUsed), Expires: timeOrNil(t.Expires)}
}

func (d *desk) Tokens(ctx context.Context) ([]api.Token, error) {
	found, err := d.Service.People.Tokens(ctx, d.caller)
	items := make([]api.Token, len(found))
	for i, t := range found {
		items[i] = shownToken(t)
	}
	return items, err
}

func (d *desk) Token(ctx context.Context, id string) (api.Token, error) {
	all, err := d.Tokens(ctx)
	if err != nil {
		return api.Token{}, err
	}
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	return api.Token{}, fmt.Errorf("token %s: %w", id, portal.ErrNotFound)
}

func (d *desk) CreateToken(ctx context.Context, n api.NewToken) (api.CreatedToken, error) {
	t, value, err := d.Service.People.CreateToken(ctx, d.caller, people.NewToken{Name: n.Name, Days: n.Days})
	if err != nil {
		return api.CreatedToken{}, err
	}
	return api.CreatedToken{Token: shownToken(t), Value: value}, d.seen(ctx)
}

func (d *desk) RevokeToken(ctx context.Context, id string) error {
	if err := d.Service.People.RevokeToken(ctx, d.caller, id); err != nil {
		return err
	}
	return d.seen(ctx)
}
