"""Lists of devices: who hears that somebody's devices changed, here and elsewhere."""

from typing import Any

import pytest

from oriz_matrix.protocol.identifiers import UserId
from tests.api.encryption.elsewhere import Elsewhere, device_keys
from tests.api.encryption.test_keys import query, upload_device
from tests.support.homeserver import Home, eventually
from tests.support.outside import Outside
from tests.support.people import Synced, User

UPDATE = "m.device_list_update"


def changed(synced: Synced) -> list[str]:
    """Whose devices changed."""
    found: list[str] = synced.body.get("device_lists", {}).get("changed", [])
    return found


def left(synced: Synced) -> list[str]:
    """With whom no room is shared any more."""
    found: list[str] = synced.body.get("device_lists", {}).get("left", [])
    return found


async def both(user: User, since: str | None) -> tuple[list[str], list[str]]:
    """(changed, left) by GET /keys/changes, which knows nothing of recent changes."""
    answer = await user.request("GET", "/v3/keys/changes", from_=since, to=(await user.sync()).next_batch)
    return answer["changed"], answer["left"]


async def couple(home: Home) -> tuple[User, User, str]:
    """Alice and Bob, who share a room and have synced."""
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    for each in (alice, bob):
        await each.sync()
    return alice, bob, room


async def test_who_shares_a_room_hears_of_new_keys(home: Home) -> None:
    alice, bob, _ = await couple(home)
    carl = await home.user("carl")
    await carl.sync()
    since = bob.since
    async with bob.waiting() as sync:
        await upload_device(alice)
    assert changed(sync.result()) == [alice.id]
    assert changed(await alice.sync()) == [alice.id]  # for their own other devices
    assert [changed(await each.sync()) for each in (alice, bob, carl)] == [[], [], []]
    assert await both(bob, since) == ([alice.id], [])
    assert changed(await bob.sync(since=since, full_state=True)) == [alice.id]
    assert "device_lists" not in (await bob.sync_anew()).body
    await upload_device(alice)  # the same
    assert changed(await bob.sync()) == []


async def test_who_is_in_no_room_hears_of_themselves(home: Home) -> None:
    alice = await home.user("alice")
    await alice.sync()
    since = alice.since
    async with alice.waiting() as sync:
        await upload_device(alice)
    assert changed(sync.result()) == [alice.id]
    assert await both(alice, since) == ([alice.id], [])


async def test_devices_that_come_and_go_are_told(home: Home) -> None:
    alice, bob, _ = await couple(home)
    other = await alice.log_in_again()
    assert changed(await bob.sync(timeout=5_000)) == [alice.id]
    await other.request("POST", "/v3/logout", {})
    assert changed(await bob.sync(timeout=5_000)) == [alice.id]
    await alice.request("POST", "/v3/logout/all", {})
    assert changed(await bob.sync(timeout=5_000)) == [alice.id]


