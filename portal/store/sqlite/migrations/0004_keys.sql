-- +goose Up
CREATE TABLE applications (
	id           TEXT PRIMARY KEY,
	organisation TEXT NOT NULL,
	name         TEXT NOT NULL,
	created_by   TEXT NOT NULL,
	created      INTEGER NOT NULL
) STRICT;
CREATE INDEX applications_organisation ON applications (organisation, created, id);

CREATE TABLE subscriptions (
	id           TEXT PRIMARY KEY,
	application  TEXT NOT NULL REFERENCES applications (id),
	organisation TEXT NOT NULL,
	api          TEXT NOT NULL,
	line         TEXT NOT NULL,
	environment  TEXT NOT NULL,
	plan         TEXT NOT NULL,
	state        TEXT NOT NULL,
	deployment   TEXT NOT NULL,
	division     TEXT NOT NULL,
	requested_by TEXT NOT NULL,
	decided_by   TEXT NOT NULL,
	reason       TEXT NOT NULL,
	created      INTEGER NOT NULL,
	decided      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX subscriptions_open ON subscriptions (application, api, line, environment) WHERE state IN ('requested', 'approved', 'suspended');
CREATE INDEX subscriptions_organisation ON subscriptions (organisation, created, id);
CREATE INDEX subscriptions_state ON subscriptions (state, created, id);

CREATE TABLE credentials (
	id           TEXT PRIMARY KEY,
	subscription TEXT NOT NULL REFERENCES subscriptions (id),
	application  TEXT NOT NULL,
	organisation TEXT NOT NULL,
	gateway      TEXT NOT NULL,
	deployment   TEXT NOT NULL,
	remote_id    TEXT NOT NULL,
	exposure     TEXT NOT NULL,
	state        TEXT NOT NULL,
	handle       TEXT NOT NULL,
	sealed       BLOB,
	fingerprint  TEXT NOT NULL,
	created      INTEGER NOT NULL,
	expires      INTEGER NOT NULL,
	ends         INTEGER NOT NULL,
	replaces     TEXT NOT NULL,
	effective    INTEGER NOT NULL,
	effective_by TEXT NOT NULL,
	note         TEXT NOT NULL
) STRICT;
-- One open claim, one live key and one that retires.
CREATE UNIQUE INDEX credentials_one ON credentials (subscription, state) WHERE state IN ('pending', 'active', 'retiring');
CREATE INDEX credentials_subscription ON credentials (subscription, created, id);
CREATE INDEX credentials_organisation ON credentials (organisation, created, id);
CREATE INDEX credentials_gateway ON credentials (gateway, state);
CREATE INDEX credentials_application ON credentials (application) WHERE state IN ('active', 'retiring');
CREATE INDEX credentials_ends ON credentials (ends) WHERE ends > 0 AND state = 'retiring';
CREATE INDEX credentials_expires ON credentials (expires) WHERE expires > 0 AND state IN ('active', 'retiring');

CREATE TABLE acts (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	credential TEXT NOT NULL REFERENCES credentials (id),
	gateway    TEXT NOT NULL,
	state      TEXT NOT NULL,
	phase      TEXT NOT NULL,
	lease      TEXT NOT NULL,
	due        INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	error      TEXT NOT NULL,
	created    INTEGER NOT NULL,
	ended      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX acts_open ON acts (credential, kind) WHERE state = 'open';
CREATE INDEX acts_due ON acts (due) WHERE state = 'open';
