-- +goose Up
-- Who uses an API, the newest first.
CREATE INDEX subscriptions_consumers ON subscriptions (api, created, id);
