package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"concierge/portal"
	"concierge/portal/access"
	"concierge/portal/people"
	"concierge/portal/told"
)

// People returns the people of this transaction.
func (tx *Tx) People() people.Store { return peopleStore{tx} }

type peopleStore struct{ tx *Tx }

var _ people.Tx = (*Tx)(nil)

func (s peopleStore) AddOrganisation(ctx context.Context, o people.Organisation) error {
	n, err := s.tx.affected(ctx, `INSERT INTO organisations (id, name, name_key, audience, division, region, disabled, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name_key) DO NOTHING`,
		o.ID, o.Name, people.SortKey(o.Name), o.Audience, o.Division, o.Region, o.Disabled, micros(o.Created))
	if err == nil && n == 0 {
		return told.NameTaken.As(portal.ErrConflict, o.Name)
	}
	return err
}

const organisationColumns = `o.id, o.name, o.audience, o.division, o.region, o.disabled, o.created`

// organisationInto returns where organisationColumns are scanned to; call done afterwards.
func organisationInto(o *people.Organisation) (dest []any, done func()) {
	created := new(int64)
	return []any{&o.ID, &o.Name, &o.Audience, &o.Division, &o.Region, &o.Disabled, created}, func() { o.Created = instant(*created) }
}

const selectOrganisations = `SELECT ` + organisationColumns + `, (SELECT count(*) FROM memberships m WHERE m.organisation = o.id) FROM organisations o `

func (s peopleStore) organisation(ctx context.Context, where string, arg any) (o people.Organisation, err error) {
	dest, done := organisationInto(&o)
	err = s.tx.one(ctx, append(dest, &o.Members), selectOrganisations+where, arg)
	done()
	return o, err
}

func (s peopleStore) Organisation(ctx context.Context, id portal.OrganisationID) (people.Organisation, error) {
	return s.organisation(ctx, `WHERE o.id = $1`, id)
}

func (s peopleStore) OrganisationByName(ctx context.Context, name string) (people.Organisation, error) {
	return s.organisation(ctx, `WHERE o.name_key = $1`, people.SortKey(name))
}

func (s peopleStore) Organisations(ctx context.Context, after string, limit int) ([]people.Organisation, error) {
	return rows(ctx, s.tx, func(r scanner) (o people.Organisation, err error) {
		dest, done := organisationInto(&o)
		err = r.Scan(append(dest, &o.Members)...)
		done()
		return o, err
	}, selectOrganisations+`WHERE o.name_key > $1 ORDER BY o.name_key LIMIT $2`, after, limit)
}

func (s peopleStore) SetOrganisationDisabled(ctx context.Context, id portal.OrganisationID, disabled bool) (bool, error) {
	return s.met(ctx, `UPDATE organisations SET disabled = $2 WHERE id = $1 AND disabled <> $2`, id, disabled)
}

func (s peopleStore) Members(ctx context.Context, id portal.OrganisationID) ([]portal.PersonID, error) {
	return rows(ctx, s.tx, func(r scanner) (p portal.PersonID, err error) { return p, r.Scan(&p) },
		`SELECT person FROM memberships WHERE organisation = $1 ORDER BY person`, id)
}

func (s peopleStore) AddPerson(ctx context.Context, p people.Person) error {
	n, err := s.tx.affected(ctx, `INSERT INTO people (id, name, name_key, email, password, disabled, created, seen)
		VALUES ($1, $2, $3, $4, '', FALSE, $5, 0) ON CONFLICT (email) DO NOTHING`,
		p.ID, p.Name, people.SortKey(p.Name), p.Email, micros(p.Created))
	if err != nil {
		return err
	}
	if n == 0 {
		return told.EmailTaken.As(portal.ErrConflict)
	}
	for _, m := range p.Memberships {
		if err := s.SetRoles(ctx, p.ID, m.Organisation.ID, m.Roles, p.Created); err != nil {
			return err
		}
	}
	return nil
}

