-- +goose Up
-- Calls on gateways of other sites, for as long as somebody waits for their answer.
CREATE TABLE site_calls (
	id         TEXT COLLATE "C" PRIMARY KEY,
	site       TEXT COLLATE "C" NOT NULL,
	gateway    TEXT COLLATE "C" NOT NULL,
	operation  TEXT COLLATE "C" NOT NULL,
	urgent     BOOLEAN NOT NULL,
	request    BYTEA NOT NULL,
	reply_key  BYTEA NOT NULL,
	created    BIGINT NOT NULL,
	deadline   BIGINT NOT NULL,
	state      TEXT COLLATE "C" NOT NULL,
	worker     TEXT COLLATE "C" NOT NULL,
	lease      TEXT COLLATE "C" NOT NULL,
	lease_ends BIGINT NOT NULL,
	parts      BIGINT NOT NULL
);
CREATE INDEX site_calls_queued ON site_calls (site, urgent, created) WHERE state = 'queued';
CREATE INDEX site_calls_worker ON site_calls (worker) WHERE state = 'taken';
CREATE INDEX site_calls_deadline ON site_calls (deadline);

-- Answers, encrypted to who waits for them.
CREATE TABLE site_answers (
	call    TEXT COLLATE "C" NOT NULL REFERENCES site_calls (id) ON DELETE CASCADE,
	number  BIGINT NOT NULL,
	content BYTEA NOT NULL,
	PRIMARY KEY (call, number)
);

CREATE TABLE site_workers (
	id        TEXT COLLATE "C" PRIMARY KEY,
	site      TEXT COLLATE "C" NOT NULL,
	name      TEXT COLLATE "C" NOT NULL,
	version   TEXT COLLATE "C" NOT NULL,
	gateways  TEXT COLLATE "C" NOT NULL,
	secret    BYTEA NOT NULL UNIQUE,
	enrolled  BIGINT NOT NULL,
	seen      BIGINT NOT NULL,
	polling   TEXT COLLATE "C" NOT NULL,
	due       BIGINT NOT NULL,
	revoked   BIGINT NOT NULL,
	enrolment TEXT COLLATE "C" NOT NULL,
	reused    BIGINT NOT NULL
);

CREATE TABLE site_enrolments (
	id      TEXT COLLATE "C" PRIMARY KEY,
	site    TEXT COLLATE "C" NOT NULL,
	token   BYTEA NOT NULL UNIQUE,
	created BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	revoked BIGINT NOT NULL,
	worker  TEXT COLLATE "C" NOT NULL
);
CREATE INDEX site_enrolments_expires ON site_enrolments (expires);
