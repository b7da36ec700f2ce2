"""Plays for two people who use matrix-nio.

Each play makes accounts of its own, so the order of the plays and what a server remembers do not matter.
"""

import nio
from nio.responses import RegisterInteractiveError

from tests.clients.nio_person import NO_STAGE_YET, Person
from tests.clients.nio_stage import share_a_room, two_people


async def test_a_name_is_taken_only_once(server_url: str) -> None:
    """Who wants a name that is taken learns it before the stages are asked for."""
    async with two_people(server_url) as (alice, _bob):
        copycat = nio.AsyncClient(server_url, alice.name)
        answer = await copycat.register_interactive(alice.name, "another password", NO_STAGE_YET)
        await copycat.close()
        assert isinstance(answer, RegisterInteractiveError)
        assert answer.status_code == "M_USER_IN_USE"


async def test_a_wrong_password_opens_nothing(server_url: str) -> None:
    """The login with a wrong password is forbidden, for people who exist as for those who do not."""
    async with two_people(server_url) as (alice, _bob):
        for name in (alice.name, "nobody-at-all"):
            stranger = nio.AsyncClient(server_url, name)
            answer = await stranger.login("guessed")
            await stranger.close()
            assert isinstance(answer, nio.LoginError)
            assert answer.status_code == "M_FORBIDDEN"


async def test_an_invitation_shows_who_and_where(server_url: str) -> None:
    """Alice makes a room and invites Bob afterwards; his client knows the room's name and who asked him."""
    async with two_people(server_url) as (alice, bob):
        room = await alice.creates_room(name="The garden")
        await alice.invites(bob, room)
        await bob.sees(lambda: room in bob.client.invited_rooms, "the invitation")
        invited = bob.client.invited_rooms[room]
        assert invited.name == "The garden"
        assert invited.inviter == alice.id


async def test_they_talk_both_ways(server_url: str) -> None:
    """Alice says, Bob hears and answers, Alice hears: all through the clients' own loops, in order, and once."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        await alice.says(room, "Good morning")
        await bob.hears(room, alice, "Good morning")
        await bob.says(room, "Good morning yourself")
        await alice.hears(room, bob, "Good morning yourself")
        for number in range(10):
            await alice.says(room, f"line {number}")
        await bob.hears(room, alice, "line 9")
        expected = ["Good morning", "Good morning yourself", *(f"line {number}" for number in range(10))]
        assert [text for _, _, text in bob.heard] == expected
        members = bob.client.rooms[room].users
        assert set(members) == {alice.id, bob.id}


async def test_what_was_said_in_other_alphabets_arrives(server_url: str) -> None:
    """Text comes out as it went in, whatever the script."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        for text in ("Grüße aus Köln", "こんにちは", "مرحبا", '🧑‍🌾 \u2028 \x7f / \\ "'):
            await alice.says(room, text)
            await bob.hears(room, alice, text)


async def test_bob_comes_back_and_reads_what_he_missed(server_url: str) -> None:
    """An incremental sync brings exactly what came since, the same token again the same, the next token nothing."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        since = await bob.goes_offline()
        sent = [await alice.says(room, f"while you were out {number}") for number in range(3)]
        first = await bob.syncs(since)
        assert [event.event_id for event in first.rooms.join[room].timeline.events] == sent
        assert not first.rooms.join[room].timeline.limited
        again = await bob.syncs(since)
        assert [event.event_id for event in again.rooms.join[room].timeline.events] == sent
        quiet = await bob.syncs(first.next_batch)
        assert room not in quiet.rooms.join


async def test_bob_pages_back_over_the_gap(server_url: str) -> None:
    """A timeline that is cut short says so, and paging back from it brings the rest down to the room's beginning."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        since = await bob.goes_offline()
        sent = [await alice.says(room, f"line {number}") for number in range(12)]
        sync = await bob.syncs(since, {"room": {"timeline": {"limit": 4}}})
        timeline = sync.rooms.join[room].timeline
        assert timeline.limited
        assert [event.event_id for event in timeline.events] == sent[8:]
        page = await bob.pages_back(room, timeline.prev_batch, 5)
        assert [event.event_id for event in page.chunk] == sent[7:2:-1]
        assert page.end is not None
        rest = await bob.pages_back(room, page.end, 100)
        ids = [event.event_id for event in rest.chunk]
        assert ids[:3] == sent[2::-1]
        assert isinstance(rest.chunk[-1], nio.RoomCreateEvent)
        assert rest.end is None or not (await bob.pages_back(room, rest.end, 100)).chunk


