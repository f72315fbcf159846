-- +goose Up
-- Why a deployment is in its entry, and since when routing counts it there: 0 is settled.
ALTER TABLE deployments ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deployments ADD COLUMN named TEXT COLLATE "C" NOT NULL DEFAULT ''; -- the explicit id by which it names its entry
ALTER TABLE deployments ADD COLUMN why TEXT COLLATE "C" NOT NULL DEFAULT ''; -- catalog.Joining as JSON; empty: of the time before it was kept
UPDATE deployments SET named = coalesce(nullif(trim(origin::json -> 'Discovered' ->> 'API'), ''), trim(origin::json -> 'Described' ->> 'API'), '');
CREATE INDEX deployments_entry ON deployments (api);

-- The ids of entries that were taken over answer as their slugs do.
INSERT INTO api_slugs (slug, api, alias)
WITH RECURSIVE taken (id, api) AS (
	SELECT id, joined FROM apis WHERE joined <> ''
	UNION
	SELECT taken.id, apis.joined FROM taken JOIN apis ON apis.id = taken.api WHERE apis.joined <> ''
)
SELECT taken.id, taken.api, TRUE FROM taken JOIN apis ON apis.id = taken.api WHERE apis.joined = '';

CREATE INDEX subscriptions_api ON subscriptions (api) WHERE state IN ('requested', 'approved', 'suspended');
CREATE INDEX credentials_deployment ON credentials (deployment);

-- What a deployment is compared by, and the keys under which others that may be of one API with it are found.
CREATE TABLE sketches (
	deployment TEXT COLLATE "C" PRIMARY KEY REFERENCES deployments (id),
	format     BIGINT NOT NULL,
	sketch     TEXT COLLATE "C" NOT NULL,
	keys       TEXT COLLATE "C" NOT NULL -- those of sketch_keys, as JSON
);
CREATE TABLE sketch_keys (
	key        TEXT COLLATE "C" NOT NULL,
	deployment TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
	PRIMARY KEY (key, deployment)
);

CREATE TABLE reviews (
	id         TEXT COLLATE "C" PRIMARY KEY,
	kind       TEXT COLLATE "C" NOT NULL,
	a          TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
	b          TEXT COLLATE "C" REFERENCES deployments (id), -- of a join
	gateway    TEXT COLLATE "C" NOT NULL, -- of a rename, as are remote and exposure
	remote     TEXT COLLATE "C" NOT NULL,
	exposure   TEXT COLLATE "C" NOT NULL,
	score      BIGINT NOT NULL, -- thousandths
	reasons    TEXT COLLATE "C" NOT NULL,
	state      TEXT COLLATE "C" NOT NULL,
	agreed     TEXT COLLATE "C" NOT NULL,
	opened     BIGINT NOT NULL,
	decided_by TEXT COLLATE "C" NOT NULL,
	decided    BIGINT NOT NULL
);
CREATE UNIQUE INDEX reviews_join ON reviews (a, b) WHERE kind = 'join';
CREATE UNIQUE INDEX reviews_rename ON reviews (a, remote, exposure) WHERE kind = 'rename';
CREATE INDEX reviews_b ON reviews (b);
CREATE INDEX reviews_state ON reviews (state, score, id);

-- What people decided about two deployments; a is before b.
CREATE TABLE decisions (
	a       TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
	b       TEXT COLLATE "C" NOT NULL REFERENCES deployments (id),
	verdict TEXT COLLATE "C" NOT NULL,
	actor   TEXT COLLATE "C" NOT NULL,
	at      BIGINT NOT NULL,
	PRIMARY KEY (a, b)
);
CREATE INDEX decisions_b ON decisions (b);

CREATE TABLE entry_acts (
	id         TEXT COLLATE "C" PRIMARY KEY,
	kind       TEXT COLLATE "C" NOT NULL,
	origin     TEXT COLLATE "C" NOT NULL REFERENCES apis (id),
	target     TEXT COLLATE "C" NOT NULL REFERENCES apis (id),
	detail     TEXT COLLATE "C" NOT NULL, -- what undoing takes, as JSON
	at         BIGINT NOT NULL,
	undone     BIGINT NOT NULL
);
CREATE INDEX entry_acts_origin ON entry_acts (origin, at);
CREATE INDEX entry_acts_target ON entry_acts (target, at);
