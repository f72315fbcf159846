-- +goose Up
CREATE TABLE organisations (
	id       TEXT PRIMARY KEY,
	name     TEXT NOT NULL,
	name_key TEXT NOT NULL UNIQUE, -- the name in lower case: order of lists, and no two alike
	audience TEXT NOT NULL,
	division TEXT NOT NULL,
	region   TEXT NOT NULL,
	disabled INTEGER NOT NULL,
	created  INTEGER NOT NULL
) STRICT;

CREATE TABLE people (
	id       TEXT PRIMARY KEY,
	name     TEXT NOT NULL,
	name_key TEXT NOT NULL,
	email    TEXT NOT NULL UNIQUE, -- in lower case
	password TEXT NOT NULL,        -- argon2id hash; empty until the invitation is accepted
	disabled INTEGER NOT NULL,
	created  INTEGER NOT NULL,
	seen     INTEGER NOT NULL
) STRICT;
CREATE INDEX people_order ON people (name_key, id);

CREATE TABLE memberships (
	person       TEXT NOT NULL REFERENCES people,
	organisation TEXT NOT NULL REFERENCES organisations,
	roles        TEXT NOT NULL, -- JSON list
	created      INTEGER NOT NULL,
	PRIMARY KEY (person, organisation)
) STRICT;
CREATE INDEX memberships_organisation ON memberships (organisation);

-- One-time links. A new one for the same purpose takes the place of the older, which is void from then on.
CREATE TABLE links (
	hash    BLOB PRIMARY KEY, -- SHA-256 of the token
	person  TEXT NOT NULL UNIQUE, -- empty: the link for the first administrator
	expires INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
	hash         BLOB PRIMARY KEY, -- SHA-256 of the token
	id           TEXT NOT NULL UNIQUE,
	person       TEXT NOT NULL,
	organisation TEXT NOT NULL,
	name         TEXT NOT NULL,
	hint         TEXT NOT NULL,
	created      INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	FOREIGN KEY (person, organisation) REFERENCES memberships
) STRICT;
CREATE INDEX tokens_person ON tokens (person, organisation);
CREATE INDEX tokens_expires ON tokens (expires);

CREATE TABLE sessions (
	hash         BLOB PRIMARY KEY, -- SHA-256 of the id in the cookie
	person       TEXT NOT NULL,
	organisation TEXT NOT NULL,
	data         BLOB NOT NULL,
	created      INTEGER NOT NULL,
	seen         INTEGER NOT NULL,
	FOREIGN KEY (person, organisation) REFERENCES memberships
) STRICT;
CREATE INDEX sessions_person ON sessions (person, organisation);
CREATE INDEX sessions_seen ON sessions (seen);
