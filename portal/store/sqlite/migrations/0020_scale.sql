-- +goose Up
-- Documents that nothing points at are looked for by their age, without reading what they say.
CREATE INDEX documents_stored ON documents (stored, hash);
