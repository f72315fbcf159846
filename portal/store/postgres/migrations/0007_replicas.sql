-- +goose Up
-- Attempts to sign in, by place: an account, an address, or an account at an address, as a keyed hash. At "at" the limit
-- of the place was used up so far that it is whole again at "ends".
CREATE TABLE sign_in_attempts (
	place TEXT COLLATE "C" PRIMARY KEY,
	at    BIGINT NOT NULL,
	ends  BIGINT NOT NULL
);
CREATE INDEX sign_in_attempts_ends ON sign_in_attempts (ends);

-- Where somebody signed in, and when last.
CREATE TABLE sign_in_places (
	place TEXT COLLATE "C" PRIMARY KEY,
	at    BIGINT NOT NULL
);
CREATE INDEX sign_in_places_at ON sign_in_places (at);

-- What a replica serves per second to tokens that use much of their limit.
CREATE TABLE token_rates (
	token   BYTEA NOT NULL, -- SHA-256 of the token
	replica TEXT COLLATE "C" NOT NULL,
	calls   BIGINT NOT NULL,
	round   BIGINT NOT NULL, -- counts up while the replica goes on
	PRIMARY KEY (token, replica)
);
CREATE INDEX token_rates_replica ON token_rates (replica);
