"""A database as large as that of a small town's server: rooms, events and members, and what grows with its users."""

from collections.abc import Sequence
from itertools import pairwise

from oriz_matrix.protocol.identifiers import RoomId, UserId
from oriz_matrix.storage import append, rooms
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.dialects import Dialect, Session
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.transaction import Transaction
from tests.storage.talk import MEMBER, VERSION, event, member

ROOMS = 200
MEMBERS = 25  # of each room
MESSAGES = 74  # in each room
USERS = 2_000
LARGE = 1_000
"""Tables of at least so many rows must never be read whole."""

CROWD = [UserId(f"@crowd{number}:example.org") for number in range(USERS)]
OWNER = CROWD[0]


def room_id(number: int) -> RoomId:
    """The id of a seeded room; anybody may join."""
    return RoomId(f"!seed{number}:example.org")


def seed(dialect: Dialect) -> None:
    """Fills the database; the engine has not looked at it yet."""
    with dialect.session() as session:
        caches = Caches()
        for number in range(ROOMS):
            with session.transaction():
                tx = Transaction(session, caches)
                made = rooms.create(tx, room_id(number), VERSION)
                append.append(tx, made.nid, made.current, _life(number))
                tx.committed()
        with session.transaction():
            _fill(session, dialect.schema_words["blob"])
            _fill_devices(session, dialect.schema_words["blob"])


def _life(number: int) -> Sequence[NewEvent]:
    room = room_id(number)
    create = event(room, "m.room.create", OWNER, {"room_version": VERSION.name}, "")
    join = member(room, OWNER, "join", prev=[create.event_id], auth=[create.event_id])
    rules = event(room, "m.room.join_rules", OWNER, {"join_rule": "public"}, "", auth=[create.event_id, join.event_id])
    crowd = [CROWD[(number * MEMBERS + n) % (USERS - 1) + 1] for n in range(MEMBERS - 1)]
    life = [create, join, rules]
    life += [event(room, MEMBER, user, {"membership": "join"}, user, auth=[create.event_id]) for user in crowd]
    life += [event(room, sender=crowd[n % len(crowd)]) for n in range(MESSAGES)]
    for before, after in pairwise(life):
        after.pdu["prev_events"][:] = [before.event_id]
    return [NewEvent(one, notifies=True) for one in life]


