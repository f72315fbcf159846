-- +goose Up
CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) STRICT;

-- What the routing table is compiled from, as it changes. Old rows are trimmed; readers that fall behind load everything.
CREATE TABLE changes (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	id   TEXT NOT NULL
) STRICT;

CREATE TABLE events (
	id           TEXT PRIMARY KEY,
	at           INTEGER NOT NULL,
	actor        TEXT NOT NULL,
	action       TEXT NOT NULL,
	target       TEXT NOT NULL,
	organisation TEXT NOT NULL,
	gateway      TEXT NOT NULL,
	detail       TEXT NOT NULL
) STRICT;
CREATE INDEX events_target ON events (target, at);
CREATE INDEX events_at ON events (at);
-- +goose StatementBegin
CREATE TRIGGER events_immutable BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are immutable'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are kept'); END;
-- +goose StatementEnd