// persons reads people, each with their memberships, from a query for their ids.
func (s peopleStore) persons(ctx context.Context, ids string, args ...any) ([]people.Person, error) {
	var all []people.Person
	_, err := rows(ctx, s.tx, func(r scanner) (struct{}, error) {
		var p people.Person
		var m people.Membership
		var password, disabled bool
		var created, seen int64
		var roles string
		organisation, done := organisationInto(&m.Organisation)
		err := r.Scan(append([]any{&p.ID, &p.Name, &p.Email, &password, &disabled, &created, &seen, &roles}, organisation...)...)
		if err != nil {
			return struct{}{}, err
		}
		done()
		if m.Roles, err = readRoles(roles); err != nil {
			return struct{}{}, err
		}
		if n := len(all); n > 0 && all[n-1].ID == p.ID {
			all[n-1].Memberships = append(all[n-1].Memberships, m)
			return struct{}{}, nil
		}
		p.Created, p.LastSeen, p.Memberships = instant(created), instant(seen), []people.Membership{m}
		switch {
		case disabled:
			p.State = people.Disabled
		case password:
			p.State = people.Active
		default:
			p.State = people.Invited
		}
		all = append(all, p)
		return struct{}{}, nil
	}, `SELECT p.id, p.name, p.email, p.password <> '', p.disabled, p.created, p.seen, m.roles, `+organisationColumns+`
		FROM people p JOIN memberships m ON m.person = p.id JOIN organisations o ON o.id = m.organisation
		WHERE p.id IN (`+ids+`) ORDER BY p.name_key, p.id, m.created, m.organisation`, args...)
	return all, err
}

func (s peopleStore) Person(ctx context.Context, id portal.PersonID) (people.Person, error) {
	all, err := s.persons(ctx, `$1`, id)
	if err != nil {
		return people.Person{}, err
	}
	if len(all) == 0 {
		return people.Person{}, portal.ErrNotFound
	}
	return all[0], nil
}

func (s peopleStore) People(ctx context.Context, name string, id portal.PersonID, limit int) ([]people.Person, error) {
	return s.persons(ctx, `SELECT id FROM people WHERE (name_key, id) > ($1, $2) ORDER BY name_key, id LIMIT $3`, name, id, limit)
}

func (s peopleStore) Account(ctx context.Context, email string) (a people.Account, err error) {
	var hash string
	err = s.tx.one(ctx, []any{&a.Person, &hash, &a.Disabled}, `SELECT id, password, disabled FROM people WHERE email = $1`, email)
	a.Password = portal.NewSecret(hash)
	return a, err
}

func (s peopleStore) SignedIn(ctx context.Context, id portal.PersonID, hash portal.Secret, at time.Time) (bool, error) {
	return s.met(ctx, `UPDATE people SET seen = $3 WHERE id = $1 AND password = $2 AND password <> '' AND NOT disabled`, id, hash.Reveal(), micros(at))
}

func (s peopleStore) SetPassword(ctx context.Context, id portal.PersonID, name string, hash portal.Secret) (bool, error) {
	return s.met(ctx, `UPDATE people SET name = $2, name_key = $3, password = $4 WHERE id = $1 AND NOT disabled`, id, name, people.SortKey(name), hash.Reveal())
}

func (s peopleStore) SetDisabled(ctx context.Context, id portal.PersonID, disabled bool) (bool, error) {
	return s.met(ctx, `UPDATE people SET disabled = $2 WHERE id = $1 AND disabled <> $2`, id, disabled)
}

func (s peopleStore) SetRoles(ctx context.Context, id portal.PersonID, in portal.OrganisationID, roles []access.Role, at time.Time) error {
	if roles == nil {
		roles = []access.Role{}
	}
	list, err := json.Marshal(roles)
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	return s.tx.exec(ctx, `INSERT INTO memberships (person, organisation, roles, created) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person, organisation) DO UPDATE SET roles = excluded.roles`, id, in, string(list), micros(at))
}

func readRoles(list string) (roles []access.Role, err error) {
	if err := json.Unmarshal([]byte(list), &roles); err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	return roles, nil
}

