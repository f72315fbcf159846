-- +goose Up
CREATE TABLE organisations (
	id       TEXT COLLATE "C" PRIMARY KEY,
	name     TEXT COLLATE "C" NOT NULL,
	name_key TEXT COLLATE "C" NOT NULL UNIQUE, -- the name in lower case: order of lists, and no two alike
	audience TEXT COLLATE "C" NOT NULL,
	division TEXT COLLATE "C" NOT NULL,
	region   TEXT COLLATE "C" NOT NULL,
	disabled BOOLEAN NOT NULL,
	created  BIGINT NOT NULL
);

CREATE TABLE people (
	id       TEXT COLLATE "C" PRIMARY KEY,
	name     TEXT COLLATE "C" NOT NULL,
	name_key TEXT COLLATE "C" NOT NULL,
	email    TEXT COLLATE "C" NOT NULL UNIQUE, -- in lower case
	password TEXT COLLATE "C" NOT NULL,        -- argon2id hash; empty until the invitation is accepted
	disabled BOOLEAN NOT NULL,
	created  BIGINT NOT NULL,
	seen     BIGINT NOT NULL
);
CREATE INDEX people_order ON people (name_key, id);

CREATE TABLE memberships (
	person       TEXT COLLATE "C" NOT NULL REFERENCES people,
	organisation TEXT COLLATE "C" NOT NULL REFERENCES organisations,
	roles        TEXT COLLATE "C" NOT NULL, -- JSON list
	created      BIGINT NOT NULL,
	PRIMARY KEY (person, organisation)
);
CREATE INDEX memberships_organisation ON memberships (organisation);

-- One-time links. A new one for the same purpose takes the place of the older, which is void from then on.
CREATE TABLE links (
	hash    BYTEA PRIMARY KEY, -- SHA-256 of the token
	person  TEXT COLLATE "C" NOT NULL UNIQUE, -- empty: the link for the first administrator
	expires BIGINT NOT NULL
);

CREATE TABLE tokens (
	hash         BYTEA PRIMARY KEY, -- SHA-256 of the token
	id           TEXT COLLATE "C" NOT NULL UNIQUE,
	person       TEXT COLLATE "C" NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	hint         TEXT COLLATE "C" NOT NULL,
	created      BIGINT NOT NULL,
	used         BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	FOREIGN KEY (person, organisation) REFERENCES memberships
);
CREATE INDEX tokens_person ON tokens (person, organisation);
CREATE INDEX tokens_expires ON tokens (expires);

CREATE TABLE sessions (
	hash         BYTEA PRIMARY KEY, -- SHA-256 of the id in the cookie
	person       TEXT COLLATE "C" NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	data         BYTEA NOT NULL,
	created      BIGINT NOT NULL,
	seen         BIGINT NOT NULL,
	FOREIGN KEY (person, organisation) REFERENCES memberships
);
CREATE INDEX sessions_person ON sessions (person, organisation);
CREATE INDEX sessions_seen ON sessions (seen);
