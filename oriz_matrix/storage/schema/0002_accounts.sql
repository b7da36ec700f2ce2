-- pre
-- Users of this and other servers as numbers; accounts, devices and sessions of this server's.

CREATE TABLE users (
    nid {identity},
    user_id TEXT NOT NULL UNIQUE
);

CREATE TABLE accounts (
    user_nid BIGINT PRIMARY KEY REFERENCES users,
    folded_id TEXT NOT NULL,         -- the user id in lower case: what nobody else here may register
    password_hash TEXT,              -- NULL: no password opens this account
    user_type TEXT,                  -- what shared-secret registration said: bot, support
    created_at BIGINT NOT NULL,
    is_guest BOOLEAN NOT NULL DEFAULT FALSE,
    is_admin BOOLEAN NOT NULL DEFAULT FALSE,
    is_locked BOOLEAN NOT NULL DEFAULT FALSE,
    is_suspended BOOLEAN NOT NULL DEFAULT FALSE,
    deactivated_at BIGINT
);

CREATE INDEX accounts_folded ON accounts (folded_id);

CREATE TABLE devices (
    nid {identity},
    user_nid BIGINT NOT NULL REFERENCES users,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    last_seen_ip TEXT,
    UNIQUE (user_nid, device_id)
);

CREATE TABLE sessions (
    nid {identity},
    user_nid BIGINT NOT NULL REFERENCES users,
    device BIGINT REFERENCES devices,
    token_hash {blob} NOT NULL UNIQUE,
    refresh_hash {blob} UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);

CREATE INDEX sessions_by_device ON sessions (device);
CREATE INDEX sessions_by_user ON sessions (user_nid);

-- Interactive authentication in progress, and nonces of shared-secret registration.
CREATE TABLE auth_sessions (
    session_id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    payload {blob} NOT NULL,
    expires_at BIGINT NOT NULL
) {clustered};

CREATE INDEX auth_sessions_expired ON auth_sessions (expires_at);

CREATE TABLE profile_fields (
    user_nid BIGINT NOT NULL REFERENCES users,
    field TEXT NOT NULL,
    value {blob} NOT NULL,
    PRIMARY KEY (user_nid, field)
) {clustered};

CREATE TABLE filters (
    user_nid BIGINT NOT NULL REFERENCES users,
    filter_id BIGINT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (user_nid, filter_id)
) {clustered};

-- Of a room, or of the whole account where room is 0.
CREATE TABLE account_data (
    user_nid BIGINT NOT NULL REFERENCES users,
    room BIGINT NOT NULL,
    type TEXT NOT NULL,
    content {blob} NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_nid, room, type)
) {clustered};

CREATE INDEX account_data_changes ON account_data (position);
CREATE INDEX account_data_of_user ON account_data (user_nid, position);

-- What a user changed of the predefined push rules, and their own; absent means all predefined.
CREATE TABLE push_rules (
    user_nid BIGINT PRIMARY KEY REFERENCES users,
    changes {blob} NOT NULL,
    position BIGINT NOT NULL
);

CREATE INDEX push_rules_changes ON push_rules (position);
