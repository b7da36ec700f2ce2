"""Messages to devices: each device gets each once, in order, until it says that it has it."""

from typing import Any

import pytest

from tests.api.encryption.elsewhere import Elsewhere
from tests.support.homeserver import Home
from tests.support.people import Synced, User, refused

KIND = "m.room_key"


async def send(user: User, txn_id: str, messages: dict[str, Any], kind: str = KIND) -> None:
    """Sends messages."""
    await user.request("PUT", f"/v3/sendToDevice/{kind}/{txn_id}", {"messages": messages})


def heard(synced: Synced) -> list[Any]:
    """The contents that came, each as its number."""
    return [event["content"]["n"] for event in synced.body.get("to_device", {}).get("events", [])]


async def test_trap_36_a_message_waits_until_the_device_has_it(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await bob.sync()
    since = bob.since
    await send(alice, "1", {bob.id: {bob.device_id: {"n": 1}}})
    first = await bob.sync()
    assert first.body["to_device"]["events"] == [{"sender": alice.id, "type": KIND, "content": {"n": 1}}]
    assert heard(await bob.sync(since=since)) == [1]  # the answer did not arrive
    assert heard(await bob.sync_anew()) == [1]
    bob.since = first.next_batch
    assert heard(await bob.sync()) == []
    assert heard(await bob.sync(since=since)) == []


async def test_a_message_wakes_a_sync_of_its_device_alone(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    other = await bob.log_in_again()
    for device in (bob, other):
        await device.sync()
    async with bob.waiting() as sync:
        await send(alice, "1", {bob.id: {bob.device_id: {"n": 1}}})
    assert heard(sync.result()) == [1]
    assert heard(await other.sync()) == []


async def test_a_star_is_every_device(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    other = await bob.log_in_again()
    await send(alice, "1", {bob.id: {"*": {"n": 1}, bob.device_id: {"n": 2}}, alice.id: {"*": {"n": 3}}})
    assert [heard(await each.sync()) for each in (bob, other, alice)] == [[2], [1], [3]]


async def test_a_transaction_sends_once_for_its_device_and_type(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    other = await alice.log_in_again()
    message = {bob.id: {bob.device_id: {"n": 1}}}
    for _ in range(3):
        await send(alice, "1", message)
    await home.restart(alice, bob, other)
    await send(alice, "1", message)
    assert heard(await bob.sync()) == [1]
    await send(other, "1", message)
    await send(alice, "1", message, "m.dummy")
    assert heard(await bob.sync()) == [1, 1]


async def test_trap_36_a_hundred_at_a_time_in_order(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    await bob.sync()
    for number in range(230):
        await send(alice, str(number), {bob.id: {bob.device_id: {"n": number}}})
    parts: list[list[int]] = []
    for _ in range(4):
        # Where more wait, the answer comes at once.
        parts.append(heard(await bob.sync(timeout=0 if len(parts) == 3 else 60_000)))
        assert ("_d" in str(bob.since)) == (len(parts) < 3)
    assert [len(part) for part in parts] == [100, 100, 30, 0]
    assert [number for part in parts for number in part] == list(range(230))


async def test_trap_36_a_part_that_did_not_arrive_comes_again(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    for number in range(150):
        await send(alice, str(number), {bob.id: {bob.device_id: {"n": number}}})
    since = (await bob.sync()).next_batch
    await send(alice, "last", {bob.id: {bob.device_id: {"n": 150}}})
    for _ in range(2):
        assert heard(await bob.sync(since=since)) == list(range(100, 151))


async def test_nobody_there_is_no_error(home: Home) -> None:
    alice = await home.user("alice")
    await send(alice, "1", {"@nobody:example.org": {"X": {"n": 1}}, alice.id: {"NONE": {"n": 2}}})
    assert heard(await alice.sync()) == []


@pytest.mark.parametrize("messages", [{"nobody": {}}, {"@alice:example.org": []}, {"@alice:example.org": {"X": 5}}, 5])
async def test_what_is_no_message_is_refused(home: Home, messages: Any) -> None:
    alice = await home.user("alice")
    with refused(400, "M_INVALID_PARAM" if messages == {"nobody": {}} else "M_BAD_JSON", "messages"):
        await send(alice, "1", messages)
    with refused(400, "M_INVALID_PARAM", "eventType"):
        await send(alice, "1", {}, "x" * 300)


async def test_messages_to_users_elsewhere_go_to_their_servers(home: Home, elsewhere: Elsewhere) -> None:
    alice, bob = await home.users("alice", "bob")
    theirs = {elsewhere.carl: {"C": {"n": 1}, "*": {"n": 2}}, f"@dora:{elsewhere.name}": {"D": {"n": 3}}}
    for _ in range(2):
        await send(alice, "1", {**theirs, bob.id: {bob.device_id: {"n": 4}}})
    [edu] = await elsewhere.told()
    assert edu["edu_type"] == "m.direct_to_device"
    message_id = edu["content"]["message_id"]
    assert 0 < len(message_id) <= 32
    assert edu["content"] == {"sender": alice.id, "type": KIND, "message_id": message_id, "messages": theirs}
    await send(alice, "2", theirs)
    assert len({each["content"]["message_id"] for each in await elsewhere.told()} | {message_id}) == 2
    assert heard(await bob.sync()) == [4]


async def test_trap_33_messages_from_elsewhere_arrive_once(home: Home, elsewhere: Elsewhere) -> None:
    alice = await home.user("alice")
    other = await alice.log_in_again()
    await alice.sync()
    content = {
        "sender": elsewhere.carl,
        "type": KIND,
        "message_id": "a",
        "messages": {alice.id: {alice.device_id: {"n": 1}, "NONE": {"n": 2}, other.device_id: 5}, "@x:else": {}},
    }
    async with alice.waiting() as sync:
        await elsewhere.tell("m.direct_to_device", content)
    assert sync.result().body["to_device"]["events"] == [{"sender": elsewhere.carl, "type": KIND, "content": {"n": 1}}]
    await elsewhere.tell("m.direct_to_device", content)
    await elsewhere.tell("m.direct_to_device", {**content, "sender": f"@dora:{elsewhere.name}"})
    await elsewhere.tell("m.direct_to_device", {**content, "message_id": "b", "messages": {alice.id: {"*": {"n": 3}}}})
    assert [heard(await each.sync()) for each in (alice, other)] == [[1, 3], [3]]


@pytest.mark.parametrize(
    "change",
    [
        {"sender": "@alice:example.org"},
        {"sender": "@mallory:else.where"},
        {"sender": 5},
        {"sender": "carl"},
        {"type": None},
        {"type": "a\0b"},
        {"type": "x" * 300},
        {"message_id": ""},
        {"message_id": "a\0b"},
        {"message_id": "x" * 300},
        {"messages": []},
        {"messages": {"@alice:example.org": []}},
        {"messages": {"@alice\0:example.org": {"*": {"n": 1}}}},
        {"messages": {"alice": {"*": {"n": 1}}}},
        {"messages": {"@alice:example.org": {"*": "text"}}},
    ],
)
async def test_trap_33_hostile_messages_are_dropped_alone(home: Home, elsewhere: Elsewhere, change: Any) -> None:
    alice = await home.user("alice")
    good = {
        "sender": elsewhere.carl,
        "type": KIND,
        "message_id": "a",
        "messages": {alice.id: {"*": {"n": 1}}},
    }
    await elsewhere.tell("m.direct_to_device", {**good, **change})
    assert heard(await alice.sync()) == []
    await elsewhere.tell("m.direct_to_device", {**good, "message_id": "good"})
    assert heard(await alice.sync()) == [1]
