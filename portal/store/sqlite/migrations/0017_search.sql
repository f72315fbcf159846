-- +goose Up
-- Words are looked up in memory: what an entry is found by is kept as it is, and read by every process as it changes. It is
-- made anew from the catalog.
DROP TABLE search_index;
DROP TABLE search_rows;
DROP TABLE search_operations;
DROP TABLE search_terms;

-- A row is an entry as audiences that read the same of it find it. An entry that nobody finds any more has one without
-- tokens, so that whoever reads on learns of it. No id is used twice.
CREATE TABLE search_tokens (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	api         TEXT NOT NULL,
	revision    INTEGER NOT NULL, -- of search_progress, with which it was written
	fingerprint TEXT NOT NULL, -- of all rows of the entry; empty: it has none
	tokens      BLOB NOT NULL, -- as search.Pack writes them; empty: nobody finds the entry
	operations  TEXT NOT NULL -- one in each line
) STRICT;
CREATE INDEX search_tokens_api ON search_tokens (api, fingerprint);
CREATE INDEX search_tokens_revision ON search_tokens (revision);