async def test_who_begins_to_share_a_room_is_told_and_who_ceases(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    for each in (alice, bob):
        await upload_device(each)
        await each.sync()
    room = await alice.create_room(preset="public_chat")
    another = await alice.create_room(preset="public_chat")
    since = {each.id: str((await each.sync()).next_batch) for each in (alice, bob)}
    async with alice.waiting() as sync:
        await bob.join(room)
    assert changed(sync.result()) == [bob.id]
    assert changed(await bob.sync()) == [alice.id]
    assert await both(alice, since[alice.id]) == ([bob.id], [])
    assert await both(bob, since[bob.id]) == ([alice.id], [])
    await bob.join(another)
    await bob.leave(room)
    assert [left(await each.sync()) for each in (alice, bob)] == [[], []]
    since = {each.id: str((await each.sync()).next_batch) for each in (alice, bob)}
    async with alice.waiting() as sync:
        await bob.leave(another)
    assert sync.result().body["device_lists"] == {"left": [bob.id]}
    assert left(await bob.sync()) == [alice.id]
    assert await both(alice, since[alice.id]) == ([], [bob.id])
    assert await both(bob, since[bob.id]) == ([], [alice.id])


async def test_who_was_never_there_has_not_left(home: Home) -> None:
    alice, _, _ = await couple(home)
    carl = await home.user("carl")
    await upload_device(carl)
    room = await alice.create_room(invite=[carl.id])
    since = (await alice.sync()).next_batch
    await carl.leave(room)
    assert left(await alice.sync()) == []
    assert await both(alice, since) == ([], [])
    assert left(await carl.sync()) == []


async def test_whose_keys_nobody_knows_comes_and_goes_without_a_word(home: Home) -> None:
    alice, bob, room = await couple(home)
    await bob.leave(room)
    assert "device_lists" not in (await alice.sync()).body
    await bob.join(room)
    assert "device_lists" not in (await alice.sync()).body


async def test_who_comes_and_goes_elsewhere_is_news(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    since = (await alice.sync()).next_batch
    async with alice.waiting() as sync:
        await elsewhere.comes_in(room, elsewhere.carl)
    assert changed(sync.result()) == [elsewhere.carl]
    assert await both(alice, since) == ([elsewhere.carl], [])
    since = (await alice.sync()).next_batch
    async with alice.waiting() as sync:
        await elsewhere.goes_out(room, elsewhere.carl)
    assert left(sync.result()) == [elsewhere.carl]
    assert await both(alice, since) == ([], [elsewhere.carl])


async def test_a_list_that_is_known_at_last_is_news(home: Home, elsewhere: Elsewhere) -> None:
    """Who asked for it before, and got no answer, has to ask again."""
    (alice, bob), carl = await home.users("alice", "bob"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    await alice.sync()
    await bob.sync()
    since = alice.since
    for _ in range(2):
        await query(alice, carl)
    assert changed(await alice.sync()) == [carl]
    assert await both(alice, since) == ([carl], [])
    await query(alice, carl)
    assert changed(await alice.sync()) == []
    assert changed(await bob.sync()) == []


async def test_servers_that_share_a_room_are_told(home: Home, elsewhere: Elsewhere) -> None:
    alice, bob, room = await couple(home)
    await upload_device(bob)
    await elsewhere.comes_in(room, elsewhere.carl)
    await upload_device(alice)
    [first] = await elsewhere.told()
    assert first["edu_type"] == UPDATE
    stream_id = first["content"].pop("stream_id")
    keys = device_keys(alice.id, alice.device_id)
    assert first["content"] == {"user_id": alice.id, "device_id": alice.device_id, "prev_id": [], "keys": keys}
    assert (await elsewhere.ask("GET", f"/devices/{alice.id}")).body["stream_id"] == stream_id
    other = await alice.log_in_again()
    await upload_device(other)
    second = (await elsewhere.told())[-1]["content"]
    assert (second["device_id"], second["prev_id"]) == (other.device_id, [stream_id])
    await alice.request("POST", "/v3/logout/all", {})
    gone = [each["content"] for each in await elsewhere.told()]
    assert {each["device_id"] for each in gone if each.get("deleted")} == {alice.device_id, other.device_id}
    assert gone[-1]["prev_id"] == [gone[-2]["stream_id"]]
    assert gone[-2]["prev_id"] == [second["stream_id"]]
    assert (await elsewhere.ask("GET", f"/devices/{alice.id}")).body == {
        "user_id": alice.id,
        "stream_id": gone[-1]["stream_id"],
        "devices": [],
    }


async def test_a_device_without_keys_is_no_news_elsewhere(home: Home, elsewhere: Elsewhere) -> None:
    alice, _, room = await couple(home)
    await elsewhere.comes_in(room, elsewhere.carl)
    await (await alice.log_in_again()).request("POST", "/v3/logout", {})
    assert await elsewhere.told() == []


async def test_an_update_that_follows_is_applied(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    await query(alice, carl)
    await alice.sync()
    elsewhere.is_down = True
    async with alice.waiting() as sync:
        await elsewhere.tell(UPDATE, elsewhere.update(carl, "D", 9, 7, device_display_name="New"))
    assert changed(sync.result()) == [carl]
    devices = (await query(alice, carl))["device_keys"][carl]
    assert {each: devices[each]["unsigned"] for each in devices} == {"C": {}, "D": {"device_display_name": "New"}}
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "C", 12, 9, deleted=True))
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "C", 12, 9))  # told before
    await elsewhere.tell(UPDATE, {**elsewhere.update(carl, "D", 13, 12), "keys": None})
    assert (await query(alice, carl))["device_keys"] == {carl: {}}
    assert changed(await alice.sync()) == [carl]


