"""Passwords: what fits, what is refused, and that hashing leaves the event loop alone."""

import asyncio
import time
from collections.abc import Iterator

import bcrypt
import pytest

from oriz_matrix.base.config.accounts import Argon2
from oriz_matrix.base.config.accounts import Passwords as Settings
from oriz_matrix.protocol.errors import InvalidParam, WeakPassword
from oriz_matrix.services.accounts.passwords import Hasher, Passwords

CHEAP = Settings(minimum_length=4, maximum_length=80, argon2=Argon2(time_cost=1, memory_kib=8, parallelism=1))


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Cheap ones."""
    made = Passwords(Hasher(CHEAP))
    yield made
    made.close()


async def test_only_the_right_password_fits(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "Correct horse")
    assert stored != await passwords.hash("correct horse")


async def test_what_looks_the_same_is_the_same(passwords: Passwords) -> None:
    assert await passwords.verify(await passwords.hash("caf\u00e9!"), "cafe\u0301!")


async def test_nothing_fits_where_nothing_is_stored(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "anything")
    assert not await passwords.verify("no hash at all", "anything")
    assert not await passwords.verify("$2b$nonsense", "anything")


@pytest.mark.parametrize("password", ["imported", "caf\u00e9", "long " * 15])
async def test_imported_bcrypt_hashes_are_verified(passwords: Passwords, password: str) -> None:
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    assert await passwords.verify(stored, password)
    assert not await passwords.verify(stored, "another")


async def test_new_passwords_have_their_lengths(passwords: Passwords) -> None:
    passwords.check("four")
    with pytest.raises(WeakPassword, match="4 characters"):
        passwords.check("one")
    with pytest.raises(InvalidParam):
        passwords.check("x" * 81)
    with pytest.raises(InvalidParam):
        await passwords.hash("x" * 81)
    assert not await passwords.verify(await passwords.hash("x" * 80), "x" * 81)


async def test_unknown_users_cost_as_much_as_known_ones() -> None:
    passwords = Passwords(Hasher(Settings(argon2=Argon2(time_cost=2, memory_kib=16_384, parallelism=1))))
    stored = await passwords.hash("secret password")
    known = min([await seconds(passwords, stored) for _ in range(5)])
    unknown = min([await seconds(passwords, None) for _ in range(5)])
    passwords.close()
    assert known / 3 < unknown < known * 3


async def test_hashing_leaves_the_event_loop_alone() -> None:
    passwords = Passwords(Hasher(Settings(argon2=Argon2(time_cost=20, memory_kib=32_768, parallelism=1))))
    hashing = asyncio.create_task(passwords.hash("secret password"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.002)
        turns += 1
    passwords.close()
    assert turns > 3


async def seconds(passwords: Passwords, stored: str | None) -> float:
    """How long a wrong password takes to be refused."""
    start = time.process_time()
    assert not await passwords.verify(stored, "wrong password")
    return time.process_time() - start
