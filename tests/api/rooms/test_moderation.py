"""POST kick, ban, unban and knock: what they do, who may, and what is said to who may not."""

import pytest

from tests.support.homeserver import Home, User, refused

UNKNOWN = "!unknown:example.org"


async def table(home: Home) -> tuple[User, User, User, str]:
    """Alice has a public room, in which Bob and Carol are."""
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(preset="public_chat", name="Tea")
    await bob.join(room)
    await carol.join(room)
    return alice, bob, carol, room


async def test_a_kick_a_ban_and_its_end(either_home: Home) -> None:
    alice, bob, carol, room = await table(either_home)
    await alice.moderate(room, "kick", bob, reason="rude")
    assert await alice.state(room, "m.room.member", bob.id) == {"membership": "leave", "reason": "rude"}
    await bob.join(room)
    await alice.moderate(room, "ban", bob, reason="very rude")
    await alice.moderate(room, "ban", bob, reason="very rude")
    assert await alice.state(room, "m.room.member", bob.id) == {"membership": "ban", "reason": "very rude"}
    with refused(403, "M_FORBIDDEN"):
        await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await alice.invite(room, bob)
    await alice.moderate(room, "unban", bob, reason="time is over")
    assert await carol.state(room, "m.room.member", bob.id) == {"membership": "leave", "reason": "time is over"}
    await bob.join(room)


async def test_who_has_not_the_power(home: Home) -> None:
    alice, bob, carol, room = await table(home)
    for act in ("kick", "ban"):
        with refused(403, "M_FORBIDDEN", "power level"):
            await bob.moderate(room, act, carol)
        with refused(403, "M_FORBIDDEN"):
            await bob.moderate(room, act, alice)
    await alice.moderate(room, "ban", carol)
    with refused(403, "M_FORBIDDEN"):
        await bob.moderate(room, "unban", carol)


async def test_what_does_not_fit(home: Home) -> None:
    alice, bob, _, room = await table(home)
    dave = await home.user("dave")
    with refused(403, "M_FORBIDDEN", "user_id"):
        await alice.moderate(room, "kick", dave)
    with refused(403, "M_BAD_STATE", "user_id"):
        await alice.moderate(room, "unban", dave)
    with refused(403, "M_BAD_STATE", "user_id"):
        await alice.moderate(room, "unban", bob)
    await alice.moderate(room, "ban", dave)
    with refused(403, "M_FORBIDDEN", "user_id"):
        await alice.moderate(room, "kick", dave)
    assert (await alice.members(room))[dave.id] == "ban"


async def test_an_outsider_learns_nothing_of_who_is_there(home: Home) -> None:
    alice, bob, carol, room = await table(home)
    mallory = await home.user("mallory")
    await alice.moderate(room, "ban", carol)
    answers = set()
    for act in ("kick", "unban", "ban"):
        for user in (bob, carol, mallory):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - compared below
                await mallory.moderate(room, act, user)
            answers.add((act, str(caught.value)))
    assert len(answers) == 3


@pytest.mark.parametrize(
    ("body", "status", "errcode"),
    [
        ({}, 400, "M_BAD_JSON"),
        ({"user_id": 7}, 400, "M_BAD_JSON"),
        ({"user_id": "bob"}, 400, "M_INVALID_PARAM"),
        ({"user_id": "@bob:example.org", "reason": 5}, 400, "M_BAD_JSON"),
    ],
)
@pytest.mark.parametrize("act", ["kick", "ban", "unban"])
async def test_bodies_that_name_nobody(home: Home, act: str, body: object, status: int, errcode: str) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    with refused(status, errcode):
        await alice.in_room(room, "POST", act, body)
    with refused(404, "M_NOT_FOUND"):
        await alice.moderate(UNKNOWN, act, alice)


