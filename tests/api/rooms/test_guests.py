"""Guests: what they may do, and where. Client-server API, "Guest Access"."""

from tests.support.homeserver import Home, eventually, refused


async def test_guests_enter_only_where_they_are_welcome(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room = await alice.create_room(preset="public_chat")
    for enter in (guest.join, lambda room: guest.in_room(room, "POST", "join")):
        with refused(403, "M_GUEST_ACCESS_FORBIDDEN"):
            await enter(room)
    with refused(403, "M_GUEST_ACCESS_FORBIDDEN"):
        await guest.set_member(room, guest, "join")
    await alice.set_state(room, "m.room.guest_access", {"guest_access": "can_join"})
    await guest.join(room)
    assert (await alice.members(room))[guest.id] == "join"


async def test_what_guests_may_do_in_a_room(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room = await alice.create_room(invite=[guest.id], power_level_content_override={"state_default": 0})
    await guest.join(room)
    said = await guest.say(room, "hello")
    await guest.send(room, "org.example.wave", {})
    await guest.set_state(room, "org.example.chair", {"taken": True})
    assert (await guest.event(room, said))["content"]["body"] == "hello"
    assert (await guest.whole_state(room))["org.example.chair", ""]["sender"] == guest.id
    assert (await guest.members(room))[guest.id] == "join"
    assert (await guest.messages(room))["chunk"]
    assert (await guest.sync()).joined(room).texts == ["hello"]
    await guest.leave(room)


async def test_what_is_closed_to_guests(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room = await alice.create_room(invite=[guest.id])
    await guest.join(room)
    said = await guest.say(room, "hello")
    for attempt in (
        guest.create_room(),
        guest.invite(room, alice),
        guest.type(room),
        guest.receipt(room, said),
        guest.redact(room, said),
        guest.request("GET", "/v3/joined_rooms"),
        guest.request("GET", "/v3/pushrules/"),
    ):
        with refused(403, "M_GUEST_ACCESS_FORBIDDEN"):
            await attempt


async def test_guests_must_go_when_they_are_welcome_no_longer(home: Home) -> None:
    alice, bob, guest = await home.user("alice"), await home.user("bob"), await home.guest()
    room = await alice.create_room(invite=[guest.id, bob.id])
    await guest.join(room)
    await bob.join(room)
    await guest.sync()
    await alice.set_state(room, "m.room.guest_access", {"guest_access": "forbidden"})

    async def guest_is_gone() -> bool:
        return await alice.members(room) == {alice.id: "join", bob.id: "join", guest.id: "leave"}

    await eventually(guest_is_gone)
    assert (await guest.sync()).sections(room) == ["leave"]


async def test_guests_must_go_though_the_server_stops_at_once(either_home: Home) -> None:
    alice, guest = await either_home.user("alice"), await either_home.guest()
    room = await alice.create_room(invite=[guest.id])
    await guest.join(room)
    await alice.set_state(room, "m.room.guest_access", {"guest_access": "forbidden"})
    await either_home.restart(alice)

    async def guest_is_gone() -> bool:
        return (await alice.members(room))[guest.id] == "leave"

    await eventually(guest_is_gone)


async def test_guests_stay_where_they_are_welcome_again(home: Home) -> None:
    alice, guest = await home.user("alice"), await home.guest()
    room = await alice.create_room(invite=[guest.id])
    await guest.join(room)
    await alice.set_state(room, "m.room.guest_access", {"guest_access": "can_join", "org.example.note": 1})
    await guest.say(room, "still here")
    assert (await alice.members(room))[guest.id] == "join"
