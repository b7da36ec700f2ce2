-- pre
-- When what waits for a server that does not answer was last reduced to the newest event of each room: milliseconds.

ALTER TABLE destinations ADD COLUMN collapsed_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX destinations_silent ON destinations (collapsed_at) WHERE failing_since IS NOT NULL;
