-- pre
-- Finding rooms: the published ones by their size, and walks through spaces that can go on; tokens that prove to third
-- parties who somebody is.

CREATE INDEX rooms_published ON rooms (joined, nid) WHERE published;

CREATE TABLE space_walks (
    token TEXT PRIMARY KEY,
    user_nid BIGINT NOT NULL REFERENCES users,
    body {blob} NOT NULL,
    expires_at BIGINT NOT NULL
) {clustered};

CREATE INDEX space_walks_of_user ON space_walks (user_nid, expires_at);

CREATE TABLE openid_tokens (
    token_hash {blob} PRIMARY KEY,
    user_nid BIGINT NOT NULL REFERENCES users,
    expires_at BIGINT NOT NULL
) {clustered};

CREATE INDEX openid_tokens_expired ON openid_tokens (expires_at);
