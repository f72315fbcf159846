package people

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/told"
)

// ListOrganisations returns a page of all organisations by name, for those who may see people.
func (s *Service) ListOrganisations(ctx context.Context, c access.Caller, p Paging) (items []Organisation, next string, err error) {
	if !access.MaySeePeople(c) {
		return nil, "", portal.ErrNotFound
	}
	err = s.db.View(ctx, func(tx Tx) error {
		items, err = tx.People().Organisations(ctx, p.After, p.limit()+1)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("listing organisations: %w", err)
	}
	items, next = page(items, p.limit(), func(o Organisation) string { return SortKey(o.Name) })
	return items, next, nil
}

// CreateOrganisation adds an organisation. Errors: portal.ErrConflict where the name is taken.
func (s *Service) CreateOrganisation(ctx context.Context, c access.Caller, n NewOrganisation) (Organisation, error) {
	if !access.MayManagePeople(c) {
		return Organisation{}, portal.ErrNotFound
	}
	o, err := s.newOrganisation(n)
	if err != nil {
		return Organisation{}, err
	}
	err = s.db.InTx(ctx, func(tx Tx) error { return s.addOrganisation(ctx, tx, c.Person, o) })
	if err != nil {
		return Organisation{}, fmt.Errorf("creating the organisation: %w", err)
	}
	return o, nil
}

func (s *Service) newOrganisation(n NewOrganisation) (Organisation, error) {
	name, err := cleanName("organisation", n.Name)
	if err != nil {
		return Organisation{}, err
	}
	switch {
	case !slices.Contains(s.audiences, n.Audience):
		return Organisation{}, invalid("there is no audience %q; the audiences are %v", n.Audience, s.audiences)
	case n.Division != "" && n.Audience != portal.Internal:
		return Organisation{}, told.OnlyInternalDivision.As(portal.ErrInvalid)
	case !word(string(n.Division)):
		return Organisation{}, invalid("the division needs at most %d characters, none of them control characters", maxName)
	case !word(string(n.Region)):
		return Organisation{}, invalid("the region needs at most %d characters, none of them control characters", maxName)
	}
	return Organisation{
		ID: portal.OrganisationID(portal.NewID("org")), Name: name, Audience: n.Audience, Division: n.Division, Region: n.Region,
		Created: s.time(),
	}, nil
}

func word(s string) bool { return printable(s) && utf8.RuneCountInString(s) <= maxName }

func (s *Service) addOrganisation(ctx context.Context, tx Tx, actor portal.PersonID, o Organisation) error {
	if err := tx.People().AddOrganisation(ctx, o); err != nil {
		return err
	}
	return s.record(ctx, tx, actor, "organisation.create", string(o.ID), o.ID,
		map[string]string{"name": o.Name, "audience": string(o.Audience), "division": string(o.Division), "region": string(o.Region)})
}

// SetOrganisationDisabled disables an organisation, which ends its people's sessions and tokens at once, or enables it
// again, which brings none of them back. Repeating it changes nothing. Errors: portal.ErrConflict for the caller's own
// organisation, and where no platform administrator would be left.
func (s *Service) SetOrganisationDisabled(ctx context.Context, c access.Caller, id portal.OrganisationID, disabled bool) (o Organisation, err error) {
	if !access.MayManagePeople(c) {
		return Organisation{}, portal.ErrNotFound
	}
	if disabled && id == c.Organisation {
		return Organisation{}, told.NotYourOrganisation.As(portal.ErrConflict)
	}
	err = s.db.InTx(ctx, func(tx Tx) error {
		if err := s.setOrganisationDisabled(ctx, tx, c.Person, id, disabled); err != nil {
			return err
		}
		o, err = tx.People().Organisation(ctx, id)
		return err
	})
	if err != nil {
		return Organisation{}, fmt.Errorf("changing the organisation: %w", err)
	}
	return o, nil
}

func (s *Service) setOrganisationDisabled(ctx context.Context, tx Tx, actor portal.PersonID, id portal.OrganisationID, disabled bool) error {
	p := tx.People()
	if _, err := p.Organisation(ctx, id); err != nil {
		return err
	}
	if err := p.LockAdministrators(ctx); err != nil {
		return err
	}
	done, err := p.SetOrganisationDisabled(ctx, id, disabled)
	if err != nil || !done {
		return err
	}
	members, err := p.Members(ctx, id)
	if err != nil {
		return err
	}
	ended := ended{}
	for _, m := range members {
		changed(tx, m)
		if !disabled {
			continue
		}
		if err := ended.all(ctx, p, m, id); err != nil {
			return err
		}
	}
	if !disabled {
		return s.record(ctx, tx, actor, "organisation.enable", string(id), id, nil)
	}
	if err := stillAdministered(ctx, p); err != nil {
		return err
	}
	return s.record(ctx, tx, actor, "organisation.disable", string(id), id, ended.detail())
}

// ended counts what was ended.
type ended struct{ sessions, tokens int64 }

func (e *ended) all(ctx context.Context, p Store, person portal.PersonID, in portal.OrganisationID) error {
	n, err := p.EndSessions(ctx, person, in)
	if err != nil {
		return err
	}
	e.sessions += n
	if n, err = p.EndTokens(ctx, person, in); err != nil {
		return err
	}
	e.tokens += n
	return nil
}

func (e *ended) detail() map[string]string {
	return map[string]string{"sessions": fmt.Sprint(e.sessions), "tokens": fmt.Sprint(e.tokens)}
}

// stillAdministered is the guard at the end of a transaction that holds LockAdministrators.
func stillAdministered(ctx context.Context, p Store) error {
	n, err := p.Administrators(ctx)
	if err != nil {
		return err
	}
	if n == 0 {
		return told.LastAdministrator.As(portal.ErrConflict)
	}
	return nil
}
