"""Plays with matrix-nio about rooms and who is in them: addresses, state, kicks and bans, knocking, upgrades."""

import asyncio

import nio
from nio.responses import RoomUpdateAliasResponse

from tests.clients.nio_person import Person
from tests.clients.nio_stage import another_device, granted, is_member, refused, share_a_room, two_people


async def test_bob_comes_in_by_the_address(server_url: str) -> None:
    """Alice gives her public room an address, Bob finds it and joins by it; when she takes it away nobody finds it."""
    async with two_people(server_url) as (alice, bob):
        room = await creates_public_room(alice)
        address = f"#{alice.name}:{alice.id.partition(':')[2]}"
        granted(await alice.client.room_put_alias(address, room), nio.RoomPutAliasResponse)
        found = granted(await bob.client.room_resolve_alias(address), nio.RoomResolveAliasResponse)
        assert (found.room_id, found.servers) == (room, [alice.id.partition(":")[2]])
        assert granted(await bob.client.join(address), nio.JoinResponse).room_id == room
        await alice.sees(lambda: is_member(alice, room, bob), "Bob come in")
        granted(await alice.client.room_delete_alias(address), nio.RoomDeleteAliasResponse)
        assert refused(await bob.client.room_resolve_alias(address)) == "M_NOT_FOUND"


async def test_an_address_is_given_once(server_url: str) -> None:
    """Who wants an address that is taken does not get it, and who did not give it cannot take it away."""
    async with two_people(server_url) as (alice, bob):
        address = f"#{alice.name}:{alice.id.partition(':')[2]}"
        granted(await alice.client.room_put_alias(address, await creates_public_room(alice)), nio.RoomPutAliasResponse)
        for answer, status in (
            (await bob.client.room_put_alias(address, await creates_public_room(bob)), 409),
            (await bob.client.room_delete_alias(address), 403),
        ):
            assert answer.transport_response.status == status  # matrix-nio itself takes any answer for good


async def test_everybody_sees_the_main_address(server_url: str) -> None:
    """Once the address is the room's canonical one, the clients call the room by it."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        address = f"#{alice.name}:{alice.id.partition(':')[2]}"
        answer = await alice.client.room_update_aliases(room, canonical_alias=address)
        granted(answer, RoomUpdateAliasResponse)
        await bob.sees(lambda: bob.client.rooms[room].canonical_alias == address, "the address")


async def test_the_topic_is_alices_to_set(server_url: str) -> None:
    """It reaches Bob, who can read it and all other state, but not set it."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        granted(await alice.client.update_room_topic(room, "Roses"), nio.RoomPutStateResponse)
        await bob.sees(lambda: bob.client.rooms[room].topic == "Roses", "the topic")
        topic = granted(await bob.client.room_get_state_event(room, "m.room.topic"), nio.RoomGetStateEventResponse)
        assert topic.content["topic"] == "Roses"
        state = granted(await bob.client.room_get_state(room), nio.RoomGetStateResponse)
        kinds = {event["type"] for event in state.events}
        assert kinds >= {"m.room.create", "m.room.member", "m.room.power_levels", "m.room.join_rules", "m.room.topic"}
        assert refused(await bob.client.update_room_topic(room, "Tulips")) == "M_FORBIDDEN"


async def test_bob_looks_up_who_is_there(server_url: str) -> None:
    """The members of a room, and the rooms one is a member of."""
    async with two_people(server_url) as (alice, bob):
        await alice.client.set_displayname("Alice Liddell")
        room = await share_a_room(alice, bob)
        answer = granted(await bob.client.joined_members(room), nio.JoinedMembersResponse)
        assert {member.user_id: member.display_name for member in answer.members} == {
            alice.id: "Alice Liddell",
            bob.id: bob.name,
        }
        assert granted(await bob.client.joined_rooms(), nio.JoinedRoomsResponse).rooms == [room]


