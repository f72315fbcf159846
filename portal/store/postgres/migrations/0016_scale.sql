-- +goose Up
-- Sketches are found in memory, by who follows the change log: their keys need no rows. They are made anew.
DROP TABLE sketch_keys;
DROP TABLE sketches;
CREATE TABLE sketches (
	deployment TEXT COLLATE "C" PRIMARY KEY REFERENCES deployments (id),
	format     BIGINT NOT NULL,
	sum        BIGINT NOT NULL, -- of the sketch: another one as a rule has another
	sketch     TEXT COLLATE "C" NOT NULL -- correlate.Sketch as JSON
);
