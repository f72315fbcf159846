-- +goose Up
-- What is due next on a gateway.
CREATE INDEX acts_gateway ON acts (gateway, due) WHERE state = 'open';
CREATE INDEX credentials_gateway_ends ON credentials (gateway, ends) WHERE ends > 0 AND state = 'retiring';
CREATE INDEX credentials_gateway_expires ON credentials (gateway, expires) WHERE expires > 0 AND state IN ('active', 'retiring');

-- Processes that work jobs, and until when each is taken to be alive.
CREATE TABLE job_runners (
	id    TEXT COLLATE "C" PRIMARY KEY,
	until TIMESTAMPTZ NOT NULL
);

-- The tables of River (github.com/riverqueue/river v0.51.1), as its own migrations 1 to 8 leave them. They are River's:
-- portal/jobs alone uses them.
CREATE TABLE river_migration (
	line       TEXT NOT NULL,
	version    BIGINT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	CONSTRAINT line_length CHECK (char_length(line) > 0 AND char_length(line) < 128),
	CONSTRAINT version_gte_1 CHECK (version >= 1),
	CONSTRAINT river_migration_pkey1 PRIMARY KEY (line, version)
);
INSERT INTO river_migration (line, version) SELECT 'main', generate_series(1, 8);

CREATE TYPE river_job_state AS ENUM ('available', 'cancelled', 'completed', 'discarded', 'pending', 'retryable', 'running', 'scheduled');

-- +goose StatementBegin
CREATE FUNCTION river_job_state_in_bitmask(bitmask BIT(8), state river_job_state) RETURNS boolean LANGUAGE SQL IMMUTABLE AS $$
    SELECT CASE state
        WHEN 'available' THEN get_bit(bitmask, 7)
        WHEN 'cancelled' THEN get_bit(bitmask, 6)
        WHEN 'completed' THEN get_bit(bitmask, 5)
        WHEN 'discarded' THEN get_bit(bitmask, 4)
        WHEN 'pending'   THEN get_bit(bitmask, 3)
        WHEN 'retryable' THEN get_bit(bitmask, 2)
        WHEN 'running'   THEN get_bit(bitmask, 1)
        WHEN 'scheduled' THEN get_bit(bitmask, 0)
        ELSE 0
    END = 1;
$$;
-- +goose StatementEnd

CREATE TABLE river_job (
	id            BIGSERIAL PRIMARY KEY,
	state         river_job_state NOT NULL DEFAULT 'available',
	attempt       SMALLINT NOT NULL DEFAULT 0,
	max_attempts  SMALLINT NOT NULL DEFAULT 25,
	attempted_at  TIMESTAMPTZ,
	created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
	finalized_at  TIMESTAMPTZ,
	scheduled_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
	priority      SMALLINT NOT NULL DEFAULT 1,
	args          JSONB NOT NULL,
	attempted_by  TEXT[],
	errors        JSONB[],
	kind          TEXT NOT NULL,
	metadata      JSONB NOT NULL DEFAULT '{}',
	queue         TEXT NOT NULL DEFAULT 'default',
	tags          VARCHAR(255)[] NOT NULL DEFAULT '{}',
	unique_key    BYTEA,
	unique_states BIT(8),
	CONSTRAINT finalized_or_finalized_at_null CHECK (
		(finalized_at IS NULL AND state NOT IN ('cancelled', 'completed', 'discarded')) OR
		(finalized_at IS NOT NULL AND state IN ('cancelled', 'completed', 'discarded'))
	),
	CONSTRAINT kind_length CHECK (char_length(kind) > 0 AND char_length(kind) < 128),
	CONSTRAINT max_attempts_is_positive CHECK (max_attempts > 0),
	CONSTRAINT priority_in_range CHECK (priority >= 1 AND priority <= 4),
	CONSTRAINT queue_length CHECK (char_length(queue) > 0 AND char_length(queue) < 128)
);
CREATE INDEX river_job_args_index ON river_job USING gin (args);
CREATE INDEX river_job_kind ON river_job (kind);
CREATE INDEX river_job_metadata_index ON river_job USING gin (metadata);
CREATE INDEX river_job_prioritized_fetching_index ON river_job (state, queue, priority, scheduled_at, id);
CREATE INDEX river_job_state_and_finalized_at_index ON river_job (state, finalized_at) WHERE finalized_at IS NOT NULL;
CREATE UNIQUE INDEX river_job_unique_idx ON river_job (unique_key)
	WHERE unique_key IS NOT NULL AND unique_states IS NOT NULL AND river_job_state_in_bitmask(unique_states, state);

CREATE UNLOGGED TABLE river_leader (
	elected_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	leader_id  TEXT NOT NULL,
	name       TEXT PRIMARY KEY DEFAULT 'default',
	CONSTRAINT leader_id_length CHECK (char_length(leader_id) > 0 AND char_length(leader_id) < 128),
	CONSTRAINT name_length CHECK (name = 'default')
);

CREATE TABLE river_queue (
	name       TEXT PRIMARY KEY,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	metadata   JSONB NOT NULL DEFAULT '{}',
	paused_at  TIMESTAMPTZ,
	updated_at TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE river_notification (
	id         BIGSERIAL PRIMARY KEY,
	created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
	payload    TEXT NOT NULL,
	topic      TEXT NOT NULL,
	CONSTRAINT topic_length CHECK (length(topic) > 0 AND length(topic) < 128)
);
CREATE INDEX river_notification_created_at_idx ON river_notification (created_at);
CREATE INDEX river_notification_topic_id_idx ON river_notification (topic, id);
