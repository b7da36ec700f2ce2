"""Sessions and devices: one session a device, gone with it, and every end leaves a notice."""

import pytest

from oriz_matrix.protocol.identifiers import DeviceId, RoomId, UserId
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from oriz_matrix.storage import accounts, recent, rooms, sessions, transactions
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.sessions import NewSession
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.transactions import TransactionId
from oriz_matrix.storage.types import DeviceNid, EventNid, Position, UserNid

ALICE = UserId("@alice:example.org")


@pytest.fixture
async def alice(database: Database) -> UserNid:
    """An account."""
    return await database.write(accounts.create, NewAccount(ALICE), 1)


def session(token: bytes, device: str = "PHONE", name: str | None = None) -> NewSession:
    """A session as a login makes it."""
    return NewSession(DeviceId(device), name, token, 1_000, "192.0.2.1")


async def notices(database: Database) -> list[str]:
    """The channels of all notices so far."""
    _, changes = await database.read_settled(recent.changes, Position(0))
    return [change.channel for change in changes if change.kind == "notice"]


async def test_a_token_leads_to_user_and_device(database: Database, alice: UserNid) -> None:
    device = await database.write(sessions.create, alice, session(b"token"))
    found = await database.read(sessions.find, b"token")
    assert found is not None
    assert (found.user, found.user_id, found.device, found.device_id) == (alice, ALICE, device, "PHONE")
    assert (found.last_seen_at, found.expires_at, found.is_admin) == (1_000, None, False)
    assert await database.read(sessions.find, b"other") is None
    assert await notices(database) == []


async def test_a_new_session_of_a_device_ends_its_old_one(database: Database, alice: UserNid) -> None:
    device = await database.write(sessions.create, alice, session(b"old", name="my phone"))
    assert await database.write(sessions.create, alice, session(b"new", name="ignored")) == device
    assert await database.read(sessions.find, b"old") is None
    assert await database.read(sessions.find, b"new") is not None
    assert await notices(database) == [f"user {alice}"]


async def test_a_session_ends_with_its_device_and_its_transaction_ids(database: Database, alice: UserNid) -> None:
    device = await database.write(sessions.create, alice, session(b"phone"))
    await database.write(sessions.create, alice, session(b"desk", "DESK"))
    await database.write(remember_transaction, device)
    found = await database.read(sessions.find, b"phone")
    assert found is not None
    await database.write(sessions.end, alice, found.nid)
    assert await database.read(sessions.find, b"phone") is None
    assert await database.read(sessions.find, b"desk") is not None
    assert await database.write(sessions.create, alice, session(b"phone again")) != device
    assert await notices(database) == [f"user {alice}"]


async def test_all_sessions_end_together(database: Database, alice: UserNid) -> None:
    bob = await database.write(accounts.create, NewAccount(UserId("@bob:example.org")), 1)
    await database.write(sessions.create, alice, session(b"phone"))
    await database.write(sessions.create, alice, session(b"desk", "DESK"))
    await database.write(sessions.create, bob, session(b"bob's"))
    await database.write(sessions.end_all, alice)
    left = [await database.read(sessions.find, token) for token in (b"phone", b"desk", b"bob's")]
    assert [found is None for found in left] == [True, True, False]


async def test_the_last_use_is_remembered(database: Database, alice: UserNid) -> None:
    device = await database.write(sessions.create, alice, session(b"token"))
    await database.write(sessions.seen, device, 5_000, None)
    found = await database.read(sessions.find, b"token")
    assert found is not None
    assert found.last_seen_at == 5_000


async def test_no_token_opens_a_deactivated_account(database: Database, alice: UserNid) -> None:
    await database.write(sessions.create, alice, session(b"token"))
    await database.write(accounts.deactivate, alice, 2_000)
    assert await database.read(sessions.find, b"token") is None


def remember_transaction(tx: Transaction, device: DeviceNid) -> None:
    """A device has sent an event."""
    room = rooms.create(tx, RoomId("!room:example.org"), ROOM_VERSIONS["11"])
    event = EventNid(1)
    sql = "INSERT INTO events (nid, event_id, room, body) VALUES (:event, '$event', :room, :body)"
    tx.run(sql, event=event, room=room.nid, body=b"{}")
    transactions.add(tx, [(TransactionId(device, "send", "m1"), event)])
