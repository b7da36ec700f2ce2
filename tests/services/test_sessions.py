"""Tokens: held for seconds, dropped at once here and by a notice elsewhere."""

import asyncio

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import InvalidParam, UnknownToken
from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.services.accounts.sessions import DeviceRequest, Sessions
from oriz_matrix.storage import accounts, recent, sessions
from oriz_matrix.storage.accounts import Flags, NewAccount
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.types import Position, UserNid


@pytest.fixture
async def alice(database: Database) -> UserNid:
    """An account."""
    return await database.write(accounts.create, NewAccount(UserId("@alice:example.org")), 1)


@pytest.fixture
def here(database: Database, clock: FakeClock, ids: Ids) -> Sessions:
    """The sessions of this process."""
    return Sessions(database, clock, ids)


async def test_a_token_stands_for_its_user_and_device(here: Sessions, alice: UserNid, clock: FakeClock) -> None:
    opened = await here.open(alice, DeviceRequest(device_id=DeviceId("PHONE")))
    requester = await here.requester(opened.access_token, clock.now_ms())
    assert (requester.user, requester.user_id) == (alice, "@alice:example.org")
    assert (requester.device_id, requester.is_guest) == ("PHONE", False)


@pytest.mark.parametrize("token", ["", "oat_unknown", "\udcff\ud800", "x" * 10_000])
async def test_other_tokens_are_unknown(here: Sessions, clock: FakeClock, token: str) -> None:
    with pytest.raises(UnknownToken):
        await here.requester(token, clock.now_ms())


async def test_a_session_that_ended_is_unknown_at_once(here: Sessions, alice: UserNid, clock: FakeClock) -> None:
    phone = await here.open(alice, DeviceRequest())
    desk = await here.open(alice, DeviceRequest())
    await here.end(await here.requester(phone.access_token, clock.now_ms()))
    with pytest.raises(UnknownToken):
        await here.requester(phone.access_token, clock.now_ms())
    await here.requester(desk.access_token, clock.now_ms())
    await here.end_all(alice)
    with pytest.raises(UnknownToken):
        await here.requester(desk.access_token, clock.now_ms())


async def test_what_is_read_while_a_session_ends_is_not_held(here: Sessions, alice: UserNid, clock: FakeClock) -> None:
    opened = await here.open(alice, DeviceRequest())
    token, now_ms = opened.access_token, clock.now_ms()
    requester = await here.requester(token, now_ms)
    here.forget(alice)
    reads = asyncio.gather(*(here.requester(token, now_ms) for _ in range(20)), return_exceptions=True)
    await asyncio.gather(here.end(requester), reads)
    with pytest.raises(UnknownToken):
        await here.requester(token, now_ms)


async def test_another_process_hears_of_it_by_a_notice(
    here: Sessions, database: Database, alice: UserNid, clock: FakeClock
) -> None:
    opened = await here.open(alice, DeviceRequest())
    assert not (await here.requester(opened.access_token, clock.now_ms())).is_locked
    await database.write(accounts.set_flags, alice, Flags(is_locked=True))
    assert not (await here.requester(opened.access_token, clock.now_ms())).is_locked
    _, changes = await database.read_settled(recent.changes, Position(0))
    for change in changes:
        here.on_change(change)
    assert (await here.requester(opened.access_token, clock.now_ms())).is_locked


async def test_without_the_notice_it_is_a_matter_of_seconds(
    here: Sessions, database: Database, alice: UserNid, clock: FakeClock
) -> None:
    opened = await here.open(alice, DeviceRequest())
    await here.requester(opened.access_token, clock.now_ms())
    await database.write(sessions.end_all, alice)
    await clock.advance(6)
    with pytest.raises(UnknownToken):
        await here.requester(opened.access_token, clock.now_ms())


async def test_while_notices_are_heard_the_database_is_asked_every_five_minutes(
    database: Database, alice: UserNid, clock: FakeClock, ids: Ids
) -> None:
    silent = [0.0]
    here = Sessions(database, clock, ids, silent_s=lambda: silent[0])
    opened = await here.open(alice, DeviceRequest())
    first = await here.requester(opened.access_token, clock.now_ms())
    await clock.advance(295)
    assert await here.requester(opened.access_token, clock.now_ms()) is first
    silent[0] = 6.0
    second = await here.requester(opened.access_token, clock.now_ms())
    assert second is not first
    silent[0] = 0.0
    await clock.advance(301)
    assert await here.requester(opened.access_token, clock.now_ms()) is not second


async def test_use_is_written_down_now_and_then(
    here: Sessions, database: Database, alice: UserNid, clock: FakeClock
) -> None:
    opened = await here.open(alice, DeviceRequest())
    for minutes, expected in ((5, 0), (6, 11), (5, 11)):
        await clock.advance(minutes * 60)
        await here.requester(opened.access_token, clock.now_ms())
        found = await database.read(sessions.find, opened.stored.token_hash)
        assert found is not None
        assert found.last_seen_at == opened.stored.now_ms + expected * 60_000


@pytest.mark.parametrize(("device_id", "name"), [("", None), ("x" * 256, None), ("é" * 128, None), ("X", "n" * 257)])
def test_devices_have_names_that_can_be_kept(device_id: str, name: str | None) -> None:
    with pytest.raises(InvalidParam):
        DeviceRequest(device_id=DeviceId(device_id), display_name=name)
