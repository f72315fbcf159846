-- +goose Up
CREATE TABLE applications (
	id           TEXT COLLATE "C" PRIMARY KEY,
	organisation TEXT COLLATE "C" NOT NULL,
	name         TEXT COLLATE "C" NOT NULL,
	created_by   TEXT COLLATE "C" NOT NULL,
	created      BIGINT NOT NULL
);
CREATE INDEX applications_organisation ON applications (organisation, created, id);

CREATE TABLE subscriptions (
	id           TEXT COLLATE "C" PRIMARY KEY,
	application  TEXT COLLATE "C" NOT NULL REFERENCES applications (id),
	organisation TEXT COLLATE "C" NOT NULL,
	api          TEXT COLLATE "C" NOT NULL,
	line         TEXT COLLATE "C" NOT NULL,
	environment  TEXT COLLATE "C" NOT NULL,
	plan         TEXT COLLATE "C" NOT NULL,
	state        TEXT COLLATE "C" NOT NULL,
	deployment   TEXT COLLATE "C" NOT NULL,
	division     TEXT COLLATE "C" NOT NULL,
	requested_by TEXT COLLATE "C" NOT NULL,
	decided_by   TEXT COLLATE "C" NOT NULL,
	reason       TEXT COLLATE "C" NOT NULL,
	created      BIGINT NOT NULL,
	decided      BIGINT NOT NULL
);
CREATE UNIQUE INDEX subscriptions_open ON subscriptions (application, api, line, environment) WHERE state IN ('requested', 'approved', 'suspended');
CREATE INDEX subscriptions_organisation ON subscriptions (organisation, created, id);
CREATE INDEX subscriptions_state ON subscriptions (state, created, id);

CREATE TABLE credentials (
	id           TEXT COLLATE "C" PRIMARY KEY,
	subscription TEXT COLLATE "C" NOT NULL REFERENCES subscriptions (id),
	application  TEXT COLLATE "C" NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	gateway      TEXT COLLATE "C" NOT NULL,
	deployment   TEXT COLLATE "C" NOT NULL,
	remote_id    TEXT COLLATE "C" NOT NULL,
	exposure     TEXT COLLATE "C" NOT NULL,
	state        TEXT COLLATE "C" NOT NULL,
	handle       TEXT COLLATE "C" NOT NULL,
	sealed       BYTEA,
	fingerprint  TEXT COLLATE "C" NOT NULL,
	created      BIGINT NOT NULL,
	expires      BIGINT NOT NULL,
	ends         BIGINT NOT NULL,
	replaces     TEXT COLLATE "C" NOT NULL,
	effective    BIGINT NOT NULL,
	effective_by TEXT COLLATE "C" NOT NULL,
	note         TEXT COLLATE "C" NOT NULL
);
-- One open claim, one live key and one that retires.
CREATE UNIQUE INDEX credentials_one ON credentials (subscription, state) WHERE state IN ('pending', 'active', 'retiring');
CREATE INDEX credentials_subscription ON credentials (subscription, created, id);
CREATE INDEX credentials_organisation ON credentials (organisation, created, id);
CREATE INDEX credentials_gateway ON credentials (gateway, state);
CREATE INDEX credentials_application ON credentials (application) WHERE state IN ('active', 'retiring');
CREATE INDEX credentials_ends ON credentials (ends) WHERE ends > 0 AND state = 'retiring';
CREATE INDEX credentials_expires ON credentials (expires) WHERE expires > 0 AND state IN ('active', 'retiring');

CREATE TABLE acts (
	id         TEXT COLLATE "C" PRIMARY KEY,
	kind       TEXT COLLATE "C" NOT NULL,
	credential TEXT COLLATE "C" NOT NULL REFERENCES credentials (id),
	gateway    TEXT COLLATE "C" NOT NULL,
	state      TEXT COLLATE "C" NOT NULL,
	phase      TEXT COLLATE "C" NOT NULL,
	lease      TEXT COLLATE "C" NOT NULL,
	due        BIGINT NOT NULL,
	attempts   BIGINT NOT NULL,
	error      TEXT COLLATE "C" NOT NULL,
	created    BIGINT NOT NULL,
	ended      BIGINT NOT NULL
);
CREATE UNIQUE INDEX acts_open ON acts (credential, kind) WHERE state = 'open';
CREATE INDEX acts_due ON acts (due) WHERE state = 'open';
