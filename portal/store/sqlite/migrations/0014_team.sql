-- +goose Up
CREATE TABLE teams (
	id           TEXT PRIMARY KEY,
	organisation TEXT NOT NULL REFERENCES organisations (id),
	name         TEXT NOT NULL,
	name_key     TEXT NOT NULL, -- the name in lower case
	created      INTEGER NOT NULL,
	UNIQUE (organisation, name_key)
) STRICT;

CREATE TABLE team_members (
	team   TEXT NOT NULL REFERENCES teams (id),
	person TEXT NOT NULL REFERENCES people (id),
	PRIMARY KEY (team, person)
) STRICT;
CREATE INDEX team_members_person ON team_members (person);

-- The team that an API was given to.
CREATE TABLE api_teams (
	api  TEXT PRIMARY KEY REFERENCES apis (id),
	team TEXT NOT NULL REFERENCES teams (id)
) STRICT;
CREATE INDEX api_teams_team ON api_teams (team);

-- The owners' own texts about an API. Every save is a revision; the newest published one is what consumers read.
CREATE TABLE api_texts (
	api       TEXT NOT NULL REFERENCES apis (id),
	revision  INTEGER NOT NULL,
	published INTEGER NOT NULL,
	content   TEXT NOT NULL, -- texts and the guides' heads as JSON
	bodies    TEXT NOT NULL, -- the guides' markdown as JSON
	author    TEXT NOT NULL,
	at        INTEGER NOT NULL,
	PRIMARY KEY (api, revision)
) STRICT;
CREATE INDEX api_texts_published ON api_texts (api, revision) WHERE published;

-- What persons decided about the lifecycle of a line of an API, or of one deployment (then api and line are empty).
CREATE TABLE lifecycles (
	api        TEXT NOT NULL,
	line       TEXT NOT NULL,
	deployment TEXT NOT NULL, -- empty: the whole line
	state      TEXT NOT NULL,
	sunset     INTEGER NOT NULL,
	since      INTEGER NOT NULL,
	successor  TEXT NOT NULL,
	note       TEXT NOT NULL,
	actor      TEXT NOT NULL,
	at         INTEGER NOT NULL,
	PRIMARY KEY (api, line, deployment)
) STRICT;
CREATE INDEX lifecycles_deployment ON lifecycles (deployment) WHERE deployment <> '';

-- The deployments that a line had when its lifecycle was decided: the decision goes with them to another entry.
CREATE TABLE lifecycle_covers (
	deployment TEXT NOT NULL,
	api        TEXT NOT NULL,
	line       TEXT NOT NULL,
	PRIMARY KEY (deployment, api, line)
) STRICT;
CREATE INDEX lifecycle_covers_line ON lifecycle_covers (api, line);

-- Who uses a deployment.
CREATE INDEX subscriptions_deployment ON subscriptions (deployment, line);
