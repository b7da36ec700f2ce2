"""Interning: a name never gets two numbers, nor a number two names, whatever is rolled back and whoever else works."""

import asyncio
import random
from pathlib import Path

import pytest

from oriz_matrix.protocol.events import StateKey
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.storage import interning
from oriz_matrix.storage.caches import Caches
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import StateKeyNid, UserNid
from tests.storage import stress
from tests.support import soak
from tests.support.stores import running

Numbers = tuple[dict[UserId, UserNid], dict[StateKey, StateKeyNid]]

NORMAL_SECONDS = 2.0


class Failed(Exception):
    """Rolls back."""


def give_numbers(tx: Transaction, seed: int) -> Numbers:
    """Some names get their numbers; one time in three all is rolled back."""
    source = random.Random(seed)
    users = {user: interning.user(tx, user) for user in (name(source) for _ in range(source.randint(1, 4)))}
    keys = {key: interning.state_key(tx, key) for key in (state_key(source) for _ in range(source.randint(0, 3)))}
    if source.random() < 0.33:
        raise Failed
    return users, keys


def name(source: random.Random) -> UserId:
    return UserId(f"@user{source.randrange(200)}:example.org")


def state_key(source: random.Random) -> StateKey:
    return (f"m.type{source.randrange(10)}", str(source.randrange(30)))


def place_of(dialect: Dialect) -> tuple[str, str]:
    """Engine and place, for a second process on the same database."""
    path, url = getattr(dialect, "_path", None), getattr(dialect, "_url", None)
    return ("sqlite", str(path)) if isinstance(path, Path) else ("postgres", str(url))


@pytest.mark.soak
async def test_names_keep_their_numbers_through_random_rollbacks(dialect: Dialect) -> None:
    source = soak.random_source()
    loop = asyncio.get_running_loop()
    end = loop.time() + soak.seconds(NORMAL_SECONDS)
    known_users: dict[UserId, UserNid] = {}
    known_keys: dict[StateKey, StateKeyNid] = {}
    async with running(dialect) as one, running(stress.open_dialect(*place_of(dialect))) as other:
        while loop.time() < end:
            both = [source.choice([one, other]) for _ in range(12)]
            tries = [database.write(give_numbers, source.getrandbits(32)) for database in both]
            for result in await asyncio.gather(*tries, return_exceptions=True):
                if isinstance(result, BaseException):
                    assert isinstance(result, Failed), result
                    continue
                for user, nid in result[0].items():
                    assert known_users.setdefault(user, nid) == nid
                for key, number in result[1].items():
                    assert known_keys.setdefault(key, number) == number
        assert len(set(known_users.values())) == len(known_users) > 50
        assert len(set(known_keys.values())) == len(known_keys)
        assert dict(await one.read(lambda tx: tx.rows("SELECT user_id, nid FROM users"))) == known_users
        for database in (one, other):
            await agree(database, known_users, known_keys)


async def agree(database: Database, users: dict[UserId, UserNid], keys: dict[StateKey, StateKeyNid]) -> None:
    """Everything that a process says, from memory or not, is what was given out."""
    assert await database.read(interning.user_ids, users.values()) == {nid: user for user, nid in users.items()}
    assert await database.read(interning.state_keys, keys.values()) == {nid: key for key, nid in keys.items()}
    assert await database.read(interning.find_state_keys, list(keys)) == keys
    for user, nid in users.items():
        assert await database.read(interning.find_user, user) == nid


async def test_what_is_rolled_back_is_not_remembered(database: Database) -> None:
    def give_and_fail(tx: Transaction, user: UserId) -> None:
        interning.user(tx, user)
        interning.state_key(tx, ("m.lost", user))
        raise Failed

    alice, bob = UserId("@alice:example.org"), UserId("@bob:example.org")
    with pytest.raises(Failed):
        await database.write(give_and_fail, alice)
    number = await database.write(interning.user, bob)  # on SQLite the same number that Alice had for a moment
    assert await database.read(interning.find_user, alice) is None
    assert await database.read(interning.user_ids, [number]) == {number: bob}
    assert await database.read(interning.find_state_keys, [("m.lost", alice)]) == {}


async def test_a_member_of_a_group_that_fails_leaves_nothing_in_memory(database: Database, dialect: Dialect) -> None:
    """Of writes that share a commit each is undone alone, and with it what it would have taught this process."""

    def give(tx: Transaction, user: UserId, *, fail: bool) -> UserNid:
        nid = interning.user(tx, user)
        if fail:
            raise Failed
        return nid

    users = [UserId(f"@g{number}:example.org") for number in range(40)]
    tries = [database.write(give, user, fail=number % 3 == 1) for number, user in enumerate(users)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    given = {user: nid for user, nid in zip(users, results, strict=True) if not isinstance(nid, BaseException)}
    assert len(set(given.values())) == len(given) == 27
    caches: Caches = dialect.caches
    for user in users:
        assert caches.user_nids.get(user) == given.get(user)
        assert await database.read(interning.find_user, user) == given.get(user)


async def test_a_name_that_differs_in_anything_is_another(database: Database) -> None:
    keys = [("m.a", "b"), ("m.a", ""), ("m.a", "B"), ("m.A", "b"), ("m", ".ab"), ("m.a", "b "), ("", "m.ab")]
    numbers = [await database.write(interning.state_key, key) for key in keys]
    assert len(set(numbers)) == len(keys)
    users = [UserId(user) for user in ("@a:x", "@A:x", "@a:X", "@ä:x")]
    assert len({await database.write(interning.user, user) for user in users}) == len(users)
