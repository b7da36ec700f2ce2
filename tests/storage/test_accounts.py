"""Accounts: made whole or not at all, and only once, whatever the case of letters."""

import asyncio
import threading
import time
from typing import Any, LiteralString

import pytest

from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import accounts, interning
from oriz_matrix.storage.accounts import Flags, NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import Duplicate
from oriz_matrix.storage.transaction import Transaction

ALICE = UserId("@alice:example.org")


async def test_an_account_is_found_as_it_was_made(database: Database) -> None:
    made = NewAccount(ALICE, "hash", is_admin=True, user_type="bot")
    user = await database.write(accounts.create, made, 1234)
    found = await database.read(accounts.find, ALICE)
    assert found is not None
    assert found == accounts.Account(user, ALICE, "hash", "bot", 1234, None, False, True, False, False)
    assert found.is_admin is True  # not 1
    assert await database.read(accounts.find, UserId("@bob:example.org")) is None


async def test_a_user_known_before_keeps_their_number(database: Database) -> None:
    known = await database.write(interning.user, ALICE)
    assert not await database.read(accounts.is_taken, ALICE)
    assert await database.write(accounts.create, NewAccount(ALICE), 1) == known


async def test_a_name_is_taken_in_every_case_of_letters(database: Database) -> None:
    imported = UserId("@Alice:example.org")
    await database.write(accounts.create, NewAccount(imported), 1)
    assert await database.read(accounts.is_taken, ALICE)
    with pytest.raises(Duplicate):
        await database.write(accounts.create, NewAccount(ALICE), 2)
    found = await database.read(accounts.find, ALICE)
    assert found is not None
    assert found.user_id == imported
    assert not await database.read(accounts.is_taken, UserId("@alice:other.example.org"))


async def test_of_many_who_want_a_name_at_once_one_gets_it(database: Database) -> None:
    tries = [database.write(accounts.create, NewAccount(ALICE, str(number)), number) for number in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, Duplicate) for result in results) == 7


class Slow(Transaction):
    """A transaction that waits before it inserts."""

    def __init__(self, tx: Transaction, reached: threading.Event) -> None:
        super().__init__(tx._connection, tx.caches)
        self._reached = reached

    def run(self, sql: LiteralString, **parameters: Any) -> int:
        self._reached.set()
        time.sleep(0.2)
        return super().run(sql, **parameters)


async def test_names_that_differ_in_case_cannot_pass_each_other(database: Database) -> None:
    reached = threading.Event()
    slow = asyncio.create_task(database.write(lambda tx: accounts.create(Slow(tx, reached), NewAccount(ALICE), 1)))
    await asyncio.to_thread(reached.wait)
    with pytest.raises(Duplicate):
        await database.write(accounts.create, NewAccount(UserId("@Alice:example.org")), 1)
    await slow


async def test_flags_are_set_and_taken_away(database: Database) -> None:
    user = await database.write(accounts.create, NewAccount(ALICE), 1)
    await database.write(accounts.set_flags, user, Flags(is_locked=True, is_suspended=True))
    found = await database.read(accounts.find, ALICE)
    assert found is not None
    assert (found.is_admin, found.is_locked, found.is_suspended) == (False, True, True)
    await database.write(accounts.set_flags, user, Flags())
    found = await database.read(accounts.find, ALICE)
    assert found is not None
    assert not found.is_locked


async def test_a_deactivated_account_loses_its_password_and_keeps_its_name(database: Database) -> None:
    user = await database.write(accounts.create, NewAccount(ALICE, "hash"), 1)
    await database.write(accounts.deactivate, user, 500)
    await database.write(accounts.deactivate, user, 900)
    found = await database.read(accounts.find, ALICE)
    assert found is not None
    assert (found.password_hash, found.deactivated_at) == (None, 500)
    assert await database.read(accounts.is_taken, ALICE)
