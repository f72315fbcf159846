-- +goose Up
CREATE TABLE gateways (
	id           TEXT COLLATE "C" PRIMARY KEY,
	source       TEXT COLLATE "C" NOT NULL,
	config       TEXT COLLATE "C" NOT NULL, -- the registration as JSON, its secrets left out
	secrets      BYTEA NOT NULL, -- sealed
	capabilities TEXT COLLATE "C" NOT NULL, -- JSON; empty: never probed
	created      BIGINT NOT NULL,
	changed      BIGINT NOT NULL
);

CREATE TABLE apis (
	id       TEXT COLLATE "C" PRIMARY KEY,
	division TEXT COLLATE "C" NOT NULL,
	explicit TEXT COLLATE "C" NOT NULL, -- the id by which deployments name it; empty: none did
	title    TEXT COLLATE "C" NOT NULL,
	joined   TEXT COLLATE "C" NOT NULL, -- the entry that took over its deployments and slugs; empty: none did
	created  BIGINT NOT NULL
);
CREATE INDEX apis_division ON apis (division);
CREATE UNIQUE INDEX apis_explicit ON apis (division, explicit) WHERE explicit <> '';

CREATE TABLE api_slugs (
	slug  TEXT COLLATE "C" PRIMARY KEY,
	api   TEXT COLLATE "C" NOT NULL REFERENCES apis (id),
	alias BOOLEAN NOT NULL -- false: the slug that pages show
);
CREATE INDEX api_slugs_api ON api_slugs (api);
CREATE UNIQUE INDEX api_slugs_shown ON api_slugs (api) WHERE NOT alias;

CREATE TABLE documents (
	hash        TEXT COLLATE "C" PRIMARY KEY,
	content     BYTEA NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	stored      BIGINT NOT NULL
);

-- Every deployment that a gateway ever published. The columns between gateway and published are what is searched by.
CREATE TABLE deployments (
	id          TEXT COLLATE "C" PRIMARY KEY,
	gateway     TEXT COLLATE "C" NOT NULL REFERENCES gateways (id),
	remote      TEXT COLLATE "C" NOT NULL,
	exposure    TEXT COLLATE "C" NOT NULL,
	api         TEXT COLLATE "C" NOT NULL REFERENCES apis (id),
	title       TEXT COLLATE "C" NOT NULL,
	classified  BOOLEAN NOT NULL,
	document    TEXT COLLATE "C" REFERENCES documents (hash),
	fingerprint TEXT COLLATE "C" NOT NULL,
	published   TEXT COLLATE "C" NOT NULL, -- portal.Deployment as JSON
	origin      TEXT COLLATE "C" NOT NULL, -- what the gateway and the document told, and what a person decided, as JSON
	created     BIGINT NOT NULL,
	changed     BIGINT NOT NULL,
	removed     BIGINT NOT NULL -- 0: published
);
CREATE UNIQUE INDEX deployments_key ON deployments (gateway, remote, exposure);
CREATE INDEX deployments_api ON deployments (api) WHERE removed = 0;
CREATE INDEX deployments_document ON deployments (document);

CREATE TABLE runs (
	id      TEXT COLLATE "C" PRIMARY KEY,
	gateway TEXT COLLATE "C" NOT NULL REFERENCES gateways (id),
	state   TEXT COLLATE "C" NOT NULL,
	report  TEXT COLLATE "C" NOT NULL, -- catalog.Run as JSON
	started BIGINT NOT NULL,
	probed  BIGINT NOT NULL,
	ended   BIGINT NOT NULL
);
CREATE INDEX runs_gateway ON runs (gateway, started, id);
CREATE UNIQUE INDEX runs_running ON runs (gateway) WHERE state = 'running';
