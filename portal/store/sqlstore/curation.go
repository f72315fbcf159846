package sqlstore

import (
	"context"
	"encoding/json"
	"errors"

	"concierge/portal"
	"concierge/portal/curation"
	"concierge/portal/people"
	"concierge/portal/told"
)

// Curation implements curation.Tx.
func (tx *Tx) Curation() curation.Store { return curationStore{tx} }

type curationStore struct{ tx *Tx }

var _ curation.Tx = (*Tx)(nil)

// texts is the column content of api_texts; the bodies of guides are in a column of their own, by id.
type texts struct {
	Texts  []portal.AudienceText
	Guides []portal.Guide
}

func (s curationStore) AddRevision(ctx context.Context, r curation.Revision) error {
	content, bodies := texts{Texts: r.Texts}, map[string]string{}
	for _, g := range r.Guides {
		bodies[g.ID], g.Body = g.Body, ""
		content.Guides = append(content.Guides, g)
	}
	c, err := json.Marshal(content)
	b, err2 := json.Marshal(bodies)
	if err := errors.Join(err, err2); err != nil {
		return doing(err, "texts of API %s", r.API)
	}
	n, err := s.tx.affected(ctx, `INSERT INTO api_texts (api, revision, published, content, bodies, author, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (api, revision) DO NOTHING`, r.API, r.Number, r.Published, string(c), string(b), r.Author, micros(r.At))
	if err := met(n, err, "saving revision %d of the texts of API %s", r.Number, r.API); err != nil {
		return err
	}
	return doing(s.tx.exec(ctx, `DELETE FROM api_texts WHERE api = $1 AND revision <= $2
		AND revision <> coalesce((SELECT max(revision) FROM api_texts WHERE api = $1 AND published), 0)`, r.API, r.Number-curation.KeptRevisions),
		"dropping old texts of API %s", r.API)
}

const revisionColumns = `api, revision, published, author, at, content, bodies`

func scanRevision(r scanner) (v curation.Revision, err error) {
	var at int64
	var content, bodies string
	if err := r.Scan(&v.API, &v.Number, &v.Published, &v.Author, &at, &content, &bodies); err != nil {
		return v, err
	}
	v.At = instant(at)
	var read texts
	if content != "" {
		err = json.Unmarshal([]byte(content), &read)
	}
	v.Texts, v.Guides = read.Texts, read.Guides
	if err != nil || bodies == "" {
		return v, err
	}
	var byID map[string]string
	err = json.Unmarshal([]byte(bodies), &byID)
	for i := range v.Guides {
		v.Guides[i].Body = byID[v.Guides[i].ID]
	}
	return v, err
}

func (s curationStore) revision(ctx context.Context, api portal.APIID, where string, args ...any) (curation.Revision, error) {
	r, err := get(ctx, s.tx, scanRevision, `SELECT `+revisionColumns+` FROM api_texts WHERE api = $1 `+where, append([]any{api}, args...)...)
	return r, doing(err, "texts of API %s", api)
}

func (s curationStore) Newest(ctx context.Context, api portal.APIID) (curation.Revision, error) {
	return s.revision(ctx, api, `ORDER BY revision DESC LIMIT 1`)
}

func (s curationStore) Published(ctx context.Context, api portal.APIID) (curation.Revision, error) {
	return s.revision(ctx, api, `AND published ORDER BY revision DESC LIMIT 1`)
}

func (s curationStore) Revision(ctx context.Context, api portal.APIID, number int64) (curation.Revision, error) {
	return s.revision(ctx, api, `AND revision = $2`, number)
}

func (s curationStore) History(ctx context.Context, api portal.APIID, before int64, limit int) ([]curation.Revision, error) {
	all, err := rows(ctx, s.tx, scanRevision, `SELECT api, revision, published, author, at, '', '' FROM api_texts
		WHERE api = $1 AND ($2 = 0 OR revision < $2) ORDER BY revision DESC LIMIT $3`, api, before, noLimit(limit))
	return all, doing(err, "history of the texts of API %s", api)
}

func (s curationStore) JoinedInto(ctx context.Context, api portal.APIID) ([]portal.APIID, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (id portal.APIID, err error) { return id, r.Scan(&id) },
		`SELECT DISTINCT t.api FROM api_texts t JOIN apis a ON a.id = t.api WHERE a.joined = $1 AND t.published ORDER BY t.api`, api)
	return all, doing(err, "texts of what was joined to API %s", api)
}

func (s curationStore) SetTeam(ctx context.Context, api portal.APIID, team portal.TeamID) error {
	if team == "" {
		return doing(s.tx.exec(ctx, `DELETE FROM api_teams WHERE api = $1`, api), "team of API %s", api)
	}
	return doing(s.tx.exec(ctx, `INSERT INTO api_teams (api, team) VALUES ($1, $2) ON CONFLICT (api) DO UPDATE SET team = excluded.team`, api, team),
		"team of API %s", api)
}

func (s curationStore) Team(ctx context.Context, api portal.APIID) (team portal.TeamID, err error) {
	err = s.tx.one(ctx, []any{&team}, `SELECT team FROM api_teams WHERE api = $1`, api)
	return team, doing(err, "team of API %s", api)
}

