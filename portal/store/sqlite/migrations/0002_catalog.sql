-- +goose Up
CREATE TABLE gateways (
	id           TEXT PRIMARY KEY,
	source       TEXT NOT NULL,
	config       TEXT NOT NULL, -- the registration as JSON, its secrets left out
	secrets      BLOB NOT NULL, -- sealed
	capabilities TEXT NOT NULL, -- JSON; empty: never probed
	created      INTEGER NOT NULL,
	changed      INTEGER NOT NULL
) STRICT;

CREATE TABLE apis (
	id       TEXT PRIMARY KEY,
	division TEXT NOT NULL,
	explicit TEXT NOT NULL, -- the id by which deployments name it; empty: none did
	title    TEXT NOT NULL,
	joined   TEXT NOT NULL, -- the entry that took over its deployments and slugs; empty: none did
	created  INTEGER NOT NULL
) STRICT;
CREATE INDEX apis_division ON apis (division);
CREATE UNIQUE INDEX apis_explicit ON apis (division, explicit) WHERE explicit <> '';

CREATE TABLE api_slugs (
	slug  TEXT PRIMARY KEY,
	api   TEXT NOT NULL REFERENCES apis (id),
	alias INTEGER NOT NULL -- 0: the slug that pages show
) STRICT;
CREATE INDEX api_slugs_api ON api_slugs (api);
CREATE UNIQUE INDEX api_slugs_shown ON api_slugs (api) WHERE alias = 0;

CREATE TABLE documents (
	hash        TEXT PRIMARY KEY,
	content     BLOB NOT NULL,
	description TEXT NOT NULL,
	stored      INTEGER NOT NULL
) STRICT;

-- Every deployment that a gateway ever published. The columns between gateway and published are what is searched by.
CREATE TABLE deployments (
	id          TEXT PRIMARY KEY,
	gateway     TEXT NOT NULL REFERENCES gateways (id),
	remote      TEXT NOT NULL,
	exposure    TEXT NOT NULL,
	api         TEXT NOT NULL REFERENCES apis (id),
	title       TEXT NOT NULL,
	classified  INTEGER NOT NULL,
	document    TEXT REFERENCES documents (hash),
	fingerprint TEXT NOT NULL,
	published   TEXT NOT NULL, -- portal.Deployment as JSON
	origin      TEXT NOT NULL, -- what the gateway and the document told, and what a person decided, as JSON
	created     INTEGER NOT NULL,
	changed     INTEGER NOT NULL,
	removed     INTEGER NOT NULL -- 0: published
) STRICT;
CREATE UNIQUE INDEX deployments_key ON deployments (gateway, remote, exposure);
CREATE INDEX deployments_api ON deployments (api) WHERE removed = 0;
CREATE INDEX deployments_document ON deployments (document);

CREATE TABLE runs (
	id      TEXT PRIMARY KEY,
	gateway TEXT NOT NULL REFERENCES gateways (id),
	state   TEXT NOT NULL,
	report  TEXT NOT NULL, -- catalog.Run as JSON
	started INTEGER NOT NULL,
	probed  INTEGER NOT NULL,
	ended   INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_gateway ON runs (gateway, started, id);
CREATE UNIQUE INDEX runs_running ON runs (gateway) WHERE state = 'running';
