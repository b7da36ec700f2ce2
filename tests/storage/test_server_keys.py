"""Signing keys in the store: own ones that expire, others' that are replaced, and what notaries may add."""

import pytest

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import PublishedKeys, ServerKey, parse_published, publish
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.storage import server_keys
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.errors import KeyReused

NAME = ServerName("a.org")
FIRST, SECOND = SigningKey("first", b"1" * 32), SigningKey("second", b"2" * 32)
NOW, DAY = 1_700_000_000_000, 24 * 3600 * 1000


def published(key: SigningKey, now: int = NOW, **old: int) -> PublishedKeys:
    """What a.org publishes; `old` are keys by their names and when they expired."""
    known = {"first": FIRST, "second": SECOND}
    expired = {known[name].key_id: (known[name].verify_key, moment) for name, moment in old.items()}
    return parse_published(publish(NAME, key, expired, now + DAY), NAME, now)


async def key(database: Database, name: str) -> tuple[int, bool] | None:
    """Until when a key of a.org is good, and whether it is in use."""
    found: ServerKey | None = (await database.read(server_keys.get, [(NAME, f"ed25519:{name}")])).get(
        (NAME, f"ed25519:{name}")
    )
    return None if found is None else (found.valid_until, found.current)


async def test_the_key_of_last_time_expires_when_another_is_used(database: Database) -> None:
    await database.write(server_keys.use, FIRST.key_id, FIRST.verify_key, NOW)
    again = await database.write(server_keys.use, FIRST.key_id, FIRST.verify_key, NOW + 1)
    assert {key_id: own.expired_at for key_id, own in again.items()} == {FIRST.key_id: None}
    now = await database.write(server_keys.use, SECOND.key_id, SECOND.verify_key, NOW + 5)
    assert {key_id: own.expired_at for key_id, own in now.items()} == {FIRST.key_id: NOW + 5, SECOND.key_id: None}
    assert bytes(now[FIRST.key_id].key) == bytes(FIRST.verify_key)
    back = await database.write(server_keys.use, FIRST.key_id, FIRST.verify_key, NOW + 9)
    assert {key_id: own.expired_at for key_id, own in back.items()} == {FIRST.key_id: None, SECOND.key_id: NOW + 9}


async def test_trap_10_an_id_never_stands_for_two_keys(database: Database) -> None:
    await database.write(server_keys.use, FIRST.key_id, FIRST.verify_key, NOW)
    with pytest.raises(KeyReused):
        await database.write(server_keys.use, FIRST.key_id, SECOND.verify_key, NOW + 1)


async def test_what_a_server_publishes_replaces_what_was_known(database: Database) -> None:
    await database.write(server_keys.put, published(FIRST), NOW)
    assert await key(database, "first") == (NOW + DAY, True)
    assert await key(database, "second") is None
    await database.write(server_keys.put, published(SECOND, NOW + 10, first=NOW + 5), NOW + 10)
    assert await key(database, "first") == (NOW + 5, False)
    assert await key(database, "second") == (NOW + 10 + DAY, True)
    assert set(await database.read(server_keys.of_server, NAME)) == {FIRST.key_id, SECOND.key_id}


async def test_a_key_that_is_not_published_any_more_signs_nothing_new(database: Database) -> None:
    await database.write(server_keys.put, published(FIRST), NOW)
    await database.write(server_keys.put, published(SECOND, NOW + 10), NOW + 10)
    assert await key(database, "first") == (NOW + 10, False)
    await database.write(server_keys.put, published(SECOND, NOW + 99), NOW + 99)
    assert await key(database, "first") == (NOW + 10, False)


async def test_hearsay_adds_and_prolongs_but_never_brings_back(database: Database) -> None:
    await database.write(server_keys.put_hearsay, [published(FIRST)])
    assert await key(database, "first") == (NOW + DAY, True)
    await database.write(server_keys.put_hearsay, [published(FIRST, NOW - 5)])
    assert await key(database, "first") == (NOW + DAY, True)
    await database.write(server_keys.put_hearsay, [published(FIRST, NOW + 5)])
    assert await key(database, "first") == (NOW + 5 + DAY, True)
    await database.write(server_keys.put, published(SECOND, NOW + 10, first=NOW + 5), NOW + 10)
    await database.write(server_keys.put_hearsay, [published(FIRST, NOW + 20)])
    assert await key(database, "first") == (NOW + 5, False)
    assert (await database.read(server_keys.answers, [NAME]))[NAME][0].fetched_at == NOW + 10


async def test_the_last_answer_is_kept_as_it_was_signed(database: Database) -> None:
    assert await database.read(server_keys.answers, [NAME]) == {}
    for now in (NOW, NOW + 7):
        await database.write(server_keys.put, published(FIRST, now), now)
    (answer,) = (await database.read(server_keys.answers, [NAME, ServerName("b.org")]))[NAME]
    assert answer == (NOW + 7, NOW + 7 + DAY, published(FIRST, NOW + 7).signed)


async def test_answers_with_keys_that_were_dropped_are_kept_the_newest_few(database: Database) -> None:
    for number in range(9):
        name = SigningKey(f"key{number}", bytes([number]) * 32)
        await database.write(server_keys.put, published(name, NOW + number), NOW + number)
    found = (await database.read(server_keys.answers, [NAME]))[NAME]
    assert [answer.key_ids for answer in found] == [{f"ed25519:key{number}"} for number in range(8, 2, -1)]
