"""PUT .../send and .../redact: what may be sent, and that a transaction id stands for one event."""

import asyncio
from typing import Any

import pytest

from tests.support.homeserver import Home, refused, texts
from tests.support.people import segment


async def test_a_message_arrives_as_it_was_sent(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    content = {"msgtype": "m.text", "body": "héllo / \U0001f375", "org.example": {"deep": [1, None, True, {"a": []}]}}
    sent = await alice.send(room, "m.room.message", content)
    event = await alice.event(room, sent)
    assert event["content"] == content
    assert event["sender"] == alice.id
    assert event["room_id"] == room
    assert "state_key" not in event
    assert event["unsigned"]["age"] >= 0


async def test_an_event_type_may_hold_anything_a_path_can(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    sent = await alice.send(room, "org.example/a b%é", {})
    assert (await alice.event(room, sent))["type"] == "org.example/a b%é"


@pytest.mark.parametrize(
    ("content", "status", "errcode"),
    [
        (b"", 400, "M_NOT_JSON"),
        (b"{", 400, "M_NOT_JSON"),
        (b"[]", 400, "M_BAD_JSON"),
        (b'"text"', 400, "M_BAD_JSON"),
        (b'{"body": 1.5}', 400, "M_BAD_JSON"),
        (b'{"body": 9007199254740992}', 400, "M_BAD_JSON"),
        (b'{"body": "\\ud800"}', 400, "M_NOT_JSON"),
        (b'{"body": "' + b"x" * 66_000 + b'"}', 413, "M_TOO_LARGE"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, 400, "M_BAD_JSON"),
    ],
)  # fmt: skip
async def test_what_no_event_may_hold(home: Home, content: bytes, status: int, errcode: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.sync()
    with refused(status, errcode):
        await alice.in_room(room, "PUT", "send/m.room.message/1", content)
    assert not (await alice.sync()).rooms


async def test_names_that_are_too_long(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(413, "M_TOO_LARGE", "type"):
        await alice.send(room, "x" * 256, {})
    with refused(413, "M_TOO_LARGE", "state_key"):
        await alice.set_state(room, "x", {}, "é" * 128)


async def test_who_may_not_send(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(
        preset="public_chat", power_level_content_override={"events": {"org.example.rare": 50}, "events_default": 0}
    )
    with refused(403, "M_FORBIDDEN"):
        await bob.say(room, "hello")
    with refused(403, "M_FORBIDDEN"):
        await bob.say("!unknown:example.org", "hello")
    await bob.join(room)
    await bob.say(room, "hello")
    with refused(403, "M_FORBIDDEN"):
        await bob.send(room, "org.example.rare", {})
    with refused(403, "M_FORBIDDEN"):
        await bob.set_state(room, "m.room.name", {"name": "Bob's"})
    for kind in ("m.room.member", "m.room.create"):
        with refused(403, "M_FORBIDDEN"):
            await alice.send(room, kind, {"membership": "join"})


async def test_a_repeated_transaction_is_one_event(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    first = await alice.say(room, "once", "a b/c")
    assert await alice.say(room, "once", "a b/c") == first
    assert await alice.say(room, "with another content", "a b/c") == first
    assert (await alice.sync()).joined(room).texts == ["once"]


async def test_a_transaction_that_is_repeated_while_it_runs_is_one_event(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    sent = await asyncio.gather(*(alice.say(room, "once", "same") for _ in range(8)))
    assert len(set(sent)) == 1
    assert (await alice.sync()).joined(room).texts == ["once"]


async def test_a_transaction_is_remembered_over_a_restart(either_home: Home) -> None:
    alice = await either_home.user("alice")
    room = await alice.create_room()
    first = await alice.say(room, "once", "same")
    await either_home.restart(alice)
    assert await alice.say(room, "once", "same") == first
    assert (await alice.event(room, first))["unsigned"]["transaction_id"] == "same"


async def test_trap_34_a_transaction_belongs_to_a_device_and_a_path(home: Home) -> None:
    alice = await home.user("alice")
    phone = await alice.log_in_again()
    room, other = await alice.create_room(), await alice.create_room()
    target = await alice.say(room, "target")
    events = [
        await alice.say(room, "laptop", "same"),
        await phone.say(room, "phone", "same"),
        await alice.say(other, "elsewhere", "same"),
        await alice.send(room, "org.example.other", {}, "same"),
        await alice.redact(room, target, "same"),
    ]
    assert len(set(events)) == len(events)
    assert await alice.redact(room, target, "same") == events[-1]


async def test_trap_34_a_transaction_outlives_no_device(home: Home) -> None:
    alice = await home.user("alice")
    phone = await alice.log_in_again()
    room = await alice.create_room()
    first = await phone.say(room, "hello", "same")
    await phone.request("POST", "/v3/logout")
    again = await alice.log_in_again()
    assert await again.say(room, "hello", "same") != first


async def test_trap_34_only_the_sending_device_sees_its_transaction_id(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    phone = await alice.log_in_again()
    room = await alice.create_room(invite=[bob.id])
    await bob.join(room)
    said = await alice.say(room, "hello", "mine")
    for reader, seen in ((alice, "mine"), (phone, None), (bob, None)):
        views = [
            (await reader.sync()).joined(room).timeline[-1],
            await reader.event(room, said),
            (await reader.messages(room))["chunk"][0],
        ]
        assert [view["unsigned"].get("transaction_id") for view in views] == [seen] * 3
        assert texts(views) == ["hello"] * 3


async def test_redacting(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    await carol.join(room)
    by_alice, by_bob = await alice.say(room, "mine"), await bob.say(room, "yours")
    with refused(403, "M_FORBIDDEN"):
        await carol.redact(room, by_bob)
    with refused(403, "M_FORBIDDEN"):
        await bob.redact(room, by_alice)
    await bob.redact(room, by_bob, reason="slip")
    await alice.redact(room, by_alice)
    with refused(400, "M_INVALID_PARAM", "redacts"):
        await alice.redact(room, "$unknown")
    with refused(400, "M_INVALID_PARAM", "event_id"):
        await alice.redact(room, "unknown")
    redacted = await carol.event(room, by_bob)
    assert redacted["content"] == {}
    assert redacted["unsigned"]["redacted_because"]["content"]["reason"] == "slip"


@pytest.mark.parametrize("version", ["10", "11"])
async def test_trap_07_what_is_redacted_stands_in_both_places(home: Home, version: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room(room_version=version)
    said = await alice.say(room, "slip")
    redactions = [await alice.redact(room, said, redacts="$nonsense")]
    redactions.append(await alice.send(room, "m.room.redaction", {"redacts": redactions[0]}))
    for redaction, target in zip(redactions, [said, redactions[0]], strict=True):
        if redaction == redactions[0]:
            continue  # was itself redacted
        event = await alice.event(room, redaction)
        assert event["redacts"] == event["content"]["redacts"] == target


async def test_a_room_does_not_replace_itself(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    content = {"body": "gone", "replacement_room": room}
    for attempt in (alice.set_state(room, "m.room.tombstone", content), alice.send(room, "m.room.tombstone", content)):
        with refused(400, "M_INVALID_PARAM", "replacement_room"):
            await attempt
    await alice.set_state(room, "m.room.tombstone", {**content, "replacement_room": "!other:example.org"})


async def test_without_a_transaction_id_each_request_is_a_new_one(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room()
    content = {"msgtype": "m.text", "body": "hello"}
    said = [(await alice.in_room(room, "POST", "send/m.room.message", content))["event_id"] for _ in range(2)]
    assert said[0] != said[1]
    assert "transaction_id" not in (await alice.event(room, said[0]))["unsigned"]
    for _ in range(2):
        await alice.in_room(room, "POST", f"redact/{segment(said[0])}", {"reason": "twice"})
    assert (await alice.event(room, said[0]))["unsigned"]["redacted_because"]["content"]["reason"] == "twice"
    with refused(403, "M_FORBIDDEN"):
        await bob.in_room(room, "POST", "send/m.room.message", content)


async def test_a_redaction_by_send_names_its_target(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    for content in ({}, {"redacts": 5}):
        with refused(400, "M_BAD_JSON", "redacts"):
            await alice.send(room, "m.room.redaction", content)
    with refused(400, "M_INVALID_PARAM", "redacts"):
        await alice.send(room, "m.room.redaction", {"redacts": "$unknown"})


@pytest.mark.parametrize("path", ["send/m.room.message/1", "redact/$event/1", "state/m.room.name/"])
async def test_a_session_is_needed(home: Home, path: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    answer: Any = await home.server.ask("PUT", f"/v3/rooms/{room}/{path}", {})
    assert (answer.status, answer.body["errcode"]) == (401, "M_MISSING_TOKEN")
    answer = await home.server.ask("PUT", f"/v3/rooms/{room}/{path}", {}, by="oat_unknown")
    assert (answer.status, answer.body["errcode"]) == (401, "M_UNKNOWN_TOKEN")