async def test_bob_is_kicked_and_comes_back(server_url: str) -> None:
    """Both clients drop him; invited again, he joins again."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        assert refused(await bob.client.room_kick(room, alice.id)) == "M_FORBIDDEN"
        granted(await alice.client.room_kick(room, bob.id, "too loud"), nio.RoomKickResponse)
        await bob.sees(lambda: room in bob.left, "himself go")
        await alice.sees(lambda: not is_member(alice, room, bob), "Bob go")
        assert refused(await bob.client.join(room)) == "M_FORBIDDEN"
        await alice.invites(bob, room)
        await bob.sees(lambda: room in bob.client.invited_rooms, "the invitation")
        await bob.joins(room)
        await bob.says(room, "Here again")
        await alice.hears(room, bob, "Here again")


async def test_a_ban_holds_until_it_is_lifted(server_url: str) -> None:
    """A banned person cannot be invited; after the ban is lifted it is as if they had left."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        granted(await alice.client.room_ban(room, bob.id, "spam"), nio.RoomBanResponse)
        await bob.sees(lambda: room in bob.left, "himself go")
        assert refused(await alice.client.room_invite(room, bob.id)) == "M_FORBIDDEN"
        assert refused(await bob.client.join(room)) == "M_FORBIDDEN"
        granted(await alice.client.room_unban(room, bob.id), nio.RoomUnbanResponse)
        granted(await alice.client.room_invite(room, bob.id), nio.RoomInviteResponse)
        await bob.sees(lambda: room in bob.client.invited_rooms, "the invitation")
        await bob.joins(room)


async def test_bob_knocks_and_is_let_in(server_url: str) -> None:
    """Only where knocking is allowed; Alice sees his reason, and her invitation is the answer."""
    async with two_people(server_url) as (alice, bob):
        room = await alice.creates_room(name="The garden")
        assert refused(await bob.client.room_knock(room)) == "M_FORBIDDEN"
        granted(await alice.client.room_enable_knocking(room), nio.RoomPutStateResponse)
        granted(await bob.client.room_knock(room, "I smell roses"), nio.RoomKnockResponse)
        state = await alice.client.room_get_state_event(room, "m.room.member", bob.id)
        knock = granted(state, nio.RoomGetStateEventResponse).content
        assert (knock["membership"], knock["reason"]) == ("knock", "I smell roses")
        await alice.invites(bob, room)
        await bob.sees(lambda: room in bob.client.invited_rooms, "the invitation")
        await bob.joins(room)
        await alice.sees(lambda: is_member(alice, room, bob), "Bob come in")


async def test_bob_forgets_the_garden(server_url: str) -> None:
    """One has to leave first; then even the history that one has seen is out of reach."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        assert isinstance(await bob.client.room_forget(room), nio.RoomForgetError)
        await bob.leaves(room)
        await bob.pages_back(room, "", 5)
        granted(await bob.client.room_forget(room), nio.RoomForgetResponse)
        assert refused(await bob.client.room_messages(room, "", limit=5)) == "M_FORBIDDEN"


async def test_bob_looks_around_an_event(server_url: str) -> None:
    """The event with what was said before and after, and from there on in either direction."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        said = [await alice.says(room, f"line {number}") for number in range(9)]
        around = granted(await bob.client.room_context(room, said[4], limit=4), nio.RoomContextResponse)
        assert around.event.event_id == said[4]
        assert [event.event_id for event in around.events_before] == said[3:1:-1]
        assert [event.event_id for event in around.events_after] == said[5:7]
        earlier = await bob.pages_back(room, around.start, 2)
        assert [event.event_id for event in earlier.chunk] == said[1::-1]
        found = granted(await bob.client.room_get_event(room, said[0]), nio.RoomGetEventResponse)
        assert found.event.body == "line 0"


async def test_after_a_logout_everywhere_no_device_waits_any_longer(server_url: str) -> None:
    """The first device's sync, which has seconds to wait, is ended by what the second one does."""
    async with two_people(server_url) as (alice, _bob):
        async with another_device(alice) as other:
            await asyncio.sleep(0.2)  # her sync waits again
            granted(await other.client.logout(all_devices=True), nio.LogoutResponse)
        assert "M_UNKNOWN_TOKEN" in await alice.is_shown_out(within=2)


async def creates_public_room(person: Person) -> str:
    """A room that everybody may join."""
    answer = await person.client.room_create(name="The park", preset=nio.RoomPreset.public_chat)
    return str(granted(answer, nio.RoomCreateResponse).room_id)
