-- pre
-- The server itself: its name, the sequence of positions, notices, jobs.

CREATE TABLE server (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

{positions};

{first_position};

-- Ranges that were never given out: a token inside one comes from a history that was lost.
CREATE TABLE skipped (
    first BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
) {clustered};

-- What every worker must hear of and has no row of its own; deleted after an hour.
CREATE TABLE notices (
    position BIGINT PRIMARY KEY,
    channel TEXT NOT NULL
) {clustered};

CREATE TABLE jobs (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    run_at BIGINT NOT NULL,
    payload {blob} NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    lease_until BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    requests BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (queue, key)
) {clustered};

CREATE INDEX jobs_due ON jobs (queue, run_at);

-- How far each log consumer has read the log of events.
CREATE TABLE cursors (
    consumer TEXT PRIMARY KEY,
    position BIGINT NOT NULL
) {clustered};
