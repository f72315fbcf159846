-- +goose Up
-- What APIs are found by, made from the catalog: it can be emptied, and is made anew. A row is an entry as audiences that
-- read the same of it find it.
CREATE TABLE search_rows (
	id          INTEGER PRIMARY KEY,
	api         TEXT NOT NULL,
	fingerprint TEXT NOT NULL -- of all rows of the entry
) STRICT;
CREATE INDEX search_rows_api ON search_rows (api, fingerprint);

CREATE TABLE search_operations (
	row        INTEGER PRIMARY KEY, -- of search_rows
	operations TEXT NOT NULL -- one in each line
) STRICT;

-- Which rows hold a token. Tokens come from package search ready made: nothing is folded or cut here. A prefix of one to
-- four letters, beside the one that says what a token is, has an index of its own.
CREATE VIRTUAL TABLE search_index USING fts5 (
	tokens, content = '', contentless_delete = 1, detail = none, prefix = '2 3 4 5', tokenize = "ascii tokenchars '/{}_.=-'"
);

-- Words that are in the index, or were, for corrections.
CREATE TABLE search_terms (
	id   INTEGER PRIMARY KEY,
	term TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE search_progress (
	one       INTEGER PRIMARY KEY CHECK (one = 1),
	revision  INTEGER NOT NULL,
	signature TEXT NOT NULL,
	version   INTEGER NOT NULL,
	building  INTEGER NOT NULL,
	position  TEXT NOT NULL,
	ready     INTEGER NOT NULL,
	touched   INTEGER NOT NULL
) STRICT;
