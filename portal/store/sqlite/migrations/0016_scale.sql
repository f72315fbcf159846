-- +goose Up
-- Sketches are found in memory, by who follows the change log: their keys need no rows. They are made anew.
DROP TABLE sketch_keys;
DROP TABLE sketches;
CREATE TABLE sketches (
	deployment TEXT PRIMARY KEY REFERENCES deployments (id),
	format     INTEGER NOT NULL,
	sum        INTEGER NOT NULL, -- of the sketch: another one as a rule has another
	sketch     TEXT NOT NULL -- correlate.Sketch as JSON
) STRICT;