async def test_strangers_can_be_banned_beforehand(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    await alice.in_room(room, "POST", "ban", {"user_id": "@spam:elsewhere.example"})
    assert (await alice.members(room))["@spam:elsewhere.example"] == "ban"


@pytest.mark.parametrize("version", ["7", "10", "12"])
async def test_knocking(either_home: Home, version: str) -> None:
    alice, bob = await either_home.users("alice", "bob")
    room = await alice.create_room(room_version=version, room_alias_name="tea", name="Tea")
    with refused(403, "M_FORBIDDEN", "join rule"):
        await bob.knock(room)
    await alice.set_state(room, "m.room.join_rules", {"join_rule": "knock"})
    assert await bob.knock("#tea:example.org", reason="please") == room
    assert await bob.knock(room, reason="please") == room
    content = await alice.state(room, "m.room.member", bob.id)
    assert content == {"membership": "knock", "displayname": "bob", "reason": "please"}
    shown = (await bob.sync()).knock(room)
    assert shown is not None
    assert {"m.room.name", "m.room.create", "m.room.member"} <= {event["type"] for event in shown}
    await alice.invite(room, bob)
    with refused(403, "M_FORBIDDEN"):
        await bob.knock(room)
    await bob.join(room)
    with refused(403, "M_FORBIDDEN"):
        await bob.knock(room)


async def test_a_knock_taken_back_and_a_knock_refused(home: Home) -> None:
    alice, bob, carol = await home.users("alice", "bob", "carol")
    room = await alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    for user in (bob, carol):
        await user.knock(room)
        assert (await user.sync()).sections(room) == ["knock"]
    await bob.leave(room, reason="never mind")
    assert await alice.state(room, "m.room.member", bob.id) == {"membership": "leave", "reason": "never mind"}
    await alice.moderate(room, "kick", carol, reason="full")
    for user in (bob, carol):
        update = await user.sync()
        assert update.sections(room) == ["leave"]
        assert update.left(room).types == ["m.room.member"]
        with refused(403, "M_FORBIDDEN"):
            await user.whole_state(room)
    await bob.knock(room)
    await alice.moderate(room, "ban", bob)
    with refused(403, "M_FORBIDDEN"):
        await bob.knock(room)


async def test_knocks_that_lead_nowhere(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room = await alice.create_room(room_version="6")
    await alice.set_state(room, "m.room.join_rules", {"join_rule": "knock"})
    bob = await home.user("bob")
    with refused(403, "M_FORBIDDEN"):
        await bob.knock(room)
    with refused(404, "M_NOT_FOUND"):
        await bob.knock(UNKNOWN)
    with refused(404, "M_NOT_FOUND"):
        await bob.knock("#nowhere:example.org")
    with refused(400, "M_INVALID_PARAM"):
        await bob.knock("tea")
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN"):
        await guest.knock(room)


async def test_an_invite_by_mail_is_refused_clearly(home: Home) -> None:
    alice = await home.user("alice")
    room = await alice.create_room()
    for body in ({"id_server": "id.example", "medium": "email", "address": "a@example.org"}, {"medium": "email"}):
        with refused(403, "M_FORBIDDEN", "identity server"):
            await alice.in_room(room, "POST", "invite", body)


async def test_joined_members(either_home: Home) -> None:
    alice, bob, carol, room = await table(either_home)
    await bob.set_member(room, bob, "join", displayname="Bobby", avatar_url="mxc://example.org/bob")
    await carol.leave(room)
    found = await alice.in_room(room, "GET", "joined_members")
    assert found == {
        "joined": {
            alice.id: {"display_name": "alice"},
            bob.id: {"display_name": "Bobby", "avatar_url": "mxc://example.org/bob"},
        }
    }
    dave = await either_home.user("dave")
    for outsider in (carol, dave):
        with refused(403, "M_FORBIDDEN"):
            await outsider.in_room(room, "GET", "joined_members")
    with refused(403, "M_FORBIDDEN"):
        await alice.in_room(UNKNOWN, "GET", "joined_members")
