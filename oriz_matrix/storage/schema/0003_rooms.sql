-- pre
-- Rooms, their events in order, their states as intervals of positions, and who is where.
-- An interval is [since, until); one that is still open ends at 9223372036854775807.

CREATE TABLE rooms (
    nid {identity},
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    branch BIGINT NOT NULL,          -- the trunk: the history of the current state
    state_at BIGINT NOT NULL,        -- when the current state last changed
    latest BIGINT NOT NULL,          -- the newest event of the timeline
    extremities TEXT NOT NULL,       -- JSON: [[event id, depth], ...], the ends of the event graph
    joined BIGINT NOT NULL DEFAULT 0,
    invited BIGINT NOT NULL DEFAULT 0,
    elsewhere BIGINT NOT NULL DEFAULT 0, -- of those joined, the users of other servers
    unread BIGINT NOT NULL DEFAULT 0, -- events of the main timeline so far that notify by the default rules
    published BOOLEAN NOT NULL DEFAULT FALSE -- in the room directory
);

CREATE TABLE state_keys (
    nid {identity},
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    UNIQUE (type, state_key)
);

-- What an event says: never changed. Its number is a position, drawn like every other.
CREATE TABLE events (
    nid BIGINT PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    room BIGINT NOT NULL REFERENCES rooms,
    body {blob} NOT NULL
);

-- What this server thinks of an event, and where it stands in the room's order: (position, back).
CREATE TABLE event_status (
    event BIGINT PRIMARY KEY REFERENCES events,
    room BIGINT NOT NULL,
    sender BIGINT NOT NULL,
    state_key BIGINT,                -- of state events: which key of the state
    replaces BIGINT,                 -- and which event stood under it before
    position BIGINT,                 -- NULL: not in the timeline
    back BIGINT,
    branch BIGINT,                   -- the state before it is (branch, state_at)
    state_at BIGINT,
    rejected TEXT,                   -- why, when it was
    soft_failed BOOLEAN NOT NULL DEFAULT FALSE, -- shown to nobody
    why TEXT,                        -- why, where that is not plain
    redacted_by BIGINT,
    notifies BOOLEAN NOT NULL DEFAULT FALSE, -- by the default rules
    unread BIGINT NOT NULL DEFAULT 0, -- the main timeline's count just after it
    thread BIGINT,                   -- NULL: in the main timeline
    thread_unread BIGINT,            -- the thread's count just after it
    ts BIGINT NOT NULL               -- when it was sent, as the sender claims: milliseconds
);

CREATE UNIQUE INDEX timeline ON event_status (room, position, back);
CREATE INDEX timeline_of_arrivals ON event_status (position) WHERE position <> event;
CREATE INDEX timeline_refused ON event_status (room, event) WHERE rejected IS NOT NULL OR soft_failed;
CREATE INDEX timeline_fetched ON event_status (room, state_key) WHERE back < 0;
CREATE INDEX timeline_by_sender ON event_status (room, sender, position);
CREATE INDEX timeline_by_time ON event_status (room, ts);
CREATE INDEX timeline_of_thread ON event_status (thread, position) WHERE thread IS NOT NULL;
CREATE INDEX timeline_redacted ON event_status (room, position) WHERE redacted_by IS NOT NULL;

-- The threads of rooms, each named by the event that it starts from, with their newest event and their count there.
CREATE TABLE threads (
    nid {identity},
    room BIGINT NOT NULL REFERENCES rooms,
    root TEXT NOT NULL,
    latest BIGINT NOT NULL DEFAULT 0,
    unread BIGINT NOT NULL DEFAULT 0,
    UNIQUE (room, root)
);

CREATE INDEX threads_by_latest ON threads (room, latest);

-- Which events authorize a state event: edges of the auth chain. An event is stored after those that authorize it.
CREATE TABLE auth_edges (
    event BIGINT NOT NULL REFERENCES events,
    auth BIGINT NOT NULL REFERENCES events,
    PRIMARY KEY (event, auth),
    CHECK (auth < event)
) {clustered};

CREATE INDEX auth_edges_citing ON auth_edges (auth, event);

-- The trunk has no parent; a side branch holds what differs from its parent at one position.
CREATE TABLE state_branches (
    nid {identity},
    room BIGINT NOT NULL REFERENCES rooms,
    parent BIGINT REFERENCES state_branches,
    parent_at BIGINT
);

