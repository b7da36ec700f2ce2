-- pre
-- Keys of devices and users for end-to-end encryption, messages to devices, and whose devices changed when.

-- Identity keys of this server's devices, as these have uploaded them.
CREATE TABLE device_keys (
    device BIGINT PRIMARY KEY REFERENCES devices,
    body {blob} NOT NULL
);

CREATE TABLE one_time_keys (
    device BIGINT NOT NULL REFERENCES devices,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    upload BIGINT NOT NULL,          -- with which of the device's uploads it came
    body {blob} NOT NULL,
    taken_at BIGINT,                 -- when it was handed out, in milliseconds; it stays, so that nothing brings it back
    PRIMARY KEY (device, algorithm, key_id)
) {clustered};

CREATE INDEX one_time_keys_left ON one_time_keys (device, algorithm, upload) WHERE taken_at IS NULL;

CREATE TABLE fallback_keys (
    device BIGINT NOT NULL REFERENCES devices,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    body {blob} NOT NULL,
    used BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (device, algorithm)
) {clustered};

-- Of users here, and of those elsewhere whose devices are known here.
CREATE TABLE cross_signing_keys (
    user_nid BIGINT NOT NULL REFERENCES users,
    usage TEXT NOT NULL,             -- master, self_signing or user_signing
    public_key TEXT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (user_nid, usage)
) {clustered};

-- What users here have signed since the key was uploaded: their own devices and master keys, and those of others.
CREATE TABLE key_signatures (
    user_nid BIGINT NOT NULL REFERENCES users,
    key_name TEXT NOT NULL,          -- a device's id, or a public key
    signer BIGINT NOT NULL REFERENCES users,
    signer_key TEXT NOT NULL,        -- algorithm and name
    signature TEXT NOT NULL,
    PRIMARY KEY (user_nid, key_name, signer, signer_key)
) {clustered};

CREATE INDEX key_signatures_of_signer ON key_signatures (signer, signer_key);

-- When the devices or cross-signing keys of a user changed last.
CREATE TABLE device_lists (
    user_nid BIGINT PRIMARY KEY REFERENCES users,
    position BIGINT NOT NULL,
    stream_id BIGINT,                -- of the newest m.device_list_update: ours of users here, theirs of users elsewhere
    known_since BIGINT,              -- since which position the devices of a user elsewhere are known here
    stale TEXT                       -- the server that is to be asked for them anew
);

CREATE INDEX device_lists_changes ON device_lists (position);
CREATE INDEX device_lists_stale ON device_lists (stale) WHERE stale IS NOT NULL;

-- The devices of users elsewhere, as their servers told them.
CREATE TABLE remote_devices (
    user_nid BIGINT NOT NULL REFERENCES users,
    device_id TEXT NOT NULL,
    body {blob} NOT NULL,
    display_name TEXT,
    PRIMARY KEY (user_nid, device_id)
) {clustered};

-- Messages that wait for devices. A device may be deleted while one is written for it, which then lies there unread.
CREATE TABLE to_device (
    device BIGINT NOT NULL,
    position BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (device, position)
) {clustered};

CREATE INDEX to_device_changes ON to_device (position);

-- Which messages to devices were taken: of other servers by sender, of devices here by device and type.
CREATE TABLE to_device_ids (
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (sender, message_id)
) {clustered};

CREATE INDEX to_device_ids_by_time ON to_device_ids (taken_at);
