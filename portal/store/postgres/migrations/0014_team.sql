-- +goose Up
CREATE TABLE teams (
	id           TEXT COLLATE "C" PRIMARY KEY,
	organisation TEXT COLLATE "C" NOT NULL REFERENCES organisations (id),
	name         TEXT COLLATE "C" NOT NULL,
	name_key     TEXT COLLATE "C" NOT NULL, -- the name in lower case
	created      BIGINT NOT NULL,
	UNIQUE (organisation, name_key)
);

CREATE TABLE team_members (
	team   TEXT COLLATE "C" NOT NULL REFERENCES teams (id),
	person TEXT COLLATE "C" NOT NULL REFERENCES people (id),
	PRIMARY KEY (team, person)
);
CREATE INDEX team_members_person ON team_members (person);

-- The team that an API was given to.
CREATE TABLE api_teams (
	api  TEXT COLLATE "C" PRIMARY KEY REFERENCES apis (id),
	team TEXT COLLATE "C" NOT NULL REFERENCES teams (id)
);
CREATE INDEX api_teams_team ON api_teams (team);

-- The owners' own texts about an API. Every save is a revision; the newest published one is what consumers read.
CREATE TABLE api_texts (
	api       TEXT COLLATE "C" NOT NULL REFERENCES apis (id),
	revision  BIGINT NOT NULL,
	published BOOLEAN NOT NULL,
	content   TEXT COLLATE "C" NOT NULL, -- texts and the guides' heads as JSON
	bodies    TEXT COLLATE "C" NOT NULL, -- the guides' markdown as JSON
	author    TEXT COLLATE "C" NOT NULL,
	at        BIGINT NOT NULL,
	PRIMARY KEY (api, revision)
);
CREATE INDEX api_texts_published ON api_texts (api, revision) WHERE published;

-- What persons decided about the lifecycle of a line of an API, or of one deployment (then api and line are empty).
CREATE TABLE lifecycles (
	api        TEXT COLLATE "C" NOT NULL,
	line       TEXT COLLATE "C" NOT NULL,
	deployment TEXT COLLATE "C" NOT NULL, -- empty: the whole line
	state      TEXT COLLATE "C" NOT NULL,
	sunset     BIGINT NOT NULL,
	since      BIGINT NOT NULL,
	successor  TEXT COLLATE "C" NOT NULL,
	note       TEXT COLLATE "C" NOT NULL,
	actor      TEXT COLLATE "C" NOT NULL,
	at         BIGINT NOT NULL,
	PRIMARY KEY (api, line, deployment)
);
CREATE INDEX lifecycles_deployment ON lifecycles (deployment) WHERE deployment <> '';

-- The deployments that a line had when its lifecycle was decided: the decision goes with them to another entry.
CREATE TABLE lifecycle_covers (
	deployment TEXT COLLATE "C" NOT NULL,
	api        TEXT COLLATE "C" NOT NULL,
	line       TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (deployment, api, line)
);
CREATE INDEX lifecycle_covers_line ON lifecycle_covers (api, line);

-- Who uses a deployment.
CREATE INDEX subscriptions_deployment ON subscriptions (deployment, line);
