"""Plays with matrix-nio about what people set for themselves: names, push rules, filters, marks."""

import nio
from nio import PushNotify, PushRulesEvent, PushSetTweak
from nio.api import PushRuleKind

from tests.clients.nio_person import Person
from tests.clients.nio_stage import another_device, granted, people, refused, share_a_room, two_people

FACE = "mxc://example.org/face"


async def test_alice_takes_another_name(server_url: str) -> None:
    """Her profile has it at once, and the rooms that she is in show it to the others."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        granted(await alice.client.set_displayname("Alice Liddell"), nio.ProfileSetDisplayNameResponse)
        granted(await alice.client.set_avatar(FACE), nio.ProfileSetAvatarResponse)
        profile = granted(await bob.client.get_profile(alice.id), nio.ProfileGetResponse)
        assert (profile.displayname, profile.avatar_url) == ("Alice Liddell", FACE)
        assert granted(await bob.client.get_avatar(alice.id), nio.ProfileGetAvatarResponse).avatar_url == FACE
        member = bob.client.rooms[room].users[alice.id]
        await bob.sees(lambda: (member.display_name, member.avatar_url) == ("Alice Liddell", FACE), "the new name")


async def test_nobody_else_has_no_profile(server_url: str) -> None:
    """Asking for the profile of somebody who does not exist says so."""
    async with two_people(server_url) as (alice, bob):
        stranger = alice.id.replace("@", "@nobody-")
        assert refused(await bob.client.get_profile(stranger)) == "M_NOT_FOUND"


async def test_alice_makes_a_rule_and_drops_it(server_url: str) -> None:
    """Each change of it reaches her client by its sync."""
    async with two_people(server_url) as (alice, bob):
        rules = remember_rules(alice)

        def hers() -> nio.events.account_data.PushRule | None:
            return next((rule for rule in rules[-1].global_rules.sender if rule.id == bob.id), None)

        client, rule = alice.client, ("global", PushRuleKind.sender, bob.id)
        granted(await client.set_pushrule(*rule, actions=[]), nio.SetPushRuleResponse)
        await alice.sees(lambda: (made := hers()) is not None and made.actions == [], "her rule")
        granted(await client.enable_pushrule(*rule, enable=False), nio.EnablePushRuleResponse)
        await alice.sees(lambda: (made := hers()) is not None and not made.enabled, "it switched off")
        granted(await client.set_pushrule_actions(*rule, [PushNotify()]), nio.SetPushRuleActionsResponse)
        await alice.sees(lambda: (made := hers()) is not None and len(made.actions) == 1, "its new actions")
        granted(await client.delete_pushrule(*rule), nio.DeletePushRuleResponse)
        await alice.sees(lambda: hers() is None, "it go")


async def test_a_keyword_of_alices_own_highlights(server_url: str) -> None:
    """What Bob says is counted by her rule until she drops it."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        rules = remember_rules(alice)
        loudly = [PushNotify(), PushSetTweak("highlight", True)]
        answer = await alice.client.set_pushrule("global", PushRuleKind.content, "tea", pattern="tea", actions=loudly)
        granted(answer, nio.SetPushRuleResponse)
        await alice.sees(lambda: "tea" in {rule.id for rule in rules[-1].global_rules.content}, "her rule")
        await bob.says(room, "It is always tea time")
        await alice.sees(lambda: alice.client.rooms[room].unread_highlights == 1, "the highlight")
        granted(await alice.client.delete_pushrule("global", PushRuleKind.content, "tea"), nio.DeletePushRuleResponse)
        await alice.sees(lambda: "tea" not in {rule.id for rule in rules[-1].global_rules.content}, "the rule go")
        await bob.says(room, "More tea?")
        await alice.sees(lambda: alice.client.rooms[room].unread_notifications == 2, "the second message")
        assert alice.client.rooms[room].unread_highlights == 1