async def test_alice_takes_a_word_back(server_url: str) -> None:
    """Bob sees the redaction come in, and who reads the history finds the words gone."""
    async with two_people(server_url) as (alice, bob):
        redactions: list[nio.RedactionEvent] = []
        bob.client.add_event_callback(lambda _room, event: redactions.append(event), nio.RedactionEvent)
        room = await share_a_room(alice, bob)
        event = await alice.says(room, "I should not have said this")
        await bob.hears(room, alice, "I should not have said this")
        redaction = await alice.redacts(room, event, "second thoughts")
        await bob.sees(lambda: bool(redactions), "the redaction")
        assert redactions[0].redacts == event
        assert redactions[0].event_id == redaction
        assert redactions[0].reason == "second thoughts"
        page = await bob.pages_back(room, await bob.goes_offline(), 20)
        kept = next(each for each in page.chunk if each.event_id == event)
        assert isinstance(kept, nio.RedactedEvent)
        assert kept.redacter == alice.id
        assert kept.source["content"] == {}


async def test_bob_may_not_take_alices_words_back(server_url: str) -> None:
    """A member without the level cannot redact what others said."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        event = await alice.says(room, "This stands")
        answer = await bob.client.room_redact(room, event, "no")
        assert isinstance(answer, nio.RoomRedactError)
        assert answer.status_code == "M_FORBIDDEN"


async def test_they_see_each_other_type(server_url: str) -> None:
    """The typing notice shows, and goes when it is taken back."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        await alice.types(room)
        await bob.sees(lambda: bob.client.rooms[room].typing_users == [alice.id], "Alice type")
        await bob.types(room)
        await alice.sees(lambda: set(alice.client.rooms[room].typing_users) == {alice.id, bob.id}, "Bob type")
        await alice.types(room, typing=False)
        await bob.sees(lambda: bob.client.rooms[room].typing_users == [bob.id], "Alice stop typing")


async def test_they_see_each_other_read(server_url: str) -> None:
    """Bob marks Alice's message as read, and Alice sees it; then the other way round."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        question = await alice.says(room, "Have you seen this?")
        await bob.hears(room, alice, "Have you seen this?")
        await bob.reads(room, question)
        await alice.sees(lambda: question in alice.knows_read(room, bob), "Bob's receipt")
        answer = await bob.says(room, "I have")
        await alice.hears(room, bob, "I have")
        await alice.reads(room, answer)
        await bob.sees(lambda: answer in bob.knows_read(room, alice), "Alice's receipt")


async def test_reading_empties_the_unread_count(server_url: str) -> None:
    """Two unread messages are counted for Bob, none once he has read the last."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        since = await bob.goes_offline()
        await alice.says(room, "one")
        last = await alice.says(room, "two")
        sync = await bob.syncs(since)
        unread = sync.rooms.join[room].unread_notifications
        assert unread is not None
        assert unread.notification_count == 2
        await bob.reads(room, last)
        sync = await bob.syncs(sync.next_batch)
        unread = sync.rooms.join[room].unread_notifications
        assert unread is not None
        assert unread.notification_count == 0


async def test_bob_leaves_and_is_gone(server_url: str) -> None:
    """Both clients drop him, and what is said afterwards is not for him."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        await bob.leaves(room)
        await bob.sees(lambda: room in bob.left, "the room as left")
        await alice.sees(lambda: bob.id not in alice.client.rooms[room].users, "Bob go")
        since = await bob.goes_offline()
        await alice.says(room, "Now that he is gone")
        assert room not in (await bob.syncs(since)).rooms.join
        refused = await bob.client.room_send(room, "m.room.message", {"msgtype": "m.text", "body": "Still here"})
        assert isinstance(refused, nio.RoomSendError)
        assert refused.status_code == "M_FORBIDDEN"


async def test_bob_declines(server_url: str) -> None:
    """An invitation that is declined disappears, and without a new one he cannot join."""
    async with two_people(server_url) as (alice, bob):
        room = await alice.creates_room(name="The garden", invite=(bob.id,))
        await bob.sees(lambda: room in bob.client.invited_rooms, "the invitation")
        await bob.leaves(room)
        await bob.sees(lambda: room in bob.left, "the room as left")
        answer = await bob.client.join(room)
        assert isinstance(answer, nio.JoinError)
        assert answer.status_code == "M_FORBIDDEN"


async def test_after_the_logout_the_token_is_worth_nothing(server_url: str) -> None:
    """The token dies at once, while the client still waits in a sync; the other device stays in."""
    async with two_people(server_url) as (alice, _bob):
        other = Person(server_url, "other")
        other.name = other.client.user = alice.name
        await other.logs_in()
        token = alice.client.access_token
        answer = await alice.client.logout()
        assert isinstance(answer, nio.LogoutResponse)
        await alice.goes_offline()
        alice.client.access_token = token
        refused = await alice.client.whoami()
        assert isinstance(refused, nio.WhoamiError)
        assert refused.status_code == "M_UNKNOWN_TOKEN"
        assert await other.whoami() == other.id
        await other.leaves_the_stage()
