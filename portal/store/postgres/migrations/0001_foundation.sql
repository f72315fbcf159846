-- +goose Up
CREATE TABLE settings (
	name  TEXT COLLATE "C" PRIMARY KEY,
	value BYTEA NOT NULL
);

-- What the routing table is compiled from, as it changes. Old rows are trimmed; readers that fall behind load everything.
CREATE TABLE changes (
	seq  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind TEXT COLLATE "C" NOT NULL,
	id   TEXT COLLATE "C" NOT NULL
);

CREATE TABLE events (
	id           TEXT COLLATE "C" PRIMARY KEY,
	at           BIGINT NOT NULL,
	actor        TEXT COLLATE "C" NOT NULL,
	action       TEXT COLLATE "C" NOT NULL,
	target       TEXT COLLATE "C" NOT NULL,
	organisation TEXT COLLATE "C" NOT NULL,
	gateway      TEXT COLLATE "C" NOT NULL,
	detail       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX events_target ON events (target, at);
CREATE INDEX events_at ON events (at);
-- +goose StatementBegin
CREATE FUNCTION events_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'events are immutable and kept'; END $$;
-- +goose StatementEnd
CREATE TRIGGER events_kept BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_are_kept();
