"""What users keep here: account data and push rules with positions, filters, profiles, interactive sessions."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import LiteralString

import pytest

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import account_data, accounts, auth_sessions, filters, profiles, push_rules
from oriz_matrix.storage.account_data import GLOBAL, AccountData
from oriz_matrix.storage.accounts import NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, RoomNid, UserNid

ROOM = RoomNid(7)


@pytest.fixture
async def alice(database: Database) -> UserNid:
    """An account."""
    return await database.write(accounts.create, NewAccount(UserId("@alice:example.org")), 1)


async def settled(database: Database) -> Position:
    """Up to where everything is known."""
    return await database.read_settled(lambda _, position: position)


async def test_account_data_tells_what_changed(database: Database, alice: UserNid) -> None:
    await database.write(account_data.put, alice, AccountData(GLOBAL, "m.direct", b"{}"))
    before = await settled(database)
    await database.write(account_data.put, alice, AccountData(ROOM, "m.tag", b'{"tags":{}}'))
    await database.write(account_data.put, alice, AccountData(GLOBAL, "m.direct", b'{"a":1}'))
    after = await settled(database)
    tag, direct = AccountData(ROOM, "m.tag", b'{"tags":{}}'), AccountData(GLOBAL, "m.direct", b'{"a":1}')
    assert await database.read(account_data.changed, alice, before, after) == [tag, direct]
    assert await database.read(account_data.changed, alice, after, after) == []
    assert await database.read(account_data.of_user, alice) == [tag, direct]
    assert await database.read(account_data.get, alice, GLOBAL, "m.direct") == b'{"a":1}'
    assert await database.read(account_data.get, alice, ROOM, "m.direct") is None


class Slow(Transaction):
    """A transaction that waits after it has drawn a position."""

    def __init__(self, tx: Transaction, drawn: threading.Event) -> None:
        super().__init__(tx._connection, tx.caches)
        self._drawn = drawn

    def position(self) -> Position:
        position = super().position()
        self._drawn.set()
        time.sleep(0.2)
        return position


def put_data(tx: Transaction, user: UserNid, content: bytes) -> None:
    account_data.put(tx, user, AccountData(GLOBAL, "m.direct", content))


@pytest.mark.parametrize(("put", "table"), [(put_data, "account_data"), (push_rules.put, "push_rules")])
async def test_who_overwrites_has_the_higher_position(
    database: Database, alice: UserNid, put: Callable[[Transaction, UserNid, bytes], None], table: LiteralString
) -> None:
    drawn = threading.Event()
    slow = asyncio.create_task(database.write(lambda tx: put(Slow(tx, drawn), alice, b"slow")))
    await asyncio.to_thread(drawn.wait)
    await database.write(put, alice, b"quick")
    await slow
    last = await settled(database)
    assert await database.read(lambda tx: tx.value("SELECT position FROM " + table)) == last


async def test_push_rules_get_a_new_position_with_each_change(database: Database, alice: UserNid) -> None:
    assert await database.read(push_rules.of_users, [alice]) == {}
    await database.write(push_rules.put, alice, b"{}")
    first = (await database.read(push_rules.of_users, [alice]))[alice]
    await database.write(push_rules.put, alice, b'{"custom":{}}')
    second = (await database.read(push_rules.of_users, [alice]))[alice]
    assert (first.changes, second.changes) == (b"{}", b'{"custom":{}}')
    assert second.position > first.position


async def test_the_same_filter_has_the_same_id(database: Database, alice: UserNid) -> None:
    bob = await database.write(accounts.create, NewAccount(UserId("@bob:example.org")), 1)
    ids = await asyncio.gather(*(database.write(filters.add, alice, b"{}") for _ in range(5)))
    assert ids == [1] * 5
    assert await database.write(filters.add, alice, b'{"room":{}}') == 2
    assert await database.write(filters.add, bob, b'{"room":{}}') == 1
    assert await database.read(filters.get, alice, 2) == b'{"room":{}}'
    assert await database.read(filters.get, bob, 2) is None


async def test_a_profile_holds_any_json(database: Database, alice: UserNid) -> None:
    await database.write(profiles.put, alice, "displayname", "Alice")
    await database.write(profiles.put, alice, "displayname", "Alïce")
    await database.write(profiles.put, alice, "org.example.tags", ["a", {"b": None}])
    assert await database.read(profiles.get, alice) == {"displayname": "Alïce", "org.example.tags": ["a", {"b": None}]}
    assert await database.read(profiles.of_users, [alice, UserNid(99)], "displayname") == {alice: "Alïce"}


async def test_an_interactive_session_serves_its_purpose_until_it_expires(database: Database) -> None:
    await database.write(auth_sessions.create, "s", "register", b"1", (0, 100))
    await database.write(auth_sessions.replace, "s", b"2")
    assert await database.read(auth_sessions.find, "s", "register", 99) == b"2"
    assert await database.read(auth_sessions.find, "s", "register", 100) is None
    assert await database.read(auth_sessions.find, "s", "other", 50) is None
    assert not await database.write(auth_sessions.take, "s", "other", 50)
    assert not await database.write(auth_sessions.take, "s", "register", 100)
    assert await database.write(auth_sessions.take, "s", "register", 50)
    assert not await database.write(auth_sessions.take, "s", "register", 50)


async def test_expired_sessions_are_swept_away(database: Database) -> None:
    await database.write(auth_sessions.create, "old", "register", b"", (0, 100))
    await database.write(auth_sessions.create, "new", "register", b"", (200, 300))
    assert await database.read(auth_sessions.find, "old", "register", 0) is None
    assert await database.read(auth_sessions.find, "new", "register", 0) == b""
