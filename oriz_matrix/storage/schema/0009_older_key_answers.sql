-- pre
-- What servers published before, where that holds keys which they name no more: a notary still vouches for those.

CREATE TABLE older_key_answers (
    server TEXT NOT NULL,
    fetched_at BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (server, fetched_at)
) {clustered};
