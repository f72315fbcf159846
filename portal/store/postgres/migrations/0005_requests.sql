-- +goose Up
-- Requests with an Idempotency-Key, for a day.
CREATE TABLE requests (
	caller  TEXT COLLATE "C" NOT NULL,
	method  TEXT COLLATE "C" NOT NULL,
	path    TEXT COLLATE "C" NOT NULL,
	key     TEXT COLLATE "C" NOT NULL,
	body    TEXT COLLATE "C" NOT NULL,
	acted   BOOLEAN NOT NULL,
	result  TEXT COLLATE "C" NOT NULL,
	created BIGINT NOT NULL,
	lease   BIGINT NOT NULL,
	PRIMARY KEY (caller, method, path, key)
);
CREATE INDEX requests_created ON requests (created);
