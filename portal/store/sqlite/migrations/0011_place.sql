-- +goose Up
-- Since when a subscription is frozen, because its deployment was classified anew, and why; 0: it is not.
ALTER TABLE subscriptions ADD COLUMN frozen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscriptions ADD COLUMN frozen_because TEXT NOT NULL DEFAULT '';
CREATE INDEX subscriptions_frozen ON subscriptions (created, id) WHERE frozen > 0;

CREATE INDEX deployments_unclassified ON deployments (gateway, id) WHERE removed = 0 AND NOT classified;
