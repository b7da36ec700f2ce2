"""Redactions: gone everywhere where the event shows, and only where the redaction has a say."""

import json

import pytest

from tests.support.homeserver import Home, Json, User, refused

SECRET = "the secret"
FEDERATION = {"event_format": "federation"}


async def everywhere(user: User, room: str, event_id: str) -> list[Json]:
    """The event as each way shows it that leads to it."""
    found = [await user.event(room, event_id)]
    found += await user.history(room, "b", limit=100)
    found += (await user.whole_state(room)).values()
    for wanted in ({}, FEDERATION, {"event_fields": ["content", "event_id", "unsigned"]}):
        update = (await user.sync_anew(filter={"room": {"timeline": {"limit": 100}}, **wanted})).joined(room)
        found += update.timeline + update.state
        update = (await user.sync_anew(filter={"room": {"timeline": {"limit": 1}}, **wanted})).joined(room)
        found += update.timeline + update.state
    return found


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_a_redacted_message_is_gone_everywhere(either_home: Home, version: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", room_version=version)
    await bob.join(room)
    said = await alice.say(room, SECRET, more={"url": "mxc://example.org/secret"})
    await bob.sync()
    redaction = await alice.redact(room, said, reason="slip")
    update = (await bob.sync()).joined(room)
    assert update.types == ["m.room.redaction"]
    assert update.timeline[0]["redacts"] == update.timeline[0]["content"]["redacts"] == said
    views = await everywhere(bob, room, said)
    assert SECRET not in json.dumps(views)
    shown = [view for view in views if view["event_id"] == said]
    assert len(shown) >= 4
    for view in shown:
        assert view["content"] == {}
        if "auth_events" not in view:
            assert view["unsigned"]["redacted_because"]["event_id"] == redaction
    with_url = await bob.history(room, "b", filter={"contains_url": True})
    assert with_url == [], "a filter does not tell what was redacted"


async def test_redacted_state_is_gone_everywhere(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    topic = await alice.set_state(room, "m.room.topic", {"topic": SECRET})
    await alice.redact(room, topic)
    assert await bob.state(room, "m.room.topic") == {}
    assert SECRET not in json.dumps(await everywhere(bob, room, topic))
    await alice.set_state(room, "m.room.topic", {"topic": "new"})
    update = (await bob.sync_anew()).joined(room)
    assert SECRET not in json.dumps(update.body), "nor in prev_content"


async def test_a_redacted_power_level_event_counts_as_redacted(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat", room_version="11")
    await bob.join(room)
    levels = await alice.state(room, "m.room.power_levels")
    event = await alice.set_state(room, "m.room.power_levels", {**levels, "notifications": {"room": 1}})
    await alice.redact(room, event)
    assert "notifications" not in await alice.state(room, "m.room.power_levels")
    await alice.set_state(room, "m.room.name", {"name": "still in power"})


async def test_a_redacted_redaction_keeps_no_reason(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    said = await alice.say(room, "slip")
    redaction = await alice.redact(room, said, reason=SECRET)
    await alice.redact(room, redaction)
    assert SECRET not in json.dumps(await everywhere(alice, room, said))
    assert (await alice.event(room, said))["content"] == {}


async def test_trap_41_a_redaction_acts_in_its_own_room_only(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    said = await alice.say(room, "mine")
    own = await bob.create_room()
    for attempt in (bob.redact(own, said), bob.send(own, "m.room.redaction", {"redacts": said})):
        with refused(400, "M_INVALID_PARAM", "redacts"):
            await attempt
    assert (await bob.event(room, said))["content"]["body"] == "mine"


@pytest.mark.parametrize("version", ["10", "11"])
async def test_trap_41_a_state_event_of_that_type_redacts_nothing(home: Home, version: str) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(
        preset="public_chat", room_version=version, power_level_content_override={"state_default": 0}
    )
    await bob.join(room)
    said = await alice.say(room, "mine")
    await bob.set_state(room, "m.room.redaction", {"redacts": said})
    await bob.send(room, "org.example.redaction", {"redacts": said})
    assert (await bob.event(room, said))["content"]["body"] == "mine"


async def test_the_first_redaction_stays_the_reason(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    said = await alice.say(room, "slip")
    first = await alice.redact(room, said, reason="one")
    await alice.redact(room, said, reason="two")
    assert (await alice.event(room, said))["unsigned"]["redacted_because"]["event_id"] == first


async def test_what_has_left_cannot_be_redacted(home: Home) -> None:
    alice, bob = await home.users("alice", "bob")
    room = await alice.create_room(preset="public_chat")
    await bob.join(room)
    said = await bob.say(room, "hello")
    await bob.leave(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.redact(room, said)


async def test_an_invite_does_not_show_what_was_redacted_since(either_home: Home) -> None:
    alice, bob, carol = await either_home.users("alice", "bob", "carol")
    room = await alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    name = await alice.set_state(room, "m.room.name", {"name": SECRET})
    await alice.set_state(room, "m.room.topic", {"topic": "Tea"})
    await alice.invite(room, bob, reason=SECRET)
    await carol.knock(room)
    assert SECRET in json.dumps((await bob.sync()).invite(room))
    assert SECRET in json.dumps((await carol.sync()).knock(room))
    await alice.set_state(room, "m.room.topic", {"topic": "Later"})
    await alice.redact(room, name)
    invite = (await alice.whole_state(room))["m.room.member", bob.id]
    await alice.redact(room, invite["event_id"])
    for shown in ((await bob.sync_anew()).invite(room), (await carol.sync_anew()).knock(room)):
        assert shown is not None
        assert SECRET not in json.dumps(shown)
        by_type = {event["type"]: event for event in shown if event["type"] != "m.room.member"}
        assert by_type["m.room.name"]["content"] == {}
        assert by_type["m.room.topic"]["content"] == {"topic": "Tea"}, "as it was then"
        assert all(event.keys() == {"type", "state_key", "sender", "content"} for event in shown)
