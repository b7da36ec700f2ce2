-- pre
-- The keys that servers sign with: this one's, and those of others as far as they were seen.

CREATE TABLE own_keys (
    key_id TEXT PRIMARY KEY,
    public_key {blob} NOT NULL,
    since BIGINT NOT NULL,
    expired_at BIGINT                -- NULL: the one in use
) {clustered};

CREATE TABLE server_keys (
    server TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key {blob} NOT NULL,
    valid_until BIGINT NOT NULL,     -- what it may have signed, in milliseconds
    in_use BOOLEAN NOT NULL,         -- whether requests may be signed with it
    PRIMARY KEY (server, key_id)
) {clustered};

-- What a server published last, as it signed it: what a notary passes on.
CREATE TABLE key_answers (
    server TEXT PRIMARY KEY,
    fetched_at BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    body {blob} NOT NULL
);
