-- +goose Up
-- Requests with an Idempotency-Key, for a day.
CREATE TABLE requests (
	caller  TEXT NOT NULL,
	method  TEXT NOT NULL,
	path    TEXT NOT NULL,
	key     TEXT NOT NULL,
	body    TEXT NOT NULL,
	acted   INTEGER NOT NULL,
	result  TEXT NOT NULL,
	created INTEGER NOT NULL,
	lease   INTEGER NOT NULL,
	PRIMARY KEY (caller, method, path, key)
) STRICT;
CREATE INDEX requests_created ON requests (created);