async def test_trap_32_a_gap_is_closed_by_asking(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    await query(alice, carl)
    elsewhere.has_devices(carl, 9, D=None, E=None)
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "D", 9, 8))
    await eventually(lambda: _asked(home, elsewhere, 2))
    elsewhere.is_down = True
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "F", 10, 9))
    assert set((await query(alice, carl))["device_keys"][carl]) == {"D", "E", "F"}


async def test_trap_32_what_could_not_be_asked_for_is_not_forgotten(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    await query(alice, carl)
    await alice.sync()
    elsewhere.is_down = True
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "D", 9, 8))
    assert changed(await alice.sync()) == [carl]
    await eventually(lambda: _postponed(home))
    stale = await query(alice, carl)
    assert (list(stale["failures"]), set(stale["device_keys"][carl])) == ([elsewhere.name], {"C"})
    await home.restart(alice)
    assert await _postponed(home)
    elsewhere.is_down = False
    elsewhere.has_devices(carl, 9, D=None)
    await _hurry(home)
    # Nobody asks: the job does, and whoever got the old list is told to ask again.
    assert changed(await alice.sync(timeout=10_000)) == [carl]
    elsewhere.is_down = True
    fresh = await query(alice, carl)
    assert (fresh["failures"], set(fresh["device_keys"][carl])) == ({}, {"D"})


async def test_of_whom_nothing_was_known_is_asked_at_the_first_word(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    await alice.sync()
    elsewhere.has_devices(carl, 1, C=None)
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "C", 1))
    await eventually(lambda: _asked(home, elsewhere, 1))
    assert changed(await alice.sync(timeout=5_000)) == [carl]


async def test_a_user_who_is_not_known_there_is_not_asked_for_for_ever(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    await elsewhere.tell(UPDATE, elsewhere.update(carl, "C", 1))
    await eventually(lambda: _no_jobs(home))
    assert elsewhere.asked(f"/devices/{carl}") == 1


async def test_trap_32_a_key_request_by_an_unknown_device_makes_us_ask(home: Home, elsewhere: Elsewhere) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    await query(alice, carl)
    for number, device in enumerate(("C", ["odd"], "D")):
        content = {"action": "request", "requesting_device_id": device}
        message = {"sender": carl, "type": "m.room_key_request", "message_id": str(number)}
        await elsewhere.tell("m.direct_to_device", {**message, "messages": {alice.id: {"*": content}}})
    await eventually(lambda: _asked(home, elsewhere, 2))
    assert len((await alice.sync()).body["to_device"]["events"]) == 3


async def test_a_list_that_nobody_kept_up_is_asked_for_again(home: Home, elsewhere: Elsewhere) -> None:
    """While no room is shared, changes are told to nobody."""
    alice, carl = await home.user("alice"), elsewhere.carl
    room = await alice.create_room()
    await elsewhere.comes_in(room, carl)
    elsewhere.has_devices(carl, 7, C=None)
    await query(alice, carl)
    await elsewhere.goes_out(room, carl)
    await elsewhere.comes_in(room, carl)
    elsewhere.has_devices(carl, 9, D=None)
    assert set((await query(alice, carl))["device_keys"][carl]) == {"D"}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"user_id": "@alice:example.org", "device_id": "X", "stream_id": 1},
        {"user_id": "@nobody:else.where", "device_id": "X", "stream_id": 1},
        {"user_id": 5, "device_id": "X", "stream_id": 1},
        {"user_id": "CARL", "device_id": 5, "stream_id": 1},
        {"user_id": "CARL", "device_id": "", "stream_id": 1},
        {"user_id": "CARL", "device_id": "a\0b", "stream_id": 1},
        {"user_id": "CARL", "device_id": "X", "stream_id": "1"},
        {"user_id": "CARL", "device_id": "X", "stream_id": 2**63},
        {"user_id": "CARL", "device_id": "X", "stream_id": -1},
        {"user_id": "CARL", "device_id": "X", "stream_id": 1, "prev_id": 7},
        {"user_id": "CARL", "device_id": "X", "stream_id": 1, "prev_id": [2**70]},
        {"user_id": "@other\0:CARLS", "device_id": "X", "stream_id": 1},
    ],
)
async def test_hostile_updates_are_dropped(home: Home, elsewhere: Elsewhere, content: Any) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    elsewhere.has_devices(carl, 7, C=None)
    before = await query(alice, carl)
    await alice.sync()
    if isinstance(user_id := content.get("user_id"), str):
        content = {**content, "user_id": user_id.replace("CARLS", elsewhere.name).replace("CARL", carl)}
    for kind in (UPDATE, "m.signing_key_update"):
        if kind == UPDATE or content.get("user_id") != carl:
            await elsewhere.tell(kind, content)
    elsewhere.is_down = True
    assert await query(alice, carl) == before
    assert changed(await alice.sync()) == []