def _fill(session: Session, blob: str) -> None:
    """What belongs to users and devices, a row or more for each."""
    for sql in (
        "INSERT INTO accounts (user_nid, folded_id, created_at) SELECT nid, user_id, 1 FROM users",
        "INSERT INTO devices (user_nid, device_id, created_at) SELECT nid, 'D', 1 FROM users",
        """INSERT INTO sessions (user_nid, device, token_hash, created_at)
            SELECT d.user_nid, d.nid, CAST(u.user_id AS {blob}), 1 FROM devices d JOIN users u ON u.nid = d.user_nid""",
        """INSERT INTO receipts
            (room, user_nid, kind, thread, event_id, ts, event_position, event_back, unread, position)
            SELECT room, user_nid, 'm.read', '', 'e', 1, since, 0, 0, since FROM memberships""",
        "INSERT INTO typing (room, user_nid, expires_at, position) SELECT room, user_nid, 0, since FROM memberships",
        """INSERT INTO account_data (user_nid, room, type, content, position)
            SELECT user_nid, room, 'm.tag', CAST('{}' AS {blob}), since FROM memberships""",
        """INSERT INTO mentions (user_nid, room, position, event, notifies, highlights, counted)
            SELECT user_nid, room, since, event, TRUE, TRUE, TRUE FROM memberships""",
        """INSERT INTO threads (room, root, latest, unread)
            SELECT e.room, e.event_id, e.nid, 1 FROM events e WHERE e.nid % 2 = 0""",
        """UPDATE event_status SET thread_unread = 1,
            thread = (SELECT t.nid FROM threads t WHERE t.room = event_status.room AND t.latest = event)
            WHERE event % 2 = 0""",
        "UPDATE event_status SET redacted_by = event + 1 WHERE event % 5 = 0 AND state_key IS NULL",
        """INSERT INTO push_modes (user_nid, room_id, since, until, mode)
            SELECT nid, '', 1, CASE nid % 5 WHEN 0 THEN 9223372036854775807 ELSE 2 END, 'own' FROM users""",
        """INSERT INTO push_modes (user_nid, room_id, since, until, mode)
            SELECT m.user_nid, r.room_id, 1, 9223372036854775807, 'mentions'
            FROM memberships m JOIN rooms r ON r.nid = m.room""",
        """INSERT INTO transaction_ids (device, endpoint, txn_id, event)
            SELECT d.nid, 'send', CAST(s.event AS TEXT), s.event
            FROM event_status s JOIN devices d ON d.user_nid = s.sender""",
        "INSERT INTO push_rules (user_nid, changes, position) SELECT nid, CAST('{}' AS {blob}), nid FROM users",
        "INSERT INTO profile_fields (user_nid, field, value) SELECT nid, 'displayname', CAST('1' AS {blob}) FROM users",
        "INSERT INTO filters (user_nid, filter_id, body) SELECT nid, 1, CAST('{}' AS {blob}) FROM users",
        """INSERT INTO openid_tokens (token_hash, user_nid, expires_at)
            SELECT CAST(user_id AS {blob}), nid, 9000000000000 + nid FROM users""",
        """INSERT INTO space_walks (token, user_nid, body, expires_at)
            SELECT user_id, nid, CAST('{}' AS {blob}), 9000000000000 + nid FROM users""",
        """INSERT INTO auth_sessions (session_id, purpose, payload, expires_at)
            SELECT user_id, 'seed', CAST('{}' AS {blob}), 9000000000000 + nid FROM users""",
        "INSERT INTO notices (position, channel) SELECT position, 'seed 1' FROM event_status WHERE position % 4 = 0",
        """INSERT INTO jobs (queue, key, run_at, payload)
            SELECT 'seed', user_id, 9000000000000 + nid, CAST('{}' AS {blob}) FROM users""",
        """INSERT INTO aliases (alias, room, creator, created_at)
            SELECT '#' || u.user_id, r.nid, u.nid, 1 FROM users u JOIN rooms r ON r.nid = u.nid % 200 + 1""",
    ):
        session.run(sql.replace("{blob}", blob), {})


def _fill_devices(session: Session, blob: str) -> None:
    """Keys of devices and users, lists of devices, messages to devices."""
    for sql in (
        "INSERT INTO device_keys (device, body) SELECT nid, CAST('{}' AS {blob}) FROM devices",
        """INSERT INTO one_time_keys (device, algorithm, key_id, upload, body)
            SELECT nid, 'seed', 'k', 1, CAST('{}' AS {blob}) FROM devices""",
        """INSERT INTO fallback_keys (device, algorithm, key_id, body)
            SELECT nid, 'seed', 'k', CAST('{}' AS {blob}) FROM devices""",
        """INSERT INTO cross_signing_keys (user_nid, usage, public_key, body)
            SELECT nid, 'master', user_id, CAST('{}' AS {blob}) FROM users""",
        """INSERT INTO key_signatures (user_nid, key_name, signer, signer_key, signature)
            SELECT nid, 'D', nid, 'ed25519:seed', 's' FROM users""",
        """INSERT INTO device_lists (user_nid, position, stream_id, known_since, stale)
            SELECT nid, CASE nid % 50 WHEN 1 THEN nid ELSE 0 END, nid, nid, user_id FROM users""",
        """INSERT INTO remote_devices (user_nid, device_id, body)
            SELECT nid, 'D', CAST('{}' AS {blob}) FROM users""",
        """INSERT INTO to_device (device, position, user_nid, body)
            SELECT nid, nid, user_nid, CAST('{}' AS {blob}) FROM devices""",
        """INSERT INTO to_device_ids (sender, message_id, taken_at)
            SELECT user_id, '1', 9000000000000 + nid FROM users""",
    ):
        session.run(sql.replace("{blob}", blob), {})