CREATE INDEX state_branches_of_room ON state_branches (room);
CREATE INDEX state_branches_of_parent ON state_branches (parent, parent_at);

CREATE TABLE state_entries (
    branch BIGINT NOT NULL REFERENCES state_branches,
    state_key BIGINT NOT NULL REFERENCES state_keys,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    event BIGINT REFERENCES events,  -- NULL: the key is absent
    PRIMARY KEY (branch, state_key, since)
) {clustered};

CREATE INDEX state_entries_until ON state_entries (branch, until);
CREATE INDEX state_entries_since ON state_entries (branch, since);

-- Which trunk held the current state from when on: another after coming back through another server.
CREATE TABLE room_trunks (
    room BIGINT NOT NULL REFERENCES rooms,
    since BIGINT NOT NULL,
    branch BIGINT NOT NULL REFERENCES state_branches,
    PRIMARY KEY (room, since)
) {clustered};

CREATE TABLE memberships (
    user_nid BIGINT NOT NULL REFERENCES users,
    room BIGINT NOT NULL REFERENCES rooms,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    membership TEXT NOT NULL,
    event BIGINT NOT NULL REFERENCES events,
    stay_since BIGINT NOT NULL,      -- when this run of the same membership began
    forgotten BOOLEAN NOT NULL DEFAULT FALSE, -- by the user, who had left
    PRIMARY KEY (user_nid, room, since)
) {clustered};

CREATE INDEX memberships_of_user ON memberships (user_nid, until, room, membership);
CREATE INDEX memberships_of_room ON memberships (room, until, membership);
CREATE INDEX memberships_changes ON memberships (since);

-- Events that tell a user who is here, or everybody in the room (user 0), something else than the counts say: mentions,
-- and what users' own push rules make of an event.
CREATE TABLE mentions (
    user_nid BIGINT NOT NULL,
    room BIGINT NOT NULL,
    position BIGINT NOT NULL,
    event BIGINT NOT NULL,
    notifies BOOLEAN NOT NULL,
    highlights BOOLEAN NOT NULL,
    counted BOOLEAN NOT NULL,        -- whether its timeline's own count holds it
    PRIMARY KEY (user_nid, room, position)
) {clustered};

-- From when to when a user's push rules were so: 'muted' or 'mentions' in a room; 'muted' or 'own' (rules that must be
-- asked one by one) wherever they are, which is room ''. Named by the room's id: rules may come before the room.
CREATE TABLE push_modes (
    user_nid BIGINT NOT NULL REFERENCES users,
    room_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT NOT NULL,
    mode TEXT NOT NULL,
    PRIMARY KEY (user_nid, room_id, since)
) {clustered};

CREATE INDEX push_modes_now ON push_modes (mode, until, user_nid);

CREATE TABLE transaction_ids (
    device BIGINT NOT NULL REFERENCES devices,
    endpoint TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    event BIGINT NOT NULL REFERENCES events,
    PRIMARY KEY (device, endpoint, txn_id)
) {clustered};

CREATE INDEX transaction_ids_of_event ON transaction_ids (event);

CREATE TABLE aliases (
    alias TEXT PRIMARY KEY,
    room BIGINT NOT NULL REFERENCES rooms,
    creator BIGINT NOT NULL REFERENCES users,
    created_at BIGINT NOT NULL
) {clustered};

CREATE INDEX aliases_of_room ON aliases (room);

CREATE TABLE receipts (
    room BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    kind TEXT NOT NULL,
    thread TEXT NOT NULL,            -- '' is an unthreaded receipt
    event_id TEXT NOT NULL,
    ts BIGINT NOT NULL,
    event_position BIGINT NOT NULL,  -- where the event stands, and the room's count there
    event_back BIGINT NOT NULL,
    unread BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room, user_nid, kind, thread)
) {clustered};

CREATE INDEX receipts_changes ON receipts (position);
CREATE INDEX receipts_of_room ON receipts (room, position);

CREATE {unlogged} TABLE typing (
    room BIGINT NOT NULL,
    user_nid BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,      -- 0: stopped
    position BIGINT NOT NULL,
    PRIMARY KEY (room, user_nid)
) {clustered};

CREATE INDEX typing_changes ON typing (position);
CREATE INDEX typing_ends ON typing (expires_at) WHERE expires_at > 0;