async def test_alice_turns_bob_down_and_up_again(server_url: str) -> None:
    """A rule without actions keeps his messages out of the count; switched off, or given actions, it does not."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        await alice.goes_offline()
        client, rule = alice.client, ("global", PushRuleKind.sender, bob.id)
        granted(await client.set_pushrule(*rule, actions=[]), nio.SetPushRuleResponse)
        await bob.says(room, "not counted")
        assert await unread(alice, room) == 0
        granted(await client.enable_pushrule(*rule, enable=False), nio.EnablePushRuleResponse)
        await bob.says(room, "counted")
        assert await unread(alice, room) == 1
        granted(await client.enable_pushrule(*rule, enable=True), nio.EnablePushRuleResponse)
        await bob.says(room, "not counted either")
        assert await unread(alice, room) == 1
        granted(await client.set_pushrule_actions(*rule, [PushNotify()]), nio.SetPushRuleActionsResponse)
        await bob.says(room, "counted again")
        assert await unread(alice, room) == 2


async def test_a_rule_that_is_not_there_cannot_be_dropped(server_url: str) -> None:
    """And the server's own rules stay."""
    async with two_people(server_url) as (alice, _bob):
        for kind, rule, errcode in (
            (PushRuleKind.content, "tea", "M_NOT_FOUND"),
            (PushRuleKind.override, ".m.rule.master", "M_INVALID_PARAM"),
        ):
            assert refused(await alice.client.delete_pushrule("global", kind, rule)) == errcode


async def test_alice_marks_how_far_she_has_read(server_url: str) -> None:
    """One request sets the line in her timeline, which is hers, and the receipt, which everybody sees."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        first, second = await bob.says(room, "one"), await bob.says(room, "two")
        await alice.hears(room, bob, "two")
        granted(await alice.client.room_read_markers(room, first, read_event=second), nio.RoomReadMarkersResponse)
        await alice.sees(lambda: alice.client.rooms[room].fully_read_marker == first, "her own mark")
        await bob.sees(lambda: second in bob.knows_read(room, alice), "Alice's receipt")
        assert bob.client.rooms[room].fully_read_marker is None


async def test_alice_reads_in_private(server_url: str) -> None:
    """A private receipt empties her count and shows to nobody."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        said = await bob.says(room, "one")
        await alice.sees(lambda: alice.client.rooms[room].unread_notifications == 1, "an unread message")
        answer = await alice.client.room_read_markers(room, said, private_read_event=said)
        granted(answer, nio.RoomReadMarkersResponse)
        await alice.sees(lambda: alice.client.rooms[room].unread_notifications == 0, "nothing unread")
        await alice.says(room, "a sign")
        await bob.hears(room, alice, "a sign")
        assert said not in bob.knows_read(room, alice)


async def test_alice_stores_a_filter(server_url: str) -> None:
    """Its id works in /sync and does what the filter says."""
    async with two_people(server_url) as (alice, bob):
        room = await share_a_room(alice, bob)
        said = [await bob.says(room, text) for text in ("one", "two", "three")]
        only_talk = {"timeline": {"limit": 2, "types": ["m.room.message"]}, "state": {"types": []}}
        stored = granted(await alice.client.upload_filter(room=only_talk), nio.UploadFilterResponse)
        async with another_device(alice) as other:
            sync = granted(await other.client.sync(sync_filter=stored.filter_id), nio.SyncResponse)
        joined = sync.rooms.join[room]
        assert [event.event_id for event in joined.timeline.events] == said[1:]
        assert joined.state == []


async def test_only_who_speaks_is_introduced(server_url: str) -> None:
    """With lazy-loaded members a first sync names whose messages it brings; the others come when they are asked for."""
    async with people(server_url, "alice", "bob", "carol") as (alice, bob, carol):
        room = await share_a_room(alice, bob, carol)
        await alice.says(room, "Good morning")
        lazily = {"timeline": {"limit": 1}, "state": {"lazy_load_members": True}}
        async with another_device(bob) as other:
            await other.syncs(sync_filter={"room": lazily})
            assert alice.id in other.client.rooms[room].users
            assert carol.id not in other.client.rooms[room].users
            answer = granted(await other.client.joined_members(room), nio.JoinedMembersResponse)
            assert {member.user_id for member in answer.members} == {alice.id, bob.id, carol.id}
            assert carol.id in other.client.rooms[room].users


def remember_rules(person: Person) -> list[PushRulesEvent]:
    """The push rules that the person's syncs bring from now on, the newest last; empty ones stand for the beginning."""
    rules = [PushRulesEvent()]
    person.client.add_global_account_data_callback(rules.append, PushRulesEvent)
    return rules


async def unread(person: Person, room: str) -> int:
    """How many messages a sync by hand counts as unread."""
    await person.syncs(person.client.next_batch)
    return int(person.client.rooms[room].unread_notifications)
