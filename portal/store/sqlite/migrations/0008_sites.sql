-- +goose Up
-- Calls on gateways of other sites, for as long as somebody waits for their answer.
CREATE TABLE site_calls (
	id         TEXT PRIMARY KEY,
	site       TEXT NOT NULL,
	gateway    TEXT NOT NULL,
	operation  TEXT NOT NULL,
	urgent     INTEGER NOT NULL,
	request    BLOB NOT NULL,
	reply_key  BLOB NOT NULL,
	created    INTEGER NOT NULL,
	deadline   INTEGER NOT NULL,
	state      TEXT NOT NULL,
	worker     TEXT NOT NULL,
	lease      TEXT NOT NULL,
	lease_ends INTEGER NOT NULL,
	parts      INTEGER NOT NULL
) STRICT;
CREATE INDEX site_calls_queued ON site_calls (site, urgent, created) WHERE state = 'queued';
CREATE INDEX site_calls_worker ON site_calls (worker) WHERE state = 'taken';
CREATE INDEX site_calls_deadline ON site_calls (deadline);

-- Answers, encrypted to who waits for them.
CREATE TABLE site_answers (
	call    TEXT NOT NULL REFERENCES site_calls (id) ON DELETE CASCADE,
	number  INTEGER NOT NULL,
	content BLOB NOT NULL,
	PRIMARY KEY (call, number)
) STRICT;

CREATE TABLE site_workers (
	id        TEXT PRIMARY KEY,
	site      TEXT NOT NULL,
	name      TEXT NOT NULL,
	version   TEXT NOT NULL,
	gateways  TEXT NOT NULL,
	secret    BLOB NOT NULL UNIQUE,
	enrolled  INTEGER NOT NULL,
	seen      INTEGER NOT NULL,
	polling   TEXT NOT NULL,
	due       INTEGER NOT NULL,
	revoked   INTEGER NOT NULL,
	enrolment TEXT NOT NULL,
	reused    INTEGER NOT NULL
) STRICT;

CREATE TABLE site_enrolments (
	id      TEXT PRIMARY KEY,
	site    TEXT NOT NULL,
	token   BLOB NOT NULL UNIQUE,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	revoked INTEGER NOT NULL,
	worker  TEXT NOT NULL
) STRICT;
CREATE INDEX site_enrolments_expires ON site_enrolments (expires);