func (s curationStore) Decide(ctx context.Context, d curation.Decision, covers []portal.DeploymentID) error {
	err := s.tx.exec(ctx, `INSERT INTO lifecycles (api, line, deployment, state, sunset, since, successor, note, actor, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (api, line, deployment) DO UPDATE SET state = excluded.state, sunset = excluded.sunset, since = excluded.since,
		successor = excluded.successor, note = excluded.note, actor = excluded.actor, at = excluded.at`,
		d.API, d.Line, d.Deployment, d.Lifecycle, micros(d.Sunset), micros(d.Since), d.Successor, d.Note, d.Actor, micros(d.At))
	if err != nil {
		return doing(err, "deciding about %v", d.Scope)
	}
	for _, id := range covers {
		err := s.tx.exec(ctx, `INSERT INTO lifecycle_covers (deployment, api, line) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, id, d.API, d.Line)
		if err != nil {
			return doing(err, "deciding about deployment %s", id)
		}
	}
	return nil
}

func (s curationStore) Undecide(ctx context.Context, scope curation.Scope) error {
	err := s.tx.exec(ctx, `DELETE FROM lifecycles WHERE api = $1 AND line = $2 AND deployment = $3`, scope.API, scope.Line, scope.Deployment)
	if err == nil && scope.Deployment == "" {
		err = s.tx.exec(ctx, `DELETE FROM lifecycle_covers WHERE api = $1 AND line = $2`, scope.API, scope.Line)
	}
	return doing(err, "taking back a decision about %v", scope)
}

func (s curationStore) Layer(ctx context.Context, api portal.APIID) (l curation.Layer, err error) {
	defer func() { err = doing(err, "what is laid over the catalog") }()
	l = curation.Layer{Texts: map[portal.APIID]curation.Revision{}, Teams: map[portal.APIID]portal.TeamID{}}
	of := func(all, one string) (string, []any) {
		if api == "" {
			return all, nil
		}
		return one, []any{api}
	}

	where, args := of(``, `AND t.api = $1`)
	revisions, err := rows(ctx, s.tx, scanRevision, `SELECT api, revision, published, author, at, content, '' FROM api_texts t
		WHERE published `+where+` AND NOT EXISTS (SELECT 1 FROM api_texts u WHERE u.api = t.api AND u.published AND u.revision > t.revision)`, args...)
	if err != nil {
		return l, err
	}
	for _, r := range revisions {
		l.Texts[r.API] = r
	}

	where, args = of(``, `WHERE api = $1`)
	if _, err = rows(ctx, s.tx, func(r scanner) (struct{}, error) {
		var id portal.APIID
		var team portal.TeamID
		err := r.Scan(&id, &team)
		l.Teams[id] = team
		return struct{}{}, err
	}, `SELECT api, team FROM api_teams `+where, args...); err != nil {
		return l, err
	}

	const here = `SELECT d.id FROM deployments d WHERE d.api = $1 AND d.removed = 0`
	where, args = of(``, `WHERE deployment IN (`+here+`)`)
	l.Covers, err = rows(ctx, s.tx, func(r scanner) (c curation.Cover, err error) {
		return c, r.Scan(&c.Deployment, &c.API, &c.Line)
	}, `SELECT deployment, api, line FROM lifecycle_covers `+where+` ORDER BY deployment, api, line`, args...)
	if err != nil {
		return l, err
	}

	// An alternative for each index: a query with OR would read the whole table.
	where, args = of(``, `WHERE api = $1`)
	queries := []string{where}
	if api != "" {
		queries = append(queries, `WHERE deployment <> '' AND deployment IN (`+here+`)`,
			`WHERE deployment = '' AND api <> $1 AND (api, line) IN (SELECT c.api, c.line FROM lifecycle_covers c WHERE c.deployment IN (`+here+`))`)
	}
	for _, where := range queries {
		some, err := rows(ctx, s.tx, func(r scanner) (d curation.Decision, err error) {
			var sunset, since, at int64
			err = r.Scan(&d.API, &d.Line, &d.Deployment, &d.Lifecycle, &sunset, &since, &d.Successor, &d.Note, &d.Actor, &at)
			d.Sunset, d.Since, d.At = instant(sunset), instant(since), instant(at)
			return d, err
		}, `SELECT api, line, deployment, state, sunset, since, successor, note, actor, at FROM lifecycles `+where+` ORDER BY api, line, deployment`, args...)
		if err != nil {
			return l, err
		}
		l.Decisions = append(l.Decisions, some...)
	}
	return l, nil
}

const usersFrom = ` FROM subscriptions s JOIN applications a ON a.id = s.application JOIN organisations o ON o.id = s.organisation
	WHERE s.deployment IN (SELECT d.id FROM deployments d WHERE d.api = $1 AND d.removed = 0 AND ($3 = '' OR d.id = $3)) AND ($2 = '' OR s.line = $2)
	AND s.state IN ('requested', 'approved', 'suspended')`

func (s curationStore) Users(ctx context.Context, api portal.APIID, line string, deployment portal.DeploymentID, limit int) ([]curation.User, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (u curation.User, err error) {
		var last int64
		err = r.Scan(&u.Subscription, &u.Organisation, &u.OrganisationName, &u.Application, &u.ApplicationName, &u.Deployment, &u.Line, &u.Environment, &u.State, &last)
		u.LastAct = instant(last)
		return u, err
	}, `SELECT s.id, o.id, o.name, a.id, a.name, s.deployment, s.line, s.environment, s.state,
		coalesce((SELECT max(CASE WHEN c.effective > c.created THEN c.effective ELSE c.created END) FROM credentials c WHERE c.subscription = s.id), 0)`+
		usersFrom+` ORDER BY o.name_key, a.name, s.environment, s.id LIMIT $4`, api, line, deployment, noLimit(limit))
	return all, doing(err, "users of API %s", api)
}

func (s curationStore) Usage(ctx context.Context, api portal.APIID, line string, deployment portal.DeploymentID) (u curation.Usage, err error) {
	err = s.tx.one(ctx, []any{&u.Subscriptions, &u.Applications, &u.Organisations},
		`SELECT count(*), count(DISTINCT s.application), count(DISTINCT s.organisation)`+usersFrom, api, line, deployment)
	return u, doing(err, "users of API %s", api)
}

// Teams of people.

const teamColumns = `t.id, t.name, t.created, (SELECT count(*) FROM team_members m WHERE m.team = t.id), ` + organisationColumns

func scanTeam(r scanner) (t people.Team, err error) {
	var created int64
	dest, done := organisationInto(&t.Organisation)
	err = r.Scan(append([]any{&t.ID, &t.Name, &created, &t.Size}, dest...)...)
	done()
	t.Created = instant(created)
	return t, err
}

func (s peopleStore) AddTeam(ctx context.Context, t people.Team) error {
	n, err := s.tx.affected(ctx, `INSERT INTO teams (id, organisation, name, name_key, created) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (organisation, name_key) DO NOTHING`, t.ID, t.Organisation.ID, t.Name, people.SortKey(t.Name), micros(t.Created))
	if err == nil && n == 0 {
		return told.NameTaken.As(portal.ErrConflict, t.Name)
	}
	return err
}

func (s peopleStore) Team(ctx context.Context, id portal.TeamID) (people.Team, error) {
	t, err := get(ctx, s.tx, scanTeam, `SELECT `+teamColumns+` FROM teams t JOIN organisations o ON o.id = t.organisation WHERE t.id = $1`, id)
	if err != nil {
		return t, doing(err, "team %s", id)
	}
	t.Members, err = s.persons(ctx, `SELECT person FROM team_members WHERE team = $1`, id)
	return t, doing(err, "members of team %s", id)
}

func (s peopleStore) Teams(ctx context.Context, in portal.OrganisationID) ([]people.Team, error) {
	all, err := rows(ctx, s.tx, scanTeam, `SELECT `+teamColumns+` FROM teams t JOIN organisations o ON o.id = t.organisation
		WHERE ($1 = '' OR t.organisation = $1) ORDER BY o.name_key, t.name_key, t.id`, in)
	return all, doing(err, "listing teams")
}

func (s peopleStore) SetTeamMember(ctx context.Context, id portal.TeamID, person portal.PersonID, member bool) (bool, error) {
	if member {
		return s.met(ctx, `INSERT INTO team_members (team, person) VALUES ($1, $2) ON CONFLICT (team, person) DO NOTHING`, id, person)
	}
	return s.met(ctx, `DELETE FROM team_members WHERE team = $1 AND person = $2`, id, person)
}

func (s peopleStore) RenameTeam(ctx context.Context, id portal.TeamID, name string) error {
	var taken int
	err := s.tx.one(ctx, []any{&taken}, `SELECT count(*) FROM teams t JOIN teams o ON o.organisation = t.organisation AND o.id <> t.id
		WHERE t.id = $1 AND o.name_key = $2`, id, people.SortKey(name))
	if err == nil && taken > 0 {
		return told.NameTaken.As(portal.ErrConflict, name)
	}
	if err == nil {
		err = s.tx.exec(ctx, `UPDATE teams SET name = $2, name_key = $3 WHERE id = $1`, id, name, people.SortKey(name))
	}
	return doing(err, "renaming team %s", id)
}

func (s peopleStore) RemoveTeam(ctx context.Context, id portal.TeamID) error {
	err := s.tx.exec(ctx, `DELETE FROM team_members WHERE team = $1`, id)
	if err == nil {
		err = s.tx.exec(ctx, `DELETE FROM teams WHERE id = $1`, id)
	}
	return doing(err, "removing team %s", id)
}

func (s curationStore) TeamAPIs(ctx context.Context, team portal.TeamID) ([]portal.APIID, error) {
	all, err := rows(ctx, s.tx, func(r scanner) (id portal.APIID, err error) { return id, r.Scan(&id) }, `SELECT api FROM api_teams WHERE team = $1 ORDER BY api`, team)
	return all, doing(err, "APIs of team %s", team)
}
