-- pre
-- What this server shares with others: who is in which room, what came in, what is to go out.

-- How many members of each other server are joined to a room; a server with none has no row.
CREATE TABLE room_servers (
    room BIGINT NOT NULL REFERENCES rooms,
    server TEXT NOT NULL,
    joined BIGINT NOT NULL,
    PRIMARY KEY (room, server)
) {clustered};

CREATE INDEX room_servers_of_server ON room_servers (server, room);

-- What another server has shown of its room to somebody here whom it invites, or who knocks there.
CREATE TABLE shown_states (
    user_nid BIGINT NOT NULL REFERENCES users,
    room BIGINT NOT NULL REFERENCES rooms,
    server TEXT NOT NULL,
    body {blob} NOT NULL,
    PRIMARY KEY (user_nid, room)
) {clustered};

-- Transactions of other servers that were taken in, with what was answered.
CREATE TABLE taken_transactions (
    origin TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    answer {blob} NOT NULL,
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (origin, txn_id)
) {clustered};

CREATE INDEX taken_transactions_by_time ON taken_transactions (taken_at);

-- Events of other servers that are kept and not yet judged, in the order in which they came.
CREATE TABLE incoming (
    nid {identity},
    room BIGINT NOT NULL REFERENCES rooms,
    origin TEXT NOT NULL,
    event_id TEXT NOT NULL,
    body {blob} NOT NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (room, event_id)
);

CREATE INDEX incoming_in_order ON incoming (room, nid);

-- Where a room's log has a hole just before a position: what stood there is known to others only. Events that are
-- fetched into it get the next lower `back`.
CREATE TABLE gaps (
    room BIGINT NOT NULL REFERENCES rooms,
    position BIGINT NOT NULL,
    back BIGINT NOT NULL,            -- the lowest that is taken
    wanted TEXT NOT NULL,            -- JSON: ids of the events that come next, going back
    PRIMARY KEY (room, position)
) {clustered};

-- Events that have no place yet, and upon which an accepted event stands already.
CREATE TABLE followed (
    room BIGINT NOT NULL REFERENCES rooms,
    event_id TEXT NOT NULL,
    PRIMARY KEY (room, event_id)
) {clustered};

-- Redactions that came before the event that they redact.
CREATE TABLE early_redactions (
    event_id TEXT NOT NULL,
    redaction BIGINT NOT NULL REFERENCES events,
    PRIMARY KEY (event_id, redaction)
) {clustered};

-- What is to be sent to other servers: events by number, which is their order, and other messages.
CREATE TABLE outbox (
    destination TEXT NOT NULL,
    event BIGINT NOT NULL REFERENCES events,
    PRIMARY KEY (destination, event)
) {clustered};

CREATE TABLE outbox_edus (
    nid {identity},
    destination TEXT NOT NULL,
    name TEXT NOT NULL,              -- a newer one of the same name replaces it, unless it is on its way
    body {blob} NOT NULL,
    UNIQUE (destination, name)
);

CREATE INDEX outbox_edus_of_destination ON outbox_edus (destination, nid);

-- Other servers to which something was ever sent: whether they answer, and the transaction that is on its way.
CREATE TABLE destinations (
    server TEXT PRIMARY KEY,
    failing_since BIGINT,            -- NULL: it answers
    attempts BIGINT NOT NULL DEFAULT 0,
    retry_at BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until BIGINT NOT NULL DEFAULT 0,
    txn_id TEXT,                     -- NULL: none is on its way
    txn_body {blob}
) {clustered};

-- Asked for with every event of a user here: so that the name is known, and not looked for in vain each time.
INSERT INTO state_keys (type, state_key) VALUES ('m.room.policy', '');
