-- +goose Up
-- How content is kept: as it is (''), with the description beside it, or both in one Zstandard frame ('zstd'), of which the
-- content is the first size bytes.
ALTER TABLE documents ADD COLUMN encoding TEXT NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN size INTEGER NOT NULL DEFAULT 0;