// LockAdministrators writes one row that every such transaction writes, so that an engine with row locks lets one
// after the other count.
func (s peopleStore) LockAdministrators(ctx context.Context) error {
	return s.tx.exec(ctx, `INSERT INTO settings (name, value) VALUES ('people.administrators', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []byte{})
}

func (s peopleStore) Administrators(ctx context.Context) (n int, err error) {
	err = s.tx.one(ctx, []any{&n}, `SELECT count(DISTINCT p.id) FROM `+activeMembers+` WHERE o.audience = $1 AND m.roles LIKE $2`,
		portal.Internal, `%"`+string(access.PlatformAdministrator)+`"%`)
	return n, err
}

// activeMembers are the people who can sign in, with each organisation that they can act for.
const activeMembers = `people p JOIN memberships m ON m.person = p.id JOIN organisations o ON o.id = m.organisation
	AND p.password <> '' AND NOT p.disabled AND NOT o.disabled`

const callerColumns = `p.id, p.name, p.email, o.id, o.name, o.audience, o.division, o.region, m.roles,
	coalesce((SELECT string_agg(tm.team, ' ') FROM team_members tm JOIN teams ts ON ts.id = tm.team WHERE tm.person = p.id AND ts.organisation = o.id), '')`

// callerInto returns where callerColumns are scanned to; call done afterwards.
func callerInto(c *access.Caller) (dest []any, done func() error) {
	roles, teams := new(string), new(string)
	dest = []any{&c.Person, &c.Name, &c.Email, &c.Organisation, &c.OrganisationName, &c.Audience, &c.Division, &c.Region, roles, teams}
	return dest, func() (err error) {
		for _, team := range slices.Sorted(strings.FieldsSeq(*teams)) {
			c.Teams = append(c.Teams, portal.TeamID(team))
		}
		c.Roles, err = readRoles(*roles)
		return err
	}
}

func (s peopleStore) Caller(ctx context.Context, id portal.PersonID, in portal.OrganisationID) (c access.Caller, err error) {
	dest, done := callerInto(&c)
	err = s.tx.one(ctx, dest, `SELECT `+callerColumns+` FROM `+activeMembers+` WHERE p.id = $1 AND o.id = $2`, id, in)
	if err != nil {
		return access.Caller{}, err
	}
	return c, done()
}

func (s peopleStore) Callers(ctx context.Context) ([]people.TokenCaller, error) {
	return s.tokenCallers(ctx, ``)
}

func (s peopleStore) CallersOf(ctx context.Context, id portal.PersonID) ([]people.TokenCaller, error) {
	return s.tokenCallers(ctx, `WHERE t.person = $1`, id)
}

func (s peopleStore) CallerByToken(ctx context.Context, h people.Hash) (people.TokenCaller, error) {
	all, err := s.tokenCallers(ctx, `WHERE t.hash = $1`, h[:])
	if err != nil {
		return people.TokenCaller{}, err
	}
	if len(all) == 0 {
		return people.TokenCaller{}, portal.ErrNotFound
	}
	return all[0], nil
}

func (s peopleStore) tokenCallers(ctx context.Context, where string, args ...any) ([]people.TokenCaller, error) {
	return rows(ctx, s.tx, func(r scanner) (t people.TokenCaller, err error) {
		var hash []byte
		var expires int64
		dest, done := callerInto(&t.Caller)
		if err := r.Scan(append([]any{&hash, &expires}, dest...)...); err != nil {
			return t, err
		}
		if len(hash) != len(t.Hash) {
			return t, fmt.Errorf("a token's hash has %d bytes", len(hash))
		}
		t.Hash, t.Expires = people.Hash(hash), instant(expires)
		return t, done()
	}, `SELECT t.hash, t.expires, `+callerColumns+` FROM `+activeMembers+`
		JOIN tokens t ON t.person = p.id AND t.organisation = o.id `+where, args...)
}

func (s peopleStore) AddToken(ctx context.Context, h people.Hash, person portal.PersonID, in portal.OrganisationID, t people.Token) error {
	return s.tx.exec(ctx, `INSERT INTO tokens (hash, id, person, organisation, name, hint, created, used, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		h[:], t.ID, person, in, t.Name, t.Hint, micros(t.Created), micros(t.LastUsed), micros(t.Expires))
}

func (s peopleStore) Tokens(ctx context.Context, person portal.PersonID, in portal.OrganisationID) ([]people.Token, error) {
	return rows(ctx, s.tx, func(r scanner) (t people.Token, err error) {
		var created, used, expires int64
		err = r.Scan(&t.ID, &t.Name, &t.Hint, &created, &used, &expires)
		t.Created, t.LastUsed, t.Expires = instant(created), instant(used), instant(expires)
		return t, err
	}, `SELECT id, name, hint, created, used, expires FROM tokens WHERE person = $1 AND organisation = $2 ORDER BY created DESC, id`, person, in)
}

func (s peopleStore) RevokeToken(ctx context.Context, person portal.PersonID, in portal.OrganisationID, id string) (bool, error) {
	return s.met(ctx, `DELETE FROM tokens WHERE person = $1 AND organisation = $2 AND id = $3`, person, in, id)
}

func (s peopleStore) TokenUsed(ctx context.Context, h people.Hash, at time.Time) error {
	if err := s.tx.exec(ctx, `UPDATE tokens SET used = $2 WHERE hash = $1 AND used < $2`, h[:], micros(at)); err != nil {
		return err
	}
	return s.tx.exec(ctx, `UPDATE people SET seen = $2 WHERE id = (SELECT person FROM tokens WHERE hash = $1) AND seen < $2`, h[:], micros(at))
}

func (s peopleStore) PutLink(ctx context.Context, l people.Link) error {
	return s.tx.exec(ctx, `INSERT INTO links (hash, person, expires) VALUES ($1, $2, $3)
		ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, expires = excluded.expires`, l.Hash[:], l.Person, micros(l.Expires))
}

func (s peopleStore) Link(ctx context.Context, h people.Hash) (people.Link, error) {
	return s.link(ctx, h, `SELECT person, expires FROM links WHERE hash = $1`)
}

func (s peopleStore) LinkOf(ctx context.Context, person portal.PersonID) (people.Link, error) {
	l := people.Link{Person: person}
	var hash []byte
	var expires int64
	if err := s.tx.one(ctx, []any{&hash, &expires}, `SELECT hash, expires FROM links WHERE person = $1`, person); err != nil {
		return people.Link{}, err
	}
	copy(l.Hash[:], hash)
	l.Expires = instant(expires)
	return l, nil
}

func (s peopleStore) TakeLink(ctx context.Context, h people.Hash) (people.Link, error) {
	return s.link(ctx, h, `DELETE FROM links WHERE hash = $1 RETURNING person, expires`)
}

func (s peopleStore) link(ctx context.Context, h people.Hash, query string) (people.Link, error) {
	l := people.Link{Hash: h}
	var expires int64
	if err := s.tx.one(ctx, []any{&l.Person, &expires}, query, h[:]); err != nil {
		return people.Link{}, err
	}
	l.Expires = instant(expires)
	return l, nil
}

func (s peopleStore) VoidLink(ctx context.Context, person portal.PersonID) error {
	return s.tx.exec(ctx, `DELETE FROM links WHERE person = $1`, person)
}

func (s peopleStore) AddSession(ctx context.Context, n people.Session) (bool, error) {
	return s.met(ctx, `INSERT INTO sessions (hash, person, organisation, data, created, seen)
		SELECT $1, p.id, o.id, $4, $5, $6 FROM `+activeMembers+` WHERE p.id = $2 AND o.id = $3`,
		n.Hash[:], n.Person, n.Organisation, n.Data, micros(n.Created), micros(n.Seen))
}

func (s peopleStore) Session(ctx context.Context, h people.Hash) (people.Session, error) {
	found := people.Session{Hash: h}
	var created, seen int64
	err := s.tx.one(ctx, []any{&found.Person, &found.Organisation, &found.Data, &created, &seen},
		`SELECT person, organisation, data, created, seen FROM sessions WHERE hash = $1`, h[:])
	if err != nil {
		return people.Session{}, err
	}
	found.Created, found.Seen = instant(created), instant(seen)
	return found, nil
}

func (s peopleStore) SaveSession(ctx context.Context, n people.Session) (bool, error) {
	return s.met(ctx, `UPDATE sessions SET data = $4 WHERE hash = $1 AND person = $2 AND organisation = $3`, n.Hash[:], n.Person, n.Organisation, n.Data)
}

func (s peopleStore) TouchSession(ctx context.Context, h people.Hash, at, since time.Time) (bool, error) {
	touched, err := s.met(ctx, `UPDATE sessions SET seen = $2 WHERE hash = $1 AND seen <= $3`, h[:], micros(at), micros(since))
	if err != nil || !touched {
		return false, err
	}
	return true, s.tx.exec(ctx, `UPDATE people SET seen = $2 WHERE id = (SELECT person FROM sessions WHERE hash = $1) AND seen < $2`, h[:], micros(at))
}

func (s peopleStore) EndSession(ctx context.Context, h people.Hash) error {
	return s.tx.exec(ctx, `DELETE FROM sessions WHERE hash = $1`, h[:])
}

func (s peopleStore) EndSessions(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (int64, error) {
	return s.tx.affected(ctx, `DELETE FROM sessions WHERE person = $1 AND ($2 = '' OR organisation = $2)`, person, in)
}

func (s peopleStore) EndTokens(ctx context.Context, person portal.PersonID, in portal.OrganisationID) (int64, error) {
	return s.tx.affected(ctx, `DELETE FROM tokens WHERE person = $1 AND ($2 = '' OR organisation = $2)`, person, in)
}

func (s peopleStore) Expire(ctx context.Context, made, used, links, tokens time.Time) error {
	for _, d := range []struct {
		query  string
		before time.Time
	}{
		{`DELETE FROM sessions WHERE created <= $1`, made},
		{`DELETE FROM sessions WHERE seen <= $1`, used},
		{`DELETE FROM links WHERE expires <= $1`, links},
		{`DELETE FROM tokens WHERE expires <= $1`, tokens},
	} {
		if err := s.tx.exec(ctx, d.query, micros(d.before)); err != nil {
			return err
		}
	}
	return nil
}

// met runs a conditional statement and says whether its condition held.
func (s peopleStore) met(ctx context.Context, query string, args ...any) (bool, error) {
	n, err := s.tx.affected(ctx, query, args...)
	return n > 0, err
}
