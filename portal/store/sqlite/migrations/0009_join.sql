-- +goose Up
-- Why a deployment is in its entry, and since when routing counts it there: 0 is settled.
ALTER TABLE deployments ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN named TEXT NOT NULL DEFAULT ''; -- the explicit id by which it names its entry
ALTER TABLE deployments ADD COLUMN why TEXT NOT NULL DEFAULT ''; -- catalog.Joining as JSON; empty: of the time before it was kept
UPDATE deployments SET named = coalesce(nullif(trim(json_extract(origin, '$.Discovered.API')), ''), trim(json_extract(origin, '$.Described.API')), '');
CREATE INDEX deployments_entry ON deployments (api);

-- The ids of entries that were taken over answer as their slugs do.
INSERT INTO api_slugs (slug, api, alias)
WITH RECURSIVE taken (id, api) AS (
	SELECT id, joined FROM apis WHERE joined <> ''
	UNION
	SELECT taken.id, apis.joined FROM taken JOIN apis ON apis.id = taken.api WHERE apis.joined <> ''
)
SELECT taken.id, taken.api, 1 FROM taken JOIN apis ON apis.id = taken.api WHERE apis.joined = '';

CREATE INDEX subscriptions_api ON subscriptions (api) WHERE state IN ('requested', 'approved', 'suspended');
CREATE INDEX credentials_deployment ON credentials (deployment);

-- What a deployment is compared by, and the keys under which others that may be of one API with it are found.
CREATE TABLE sketches (
	deployment TEXT PRIMARY KEY REFERENCES deployments (id),
	format     INTEGER NOT NULL,
	sketch     TEXT NOT NULL,
	keys       TEXT NOT NULL -- those of sketch_keys, as JSON
) STRICT;
CREATE TABLE sketch_keys (
	key        TEXT NOT NULL,
	deployment TEXT NOT NULL REFERENCES deployments (id),
	PRIMARY KEY (key, deployment)
) STRICT, WITHOUT ROWID;

CREATE TABLE reviews (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	a          TEXT NOT NULL REFERENCES deployments (id),
	b          TEXT REFERENCES deployments (id), -- of a join
	gateway    TEXT NOT NULL, -- of a rename, as are remote and exposure
	remote     TEXT NOT NULL,
	exposure   TEXT NOT NULL,
	score      INTEGER NOT NULL, -- thousandths
	reasons    TEXT NOT NULL,
	state      TEXT NOT NULL,
	agreed     TEXT NOT NULL,
	opened     INTEGER NOT NULL,
	decided_by TEXT NOT NULL,
	decided    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX reviews_join ON reviews (a, b) WHERE kind = 'join';
CREATE UNIQUE INDEX reviews_rename ON reviews (a, remote, exposure) WHERE kind = 'rename';
CREATE INDEX reviews_b ON reviews (b);
CREATE INDEX reviews_state ON reviews (state, score, id);

-- What people decided about two deployments; a is before b.
CREATE TABLE decisions (
	a       TEXT NOT NULL REFERENCES deployments (id),
	b       TEXT NOT NULL REFERENCES deployments (id),
	verdict TEXT NOT NULL,
	actor   TEXT NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (a, b)
) STRICT;
CREATE INDEX decisions_b ON decisions (b);

CREATE TABLE entry_acts (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	origin     TEXT NOT NULL REFERENCES apis (id),
	target     TEXT NOT NULL REFERENCES apis (id),
	detail     TEXT NOT NULL, -- what undoing takes, as JSON
	at         INTEGER NOT NULL,
	undone     INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_acts_origin ON entry_acts (origin, at);
CREATE INDEX entry_acts_target ON entry_acts (target, at);