async def test_a_server_speaks_of_its_own_users(home: Home, elsewhere: Elsewhere, world: Outside) -> None:
    alice, carl = await home.user("alice"), elsewhere.carl
    await elsewhere.comes_in(await alice.create_room(), carl)
    await alice.sync()
    mallory = await Elsewhere.start(home, world)
    await mallory.tell(UPDATE, elsewhere.update(carl, "C", 1))
    stranger = UserId(f"@stranger:{elsewhere.name}")
    await elsewhere.tell(UPDATE, elsewhere.update(stranger, "C", 1))
    assert changed(await alice.sync()) == []
    assert await _no_jobs(home)


async def test_trap_32_a_server_that_comes_in_is_told_of_who_is_there(home: Home, elsewhere: Elsewhere) -> None:
    alice, _, room = await couple(home)
    other = await alice.create_room()
    await upload_device(alice)
    stream_id = (await elsewhere.ask("GET", f"/devices/{alice.id}")).body["stream_id"]
    await elsewhere.comes_in(room, elsewhere.carl)
    await elsewhere.hears_of_room(room)
    [edu] = await elsewhere.told()  # Bob has no keys
    assert (edu["edu_type"], edu["content"]["user_id"], edu["content"]["stream_id"]) == (UPDATE, alice.id, stream_id)
    assert (edu["content"]["prev_id"], edu["content"]["device_id"]) == ([stream_id], alice.device_id)
    await elsewhere.comes_in(other, elsewhere.carl)
    await elsewhere.hears_of_room(other)  # it hears of Alice already
    assert len(await elsewhere.told()) == 1


async def test_servers_are_told_of_a_user_who_comes_in(home: Home, elsewhere: Elsewhere) -> None:
    _, _, room = await couple(home)
    carla = await home.user("carla")
    await upload_device(carla)
    await elsewhere.comes_in(room, elsewhere.carl)
    await carla.join(room)
    await eventually(lambda: _is_put_off(home))
    await _hurry(home)
    await eventually(lambda: _told(elsewhere, 1))
    [edu] = await elsewhere.told()
    assert (edu["content"]["user_id"], edu["content"]["device_id"]) == (carla.id, carla.device_id)


async def _is_put_off(home: Home) -> bool:
    sql = "SELECT payload FROM jobs WHERE queue = 'newcomers' AND attempts = 1 AND owner IS NULL"
    return await home.server.server.database.read(lambda tx: tx.value(sql)) is not None


async def _told(elsewhere: Elsewhere, times: int) -> bool:
    return len(await elsewhere.told()) == times


async def _asked(home: Home, elsewhere: Elsewhere, times: int) -> bool:
    """Whether Carl's devices were asked for so often, and the answer taken in."""
    return elsewhere.asked(f"/devices/{elsewhere.carl}") >= times and await _no_jobs(home)


async def _jobs(home: Home) -> list[tuple[int, bytes]]:
    sql = "SELECT attempts, payload FROM jobs WHERE queue = 'device lists'"
    return await home.server.server.database.read(lambda tx: tx.rows(sql))


async def _postponed(home: Home) -> bool:
    return [bytes(payload) for attempts, payload in await _jobs(home)] == [b"1"]


async def _no_jobs(home: Home) -> bool:
    return await _jobs(home) == []


async def _hurry(home: Home) -> None:
    """Lets the job run now."""
    await home.server.server.database.write(lambda tx: tx.run("UPDATE jobs SET run_at = 0"))
    home.server.server.jobs.poke()
