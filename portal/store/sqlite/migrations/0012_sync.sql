-- +goose Up
-- What syncs did or would do, as people read it, for as long as their runs are kept.
CREATE TABLE plans (
	run   TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
	steps TEXT NOT NULL -- catalog.Plan as JSON
) STRICT;

CREATE INDEX runs_applied ON runs (gateway, started) WHERE state = 'applied';
